//! How an encoder with settings of its own is to encode.

use std::str::FromStr;
use std::time::Duration;

use audiox_core::ConfigError;

use super::query::{Query, decimal};

/// Settings of a compressing encoder, where they are not to be its usual ones. PCM has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EncodingOptions {
    /// Bits a second, all channels together.
    pub bitrate: Option<u32>,
    /// What for.
    pub purpose: Option<Purpose>,
    /// Work put into quality, 0 to 10.
    pub complexity: Option<u8>,
    /// Whether silence is left out.
    pub dtx: Option<bool>,
    /// How far back each packet's copy of the past reaches.
    pub history: Option<Duration>,
}

/// What an encoder is tuned for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Speech that is to be understood.
    Voip,
    /// Any sound, as it is.
    Audio,
    /// The least delay.
    LowDelay,
}

impl EncodingOptions {
    /// The URL keys.
    pub(super) const KEYS: &[&str] = &["bitrate", "application", "complexity", "dtx", "history"];

    pub(super) fn from_query(q: &mut Query) -> Result<Self, ConfigError> {
        Ok(Self {
            bitrate: q.parsed::<Bits>("bitrate")?.map(|bits| bits.0),
            purpose: q.parsed("application")?,
            complexity: q.number("complexity", 0, 10)?.map(|n| n as u8),
            dtx: q.switch("dtx")?,
            history: q.duration("history")?,
        })
    }

    /// What `self` leaves open is as `other` has it.
    pub fn or(self, other: Self) -> Self {
        Self {
            bitrate: self.bitrate.or(other.bitrate),
            purpose: self.purpose.or(other.purpose),
            complexity: self.complexity.or(other.complexity),
            dtx: self.dtx.or(other.dtx),
            history: self.history.or(other.history),
        }
    }
}

impl FromStr for Purpose {
    type Err = ConfigError;

    fn from_str(s: &str) -> Result<Self, ConfigError> {
        match s.to_ascii_lowercase().as_str() {
            "voip" => Ok(Self::Voip),
            "audio" => Ok(Self::Audio),
            "lowdelay" => Ok(Self::LowDelay),
            _ => Err(ConfigError::new(
                "application",
                format_args!("'{s}'"),
                "voip, audio or lowdelay",
            )),
        }
    }
}

/// A bitrate: `64000` or `64k` bits a second.
///
/// # Errors
/// Not a number, zero, or above 4 Gbit/s.
pub fn parse_bitrate(s: &str) -> Result<u32, ConfigError> {
    s.parse::<Bits>().map(|bits| bits.0)
}

struct Bits(u32);

impl FromStr for Bits {
    type Err = ConfigError;

    fn from_str(s: &str) -> Result<Self, ConfigError> {
        let (number, unit) = match s.strip_suffix(['k', 'K']) {
            Some(number) => (number, 1_000),
            None => (s, 1),
        };
        decimal(number, unit)
            .and_then(|n| u32::try_from(n).ok())
            .filter(|n| *n > 0)
            .map(Self)
            .ok_or_else(|| {
                let allowed = "bits a second, as in 64k or 64000";
                ConfigError::new("bitrate", format_args!("'{s}'"), allowed)
            })
    }
}

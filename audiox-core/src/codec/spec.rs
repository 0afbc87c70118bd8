use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use crate::error::ConfigError;
use crate::format::{Channels, SampleRate, StreamFormat};

/// An encoding's name as in SDP's `a=rtpmap`; compared without regard to case (RFC 4855
/// section 3).
#[derive(Debug, Clone)]
pub struct EncodingName(Cow<'static, str>);

impl EncodingName {
    /// Unsigned 8-bit PCM, silence at 128 (RFC 3551 section 4.5.10).
    pub const L8: Self = Self(Cow::Borrowed("L8"));
    /// Signed 16-bit big-endian PCM (RFC 3551 section 4.5.11).
    pub const L16: Self = Self(Cow::Borrowed("L16"));
    /// Signed 24-bit big-endian PCM (RFC 3190 section 4).
    pub const L24: Self = Self(Cow::Borrowed("L24"));
    /// Signed 32-bit big-endian PCM. Not registered, but used in the field.
    pub const L32: Self = Self(Cow::Borrowed("L32"));
    /// 32-bit float big-endian PCM. Not registered and known to audiox alone.
    pub const F32: Self = Self(Cow::Borrowed("F32"));
    /// G.711 µ-law (RFC 3551 section 4.5.14).
    pub const PCMU: Self = Self(Cow::Borrowed("PCMU"));
    /// G.711 A-law (RFC 3551 section 4.5.14).
    pub const PCMA: Self = Self(Cow::Borrowed("PCMA"));
    /// Opus of one or two channels (RFC 7587).
    pub const OPUS: Self = Self(Cow::Borrowed("opus"));
    /// Opus of any number of channels, as WebRTC names it. Not registered.
    pub const MULTIOPUS: Self = Self(Cow::Borrowed("multiopus"));

    /// Packets that carry the ones before them again (RFC 2198).
    pub const RED: Self = Self(Cow::Borrowed("red"));
    /// Packets that are sent again (RFC 4588).
    pub const RTX: Self = Self(Cow::Borrowed("rtx"));
    /// Repair packets of a sliding window ([`fec::window`](crate::fec::window)). Not registered.
    pub const WINDOW_FEC: Self = Self(Cow::Borrowed("x-audiox-window-fec"));

    /// A name from its text.
    ///
    /// # Errors
    /// Empty, longer than 64 bytes, or not a token of SDP (RFC 8866 section 9).
    pub fn new(name: impl Into<Cow<'static, str>>) -> Result<Self, ConfigError> {
        let name = name.into();
        if (1..=MAX_LEN).contains(&name.len()) && name.bytes().all(is_token) {
            Ok(Self(name))
        } else {
            Err(ConfigError::new(
                "encoding",
                format_args!("{name:?}"),
                "a name is 1 to 64 letters, digits, hyphens or dots, as in L16",
            ))
        }
    }

    /// The name as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PartialEq for EncodingName {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for EncodingName {}

impl Hash for EncodingName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for b in self.0.bytes() {
            state.write_u8(b.to_ascii_lowercase());
        }
        state.write_u8(0xff);
    }
}

impl fmt::Display for EncodingName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for EncodingName {
    type Err = ConfigError;

    fn from_str(s: &str) -> Result<Self, ConfigError> {
        Self::new(s.to_owned())
    }
}

/// What a payload type stands for: an encoding with its rate and channels.
///
/// Written as in SDP's `a=rtpmap`, `L16/48000/2`; one channel may be left out when read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CodecSpec {
    /// The encoding.
    pub encoding: EncodingName,
    /// The rate of the RTP clock; for PCM the sample rate.
    pub rate: SampleRate,
    /// Samples per frame.
    pub channels: Channels,
}

impl CodecSpec {
    /// A spec from its parts.
    pub const fn new(encoding: EncodingName, format: StreamFormat) -> Self {
        Self {
            encoding,
            rate: format.rate,
            channels: format.channels,
        }
    }

    /// Rate and channels.
    pub const fn format(&self) -> StreamFormat {
        StreamFormat::new(self.rate, self.channels)
    }
}

impl fmt::Display for CodecSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = self.rate.get();
        write!(f, "{}/{rate}/{}", self.encoding, self.channels)
    }
}

impl FromStr for CodecSpec {
    type Err = ConfigError;

    fn from_str(s: &str) -> Result<Self, ConfigError> {
        let malformed = || ConfigError::new("codec", s, "write NAME/RATE/CHANNELS, as L16/48000/2");
        let mut parts = s.split('/');
        let encoding = parts.next().unwrap_or_default().parse()?;
        let rate = parts.next().ok_or_else(malformed)?;
        let rate = rate.parse().map_err(|_| malformed())?;
        let channels = parts.next().unwrap_or("1");
        let channels = channels.parse().map_err(|_| malformed())?;
        if parts.next().is_some() {
            return Err(malformed());
        }
        Ok(Self {
            encoding,
            rate: SampleRate::new(rate)?,
            channels: Channels::new(channels)?,
        })
    }
}

/// `token-char` of RFC 8866 section 9.
const fn is_token(b: u8) -> bool {
    matches!(b, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'0'..=b'9' | b'A'..=b'Z' | b'^'..=b'~')
}

const MAX_LEN: usize = 64;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_compare_without_case_and_print_as_given() {
        let name: EncodingName = "pcmU".parse().unwrap();
        assert_eq!(name, EncodingName::PCMU);
        assert_eq!(name.to_string(), "pcmU");
        assert!(HashSet::from([EncodingName::PCMU]).contains(&name));
        assert_ne!(EncodingName::L16, EncodingName::L24);
    }

    #[test]
    fn specs_print_as_rtpmap_and_parse_back() {
        let spec: CodecSpec = "L16/48000/2".parse().unwrap();
        assert_eq!(spec.format().to_string(), "48000 Hz, 2 ch");
        assert_eq!(spec.to_string(), "L16/48000/2");
        let mono: CodecSpec = "pcma/8000".parse().unwrap();
        assert_eq!(mono.to_string(), "pcma/8000/1");
        assert_eq!(mono, "PCMA/8000/1".parse().unwrap());
    }

    #[test]
    fn what_is_no_spec_is_refused_by_field() {
        let field = |s: &str| s.parse::<CodecSpec>().unwrap_err().field;
        assert_eq!(field(""), "encoding");
        assert_eq!(field("L 16/48000/2"), "encoding");
        assert_eq!(field(&format!("{}/8000/1", "x".repeat(65))), "encoding");
        assert_eq!(field("L16"), "codec");
        assert_eq!(field("L16/fast/2"), "codec");
        assert_eq!(field("L16/48000/2/1"), "codec");
        assert_eq!(field("L16/48000/"), "codec");
        assert_eq!(field("L16/0/2"), "rate");
        assert_eq!(field("L16/48000/0"), "channels");
    }
}

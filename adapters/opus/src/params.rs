use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use audiox_core::error::ConfigError;
use audiox_core::format::{Channels, SampleRate, StreamFormat};

use crate::config::{InbandFec, OpusConfig, RateControl};
use crate::layout::Layout;
use crate::packet::Bandwidth;

/// The parameters of Opus in SDP's `a=fmtp` (RFC 7587 section 6.1), and of `multiopus` as WebRTC
/// writes them.
///
/// Those without `sprop` say what whoever wrote the description wants to receive, those with it
/// what they send. Of a description that only announces a stream, all of them say how the stream
/// is (section 7.2).
///
/// Read is `name=value` between semicolons, in any order and case; parameters that are not
/// known are passed over, as section 7.1 wants it. Written is what differs from the defaults, in
/// the order below.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpusParams {
    /// `maxplaybackrate`: nothing above is heard. Default: full.
    pub max_playback: Bandwidth,
    /// `sprop-maxcapturerate`: nothing above is sent. Default: full.
    pub max_capture: Bandwidth,
    /// `maxaveragebitrate`, bits a second, 6 000 to 510 000; others are ignored. Default: none.
    pub max_average_bitrate: Option<u32>,
    /// `stereo`: stereo is preferred to mono. Default: no.
    pub stereo: bool,
    /// `sprop-stereo`: stereo is likely to be sent. Default: no.
    pub sprop_stereo: bool,
    /// `cbr`: a constant bitrate is wanted. Default: no.
    pub cbr: bool,
    /// `useinbandfec`: in-band error correction is of use. Default: no.
    pub in_band_fec: bool,
    /// `usedtx`: silence may be left out. Default: no.
    pub dtx: bool,
    /// `num_streams`, `coupled_streams` and `channel_mapping` of `multiopus`. Default: none.
    pub layout: Option<Layout>,
    /// `ptime`. Read only: in SDP it is an attribute of its own.
    pub ptime: Option<Duration>,
    /// `maxptime`, up to 120 ms. Read only, as `ptime`.
    pub max_ptime: Option<Duration>,
}

impl Default for OpusParams {
    /// What holds where nothing is said.
    fn default() -> Self {
        Self {
            max_playback: Bandwidth::Fullband,
            max_capture: Bandwidth::Fullband,
            max_average_bitrate: None,
            stereo: false,
            sprop_stereo: false,
            cbr: false,
            in_band_fec: false,
            dtx: false,
            layout: None,
            ptime: None,
            max_ptime: None,
        }
    }
}

impl OpusParams {
    /// What to announce of streams of `format` sent with `config`.
    ///
    /// # Errors
    /// As [`OpusConfig::layout_for`].
    pub fn describing(config: &OpusConfig, format: StreamFormat) -> Result<Self, ConfigError> {
        let layout = config.layout_for(format)?;
        let stereo = format.channels == Channels::STEREO;
        Ok(Self {
            max_capture: config.max_bandwidth.min(Bandwidth::of_rate(format.rate)),
            stereo,
            sprop_stereo: stereo,
            cbr: config.rate_control == RateControl::Constant,
            in_band_fec: config.fec != InbandFec::Off,
            dtx: config.dtx,
            layout: Some(layout),
            ..Self::default()
        })
    }

    /// Makes `config` that of an encoder for a receiver that asked for this.
    pub fn apply_to(&self, config: &mut OpusConfig) {
        config.max_bandwidth = config.max_bandwidth.min(self.max_playback);
        if let Some(most) = self.max_average_bitrate {
            config.max_bitrate = Some(config.max_bitrate.map_or(most, |m| m.min(most)));
        }
        if self.cbr {
            config.rate_control = RateControl::Constant;
        }
        if !self.in_band_fec {
            config.fec = InbandFec::Off;
        }
        config.dtx &= self.dtx;
        if let Some(layout) = &self.layout {
            config.layout = Some(layout.clone());
        }
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), ConfigError> {
        match name {
            "maxplaybackrate" => self.max_playback = bandwidth("maxplaybackrate", value)?,
            "sprop-maxcapturerate" => {
                self.max_capture = bandwidth("sprop-maxcapturerate", value)?;
            }
            "maxaveragebitrate" => {
                let bits = number("maxaveragebitrate", value)?;
                self.max_average_bitrate = Some(bits).filter(|b| BITRATES.contains(b));
            }
            "stereo" => self.stereo = flag("stereo", value)?,
            "sprop-stereo" => self.sprop_stereo = flag("sprop-stereo", value)?,
            "cbr" => self.cbr = flag("cbr", value)?,
            "useinbandfec" => self.in_band_fec = flag("useinbandfec", value)?,
            "usedtx" => self.dtx = flag("usedtx", value)?,
            "ptime" => self.ptime = Some(milliseconds("ptime", value)?),
            "maxptime" => self.max_ptime = Some(milliseconds("maxptime", value)?),
            _ => {}
        }
        Ok(())
    }
}

impl FromStr for OpusParams {
    type Err = ConfigError;

    fn from_str(s: &str) -> Result<Self, ConfigError> {
        let mut params = Self::default();
        let (mut streams, mut coupled, mut mapping) = (None, None, None);
        for part in s.split(';') {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
            match name.as_str() {
                "num_streams" => streams = Some(byte("num_streams", value)?),
                "coupled_streams" => coupled = Some(byte("coupled_streams", value)?),
                "channel_mapping" => mapping = Some(places(value)?),
                name => params.set(name, value)?,
            }
        }
        if streams.is_some() || coupled.is_some() || mapping.is_some() {
            let missing = |field| {
                ConfigError::new(
                    field,
                    "none",
                    "multiopus needs all three: num_streams, coupled_streams and channel_mapping",
                )
            };
            params.layout = Some(Layout::new(
                streams.ok_or_else(|| missing("num_streams"))?,
                coupled.ok_or_else(|| missing("coupled_streams"))?,
                mapping.ok_or_else(|| missing("channel_mapping"))?,
            )?);
        }
        Ok(params)
    }
}

impl fmt::Display for OpusParams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        let mut put = |name: &str, value: &dyn fmt::Display| {
            let between = if std::mem::take(&mut first) { "" } else { "; " };
            write!(f, "{between}{name}={value}")
        };
        for (name, bandwidth) in [
            ("maxplaybackrate", self.max_playback),
            ("sprop-maxcapturerate", self.max_capture),
        ] {
            if bandwidth != Bandwidth::Fullband {
                put(name, &bandwidth.rate())?;
            }
        }
        if let Some(bits) = self.max_average_bitrate {
            put("maxaveragebitrate", &bits)?;
        }
        for (name, on) in [
            ("stereo", self.stereo),
            ("sprop-stereo", self.sprop_stereo),
            ("cbr", self.cbr),
            ("useinbandfec", self.in_band_fec),
            ("usedtx", self.dtx),
        ] {
            if on {
                put(name, &1)?;
            }
        }
        if let Some(layout) = &self.layout {
            put("num_streams", &layout.streams())?;
            put("coupled_streams", &layout.coupled())?;
            let places: Vec<_> = layout.mapping().iter().map(u8::to_string).collect();
            put("channel_mapping", &places.join(","))?;
        }
        Ok(())
    }
}

fn number(field: &'static str, value: &str) -> Result<u32, ConfigError> {
    let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
    let number = if digits { value.parse().ok() } else { None };
    number.ok_or_else(|| ConfigError::new(field, value, "a whole number"))
}

fn byte(field: &'static str, value: &str) -> Result<u8, ConfigError> {
    let n = number(field, value)?;
    u8::try_from(n).map_err(|_| ConfigError::new(field, value, "at most 255"))
}

fn flag(field: &'static str, value: &str) -> Result<bool, ConfigError> {
    match value {
        "0" => Ok(false),
        "1" => Ok(true),
        _ => Err(ConfigError::new(field, value, "0 or 1")),
    }
}

fn bandwidth(field: &'static str, value: &str) -> Result<Bandwidth, ConfigError> {
    // Other rates than Opus' are allowed (section 6.1), and higher ones are met.
    let rate = SampleRate::new(number(field, value)?.min(48_000));
    let rate = rate.map_err(|_| ConfigError::new(field, value, "a rate in Hz"))?;
    Ok(Bandwidth::of_rate(rate))
}

fn milliseconds(field: &'static str, value: &str) -> Result<Duration, ConfigError> {
    let ms = number(field, value)?;
    if (1..=120).contains(&ms) {
        // Section 6.1 rounds 2.5 ms up.
        let tenths = if ms == 3 { 25 } else { u64::from(ms) * 10 };
        Ok(Duration::from_micros(tenths * 100))
    } else {
        Err(ConfigError::new(field, value, "1 to 120 ms"))
    }
}

fn places(value: &str) -> Result<Vec<u8>, ConfigError> {
    let places = value.split(',').take(MAX_PLACES + 1);
    places.map(|p| byte("channel_mapping", p.trim())).collect()
}

/// Section 6.1, `maxaveragebitrate`.
const BITRATES: std::ops::RangeInclusive<u32> = 6_000..=510_000;
/// One more and the layout refuses them.
const MAX_PLACES: usize = 255;

#[cfg(test)]
mod tests;

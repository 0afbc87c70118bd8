//! Rates, channel counts and sample formats.

use std::fmt;
use std::num::{NonZeroU16, NonZeroU32};
use std::str::FromStr;
use std::time::Duration;

use crate::error::ConfigError;

/// Frames per second of a clock, nominally; 1 to 768 000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SampleRate(NonZeroU32);

impl SampleRate {
    /// 8 kHz, telephony.
    pub const HZ_8000: Self = Self(NonZeroU32::new(8_000).expect("not zero"));
    /// 16 kHz, wideband speech.
    pub const HZ_16000: Self = Self(NonZeroU32::new(16_000).expect("not zero"));
    /// 44.1 kHz, CD.
    pub const HZ_44100: Self = Self(NonZeroU32::new(44_100).expect("not zero"));
    /// 48 kHz, professional audio and Opus.
    pub const HZ_48000: Self = Self(NonZeroU32::new(48_000).expect("not zero"));

    /// A rate in Hz.
    ///
    /// # Errors
    /// Zero, or above 768 000.
    pub fn new(hz: u32) -> Result<Self, ConfigError> {
        match NonZeroU32::new(hz) {
            Some(n) if hz <= MAX_RATE => Ok(Self(n)),
            _ => Err(ConfigError::new(
                "rate",
                hz,
                "a sample rate is 1 to 768000 Hz",
            )),
        }
    }

    /// The rate in Hz.
    pub const fn get(self) -> u32 {
        self.0.get()
    }

    /// Whole frames in `d`, rounded down.
    pub const fn frames_in(self, d: Duration) -> u64 {
        (d.as_nanos() * self.get() as u128 / NANOS as u128) as u64
    }

    /// Frames in a signed span of nanoseconds, to the nearest frame.
    pub const fn frames_in_nanos(self, nanos: i64) -> i64 {
        (nanos as i128 * self.get() as i128 + NANOS as i128 / 2).div_euclid(NANOS as i128) as i64
    }

    /// The time that `frames` take, rounded down to the nanosecond.
    pub const fn duration_of(self, frames: u64) -> Duration {
        let n = frames as u128 * NANOS as u128 / self.get() as u128;
        Duration::from_nanos(if n > u64::MAX as u128 {
            u64::MAX
        } else {
            n as u64
        })
    }

    /// The signed nanoseconds that `frames` take, to the nearest; saturating.
    pub const fn nanos_of(self, frames: i64) -> i64 {
        let hz = self.get() as i128;
        let n = (frames as i128 * NANOS as i128 + hz / 2).div_euclid(hz);
        if n > i64::MAX as i128 {
            i64::MAX
        } else if n < i64::MIN as i128 {
            i64::MIN
        } else {
            n as i64
        }
    }
}

impl fmt::Display for SampleRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} Hz", self.0)
    }
}

/// Samples per frame; 1 to 1 024.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Channels(NonZeroU16);

impl Channels {
    /// One channel.
    pub const MONO: Self = Self(NonZeroU16::new(1).expect("not zero"));
    /// Two channels, left then right.
    pub const STEREO: Self = Self(NonZeroU16::new(2).expect("not zero"));

    /// A channel count.
    ///
    /// # Errors
    /// Zero, or above 1 024.
    pub fn new(count: u16) -> Result<Self, ConfigError> {
        match NonZeroU16::new(count) {
            Some(n) if count <= MAX_CHANNELS => Ok(Self(n)),
            _ => Err(ConfigError::new(
                "channels",
                count,
                "1 to 1024 channels are supported",
            )),
        }
    }

    /// The count.
    pub const fn get(self) -> usize {
        self.0.get() as usize
    }
}

impl fmt::Display for Channels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Rate and channel count of a stream of frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StreamFormat {
    /// Frames per second.
    pub rate: SampleRate,
    /// Samples per frame.
    pub channels: Channels,
}

impl StreamFormat {
    /// A format from its parts.
    pub const fn new(rate: SampleRate, channels: Channels) -> Self {
        Self { rate, channels }
    }
}

impl fmt::Display for StreamFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {} ch", self.rate, self.channels)
    }
}

/// How one PCM sample is coded, its byte order aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SampleFormat {
    /// Unsigned 8 bit, silence at 128.
    U8,
    /// Signed 16 bit.
    S16,
    /// Signed 24 bit in three bytes.
    S24,
    /// Signed 32 bit. Through `f32` only the upper 24 bits survive.
    S32,
    /// IEEE 754 32 bit, full scale ±1.0.
    F32,
}

impl SampleFormat {
    /// Bytes a sample takes.
    pub const fn bytes(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::S16 => 2,
            Self::S24 => 3,
            Self::S32 | Self::F32 => 4,
        }
    }

    /// Bits a sample takes.
    pub const fn bits(self) -> u16 {
        self.bytes() as u16 * 8
    }
}

/// Byte order of samples longer than a byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Endian {
    /// Least significant byte first: WAV, raw UDP.
    Little,
    /// Most significant byte first: RTP.
    Big,
}

/// A sample format with its byte order: all that is needed to read interleaved PCM bytes.
///
/// Written `u8`, `s16le`, `s16be`, `s24le`, `s24be`, `s32le`, `s32be`, `f32le`, `f32be`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PcmFormat {
    /// The sample's coding.
    pub sample: SampleFormat,
    /// Its byte order; without meaning for [`SampleFormat::U8`].
    pub endian: Endian,
}

impl PcmFormat {
    /// Signed 16-bit little-endian, the most common of all.
    pub const S16LE: Self = Self::new(SampleFormat::S16, Endian::Little);

    /// A format from its parts.
    pub const fn new(sample: SampleFormat, endian: Endian) -> Self {
        Self { sample, endian }
    }

    /// Bytes of one frame of `channels` samples.
    pub const fn frame_bytes(self, channels: Channels) -> usize {
        self.sample.bytes() * channels.get()
    }
}

impl fmt::Display for PcmFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let order = match self.endian {
            Endian::Little => "le",
            Endian::Big => "be",
        };
        match self.sample {
            SampleFormat::U8 => f.write_str("u8"),
            SampleFormat::S16 => write!(f, "s16{order}"),
            SampleFormat::S24 => write!(f, "s24{order}"),
            SampleFormat::S32 => write!(f, "s32{order}"),
            SampleFormat::F32 => write!(f, "f32{order}"),
        }
    }
}

impl FromStr for PcmFormat {
    type Err = ConfigError;

    fn from_str(s: &str) -> Result<Self, ConfigError> {
        use {Endian::*, SampleFormat::*};
        let (sample, endian) = match s {
            "u8" => (U8, Little),
            "s16le" | "s16" => (S16, Little),
            "s16be" => (S16, Big),
            "s24le" | "s24" => (S24, Little),
            "s24be" => (S24, Big),
            "s32le" | "s32" => (S32, Little),
            "s32be" => (S32, Big),
            "f32le" | "f32" => (F32, Little),
            "f32be" => (F32, Big),
            _ => {
                return Err(ConfigError::new(
                    "format",
                    s,
                    "known are u8, s16le, s16be, s24le, s24be, s32le, s32be, f32le, f32be",
                ));
            }
        };
        Ok(Self::new(sample, endian))
    }
}

const NANOS: u64 = 1_000_000_000;
const MAX_RATE: u32 = 768_000;
const MAX_CHANNELS: u16 = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parse_back() {
        for name in [
            "u8", "s16le", "s16be", "s24le", "s24be", "s32le", "s32be", "f32le", "f32be",
        ] {
            assert_eq!(name.parse::<PcmFormat>().unwrap().to_string(), name);
        }
        let err = "s17le".parse::<PcmFormat>().unwrap_err().to_string();
        assert!(err.contains("s17le") && err.contains("s16le"), "{err}");
    }

    #[test]
    fn frames_and_durations_round_as_documented() {
        let r = SampleRate::HZ_44100;
        assert_eq!(r.frames_in(Duration::from_millis(10)), 441);
        assert_eq!(r.duration_of(44_100), Duration::from_secs(1));
        assert_eq!(r.nanos_of(-1), -22_676);
        assert_eq!(r.frames_in_nanos(-22_676), -1);
        assert!(SampleRate::new(0).is_err() && SampleRate::new(768_001).is_err());
        assert!(Channels::new(0).is_err() && Channels::new(1_025).is_err());
    }
}

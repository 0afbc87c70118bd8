//! PCM without a header that is in memory: how it may be coded, and a source of it that can be
//! sought.

use std::fmt;
use std::str::FromStr;

use audiox_core::ConfigError;
use audiox_core::convert;
use audiox_core::format::{Channels, PcmFormat, SampleFormat, StreamFormat};
use audiox_core::source::{Source, SourceClock, SourceError};
use bytes::Bytes;

/// How samples without a header are coded: any [`PcmFormat`], or signed bytes, which no header
/// that is read here has.
///
/// Written as [`PcmFormat`], and `s8`; the names and numbers of PyAudio (`pyaudio.paInt16`,
/// `paFloat32`, `8`) are understood, which are little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PcmCoding {
    /// Signed 8 bit.
    S8,
    /// Everything else.
    Pcm(PcmFormat),
}

impl PcmCoding {
    /// Signed 16-bit little-endian.
    pub const S16LE: Self = Self::Pcm(PcmFormat::S16LE);

    /// Bytes a sample takes.
    pub const fn bytes(self) -> usize {
        match self {
            Self::S8 => 1,
            Self::Pcm(pcm) => pcm.sample.bytes(),
        }
    }

    /// Bytes of one frame of `channels` samples.
    pub const fn frame_bytes(self, channels: Channels) -> usize {
        self.bytes() * channels.get()
    }

    /// The sample format that keeps all of it.
    pub const fn sample(self) -> SampleFormat {
        match self {
            Self::S8 => SampleFormat::U8,
            Self::Pcm(pcm) => pcm.sample,
        }
    }
}

impl fmt::Display for PcmCoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::S8 => f.write_str("s8"),
            Self::Pcm(pcm) => pcm.fmt(f),
        }
    }
}

impl FromStr for PcmCoding {
    type Err = ConfigError;

    fn from_str(s: &str) -> Result<Self, ConfigError> {
        let name = s.trim();
        let name = name.strip_prefix("pyaudio.").unwrap_or(name);
        // The values of PortAudio's sample formats.
        let name = match name {
            "s8" | "paInt8" | "16" => return Ok(Self::S8),
            "paUInt8" | "32" => "u8",
            "paInt16" | "8" => "s16le",
            "paInt24" | "4" => "s24le",
            "paInt32" | "2" => "s32le",
            "paFloat32" | "1" => "f32le",
            name => name,
        };
        match name.parse() {
            Ok(pcm) => Ok(Self::Pcm(pcm)),
            Err(_) => Err(ConfigError::new(
                "format",
                s,
                "known are s8, u8, s16le, s16be, s24le, s24be, s32le, s32be, f32le, f32be, and \
                 PyAudio's names as pyaudio.paInt16",
            )),
        }
    }
}

/// Raw PCM in memory as a source.
///
/// Bytes at the end that are no whole frame are left out.
pub struct PcmSource {
    bytes: Bytes,
    coding: PcmCoding,
    format: StreamFormat,
    frame: usize,
}

impl PcmSource {
    /// The frames in `bytes`.
    pub fn new(bytes: Bytes, coding: PcmCoding, format: StreamFormat) -> Self {
        Self {
            bytes,
            coding,
            format,
            frame: 0,
        }
    }

    /// Frames in it.
    pub fn frames(&self) -> u64 {
        self.all() as u64
    }

    fn all(&self) -> usize {
        self.bytes.len() / self.frame_bytes()
    }

    fn frame_bytes(&self) -> usize {
        self.coding.frame_bytes(self.format.channels)
    }

    fn take(&mut self, frames: usize) -> &[u8] {
        let (from, size) = (self.frame, self.frame_bytes());
        self.frame = (from + frames).min(self.all());
        &self.bytes[from * size..self.frame * size]
    }
}

impl Source for PcmSource {
    fn format(&self) -> StreamFormat {
        self.format
    }

    fn clock(&self) -> SourceClock {
        SourceClock::None
    }

    fn frames_left(&self) -> Option<u64> {
        Some((self.all() - self.frame) as u64)
    }

    fn read(&mut self, out: &mut [f32]) -> Result<usize, SourceError> {
        let channels = self.format.channels.get();
        let coding = self.coding;
        let bytes = self.take(out.len() / channels);
        let samples = match coding {
            PcmCoding::Pcm(pcm) => convert::decode(pcm, bytes, out),
            PcmCoding::S8 => {
                for (out, byte) in out.iter_mut().zip(bytes) {
                    *out = f32::from(*byte as i8) / 128.0;
                }
                bytes.len()
            }
        };
        Ok(samples / channels)
    }

    fn native(&self) -> Option<PcmFormat> {
        match self.coding {
            PcmCoding::S8 => None,
            PcmCoding::Pcm(pcm) => Some(pcm),
        }
    }

    fn read_native(&mut self, out: &mut [u8]) -> Result<usize, SourceError> {
        if self.coding == PcmCoding::S8 {
            return Err(SourceError::Unsupported(
                "signed bytes cannot be handed over untouched; read them as f32".into(),
            ));
        }
        let frames = out.len() / self.frame_bytes();
        let bytes = self.take(frames);
        out[..bytes.len()].copy_from_slice(bytes);
        Ok(bytes.len())
    }

    fn seek(&mut self, frame: u64) -> Result<(), SourceError> {
        self.frame = usize::try_from(frame).map_or_else(|_| self.all(), |n| n.min(self.all()));
        Ok(())
    }
}

impl fmt::Debug for PcmSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PcmSource")
            .field("coding", &self.coding)
            .field("format", &self.format)
            .field("frame", &self.frame)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use audiox_core::format::SampleRate;

    use super::*;

    const STEREO: StreamFormat = StreamFormat::new(SampleRate::HZ_8000, Channels::STEREO);

    #[test]
    fn codings_are_named_as_elsewhere_and_as_pyaudio_does() {
        for (text, name) in [
            ("s8", "s8"),
            ("u8", "u8"),
            ("s16be", "s16be"),
            ("pyaudio.paInt16", "s16le"),
            ("paInt8", "s8"),
            ("paUInt8", "u8"),
            (" pyaudio.paInt24", "s24le"),
            ("paInt32", "s32le"),
            ("pyaudio.paFloat32", "f32le"),
            ("8", "s16le"),
            ("1", "f32le"),
        ] {
            let coding: PcmCoding = text.parse().unwrap();
            assert_eq!(coding.to_string(), name, "{text}");
        }
        let error = "paInt17".parse::<PcmCoding>().unwrap_err().to_string();
        assert!(error.contains("paInt17") && error.contains("s16le"));
    }

    #[test]
    fn frames_are_read_and_sought_and_a_rest_is_left_out() {
        let bytes = Bytes::from_static(&[0x40, 0xC0, 0x7f, 0x80, 1]);
        let mut source = PcmSource::new(bytes.clone(), PcmCoding::S8, STEREO);
        let mut out = [0.0; 8];
        assert_eq!(source.frames(), 2);
        assert_eq!(source.read(&mut out).unwrap(), 2);
        assert_eq!(out[..4], [0.5, -0.5, 127.0 / 128.0, -1.0]);
        assert_eq!(source.frames_left(), Some(0));
        assert!(source.read_native(&mut [0; 4]).is_err());
        source.seek(1).unwrap();
        assert_eq!(source.read(&mut out).unwrap(), 1);
        source.seek(u64::MAX).unwrap();
        assert_eq!(source.read(&mut out).unwrap(), 0);

        let mut source = PcmSource::new(bytes, PcmCoding::S16LE, STEREO);
        let mut native = [0; 9];
        assert_eq!(source.read_native(&mut native).unwrap(), 4);
        assert_eq!(native[..4], [0x40, 0xC0, 0x7f, 0x80]);
    }
}

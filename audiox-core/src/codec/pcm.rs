use std::fmt;
use std::str::FromStr;

use super::{DecodeError, Decoder, EncodeError, Encoder, EncodingName, g711};
use crate::block::AudioRef;
use crate::convert;
use crate::error::ConfigError;
use crate::format::{Channels, Endian, PcmFormat, SampleFormat, StreamFormat};

/// How PCM samples stand in a payload, one after the other, channels interleaved.
///
/// Read from a name of RTP (`L16`, `pcmu`) or of [`PcmFormat`] (`s16le`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PcmCoding {
    /// Uncompressed.
    Linear(PcmFormat),
    /// G.711 µ-law, 8 bit.
    Mulaw,
    /// G.711 A-law, 8 bit.
    Alaw,
}

impl PcmCoding {
    /// Unsigned 8 bit, silence at 128: not two's complement (RFC 3551 section 4.5.10).
    pub const L8: Self = Self::Linear(PcmFormat::new(SampleFormat::U8, Endian::Big));
    /// Signed 16 bit, big-endian (RFC 3551 section 4.5.11).
    pub const L16: Self = Self::Linear(PcmFormat::new(SampleFormat::S16, Endian::Big));
    /// Signed 24 bit, big-endian (RFC 3190 section 4).
    pub const L24: Self = Self::Linear(PcmFormat::new(SampleFormat::S24, Endian::Big));
    /// Signed 32 bit, big-endian. No registered RTP encoding.
    pub const L32: Self = Self::Linear(PcmFormat::new(SampleFormat::S32, Endian::Big));
    /// 32-bit float, big-endian. No registered RTP encoding.
    pub const F32: Self = Self::Linear(PcmFormat::new(SampleFormat::F32, Endian::Big));

    /// Every coding that RTP has a name for.
    pub const NAMED: [Self; 7] = [
        Self::L8,
        Self::L16,
        Self::L24,
        Self::L32,
        Self::F32,
        Self::Mulaw,
        Self::Alaw,
    ];

    /// Bytes that a sample takes.
    pub const fn bytes_per_sample(self) -> usize {
        match self {
            Self::Linear(format) => format.sample.bytes(),
            Self::Mulaw | Self::Alaw => 1,
        }
    }

    /// Bytes that a frame of `channels` samples takes.
    pub const fn frame_bytes(self, channels: Channels) -> usize {
        self.bytes_per_sample() * channels.get()
    }

    /// The name in RTP; `None` for little-endian codings, which RTP has no names for. `L32` and
    /// `F32` are not registered: of other programs, few know the first and none the second.
    pub const fn encoding(self) -> Option<EncodingName> {
        let format = match self {
            Self::Mulaw => return Some(EncodingName::PCMU),
            Self::Alaw => return Some(EncodingName::PCMA),
            Self::Linear(format) => format,
        };
        match (format.sample, format.endian) {
            (SampleFormat::U8, _) => Some(EncodingName::L8),
            (_, Endian::Little) => None,
            (SampleFormat::S16, _) => Some(EncodingName::L16),
            (SampleFormat::S24, _) => Some(EncodingName::L24),
            (SampleFormat::S32, _) => Some(EncodingName::L32),
            (SampleFormat::F32, _) => Some(EncodingName::F32),
        }
    }

    /// The coding that RTP calls `name`.
    pub fn from_encoding(name: &EncodingName) -> Option<Self> {
        Self::NAMED
            .into_iter()
            .find(|c| c.encoding().as_ref() == Some(name))
    }

    /// Decodes `bytes` and returns how many samples were written: what `bytes` holds whole, or
    /// what fits `out`.
    pub fn decode(self, bytes: &[u8], out: &mut [f32]) -> usize {
        match self {
            Self::Linear(format) => convert::decode(format, bytes, out),
            Self::Mulaw => g711::decode_mulaw(bytes, out),
            Self::Alaw => g711::decode_alaw(bytes, out),
        }
    }

    /// Encodes `samples` and returns how many bytes were written: all of them, or the whole
    /// samples that fit `out`.
    pub fn encode(self, samples: &[f32], out: &mut [u8]) -> usize {
        match self {
            Self::Linear(format) => convert::encode(format, samples, out),
            Self::Mulaw => g711::encode_mulaw(samples, out),
            Self::Alaw => g711::encode_alaw(samples, out),
        }
    }
}

impl fmt::Display for PcmCoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mulaw => EncodingName::PCMU.fmt(f),
            Self::Alaw => EncodingName::PCMA.fmt(f),
            Self::Linear(format) => match self.encoding() {
                Some(name) => name.fmt(f),
                None => format.fmt(f),
            },
        }
    }
}

impl FromStr for PcmCoding {
    type Err = ConfigError;

    fn from_str(s: &str) -> Result<Self, ConfigError> {
        let named = Self::NAMED.into_iter().find(|c| {
            c.encoding()
                .is_some_and(|n| n.as_str().eq_ignore_ascii_case(s))
        });
        match (named, s.parse()) {
            (Some(coding), _) => Ok(coding),
            (None, Ok(format)) => Ok(Self::Linear(format)),
            (None, Err(_)) => Err(ConfigError::new(
                "codec",
                s,
                "known are L8, L16, L24, L32, F32, PCMU, PCMA, \
                 and u8, s16, s24, s32, f32 with le or be",
            )),
        }
    }
}

/// Writes frames as PCM. Keeps no state: each payload stands for itself.
#[derive(Debug, Clone)]
pub struct PcmEncoder {
    coding: PcmCoding,
    format: StreamFormat,
    frames_per_packet: usize,
}

impl PcmEncoder {
    /// An encoder of packets of `frames_per_packet` frames.
    ///
    /// # Errors
    /// `frames_per_packet` is 0 or above 768 000. Whether such a packet fits a datagram is for
    /// the packetizer to say.
    pub fn new(
        coding: PcmCoding,
        format: StreamFormat,
        frames_per_packet: usize,
    ) -> Result<Self, ConfigError> {
        Ok(Self {
            coding,
            format,
            frames_per_packet: check_frames("frames_per_packet", frames_per_packet)?,
        })
    }
}

impl Encoder for PcmEncoder {
    fn format(&self) -> StreamFormat {
        self.format
    }

    fn frames_per_packet(&self) -> usize {
        self.frames_per_packet
    }

    fn max_payload_len(&self) -> usize {
        self.frames_per_packet * self.coding.frame_bytes(self.format.channels)
    }

    fn encode(&mut self, input: AudioRef<'_>, payload: &mut [u8]) -> Result<usize, EncodeError> {
        if input.channels() != self.format.channels {
            return Err(EncodeError::Channels {
                expected: self.format.channels.get(),
                actual: input.channels().get(),
            });
        }
        if input.frames() > self.frames_per_packet {
            return Err(EncodeError::TooLong {
                frames: input.frames(),
                max: self.frames_per_packet,
            });
        }
        let needed = input.frames() * self.coding.frame_bytes(self.format.channels);
        if payload.len() < needed {
            return Err(EncodeError::BufferTooSmall {
                needed,
                available: payload.len(),
            });
        }
        Ok(self.coding.encode(input.samples(), payload))
    }

    fn reset(&mut self) {}
}

/// Reads PCM payloads. Keeps no state and conceals nothing by itself.
#[derive(Debug, Clone)]
pub struct PcmDecoder {
    coding: PcmCoding,
    format: StreamFormat,
    max_frames: usize,
}

impl PcmDecoder {
    /// A decoder of payloads of at most `max_frames` frames; longer ones are refused.
    ///
    /// # Errors
    /// `max_frames` is 0 or above 768 000.
    pub fn new(
        coding: PcmCoding,
        format: StreamFormat,
        max_frames: usize,
    ) -> Result<Self, ConfigError> {
        Ok(Self {
            coding,
            format,
            max_frames: check_frames("max_frames", max_frames)?,
        })
    }
}

impl Decoder for PcmDecoder {
    fn format(&self) -> StreamFormat {
        self.format
    }

    fn max_frames(&self) -> usize {
        self.max_frames
    }

    fn frames_in(&self, payload: &[u8]) -> Result<usize, DecodeError> {
        let frame = self.coding.frame_bytes(self.format.channels);
        if !payload.len().is_multiple_of(frame) {
            return Err(DecodeError::Malformed);
        }
        fit(payload.len() / frame, self.max_frames)
    }

    fn decode(&mut self, payload: &[u8], out: &mut [f32]) -> Result<usize, DecodeError> {
        let frames = self.frames_in(payload)?;
        fit(frames, out.len() / self.format.channels.get())?;
        self.coding.decode(payload, out);
        Ok(frames)
    }

    fn reset(&mut self) {}
}

fn fit(frames: usize, max: usize) -> Result<usize, DecodeError> {
    if frames <= max {
        Ok(frames)
    } else {
        Err(DecodeError::TooLong { frames, max })
    }
}

fn check_frames(field: &'static str, frames: usize) -> Result<usize, ConfigError> {
    if (1..=MAX_FRAMES).contains(&frames) {
        Ok(frames)
    } else {
        Err(ConfigError::new(
            field,
            frames,
            "a packet holds 1 to 768000 frames",
        ))
    }
}

/// A second at the highest rate.
const MAX_FRAMES: usize = 768_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::SampleRate;

    const CD: StreamFormat = StreamFormat::new(SampleRate::HZ_44100, Channels::STEREO);

    #[test]
    fn codings_have_the_names_of_rtp_and_parse_back() {
        let names = PcmCoding::NAMED.map(|c| c.to_string());
        assert_eq!(names, ["L8", "L16", "L24", "L32", "F32", "PCMU", "PCMA"]);
        for (coding, name) in PcmCoding::NAMED.into_iter().zip(names) {
            assert_eq!(name.to_lowercase().parse(), Ok(coding));
            let encoding = coding.encoding().unwrap();
            assert_eq!(PcmCoding::from_encoding(&encoding), Some(coding));
        }
        let raw = PcmCoding::Linear(PcmFormat::S16LE);
        assert_eq!("s16le".parse(), Ok(raw));
        assert_eq!((raw.encoding(), raw.to_string().as_str()), (None, "s16le"));
        let err = "mp3".parse::<PcmCoding>().unwrap_err().to_string();
        assert!(err.contains("mp3") && err.contains("L16"), "{err}");
    }

    #[test]
    fn payloads_are_in_network_order_and_l8_is_offset_binary() {
        let encoded = |coding, samples: &[f32]| {
            let mut encoder = PcmEncoder::new(coding, CD, 2).unwrap();
            let mut payload = vec![0; encoder.max_payload_len()];
            let block = AudioRef::new(samples, CD.channels);
            let n = encoder.encode(block, &mut payload).unwrap();
            payload.truncate(n);
            payload
        };
        let one = 1.0 / 32_768.0;
        assert_eq!(encoded(PcmCoding::L16, &[one, -one]), [0, 1, 0xff, 0xff]);
        assert_eq!(encoded(PcmCoding::L8, &[0.0, -1.0]), [0x80, 0]);
        let le = PcmCoding::Linear(PcmFormat::S16LE);
        assert_eq!(encoded(le, &[one, -one]), [1, 0, 0xff, 0xff]);
        assert_eq!(encoded(PcmCoding::Mulaw, &[0.0; 2]), [0xff; 2]);
        assert_eq!(encoded(PcmCoding::Alaw, &[0.0; 2]), [0xd5; 2]);
    }

    #[test]
    fn payloads_that_are_not_whole_frames_are_malformed() {
        let mut decoder = PcmDecoder::new(PcmCoding::L24, CD, 2).unwrap();
        assert_eq!(decoder.frames_in(&[0; 12]), Ok(2));
        assert_eq!(decoder.frames_in(&[]), Ok(0));
        assert_eq!(decoder.frames_in(&[0; 9]), Err(DecodeError::Malformed));
        let long = DecodeError::TooLong { frames: 3, max: 2 };
        assert_eq!(decoder.frames_in(&[0; 18]), Err(long));
        let mut out = [0.0; 3];
        let long = DecodeError::TooLong { frames: 2, max: 1 };
        assert_eq!(decoder.decode(&[0; 12], &mut out), Err(long));
    }

    #[test]
    fn packets_of_nothing_or_of_more_than_a_second_are_refused() {
        for frames in [0, 768_001, usize::MAX] {
            let err = PcmEncoder::new(PcmCoding::L16, CD, frames).unwrap_err();
            assert_eq!(err.field, "frames_per_packet");
            let err = PcmDecoder::new(PcmCoding::L16, CD, frames).unwrap_err();
            assert_eq!(err.field, "max_frames");
        }
    }
}

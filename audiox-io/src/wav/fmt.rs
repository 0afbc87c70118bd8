//! The `fmt ` chunk: what the samples are.

use audiox_core::format::{Channels, SampleFormat, SampleRate, StreamFormat};
use audiox_core::source::SourceError;

use super::chunk::*;

/// How stored samples are coded; all little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Pcm(SampleFormat),
    F64,
    ALaw,
    MuLaw,
}

impl Coding {
    /// Bytes a sample takes.
    pub(super) const fn bytes(self) -> usize {
        match self {
            Self::Pcm(sample) => sample.bytes(),
            Self::F64 => 8,
            Self::ALaw | Self::MuLaw => 1,
        }
    }
}

/// A `fmt ` chunk that makes sense.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fmt {
    pub(super) format: StreamFormat,
    pub(super) coding: Coding,
    /// Bits of each sample that carry audio, from the most significant down.
    pub(super) valid_bits: u16,
    /// What was wrong and does not matter, if anything.
    pub(super) notice: Option<String>,
}

impl Fmt {
    /// Bytes of a frame.
    pub(super) const fn frame_bytes(&self) -> usize {
        self.coding.bytes() * self.format.channels.get()
    }

    /// Reads a chunk of `size` bytes, of which `body` holds the first [`MAX_LEN`] or fewer where
    /// the file ends.
    pub(super) fn parse(body: &[u8], size: u32) -> Result<Self, SourceError> {
        let size = (size as usize).min(MAX_LEN);
        if size < MIN_LEN {
            return malformed(format!(
                "the fmt chunk has {size} bytes; at least {MIN_LEN} are needed"
            ));
        }
        if body.len() < size {
            return malformed(format!(
                "the file ends within the fmt chunk, after {} of its {size} bytes",
                body.len()
            ));
        }
        let channels = u16_at(body, 2);
        let rate = u32_at(body, 4);
        let block_align = u16_at(body, 12);
        let bits = u16_at(body, 14);

        let channels = Channels::new(channels).map_err(|e| field(&e))?;
        let rate = SampleRate::new(rate).map_err(|e| field(&e))?;
        let tag = Tag::parse(body, size)?;
        let coding = tag.coding(bits)?;

        let expected = coding.bytes() * channels.get();
        if usize::from(block_align) != expected {
            return malformed(format!(
                "fmt chunk: block align: {block_align} contradicts {channels} channels of {bits} \
                 bits; {expected} is needed"
            ));
        }
        let (valid_bits, notice) = match tag.valid_bits {
            None => (bits, None),
            Some(valid) if (1..=bits).contains(&valid) => (valid, None),
            Some(valid) => (
                bits,
                Some(format!(
                    "fmt chunk: valid bits: {valid} is not possible in {bits} bits; all {bits} \
                     are used"
                )),
            ),
        };
        Ok(Self {
            format: StreamFormat::new(rate, channels),
            coding,
            valid_bits,
            notice,
        })
    }
}

/// The format tag, looked up in the sub-format where the header is extensible.
struct Tag {
    tag: u16,
    valid_bits: Option<u16>,
}

impl Tag {
    fn parse(body: &[u8], size: usize) -> Result<Self, SourceError> {
        let tag = u16_at(body, 0);
        if tag != TAG_EXTENSIBLE {
            return Ok(Self {
                tag,
                valid_bits: None,
            });
        }
        if size < MAX_LEN {
            return malformed(format!(
                "the fmt chunk is extensible but has {size} bytes; {MAX_LEN} are needed"
            ));
        }
        if body[26..MAX_LEN] != SUBFORMAT_TAIL {
            let guid: String = body[24..MAX_LEN]
                .iter()
                .map(|b| format!("{b:02x}"))
                .collect();
            return Err(SourceError::Unsupported(format!(
                "fmt chunk: sub-format: {guid} is not supported; {READABLE}"
            )));
        }
        Ok(Self {
            tag: u16_at(body, 24),
            valid_bits: Some(u16_at(body, 18)),
        })
    }

    fn coding(&self, bits: u16) -> Result<Coding, SourceError> {
        use SampleFormat::{F32, S16, S24, S32, U8};
        let (coding, allowed) = match (self.tag, bits) {
            (TAG_PCM, 1..=8) => (Some(Coding::Pcm(U8)), ""),
            (TAG_PCM, 9..=16) => (Some(Coding::Pcm(S16)), ""),
            (TAG_PCM, 17..=24) => (Some(Coding::Pcm(S24)), ""),
            (TAG_PCM, 25..=32) => (Some(Coding::Pcm(S32)), ""),
            (TAG_PCM, _) => (None, "integers of 1 to 32 bits are read"),
            (TAG_FLOAT, 32) => (Some(Coding::Pcm(F32)), ""),
            (TAG_FLOAT, 64) => (Some(Coding::F64), ""),
            (TAG_FLOAT, _) => (None, "floats of 32 and 64 bits are read"),
            (TAG_ALAW, 8) => (Some(Coding::ALaw), ""),
            (TAG_MULAW, 8) => (Some(Coding::MuLaw), ""),
            (TAG_ALAW | TAG_MULAW, _) => (None, "A-law and µ-law have 8 bits"),
            (tag, _) => {
                let name = name_of(tag);
                return Err(SourceError::Unsupported(format!(
                    "fmt chunk: format tag: {tag:#06x}{name} is not supported; {READABLE}"
                )));
            }
        };
        coding.ok_or_else(|| {
            SourceError::Unsupported(format!(
                "fmt chunk: bits per sample: {bits} is not possible; {allowed}"
            ))
        })
    }
}

/// Codings that WAV files are met with and that are not read.
fn name_of(tag: u16) -> &'static str {
    match tag {
        0x0002 => " (Microsoft ADPCM)",
        0x0011 => " (IMA ADPCM)",
        0x0031 => " (GSM 6.10)",
        0x0040 | 0x0045 => " (G.726 ADPCM)",
        0x0050 => " (MPEG)",
        0x0055 => " (MP3)",
        0x0092 | 0x2000 => " (AC-3)",
        0x00FF | 0x1610 => " (AAC)",
        0x0161 | 0x0162 => " (Windows Media)",
        0xF1AC => " (FLAC)",
        _ => "",
    }
}

fn malformed<T>(text: String) -> Result<T, SourceError> {
    Err(SourceError::Malformed(text))
}

fn field(e: &audiox_core::ConfigError) -> SourceError {
    SourceError::Malformed(format!("fmt chunk: {e}"))
}

/// The plain chunk, `WAVEFORMAT` with its bits.
const MIN_LEN: usize = 16;
/// The extensible chunk; anything behind is not read.
pub(super) const MAX_LEN: usize = 40;
const READABLE: &str = "PCM, float, A-law and µ-law are read; convert the file to one of these";

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(tag: u16, channels: u16, rate: u32, align: u16, bits: u16) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend(tag.to_le_bytes());
        out.extend(channels.to_le_bytes());
        out.extend(rate.to_le_bytes());
        out.extend((rate * u32::from(align)).to_le_bytes());
        out.extend(align.to_le_bytes());
        out.extend(bits.to_le_bytes());
        out
    }

    fn extensible(tag: u16, channels: u16, align: u16, bits: u16, valid: u16) -> Vec<u8> {
        let mut out = chunk(TAG_EXTENSIBLE, channels, 48_000, align, bits);
        out.extend(22u16.to_le_bytes());
        out.extend(valid.to_le_bytes());
        out.extend(0u32.to_le_bytes());
        out.extend(tag.to_le_bytes());
        out.extend(SUBFORMAT_TAIL);
        out
    }

    fn parse(body: &[u8]) -> Result<Fmt, SourceError> {
        Fmt::parse(body, body.len() as u32)
    }

    #[test]
    fn depths_are_read_by_their_container() {
        for (body, coding, valid) in [
            (
                chunk(1, 1, 8_000, 1, 8),
                Coding::Pcm(SampleFormat::U8),
                8u16,
            ),
            (
                chunk(1, 2, 8_000, 4, 12),
                Coding::Pcm(SampleFormat::S16),
                12,
            ),
            (
                extensible(1, 2, 6, 24, 20),
                Coding::Pcm(SampleFormat::S24),
                20,
            ),
            (
                extensible(1, 5, 20, 32, 24),
                Coding::Pcm(SampleFormat::S32),
                24,
            ),
            (
                extensible(3, 1, 4, 32, 32),
                Coding::Pcm(SampleFormat::F32),
                32,
            ),
            (chunk(3, 1, 8_000, 8, 64), Coding::F64, 64),
            (chunk(7, 1, 8_000, 1, 8), Coding::MuLaw, 8),
        ] {
            let fmt = parse(&body).unwrap();
            assert_eq!((fmt.coding, fmt.valid_bits), (coding, valid));
            assert_eq!(fmt.notice, None);
        }
        let fmt = parse(&extensible(1, 1, 2, 16, 24)).unwrap();
        assert_eq!(fmt.valid_bits, 16);
        assert!(fmt.notice.unwrap().contains("valid bits: 24"));
    }

    #[test]
    fn each_contradiction_names_field_value_and_what_is_allowed() {
        for (body, wanted) in [
            (
                chunk(1, 0, 8_000, 2, 16),
                ["channels: 0", "1 to 1024 channels"],
            ),
            (
                chunk(1, 1_025, 8_000, 2_050, 16),
                ["channels: 1025", "1 to 1024"],
            ),
            (chunk(1, 1, 0, 2, 16), ["rate: 0", "1 to 768000 Hz"]),
            (chunk(1, 2, 8_000, 3, 16), ["block align: 3", "4 is needed"]),
            (chunk(1, 2, 8_000, 8, 24), ["block align: 8", "6 is needed"]),
            (
                chunk(1, 1, 8_000, 8, 64),
                ["bits per sample: 64", "1 to 32 bits"],
            ),
            (chunk(1, 1, 8_000, 0, 0), ["bits per sample: 0", "1 to 32"]),
            (
                chunk(3, 1, 8_000, 2, 16),
                ["bits per sample: 16", "32 and 64"],
            ),
            (
                chunk(0x11, 1, 8_000, 256, 4),
                ["0x0011 (IMA ADPCM)", "PCM, float"],
            ),
            (
                chunk(TAG_EXTENSIBLE, 1, 8_000, 2, 16),
                ["16 bytes", "40 are needed"],
            ),
            (vec![1, 0, 2, 0], ["has 4 bytes", "at least 16"]),
        ] {
            let text = parse(&body).unwrap_err().to_string();
            assert!(wanted.iter().all(|w| text.contains(w)), "{text}");
            assert!(!text.contains('\n'), "{text}");
        }
        let cut = Fmt::parse(&[1, 0, 1], 16).unwrap_err().to_string();
        assert!(cut.contains("after 3 of its 16 bytes"), "{cut}");
        let mut foreign = extensible(1, 1, 2, 16, 16);
        foreign[39] = 0;
        let text = parse(&foreign).unwrap_err().to_string();
        assert!(text.contains("sub-format: 0100"), "{text}");
    }
}

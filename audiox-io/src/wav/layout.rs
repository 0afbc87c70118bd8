//! The header that is written: 128 bytes, whatever they say.

use audiox_core::format::{SampleFormat, StreamFormat};

use super::chunk::*;

/// What of a header does not change while a file is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    pub(super) format: StreamFormat,
    pub(super) sample: SampleFormat,
}

/// Whether more may follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    Open,
    Closed,
}

impl Layout {
    /// Bytes of a frame.
    pub(super) const fn frame_bytes(self) -> usize {
        self.sample.bytes() * self.format.channels.get()
    }

    /// The header of a file of `frames` frames.
    pub(super) fn header(self, frames: u64, mark: Mark) -> [u8; OUR_HEADER as usize] {
        let data = frames.saturating_mul(self.frame_bytes() as u64);
        let riff = data
            .saturating_add(data & 1)
            .saturating_add(OUR_HEADER - CHUNK_HEADER);
        let wide = riff >= u64::from(UNKNOWN_SIZE);
        let short = |n: u64| u32::try_from(n).unwrap_or(UNKNOWN_SIZE);

        let mut out = Bytes::default();
        out.put(&if wide { Id::RF64 } else { Id::RIFF }.0);
        out.put(&if wide { UNKNOWN_SIZE } else { short(riff) }.to_le_bytes());
        out.put(&Id::WAVE.0);

        out.chunk(if wide { Id::DS64 } else { Id::JUNK }, DS64_LEN);
        for size in [riff, data, frames] {
            out.put(&if wide { size } else { 0 }.to_le_bytes());
        }
        out.put(&0u32.to_le_bytes());

        self.put_fmt(&mut out);
        if self.sample == SampleFormat::F32 {
            out.chunk(Id::FACT, 4);
            out.put(&short(frames).to_le_bytes());
        }

        let rest = OUR_HEADER as usize - out.len - 2 * CHUNK_HEADER as usize;
        out.chunk(Id::JUNK, rest as u32);
        let mut junk = [0; OUR_HEADER as usize];
        if mark == Mark::Open {
            junk[..OPEN_MARK.len()].copy_from_slice(&OPEN_MARK);
        }
        out.put(&junk[..rest]);

        out.chunk(Id::DATA, if wide { UNKNOWN_SIZE } else { short(data) });
        out.bytes
    }

    fn put_fmt(self, out: &mut Bytes) {
        let channels = self.format.channels.get();
        let rate = self.format.rate.get();
        let bits = self.sample.bits();
        let tag = match self.sample {
            SampleFormat::F32 => TAG_FLOAT,
            _ => TAG_PCM,
        };
        // The rule of the extensible format's definition: it is for more than two channels or
        // more than 16 bits.
        let extensible = channels > 2 || bits > 16;
        out.chunk(Id::FMT, if extensible { 40 } else { 16 });
        out.put(&if extensible { TAG_EXTENSIBLE } else { tag }.to_le_bytes());
        // 1 024 channels of four bytes at most: both fit.
        out.put(&(channels as u16).to_le_bytes());
        out.put(&rate.to_le_bytes());
        out.put(&(rate * self.frame_bytes() as u32).to_le_bytes());
        out.put(&(self.frame_bytes() as u16).to_le_bytes());
        out.put(&bits.to_le_bytes());
        if extensible {
            out.put(&22u16.to_le_bytes());
            out.put(&bits.to_le_bytes());
            out.put(&speakers(channels).to_le_bytes());
            out.put(&tag.to_le_bytes());
            out.put(&SUBFORMAT_TAIL);
        }
    }
}

/// Front centre, or front left and right. More channels are tracks, not loudspeakers, and get none.
const fn speakers(channels: usize) -> u32 {
    match channels {
        1 => 0x4,
        2 => 0x3,
        _ => 0,
    }
}

/// A header being filled. The parts add up to its length for every format.
struct Bytes {
    bytes: [u8; OUR_HEADER as usize],
    len: usize,
}

impl Bytes {
    fn put(&mut self, part: &[u8]) {
        self.bytes[self.len..][..part.len()].copy_from_slice(part);
        self.len += part.len();
    }

    fn chunk(&mut self, id: Id, size: u32) {
        self.put(&id.0);
        self.put(&size.to_le_bytes());
    }
}

impl Default for Bytes {
    fn default() -> Self {
        Self {
            bytes: [0; OUR_HEADER as usize],
            len: 0,
        }
    }
}

/// The smallest ds64 chunk: three sizes and an empty table.
const DS64_LEN: u32 = 28;

#[cfg(test)]
mod tests {
    use super::*;
    use audiox_core::format::{Channels, SampleRate};

    fn layout(sample: SampleFormat, channels: u16, rate: u32) -> Layout {
        let format = StreamFormat::new(
            SampleRate::new(rate).unwrap(),
            Channels::new(channels).unwrap(),
        );
        Layout { format, sample }
    }

    #[test]
    fn every_format_fills_the_header_to_the_byte() {
        use SampleFormat::*;
        for sample in [U8, S16, S24, S32, F32] {
            for (channels, rate) in [(1, 8_000), (2, 48_000), (3, 1), (1_024, 768_000)] {
                let header = layout(sample, channels, rate).header(7, Mark::Open);
                assert_eq!(&header[120..124], b"data");
                let at = header.windows(4).position(|w| w == OPEN_MARK).unwrap();
                assert_eq!(&header[at - 8..at - 4], b"JUNK");
            }
        }
    }

    #[test]
    fn sizes_turn_wide_where_32_bits_end() {
        let layout = layout(SampleFormat::U8, 1, 8_000);
        let last_narrow = u64::from(u32::MAX) - 1 - 120;
        let header = layout.header(last_narrow, Mark::Closed);
        assert_eq!(&header[..4], b"RIFF");
        assert_eq!(u32_at(&header, 4), u32::MAX - 1);
        assert_eq!(u32_at(&header, 124), u32::MAX - 1 - 120);

        let header = layout.header(last_narrow + 1, Mark::Closed);
        assert_eq!(
            (&header[..4], &header[12..16]),
            (&b"RF64"[..], &b"ds64"[..])
        );
        assert_eq!(u32_at(&header, 4), u32::MAX);
        // The odd byte of data is followed by a pad byte.
        assert_eq!(u64_at(&header, 20), last_narrow + 2 + 120);
        assert_eq!(u64_at(&header, 28), last_narrow + 1);
        assert_eq!(u64_at(&header, 36), last_narrow + 1);
        assert_eq!(u32_at(&header, 124), u32::MAX);
    }
}

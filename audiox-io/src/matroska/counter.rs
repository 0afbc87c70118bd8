//! How many frames packets hold, by their first bytes.

use super::track::{Track, TrackCodec};
use crate::mpeg;
use crate::ogg::packet_ticks;

/// Counts the packets of a track in order.
#[derive(Debug, Clone)]
pub(super) enum Counter {
    Opus,
    Pcm { frame_bytes: usize },
    Vorbis(Vorbis),
    Flac { usual: u64 },
    Aac { frames: u64 },
    Mp3,
}

impl Counter {
    /// `None` where what decoders are told cannot be.
    pub(super) fn new(track: &Track) -> Option<Self> {
        let channels = track.channels.get();
        Some(match &track.codec {
            TrackCodec::Opus(_) => Self::Opus,
            TrackCodec::Pcm(pcm) => Self::Pcm {
                frame_bytes: pcm.frame_bytes(track.channels),
            },
            TrackCodec::F64 => Self::Pcm {
                frame_bytes: 8 * channels,
            },
            TrackCodec::Vorbis => Self::Vorbis(Vorbis::new(&track.private)?),
            TrackCodec::Flac => {
                let info = stream_info(&track.private)?;
                Self::Flac {
                    usual: u64::from(u16::from_be_bytes([info[2], info[3]])),
                }
            }
            // GASpecificConfig's first bit (ISO/IEC 14496-3 section 4.4.1) says 960 instead of 1 024.
            TrackCodec::Aac => {
                let short = match track.private[..] {
                    [a, b, ..] if (a & 7) << 1 | b >> 7 != 15 => b & 4 != 0,
                    _ => false,
                };
                Self::Aac {
                    frames: if short { 960 } else { 1_024 },
                }
            }
            TrackCodec::Mp3 => Self::Mp3,
        })
    }

    /// Frames of the next packet, of which `start` is the beginning and `len` all bytes; 0 where
    /// it is none.
    pub(super) fn count(&mut self, start: &[u8], len: usize) -> u64 {
        match self {
            Self::Opus => packet_ticks(start).map_or(0, u64::from),
            Self::Pcm { frame_bytes } => (len / (*frame_bytes).max(1)) as u64,
            Self::Vorbis(vorbis) => vorbis.count(start),
            Self::Flac { usual } => flac(start).unwrap_or(*usual),
            Self::Aac { frames } => *frames,
            Self::Mp3 => mpeg::packet(start).map_or(0, |p| p.frames.into()),
        }
    }

    /// Packets before the next one are not known.
    pub(super) fn forget(&mut self) {
        if let Self::Vorbis(vorbis) = self {
            vorbis.previous = None;
        }
    }
}

/// The metadata block that FLAC decoders need (RFC 9639 section 8.2), out of what Matroska keeps: all of them,
/// behind the mark `fLaC`.
pub(crate) fn stream_info(private: &[u8]) -> Option<&[u8]> {
    let blocks = private.strip_prefix(b"fLaC")?;
    let is_first = blocks.first()? & 0x7f == 0;
    blocks.get(4..38).filter(|_| is_first)
}

/// Frames of a FLAC frame by its header (RFC 9639 section 9.1.1).
fn flac(packet: &[u8]) -> Option<u64> {
    let head = packet.first_chunk::<5>()?;
    if head[0] != 0xff || head[1] & 0xfc != 0xf8 {
        return None;
    }
    let code = head[2] >> 4;
    // Behind the number, which is coded as UTF-8 codes letters.
    let coded = match head[4].leading_ones() {
        0 => 1,
        n @ 2..=7 => n as usize,
        _ => return None,
    };
    let after = packet.get(4 + coded..)?;
    Some(match code {
        1 => 192,
        2..=5 => 576 << (code - 2),
        6 => u64::from(*after.first()?) + 1,
        7 => u64::from(u16::from_be_bytes(*after.first_chunk::<2>()?)) + 1,
        8..=15 => 256 << (code - 8),
        _ => return None,
    })
}

/// Vorbis' packets last half of their own and the last one's block (Vorbis I section 4.3.8).
#[derive(Debug, Clone)]
pub(super) struct Vorbis {
    /// Sizes of short and long blocks.
    sizes: [u64; 2],
    /// For each mode whether its blocks are long, and how many modes there are.
    long: u64,
    modes: u32,
    previous: Option<u64>,
}

impl Vorbis {
    fn new(private: &[u8]) -> Option<Self> {
        let [ident, _, setup] = xiph_headers(private)?;
        if !ident.starts_with(b"\x01vorbis") || !setup.starts_with(b"\x05vorbis") {
            return None;
        }
        let sizes = *ident.get(28)?;
        let (short, long) = (sizes & 0xf, sizes >> 4);
        if !(6..=13).contains(&short) || !(short..=13).contains(&long) {
            return None;
        }
        let (long_modes, modes) = modes(setup)?;
        Some(Self {
            sizes: [1 << short, 1 << long],
            long: long_modes,
            modes,
            previous: None,
        })
    }

    fn count(&mut self, packet: &[u8]) -> u64 {
        let bits = u32::BITS - (self.modes - 1).leading_zeros();
        let Some(first) = packet.first().filter(|b| **b & 1 == 0) else {
            return 0;
        };
        // The mode follows the packet's type: 1 + 6 bits at most.
        let mode = u32::from(*first) >> 1 & ((1 << bits) - 1);
        if mode >= self.modes {
            return 0;
        }
        let size = self.sizes[(self.long >> mode & 1) as usize];
        let frames = self.previous.map_or(0, |before| before / 4 + size / 4);
        self.previous = Some(size);
        frames
    }
}

/// The three headers of Vorbis as Matroska keeps them: their count, the sizes of the first two
/// as Xiph lacing has them, and the headers.
pub(crate) fn xiph_headers(private: &[u8]) -> Option<[&[u8]; 3]> {
    let mut at = 1;
    if *private.first()? != 2 {
        return None;
    }
    let mut sizes = [0usize; 2];
    for size in &mut sizes {
        loop {
            let byte = *private.get(at)?;
            at += 1;
            *size += usize::from(byte);
            if byte < 255 {
                break;
            }
        }
    }
    let rest = private.get(at..)?;
    let (first, rest) = rest.split_at_checked(sizes[0])?;
    let (second, third) = rest.split_at_checked(sizes[1])?;
    Some([first, second, third])
}

/// The modes at the end of the setup header (Vorbis I section 4.2.4). All before them has no
/// length that could be known without decoding it, so they are read from behind: a framing bit, and before
/// it modes of 41 bits, whose window and transform types are 0; before them, in 6 bits, how many there are.
fn modes(setup: &[u8]) -> Option<(u64, u32)> {
    let bit = |at: usize| setup.get(at / 8).is_some_and(|b| b >> (at % 8) & 1 == 1);
    let bits = |at: usize, n: usize| (0..n).fold(0u64, |v, i| v | u64::from(bit(at + i)) << i);
    let end = (0..setup.len() * 8).rev().find(|at| bit(*at))?;
    let mut found = None;
    let mut long = 0u64;
    for count in 1..=64u32 {
        let Some(at) = end.checked_sub(41 * count as usize) else {
            break;
        };
        if bits(at + 1, 32) != 0 {
            break;
        }
        // The one that was found last is the first of them all.
        long = long << 1 | bits(at, 1);
        let counted = at.checked_sub(6).map(|at| bits(at, 6));
        if counted == Some(u64::from(count - 1)) {
            found = Some((long, count));
        }
    }
    found
}

/// What of a packet has to be there for counting it: a FLAC header has up to 13 bytes.
pub(super) const START: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flac_frames_say_how_long_they_are() {
        assert_eq!(flac(&[0xff, 0xf8, 0xc9, 0x18, 0, 0xc2]), Some(4_096));
        assert_eq!(flac(&[0xff, 0xf8, 0x69, 0x18, 5, 99, 0]), Some(100));
        assert_eq!(flac(&[0xff, 0xf8, 0x79, 0x18, 0xc2, 0x80, 1, 0]), Some(257));
        assert_eq!(flac(&[0xff, 0xf8, 0x09, 0x18, 0, 0]), None);
        assert_eq!(flac(&[0xff, 0xf0, 0xc9, 0x18, 0, 0]), None);
    }

    #[test]
    fn headers_of_vorbis_are_taken_apart() {
        let mut private = vec![2, 2, 255, 1];
        private.extend([7; 2 + 256 + 3]);
        let [a, b, c] = xiph_headers(&private).unwrap();
        assert_eq!((a.len(), b.len(), c.len()), (2, 256, 3));
        assert_eq!(xiph_headers(&private[..100]), None);
        assert_eq!(xiph_headers(&[1, 0]), None);
    }

    #[test]
    fn modes_are_read_from_behind() {
        // Two modes: short, then long; then the framing bit.
        let mut bits: Vec<bool> = vec![true; 24];
        bits.extend((0..6).map(|i| 1 >> i & 1 == 1));
        for (flag, mapping) in [(false, 0u8), (true, 1)] {
            bits.push(flag);
            bits.extend([false; 32]);
            bits.extend((0..8).map(|i| mapping >> i & 1 == 1));
        }
        bits.push(true);
        bits.resize(bits.len().next_multiple_of(8), false);
        let bytes: Vec<u8> = bits
            .chunks(8)
            .map(|c| {
                c.iter()
                    .enumerate()
                    .fold(0, |n, (i, b)| n | u8::from(*b) << i)
            })
            .collect();
        assert_eq!(modes(&bytes), Some((0b10, 2)));
        let mut vorbis = Vorbis {
            sizes: [256, 2_048],
            long: 0b10,
            modes: 2,
            previous: None,
        };
        let counted: Vec<u64> = [0b00, 0b10, 0b10, 0b00, 0b01]
            .map(|b| vorbis.count(&[b]))
            .into();
        assert_eq!(counted, [0, 64 + 512, 1_024, 512 + 64, 0]);
    }
}

//! Redundant audio payloads (RFC 2198): a packet that carries earlier ones again.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |1|  block PT   |     timestamp offset      |   block length    |   a redundant block
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |0|  block PT   |                                                    the primary one
//! +-+-+-+-+-+-+-+-+
//! ```
//!
//! The blocks follow the heads in the same order. Limits: 32 redundant blocks; offsets of 14 and
//! lengths of 10 bits, so what is longer than 1 023 bytes (PCM of more than a few milliseconds)
//! cannot be sent again.

use crate::error::{ParseError, WriteError};

/// A payload of blocks. Borrows from the packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RedPayload<'a> {
    heads: &'a [u8],
    blocks: &'a [u8],
    payload_type: u8,
    primary: &'a [u8],
}

/// A redundant block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RedBlock<'a> {
    /// Its RTP payload type.
    pub payload_type: u8,
    /// How far before the packet's timestamp it begins, in ticks of the RTP clock.
    pub offset: u16,
    /// Its payload.
    pub payload: &'a [u8],
}

impl<'a> RedPayload<'a> {
    /// Reads a payload.
    ///
    /// # Errors
    /// Heads or blocks are cut off, or there are more than [`MAX_BLOCKS`] redundant ones.
    pub fn parse(payload: &'a [u8]) -> Result<Self, ParseError> {
        let mut redundant = 0;
        let mut at = 0;
        while payload.get(at).is_some_and(|b| b & MORE != 0) {
            let Some([_, _, high, low]) = payload[at..].first_chunk::<HEAD>() else {
                return Err(truncated(at + HEAD, payload.len()));
            };
            redundant += length(*high, *low);
            at += HEAD;
            if at > HEAD * MAX_BLOCKS {
                return Err(ParseError::Limit { limit: MAX_BLOCKS });
            }
        }
        let Some(last) = payload.get(at) else {
            return Err(truncated(at + 1, payload.len()));
        };
        let (heads, rest) = (&payload[..at], &payload[at + 1..]);
        let Some((blocks, primary)) = rest.split_at_checked(redundant) else {
            return Err(truncated(at + 1 + redundant, payload.len()));
        };
        Ok(Self {
            heads,
            blocks,
            payload_type: last & !MORE,
            primary,
        })
    }

    /// The RTP payload type of the primary block.
    pub fn payload_type(&self) -> u8 {
        self.payload_type
    }

    /// The primary block: what a packet without redundancy would carry.
    pub fn primary(&self) -> &'a [u8] {
        self.primary
    }

    /// The redundant blocks, in their order in the packet.
    pub fn redundant(&self) -> impl Iterator<Item = RedBlock<'a>> + Clone + use<'a> {
        let mut blocks = self.blocks;
        let (heads, _) = self.heads.as_chunks::<HEAD>();
        heads.iter().map(move |&[pt, a, b, c]| {
            let (payload, rest) = blocks.split_at(length(b, c));
            blocks = rest;
            RedBlock {
                payload_type: pt & !MORE,
                offset: u16::from(a) << 6 | u16::from(b) >> 2,
                payload,
            }
        })
    }
}

/// Writes a payload of `redundant` blocks and the `primary` one into `out` and returns its length.
///
/// # Errors
/// `out` is too small, or a block, an offset or a payload type does not fit its field.
pub fn write<'a>(
    redundant: impl Iterator<Item = RedBlock<'a>> + Clone,
    (payload_type, primary): (u8, &[u8]),
    out: &mut [u8],
) -> Result<usize, WriteError> {
    let available = out.len();
    let blocks = redundant.clone();
    let needed = redundant
        .clone()
        .map(|b| HEAD + b.payload.len())
        .sum::<usize>()
        + 1
        + primary.len();
    let Some(out) = out.get_mut(..needed) else {
        return Err(WriteError::BufferTooSmall { needed, available });
    };
    let mut heads = out;
    for b in redundant {
        if b.payload.len() > MAX_BLOCK || b.offset > MAX_OFFSET || b.payload_type > 127 {
            return Err(WriteError::OutOfRange { field: "RED block" });
        }
        let len = b.payload.len() as u16;
        let (head, rest) = heads.split_at_mut(HEAD);
        head[0] = MORE | b.payload_type;
        head[1] = (b.offset >> 6) as u8;
        head[2] = (b.offset << 2) as u8 | (len >> 8) as u8;
        head[3] = len as u8;
        heads = rest;
    }
    heads[0] = payload_type & !MORE;
    let mut rest = &mut heads[1..];
    for b in blocks {
        let (block, behind) = rest.split_at_mut(b.payload.len());
        block.copy_from_slice(b.payload);
        rest = behind;
    }
    rest.copy_from_slice(primary);
    Ok(needed)
}

fn length(high: u8, low: u8) -> usize {
    usize::from(high & 3) << 8 | usize::from(low)
}

fn truncated(expected: usize, actual: usize) -> ParseError {
    ParseError::Truncated { expected, actual }
}

/// Redundant blocks that a payload may have.
pub const MAX_BLOCKS: usize = 32;
/// Bytes of a redundant block.
pub const MAX_BLOCK: usize = 0x3ff;
/// Ticks by which a redundant block may begin before the primary one.
pub const MAX_OFFSET: u16 = 0x3fff;
/// Set in the first byte of every head but the last.
const MORE: u8 = 0x80;
const HEAD: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_example_of_the_standard_is_read() {
        // RFC 2198 section 5: DVI4 (5) with LPC (7) of 14 bytes, 20 ms at 8 kHz before.
        let mut bytes = vec![0x87, 0x02, 0x80, 14, 0x05];
        bytes.extend(0..14);
        bytes.extend([0xdd; 84]);
        let red = RedPayload::parse(&bytes).unwrap();
        assert_eq!((red.payload_type(), red.primary()), (5, &[0xdd; 84][..]));
        let blocks: Vec<_> = red.redundant().collect();
        assert_eq!((blocks.len(), blocks[0].payload_type), (1, 7));
        assert_eq!(blocks[0].offset, 160);
        assert_eq!(blocks[0].payload, (0..14).collect::<Vec<u8>>());
    }

    #[test]
    fn what_is_cut_off_or_too_much_is_refused() {
        assert!(RedPayload::parse(&[]).is_err());
        assert!(RedPayload::parse(&[0x80, 0, 0]).is_err());
        assert!(RedPayload::parse(&[0x80, 0, 0, 5, 0, 1, 2, 3, 4]).is_err());
        let many = [0x80, 0, 0, 0].repeat(33);
        let limit = ParseError::Limit { limit: MAX_BLOCKS };
        assert_eq!(RedPayload::parse(&many), Err(limit));
        let block = |offset, payload| RedBlock {
            payload_type: 1,
            offset,
            payload,
        };
        let mut out = [0; 2_000];
        let long = [0; MAX_BLOCK + 1];
        for bad in [block(0, &long[..]), block(MAX_OFFSET + 1, &[1])] {
            assert!(write([bad].into_iter(), (0, &[]), &mut out).is_err());
        }
        let good = block(MAX_OFFSET, &long[1..]);
        assert!(write([good].into_iter(), (0, &[]), &mut out[..100]).is_err());
        assert!(write([good].into_iter(), (0, &[]), &mut out).is_ok());
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(
            blocks in prop::collection::vec(
                (0u8..128, 0u16..=MAX_OFFSET, prop::collection::vec(any::<u8>(), 0..60)), 0..=MAX_BLOCKS),
            primary in prop::collection::vec(any::<u8>(), 0..60),
            pt in 0u8..128,
        ) {
            let blocks: Vec<_> = blocks
                .iter()
                .map(|(payload_type, offset, payload)| RedBlock {
                    payload_type: *payload_type,
                    offset: *offset,
                    payload,
                })
                .collect();
            let mut out = [0; 5_000];
            let len = write(blocks.iter().copied(), (pt, &primary), &mut out).unwrap();
            let red = RedPayload::parse(&out[..len]).unwrap();
            prop_assert_eq!(red.redundant().collect::<Vec<_>>(), blocks);
            prop_assert_eq!((red.payload_type(), red.primary()), (pt, &primary[..]));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(red) = RedPayload::parse(&bytes) {
                let mut out = [0; 300];
                let len = write(red.redundant(), (red.payload_type(), red.primary()), &mut out);
                prop_assert_eq!(&out[..len.unwrap()], &bytes[..]);
            }
        }
    }
}

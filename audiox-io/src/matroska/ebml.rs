//! EBML (RFC 8794): numbers and elements in memory, and how blocks are cut into packets.

use std::ops::Range;

/// An element's number, its marker bits included.
pub(super) type Id = u32;

/// An element's header: its number, its size (`None` is unknown), and how many bytes it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) id: Id,
    pub(super) size: Option<u64>,
    pub(super) len: usize,
}

/// The header at the beginning of `bytes`; `None` where there is none.
pub(super) fn header(bytes: &[u8]) -> Option<Header> {
    let first = *bytes.first()?;
    let id_len = first.leading_zeros() as usize + 1;
    if id_len > 4 {
        return None;
    }
    let id = bytes.get(..id_len)?;
    let id = id.iter().fold(0, |n, b| n << 8 | u32::from(*b));
    let (size, size_len) = number(bytes.get(id_len..)?)?;
    Some(Header {
        id,
        size,
        len: id_len + size_len,
    })
}

/// A number of variable size and its bytes; all ones are "unknown" (RFC 8794 section 6.2).
pub(super) fn number(bytes: &[u8]) -> Option<(Option<u64>, usize)> {
    let first = *bytes.first()?;
    let len = first.leading_zeros() as usize + 1;
    if len > 8 {
        return None;
    }
    let all = bytes.get(..len)?;
    let rest = u64::from(first) & ((1 << (8 - len)) - 1);
    let value = all[1..].iter().fold(rest, |n, b| n << 8 | u64::from(*b));
    let unknown = (1u64 << (7 * len)) - 1;
    Some(((value != unknown).then_some(value), len))
}

/// The elements in the body of another, as far as they are whole.
pub(super) fn children(mut body: &[u8]) -> impl Iterator<Item = (Id, &[u8])> {
    std::iter::from_fn(move || {
        let header = header(body)?;
        let rest = body.get(header.len..)?;
        let size = header.size.and_then(|n| usize::try_from(n).ok())?;
        let child = rest.get(..size)?;
        body = &rest[size..];
        Some((header.id, child))
    })
}

/// An unsigned integer of up to 8 bytes.
pub(super) fn uint(body: &[u8]) -> u64 {
    let fold = |n: u64, b: &u8| n << 8 | u64::from(*b);
    body.iter().take(8).fold(0, fold)
}

/// A signed integer of up to 8 bytes.
pub(super) fn int(body: &[u8]) -> i64 {
    let len = body.len().min(8);
    let shift = 64 - 8 * len as u32;
    if len == 0 {
        return 0;
    }
    (uint(body) << shift) as i64 >> shift
}

/// A float of 4 or 8 bytes; 0 for anything else.
pub(super) fn float(body: &[u8]) -> f64 {
    match *body {
        [a, b, c, d] => f32::from_be_bytes([a, b, c, d]).into(),
        [a, b, c, d, e, f, g, h] => f64::from_be_bytes([a, b, c, d, e, f, g, h]),
        _ => 0.0,
    }
}

/// What a block says before its packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BlockHead {
    pub(super) track: u64,
    /// Relative to its cluster.
    pub(super) time: i16,
    lacing: Lacing,
    /// Bytes before the packets.
    len: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lacing {
    None,
    Xiph,
    Fixed,
    Ebml,
}

impl BlockHead {
    /// Reads the beginning of a block (RFC 9559 section 10.1).
    pub(super) fn parse(block: &[u8]) -> Option<Self> {
        let (track, len) = number(block)?;
        let rest = block.get(len..)?.first_chunk::<3>()?;
        let lacing = match rest[2] >> 1 & 3 {
            0 => Lacing::None,
            1 => Lacing::Xiph,
            2 => Lacing::Fixed,
            _ => Lacing::Ebml,
        };
        Some(Self {
            track: track?,
            time: i16::from_be_bytes([rest[0], rest[1]]),
            lacing,
            len: len + 3,
        })
    }

    /// Whether one packet is all there is.
    pub(super) fn is_single(&self) -> bool {
        self.lacing == Lacing::None
    }

    /// Bytes before the only packet.
    pub(super) fn single_at(&self) -> usize {
        self.len
    }

    /// Where the packets lie in the block (section 10.3); `None` where their sizes cannot be.
    pub(super) fn packets(&self, block: &[u8]) -> Option<Vec<Range<usize>>> {
        if self.lacing == Lacing::None {
            return Some(std::iter::once(self.len..block.len()).collect());
        }
        let count = usize::from(*block.get(self.len)?) + 1;
        let mut at = self.len + 1;
        let mut sizes = Vec::with_capacity(count);
        match self.lacing {
            Lacing::None => {}
            Lacing::Fixed => {
                let all = block.len() - at;
                if !all.is_multiple_of(count) {
                    return None;
                }
                sizes.resize(count - 1, all / count);
            }
            Lacing::Xiph => {
                for _ in 1..count {
                    let mut size = 0;
                    loop {
                        let byte = *block.get(at)?;
                        at += 1;
                        size += usize::from(byte);
                        if byte < 255 {
                            break;
                        }
                    }
                    sizes.push(size);
                }
            }
            Lacing::Ebml => {
                let mut size = 0i64;
                for i in 1..count {
                    let (value, len) = number(block.get(at..)?)?;
                    let value = i64::try_from(value?).ok()?;
                    at += len;
                    // Differences are stored with an offset of half their range.
                    size = match i {
                        1 => value,
                        _ => size.checked_add(value - ((1i64 << (7 * len - 1)) - 1))?,
                    };
                    sizes.push(usize::try_from(size).ok()?);
                }
            }
        }
        let mut packets = Vec::with_capacity(count);
        for size in sizes {
            let end = at.checked_add(size).filter(|end| *end <= block.len())?;
            packets.push(at..end);
            at = end;
        }
        packets.push(at..block.len());
        Some(packets)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_and_headers_are_read_as_the_rfc_says() {
        assert_eq!(number(&[0x82]), Some((Some(2), 1)));
        assert_eq!(number(&[0x40, 0x02]), Some((Some(2), 2)));
        assert_eq!(number(&[0xff]), Some((None, 1)));
        assert_eq!(number(&[0x7f, 0xff]), Some((None, 2)));
        assert_eq!(
            number(&[0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
            Some((None, 8))
        );
        assert_eq!(
            (number(&[0]), number(&[0x40]), number(&[])),
            (None, None, None)
        );
        let segment = [0x18, 0x53, 0x80, 0x67, 0xff];
        let is = Header {
            id: 0x1853_8067,
            size: None,
            len: 5,
        };
        assert_eq!(header(&segment), Some(is));
        assert_eq!(header(&[0x08, 0x81]), None);
        assert_eq!((int(&[0xff]), int(&[0x80, 0]), int(&[])), (-1, -32_768, 0));
        assert_eq!(float(&44_100f32.to_be_bytes()), 44_100.0);
        let body = [0x83, 0x81, 2, 0x86, 0x82, b'A', b'_', 0x9f, 0x88];
        let all: Vec<_> = children(&body).collect();
        assert_eq!(all, [(0x83, &[2][..]), (0x86, b"A_")]);
    }

    fn packets(block: &[u8]) -> Option<Vec<Range<usize>>> {
        BlockHead::parse(block)?.packets(block)
    }

    #[test]
    fn lacing_cuts_blocks_into_packets() {
        let one = packets(&[0x81, 0, 1, 0x80, 7, 7]).unwrap();
        assert_eq!((one.len(), one[0].clone()), (1, 4..6));
        let fixed = [0x81, 0, 0, 0x04, 1, 7, 7, 8, 8];
        assert_eq!(packets(&fixed), Some(vec![5..7, 7..9]));
        assert_eq!(packets(&fixed[..8]), None);
        let mut xiph = vec![0x81, 0, 0, 0x02, 2, 255, 1, 2];
        xiph.extend([7; 256 + 2 + 3]);
        assert_eq!(packets(&xiph), Some(vec![8..264, 264..266, 266..269]));
        assert_eq!(packets(&xiph[..200]), None);
        // 3 bytes, then one more (+1), then the rest.
        let ebml = [
            0x81, 0xff, 0xfe, 0x06, 2, 0x83, 0xc0, 1, 1, 1, 2, 2, 2, 2, 3,
        ];
        assert_eq!(packets(&ebml), Some(vec![7..10, 10..14, 14..15]));
        assert_eq!(BlockHead::parse(&ebml).map(|h| h.time), Some(-2));
    }

    proptest! {
        #[test]
        fn packets_lie_in_their_block_and_follow_each_other(
            bytes in prop::collection::vec(any::<u8>(), 0..200), lacing in 0u8..4, real: bool
        ) {
            let mut block = if real { vec![0x81, 0, 0, lacing << 1] } else { Vec::new() };
            block.extend(bytes);
            if let Some(packets) = packets(&block) {
                prop_assert!(packets.windows(2).all(|p| p[0].end == p[1].start));
                prop_assert_eq!(packets.last().map(|p| p.end), Some(block.len()));
            }
        }
    }
}

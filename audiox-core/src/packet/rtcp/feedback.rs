//! Transport-layer feedback: requests for what is missing (RFC 4585 section 6.2.1).

use super::split_field;
use crate::error::ParseError;
use crate::time::SeqNum;

/// A generic NACK: packets that a receiver misses and asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nack<'a> {
    /// Who asks.
    pub sender: u32,
    /// Whose packets are missing.
    pub media: u32,
    entries: &'a [[u8; ENTRY]],
}

impl<'a> Nack<'a> {
    /// The format number of generic NACKs.
    pub const FMT: u8 = 1;

    pub(super) fn parse(body: &'a [u8]) -> Result<Self, ParseError> {
        let (sender, body) = split_field(body)?;
        let (media, body) = split_field(body)?;
        let (entries, rest) = body.as_chunks();
        // Bodies are whole words, so nothing is left; an empty request asks for nothing.
        if entries.is_empty() || !rest.is_empty() {
            return Err(ParseError::Length(body.len()));
        }
        Ok(Self {
            sender: u32::from_be_bytes(*sender),
            media: u32::from_be_bytes(*media),
            entries,
        })
    }

    /// The numbers of the missing packets, in the order in which they are listed, at most 17 an
    /// entry of four bytes.
    pub fn missing(&self) -> impl Iterator<Item = SeqNum> + Clone + use<'a> {
        self.entries.iter().flat_map(|entry| {
            let [a, b, mask @ ..] = *entry;
            let first = SeqNum(u16::from_be_bytes([a, b]));
            let mask = u16::from_be_bytes(mask);
            let following = (0..16).filter(move |bit| mask >> bit & 1 == 1);
            std::iter::once(first).chain(following.map(move |bit| first.wrapping_add(bit + 1)))
        })
    }
}

/// The entries that list `missing`, which ascends.
pub(super) fn entries(missing: &[SeqNum]) -> impl Iterator<Item = [u8; ENTRY]> + Clone {
    let mut rest = missing;
    std::iter::from_fn(move || {
        let (first, mut following) = rest.split_first()?;
        let mut mask = 0u16;
        while let Some((seq, behind)) = following.split_first()
            && let distance @ 1..=16 = seq.distance(*first)
        {
            mask |= 1 << (distance - 1);
            following = behind;
        }
        rest = following;
        let ([a, b], [c, d]) = (first.0.to_be_bytes(), mask.to_be_bytes());
        Some([a, b, c, d])
    })
}

/// Bytes of an entry: a number, and a bit for each of the sixteen after it.
pub(super) const ENTRY: usize = 4;

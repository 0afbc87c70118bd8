//! Source descriptions (RFC 3550 section 6.5).

use super::split_field;
use crate::error::ParseError;

/// Names and notes about sources. The one that matters is the CNAME: it is the same for all
/// streams of one sender and stays when the SSRC changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceDescription<'a> {
    chunks: &'a [u8],
}

impl<'a> SourceDescription<'a> {
    pub(super) fn parse(count: u8, body: &'a [u8]) -> Result<Self, ParseError> {
        let mut rest = body;
        for _ in 0..count {
            (_, rest) = split_chunk(rest)?;
        }
        if !rest.is_empty() {
            return Err(ParseError::Length(rest.len()));
        }
        Ok(Self { chunks: body })
    }

    /// One chunk for each source described, at most 31.
    pub fn chunks(&self) -> impl Iterator<Item = SdesChunk<'a>> + Clone + use<'a> {
        let mut rest = self.chunks;
        std::iter::from_fn(move || {
            let (chunk, behind) = split_chunk(rest).ok()?;
            rest = behind;
            Some(chunk)
        })
    }

    /// The CNAME of source `ssrc`.
    pub fn cname(&self, ssrc: u32) -> Option<&'a [u8]> {
        self.chunks().find(|chunk| chunk.ssrc == ssrc)?.cname()
    }
}

/// What a description says about one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SdesChunk<'a> {
    /// The source.
    pub ssrc: u32,
    items: &'a [u8],
}

impl<'a> SdesChunk<'a> {
    /// The items in their order.
    pub fn items(&self) -> impl Iterator<Item = SdesItem<'a>> + Clone + use<'a> {
        let mut rest = self.items;
        std::iter::from_fn(move || {
            let (item, behind) = split_item(rest).ok()?;
            rest = behind;
            Some(item)
        })
    }

    /// The canonical name, without which a chunk is of little use.
    pub fn cname(&self) -> Option<&'a [u8]> {
        let item = self.items().find(|item| item.ty == SdesItem::CNAME)?;
        Some(item.value)
    }
}

/// One item of a description.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SdesItem<'a> {
    /// What it tells, never 0.
    pub ty: u8,
    /// At most 255 bytes; the RFC asks for UTF-8, the wire does not promise it.
    pub value: &'a [u8],
}

impl SdesItem<'_> {
    /// Canonical name, unique among the participants.
    pub const CNAME: u8 = 1;
    /// The user's name.
    pub const NAME: u8 = 2;
    /// Electronic mail address.
    pub const EMAIL: u8 = 3;
    /// Phone number.
    pub const PHONE: u8 = 4;
    /// Geographic location.
    pub const LOC: u8 = 5;
    /// Application or tool.
    pub const TOOL: u8 = 6;
    /// Transient notice or status.
    pub const NOTE: u8 = 7;
    /// Private extension: prefix length, prefix, value.
    pub const PRIV: u8 = 8;
}

/// Splits a chunk off: source, items, at least one null byte up to the next word of the packet.
fn split_chunk(bytes: &[u8]) -> Result<(SdesChunk<'_>, &[u8]), ParseError> {
    let (ssrc, items) = split_field(bytes)?;
    let mut rest = items;
    while rest.first() != Some(&0) {
        (_, rest) = split_item(rest)?;
    }
    let items_len = items.len() - rest.len();
    let chunk = SdesChunk {
        ssrc: u32::from_be_bytes(*ssrc),
        items: &items[..items_len],
    };
    let end = (items_len + 1).next_multiple_of(4);
    let behind = items.get(end..).ok_or(ParseError::Truncated {
        expected: end,
        actual: items.len(),
    })?;
    Ok((chunk, behind))
}

fn split_item(bytes: &[u8]) -> Result<(SdesItem<'_>, &[u8]), ParseError> {
    let (&[ty, len], rest) = split_field(bytes)?;
    let len = usize::from(len);
    let (value, rest) = rest.split_at_checked(len).ok_or(ParseError::Truncated {
        expected: len,
        actual: rest.len(),
    })?;
    Ok((SdesItem { ty, value }, rest))
}

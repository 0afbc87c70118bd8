//! Names and numbers of the RIFF formats.

use std::fmt;

/// A chunk's four-character code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Id(pub(super) [u8; 4]);

impl Id {
    pub(super) const RIFF: Self = Self(*b"RIFF");
    pub(super) const RIFX: Self = Self(*b"RIFX");
    pub(super) const RF64: Self = Self(*b"RF64");
    pub(super) const BW64: Self = Self(*b"BW64");
    pub(super) const WAVE: Self = Self(*b"WAVE");
    pub(super) const DS64: Self = Self(*b"ds64");
    pub(super) const FMT: Self = Self(*b"fmt ");
    pub(super) const FACT: Self = Self(*b"fact");
    pub(super) const JUNK: Self = Self(*b"JUNK");
    pub(super) const DATA: Self = Self(*b"data");
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

/// Length of a chunk's header: code and size.
pub(super) const CHUNK_HEADER: u64 = 8;
/// Length of the form's header: code, size and `WAVE`.
pub(super) const FORM_HEADER: u64 = 12;
/// A 32-bit size that says "see ds64", and in streamed files "unknown".
pub(super) const UNKNOWN_SIZE: u32 = u32::MAX;

/// The header length of files that [`WavSink`](super::WavSink) writes: where their data starts.
pub(super) const OUR_HEADER: u64 = 128;
/// Begins the last chunk before the data of a recording that was not closed.
pub(super) const OPEN_MARK: [u8; 4] = *b"axOP";

pub(super) const TAG_PCM: u16 = 1;
pub(super) const TAG_FLOAT: u16 = 3;
pub(super) const TAG_ALAW: u16 = 6;
pub(super) const TAG_MULAW: u16 = 7;
pub(super) const TAG_EXTENSIBLE: u16 = 0xFFFE;

/// The sub-format of an extensible header is a tag followed by these bytes.
pub(super) const SUBFORMAT_TAIL: [u8; 14] = [
    0x00, 0x00, 0x00, 0x00, 0x10, 0x00, 0x80, 0x00, 0x00, 0xAA, 0x00, 0x38, 0x9B, 0x71,
];

pub(super) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(array_at(bytes, at))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array_at(bytes, at))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array_at(bytes, at))
}

/// The `N` bytes at `at`; what lies past the end reads as zero.
fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    let there = bytes.get(at..).unwrap_or_default();
    let n = there.len().min(N);
    out[..n].copy_from_slice(&there[..n]);
    out
}

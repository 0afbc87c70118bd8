//! Extended reports (RFC 3611; the de-jitter buffer block of RFC 7005).

use std::time::Duration;

use super::{split_field, split_items};
use crate::error::ParseError;
use crate::time::{NtpTime, SeqNum};

/// Report blocks by somebody about what they receive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExtendedReport<'a> {
    /// Who reports.
    pub ssrc: u32,
    blocks: &'a [u8],
}

impl<'a> ExtendedReport<'a> {
    pub(super) fn parse(body: &'a [u8]) -> Result<Self, ParseError> {
        let (ssrc, blocks) = split_field(body)?;
        Ok(Self {
            ssrc: u32::from_be_bytes(*ssrc),
            blocks,
        })
    }

    /// The blocks in their order; an error is about that block alone, except where a block's
    /// length is not true: nothing can be told of what follows it.
    pub fn blocks(&self) -> XrBlocks<'a> {
        XrBlocks { rest: self.blocks }
    }
}

/// Iterator over the blocks of an extended report.
#[derive(Debug, Clone)]
pub struct XrBlocks<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for XrBlocks<'a> {
    type Item = Result<XrBlock<'a>, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let rest = std::mem::take(&mut self.rest);
        let Ok((&[ty, specific, high, low], rest)) = split_field(rest) else {
            return Some(Err(ParseError::Length(rest.len())));
        };
        let expected = usize::from(u16::from_be_bytes([high, low])) * 4;
        let Some((body, rest)) = rest.split_at_checked(expected) else {
            return Some(Err(ParseError::Truncated {
                expected,
                actual: rest.len(),
            }));
        };
        self.rest = rest;
        Some(XrBlock::parse(ty, specific, body))
    }
}

/// A block of an extended report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum XrBlock<'a> {
    /// Which packets of a source arrived (section 4.1).
    Loss(LossRle<'a>),
    /// The reporter's wall-clock time, to be answered by [`Self::Delays`] (section 4.4).
    ReferenceTime(NtpTime),
    /// Answers to reference times (section 4.5).
    Delays(XrDelays<'a>),
    /// How long a receiver holds back what it plays (RFC 7005).
    JitterBuffer(JitterBufferDelay),
    /// A block that is not read here.
    Other {
        /// The block type.
        ty: u8,
        /// The byte whose meaning depends on the type.
        specific: u8,
        /// The rest of the block; whole words of four bytes.
        body: &'a [u8],
    },
}

impl<'a> XrBlock<'a> {
    pub(super) const LOSS: u8 = 1;
    pub(super) const REFERENCE_TIME: u8 = 4;
    pub(super) const DELAYS: u8 = 5;
    pub(super) const JITTER_BUFFER: u8 = 23;

    fn parse(ty: u8, specific: u8, body: &'a [u8]) -> Result<Self, ParseError> {
        Ok(match ty {
            Self::LOSS => Self::Loss(LossRle::parse(specific, body)?),
            Self::REFERENCE_TIME => {
                let (ntp, _) = split_field(body)?;
                Self::ReferenceTime(NtpTime(u64::from_be_bytes(*ntp)))
            }
            Self::DELAYS => {
                let count = body.len() / XrDelay::LEN;
                let (answers, rest) = split_items(body, u8::try_from(count).unwrap_or(u8::MAX))?;
                if !rest.is_empty() {
                    return Err(ParseError::Length(body.len()));
                }
                Self::Delays(XrDelays(answers))
            }
            Self::JITTER_BUFFER => Self::JitterBuffer(JitterBufferDelay::parse(specific, body)?),
            _ => Self::Other { ty, specific, body },
        })
    }
}

/// Which packets of a source arrived, by their numbers, run-length encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LossRle<'a> {
    /// The source that the block is about.
    pub ssrc: u32,
    /// Only every 2^`thinning`-th number is told of, 0 to 15.
    pub thinning: u8,
    /// The first number told of.
    pub begin: SeqNum,
    /// One past the last.
    pub end: SeqNum,
    chunks: &'a [[u8; 2]],
}

impl<'a> LossRle<'a> {
    pub(super) const HEAD: usize = 8;

    fn parse(specific: u8, body: &'a [u8]) -> Result<Self, ParseError> {
        let (ssrc, body) = split_field(body)?;
        let (&[a, b, c, d], body) = split_field(body)?;
        Ok(Self {
            ssrc: u32::from_be_bytes(*ssrc),
            thinning: specific & 0x0f,
            begin: SeqNum(u16::from_be_bytes([a, b])),
            end: SeqNum(u16::from_be_bytes([c, d])),
            chunks: body.as_chunks().0,
        })
    }

    /// Whether each packet arrived, from the first on, as far as the chunks reach: at most 65 535.
    pub fn arrived(&self) -> impl Iterator<Item = bool> + Clone + use<'a> {
        let step = 1usize << self.thinning;
        let told = usize::from(self.end.0.wrapping_sub(self.begin.0)).div_ceil(step);
        let chunks = self.chunks.iter().map(|c| u16::from_be_bytes(*c));
        let chunks = chunks.take_while(|c| *c != 0);
        let packets = chunks.flat_map(|chunk| {
            let (count, bits) = match chunk >> 15 {
                0 => (chunk & RUN_MAX, None),
                _ => (VECTOR_LEN, Some(chunk)),
            };
            (0..count).map(move |n| match bits {
                Some(bits) => bits >> (VECTOR_LEN - 1 - n) & 1 == 1,
                None => chunk & RUN_OF_ARRIVED != 0,
            })
        });
        packets.take(told)
    }

    /// How many packets were lost, and in how many runs, where `lost_before` says whether the one
    /// before the first was. Takes time by the bytes of the block, not by the packets that it tells
    /// of.
    pub fn losses(&self, lost_before: bool) -> Losses {
        let step = 1usize << self.thinning;
        let mut left = usize::from(self.end.0.wrapping_sub(self.begin.0)).div_ceil(step);
        let mut losses = Losses {
            last: lost_before,
            ..Losses::default()
        };
        let chunks = self.chunks.iter().map(|c| u16::from_be_bytes(*c));
        for chunk in chunks.take_while(|c| *c != 0) {
            if chunk & VECTOR == 0 {
                let count = left.min(usize::from(chunk & RUN_MAX));
                losses.tell(count, chunk & RUN_OF_ARRIVED != 0);
                left -= count;
            } else {
                let count = left.min(usize::from(VECTOR_LEN));
                for bit in (0..usize::from(VECTOR_LEN)).rev().take(count) {
                    losses.tell(1, chunk >> bit & 1 == 1);
                }
                left -= count;
            }
        }
        losses
    }
}

/// What a [`LossRle`] amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Losses {
    /// Packets told of.
    pub told: u64,
    /// Of these, lost.
    pub lost: u64,
    /// Runs of lost packets that begin among them.
    pub runs: u64,
    /// Whether the last one was lost.
    pub last: bool,
}

impl Losses {
    fn tell(&mut self, count: usize, arrived: bool) {
        if count > 0 {
            self.told += count as u64;
            self.lost += if arrived { 0 } else { count as u64 };
            self.runs += u64::from(!arrived && !self.last);
            self.last = !arrived;
        }
    }
}

/// Packs the arrivals of packets into chunks.
#[derive(Debug, Clone)]
pub(super) struct Chunks<I: Iterator<Item = bool>>(std::iter::Peekable<I>);

/// Chunks that tell of `arrived`, of which each takes a run if that says more than the 15 bits of
/// a vector.
pub(super) fn chunks<I>(arrived: I) -> Chunks<I>
where
    I: Iterator<Item = bool> + Clone,
{
    Chunks(arrived.peekable())
}

impl<I: Iterator<Item = bool> + Clone> Iterator for Chunks<I> {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        let of = *self.0.peek()?;
        let run = self.0.clone().take(RUN_MAX.into());
        let run = run.take_while(|a| *a == of).count() as u16;
        // Also what remains is a run where it is all of a kind.
        let rest = self.0.clone().take(usize::from(run) + 1).count();
        if run > VECTOR_LEN || rest == usize::from(run) {
            self.0.by_ref().take(run.into()).for_each(drop);
            return Some(if of { RUN_OF_ARRIVED | run } else { run });
        }
        let mut chunk = VECTOR;
        for n in 0..VECTOR_LEN {
            if self.0.next() == Some(true) {
                chunk |= 1 << (VECTOR_LEN - 1 - n);
            }
        }
        Some(chunk)
    }
}

/// When a reporter's reference time came to whom answers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct XrDelay {
    /// The reporter that is answered.
    pub ssrc: u32,
    /// The middle 32 bits of its reference time ([`NtpTime::middle`]).
    pub last_rr: u32,
    /// Time since that came, in 1/65 536 s.
    pub delay_since_last_rr: u32,
}

impl XrDelay {
    pub(super) const LEN: usize = 12;

    /// The round trip, where this answer arrived at `arrival` on the clock of the reference time;
    /// `None` where no reference time had come.
    pub fn round_trip(&self, arrival: NtpTime) -> Option<Duration> {
        let block = super::ReportBlock {
            last_sr: self.last_rr,
            delay_since_last_sr: self.delay_since_last_rr,
            ..Default::default()
        };
        block.round_trip(arrival)
    }
}

/// The answers in a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct XrDelays<'a>(&'a [[u8; XrDelay::LEN]]);

impl XrDelays<'_> {
    /// The answer to `ssrc`.
    pub fn find(&self, ssrc: u32) -> Option<XrDelay> {
        let word = |b: &[u8; XrDelay::LEN], at: usize| {
            u32::from_be_bytes([b[at], b[at + 1], b[at + 2], b[at + 3]])
        };
        let answers = self.0.iter().map(|b| XrDelay {
            ssrc: word(b, 0),
            last_rr: word(b, 4),
            delay_since_last_rr: word(b, 8),
        });
        { answers }.find(|answer| answer.ssrc == ssrc)
    }
}

/// How long a receiver holds back what it plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JitterBufferDelay {
    /// The source that the block is about.
    pub ssrc: u32,
    /// Whether the delay follows the network's jitter.
    pub adaptive: bool,
    /// What a packet that is on time waits, whole milliseconds; `None` where unknown or above
    /// 65.5 s.
    pub nominal: Option<Duration>,
    /// The most that the earliest packet waits; `None` as for `nominal`.
    pub maximum: Option<Duration>,
}

impl JitterBufferDelay {
    pub(super) const LEN: usize = 12;

    fn parse(specific: u8, body: &[u8]) -> Result<Self, ParseError> {
        let (ssrc, body) = split_field(body)?;
        let (&[a, b, c, d], _) = split_field(body)?;
        let millis = |ms: u16| (ms < OVER).then(|| Duration::from_millis(ms.into()));
        Ok(Self {
            ssrc: u32::from_be_bytes(*ssrc),
            adaptive: specific & ADAPTIVE != 0,
            nominal: millis(u16::from_be_bytes([a, b])),
            maximum: millis(u16::from_be_bytes([c, d])),
        })
    }

    pub(super) fn specific(&self) -> u8 {
        SAMPLED | if self.adaptive { ADAPTIVE } else { 0 }
    }

    pub(super) fn to_bytes(self) -> [u8; Self::LEN] {
        let millis = |d: Option<Duration>| match d.map(|d| u16::try_from(d.as_millis())) {
            None => UNAVAILABLE,
            Some(Ok(ms)) if ms < OVER => ms,
            Some(_) => OVER,
        };
        let fields = [
            millis(self.nominal),
            millis(self.maximum),
            // The high and low water marks are not kept.
            UNAVAILABLE,
            UNAVAILABLE,
        ];
        let mut out = [0; Self::LEN];
        out[..4].copy_from_slice(&self.ssrc.to_be_bytes());
        for (room, field) in out[4..].chunks_exact_mut(2).zip(fields) {
            room.copy_from_slice(&field.to_be_bytes());
        }
        out
    }
}

const VECTOR: u16 = 0x8000;
const VECTOR_LEN: u16 = 15;
const RUN_OF_ARRIVED: u16 = 0x4000;
const RUN_MAX: u16 = 0x3fff;
/// The interval metric flag: as it was at the time of the report.
const SAMPLED: u8 = 0x40;
const ADAPTIVE: u8 = 0x20;
const OVER: u16 = 0xfffe;
const UNAVAILABLE: u16 = 0xffff;

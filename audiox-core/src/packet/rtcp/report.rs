//! Sender and receiver reports (RFC 3550 sections 6.4.1 and 6.4.2).

use std::time::Duration;

use super::{split_field, split_items};
use crate::error::ParseError;
use crate::time::{NtpTime, RtpTimestamp, nanos};

/// A sender report: the pair of times that ties the stream to the wall clock, what was sent so
/// far, and what was received of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SenderReport<'a> {
    /// The sender, whose stream the report is about.
    pub ssrc: u32,
    /// Times and counts of the stream.
    pub info: SenderInfo,
    /// Reception from other sources.
    pub reports: ReportBlocks<'a>,
    /// What a profile adds behind the blocks; whole words of four bytes.
    pub extension: &'a [u8],
}

impl<'a> SenderReport<'a> {
    pub(super) fn parse(count: u8, body: &'a [u8]) -> Result<Self, ParseError> {
        let (ssrc, body) = split_field(body)?;
        let (info, body) = split_field(body)?;
        let (reports, extension) = split_items(body, count)?;
        Ok(Self {
            ssrc: u32::from_be_bytes(*ssrc),
            info: SenderInfo::from_bytes(info),
            reports: ReportBlocks(reports),
            extension,
        })
    }
}

/// A report of somebody who received but did not send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceiverReport<'a> {
    /// Who reports.
    pub ssrc: u32,
    /// Reception by source; may be empty.
    pub reports: ReportBlocks<'a>,
    /// What a profile adds behind the blocks; whole words of four bytes.
    pub extension: &'a [u8],
}

impl<'a> ReceiverReport<'a> {
    pub(super) fn parse(count: u8, body: &'a [u8]) -> Result<Self, ParseError> {
        let (ssrc, body) = split_field(body)?;
        let (reports, extension) = split_items(body, count)?;
        Ok(Self {
            ssrc: u32::from_be_bytes(*ssrc),
            reports: ReportBlocks(reports),
            extension,
        })
    }
}

/// The sender's part of a sender report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SenderInfo {
    /// Wall-clock time of the report.
    pub ntp: NtpTime,
    /// The same moment on the stream's media clock.
    pub timestamp: RtpTimestamp,
    /// RTP packets sent since the start, modulo 2³².
    pub packet_count: u32,
    /// Payload bytes sent since the start, headers and padding left out, modulo 2³².
    pub octet_count: u32,
}

impl SenderInfo {
    pub(super) const LEN: usize = 20;

    fn from_bytes(b: &[u8; Self::LEN]) -> Self {
        Self {
            ntp: NtpTime(u64::from_be_bytes([
                b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7],
            ])),
            timestamp: RtpTimestamp(u32::from_be_bytes([b[8], b[9], b[10], b[11]])),
            packet_count: u32::from_be_bytes([b[12], b[13], b[14], b[15]]),
            octet_count: u32::from_be_bytes([b[16], b[17], b[18], b[19]]),
        }
    }
}

/// What one receiver saw of one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReportBlock {
    /// The source that the block is about.
    pub ssrc: u32,
    /// Share of packets lost since the last report, in 1/256; 0 where duplicates outweigh losses.
    pub fraction_lost: u8,
    /// Packets lost since the start, −2²³ to 2²³−1: negative where duplicates outweigh losses.
    /// Beyond the range it is written clamped to it (appendix A.3).
    pub cumulative_lost: i32,
    /// Extended highest sequence number: the low 16 bits as on the wire, the high 16 the number
    /// of times it wrapped.
    pub highest_seq: u32,
    /// Interarrival jitter, in ticks of the stream's media clock.
    pub jitter: u32,
    /// The middle 32 bits of the last sender report's NTP time ([`NtpTime::middle`]); 0 before
    /// the first.
    pub last_sr: u32,
    /// Time from that report's arrival to this one's departure, in 1/65 536 s; 0 before the
    /// first. See [`delay_units`](Self::delay_units).
    pub delay_since_last_sr: u32,
}

impl ReportBlock {
    pub(super) const LEN: usize = 24;

    /// `delay` in the unit of [`delay_since_last_sr`](Self::delay_since_last_sr), saturating at
    /// 18 hours.
    pub fn delay_units(delay: Duration) -> u32 {
        let units = u128::from(nanos(delay)) * 65_536 / 1_000_000_000;
        u32::try_from(units).unwrap_or(u32::MAX)
    }

    /// Round-trip time to the receiver, if this block arrived at `arrival` on the wall clock by
    /// which the sender reports were written (section 6.4.1); `None` where no sender report had
    /// reached the receiver. Resolution 15 µs; zero where the clock was set back.
    pub fn round_trip(&self, arrival: NtpTime) -> Option<Duration> {
        if self.last_sr == 0 {
            return None;
        }
        let units = arrival
            .middle()
            .wrapping_sub(self.last_sr)
            .wrapping_sub(self.delay_since_last_sr);
        let units = u64::from(units.cast_signed().max(0).cast_unsigned());
        Some(Duration::from_nanos(units * 1_000_000_000 / 65_536))
    }

    fn from_bytes(b: &[u8; Self::LEN]) -> Self {
        let word = |at: usize| u32::from_be_bytes([b[at], b[at + 1], b[at + 2], b[at + 3]]);
        Self {
            ssrc: word(0),
            fraction_lost: b[4],
            cumulative_lost: i32::from_be_bytes([b[5], b[6], b[7], 0]) >> 8,
            highest_seq: word(8),
            jitter: word(12),
            last_sr: word(16),
            delay_since_last_sr: word(20),
        }
    }

    pub(super) fn to_words(self) -> [u32; Self::LEN / 4] {
        let lost = self.cumulative_lost.clamp(-LOST_LIMIT, LOST_LIMIT - 1);
        [
            self.ssrc,
            u32::from(self.fraction_lost) << 24 | lost.cast_unsigned() & 0x00ff_ffff,
            self.highest_seq,
            self.jitter,
            self.last_sr,
            self.delay_since_last_sr,
        ]
    }
}

/// The report blocks of a report, 0 to 31.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportBlocks<'a>(&'a [[u8; ReportBlock::LEN]]);

impl<'a> ReportBlocks<'a> {
    /// Number of blocks.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The blocks in their order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = ReportBlock> + Clone + use<'a> {
        self.0.iter().map(ReportBlock::from_bytes)
    }

    /// The block about `ssrc`.
    pub fn find(&self, ssrc: u32) -> Option<ReportBlock> {
        self.iter().find(|block| block.ssrc == ssrc)
    }
}

const LOST_LIMIT: i32 = 1 << 23;

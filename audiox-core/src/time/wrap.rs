//! Wrapping wire counters and their unwrapped forms (RFC 3550 section 5.1, appendix A.1).

use std::ops::{Add, Sub};

/// RTP sequence number as on the wire: wraps at 2¹⁶, so it has no order, only distances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct SeqNum(pub u16);

impl SeqNum {
    /// The number `n` further on.
    pub const fn wrapping_add(self, n: u16) -> Self {
        Self(self.0.wrapping_add(n))
    }

    /// Signed distance from `other` to `self` by the shorter way round.
    pub const fn distance(self, other: Self) -> i16 {
        self.0.wrapping_sub(other.0) as i16
    }
}

/// RTP timestamp as on the wire: ticks of the sender's media clock, wraps at 2³².
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct RtpTimestamp(pub u32);

impl RtpTimestamp {
    /// The timestamp `ticks` further on.
    pub const fn wrapping_add(self, ticks: u32) -> Self {
        Self(self.0.wrapping_add(ticks))
    }

    /// Signed ticks from `other` to `self` by the shorter way round.
    pub const fn distance(self, other: Self) -> i32 {
        self.0.wrapping_sub(other.0) as i32
    }
}

/// A sequence number unwrapped to 64 bits; the low 16 are the [`SeqNum`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ExtSeq(pub u64);

impl ExtSeq {
    /// The wire form.
    pub const fn seq_num(self) -> SeqNum {
        SeqNum(self.0 as u16)
    }

    /// The next number.
    pub const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

/// A media time unwrapped to 64 bits: ticks of one sender's media clock (for PCM, frames).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct MediaTime(pub i64);

impl Add<i64> for MediaTime {
    type Output = Self;

    /// Saturating.
    fn add(self, ticks: i64) -> Self {
        Self(self.0.saturating_add(ticks))
    }
}

impl Sub for MediaTime {
    type Output = i64;

    /// Saturating ticks from `earlier` to `self`.
    fn sub(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Unwraps sequence numbers relative to the highest seen so far.
#[derive(Debug, Clone, Default)]
pub struct SeqUnwrapper {
    highest: Option<ExtSeq>,
}

impl SeqUnwrapper {
    /// The extended number of `seq`: the one nearest to the highest so far.
    ///
    /// The first number is placed one cycle up, so that packets reordered across the start stay
    /// representable.
    pub fn unwrap(&mut self, seq: SeqNum) -> ExtSeq {
        let ext = self.peek(seq);
        if self.highest.is_none_or(|h| ext > h) {
            self.highest = Some(ext);
        }
        ext
    }

    /// Like [`unwrap`](Self::unwrap) without remembering.
    pub fn peek(&self, seq: SeqNum) -> ExtSeq {
        match self.highest {
            None => ExtSeq(0x1_0000 | u64::from(seq.0)),
            Some(h) => {
                let step = i64::from(seq.distance(h.seq_num()));
                ExtSeq(h.0.saturating_add_signed(step))
            }
        }
    }

    /// The highest extended sequence number so far (RFC 3550 section 6.4.1).
    pub fn highest(&self) -> Option<ExtSeq> {
        self.highest
    }

    /// Forgets everything.
    pub fn reset(&mut self) {
        self.highest = None;
    }
}

/// Unwraps timestamps relative to the last one seen.
#[derive(Debug, Clone, Default)]
pub struct TimestampUnwrapper {
    last: Option<(RtpTimestamp, MediaTime)>,
}

impl TimestampUnwrapper {
    /// The media time of `ts`: the one nearest to the newest so far. The first is taken as is.
    pub fn unwrap(&mut self, ts: RtpTimestamp) -> MediaTime {
        let at = self.peek(ts);
        if self.last.is_none_or(|(_, newest)| at > newest) {
            self.last = Some((ts, at));
        }
        at
    }

    /// Like [`unwrap`](Self::unwrap) without remembering.
    pub fn peek(&self, ts: RtpTimestamp) -> MediaTime {
        match self.last {
            None => MediaTime(i64::from(ts.0)),
            Some((last, at)) => at + i64::from(ts.distance(last)),
        }
    }

    /// Forgets everything.
    pub fn reset(&mut self) {
        self.last = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequence_numbers_unwrap_across_the_wrap_and_out_of_order() {
        let mut u = SeqUnwrapper::default();
        let first = u.unwrap(SeqNum(65_534));
        assert_eq!(u.unwrap(SeqNum(0)).0, first.0 + 2);
        assert_eq!(u.unwrap(SeqNum(65_535)).0, first.0 + 1);
        assert_eq!(u.highest().unwrap().0, first.0 + 2);
        assert_eq!(first.seq_num(), SeqNum(65_534));
    }

    #[test]
    fn timestamps_unwrap_both_ways() {
        let mut u = TimestampUnwrapper::default();
        let first = u.unwrap(RtpTimestamp(u32::MAX - 9));
        assert_eq!(u.unwrap(RtpTimestamp(10)) - first, 20);
        assert_eq!(u.unwrap(RtpTimestamp(u32::MAX)) - first, 9);
    }
}

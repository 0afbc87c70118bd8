//! A rate limit with a bounded queue, in exact arithmetic.

use super::RateLimit;
use crate::time::{Instant, nanos};

const NANOS: u128 = 1_000_000_000;

/// Times are kept in units of 1 / `rate` nanoseconds, in which a bit takes exactly 10⁹: nothing
/// is rounded until a departure is told.
#[derive(Debug)]
pub(super) struct Bottleneck {
    rate: u128,
    queue: u128,
    overhead: usize,
    free_at: u128,
}

impl Bottleneck {
    pub(super) fn new(limit: RateLimit) -> Self {
        let rate = u128::from(limit.bits_per_second);
        Self {
            rate,
            queue: u128::from(nanos(limit.queue)) * rate,
            overhead: limit.overhead,
            free_at: 0,
        }
    }

    /// When the last bit of a datagram of `len` bytes has left, rounded up to the nanosecond;
    /// `None` where it would have to wait too long.
    pub(super) fn admit(&mut self, now: Instant, len: usize) -> Option<Instant> {
        let now = u128::from(now.as_nanos()) * self.rate;
        let start = now.max(self.free_at);
        if start - now > self.queue {
            return None;
        }
        let bits = (len + self.overhead) as u128 * 8;
        self.free_at = start + bits * NANOS;
        let departure = self.free_at.div_ceil(self.rate);
        Some(Instant::from_nanos(
            departure.try_into().unwrap_or(u64::MAX),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn departures_follow_the_rate_without_accumulated_error() {
        // 7 bits a nanosecond do not divide: 1 000 datagrams of 100 bytes are 800 000 bits.
        let mut b = Bottleneck::new(RateLimit {
            bits_per_second: 7_000_000_000,
            queue: Duration::from_secs(1),
            overhead: 0,
        });
        let mut last = Instant::EPOCH;
        for n in 1..=1_000u64 {
            last = b.admit(Instant::EPOCH, 100).unwrap();
            assert_eq!(last.as_nanos(), (n * 800).div_ceil(7));
        }
        assert_eq!(last.as_nanos(), 114_286);
    }

    #[test]
    fn an_idle_line_starts_afresh_and_a_full_queue_drops() {
        let mut b = Bottleneck::new(RateLimit {
            bits_per_second: 8_000,
            queue: Duration::from_millis(150),
            overhead: 0,
        });
        let at = |ms: u64| Instant::from_nanos(ms * 1_000_000);
        assert_eq!(b.admit(at(0), 100), Some(at(100)));
        assert_eq!(b.admit(at(0), 100), Some(at(200)));
        assert_eq!(b.admit(at(0), 100), None);
        assert_eq!(b.admit(at(50), 100), Some(at(300)));
        assert_eq!(b.admit(at(1_000), 100), Some(at(1_100)));
    }
}

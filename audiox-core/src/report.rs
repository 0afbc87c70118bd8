//! When to send RTCP reports (RFC 3550 section 6.3, appendix A.7).
//!
//! The interval grows with the number of members, so that reports never take more than a twentieth
//! of the session's bandwidth, and is randomised, so that members do not fall into step.
//!
//! # Deliberate differences from RFC 3550
//! - The reduced minimum of section 6.2 (360 s divided by the bandwidth in kb/s) is always used:
//!   audio at PCM rates then reports about every half second, and a receiver that missed a report
//!   learns the sender's clock soon after.
//! - The first report goes out at once, as section 6.2 permits for unicast: a recorder can align
//!   a stream from its first packet on.

use std::time::Duration;

use crate::time::{Instant, nanos};

/// The timer of one participant.
#[derive(Debug, Clone)]
pub struct ReportTimer {
    octets_per_second: u64,
    minimum: Duration,
    /// Smoothed size of compound packets, UDP and IP headers included, in 1/16 octets.
    average_size: u64,
    last: Instant,
    next: Instant,
    first: bool,
    random: u64,
}

/// Who takes part, as far as this participant knows, itself included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Members {
    /// All of them.
    pub all: u32,
    /// Those that sent media lately.
    pub senders: u32,
    /// Whether this participant is one of the senders.
    pub we_sent: bool,
}

impl ReportTimer {
    /// A timer whose first report is due at `now`. `bandwidth` is that of the session in bits
    /// a second; `seed` makes the randomisation differ between participants.
    pub fn new(now: Instant, bandwidth: u64, seed: u64) -> Self {
        let bandwidth = bandwidth.max(MIN_BANDWIDTH);
        let reduced = Duration::from_millis(360_000_000 / bandwidth.min(360_000_000));
        Self {
            octets_per_second: bandwidth / 8 / 20,
            minimum: reduced.clamp(Duration::from_millis(100), Duration::from_secs(5)),
            average_size: 16 * FIRST_SIZE,
            last: now,
            next: now,
            first: true,
            random: seed,
        }
    }

    /// When to call [`expired`](Self::expired) next. Changes only by `expired`.
    pub fn next_timeout(&self) -> Instant {
        self.next
    }

    /// Whether a report is to be sent now. Reconsiders first (RFC 3550 section 6.3.6): where the
    /// membership has grown, the timer may move on instead. A spurious call is a no-op.
    pub fn expired(&mut self, now: Instant, members: Members) -> bool {
        if now < self.next {
            return false;
        }
        if self.first {
            self.first = false;
        } else {
            let due = self.last + self.interval(members);
            if due > now {
                self.next = due;
                return false;
            }
        }
        self.last = now;
        self.next = now + self.interval(members);
        true
    }

    /// Accounts for a compound packet of `len` octets of UDP payload, sent or received (section
    /// 6.3.3).
    pub fn account(&mut self, len: usize) {
        let size = 16 * (len as u64 + IP_UDP_HEADERS);
        self.average_size = (size + 15 * self.average_size) / 16;
    }

    /// The randomised interval T of section 6.3.1.
    fn interval(&mut self, members: Members) -> Duration {
        let all = u64::from(members.all.max(1));
        let senders = u64::from(members.senders);
        // A quarter of the bandwidth belongs to the senders while they are few.
        let (n, share) = if senders * 4 > all {
            (all, self.octets_per_second)
        } else if members.we_sent {
            (senders.max(1), self.octets_per_second / 4)
        } else {
            ((all - senders).max(1), self.octets_per_second * 3 / 4)
        };
        let fair = self.average_size * n * (NANOS / 16) / share.max(1);
        let deterministic = nanos(self.minimum).max(fair);
        // Uniform in [0.5, 1.5), then divided by e − 3/2 to undo what reconsideration adds.
        let random = 500_000 + self.next_random() % 1_000_000;
        Duration::from_nanos((u128::from(deterministic) * u128::from(random) / 1_218_282) as u64)
    }

    /// SplitMix64 (Steele, Lea, Flood 2014).
    fn next_random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

const NANOS: u64 = 1_000_000_000;
/// Octets of IPv4 and UDP headers that count towards the bandwidth (section 6.2).
const IP_UDP_HEADERS: u64 = 28;
/// Probable size of the first compound packet: report, one block, a CNAME.
const FIRST_SIZE: u64 = 128;
/// Bits a second below which the interval would grow beyond use.
const MIN_BANDWIDTH: u64 = 8_000;

#[cfg(test)]
mod tests {
    use super::*;

    const PAIR: Members = Members {
        all: 2,
        senders: 1,
        we_sent: true,
    };

    fn intervals(bandwidth: u64, members: Members) -> Vec<f64> {
        let mut timer = ReportTimer::new(Instant::EPOCH, bandwidth, 7);
        let (mut now, mut sent) = (Instant::EPOCH, Vec::new());
        for _ in 0..20_000 {
            if timer.expired(now, members) {
                sent.push(now.as_nanos() as f64 / 1e9);
                timer.account(100);
            }
            now = timer.next_timeout();
        }
        sent.windows(2).map(|w| w[1] - w[0]).collect()
    }

    #[test]
    fn the_first_report_is_due_at_once() {
        let mut timer = ReportTimer::new(Instant::from_nanos(5), 64_000, 1);
        assert!(!timer.expired(Instant::from_nanos(4), PAIR));
        assert!(timer.expired(Instant::from_nanos(5), PAIR));
        assert!(!timer.expired(Instant::from_nanos(5), PAIR));
    }

    #[test]
    fn pcm_reports_about_every_half_second_and_never_in_step() {
        let all = intervals(705_600, PAIR);
        let mean = all.iter().sum::<f64>() / all.len() as f64;
        assert!((0.42..0.62).contains(&mean), "{mean}");
        let spread =
            all.iter().copied().fold(0.0, f64::max) / all.iter().copied().fold(9.0, f64::min);
        assert!(spread > 2.0, "{spread}");
    }

    #[test]
    fn a_crowd_shares_a_twentieth_of_the_bandwidth() {
        let crowd = Members {
            all: 10_000,
            senders: 1,
            we_sent: false,
        };
        let all = intervals(128_000, crowd);
        let mean = all.iter().sum::<f64>() / all.len() as f64;
        let bits = 10_000.0 * 128.0 * 8.0 / mean;
        assert!(
            (0.6..1.3).contains(&(bits / (128_000.0 * 0.05 * 0.75))),
            "{bits}"
        );
    }
}

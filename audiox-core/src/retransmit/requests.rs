use std::collections::VecDeque;
use std::time::Duration;

use crate::time::{ExtSeq, Instant, SeqNum};

/// Which packets of a stream are missing, and when it is time to ask for them.
///
/// A packet is asked for shortly after the one behind it came, so that packets that swapped places
/// are not; again when the answer is overdue; and no more once the answer would come too late.
/// Fixed memory: of more than 256 missing packets the oldest are given up.
#[derive(Debug)]
pub struct Requests {
    /// What the receiver waits after a packet's time.
    delay: Duration,
    pending: VecDeque<Pending>,
    round_trip: Option<Duration>,
    /// Mean deviation of the round trip (RFC 6298).
    deviation: Duration,
    /// Requests since the last answer.
    unanswered: u32,
    quiet_until: Instant,
    stats: RequestStats,
}

/// What became of missing packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RequestStats {
    /// Packets asked for, each as often as it was.
    pub asked: u64,
    /// Packets that came again after they had been asked for.
    pub answered: u64,
    /// Missing packets given up: there was no time for a round trip (left).
    pub given_up: u64,
}

#[derive(Debug, Clone, Copy)]
struct Pending {
    seq: ExtSeq,
    /// After this nothing is gained.
    deadline: Instant,
    next: Instant,
    asked: Option<Instant>,
    times: u8,
}

impl Requests {
    /// For a receiver that waits for `delay`.
    pub fn new(delay: Duration) -> Self {
        Self {
            delay,
            pending: VecDeque::with_capacity(MAX_PENDING),
            round_trip: None,
            deviation: Duration::ZERO,
            unanswered: 0,
            quiet_until: Instant::EPOCH,
            stats: RequestStats::default(),
        }
    }

    /// The receiver waits for another time from the next missing packet on.
    pub fn set_delay(&mut self, delay: Duration) {
        self.delay = delay;
    }

    /// A packet arrived at `now`, the newest so far, where `before` was the newest, that arrived
    /// at `then`. All between that are not `held` are missing; they are asked for after `patience`.
    /// Packets last `ptime`; zero where that is not known.
    pub fn newest(
        &mut self,
        now: Instant,
        seq: ExtSeq,
        (before, then): (ExtSeq, Instant),
        patience: Duration,
        ptime: Duration,
        held: impl Fn(ExtSeq) -> bool,
    ) {
        let gap = seq.0.saturating_sub(before.0);
        let next = now + patience.min(self.delay / 4);
        let first = (before.0 + 1).max(seq.0.saturating_sub(MAX_PENDING as u64));
        self.stats.given_up += first - (before.0 + 1).min(first);
        for missing in (first..seq.0).filter(|seq| !held(ExtSeq(*seq))) {
            if self.pending.len() == MAX_PENDING {
                self.pending.pop_front();
                self.stats.given_up += 1;
            }
            // Its time was on the line between its neighbours', or just before the one behind it
            // where there was a pause.
            let share = (missing - before.0) as f64 / gap as f64;
            let line = then + now.saturating_since(then).mul_f64(share.clamp(0.0, 1.0));
            let behind = u32::try_from(seq.0 - missing).unwrap_or(u32::MAX);
            let due = line.max(now.saturating_sub(ptime.saturating_mul(behind)));
            self.pending.push_back(Pending {
                seq: ExtSeq(missing),
                deadline: due + self.delay,
                next,
                asked: None,
                times: 0,
            });
        }
    }

    /// Packet `seq` is here by other means.
    pub fn found(&mut self, seq: ExtSeq) {
        self.take(seq);
    }

    /// Packet `seq` came again at `now`. Returns whether it was missing.
    pub fn answered(&mut self, now: Instant, seq: ExtSeq) -> bool {
        self.unanswered = 0;
        let Some(pending) = self.take(seq) else {
            return false;
        };
        self.stats.answered += 1;
        // Of several requests it is not known which was answered.
        if let Some(asked) = pending.asked.filter(|_| pending.times == 1) {
            self.measured(now.saturating_since(asked));
        }
        true
    }

    /// A measured round trip.
    pub fn measured(&mut self, round_trip: Duration) {
        let Some(mean) = self.round_trip else {
            self.round_trip = Some(round_trip);
            self.deviation = round_trip / 2;
            return;
        };
        self.deviation = (3 * self.deviation + mean.abs_diff(round_trip)) / 4;
        self.round_trip = Some((7 * mean + round_trip) / 8);
    }

    /// The round trip, smoothed; `None` before one was measured.
    pub fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    /// Whether packet `seq` is missing.
    pub fn is_missing(&self, seq: ExtSeq) -> bool {
        self.pending.binary_search_by_key(&seq, |p| p.seq).is_ok()
    }

    /// When to call [`poll`](Self::poll) next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let next = self.pending.iter().map(|p| p.next).min()?;
        Some(next.max(self.quiet_until))
    }

    /// Lists packets to be asked for at `now`, in ascending order, and returns how many.
    #[must_use]
    pub fn poll(&mut self, now: Instant, out: &mut [SeqNum]) -> usize {
        let round_trip = self.round_trip.unwrap_or_default();
        let before = self.pending.len();
        self.pending.retain(|p| now + round_trip < p.deadline);
        self.stats.given_up += (before - self.pending.len()) as u64;
        if now < self.quiet_until {
            return 0;
        }
        let again = match self.round_trip {
            Some(rtt) => rtt + (4 * self.deviation).clamp(MIN_MARGIN, MAX_MARGIN),
            None => (self.delay / 4).clamp(MIN_MARGIN, MAX_MARGIN),
        };
        let mut count = 0;
        let due = self.pending.iter_mut().filter(|p| p.next <= now);
        for (p, room) in due.zip(out) {
            *room = p.seq.seq_num();
            p.asked = Some(now);
            p.next = now + again;
            p.times = p.times.saturating_add(1);
            count += 1;
        }
        self.stats.asked += count as u64;
        self.unanswered = self.unanswered.saturating_add(count as u32);
        if self.unanswered >= DEAF_AFTER {
            // Nobody there who sends again.
            self.quiet_until = now + QUIET;
            self.unanswered = DEAF_AFTER / 2;
        }
        count
    }

    /// Counters so far.
    pub fn stats(&self) -> &RequestStats {
        &self.stats
    }

    /// Another timeline: nothing before belongs to what follows.
    pub fn reset(&mut self) {
        self.pending.clear();
    }

    fn take(&mut self, seq: ExtSeq) -> Option<Pending> {
        let at = self.pending.binary_search_by_key(&seq, |p| p.seq).ok()?;
        self.pending.remove(at)
    }
}

const MAX_PENDING: usize = 256;
const MIN_MARGIN: Duration = Duration::from_millis(5);
const MAX_MARGIN: Duration = Duration::from_millis(100);
const DEAF_AFTER: u32 = 128;
const QUIET: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::EPOCH + Duration::from_millis(1_000 + ms)
    }

    fn poll(r: &mut Requests, ms: u64) -> Vec<u16> {
        let mut out = [SeqNum(0); 64];
        let n = r.poll(at(ms), &mut out);
        out[..n].iter().map(|s| s.0).collect()
    }

    fn none(_: ExtSeq) -> bool {
        false
    }

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_missing_packet_is_asked_for_until_the_answer_would_be_late() {
        let mut r = Requests::new(100 * MS);
        r.measured(20 * MS);
        r.newest(
            at(10),
            ExtSeq(101),
            (ExtSeq(100), at(0)),
            2 * MS,
            10 * MS,
            none,
        );
        assert_eq!(r.poll_timeout(), None);
        r.newest(
            at(30),
            ExtSeq(104),
            (ExtSeq(101), at(10)),
            2 * MS,
            10 * MS,
            none,
        );
        assert_eq!(poll(&mut r, 31), []);
        // One of the two had only been overtaken.
        r.found(ExtSeq(103));
        assert_eq!(r.poll_timeout(), Some(at(32)));
        assert_eq!(poll(&mut r, 32), [102]);
        assert_eq!(poll(&mut r, 50), []);
        let again = r.poll_timeout().unwrap();
        assert!((at(57)..=at(92)).contains(&again), "{again:?}");
        assert_eq!(poll(&mut r, 92), [102]);
        // It was due at 17 ms; an answer to a question at 97 ms comes at 117 ms.
        assert_eq!(poll(&mut r, 97), []);
        assert!(!r.is_missing(ExtSeq(102)));
        let stats = *r.stats();
        assert_eq!((stats.asked, stats.answered, stats.given_up), (2, 0, 1));
    }

    #[test]
    fn answers_tell_the_round_trip_and_a_long_one_is_not_tried() {
        let mut r = Requests::new(60 * MS);
        r.newest(at(20), ExtSeq(12), (ExtSeq(10), at(0)), MS, 10 * MS, none);
        assert_eq!(poll(&mut r, 21), [11]);
        assert!(r.answered(at(61), ExtSeq(11)) && !r.answered(at(62), ExtSeq(11)));
        assert_eq!(r.round_trip(), Some(40 * MS));
        r.newest(at(40), ExtSeq(14), (ExtSeq(12), at(20)), MS, 10 * MS, none);
        assert_eq!(poll(&mut r, 41), [13]);
        r.measured(500 * MS);
        r.newest(at(60), ExtSeq(16), (ExtSeq(14), at(40)), MS, 10 * MS, none);
        assert_eq!(poll(&mut r, 61), []);
        assert_eq!(r.stats().given_up, 2);
    }

    #[test]
    fn the_first_packet_after_a_pause_is_asked_for_too() {
        let mut r = Requests::new(60 * MS);
        r.measured(20 * MS);
        r.newest(
            at(5_020),
            ExtSeq(12),
            (ExtSeq(10), at(0)),
            MS,
            10 * MS,
            none,
        );
        assert_eq!(poll(&mut r, 5_021), [11]);
        // It was due at 5 010 ms.
        r.newest(
            at(5_140),
            ExtSeq(14),
            (ExtSeq(12), at(5_020)),
            MS,
            10 * MS,
            none,
        );
        assert_eq!(poll(&mut r, 5_171), []);
        assert_eq!(r.stats().given_up, 2);
    }

    #[test]
    fn memory_and_zeal_are_bounded() {
        let mut r = Requests::new(Duration::from_secs(3_600));
        r.newest(
            at(0),
            ExtSeq(100_000),
            (ExtSeq(10), at(0)),
            MS,
            10 * MS,
            none,
        );
        assert_eq!(r.stats().given_up, 100_000 - 11 - 256);
        let (mut asked, mut now) = (0, 0);
        while now < 60_000 {
            asked += poll(&mut r, now).len();
            now += 5;
        }
        // 128 at first, then as many as a poll lists every ten seconds.
        assert!((128..=600).contains(&asked), "{asked}");
        // One answer, and it goes on.
        r.answered(at(now), ExtSeq(99_999));
        assert!(poll(&mut r, now + 10_000).len() == 64);
        r.reset();
        assert_eq!(r.poll_timeout(), None);
    }
}

//! The last eight seconds, a quarter second each.

use std::cmp::Reverse;

/// When the packets of the last [`INTERVALS`] quarter seconds came, as offsets: arrival less
/// media time, in nanoseconds. Offsets rather than delays, so that what is known stays right
/// when a luckier packet, or the end of a lucky time, moves the reference.
#[derive(Debug, Clone)]
pub(super) struct Recent {
    ring: [Interval; INTERVALS],
    now: usize,
    luckiest: i64,
    /// Intervals that have ended since the reference was last taken afresh.
    since: usize,
    /// How far what is older may still move with the reference, in nanoseconds.
    slack: i64,
}

/// The extremes of a quarter second.
#[derive(Debug, Clone, Copy)]
pub(super) struct Interval {
    /// Lowest offset; [`NONE_EARLY`] where no packet came.
    pub(super) earliest: i64,
    /// Highest offset of packets in order; [`NONE_LATE`] where none came.
    pub(super) latest: i64,
    /// Highest offset of packets that were overtaken.
    pub(super) overtaken: i64,
}

impl Recent {
    pub(super) fn new() -> Self {
        Self {
            ring: [Interval::EMPTY; INTERVALS],
            now: 0,
            luckiest: 0,
            since: INTERVALS,
            slack: 0,
        }
    }

    /// The lowest offset of the last 2 s.
    #[inline]
    pub(super) fn luckiest(&self) -> i64 {
        self.luckiest
    }

    /// Takes the reference afresh, from `offset` and what is noted within the next 2 s. It and
    /// what is known move by `slack` at most either way: whether a clock has drifted or another
    /// runs, lateness is the network's.
    pub(super) fn anchor(&mut self, offset: i64, slack: i64) {
        let by = (offset - self.luckiest).clamp(-slack, slack);
        self.step();
        (self.since, self.slack) = (0, i64::MAX);
        for interval in &mut self.ring {
            interval.earliest = NONE_EARLY;
        }
        self.move_to(self.luckiest + by);
        self.slack = slack.saturating_add(by);
    }

    /// The interval under way.
    #[inline]
    pub(super) fn current(&mut self) -> &mut Interval {
        &mut self.ring[self.now]
    }

    /// Takes an offset that may be the luckiest; says whether it moved what is older.
    #[inline]
    pub(super) fn note(&mut self, offset: i64) -> bool {
        let current = &mut self.ring[self.now];
        current.earliest = current.earliest.min(offset);
        offset < self.luckiest && self.move_to(offset)
    }

    /// Changes the reference, and within 2 s of its anchor, what is older.
    #[inline]
    fn move_to(&mut self, luckiest: i64) -> bool {
        let by = luckiest - self.luckiest;
        self.luckiest = luckiest;
        let moves = self.since < LUCK && self.slack > 0;
        if moves {
            self.move_older(by.max(-self.slack));
        }
        moves
    }

    fn move_older(&mut self, by: i64) {
        self.slack = self.slack.saturating_add(by);
        for age in self.since + 1..INTERVALS {
            let interval = &mut self.ring[(self.now + INTERVALS - age) % INTERVALS];
            for offset in [&mut interval.latest, &mut interval.overtaken] {
                if *offset != NONE_LATE {
                    *offset = (*offset + by).clamp(-FARTHEST, FARTHEST);
                }
            }
        }
    }

    /// Begins the next interval; gives back the one that is now too old.
    pub(super) fn step(&mut self) -> Interval {
        self.now = (self.now + 1) % INTERVALS;
        self.since = (self.since + 1).min(INTERVALS);
        std::mem::replace(&mut self.ring[self.now], Interval::EMPTY)
    }

    /// Lets lucky packets older than 2 s go. Where none came since, the old reference stays;
    /// where all that came is later by more than `limit`, the stream has jumped.
    pub(super) fn expire(&mut self, limit: i64) {
        let youngest = (0..LUCK).map(|age| self.ring[(self.now + INTERVALS - age) % INTERVALS]);
        let earliest = youngest.map(|i| i.earliest).min().unwrap_or(NONE_EARLY);
        if earliest == NONE_EARLY {
            return;
        }
        if earliest - self.luckiest > limit {
            self.anchor(earliest, i64::MAX);
        } else {
            self.luckiest = earliest;
        }
    }

    /// The greatest and the `rank`-th greatest delay of packets in order, one an interval and
    /// none above `limit`, in nanoseconds; 0 where there are fewer.
    #[inline]
    pub(super) fn lateness(&self, rank: usize, limit: i64) -> (i64, i64) {
        let mut top = [0; PEAKS_MAX];
        for interval in &self.ring {
            let mut delay = interval.latest.saturating_sub(self.luckiest);
            if delay > limit || delay <= top[PEAKS_MAX - 1] {
                continue;
            }
            for place in &mut top {
                if delay > *place {
                    std::mem::swap(place, &mut delay);
                }
            }
        }
        debug_assert!(top.is_sorted_by_key(|d| Reverse(*d)));
        (top[0], top[rank.clamp(1, PEAKS_MAX) - 1])
    }

    /// The greatest delay of an overtaken packet not above `limit`, in nanoseconds; 0 for none.
    pub(super) fn overtaken(&self, limit: i64) -> i64 {
        let delays = self.ring.iter();
        let delays = delays.map(|i| i.overtaken.saturating_sub(self.luckiest));
        delays.filter(|d| *d <= limit).max().unwrap_or(0).max(0)
    }
}

impl Interval {
    const EMPTY: Self = Self {
        earliest: NONE_EARLY,
        latest: NONE_LATE,
        overtaken: NONE_LATE,
    };
}

/// Nanoseconds.
pub(super) const INTERVAL: u64 = 250_000_000;
/// 8 s: what recurs at least that often stays covered, and the way down after the end of
/// trouble takes no longer.
pub(super) const INTERVALS: usize = 32;
/// 2 s: a clock 500 ppm slow moves on by 1 ms meanwhile.
const LUCK: usize = 8;
pub(super) const PEAKS_MAX: usize = 4;
/// Offsets beyond, 73 years, are taken as this; so the difference of two fits.
pub(super) const FARTHEST: i64 = i64::MAX / 4;
const NONE_EARLY: i64 = i64::MAX;
const NONE_LATE: i64 = i64::MIN;

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(latest: &[i64]) -> Recent {
        let mut r = Recent::new();
        r.anchor(100, i64::MAX);
        r.note(100);
        for (n, offset) in latest.iter().enumerate() {
            if n > 0 {
                r.step();
            }
            r.current().latest = *offset;
        }
        r
    }

    #[test]
    fn ranks_are_those_of_intervals_and_know_the_limit() {
        let r = filled(&[105, 103, 999, 90, 108]);
        assert_eq!(r.lateness(1, 500), (8, 8));
        assert_eq!(r.lateness(2, 500), (8, 5));
        assert_eq!(r.lateness(4, 500), (8, 0));
        assert_eq!(r.lateness(1, 1_000), (899, 899));
    }

    #[test]
    fn luck_lasts_two_seconds_and_lateness_eight() {
        let mut r = filled(&[107]);
        for n in 1..INTERVALS {
            r.step();
            r.note(103);
            r.expire(1_000);
            assert_eq!(r.luckiest(), if n < LUCK { 100 } else { 103 });
            assert_eq!(r.lateness(1, 500).0, if n < LUCK { 7 } else { 4 });
        }
        assert_eq!(r.step().latest, 107);
        assert_eq!(r.lateness(1, 500).0, 0);
    }

    #[test]
    fn without_packets_the_reference_stays() {
        let mut r = filled(&[107]);
        for _ in 0..INTERVALS {
            r.step();
            r.expire(1_000);
        }
        assert_eq!(r.luckiest(), 100);
    }

    #[test]
    fn a_new_anchor_keeps_delays_and_takes_the_luckiest_of_two_seconds() {
        let mut r = filled(&[107]);
        r.current().overtaken = 109;
        r.anchor(-1_000, i64::MAX);
        assert_eq!((r.luckiest(), r.lateness(1, 500).0), (-1_000, 7));
        assert_eq!(r.overtaken(500), 9);
        r.current().latest = -900;
        assert!(r.note(-1_050));
        assert_eq!((r.lateness(2, 500), r.overtaken(500)), ((150, 7), 9));
        for _ in 0..LUCK {
            r.step();
        }
        assert!(!r.note(-1_060));
        assert_eq!((r.lateness(2, 500), r.overtaken(500)), ((160, 17), 19));
        r.anchor(FARTHEST, i64::MAX);
        r.anchor(-FARTHEST, i64::MAX);
        assert_eq!(r.luckiest(), -FARTHEST);
    }

    #[test]
    fn with_little_slack_delays_stay_absolute_beyond_it() {
        for (first, second, delay) in [(95, 95, 7), (80, 80, 17), (130, 130, 7), (130, 95, 7)] {
            let mut r = filled(&[107]);
            r.anchor(first, 10);
            r.note(first);
            r.note(second);
            assert_eq!(r.lateness(1, 500).0, delay, "{first} {second}");
        }
    }

    #[test]
    fn a_stream_that_jumps_forth_takes_what_is_known_along() {
        let mut r = filled(&[107]);
        for _ in 0..LUCK {
            r.step();
            r.note(9_000);
            r.expire(1_000);
        }
        assert_eq!((r.luckiest(), r.lateness(1, 500).0), (9_000, 7));
    }
}

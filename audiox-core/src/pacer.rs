//! Absolute schedules in integers: when each packet of a stream is due.
//!
//! A deadline is a function of the frame count alone, so no error can accumulate however often
//! the thread is late.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use crate::format::SampleRate;
use crate::time::Instant;

/// The schedule of one stream: frame `n` is due at `start + floor(n · 10⁹ / rate)` nanoseconds.
#[derive(Debug, Clone)]
pub struct Pacer {
    start: Instant,
    rate: SampleRate,
    position: u64,
    catch_up: CatchUp,
    skipped: u64,
}

/// What to do with packets whose time has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CatchUp {
    /// Send them at once, back to back: nothing is lost. Right for files.
    #[default]
    Burst,
    /// Leave out what is later than this and count it: the newest matters most. Right for live
    /// sources.
    Skip(Duration),
}

impl Pacer {
    /// A schedule whose frame 0 is due at `start`.
    pub fn new(start: Instant, rate: SampleRate, catch_up: CatchUp) -> Self {
        Self {
            start,
            rate,
            position: 0,
            catch_up,
            skipped: 0,
        }
    }

    /// When frame `frame`, counted from the start, is due.
    pub fn deadline(&self, frame: u64) -> Instant {
        self.start + self.rate.duration_of(frame)
    }

    /// When the next frame not yet sent is due.
    pub fn next_deadline(&self) -> Instant {
        self.deadline(self.position)
    }

    /// Frames sent or skipped so far.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Marks `frames` as sent.
    pub fn advance(&mut self, frames: u64) {
        self.position = self.position.saturating_add(frames);
    }

    /// Applies [`CatchUp`]: how many frames, in whole packets of `packet` frames, the caller
    /// must leave out now. They are counted and the schedule moves past them.
    pub fn skip_late(&mut self, now: Instant, packet: u64) -> u64 {
        let CatchUp::Skip(tolerance) = self.catch_up else {
            return 0;
        };
        let late = now.saturating_since(self.next_deadline());
        if late <= tolerance || packet == 0 {
            return 0;
        }
        let behind = self.rate.frames_in(late);
        let frames = behind - behind % packet;
        self.position = self.position.saturating_add(frames);
        self.skipped = self.skipped.saturating_add(frames);
        frames
    }

    /// Frames left out by [`skip_late`](Self::skip_late) so far.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// The instant of frame 0.
    pub fn start(&self) -> Instant {
        self.start
    }
}

/// The deadlines of many streams, earliest first; ties in the order of their ids.
///
/// Holds at most one deadline a stream and never allocates beyond the capacity it was made with.
#[derive(Debug)]
pub struct PacerSet {
    heap: BinaryHeap<Reverse<(Instant, usize)>>,
}

impl PacerSet {
    /// An empty set with room for `streams` deadlines.
    pub fn with_capacity(streams: usize) -> Self {
        Self {
            heap: BinaryHeap::with_capacity(streams),
        }
    }

    /// Adds the next deadline of stream `id`.
    pub fn insert(&mut self, id: usize, deadline: Instant) {
        self.heap.push(Reverse((deadline, id)));
    }

    /// The earliest deadline.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// Takes the earliest stream that is due at `now`, with its deadline.
    pub fn pop_due(&mut self, now: Instant) -> Option<(usize, Instant)> {
        if self.next_deadline()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse((at, id))| (id, at))
    }

    /// Number of deadlines held.
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Whether no stream is left.
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_year_of_odd_packets_stays_on_schedule() {
        let rate = SampleRate::HZ_44100;
        let mut p = Pacer::new(Instant::from_nanos(7), rate, CatchUp::Burst);
        for _ in 0..365 * 24 {
            p.advance(3_600 * 44_100);
        }
        assert_eq!(
            p.next_deadline(),
            Instant::from_nanos(7) + Duration::from_secs(365 * 86_400)
        );
    }

    #[test]
    fn skip_leaves_out_whole_packets_and_counts_them() {
        let rate = SampleRate::new(8_000).unwrap();
        let mut p = Pacer::new(
            Instant::EPOCH,
            rate,
            CatchUp::Skip(Duration::from_millis(20)),
        );
        assert_eq!(p.skip_late(Instant::from_nanos(20_000_000), 160), 0);
        assert_eq!(p.skip_late(Instant::from_nanos(75_000_000), 160), 480);
        assert_eq!(p.next_deadline(), Instant::from_nanos(60_000_000));
        assert_eq!(p.skipped(), 480);
    }

    #[test]
    fn the_set_yields_by_deadline_then_id() {
        let mut set = PacerSet::with_capacity(3);
        let at = |ms: u64| Instant::from_nanos(ms * 1_000_000);
        set.insert(2, at(10));
        set.insert(1, at(10));
        set.insert(0, at(20));
        assert_eq!(set.pop_due(at(9)), None);
        assert_eq!(set.pop_due(at(10)), Some((1, at(10))));
        assert_eq!(set.pop_due(at(10)), Some((2, at(10))));
        assert_eq!(set.pop_due(at(10)), None);
        assert_eq!((set.len(), set.next_deadline()), (1, Some(at(20))));
    }

    proptest! {
        #[test]
        fn deadlines_equal_rational_arithmetic(hz in 1u32..=768_000, frame in 0u64..1 << 50, start in 0u64..1 << 60) {
            let p = Pacer::new(Instant::from_nanos(start), SampleRate::new(hz).unwrap(), CatchUp::Burst);
            let got = u128::from(p.deadline(frame).as_nanos() - start);
            // floor(x) is the only integer with x - 1 < floor(x) <= x, here multiplied by the rate.
            let exact = u128::from(frame) * 1_000_000_000;
            if exact / u128::from(hz) <= u128::from(u64::MAX - start) {
                prop_assert!(got * u128::from(hz) <= exact && (got + 1) * u128::from(hz) > exact);
            }
        }
    }
}

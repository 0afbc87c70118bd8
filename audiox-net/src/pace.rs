//! The thread that sends in time.
//!
//! [`run_paced`] sleeps to absolute deadlines and calls the work that is due, for any number of
//! streams: the work keeps their deadlines in one heap
//! ([`PacerSet`](audiox_core::pacer::PacerSet)). Since each deadline is a function of the frame
//! count and each sleep is absolute, a late wake-up delays one packet and no other.
//!
//! There is no spinning before a deadline: the kernel's wake-up latency of some 50–100 µs is a
//! fraction of what any network adds, and a burnt core costs more than it gains.

use std::time::Duration;

use audiox_core::time::Instant;

use crate::clock::Clock;
use crate::stop::StopFlag;
use crate::thread::{Realtime, request_realtime, sharpen_timers};

/// Work that is due at certain times.
pub trait PacedWork {
    /// When something is due next; `None` once all is done.
    fn next_deadline(&self) -> Option<Instant>;

    /// Does all that is due at `now`. Afterwards [`next_deadline`](Self::next_deadline) is later
    /// than `now`, or the thread does nothing but call this.
    fn run(&mut self, now: Instant);
}

/// How [`run_paced`] ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaceEnd {
    /// The work had nothing left to do.
    Finished,
    /// The stop signal was given.
    Stopped,
}

/// How the pacing thread asks to be scheduled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Priority {
    /// Like any thread.
    #[default]
    Ordinary,
    /// Ahead of ordinary threads, where the system grants it. For work that never computes for
    /// long: a real-time thread that does not sleep locks others out.
    Realtime,
}

/// Runs `work` on this thread at its deadlines until it is done or `stop` is given.
///
/// The stop signal takes effect within 50 ms.
pub fn run_paced(clock: &Clock, stop: &StopFlag, work: &mut dyn PacedWork) -> PaceEnd {
    sharpen_timers();
    while let Some(deadline) = work.next_deadline() {
        loop {
            if stop.is_stopped() {
                return PaceEnd::Stopped;
            }
            let left = deadline.saturating_since(clock.now());
            if left <= LAST_SLEEP {
                break;
            }
            // A condition variable wakes less sharply than an absolute sleep but hears the stop
            // signal, so it takes all of a long wait but the end.
            stop.wait_timeout(left - LAST_SLEEP);
        }
        clock.sleep_until(deadline);
        work.run(clock.now());
    }
    PaceEnd::Finished
}

/// [`run_paced`] on a thread of its own.
///
/// The handle yields how it ended, what became of the wish for `priority`, and the work.
///
/// # Errors
/// The system cannot start another thread.
pub fn spawn_paced<W: PacedWork + Send + 'static>(
    name: &str,
    clock: Clock,
    stop: StopFlag,
    priority: Priority,
    mut work: W,
) -> std::io::Result<std::thread::JoinHandle<Paced<W>>> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            let realtime = match priority {
                Priority::Ordinary => Realtime::NotAsked,
                Priority::Realtime => request_realtime(),
            };
            let end = run_paced(&clock, &stop, &mut work);
            Paced {
                end,
                realtime,
                work,
            }
        })
}

/// What a pacing thread leaves behind.
#[derive(Debug)]
pub struct Paced<W> {
    /// How it ended.
    pub end: PaceEnd,
    /// Whether it ran with real-time priority.
    pub realtime: Realtime,
    /// The work, with all that it found out.
    pub work: W,
}

const LAST_SLEEP: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use audiox_core::format::SampleRate;
    use audiox_core::pacer::{CatchUp, Pacer, PacerSet};
    use audiox_core::stats::ScheduleStats;

    use super::*;

    struct Streams {
        set: PacerSet,
        pacers: Vec<Pacer>,
        stats: ScheduleStats,
        early: u64,
        packets: u64,
    }

    impl Streams {
        fn new(start: Instant, streams: usize, packets: u64) -> Self {
            let rate = SampleRate::HZ_48000;
            let mut set = PacerSet::with_capacity(streams);
            let pacers: Vec<_> = (0..streams)
                .map(|id| {
                    set.insert(id, start);
                    Pacer::new(start, rate, CatchUp::Burst)
                })
                .collect();
            Self {
                set,
                pacers,
                stats: ScheduleStats::new(rate, Duration::from_millis(2)),
                early: 0,
                packets,
            }
        }
    }

    impl PacedWork for Streams {
        fn next_deadline(&self) -> Option<Instant> {
            self.set.next_deadline()
        }

        fn run(&mut self, now: Instant) {
            while let Some((id, due)) = self.set.pop_due(now) {
                self.stats.record(due, now);
                self.early += u64::from(now < due);
                self.pacers[id].advance(96);
                if self.pacers[id].position() < self.packets * 96 {
                    self.set.insert(id, self.pacers[id].next_deadline());
                }
            }
        }
    }

    #[test]
    fn many_streams_run_to_their_end_and_never_early() {
        let clock = Clock::new();
        let work = Streams::new(clock.now(), 10, 50);
        let done = spawn_paced("pace", clock, StopFlag::new(), Priority::Ordinary, work)
            .unwrap()
            .join()
            .unwrap();
        assert_eq!(
            (done.end, done.realtime),
            (PaceEnd::Finished, Realtime::NotAsked)
        );
        assert_eq!((done.work.early, done.work.stats.count()), (0, 500));
        // 49 intervals of 2 ms at the least.
        let (first, last) = (
            done.work.stats.first().unwrap(),
            done.work.stats.last().unwrap(),
        );
        assert_eq!(last.0 - first.0, Duration::from_millis(98));
    }

    #[test]
    fn a_stop_ends_a_wait_of_hours() {
        let clock = Clock::new();
        let stop = StopFlag::new();
        let work = Streams::new(clock.now() + Duration::from_secs(36_000), 1, 1);
        let thread = spawn_paced("pace", clock, stop.clone(), Priority::Realtime, work).unwrap();
        stop.stop();
        let done = thread.join().unwrap();
        assert_eq!((done.end, done.work.stats.count()), (PaceEnd::Stopped, 0));
    }
}

//! What a device's stream tells, written by its callback and read by anybody.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::host::{Obtained, StreamEvent, StreamEvents};

/// Whether the device's thread runs with real-time priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DevicePriority {
    /// No callback has come yet.
    #[default]
    Unknown,
    /// The sound system runs it as it sees fit.
    Hosts,
    /// It is scheduled ahead of ordinary threads.
    Realtime,
    /// The system refused; it runs as an ordinary thread.
    Refused,
    /// It runs as an ordinary thread, and was meant to: behind the device is a sound server, which
    /// is an ordinary process as a rule. The device's thread waits for it by polling, at times
    /// without a pause, and with real-time priority it would keep it from running until the
    /// kernel steps in, most of a second later.
    Software,
}

impl fmt::Display for DevicePriority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "unknown priority",
            Self::Hosts => "the sound system's priority",
            Self::Realtime => "real-time priority",
            Self::Software => "ordinary priority, as behind it is a sound server or a plugin",
            Self::Refused => {
                "ordinary priority (real-time was denied; raise the limit `ulimit -r` or grant \
                 CAP_SYS_NICE)"
            }
        })
    }
}

/// Counters of a device's stream, over all the times that it was opened.
#[derive(Debug, Clone, Default)]
pub struct DeviceStats {
    /// What is open now, or was last.
    pub obtained: Option<Obtained>,
    /// Whether the device is there.
    pub running: bool,
    /// Callbacks.
    pub callbacks: u64,
    /// Frames of the stream: exchanged with the device or stood in for.
    pub frames: u64,
    /// Of these, frames while the device was away.
    pub frames_away: u64,
    /// Captured frames that nobody fetched in time, left out.
    pub frames_overflowed: u64,
    /// Frames of silence because a pushing side had nothing ready.
    pub frames_starved: u64,
    /// Times that the device or the system said that frames were lost.
    pub xruns: u64,
    /// Other errors between callbacks.
    pub troubles: u64,
    /// Times that the device was lost.
    pub losses: u64,
    /// Times that it, or another, was opened again.
    pub reopened: u64,
    /// Fewest and most frames of a callback.
    pub quantum: (u32, u32),
    /// From a callback to when its first frame is heard, or was captured; the newest.
    pub device_delay: Duration,
    /// Largest magnitude since the snapshot before, linear.
    pub peak: f32,
    /// Time spent in callbacks: median.
    pub busy_p50: Duration,
    /// Time spent in callbacks: 99 of 100 are shorter.
    pub busy_p99: Duration,
    /// Time spent in callbacks: the longest.
    pub busy_max: Duration,
    /// How the device's thread is scheduled.
    pub priority: DevicePriority,
    /// What is played is made a quantum ahead of the callback, by a worker.
    pub ahead: bool,
}

/// Looks at a device's stream from outside, as long as one likes.
#[derive(Debug, Clone)]
pub struct DeviceWatch(pub(super) Arc<Counters>);

impl DeviceWatch {
    /// The counters. Resets the peak.
    pub fn stats(&self) -> DeviceStats {
        self.0.snapshot()
    }
}

#[derive(Debug)]
pub(super) struct Counters {
    obtained: Mutex<Option<Obtained>>,
    running: AtomicBool,
    pub(super) callbacks: AtomicU64,
    pub(super) frames: AtomicU64,
    pub(super) frames_away: AtomicU64,
    pub(super) frames_overflowed: AtomicU64,
    pub(super) frames_starved: AtomicU64,
    xruns: AtomicU64,
    troubles: AtomicU64,
    losses: AtomicU64,
    reopened: AtomicU64,
    shortest: AtomicU32,
    longest: AtomicU32,
    delay: AtomicU64,
    peak: AtomicU32,
    priority: AtomicU8,
    gone: AtomicBool,
    ahead: AtomicBool,
    busy: Busy,
}

impl Counters {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            obtained: Mutex::default(),
            running: AtomicBool::new(false),
            callbacks: AtomicU64::new(0),
            frames: AtomicU64::new(0),
            frames_away: AtomicU64::new(0),
            frames_overflowed: AtomicU64::new(0),
            frames_starved: AtomicU64::new(0),
            xruns: AtomicU64::new(0),
            troubles: AtomicU64::new(0),
            losses: AtomicU64::new(0),
            reopened: AtomicU64::new(0),
            shortest: AtomicU32::new(u32::MAX),
            longest: AtomicU32::new(0),
            delay: AtomicU64::new(0),
            peak: AtomicU32::new(0),
            priority: AtomicU8::new(UNKNOWN),
            gone: AtomicBool::new(false),
            ahead: AtomicBool::new(false),
            busy: Busy::new(),
        })
    }

    /// In the callback, at its end.
    pub(super) fn called(&self, frames: usize, delay: Duration, busy: Duration) {
        let short = u32::try_from(frames).unwrap_or(u32::MAX);
        self.callbacks.fetch_add(1, Relaxed);
        self.frames.fetch_add(frames as u64, Relaxed);
        self.shortest.fetch_min(short, Relaxed);
        self.longest.fetch_max(short, Relaxed);
        self.delay.store(nanos(delay), Relaxed);
        self.busy.record(busy);
    }

    /// In the callback or beside it.
    pub(super) fn raise_peak(&self, samples: &[f32]) {
        let peak = samples.iter().fold(0.0f32, |p, s| p.max(s.abs()));
        // Of positive floats the bits are in order.
        self.peak.fetch_max(peak.to_bits(), Relaxed);
    }

    /// Before an opening.
    pub(super) fn opens(&self) {
        self.gone.store(false, Relaxed);
        self.priority.store(UNKNOWN, Relaxed);
    }

    /// In the first callback after an opening: asks for real-time priority for its thread.
    pub(super) fn ask_priority(&self) {
        if self.priority.load(Relaxed) == SOFTWARE {
            return;
        }
        let outcome = match super::priority::promote() {
            None => HOSTS,
            Some(true) => REALTIME,
            Some(false) => REFUSED,
        };
        self.priority.store(outcome, Relaxed);
    }

    /// What is played is made by a worker from now on.
    pub(super) fn goes_ahead(&self) {
        self.ahead.store(true, Relaxed);
    }

    pub(super) fn stood_in(&self, frames: usize) {
        self.frames.fetch_add(frames as u64, Relaxed);
        self.frames_away.fetch_add(frames as u64, Relaxed);
    }

    pub(super) fn opened(&self, obtained: &Obtained, again: bool) {
        let mut slot = self.obtained.lock().unwrap_or_else(PoisonError::into_inner);
        *slot = Some(obtained.clone());
        self.running.store(true, Relaxed);
        self.reopened.fetch_add(u64::from(again), Relaxed);
    }

    pub(super) fn lost(&self) {
        self.running.store(false, Relaxed);
        self.losses.fetch_add(1, Relaxed);
    }

    /// Whether the device said that it is gone, since the last call.
    pub(super) fn take_gone(&self) -> bool {
        self.gone.swap(false, Relaxed)
    }

    fn snapshot(&self) -> DeviceStats {
        let obtained = self.obtained.lock().unwrap_or_else(PoisonError::into_inner);
        let shortest = self.shortest.load(Relaxed);
        let longest = self.longest.load(Relaxed);
        let (busy_p50, busy_p99, busy_max) = self.busy.summary();
        DeviceStats {
            obtained: obtained.clone(),
            running: self.running.load(Relaxed),
            callbacks: self.callbacks.load(Relaxed),
            frames: self.frames.load(Relaxed),
            frames_away: self.frames_away.load(Relaxed),
            frames_overflowed: self.frames_overflowed.load(Relaxed),
            frames_starved: self.frames_starved.load(Relaxed),
            xruns: self.xruns.load(Relaxed),
            troubles: self.troubles.load(Relaxed),
            losses: self.losses.load(Relaxed),
            reopened: self.reopened.load(Relaxed),
            quantum: (shortest.min(longest), longest),
            device_delay: Duration::from_nanos(self.delay.load(Relaxed)),
            peak: f32::from_bits(self.peak.swap(0, Relaxed)),
            busy_p50,
            busy_p99,
            busy_max,
            priority: match self.priority.load(Relaxed) {
                UNKNOWN => DevicePriority::Unknown,
                HOSTS => DevicePriority::Hosts,
                REALTIME => DevicePriority::Realtime,
                SOFTWARE => DevicePriority::Software,
                _ => DevicePriority::Refused,
            },
            ahead: self.ahead.load(Relaxed),
        }
    }
}

impl StreamEvents for Counters {
    fn note(&self, event: StreamEvent) {
        let one = |counter: &AtomicU64| {
            counter.fetch_add(1, Relaxed);
        };
        match event {
            StreamEvent::Xrun => one(&self.xruns),
            StreamEvent::Gone => self.gone.store(true, Relaxed),
            StreamEvent::RealtimeDenied => self.priority.store(REFUSED, Relaxed),
            StreamEvent::Software => self.priority.store(SOFTWARE, Relaxed),
            StreamEvent::Rerouted => one(&self.reopened),
            StreamEvent::Trouble => one(&self.troubles),
        }
    }
}

const UNKNOWN: u8 = 0;
const HOSTS: u8 = 1;
const REALTIME: u8 = 2;
const REFUSED: u8 = 3;
const SOFTWARE: u8 = 4;

/// A histogram of durations, eight steps an octave, that one thread writes without waiting.
#[derive(Debug)]
struct Busy {
    steps: [AtomicU64; STEPS],
    max: AtomicU64,
}

impl Busy {
    fn new() -> Self {
        Self {
            steps: [const { AtomicU64::new(0) }; STEPS],
            max: AtomicU64::new(0),
        }
    }

    fn record(&self, busy: Duration) {
        let nanos = nanos(busy);
        self.steps[step(nanos)].fetch_add(1, Relaxed);
        self.max.fetch_max(nanos, Relaxed);
    }

    /// Median, 99th percentile (each the upper end of its step) and maximum.
    fn summary(&self) -> (Duration, Duration, Duration) {
        let counts = self.steps.each_ref().map(|c| c.load(Relaxed));
        let all: u64 = counts.iter().sum();
        let max = self.max.load(Relaxed);
        let at = |share: u64| {
            let mut left = (all * share).div_ceil(100);
            let step = counts.iter().position(|n| {
                let here = left > 0 && *n >= left;
                left = left.saturating_sub(*n);
                here
            });
            Duration::from_nanos(step.map_or(0, upper).min(max))
        };
        (at(50), at(99), Duration::from_nanos(max))
    }
}

/// The step of a duration: 256 ns and its halves of an octave, eighths.
fn step(nanos: u64) -> usize {
    let n = nanos.max(1 << FIRST_OCTAVE);
    let octave = n.ilog2();
    let eighth = (n >> (octave - 3)) & 7;
    (((octave - FIRST_OCTAVE) as usize) * 8 + eighth as usize).min(STEPS - 1)
}

/// The least duration above a step.
fn upper(step: usize) -> u64 {
    let (octave, eighth) = (step / 8, step as u64 % 8);
    ((9 + eighth) << FIRST_OCTAVE << octave) >> 3
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// 2⁸ ns and below are one step.
const FIRST_OCTAVE: u32 = 8;
/// Up to 2³² ns.
const STEPS: usize = 24 * 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_fall_into_steps_an_eighth_wide() {
        for nanos in [300, 1_000, 12_345, 1_000_000, 999_999_999] {
            let (s, u) = (step(nanos), upper(step(nanos)));
            assert!(u > nanos && u <= nanos + nanos / 8 + 1, "{nanos}: {s} {u}");
        }
        assert_eq!((step(0), step(u64::MAX)), (0, STEPS - 1));
        let busy = Busy::new();
        for n in 1..=100 {
            busy.record(Duration::from_micros(n));
        }
        let (p50, p99, max) = busy.summary();
        assert!(p50 >= Duration::from_micros(50) && p50 <= Duration::from_micros(57));
        assert!(p99 >= Duration::from_micros(99) && p99 <= max);
        assert_eq!(max, Duration::from_micros(100));
    }

    #[test]
    fn the_peak_is_that_since_the_last_look() {
        let counters = Counters::new();
        let watch = DeviceWatch(counters.clone());
        counters.raise_peak(&[0.25, -0.5, 0.1]);
        assert_eq!((watch.stats().peak, watch.stats().peak), (0.5, 0.0));
    }

    #[test]
    fn events_are_counted_each_by_itself() {
        let counters = Counters::new();
        for event in [
            StreamEvent::Xrun,
            StreamEvent::Xrun,
            StreamEvent::Trouble,
            StreamEvent::Gone,
            StreamEvent::Rerouted,
            StreamEvent::RealtimeDenied,
        ] {
            counters.note(event);
        }
        let stats = DeviceWatch(counters.clone()).stats();
        assert_eq!((stats.xruns, stats.troubles, stats.reopened), (2, 1, 1));
        assert_eq!(stats.priority, DevicePriority::Refused);
        assert_eq!((counters.take_gone(), counters.take_gone()), (true, false));
    }

    #[test]
    fn what_is_played_through_a_sound_server_asks_for_no_priority() {
        let counters = Counters::new();
        let priority = || DeviceWatch(counters.clone()).stats().priority;
        counters.opens();
        counters.note(StreamEvent::Software);
        counters.ask_priority();
        assert_eq!(priority(), DevicePriority::Software);
        // The next device may be one of the kernel's.
        counters.opens();
        assert_eq!(priority(), DevicePriority::Unknown);
    }
}

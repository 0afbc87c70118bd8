//! Decoding that is too heavy for the callback, a quantum ahead of it.

use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use audiox_core::ConfigError;
use audiox_core::block::AudioMut;
use audiox_core::format::StreamFormat;
use audiox_core::source::{Asked, Pull};
use audiox_core::time::Instant;
use ringbuf::traits::{Consumer, Observer, Producer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};

use super::counters::Counters;
use super::host::{StreamEvent, StreamEvents, TimeSource};
use super::priority::promote;

/// Where what a speaker plays is made: decoded, concealed, mixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PullAhead {
    /// In the device's callback, which is the least delay.
    Never,
    /// In the callback, until that has taken more than half of the time that its frames last, again
    /// and again; ahead from then on, and [`DeviceStats::ahead`](super::DeviceStats::ahead) says so.
    #[default]
    WhenHeavy,
    /// By a worker a quantum ahead of the callback, with real-time priority if the system grants it:
    /// a quantum more of delay. What it has not got ready in time is silent and counted as
    /// [`frames_starved`](super::DeviceStats::frames_starved), and so is what quanta have above
    /// 8 192 frames.
    Always,
}

impl FromStr for PullAhead {
    type Err = ConfigError;

    fn from_str(s: &str) -> Result<Self, ConfigError> {
        match s {
            "never" => Ok(Self::Never),
            "auto" => Ok(Self::WhenHeavy),
            "always" => Ok(Self::Always),
            _ => Err(ConfigError::new("ahead", s, "never, auto or always")),
        }
    }
}

/// Pulls in the callback while that is light enough, and gives what a worker has pulled before from
/// then on. What the worker has not got ready in time is silent, which is counted as starved.
pub(super) struct Ahead {
    format: StreamFormat,
    /// Until the worker has it.
    here: Option<Here>,
    hand: HeapProd<Box<dyn Pull>>,
    samples: HeapCons<f32>,
    shared: Arc<Shared>,
    counters: Arc<Counters>,
    worker: Option<JoinHandle<()>>,
    started: bool,
}

/// What is pulled in the callback, and how heavy it is.
struct Here {
    pull: Box<dyn Pull>,
    time: TimeSource,
    /// Share of the time that is taken, smoothed.
    load: f32,
}

/// What the callback tells the worker.
#[derive(Default)]
struct Shared {
    now: AtomicU64,
    until_heard: AtomicU64,
    /// Frames of the longest quantum.
    quantum: AtomicUsize,
    stop: AtomicBool,
}

impl Ahead {
    /// Pulls `pull` as `ahead` says; in the callback itself where there can be no thread.
    pub(super) fn over(
        pull: Box<dyn Pull>,
        ahead: PullAhead,
        time: TimeSource,
        counters: Arc<Counters>,
    ) -> Box<dyn Pull> {
        if ahead == PullAhead::Never {
            return pull;
        }
        let format = pull.format();
        let shared = Arc::new(Shared::default());
        let room = format.channels.get() * MAX_QUANTUM;
        let (samples_in, samples) = HeapRb::new(2 * room).split();
        let (hand, take) = HeapRb::new(1).split();
        let work = Work {
            format,
            take,
            samples: samples_in,
            scratch: vec![0.0; room].into(),
            shared: shared.clone(),
            counters: counters.clone(),
        };
        let worker = thread::Builder::new()
            .name("audiox-ahead".to_owned())
            .spawn(move || work.run());
        let Ok(worker) = worker else {
            return pull;
        };
        let load = 0.0;
        let mut made = Self {
            format,
            here: Some(Here { pull, time, load }),
            hand,
            samples,
            shared,
            counters,
            worker: Some(worker),
            started: false,
        };
        if ahead == PullAhead::Always {
            made.hand_over();
        }
        Box::new(made)
    }

    /// The worker pulls from now on.
    fn hand_over(&mut self) {
        if let Some(here) = self.here.take() {
            // The ring has room for the only one.
            let _ = self.hand.try_push(here.pull);
            self.counters.goes_ahead();
        }
    }

    /// Has the worker get as much ready as was asked for.
    fn tell(&self, asked: Asked, frames: usize) {
        let shared = &*self.shared;
        let until_heard = u64::try_from(asked.until_heard.as_nanos()).unwrap_or(0);
        shared.now.store(asked.now.as_nanos(), Ordering::Relaxed);
        shared.until_heard.store(until_heard, Ordering::Relaxed);
        let frames = frames.min(MAX_QUANTUM);
        shared.quantum.fetch_max(frames, Ordering::Release);
        if let Some(worker) = &self.worker {
            worker.thread().unpark();
        }
    }
}

impl Pull for Ahead {
    fn format(&self) -> StreamFormat {
        self.format
    }

    fn pull(&mut self, asked: Asked, mut out: AudioMut<'_>) {
        let channels = self.format.channels;
        let out = out.samples();
        let frames = out.len() / channels.get();
        if let Some(here) = &mut self.here {
            if here.pull(asked, AudioMut::new(out, channels)) && frames <= MAX_QUANTUM {
                // This quantum is made; the next one is asked for now.
                self.hand_over();
                self.started = true;
                self.tell(asked, frames);
            }
            return;
        }
        let filled = self.samples.pop_slice(out);
        out[filled..].fill(0.0);
        if std::mem::replace(&mut self.started, true) {
            let missing = (out.len() - filled) / channels.get();
            let starved = &self.counters.frames_starved;
            starved.fetch_add(missing as u64, Ordering::Relaxed);
        }
        self.tell(asked, frames);
    }
}

impl Here {
    /// Pulls; whether it is too heavy for here.
    fn pull(&mut self, asked: Asked, mut out: AudioMut<'_>) -> bool {
        let frames = out.samples().len() / self.pull.format().channels.get();
        let lasts = self.pull.format().rate.duration_of(frames as u64);
        let start = (self.time)();
        self.pull.pull(asked, out);
        let took = (self.time)().saturating_since(start);
        if lasts.is_zero() {
            return false;
        }
        // One that was held up by something else does not count for more than its own time.
        let load = (took.as_secs_f32() / lasts.as_secs_f32()).min(1.0);
        self.load += (load - self.load) / SMOOTHED_OVER;
        self.load > TOO_HEAVY
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(worker) = self.worker.take() {
            worker.thread().unpark();
            // A panic there is a bug of ours and has printed itself.
            let _ = worker.join();
        }
    }
}

struct Work {
    format: StreamFormat,
    take: HeapCons<Box<dyn Pull>>,
    samples: HeapProd<f32>,
    scratch: Box<[f32]>,
    shared: Arc<Shared>,
    counters: Arc<Counters>,
}

impl Work {
    /// Waits for what it is to pull.
    fn run(mut self) {
        while !self.shared.stop.load(Ordering::Relaxed) {
            match self.take.try_pop() {
                Some(pull) => return self.pull(pull),
                None => thread::park(),
            }
        }
    }

    fn pull(mut self, mut pull: Box<dyn Pull>) {
        if promote() == Some(false) {
            self.counters.note(StreamEvent::RealtimeDenied);
        }
        let channels = self.format.channels.get();
        while !self.shared.stop.load(Ordering::Relaxed) {
            let quantum = self.shared.quantum.load(Ordering::Acquire);
            let waiting = self.samples.occupied_len() / channels;
            if waiting >= quantum {
                thread::park_timeout(LOOK_EVERY);
                continue;
            }
            // Asked for when the callback was, heard behind what waits and the device's own.
            let until_heard = self.shared.until_heard.load(Ordering::Relaxed);
            let ahead = self.format.rate.duration_of((waiting + quantum) as u64);
            let asked = Asked {
                now: Instant::from_nanos(self.shared.now.load(Ordering::Relaxed)),
                until_heard: Duration::from_nanos(until_heard) + ahead,
            };
            let frames = (quantum - waiting) * channels;
            let part = &mut self.scratch[..frames];
            pull.pull(asked, AudioMut::new(part, self.format.channels));
            self.samples.push_slice(part);
        }
    }
}

/// Longest quantum that is made ahead, in frames.
const MAX_QUANTUM: usize = 8_192;
/// In case a wake-up was for something else.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Share of a quantum's time from which on it is made ahead: what is left is for what the machine
/// does besides.
const TOO_HEAVY: f32 = 0.5;
/// Quanta.
const SMOOTHED_OVER: f32 = 16.0;

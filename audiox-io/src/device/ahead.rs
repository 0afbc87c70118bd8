//! Decoding that is too heavy for the callback, a quantum ahead of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use audiox_core::block::AudioMut;
use audiox_core::format::StreamFormat;
use audiox_core::source::{Asked, Pull};
use audiox_core::time::Instant;
use ringbuf::traits::{Consumer, Observer, Producer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};

use super::counters::Counters;
use super::host::{StreamEvent, StreamEvents};
use super::priority::promote;

/// Gives what a worker has pulled before. The first quantum is silent, and so is what the worker
/// has not got ready in time, which is counted as starved.
pub(super) struct Ahead {
    format: StreamFormat,
    samples: HeapCons<f32>,
    shared: Arc<Shared>,
    counters: Arc<Counters>,
    worker: Option<JoinHandle<()>>,
    started: bool,
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
    /// Pulls `pull` on a thread of its own; in the callback itself where there can be none.
    pub(super) fn over(pull: Box<dyn Pull>, counters: Arc<Counters>) -> Box<dyn Pull> {
        let format = pull.format();
        let shared = Arc::new(Shared::default());
        let room = format.channels.get() * MAX_QUANTUM;
        let (samples_in, samples) = HeapRb::new(2 * room).split();
        let work = Work {
            samples: samples_in,
            scratch: vec![0.0; room].into(),
            shared: shared.clone(),
            counters: counters.clone(),
        };
        // Handed over once it is sure that there is a thread.
        let (hand, take) = std::sync::mpsc::channel::<Box<dyn Pull>>();
        let worker = thread::Builder::new()
            .name("audiox-ahead".to_owned())
            .spawn(move || {
                if let Ok(pull) = take.recv() {
                    work.run(pull);
                }
            });
        let Ok(worker) = worker else {
            return pull;
        };
        let _ = hand.send(pull);
        Box::new(Self {
            format,
            samples,
            shared,
            counters,
            worker: Some(worker),
            started: false,
        })
    }
}

impl Pull for Ahead {
    fn format(&self) -> StreamFormat {
        self.format
    }

    fn pull(&mut self, asked: Asked, mut out: AudioMut<'_>) {
        let out = out.samples();
        let channels = self.format.channels.get();
        let filled = self.samples.pop_slice(out);
        out[filled..].fill(0.0);
        if std::mem::replace(&mut self.started, true) {
            let missing = (out.len() - filled) / channels;
            let starved = &self.counters.frames_starved;
            starved.fetch_add(missing as u64, Ordering::Relaxed);
        }
        let shared = &*self.shared;
        let until_heard = u64::try_from(asked.until_heard.as_nanos()).unwrap_or(0);
        shared.now.store(asked.now.as_nanos(), Ordering::Relaxed);
        shared.until_heard.store(until_heard, Ordering::Relaxed);
        let frames = (out.len() / channels).min(MAX_QUANTUM);
        shared.quantum.fetch_max(frames, Ordering::Release);
        if let Some(worker) = &self.worker {
            worker.thread().unpark();
        }
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
    samples: HeapProd<f32>,
    scratch: Box<[f32]>,
    shared: Arc<Shared>,
    counters: Arc<Counters>,
}

impl Work {
    fn run(mut self, mut pull: Box<dyn Pull>) {
        if promote() == Some(false) {
            self.counters.note(StreamEvent::RealtimeDenied);
        }
        let format = pull.format();
        let channels = format.channels.get();
        while !self.shared.stop.load(Ordering::Relaxed) {
            let quantum = self.shared.quantum.load(Ordering::Acquire);
            let waiting = self.samples.occupied_len() / channels;
            if waiting >= quantum {
                thread::park_timeout(LOOK_EVERY);
                continue;
            }
            // Asked for when the callback was, heard behind what waits and the device's own.
            let until_heard = self.shared.until_heard.load(Ordering::Relaxed);
            let asked = Asked {
                now: Instant::from_nanos(self.shared.now.load(Ordering::Relaxed)),
                until_heard: Duration::from_nanos(until_heard)
                    + format.rate.duration_of((waiting + quantum) as u64),
            };
            let frames = (quantum - waiting) * channels;
            let part = &mut self.scratch[..frames];
            pull.pull(asked, AudioMut::new(part, format.channels));
            self.samples.push_slice(part);
        }
    }
}

/// Longest quantum that is made ahead, in frames.
const MAX_QUANTUM: usize = 8_192;
/// In case a wake-up was for something else.
const LOOK_EVERY: Duration = Duration::from_millis(20);

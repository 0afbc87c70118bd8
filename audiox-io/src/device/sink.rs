//! A speaker for whoever pushes.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use audiox_core::block::{AudioMut, AudioRef};
use audiox_core::format::{PcmFormat, StreamFormat};
use audiox_core::source::{Asked, Pull, Sink, SinkError};
use ringbuf::traits::{Consumer, Observer, Producer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};

use super::ahead::PullAhead;
use super::counters::{Counters, DeviceWatch};
use super::error::DeviceError;
use super::host::{Host, Obtained};
use super::playback::{Playback, PlaybackConfig};

/// A speaker that takes blocks as it plays: writing waits while it has enough.
pub struct PlaybackSink {
    playback: Playback,
    format: StreamFormat,
    samples: HeapProd<f32>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    writer: OnceLock<Thread>,
    /// Nothing more is to come soon, so silence is no starvation.
    flushed: AtomicBool,
}

impl PlaybackSink {
    /// Opens the device for blocks of `format`; up to `ahead` wait in front of it, at least two
    /// of its quanta. What the device has not is converted.
    ///
    /// # Errors
    /// No such device, or it cannot be opened. Later troubles are counted, not told.
    pub fn open(
        host: Arc<dyn Host>,
        config: PlaybackConfig,
        format: StreamFormat,
        ahead: Duration,
    ) -> Result<Self, DeviceError> {
        let buffer = u64::from(config.wish.buffer_at(format.rate));
        let frames = format.rate.frames_in(ahead).max(2 * buffer).min(MAX_AHEAD);
        let (samples_in, samples_out) =
            HeapRb::new(frames as usize * format.channels.get()).split();
        let shared = Arc::new(Shared::default());
        let counters = Counters::new();
        let pull = FromRing {
            format,
            samples: samples_out,
            shared: shared.clone(),
            counters: counters.clone(),
            started: false,
        };
        // There is nothing to be made.
        let config = PlaybackConfig {
            ahead: PullAhead::Never,
            ..config
        };
        let playback = Playback::start_counted(host, config, counters, move |_| Box::new(pull))?;
        Ok(Self {
            playback,
            format,
            samples: samples_in,
            shared,
        })
    }

    /// What the device was when it was first opened.
    pub fn obtained(&self) -> &Obtained {
        self.playback.obtained()
    }

    /// The counters.
    pub fn watch(&self) -> DeviceWatch {
        self.playback.watch()
    }

    fn wait(&self) {
        let me = thread::current();
        let _ = self.shared.writer.get_or_init(|| me);
        thread::park_timeout(LOOK_EVERY);
    }
}

impl Sink for PlaybackSink {
    fn format(&self) -> StreamFormat {
        self.format
    }

    fn write(&mut self, block: AudioRef<'_>) -> Result<(), SinkError> {
        if block.channels() != self.format.channels {
            return Err(SinkError::Unsupported(format!(
                "a block of {} channels for a speaker opened with {}",
                block.channels(),
                self.format.channels
            )));
        }
        self.shared.flushed.store(false, Ordering::Relaxed);
        let channels = self.format.channels.get();
        let mut left = block.samples();
        while !left.is_empty() {
            let room = self.samples.vacant_len();
            let fits = left.len().min(room - room % channels);
            self.samples.push_slice(&left[..fits]);
            left = &left[fits..];
            if fits == 0 {
                self.wait();
            }
        }
        Ok(())
    }

    fn native(&self) -> Option<PcmFormat> {
        None
    }

    fn write_native(&mut self, _bytes: &[u8]) -> Result<(), SinkError> {
        Err(SinkError::Unsupported(
            "a speaker takes samples, not stored bytes".to_owned(),
        ))
    }

    /// Waits until what was written is heard.
    fn flush(&mut self) -> Result<(), SinkError> {
        self.shared.flushed.store(true, Ordering::Relaxed);
        let waiting = self.samples.occupied_len() / self.format.channels.get();
        let waiting = self.format.rate.duration_of(waiting as u64);
        let deadline = Instant::now() + waiting * 2 + PATIENCE;
        while !self.samples.is_empty() && Instant::now() < deadline {
            self.wait();
        }
        // The last callback's frames still are in the device's own buffers: the first of them is
        // heard after its delay, the last a quantum later.
        let stats = self.watch().stats();
        let rate = stats.obtained.map_or(self.format.rate, |o| o.format.rate);
        let quantum = rate.duration_of(u64::from(stats.quantum.1));
        thread::sleep((stats.device_delay + quantum).min(PATIENCE));
        Ok(())
    }
}

impl fmt::Debug for PlaybackSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlaybackSink")
            .field("playback", &self.playback)
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}

/// What the device pulls.
struct FromRing {
    format: StreamFormat,
    samples: HeapCons<f32>,
    shared: Arc<Shared>,
    counters: Arc<Counters>,
    started: bool,
}

impl Pull for FromRing {
    fn format(&self) -> StreamFormat {
        self.format
    }

    fn pull(&mut self, _: Asked, mut out: AudioMut<'_>) {
        let out = out.samples();
        let filled = self.samples.pop_slice(out);
        out[filled..].fill(0.0);
        self.started |= filled > 0;
        let over = self.shared.flushed.load(Ordering::Relaxed) || !self.samples.write_is_held();
        if self.started && !over {
            let missing = (out.len() - filled) / self.format.channels.get();
            let starved = &self.counters.frames_starved;
            starved.fetch_add(missing as u64, Ordering::Relaxed);
        }
        if let Some(writer) = self.shared.writer.get() {
            writer.unpark();
        }
    }
}

const LOOK_EVERY: Duration = Duration::from_millis(5);
/// For a device that is away while it is flushed.
const PATIENCE: Duration = Duration::from_millis(500);
const MAX_AHEAD: u64 = 1 << 20;

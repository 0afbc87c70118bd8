//! A fake sound system, a source that counts, and patience.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant as StdInstant};

use audiox_core::block::AudioMut;
use audiox_core::format::{Channels, SampleRate, StreamFormat};
use audiox_core::source::{Asked, Pull};
use audiox_core::time::Instant;
use audiox_io::device::TimeSource;

pub(super) fn format(rate: u32, channels: u16) -> StreamFormat {
    StreamFormat::new(
        SampleRate::new(rate).unwrap(),
        Channels::new(channels).unwrap(),
    )
}

/// Real time, so that the stream's thread and the test agree on it.
pub(super) fn time() -> TimeSource {
    let start = StdInstant::now();
    Arc::new(move || Instant::from_nanos(1_000_000_000) + start.elapsed())
}

pub(super) fn asked(now: Instant) -> Asked {
    Asked {
        now,
        until_heard: Duration::from_millis(7),
    }
}

/// Numbers its frames in all channels, from 1, in steps that a float holds; says how many it gave.
pub(super) struct Counting {
    pub(super) format: StreamFormat,
    pub(super) given: Arc<AtomicU64>,
}

impl Counting {
    pub(super) fn new(format: StreamFormat) -> (Self, Arc<AtomicU64>) {
        let given = Arc::new(AtomicU64::new(0));
        let counting = Self {
            format,
            given: given.clone(),
        };
        (counting, given)
    }
}

pub(super) fn number(n: u64) -> f32 {
    (n % 4_096 + 1) as f32 / 8_192.0
}

impl Pull for Counting {
    fn format(&self) -> StreamFormat {
        self.format
    }

    fn pull(&mut self, _: Asked, mut out: AudioMut<'_>) {
        let channels = self.format.channels.get();
        let mut n = self.given.load(Ordering::Relaxed);
        for frame in out.samples().chunks_exact_mut(channels) {
            frame.fill(number(n));
            n += 1;
        }
        self.given.store(n, Ordering::Relaxed);
    }
}

/// Waits until something is so; that it never is, is a failure.
pub(super) fn until(what: &str, mut so: impl FnMut() -> bool) {
    let deadline = StdInstant::now() + Duration::from_secs(8);
    while !so() {
        assert!(StdInstant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

//! The threads that keep a player going: one plays by the clock into a sink, or a device pulls and
//! one serves only the sockets.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use audiox_core::block::AudioRef;
use audiox_core::source::{Asked, Sink, SinkError};
use audiox_core::time::Instant;
use audiox_net::clock::Clock;
use audiox_net::pace::PacedWork;
use audiox_net::stop::StopFlag;

use super::output::PlayerOutput;
use super::report::PlayerReport;
use super::stations::Stations;
use crate::Error;

/// Takes datagrams in, plays a quantum, passes it on; paced.
pub(super) struct Work {
    stations: Stations,
    output: PlayerOutput,
    sink: Box<dyn Sink>,
    failed: Option<SinkError>,
    stop: StopFlag,
    start: Instant,
    frames: u64,
    mix: Box<[f32]>,
}

impl Work {
    pub(super) fn new(
        stations: Stations,
        output: PlayerOutput,
        sink: Box<dyn Sink>,
        start: Instant,
        stop: StopFlag,
    ) -> Self {
        let config = stations.config();
        let samples = config.quantum * config.format.channels.get();
        Self {
            stations,
            output,
            sink,
            failed: None,
            stop,
            start,
            frames: 0,
            mix: vec![0.0; samples].into(),
        }
    }

    /// Closes everything; called after the thread has ended.
    pub(super) fn finish(mut self) -> Result<PlayerReport, Error> {
        let flushed = self.sink.flush();
        drop(self.output);
        let report = self.stations.finish()?;
        match self.failed.take() {
            Some(e) => return Err(e.into()),
            None => flushed?,
        }
        Ok(report)
    }

    fn due(&self) -> Instant {
        let rate = self.stations.config().format.rate;
        self.start + rate.duration_of(self.frames)
    }

    fn play(&mut self, now: Instant) {
        let config = self.stations.config();
        let (channels, quantum) = (config.format.channels, config.quantum as u64);
        let asked = Asked {
            now,
            until_heard: Duration::ZERO,
        };
        self.output.mix(asked, &mut self.mix);
        self.frames += quantum;
        if let Err(e) = self.sink.write(AudioRef::new(&self.mix, channels)) {
            self.failed = Some(e);
            self.stop.stop();
        }
    }
}

impl PacedWork for Work {
    fn next_deadline(&self) -> Option<Instant> {
        (!self.stations.is_over() && self.failed.is_none()).then(|| self.due())
    }

    fn run(&mut self, now: Instant) {
        self.stations.receive(now);
        let config = self.stations.config();
        let quantum = config.format.rate.duration_of(config.quantum as u64);
        if now.saturating_since(self.due()) > quantum {
            self.stations.count_late_pull();
        }
        while self.due() <= now && self.failed.is_none() {
            // By the schedule, as a device's clock would have it.
            let due = self.due();
            self.play(due.max(self.start));
        }
    }
}

/// What pulls from a player's output, to be dropped when the player ends.
#[derive(Clone, Default)]
pub(super) struct Puller(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    device: Option<Box<dyn Send>>,
    over: bool,
}

impl Puller {
    /// Keeps `device` until the player ends.
    pub(super) fn keep(&self, device: Box<dyn Send>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !kept.over {
            kept.device = Some(device);
        }
    }

    fn release(&self) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.over = true;
        let device = kept.device.take();
        drop(kept);
        // Waits for its callback.
        drop(device);
    }
}

/// Serves the sockets as soon as something comes, while a device pulls; then has the device let go.
pub(super) fn serve(
    mut stations: Stations,
    clock: Clock,
    stop: &StopFlag,
    puller: &Puller,
    sockets_stop: &StopFlag,
) -> Result<PlayerReport, Error> {
    stations.wake_me();
    while !stop.is_stopped() && !stations.is_over() {
        let now = clock.now();
        stations.receive(now);
        let left = stations.next_timeout().saturating_since(now);
        thread::park_timeout(left.min(LOOK_EVERY));
    }
    sockets_stop.stop();
    puller.release();
    stations.finish()
}

/// How soon a stop is heard.
const LOOK_EVERY: Duration = Duration::from_millis(20);

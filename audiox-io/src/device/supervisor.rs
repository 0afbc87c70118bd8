//! The thread that keeps a stream alive, whatever its device does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use audiox_core::format::{SampleRate, StreamFormat};
use audiox_core::time::Instant;

use super::choose::{DeviceName, choose};
use super::counters::{Counters, DeviceWatch};
use super::error::{DeviceError, DeviceErrorKind};
use super::host::{Direction, Host, Obtained, OpenStream, TimeSource};

/// One direction's way to open a stream and to do without one.
pub(super) trait Role: Send {
    /// Which way.
    fn direction(&self) -> Direction;

    /// Opens the device `id`.
    fn open(&mut self, id: &str) -> Result<Box<dyn OpenStream>, DeviceError>;

    /// The rate and channels of the stream itself; known after the first opening.
    fn format(&self) -> Option<StreamFormat>;

    /// Takes back what the callback of a stream had, after that was dropped.
    fn reclaim(&mut self);

    /// Does what the device would have done with the next `frames`, asked for at `now`.
    fn stand_in(&mut self, now: Instant, frames: usize);
}

/// A running stream's thread; dropped, it ends the stream and waits for that.
pub(super) struct Supervisor {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    counters: Arc<Counters>,
}

impl Supervisor {
    /// Opens the device and keeps the stream from then on.
    pub(super) fn start(
        host: Arc<dyn Host>,
        name: DeviceName,
        role: impl Role + 'static,
        time: TimeSource,
        counters: Arc<Counters>,
    ) -> Result<(Self, Obtained), DeviceError> {
        let stop = Arc::new(AtomicBool::new(false));
        let (told, tell) = sync_channel(1);
        let device = name.to_string();
        let work = Work {
            host,
            name,
            id: String::new(),
            role,
            time,
            counters: counters.clone(),
            stop: stop.clone(),
            failures: 0,
        };
        let thread = thread::Builder::new()
            .name("audiox-device".to_owned())
            .spawn(move || work.run(told))
            .map_err(|e| {
                let message = format!("cannot start a thread: {e}");
                DeviceError::new(DeviceErrorKind::Other, device.clone(), message)
            })?;
        let supervisor = Self {
            stop,
            thread: Some(thread),
            counters,
        };
        match tell.recv() {
            Ok(opened) => Ok((supervisor, opened?)),
            Err(_) => {
                let message = "its thread ended before it began";
                Err(DeviceError::new(DeviceErrorKind::Other, device, message))
            }
        }
    }

    /// To look at the stream.
    pub(super) fn watch(&self) -> DeviceWatch {
        DeviceWatch(self.counters.clone())
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A panic there is a bug of ours and has printed itself.
            let _ = thread.join();
        }
    }
}

struct Work<R> {
    host: Arc<dyn Host>,
    name: DeviceName,
    id: String,
    role: R,
    time: TimeSource,
    counters: Arc<Counters>,
    stop: Arc<AtomicBool>,
    /// Openings that failed since the last that did not.
    failures: u32,
}

impl<R: Role> Work<R> {
    fn run(mut self, told: SyncSender<Result<Obtained, DeviceError>>) {
        let mut stream = match self.open() {
            Ok(stream) => stream,
            Err(e) => {
                let _ = told.send(Err(e));
                return;
            }
        };
        self.counters.opened(stream.obtained(), false);
        let _ = told.send(Ok(stream.obtained().clone()));
        loop {
            let silent_since = self.watch(&*stream);
            // Before the device is said to be lost, so that its callback is not at work any more.
            drop(stream);
            self.role.reclaim();
            if self.stopped() {
                return;
            }
            self.counters.lost();
            match self.stand_in(silent_since) {
                Some(again) => stream = again,
                None => return,
            }
            self.counters.opened(stream.obtained(), true);
        }
    }

    /// Returns when the stream has died, or is to end: when it called last.
    fn watch(&mut self, stream: &dyn OpenStream) -> Instant {
        let obtained = stream.obtained();
        let quantum = obtained.buffer.unwrap_or(obtained.asked_buffer);
        let quantum = obtained.format.rate.duration_of(u64::from(quantum));
        let mut seen = self.counters.callbacks.load(Ordering::Relaxed);
        let (mut since, mut patience) = ((self.time)(), FIRST_CALLBACK);
        let mut look_at_default = since + LOOK_AT_DEFAULT;
        while !self.stopped() {
            thread::park_timeout(LOOK_EVERY);
            let gone = self.counters.take_gone();
            let now = (self.time)();
            let callbacks = self.counters.callbacks.load(Ordering::Relaxed);
            if callbacks != seen {
                (seen, since, patience) = (callbacks, now, STALL + quantum * 4);
            }
            if gone || now.saturating_since(since) > patience {
                return since;
            }
            if self.name == DeviceName::Default && now >= look_at_default {
                look_at_default = now + LOOK_AT_DEFAULT;
                let default = self.host.default_id(self.role.direction());
                if default.is_some_and(|id| id != self.id) {
                    return since;
                }
            }
        }
        since
    }

    /// Does the device's work from `start` on, until there is one again; `None` when the stream is
    /// to end. What a device left undone before it was found to be silent is done as well, so that
    /// the stream's time goes on as if nothing had happened.
    fn stand_in(&mut self, start: Instant) -> Option<Box<dyn OpenStream>> {
        let format = self.role.format()?;
        let (mut done, mut next_try) = (0u64, (self.time)());
        while !self.stopped() {
            let now = (self.time)();
            self.catch_up(format.rate, start, now, &mut done);
            if now >= next_try {
                match self.open() {
                    Ok(stream) => return Some(stream),
                    Err(_) => self.role.reclaim(),
                }
                next_try = (self.time)() + RETRY_EVERY;
            }
            thread::park_timeout(STAND_IN_EVERY);
        }
        None
    }

    fn catch_up(&mut self, rate: SampleRate, start: Instant, now: Instant, done: &mut u64) {
        let due = rate.frames_in(now.saturating_since(start));
        while *done < due {
            let frames = (due - *done).min(STAND_IN_FRAMES);
            let at = start + rate.duration_of(*done);
            self.role.stand_in(at, frames as usize);
            *done += frames;
        }
    }

    fn open(&mut self) -> Result<Box<dyn OpenStream>, DeviceError> {
        // A device that comes back may have another identifier, and listing takes its time.
        let named_anew = self.id.is_empty() || self.failures % 4 == 3;
        if self.name == DeviceName::Default {
            match self.host.default_id(self.role.direction()) {
                Some(id) => self.id = id,
                None => self.id = self.chosen()?,
            }
        } else if named_anew {
            self.failures += 1;
            self.id = self.chosen()?;
        }
        // What the stream before said. A new one may say so before anybody looks.
        self.counters.opens();
        match self.role.open(&self.id) {
            Ok(stream) => {
                self.failures = 0;
                Ok(stream)
            }
            Err(e) => {
                self.failures += 1;
                Err(e)
            }
        }
    }

    fn chosen(&self) -> Result<String, DeviceError> {
        let devices = self.host.devices()?;
        let chosen = choose(&devices, self.role.direction(), &self.name)?;
        Ok(chosen.id.clone())
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

const LOOK_EVERY: Duration = Duration::from_millis(20);
const LOOK_AT_DEFAULT: Duration = Duration::from_millis(250);
/// Sound servers take their time before they call first.
const FIRST_CALLBACK: Duration = Duration::from_secs(2);
/// Without a callback for so long, and four quanta, a device is gone without having said so.
const STALL: Duration = Duration::from_millis(500);
const RETRY_EVERY: Duration = Duration::from_millis(250);
const STAND_IN_EVERY: Duration = Duration::from_millis(10);
const STAND_IN_FRAMES: u64 = 480;

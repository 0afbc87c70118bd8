//! A device that captures, as a source.

use std::fmt;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, OnceLock};
use std::thread::{self, Thread};
use std::time::Duration;

use audiox_core::format::{PcmFormat, StreamFormat};
use audiox_core::source::{Source, SourceClock, SourceError};
use audiox_core::time::Instant;
use ringbuf::traits::{Consumer, Observer, Producer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};

use super::adapt::InputAdapter;
use super::choose::DeviceName;
use super::counters::{Counters, DeviceWatch};
use super::error::{DeviceError, DeviceErrorKind};
use super::host::{
    Captured, Direction, Host, InputCallback, Obtained, OpenStream, TimeSource, Wish,
};
use super::supervisor::{Role, Supervisor};

/// What a [`CaptureSource`] is made with.
#[derive(Clone)]
pub struct Capture {
    /// Which device.
    pub device: DeviceName,
    /// What the source's format is to be; the device's own choice where left out. What the
    /// device has not is converted.
    pub wish: Wish,
    /// Longest time that frames wait to be read; newer ones are then left out, counted.
    pub hold: Duration,
    /// The clock that frames are stamped with.
    pub time: TimeSource,
}

impl Capture {
    /// Of `device`, with a second of patience for who reads: longer than a device may be silent
    /// before it is taken for lost, and then hands over all at once.
    pub fn new(device: DeviceName, time: TimeSource) -> Self {
        Self {
            device,
            wish: Wish::default(),
            hold: Duration::from_secs(1),
            time,
        }
    }

    /// Opens the device and starts capturing.
    ///
    /// # Errors
    /// No such device, or it cannot be opened. Later troubles are counted, not told.
    pub fn start(self, host: Arc<dyn Host>) -> Result<CaptureSource, DeviceError> {
        let counters = Counters::new();
        let reader = Arc::new(OnceLock::new());
        let (home, returned) = channel();
        let (made, make) = channel();
        let role = Input {
            host: host.clone(),
            wish: self.wish,
            time: self.time.clone(),
            counters: counters.clone(),
            hold: self.hold,
            writer: None,
            format: None,
            made: Some(made),
            reader: reader.clone(),
            home,
            returned,
            silence: Vec::new(),
        };
        let (supervisor, obtained) =
            Supervisor::start(host, self.device.clone(), role, self.time, counters)?;
        let Ok((format, samples, stamps)) = make.try_recv() else {
            let message = "it was opened without a format";
            let device = self.device.to_string();
            return Err(DeviceError::new(DeviceErrorKind::Other, device, message));
        };
        Ok(CaptureSource {
            supervisor,
            obtained,
            format,
            samples,
            stamps,
            stamp: None,
            ahead: None,
            frame: 0,
            reader,
        })
    }
}

impl fmt::Debug for Capture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Capture")
            .field("device", &self.device)
            .field("wish", &self.wish)
            .field("hold", &self.hold)
            .finish_non_exhaustive()
    }
}

/// When a frame was captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CaptureStamp {
    /// Which, counted from the first that was read.
    pub frame: u64,
    /// When it was captured.
    pub captured: Instant,
    /// When it was handed over by the device.
    pub delivered: Instant,
}

/// A microphone. Reading waits until there is something, so it keeps the device's time; it ends
/// never.
pub struct CaptureSource {
    supervisor: Supervisor,
    obtained: Obtained,
    format: StreamFormat,
    samples: HeapCons<f32>,
    stamps: HeapCons<CaptureStamp>,
    /// The stamp of the newest block whose first frame has been read.
    stamp: Option<CaptureStamp>,
    ahead: Option<CaptureStamp>,
    frame: u64,
    reader: Arc<OnceLock<Thread>>,
}

impl CaptureSource {
    /// What the device was when it was first opened.
    pub fn obtained(&self) -> &Obtained {
        &self.obtained
    }

    /// The counters.
    pub fn watch(&self) -> DeviceWatch {
        self.supervisor.watch()
    }

    /// Frames that could be read without waiting.
    pub fn frames_ready(&self) -> usize {
        self.samples.occupied_len() / self.format.channels.get()
    }

    /// Frames read so far.
    pub fn frames_read(&self) -> u64 {
        self.frame
    }

    /// The stamp of the device's block that the frame read last lies in; `None` before the first.
    pub fn stamp(&self) -> Option<CaptureStamp> {
        self.stamp
    }

    /// Reads what is there, without waiting; returns frames.
    pub fn read_ready(&mut self, out: &mut [f32]) -> usize {
        let channels = self.format.channels.get();
        let whole = out.len() - out.len() % channels;
        // The writer publishes whole frames only.
        let frames = self.samples.pop_slice(&mut out[..whole]) / channels;
        self.frame += frames as u64;
        while let Some(next) = self.ahead.take().or_else(|| self.stamps.try_pop()) {
            if next.frame >= self.frame {
                self.ahead = Some(next);
                break;
            }
            self.stamp = Some(next);
        }
        frames
    }
}

impl Source for CaptureSource {
    fn format(&self) -> StreamFormat {
        self.format
    }

    fn clock(&self) -> SourceClock {
        SourceClock::Device
    }

    fn frames_left(&self) -> Option<u64> {
        None
    }

    fn read(&mut self, out: &mut [f32]) -> Result<usize, SourceError> {
        if out.len() < self.format.channels.get() {
            return Ok(0);
        }
        let me = thread::current();
        let known = self.reader.get_or_init(|| me.clone()).id() == me.id();
        // The callback wakes the thread that read first; another looks for itself.
        let patience = if known { WAKE_AT_LEAST } else { LOOK_EVERY };
        loop {
            let frames = self.read_ready(out);
            if frames > 0 {
                return Ok(frames);
            }
            if !self.samples.write_is_held() {
                return Ok(0);
            }
            thread::park_timeout(patience);
        }
    }

    fn native(&self) -> Option<PcmFormat> {
        None
    }

    fn read_native(&mut self, _out: &mut [u8]) -> Result<usize, SourceError> {
        Err(SourceError::Unsupported(
            "what a device captures is stored nowhere; read it as f32".to_owned(),
        ))
    }

    fn seek(&mut self, _frame: u64) -> Result<(), SourceError> {
        Err(SourceError::Unsupported(format!(
            "{}: a device cannot go back",
            self.obtained.name
        )))
    }
}

impl fmt::Debug for CaptureSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CaptureSource")
            .field("obtained", &self.obtained)
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}

type Made = (StreamFormat, HeapCons<f32>, HeapCons<CaptureStamp>);

struct Input {
    host: Arc<dyn Host>,
    wish: Wish,
    time: TimeSource,
    counters: Arc<Counters>,
    hold: Duration,
    writer: Option<Box<Writer>>,
    format: Option<StreamFormat>,
    made: Option<Sender<Made>>,
    reader: Arc<OnceLock<Thread>>,
    home: Sender<Box<Writer>>,
    returned: Receiver<Box<Writer>>,
    silence: Vec<f32>,
}

impl Input {
    /// The source's format, for a device of the format `device`, and its rings.
    fn make(&mut self, device: StreamFormat) -> Box<Writer> {
        let format = StreamFormat::new(
            self.wish.rate.unwrap_or(device.rate),
            self.wish.channels.unwrap_or(device.channels),
        );
        let frames = format.rate.frames_in(self.hold).clamp(64, MAX_HOLD);
        let samples = frames as usize * format.channels.get();
        let (samples_in, samples_out) = HeapRb::new(samples).split();
        let (stamps_in, stamps_out) = HeapRb::new(STAMPS).split();
        self.format = Some(format);
        if let Some(made) = self.made.take() {
            let _ = made.send((format, samples_out, stamps_out));
        }
        Box::new(Writer {
            format,
            samples: samples_in,
            stamps: stamps_in,
            frame: 0,
            reader: self.reader.clone(),
            counters: self.counters.clone(),
        })
    }
}

impl Role for Input {
    fn direction(&self) -> Direction {
        Direction::Input
    }

    fn open(&mut self, id: &str) -> Result<Box<dyn OpenStream>, DeviceError> {
        let host = self.host.clone();
        let (time, counters) = (self.time.clone(), self.counters.clone());
        let mut impossible = None;
        let wish = match self.format {
            Some(format) => Wish {
                buffer: self.wish.buffer,
                ..Wish::format(format)
            },
            None => self.wish,
        };
        let opened = host.open_input(
            id,
            &wish,
            time.clone(),
            &mut |device| {
                let writer = self.writer.take().unwrap_or_else(|| self.make(device));
                let adapter = InputAdapter::new(device, writer.format).unwrap_or_else(|e| {
                    impossible = Some(e);
                    None
                });
                Box::new(Take {
                    writer: Some(writer),
                    adapter,
                    device,
                    time: time.clone(),
                    counters: counters.clone(),
                    first: true,
                    home: self.home.clone(),
                })
            },
            counters.clone(),
        );
        match (opened, impossible) {
            (Ok(_), Some(e)) => {
                let kind = DeviceErrorKind::Unsupported;
                Err(DeviceError::new(kind, id, e.to_string()))
            }
            (opened, _) => opened,
        }
    }

    fn format(&self) -> Option<StreamFormat> {
        self.format
    }

    fn reclaim(&mut self) {
        while let Ok(writer) = self.returned.try_recv() {
            self.writer = Some(writer);
        }
    }

    fn stand_in(&mut self, now: Instant, frames: usize) {
        self.counters.stood_in(frames);
        if let (Some(writer), Some(format)) = (&mut self.writer, self.format) {
            self.silence.resize(frames * format.channels.get(), 0.0);
            writer.begin(now, now);
            writer.write(&self.silence);
            writer.wake();
        }
    }
}

/// The filling end of the rings.
struct Writer {
    format: StreamFormat,
    samples: HeapProd<f32>,
    stamps: HeapProd<CaptureStamp>,
    frame: u64,
    reader: Arc<OnceLock<Thread>>,
    counters: Arc<Counters>,
}

impl Writer {
    fn begin(&mut self, captured: Instant, delivered: Instant) {
        // Where nobody reads stamps, those of long ago are as good.
        let _ = self.stamps.try_push(CaptureStamp {
            frame: self.frame,
            captured,
            delivered,
        });
    }

    fn write(&mut self, samples: &[f32]) {
        let channels = self.format.channels.get();
        let room = self.samples.vacant_len();
        let fits = samples.len().min(room - room % channels);
        self.samples.push_slice(&samples[..fits]);
        self.frame += (fits / channels) as u64;
        let lost = (samples.len() - fits) / channels;
        if lost > 0 {
            let order = std::sync::atomic::Ordering::Relaxed;
            let overflowed = &self.counters.frames_overflowed;
            overflowed.fetch_add(lost as u64, order);
        }
    }

    fn wake(&self) {
        if let Some(reader) = self.reader.get() {
            reader.unpark();
        }
    }
}

/// The callback.
struct Take {
    writer: Option<Box<Writer>>,
    adapter: Option<InputAdapter>,
    device: StreamFormat,
    time: TimeSource,
    counters: Arc<Counters>,
    first: bool,
    home: Sender<Box<Writer>>,
}

impl InputCallback for Take {
    fn take(&mut self, captured: Captured, samples: &[f32]) {
        if std::mem::take(&mut self.first) {
            self.counters.ask_priority();
        }
        if let Some(writer) = &mut self.writer {
            writer.begin(captured.now.saturating_sub(captured.age), captured.now);
            match &mut self.adapter {
                Some(adapter) => adapter.convert(samples, |piece| writer.write(piece)),
                None if self.device == writer.format => writer.write(samples),
                None => {}
            }
            writer.wake();
        }
        self.counters.raise_peak(samples);
        let frames = samples.len() / self.device.channels.get();
        let busy = (self.time)().saturating_since(captured.now);
        self.counters.called(frames, captured.age, busy);
    }
}

impl Drop for Take {
    /// The stream is gone; what it wrote into is written elsewhere.
    fn drop(&mut self) {
        if let Some(writer) = self.writer.take() {
            let _ = self.home.send(writer);
        }
    }
}

/// Frames in the ring at most.
const MAX_HOLD: u64 = 1 << 20;
/// Blocks whose stamps wait.
const STAMPS: usize = 1_024;
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// In case a wake-up was for something else.
const WAKE_AT_LEAST: Duration = Duration::from_millis(20);

//! A device that pulls.

use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use audiox_core::block::AudioMut;
use audiox_core::format::StreamFormat;
use audiox_core::source::{Asked, Pull};
use audiox_core::time::Instant;

use super::adapt::OutputAdapter;
use super::ahead::{Ahead, PullAhead};
use super::choose::DeviceName;
use super::counters::{Counters, DeviceWatch};
use super::error::{DeviceError, DeviceErrorKind};
use super::host::{Direction, Host, Obtained, OpenStream, OutputCallback, TimeSource, Wish};
use super::supervisor::{Role, Supervisor};

/// What a [`Playback`] is made with.
#[derive(Clone)]
pub struct PlaybackConfig {
    /// Which device.
    pub device: DeviceName,
    /// What it is asked to be; its own choice where left out.
    pub wish: Wish,
    /// Where what it plays is made. In the callback by default, until that is too heavy for it.
    pub ahead: PullAhead,
    /// The clock that packets are stamped with.
    pub time: TimeSource,
}

impl PlaybackConfig {
    /// `device` as it is, with the defaults.
    pub fn new(device: DeviceName, time: TimeSource) -> Self {
        Self {
            device,
            wish: Wish::default(),
            ahead: PullAhead::default(),
            time,
        }
    }
}

impl fmt::Debug for PlaybackConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlaybackConfig")
            .field("device", &self.device)
            .field("wish", &self.wish)
            .field("ahead", &self.ahead)
            .finish_non_exhaustive()
    }
}

/// A speaker that pulls its frames in its own callback, at its own pace. Dropped, it falls silent.
pub struct Playback {
    supervisor: Supervisor,
    obtained: Obtained,
    format: StreamFormat,
}

impl Playback {
    /// Opens the device and lets it pull from what `make` makes for the format obtained. That
    /// may choose another format for itself: then it is converted.
    ///
    /// `make` is called once, on a thread of the stream. Whether it is pulled in the callback
    /// itself, [`PlaybackConfig::ahead`] says.
    ///
    /// # Errors
    /// No such device, or it cannot be opened. Later troubles are counted, not told.
    pub fn start(
        host: Arc<dyn Host>,
        config: PlaybackConfig,
        make: impl FnOnce(StreamFormat) -> Box<dyn Pull> + Send + 'static,
    ) -> Result<Self, DeviceError> {
        Self::start_counted(host, config, Counters::new(), make)
    }

    /// With counters that what is pulled writes too.
    pub(super) fn start_counted(
        host: Arc<dyn Host>,
        config: PlaybackConfig,
        counters: Arc<Counters>,
        make: impl FnOnce(StreamFormat) -> Box<dyn Pull> + Send + 'static,
    ) -> Result<Self, DeviceError> {
        let (home, returned) = channel();
        let (format_told, told_format) = channel();
        let (ahead, timed, counted) = (config.ahead, config.time.clone(), counters.clone());
        let make = move |format| Ahead::over(make(format), ahead, timed, counted);
        let role = Output {
            host: host.clone(),
            wish: config.wish,
            time: config.time.clone(),
            counters: counters.clone(),
            pull: Player::Unmade(Box::new(make)),
            format: None,
            format_told,
            home,
            returned,
            scratch: Vec::new(),
        };
        let (supervisor, obtained) =
            Supervisor::start(host, config.device, role, config.time, counters)?;
        // It was sent before the stream was said to be open.
        let format = told_format.try_recv().unwrap_or(obtained.format);
        Ok(Self {
            supervisor,
            obtained,
            format,
        })
    }

    /// What the device was when it was first opened.
    pub fn obtained(&self) -> &Obtained {
        &self.obtained
    }

    /// The format that is pulled.
    pub fn format(&self) -> StreamFormat {
        self.format
    }

    /// The counters.
    pub fn watch(&self) -> DeviceWatch {
        self.supervisor.watch()
    }
}

impl fmt::Debug for Playback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Playback")
            .field("obtained", &self.obtained)
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}

type Make = Box<dyn FnOnce(StreamFormat) -> Box<dyn Pull> + Send>;

enum Player {
    Unmade(Make),
    Here(Box<dyn Pull>),
    /// In a callback.
    Lent,
}

struct Output {
    host: Arc<dyn Host>,
    wish: Wish,
    time: TimeSource,
    counters: Arc<Counters>,
    pull: Player,
    format: Option<StreamFormat>,
    format_told: Sender<StreamFormat>,
    home: Sender<Box<dyn Pull>>,
    returned: Receiver<Box<dyn Pull>>,
    scratch: Vec<f32>,
}

impl Role for Output {
    fn direction(&self) -> Direction {
        Direction::Output
    }

    fn open(&mut self, id: &str) -> Result<Box<dyn OpenStream>, DeviceError> {
        let wish = match self.format {
            // The stream's own format needs no conversion.
            Some(format) => Wish {
                buffer: self.wish.buffer,
                ..Wish::format(format)
            },
            None => self.wish,
        };
        let (time, counters) = (self.time.clone(), self.counters.clone());
        let mut impossible = None;
        let (pull, format, told, home) = (
            &mut self.pull,
            &mut self.format,
            &self.format_told,
            &self.home,
        );
        let opened = self.host.open_output(
            id,
            &wish,
            self.time.clone(),
            &mut |device| {
                let made = match std::mem::replace(pull, Player::Lent) {
                    Player::Unmade(make) => Some(make(device)),
                    Player::Here(pull) => Some(pull),
                    Player::Lent => None,
                };
                if let Some(made) = &made {
                    *format = Some(made.format());
                    let _ = told.send(made.format());
                }
                let stream = format.unwrap_or(device);
                let adapter = OutputAdapter::new(stream, device).unwrap_or_else(|e| {
                    impossible = Some(e);
                    None
                });
                Box::new(Fill {
                    pull: made,
                    adapter,
                    stream,
                    device,
                    time: time.clone(),
                    counters: counters.clone(),
                    first: true,
                    home: home.clone(),
                })
            },
            self.counters.clone(),
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
        while let Ok(pull) = self.returned.try_recv() {
            self.pull = Player::Here(pull);
        }
    }

    fn stand_in(&mut self, now: Instant, frames: usize) {
        self.counters.stood_in(frames);
        if let (Player::Here(pull), Some(format)) = (&mut self.pull, self.format) {
            self.scratch.resize(frames * format.channels.get(), 0.0);
            let out = AudioMut::new(&mut self.scratch, format.channels);
            let until_heard = std::time::Duration::ZERO;
            pull.pull(Asked { now, until_heard }, out);
        }
    }
}

/// The callback.
struct Fill {
    pull: Option<Box<dyn Pull>>,
    adapter: Option<OutputAdapter>,
    stream: StreamFormat,
    device: StreamFormat,
    time: TimeSource,
    counters: Arc<Counters>,
    first: bool,
    home: Sender<Box<dyn Pull>>,
}

impl OutputCallback for Fill {
    fn fill(&mut self, asked: Asked, out: &mut [f32]) {
        if std::mem::take(&mut self.first) {
            self.counters.ask_priority();
        }
        match (&mut self.pull, &mut self.adapter) {
            (Some(pull), Some(adapter)) => adapter.pull(&mut **pull, asked, out),
            (Some(pull), None) if self.stream == self.device => {
                pull.pull(asked, AudioMut::new(out, self.device.channels));
            }
            _ => out.fill(0.0),
        }
        self.counters.raise_peak(out);
        let frames = out.len() / self.device.channels.get();
        let busy = (self.time)().saturating_since(asked.now);
        self.counters.called(frames, asked.until_heard, busy);
    }
}

impl Drop for Fill {
    /// The stream is gone; what it played goes on elsewhere.
    fn drop(&mut self) {
        if let Some(pull) = self.pull.take() {
            let _ = self.home.send(pull);
        }
    }
}

//! Where devices come from.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use audiox_core::ConfigError;
use audiox_core::format::{Channels, SampleRate, StreamFormat};
use audiox_core::source::Asked;
use audiox_core::time::Instant;

use super::error::DeviceError;

/// Tells the time on the clock that packets are stamped with.
pub type TimeSource = Arc<dyn Fn() -> Instant + Send + Sync>;

/// Which way sound goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Into the machine: microphones.
    Input,
    /// Out of the machine: speakers.
    Output,
}

impl Direction {
    /// `input` or `output`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Output => "output",
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Direction {
    type Err = ConfigError;

    fn from_str(s: &str) -> Result<Self, ConfigError> {
        match s {
            "input" => Ok(Self::Input),
            "output" => Ok(Self::Output),
            _ => Err(ConfigError::new("direction", s, "input or output")),
        }
    }
}

/// Buffer sizes that a device takes, in frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BufferRange {
    /// The least.
    pub min: u32,
    /// The most.
    pub max: u32,
}

/// A device in one direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceInfo {
    /// What the host knows it by; the same in the next run, where the host can tell.
    pub id: String,
    /// What people know it by.
    pub name: String,
    /// Which way.
    pub direction: Direction,
    /// Channel counts that it takes, in order.
    pub channels: Vec<Channels>,
    /// Lowest and highest rate.
    pub rates: (SampleRate, SampleRate),
    /// What it runs with where nothing is asked for.
    pub preferred: StreamFormat,
    /// Buffer sizes, where they are told.
    pub buffer: Option<BufferRange>,
    /// Whether it is taken where none is named.
    pub is_default: bool,
}

impl DeviceInfo {
    /// What comes nearest to `wish`: its rate and channels where the device has them, otherwise
    /// the next ones above, otherwise the most there are.
    pub fn nearest(&self, wish: &Wish) -> StreamFormat {
        let rate = wish.rate.unwrap_or(self.preferred.rate);
        let rate = rate.clamp(self.rates.0, self.rates.1);
        let channels = wish.channels.unwrap_or(self.preferred.channels);
        let above = self.channels.iter().find(|c| **c >= channels);
        let channels = above.or_else(|| self.channels.last()).copied();
        StreamFormat::new(rate, channels.unwrap_or(self.preferred.channels))
    }
}

/// What a stream is asked to be. What is left out is the device's choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wish {
    /// Frames a second.
    pub rate: Option<SampleRate>,
    /// Samples a frame.
    pub channels: Option<Channels>,
    /// Frames a callback; 10 ms where left out.
    pub buffer: Option<u32>,
}

impl Wish {
    /// Rate and channels of `format`.
    pub fn format(format: StreamFormat) -> Self {
        Self {
            rate: Some(format.rate),
            channels: Some(format.channels),
            buffer: None,
        }
    }

    /// Frames to ask for a callback at `rate`.
    pub fn buffer_at(&self, rate: SampleRate) -> u32 {
        self.buffer.unwrap_or_else(|| rate.get() / 100).max(1)
    }
}

/// What a stream is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obtained {
    /// The device's identifier.
    pub id: String,
    /// The device's name.
    pub name: String,
    /// Rate and channels of the callback's slices.
    pub format: StreamFormat,
    /// Frames that were asked for a callback.
    pub asked_buffer: u32,
    /// Frames that the device says a callback has; it may say nothing, or not keep it.
    pub buffer: Option<u32>,
}

/// When a slice was captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Captured {
    /// The moment of the call.
    pub now: Instant,
    /// From the capture of the slice's first frame until then.
    pub age: Duration,
}

/// Fills the device's slices. Runs on its thread: no allocation, lock, wait or panic.
///
/// It is dropped when the stream is.
pub trait OutputCallback: Send {
    /// Fills the whole of `out`, interleaved frames of the obtained format, of any number.
    fn fill(&mut self, asked: Asked, out: &mut [f32]);
}

/// Takes the device's slices. Runs on its thread: no allocation, lock, wait or panic.
///
/// It is dropped when the stream is.
pub trait InputCallback: Send {
    /// Takes all of `samples`, interleaved frames of the obtained format, of any number.
    fn take(&mut self, captured: Captured, samples: &[f32]);
}

/// What happens to a stream beside its callbacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamEvent {
    /// Frames were lost: a callback came too late, or took too long.
    Xrun,
    /// The device is gone, or its stream is not valid any more.
    Gone,
    /// The system plays on, on another device.
    Rerouted,
    /// Real-time priority was refused.
    RealtimeDenied,
    /// The stream that is being opened leads to a sound server or a plugin of this machine. Its
    /// thread has to stay an ordinary one: see [`DevicePriority::Software`](super::DevicePriority).
    Software,
    /// Something else; often nothing.
    Trouble,
}

/// Hears of a stream's events, from any thread; does not wait.
pub trait StreamEvents: Send + Sync {
    /// Takes note.
    fn note(&self, event: StreamEvent);
}

/// An open stream. It runs until it is dropped, which waits for a callback that is under way.
pub trait OpenStream {
    /// What it is.
    fn obtained(&self) -> &Obtained;
}

/// A sound system, or what stands for one.
///
/// Every method may be called at any time from any thread and may take tens of milliseconds.
pub trait Host: Send + Sync {
    /// All devices, each direction apart; defaults first.
    ///
    /// # Errors
    /// The sound system cannot be reached.
    fn devices(&self) -> Result<Vec<DeviceInfo>, DeviceError>;

    /// The identifier of the device that is taken where none is named; `None` without one.
    fn default_id(&self, direction: Direction) -> Option<String>;

    /// Opens the output `id` in the format that it comes nearest `wish` with, and starts it.
    ///
    /// # Errors
    /// It is not there, in use, refused, or takes nothing like it.
    fn open_output(
        &self,
        id: &str,
        wish: &Wish,
        time: TimeSource,
        callback: OutputMaker<'_>,
        events: Arc<dyn StreamEvents>,
    ) -> Result<Box<dyn OpenStream>, DeviceError>;

    /// Opens the input `id` likewise.
    ///
    /// # Errors
    /// As for [`open_output`](Self::open_output).
    fn open_input(
        &self,
        id: &str,
        wish: &Wish,
        time: TimeSource,
        callback: InputMaker<'_>,
        events: Arc<dyn StreamEvents>,
    ) -> Result<Box<dyn OpenStream>, DeviceError>;
}

/// Makes the callback of an output once its format is known. Called at most once.
pub type OutputMaker<'a> = &'a mut dyn FnMut(StreamFormat) -> Box<dyn OutputCallback>;

/// Makes the callback of an input once its format is known. Called at most once.
pub type InputMaker<'a> = &'a mut dyn FnMut(StreamFormat) -> Box<dyn InputCallback>;

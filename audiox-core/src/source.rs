//! Where audio comes from and where it goes: the contracts of files, signals, pipes and devices.

use std::time::Duration;

use crate::block::{AudioMut, AudioRef};
use crate::format::{PcmFormat, StreamFormat};
use crate::time::Instant;

/// Whether something has a clock of its own. Whoever has it drives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceClock {
    /// Audio appears (or is consumed) in real time: a sound device, a live pipe.
    Device,
    /// Audio is there as fast as it is read: a file, a signal generator. A pacer drives it.
    None,
}

/// Something that yields frames.
pub trait Source: Send {
    /// Rate and channels; fixed for the life of the source.
    fn format(&self) -> StreamFormat;

    /// Who keeps the time.
    fn clock(&self) -> SourceClock;

    /// Frames from the current position to the end; `None` where unknown or endless.
    fn frames_left(&self) -> Option<u64>;

    /// Reads interleaved frames into `out` (a whole number of frames long) and returns how many
    /// *frames* were read. Fewer than asked may come at any time; 0 means the end.
    fn read(&mut self, out: &mut [f32]) -> Result<usize, SourceError>;

    /// The format in which the samples are stored, where [`read_native`](Self::read_native) can
    /// hand them over untouched.
    fn native(&self) -> Option<PcmFormat>;

    /// Reads stored bytes as they stand, whole frames only, and returns how many *bytes* were
    /// read; 0 means the end. Shares its position with [`read`](Self::read).
    ///
    /// # Errors
    /// [`SourceError::Unsupported`] where [`native`](Self::native) is `None`.
    fn read_native(&mut self, out: &mut [u8]) -> Result<usize, SourceError>;

    /// Moves to `frame`, counted from the start; past the end is the end.
    ///
    /// # Errors
    /// [`SourceError::Unsupported`] where the source cannot go back (a pipe).
    fn seek(&mut self, frame: u64) -> Result<(), SourceError>;
}

/// Something that takes frames.
pub trait Sink: Send {
    /// Rate and channels it was made for.
    fn format(&self) -> StreamFormat;

    /// Takes a block, in order, without gaps. The block's channel count is the format's.
    fn write(&mut self, block: AudioRef<'_>) -> Result<(), SinkError>;

    /// The stored sample format, where [`write_native`](Self::write_native) takes it untouched.
    fn native(&self) -> Option<PcmFormat>;

    /// Takes stored bytes as they stand, whole frames only.
    ///
    /// # Errors
    /// [`SinkError::Unsupported`] where [`native`](Self::native) is `None`.
    fn write_native(&mut self, bytes: &[u8]) -> Result<(), SinkError>;

    /// Makes everything written so far safe (headers true, buffers handed to the system).
    /// May be called again and again; writing may go on after it.
    fn flush(&mut self) -> Result<(), SinkError>;
}

/// When a device asked for a slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// The moment of the call.
    pub now: Instant,
    /// From then until the slice's first frame is heard: the device's own buffers. Zero where
    /// nothing is known of them.
    pub until_heard: Duration,
}

/// Something that a device pulls from, in its callback: a session's output, a player.
///
/// [`pull`](Self::pull) runs on the device's thread. It does not allocate, lock, wait or panic.
pub trait Pull: Send {
    /// Format of the slices to pull.
    fn format(&self) -> StreamFormat;

    /// Fills the whole of `out`, which has the channels of the format.
    fn pull(&mut self, asked: Asked, out: AudioMut<'_>);
}

/// A source failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The system refused.
    #[error("{what}: {source}")]
    Io {
        /// What was being done, with the file's name.
        what: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The data contradicts itself; the text names the place and says what to do.
    #[error("{0}")]
    Malformed(String),
    /// The data is sound but of a kind that is not read here; the text says what is.
    #[error("{0}")]
    Unsupported(String),
}

/// A sink failed. What was written before stays.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SinkError {
    /// The system refused: disk full, pipe closed.
    #[error("{what}: {source}")]
    Io {
        /// What was being done, with the file's name.
        what: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The sink cannot take this; the text says what it takes.
    #[error("{0}")]
    Unsupported(String),
}

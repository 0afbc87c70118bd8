//! What is played: sounds by name, encoded once for everybody who plays them.
//!
//! A [`Library`] holds the sounds of a server. Whatever has an end is encoded as a whole, ahead of
//! all who play it, and kept; what has none (a microphone, a stream, an endless tone) runs while
//! somebody listens, and everybody hears the same of it.

mod built_in;
mod encode;
mod library;
mod live;
mod track;

pub use built_in::{BUILT_IN, BuiltIn};
pub(crate) use encode::spec;
pub(crate) use library::Found;
pub use library::{Library, LibraryConfig, SoundInfo};
pub(crate) use live::{Live, LiveEvent};
pub(crate) use track::{At, Track};

use std::path::PathBuf;

use audiox_core::source::{Source, SourceError};
use audiox_io::WavSource;

/// What kind of thing a text names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SoundKind {
    /// A file: encoded as a whole, and again when it changes.
    File(PathBuf),
    /// Something with an end that is no file.
    Signal,
    /// Something without an end.
    Live,
}

/// Opens what texts name.
pub trait Sounds: Send + Sync {
    /// What kind of thing `text` names. Called when a server starts: whatever can be told to be
    /// wrong is refused then.
    ///
    /// # Errors
    /// It names nothing that can be played, or a file that cannot be read.
    fn look(&self, text: &str) -> Result<SoundKind, SourceError>;

    /// Opens it, of any rate and channel count. May take its time.
    ///
    /// # Errors
    /// It cannot be opened.
    fn open(&self, text: &str) -> Result<Box<dyn Source>, SourceError>;
}

/// WAV files.
#[derive(Debug, Clone, Copy, Default)]
pub struct WavFiles;

impl Sounds for WavFiles {
    fn look(&self, text: &str) -> Result<SoundKind, SourceError> {
        // A pipe would be waited for, for ever.
        if std::fs::metadata(text).is_ok_and(|meta| !meta.is_file()) {
            return Err(SourceError::Unsupported(format!("{text} is no file")));
        }
        WavSource::open(text)?;
        Ok(SoundKind::File(text.into()))
    }

    fn open(&self, text: &str) -> Result<Box<dyn Source>, SourceError> {
        Ok(Box::new(WavSource::open(text)?))
    }
}

/// Frames of a packet: 20 ms at 48 kHz.
pub(crate) const PACKET: usize = 960;

//! The server's own sound device, as the host has it.

use std::fmt::{self, Debug};

use audiox_core::format::StreamFormat;
use audiox_core::source::Sink;

/// The server's own sound device.
pub trait Speaker: Debug + Send + Sync + 'static {
    /// Whether there is one now. It may take its time.
    fn is_there(&self) -> bool;

    /// Opens it for blocks of `format`, whatever it runs at. Writing waits for it; dropping what
    /// was opened silences it at once. It may take its time.
    ///
    /// # Errors
    /// Why it cannot be, in words.
    fn open(&self, format: StreamFormat) -> Result<OpenedSpeaker, String>;
}

/// A speaker that plays.
pub struct OpenedSpeaker {
    /// Takes blocks.
    pub sink: Box<dyn Sink>,
    /// What it is called.
    pub name: String,
    /// What is wrong with it now, if anything: it is away, say.
    pub trouble: Box<dyn Fn() -> Option<String> + Send>,
}

impl Debug for OpenedSpeaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenedSpeaker")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

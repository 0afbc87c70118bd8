//! Opus packets as a container holds them: in order, with their durations, holes and headers.
//!
//! [`OpusFileReader`] takes them out of Ogg, [`MatroskaOpus`](crate::matroska::MatroskaOpus) out of
//! WebM and Matroska. What decodes them need not know which.

use std::fmt;
use std::io::{Read, Seek};

use audiox_core::source::SourceError;

use crate::ogg::{OpusEvent, OpusFileReader, OpusHead};

/// A recording of Opus packets. Time is counted in ticks of 48 kHz.
pub trait OpusPackets: fmt::Debug + Send {
    /// The recording's name, as in messages.
    fn name(&self) -> &str;

    /// The header of the stream that is being read.
    fn head(&self) -> &OpusHead;

    /// What is odd about it and what was made of it, a sentence each, without its name.
    fn notices(&self) -> &[String];

    /// Ticks that are heard, holes included.
    fn length(&self) -> u64;

    /// The next event; `None` at the end.
    ///
    /// # Errors
    /// Reading fails.
    fn next_event(&mut self) -> Result<Option<OpusEvent>, SourceError>;

    /// Goes to `tick` of what is heard, past the end to the end. What comes first is preceded by
    /// packets that decoders need to find their state and whose ticks are skipped.
    ///
    /// # Errors
    /// Reading fails.
    fn seek(&mut self, tick: u64) -> Result<(), SourceError>;
}

impl<R: Read + Seek + Send> OpusPackets for OpusFileReader<R> {
    fn name(&self) -> &str {
        self.name()
    }

    fn head(&self) -> &OpusHead {
        self.head()
    }

    fn notices(&self) -> &[String] {
        self.notices()
    }

    fn length(&self) -> u64 {
        self.length()
    }

    fn next_event(&mut self) -> Result<Option<OpusEvent>, SourceError> {
        self.next_event()
    }

    fn seek(&mut self, tick: u64) -> Result<(), SourceError> {
        self.seek(tick)
    }
}

impl<P: OpusPackets + ?Sized> OpusPackets for Box<P> {
    fn name(&self) -> &str {
        (**self).name()
    }

    fn head(&self) -> &OpusHead {
        (**self).head()
    }

    fn notices(&self) -> &[String] {
        (**self).notices()
    }

    fn length(&self) -> u64 {
        (**self).length()
    }

    fn next_event(&mut self) -> Result<Option<OpusEvent>, SourceError> {
        (**self).next_event()
    }

    fn seek(&mut self, tick: u64) -> Result<(), SourceError> {
        (**self).seek(tick)
    }
}

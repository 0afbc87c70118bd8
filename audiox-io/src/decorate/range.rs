use std::fmt;

use audiox_core::format::{PcmFormat, StreamFormat};
use audiox_core::source::{Source, SourceClock, SourceError};

/// A source without its first frames.
pub struct Skip {
    source: Box<dyn Source>,
    /// Frame of `source` that is frame 0 here.
    offset: u64,
}

impl Skip {
    /// `source` from frame `frames` on: sought where it can be, otherwise read away. Where it is
    /// shorter than that, nothing is left.
    ///
    /// # Errors
    /// Whatever the source says while it is sought or read.
    pub fn new(mut source: Box<dyn Source>, frames: u64) -> Result<Self, SourceError> {
        match source.seek(frames) {
            Err(SourceError::Unsupported(_)) => read_away(&mut *source, frames)?,
            other => other?,
        }
        Ok(Self {
            source,
            offset: frames,
        })
    }
}

fn read_away(source: &mut dyn Source, mut frames: u64) -> Result<(), SourceError> {
    let channels = source.format().channels.get();
    let mut waste = vec![0.0; WASTE_FRAMES * channels];
    while frames > 0 {
        let now = usize::try_from(frames).map_or(WASTE_FRAMES, |n| n.min(WASTE_FRAMES));
        match source.read(&mut waste[..now * channels])? {
            0 => break,
            n => frames -= n as u64,
        }
    }
    Ok(())
}

impl Source for Skip {
    fn format(&self) -> StreamFormat {
        self.source.format()
    }

    fn clock(&self) -> SourceClock {
        self.source.clock()
    }

    fn frames_left(&self) -> Option<u64> {
        self.source.frames_left()
    }

    fn read(&mut self, out: &mut [f32]) -> Result<usize, SourceError> {
        self.source.read(out)
    }

    fn native(&self) -> Option<PcmFormat> {
        self.source.native()
    }

    fn read_native(&mut self, out: &mut [u8]) -> Result<usize, SourceError> {
        self.source.read_native(out)
    }

    fn seek(&mut self, frame: u64) -> Result<(), SourceError> {
        self.source.seek(self.offset.saturating_add(frame))
    }
}

impl fmt::Debug for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Skip")
            .field("offset", &self.offset)
            .finish_non_exhaustive()
    }
}

/// The first frames of a source.
pub struct Take {
    source: Box<dyn Source>,
    length: u64,
    /// Frames read.
    frame: u64,
}

impl Take {
    /// `source` up to and without frame `frames`, or to its end where that comes first.
    pub fn new(source: Box<dyn Source>, frames: u64) -> Self {
        Self {
            source,
            length: frames,
            frame: 0,
        }
    }

    /// How many of `wanted` frames the limit leaves.
    fn allowed(&self, wanted: usize) -> usize {
        usize::try_from(self.length - self.frame).map_or(wanted, |left| left.min(wanted))
    }
}

impl Source for Take {
    fn format(&self) -> StreamFormat {
        self.source.format()
    }

    fn clock(&self) -> SourceClock {
        self.source.clock()
    }

    fn frames_left(&self) -> Option<u64> {
        let left = self.length - self.frame;
        Some(self.source.frames_left().map_or(left, |n| n.min(left)))
    }

    fn read(&mut self, out: &mut [f32]) -> Result<usize, SourceError> {
        let channels = self.format().channels.get();
        let frames = self.allowed(out.len() / channels);
        let read = self.source.read(&mut out[..frames * channels])?;
        self.frame += read as u64;
        Ok(read)
    }

    fn native(&self) -> Option<PcmFormat> {
        self.source.native()
    }

    fn read_native(&mut self, out: &mut [u8]) -> Result<usize, SourceError> {
        let frame_bytes = match self.native() {
            Some(pcm) => pcm.frame_bytes(self.format().channels),
            // The source itself says what is wrong.
            None => return self.source.read_native(out),
        };
        let frames = self.allowed(out.len() / frame_bytes);
        let read = self.source.read_native(&mut out[..frames * frame_bytes])?;
        self.frame += (read / frame_bytes) as u64;
        Ok(read)
    }

    fn seek(&mut self, frame: u64) -> Result<(), SourceError> {
        let frame = frame.min(self.length);
        self.source.seek(frame)?;
        self.frame = frame;
        Ok(())
    }
}

impl fmt::Debug for Take {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Take")
            .field("length", &self.length)
            .field("frame", &self.frame)
            .finish_non_exhaustive()
    }
}

const WASTE_FRAMES: usize = 4_096;

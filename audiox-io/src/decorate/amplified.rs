use std::fmt;

use audiox_core::convert::{Gain, apply_gain};
use audiox_core::format::{PcmFormat, StreamFormat};
use audiox_core::source::{Source, SourceClock, SourceError};

/// A source made louder or softer.
///
/// At [`Gain::UNITY`] stored bytes pass untouched; at any other gain there is no stored format.
pub struct Amplified {
    source: Box<dyn Source>,
    gain: Gain,
}

impl Amplified {
    /// `source` with its samples multiplied by `gain`. Nothing is limited here: samples beyond
    /// full scale saturate where they become integers.
    pub fn new(source: Box<dyn Source>, gain: Gain) -> Self {
        Self { source, gain }
    }
}

impl Source for Amplified {
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
        let frames = self.source.read(out)?;
        if self.gain != Gain::UNITY {
            let samples = frames * self.format().channels.get();
            apply_gain(&mut out[..samples], self.gain);
        }
        Ok(frames)
    }

    fn native(&self) -> Option<PcmFormat> {
        self.source.native().filter(|_| self.gain == Gain::UNITY)
    }

    fn read_native(&mut self, out: &mut [u8]) -> Result<usize, SourceError> {
        if self.gain != Gain::UNITY {
            return Err(SourceError::Unsupported(
                "a gain changes the stored samples; read them as f32".into(),
            ));
        }
        self.source.read_native(out)
    }

    fn seek(&mut self, frame: u64) -> Result<(), SourceError> {
        self.source.seek(frame)
    }
}

impl fmt::Debug for Amplified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Amplified")
            .field("gain", &self.gain)
            .finish_non_exhaustive()
    }
}

use std::fmt;
use std::num::NonZeroU64;

use audiox_core::format::{PcmFormat, StreamFormat};
use audiox_core::source::{Source, SourceClock, SourceError};

/// How often a source is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// This many times in all; 1 is once through.
    Times(NonZeroU64),
    /// Again and again.
    Forever,
}

/// A source that starts over at its end, without a gap.
pub struct Looped {
    source: Box<dyn Source>,
    repeat: Repeat,
    /// Times played to the end.
    laps: u64,
    /// Frames of one time through, once known.
    lap: Option<u64>,
    /// Frames read in this lap.
    frame: u64,
}

impl Looped {
    /// `source` played as often as `repeat` says.
    ///
    /// # Errors
    /// [`SourceError::Unsupported`] where the source cannot go back to its start (a pipe);
    /// whatever else it says while it is sought.
    pub fn new(mut source: Box<dyn Source>, repeat: Repeat) -> Result<Self, SourceError> {
        source.seek(0)?;
        Ok(Self {
            lap: source.frames_left(),
            source,
            repeat,
            laps: 0,
            frame: 0,
        })
    }

    /// Goes back to the start, unless that was the last time or there is nothing to repeat.
    fn start_over(&mut self) -> Result<bool, SourceError> {
        // Where the source was cut, or never told its length, this is what one lap has.
        self.lap = Some(self.frame);
        let again = match self.repeat {
            Repeat::Times(times) => self.laps + 1 < times.get(),
            Repeat::Forever => true,
        };
        if !again || self.frame == 0 {
            return Ok(false);
        }
        self.source.seek(0)?;
        self.laps = self.laps.saturating_add(1);
        self.frame = 0;
        Ok(true)
    }

    /// Fills `out` lap after lap; `unit` elements of it are a frame, and `read` says how many
    /// elements it filled.
    fn fill<T>(
        &mut self,
        out: &mut [T],
        unit: usize,
        read: impl Fn(&mut dyn Source, &mut [T]) -> Result<usize, SourceError>,
    ) -> Result<usize, SourceError> {
        let whole = out.len() - out.len() % unit;
        let mut done = 0;
        while done < whole {
            let n = match read(&mut *self.source, &mut out[done..whole]) {
                Ok(n) => n,
                // What was read before stays read; the source will say it again.
                Err(_) if done > 0 => break,
                Err(e) => return Err(e),
            };
            if n == 0 && !self.start_over()? {
                break;
            }
            done += n;
            self.frame += (n / unit) as u64;
        }
        Ok(done)
    }
}

impl Source for Looped {
    fn format(&self) -> StreamFormat {
        self.source.format()
    }

    fn clock(&self) -> SourceClock {
        self.source.clock()
    }

    fn frames_left(&self) -> Option<u64> {
        match (self.repeat, self.lap) {
            (_, Some(0)) => Some(0),
            (Repeat::Forever, _) | (_, None) => None,
            (Repeat::Times(times), Some(lap)) => {
                let after_this = (times.get() - 1 - self.laps).saturating_mul(lap);
                Some(after_this.saturating_add(lap.saturating_sub(self.frame)))
            }
        }
    }

    fn read(&mut self, out: &mut [f32]) -> Result<usize, SourceError> {
        let channels = self.format().channels.get();
        let samples = self.fill(out, channels, |source, out| {
            source.read(out).map(|frames| frames * channels)
        })?;
        Ok(samples / channels)
    }

    fn native(&self) -> Option<PcmFormat> {
        self.source.native()
    }

    fn read_native(&mut self, out: &mut [u8]) -> Result<usize, SourceError> {
        match self.native() {
            Some(pcm) => {
                let unit = pcm.frame_bytes(self.format().channels);
                self.fill(out, unit, |source, out| source.read_native(out))
            }
            // The source itself says what is wrong.
            None => self.source.read_native(out),
        }
    }

    fn seek(&mut self, frame: u64) -> Result<(), SourceError> {
        let (laps, within) = match (self.lap, self.repeat) {
            (None | Some(0), _) => (0, frame),
            (Some(lap), Repeat::Forever) => (frame / lap, frame % lap),
            (Some(lap), Repeat::Times(times)) if frame / lap < times.get() => {
                (frame / lap, frame % lap)
            }
            (Some(lap), Repeat::Times(times)) => (times.get() - 1, lap),
        };
        self.source.seek(within)?;
        (self.laps, self.frame) = (laps, within);
        Ok(())
    }
}

impl fmt::Debug for Looped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Looped")
            .field("repeat", &self.repeat)
            .field("laps", &self.laps)
            .field("lap", &self.lap)
            .finish_non_exhaustive()
    }
}

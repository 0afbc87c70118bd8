use std::fmt;

use audiox_core::error::ConfigError;
use audiox_core::format::{PcmFormat, SampleRate, StreamFormat};
use audiox_core::resample::{Resampler, ResamplerQuality, resampler};
use audiox_core::source::{Source, SourceClock, SourceError};

/// A source at another rate.
///
/// Frame 0 stays frame 0, and a whole second a whole second: nothing is late, and n frames become
/// ⌊n · output / input⌋. At its end the source is followed by silence.
pub struct Resampled {
    source: Box<dyn Source>,
    format: StreamFormat,
    resampler: Box<dyn Resampler>,
    /// Frames after which both rates meet again.
    period: (u64, u64),
    /// Input, and which samples of it wait.
    input: Box<[f32]>,
    waits: std::ops::Range<usize>,
    /// Frames read from the source, counted from its start.
    taken: u64,
    /// Frames handed over, counted from the start.
    frame: u64,
    /// Frames to make and throw away.
    early: u64,
    ended: bool,
}

impl Resampled {
    /// `source`, which stands at its start, at `rate`.
    ///
    /// # Errors
    /// A rate below 1 kHz or above 384 kHz, or more than a factor of 64 from the source's.
    pub fn new(source: Box<dyn Source>, rate: SampleRate) -> Result<Self, ConfigError> {
        let StreamFormat {
            rate: from,
            channels,
        } = source.format();
        let resampler = resampler(from, rate, channels, ResamplerQuality::Best)?;
        let (a, b) = (u64::from(from.get()), u64::from(rate.get()));
        let common = gcd(a, b);
        Ok(Self {
            format: StreamFormat::new(rate, channels),
            resampler,
            period: (a / common, b / common),
            input: vec![0.0; BLOCK * channels.get()].into(),
            waits: 0..0,
            taken: 0,
            frame: 0,
            early: 0,
            ended: false,
            source,
        })
    }

    /// Frames that come of `input` frames.
    fn length_of(&self, input: u64) -> u64 {
        let (from, to) = self.period;
        let frames = u128::from(input) * u128::from(to) / u128::from(from);
        u64::try_from(frames).unwrap_or(u64::MAX)
    }

    /// Frames that may still be made, those to throw away included.
    fn makable(&self) -> u64 {
        match self.ended {
            true => self.length_of(self.taken).saturating_sub(self.frame) + self.early,
            false => u64::MAX,
        }
    }

    /// Makes frames until some are there, or none come any more.
    fn make(&mut self, out: &mut [f32]) -> Result<usize, SourceError> {
        let channels = self.format.channels.get();
        loop {
            let frames = (out.len() / channels) as u64;
            let frames = frames.min(self.makable()) as usize;
            if frames == 0 {
                return Ok(0);
            }
            let input = &self.input[self.waits.clone()];
            let done = self
                .resampler
                .process_into(input, &mut out[..frames * channels]);
            self.waits.start += done.consumed * channels;
            if done.produced > 0 {
                return Ok(done.produced);
            }
            self.refill()?;
        }
    }

    /// Reads on; after the end there is silence. Everything that was there has been consumed,
    /// because nothing could be made of it.
    fn refill(&mut self) -> Result<(), SourceError> {
        let channels = self.format.channels.get();
        let frames = match self.ended {
            true => 0,
            false => self.source.read(&mut self.input)?,
        };
        self.waits = 0..frames * channels;
        self.taken += frames as u64;
        if frames == 0 {
            self.ended = true;
            self.input.fill(0.0);
            self.waits = 0..self.input.len();
        }
        Ok(())
    }
}

impl Source for Resampled {
    fn format(&self) -> StreamFormat {
        self.format
    }

    fn clock(&self) -> SourceClock {
        self.source.clock()
    }

    fn frames_left(&self) -> Option<u64> {
        let left = if self.ended {
            0
        } else {
            self.source.frames_left()?
        };
        let all = self.length_of(self.taken.saturating_add(left));
        Some(all.saturating_sub(self.frame))
    }

    fn read(&mut self, out: &mut [f32]) -> Result<usize, SourceError> {
        let channels = self.format.channels.get();
        while self.early > 0 {
            let mut waste = [0.0; WASTE];
            let frames = (WASTE / channels)
                .max(1)
                .min(usize::try_from(self.early).unwrap_or(WASTE));
            let made = match waste.get_mut(..frames * channels) {
                Some(waste) => self.make(waste)?,
                None => self.make(&mut vec![0.0; channels])?,
            };
            if made == 0 {
                return Ok(0);
            }
            self.early -= made as u64;
        }
        let made = self.make(out)?;
        self.frame += made as u64;
        Ok(made)
    }

    fn native(&self) -> Option<PcmFormat> {
        None
    }

    fn read_native(&mut self, _out: &mut [u8]) -> Result<usize, SourceError> {
        Err(SourceError::Unsupported(
            "what is resampled is not stored anywhere; read it as f32".to_owned(),
        ))
    }

    fn seek(&mut self, frame: u64) -> Result<(), SourceError> {
        let (from, to) = self.period;
        // To a place where both rates meet, early enough to fill the filter.
        let run_up = self.length_of(2 * self.resampler.delay_frames() as u64) + 1;
        let periods = frame.saturating_sub(run_up) / to;
        self.source.seek(periods.saturating_mul(from))?;
        self.resampler.reset();
        let start = periods.saturating_mul(to);
        (self.waits, self.ended) = (0..0, false);
        self.taken = periods.saturating_mul(from);
        (self.frame, self.early) = (frame, frame - start);
        Ok(())
    }
}

impl fmt::Debug for Resampled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resampled")
            .field("from", &self.source.format())
            .field("to", &self.format)
            .field("frame", &self.frame)
            .finish_non_exhaustive()
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Frames read at a time.
const BLOCK: usize = 1_024;
/// Samples made at a time to be thrown away.
const WASTE: usize = 2_048;

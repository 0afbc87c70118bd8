//! The resampler: planar history under a sliding filter.

use super::kernel::Kernel;
use super::place::{MAX_HZ, Place};
use super::{Processed, Resampler, ResamplerQuality};
use crate::convert::FLOAT_LIMIT;
use crate::error::ConfigError;
use crate::format::{Channels, SampleRate};

/// A windowed-sinc interpolator at any step.
#[derive(Debug)]
pub struct SincResampler {
    channels: Channels,
    kernel: Kernel,
    place: Place,
    /// Input, a stretch of `capacity` for each channel.
    planes: Box<[f32]>,
    capacity: usize,
    /// Frames held in each plane.
    held: usize,
    /// First frame that the next output frame needs; beyond `held` after a long step.
    start: usize,
}

impl SincResampler {
    /// A resampler from `input` to `output` frames a second. Takes up to a millisecond and half
    /// a megabyte.
    ///
    /// # Errors
    /// A rate below 1 kHz or above 384 kHz, or rates more than a factor of 64 apart.
    pub fn new(
        input: SampleRate,
        output: SampleRate,
        channels: Channels,
        quality: ResamplerQuality,
    ) -> Result<Self, ConfigError> {
        for (field, rate) in [("input rate", input), ("output rate", output)] {
            if !(MIN_HZ..=MAX_HZ).contains(&rate.get()) {
                return Err(ConfigError::new(
                    field,
                    rate,
                    format!("{MIN_HZ} to {MAX_HZ} Hz are resampled"),
                ));
            }
        }
        let ratio = f64::from(input.get()) / f64::from(output.get());
        if !(1.0 / MAX_RATIO..=MAX_RATIO).contains(&ratio) {
            return Err(ConfigError::new(
                "output rate",
                output,
                format!("rates at most a factor of {MAX_RATIO} from {input}"),
            ));
        }
        let place = Place::new(input.get(), output.get());
        let kernel = Kernel::new(quality, ratio, place.phases());
        let capacity = kernel.taps() + BLOCK;
        let mut this = Self {
            channels,
            planes: vec![0.0; capacity * channels.get()].into_boxed_slice(),
            capacity,
            kernel,
            place,
            held: 0,
            start: 0,
        };
        this.reset();
        Ok(this)
    }

    /// Frames under the filter before the one that an output frame falls on or after.
    fn behind(&self) -> usize {
        self.kernel.taps() / 2 - 1
    }

    /// Takes in what fits of `input`; returns frames.
    fn take(&mut self, input: &[f32]) -> usize {
        let ch = self.channels.get();
        let dropped = self.start.min(self.held);
        if dropped > 0 {
            for plane in self.planes.chunks_exact_mut(self.capacity) {
                plane.copy_within(dropped..self.held, 0);
            }
            self.held -= dropped;
            self.start -= dropped;
        }
        let skipped = self.start.min(input.len() / ch);
        self.start -= skipped;
        skipped + self.append(&input[skipped * ch..])
    }

    /// Appends what fits of `input` to the planes; returns frames.
    fn append(&mut self, input: &[f32]) -> usize {
        let ch = self.channels.get();
        let frames = (input.len() / ch).min(self.capacity - self.held);
        for (c, plane) in self.planes.chunks_exact_mut(self.capacity).enumerate() {
            let room = &mut plane[self.held..self.held + frames];
            for (o, frame) in room.iter_mut().zip(input.chunks_exact(ch)) {
                *o = sound(frame[c]);
            }
        }
        self.held += frames;
        frames
    }

    /// Produces what the held input allows; returns frames.
    fn make(&mut self, out: &mut [f32]) -> usize {
        let taps = self.kernel.taps();
        let mut produced = 0;
        for frame in out.chunks_exact_mut(self.channels.get()) {
            if self.start + taps > self.held {
                break;
            }
            let filter = self.kernel.at(self.place.fraction());
            let input = |c| &self.planes[c * self.capacity + self.start..][..taps];
            let (pairs, last) = frame.as_chunks_mut::<2>();
            for (i, out) in pairs.iter_mut().enumerate() {
                *out = filter.over([2 * i, 2 * i + 1].map(input));
            }
            if let [out] = last {
                [*out] = filter.over([input(2 * pairs.len())]);
            }
            self.start += self.place.advance();
            produced += 1;
        }
        produced
    }
}

impl Resampler for SincResampler {
    fn channels(&self) -> Channels {
        self.channels
    }

    fn input_needed(&self, out_frames: usize) -> usize {
        let Some(last) = out_frames.checked_sub(1) else {
            return 0;
        };
        let end = self.place.travel(last) + (self.start + self.kernel.taps()) as u128;
        usize::try_from(end)
            .unwrap_or(usize::MAX)
            .saturating_sub(self.held)
    }

    fn max_input(&self, out_frames: usize) -> usize {
        if out_frames == 0 {
            return 0;
        }
        let span = self.place.max_travel(out_frames) + (self.kernel.taps() / 2 + 1) as u128;
        usize::try_from(span).unwrap_or(usize::MAX)
    }

    fn set_adjustment(&mut self, ppm: f64) {
        self.place.adjust(ppm);
    }

    fn process_into(&mut self, input: &[f32], out: &mut [f32]) -> Processed {
        let ch = self.channels.get();
        let needed = self.input_needed(out.len() / ch);
        let input = &input[..needed.min(input.len() / ch) * ch];
        let mut done = Processed::default();
        loop {
            done.consumed += self.take(&input[done.consumed * ch..]);
            done.produced += self.make(&mut out[done.produced * ch..]);
            if done.consumed * ch == input.len() {
                return done;
            }
        }
    }

    fn delay_frames(&self) -> usize {
        self.kernel.taps() / 2
    }

    fn prime(&mut self, history: &[f32]) {
        let ch = self.channels.get();
        let frames = (history.len() / ch).min(self.behind());
        self.place.reset();
        self.start = 0;
        self.held = self.behind() - frames;
        for plane in self.planes.chunks_exact_mut(self.capacity) {
            plane[..self.held].fill(0.0);
        }
        let end = history.len() / ch * ch;
        self.append(&history[end - frames * ch..end]);
    }

    fn reset(&mut self) {
        self.prime(&[]);
    }
}

/// What may enter the filter: finite, and so that no sum of products overflows.
#[inline]
fn sound(x: f32) -> f32 {
    let x = if x.is_finite() { x } else { 0.0 };
    x.clamp(-FLOAT_LIMIT, FLOAT_LIMIT)
}

/// Frames of input taken in at once.
const BLOCK: usize = 1_024;
/// Lowest rate.
const MIN_HZ: u32 = 1_000;
/// Largest ratio of the rates, either way.
const MAX_RATIO: f64 = 64.0;

#[cfg(test)]
mod tests;

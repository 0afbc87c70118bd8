//! The resampler: planar history, one row of coefficients an output frame.

use super::kernel::{Kernel, LANES, dot};
use super::{MAX_ADJUSTMENT_PPM, Processed, Resampler, ResamplerQuality};
use crate::error::ConfigError;
use crate::format::{Channels, SampleRate};

/// A windowed-sinc interpolator at any step.
///
/// The place of the next output frame is kept in units of 2⁻⁶⁴ input frames: after a day at
/// 192 kHz it is off by less than a billionth of a frame.
#[derive(Debug)]
pub struct SincResampler {
    channels: Channels,
    kernel: Kernel,
    row: Box<[f32]>,
    /// Input, a stretch of `capacity` for each channel.
    planes: Box<[f32]>,
    capacity: usize,
    /// Frames held in each plane.
    held: usize,
    /// First frame that the next output frame needs, and the fraction of a frame beyond.
    start: usize,
    fraction: u64,
    /// Input frames an output frame, in 2⁻⁶⁴: nominal and adjusted.
    nominal: u128,
    step: u128,
}

impl SincResampler {
    /// A resampler from `input` to `output` frames a second.
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
            if !(1_000..=384_000).contains(&rate.get()) {
                return Err(ConfigError::new(
                    field,
                    rate,
                    "1000 to 384000 Hz are resampled",
                ));
            }
        }
        let ratio = f64::from(input.get()) / f64::from(output.get());
        if !(1.0 / 64.0..=64.0).contains(&ratio) {
            return Err(ConfigError::new(
                "output rate",
                output,
                format!("rates at most a factor of 64 from {input}"),
            ));
        }
        let kernel = Kernel::new(quality, ratio);
        let capacity = kernel.taps() + BLOCK;
        let nominal = (u128::from(input.get()) << 64) / u128::from(output.get());
        let mut this = Self {
            channels,
            row: vec![0.0; kernel.taps()].into_boxed_slice(),
            planes: vec![0.0; capacity * channels.get()].into_boxed_slice(),
            capacity,
            kernel,
            held: 0,
            start: 0,
            fraction: 0,
            nominal,
            step: nominal,
        };
        this.reset();
        Ok(this)
    }

    /// First frame needed by the output frame that is `n` after the next one, counted from
    /// `start`.
    fn reach(&self, n: usize) -> usize {
        let place = u128::from(self.fraction) + self.step * n as u128;
        (place >> 64) as usize
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
        // A step beyond what is held leaves frames out.
        let skipped = self.start.min(input.len() / ch);
        self.start -= skipped;
        let input = &input[skipped * ch..];
        let frames = (input.len() / ch).min(self.capacity - self.held);
        for (c, plane) in self.planes.chunks_exact_mut(self.capacity).enumerate() {
            let room = &mut plane[self.held..self.held + frames];
            for (o, frame) in room.iter_mut().zip(input.chunks_exact(ch)) {
                let sample = frame[c];
                *o = if sample.is_finite() { sample } else { 0.0 };
            }
        }
        self.held += frames;
        skipped + frames
    }

    /// Produces what the held input allows; returns frames.
    fn make(&mut self, out: &mut [f32]) -> usize {
        let taps = self.kernel.taps();
        let mut produced = 0;
        for frame in out.chunks_exact_mut(self.channels.get()) {
            if self.start + taps > self.held {
                break;
            }
            self.kernel.at(self.fraction, &mut self.row);
            for (o, plane) in frame
                .iter_mut()
                .zip(self.planes.chunks_exact(self.capacity))
            {
                *o = dot(&self.row, &plane[self.start..self.start + taps]);
            }
            let place = u128::from(self.fraction) + self.step;
            self.start += (place >> 64) as usize;
            self.fraction = place as u64;
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
        match out_frames.checked_sub(1) {
            Some(last) => {
                (self.start + self.reach(last) + self.kernel.taps()).saturating_sub(self.held)
            }
            None => 0,
        }
    }

    fn max_input(&self, out_frames: usize) -> usize {
        let fastest = self.nominal + self.nominal / 64;
        let span = (fastest * (out_frames as u128 + 1)) >> 64;
        span as usize + self.kernel.taps() + 1
    }

    fn set_adjustment(&mut self, ppm: f64) {
        let ppm = if ppm.is_finite() { ppm } else { 0.0 };
        let share = ppm.clamp(-MAX_ADJUSTMENT_PPM, MAX_ADJUSTMENT_PPM) * 1e-6;
        // In 2⁻⁴⁸: steps of 4 · 10⁻⁹ ppm.
        let fine = (share * (1u64 << 48) as f64) as i128;
        let nominal = self.nominal as i128;
        let step = nominal + (((nominal >> 16) * fine) >> 32);
        self.step = step.unsigned_abs();
    }

    fn process_into(&mut self, input: &[f32], out: &mut [f32]) -> Processed {
        let ch = self.channels.get();
        let mut done = Processed::default();
        loop {
            let taken = self.take(&input[done.consumed * ch..]);
            done.consumed += taken;
            let made = self.make(&mut out[done.produced * ch..]);
            done.produced += made;
            if made == 0 && (taken == 0 || done.consumed * ch >= input.len()) {
                return done;
            }
        }
    }

    fn delay_frames(&self) -> usize {
        self.kernel.taps() / 2
    }

    fn prime(&mut self, history: &[f32]) {
        let ch = self.channels.get();
        self.held = self.kernel.taps() / 2 - 1;
        self.start = 0;
        self.fraction = 0;
        let frames = (history.len() / ch).min(self.held);
        let silent = self.held - frames;
        let recent = &history[history.len() / ch * ch - frames * ch..];
        for (c, plane) in self.planes.chunks_exact_mut(self.capacity).enumerate() {
            plane[..silent].fill(0.0);
            for (o, frame) in plane[silent..self.held]
                .iter_mut()
                .zip(recent.chunks_exact(ch))
            {
                let sample = frame[c];
                *o = if sample.is_finite() { sample } else { 0.0 };
            }
        }
    }

    fn reset(&mut self) {
        self.prime(&[]);
    }
}

/// Frames of input taken in at once.
const BLOCK: usize = 1_024;
const _: () = assert!(BLOCK.is_multiple_of(LANES));

#[cfg(test)]
mod tests;

//! From one rate to another, and from one clock to another of the same rate.
//!
//! One interpolating filter does both: rate conversion is a large constant step through the
//! input, drift correction a step that differs from it by some parts per million.
//!
//! # Invariants
//! - Places are whole numbers: 24 hours at 44.1 kHz become exactly 24 hours at 48 kHz, and
//!   an adjusted day is as long as the adjustment says, to the frame.
//! - Every count is exact and known before the call; how calls are cut changes no bit of the
//!   output.
//! - A new speed is reached along a line, in 10 ms.
//! - The look-ahead is half the filter, whatever the history, the quantum and the speed.
//!
//! # Why not a wrapped one
//! `rubato` 5 was measured beside ours, matched in taps and signal-to-noise ratio (bench
//! `resample`, figures in BENCHMARKS.md). Baseline x86-64 in safe Rust takes 6.7 µs for 10 ms of
//! stereo at the default preset where rubato, with AVX, takes 13.5. It asks for input for the
//! chunk size that was set last, where a callback of any size wants to ask beforehand; it cannot
//! start in mid-stream without its history being run through it; its filter does not grow when
//! the rate goes down; and its place is a float. Wrapping it would have hidden all this behind
//! another buffer.
//!
//! # Deliberate differences
//! - roc's built-in resampler counts its place and its speed in 2⁻²⁰ of a frame, so speeds come
//!   in steps of a part per million; ours come in millionths of that.
//! - libwebrtc's `PushSincResampler` interpolates between 32 phases, which limits it to some
//!   75 dB at 10 kHz; here 512 phases and more allow 130.
//! - NetEQ has none: it corrects drift by time-stretch, a pitch period at a time.

mod kernel;
mod place;
mod sinc;

pub use sinc::SincResampler;

use crate::error::ConfigError;
use crate::format::{Channels, SampleRate};

/// What a call to [`Resampler::process_into`] did, in frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Processed {
    /// Taken from the input.
    pub consumed: usize,
    /// Written to the output.
    pub produced: usize,
}

/// Turns frames at one rate into frames at another, at a speed that can be adjusted while it
/// runs. Never allocates after construction.
///
/// Every implementation passes the suite `conformance::resampler`.
pub trait Resampler: Send {
    /// Samples a frame, of input and output.
    fn channels(&self) -> Channels;

    /// Frames of input needed to produce `out_frames` now: exact.
    fn input_needed(&self, out_frames: usize) -> usize;

    /// The most that [`input_needed`](Self::input_needed) can say for `out_frames`, whatever
    /// happened before and whatever the adjustment.
    fn max_input(&self, out_frames: usize) -> usize;

    /// Consumes input by `ppm` parts per million faster than nominal. The speed changes along a
    /// line within some milliseconds, without a jump of the signal. Not a number is zero, and
    /// what is out of range is clamped; at least ±2 000 are in range.
    fn set_adjustment(&mut self, ppm: f64);

    /// Reads interleaved `input`, fills interleaved `out`, as far as both go; incomplete frames
    /// at their ends stay untouched. Given [`input_needed`](Self::input_needed) frames for the
    /// frames of `out`, it consumes all and fills all; it never consumes more than that. How
    /// calls are cut does not change the output. Input that is not finite counts as silence.
    fn process_into(&mut self, input: &[f32], out: &mut [f32]) -> Processed;

    /// The look-ahead: frames of input after the one that an output frame falls on that must
    /// have been consumed before it comes out. Constant.
    fn delay_frames(&self) -> usize;

    /// Starts anew as if `history` (interleaved) had been played already, at nominal speed: the
    /// next frame out is the one right after it. For switching on in mid-stream. No more than
    /// [`delay_frames`](Self::delay_frames) frames of it count, the last ones, and what is
    /// missing is silence.
    fn prime(&mut self, history: &[f32]);

    /// Starts anew after silence, at nominal speed.
    fn reset(&mut self);
}

/// How well, at what price. Pass bands (−0.1 dB) and look-ahead are those at 48 kHz; they scale
/// with the lower of the rates. Costs in BENCHMARKS.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ResamplerQuality {
    /// 32 taps: 17.5 kHz, 0.33 ms, everything unwanted 80 dB down. For speech and slow machines.
    Fast,
    /// 64 taps: 19.75 kHz, 0.67 ms, 100 dB, as much as 16 bits hold.
    #[default]
    Balanced,
    /// 128 taps: 21.5 kHz, 1.33 ms, 118 dB, and 130 up to 10 kHz.
    Best,
}

/// A resampler from `input` to `output` frames a second. Takes up to a millisecond and half a
/// megabyte.
///
/// # Errors
/// A rate below 1 kHz or above 384 kHz, or rates more than a factor of 64 apart.
pub fn resampler(
    input: SampleRate,
    output: SampleRate,
    channels: Channels,
    quality: ResamplerQuality,
) -> Result<Box<dyn Resampler>, ConfigError> {
    Ok(Box::new(SincResampler::new(
        input, output, channels, quality,
    )?))
}

/// Largest adjustment of our resampler's speed, either way.
pub const MAX_ADJUSTMENT_PPM: f64 = 10_000.0;

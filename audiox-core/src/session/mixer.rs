//! Sums and a limiter for them.

use crate::convert::FLOAT_LIMIT;
use crate::format::SampleRate;

/// Adds `other` to `sum`, sample by sample.
pub(super) fn add(sum: &mut [f32], other: &[f32]) {
    for (s, o) in sum.iter_mut().zip(other) {
        *s += o;
    }
}

/// The largest magnitude. A NaN, which no playout yields, counts as the limit.
pub(super) fn peak(samples: &[f32]) -> f32 {
    // Lanes, as the compiler may not reorder a maximum of floats by itself.
    let (chunks, rest) = samples.as_chunks::<8>();
    let mut peaks = [0f32; 8];
    for chunk in chunks {
        for (p, x) in peaks.iter_mut().zip(chunk) {
            let m = magnitude(*x);
            *p = if m > *p { m } else { *p };
        }
    }
    rest.iter()
        .map(|x| magnitude(*x))
        .chain(peaks)
        .fold(0.0, f32::max)
}

/// Keeps a sum within its ceiling, without delay, by turning all channels down together.
///
/// It looks ahead within the slice at hand: the gain falls in a straight line that reaches what
/// a peak needs exactly at the peak, and rises again in a slower one. Only a peak right at the
/// start of a slice turns it down at once. No sample is ever above the ceiling; and as long as
/// none was above it, none is changed.
#[derive(Debug, Clone)]
pub(super) struct Limiter {
    gain: f32,
    gains: Box<[f32]>,
    attack: f32,
    release: f32,
}

impl Limiter {
    /// A limiter for slices of at most `max_frames`.
    pub(super) fn new(rate: SampleRate, max_frames: usize) -> Self {
        let hz = rate.get() as f32;
        Self {
            gain: 1.0,
            gains: vec![1.0; max_frames].into_boxed_slice(),
            attack: (1.0 / (ATTACK * hz)).min(1.0),
            release: (1.0 / (RELEASE * hz)).min(1.0),
        }
    }

    /// Turns `samples` (interleaved, of `channels`) down to at most `ceiling`, above 0; returns
    /// the smallest gain it took. `peak` is the largest magnitude in them.
    pub(super) fn apply(
        &mut self,
        samples: &mut [f32],
        channels: usize,
        ceiling: f32,
        peak: f32,
    ) -> f32 {
        if self.gain >= 1.0 && peak <= ceiling {
            return 1.0;
        }
        let frames = (samples.len() / channels).min(self.gains.len());
        let gains = &mut self.gains[..frames];
        for (g, frame) in gains.iter_mut().zip(samples.chunks_exact(channels)) {
            let loudest = frame.iter().fold(0.0, |a: f32, x| a.max(magnitude(*x)));
            *g = if loudest > ceiling {
                ceiling / loudest
            } else {
                1.0
            };
        }
        let mut next = 1.0;
        for g in gains.iter_mut().rev() {
            *g = g.min(next);
            next = *g + self.attack;
        }
        let mut lowest = 1f32;
        for (g, frame) in gains.iter().zip(samples.chunks_exact_mut(channels)) {
            self.gain = g.min(self.gain + self.release);
            lowest = lowest.min(self.gain);
            for s in frame {
                // The clamp is for the last bit of rounding.
                *s = (*s * self.gain).clamp(-ceiling, ceiling);
            }
        }
        lowest
    }
}

#[inline(always)]
fn magnitude(x: f32) -> f32 {
    let m = x.abs();
    if m.is_nan() { FLOAT_LIMIT } else { m }
}

/// Seconds in which the gain may fall from 1 to 0: short enough that the turn down is masked by
/// the peak that follows, long enough not to click.
const ATTACK: f32 = 0.001_5;
/// Seconds in which it may rise from 0 to 1: slower than the lowest voice swings, so that it does
/// not follow the wave, and quick enough that a cough does not silence the others.
const RELEASE: f32 = 0.25;

#[cfg(test)]
mod tests;

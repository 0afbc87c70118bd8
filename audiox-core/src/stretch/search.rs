//! The search for a splice: where, and which lag.
//!
//! Every lag is tried at every place on the signal decimated to about 8 kHz, in blocks of about
//! a millisecond: with sums over blocks, all places of one lag cost little more than one. The
//! best places of the three best lags are then refined at the full rate.

use std::ops::RangeInclusive;

use crate::format::SampleRate;
use crate::pitch::{Decimator, energy, peaks, refine};

/// What is looked for, in frames.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// Lags that will do.
    pub(super) lags: RangeInclusive<usize>,
    /// Length of the two stretches to be blended.
    pub(super) fade: usize,
    /// The second stretch begins here or later.
    pub(super) played: usize,
    /// Merit given to a lag of the whole signal, to shorter ones in proportion.
    pub(super) preference: f32,
}

/// What was found, in frames.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Found {
    /// Where the first stretch begins.
    pub(super) at: usize,
    /// How much later the second does.
    pub(super) lag: usize,
    /// How little will be heard of a splice here: 1 nothing, 0 and less a lot.
    pub(super) merit: f32,
}

#[derive(Debug, Clone)]
pub(super) struct SpliceSearch {
    decimator: Decimator,
    low: Box<[f32]>,
    /// Sums over the blocks so far, with a 0 in front: of the square of the signal's power, which
    /// shows what is short and loud, …
    bursts: Box<[f32]>,
    /// … of the power of signal and lagged signal …
    ends: Box<[f32]>,
    /// … and of their difference.
    difference: Box<[f32]>,
    /// The best merit of each lag, with the preference, and its place.
    values: Box<[f32]>,
    places: Box<[usize]>,
}

impl SpliceSearch {
    /// A search in signals of at most `longest` frames.
    pub(super) fn new(rate: SampleRate, longest: usize) -> Self {
        let decimator = Decimator::new(rate);
        let n = decimator.len(longest);
        let sums = || vec![0.0; n / BLOCK + 1].into_boxed_slice();
        let blocks = longest / (BLOCK * decimator.factor());
        Self {
            decimator,
            low: vec![0.0; n].into_boxed_slice(),
            bursts: vec![0.0; blocks + 1].into_boxed_slice(),
            ends: sums(),
            difference: sums(),
            values: vec![0.0; n].into_boxed_slice(),
            places: vec![0; n].into_boxed_slice(),
        }
    }

    /// Frames by which the places that are tried differ, with what decimation leaves over.
    pub(super) fn grid(&self) -> usize {
        (BLOCK + 2) * self.decimator.factor()
    }

    /// The best splice of `mono`, or `None` where none fits.
    pub(super) fn find(&mut self, mono: &[f32], wanted: &Wanted) -> Option<Found> {
        let step = self.decimator.factor();
        let first = wanted.lags.start().div_ceil(step);
        let mean = energy(mono) / mono.len() as f32;
        let lags = self.survey(mono, wanted, first, mean);
        let mut best: Option<(f32, Found)> = None;
        for i in peaks(&self.values[..lags]).into_iter().flatten() {
            let at = self.places[i] * step;
            let Some(found) = self.sharpen(mono, wanted, at, (first + i) * step, mean) else {
                continue;
            };
            let value = found.merit + wanted.preference * found.lag as f32 / mono.len() as f32;
            if best.is_none_or(|(v, _)| value > v) {
                best = Some((value, found));
            }
        }
        best.map(|(_, found)| found)
    }

    /// Finds the best place for every lag from `first` decimated frames on, and returns how many
    /// lags there are.
    fn survey(&mut self, mono: &[f32], wanted: &Wanted, first: usize, mean: f32) -> usize {
        let step = self.decimator.factor();
        let n = self.decimator.run(mono, &mut self.low);
        let fade = (wanted.fade / step / BLOCK).max(1);
        let length = BLOCK * step;
        for (b, block) in mono.chunks_exact(length).enumerate() {
            let power = energy(block) / length as f32;
            self.bursts[b + 1] = self.bursts[b] + power * power;
        }
        let last = (wanted.lags.end() / step).min(n.saturating_sub(fade * BLOCK));
        for lag in first..=last {
            let count = self.sum_blocks(n, lag);
            let earliest = wanted
                .played
                .saturating_sub(lag * step)
                .div_ceil(step * BLOCK);
            let mut best = (f32::NEG_INFINITY, 0);
            for b in earliest..(count + 1).saturating_sub(fade) {
                let span = |sums: &[f32]| (sums[b + fade] - sums[b]) / (fade * BLOCK) as f32;
                let merit = merit(span(&self.difference), span(&self.ends), mean)
                    - EVENTS * self.eventful(b * length, lag * step, wanted.fade, mono.len());
                if merit > best.0 {
                    best = (merit, b * BLOCK);
                }
            }
            self.values[lag - first] = best.0 + wanted.preference * lag as f32 / n as f32;
            self.places[lag - first] = best.1;
        }
        (last + 1).saturating_sub(first)
    }

    /// Sums up the blocks in which the signal can be compared with itself `lag` later, and
    /// returns their number.
    fn sum_blocks(&mut self, n: usize, lag: usize) -> usize {
        let (early, _) = self.low[..n - lag].as_chunks::<BLOCK>();
        let (late, _) = self.low[lag..n].as_chunks::<BLOCK>();
        for (b, (x, y)) in early.iter().zip(late).enumerate() {
            let mut ends = [0.0; BLOCK];
            let mut difference = [0.0; BLOCK];
            for i in 0..BLOCK {
                let d = x[i] - y[i];
                difference[i] = d * d;
                ends[i] = x[i] * x[i] + y[i] * y[i];
            }
            self.ends[b + 1] = self.ends[b] + ends.iter().sum::<f32>();
            self.difference[b + 1] = self.difference[b] + difference.iter().sum::<f32>();
        }
        early.len()
    }

    /// The best lag within one `step` of `lag`, at the full rate.
    fn sharpen(
        &self,
        mono: &[f32],
        wanted: &Wanted,
        at: usize,
        lag: usize,
        mean: f32,
    ) -> Option<Found> {
        let (fade, step) = (wanted.fade, self.decimator.factor());
        let room = mono.len().checked_sub(at + fade)?;
        let shortest = (*wanted.lags.start())
            .max(lag.saturating_sub(step))
            .max(wanted.played.saturating_sub(at));
        let longest = (lag + step).min(*wanted.lags.end()).min(room);
        if shortest > longest {
            return None;
        }
        let first = &mono[at..at + fade];
        let lag = match refine(first, mono, at + shortest..=at + longest) {
            Some(best) => best.offset - at,
            None => shortest.max(lag.min(longest)),
        };
        let second = &mono[at + lag..at + lag + fade];
        let difference: f32 = first
            .iter()
            .zip(second)
            .map(|(a, b)| (a - b) * (a - b))
            .sum();
        let n = fade as f32;
        let ends = (energy(first) + energy(second)) / n;
        let merit =
            merit(difference / n, ends, mean) - EVENTS * self.eventful(at, lag, fade, mono.len());
        Some(Found { at, lag, merit })
    }

    /// How much more goes on between the two stretches than in them: 0 nothing, 1 twice as much.
    ///
    /// Something of its own in there would be lost, or heard twice, and neither stretch shows it.
    /// Squares of the power of each block tell a short burst from what is steady.
    fn eventful(&self, at: usize, lag: usize, fade: usize, all: usize) -> f32 {
        let length = BLOCK * self.decimator.factor();
        let blocks = all / length;
        let within = |from: usize, to: usize| {
            let (from, to) = (from / length, to.div_ceil(length).min(blocks));
            let sum = self.bursts[to.max(from)] - self.bursts[from.min(to)];
            (sum.max(0.0) / (to - from.min(to)).max(1) as f32).sqrt()
        };
        let inside = within(at, at + lag + fade);
        let ends = (within(at, at + fade) + within(at + lag, at + lag + fade)) / 2.0;
        let heard = ends + MASKING * within(0, all) + f32::MIN_POSITIVE;
        (inside / heard - 1.0).max(0.0)
    }
}

/// How little the blend of two stretches will be heard, from powers a frame: that of their
/// difference, of both together, and of the whole signal.
///
/// A difference is heard beside the sound it is in, but also beside what is louder near it: so
/// quiet places do better.
fn merit(difference: f32, ends: f32, whole: f32) -> f32 {
    1.0 - difference / (ends + 2.0 * MASKING * whole + f32::MIN_POSITIVE)
}

/// Decimated frames.
const BLOCK: usize = 8;
/// How much of the power of the whole signal masks what is wrong in a part of it.
const MASKING: f32 = 0.3;
const EVENTS: f32 = 1.0;

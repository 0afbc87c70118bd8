//! Where a signal repeats: the search that concealment and time-stretch are built on.
//!
//! The search is done on one channel, a mix of all ([`mix_to_mono`]): what is cut at the same
//! frame in every channel keeps the phase between them.
//!
//! # How
//! 1. Template and signal are low-passed and decimated to about 8 kHz; every offset is tried.
//! 2. The best three peaks are refined at the full rate, one decimated step to either side. A
//!    tone too high for the decimated rate has a period shorter than that, so it is found too.
//!
//! Work is bounded by `template × offsets ÷ decimation²` for the first step and by
//! `template × decimation × 6` for the second, so it grows with the rate, not with its square.
//!
//! # Deliberate differences
//! - NetEQ takes the maximum of the correlation of the decimated signal and normalises
//!   afterwards; here each offset is judged by its [`similarity`], which also falls where the two
//!   differ in level, as at an attack.
//! - NetEQ decimates to 4 kHz; 8 kHz costs a few microseconds more and tells sibilants from
//!   voice.

use std::ops::RangeInclusive;

use crate::format::{Channels, SampleRate};

/// Mixes interleaved frames to one channel, scaled so that its greatest magnitude is 1, and
/// returns the magnitude it had, as a fraction of full scale.
///
/// Every other channel counts three quarters, so that channels of opposite polarity do not cancel
/// each other. Samples that are not finite count as 0. Where nothing is louder than 10⁻³⁰, all of `mono` is 0
/// and so is the result. Writes as many frames as both slices hold; the rest of `mono` is left
/// alone.
pub fn mix_to_mono(interleaved: &[f32], channels: Channels, mono: &mut [f32]) -> f32 {
    let n = channels.get();
    let frames = (interleaved.len() / n).min(mono.len());
    let mono = &mut mono[..frames];
    let share = 1.0 / n as f32;
    let odd = share * ODD_CHANNELS;
    match n {
        1 => {
            for (m, &x) in mono.iter_mut().zip(interleaved) {
                *m = finite(x);
            }
        }
        2 => {
            for (m, x) in mono.iter_mut().zip(interleaved.chunks_exact(2)) {
                *m = finite(x[0]) * share + finite(x[1]) * odd;
            }
        }
        _ => {
            for (m, frame) in mono.iter_mut().zip(interleaved.chunks_exact(n)) {
                let weights = [share, odd].into_iter().cycle();
                *m = frame.iter().zip(weights).map(|(&x, w)| finite(x) * w).sum();
            }
        }
    }
    let peak = mono.iter().fold(0f32, |max, x| max.max(x.abs()));
    if peak < SILENT {
        mono.fill(0.0);
        return 0.0;
    }
    for m in mono {
        *m /= peak;
    }
    peak
}

/// How alike two equally long stretches are: `1 − ‖a − b‖² ÷ (‖a‖² + ‖b‖²)`.
///
/// 1 where they are equal, 0 where they have nothing in common or one is silent, −1 where one is
/// the other upside down. Unlike a correlation coefficient it falls with a difference in level:
/// `2r ÷ (1 + r²)` for a level ratio of `r`. 0 where both are silent or hold what is not finite.
pub fn similarity(a: &[f32], b: &[f32]) -> f32 {
    let (ab, bb) = products(a, b);
    ratio(ab, energy(a) + bb)
}

/// The sum of the squares.
pub fn energy(x: &[f32]) -> f32 {
    let mut sums = [0f32; LANES];
    let (chunks, rest) = x.as_chunks::<LANES>();
    for c in chunks {
        for (sum, x) in sums.iter_mut().zip(c) {
            *sum += x * x;
        }
    }
    sums.iter().sum::<f32>() + rest.iter().map(|x| x * x).sum::<f32>()
}

/// A place found by [`PitchSearch::find`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Match {
    /// Frames into the signal.
    pub offset: usize,
    /// [`similarity`] to the template there, −1 to 1.
    pub similarity: f32,
}

/// Finds where a template occurs in a signal.
#[derive(Debug, Clone)]
pub struct PitchSearch {
    longest: usize,
    decimator: Decimator,
    template: Box<[f32]>,
    signal: Box<[f32]>,
    similarities: Box<[f32]>,
}

impl PitchSearch {
    /// A search at `rate` in signals of at most `longest` frames.
    pub fn new(rate: SampleRate, longest: usize) -> Self {
        let decimator = Decimator::new(rate);
        let scratch = || vec![0.0; decimator.len(longest)].into_boxed_slice();
        Self {
            longest,
            template: scratch(),
            signal: scratch(),
            similarities: scratch(),
            decimator,
        }
    }

    /// The offset among `offsets` at which `signal` resembles `template` most.
    ///
    /// Both are mono frames at the search's rate and should be about full scale
    /// ([`mix_to_mono`] sees to it). To find the pitch of the end of a `history`, let `template`
    /// be its last frames, `signal` all of it, and `offsets` those of the lags wanted: the lag is
    /// `history.len() - template.len() - offset`.
    ///
    /// `None` where no offset fits, where the signal is longer than the search was made for, and
    /// where the template or every stretch of the signal is silent or not finite.
    pub fn find(
        &mut self,
        template: &[f32],
        signal: &[f32],
        offsets: RangeInclusive<usize>,
    ) -> Option<Match> {
        let last = signal.len().checked_sub(template.len())?;
        let (first, last) = (*offsets.start(), last.min(*offsets.end()));
        if first > last || template.is_empty() || signal.len() > self.longest {
            return None;
        }
        let step = self.decimator.factor;
        if step == 1 || self.decimator.len(template.len()) < MIN_TEMPLATE {
            return refine(template, signal, first..=last);
        }
        let mut best: Option<Match> = None;
        for coarse in self.coarse(template, &signal[first..last + template.len()]) {
            let Some(coarse) = coarse else { break };
            let at = first + coarse * step;
            let near = at.saturating_sub(step).max(first)..=(at + step).min(last);
            if let Some(found) = refine(template, signal, near)
                && best.is_none_or(|b| found.similarity > b.similarity)
            {
                best = Some(found);
            }
        }
        best
    }

    /// The most promising offsets, in decimated frames.
    fn coarse(&mut self, template: &[f32], signal: &[f32]) -> [Option<usize>; PEAKS] {
        let n = self.decimator.run(template, &mut self.template);
        let m = self.decimator.run(signal, &mut self.signal);
        let (template, signal) = (&self.template[..n], &self.signal[..m]);
        let own = energy(template);
        let mut offsets = 0;
        for (s, stretch) in self.similarities.iter_mut().zip(signal.windows(n)) {
            let (product, other) = products(template, stretch);
            *s = ratio(product, own + other);
            offsets += 1;
        }
        peaks(&self.similarities[..offsets])
    }
}

/// Low-pass and decimation to about 8 kHz, without state.
#[derive(Debug, Clone)]
pub struct Decimator {
    factor: usize,
    kernel: Box<[f32]>,
}

impl Decimator {
    /// A decimator for signals at `rate`; below 16 kHz it leaves them as they are.
    pub fn new(rate: SampleRate) -> Self {
        let factor = (rate.get() / DECIMATED_RATE).max(1) as usize;
        // A triangle of two steps: silent at every multiple of the decimated rate,
        // and, unlike a window of cosines, the same to the bit on every platform.
        let window = |i: usize| {
            let edge = i.min(2 * factor - 1 - i);
            (edge as f32 + 0.5) / (factor * factor) as f32
        };
        let kernel = match factor {
            1 => vec![1.0].into_boxed_slice(),
            _ => (0..2 * factor).map(window).collect(),
        };
        Self { factor, kernel }
    }

    /// Input frames per output frame.
    pub fn factor(&self) -> usize {
        self.factor
    }

    /// Output frames for `frames` of input.
    pub fn len(&self, frames: usize) -> usize {
        match frames.checked_sub(self.kernel.len()) {
            Some(rest) => rest / self.factor + 1,
            None => 0,
        }
    }

    /// Decimates `input` into `out`, whose first frame is about the input's first
    /// [`factor`](Self::factor), and returns the frames written: [`len`](Self::len) of the
    /// input's, or as many as `out` holds.
    pub fn run(&self, input: &[f32], out: &mut [f32]) -> usize {
        if self.factor == 1 {
            let n = input.len().min(out.len());
            out[..n].copy_from_slice(&input[..n]);
            return n;
        }
        let stretches = input.windows(self.kernel.len()).step_by(self.factor);
        let mut written = 0;
        for (o, stretch) in out.iter_mut().zip(stretches) {
            *o = products(stretch, &self.kernel).0;
            written += 1;
        }
        written
    }
}

/// The best offset of a range that fits, every one tried at the full rate.
pub(crate) fn refine(
    template: &[f32],
    signal: &[f32],
    offsets: RangeInclusive<usize>,
) -> Option<Match> {
    let own = energy(template);
    let mut best: Option<Match> = None;
    for offset in offsets {
        let (product, other) = products(template, &signal[offset..offset + template.len()]);
        let similarity = ratio(product, own + other);
        if own * other > 0.0 && best.is_none_or(|b| similarity > b.similarity) {
            best = Some(Match { offset, similarity });
        }
    }
    best
}

/// Positions of the highest local maxima, highest first.
pub(crate) fn peaks(values: &[f32]) -> [Option<usize>; PEAKS] {
    let mut found = [None; PEAKS];
    for (i, &v) in values.iter().enumerate() {
        let rises = i == 0 || values[i - 1] < v;
        let falls = values.get(i + 1).is_none_or(|&next| next <= v);
        if !(rises && falls) {
            continue;
        }
        let place = found
            .iter()
            .position(|f: &Option<usize>| f.is_none_or(|j| values[j] < v));
        if let Some(place) = place {
            found[place..].rotate_right(1);
            found[place] = Some(i);
        }
    }
    found
}

/// `Σ a·b` and `Σ b²`.
fn products(a: &[f32], b: &[f32]) -> (f32, f32) {
    let mut ab = [0f32; LANES];
    let mut bb = [0f32; LANES];
    let n = a.len().min(b.len());
    let (a_chunks, a_rest) = a[..n].as_chunks::<LANES>();
    let (b_chunks, b_rest) = b[..n].as_chunks::<LANES>();
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        for i in 0..LANES {
            ab[i] += a[i] * b[i];
            bb[i] += b[i] * b[i];
        }
    }
    let rest = a_rest.iter().zip(b_rest);
    let (x, y) = rest.fold((0.0, 0.0), |(x, y), (a, b)| (x + a * b, y + b * b));
    (ab.iter().sum::<f32>() + x, bb.iter().sum::<f32>() + y)
}

/// A similarity from its sums; 0 where they say nothing.
fn ratio(product: f32, energies: f32) -> f32 {
    let s = 2.0 * product / energies;
    if s.is_finite() {
        s.clamp(-1.0, 1.0)
    } else {
        0.0
    }
}

fn finite(x: f32) -> f32 {
    if x.is_finite() {
        x.clamp(-LOUDEST, LOUDEST)
    } else {
        0.0
    }
}

/// Sums run in this many lanes, so that they are the same on every machine and fill its vectors.
const LANES: usize = 8;
/// Below this a mix is silence: 600 dB under full scale, and its reciprocal is finite.
const SILENT: f32 = 1e-30;
/// Samples beyond this count as this, so that no sum overflows.
const LOUDEST: f32 = 1e30;
const ODD_CHANNELS: f32 = 0.75;
const DECIMATED_RATE: u32 = 8_000;
/// Decimated frames a template needs for the coarse search to mean anything.
const MIN_TEMPLATE: usize = 8;
const PEAKS: usize = 3;

#[cfg(test)]
mod tests;

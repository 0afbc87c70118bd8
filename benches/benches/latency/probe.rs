//! Bursts that are known again behind a codec.
//!
//! Each is 16 ms of noise within the band of a telephone. There are several kinds, which resemble
//! each other as little as chance allows, so one may be under way while the next is played.

use std::f64::consts::TAU;

/// Kinds of bursts.
pub(crate) const KINDS: usize = 8;
/// Frames a second of what is played.
pub(crate) const RATE: u32 = 48_000;
/// Of these are made one for the search, which has a quarter of the band and more.
pub(crate) const DECIMATION: usize = 4;
/// What resembles a burst less than this is none.
const ALIKE: f32 = 0.55;
/// One that resembles it less was torn.
const WHOLE: f32 = 0.85;
const FRAMES: usize = 768;
const PEAK: f64 = 0.4;
/// Hertz between two partials: a whole number of periods in a burst.
const STEP: f64 = RATE as f64 / FRAMES as f64;
const BAND: (f64, f64) = (400.0, 3_200.0);

/// All kinds of bursts.
pub(crate) struct Probes {
    played: Vec<Vec<f32>>,
    /// Decimated, of unit energy.
    sought: Vec<Vec<f32>>,
    /// Energy of each, decimated.
    energy: Vec<f32>,
}

/// A burst that was found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found {
    /// Its first frame among those searched, decimated.
    pub(crate) at: usize,
    /// Whether it is as it was played, but for what a codec does.
    pub(crate) whole: bool,
}

impl Probes {
    pub(crate) fn new() -> Self {
        let played: Vec<Vec<f32>> = (0..KINDS).map(burst).collect();
        let decimated: Vec<Vec<f32>> = played.iter().map(|b| decimate(b)).collect();
        let energy: Vec<f32> = decimated.iter().map(|b| dot(b, b)).collect();
        let unit = |(b, e): (&Vec<f32>, &f32)| b.iter().map(|s| s / e.sqrt()).collect();
        Self {
            sought: decimated.iter().zip(&energy).map(unit).collect(),
            played,
            energy,
        }
    }

    /// The frames of one, mono.
    pub(crate) fn played(&self, kind: usize) -> &[f32] {
        &self.played[kind]
    }

    /// Looks for one in `heard`, which is decimated.
    pub(crate) fn find(&self, kind: usize, heard: &[f32]) -> Option<Found> {
        let burst = &self.sought[kind];
        // Silence resembles everything.
        let least = self.energy[kind] / 20.0;
        let mut best = (ALIKE, None);
        for (at, window) in heard.windows(burst.len()).enumerate() {
            let across = dot(burst, window);
            if across * across < least * ALIKE * ALIKE {
                continue;
            }
            let energy = dot(window, window);
            let alike = across / energy.sqrt();
            if energy >= least && alike > best.0 {
                best = (alike, Some(at));
            }
        }
        let whole = best.0 >= WHOLE;
        best.1.map(|at| Found { at, whole })
    }
}

/// A mean of as many frames, whose first zero is where the rate is after it.
pub(crate) fn decimate(samples: &[f32]) -> Vec<f32> {
    let groups = samples.chunks_exact(DECIMATION);
    groups
        .map(|g| g.iter().sum::<f32>() / g.len() as f32)
        .collect()
}

fn burst(kind: usize) -> Vec<f32> {
    let mut dice = Dice::new(kind as u64 + 1);
    let partials: Vec<(f64, f64)> = (1..)
        .map(|n| f64::from(n) * STEP)
        .skip_while(|hz| *hz < BAND.0)
        .take_while(|hz| *hz <= BAND.1)
        .map(|hz| (hz, dice.unit() * TAU))
        .collect();
    let wave: Vec<f64> = (0..FRAMES)
        .map(|i| {
            let t = i as f64 / f64::from(RATE);
            let sum: f64 = partials
                .iter()
                .map(|(hz, p)| (TAU * hz * t + p).sin())
                .sum();
            let edge = (i.min(FRAMES - 1 - i) as f64 / (FRAMES as f64 / 8.0)).min(1.0);
            sum * (edge * TAU / 4.0).sin().powi(2)
        })
        .collect();
    let peak = wave.iter().fold(0.0f64, |p, s| p.max(s.abs()));
    wave.iter().map(|s| (s / peak * PEAK) as f32).collect()
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    // Sums side by side let the compiler use wide registers.
    let mut sums = [0.0f32; 8];
    let (left, right) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f32 = left
        .remainder()
        .iter()
        .zip(right.remainder())
        .map(|(a, b)| a * b)
        .sum();
    for (a, b) in left.zip(right) {
        for i in 0..8 {
            sums[i] += a[i] * b[i];
        }
    }
    rest + sums.iter().sum::<f32>()
}

/// Randomness that is the same in every run.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// 0 up to 1.
    pub(crate) fn unit(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}

//! How much a repaired signal differs from the original, where it was repaired.
//!
//! Two figures, on the repaired stretches alone: the *log-spectral distance*, which is close to
//! what timbre sounds like and does not mind a shift in phase, and the *signal-to-noise ratio*,
//! which is the plain difference. (Gray and Markel, "Distance measures for speech processing",
//! 1976.)

use std::ops::Range;

/// Distances over all stretches.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Distance {
    /// Mean log-spectral distance in dB: the root of the mean square difference of the power
    /// spectra in dB over all frequencies, each spectrum floored at 60 dB below the original's
    /// level as a whole.
    pub log_spectral_db: f64,
    /// Power of the original over power of the difference, over all stretches together, in dB.
    pub snr_db: f64,
    /// Stretches judged: those of a millisecond and more in which the original is not below the
    /// floor.
    pub stretches: usize,
}

/// Compares two signals of one channel on `stretches` (in samples).
pub fn distance(original: &[f32], repaired: &[f32], stretches: &[Range<usize>]) -> Distance {
    let floor = floor(original);
    let (mut sum, mut judged) = (0.0, 0usize);
    let (mut signal, mut noise) = (0.0, 0.0);
    for range in stretches {
        let (Some(a), Some(b)) = (original.get(range.clone()), repaired.get(range.clone())) else {
            continue;
        };
        let power = a.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>();
        if a.len() < MIN_SAMPLES || power / (a.len() as f64) < floor {
            continue;
        }
        signal += power;
        noise += a
            .iter()
            .zip(b)
            .map(|(x, y)| (f64::from(*x) - f64::from(*y)).powi(2))
            .sum::<f64>();
        sum += log_spectral(a, b, floor);
        judged += 1;
    }
    Distance {
        log_spectral_db: sum / judged.max(1) as f64,
        snr_db: 10.0 * (signal.max(1e-30) / noise.max(1e-30)).log10(),
        stretches: judged,
    }
}

/// Log-spectral distance in dB of two equally long stretches, whose power spectra are not told
/// apart below `floor`: the power of white noise of that mean square.
pub fn log_spectral(a: &[f32], b: &[f32], floor: f64) -> f64 {
    let (p, q) = (power_spectrum(a), power_spectrum(b));
    let squares: f64 = p
        .iter()
        .zip(&q)
        .map(|(p, q)| (10.0 * (p.max(floor) / q.max(floor)).log10()).powi(2))
        .sum();
    (squares / p.len() as f64).sqrt()
}

/// What [`distance`] takes for silence in a signal: the mean square 60 dB below its own.
pub fn floor(original: &[f32]) -> f64 {
    let power: f64 = original.iter().map(|x| f64::from(*x).powi(2)).sum();
    power / original.len().max(1) as f64 * FLOOR
}

/// Power at frequencies from 0 to half the rate, under a Hann window; white noise of variance v
/// has v everywhere.
fn power_spectrum(samples: &[f32]) -> Vec<f64> {
    let n = samples.len();
    let size = n.next_power_of_two() * 2;
    let (mut re, mut im) = (vec![0.0; size], vec![0.0; size]);
    let mut weight = 0.0;
    for (i, x) in samples.iter().enumerate() {
        let w = 0.5 - 0.5 * (std::f64::consts::TAU * (i as f64 + 0.5) / n as f64).cos();
        re[i] = f64::from(*x) * w;
        weight += w * w;
    }
    transform(&mut re, &mut im);
    (0..=size / 2)
        .map(|k| (re[k] * re[k] + im[k] * im[k]) / weight)
        .collect()
}

/// Fourier transform in place, of a power of two (Cooley and Tukey 1965).
fn transform(re: &mut [f64], im: &mut [f64]) {
    let n = re.len();
    let shift = usize::BITS - n.trailing_zeros();
    for i in 0..n {
        let j = i.reverse_bits() >> shift;
        if i < j {
            re.swap(i, j);
            im.swap(i, j);
        }
    }
    let mut half = 1;
    while half < n {
        for k in 0..half {
            let (s, c) = (-std::f64::consts::PI * k as f64 / half as f64).sin_cos();
            for i in (k..n).step_by(2 * half) {
                let j = i + half;
                let (r, m) = (re[j] * c - im[j] * s, re[j] * s + im[j] * c);
                (re[j], im[j]) = (re[i] - r, im[i] - m);
                re[i] += r;
                im[i] += m;
            }
        }
        half *= 2;
    }
}

const MIN_SAMPLES: usize = 16;
/// 60 dB.
const FLOOR: f64 = 1e-6;

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(n: usize, gain: f32) -> Vec<f32> {
        (0..n).map(|i| (i as f32 * 0.3).sin() * gain).collect()
    }

    #[test]
    fn spectrum_of_white_noise_and_of_a_tone() {
        let mut rng = super::super::Pcg32::new(1, 1);
        let noise: Vec<f32> = (0..4_096).map(|_| rng.normal() as f32).collect();
        let p = power_spectrum(&noise);
        let mean = p.iter().sum::<f64>() / p.len() as f64;
        assert!((mean - 1.0).abs() < 0.1, "{mean}");
        let tone = power_spectrum(&wave(1_024, 1.0));
        let peak = tone
            .iter()
            .enumerate()
            .fold(0, |b, (i, p)| if *p > tone[b] { i } else { b });
        assert!((peak as f64 / 2_048.0 * std::f64::consts::TAU - 0.3).abs() < 0.01);
    }

    #[test]
    fn a_gain_is_its_decibels_and_silence_the_floor() {
        let a = wave(48_000, 0.5);
        let same = distance(&a, &a, &[1_000..1_480, 5..7]);
        assert_eq!((same.log_spectral_db, same.stretches), (0.0, 1));
        assert!((floor(&a) - 0.125e-6).abs() < 1e-9);
        let half = distance(&a, &wave(48_000, 0.25), &[1_000..1_480, 5..7]);
        // Where the floor hides the sides of the tone the difference is less.
        assert!((1.0..6.1).contains(&half.log_spectral_db), "{half:?}");
        assert!((half.snr_db - 6.02).abs() < 0.01);
        let silent = distance(&a, &[0.0; 48_000], &[1_000..1_480, 5..7]);
        assert!(silent.log_spectral_db > 10.0 && silent.snr_db.abs() < 1e-6);
        assert_eq!(silent.stretches, 1);
    }
}

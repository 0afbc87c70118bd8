//! The interpolation filter: a sinc under a Kaiser window, sampled at many phases.
//!
//! Kaiser, "Nonrecursive digital filter design using the I0-sinh window function" (1974), for
//! the window's shape and the relation of attenuation, length and transition band.

use super::ResamplerQuality;

/// Filter coefficients, a row for each phase and one more.
#[derive(Debug)]
pub(super) struct Kernel {
    rows: Box<[[f32; LANES]]>,
    /// Lanes in a row.
    width: usize,
    /// Between two input frames.
    phases: usize,
}

/// Two neighbouring rows of a [`Kernel`] and the share of the second: the filter for a place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taps<'a> {
    low: &'a [[f32; LANES]],
    high: &'a [[f32; LANES]],
    between: f32,
}

struct Shape {
    taps: usize,
    attenuation_db: f64,
    /// Where the filter has fallen by half, as a share of the lower rate.
    cutoff: f64,
}

impl Kernel {
    /// For input that is `ratio` times as fast as the output; at or below 1 the whole band
    /// passes. If they are few, the places in `phases` equal parts of an input frame have rows
    /// of their own.
    pub(super) fn new(quality: ResamplerQuality, ratio: f64, phases: usize) -> Self {
        let shape = quality.shape();
        // A narrower band takes a longer filter, which is smoother and needs fewer phases.
        let stretch = ratio.max(1.0);
        let width = (shape.taps as f64 * stretch / LANES as f64).ceil() as usize;
        let enough = (PHASES as f64 / stretch).ceil() as usize;
        let phases = match phases {
            0 => enough,
            n if n <= enough => enough.next_multiple_of(n),
            _ => enough,
        };
        let taps = width * LANES;
        let half = taps as f64 / 2.0;
        let cutoff = shape.cutoff / stretch;
        let window = Kaiser::new(shape.attenuation_db);
        let mut rows = vec![[0.0; LANES]; (phases + 1) * width];
        let mut row = vec![0.0; taps];
        for phase in 0..=phases / 2 {
            let offset = phase as f64 / phases as f64;
            for (tap, c) in row.iter_mut().enumerate() {
                // Distance of the tap's input frame from the output's place.
                let x = tap as f64 - (half - 1.0) - offset;
                *c = sinc(2.0 * cutoff * x) * window.at(x / half);
            }
            // Every phase passes a constant unchanged.
            let sum: f64 = row.iter().sum();
            let mirror = phases - phase;
            for (tap, c) in row.iter().enumerate() {
                let (c, back) = ((c / sum) as f32, taps - 1 - tap);
                rows[phase * width + tap / LANES][tap % LANES] = c;
                rows[mirror * width + back / LANES][back % LANES] = c;
            }
        }
        Self {
            rows: rows.into_boxed_slice(),
            width,
            phases,
        }
    }

    /// Input frames under the filter, a multiple of [`LANES`].
    pub(super) fn taps(&self) -> usize {
        self.width * LANES
    }

    /// The filter for a place `fraction` · 2⁻³² of the way from an input frame to the next.
    #[inline]
    pub(super) fn at(&self, fraction: u32) -> Taps<'_> {
        let x = u64::from(fraction) * self.phases as u64;
        let rows = &self.rows[(x >> 32) as usize * self.width..][..2 * self.width];
        let (low, high) = rows.split_at(self.width);
        // What a float can tell apart, and signed because such conversions are the fast ones.
        let between = (x as u32 >> 8) as i32 as f32;
        Taps {
            low,
            high,
            between: between * (1.0 / (1 << 24) as f32),
        }
    }
}

impl Taps<'_> {
    /// The filter over each of the stretches of input, all of them as long as the filter.
    #[inline]
    pub(super) fn over<const N: usize>(self, inputs: [&[f32]; N]) -> [f32; N] {
        let n = self.low.len();
        let high = &self.high[..n];
        let inputs = inputs.map(|x| &x.as_chunks::<LANES>().0[..n]);
        let mut sums = [[0.0f32; LANES]; N];
        for (i, (low, high)) in self.low.iter().zip(high).enumerate() {
            let mut c = [0.0; LANES];
            for (c, (low, high)) in c.iter_mut().zip(low.iter().zip(high)) {
                *c = low + (high - low) * self.between;
            }
            for (sum, input) in sums.iter_mut().zip(&inputs) {
                for (sum, (c, x)) in sum.iter_mut().zip(c.iter().zip(&input[i])) {
                    *sum += c * x;
                }
            }
        }
        sums.map(|s| s.iter().sum())
    }
}

impl ResamplerQuality {
    fn shape(self) -> Shape {
        let (taps, attenuation_db, cutoff) = match self {
            Self::Fast => (32, 80.0, 0.425),
            Self::Balanced => (64, 100.0, 0.45),
            Self::Best => (128, 120.0, 0.469),
        };
        Shape {
            taps,
            attenuation_db,
            cutoff,
        }
    }
}

/// Kaiser's window.
struct Kaiser {
    /// Of the power series of I₀(β·√y) in y.
    terms: [f64; TERMS],
}

impl Kaiser {
    fn new(attenuation_db: f64) -> Self {
        let beta = 0.1102 * (attenuation_db - 8.7);
        let mut term = 1.0;
        let terms = std::array::from_fn(|k| {
            if k > 0 {
                term *= beta * beta / 4.0 / (k * k) as f64;
            }
            term
        });
        Self { terms }
    }

    /// At `x` from the middle, ±1 the ends; not normalised.
    fn at(&self, x: f64) -> f64 {
        let y = (1.0 - x * x).max(0.0);
        self.terms
            .iter()
            .rev()
            .fold(0.0, |sum, term| sum * y + term)
    }
}

fn sinc(x: f64) -> f64 {
    let x = x * std::f64::consts::PI;
    if x.abs() < 1e-9 { 1.0 } else { x.sin() / x }
}

/// Products summed side by side, so that they vectorise.
const LANES: usize = 8;
/// Linear interpolation between n phases errs by (ω / n)² / 8: 512 keep 20 kHz below −110 dB.
const PHASES: usize = 512;
/// Terms until I₀ is exact at 120 dB, where β is 12.3.
const TERMS: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn window_of_bessel_functions_as_tabulated() {
        // Abramowitz and Stegun, table 9.8: I₀ of 1 and of 5, here as √y of the way to β.
        let window = Kaiser::new(120.0);
        let beta = 0.1102 * (120.0 - 8.7);
        for (x, i0) in [(0.0f64, 1.0), (1.0, 1.266_065_878), (5.0, 27.239_871_82)] {
            let place = (1.0 - (x / beta).powi(2)).sqrt();
            assert!((window.at(place) / i0 - 1.0).abs() < 1e-8);
        }
        // exp(x) / √(2πx) · (1 + 1/8x + 9/128x² + …), the asymptotic series.
        let series = 1.0
            + 1.0 / (8.0 * beta)
            + 9.0 / (128.0 * beta * beta)
            + 75.0 / (1_024.0 * beta.powi(3));
        let peak = beta.exp() / (std::f64::consts::TAU * beta).sqrt() * series;
        assert!((window.at(0.0) / peak - 1.0).abs() < 1e-4);
    }

    #[test]
    fn every_phase_passes_a_constant() {
        for ratio in [0.5, 1.0, 1.3, 6.0, 24.0] {
            let kernel = Kernel::new(ResamplerQuality::Balanced, ratio, 1);
            let ones = vec![1.0; kernel.taps()];
            for n in 0..1_000 {
                let [sum] = kernel.at(u32::MAX / 999 * n).over([&ones[..]]);
                assert!((sum - 1.0).abs() < 3e-6, "{sum}");
            }
        }
    }

    #[test]
    fn few_phases_have_rows_of_their_own() {
        let kernel = Kernel::new(ResamplerQuality::Fast, 0.9, 160);
        assert_eq!(kernel.phases, 640);
        for n in 0..160u32 {
            let place = (u64::from(n) << 32) / 160;
            let between = kernel.at(place as u32).between;
            assert!(between.min(1.0 - between) < 1e-6, "{n} {between}");
        }
    }

    #[test]
    fn tables_stay_small() {
        for quality in [
            ResamplerQuality::Fast,
            ResamplerQuality::Balanced,
            ResamplerQuality::Best,
        ] {
            for ratio in [1.0 / 64.0, 1.0, 1.01, 2.5, 24.0, 64.0] {
                for phases in [0, 1, 3, 160, 257, 300, 441, 512, 513, 100_000] {
                    let kernel = Kernel::new(quality, ratio, phases);
                    assert!(kernel.rows.len() * LANES * 4 < 600_000);
                }
            }
        }
    }
}

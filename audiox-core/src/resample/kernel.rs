//! The interpolation filter: a sinc under a Kaiser window, sampled at many phases.
//!
//! Kaiser, "Nonrecursive digital filter design using the I0-sinh window function" (1974), for
//! the window's shape and the relation of attenuation, length and transition band.

use super::ResamplerQuality;

/// Filter coefficients, a row for each phase and one more.
#[derive(Debug)]
pub(super) struct Kernel {
    rows: Box<[f32]>,
    taps: usize,
    /// Phases between two input frames, a power of two.
    phase_bits: u32,
}

struct Shape {
    taps: usize,
    attenuation_db: f64,
    /// Where the filter has fallen by half, as a share of the lower rate.
    cutoff: f64,
}

impl Kernel {
    /// For input that is `ratio` times as fast as the output; at or below 1 the whole band
    /// passes.
    pub(super) fn new(quality: ResamplerQuality, ratio: f64) -> Self {
        let shape = match quality {
            ResamplerQuality::Fast => Shape {
                taps: 32,
                attenuation_db: 80.0,
                cutoff: 0.425,
            },
            ResamplerQuality::Balanced => Shape {
                taps: 64,
                attenuation_db: 100.0,
                cutoff: 0.45,
            },
            ResamplerQuality::Best => Shape {
                taps: 128,
                attenuation_db: 120.0,
                cutoff: 0.46,
            },
        };
        // A narrower band takes a longer filter, which is smoother and needs fewer phases.
        let stretch = ratio.max(1.0);
        let taps = ((shape.taps as f64 * stretch / LANES as f64).ceil() as usize) * LANES;
        let phase_bits = PHASE_BITS.saturating_sub(stretch.log2().floor() as u32);
        let cutoff = shape.cutoff / stretch;
        let beta = 0.1102 * (shape.attenuation_db - 8.7);
        let phases = 1usize << phase_bits;
        let mut rows = Vec::with_capacity((phases + 1) * taps);
        let half = taps as f64 / 2.0;
        let floor = bessel_i0(beta);
        for phase in 0..=phases {
            let offset = phase as f64 / phases as f64;
            let row = (0..taps).map(|tap| {
                // Distance of the tap's input frame from the output's place.
                let x = tap as f64 - (half - 1.0) - offset;
                let inside = (1.0 - (x / half).powi(2)).max(0.0).sqrt();
                sinc(2.0 * cutoff * x) * 2.0 * cutoff * bessel_i0(beta * inside) / floor
            });
            let row: Vec<f64> = row.collect();
            // Every phase passes a constant unchanged.
            let sum: f64 = row.iter().sum();
            rows.extend(row.iter().map(|c| (c / sum) as f32));
        }
        Self {
            rows: rows.into_boxed_slice(),
            taps,
            phase_bits,
        }
    }

    pub(super) fn taps(&self) -> usize {
        self.taps
    }

    /// Writes the coefficients for a place `fraction` · 2⁻⁶⁴ after an input frame.
    #[inline]
    pub(super) fn at(&self, fraction: u64, out: &mut [f32]) {
        let phase = (fraction >> (64 - self.phase_bits)) as usize;
        let between = (fraction << self.phase_bits >> 40) as f32 * (1.0 / (1u64 << 24) as f32);
        let start = phase * self.taps;
        let (low, high) = self.rows[start..start + 2 * self.taps].split_at(self.taps);
        for ((o, a), b) in out.iter_mut().zip(low).zip(high) {
            *o = a + (b - a) * between;
        }
    }
}

/// The sum of products of two slices, whose length is a multiple of [`LANES`].
#[inline]
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; LANES];
    for (a, b) in a
        .as_chunks::<LANES>()
        .0
        .iter()
        .zip(b.as_chunks::<LANES>().0)
    {
        for ((s, a), b) in sums.iter_mut().zip(a).zip(b) {
            *s += a * b;
        }
    }
    sums.iter().sum()
}

fn sinc(x: f64) -> f64 {
    let x = x * std::f64::consts::PI;
    if x.abs() < 1e-9 { 1.0 } else { x.sin() / x }
}

/// Modified Bessel function of the first kind and order zero, by its power series.
fn bessel_i0(x: f64) -> f64 {
    let quarter = x * x / 4.0;
    let (mut term, mut sum) = (1.0, 1.0);
    for k in 1..200 {
        term *= quarter / f64::from(k * k);
        sum += term;
        if term < sum * 1e-17 {
            break;
        }
    }
    sum
}

/// Products summed side by side, so that they vectorise.
pub(super) const LANES: usize = 8;
/// Linear interpolation between 2ⁿ phases errs by (ω / 2ⁿ)² / 8: 512 keep 20 kHz below −110 dB.
const PHASE_BITS: u32 = 9;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bessel_function_as_tabulated() {
        // Abramowitz and Stegun, table 9.8.
        for (x, i0) in [(0.0, 1.0), (1.0, 1.266_065_878), (5.0, 27.239_871_82)] {
            assert!((bessel_i0(x) / i0 - 1.0).abs() < 1e-8);
        }
    }

    #[test]
    fn every_phase_passes_a_constant() {
        for ratio in [0.5, 1.0, 1.3, 6.0, 24.0] {
            let kernel = Kernel::new(ResamplerQuality::Balanced, ratio);
            let mut row = vec![0.0; kernel.taps()];
            for n in 0..1_000u64 {
                kernel.at(n.wrapping_mul(0x0041_8937_4bc6_a7ef), &mut row);
                let sum: f32 = row.iter().sum();
                assert!((sum - 1.0).abs() < 3e-6, "{sum}");
            }
        }
    }
}

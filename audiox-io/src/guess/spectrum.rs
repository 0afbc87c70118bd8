//! A power spectrum of real samples.

use std::f64::consts::TAU;

/// Power at `size` / 2 + 1 frequencies from 0 to half the rate, under a Hann window; `size`, the
/// length of `x`, is a power of two.
pub(super) fn power_spectrum(x: &[f64]) -> Vec<f64> {
    let n = x.len();
    let (mut re, mut im): (Vec<f64>, Vec<f64>) = x
        .iter()
        .enumerate()
        .map(|(i, x)| {
            (
                x * (0.5 - 0.5 * (TAU * (i as f64 + 0.5) / n as f64).cos()),
                0.0,
            )
        })
        .unzip();
    fft(&mut re, &mut im);
    (0..=n / 2).map(|i| re[i] * re[i] + im[i] * im[i]).collect()
}

/// Cooley and Tukey's algorithm, in place. Some hundred transforms a recording do not call for a
/// faster one.
fn fft(re: &mut [f64], im: &mut [f64]) {
    let n = re.len();
    let mut j = 0;
    for i in 1..n {
        let mut bit = n >> 1;
        while j & bit != 0 {
            j ^= bit;
            bit >>= 1;
        }
        j ^= bit;
        if i < j {
            re.swap(i, j);
            im.swap(i, j);
        }
    }
    let mut len = 2;
    while len <= n {
        let half = len / 2;
        for start in (0..n).step_by(len) {
            for k in 0..half {
                let (sin, cos) = (-TAU * k as f64 / len as f64).sin_cos();
                let (a, b) = (start + k, start + k + half);
                let (x, y) = (re[b] * cos - im[b] * sin, re[b] * sin + im[b] * cos);
                (re[b], im[b]) = (re[a] - x, im[a] - y);
                (re[a], im[a]) = (re[a] + x, im[a] + y);
            }
        }
        len *= 2;
    }
}

use proptest::prelude::*;

use super::*;

const RATE: SampleRate = SampleRate::HZ_48000;

fn sine(hertz: f32, amplitude: f32, from: usize, frames: usize) -> impl Iterator<Item = f32> {
    (from..from + frames).map(move |i| {
        let turns = (i as f32 * hertz / 48_000.0).fract();
        (turns * std::f32::consts::TAU).sin() * amplitude
    })
}

#[test]
fn peaks_are_found_wherever_they_lie() {
    for len in 0..40 {
        for at in 0..len {
            let mut samples = vec![0.25f32; len];
            samples[at] = -0.5;
            assert_eq!(peak(&samples), 0.5, "{at} of {len}");
        }
    }
    assert_eq!(peak(&[]), 0.0);
    assert_eq!(peak(&[0.0, f32::NAN, 1.0]), FLOAT_LIMIT);
}

#[test]
fn below_the_ceiling_nothing_changes_by_a_bit() {
    let mut limiter = Limiter::new(RATE, 256);
    let before: Vec<f32> = sine(997.0, 1.0, 0, 4_800).collect();
    let mut after = before.clone();
    for part in after.chunks_mut(256) {
        let p = peak(part);
        assert_eq!(limiter.apply(part, 1, 1.0, p), 1.0);
    }
    assert_eq!(before, after);
}

#[test]
fn above_it_the_wave_is_turned_down_and_not_cut() {
    let mut limiter = Limiter::new(RATE, 480);
    let wave: Vec<f32> = sine(440.0, 1.6, 0, 48_000).collect();
    let mut out = wave.clone();
    let mut lowest = 1f32;
    for part in out.chunks_mut(480) {
        let p = peak(part);
        lowest = lowest.min(limiter.apply(part, 1, 1.0, p));
    }
    assert!(peak(&out) <= 1.0);
    assert!((lowest - 1.0 / 1.6).abs() < 1e-3, "{lowest}");
    // Once settled, the shape is kept: what is left after the best fit of the wave is small.
    let (wave, out) = (&wave[4_800..], &out[4_800..]);
    let dot =
        |a: &[f32], b: &[f32]| -> f64 { a.iter().zip(b).map(|(x, y)| f64::from(x * y)).sum() };
    let gain = dot(wave, out) / dot(wave, wave);
    let rest: f64 = wave
        .iter()
        .zip(out)
        .map(|(x, y)| (f64::from(*y) - gain * f64::from(*x)).powi(2))
        .sum();
    let distortion = 10.0 * (rest / dot(out, out)).log10();
    assert!(distortion < -45.0, "{distortion:.1} dB");
}

#[test]
fn it_lets_go_within_a_quarter_of_a_second_and_is_exact_again() {
    let mut limiter = Limiter::new(RATE, 480);
    let mut loud = [2.0f32; 480];
    limiter.apply(&mut loud, 1, 1.0, 2.0);
    let mut quarter = vec![0.5f32; 12_000];
    for part in quarter.chunks_mut(480) {
        limiter.apply(part, 1, 1.0, 0.5);
    }
    assert!(quarter.windows(2).all(|w| w[0] <= w[1]), "no step back");
    assert_eq!(quarter[..1], [0.25 + 0.5 / 12_000.0]);
    assert_eq!(quarter[11_999], 0.5);
}

#[test]
fn a_peak_within_the_slice_is_seen_coming() {
    let mut limiter = Limiter::new(RATE, 480);
    let mut slice = [0.5f32; 480];
    slice[300] = 2.0;
    limiter.apply(&mut slice, 1, 1.0, 2.0);
    assert_eq!(slice[300], 1.0);
    assert_eq!(slice[200], 0.5);
    // No step on the way down is larger than the attack's, 1/72 of the sample.
    let steps = slice[..300].windows(2).map(|w| w[0] - w[1]);
    let largest = steps.fold(0.0, f32::max);
    assert!((0.006..0.007).contains(&largest), "{largest}");
}

proptest! {
    #[test]
    fn whatever_comes_stays_within_the_ceiling(
        mut samples in prop::collection::vec(-4e9f32..4e9, 0..600),
        scale in prop::sample::select(vec![1e-9f32, 1e-6, 1.0]),
        channels in 1usize..5,
        ceiling in 1f32..3.0,
    ) {
        let mut limiter = Limiter::new(RATE, 64);
        for s in &mut samples {
            *s *= scale;
        }
        samples.truncate(samples.len() / channels * channels);
        for part in samples.chunks_mut(64 * channels) {
            let p = peak(part);
            let lowest = limiter.apply(part, channels, ceiling, p);
            prop_assert!((0.0..=1.0).contains(&lowest));
        }
        prop_assert!(peak(&samples) <= ceiling);
    }
}

use proptest::prelude::*;

use super::*;

const QUALITIES: [ResamplerQuality; 3] = [
    ResamplerQuality::Fast,
    ResamplerQuality::Balanced,
    ResamplerQuality::Best,
];

fn hz(rate: u32) -> SampleRate {
    SampleRate::new(rate).unwrap()
}

fn mono(from: u32, to: u32, quality: ResamplerQuality) -> SincResampler {
    SincResampler::new(hz(from), hz(to), Channels::MONO, quality).unwrap()
}

/// Resamples half a second of a tone of amplitude 0.5 and leaves the start out.
fn tone(resampler: &mut SincResampler, from: u32, to: u32, hertz: f64) -> Vec<f32> {
    let step = std::f64::consts::TAU * hertz / f64::from(from);
    let input: Vec<f32> = (0..from)
        .map(|n| ((f64::from(n) * step).sin() * 0.5) as f32)
        .collect();
    let mut out = vec![0.0; to as usize / 2];
    let need = resampler.input_needed(out.len());
    let done = resampler.process_into(&input[..need], &mut out);
    assert_eq!((done.consumed, done.produced), (need, out.len()));
    out.split_off(to as usize / 20)
}

/// Power of the best-fitting sinusoid of this frequency, and of what remains.
fn fit(signal: &[f32], cycles_per_frame: f64) -> (f64, f64) {
    let w = std::f64::consts::TAU * cycles_per_frame;
    let (mut ss, mut cc, mut sc, mut xs, mut xc) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for (n, x) in signal.iter().enumerate() {
        let (s, c) = (n as f64 * w).sin_cos();
        let x = f64::from(*x);
        ss += s * s;
        cc += c * c;
        sc += s * c;
        xs += x * s;
        xc += x * c;
    }
    let det = ss * cc - sc * sc;
    let (a, b) = ((xs * cc - xc * sc) / det, (xc * ss - xs * sc) / det);
    let mut rest = 0.0;
    for (n, x) in signal.iter().enumerate() {
        let (s, c) = (n as f64 * w).sin_cos();
        rest += (f64::from(*x) - a * s - b * c).powi(2);
    }
    let n = signal.len() as f64;
    ((a * a + b * b) / 2.0, rest / n)
}

fn decibels(ratio: f64) -> f64 {
    10.0 * ratio.max(1e-30).log10()
}

fn snr(from: u32, to: u32, quality: ResamplerQuality, hertz: f64, ppm: f64) -> f64 {
    let mut r = mono(from, to, quality);
    r.set_adjustment(ppm);
    let out = tone(&mut r, from, to, hertz);
    let step = f64::from(from) / f64::from(to) * (1.0 + ppm * 1e-6);
    let (signal, noise) = fit(&out, hertz / f64::from(from) * step);
    decibels(signal / noise)
}

#[test]
fn signal_to_noise_ratios_hold() {
    // Measured: 124 to 131 dB (1 kHz) and 112 to 120 dB (10 kHz) at best.
    for (from, to) in [
        (48_000, 48_000),
        (44_100, 48_000),
        (48_000, 44_100),
        (96_000, 48_000),
    ] {
        for ppm in [-500.0, -7.3, 3.1, 100.0] {
            let best = |f| snr(from, to, ResamplerQuality::Best, f, ppm);
            assert!(best(1_000.0) > 110.0, "{from} {to} {ppm} {}", best(1_000.0));
            assert!(
                best(10_000.0) > 100.0,
                "{from} {to} {ppm} {}",
                best(10_000.0)
            );
            let balanced = snr(from, to, ResamplerQuality::Balanced, 1_000.0, ppm);
            assert!(balanced > 98.0, "{from} {to} {ppm} {balanced}");
            let fast = snr(from, to, ResamplerQuality::Fast, 1_000.0, ppm);
            assert!(fast > 78.0, "{from} {to} {ppm} {fast}");
        }
    }
}

#[test]
fn the_pass_band_is_flat_and_aliases_stay_out() {
    for (quality, edge, ripple, stop) in [
        (ResamplerQuality::Fast, 16_000.0, 0.01, 78.0),
        (ResamplerQuality::Balanced, 19_000.0, 0.001, 98.0),
        (ResamplerQuality::Best, 20_500.0, 0.001, 110.0),
    ] {
        for hertz in [50.0, 5_000.0, edge] {
            let out = tone(&mut mono(48_000, 48_000, quality), 48_000, 48_000, hertz);
            let (power, _) = fit(&out, hertz / 48_000.0);
            let gain = decibels(power / 0.125);
            assert!(gain.abs() < ripple, "{quality:?} {hertz} {gain}");
        }
        // What cannot exist at 16 kHz leaves nothing behind there.
        for hertz in [9_000.0, 12_345.0, 20_000.0] {
            let out = tone(&mut mono(48_000, 16_000, quality), 48_000, 16_000, hertz);
            let power = out.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / out.len() as f64;
            let left = decibels(power / 0.125);
            assert!(left < -stop, "{quality:?} {hertz} {left}");
        }
    }
}

#[test]
fn switched_on_in_mid_stream_it_goes_on_where_the_stream_is() {
    for quality in QUALITIES {
        let input: Vec<f32> = (0..2_000)
            .map(|n| (n as f32 * 0.11).sin() * 0.4 + (n as f32 * 0.013).sin() * 0.4)
            .collect();
        let mut r = mono(48_000, 48_000, quality);
        r.prime(&input[..500]);
        let mut out = vec![0.0; 480];
        let need = r.input_needed(480);
        assert_eq!(need, 480 + r.delay_frames());
        r.process_into(&input[500..500 + need], &mut out);
        let worst = out
            .iter()
            .zip(&input[500..])
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f32::max);
        let limit = if quality == ResamplerQuality::Fast {
            1e-4
        } else {
            1e-5
        };
        assert!(worst < limit, "{quality:?} {worst}");
    }
}

#[test]
fn channels_stay_apart_and_alike() {
    for count in [1, 2, 3, 7, 64] {
        let channels = Channels::new(count).unwrap();
        let n = channels.get();
        let mut many =
            SincResampler::new(hz(44_100), hz(48_000), channels, ResamplerQuality::Fast).unwrap();
        let mut one = mono(44_100, 48_000, ResamplerQuality::Fast);
        let wave: Vec<f32> = (0..600).map(|i| (i as f32 * 0.2).sin()).collect();
        let input: Vec<f32> = wave
            .iter()
            .flat_map(|x| (0..n).map(move |c| x * (c + 1) as f32))
            .collect();
        let (mut wide, mut narrow) = (vec![0.0; 500 * n], vec![0.0; 500]);
        assert_eq!(
            many.process_into(&input, &mut wide),
            one.process_into(&wave, &mut narrow)
        );
        for (frame, x) in wide.chunks(n).zip(&narrow) {
            for (c, y) in frame.iter().enumerate() {
                assert!((y - x * (c + 1) as f32).abs() < 1e-4);
            }
        }
    }
}

#[test]
fn what_is_not_finite_leaves_with_the_filter() {
    let mut r = mono(48_000, 48_000, ResamplerQuality::Best);
    let mut input = vec![0.25; 1_000];
    (input[300], input[301], input[302]) = (f32::NAN, f32::INFINITY, f32::NEG_INFINITY);
    let mut out = vec![f32::NAN; 800];
    r.process_into(&input, &mut out);
    assert!(out.iter().all(|x| x.is_finite() && x.abs() < 1.0));
    assert!(out[500..].iter().all(|x| (x - 0.25).abs() < 1e-5));
}

#[test]
fn a_day_of_rate_conversion_keeps_its_place() {
    let mut r = mono(44_100, 48_000, ResamplerQuality::Fast);
    let day = 86_400 * 48_000usize;
    assert!(r.reach(day).abs_diff(86_400 * 44_100) <= 1);
    r.set_adjustment(100.0);
    let expected = (86_400.0f64 * 44_100.0 * 1.0001) as usize;
    assert!(r.reach(day).abs_diff(expected) <= 1);
}

#[test]
fn rates_out_of_range_are_refused() {
    let make = |from, to| {
        SincResampler::new(hz(from), hz(to), Channels::MONO, ResamplerQuality::Fast).err()
    };
    assert!(make(999, 48_000).is_some());
    assert!(make(48_000, 400_000).is_some());
    assert!(make(192_000, 2_000).is_some());
    assert!(make(8_000, 192_000).is_none());
    assert!(make(192_000, 8_000).is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn input_needed_is_exact(
        from in 8_000u32..192_000,
        to in 8_000u32..192_000,
        calls in prop::collection::vec((0usize..1_500, -20_000.0f64..20_000.0), 1..20),
    ) {
        let mut r = mono(from, to, ResamplerQuality::Fast);
        let (mut consumed, mut produced) = (0, 0);
        for (frames, ppm) in calls {
            r.set_adjustment(ppm);
            let need = r.input_needed(frames);
            prop_assert!(need <= r.max_input(frames));
            let mut out = vec![f32::NAN; frames];
            let done = r.process_into(&vec![0.5; need], &mut out);
            prop_assert_eq!(done, Processed { consumed: need, produced: frames });
            prop_assert!(out.iter().all(|x| x.is_finite()));
            consumed += need;
            produced += frames;
        }
        let span = produced as f64 * f64::from(from) / f64::from(to);
        let slack = span * 0.011 + r.kernel.taps() as f64 + 24.0;
        prop_assert!((consumed as f64 - span).abs() < slack);
    }

    #[test]
    fn too_little_of_either_is_no_harm(
        input in 0usize..3_000,
        output in 0usize..3_000,
    ) {
        let mut r = mono(48_000, 8_000, ResamplerQuality::Fast);
        let mut out = vec![f32::NAN; output];
        let done = r.process_into(&vec![0.5; input], &mut out);
        prop_assert!(done.consumed <= input && done.produced <= output);
        prop_assert!(done.consumed == input || done.produced == output);
    }
}

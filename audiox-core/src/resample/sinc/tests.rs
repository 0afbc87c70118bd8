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
    // Worst measured: Best 137, 131, 122 dB; Balanced 114, 114, 112; Fast 89, 88, 85.
    for (from, to) in [
        (48_000, 48_000),
        (44_100, 48_000),
        (48_000, 44_100),
        (96_000, 48_000),
        (48_000, 192_000),
    ] {
        for ppm in [-500.0, -100.0, -7.3, 0.0, 3.1, 100.0] {
            for (quality, low, middle, high) in [
                (ResamplerQuality::Best, 133.0, 127.0, 119.0),
                (ResamplerQuality::Balanced, 112.0, 111.0, 109.0),
                (ResamplerQuality::Fast, 86.0, 85.0, 83.0),
            ] {
                for (hertz, least) in [(1_000.0, low), (10_000.0, middle), (18_000.0, high)] {
                    let got = snr(from, to, quality, hertz, ppm);
                    let what = (from, to, quality, hertz, ppm);
                    assert!(got > least, "{what:?}: {got}");
                }
            }
        }
    }
    for (from, to, hertz) in [
        (48_000, 16_000, 6_000.0),
        (8_000, 48_000, 3_000.0),
        (192_000, 8_000, 3_000.0),
    ] {
        let got = snr(from, to, ResamplerQuality::Best, hertz, 50.0);
        assert!(got > 119.0, "{from} {to}: {got}");
    }
}

#[test]
fn the_pass_band_is_flat() {
    for (quality, edge, ripple) in [
        (ResamplerQuality::Fast, 17_500.0, 0.1),
        (ResamplerQuality::Fast, 16_500.0, 0.005),
        (ResamplerQuality::Balanced, 19_750.0, 0.1),
        (ResamplerQuality::Balanced, 19_000.0, 0.001),
        (ResamplerQuality::Best, 21_500.0, 0.1),
        (ResamplerQuality::Best, 21_000.0, 0.001),
    ] {
        for hertz in [50.0, 5_000.0, edge] {
            let out = tone(&mut mono(48_000, 48_000, quality), 48_000, 48_000, hertz);
            let (power, _) = fit(&out, hertz / 48_000.0);
            let gain = decibels(power / 0.125);
            assert!(gain.abs() < ripple, "{quality:?} {hertz} {gain}");
        }
    }
}

#[test]
fn aliases_stay_out() {
    // What cannot exist at the lower rate leaves nothing behind there.
    for (quality, least) in [
        (ResamplerQuality::Fast, 80.0),
        (ResamplerQuality::Balanced, 100.0),
        (ResamplerQuality::Best, 120.0),
    ] {
        for (from, to, hertz) in [
            (48_000, 16_000, 8_100.0),
            (48_000, 16_000, 9_000.0),
            (48_000, 16_000, 12_345.0),
            (48_000, 16_000, 23_000.0),
            (48_000, 44_100, 22_300.0),
            (192_000, 48_000, 24_300.0),
            (192_000, 48_000, 71_000.0),
            (192_000, 8_000, 4_100.0),
        ] {
            let out = tone(&mut mono(from, to, quality), from, to, hertz);
            let power = out.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / out.len() as f64;
            let left = decibels(power / 0.125);
            assert!(left < -least, "{quality:?} {from} {to} {hertz}: {left}");
        }
    }
}

#[test]
fn speed_changes_do_not_disturb_a_tone() {
    // 1 kHz while the speed leaps about by 1 000 ppm every 5 ms: each frame is the tone at its
    // exact place.
    let mut r = mono(48_000, 48_000, ResamplerQuality::Best);
    let step = std::f64::consts::TAU * 1_000.0 / 48_000.0;
    let (mut consumed, mut place, mut worst) = (0, 0.0, 0.0f64);
    let mut out = [0.0; 240];
    for round in 0..200 {
        r.set_adjustment(if round % 3 == 0 { -500.0 } else { 500.0 });
        let mut shadow = r.place.clone();
        let need = r.input_needed(out.len());
        let input: Vec<f32> = (consumed..consumed + need)
            .map(|n| (f64::from(n as u32) * step).sin() as f32)
            .collect();
        consumed += need;
        r.process_into(&input, &mut out);
        for x in out {
            let at = place + f64::from(shadow.fraction()) / 2f64.powi(32);
            if round > 1 {
                worst = worst.max((f64::from(x) - (at * step).sin()).abs());
            }
            place += shadow.advance() as f64;
        }
    }
    assert!(worst < 2e-6, "{worst}");
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

use proptest::prelude::*;

use super::*;
use crate::format::{Channels, SampleRate};
use crate::sim::{ClickDetector, Tone};

fn concealer(rate: u32, channels: u16) -> Concealer {
    let rate = SampleRate::new(rate).unwrap();
    let channels = Channels::new(channels).unwrap();
    Concealer::new(StreamFormat::new(rate, channels)).unwrap()
}

/// Three harmonics, full period of `period` frames.
fn voice(n: usize, period: f32) -> f32 {
    let x = n as f32 / period * std::f32::consts::TAU;
    0.3 * x.sin() + 0.2 * (2.0 * x).sin() + 0.1 * (3.0 * x + 1.0).cos()
}

fn worst(made: &[f32], real: impl Fn(usize) -> f32) -> f32 {
    made.iter()
        .enumerate()
        .map(|(n, s)| (s - real(n)).abs())
        .fold(0.0, f32::max)
}

#[test]
fn a_steady_sound_goes_on_as_if_nothing_were_missing() {
    for rate in [8_000, 24_000, 48_000, 192_000] {
        let mut c = concealer(rate, 1);
        let period = rate as f32 / 160.0;
        let past: Vec<f32> = (0..rate as usize / 2).map(|n| voice(n, period)).collect();
        c.push(&past);
        let gap = rate as usize / 50;
        let mut out = vec![0.0; gap];
        c.extend(&mut out);
        let off = worst(&out, |n| voice(past.len() + n, period));
        assert!(off < 0.05, "{rate}: {off}");

        let mut c = concealer(rate, 1);
        c.push(&past);
        let after: Vec<f32> = (0..gap)
            .map(|n| voice(past.len() + gap + n, period))
            .collect();
        c.bridge(&mut out, &after);
        let off = worst(&out, |n| voice(past.len() + n, period));
        assert!(off < 0.05, "{rate}: {off}");
    }
}

#[test]
fn a_bridge_meets_what_follows_though_the_pitch_has_moved() {
    let mut c = concealer(48_000, 1);
    let past: Vec<f32> = (0..9_600).map(|n| voice(n, 300.0)).collect();
    c.push(&past);
    // The next packet comes in with another phase.
    let after: Vec<f32> = (0..480).map(|n| voice(n + 117, 290.0)).collect();
    let mut out = vec![0.0; 480];
    c.bridge(&mut out, &after);
    let last = *past.last().unwrap();
    assert!((out[0] - last).abs() < 0.04, "{} {last}", out[0]);
    assert!((out[479] - after[0]).abs() < 0.04);
    let steepest = out.windows(2).map(|w| (w[1] - w[0]).abs());
    assert!(steepest.fold(0.0, f32::max) < 0.05);
}

#[test]
fn what_begins_within_the_gap_is_heard_from_its_own_beginning() {
    // Silence, a gap, and a voice at full level.
    let mut c = concealer(48_000, 2);
    let after: Vec<f32> = (0..960).map(|n| voice(n / 2 + 77, 300.0)).collect();
    let mut out = vec![f32::NAN; 960];
    c.bridge(&mut out, &after);
    let power = |part: &[f32]| part.iter().map(|s| s * s).sum::<f32>() / part.len() as f32;
    assert!(power(&out[..192]) < 0.05 * power(&after));
    assert!(power(&out[768..]) > 0.2 * power(&after));
    assert!((out[958] - after[0]).abs() < 0.02 && (out[959] - after[1]).abs() < 0.02);
    // Even where 3 ms of it are all there is.
    c.reset();
    c.bridge(&mut out, &[0.5; 2 * 144]);
    assert!((out[959] - 0.5).abs() < 0.01);
}

#[test]
fn what_ends_within_the_gap_fades() {
    let mut c = concealer(48_000, 1);
    let past: Vec<f32> = (0..9_600).map(|n| voice(n, 300.0)).collect();
    c.push(&past);
    let mut out = vec![f32::NAN; 480];
    c.bridge(&mut out, &[0.0; 480]);
    assert!(out[..48].iter().any(|s| s.abs() > 0.2));
    assert!(out[470..].iter().all(|s| s.abs() < 0.01));
}

#[test]
fn gap_after_gap_nothing_jumps() {
    let rate = SampleRate::HZ_48000;
    let tone = Tone::new(rate, 440, 0.5).unwrap();
    let mut clicks = ClickDetector::new(rate, Channels::MONO, 2.0 * tone.curvature());
    let mut c = concealer(48_000, 1);
    let (mut packet, mut gap) = (vec![0.0; 480], vec![0.0; 960]);
    for n in 0..300u64 {
        tone.write(n * 480, &mut packet, Channels::MONO);
        if n > 10 && n % 3 == 2 {
            // Every second and third packet is missing.
            c.bridge(&mut gap, &packet);
            clicks.push(&gap);
        }
        if n <= 10 || n % 3 == 2 {
            c.push(&packet);
            clicks.push(&packet);
        }
    }
    assert_eq!(clicks.count(), 0);
}

#[test]
fn extension_fades_and_silence_stays_silence() {
    let mut c = concealer(48_000, 2);
    let mut out = vec![f32::NAN; 9_600];
    c.extend(&mut out);
    assert!(out.iter().all(|s| *s == 0.0));
    let past: Vec<f32> = (0..19_200).map(|n| voice(n / 2, 240.0)).collect();
    c.push(&past);
    c.extend(&mut out);
    let power = |range: std::ops::Range<usize>| {
        let part = &out[range];
        part.iter().map(|s| s * s).sum::<f32>() / part.len() as f32
    };
    assert!(power(0..1_920) > 0.05);
    assert!(power(7_680..8_640) < 0.02);
    assert!(out.iter().all(|s| s.abs() < 0.75));
    let mut rest = vec![f32::NAN; 9_600];
    c.extend(&mut rest);
    // Nothing quiet was ever heard, so there is no background.
    assert!(rest[2_000..].iter().all(|s| *s == 0.0));
}

#[test]
fn long_gaps_end_in_the_background_that_was_heard() {
    let mut c = concealer(16_000, 1);
    let mut rng = crate::sim::Pcg32::new(3, 3);
    let noise: Vec<f32> = (0..16_000).map(|_| rng.normal() as f32 * 0.003).collect();
    c.push(&noise);
    let speech: Vec<f32> = (0..8_000).map(|n| voice(n, 80.0)).collect();
    c.push(&speech);
    let mut out = vec![0.0; 16_000];
    c.extend(&mut out);
    let late = &out[4_000..];
    let rms = (late.iter().map(|s| s * s).sum::<f32>() / late.len() as f32).sqrt();
    assert!((0.002..0.004).contains(&rms), "{rms}");
}

#[test]
fn channels_keep_their_phase() {
    let mut c = concealer(48_000, 3);
    let frame = |n: usize| {
        let s = voice(n, 311.0);
        [s, -s, 0.5 * s]
    };
    let past: Vec<f32> = (0..9_600).flat_map(frame).collect();
    c.push(&past);
    let mut out = vec![0.0; 3 * 960];
    c.extend(&mut out[..960]);
    let after: Vec<f32> = (10_560..11_040).flat_map(frame).collect();
    c.bridge(&mut out[960..], &after);
    for f in out.chunks(3) {
        assert!((f[0] + f[1]).abs() < 1e-5 && (f[0] - 2.0 * f[2]).abs() < 1e-5);
    }
}

#[test]
fn no_clicks_where_it_begins_goes_on_and_ends() {
    let rate = SampleRate::HZ_48000;
    for hertz in [100, 440, 997, 3_000] {
        let tone = Tone::new(rate, hertz, 0.5).unwrap();
        let mut clicks = ClickDetector::new(rate, Channels::MONO, 3.0 * tone.curvature() + 0.01);
        let mut c = concealer(48_000, 1);
        let mut packet = vec![0.0; 480];
        for n in 0..200u64 {
            tone.write(n * 480, &mut packet, Channels::MONO);
            match n % 20 {
                // 40 ms are missing, then real sound again.
                12..16 => c.extend(&mut packet),
                16 => c.merge(&mut packet),
                _ => {}
            }
            if !(12..16).contains(&(n % 20)) {
                c.push(&packet);
            }
            clicks.push(&packet);
        }
        assert_eq!(clicks.count(), 0, "{hertz} Hz");
    }
}

#[test]
fn formats_out_of_range_are_refused() {
    let make = |rate, channels| {
        let format = StreamFormat::new(
            SampleRate::new(rate).unwrap(),
            Channels::new(channels).unwrap(),
        );
        Concealer::new(format).is_err()
    };
    assert!(make(7_999, 1) && make(192_001, 1) && make(48_000, 65));
    assert!(!make(8_000, 64));
}

fn nasty() -> impl Strategy<Value = f32> {
    prop_oneof![
        20 => -1.0f32..1.0,
        1 => Just(f32::NAN),
        1 => Just(f32::INFINITY),
        1 => Just(f32::MIN_POSITIVE / 4.0),
        1 => Just(0.0f32),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_calls_in_any_order_give_finite_sound_no_louder_than_the_past(
        channels in 1u16..5,
        calls in prop::collection::vec((0u8..5, 0usize..1_200), 1..40),
        samples in prop::collection::vec(nasty(), 64..512),
    ) {
        let mut c = concealer(8_000, channels);
        let ch = usize::from(channels);
        let mut at = 0;
        let mut next = |frames: usize| -> Vec<f32> {
            at += 7;
            (0..frames * ch).map(|i| samples[(at + i) % samples.len()]).collect()
        };
        for (call, frames) in calls {
            let mut out = vec![f32::NAN; frames * ch];
            match call {
                0 => { c.push(&next(frames)); continue; }
                1 => c.extend(&mut out),
                2 => c.bridge(&mut out, &next(frames / 2)),
                3 => { out = next(frames); c.merge(&mut out); out.truncate(8 * ch); }
                _ => { c.reset(); continue; }
            }
            for s in &out {
                prop_assert!(s.is_finite() && s.abs() < 4.0, "{}", s);
            }
        }
    }
}

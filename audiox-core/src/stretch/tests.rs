use proptest::prelude::*;

use super::*;
use crate::format::SampleRate;
use crate::sim::{ClickDetector, Pcg32, Tone};

const RATES: [u32; 7] = [8_000, 11_025, 16_000, 44_100, 48_000, 96_000, 192_000];
const EFFORTS: [Effort; 3] = [Effort::Gentle, Effort::Normal, Effort::Urgent];

fn format(hz: u32, channels: u16) -> StreamFormat {
    StreamFormat::new(
        SampleRate::new(hz).unwrap(),
        Channels::new(channels).unwrap(),
    )
}

fn tones(format: StreamFormat, hertz: &[u32], amplitude: f32, frames: usize) -> Vec<f32> {
    let mut sum = vec![0.0; frames * format.channels.get()];
    let mut one = sum.clone();
    for &hertz in hertz {
        let tone = Tone::new(format.rate, hertz, amplitude).unwrap();
        tone.write(0, &mut one, format.channels);
        sum.iter_mut().zip(&one).for_each(|(s, x)| *s += x);
    }
    sum
}

fn noise(seed: u64, samples: usize, level: f32) -> Vec<f32> {
    let mut rng = Pcg32::new(seed, 1);
    let mut sample = || rng.next_u32() as f32 / u32::MAX as f32 * 2.0 - 1.0;
    (0..samples).map(|_| level * sample()).collect()
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Shorter,
    Longer,
}

/// Stretches all of `input` by a tenth, window after window, and returns the result with the
/// frames removed or inserted.
fn by_a_tenth(format: StreamFormat, input: &[f32], way: Way, effort: Effort) -> (Vec<f32>, usize) {
    let mut stretcher = TimeStretcher::new(format).unwrap();
    let (ch, w) = (format.channels.get(), stretcher.window());
    let mut buffer = vec![0.0; 2 * w * ch];
    let (mut out, mut moved) = (Vec::new(), 0);
    for (i, window) in input.chunks_exact(w * ch).enumerate() {
        let due = (i + 1) * w / 10;
        let n = match way {
            _ if moved >= due => {
                buffer[..w * ch].copy_from_slice(window);
                w
            }
            Way::Shorter => stretcher.accelerate(window, &mut buffer, w, effort),
            Way::Longer => stretcher.expand(window, &mut buffer, w, effort),
        };
        moved += n.abs_diff(w);
        out.extend_from_slice(&buffer[..n * ch]);
    }
    (out, moved)
}

#[test]
fn tones_and_chords_have_no_clicks() {
    for hz in [8_000, 44_100, 48_000, 192_000] {
        let format = format(hz, 1);
        for hertz in [
            &[50][..],
            &[61],
            &[110],
            &[440],
            &[1_000],
            &[2_637],
            &[3_999],
            &[5_003],
            &[8_000],
            &[220, 277, 330],
            &[131, 165, 196, 247],
            &[65, 1_047, 1_568],
            &[440, 2_000, 3_500],
        ] {
            if hertz.iter().any(|h| h * 2 >= hz) {
                continue;
            }
            let amplitude = 0.9 / hertz.len() as f32;
            let input = tones(format, hertz, amplitude, hz as usize * 2);
            let curvature = |&h: &u32| Tone::new(format.rate, h, amplitude).unwrap().curvature();
            let limit = 1.2 * hertz.iter().map(curvature).sum::<f32>();
            for way in [Way::Shorter, Way::Longer] {
                for effort in EFFORTS {
                    let (out, moved) = by_a_tenth(format, &input, way, effort);
                    let mut clicks = ClickDetector::new(format.rate, format.channels, limit);
                    clicks.push(&out);
                    let what = format!("{hertz:?} at {hz} Hz, {way:?}, {effort:?}");
                    assert_eq!(clicks.clicks(), [], "{what}");
                    if hertz.len() == 1 {
                        assert!(moved > hz as usize / 6, "{what}: {moved}");
                    }
                }
            }
        }
    }
}

/// Frequency by the rising zero crossings, the first and the last interpolated.
fn measured_hertz(x: &[f32], hz: u32) -> f64 {
    let crossings: Vec<f64> = (1..x.len())
        .filter(|&i| x[i - 1] < 0.0 && x[i] >= 0.0)
        .map(|i| i as f64 - f64::from(x[i]) / f64::from(x[i] - x[i - 1]))
        .collect();
    let span = crossings[crossings.len() - 1] - crossings[0];
    (crossings.len() - 1) as f64 / span * f64::from(hz)
}

#[test]
fn the_pitch_stays_within_a_thousandth() {
    for hz in [8_000, 44_100, 48_000] {
        for hertz in [50, 97, 333, 997, 2_500, 3_761, 7_919] {
            if hertz * 2 >= hz {
                continue;
            }
            let input = tones(format(hz, 1), &[hertz], 0.5, hz as usize * 4);
            for way in [Way::Shorter, Way::Longer] {
                for effort in EFFORTS {
                    let (out, _) = by_a_tenth(format(hz, 1), &input, way, effort);
                    let share = out.len() as f64 / input.len() as f64 - 1.0;
                    let error = measured_hertz(&out, hz) / f64::from(hertz) - 1.0;
                    let what = format!("{hertz} Hz at {hz} Hz, {way:?}, {effort:?}");
                    assert!((0.09..0.11).contains(&share.abs()), "{what}: {share}");
                    assert!(error.abs() < 1e-3, "{what}: {error:.6} off");
                }
            }
        }
    }
}

#[test]
fn the_phase_between_channels_is_kept_exactly() {
    let mono = tones(format(48_000, 1), &[311, 466], 0.4, 96_000 + 7);
    // The second is the first 7 frames later at half the level, the third upside down.
    let input: Vec<f32> = (7..mono.len())
        .flat_map(|i| [mono[i], 0.5 * mono[i], -mono[i]])
        .collect();
    for way in [Way::Shorter, Way::Longer] {
        let (out, moved) = by_a_tenth(format(48_000, 3), &input, way, Effort::Normal);
        assert!(moved > 9_000);
        for f in out.chunks_exact(3) {
            assert!(f[1] == 0.5 * f[0] && f[2] == -f[0], "{f:?}");
        }
    }
}

#[test]
fn opposite_channels_are_not_taken_for_silence() {
    let mono = tones(format(48_000, 1), &[200], 0.5, 1_920);
    let input: Vec<f32> = mono.iter().flat_map(|&x| [x, -x]).collect();
    let mut stretcher = TimeStretcher::new(format(48_000, 2)).unwrap();
    let mut out = vec![0.0; 2 * input.len()];
    let n = stretcher.accelerate(&input, &mut out, 1_920, Effort::Gentle);
    assert!(n < 1_920 && (1_920 - n).is_multiple_of(240), "{n}");
}

#[test]
fn silence_goes_and_comes_to_the_frame() {
    for hz in RATES {
        let format = format(hz, 2);
        let mut stretcher = TimeStretcher::new(format).unwrap();
        let w = stretcher.window();
        let most = w - stretcher.quiet_fade;
        let mut out = vec![0.0; 4 * w];
        let loud = noise(1, 2 * w, 0.5);
        for level in [0.0, 1e-40, 1e-4, 2e-3] {
            // What counts as silence depends on what was heard before.
            stretcher.reset();
            stretcher.accelerate(&loud, &mut out, 0, Effort::Gentle);
            let quiet = noise(2, 2 * w, level);
            for limit in [0, 1, 17, w / 3, most, w, usize::MAX] {
                let n = stretcher.accelerate(&quiet, &mut out, limit, Effort::Gentle);
                assert_eq!(w - n, limit.min(most), "{level} at {hz} Hz");
                let n = stretcher.expand(&quiet, &mut out, limit, Effort::Gentle);
                assert_eq!(n - w, limit.min(most), "{level} at {hz} Hz");
                let power: f64 = out[..2 * n].iter().map(|&x| f64::from(x).powi(2)).sum();
                let rms = (power / (2 * n) as f64).sqrt();
                let was = f64::from(level) / 3f64.sqrt();
                assert!((rms - was).abs() <= 0.1 * was, "{rms} from {was}");
            }
        }
        // Alone, the loudest of these is sound, and it never repeats.
        stretcher.reset();
        let n = stretcher.accelerate(&noise(2, 2 * w, 2e-3), &mut out, w, Effort::Gentle);
        assert_eq!(n, w);
    }
}

#[test]
fn noise_is_left_alone_unless_it_is_urgent() {
    let input = noise(3, 48_000 * 2, 0.5);
    for way in [Way::Shorter, Way::Longer] {
        assert_eq!(
            by_a_tenth(format(48_000, 1), &input, way, Effort::Gentle).1,
            0
        );
        assert_eq!(
            by_a_tenth(format(48_000, 1), &input, way, Effort::Normal).1,
            0
        );
        let (out, moved) = by_a_tenth(format(48_000, 1), &input, way, Effort::Urgent);
        assert!(moved > 9_000);
        // No dip where what is unlike was blended: the power of each 5 ms is that of any other.
        for part in out.chunks_exact(240) {
            let power = energy(part) / energy(&input) * (input.len() / 240) as f32;
            assert!((0.6..1.5).contains(&power), "{power}");
        }
    }
}

#[test]
fn an_attack_is_neither_lost_nor_doubled() {
    let format = format(48_000, 1);
    let mut stretcher = TimeStretcher::new(format).unwrap();
    let w = stretcher.window();
    let hum = tones(format, &[100], 0.1, w);
    let burst = noise(4, 144, 0.6);
    let power = energy(&burst);
    let mut out = vec![0.0; 2 * w];
    let mut done = 0;
    for at in (0..w - burst.len()).step_by(48) {
        let mut input = hum.clone();
        input[at..at + burst.len()]
            .iter_mut()
            .zip(&burst)
            .for_each(|(x, b)| *x += b);
        for effort in [Effort::Gentle, Effort::Normal] {
            for way in [Way::Shorter, Way::Longer] {
                let n = match way {
                    Way::Shorter => stretcher.accelerate(&input, &mut out, w, effort),
                    Way::Longer => stretcher.expand(&input, &mut out, w, effort),
                };
                done += usize::from(n != w);
                let high: f32 = out[..n].windows(2).map(|x| (x[1] - x[0]).powi(2)).sum();
                let ratio = high / input.windows(2).map(|x| (x[1] - x[0]).powi(2)).sum::<f32>();
                assert!(
                    (0.95..1.05).contains(&ratio),
                    "{ratio} with {power} at {at}, {way:?}"
                );
            }
        }
    }
    assert!(done > 60, "{done}");
}

#[test]
fn what_was_played_stays_as_it_is() {
    let format = format(48_000, 2);
    let mut stretcher = TimeStretcher::new(format).unwrap();
    let w = stretcher.window();
    let mut out = vec![0.0; 4 * w];
    for (input, quiet) in [
        (tones(format, &[150], 0.5, w), false),
        (vec![0.0; 2 * w], true),
    ] {
        for played in [0, 1, 480, 960, 1_440, 1_700, 1_900, 1_920, usize::MAX] {
            for effort in EFFORTS {
                let n = stretcher.expand_after(&input, played, &mut out, w, effort);
                let kept = 2 * played.min(w);
                assert_eq!(out[..kept], input[..kept]);
                assert_eq!(
                    n > w,
                    w.saturating_sub(played) >= if quiet { 240 } else { 48 + 60 },
                    "{played}, {effort:?}"
                );
                if !quiet && n > w {
                    assert!((n - w).is_multiple_of(320), "{n} after {played}");
                    assert_eq!(out[2 * n - 2..2 * n], input[2 * w - 2..]);
                }
            }
        }
    }
}

#[test]
fn short_input_and_little_room_do_what_they_can() {
    let format = format(48_000, 1);
    let mut stretcher = TimeStretcher::new(format).unwrap();
    let input = tones(format, &[500], 0.5, 2_500);
    let mut out = vec![7.0; 5_000];
    // 12 ms: periods of 2 ms.
    let n = stretcher.accelerate(&input[..576], &mut out, usize::MAX, Effort::Gentle);
    assert!(n < 576 && (576 - n).is_multiple_of(96), "{n}");
    let n = stretcher.expand(&input[..576], &mut out, usize::MAX, Effort::Gentle);
    assert!(n > 576 && (n - 576).is_multiple_of(96), "{n}");
    let n = stretcher.expand(&input[..576], &mut out[..700], usize::MAX, Effort::Gentle);
    assert_eq!(n, 576 + 96);
    // Beyond the window the input is copied.
    let n = stretcher.accelerate(&input, &mut out, usize::MAX, Effort::Gentle);
    assert!((2_500 - 960..2_500).contains(&n), "{n}");
    assert_eq!(out[n - 580..n], input[2_500 - 580..]);
    for frames in [0, 1, 2, 7, 47] {
        for effort in EFFORTS {
            let n = stretcher.accelerate(&input[..frames], &mut out, 9, effort);
            assert_eq!((n, &out[..n]), (frames, &input[..frames]));
            assert_eq!(
                stretcher.expand(&input, &mut out[..frames], 9, effort),
                frames
            );
        }
    }
}

#[test]
fn formats_out_of_range_are_refused() {
    for (hz, channels) in [(7_999, 1), (192_001, 2), (48_000, 65)] {
        let error = TimeStretcher::new(format(hz, channels)).unwrap_err();
        assert!(["rate", "channels"].contains(&error.field));
    }
    for hz in RATES {
        for channels in [1, 2, 64] {
            let stretcher = TimeStretcher::new(format(hz, channels)).unwrap();
            assert_eq!(stretcher.window(), (hz as usize * 40).div_ceil(1_000));
        }
    }
}

fn any_sample() -> impl Strategy<Value = f32> {
    prop_oneof![
        8 => -1f32..1.0,
        2 => Just(0.0f32),
        1 => any::<f32>(),
        1 => prop::sample::select(vec![
            f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN, 1e-40, -1e-40,
        ]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_input_gives_finite_output_and_consistent_counts(
        hz in prop::sample::select(RATES.to_vec()),
        channels in prop::sample::select(vec![1u16, 2, 3, 7]),
        pattern in prop::collection::vec(any_sample(), 1..600),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any_sample()), 0..4),
        calls in prop::collection::vec(
            (0usize..9_000, 0usize..9_000, 0usize..20_000, 0usize..9_000, 0usize..3, any::<bool>()),
            1..6,
        ),
        tone in any::<bool>(),
    ) {
        let format = format(hz, channels);
        let ch = format.channels.get();
        let mut stretcher = TimeStretcher::new(format).unwrap();
        for (frames, limit, room, played, effort, longer) in calls {
            let mut input: Vec<f32> = if tone {
                tones(format, &[230], 0.7, frames)
            } else {
                pattern.iter().copied().cycle().take(frames * ch).collect()
            };
            for (at, x) in &damage {
                if !input.is_empty() {
                    let at = at.index(input.len());
                    input[at] = *x;
                }
            }
            let mut out = vec![f32::NAN; room * ch];
            let effort = EFFORTS[effort];
            let held = frames.min(room);
            let n = if longer {
                let n = stretcher.expand_after(&input, played, &mut out, limit, effort);
                prop_assert!(n >= held && n - held <= limit && n <= 2 * held && n <= room);
                n
            } else {
                let n = stretcher.accelerate(&input, &mut out, limit, effort);
                prop_assert!(n <= held && held - n <= limit);
                n
            };
            let peak = input.iter().filter(|x| x.is_finite()).fold(0f32, |m, x| m.max(x.abs()));
            prop_assert!(out[..n * ch].iter().all(|x| x.abs() <= peak));
        }
    }

    #[test]
    fn only_one_stretch_changes_and_the_rest_is_the_input(
        seed in any::<u64>(),
        hertz in 60u32..3_000,
        level in 0f32..0.5,
        longer in any::<bool>(),
    ) {
        let format = format(48_000, 2);
        let mut stretcher = TimeStretcher::new(format).unwrap();
        let w = stretcher.window();
        let mut input = tones(format, &[hertz], 0.5, w);
        input.iter_mut().zip(noise(seed, 2 * w, level)).for_each(|(x, n)| *x += n);
        let mut out = vec![0.0; 4 * w];
        let n = if longer {
            stretcher.expand(&input, &mut out, w, Effort::Urgent)
        } else {
            stretcher.accelerate(&input, &mut out, w, Effort::Urgent)
        };
        prop_assert_ne!(n, w);
        let same = |(a, b): &(&f32, &f32)| a == b;
        let head = input.iter().zip(&out[..2 * n]).take_while(same).count() / 2;
        let tail = input.iter().rev().zip(out[..2 * n].iter().rev()).take_while(same).count() / 2;
        // Head, tail and the fade between them are all there is.
        prop_assert!(head > 0 && tail > 0);
        prop_assert!(head + tail + w / 4 >= n.min(w), "{} + {} of {}", head, tail, n);
    }
}

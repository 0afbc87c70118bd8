use super::*;
use audiox_core::format::{Channels, SampleRate};

const MONO: StreamFormat = StreamFormat::new(SampleRate::HZ_48000, Channels::MONO);
const STEREO: StreamFormat = StreamFormat::new(SampleRate::HZ_48000, Channels::STEREO);

fn read(signal: &mut Signal, frames: usize) -> Vec<f32> {
    let mut out = vec![f32::NAN; frames * signal.format.channels.get()];
    let n = signal.read(&mut out).unwrap();
    out.truncate(n * signal.format.channels.get());
    out
}

fn rms_db(samples: &[f32]) -> f64 {
    let sum: f64 = samples.iter().map(|&x| f64::from(x).powi(2)).sum();
    10.0 * (sum / samples.len() as f64).log10()
}

#[test]
fn a_tone_is_in_phase_after_a_day() {
    let mut tone = Signal::tone(MONO, 1_000.0, Gain::UNITY).unwrap();
    let start = read(&mut tone, 48);
    assert_eq!(start[0], 0.0);
    assert_eq!(start[12], 1.0);
    // 1 kHz repeats every 48 frames, on any day.
    tone.seek(86_400 * 48_000).unwrap();
    for (a, b) in start.iter().zip(read(&mut tone, 48)) {
        assert!((a - b).abs() < 1e-7, "{a} {b}");
    }
    // A frequency with no short period, against exact arithmetic: 997 Hz after ten hours.
    let n = 36_000 * 48_000 + 17;
    let mut tone = Signal::tone(MONO, 997.0, Gain::UNITY).unwrap();
    tone.seek(n).unwrap();
    let cycles = (n * 997 % 48_000) as f64 / 48_000.0;
    let expected = (cycles * TAU).sin() as f32;
    assert!((read(&mut tone, 1)[0] - expected).abs() < 1e-7);
}

#[test]
fn levels_are_peaks_and_channels_have_their_own_tones() {
    let level = Gain::from_db(-6.0206).unwrap();
    let mut tones = Signal::tones(STEREO, &[1_000.0, 2_000.0], level).unwrap();
    let out = read(&mut tones, 48);
    assert!((out[2 * 12] - 0.5).abs() < 1e-5);
    assert!((out[2 * 6 + 1] - 0.5).abs() < 1e-5);
    assert_eq!(out[2 * 12 + 1].abs().max(1e-6), 1e-6);
}

#[test]
fn a_sweep_passes_both_frequencies_and_ends() {
    let mut sweep = Signal::sweep(MONO, 20.0, 20_000.0, 480_000, Gain::UNITY).unwrap();
    assert_eq!(sweep.frames_left(), Some(480_000));
    let out = read(&mut sweep, 500_000);
    assert_eq!(out.len(), 480_000);
    assert_eq!(read(&mut sweep, 1).len(), 0);
    let rising = |part: &[f32]| {
        part.windows(2)
            .filter(|w| w[0] < 0.0 && w[1] >= 0.0)
            .count()
    };
    // Half-way it is at the geometric mean, 632 Hz; at the ends near 20 Hz and 20 kHz.
    assert_eq!(rising(&out[..2_400]), 1);
    let middle = rising(&out[240_000 - 4_800..240_000 + 4_800]);
    assert!((125..=128).contains(&middle), "{middle}");
    let end = rising(&out[480_000 - 480..]);
    assert!((198..=200).contains(&end), "{end}");
    let flat = Signal::sweep(MONO, 1_000.0, 1_000.0, 96, Gain::UNITY).unwrap();
    let mut tone = Signal::tone(MONO, 1_000.0, Gain::UNITY).unwrap();
    for (a, b) in read(&mut flat.clone(), 96).iter().zip(read(&mut tone, 96)) {
        assert!((a - b).abs() < 1e-6);
    }
}

#[test]
fn noise_is_seeded_seekable_and_of_its_level() {
    for (colour, rms) in [(Colour::White, -4.77), (Colour::Pink, -16.8)] {
        let make = |seed| Signal::noise(STEREO, colour, seed, Gain::UNITY).unwrap();
        let out = read(&mut make(7), 96_000);
        assert_eq!(out, read(&mut make(7), 96_000));
        assert_ne!(out, read(&mut make(8), 96_000));
        assert!(out.iter().all(|x| (-1.0..1.0).contains(x)));
        assert!((rms_db(&out) - rms).abs() < 1.0, "{}", rms_db(&out));
        assert!(out.chunks(2).filter(|f| f[0] == f[1]).count() < 10);
        let mut later = make(7);
        later.seek(95_990).unwrap();
        assert_eq!(read(&mut later, 10), out[95_990 * 2..]);
    }
}

#[test]
fn pink_noise_falls_by_three_decibels_an_octave() {
    let mut pink = Signal::noise(MONO, Colour::Pink, 1, Gain::UNITY).unwrap();
    let out = read(&mut pink, 1 << 18);
    // Power of differences between means over adjacent stretches: an octave band each (Haar).
    let band = |half: usize| {
        let mean = |s: &[f32]| s.iter().sum::<f32>() / half as f32;
        let parts: Vec<f32> = out
            .chunks_exact(2 * half)
            .map(|s| mean(&s[..half]) - mean(&s[half..]))
            .collect();
        rms_db(&parts)
    };
    for half in [4, 16, 64] {
        let fall = band(half) - band(half * 2);
        assert!(fall.abs() < 1.0, "{half}: {fall}");
    }
}

#[test]
fn impulses_and_silence_are_where_they_should_be() {
    let mut train = Signal::impulses(STEREO, 10, Gain::UNITY)
        .unwrap()
        .with_length(25);
    let out = read(&mut train, 100);
    let at: Vec<_> = (0..25).filter(|n| out[2 * n] == 1.0).collect();
    assert_eq!(at, [0, 10, 20]);
    assert_eq!(out.iter().sum::<f32>(), 6.0);
    assert_eq!(train.frames_left(), Some(0));
    let mut silence = Signal::silence(MONO);
    assert_eq!(silence.frames_left(), None);
    assert_eq!(read(&mut silence, 3), [0.0; 3]);
    assert!(silence.native().is_none() && silence.read_native(&mut []).is_err());
}

#[test]
fn impossible_parameters_name_what_is_allowed() {
    let loud = Gain::from_db(1.0).unwrap();
    for (error, wanted) in [
        (Signal::tone(MONO, 24_000.0, Gain::UNITY), "half the rate"),
        (Signal::tone(MONO, 0.0, Gain::UNITY), "above 0"),
        (Signal::tone(MONO, f64::NAN, Gain::UNITY), "NaN Hz"),
        (Signal::tone(MONO, 440.0, loud), "at most 0 dBFS"),
        (Signal::tones(STEREO, &[1.0; 3], Gain::UNITY), "each of 2"),
        (Signal::sweep(MONO, 1.0, 2.0, 0, Gain::UNITY), "at least"),
        (Signal::impulses(MONO, 0, Gain::UNITY), "at least one"),
    ] {
        let text = error.unwrap_err().to_string();
        assert!(text.contains(wanted), "{text}");
    }
}

use super::*;
use crate::sim::{Pcg32, Tone};

const RATES: [u32; 8] = [
    8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000, 192_000,
];

fn tone(rate: SampleRate, hertz: u32, frames: usize) -> Vec<f32> {
    let mut x = vec![0.0; frames];
    Tone::new(rate, hertz, 1.0)
        .unwrap()
        .write(0, &mut x, Channels::MONO);
    x
}

fn noise(seed: u64, frames: usize) -> Vec<f32> {
    let mut rng = Pcg32::new(seed, 1);
    let mut sample = || rng.next_u32() as f32 / u32::MAX as f32 * 2.0 - 1.0;
    (0..frames).map(|_| sample()).collect()
}

#[test]
fn a_hidden_stretch_of_noise_is_found_to_the_frame_at_any_rate() {
    for hz in RATES {
        let rate = SampleRate::new(hz).unwrap();
        let signal = noise(u64::from(hz), (hz / 25) as usize);
        let n = (hz / 100) as usize;
        let mut search = PitchSearch::new(rate, signal.len());
        for at in [0, 1, n / 3, n, 2 * n + 7, 3 * n - 1, signal.len() - n] {
            let template = signal[at..at + n].to_vec();
            let found = search.find(&template, &signal, 0..=usize::MAX).unwrap();
            assert_eq!(found.offset, at, "at {hz} Hz");
            assert!(found.similarity > 0.999_99, "{found:?}");
        }
    }
}

#[test]
fn the_period_of_a_tone_is_found_low_or_high() {
    for hz in RATES {
        let rate = SampleRate::new(hz).unwrap();
        for hertz in [50, 97, 440, 1_234, 3_000, 7_900] {
            if hertz * 2 >= hz {
                continue;
            }
            let history = tone(rate, hertz, (hz / 20) as usize);
            let (h, n) = (history.len(), (hz / 125) as usize);
            let mut search = PitchSearch::new(rate, h);
            let lags = (hz / 400) as usize..=(hz / 45) as usize;
            let offsets = h - n - lags.end()..=h - n - lags.start();
            let found = search.find(&history[h - n..], &history, offsets).unwrap();
            let lag = h - n - found.offset;
            assert!(lags.contains(&lag), "{lag}");
            // Half a frame beside a whole number of periods is all that can be asked for.
            let periods = lag as f64 * f64::from(hertz) / f64::from(hz);
            let off = (periods - periods.round()).abs() * f64::from(hz) / f64::from(hertz);
            assert!(
                off <= 0.51,
                "{hertz} Hz at {hz} Hz: lag {lag}, {off} frames off"
            );
        }
    }
}

#[test]
fn similarity_tells_equal_from_opposed_unrelated_and_louder() {
    let (a, b) = (noise(1, 4_801), noise(2, 4_801));
    let scaled = |k: f32| a.iter().map(|x| x * k).collect::<Vec<_>>();
    assert!((similarity(&a, &a) - 1.0).abs() < 1e-6);
    assert!((similarity(&a, &scaled(-1.0)) + 1.0).abs() < 1e-6);
    assert!(similarity(&a, &b).abs() < 0.05);
    assert!((similarity(&a, &scaled(0.5)) - 0.8).abs() < 1e-6);
    assert_eq!(similarity(&a, &[0.0; 4_801]), 0.0);
    assert_eq!(similarity(&[0.0; 9], &[0.0; 9]), 0.0);
    assert_eq!(similarity(&[f32::NAN; 9], &[1.0; 9]), 0.0);
    assert_eq!(similarity(&[f32::MAX; 9], &[f32::MAX; 9]), 0.0);
}

#[test]
fn what_cannot_be_searched_finds_nothing() {
    let x = noise(1, 960);
    let mut search = PitchSearch::new(SampleRate::HZ_48000, x.len());
    let silence = [0.0; 960];
    assert_eq!(search.find(&x, &x[1..], 0..=9), None);
    assert_eq!(search.find(&[], &x, 0..=9), None);
    assert_eq!(search.find(&x[..480], &x, 481..=900), None);
    assert_eq!(search.find(&silence[..480], &x, 0..=480), None);
    assert_eq!(search.find(&x[..480], &silence, 0..=480), None);
    assert_eq!(search.find(&[f32::NAN; 480], &x, 0..=480), None);
    assert_eq!(
        search.find(&x[..480], &[x.clone(), x.clone()].concat(), 0..=480),
        None
    );
    #[expect(clippy::reversed_empty_ranges, reason = "a caller may compute one")]
    let empty = 9..=8;
    assert_eq!(search.find(&x[..480], &x, empty), None);
    // A template too short to decimate is compared at the full rate.
    assert_eq!(search.find(&x[7..10], &x, 0..=480).unwrap().offset, 7);
}

#[test]
fn the_mix_is_scaled_to_one_and_leaves_out_what_is_not_finite() {
    let mut mono = [9.0; 4];
    let stereo = [0.5, 0.25, f32::NAN, -0.5, f32::INFINITY, 0.125];
    let peak = 0.25 + 0.25 * 0.375;
    assert_eq!(mix_to_mono(&stereo, Channels::STEREO, &mut mono), peak);
    assert_eq!(mono, [1.0, -0.1875 / peak, 0.046875 / peak, 9.0]);
    let huge = [f32::MAX; 192];
    let many = Channels::new(64).unwrap();
    assert!(mix_to_mono(&huge, many, &mut mono[..3]).is_finite());
    assert!(mono[..3].iter().all(|x| (x - 1.0).abs() < 1e-5));
    assert_eq!(mix_to_mono(&[1e-40; 4], Channels::MONO, &mut mono), 0.0);
    assert_eq!(mono, [0.0; 4]);
    assert_eq!(mix_to_mono(&[0.25, -1.0], Channels::MONO, &mut mono), 1.0);
    assert_eq!(mono, [0.25, -1.0, 0.0, 0.0]);
}

#[test]
fn the_highest_peaks_come_first() {
    assert_eq!(
        peaks(&[0.1, 0.5, 0.2, 0.9, 0.8, 0.85]),
        [Some(3), Some(5), Some(1)]
    );
    assert_eq!(peaks(&[1.0, 0.5]), [Some(0), None, None]);
    assert_eq!(peaks(&[0.5; 4]), [Some(0), None, None]);
}

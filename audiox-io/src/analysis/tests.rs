use audiox_core::convert::Gain;
use audiox_core::format::{Channels, SampleRate};

use super::*;
use crate::{Signal, Take};

const STEREO: StreamFormat = StreamFormat::new(SampleRate::HZ_48000, Channels::STEREO);
const MONO: StreamFormat = StreamFormat::new(SampleRate::HZ_16000, Channels::MONO);

fn analyse(format: StreamFormat, samples: &[f32]) -> Analysis {
    let mut analyser = Analyser::new(format, SampleFormat::S16);
    for block in samples.chunks(997 * format.channels.get()) {
        analyser.push(AudioRef::new(block, format.channels));
    }
    analyser.finish()
}

#[test]
fn levels_and_offsets_are_those_of_each_channel() {
    let samples: Vec<f32> = (0..48_000)
        .flat_map(|i| {
            let sine = (f64::from(i) * std::f64::consts::TAU / 480.0).sin() as f32;
            [0.5 * sine, 0.125 * sine - 0.25]
        })
        .collect();
    let a = analyse(STEREO, &samples);
    assert_eq!((a.frames, a.duration()), (48_000, Duration::from_secs(1)));
    assert!((a.levels[0].peak - 0.5).abs() < 1e-4 && (a.levels[1].peak - 0.375).abs() < 1e-4);
    assert!((a.levels[0].rms_db() + 9.03).abs() < 0.01);
    assert!(a.dc_offset[0].abs() < 1e-6 && (a.dc_offset[1] + 0.25).abs() < 1e-6);
    assert_eq!((a.clipped_samples, a.silences.len()), (0, 0));
    assert_eq!(a.envelope.frames(), 48_000);
    assert!((a.level().peak - 0.5).abs() < 1e-4);
}

#[test]
fn loudness_is_that_of_the_standard() {
    // EBU Tech 3341, case 1: a sine of 1 kHz at −23 dBFS in both channels is at −23 LUFS.
    let tone = Signal::tone(STEREO, 1_000.0, Gain::from_db(-23.0).unwrap()).unwrap();
    let mut analyser = Analyser::new(STEREO, SampleFormat::S16);
    let mut source = Take::new(Box::new(tone), 48_000 * 20);
    let said = scan(&mut source, |block| {
        analyser.push(block);
        ControlFlow::Continue(())
    });
    assert_eq!(said.unwrap(), None);
    let loudness = analyser.finish().loudness.unwrap();
    assert!((loudness + 23.0).abs() < 0.1, "{loudness}");
    assert_eq!(analyse(STEREO, &[0.0; 96_000]).loudness, None);
    assert_eq!(analyse(STEREO, &[]).loudness, None);
}

#[test]
fn clipping_is_what_stays_at_full_scale() {
    let mut samples = vec![0.1f32; 4_000];
    samples[100..105].fill(32_767.0 / 32_768.0);
    samples[2_000..2_003].fill(-1.0);
    // Two in a row are a peak.
    samples[3_000..3_002].fill(1.0);
    // Across blocks and glances.
    samples[510..516].fill(1.0);
    let a = analyse(MONO, &samples);
    assert_eq!((a.clipped_samples, a.clipped_stretches), (5 + 3 + 6, 3));
}

#[test]
fn silence_is_found_to_the_hundredth_of_a_second() {
    let mut samples = vec![0.0f32; 16_000 * 4];
    samples[16_000..32_000].fill(0.1);
    // Too short a pause.
    samples[20_000..21_600].fill(0.0);
    let a = analyse(MONO, &samples);
    assert_eq!(a.silences, [0..16_000, 32_000..64_000]);
    assert_eq!(a.silent_share, 0.75);
    let a = analyse(MONO, &[0.0; 5_000]);
    assert_eq!((a.silences.len(), a.silent_share), (1, 1.0));
    assert_eq!(a.silences[0], 0..5_000);
}

#[test]
fn spectrograms_show_tones_where_they_are_and_stay_small() {
    let mut spectrogram = Spectrogram::new(MONO);
    let frames = 16_000 * 200;
    let samples: Vec<f32> = (0..frames)
        .map(|i| {
            let hz = if i < frames / 2 { 500.0 } else { 3_000.0 };
            (f64::from(i) * std::f64::consts::TAU * hz / 16_000.0).sin() as f32
        })
        .collect();
    for block in samples.chunks(777) {
        spectrogram.push(AudioRef::new(block, Channels::MONO));
    }
    let columns: Vec<_> = spectrogram.columns().collect();
    assert!((513..=1_024).contains(&columns.len()), "{}", columns.len());
    let covered = columns.len() as u64 * spectrogram.column_frames();
    assert!(covered.abs_diff(frames as u64) <= 2 * spectrogram.column_frames());
    for (at, hz) in [(columns.len() / 4, 500.0), (columns.len() * 3 / 4, 3_000.0)] {
        let column = &columns[at];
        let loudest = (0..column.len()).max_by_key(|b| column[*b]).unwrap();
        let (low, high) = (
            spectrogram.edge_hz(loudest),
            spectrogram.edge_hz(loudest + 1),
        );
        assert!(
            low - 16.0 <= hz && hz <= high + 16.0,
            "{hz}: {low} to {high}"
        );
        assert!(column[loudest] > 240, "{}", column[loudest]);
        assert_eq!(
            column.iter().filter(|l| **l > 200).count().min(4),
            column.iter().filter(|l| **l > 200).count()
        );
    }
    assert_eq!(Spectrogram::new(STEREO).columns().count(), 0);
}

//! Signals, and how close what came out is to what went in.
#![allow(dead_code, reason = "each test binary takes what it needs")]

use audiox_core::block::AudioRef;
use audiox_core::codec::{Decoder, Encoder};
use audiox_core::format::{Channels, SampleRate, StreamFormat};
use audiox_core::source::Source;
use audiox_io::WavSource;

pub(crate) fn format(rate: u32, channels: u16) -> StreamFormat {
    StreamFormat::new(
        SampleRate::new(rate).unwrap(),
        Channels::new(channels).unwrap(),
    )
}

/// Frames of 2.5, 5, 10, 20, 40, 60, 80, 100 and 120 ms.
pub(crate) fn all_ptimes(rate: u32) -> [usize; 9] {
    [25, 50, 100, 200, 400, 600, 800, 1_000, 1_200].map(|t| rate as usize * t / 10_000)
}

/// A buzz with a pitch that glides and formants, as a voice has; below 3.4 kHz.
pub(crate) fn voice(rate: u32, frames: usize) -> Vec<f32> {
    let mut phase = 0.0f64;
    (0..frames)
        .map(|n| {
            let t = n as f64 / f64::from(rate);
            let pitch = 120.0 + 30.0 * (t * 3.0).sin();
            phase += pitch / f64::from(rate);
            let mut x = 0.0;
            for k in 1..=24 {
                let hz = pitch * f64::from(k);
                if hz > 3_300.0 {
                    break;
                }
                let near = |f: f64, w: f64| (-((hz - f) / w).powi(2)).exp();
                let level = near(500.0, 300.0) + 0.5 * near(1_500.0, 300.0) + 0.02;
                x += level * (std::f64::consts::TAU * phase * f64::from(k)).sin();
            }
            (x * 0.12) as f32
        })
        .collect()
}

/// Recorded speech, mono at 24 kHz.
pub(crate) fn speech() -> Vec<f32> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../assets/speech.wav");
    let mut source = WavSource::open(path).unwrap();
    assert_eq!(source.format(), format(24_000, 1));
    let mut all = vec![0.0; 24_000 * 20];
    let frames = source.read(&mut all).unwrap();
    all.truncate(frames);
    all
}

/// One sine for each channel, each of another frequency; those of `low` channels, below 100 Hz.
pub(crate) fn tones(format: StreamFormat, frames: usize, low: Option<usize>) -> Vec<f32> {
    let ch = format.channels.get();
    let all: Vec<_> = (0..ch)
        .map(|c| tone(format.rate.get(), frames, hertz(c, low)))
        .collect();
    (0..frames * ch).map(|i| all[i % ch][i / ch]).collect()
}

pub(crate) fn tone(rate: u32, frames: usize, hertz: f64) -> Vec<f32> {
    let step = std::f64::consts::TAU * hertz / f64::from(rate);
    (0..frames)
        .map(|n| (0.3 * (n as f64 * step).sin()) as f32)
        .collect()
}

pub(crate) fn hertz(channel: usize, low: Option<usize>) -> f64 {
    if low == Some(channel) {
        60.0
    } else {
        300.0 + 37.0 * channel as f64
    }
}

/// How much of `signal` is the sine of this frequency, in dB of its power.
pub(crate) fn share_db(signal: &[f32], rate: u32, hertz: f64) -> f64 {
    let step = std::f64::consts::TAU * hertz / f64::from(rate);
    let (mut s, mut c, mut power) = (0.0, 0.0, 0.0);
    for (n, x) in signal.iter().enumerate() {
        // A Hann window, so that other frequencies stay where they are.
        let w = 0.5 - 0.5 * (std::f64::consts::TAU * n as f64 / signal.len() as f64).cos();
        let x = f64::from(*x) * w;
        s += x * (n as f64 * step).sin();
        c += x * (n as f64 * step).cos();
        power += x * x;
    }
    // Of the sine alone the first is a third of the second, for each of the samples.
    let share = (s * s + c * c) * 3.0 / (power * signal.len() as f64).max(1e-30);
    10.0 * share.max(1e-30).log10()
}

/// Every payload of `samples`, a last short block left out.
pub(crate) fn payloads(encoder: &mut dyn Encoder, samples: &[f32]) -> Vec<Vec<u8>> {
    let (channels, frames) = (encoder.format().channels, encoder.frames_per_packet());
    let mut payload = vec![0; encoder.max_payload_len()];
    samples
        .chunks_exact(frames * channels.get())
        .map(|block| {
            let n = encoder
                .encode(AudioRef::new(block, channels), &mut payload)
                .unwrap();
            payload[..n].to_vec()
        })
        .collect()
}

/// All of them decoded, one after the other.
pub(crate) fn decoded(decoder: &mut dyn Decoder, payloads: &[Vec<u8>]) -> Vec<f32> {
    let channels = decoder.format().channels.get();
    let mut out = vec![0.0; decoder.max_frames() * channels];
    let mut all = Vec::new();
    for payload in payloads {
        let n = decoder.decode(payload, &mut out).unwrap();
        all.extend_from_slice(&out[..n * channels]);
    }
    all
}

/// One channel of interleaved samples.
pub(crate) fn channel(samples: &[f32], channels: usize, which: usize) -> Vec<f32> {
    samples
        .iter()
        .skip(which)
        .step_by(channels)
        .copied()
        .collect()
}

/// Power of `original` over that of the difference, in dB; `heard` may be louder or softer.
pub(crate) fn snr_db(original: &[f32], heard: &[f32]) -> f64 {
    let n = original.len().min(heard.len());
    let dot = |a: &[f32], b: &[f32]| {
        a[..n]
            .iter()
            .zip(&b[..n])
            .map(|(x, y)| f64::from(*x) * f64::from(*y))
            .sum::<f64>()
    };
    let (xx, yy, xy) = (
        dot(original, original),
        dot(heard, heard),
        dot(original, heard),
    );
    let explained = xy * xy / (xx * yy).max(1e-30);
    10.0 * (explained / (1.0 - explained).max(1e-12)).log10()
}

/// The delay of `heard` that fits best, at most eight frames from `expected`, and the SNR there.
pub(crate) fn delay(original: &[f32], heard: &[f32], expected: usize) -> (usize, f64) {
    (expected.saturating_sub(8)..=expected + 8)
        .map(|lag| (lag, snr_db(original, &heard[lag..])))
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .unwrap()
}

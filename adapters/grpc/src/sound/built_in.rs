//! Sounds that need no file, made from sines and noise.

use std::f64::consts::TAU;

use audiox_core::format::{Channels, PcmFormat, SampleRate, StreamFormat};
use audiox_core::source::{Source, SourceClock, SourceError};

/// Names of the built-in sounds; by default that of mode 0 comes first.
pub const BUILT_IN: [&str; 6] = ["wake", "bells", "marimba", "surf", "organ", "musicbox"];

/// A built-in sound: 3.61 s at 48 kHz, mono.
#[derive(Debug, Clone)]
pub struct BuiltIn {
    samples: Vec<f32>,
    position: usize,
}

impl BuiltIn {
    /// The sound of this name, one of [`BUILT_IN`].
    pub fn open(name: &str) -> Option<Self> {
        let number = BUILT_IN.iter().position(|n| *n == name)?;
        let mut samples = vec![0.0; FRAMES];
        match number {
            3 => surf(&mut samples),
            n => {
                let (voice, notes) = SCORES[if n > 3 { n - 1 } else { n }];
                for &(start, note, gain) in notes {
                    voice.play(&mut samples, start, note, gain);
                }
            }
        }
        level(&mut samples);
        Some(Self {
            samples,
            position: 0,
        })
    }
}

impl Source for BuiltIn {
    fn format(&self) -> StreamFormat {
        StreamFormat::new(SampleRate::HZ_48000, Channels::MONO)
    }

    fn clock(&self) -> SourceClock {
        SourceClock::None
    }

    fn frames_left(&self) -> Option<u64> {
        Some((self.samples.len() - self.position) as u64)
    }

    fn read(&mut self, out: &mut [f32]) -> Result<usize, SourceError> {
        let left = &self.samples[self.position..];
        let n = left.len().min(out.len());
        out[..n].copy_from_slice(&left[..n]);
        self.position += n;
        Ok(n)
    }

    fn native(&self) -> Option<PcmFormat> {
        None
    }

    fn read_native(&mut self, _out: &mut [u8]) -> Result<usize, SourceError> {
        Err(SourceError::Unsupported("it is made as it is read".into()))
    }

    fn seek(&mut self, frame: u64) -> Result<(), SourceError> {
        self.position =
            usize::try_from(frame).map_or(self.samples.len(), |f| f.min(self.samples.len()));
        Ok(())
    }
}

/// What an instrument sounds like: partials by frequency and strength, and how each dies away.
#[derive(Debug, Clone, Copy)]
struct Voice {
    partials: &'static [(f64, f64)],
    /// Seconds to a third, of the lowest partial; higher ones are shorter. None holds the note.
    decay: Option<f64>,
    attack: f64,
}

impl Voice {
    /// Adds a note (60 is middle C) that begins at `start` seconds.
    fn play(&self, out: &mut [f32], start: f64, note: f64, gain: f64) {
        let pitch = 440.0 * ((note - 69.0) / 12.0).exp2();
        let from = ((start * RATE) as usize).min(out.len());
        for (n, sample) in out[from..].iter_mut().enumerate() {
            let t = n as f64 / RATE;
            let rise = (t / self.attack).min(1.0);
            let sum: f64 = self
                .partials
                .iter()
                .map(|&(ratio, strength)| {
                    let fall = match self.decay {
                        Some(decay) => (-t * ratio.sqrt() / decay).exp(),
                        None => (1.0 - t / HELD).max(0.0),
                    };
                    strength * fall * (TAU * pitch * ratio * t).sin()
                })
                .sum();
            *sample += (rise * gain * sum) as f32;
        }
    }
}

/// Noise in waves, darker as they fall.
fn surf(out: &mut [f32]) {
    let mut state = 1u64;
    let mut low = 0.0;
    for (n, sample) in out.iter_mut().enumerate() {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let noise = (state >> 40) as f64 / f64::from(1u32 << 23) - 1.0;
        let t = n as f64 / RATE;
        let wave = (TAU * t / 1.8 - 1.57).sin() * 0.5 + 0.5;
        low += (0.02 + 0.12 * wave) * (noise - low);
        *sample = (low * wave) as f32;
    }
}

/// Brings the peak to −6 dB and the ends to silence.
fn level(samples: &mut [f32]) {
    let peak = samples.iter().fold(1e-9f32, |p, s| p.max(s.abs()));
    let length = samples.len();
    for (n, sample) in samples.iter_mut().enumerate() {
        let end = ((length - n) as f32 / FADE).min(1.0);
        *sample *= 0.5 / peak * end;
    }
}

type Note = (f64, f64, f64);

const SCORES: [(Voice, &[Note]); 5] = [
    (
        GLASS,
        &[
            (0.0, 60.0, 0.6),
            (0.35, 64.0, 0.6),
            (0.7, 67.0, 0.7),
            (1.05, 72.0, 0.8),
            (1.4, 76.0, 1.0),
            (1.75, 72.0, 0.5),
            (2.1, 79.0, 0.8),
        ],
    ),
    (
        BELL,
        &[
            (0.0, 76.0, 1.0),
            (0.6, 72.0, 0.9),
            (1.2, 74.0, 0.9),
            (1.8, 67.0, 1.0),
        ],
    ),
    (
        WOOD,
        &[
            (0.0, 60.0, 1.0),
            (0.25, 67.0, 0.8),
            (0.5, 64.0, 0.9),
            (0.75, 72.0, 0.8),
            (1.0, 62.0, 1.0),
            (1.25, 69.0, 0.8),
            (1.5, 65.0, 0.9),
            (1.75, 74.0, 0.8),
            (2.0, 60.0, 1.0),
            (2.25, 67.0, 0.8),
            (2.5, 64.0, 0.9),
            (2.75, 72.0, 1.0),
        ],
    ),
    (
        PIPE,
        &[
            (0.0, 48.0, 0.7),
            (0.0, 60.0, 0.5),
            (0.5, 64.0, 0.4),
            (1.0, 67.0, 0.4),
            (1.5, 71.0, 0.4),
            (2.0, 74.0, 0.3),
        ],
    ),
    (
        COMB,
        &[
            (0.0, 84.0, 1.0),
            (0.3, 83.0, 0.8),
            (0.6, 79.0, 0.8),
            (0.9, 76.0, 0.8),
            (1.2, 77.0, 1.0),
            (1.5, 81.0, 0.8),
            (1.8, 79.0, 0.8),
            (2.1, 72.0, 0.9),
            (2.4, 76.0, 1.0),
        ],
    ),
];

const GLASS: Voice = Voice {
    partials: &[(1.0, 1.0), (2.0, 0.4), (3.0, 0.15)],
    decay: Some(0.7),
    attack: 0.02,
};
/// Partials of a church bell: hum, prime, tierce, quint, nominal.
const BELL: Voice = Voice {
    partials: &[
        (0.5, 0.6),
        (1.0, 1.0),
        (1.2, 0.7),
        (1.5, 0.4),
        (2.0, 0.8),
        (2.7, 0.3),
    ],
    decay: Some(0.9),
    attack: 0.003,
};
const WOOD: Voice = Voice {
    partials: &[(1.0, 1.0), (4.0, 0.35), (9.2, 0.1)],
    decay: Some(0.28),
    attack: 0.004,
};
const PIPE: Voice = Voice {
    partials: &[(1.0, 1.0), (2.0, 0.6), (3.0, 0.3), (4.0, 0.25), (6.0, 0.1)],
    decay: None,
    attack: 0.08,
};
const COMB: Voice = Voice {
    partials: &[(1.0, 1.0), (2.0, 0.3), (5.4, 0.12)],
    decay: Some(0.5),
    attack: 0.002,
};

const RATE: f64 = 48_000.0;
/// Ends inside a packet, so that what an encoder holds back needs none more.
const FRAMES: usize = 173_280;
const HELD: f64 = 3.61;
/// Frames.
const FADE: f32 = 4_800.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_longer_than_three_seconds_and_like_no_other() {
        let sounds = BUILT_IN.map(|name| BuiltIn::open(name).unwrap());
        for (n, sound) in sounds.iter().enumerate() {
            assert!(sound.frames_left().unwrap() >= 3 * 48_000);
            let peak = sound.samples.iter().fold(0.0f32, |p, s| p.max(s.abs()));
            assert!((0.3..=0.5001).contains(&peak), "{}: {peak}", BUILT_IN[n]);
            let silent = sound
                .samples
                .chunks(24_000)
                .filter(|c| c.iter().all(|s| s.abs() < 0.002));
            assert_eq!(silent.count(), 0, "{}", BUILT_IN[n]);
            assert!(
                sounds[..n]
                    .iter()
                    .all(|other| other.samples != sound.samples)
            );
        }
        assert!(BuiltIn::open("nothing").is_none());
    }
}

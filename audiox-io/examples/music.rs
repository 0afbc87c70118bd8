//! Plays four bars of music into a WAV file: `music OUT.wav`.
//!
//! Plucked strings, a bass and drums, 10.5 s, computed from the score and one seed, so that each
//! run gives the same sound. Without an argument it writes into a temporary folder.
#![allow(clippy::print_stdout, reason = "a program's output")]

use std::env;
use std::error::Error;
use std::f32::consts::{FRAC_PI_2, TAU};
use std::path::PathBuf;

use audiox_core::block::AudioRef;
use audiox_core::format::{Channels, SampleFormat, SampleRate, StreamFormat};
use audiox_core::source::Sink;
use audiox_io::WavSink;

fn main() -> Result<(), Box<dyn Error>> {
    let temporary = tempfile::tempdir()?;
    let path = match env::args_os().nth(1) {
        Some(path) => PathBuf::from(path),
        None => temporary.path().join("music.wav"),
    };
    let samples = render();
    let mut file = WavSink::create(&path, FORMAT, SampleFormat::S16)?;
    file.write(AudioRef::new(&samples, FORMAT.channels))?;
    let seconds = FORMAT.rate.duration_of(file.frames()).as_secs_f64();
    file.finish()?;
    println!("{}: {seconds:.1} s of music", path.display());
    Ok(())
}

/// Four bars for plucked strings, bass and drums: interleaved stereo.
pub(crate) fn render() -> Vec<f32> {
    let seconds = BARS as f32 * 4.0 * BEAT + TAIL;
    let mut mix = Mix::new(seconds);
    for (bar, (bass, chord)) in CHORDS.into_iter().enumerate() {
        let at = |beat: f32| (bar as f32 * 4.0 + beat) * BEAT;
        for (i, note) in ARPEGGIO.into_iter().enumerate() {
            let pan = 0.2 + 0.2 * note as f32;
            mix.pluck(at(i as f32 / 2.0), chord[note], 0.4, pan);
        }
        for (beat, octave) in [(0.0, 0), (1.5, 12), (2.0, 0), (3.5, 7)] {
            mix.pluck(at(beat), bass - 12 + octave, 0.6, 0.5);
        }
        for beat in 0..4 {
            match beat % 2 {
                0 => mix.kick(at(beat as f32)),
                _ => mix.snare(at(beat as f32)),
            }
            mix.hat(at(beat as f32), 0.05);
            mix.hat(at(beat as f32 + 0.5), 0.09);
        }
    }
    mix.finish()
}

struct Mix {
    samples: Vec<f32>,
    noise: Noise,
}

impl Mix {
    fn new(seconds: f32) -> Self {
        let frames = (seconds * RATE as f32) as usize;
        Self {
            samples: vec![0.0; 2 * frames],
            noise: Noise(1),
        }
    }

    /// Adds a voice from `at` seconds on until it returns `None`; `pan` 0 is left, 1 right.
    fn add(&mut self, at: f32, pan: f32, mut voice: impl FnMut(f32) -> Option<f32>) {
        let (right, left) = (pan * FRAC_PI_2).sin_cos();
        let start = (at * RATE as f32) as usize;
        for (n, frame) in self.samples.chunks_exact_mut(2).skip(start).enumerate() {
            let Some(sample) = voice(n as f32 / RATE as f32) else {
                return;
            };
            frame[0] += left * sample;
            frame[1] += right * sample;
        }
    }

    /// A plucked string after Karplus and Strong: noise in a delay line of one period, which
    /// loses its high partials first as it goes round.
    fn pluck(&mut self, at: f32, note: u8, level: f32, pan: f32) {
        let hz = 440.0 * ((f32::from(note) - 69.0) / 12.0).exp2();
        // The averaging below delays by half a sample, an all-pass by the rest of the period.
        let period = RATE as f32 / hz - 0.5;
        let length = (period - 0.3) as usize;
        let rest = period - length as f32;
        let tune = (1.0 - rest) / (1.0 + rest);
        let mut string: Vec<f32> = (0..length).map(|_| self.noise.sample()).collect();
        // A soft plectrum: the neighbours share the noise.
        for _ in 0..4 {
            let before = string.clone();
            for (i, s) in string.iter_mut().enumerate() {
                *s = 0.5 * (before[i] + before[(i + 1) % length]);
            }
        }
        let mean = string.iter().sum::<f32>() / length as f32;
        string
            .iter_mut()
            .for_each(|s| *s = 2.0 * level * (*s - mean));
        let keep = 0.001_f32.powf(1.0 / (2.5 * hz));
        let (mut i, mut last, mut pass_in, mut pass_out) = (0, 0.0, 0.0, 0.0);
        self.add(at, pan, move |t| {
            let out = string[i];
            let damped = keep * 0.5 * (out + last);
            last = out;
            pass_out = tune * (damped - pass_out) + pass_in;
            pass_in = damped;
            string[i] = pass_out;
            i = (i + 1) % length;
            (t < 3.0).then_some(out)
        });
    }

    /// A sine that falls from 150 to 50 Hz.
    fn kick(&mut self, at: f32) {
        let mut phase = 0.0;
        self.add(at, 0.5, move |t| {
            phase += (50.0 + 100.0 * (-t * 30.0).exp()) / RATE as f32;
            (t < 0.35).then(|| 0.45 * (phase * TAU).sin() * (-t * 9.0).exp())
        });
    }

    /// Noise over a short tone.
    fn snare(&mut self, at: f32) {
        let mut noise = self.noise.fork();
        self.add(at, 0.55, move |t| {
            let body = 0.2 * (t * 190.0 * TAU).sin() * (-t * 30.0).exp();
            (t < 0.25).then(|| body + 0.22 * noise.sample() * (-t * 22.0).exp())
        });
    }

    /// Noise without its low half.
    fn hat(&mut self, at: f32, level: f32) {
        let mut noise = self.noise.fork();
        let mut last = 0.0;
        self.add(at, 0.3, move |t| {
            let now = noise.sample();
            let high = now - last;
            last = now;
            (t < 0.08).then(|| level * high * (-t * 60.0).exp())
        });
    }

    /// Peaks are rounded off, and the end fades.
    fn finish(mut self) -> Vec<f32> {
        let frames = self.samples.len() / 2;
        let fade = (TAIL * RATE as f32) as usize;
        for (n, frame) in self.samples.chunks_exact_mut(2).enumerate() {
            let gain = ((frames - n) as f32 / fade as f32).min(1.0);
            frame.iter_mut().for_each(|s| *s = gain * s.tanh());
        }
        self.samples
    }
}

/// A linear congruential generator; its top bits are noise enough for a drum.
struct Noise(u32);

impl Noise {
    fn sample(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) as f32 / (1 << 23) as f32 - 1.0
    }

    fn fork(&mut self) -> Self {
        self.sample();
        Self(self.0 ^ 0x9e37_79b9)
    }
}

const RATE: u32 = SampleRate::HZ_48000.get();
const FORMAT: StreamFormat = StreamFormat::new(SampleRate::HZ_48000, Channels::STEREO);
const BEAT: f32 = 60.0 / 96.0;
const BARS: usize = 4;
/// The last notes ring on.
const TAIL: f32 = 0.5;

/// Four chords, a bar each: the bass note, then the notes of the arpeggio, as MIDI numbers.
const CHORDS: [(u8, [u8; 4]); BARS] = [
    (45, [57, 60, 64, 69]),
    (41, [57, 60, 65, 69]),
    (48, [55, 60, 64, 67]),
    (43, [55, 59, 62, 67]),
];
const ARPEGGIO: [usize; 8] = [0, 2, 1, 3, 2, 3, 1, 2];

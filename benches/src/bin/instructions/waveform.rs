//! Samples: converted, measured, stretched, made up, resampled.

use std::hint::black_box;

use audiox_core::block::AudioRef;
use audiox_core::codec::PcmCoding;
use audiox_core::conceal::Concealer;
use audiox_core::convert::{Gain, GainRamp, Level, decode, encode, levels};
use audiox_core::format::{Channels, PcmFormat, SampleRate, StreamFormat};
use audiox_core::resample::{ResamplerQuality, resampler};
use audiox_core::sim::Pcg32;
use audiox_core::stretch::{Effort, TimeStretcher};

use crate::operation::{Operation, Round};

const FORMAT: StreamFormat = StreamFormat::new(SampleRate::HZ_48000, Channels::STEREO);
/// Samples of 10 ms.
const SAMPLES: usize = 960;

pub(crate) fn operations() -> Vec<Operation> {
    vec![
        Operation::new("960 samples from s16le", 2_000, || from("s16le")),
        Operation::new("960 samples to s16le", 2_000, || to("s16le")),
        Operation::new("960 samples from s24be", 2_000, || from("s24be")),
        Operation::new("960 samples to s24be", 2_000, || to("s24be")),
        Operation::new("960 samples from PCMU", 2_000, from_mulaw),
        Operation::new("960 samples to PCMU", 2_000, to_mulaw),
        Operation::new("levels of 10 ms stereo", 2_000, meter),
        Operation::new("gain ramp over 10 ms stereo", 2_000, ramp),
        Operation::new("resample 10 ms stereo, balanced", 500, drift),
        Operation::new("resample 10 ms from 44.1 kHz", 500, rates),
        Operation::new("keep 10 ms for concealment", 500, keep),
        Operation::new("make up 10 ms from the past", 100, extend),
        Operation::new("make up 10 ms from both sides", 100, bridge),
        Operation::new("shorten 40 ms", 100, accelerate),
        Operation::new("lengthen 40 ms", 100, expand),
    ]
}

/// A second of a chord of voices beside noise, stereo.
fn sound() -> Vec<f32> {
    let mut rng = Pcg32::new(11, 1);
    (0..FORMAT.rate.get())
        .flat_map(|n| {
            let t = f64::from(n) / 48_000.0;
            let voice = |hz: f64| (t * hz * std::f64::consts::TAU).sin() as f32;
            let noise = rng.next_u32() as f32 / u32::MAX as f32 - 0.5;
            let tone = 0.3 * voice(180.0) + 0.2 * voice(360.0) + 0.1 * voice(1_210.0);
            [tone + 0.02 * noise, 0.8 * tone - 0.02 * noise]
        })
        .collect()
}

/// One stretch of [`sound`] after the other.
struct Walk {
    sound: Vec<f32>,
    at: usize,
}

impl Walk {
    fn new() -> Self {
        Self {
            sound: sound(),
            at: 0,
        }
    }

    fn next(&mut self, samples: usize) -> &[f32] {
        self.at += SAMPLES;
        if self.at + samples > self.sound.len() {
            self.at = 0;
        }
        &self.sound[self.at..self.at + samples]
    }
}

fn from(format: &str) -> Round {
    let format: PcmFormat = format.parse().expect("a known name");
    let mut bytes = vec![0; SAMPLES * format.sample.bytes()];
    encode(format, &sound()[..SAMPLES], &mut bytes);
    let mut out = vec![0.0; SAMPLES];
    Box::new(move || _ = black_box(decode(format, black_box(&bytes), black_box(&mut out))))
}

fn to(format: &str) -> Round {
    let format: PcmFormat = format.parse().expect("a known name");
    let mut bytes = vec![0; SAMPLES * format.sample.bytes()];
    let mut walk = Walk::new();
    Box::new(move || _ = black_box(encode(format, walk.next(SAMPLES), black_box(&mut bytes))))
}

fn from_mulaw() -> Round {
    let codes: Vec<u8> = (0..SAMPLES).map(|n| n as u8).collect();
    let mut out = vec![0.0; SAMPLES];
    Box::new(move || _ = black_box(PcmCoding::Mulaw.decode(black_box(&codes), black_box(&mut out))))
}

fn to_mulaw() -> Round {
    let (mut walk, mut codes) = (Walk::new(), vec![0; SAMPLES]);
    Box::new(move || {
        _ = black_box(PcmCoding::Mulaw.encode(walk.next(SAMPLES), black_box(&mut codes)))
    })
}

fn meter() -> Round {
    let (mut walk, mut out) = (Walk::new(), [Level::default(); 2]);
    Box::new(move || {
        let block = AudioRef::new(walk.next(SAMPLES), FORMAT.channels);
        levels(block, black_box(&mut out));
    })
}

fn ramp() -> Round {
    let mut samples = sound()[..SAMPLES].to_vec();
    let down = Gain::linear(0.999_999_9).expect("within range");
    let mut ramp = GainRamp::new(Gain::UNITY, FORMAT.channels);
    Box::new(move || {
        ramp.set(down, SAMPLES as u32 / 2);
        ramp.apply(black_box(&mut samples));
    })
}

fn drift() -> Round {
    resample(SampleRate::HZ_48000)
}

fn rates() -> Round {
    resample(SampleRate::new(44_100).expect("a sound rate"))
}

fn resample(from: SampleRate) -> Round {
    const FRAMES: usize = SAMPLES / 2;
    let quality = ResamplerQuality::Balanced;
    let mut made =
        resampler(from, FORMAT.rate, FORMAT.channels, quality).expect("rates within bounds");
    made.set_adjustment(50.0);
    let (mut walk, mut out) = (Walk::new(), vec![0.0; SAMPLES]);
    Box::new(move || {
        let needed = made.input_needed(FRAMES) * 2;
        made.process_into(walk.next(needed), black_box(&mut out));
    })
}

fn keep() -> Round {
    let (mut walk, mut concealer) = (Walk::new(), concealer());
    Box::new(move || concealer.push(walk.next(SAMPLES)))
}

fn extend() -> Round {
    let (mut walk, mut concealer, mut made) = (Walk::new(), concealer(), vec![0.0; SAMPLES]);
    Box::new(move || {
        (0..9).for_each(|_| concealer.push(walk.next(SAMPLES)));
        concealer.extend(black_box(&mut made));
    })
}

fn bridge() -> Round {
    let (mut walk, mut concealer, mut made) = (Walk::new(), concealer(), vec![0.0; SAMPLES]);
    Box::new(move || {
        (0..9).for_each(|_| concealer.push(walk.next(SAMPLES)));
        walk.next(SAMPLES);
        let after = walk.next(SAMPLES);
        concealer.bridge(black_box(&mut made), after);
        concealer.push(after);
    })
}

fn concealer() -> Concealer {
    Concealer::new(FORMAT).expect("a sound format")
}

fn accelerate() -> Round {
    let mut stretcher = TimeStretcher::new(FORMAT).expect("a sound format");
    let window = stretcher.window();
    let (mut walk, mut out) = (Walk::new(), vec![0.0; window * 4]);
    Box::new(move || {
        let input = walk.next(window * 2);
        black_box(stretcher.accelerate(input, &mut out, window, Effort::Normal));
    })
}

fn expand() -> Round {
    let mut stretcher = TimeStretcher::new(FORMAT).expect("a sound format");
    let window = stretcher.window();
    let (mut walk, mut out) = (Walk::new(), vec![0.0; window * 4]);
    Box::new(move || {
        let input = walk.next(window * 2);
        let played = window * 3 / 4;
        black_box(stretcher.expand_after(input, played, &mut out, window, Effort::Normal));
    })
}

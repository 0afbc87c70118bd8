//! Resampling: what 10 ms cost, and how well they come out.
//!
//! The peer is rubato, fixed on the output side, which is what a playback callback asks for, with
//! as many taps as each of our presets and the window and interpolation that come nearest to it
//! in signal-to-noise ratio and pass band; the table before the timings says how near. It
//! selects AVX at run time where the processor has it; ours is what the compiler makes of safe
//! Rust for the target it is told.

use std::f64::consts::TAU;
use std::hint::black_box;

use audiox_benches::measured::{Measured, run};
use audiox_benches::table::{Cell, Table};
use audiox_core::format::{Channels, SampleRate};
use audiox_core::resample::{ResamplerQuality, resampler};
use criterion::Criterion;
use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{
    Async, FixedAsync, Resampler as _, SincInterpolationParameters, SincInterpolationType,
    WindowFunction,
};

const FRAMES: usize = 480;
const PPM: f64 = 50.0;

/// A resampler that produces [`FRAMES`] a call.
trait Subject {
    /// Frames of input that the next call needs.
    fn needed(&self) -> usize;
    fn run(&mut self, input: &[f32], out: &mut [f32]);
}

struct Ours(Box<dyn audiox_core::resample::Resampler>);

impl Subject for Ours {
    fn needed(&self) -> usize {
        self.0.input_needed(FRAMES)
    }

    fn run(&mut self, input: &[f32], out: &mut [f32]) {
        self.0.process_into(input, out);
    }
}

struct Rubato {
    made: Async<f32>,
    channels: usize,
}

impl Subject for Rubato {
    fn needed(&self) -> usize {
        self.made.input_frames_next()
    }

    fn run(&mut self, input: &[f32], out: &mut [f32]) {
        let ch = self.channels;
        let input = InterleavedSlice::new(input, ch, input.len() / ch).expect("whole frames");
        let mut out = InterleavedSlice::new_mut(out, ch, FRAMES).expect("whole frames");
        self.made
            .process_into_buffer(&input, &mut out, None)
            .expect("as much as was asked for");
    }
}

#[derive(Clone, Copy)]
enum Config {
    Ours(ResamplerQuality),
    /// Taps, phases, interpolation, window.
    Rubato(usize, usize, SincInterpolationType, WindowFunction),
}

const CONFIGS: [(&str, Config); 6] = {
    use Config::{Ours, Rubato};
    use SincInterpolationType::Linear;
    use WindowFunction::{Blackman, Blackman2, BlackmanHarris};
    [
        ("audiox fast", Ours(ResamplerQuality::Fast)),
        ("rubato 32", Rubato(32, 256, Linear, Blackman)),
        ("audiox balanced", Ours(ResamplerQuality::Balanced)),
        ("rubato 64", Rubato(64, 256, Linear, BlackmanHarris)),
        ("audiox best", Ours(ResamplerQuality::Best)),
        ("rubato 128", Rubato(128, 512, Linear, Blackman2)),
    ]
};

fn subject(config: Config, from: u32, to: u32, channels: usize, ppm: f64) -> Box<dyn Subject> {
    match config {
        Config::Ours(quality) => {
            let rate = |hz| SampleRate::new(hz).expect("a sound rate");
            let channels = Channels::new(channels as u16).expect("a sound count");
            let mut made =
                resampler(rate(from), rate(to), channels, quality).expect("rates within bounds");
            made.set_adjustment(ppm);
            Box::new(Ours(made))
        }
        Config::Rubato(taps, phases, interpolation, window) => {
            let parameters = SincInterpolationParameters {
                // Its filter does not grow with the ratio by itself.
                sinc_len: taps * from.div_ceil(to) as usize,
                f_cutoff: None,
                oversampling_factor: phases,
                interpolation,
                window,
            };
            let ratio = f64::from(to) / f64::from(from) / (1.0 + ppm * 1e-6);
            let fixed = FixedAsync::Output;
            let made = Async::new_sinc(ratio, 1.01, &parameters, FRAMES, channels, fixed);
            Box::new(Rubato {
                made: made.expect("sound parameters"),
                channels,
            })
        }
    }
}

/// Half a second of a tone of amplitude 0.5, its start left out.
fn tone(config: Config, from: u32, to: u32, ppm: f64, hertz: f64) -> Vec<f64> {
    let mut subject = subject(config, from, to, 1, ppm);
    let step = TAU * hertz / f64::from(from);
    let (mut at, mut all) = (0, Vec::new());
    let mut out = [0.0; FRAMES];
    while all.len() < to as usize * 6 / 10 {
        let end = at + subject.needed();
        let input: Vec<f32> = (at..end)
            .map(|n| ((n as f64 * step).sin() * 0.5) as f32)
            .collect();
        at = end;
        subject.run(&input, &mut out);
        all.extend(out.map(f64::from));
    }
    all.split_off(to as usize / 10)
}

/// Amplitude of the sinusoid of this frequency that fits best, and what it leaves, in dB.
fn fit(signal: &[f64], cycles_per_frame: f64) -> (f64, f64) {
    let wave = |n| (n as f64 * TAU * cycles_per_frame).sin_cos();
    let (mut ss, mut cc, mut sc, mut xs, mut xc) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for (n, x) in signal.iter().enumerate() {
        let (s, c) = wave(n);
        ss += s * s;
        cc += c * c;
        sc += s * c;
        xs += x * s;
        xc += x * c;
    }
    let det = ss * cc - sc * sc;
    let (a, b) = ((xs * cc - xc * sc) / det, (xc * ss - xs * sc) / det);
    let rest = signal.iter().enumerate().map(|(n, x)| {
        let (s, c) = wave(n);
        (x - a * s - b * c).powi(2)
    });
    let noise = rest.sum::<f64>() / signal.len() as f64;
    let power = (a * a + b * b) / 2.0;
    ((2.0 * power).sqrt(), 10.0 * (power / noise).log10())
}

fn snr(config: Config, hertz: f64) -> f64 {
    let out = tone(config, 48_000, 48_000, PPM, hertz);
    fit(&out, hertz / 48e3 * (1.0 + PPM * 1e-6)).1
}

/// The highest frequency, in kHz, that passes within 0.1 dB at 48 kHz.
fn edge(config: Config) -> f64 {
    let mut khz = 5.0;
    while khz < 24.0 {
        let out = tone(config, 48_000, 48_000, PPM, khz * 1e3);
        let (amplitude, _) = fit(&out, khz / 48.0 * (1.0 + PPM * 1e-6));
        if (20.0 * (amplitude / 0.5).log10()).abs() > 0.1 {
            break;
        }
        khz += 0.25;
    }
    khz - 0.25
}

/// Power that a tone leaves at 16 kHz, where it cannot be, in dB.
fn alias(config: Config, hertz: f64) -> f64 {
    let out = tone(config, 48_000, 16_000, 0.0, hertz);
    let power = out.iter().map(|x| x * x).sum::<f64>() / out.len() as f64;
    10.0 * (power / 0.125).log10()
}

fn qualities() {
    let mut table = Table::new("resample-quality", "48 to 48 kHz, dB")
        .number("1 kHz", "", 0)
        .number("10 kHz", "", 0)
        .number("20 kHz", "", 0)
        .number("48 to 16 kHz: 8.5 kHz", "", 0)
        .number("10 kHz", "", 0)
        .number("15 kHz", "", 0)
        .number("−0.1 dB at", "kHz", 2);
    for (name, config) in CONFIGS {
        let kept = [1_000.0, 10_000.0, 20_000.0].map(|hertz| snr(config, hertz));
        let folded = [8_500.0, 10_000.0, 15_000.0].map(|hertz| alias(config, hertz));
        let cells = kept.into_iter().chain(folded).chain([edge(config)]);
        table.row(name, cells.map(Cell::from));
    }
    table.note(format!("clocks {PPM} ppm apart"));
    table.finish();
}

fn costs(c: &mut Criterion) {
    for (from, to, channels) in [
        (48_000, 48_000, 2),
        (44_100, 48_000, 2),
        (48_000, 44_100, 2),
        (48_000, 16_000, 2),
        (48_000, 48_000, 1),
        (48_000, 48_000, 8),
    ] {
        let mut group = c.benchmark_group(format!("resample/{from} to {to}, {channels} ch"));
        for (name, config) in CONFIGS {
            let mut subject = subject(config, from, to, channels, PPM);
            let input: Vec<f32> = (0..40_000).map(|n| (n as f32 * 0.05).sin()).collect();
            let mut out = vec![0.0; FRAMES * channels];
            group.bench_function(name, |b| {
                b.iter(|| {
                    let needed = subject.needed();
                    subject.run(&input[..needed * channels], &mut out);
                    black_box(out[0])
                });
            });
        }
        group.finish();
    }
}

fn constructors(c: &mut Criterion) {
    let mut group = c.benchmark_group("resample/constructor, 44100 to 48000");
    for (name, config) in CONFIGS {
        group.bench_function(name, |b| b.iter(|| subject(config, 44_100, 48_000, 2, 0.0)));
    }
    group.finish();
}

const TABLES: &[Measured<'_>] = &[Measured {
    id: "resample",
    label: "480 frames of output",
    columns: &[
        "48 to 48 kHz stereo",
        "44.1 to 48",
        "48 to 44.1",
        "48 to 16",
        "48 to 48 mono",
        "8 channels",
        "made in",
    ],
    unit: "µs",
    per: 1.0,
    digits: 2,
    rows: &[
        (
            "audiox `Fast` (32 taps)",
            &[
                "resample/48000 to 48000, 2 ch/audiox fast",
                "resample/44100 to 48000, 2 ch/audiox fast",
                "resample/48000 to 44100, 2 ch/audiox fast",
                "resample/48000 to 16000, 2 ch/audiox fast",
                "resample/48000 to 48000, 1 ch/audiox fast",
                "resample/48000 to 48000, 8 ch/audiox fast",
                "resample/constructor, 44100 to 48000/audiox fast",
            ],
        ),
        (
            "rubato 32, linear of 256, Blackman",
            &[
                "resample/48000 to 48000, 2 ch/rubato 32",
                "resample/44100 to 48000, 2 ch/rubato 32",
                "resample/48000 to 44100, 2 ch/rubato 32",
                "resample/48000 to 16000, 2 ch/rubato 32",
                "resample/48000 to 48000, 1 ch/rubato 32",
                "resample/48000 to 48000, 8 ch/rubato 32",
                "resample/constructor, 44100 to 48000/rubato 32",
            ],
        ),
        (
            "audiox `Balanced` (64 taps)",
            &[
                "resample/48000 to 48000, 2 ch/audiox balanced",
                "resample/44100 to 48000, 2 ch/audiox balanced",
                "resample/48000 to 44100, 2 ch/audiox balanced",
                "resample/48000 to 16000, 2 ch/audiox balanced",
                "resample/48000 to 48000, 1 ch/audiox balanced",
                "resample/48000 to 48000, 8 ch/audiox balanced",
                "resample/constructor, 44100 to 48000/audiox balanced",
            ],
        ),
        (
            "rubato 64, linear of 256, Blackman-Harris",
            &[
                "resample/48000 to 48000, 2 ch/rubato 64",
                "resample/44100 to 48000, 2 ch/rubato 64",
                "resample/48000 to 44100, 2 ch/rubato 64",
                "resample/48000 to 16000, 2 ch/rubato 64",
                "resample/48000 to 48000, 1 ch/rubato 64",
                "resample/48000 to 48000, 8 ch/rubato 64",
                "resample/constructor, 44100 to 48000/rubato 64",
            ],
        ),
        (
            "audiox `Best` (128 taps)",
            &[
                "resample/48000 to 48000, 2 ch/audiox best",
                "resample/44100 to 48000, 2 ch/audiox best",
                "resample/48000 to 44100, 2 ch/audiox best",
                "resample/48000 to 16000, 2 ch/audiox best",
                "resample/48000 to 48000, 1 ch/audiox best",
                "resample/48000 to 48000, 8 ch/audiox best",
                "resample/constructor, 44100 to 48000/audiox best",
            ],
        ),
        (
            "rubato 128, linear of 512, squared Blackman",
            &[
                "resample/48000 to 48000, 2 ch/rubato 128",
                "resample/44100 to 48000, 2 ch/rubato 128",
                "resample/48000 to 44100, 2 ch/rubato 128",
                "resample/48000 to 16000, 2 ch/rubato 128",
                "resample/48000 to 48000, 1 ch/rubato 128",
                "resample/48000 to 48000, 8 ch/rubato 128",
                "resample/constructor, 44100 to 48000/rubato 128",
            ],
        ),
    ],
    note: "",
}];

fn main() {
    qualities();
    run(TABLES, |c| {
        costs(c);
        constructors(c);
    });
}

//! Sample conversion, channel layout, gain and levels, each beside the loop one would write
//! first. Criterion prints samples per second: 0.3 ns a sample is 3.3 Gelem/s.
//!
//! `cargo bench -p audiox-benches --bench convert`

use std::hint::black_box;

use audiox_benches::measured::{Measured, run};
use audiox_core::block::AudioRef;
use audiox_core::codec::PcmCoding;
use audiox_core::convert::{
    ChannelMap, Gain, GainRamp, Level, apply_gain, decode, deinterleave, encode, interleave, levels,
};
use audiox_core::format::{Channels, PcmFormat, SampleFormat};
use criterion::{BenchmarkGroup, Criterion, Throughput, measurement::WallTime};

/// 10 ms of stereo at 48 kHz: 4 KiB of floats, well inside the first-level cache.
const SAMPLES: usize = 960;

const FORMATS: [&str; 9] = [
    "u8", "s16le", "s16be", "s24le", "s24be", "s32le", "s32be", "f32le", "f32be",
];

/// A signal that uses every bit, slightly over full scale in places.
fn signal() -> Vec<f32> {
    (0..SAMPLES)
        .map(|i| (i as f32 * 0.617).sin() * 1.01)
        .collect()
}

fn decoding(c: &mut Criterion) {
    let mut group = group(c, "decode");
    for name in FORMATS {
        let format: PcmFormat = name.parse().expect("a known name");
        let mut bytes = vec![0; SAMPLES * format.sample.bytes()];
        encode(format, &signal(), &mut bytes);
        let mut out = vec![0.0; SAMPLES];
        group.bench_function(name, |b| {
            b.iter(|| decode(format, black_box(&bytes), black_box(&mut out)))
        });
        if let Some(naive) = naive_decode(name) {
            group.bench_function(format!("{name} naive"), |b| {
                b.iter(|| naive(black_box(&bytes), black_box(&mut out)))
            });
        }
    }
}

fn encoding(c: &mut Criterion) {
    let mut group = group(c, "encode");
    for name in FORMATS {
        let format: PcmFormat = name.parse().expect("a known name");
        let samples = signal();
        let mut out = vec![0; SAMPLES * format.sample.bytes()];
        group.bench_function(name, |b| {
            b.iter(|| encode(format, black_box(&samples), black_box(&mut out)))
        });
        if let Some(naive) = naive_encode(format) {
            group.bench_function(format!("{name} naive"), |b| {
                b.iter(|| naive(black_box(&samples), black_box(&mut out)))
            });
        }
    }
}

fn g711(c: &mut Criterion) {
    let mut group = group(c, "g711");
    let (samples, mut out) = (signal(), vec![0.0; SAMPLES]);
    let mut codes = vec![0; SAMPLES];
    for coding in [PcmCoding::Mulaw, PcmCoding::Alaw] {
        group.bench_function(format!("encode {coding}"), |b| {
            b.iter(|| coding.encode(black_box(&samples), black_box(&mut codes)))
        });
        group.bench_function(format!("decode {coding}"), |b| {
            b.iter(|| coding.decode(black_box(&codes), black_box(&mut out)))
        });
    }
    group.bench_function("encode PCMU naive", |b| {
        b.iter(|| {
            let samples = black_box(&samples);
            for (o, s) in black_box(&mut codes).iter_mut().zip(samples) {
                *o = naive_mulaw((s * 32_768.0).round() as i16);
            }
        })
    });
}

/// The textbook search for the segment.
fn naive_mulaw(x: i16) -> u8 {
    let (sign, magnitude) = if x < 0 { (0x80, !x) } else { (0, x) };
    let biased = (i32::from(magnitude) + 132).min(32_767);
    let mut segment = 7;
    while segment > 0 && biased < 128 << segment {
        segment -= 1;
    }
    !(sign | (segment << 4) as u8 | (biased >> (segment + 3) & 15) as u8)
}

fn layout(c: &mut Criterion) {
    let mut group = group(c, "layout");
    let samples = signal();
    let mut out = vec![0.0; SAMPLES];
    for n in [2, 6] {
        let channels = Channels::new(n).expect("few");
        group.bench_function(format!("deinterleave {n}"), |b| {
            b.iter(|| deinterleave(black_box(&samples), channels, black_box(&mut out)))
        });
        group.bench_function(format!("interleave {n}"), |b| {
            b.iter(|| interleave(black_box(&samples), channels, black_box(&mut out)))
        });
    }
    let six = Channels::new(6).expect("few");
    let maps = [
        ("identity", ChannelMap::identity(Channels::STEREO)),
        ("mono to stereo", ChannelMap::mono_to(Channels::STEREO)),
        ("stereo to mono", ChannelMap::stereo_to_mono()),
        ("6 to stereo", ChannelMap::between(six, Channels::STEREO)),
    ];
    let mut out = vec![0.0; SAMPLES * 2];
    for (name, map) in maps {
        group.bench_function(format!("map {name}"), |b| {
            b.iter(|| map.apply(black_box(&samples), black_box(&mut out)))
        });
    }
}

fn gain(c: &mut Criterion) {
    let mut group = group(c, "gain");
    let mut samples = signal();
    let down = Gain::linear(0.999_999_9).expect("within range");
    group.bench_function("fixed", |b| {
        b.iter(|| apply_gain(black_box(&mut samples), down))
    });
    let mut samples = signal();
    group.bench_function("ramp stereo", |b| {
        let mut ramp = GainRamp::new(Gain::UNITY, Channels::STEREO);
        b.iter(|| {
            ramp.set(down, SAMPLES as u32 / 2);
            ramp.apply(black_box(&mut samples));
        })
    });
    let samples = signal();
    for channels in [Channels::MONO, Channels::STEREO] {
        let mut out = [Level::default(); 2];
        group.bench_function(format!("levels {channels}"), |b| {
            b.iter(|| {
                let block = AudioRef::new(black_box(&samples), channels);
                levels(block, black_box(&mut out))
            })
        });
    }
    group.bench_function("levels 1 naive", |b| {
        b.iter(|| {
            let samples = black_box(&samples);
            let peak = samples.iter().fold(0f32, |a, s| a.max(s.abs()));
            let squares: f32 = samples.iter().map(|s| s * s).sum();
            (peak, (squares / samples.len() as f32).sqrt())
        })
    });
}

fn group<'a>(c: &'a mut Criterion, name: &str) -> BenchmarkGroup<'a, WallTime> {
    let mut group = c.benchmark_group(name);
    group.throughput(Throughput::Elements(SAMPLES as u64));
    group
}

type Decode = fn(&[u8], &mut [f32]);
type Encode = fn(&[f32], &mut [u8]);

fn naive_decode(name: &str) -> Option<Decode> {
    Some(match name {
        "s16le" => |bytes, out| {
            for (i, o) in out.iter_mut().enumerate() {
                let code = i16::from_le_bytes([bytes[i * 2], bytes[i * 2 + 1]]);
                *o = code as f32 / 32_768.0;
            }
        },
        "s24le" => |bytes, out| {
            for (i, o) in out.iter_mut().enumerate() {
                let b = &bytes[i * 3..i * 3 + 3];
                *o = (i32::from_le_bytes([0, b[0], b[1], b[2]]) >> 8) as f32 / 8_388_608.0;
            }
        },
        "s32le" => |bytes, out| {
            for (i, o) in out.iter_mut().enumerate() {
                let b = &bytes[i * 4..i * 4 + 4];
                *o = i32::from_le_bytes([b[0], b[1], b[2], b[3]]) as f32 / 2_147_483_648.0;
            }
        },
        _ => return None,
    })
}

fn naive_encode(format: PcmFormat) -> Option<Encode> {
    if format.endian == audiox_core::format::Endian::Big {
        return None;
    }
    Some(match format.sample {
        SampleFormat::S16 => |samples, out| {
            for (i, s) in samples.iter().enumerate() {
                let code = (s * 32_768.0).round() as i16;
                out[i * 2..i * 2 + 2].copy_from_slice(&code.to_le_bytes());
            }
        },
        SampleFormat::S24 => |samples, out| {
            for (i, s) in samples.iter().enumerate() {
                let code = (s * 8_388_608.0).round().clamp(-8_388_608.0, 8_388_607.0) as i32;
                out[i * 3..i * 3 + 3].copy_from_slice(&code.to_le_bytes()[..3]);
            }
        },
        SampleFormat::S32 => |samples, out| {
            for (i, s) in samples.iter().enumerate() {
                let code = (s * 2_147_483_648.0).round() as i32;
                out[i * 4..i * 4 + 4].copy_from_slice(&code.to_le_bytes());
            }
        },
        _ => return None,
    })
}

const TABLES: &[Measured<'_>] = &[
    Measured {
        id: "convert",
        label: "format",
        columns: &["to f32", "naive", "from f32", "naive"],
        unit: "ns",
        per: SAMPLES as f64,
        digits: 2,
        rows: &[
            ("u8", &["decode/u8", "", "encode/u8", ""]),
            (
                "s16le",
                &[
                    "decode/s16le",
                    "decode/s16le naive",
                    "encode/s16le",
                    "encode/s16le naive",
                ],
            ),
            ("s16be", &["decode/s16be", "", "encode/s16be", ""]),
            (
                "s24le",
                &[
                    "decode/s24le",
                    "decode/s24le naive",
                    "encode/s24le",
                    "encode/s24le naive",
                ],
            ),
            ("s24be", &["decode/s24be", "", "encode/s24be", ""]),
            (
                "s32le",
                &[
                    "decode/s32le",
                    "decode/s32le naive",
                    "encode/s32le",
                    "encode/s32le naive",
                ],
            ),
            ("s32be", &["decode/s32be", "", "encode/s32be", ""]),
            ("f32le", &["decode/f32le", "", "encode/f32le", ""]),
            ("f32be", &["decode/f32be", "", "encode/f32be", ""]),
            (
                "G.711 µ-law",
                &[
                    "g711/decode PCMU",
                    "",
                    "g711/encode PCMU",
                    "g711/encode PCMU naive",
                ],
            ),
            (
                "G.711 A-law",
                &["g711/decode PCMA", "", "g711/encode PCMA", ""],
            ),
        ],
        note: "",
    },
    Measured {
        id: "layout",
        label: "in memory",
        columns: &["audiox", "naive"],
        unit: "ns",
        per: SAMPLES as f64,
        digits: 2,
        rows: &[
            ("deinterleave 2 channels", &["layout/deinterleave 2", ""]),
            ("interleave 2 channels", &["layout/interleave 2", ""]),
            ("deinterleave 6 channels", &["layout/deinterleave 6", ""]),
            ("interleave 6 channels", &["layout/interleave 6", ""]),
            (
                "map mono to stereo, a sample of input",
                &["layout/map mono to stereo", ""],
            ),
            ("map stereo to mono", &["layout/map stereo to mono", ""]),
            ("map 6 channels to stereo", &["layout/map 6 to stereo", ""]),
            ("gain, fixed", &["gain/fixed", ""]),
            ("gain, ramped, stereo", &["gain/ramp stereo", ""]),
            (
                "peak and RMS, mono",
                &["gain/levels 1", "gain/levels 1 naive"],
            ),
            ("peak and RMS, stereo", &["gain/levels 2", ""]),
        ],
        note: "",
    },
];

fn main() {
    run(TABLES, |c| {
        decoding(c);
        encoding(c);
        g711(c);
        layout(c);
        gain(c);
    });
}

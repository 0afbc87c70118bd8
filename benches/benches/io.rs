//! WAV files beside hound, test signals beside a sine of the standard library, and the read-ahead
//! beside a channel of blocks: 10 ms of 48 kHz stereo at a time.
//!
//! `cargo bench -p audiox-benches --bench io`

use std::hint::black_box;
use std::io::{self, BufWriter, Cursor, Seek, SeekFrom, Write};
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use audiox_benches::measured::{Measured, run};
use audiox_core::block::AudioRef;
use audiox_core::convert::Gain;
use audiox_core::format::{Channels, PcmFormat, SampleFormat, SampleRate, StreamFormat};
use audiox_core::source::{Sink, Source};
use audiox_io::{Colour, Looped, Prefetch, PrefetchConfig, Repeat, Signal, WavSink, WavSource};
use criterion::{BenchmarkGroup, Criterion, Throughput, measurement::WallTime};
use hound::{WavReader, WavSpec, WavWriter};

const STEREO: StreamFormat = StreamFormat::new(SampleRate::HZ_48000, Channels::STEREO);
const FRAMES: usize = 480;

/// Ten seconds of noise as a file in memory: larger than any buffer.
fn wav(sample: SampleFormat) -> Vec<u8> {
    let mut noise =
        Signal::noise(STEREO, Colour::White, 1, Gain::UNITY).expect("the level is possible");
    let mut block = vec![0.0; 480_000 * 2];
    noise.read(&mut block).expect("noise never fails");
    let mut file = Cursor::new(Vec::new());
    let mut sink = WavSink::new(&mut file, "memory", STEREO, sample).expect("memory");
    sink.write(AudioRef::new(&block, Channels::STEREO))
        .expect("memory");
    sink.finish().expect("memory");
    file.into_inner()
}

fn looped(sample: SampleFormat) -> Looped {
    let source = WavSource::new(Cursor::new(wav(sample)), "memory").expect("our own file");
    Looped::new(Box::new(source), Repeat::Forever).expect("files can be sought")
}

fn reading(c: &mut Criterion) {
    let mut group = group(c, "wav read");
    let mut out = vec![0.0; FRAMES * 2];
    let mut bytes = vec![0; FRAMES * 8];
    for sample in [SampleFormat::S16, SampleFormat::S24] {
        let mut source = looped(sample);
        group.bench_function(format!("{sample:?} as f32"), |b| {
            b.iter(|| source.read(black_box(&mut out)).expect("a sound file"))
        });
        let frame = sample.bytes() * 2;
        group.bench_function(format!("{sample:?} as stored"), |b| {
            b.iter(|| {
                let out = black_box(&mut bytes[..FRAMES * frame]);
                source.read_native(out).expect("a sound file")
            })
        });
        let mut reader = WavReader::new(Cursor::new(wav(sample))).expect("a sound file");
        let scale = if sample == SampleFormat::S16 { 15 } else { 23 };
        let scale = 2f32.powi(-scale);
        let mut left = reader.duration() as usize;
        group.bench_function(format!("{sample:?} as f32, hound"), |b| {
            b.iter(|| {
                if left < FRAMES {
                    reader.seek(0).expect("a sound file");
                    left = reader.duration() as usize;
                }
                left -= FRAMES;
                for (out, x) in out.iter_mut().zip(reader.samples::<i32>()) {
                    *out = x.expect("a sound file") as f32 * scale;
                }
                black_box(&mut out);
            })
        });
    }
}

fn writing(c: &mut Criterion) {
    let mut group = group(c, "wav write");
    let mut noise =
        Signal::noise(STEREO, Colour::White, 1, Gain::UNITY).expect("the level is possible");
    let mut block = vec![0.0; FRAMES * 2];
    noise.read(&mut block).expect("noise never fails");
    for sample in [SampleFormat::S16, SampleFormat::S24] {
        let mut sink = WavSink::new(Nowhere(0), "nowhere", STEREO, sample).expect("takes all");
        group.bench_function(format!("{sample:?} from f32"), |b| {
            b.iter(|| {
                let block = AudioRef::new(black_box(&block), Channels::STEREO);
                sink.write(block).expect("takes all");
            })
        });
        let spec = WavSpec {
            channels: 2,
            sample_rate: 48_000,
            bits_per_sample: sample.bits(),
            sample_format: hound::SampleFormat::Int,
        };
        let scale = 2f32.powi(i32::from(sample.bits()) - 1);
        let mut writer = WavWriter::new(BufWriter::new(Nowhere(0)), spec).expect("takes all");
        group.bench_function(format!("{sample:?} from f32, hound"), |b| {
            b.iter(|| {
                for x in black_box(&block) {
                    let code = (x * scale) as i32;
                    writer.write_sample(code).expect("takes all");
                }
            })
        });
    }
}

fn signals(c: &mut Criterion) {
    let mut group = group(c, "signal");
    let mut out = vec![0.0; FRAMES * 2];
    let day = 86_400 * 48_000;
    for (name, signal) in [
        ("tone", Signal::tone(STEREO, 440.0, Gain::UNITY)),
        ("sweep", Signal::sweep(STEREO, 20.0, 20e3, day, Gain::UNITY)),
        (
            "white",
            Signal::noise(STEREO, Colour::White, 1, Gain::UNITY),
        ),
        ("pink", Signal::noise(STEREO, Colour::Pink, 1, Gain::UNITY)),
    ] {
        let mut signal = signal.expect("possible parameters");
        group.bench_function(name, |b| {
            b.iter(|| signal.read(black_box(&mut out)).expect("never fails"))
        });
    }
}

/// The tone one would write first.
fn naive_tone(c: &mut Criterion) {
    let mut group = group(c, "signal");
    let mut out = vec![0.0f32; FRAMES * 2];
    let mut n = 0u64;
    group.bench_function("tone, naive", |b| {
        b.iter(|| {
            for frame in black_box(&mut out).chunks_exact_mut(2) {
                let phase = n as f64 * 440.0 / 48e3 * std::f64::consts::TAU;
                frame.fill(phase.sin() as f32);
                n += 1;
            }
        });
    });
}

/// Only the taking out is timed, from rings that were filled before.
fn read_ahead(c: &mut Criterion) {
    let mut group = group(c, "prefetch");
    let minute = PrefetchConfig::new(Duration::from_secs(60)).expect("a possible depth");
    let mut out = vec![0; FRAMES * 4];
    group.bench_function("fill", |b| {
        b.iter_custom(|mut n| {
            let mut spent = Duration::ZERO;
            while n > 0 {
                let source: Box<dyn Source> = Box::new(looped(SampleFormat::S16));
                let (prefetch, mut readers) =
                    Prefetch::spawn(vec![(source, PcmFormat::S16LE)], minute).expect("a thread");
                assert!(prefetch.wait_filled(Duration::from_secs(60)));
                drop(prefetch);
                let now = n.min(4_000);
                let start = Instant::now();
                for _ in 0..now {
                    black_box(readers[0].fill(black_box(&mut out)));
                }
                spent += start.elapsed();
                n -= now;
            }
            spent
        })
    });
    group.bench_function("channel of blocks", |b| {
        b.iter_custom(|mut n| {
            let mut spent = Duration::ZERO;
            while n > 0 {
                let (tell, told) = sync_channel(4_000);
                (0..4_000).for_each(|_| tell.send(vec![1u8; FRAMES * 4]).expect("room"));
                let now = n.min(4_000);
                let start = Instant::now();
                for _ in 0..now {
                    let block = told.try_recv().expect("it is full");
                    black_box(&mut out).copy_from_slice(&block);
                }
                spent += start.elapsed();
                n -= now;
            }
            spent
        })
    });
}

/// A medium without a disk: only its position is kept.
struct Nowhere(u64);

impl Write for Nowhere {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += black_box(bytes).len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Nowhere {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0 = match to {
            SeekFrom::Start(n) => n,
            SeekFrom::Current(n) | SeekFrom::End(n) => self.0.saturating_add_signed(n),
        };
        Ok(self.0)
    }
}

/// Throughput in frames.
fn group<'a>(c: &'a mut Criterion, name: &str) -> BenchmarkGroup<'a, WallTime> {
    let mut group = c.benchmark_group(name);
    group.throughput(Throughput::Elements(FRAMES as u64));
    group
}

const TABLES: &[Measured<'_>] = &[
    Measured {
        id: "wav",
        label: "WAV, 10 ms of stereo",
        columns: &["audiox", "hound 3.5"],
        unit: "ns",
        per: 1.0,
        digits: 2,
        rows: &[
            (
                "read s16 as f32",
                &["wav read/S16 as f32", "wav read/S16 as f32, hound"],
            ),
            (
                "read s24 as f32",
                &["wav read/S24 as f32", "wav read/S24 as f32, hound"],
            ),
            ("read s16 as stored", &["wav read/S16 as stored", ""]),
            ("read s24 as stored", &["wav read/S24 as stored", ""]),
            (
                "write s16 from f32, the header refreshed once a second",
                &["wav write/S16 from f32", "wav write/S16 from f32, hound"],
            ),
            (
                "write s24 from f32",
                &["wav write/S24 from f32", "wav write/S24 from f32, hound"],
            ),
        ],
        note: "",
    },
    Measured {
        id: "signals",
        label: "10 ms of stereo",
        columns: &["audiox", "naive"],
        unit: "ns",
        per: 1.0,
        digits: 2,
        rows: &[
            (
                "10 ms out of the read-ahead (1 920 bytes); naive: a channel of blocks",
                &["prefetch/fill", "prefetch/channel of blocks"],
            ),
            (
                "tone; naive: `sin` of each sample",
                &["signal/tone", "signal/tone, naive"],
            ),
            ("sweep", &["signal/sweep", ""]),
            ("white noise", &["signal/white", ""]),
            ("pink noise", &["signal/pink", ""]),
        ],
        note: "",
    },
];

fn main() {
    run(TABLES, |c| {
        reading(c);
        writing(c);
        signals(c);
        naive_tone(c);
        read_ahead(c);
    });
}

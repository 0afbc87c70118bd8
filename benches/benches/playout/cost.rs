//! What calls cost back to back.

use std::hint::black_box;
use std::time::{Duration, Instant};

use audiox_benches::measured::Measured;
use audiox_core::format::{Channels, SampleRate, StreamFormat};
use audiox_core::playout::{DriftCorrection, PlayoutConfig};
use criterion::Criterion;

use super::engine::{Engine, Fifo, Meter, NUMBER, Ours, Stream};

const FORMAT: StreamFormat = StreamFormat::new(SampleRate::HZ_48000, Channels::STEREO);
/// 10 ms.
const FRAMES: usize = 480;
/// Packets that come together where an insertion alone is measured, so that reading the clock
/// counts little.
const TOGETHER: usize = 8;

fn subjects(decode: bool) -> Vec<(&'static str, Box<dyn Engine>)> {
    let stream = Stream {
        format: FORMAT,
        frames: FRAMES,
        decode,
    };
    let meter = Default::default();
    let ours = |config: &PlayoutConfig| Box::new(Ours::new(stream, config, &meter));
    let drift = |drift| PlayoutConfig {
        drift,
        ..PlayoutConfig::default()
    };
    vec![
        ("audiox", ours(&drift(DriftCorrection::Ignore))),
        (
            "audiox, drift corrected",
            ours(&drift(DriftCorrection::Resample)),
        ),
        (
            "audiox, exact",
            ours(&PlayoutConfig::exact(Duration::from_millis(20))),
        ),
        (
            "queue",
            Box::new(Fifo::new(
                stream,
                Duration::from_millis(20),
                &Meter::default().into(),
            )),
        ),
    ]
}

pub(crate) fn all(c: &mut Criterion) {
    let payload = vec![0; NUMBER + FRAMES * 4];
    for decode in [false, true] {
        let decoder = if decode { "L16" } else { "null decoder" };
        let mut group = c.benchmark_group(format!("playout/10 ms stereo, {decoder}"));
        for (name, mut engine) in subjects(decode) {
            let mut n = 0;
            group.bench_function(format!("insert + pull, {name}"), |b| {
                b.iter(|| {
                    let at = n as u64 * 10_000_000;
                    engine.insert(n, at, black_box(&payload));
                    n += 1;
                    black_box(engine.pull(at))
                });
            });
        }
        group.finish();
    }
    let mut group = c.benchmark_group("playout/10 ms stereo, null decoder");
    for (name, mut engine) in subjects(false) {
        let mut n = 0;
        group.bench_function(format!("insert, {name}"), |b| {
            b.iter_custom(|rounds| {
                let mut spent = Duration::ZERO;
                for _ in 0..rounds.div_ceil(TOGETHER as u64) {
                    let at = (n + TOGETHER) as u64 * 10_000_000;
                    let start = Instant::now();
                    for _ in 0..TOGETHER {
                        engine.insert(n, at, black_box(&payload));
                        n += 1;
                    }
                    spent += start.elapsed();
                    for k in 0..TOGETHER as u64 {
                        black_box(engine.pull(at + k * 10_000_000));
                    }
                }
                spent * rounds as u32 / (rounds.div_ceil(TOGETHER as u64) * TOGETHER as u64) as u32
            });
        });
    }
    group.finish();
}

pub(crate) const TABLES: &[Measured<'_>] = &[Measured {
    id: "playout-cost",
    label: "10 ms of stereo at 48 kHz",
    columns: &["nothing to decode", "L16"],
    unit: "ns",
    per: 1.0,
    digits: 2,
    rows: &[
        (
            "audiox, insert + pull",
            &[
                "playout/10 ms stereo, null decoder/insert + pull, audiox",
                "playout/10 ms stereo, L16/insert + pull, audiox",
            ],
        ),
        (
            "audiox, insert + pull, drift measured",
            &[
                "playout/10 ms stereo, null decoder/insert + pull, audiox, drift corrected",
                "playout/10 ms stereo, L16/insert + pull, audiox, drift corrected",
            ],
        ),
        (
            "audiox, insert + pull, `PlayoutConfig::exact`",
            &[
                "playout/10 ms stereo, null decoder/insert + pull, audiox, exact",
                "playout/10 ms stereo, L16/insert + pull, audiox, exact",
            ],
        ),
        (
            "queue, insert + pull",
            &[
                "playout/10 ms stereo, null decoder/insert + pull, queue",
                "playout/10 ms stereo, L16/insert + pull, queue",
            ],
        ),
        (
            "audiox, insert alone",
            &["playout/10 ms stereo, null decoder/insert, audiox", ""],
        ),
        (
            "audiox, insert alone, drift measured",
            &[
                "playout/10 ms stereo, null decoder/insert, audiox, drift corrected",
                "",
            ],
        ),
        (
            "queue, insert alone",
            &["playout/10 ms stereo, null decoder/insert, queue", ""],
        ),
    ],
    note: "",
}];

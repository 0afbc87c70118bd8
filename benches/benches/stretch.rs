//! Time-stretch: what one operation on 40 ms costs, on speech (24 kHz mono) and on music (48 kHz
//! stereo), as playout calls it.
//!
//! The peers are what one would write first, 10 ms cut out or repeated with a cross-fade of 5 ms and
//! no search for where it fits, and ffmpeg's `atempo`, a process that makes the whole recording a
//! tenth shorter: its time for each 40 ms of it, its start and the reading of the file included.
//! What each sounds like is told by the quality tests of audiox-io.
//!
//! `cargo bench -p audiox-benches --bench stretch`

#[path = "../../audiox-io/tests/quality/material.rs"]
#[allow(dead_code, reason = "the quality tests use more of it")]
mod material;
#[path = "../../audiox-io/examples/music.rs"]
#[allow(dead_code, reason = "only what it renders is wanted")]
mod music;
#[path = "stretch/walk.rs"]
mod walk;

use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use audiox_benches::measured::{Measured, run};
use audiox_core::block::AudioRef;
use audiox_core::format::SampleFormat;
use audiox_core::source::Sink;
use audiox_core::stretch::{Effort, TimeStretcher};
use audiox_io::WavSink;
use criterion::Criterion;
use material::Material;
use walk::{Walk, packet};

fn stretch(c: &mut Criterion) {
    for material in [Material::speech(), Material::music()] {
        let name = format!("stretch/{}, 40 ms", material.name);
        let mut group = c.benchmark_group(name);
        let mut stretcher = TimeStretcher::new(material.format).expect("a sound format");
        let channels = material.format.channels.get();
        let window = stretcher.window();
        let mut out = vec![0.0; 2 * window * channels];
        let mut walk = Walk::new(&material);
        group.bench_function("accelerate", |b| {
            b.iter(|| {
                let input = walk.next(window * channels);
                black_box(stretcher.accelerate(input, &mut out, window, Effort::Normal))
            });
        });
        group.bench_function("expand_after, 30 ms of it played", |b| {
            b.iter(|| {
                let input = walk.next(window * channels);
                let played = window * 3 / 4;
                black_box(stretcher.expand_after(input, played, &mut out, window, Effort::Normal))
            });
        });
        let step = packet(&material);
        group.bench_function("cut", |b| {
            b.iter(|| {
                let input = walk.next(window * channels);
                let kept = window * channels - step;
                let at = kept / 2;
                out[..at].copy_from_slice(&input[..at]);
                out[at..kept].copy_from_slice(&input[at + step..]);
                faded(&mut out[at..], &input[at..], step / 2, channels);
                black_box(&mut out);
            });
        });
        group.bench_function("repeat", |b| {
            b.iter(|| {
                let input = walk.next(window * channels);
                let at = window * channels - step;
                out[..at].copy_from_slice(&input[..at]);
                out[at..at + 2 * step].copy_from_slice(&input[at - step..]);
                faded(&mut out[at..], &input[at..], step / 2, channels);
                black_box(&mut out);
            });
        });
        atempo(&mut group, &material);
        group.finish();
    }
}

/// From one signal to the one that stands in `out`.
fn faded(out: &mut [f32], from: &[f32], samples: usize, channels: usize) {
    let frames = out[..samples].chunks_exact_mut(channels);
    for (n, (out, from)) in frames.zip(from.chunks_exact(channels)).enumerate() {
        let share = (n * channels) as f32 / samples as f32;
        for (o, f) in out.iter_mut().zip(from) {
            *o = f + (*o - f) * share;
        }
    }
}

type Group<'a> = criterion::BenchmarkGroup<'a, criterion::measurement::WallTime>;

fn atempo(group: &mut Group<'_>, material: &Material) {
    let folder = tempfile::tempdir().expect("room for files");
    let file = folder.path().join("material.wav");
    let mut sink = WavSink::create(&file, material.format, SampleFormat::S16).expect("room");
    // A minute and more, so that a process' start is a small part of it.
    let rate = material.format.rate.get() as usize;
    let frames = material.samples.len() / material.format.channels.get();
    let times = (60 * rate).div_ceil(frames);
    for _ in 0..times {
        let block = AudioRef::new(&material.samples, material.format.channels);
        sink.write(block).expect("room");
    }
    sink.finish().expect("room");
    let windows = (frames * times) as f64 / rate as f64 / 0.04;
    group.sample_size(10);
    group.bench_function("atempo", |b| {
        b.iter_custom(|n| {
            let start = Instant::now();
            (0..n.div_ceil(windows as u64)).for_each(|_| by_ffmpeg(&file));
            let each = start.elapsed().as_secs_f64() / n.div_ceil(windows as u64) as f64 / windows;
            Duration::from_secs_f64(each * n as f64)
        });
    });
}

fn by_ffmpeg(file: &Path) {
    let done = Command::new("ffmpeg")
        .args(["-v", "error", "-nostats", "-threads", "1", "-i"])
        .arg(file)
        .args(["-af", "atempo=1.1", "-f", "null", "-"])
        .status();
    let done = done.expect("ffmpeg; scripts/bootstrap.sh bench installs it");
    assert!(done.success(), "ffmpeg failed");
}

const TABLES: &[Measured<'_>] = &[Measured {
    id: "stretch",
    label: "40 ms",
    columns: &["speech, 24 kHz mono", "music, 48 kHz stereo"],
    unit: "µs",
    per: 1.0,
    digits: 2,
    rows: &[
        (
            "audiox, shorten",
            &[
                "stretch/speech, 40 ms/accelerate",
                "stretch/music, 40 ms/accelerate",
            ],
        ),
        (
            "audiox, lengthen, 30 of the 40 ms already played",
            &[
                "stretch/speech, 40 ms/expand_after, 30 ms of it played",
                "stretch/music, 40 ms/expand_after, 30 ms of it played",
            ],
        ),
        (
            "naive, 10 ms cut out anywhere, cross-faded",
            &["stretch/speech, 40 ms/cut", "stretch/music, 40 ms/cut"],
        ),
        (
            "naive, 10 ms repeated, cross-faded",
            &[
                "stretch/speech, 40 ms/repeat",
                "stretch/music, 40 ms/repeat",
            ],
        ),
        (
            "ffmpeg `atempo=1.1`, a process, each 40 ms of a minute",
            &[
                "stretch/speech, 40 ms/atempo",
                "stretch/music, 40 ms/atempo",
            ],
        ),
    ],
    note: "",
}];

fn main() {
    run(TABLES, stretch);
}

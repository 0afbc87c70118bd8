//! Loss concealment: what one gap of 10 ms costs, on speech (24 kHz mono) and on music (48 kHz
//! stereo), as playout calls it.
//!
//! The peer is what one would write first: the last packet again, faded out. What each of them sounds
//! like is told by the quality tests of audiox-io and by the playout bench, which has neteq beside.
//!
//! `cargo bench -p audiox-benches --bench conceal`

#[path = "../../audiox-io/tests/quality/material.rs"]
#[allow(dead_code, reason = "the quality tests use more of it")]
mod material;
#[path = "../../audiox-io/examples/music.rs"]
#[allow(dead_code, reason = "only what it renders is wanted")]
mod music;
#[path = "stretch/walk.rs"]
mod walk;

use std::hint::black_box;
use std::time::{Duration, Instant};

use audiox_benches::measured::{Measured, run};
use audiox_core::conceal::Concealer;
use criterion::Criterion;
use material::Material;
use walk::{Walk, packet};

fn conceal(c: &mut Criterion) {
    for material in [Material::speech(), Material::music()] {
        let mut group = c.benchmark_group(format!("conceal/{}, 10 ms", material.name));
        let mut concealer = Concealer::new(material.format).expect("a sound format");
        let step = packet(&material);
        let mut made = vec![0.0; step];
        let mut walk = Walk::new(&material);
        group.bench_function("push", |b| b.iter(|| concealer.push(walk.next(step))));
        // The packets between two gaps count for themselves.
        let mut timed = |b: &mut criterion::Bencher<'_>, operation: Operation| {
            b.iter_custom(|rounds| {
                let mut spent = Duration::ZERO;
                for _ in 0..rounds {
                    (0..9).for_each(|_| concealer.push(walk.next(step)));
                    walk.next(step);
                    let after = walk.next(step);
                    let start = Instant::now();
                    operation(&mut concealer, &mut made, after);
                    spent += start.elapsed();
                    concealer.push(after);
                }
                spent
            });
        };
        group.bench_function("extend", |b| timed(b, |c, made, _| c.extend(made)));
        group.bench_function("bridge", |b| timed(b, Concealer::bridge));
        let (mut walk, mut last) = (Walk::new(&material), vec![0.0; step]);
        group.bench_function("naive push", |b| {
            b.iter(|| black_box(&mut last).copy_from_slice(walk.next(step)));
        });
        let channels = material.format.channels.get();
        group.bench_function("naive repeat", |b| {
            b.iter(|| {
                let frames = black_box(&last).chunks_exact(channels);
                let fade = channels as f32 / step as f32;
                for (n, (out, past)) in made.chunks_exact_mut(channels).zip(frames).enumerate() {
                    let gain = 1.0 - n as f32 * fade;
                    out.iter_mut().zip(past).for_each(|(o, p)| *o = p * gain);
                }
                black_box(&mut made);
            });
        });
        group.finish();
    }
}

type Operation = fn(&mut Concealer, &mut [f32], &[f32]);

const TABLES: &[Measured<'_>] = &[Measured {
    id: "conceal",
    label: "a gap of 10 ms",
    columns: &["speech, 24 kHz mono", "music, 48 kHz stereo"],
    unit: "µs",
    per: 1.0,
    digits: 2,
    rows: &[
        (
            "audiox, keep 10 ms for later",
            &["conceal/speech, 10 ms/push", "conceal/music, 10 ms/push"],
        ),
        (
            "audiox, extend the past",
            &[
                "conceal/speech, 10 ms/extend",
                "conceal/music, 10 ms/extend",
            ],
        ),
        (
            "audiox, bridge to what follows",
            &[
                "conceal/speech, 10 ms/bridge",
                "conceal/music, 10 ms/bridge",
            ],
        ),
        (
            "naive, keep 10 ms for later",
            &[
                "conceal/speech, 10 ms/naive push",
                "conceal/music, 10 ms/naive push",
            ],
        ),
        (
            "naive, the last packet again, faded",
            &[
                "conceal/speech, 10 ms/naive repeat",
                "conceal/music, 10 ms/naive repeat",
            ],
        ),
    ],
    note: "",
}];

fn main() {
    run(TABLES, conceal);
}

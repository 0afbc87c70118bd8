//! Time-stretch and loss concealment: what one operation costs, on speech (24 kHz mono) and on
//! music (48 kHz stereo), as playout calls them.

#[path = "../../audiox-io/tests/quality/material.rs"]
#[allow(dead_code, reason = "the quality tests use more of it")]
mod material;
#[path = "../../audiox-io/examples/music.rs"]
#[allow(dead_code, reason = "only what it renders is wanted")]
mod music;

use std::hint::black_box;
use std::time::{Duration, Instant};

use audiox_core::conceal::Concealer;
use audiox_core::stretch::{Effort, TimeStretcher};
use criterion::{Criterion, criterion_group, criterion_main};
use material::Material;

/// Stretches of `frames`, one packet of 10 ms after the other, over and over.
struct Walk<'a> {
    samples: &'a [f32],
    step: usize,
    at: usize,
}

impl<'a> Walk<'a> {
    fn new(material: &'a Material) -> Self {
        Self {
            samples: &material.samples,
            step: packet(material),
            at: 0,
        }
    }

    fn next(&mut self, samples: usize) -> &'a [f32] {
        self.at += self.step;
        if self.at + samples > self.samples.len() {
            self.at = 0;
        }
        &self.samples[self.at..self.at + samples]
    }
}

/// Samples in 10 ms.
fn packet(material: &Material) -> usize {
    material.format.rate.get() as usize / 100 * material.format.channels.get()
}

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
    }
}

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
        group.finish();
    }
}

type Operation = fn(&mut Concealer, &mut [f32], &[f32]);

criterion_group!(benches, stretch, conceal);
criterion_main!(benches);

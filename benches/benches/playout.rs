//! Playout beside its peers: what it costs, what delay it takes, and what is heard where packets
//! are missing.
//!
//! The peers are the `neteq` crate, which is modelled on WebRTC's NetEQ, and a plain queue.
//! neteq looks at the clock on the wall, so the tables are made in real time: `--quick` takes
//! 24 s instead of 80 s, `AUDIOX_BENCH_SECONDS` any other time. Ours is told the time of the
//! schedule. Behind the tables criterion measures what calls cost when nothing else happens
//! between them.
#![allow(clippy::print_stdout, reason = "the tables are its output")]

#[path = "playout/cost.rs"]
mod cost;
#[path = "../../audiox-core/tests/support/counting.rs"]
#[allow(dead_code, reason = "nothing is asserted here")]
mod counting;
#[path = "playout/engine.rs"]
mod engine;
#[path = "playout/judge.rs"]
mod judge;
#[path = "../../audiox-io/tests/quality/material.rs"]
#[allow(dead_code, reason = "the quality tests use more of it")]
mod material;
#[path = "../../audiox-io/examples/music.rs"]
#[allow(dead_code, reason = "only what it renders is wanted")]
mod music;
#[path = "playout/run.rs"]
mod run;

use std::ops::Range;
use std::time::Duration;

use audiox_core::codec::PcmCoding;
use audiox_core::format::{Channels, SampleRate, StreamFormat};
use audiox_core::playout::{DriftCorrection, PlayoutConfig, Profile};
use audiox_core::sim::{LinkConfig, Pcg32};
use criterion::Criterion;
use engine::{Fifo, Neteq, Ours, Stream};
use judge::judge;
use material::Material;
use run::{Arrivals, Scene, Subject, run};

const MS: Duration = Duration::from_millis(1);

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let is = |name: &str| arguments.iter().any(|a| a == name);
    let seconds = match std::env::var("AUDIOX_BENCH_SECONDS") {
        Ok(s) => s
            .parse()
            .expect("AUDIOX_BENCH_SECONDS is a number of seconds"),
        Err(_) if is("--test") => 4,
        Err(_) if is("--quick") => 24,
        Err(_) => 80,
    };
    tables(Duration::from_secs(seconds));
    let mut criterion = Criterion::default().configure_from_args();
    cost::all(&mut criterion);
    criterion.final_summary();
}

fn tables(length: Duration) {
    // neteq begins with half a second of delay, of which it gets rid within some seconds. Half
    // of the time the network is bad; then it gets better, and delay may go down again.
    let marks = [length / 8, length / 2, length * 5 / 8, length];
    let speech = Material::speech();
    let music = Material::music();
    let mut scenes = vec![
        in_real_time(length),
        network(&speech, &marks, 5 * MS, "12ms"),
        network(&speech, &marks, 10 * MS, "spikes:140ms/1.5s"),
    ];
    let mut gaps = Vec::new();
    for material in [&speech, &music] {
        let (scene, lost) = losses(material, length, marks[0]);
        scenes.push(scene);
        gaps.push(lost);
    }
    run(&mut scenes, &marks);

    print_costs(&scenes[0]);
    let networks = ["12 ms of jitter", "a spike of 140 ms every 1.5 s"];
    for (name, scene) in networks.into_iter().zip(&scenes[1..3]) {
        print_delays(name, &marks, scene);
    }
    for ((material, scene), lost) in [&speech, &music].iter().zip(&scenes[3..]).zip(&gaps) {
        print_verdicts(material, scene, lost, marks[0]);
    }
}

fn print_costs(scene: &Scene) {
    println!("in real time, 10 ms of 48 kHz stereo, nothing to decode, µs and allocations a call:");
    println!(
        "{:<26}{:>12}{:>8}{:>8}{:>12}{:>8}{:>8}",
        "", "insert p50", "p99", "alloc", "pull p50", "p99", "alloc"
    );
    for s in &scene.subjects {
        println!(
            "{:<26}{:>12.2}{:>8.2}{:>8.2}{:>12.2}{:>8.2}{:>8.2}",
            s.name,
            s.inserts.micros(0.5),
            s.inserts.micros(0.99),
            s.inserts.allocations(),
            s.pulls.micros(0.5),
            s.pulls.micros(0.99),
            s.pulls.allocations(),
        );
    }
}

fn print_delays(name: &str, marks: &[Duration], scene: &Scene) {
    let seconds = |i: usize| marks[i].as_secs();
    println!(
        "\n{name} until {} s, then 1 ms; mean delay, ms, and what was made up, % of the time:",
        seconds(1)
    );
    println!(
        "{:<26}{:>18}{:>18}{:>18}",
        "",
        format!("0 to {} s", seconds(0)),
        format!("to {} s", seconds(1)),
        format!("{} to {} s", seconds(2), seconds(3)),
    );
    for s in &scene.subjects {
        print!("{:<26}", s.name);
        for window in [0, 1, 3].map(|i| s.windows[i]) {
            let delay = window.delay.as_secs_f64() * 1e3;
            print!("{delay:>10.1}{:>8.3}", window.made_up() * 100.0);
        }
        println!();
    }
}

fn print_verdicts(material: &Material, scene: &Scene, lost: &[Range<usize>], from: Duration) {
    println!(
        "\n{}, one packet of 10 ms in ten lost; distance in dB of what was heard, in the place of \
         what was lost (aligned by what came before; SNR; by what came before or after, \
         whichever is nearer) and wherever something was made up (frames for each one lost):",
        material.name
    );
    println!(
        "{:<26}{:>10}{:>8}{:>10}{:>12}{:>8}{:>8}",
        "", "in place", "SNR", "nearer", "made up", "frames", "gaps"
    );
    let rate = material.format.rate;
    for s in &scene.subjects {
        let heard = s.heard.as_deref().unwrap_or(&[]);
        let from = rate.frames_in(from) as usize;
        let sent = &scene.arrivals.samples;
        let v = judge(sent, lost, heard, rate.get() as usize, from);
        println!(
            "{:<26}{:>10.2}{:>8.2}{:>10.2}{:>12.2}{:>8.2}{:>8}",
            s.name, v.in_place, v.snr, v.nearer, v.made_up, v.made_up_share, v.gaps
        );
    }
}

/// What calls cost in real time.
fn in_real_time(length: Duration) -> Scene {
    let format = StreamFormat::new(SampleRate::HZ_48000, Channels::STEREO);
    let stream = Stream {
        format,
        frames: 480,
        decode: false,
    };
    let samples = vec![0.0; format.rate.frames_in(length) as usize * 2];
    let lost = vec![false; samples.len() / 960];
    Scene {
        arrivals: Arrivals::without(stream, samples, &lost),
        subjects: vec![
            Subject::new("audiox", |m| {
                Box::new(Ours::new(stream, &PlayoutConfig::default(), m))
            }),
            Subject::new("audiox, no resampler", |m| {
                Box::new(Ours::new(stream, &without_drift(), m))
            }),
            Subject::new("neteq", |m| Box::new(Neteq::new(stream, Duration::ZERO, m))),
            Subject::new("queue", |m| Box::new(Fifo::new(stream, 20 * MS, m))),
        ],
    }
}

/// Delay against what is made up.
fn network(material: &Material, marks: &[Duration], ptime: Duration, jitter: &str) -> Scene {
    let stream = Stream {
        format: material.format,
        frames: material.format.rate.frames_in(ptime) as usize,
        decode: true,
    };
    let link = |jitter: &str| LinkConfig {
        jitter: jitter.parse().expect("a jitter that is known"),
        seed: 3,
        ..LinkConfig::default()
    };
    let links = [(Duration::ZERO, link(jitter)), (marks[1], link("1ms"))];
    let mut subjects = Vec::new();
    for profile in Profile::ALL {
        subjects.push(Subject::new(format!("audiox {profile}"), |m| {
            Box::new(Ours::new(stream, &profile.config(), m))
        }));
    }
    for min in [0, 80] {
        subjects.push(Subject::new(format!("neteq, at least {min} ms"), |m| {
            Box::new(Neteq::new(stream, min * MS, m))
        }));
    }
    for prebuffer in [0, 20, 60, 150] {
        subjects.push(Subject::new(format!("queue, {prebuffer} ms ahead"), |m| {
            Box::new(Fifo::new(stream, prebuffer * MS, m))
        }));
    }
    Scene {
        arrivals: Arrivals::over(stream, looped(material, marks[marks.len() - 1]), &links),
        subjects,
    }
}

/// One packet in ten is lost, the first seconds left out.
fn losses(material: &Material, length: Duration, from: Duration) -> (Scene, Vec<Range<usize>>) {
    let stream = Stream {
        // neteq stretches interleaved samples as if they were one channel's.
        format: StreamFormat::new(material.format.rate, Channels::MONO),
        frames: material.format.rate.get() as usize / 100,
        decode: true,
    };
    let samples = looped(material, length);
    let mut rng = Pcg32::new(4, 4);
    let warm_up = from.as_millis() as usize / 10;
    let packets = samples.len() / stream.frames;
    let lost: Vec<bool> = (0..packets)
        .map(|n| rng.next_u32().is_multiple_of(10) && n > warm_up)
        .collect();
    let gaps = lost.iter().enumerate().filter(|(_, lost)| **lost);
    let gaps = gaps.map(|(n, _)| n * stream.frames..(n + 1) * stream.frames);
    let gaps = gaps.collect();
    // What was not lost stays as it is, so that it can be told.
    let ours = without_drift();
    let mut subjects = vec![Subject::new("audiox", |m| {
        Box::new(Ours::new(stream, &ours, m))
    })];
    for min in [0, 80] {
        subjects.push(Subject::new(format!("neteq, at least {min} ms"), |m| {
            Box::new(Neteq::new(stream, min * MS, m))
        }));
    }
    subjects.push(Subject::new("queue, 60 ms ahead", |m| {
        Box::new(Fifo::new(stream, 60 * MS, m))
    }));
    let scene = Scene {
        arrivals: Arrivals::without(stream, samples, &lost),
        subjects: subjects.into_iter().map(Subject::kept).collect(),
    };
    (scene, gaps)
}

fn without_drift() -> PlayoutConfig {
    PlayoutConfig {
        drift: DriftCorrection::Ignore,
        ..PlayoutConfig::default()
    }
}

/// The material in one channel, over and over, in 16 bits.
fn looped(material: &Material, length: Duration) -> Vec<f32> {
    let channels = material.format.channels.get();
    let mut mono: Vec<f32> = material
        .samples
        .chunks_exact(channels)
        .map(|f| f.iter().sum::<f32>() / channels as f32)
        .collect();
    let mut bytes = vec![0; 2 * mono.len()];
    PcmCoding::L16.encode(&mono, &mut bytes);
    PcmCoding::L16.decode(&bytes, &mut mono);
    let frames = material.format.rate.frames_in(length) as usize;
    mono.into_iter().cycle().take(frames).collect()
}

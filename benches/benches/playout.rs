//! Playout beside its peers: what it costs, what delay it takes, and what is heard where packets
//! are missing.
//!
//! The peers are the `neteq` crate, which is modelled on WebRTC's NetEQ, and a plain queue.
//! neteq looks at the clock on the wall, so the tables are made in real time: `--quick` takes
//! 24 s instead of 80 s, `AUDIOX_BENCH_SECONDS` any other time. Ours is told the time of the
//! schedule. Behind the tables criterion measures what calls cost when nothing else happens
//! between them.

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

use audiox_benches::measured::run as run_criterion;
use audiox_benches::table::{Cell, Table, progress};
use audiox_core::codec::PcmCoding;
use audiox_core::format::{Channels, SampleRate, StreamFormat};
use audiox_core::playout::{DriftCorrection, PlayoutConfig, Profile};
use audiox_core::sim::{LinkConfig, Pcg32};
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
    run_criterion(cost::TABLES, cost::all);
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
    progress(&format!("all engines in real time, {length:?}"));
    run(&mut scenes, &marks);

    costs(&scenes[0]);
    delays(&marks, [&scenes[1], &scenes[2]]);
    for ((material, scene), lost) in [&speech, &music].iter().zip(&scenes[3..]).zip(&gaps) {
        verdicts(material, scene, lost, marks[0]);
    }
}

fn costs(scene: &Scene) {
    let mut table = Table::new("playout-real-time", "10 ms of stereo at 48 kHz")
        .number("insert", "µs", 1)
        .number("p99", "µs", 1)
        .number("allocations", "", 1)
        .number("pull", "µs", 1)
        .number("p99", "µs", 1)
        .number("allocations", "", 1);
    for s in &scene.subjects {
        let of = |c: &run::Costs| [c.micros(0.5), c.micros(0.99), c.allocations()];
        let cells = of(&s.inserts).into_iter().chain(of(&s.pulls));
        table.row(s.name.as_str(), cells.map(Cell::from));
    }
    table.note("in real time, nothing to decode");
    table.finish();
}

fn delays(marks: &[Duration], scenes: [&Scene; 2]) {
    let mut table = Table::new("playout-delay", "");
    for network in [
        "12 ms of jitter, 5 ms packets",
        "spikes of 140 ms every 1.5 s, 10 ms packets",
    ] {
        table = table
            .number(&format!("{network}: delay"), "ms", 0)
            .significant("made up", "%", 2)
            .number("at first", "%", 2)
            .number("good: delay", "ms", 0);
    }
    for (one, other) in scenes[0].subjects.iter().zip(&scenes[1].subjects) {
        let cells = [one, other].into_iter().flat_map(|s| {
            let delay = |i: usize| s.windows[i].delay.as_secs_f64() * 1e3;
            let made_up = |i: usize| s.windows[i].made_up() * 100.0;
            [delay(1), made_up(1), made_up(0), delay(3)].map(Cell::from)
        });
        table.row(one.name.as_str(), cells);
    }
    let seconds = |i: usize| marks[i].as_secs();
    table.note(format!(
        "bad from {} to {} s, good from {} to {} s; *at first* is before that",
        seconds(0),
        seconds(1),
        seconds(2),
        seconds(3)
    ));
    table.finish();
}

fn verdicts(material: &Material, scene: &Scene, lost: &[Range<usize>], from: Duration) {
    let mut table = Table::new(&format!("loss-{}", material.name), material.name)
        .number("in place", "dB", 1)
        .number("SNR", "dB", 1)
        .number("nearer", "dB", 1)
        .number("made up", "dB", 1)
        .number("for each frame lost", "", 1)
        .number("gaps", "", 0);
    let rate = material.format.rate;
    for s in &scene.subjects {
        let heard = s.heard.as_deref().unwrap_or(&[]);
        let from = rate.frames_in(from) as usize;
        let sent = &scene.arrivals.samples;
        let v = judge(sent, lost, heard, rate.get() as usize, from);
        let cells = [v.in_place, v.snr, v.nearer, v.made_up, v.made_up_share];
        let cells = cells.map(Cell::from);
        table.row(s.name.as_str(), cells.into_iter().chain([v.gaps.into()]));
    }
    table.finish();
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
            Subject::new("audiox, drift measured and resampled away", |m| {
                Box::new(Ours::new(stream, &PlayoutConfig::default(), m))
            }),
            Subject::new("audiox, clocks not compared", |m| {
                Box::new(Ours::new(stream, &without_drift(), m))
            }),
            Subject::new("neteq (no drift correction)", |m| {
                Box::new(Neteq::new(stream, Duration::ZERO, m))
            }),
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

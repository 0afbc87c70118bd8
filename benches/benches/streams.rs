//! Many WAV files as real-time streams on loopback: how well the schedule is kept and what it
//! costs, beside the usual way of a thread a file that sleeps after each send, in Rust and in
//! Python. And how short packets may be.
//!
//! Not a criterion bench: what matters is the tail and the drift over half a minute, not a mean
//! cost. `--quick` takes 3 s instead of 33 s for each run; `AUDIOX_BENCH_SECONDS` any other time.
#![allow(clippy::print_stdout, reason = "the tables are its output")]

#[path = "streams/judge.rs"]
mod judge;

use std::path::Path;
use std::process::Command;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use audiox_core::format::{Channels, SampleFormat, SampleRate, StreamFormat};
use audiox_core::source::{Sink, Source};
use audiox_io::wav::{WavSink, WavSource};
use audiox_net::pace::Priority;
use audiox_udp::streamer::{StreamSpec, Streamer, StreamerConfig, StreamerReport};
use judge::{Judge, Verdict};

const PTIME: Duration = Duration::from_millis(10);
const COUNTS: [usize; 4] = [1, 10, 50, 100];

fn main() {
    if let Ok(nanos) = std::env::var(judge::ROLE) {
        judge::judge(Duration::from_nanos(nanos.parse().expect("nanoseconds")));
        return;
    }
    let quick = std::env::args().any(|a| a == "--quick" || a == "--test");
    let seconds = match std::env::var("AUDIOX_BENCH_SECONDS") {
        Ok(s) => s
            .parse()
            .expect("AUDIOX_BENCH_SECONDS is a number of seconds"),
        Err(_) if quick => 3,
        Err(_) => 33,
    };
    let dir = tempfile::tempdir().expect("there is room for a file");
    let path = dir.path().join("numbered.wav");
    write_numbered(&path, SampleRate::HZ_44100, PTIME, seconds);
    println!("{PTIME:?} packets of 16-bit mono at 44100 Hz, {seconds} s each\n");
    many(&path, dir.path());
    shortest(dir.path(), seconds.min(5));
}

/// The ways of sending, side by side for each number of streams.
fn many(path: &Path, dir: &Path) {
    let python = dir.join("sleepy.py");
    std::fs::write(&python, include_str!("streams/sleepy.py")).expect("there is room");
    let mut rows = Vec::new();
    println!("as the receiver sees it:");
    println!(
        "{:>7} {:<17}{:>9}{:>13}{:>11}{:>13}{:>12}{:>12}{:>12}{:>8}",
        "streams",
        "way",
        "packets",
        "interval ms",
        "slope ppm",
        "last late ms",
        "int. p99 ms",
        "int. max ms",
        "firsts ms",
        "CPU %"
    );
    for streams in COUNTS {
        for (name, priority, scheme) in [
            ("audiox raw", Priority::Ordinary, "udp"),
            ("audiox real time", Priority::Realtime, "udp"),
        ] {
            let judge = Judge::start(PTIME);
            let (report, cpu) = audiox(path, streams, judge.port, PTIME, priority, scheme);
            print_verdict(streams, name, &judge.verdict(), Some(cpu));
            rows.push((streams, name, report, cpu));
        }
        let judge = Judge::start(PTIME);
        let cpu = sleepy(path, streams, judge.port);
        print_verdict(streams, "sleep, Rust", &judge.verdict(), Some(cpu));
        let judge = Judge::start(PTIME);
        match sleepy_python(&python, path, streams, judge.port) {
            Some(cpu) => print_verdict(streams, "sleep, Python", &judge.verdict(), cpu),
            None => println!("{streams:>7} sleep, Python: python3 does not run here"),
        }
    }
    println!("\nas audiox sees it (worst stream):");
    println!(
        "{:>7} {:<17}{:>7}{:>11}{:>15}{:>9}{:>9}{:>9}{:>11}{:>6}{:>8}",
        "streams",
        "way",
        "drift",
        "slope ppm",
        "interval ms",
        "p50 µs",
        "p99 µs",
        "max µs",
        "firsts µs",
        "late",
        "CPU %"
    );
    for (streams, name, report, cpu) in &rows {
        print_report(*streams, name, report, *cpu);
    }
}

/// One stream of ever shorter packets.
fn shortest(dir: &Path, seconds: usize) {
    println!("\none stream of ever shorter packets, 16-bit mono at 48000 Hz, {seconds} s each:");
    println!(
        "{:>9}{:>10}{:>10}{:>7}{:>9}{:>9}{:>9}{:>8}",
        "ptime ms", "packets", "received", "late", "p50 µs", "p99 µs", "max µs", "CPU %"
    );
    for micros in [10_000, 5_000, 2_500, 1_000, 500, 250, 125] {
        let ptime = Duration::from_micros(micros);
        let path = dir.join("short.wav");
        write_numbered(&path, SampleRate::HZ_48000, ptime, seconds);
        let judge = Judge::start(ptime);
        let (report, cpu) = audiox(&path, 1, judge.port, ptime, Priority::Ordinary, "udp");
        let seen = judge.verdict();
        let s = &report.streams[0].schedule;
        println!(
            "{:>9}{:>10}{:>10}{:>7}{:>9}{:>9}{:>9}{cpu:>8.1}",
            ptime.as_secs_f64() * 1e3,
            s.count,
            seen.packets,
            s.late,
            s.p50.as_micros(),
            s.p99.as_micros(),
            s.max.as_micros(),
        );
    }
    println!(
        "\nloopback shows neither fragmentation (its MTU is 64 KiB; audiox never sends more than\n\
         1472 bytes by itself) nor loss, queueing and jitter of a real network, nor a driver's cost"
    );
}

fn audiox(
    path: &Path,
    streams: usize,
    port: u16,
    ptime: Duration,
    priority: Priority,
    scheme: &str,
) -> (StreamerReport, f64) {
    let specs = (0..streams)
        .map(|i| {
            StreamSpec::new(
                i.to_string(),
                WavSource::open(path).expect("it was written"),
            )
        })
        .collect();
    let to = format!("{scheme}://127.0.0.1:{port}");
    let config = StreamerConfig {
        ptime: Some(ptime),
        priority,
        ..StreamerConfig::new(to.parse().expect("a URL"))
    };
    let (began, before) = (Instant::now(), cpu_seconds("self"));
    let handle = Streamer::start(config, specs).expect("loopback takes streams");
    let report = handle.wait().expect("threads do not panic");
    let cpu = cpu_seconds("self") - before;
    (report, 100.0 * cpu / began.elapsed().as_secs_f64())
}

fn sleepy(path: &Path, streams: usize, port: u16) -> f64 {
    let (began, before) = (Instant::now(), cpu_seconds("self"));
    let ready = Barrier::new(streams);
    std::thread::scope(|scope| {
        for _ in 0..streams {
            scope.spawn(|| {
                let mut source = WavSource::open(path).expect("it was written");
                let out = std::net::UdpSocket::bind("127.0.0.1:0").expect("a free port");
                out.connect(("127.0.0.1", port)).expect("loopback");
                let frames = source.format().rate.frames_in(PTIME) as usize;
                let mut data = vec![0; 2 * frames];
                ready.wait();
                loop {
                    let n = source.read_native(&mut data).expect("it reads");
                    if n == 0 {
                        break;
                    }
                    out.send(&data[..n]).expect("loopback takes it");
                    std::thread::sleep(PTIME);
                }
            });
        }
    });
    100.0 * (cpu_seconds("self") - before) / began.elapsed().as_secs_f64()
}

/// CPU use, where the system tells; `None` where there is no Python.
fn sleepy_python(script: &Path, path: &Path, streams: usize, port: u16) -> Option<Option<f64>> {
    let began = Instant::now();
    let mut child = Command::new("python3")
        .arg(script)
        .args(["127.0.0.1", &port.to_string()])
        .arg(PTIME.as_secs_f64().to_string())
        .args(std::iter::repeat_n(path, streams))
        .spawn()
        .ok()?;
    // Its times can be read until it is waited for.
    let pid = child.id().to_string();
    let mut cpu = None;
    loop {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let ended = stat.rsplit(") ").next().is_none_or(|s| s.starts_with('Z'));
        if ended || stat.is_empty() {
            if !stat.is_empty() {
                cpu = Some(100.0 * cpu_seconds(&pid) / began.elapsed().as_secs_f64());
            }
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    child.wait().ok()?.success().then_some(cpu)
}

/// Processor time of a process so far; 0 where there is no /proc.
fn cpu_seconds(pid: &str) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // utime and stime are the 14th and 15th fields, the 12th and 13th behind the name.
    let fields = stat.rsplit(") ").next().unwrap_or_default();
    let ticks: u64 = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|n| n.parse::<u64>().ok())
        .sum();
    ticks as f64 / 100.0
}

/// A mono file each of whose packets begins with its number.
fn write_numbered(path: &Path, rate: SampleRate, ptime: Duration, seconds: usize) {
    let format = StreamFormat::new(rate, Channels::MONO);
    let mut sink = WavSink::create(path, format, SampleFormat::S16).expect("there is room");
    let mut packet = vec![0; 2 * rate.frames_in(ptime) as usize];
    let packets = (Duration::from_secs(seconds as u64).as_nanos() / ptime.as_nanos()) as u32;
    for number in 0..packets {
        packet[..4].copy_from_slice(&number.to_le_bytes());
        sink.write_native(&packet).expect("there is room");
    }
    sink.finish().expect("there is room");
}

fn print_verdict(streams: usize, name: &str, v: &Verdict, cpu: Option<f64>) {
    let ms = |nanos: u64| nanos as f64 / 1e6;
    println!(
        "{streams:>7} {name:<17}{:>9}{:>13.5}{:>11.2}{:>13.3}{:>12.3}{:>12.3}{:>12.3}{:>8}",
        v.packets,
        v.mean_interval / 1e6,
        v.worst_slope_ppm,
        v.behind as f64 / 1e6,
        ms(v.interval_p99),
        ms(v.interval_max),
        ms(v.first_spread),
        cpu.map_or_else(|| "?".to_owned(), |c| format!("{c:.1}")),
    );
}

fn print_report(streams: usize, name: &str, report: &StreamerReport, cpu: f64) {
    let schedules: Vec<_> = report.streams.iter().map(|s| s.schedule).collect();
    let worst = |f: fn(&audiox_core::stats::ScheduleSummary) -> f64| {
        let all = schedules.iter().map(f);
        all.fold(0.0, |w: f64, x| if x.abs() > w.abs() { x } else { w })
    };
    let mean = schedules.iter().filter_map(|s| s.mean_interval_nanos);
    println!(
        "{streams:>7} {name:<17}{:>7}{:>11.3}{:>15.6}{:>9.0}{:>9.0}{:>9.0}{:>11.0}{:>6}{cpu:>8.1}",
        worst(|s| s.drift_frames.unwrap_or(0) as f64),
        worst(|s| s.slope_ppm.unwrap_or(0.0)),
        mean.sum::<f64>() / streams as f64 / 1e6,
        worst(|s| s.p50.as_secs_f64() * 1e6),
        worst(|s| s.p99.as_secs_f64() * 1e6),
        worst(|s| s.max.as_secs_f64() * 1e6),
        report.first_packet_spread.unwrap_or_default().as_secs_f64() * 1e6,
        schedules.iter().map(|s| s.late).sum::<u64>(),
    );
}

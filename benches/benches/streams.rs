//! Many WAV files as real-time streams on loopback: how well the schedule is kept and what it
//! costs, beside the usual way of a thread a file that sleeps after each send, in Rust and in
//! Python. And how short packets may be.
//!
//! Not a criterion bench: what matters is the tail and the drift over half a minute, not a mean
//! cost. `--quick` takes 3 s instead of 33 s for each run; `AUDIOX_BENCH_SECONDS` any other time.

#[path = "streams/judge.rs"]
mod judge;

use std::path::Path;
use std::process::Command;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use audiox_benches::table::{Cell, Table, is_quick, progress};
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
    let quick = is_quick();
    let seconds = match std::env::var("AUDIOX_BENCH_SECONDS") {
        Ok(s) => s
            .parse()
            .expect("AUDIOX_BENCH_SECONDS is a number of seconds"),
        Err(_) if quick => 3,
        Err(_) => 33,
    };
    let dir = tempfile::tempdir().expect("there is room for a file");
    many(dir.path(), seconds);
    shortest(dir.path(), seconds.min(5));
}

/// The ways of sending, side by side for each number of streams.
fn many(dir: &Path, seconds: usize) {
    let python = dir.join("sleepy.py");
    std::fs::write(&python, include_str!("streams/sleepy.py")).expect("there is room");
    // What falls behind without end need not do so for as long.
    let (path, short) = (dir.join("numbered.wav"), dir.join("shorter.wav"));
    let shorter = seconds.min(10);
    write_numbered(&path, SampleRate::HZ_44100, PTIME, seconds);
    write_numbered(&short, SampleRate::HZ_44100, PTIME, shorter);

    let mut ours = Table::new("streams", "streams")
        .text("priority")
        .number("drift", "frames", 0)
        .number("slope", "ppm", 2)
        .number("p50", "µs", 0)
        .number("p99", "µs", 0)
        .number("max", "µs", 0)
        .number("first", "µs", 0)
        .number("late", "", 0)
        .number("CPU", "% of a core", 1);
    ours.note(format!(
        "{PTIME:?} packets of 16-bit mono at 44 100 Hz, {seconds} s each"
    ));
    let mut seen = Table::new("streams-received", "streams")
        .text("way")
        .number("behind at the end", "ms", 2)
        .number("slope", "ppm", 1)
        .number("mean interval", "ms", 5)
        .number("off by, p99", "ms", 3)
        .number("max", "ms", 1)
        .number("first packets within", "ms", 2)
        .number("CPU", "% of a core", 1);
    seen.note(format!(
        "as the receiver sees it; ours for {seconds} s, the others for {shorter} s"
    ));
    for streams in COUNTS {
        for (name, priority) in [
            ("real time (default)", Priority::Realtime),
            ("ordinary", Priority::Ordinary),
        ] {
            progress(&format!("{streams} streams, {name}"));
            let judge = Judge::start(PTIME);
            let (report, cpu) = audiox(&path, streams, judge.port, PTIME, priority, "udp");
            receiver_row(
                &mut seen,
                streams,
                &format!("audiox, {name}"),
                &judge.verdict(),
                Some(cpu),
            );
            report_row(&mut ours, streams, name, &report, cpu);
        }
        progress(&format!("{streams} streams, sleeping after each send"));
        let judge = Judge::start(PTIME);
        let cpu = sleepy(&short, streams, judge.port);
        receiver_row(
            &mut seen,
            streams,
            "sleep, Rust",
            &judge.verdict(),
            Some(cpu),
        );
        let judge = Judge::start(PTIME);
        let cpu = sleepy_python(&python, &short, streams, judge.port);
        let cpu = cpu.expect("python3: scripts/bootstrap.sh bench installs it");
        receiver_row(&mut seen, streams, "sleep, Python", &judge.verdict(), cpu);
    }
    ours.finish();
    seen.finish();
}

/// One stream of ever shorter packets.
fn shortest(dir: &Path, seconds: usize) {
    let mut table = Table::new("short-packets", "packets of, ms")
        .number("sent", "", 0)
        .number("received", "", 0)
        .number("late", "", 0)
        .number("p50", "µs", 0)
        .number("p99", "µs", 0)
        .number("max", "µs", 0)
        .number("CPU", "% of a core", 1);
    table.note(format!(
        "16-bit mono at 48 000 Hz, ordinary priority, {seconds} s each"
    ));
    for micros in [10_000, 5_000, 2_500, 1_000, 500, 250, 125] {
        let ptime = Duration::from_micros(micros);
        let path = dir.join("short.wav");
        write_numbered(&path, SampleRate::HZ_48000, ptime, seconds);
        let judge = Judge::start(ptime);
        let (report, cpu) = audiox(&path, 1, judge.port, ptime, Priority::Ordinary, "udp");
        let seen = judge.verdict();
        let s = &report.streams[0].schedule;
        let us = |d: Duration| Cell::from(d.as_secs_f64() * 1e6);
        table.row(
            (ptime.as_secs_f64() * 1e3).to_string(),
            [
                s.count.into(),
                seen.packets.into(),
                s.late.into(),
                us(s.p50),
                us(s.p99),
                us(s.max),
                cpu.into(),
            ],
        );
    }
    table.finish();
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

fn receiver_row(table: &mut Table, streams: usize, name: &str, v: &Verdict, cpu: Option<f64>) {
    let ms = |nanos: u64| Cell::from(nanos as f64 / 1e6);
    table.row(
        streams.to_string(),
        [
            name.into(),
            (v.behind as f64 / 1e6).into(),
            v.worst_slope_ppm.into(),
            (v.mean_interval / 1e6).into(),
            ms(v.interval_p99),
            ms(v.interval_max),
            ms(v.first_spread),
            cpu.into(),
        ],
    );
}

/// The worst stream, by its own clock.
fn report_row(table: &mut Table, streams: usize, name: &str, report: &StreamerReport, cpu: f64) {
    let schedules: Vec<_> = report.streams.iter().map(|s| s.schedule).collect();
    let worst = |f: fn(&audiox_core::stats::ScheduleSummary) -> f64| {
        let all = schedules.iter().map(f);
        let worst = all.fold(0.0, |w: f64, x| if x.abs() > w.abs() { x } else { w });
        Cell::from(worst)
    };
    let first = report.first_packet_spread.unwrap_or_default();
    table.row(
        streams.to_string(),
        [
            name.into(),
            worst(|s| s.drift_frames.unwrap_or(0) as f64),
            worst(|s| s.slope_ppm.unwrap_or(0.0)),
            worst(|s| s.p50.as_secs_f64() * 1e6),
            worst(|s| s.p99.as_secs_f64() * 1e6),
            worst(|s| s.max.as_secs_f64() * 1e6),
            (first.as_secs_f64() * 1e6).into(),
            schedules.iter().map(|s| s.late).sum::<u64>().into(),
            cpu.into(),
        ],
    );
}

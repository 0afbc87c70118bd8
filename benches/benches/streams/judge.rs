//! The receiving side, as a process of its own: it knows nothing of how packets are sent, and its
//! work is not counted as the sender's. Each datagram begins with its number.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use audiox_core::format::SampleRate;
use audiox_core::packet::PacketBuf;
use audiox_core::stats::{Histogram, ScheduleStats};
use audiox_core::time::Instant;
use audiox_net::Clock;
use audiox_net::udp::{RecvOutcome, UdpSocketConfig, UdpTransport};

/// What the receiver saw; times in nanoseconds.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) packets: u64,
    pub(crate) mean_interval: f64,
    pub(crate) worst_slope_ppm: f64,
    /// How far the latest stream's last packet is behind its first one's schedule.
    pub(crate) behind: i64,
    pub(crate) interval_p99: u64,
    pub(crate) interval_max: u64,
    pub(crate) first_spread: u64,
}

/// The judge's process and port.
pub(crate) struct Judge {
    child: Child,
    pub(crate) port: u16,
}

pub(crate) const ROLE: &str = "AUDIOX_BENCH_JUDGE";

impl Judge {
    pub(crate) fn start(ptime: Duration) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("this program has a path"))
            .env(ROLE, ptime.as_nanos().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program starts again");
        let mut line = String::new();
        let out = child.stdout.as_mut().expect("it is piped");
        BufReader::with_capacity(1, out)
            .read_line(&mut line)
            .expect("the judge says its port");
        Self {
            child,
            port: line.trim().parse().expect("a port"),
        }
    }

    /// All is sent: what was seen of it?
    pub(crate) fn verdict(mut self) -> Verdict {
        drop(self.child.stdin.take());
        let mut text = String::new();
        let out = self.child.stdout.as_mut().expect("it is piped");
        out.read_to_string(&mut text).expect("the judge speaks");
        self.child.wait().expect("the judge ends");
        let numbers: Vec<f64> = text
            .split_whitespace()
            .map(|n| n.parse().expect("a number"))
            .collect();
        let [packets, mean, slope, behind, p99, max, spread] = numbers[..] else {
            panic!("seven numbers");
        };
        Verdict {
            packets: packets as u64,
            mean_interval: mean,
            worst_slope_ppm: slope,
            behind: behind as i64,
            interval_p99: p99 as u64,
            interval_max: max as u64,
            first_spread: spread as u64,
        }
    }
}

struct Track {
    first: Instant,
    last: Instant,
    number: u32,
    stats: ScheduleStats,
}

/// The judge's own program.
#[allow(clippy::print_stdout, reason = "what it says goes through a pipe")]
pub(crate) fn judge(ptime: Duration) {
    let config = UdpSocketConfig {
        receive_buffer: Some(4 << 20),
        ..UdpSocketConfig::receiver(SocketAddr::from(([127, 0, 0, 1], 0)))
    };
    let socket = UdpTransport::open(&config).expect("loopback has a free port");
    println!("{}", socket.local_addr().port());
    std::io::stdout().flush().expect("somebody listens");
    let done = Arc::new(AtomicBool::new(false));
    std::thread::spawn({
        let done = done.clone();
        move || {
            let _ = std::io::stdin().read(&mut [0]);
            done.store(true, Ordering::Release);
        }
    });

    let clock = Clock::new();
    let mut tracks: HashMap<SocketAddr, Track> = HashMap::new();
    let mut intervals = Histogram::new();
    let mut buf = PacketBuf::with_capacity(2_048);
    loop {
        let last = done.load(Ordering::Acquire);
        match socket.recv(&clock, &mut buf).expect("the socket works") {
            RecvOutcome::Datagram { from, .. } => {
                let at = buf.meta.arrival;
                let Some(number) = buf.bytes().first_chunk().map(|b| u32::from_le_bytes(*b)) else {
                    continue;
                };
                let track = tracks.entry(from).or_insert_with(|| Track {
                    first: at,
                    last: at,
                    number,
                    stats: ScheduleStats::new(SampleRate::HZ_44100, ptime),
                });
                if number > track.number {
                    let interval = at.signed_since(track.last) / i64::from(number - track.number);
                    intervals.record(interval.abs_diff(ptime.as_nanos() as i64));
                }
                track.stats.record(track.first + ptime * number, at);
                (track.last, track.number) = (at, number);
            }
            RecvOutcome::Nothing if last => break,
            _ => {}
        }
    }

    let summaries: Vec<_> = tracks.values().map(|t| t.stats.summary()).collect();
    let mean = |f: fn(&Track) -> Option<f64>| {
        let all: Vec<f64> = tracks.values().filter_map(f).collect();
        all.iter().sum::<f64>() / all.len().max(1) as f64
    };
    let interval =
        mean(|t| (t.number > 0).then(|| t.last.signed_since(t.first) as f64 / f64::from(t.number)));
    let slopes = summaries.iter().filter_map(|s| s.slope_ppm);
    let worst = slopes.fold(0.0, |w: f64, s| if s.abs() > w.abs() { s } else { w });
    let behind = tracks
        .values()
        .filter_map(|t| t.stats.last())
        .map(|(due, at)| at.signed_since(due));
    let firsts = || tracks.values().map(|t| t.first);
    let spread = firsts().max().zip(firsts().min()).map(|(a, b)| a - b);
    println!(
        "{} {interval} {worst} {} {} {} {}",
        summaries.iter().map(|s| s.count).sum::<u64>(),
        behind.max_by_key(|b| b.abs()).unwrap_or(0),
        intervals.quantile(0.99).unwrap_or(0),
        intervals.max().unwrap_or(0),
        spread.unwrap_or_default().as_nanos(),
    );
}

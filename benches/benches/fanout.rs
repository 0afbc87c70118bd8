//! The channels of one source to many clients: what it costs, beside the loop that one would
//! write first, and what handing a datagram to the system costs in three ways.
//!
//! Not a criterion bench: it runs in real time. `--quick` takes 2 s instead of 10 s a row.

use std::hint::black_box;
use std::net::{Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};

use audiox_benches::table::{Table, is_quick, progress};
use audiox_core::format::{Channels, PcmFormat, SampleRate, StreamFormat};
use audiox_core::source::{Source, SourceClock, SourceError};
use audiox_udp::fanout::{ClientList, Fanout, FanoutConfig};

const CHANNELS: usize = 64;
const RATE: SampleRate = SampleRate::HZ_48000;

fn main() {
    let time = Duration::from_secs(if is_quick() { 1 } else { 8 });
    let mut table = Table::new("fanout", "clients")
        .number("1 024 frames: audiox", "%", 1)
        .number("naive", "%", 1)
        .number("256 frames: audiox", "%", 1)
        .number("naive", "%", 1);
    let (mut sent, mut lost) = (0, [0; 3]);
    for clients in [1, 16, 64, 256] {
        let mut cells = Vec::new();
        for chunk in [1_024, 256] {
            let ours = audiox(chunk, clients, time);
            sent = ours.sent;
            lost.iter_mut()
                .zip(ours.lost)
                .for_each(|(sum, n)| *sum += n);
            cells.push((ours.cpu * 100.0).into());
            cells.push((naive(chunk, clients, time).cpu * 100.0).into());
        }
        table.row(clients.to_string(), cells);
        progress(&format!("{clients} clients"));
    }
    let [missing, skipped, dropped] = lost;
    table.note(format!(
        "{CHANNELS} channels at {RATE}, {} s a row; in all rows {missing} frames missing, {skipped} \
         skipped, {dropped} datagrams dropped by us; {sent} datagrams in the last",
        time.as_secs()
    ));
    table.finish();
    handing_over();
}

/// What one way of sending did.
struct Done {
    sent: u64,
    /// Frames missing and skipped, datagrams dropped.
    lost: [u64; 3],
    /// Of one core.
    cpu: f64,
}

/// Noise that costs nothing to make.
struct Canned {
    noise: Vec<f32>,
    at: usize,
}

impl Canned {
    fn new() -> Self {
        let mut x = 7u32;
        let noise = std::iter::repeat_with(|| {
            x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (x >> 8) as f32 / 16_777_216.0 - 0.5
        });
        Self {
            noise: noise.take(CHANNELS * 4_800).collect(),
            at: 0,
        }
    }
}

impl Source for Canned {
    fn format(&self) -> StreamFormat {
        StreamFormat::new(RATE, Channels::new(CHANNELS as u16).expect("up to 64"))
    }
    fn clock(&self) -> SourceClock {
        SourceClock::None
    }
    fn frames_left(&self) -> Option<u64> {
        None
    }
    fn read(&mut self, out: &mut [f32]) -> Result<usize, SourceError> {
        let count = out.len().min(self.noise.len() - self.at);
        out[..count].copy_from_slice(&self.noise[self.at..][..count]);
        self.at = (self.at + count) % self.noise.len();
        Ok(count / CHANNELS)
    }
    fn native(&self) -> Option<PcmFormat> {
        None
    }
    fn read_native(&mut self, _: &mut [u8]) -> Result<usize, SourceError> {
        Err(SourceError::Unsupported("made up".to_owned()))
    }
    fn seek(&mut self, _: u64) -> Result<(), SourceError> {
        Err(SourceError::Unsupported("endless".to_owned()))
    }
}

/// Sockets that nobody reads: the system drops what does not fit, which costs as little as can be.
fn listeners(count: usize) -> Vec<UdpSocket> {
    let bind = || UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("ports are free");
    std::iter::repeat_with(bind).take(count).collect()
}

fn port(socket: &UdpSocket) -> u16 {
    socket.local_addr().expect("it is bound").port()
}

fn audiox(chunk: usize, clients: usize, time: Duration) -> Done {
    let listeners = listeners(clients);
    let mut list = ClientList::new();
    for (n, listener) in listeners.iter().enumerate() {
        let (port, channel) = (port(listener), n % CHANNELS);
        let fields = format!(r#"{{"ip": "127.0.0.1", "port": {port}, "channel": {channel}}}"#);
        let fields = serde_json::from_str(&fields).expect("it is JSON");
        list.add(&format!("client {n}"), fields).expect("a client");
    }
    let config = FanoutConfig {
        chunk,
        ..FanoutConfig::new("noise", || Ok(Box::new(Canned::new())))
    };
    let fanout = Fanout::new(config, list).expect("it is possible");
    fanout.start().expect("it starts");
    std::thread::sleep(Duration::from_millis(500));
    let (before, cpu) = (fanout.snapshot(), cpu_seconds());
    std::thread::sleep(time);
    let (after, cpu) = (fanout.snapshot(), cpu_seconds() - cpu);
    let sum = |of: fn(&audiox_udp::fanout::ClientSnapshot) -> u64| {
        after.clients.iter().map(of).sum::<u64>() - before.clients.iter().map(of).sum::<u64>()
    };
    Done {
        sent: sum(|c| c.datagrams),
        lost: [
            after.frames_missing - before.frames_missing,
            after.frames_skipped - before.frames_skipped,
            sum(|c| c.dropped),
        ],
        cpu: cpu / time.as_secs_f64(),
    }
}

/// One socket; for each client its samples are picked, rounded and sent.
fn naive(chunk: usize, clients: usize, time: Duration) -> Done {
    let listeners = listeners(clients);
    let ports: Vec<u16> = listeners.iter().map(port).collect();
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    let mut source = Canned::new();
    let mut block = vec![0.0f32; chunk * CHANNELS];
    let (began, cpu) = (Instant::now(), cpu_seconds());
    let (mut blocks, mut sent) = (0u32, 0);
    while began.elapsed() < time {
        let mut have = 0;
        while have < chunk {
            have += source.read(&mut block[have * CHANNELS..]).expect("endless");
        }
        for (n, &port) in ports.iter().enumerate() {
            let picked = block.iter().skip(n % CHANNELS).step_by(CHANNELS);
            let bytes: Vec<u8> = picked
                .flat_map(|s| ((s * 32_768.0).round() as i16).to_le_bytes())
                .collect();
            sent += u64::from(socket.send_to(&bytes, (Ipv4Addr::LOCALHOST, port)).is_ok());
        }
        blocks += 1;
        let due = began + RATE.duration_of(chunk as u64) * blocks;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    Done {
        sent,
        lost: [0; 3],
        cpu: (cpu_seconds() - cpu) / time.as_secs_f64(),
    }
}

/// User and system time of this process.
fn cpu_seconds() -> f64 {
    let usage = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    usage.tv_sec as f64 + usage.tv_nsec as f64 / 1e9
}

/// 64 datagrams of 2 048 bytes to 64 clients: a connected socket each, one socket for all, and one
/// system call for all.
fn handing_over() {
    use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags, sendmmsg};

    let listeners = listeners(64);
    let payload = [1u8; 2_048];
    let connected: Vec<UdpSocket> = listeners
        .iter()
        .map(|to| {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
            socket
                .connect((Ipv4Addr::LOCALHOST, port(to)))
                .expect("loopback");
            socket
        })
        .collect();
    let one = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    let addresses: Vec<_> = listeners
        .iter()
        .map(|l| l.local_addr().expect("bound"))
        .collect();
    let any: Vec<rustix::net::SocketAddrAny> = addresses.iter().map(|&a| a.into()).collect();
    let mut ways: [(&str, Way<'_>); 3] = [
        (
            "a connected socket each",
            Box::new(|| {
                connected
                    .iter()
                    .for_each(|s| drop(black_box(s.send(&payload))))
            }),
        ),
        (
            "one socket, sendto",
            Box::new(|| {
                addresses
                    .iter()
                    .for_each(|a| drop(black_box(one.send_to(&payload, a))))
            }),
        ),
        (
            "one socket, sendmmsg",
            Box::new(|| {
                let slices = [std::io::IoSlice::new(&payload)];
                let mut ancillary: Vec<_> = addresses
                    .iter()
                    .map(|_| SendAncillaryBuffer::default())
                    .collect();
                let mut messages: Vec<_> = any
                    .iter()
                    .zip(&mut ancillary)
                    .map(|(to, control)| MMsgHdr::new_with_addr(to, &slices, control))
                    .collect();
                let _ = black_box(sendmmsg(&one, &mut messages, SendFlags::empty()));
            }),
        ),
    ];
    let mut times = [const { Vec::new() }; 3];
    for _ in 0..400 {
        // In turn, so that whatever else this machine does meets all alike.
        for ((_, way), times) in ways.iter_mut().zip(&mut times) {
            let began = Instant::now();
            way();
            times.push(began.elapsed());
        }
    }
    let mut table = Table::new("handing-over", "a datagram of 2 048 bytes").number("time", "µs", 2);
    for ((name, _), times) in ways.iter().zip(&mut times) {
        times.sort();
        table.row(*name, [(times[200].as_secs_f64() * 1e6 / 64.0).into()]);
    }
    table.note("64 in a round to 64 clients, median of 400 rounds");
    table.finish();
}

/// A way to send that is measured.
type Way<'a> = Box<dyn FnMut() + 'a>;

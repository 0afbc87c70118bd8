//! Sends a second of headerless PCM in time: `send_datagrams udp://HOST:PORT`.
//!
//! Without an argument it sends to itself on loopback and checks that all of it arrived.
#![allow(clippy::print_stdout, reason = "a program's output")]

use std::error::Error;
use std::time::Duration;

use audiox_core::format::SampleRate;
use audiox_core::pacer::{CatchUp, Pacer};
use audiox_core::packet::PacketBuf;
use audiox_core::stats::ScheduleStats;
use audiox_core::time::Instant;
use audiox_net::pace::{PacedWork, run_paced};
use audiox_net::udp::{RecvOutcome, UdpCounts, UdpSocketConfig, UdpTransport};
use audiox_net::{Clock, Endpoint, StopFlag};

const RATE: SampleRate = SampleRate::HZ_48000;
const FRAMES: u64 = 480;
const PACKETS: u64 = 100;

struct Square {
    socket: UdpTransport,
    pacer: Pacer,
    counts: UdpCounts,
    stats: ScheduleStats,
}

impl PacedWork for Square {
    fn next_deadline(&self) -> Option<Instant> {
        (self.pacer.position() < PACKETS * FRAMES).then(|| self.pacer.next_deadline())
    }

    fn run(&mut self, now: Instant) {
        let mut datagram = [0; FRAMES as usize * 2];
        for (n, sample) in datagram.chunks_exact_mut(2).enumerate() {
            let level = if n / 48 % 2 == 0 { 3_000 } else { -3_000 };
            sample.copy_from_slice(&i16::to_le_bytes(level));
        }
        if let Ok(outcome) = self.socket.send(&datagram) {
            self.counts.count_send(outcome, datagram.len());
        }
        self.stats.record(self.pacer.next_deadline(), now);
        self.pacer.advance(FRAMES);
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let clock = Clock::new();
    let (config, receiver) = match std::env::args().nth(1) {
        Some(url) => match url.parse()? {
            Endpoint::Udp(endpoint) => (endpoint.at.sender()?, None),
            _ => return Err("a udp:// URL is expected".into()),
        },
        None => {
            let receiver = UdpTransport::open(&UdpSocketConfig::receiver("127.0.0.1:0".parse()?))?;
            (
                UdpSocketConfig::sender(receiver.local_addr()),
                Some(receiver),
            )
        }
    };
    let mut square = Square {
        socket: UdpTransport::open(&config)?,
        pacer: Pacer::new(clock.now(), RATE, CatchUp::Burst),
        counts: UdpCounts::default(),
        stats: ScheduleStats::new(RATE, Duration::from_millis(10)),
    };
    run_paced(&clock, &StopFlag::new(), &mut square);
    let s = square.stats.summary();
    println!(
        "{} datagrams, {} refused; late by {:?} (median), {:?} (p99), {:?} (max)",
        square.counts.sent, square.counts.refused, s.p50, s.p99, s.max
    );

    if let Some(receiver) = receiver {
        let mut buf = PacketBuf::with_capacity(1_472);
        let mut counts = UdpCounts::default();
        while counts.received < square.counts.sent {
            match receiver.recv(&clock, &mut buf)? {
                RecvOutcome::Nothing => break,
                outcome => counts.count_recv(outcome),
            }
        }
        if counts.received_bytes != square.counts.sent_bytes {
            return Err(format!("{counts:?} of {:?}", square.counts).into());
        }
        println!("all of it arrived");
    }
    Ok(())
}

//! Tells who sends datagrams here, until there were none for a second:
//! `receive_datagrams udp://:PORT`, or a multicast group for the host.
//!
//! Without an argument it listens on a free port of loopback and sends itself a few.
#![allow(clippy::print_stdout, reason = "a program's output")]

use std::collections::BTreeMap;
use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use audiox_core::packet::PacketBuf;
use audiox_net::udp::{RecvOutcome, UdpCounts, UdpSocketConfig, UdpTransport};
use audiox_net::{Clock, Endpoint};

fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1);
    let demo = url.is_none();
    let config = match url.as_deref().unwrap_or("udp://127.0.0.1:0").parse()? {
        Endpoint::Udp(endpoint) => endpoint.at.receiver()?,
        _ => return Err("a udp:// URL is expected".into()),
    };
    let socket = UdpTransport::open(&config)?;
    let buffer = socket.report().receive_buffer;
    println!(
        "listening on {}, {} bytes of buffer",
        socket.local_addr(),
        buffer.obtained
    );
    if demo {
        let sender = UdpTransport::open(&UdpSocketConfig::sender(socket.local_addr()))?;
        for len in [960, 960, 100, 4_000] {
            sender.send(&vec![0; len])?;
        }
    }

    let clock = Clock::new();
    let mut buf = PacketBuf::with_capacity(1_472);
    let mut senders: BTreeMap<SocketAddr, UdpCounts> = BTreeMap::new();
    let mut last = clock.now();
    let patience = Duration::from_secs(if demo { 0 } else { 1 });
    loop {
        let outcome = socket.recv(&clock, &mut buf)?;
        match outcome {
            RecvOutcome::Datagram { from, .. } | RecvOutcome::Truncated { from } => {
                senders.entry(from).or_default().count_recv(outcome);
                last = clock.now();
            }
            RecvOutcome::Refused => {}
            RecvOutcome::Nothing if senders.is_empty() && !demo => {}
            RecvOutcome::Nothing if clock.now() - last < patience => {}
            RecvOutcome::Nothing => break,
        }
    }
    for (from, c) in senders {
        println!(
            "{from}: {} datagrams, {} bytes, {} too long",
            c.received, c.received_bytes, c.truncated
        );
    }
    Ok(())
}

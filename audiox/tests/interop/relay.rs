//! A relay between two peers that loses some packets and reads what both tell each other.
//!
//! Unlike `audiox link` it has one port for each direction's media and reports, which a pipeline
//! written by hand can be told.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use audiox::core::packet::rtcp::{Compound, RtcpPacket, XrBlock};
use audiox::core::packet::rtp::RtpPacket;

use crate::support::free_ports;

/// What passed.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Passed {
    /// Media packets, and those lost of them.
    pub(crate) media: u64,
    pub(crate) lost: u64,
    /// Packets that were sent again.
    pub(crate) again: u64,
    /// Packets that the receiver asked for.
    pub(crate) asked: u64,
    /// Blocks of reception reports; of extended ones those of losses, reference times and delay.
    pub(crate) report_blocks: u64,
    pub(crate) losses: u64,
    pub(crate) times: u64,
    pub(crate) delays: u64,
}

/// Passes on RTP and, on the next port, RTCP.
pub(crate) struct Relay {
    /// Where both peers send to.
    pub(crate) port: u16,
    passed: Arc<Mutex<Passed>>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Relay {
    /// To a receiver at port `to`, back to where reports come from or else to port `back`. Of a
    /// hundred packets `per_cent` are lost, but none that are sent again, of payload type `again`.
    pub(crate) fn start(to: u16, back: Option<u16>, per_cent: u64, again: u8) -> Self {
        let port = free_ports();
        let open = |port| {
            let socket = UdpSocket::bind(("127.0.0.1", port)).unwrap();
            let often = Some(Duration::from_millis(50));
            socket.set_read_timeout(often).unwrap();
            socket
        };
        let passed = Arc::new(Mutex::new(Passed::default()));
        let stop = Arc::new(AtomicBool::new(false));
        let media = Way {
            socket: open(port),
            passed: passed.clone(),
            stop: stop.clone(),
        };
        let reports = Way {
            socket: open(port + 1),
            passed: passed.clone(),
            stop: stop.clone(),
        };
        let threads = vec![
            thread::spawn(move || media.carry_media(to, per_cent, again)),
            thread::spawn(move || reports.carry_reports(to + 1, back)),
        ];
        Self {
            port,
            passed,
            stop,
            threads,
        }
    }

    /// Ends, and tells what passed.
    pub(crate) fn finish(self) -> Passed {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().unwrap();
        }
        *self.passed.lock().unwrap()
    }
}

struct Way {
    socket: UdpSocket,
    passed: Arc<Mutex<Passed>>,
    stop: Arc<AtomicBool>,
}

impl Way {
    fn receive<'a>(&self, buf: &'a mut [u8]) -> Option<(&'a [u8], SocketAddr)> {
        while !self.stop.load(Ordering::Relaxed) {
            if let Ok((len, from)) = self.socket.recv_from(buf) {
                return Some((&buf[..len], from));
            }
        }
        None
    }

    fn send(&self, datagram: &[u8], port: u16) {
        // Nobody may be there yet, or any more.
        let _ = self.socket.send_to(datagram, ("127.0.0.1", port));
    }

    fn carry_media(&self, to: u16, per_cent: u64, again: u8) {
        let (mut buf, mut state) = ([0; 2_048], 1u64);
        while let Some((datagram, _)) = self.receive(&mut buf) {
            let Ok(packet) = RtpPacket::parse(datagram) else {
                continue;
            };
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let is_again = packet.payload_type() == again;
            let is_lost = !is_again && (state >> 33) % 100 < per_cent;
            let mut passed = self.passed.lock().unwrap();
            if is_again {
                passed.again += 1;
            } else {
                passed.media += 1;
                passed.lost += u64::from(is_lost);
            }
            drop(passed);
            if !is_lost {
                self.send(datagram, to);
            }
        }
    }

    fn carry_reports(&self, to: u16, back: Option<u16>) {
        let (mut buf, mut sender) = ([0; 2_048], back);
        while let Some((datagram, from)) = self.receive(&mut buf) {
            // Feedback alone need not be behind a report.
            let compound =
                Compound::parse(datagram).or_else(|_| Compound::parse_reduced_size(datagram));
            let Ok(compound) = compound else {
                panic!("a peer sent what cannot be read: {datagram:?}");
            };
            let first = compound.packets().next();
            if matches!(first, Some(Ok(RtcpPacket::SenderReport(_)))) {
                sender = back.or_else(|| Some(from.port()));
                self.send(datagram, to);
            } else if Some(from.port()) == sender {
                self.send(datagram, to);
            } else if let Some(sender) = sender {
                self.send(datagram, sender);
            }
            for packet in compound.packets() {
                self.count(&packet.expect("a peer's packet can be read"));
            }
        }
    }

    fn count(&self, packet: &RtcpPacket<'_>) {
        let mut passed = self.passed.lock().unwrap();
        match packet {
            RtcpPacket::Nack(nack) => passed.asked += nack.missing().count() as u64,
            RtcpPacket::ReceiverReport(rr) => {
                passed.report_blocks += rr.reports.iter().count() as u64;
            }
            RtcpPacket::ExtendedReport(report) => {
                for block in report.blocks() {
                    match block {
                        Ok(XrBlock::Loss(_)) => passed.losses += 1,
                        Ok(XrBlock::ReferenceTime(_)) => passed.times += 1,
                        Ok(XrBlock::JitterBuffer(_)) => passed.delays += 1,
                        Ok(_) => {}
                        Err(e) => panic!("{e}"),
                    }
                }
            }
            _ => {}
        }
    }
}

//! Hands each media datagram to all receivers, and notes when it came.

use std::net::{SocketAddr, UdpSocket};
use std::thread::JoinHandle;
use std::time::Duration;

use audiox_core::packet::rtp::RtpPacket;
use audiox_core::time::Instant;
use audiox_net::clock::Clock;
use audiox_net::stop::StopFlag;

pub(crate) struct Tee {
    pub(crate) address: SocketAddr,
    stop: StopFlag,
    thread: JoinHandle<Vec<(u16, Instant)>>,
}

/// When packets came, by number: 0 is the first that was sent.
pub(crate) struct Arrivals {
    first: u16,
    /// When packet 0 would have come, had it been as lucky as the luckiest.
    lucky: u64,
    packets: usize,
}

impl Tee {
    pub(crate) fn start(clock: Clock, to: Vec<SocketAddr>) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = socket.local_addr().expect("it is bound");
        let timeout = Some(Duration::from_millis(50));
        socket.set_read_timeout(timeout).expect("not zero");
        let stop = StopFlag::new();
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let mut arrivals = Vec::new();
            let mut buffer = [0; 2_048];
            while !stopped.is_stopped() {
                let Ok(len) = socket.recv(&mut buffer) else {
                    continue;
                };
                let now = clock.now();
                let datagram = &buffer[..len];
                // RTCP shares the port (RFC 5761).
                if let Ok(packet) = RtpPacket::parse(datagram)
                    && packet.payload_type() == PAYLOAD_TYPE
                {
                    arrivals.push((packet.seq().0, now));
                    for to in &to {
                        // A receiver that is gone shows in what it heard.
                        let _ = socket.send_to(datagram, to);
                    }
                }
            }
            arrivals
        });
        Self {
            address,
            stop,
            thread,
        }
    }

    pub(crate) fn finish(self) -> Arrivals {
        self.stop.stop();
        let arrivals = self.thread.join().expect("it does not panic");
        // The link may let packets overtake each other, the first few too.
        let (any, _) = arrivals[0];
        let first = arrivals.iter().take(50);
        let first = first.min_by_key(|(seq, _)| seq.wrapping_sub(any) as i16);
        let first = first.map_or(any, |(seq, _)| *seq);
        let lucky = arrivals.iter().map(|(seq, at)| {
            let n = u64::from(seq.wrapping_sub(first));
            at.as_nanos().saturating_sub(n * PTIME.as_nanos() as u64)
        });
        Arrivals {
            first,
            lucky: lucky.min().unwrap_or(0),
            packets: arrivals.len(),
        }
    }
}

impl Arrivals {
    pub(crate) fn number(&self, seq: u16) -> usize {
        usize::from(seq.wrapping_sub(self.first))
    }

    pub(crate) fn packets(&self) -> usize {
        self.packets
    }

    /// By how much what was captured `media` after the first frame is late at `now`.
    pub(crate) fn delay(&self, media: Duration, now: Instant) -> Duration {
        let earliest = self.lucky + media.as_nanos() as u64;
        Duration::from_nanos(now.as_nanos().saturating_sub(earliest))
    }
}

pub(crate) const PAYLOAD_TYPE: u8 = 96;
pub(crate) const PTIME: Duration = Duration::from_millis(10);

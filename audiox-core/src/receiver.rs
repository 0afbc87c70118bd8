//! [`Ingress`] and [`Playout`] joined for one stream on one thread: tests, the simulator,
//! blocking programs.
//!
//! Follows one sender at a time. When that one says goodbye or falls silent, the next to be
//! heard takes its place (a sender that restarts comes back with another SSRC); until then
//! others are turned away, counted.

use std::time::Duration;

use crate::block::AudioMut;
use crate::codec::Decoder;
use crate::error::{ConfigError, ParseError};
use crate::ingress::{
    Handled, Ingress, IngressConfig, IngressEvent, IngressFraming, Origin, SourceId,
};
use crate::packet::PacketBuf;
use crate::playout::{Inserted, Playout, PlayoutConfig, Pulled};
use crate::stats::{PlayoutStats, SourceStats};
use crate::time::Instant;

/// What a [`Receiver`] is made with.
#[derive(Debug, Clone)]
pub struct ReceiverConfig {
    /// The wire side.
    pub ingress: IngressConfig,
    /// The device side.
    pub playout: PlayoutConfig,
    /// Bytes that a datagram can have; longer ones are dropped, counted.
    pub max_datagram: usize,
    /// Silence of the current sender after which another may take over.
    pub takeover_after: Duration,
}

impl ReceiverConfig {
    /// The defaults of each part; datagrams up to 2 048 bytes, takeover after 200 ms.
    pub fn new(framing: IngressFraming) -> Self {
        Self {
            ingress: IngressConfig {
                framing,
                ..IngressConfig::rtp([])
            },
            playout: PlayoutConfig::default(),
            max_datagram: 2_048,
            takeover_after: Duration::from_millis(200),
        }
    }
}

/// What became of a datagram. Counted too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// What playout did with it.
    Packet(Inserted),
    /// Not from the sender that is being followed.
    Foreign,
    /// Longer than [`ReceiverConfig::max_datagram`].
    TooLong,
    /// Every buffer is waiting in the jitter buffer.
    NoBuffer,
    /// A repair packet; what it brought back is with the others.
    Repair,
    /// Turned away on the wire side.
    Refused(Handled),
}

/// Both halves of reception and the buffers between them.
#[derive(Debug)]
pub struct Receiver {
    ingress: Ingress,
    playout: Playout,
    free: Vec<PacketBuf>,
    current: Option<Current>,
    takeover_after: Duration,
    /// Tells one followed sender's generations from the next one's.
    stream: u32,
    stats: ReceiverStats,
}

#[derive(Debug, Clone, Copy)]
struct Current {
    id: SourceId,
    heard: Instant,
}

/// Counters of the join; the halves have their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReceiverStats {
    /// Packets of senders not followed.
    pub foreign: u64,
    /// Datagrams longer than the buffers.
    pub too_long: u64,
    /// Datagrams for which no buffer was free.
    pub no_buffer: u64,
    /// Times that another sender took over.
    pub takeovers: u64,
}

impl Receiver {
    /// A receiver that reads payloads by `decoders`, keyed by payload type (0 for raw framing).
    ///
    /// # Errors
    /// As [`Ingress::new`] and [`Playout::new`].
    pub fn new(
        config: ReceiverConfig,
        decoders: Vec<(u8, Box<dyn Decoder>)>,
        now: Instant,
    ) -> Result<Self, ConfigError> {
        let playout = Playout::new(&config.playout, decoders)?;
        let buffers = config.playout.width.next_power_of_two() + 1;
        Ok(Self {
            ingress: Ingress::new(config.ingress, now)?,
            playout,
            free: (0..buffers)
                .map(|_| PacketBuf::with_capacity(config.max_datagram))
                .collect(),
            current: None,
            takeover_after: config.takeover_after,
            stream: 0,
            stats: ReceiverStats::default(),
        })
    }

    /// Takes a media datagram that arrived at `now` from `origin`.
    pub fn handle_datagram(&mut self, now: Instant, origin: Origin, datagram: &[u8]) -> Received {
        self.handle(now, origin, datagram, false)
    }

    /// Takes a datagram that arrived at the port of the block code's repair packets; otherwise as
    /// [`handle_datagram`](Self::handle_datagram).
    pub fn handle_repair(&mut self, now: Instant, origin: Origin, datagram: &[u8]) -> Received {
        self.handle(now, origin, datagram, true)
    }

    fn handle(
        &mut self,
        now: Instant,
        origin: Origin,
        datagram: &[u8],
        repair_port: bool,
    ) -> Received {
        let Some(mut packet) = self.free.pop() else {
            self.stats.no_buffer += 1;
            return Received::NoBuffer;
        };
        let received = if packet.fill(datagram) {
            packet.meta.arrival = now;
            packet.meta.origin = origin;
            packet.meta.repair_port = repair_port;
            match self.ingress.handle_packet(&mut packet) {
                Handled::Media(id) if self.follows(now, id) => {
                    packet.meta.generation = packet.meta.generation.wrapping_add(self.stream);
                    let inserted = self.playout.insert(packet);
                    self.collect();
                    self.repair();
                    return Received::Packet(inserted);
                }
                Handled::Repair(_) => {
                    self.free.push(packet);
                    self.repair();
                    return Received::Repair;
                }
                Handled::Media(_) => {
                    self.stats.foreign += 1;
                    Received::Foreign
                }
                refused => Received::Refused(refused),
            }
        } else {
            self.stats.too_long += 1;
            Received::TooLong
        };
        self.free.push(packet);
        received
    }

    /// Takes an RTCP datagram.
    ///
    /// # Errors
    /// It is malformed (counted).
    pub fn handle_rtcp(&mut self, now: Instant, datagram: &[u8]) -> Result<(), ParseError> {
        let before = self.said_bye();
        let outcome = self.ingress.handle_rtcp(now, datagram);
        if self.said_bye() && !before {
            self.playout.finish();
        }
        outcome
    }

    /// Fills the whole of `out`, whose first frame is heard at `now`. See [`Playout::pull`].
    pub fn pull(&mut self, now: Instant, out: AudioMut<'_>) -> Pulled {
        let pulled = self.playout.pull(now, out);
        self.collect();
        if let Some(current) = self.current.filter(|_| self.playout.is_playing()) {
            let (delay, adaptive) = (self.playout.target_delay(), self.playout.is_adaptive());
            self.ingress.set_delay(current.id, delay, adaptive);
        }
        pulled
    }

    /// The next event of the wire side, oldest first.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<IngressEvent> {
        self.ingress.poll_event()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.ingress.poll_timeout()
    }

    /// Readies reports, forgets idle senders. A spurious call is a no-op.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.ingress.handle_timeout(now);
    }

    /// Writes a receiver report that is due, or a request for what is missing, into `buf` and
    /// returns its length. Call until there is none.
    #[must_use]
    pub fn poll_report(&mut self, now: Instant, buf: &mut [u8]) -> Option<usize> {
        self.ingress.poll_report(now, buf)
    }

    /// The wire side, for its statistics.
    pub fn ingress(&self) -> &Ingress {
        &self.ingress
    }

    /// The device side, for its details.
    pub fn playout(&self) -> &Playout {
        &self.playout
    }

    /// The device side, to set things.
    pub fn playout_mut(&mut self) -> &mut Playout {
        &mut self.playout
    }

    /// The device side's counters.
    pub fn playout_stats(&self) -> &PlayoutStats {
        self.playout.stats()
    }

    /// The followed sender's arrival statistics; `None` before the first packet and after its end.
    pub fn source_stats(&self) -> Option<SourceStats> {
        self.ingress.source_stats(self.current?.id)
    }

    /// Counters of the join.
    pub fn stats(&self) -> &ReceiverStats {
        &self.stats
    }

    /// Packet buffers in all, free and waiting: constant, whatever comes.
    pub fn buffers(&self) -> usize {
        self.free.len() + self.playout.packets_buffered()
    }

    /// Whether the followed sender has said that it ends.
    fn said_bye(&self) -> bool {
        self.current.is_some_and(|c| self.ingress.said_bye(c.id))
    }

    /// Whether `id` is the sender to hear, now that a packet of it is here.
    fn follows(&mut self, now: Instant, id: SourceId) -> bool {
        match &mut self.current {
            Some(current) if current.id == id => {
                current.heard = now;
                return true;
            }
            Some(current)
                if !self.ingress.said_bye(current.id)
                    && now.saturating_since(current.heard) < self.takeover_after =>
            {
                return false;
            }
            Some(_) => {
                self.stats.takeovers += 1;
                // Far from any generation that one sender reaches.
                self.stream = self.stream.wrapping_add(1 << 16);
            }
            None => {}
        }
        self.current = Some(Current { id, heard: now });
        true
    }

    /// Inserts what repair packets brought back.
    fn repair(&mut self) {
        while self.ingress.has_recovered()
            && let Some(mut packet) = self.free.pop()
        {
            let id = self.ingress.poll_recovered(&mut packet);
            if id.is_some() && id == self.current.map(|c| c.id) {
                packet.meta.generation = packet.meta.generation.wrapping_add(self.stream);
                self.playout.insert(packet);
                self.collect();
            } else {
                self.free.push(packet);
            }
        }
    }

    fn collect(&mut self) {
        while let Some(packet) = self.playout.poll_recycled() {
            self.free.push(packet);
        }
    }
}

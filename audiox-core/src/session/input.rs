use std::collections::VecDeque;
use std::time::Duration;

use super::event::{Routed, SessionEvent, SourceRefusal};
use super::handover::{Report, Socket};
use super::lane::Lane;
use super::places::{Budget, Leaving, Place, RefusedSource};
use super::playouts::{NewSource, PlayoutFactory};
use super::stats::{MixStats, PlaybackStats, SessionStats};
use super::ticket::Ticket;
use crate::convert::Gain;
use crate::error::{ConfigError, ParseError};
use crate::format::StreamFormat;
use crate::ingress::{Handled, Ingress, IngressEvent, Origin, SourceId};
use crate::packet::PacketBuf;
use crate::stats::SourceStats;
use crate::time::Instant;

/// The socket side of a session: demultiplexes, builds playouts, hands packets over.
pub struct SessionInput {
    ingress: Ingress,
    playouts: Box<dyn PlayoutFactory>,
    output: StreamFormat,
    socket: Socket,
    places: Box<[Place]>,
    refused: Vec<RefusedSource>,
    buffers_per_source: u32,
    gain_slew: u32,
    budget: Budget,
    collect_at: Option<Instant>,
    /// Events that ingress had lost when they were last made up for.
    events_lost: u64,
    events: VecDeque<SessionEvent>,
    mix: MixStats,
    stats: SessionStats,
}

impl SessionInput {
    pub(super) fn new(
        ingress: Ingress,
        playouts: Box<dyn PlayoutFactory>,
        socket: Socket,
        config: &super::SessionConfig,
        now: Instant,
    ) -> Self {
        let slew = config.output.rate.frames_in(config.gain_slew);
        Self {
            refused: Vec::with_capacity(config.ingress.max_sources),
            ingress,
            playouts,
            output: config.output,
            socket,
            places: (0..config.max_sources)
                .map(|slot| Place::free(Ticket::first(slot)))
                .collect(),
            buffers_per_source: config.buffers_per_source as u32,
            gain_slew: u32::try_from(slew).unwrap_or(u32::MAX),
            budget: Budget::new(config.max_sources, now),
            collect_at: None,
            events_lost: 0,
            events: VecDeque::with_capacity(MAX_EVENTS),
            mix: MixStats::default(),
            stats: SessionStats::default(),
        }
    }

    /// A buffer to receive into, for [`handle_packet`](Self::handle_packet) or
    /// [`release`](Self::release). `None` (counted) where the playback side holds them all.
    pub fn acquire(&mut self) -> Option<PacketBuf> {
        self.collect();
        let buffer = self.socket.acquire();
        self.stats.no_buffer += u64::from(buffer.is_none());
        buffer
    }

    /// Takes back a buffer that is not needed after all.
    pub fn release(&mut self, packet: PacketBuf) {
        if let Ok(packet) = self.socket.take_back(packet) {
            self.socket.keep(packet);
        }
    }

    /// Takes a media datagram in a buffer of [`acquire`](Self::acquire) whose `meta.arrival` and
    /// `meta.origin` the socket's owner has set. Out of any other buffer it is copied.
    ///
    /// O(sources). Allocates only for a source that is new, or just confirmed.
    pub fn handle_packet(&mut self, packet: PacketBuf) -> Routed {
        self.collect();
        let mut packet = match self.socket.take_back(packet) {
            Ok(packet) => packet,
            Err(refused) => {
                self.stats.no_buffer += u64::from(refused == Routed::NoBuffer);
                self.stats.too_long += u64::from(refused == Routed::TooLong);
                return refused;
            }
        };
        let now = packet.meta.arrival;
        let handled = self.ingress.handle_packet(&mut packet);
        self.follow(now);
        let routed = match handled {
            Handled::Media(id) => self.place_for(now, id, &packet),
            Handled::Repair(_) => Err(Routed::Repair),
            refused => Err(Routed::Rejected(refused)),
        };
        let routed = match routed {
            Ok(slot) => self.submit(slot, packet),
            Err(refused) => {
                self.socket.keep(packet);
                refused
            }
        };
        self.repair(now);
        routed
    }

    /// Hands over what repair packets brought back.
    fn repair(&mut self, now: Instant) {
        while self.ingress.has_recovered()
            && let Some(mut packet) = self.socket.free()
        {
            let id = self.ingress.poll_recovered(&mut packet);
            match id.map(|id| self.place_for(now, id, &packet)) {
                Some(Ok(slot)) => {
                    self.submit(slot, packet);
                }
                Some(Err(_)) | None => self.socket.keep(packet),
            }
        }
    }

    /// Takes a media datagram that arrived at `now` from `origin`, copying it into a buffer.
    pub fn handle_datagram(&mut self, now: Instant, origin: Origin, datagram: &[u8]) -> Routed {
        self.copy(now, origin, datagram, false)
    }

    /// Takes a datagram that arrived at the port of the block code's repair packets; otherwise as
    /// [`handle_datagram`](Self::handle_datagram).
    pub fn handle_repair(&mut self, now: Instant, origin: Origin, datagram: &[u8]) -> Routed {
        self.copy(now, origin, datagram, true)
    }

    fn copy(&mut self, now: Instant, origin: Origin, datagram: &[u8], repair_port: bool) -> Routed {
        let Some(mut packet) = self.acquire() else {
            return Routed::NoBuffer;
        };
        if !packet.fill(datagram) {
            self.stats.too_long += 1;
            self.release(packet);
            return Routed::TooLong;
        }
        packet.meta.arrival = now;
        packet.meta.origin = origin;
        packet.meta.repair_port = repair_port;
        self.handle_packet(packet)
    }

    /// Takes an RTCP datagram.
    ///
    /// # Errors
    /// It is malformed (counted).
    pub fn handle_rtcp(&mut self, now: Instant, datagram: &[u8]) -> Result<(), ParseError> {
        let result = self.ingress.handle_rtcp(now, datagram);
        self.follow(now);
        result
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let ingress = self.ingress.poll_timeout();
        ingress.into_iter().chain(self.collect_at).min()
    }

    /// Readies reports, ends idle sources, drops what came back. A spurious call is a no-op.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.ingress.handle_timeout(now);
        self.follow(now);
        self.collect();
        let leaving = self.places.iter().any(|p| p.leaving != Leaving::No);
        self.collect_at = leaving.then(|| now + COLLECT_EVERY);
    }

    /// Writes a receiver report that is due, or a request for what is missing, into `buf` and
    /// returns its length. Call until there is none.
    #[must_use]
    pub fn poll_report(&mut self, now: Instant, buf: &mut [u8]) -> Option<usize> {
        self.ingress.poll_report(now, buf)
    }

    /// The next event, oldest first. At most 256 wait; beyond that the oldest is lost (counted).
    #[must_use]
    pub fn poll_event(&mut self) -> Option<SessionEvent> {
        self.collect();
        self.events.pop_front()
    }

    /// Turns a source up or down from the next pull on, gliding within
    /// [`SessionConfig::gain_slew`](super::SessionConfig::gain_slew). Returns whether it has a
    /// place; sources begin at unity.
    pub fn set_gain(&mut self, source: SourceId, gain: Gain) -> bool {
        let Some(slot) = self.slot_of(source) else {
            return false;
        };
        self.socket.set_gain(slot, gain);
        true
    }

    /// The sources that have a place, each with its place.
    pub fn sources(&self) -> impl Iterator<Item = (usize, SourceId)> + '_ {
        let places = self.places.iter().enumerate();
        places.filter_map(|(slot, p)| Some((slot, p.source?)))
    }

    /// The wire side, for what it knows about each source.
    pub fn ingress(&self) -> &Ingress {
        &self.ingress
    }

    /// Arrival statistics of a source; `None` once it has ended.
    pub fn source_stats(&self, source: SourceId) -> Option<SourceStats> {
        self.ingress.source_stats(source)
    }

    /// What the playback side reported last of a source, at most a tenth of a second old while it
    /// pulls; `None` without a place. The final figures are in [`SessionEvent::Ended`].
    pub fn playback_stats(&self, source: SourceId) -> Option<&PlaybackStats> {
        self.slot_of(source).map(|slot| &self.places[slot].stats)
    }

    /// What the playback side reported last of all sources together.
    pub fn mix_stats(&self) -> &MixStats {
        &self.mix
    }

    /// Counters so far.
    pub fn stats(&self) -> &SessionStats {
        &self.stats
    }

    /// Whether the playback side is gone.
    pub fn is_closed(&self) -> bool {
        self.socket.is_closed()
    }

    /// Takes in what came back from the playback side.
    pub(super) fn collect(&mut self) {
        while let Some(report) = self.socket.next_report() {
            match report {
                Report::Lane(ticket, stats) => {
                    let place = &mut self.places[ticket.slot()];
                    if place.ticket == ticket {
                        place.stats = stats;
                        if let Some(source) = place.source.filter(|_| stats.playing) {
                            let delay = stats.target_delay;
                            self.ingress.set_delay(source, delay, stats.adaptive);
                        }
                    }
                }
                Report::Mix(stats) => self.mix = stats,
            }
        }
        while let Some(mut lane) = self.socket.next_home() {
            let playback = lane.take_stats();
            lane.reset();
            while let Some(packet) = lane.poll_recycled() {
                self.socket.keep(packet);
            }
            self.places[lane.ticket().slot()] = Place::free(lane.ticket().next());
            self.stats.sources_ended += 1;
            let source = lane.source();
            self.event(SessionEvent::Ended { source, playback });
        }
    }

    /// Acts on what ingress found out.
    fn follow(&mut self, now: Instant) {
        while let Some(event) = self.ingress.poll_event() {
            match event {
                IngressEvent::Started(_) => {}
                IngressEvent::Restarted(id) => self.tell(id, SessionEvent::Restarted(id)),
                IngressEvent::Mapped(id) => self.tell(id, SessionEvent::Mapped(id)),
                IngressEvent::Bye(id) => {
                    self.tell(id, SessionEvent::Bye(id));
                    self.leave(now, id, Leaving::Finishing);
                }
                IngressEvent::Ended(id) => {
                    self.refused.retain(|r| r.id != id);
                    self.leave(now, id, Leaving::Closing);
                }
            }
        }
        if self.events_lost != self.ingress.stats().events_dropped {
            self.events_lost = self.ingress.stats().events_dropped;
            self.reconcile(now);
        }
    }

    /// Ends what ingress no longer knows: the event that said so was among the lost.
    fn reconcile(&mut self, now: Instant) {
        let ingress = &self.ingress;
        let is_known = |id| ingress.sources().any(|known| known == id);
        self.refused.retain(|r| is_known(r.id));
        for slot in 0..self.places.len() {
            let gone = self.places[slot].source;
            if let Some(id) = gone.filter(|id| !self.ingress.sources().any(|k| k == *id)) {
                self.leave(now, id, Leaving::Closing);
            }
        }
    }

    fn leave(&mut self, now: Instant, id: SourceId, how: Leaving) {
        let Some(slot) = self.slot_of(id) else {
            return;
        };
        let place = &mut self.places[slot];
        match (place.leaving, how) {
            (Leaving::No, Leaving::Finishing) => self.socket.finish(place.ticket),
            (Leaving::No | Leaving::Finishing, Leaving::Closing) => self.socket.close(place.ticket),
            _ => return,
        }
        place.leaving = how;
        self.collect_at = Some(now + COLLECT_EVERY);
    }

    /// Where the packet of `id` goes; makes room for a source just confirmed.
    fn place_for(
        &mut self,
        now: Instant,
        id: SourceId,
        packet: &PacketBuf,
    ) -> Result<usize, Routed> {
        let payload_type = packet.meta.payload_type;
        if let Some(slot) = self.slot_of(id) {
            let place = &self.places[slot];
            if place.leaving == Leaving::Closing {
                self.stats.packets_refused += 1;
                return Err(Routed::Refused(id));
            }
            if place.payload_type == payload_type
                || self.playouts.reads(place.payload_type, payload_type)
            {
                return Ok(slot);
            }
            // Another format: another playout, once this one is home.
            self.leave(now, id, Leaving::Closing);
            self.stats.packets_refused += 1;
            return Err(Routed::Refused(id));
        }
        if !self.ingress.is_confirmed(id) {
            self.stats.packets_unconfirmed += 1;
            return Err(Routed::Unconfirmed(id));
        }
        self.open(now, id, packet).ok_or_else(|| {
            self.stats.packets_refused += 1;
            Routed::Refused(id)
        })
    }

    /// Builds a playout for `id` and hands it over.
    fn open(&mut self, now: Instant, id: SourceId, packet: &PacketBuf) -> Option<usize> {
        let known = self.refused.iter().find(|r| r.id == id);
        let payload_type = packet.meta.payload_type;
        if known.is_some_and(|r| r.payload_type == Some(payload_type)) {
            return None;
        }
        let Some(slot) = self.places.iter().position(|p| p.source.is_none()) else {
            self.refuse(id, None, SourceRefusal::NoPlace);
            return None;
        };
        if !self.budget.spend(now) {
            return None;
        }
        let source = NewSource {
            id,
            ssrc: packet.meta.ssrc,
            origin: packet.meta.origin,
            payload_type,
            output: self.output,
        };
        let playout = match self.playouts.playout(&source) {
            Ok(playout) if playout.format() == self.output => playout,
            Ok(playout) => {
                let allowed = format!("the session plays {}", self.output);
                let error = ConfigError::new("format", playout.format(), allowed);
                self.refuse(id, Some(payload_type), SourceRefusal::NoPlayout(error));
                return None;
            }
            Err(error) => {
                self.refuse(id, Some(payload_type), SourceRefusal::NoPlayout(error));
                return None;
            }
        };
        let gain = Gain::UNITY;
        let ticket = self.places[slot].ticket;
        let lane = Lane::new(id, ticket, playout, gain, self.gain_slew);
        if !self.socket.open(Box::new(lane), gain) {
            return None;
        }
        self.refused.retain(|r| r.id != id);
        self.places[slot] = Place {
            source: Some(id),
            payload_type,
            ..Place::free(ticket)
        };
        self.stats.sources_started += 1;
        self.event(SessionEvent::Started(id));
        Some(slot)
    }

    fn refuse(&mut self, id: SourceId, payload_type: Option<u8>, why: SourceRefusal) {
        if let Some(known) = self.refused.iter_mut().find(|r| r.id == id) {
            if known.payload_type == payload_type {
                return;
            }
            known.payload_type = payload_type;
        } else {
            // As many as ingress knows: there is room.
            self.refused.push(RefusedSource { id, payload_type });
            self.stats.sources_refused += 1;
        }
        self.event(SessionEvent::Refused(id, why));
    }

    fn submit(&mut self, slot: usize, mut packet: PacketBuf) -> Routed {
        let id = packet.meta.source;
        let place = &mut self.places[slot];
        let waiting = place.sent.wrapping_sub(self.socket.returned(slot));
        if waiting >= self.buffers_per_source {
            self.stats.packets_backlogged += 1;
            self.socket.keep(packet);
            return Routed::Backlogged(id);
        }
        packet.meta.ticket = place.ticket;
        match self.socket.submit(packet) {
            Ok(()) => {
                place.sent = place.sent.wrapping_add(1);
                self.stats.packets_queued += 1;
                Routed::Queued(id)
            }
            Err(packet) => {
                self.stats.packets_backlogged += 1;
                self.socket.keep(packet);
                Routed::Backlogged(id)
            }
        }
    }

    fn slot_of(&self, id: SourceId) -> Option<usize> {
        self.places.iter().position(|p| p.source == Some(id))
    }

    /// Passes an event of a source on, where its owner has heard of it.
    fn tell(&mut self, id: SourceId, event: SessionEvent) {
        if self.slot_of(id).is_some() || self.refused.iter().any(|r| r.id == id) {
            self.event(event);
        }
    }

    fn event(&mut self, event: SessionEvent) {
        if self.events.len() == MAX_EVENTS {
            self.events.pop_front();
            self.stats.events_dropped += 1;
        }
        self.events.push_back(event);
    }
}

impl std::fmt::Debug for SessionInput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionInput")
            .field("output", &self.output)
            .field("sources", &self.sources().count())
            .field("refused", &self.refused)
            .field("stats", &self.stats)
            .finish_non_exhaustive()
    }
}

const MAX_EVENTS: usize = 256;
/// How soon it is looked whether a leaving lane came home.
const COLLECT_EVERY: Duration = Duration::from_millis(20);

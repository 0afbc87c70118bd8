//! The wire side of reception: datagrams in, packets with their place in time out.
//!
//! Lives beside the socket. Tells senders apart, keeps each one's arrival statistics, unwraps
//! sequence numbers and timestamps, reads sender reports and writes receiver reports. It holds
//! no audio: the packet's buffer goes on to the jitter buffer or the recorder.
//!
//! # Order, and why
//! 1. Parse: a datagram that is not what it claims to be touches nothing else.
//! 2. Demultiplex: by SSRC (RTP) or by origin (raw framing), in a table of fixed size.
//! 3. Validate the sequence (RFC 3550 appendix A.1): a jump must be confirmed by the next packet
//!    before it restarts the stream, so a stray datagram cannot.
//! 4. Arrival statistics, before any buffering: afterwards arrival times are playout times.
//! 5. Repair: what repair packets bring back follows the packets that arrived; what is still
//!    missing is asked for, where the answer can be in time.
//!
//! Every step is O(1) in the packet and O(sources) in the table. The only allocations are one
//! name buffer per new source, and one decoder per source that repair packets come for.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

use crate::error::{ConfigError, ParseError};
use crate::fec::block::{BlockDecoder, PayloadId, Points};
use crate::fec::symbol::MAX_DATAGRAM;
use crate::fec::window::{RepairHeader, WindowDecoder};
use crate::format::{Channels, PcmFormat, SampleRate};
use crate::packet::raw::RawFraming;
use crate::packet::rtcp::{
    Compound, CompoundWriter, ExtendedReport, ReportBlock, RtcpPacket, XrBlock,
};
use crate::packet::rtp::RtpPacket;
use crate::packet::{PacketBuf, PacketMeta, rtx};
use crate::report::{Members, ReportTimer};
use crate::stats::SourceStats;
use crate::time::{ClockMap, Instant, MediaTime, NtpTime};

mod arrivals;
mod config;
mod event;
mod source;

pub use config::{IngressConfig, IngressFraming, ReportConfig, RetransmissionConfig};
pub use event::{Handled, IngressEvent, IngressStats, Origin, SourceId};

use source::{Admission, Source};

/// Demultiplexer, statistician and reporter of a socket.
#[derive(Debug)]
pub struct Ingress {
    framing: Framing,
    sources: Vec<Source>,
    max_sources: usize,
    idle_after: Duration,
    next_id: u32,
    reporter: Option<Reporter>,
    repair_types: Vec<u8>,
    blocks: Option<Points>,
    retransmission: Option<RetransmissionConfig>,
    /// The source that the last packet was of or for, and when it came: what it brought back is
    /// here since then.
    repaired: Option<(SourceId, Instant)>,
    /// A packet brought back, before it gets a buffer.
    datagram: Box<[u8; MAX_DATAGRAM]>,
    events: VecDeque<IngressEvent>,
    stats: IngressStats,
}

#[derive(Debug)]
enum Framing {
    Rtp(Box<[Option<SampleRate>; 128]>),
    Raw {
        pcm: PcmFormat,
        channels: Channels,
        rate: SampleRate,
    },
}

#[derive(Debug)]
struct Reporter {
    ssrc: u32,
    cname: String,
    timer: ReportTimer,
    due: bool,
    /// Where the last report block list ended: more sources than fit take turns.
    cursor: usize,
}

impl Ingress {
    /// An ingress that has heard nothing yet.
    ///
    /// # Errors
    /// `max_sources` or a payload type out of range, a CNAME too long.
    pub fn new(config: IngressConfig, now: Instant) -> Result<Self, ConfigError> {
        if !(1..=4_096).contains(&config.max_sources) {
            return Err(ConfigError::new(
                "max_sources",
                config.max_sources,
                "1 to 4096 sources",
            ));
        }
        if let Some(pt) = config.repair_types.iter().find(|pt| **pt > 127) {
            return Err(ConfigError::new(
                "repair type",
                pt,
                "RTP payload types are 0 to 127",
            ));
        }
        let again = config.retransmission.iter().flat_map(|r| &r.types);
        if let Some((pt, of)) = again.clone().find(|(pt, of)| *pt > 127 || pt == of) {
            return Err(ConfigError::new(
                "retransmission type",
                format_args!("{pt} for {of}"),
                "0 to 127, and other than the media's",
            ));
        }
        let framing = match config.framing {
            IngressFraming::Raw {
                pcm,
                channels,
                rate,
            } => Framing::Raw {
                pcm,
                channels,
                rate,
            },
            IngressFraming::Rtp(types) => {
                let mut rates = Box::new([None; 128]);
                for (pt, rate) in types {
                    *rates.get_mut(usize::from(pt)).ok_or_else(|| {
                        ConfigError::new("payload type", pt, "RTP payload types are 0 to 127")
                    })? = Some(rate);
                }
                Framing::Rtp(rates)
            }
        };
        let reporter = match config.reports {
            Some(r) if r.cname.len() > 255 => {
                return Err(ConfigError::new("cname", r.cname, "at most 255 bytes"));
            }
            Some(r) => Some(Reporter {
                timer: ReportTimer::new(now, r.bandwidth, u64::from(r.ssrc)),
                ssrc: r.ssrc,
                cname: r.cname,
                due: false,
                cursor: 0,
            }),
            None => None,
        };
        Ok(Self {
            framing,
            sources: Vec::with_capacity(config.max_sources),
            max_sources: config.max_sources,
            idle_after: config.idle_after,
            next_id: 0,
            repair_types: config.repair_types,
            blocks: config.blocks,
            retransmission: config.retransmission.filter(|_| reporter.is_some()),
            reporter,
            repaired: None,
            datagram: Box::new([0; MAX_DATAGRAM]),
            events: VecDeque::with_capacity(MAX_EVENTS),
            stats: IngressStats::default(),
        })
    }

    /// Takes a media or repair datagram whose `meta.arrival`, `meta.origin` and `meta.repair_port`
    /// the socket's owner has set, and fills in the rest of `meta`. What stands behind an RTP
    /// packet is taken off.
    pub fn handle_packet(&mut self, packet: &mut PacketBuf) -> Handled {
        packet.meta = PacketMeta {
            arrival: packet.meta.arrival,
            origin: packet.meta.origin,
            repair_port: packet.meta.repair_port,
            ..PacketMeta::default()
        };
        match self.framing {
            _ if packet.meta.repair_port => self.handle_block_repair(packet),
            Framing::Rtp(_) => self.handle_rtp(packet),
            Framing::Raw { .. } => self.handle_raw(packet),
        }
    }

    /// Puts a packet that was brought back into `packet`, as if it had just arrived, and returns
    /// its source. Call after each [`handle_packet`](Self::handle_packet) until there is none.
    ///
    /// Its `meta` says that it was recovered, so it is no sign of the network's delay; it counts
    /// neither as received nor in the interarrival jitter.
    #[must_use]
    pub fn poll_recovered(&mut self, packet: &mut PacketBuf) -> Option<SourceId> {
        let (id, arrival) = self.repaired?;
        let Some(source) = self.sources.iter_mut().find(|s| s.id == id) else {
            // It has ended since.
            self.repaired = None;
            return None;
        };
        while let Some((seq, len)) = source.poll_recovered(&mut self.datagram[..]) {
            if !packet.fill(&self.datagram[..len]) {
                continue;
            }
            let Ok(p) = RtpPacket::parse(packet.bytes()) else {
                continue;
            };
            let Some((at, generation)) = source.recovered(seq, p.timestamp()) else {
                continue;
            };
            packet.meta = PacketMeta {
                arrival,
                source: id,
                ssrc: p.ssrc(),
                payload_type: p.payload_type(),
                marker: p.marker(),
                payload: p.payload_range(),
                seq,
                at,
                generation,
                recovered: true,
                ..PacketMeta::default()
            };
            return Some(id);
        }
        self.repaired = None;
        None
    }

    /// Whether [`poll_recovered`](Self::poll_recovered) is worth a buffer.
    pub fn has_recovered(&self) -> bool {
        self.repaired.is_some()
    }

    /// Takes an RTCP datagram.
    pub fn handle_rtcp(&mut self, now: Instant, datagram: &[u8]) -> Result<(), ParseError> {
        let compound = Compound::parse(datagram).inspect_err(|_| self.stats.malformed += 1)?;
        self.stats.reports_received += 1;
        if let Some(r) = &mut self.reporter {
            r.timer.account(datagram.len());
        }
        for packet in compound {
            match packet {
                Ok(RtcpPacket::SenderReport(sr)) => {
                    if let Some(i) = self.source_or_new(now, Key::Ssrc(sr.ssrc)) {
                        let source = &mut self.sources[i];
                        let mapped = source.sender_report(now, sr.info.timestamp, sr.info.ntp);
                        let id = source.id;
                        if mapped {
                            self.event(IngressEvent::Mapped(id));
                        }
                    }
                }
                Ok(RtcpPacket::SourceDescription(sdes)) => {
                    for chunk in sdes.chunks() {
                        if let (Some(i), Some(name)) =
                            (self.find(Key::Ssrc(chunk.ssrc)), chunk.cname())
                        {
                            self.sources[i].set_cname(name);
                        }
                    }
                }
                Ok(RtcpPacket::ExtendedReport(report)) => self.answered(now, &report),
                Ok(RtcpPacket::Bye(bye)) => {
                    for ssrc in bye.ssrcs() {
                        if let Some(i) = self.find(Key::Ssrc(ssrc))
                            && !std::mem::replace(&mut self.sources[i].said_bye, true)
                        {
                            let id = self.sources[i].id;
                            self.event(IngressEvent::Bye(id));
                        }
                    }
                }
                Ok(_) => {}
                Err(_) => self.stats.malformed += 1,
            }
        }
        Ok(())
    }

    /// The next event, oldest first. Changes after any `handle_*`. At most 256 wait; beyond that
    /// the oldest is lost (counted).
    #[must_use]
    pub fn poll_event(&mut self) -> Option<IngressEvent> {
        self.events.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let report = self.reporter.as_ref().map(|r| r.timer.next_timeout());
        let idle = self
            .sources
            .iter()
            .map(|s| s.last_heard + self.idle_after)
            .min();
        let missing = self.sources.iter().filter_map(Source::next_request).min();
        report.into_iter().chain(idle).chain(missing).min()
    }

    /// Forgets idle sources and readies a due report. A spurious call is a no-op.
    pub fn handle_timeout(&mut self, now: Instant) {
        let mut i = 0;
        while let Some(source) = self.sources.get(i) {
            if now.saturating_since(source.last_heard) >= self.idle_after {
                let id = source.id;
                self.sources.swap_remove(i);
                self.event(IngressEvent::Ended(id));
            } else {
                i += 1;
            }
        }
        let senders = self.sources.len() as u32;
        if let Some(r) = &mut self.reporter {
            let members = Members {
                all: senders + 1,
                senders,
                we_sent: false,
            };
            r.due |= r.timer.expired(now, members);
        }
    }

    /// Writes a receiver report that is due, or a request for what is missing, into `buf` and
    /// returns its length. Call until there is none, after [`handle_packet`](Self::handle_packet)
    /// and [`handle_timeout`](Self::handle_timeout); 1 200 bytes hold what is told of the first
    /// sources, what does not fit is left out.
    #[must_use]
    pub fn poll_report(&mut self, now: Instant, buf: &mut [u8]) -> Option<usize> {
        let reporter = self.reporter.as_mut()?;
        let due = std::mem::take(&mut reporter.due) && !self.sources.is_empty();
        let asks = |s: &Source| s.next_request().is_some_and(|at| at <= now);
        if !due && !self.sources.iter().any(asks) {
            return None;
        }
        let mut blocks = [ReportBlock::default(); MAX_BLOCKS];
        let mut count = 0;
        let len = self.sources.len();
        let told = if due { len.min(MAX_BLOCKS) } else { 0 };
        for step in 0..told {
            if let Some(block) = self.sources[(reporter.cursor + step) % len].report_block(now) {
                blocks[count] = block;
                count += 1;
            }
        }
        let mut writer = CompoundWriter::new(buf);
        writer
            .receiver_report(reporter.ssrc, &blocks[..count])
            .ok()?;
        writer.sdes_cname(reporter.ssrc, &reporter.cname).ok()?;
        for source in &mut self.sources {
            source.write_request(now, reporter.ssrc, &mut writer);
        }
        if due {
            // What has no room is told of another time; its own clock serves the round trip.
            let _ = writer.reference_time(reporter.ssrc, clock(now));
            for step in 0..told {
                let source = &mut self.sources[(reporter.cursor + step) % len];
                source.write_details(reporter.ssrc, &mut writer);
            }
            reporter.cursor = (reporter.cursor + told) % len;
        }
        let len = writer.finish();
        reporter.timer.account(len);
        self.stats.reports_sent += 1;
        Some(len)
    }

    /// Tells how long what comes of a source is held back before it is heard: `delay` after the
    /// luckiest arrival. It is passed on to the sender, and nothing is asked for that would come
    /// later.
    pub fn set_delay(&mut self, id: SourceId, delay: Duration, adaptive: bool) {
        if let Some(source) = self.sources.iter_mut().find(|s| s.id == id) {
            source.set_delay(delay, adaptive);
        }
    }

    /// Counters over all sources.
    pub fn stats(&self) -> &IngressStats {
        &self.stats
    }

    /// The sources known, in no particular order.
    pub fn sources(&self) -> impl Iterator<Item = SourceId> + '_ {
        self.sources.iter().map(|s| s.id)
    }

    /// Arrival statistics of a source; `None` once it has ended.
    pub fn source_stats(&self, id: SourceId) -> Option<SourceStats> {
        self.by_id(id).map(Source::stats)
    }

    /// SSRC of a source; `None` for raw framing and once it has ended.
    pub fn ssrc(&self, id: SourceId) -> Option<u32> {
        match self.by_id(id)?.key {
            Key::Ssrc(ssrc) => Some(ssrc),
            Key::Origin(_) => None,
        }
    }

    /// From the source's media time to its wall clock; `None` before its first report.
    pub fn clock_map(&self, id: SourceId) -> Option<&ClockMap> {
        self.by_id(id)?
            .clock
            .as_ref()
            .filter(|c| c.anchor().is_some())
    }

    /// Media time and arrival of a source's newest packet, by sequence number; `None` before its
    /// first and once it has ended.
    pub fn newest(&self, id: SourceId) -> Option<(MediaTime, Instant)> {
        self.by_id(id)?.newest
    }

    /// Whether the source said goodbye and nothing came after it but stragglers.
    pub fn said_bye(&self, id: SourceId) -> bool {
        self.by_id(id).is_some_and(|s| s.said_bye)
    }

    /// Whether more than a single datagram spoke for the source: RFC 3550 appendix A.1's
    /// probation. What is costly to make for a source is better made only then.
    pub fn is_confirmed(&self, id: SourceId) -> bool {
        self.by_id(id).is_some_and(|s| !s.is_unconfirmed())
    }

    /// Canonical name of a source as it was sent, `None` before.
    pub fn cname(&self, id: SourceId) -> Option<&[u8]> {
        self.by_id(id)
            .map(|s| &s.cname[..])
            .filter(|n| !n.is_empty())
    }

    fn handle_rtp(&mut self, packet: &mut PacketBuf) -> Handled {
        let now = packet.meta.arrival;
        let place = match self.blocks.map(|_| PayloadId::split_source(packet.bytes())) {
            Some(Ok((id, rtp))) => Some((id, rtp.len())),
            Some(Err(e)) => {
                self.stats.malformed += 1;
                return Handled::Malformed(e);
            }
            None => None,
        };
        if let Some((_, len)) = place {
            packet.set_len(len);
        }
        let (seq, timestamp, ssrc, pt, marker, payload) = match RtpPacket::parse(packet.bytes()) {
            Ok(p) => (
                p.seq(),
                p.timestamp(),
                p.ssrc(),
                p.payload_type(),
                p.marker(),
                p.payload_range(),
            ),
            Err(e) => {
                self.stats.malformed += 1;
                return Handled::Malformed(e);
            }
        };
        let Framing::Rtp(rates) = &self.framing else {
            return Handled::PayloadType(pt);
        };
        if self.repair_types.contains(&pt) {
            return self.handle_repair(now, packet.bytes(), payload);
        }
        let again = self.retransmission.as_ref().map(|r| r.types.iter());
        if let Some((_, of)) = again.and_then(|mut types| types.find(|(again, _)| *again == pt)) {
            return self.handle_retransmitted(packet, ssrc, *of);
        }
        let Some(rate) = rates[usize::from(pt & 0x7f)] else {
            self.stats.unknown_payload_type += 1;
            return Handled::PayloadType(pt);
        };
        let Some(index) = self.source_or_new(now, Key::Ssrc(ssrc)) else {
            self.stats.too_many_sources += 1;
            return Handled::TooManySources;
        };
        let source = &mut self.sources[index];
        let id = source.id;
        if let Some(again) = &self.retransmission
            && again.types.iter().any(|(_, of)| *of == pt)
        {
            source.ask_for_missing(pt, again.delay);
        }
        let admission = source.admit(now, seq, timestamp, rate, payload.len());
        let meta = &mut packet.meta;
        meta.source = id;
        meta.ssrc = ssrc;
        meta.payload_type = pt;
        meta.marker = marker;
        meta.payload = payload;
        match admission {
            Admission::Suspect => {
                self.stats.suspect += 1;
                return Handled::Suspect(id);
            }
            Admission::Media {
                seq,
                at,
                generation,
            } => {
                (meta.seq, meta.at, meta.generation) = (seq, at, generation);
            }
            Admission::Restarted {
                seq,
                at,
                generation,
            } => {
                (meta.seq, meta.at, meta.generation) = (seq, at, generation);
                self.event(IngressEvent::Restarted(id));
            }
        }
        if let Some(repair) = &mut self.sources[index].repair {
            repair.handle_source(packet.meta.seq, packet.bytes());
            self.repaired = Some((id, now));
        }
        if let Some((place, _)) = place {
            let source = &mut self.sources[index];
            source.origin = Some(packet.meta.origin);
            if let Some(blocks) = &mut source.blocks {
                blocks.handle_source(place, packet.bytes());
                self.repaired = Some((id, now));
            }
        }
        if self.sources[index].take_fresh_map() {
            self.event(IngressEvent::Mapped(id));
        }
        Handled::Media(id)
    }

    fn handle_repair(&mut self, now: Instant, datagram: &[u8], payload: Range<usize>) -> Handled {
        let payload = &datagram[payload];
        let repaired = self.repaired_sources();
        let source = RepairHeader::parse(payload)
            .ok()
            .and_then(|(h, _)| self.find(Key::Ssrc(h.ssrc)).map(|i| (i, h.ssrc)))
            .map(|(i, ssrc)| (&mut self.sources[i], ssrc))
            .filter(|(s, _)| s.repair.is_some() || repaired < MAX_REPAIRED && !s.is_unconfirmed());
        let Some((source, ssrc)) = source else {
            self.stats.useless_repair_packets += 1;
            return Handled::Useless;
        };
        let decoder = source
            .repair
            .get_or_insert_with(|| Box::new(WindowDecoder::new(ssrc)));
        if decoder.handle_repair(payload).is_err() {
            self.stats.useless_repair_packets += 1;
            return Handled::Useless;
        }
        source.repair_packet(now);
        self.repaired = Some((source.id, now));
        Handled::Repair(source.id)
    }

    /// A repair packet of the block code, which does not say whose blocks it is about: it is from
    /// where the source packets are.
    fn handle_block_repair(&mut self, packet: &PacketBuf) -> Handled {
        let (now, origin) = (packet.meta.arrival, packet.meta.origin);
        let repaired = self.repaired_sources();
        // A sender that sends them from another port is still known where it is the only one.
        let only = self.sources.len() == 1;
        let source = self
            .sources
            .iter_mut()
            .filter(|s| s.origin == Some(origin) || s.origin.is_some() && only)
            .max_by_key(|s| s.last_heard)
            .filter(|s| s.blocks.is_some() || repaired < MAX_REPAIRED && !s.is_unconfirmed());
        let (Some(points), Some(source)) = (self.blocks, source) else {
            self.stats.useless_repair_packets += 1;
            return Handled::Useless;
        };
        let decoder = source
            .blocks
            .get_or_insert_with(|| Box::new(BlockDecoder::new(points)));
        if decoder.handle_repair(packet.bytes()).is_err() {
            self.stats.useless_repair_packets += 1;
            return Handled::Useless;
        }
        source.repair_packet(now);
        self.repaired = Some((source.id, now));
        Handled::Repair(source.id)
    }

    fn repaired_sources(&self) -> usize {
        let repaired = |s: &&Source| s.repair.is_some() || s.blocks.is_some();
        self.sources.iter().filter(repaired).count()
    }

    /// A packet that is sent again for want of the first.
    fn handle_retransmitted(&mut self, packet: &mut PacketBuf, ssrc: u32, of: u8) -> Handled {
        let now = packet.meta.arrival;
        let source = RtpPacket::parse(packet.bytes()).ok().and_then(|p| {
            let seq = rtx::original_seq(p.payload()).ok()?;
            let fits = |s: &Source| s.is_of_late(seq, p.timestamp());
            // RFC 4588 section 5.3: known by what was asked for.
            let mut all = self.sources.iter();
            let known = all.position(|s| s.repeats(ssrc, of) && fits(s));
            let mut all = self.sources.iter();
            known.or_else(|| all.position(|s| s.misses(seq, of) && fits(s)))
        });
        let Some(source) = source.map(|i| &mut self.sources[i]) else {
            self.stats.useless_repair_packets += 1;
            return Handled::Useless;
        };
        let (id, Key::Ssrc(media)) = (source.id, source.key) else {
            return Handled::Useless;
        };
        let restored = rtx::restore(packet, of, media).ok();
        let Some(p) = restored.and_then(|()| RtpPacket::parse(packet.bytes()).ok()) else {
            self.stats.useless_repair_packets += 1;
            return Handled::Useless;
        };
        let (seq, at, generation) = source.repeated(now, ssrc, p.seq(), p.timestamp());
        let (marker, payload) = (p.marker(), p.payload_range());
        if let Some(repair) = &mut source.repair {
            repair.handle_source(seq, packet.bytes());
            self.repaired = Some((id, now));
        }
        packet.meta = PacketMeta {
            arrival: now,
            origin: packet.meta.origin,
            source: id,
            ssrc: media,
            payload_type: of,
            marker,
            payload,
            seq,
            at,
            generation,
            recovered: true,
            ..PacketMeta::default()
        };
        Handled::Media(id)
    }

    /// A sender answered our reference time.
    fn answered(&mut self, now: Instant, report: &ExtendedReport<'_>) {
        let (Some(reporter), Some(source)) = (&self.reporter, self.find(Key::Ssrc(report.ssrc)))
        else {
            return;
        };
        for block in report.blocks() {
            if let Ok(XrBlock::Delays(delays)) = block
                && let Some(answer) = delays.find(reporter.ssrc)
                && let Some(round_trip) = answer.round_trip(clock(now))
            {
                self.sources[source].measured(round_trip);
            }
        }
    }

    fn handle_raw(&mut self, packet: &mut PacketBuf) -> Handled {
        let (now, origin) = (packet.meta.arrival, packet.meta.origin);
        let Framing::Raw {
            pcm,
            channels,
            rate,
        } = self.framing
        else {
            return Handled::TooManySources;
        };
        let known = self.find(Key::Origin(origin));
        if known.is_none() && packet.bytes().len() < pcm.frame_bytes(channels) {
            self.stats.malformed += 1;
            return Handled::Malformed(ParseError::Truncated {
                expected: pcm.frame_bytes(channels),
                actual: packet.bytes().len(),
            });
        }
        let Some(index) = known.or_else(|| self.source_or_new(now, Key::Origin(origin))) else {
            self.stats.too_many_sources += 1;
            return Handled::TooManySources;
        };
        let source = &mut self.sources[index];
        let id = source.id;
        let raw = source
            .raw
            .get_or_insert_with(|| RawFraming::for_pcm(pcm, channels));
        match raw.accept(packet.bytes().len()) {
            Ok(p) => {
                source.admit_raw(now, p.seq, p.at, rate, p.payload.len());
                self.stats.trailing_bytes += p.trailing as u64;
                packet.meta.source = id;
                packet.meta.seq = p.seq;
                packet.meta.at = p.at;
                packet.meta.synthesised = true;
                packet.meta.payload = p.payload;
                Handled::Media(id)
            }
            Err(e) => {
                self.stats.malformed += 1;
                Handled::Malformed(e)
            }
        }
    }

    fn find(&self, key: Key) -> Option<usize> {
        self.sources.iter().position(|s| s.key == key)
    }

    fn by_id(&self, id: SourceId) -> Option<&Source> {
        self.sources.iter().find(|s| s.id == id)
    }

    /// The slot of `key`, a new one where there is room or an unconfirmed source can go.
    fn source_or_new(&mut self, now: Instant, key: Key) -> Option<usize> {
        if let Some(i) = self.find(key) {
            return Some(i);
        }
        if self.sources.len() >= self.max_sources {
            let stale = (0..self.sources.len())
                .filter(|i| self.sources[*i].is_unconfirmed())
                .min_by_key(|i| self.sources[*i].last_heard)?;
            let gone = self.sources.swap_remove(stale);
            self.event(IngressEvent::Ended(gone.id));
        }
        let id = SourceId(self.next_id);
        self.next_id = self.next_id.wrapping_add(1);
        self.sources.push(Source::new(id, key, now));
        self.event(IngressEvent::Started(id));
        Some(self.sources.len() - 1)
    }

    fn event(&mut self, event: IngressEvent) {
        if self.events.len() == MAX_EVENTS {
            self.events.pop_front();
            self.stats.events_dropped += 1;
        }
        self.events.push_back(event);
    }
}

/// The receiver's own clock as reports have it: any will do, since only it reads it again.
fn clock(now: Instant) -> NtpTime {
    NtpTime::from_unix(Duration::from_nanos(now.as_nanos()))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    Ssrc(u32),
    Origin(Origin),
}

/// The NTP time that pairs with a media time is the sender's; kept here for the source module.
type SenderClock = (crate::time::RtpTimestamp, NtpTime);

const MAX_EVENTS: usize = 256;
/// Sources repaired at once, half a megabyte each; of addresses, blocks take up to three times that.
const MAX_REPAIRED: usize = 64;
/// Report blocks in one packet (RFC 3550 section 6.4.1).
const MAX_BLOCKS: usize = 31;

#[cfg(test)]
mod tests;

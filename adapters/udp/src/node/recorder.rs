//! The recorder thread: packets off the sockets, onto the time line, into files.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use audiox_core::format::{SampleFormat, StreamFormat};
use audiox_core::ingress::{Handled, Ingress, IngressConfig, IngressEvent, ReportConfig, SourceId};
use audiox_core::packet::{PacketBuf, PacketMeta};
use audiox_core::source::SinkError;
use audiox_core::stats::SourceStats;
use audiox_core::time::{Instant, NtpTime};
use audiox_net::clock::Clock;
use audiox_net::stop::StopFlag;

use super::NodeConfig;
use super::lane::{Lane, LaneId};
use super::listen::{Carries, Content, PayloadReader};
use super::ordered::{Next, Ordered};
use super::output::{Target, Tracks};
use super::recording::{Layout, Place, Recording};
use super::report::{NodeReport, StreamReport, write_sidecar};
use crate::Error;
use crate::port::{Peers, Port};

/// Everything that the recorder thread owns.
pub(super) struct Recorder {
    stations: Vec<Station>,
    recording: Recording,
    tracks: Option<Tracks>,
    clock: Clock,
    wall: (Instant, NtpTime),
    shared: Arc<Mutex<NodeReport>>,
    sidecar: Option<PathBuf>,
    duration: Option<Duration>,
    stop_when_ended: bool,
    scratch: Box<[f32]>,
    seen: Vec<Seen>,
    /// First packets of sources that could still be stray datagrams.
    firsts: VecDeque<(LaneId, PacketMeta, Vec<u8>)>,
    /// Packets of Opus are kept as they come.
    keeps_opus: bool,
    /// Streams whose codecs mind the order of packets.
    orders: Vec<(LaneId, Ordered)>,
    /// How long frames wait for stragglers before they are written.
    hold: Duration,
    max_streams: usize,
    too_many_streams: u64,
    /// Packets that no decoder could read, of streams that never became a track.
    undecodable: u64,
    last_media: Option<Instant>,
    idle_after: Duration,
}

/// A port with the machines that read it.
struct Station {
    port: Port,
    ingress: Ingress,
    readers: Vec<PayloadReader>,
    /// Some codec here minds the order of packets.
    in_order: bool,
    raw: bool,
    /// Where this port's sources send their reports from: where ours go.
    peers: Peers,
}

/// What is remembered of a source beyond its life in the ingress.
struct Seen {
    id: LaneId,
    from: Option<SocketAddr>,
    cname: Option<String>,
    stats: SourceStats,
}

impl Station {
    /// Which reader is for this payload type.
    fn reader(&self, payload_type: u8) -> Option<usize> {
        let mut readers = self.readers.iter();
        readers.position(|r| r.payload_type == payload_type)
    }
}

impl Recorder {
    pub(super) fn new(
        config: NodeConfig,
        ports: Vec<Port>,
        clock: Clock,
        shared: Arc<Mutex<NodeReport>>,
    ) -> Result<Self, Error> {
        let wall = clock.anchor();
        let mut scratch = 0;
        let mut stations = Vec::new();
        for (port, listen) in ports.into_iter().zip(&config.listen) {
            let readers = listen.decoders(&config.codecs)?;
            let in_order = readers.iter().any(PayloadReader::minds_order);
            for reader in &readers {
                let format = reader.decoder.format();
                let second = if in_order {
                    format.rate.get() as usize
                } else {
                    0
                };
                let frames = reader.decoder.max_frames().max(second);
                scratch = scratch.max(frames * format.channels.get());
            }
            let raw = matches!(listen.content, Content::Raw { .. });
            let reports = (!raw).then(|| ReportConfig {
                // Unpredictable enough to tell receivers apart (RFC 3550 section 8.1).
                ssrc: (clock.wall_now().0 as u32)
                    ^ u32::from(port.local.port()).rotate_left(16)
                    ^ std::process::id(),
                cname: format!("audiox-node@{}", port.local),
                bandwidth: 1_000_000,
            });
            let mut ingress = IngressConfig {
                max_sources: config.max_streams,
                idle_after: config.idle_after,
                reports,
                ..listen.ingress()
            };
            if let Some(again) = &mut ingress.retransmission {
                again.delay = config.hold;
            }
            stations.push(Station {
                ingress: Ingress::new(ingress, clock.now())?,
                port,
                readers,
                in_order,
                raw,
                peers: Peers::default(),
            });
        }
        let keeps_opus = matches!(config.target, Target::Opus(_));
        let layout = if config.target.is_joined() {
            Layout::Joined {
                reserve: config.tracks,
            }
        } else {
            Layout::Separate
        };
        Ok(Self {
            stations,
            recording: Recording::new(layout, config.hold, wall),
            sidecar: config.target.sidecar().filter(|_| config.sidecar),
            tracks: Some(Tracks::new(config.target, config.sample)),
            clock,
            wall,
            shared,
            duration: config.duration,
            stop_when_ended: config.stop_when_ended,
            scratch: vec![0.0; scratch].into_boxed_slice(),
            seen: Vec::new(),
            firsts: VecDeque::new(),
            keeps_opus,
            orders: Vec::new(),
            hold: config.hold,
            max_streams: config.max_streams,
            too_many_streams: 0,
            undecodable: 0,
            last_media: None,
            idle_after: config.idle_after,
        })
    }

    /// Records until told to stop, out of time, out of streams or out of disk.
    pub(super) fn run(&mut self, stop: &StopFlag) -> Result<(), SinkError> {
        let start = self.clock.now();
        let mut next_publish = start;
        let mut next_safe = start + SAFE_EVERY;
        let mut next_sidecar = start + SIDECAR_EVERY;
        while !stop.wait_timeout(POLL) {
            let now = self.clock.now();
            self.receive(now);
            self.decode_due(now, false);
            if let Some(tracks) = &mut self.tracks {
                self.recording.flush(now, tracks)?;
            }
            if now >= next_publish {
                next_publish = now + PUBLISH_EVERY;
                self.publish();
            }
            if now >= next_safe {
                next_safe = now + SAFE_EVERY;
                if let Some(tracks) = &mut self.tracks {
                    tracks.flush()?;
                }
            }
            if now >= next_sidecar {
                next_sidecar = now + SIDECAR_EVERY;
                self.list_gaps()?;
            }
            let over = self
                .duration
                .is_some_and(|d| now.saturating_since(start) >= d);
            if over || (self.stop_when_ended && self.all_ended(now)) {
                break;
            }
        }
        Ok(())
    }

    /// Takes what is still under way, writes everything and closes the files.
    pub(super) fn finish(
        mut self,
        mut end: Result<(), SinkError>,
    ) -> Result<NodeReport, SinkError> {
        for station in &mut self.stations {
            station.port.join();
        }
        let now = self.clock.now();
        self.receive(now);
        self.decode_due(now, true);
        let mut report = self.report(true);
        if let Some(mut tracks) = self.tracks.take() {
            if end.is_ok() {
                end = self.recording.finish(now, &mut tracks);
            }
            self.tracks = Some(tracks);
            report = self.report(true);
        }
        if let Some(tracks) = self.tracks.take() {
            match tracks.finish() {
                Ok(finished) => {
                    for (stream, (_, place)) in
                        report.streams.iter_mut().zip(self.recording.lanes())
                    {
                        let Some((place, track)) =
                            place.and_then(|p| Some((p, finished.get(p.track)?)))
                        else {
                            continue;
                        };
                        stream.file.clone_from(&track.path);
                        stream.first_channel = place.first_channel + track.first_channel;
                    }
                }
                Err(e) => end = end.and(Err(e)),
            }
        }
        if let Some(path) = &self.sidecar
            && !report.streams.is_empty()
        {
            let written = write_sidecar(path, &self.started(), &report);
            if let (Ok(()), Err(source)) = (&end, written) {
                end = Err(SinkError::Io {
                    what: format!("cannot write {}", path.display()),
                    source,
                });
            }
        }
        *self.shared.lock().unwrap_or_else(PoisonError::into_inner) = report.clone();
        end.map(|()| report)
    }

    fn receive(&mut self, now: Instant) {
        for index in 0..self.stations.len() {
            // Reports first: they tell where the packets behind them belong.
            while let Ok(report) = self.stations[index].port.reports.try_recv() {
                let station = &mut self.stations[index];
                // Malformed ones are counted by the ingress.
                let read = station
                    .ingress
                    .handle_rtcp(report.arrival, &report.datagram);
                if read.is_ok() {
                    station.peers.heard(report.from, report.arrival);
                }
                self.events(index, now);
            }
            while let Some((pool, mut packet)) = self.stations[index].port.recv() {
                let handled = self.stations[index].ingress.handle_packet(&mut packet);
                if let Handled::Media(source) = handled {
                    self.last_media = Some(packet.meta.arrival);
                    self.place(index, source, &packet);
                }
                self.events(index, now);
                while let Some(source) = self.stations[index].ingress.poll_recovered(&mut packet) {
                    self.place(index, source, &packet);
                }
                self.stations[index].port.recycle(pool, packet);
            }
            self.stations[index].ingress.handle_timeout(now);
            self.events(index, now);
            self.answer(index, now);
        }
    }

    /// Takes a packet on to its track; first ones of a source wait for a second.
    fn place(&mut self, index: usize, source: SourceId, packet: &PacketBuf) {
        let station = &self.stations[index];
        let id = LaneId {
            port: index,
            source,
        };
        if station.reader(packet.meta.payload_type).is_none() {
            return;
        }
        if !self.seen.iter().any(|s| s.id == id) {
            if !station.raw && !station.ingress.is_confirmed(source) {
                // One datagram is not worth a track.
                if self.firsts.len() == MAX_FIRSTS {
                    self.firsts.pop_front();
                }
                let payload = packet.payload().to_vec();
                self.firsts.push_back((id, packet.meta.clone(), payload));
                return;
            }
            let held = self.firsts.iter().position(|(held, ..)| *held == id);
            if let Some((_, meta, payload)) = held.and_then(|i| self.firsts.remove(i)) {
                self.accept(id, &meta, &payload);
            }
        }
        self.accept(id, &packet.meta, packet.payload());
    }

    /// Decodes a packet at once, or when it is its turn where its codec minds the order.
    fn accept(&mut self, id: LaneId, meta: &PacketMeta, payload: &[u8]) {
        let station = &mut self.stations[id.port];
        let Some(reader) = station.reader(meta.payload_type) else {
            return;
        };
        if !station.in_order {
            let decoder = &mut station.readers[reader].decoder;
            let (format, decoded) = (decoder.format(), decoder.decode(payload, &mut self.scratch));
            self.put(id, meta, payload, format, decoded.ok());
            return;
        }
        let known = self.orders.iter().position(|(of, _)| *of == id);
        let known = known.unwrap_or_else(|| {
            self.orders.push((id, Ordered::new(self.hold * 3 / 4)));
            self.orders.len() - 1
        });
        let make = || (station.readers[reader].make)();
        if self.orders[known].1.push(meta, payload, make).is_err() {
            self.undecodable += 1;
        }
        self.decode(known, meta.arrival, false);
    }

    /// Decodes what is due of a stream whose packets go through in order.
    fn decode(&mut self, order: usize, now: Instant, end: bool) {
        let (id, ordered) = &mut self.orders[order];
        let id = *id;
        let late = ordered.take_late();
        while let Some(next) = self.orders[order].1.poll(now, end, &mut self.scratch) {
            match next {
                Next::Packet {
                    meta,
                    payload,
                    format,
                    frames,
                } => self.put(id, &meta, &payload, format, frames),
                Next::Gap {
                    at,
                    format,
                    frames,
                    recovered,
                } => {
                    if let Some(lane) = self.recording.known(id).filter(|l| l.format == format) {
                        let samples = &self.scratch[..frames * format.channels.get()];
                        lane.fill(at, samples, recovered);
                    }
                }
            }
        }
        if let Some(lane) = self.recording.known(id) {
            lane.stats.late_packets += late;
            lane.stats.recovered = self.orders[order].1.recovered();
        }
    }

    /// Puts a decoded packet, whose frames are in the scratch, on its track.
    fn put(
        &mut self,
        id: LaneId,
        meta: &PacketMeta,
        payload: &[u8],
        format: StreamFormat,
        decoded: Option<usize>,
    ) {
        let station = &self.stations[id.port];
        let reader = station
            .reader(meta.payload_type)
            .map(|r| &station.readers[r]);
        let carries = reader
            .filter(|_| self.keeps_opus)
            .map_or(Carries::Other, |r| r.carries);
        let stored = reader.map_or(SampleFormat::F32, |r| r.stored);
        let samples = decoded.map(|frames| &self.scratch[..frames * format.channels.get()]);
        if let Some(lane) = self.recording.known(id) {
            match samples {
                Some(samples) if lane.format == format => {
                    lane.packet(meta, samples);
                    lane.keep(payload, carries);
                }
                _ => lane.stats.undecodable += 1,
            }
            return;
        }
        let Some(samples) = samples else {
            self.undecodable += 1;
            return;
        };
        if self.recording.live() >= self.max_streams || self.seen.len() >= MAX_SEEN {
            self.too_many_streams += 1;
            return;
        }
        let lane = self.recording.lane(id, meta, format, stored, station.raw);
        lane.packet(meta, samples);
        lane.keep(payload, carries);
        self.seen.push(Seen {
            id,
            from: station.port.origins.address(meta.origin),
            cname: None,
            stats: SourceStats::default(),
        });
        // Senders choose what to send against loss by how long it may come.
        let ingress = &mut self.stations[id.port].ingress;
        ingress.set_delay(id.source, self.hold, false);
        // A report may have come before.
        if let Some(map) = ingress.clock_map(id.source) {
            self.recording.mapped(id, map);
        }
    }

    /// Decodes what has waited long enough, or all at the `end`, and forgets what is over.
    fn decode_due(&mut self, now: Instant, end: bool) {
        for order in 0..self.orders.len() {
            let id = self.orders[order].0;
            let lane = self.recording.known(id);
            let over = lane.is_some_and(|lane| lane.is_over(now)) || !is_known(&self.stations, id);
            self.decode(order, now, end || over);
        }
        let stations = &self.stations;
        self.orders.retain(|(id, _)| is_known(stations, *id));
    }

    fn events(&mut self, index: usize, now: Instant) {
        while let Some(event) = self.stations[index].ingress.poll_event() {
            match event {
                IngressEvent::Mapped(source) => {
                    if let Some(map) = self.stations[index].ingress.clock_map(source) {
                        self.recording.mapped(
                            LaneId {
                                port: index,
                                source,
                            },
                            map,
                        );
                    }
                }
                IngressEvent::Bye(source) | IngressEvent::Ended(source) => {
                    self.recording.ended(
                        LaneId {
                            port: index,
                            source,
                        },
                        now,
                    );
                }
                IngressEvent::Started(_) | IngressEvent::Restarted(_) => {}
            }
        }
    }

    /// Sends a due receiver report to everyone who sent us reports.
    fn answer(&mut self, index: usize, now: Instant) {
        let station = &mut self.stations[index];
        let Some(control) = &station.port.control else {
            return;
        };
        let mut buf = [0; REPORT_BYTES];
        while let Some(len) = station.ingress.poll_report(now, &mut buf) {
            for peer in station.peers.present(now) {
                // A receiver report is worth no trouble: the next one says more.
                let _ = control.send_to(&buf[..len], peer);
            }
        }
    }

    fn all_ended(&self, now: Instant) -> bool {
        let mut lanes = self.recording.lanes().peekable();
        if lanes.peek().is_some() {
            return lanes.all(|(lane, _)| lane.is_over(now));
        }
        // What was heard could not be read, and now there is silence.
        self.last_media
            .is_some_and(|last| now.saturating_since(last) >= self.idle_after)
    }

    fn publish(&mut self) {
        let report = self.report(false);
        for lane in self.recording.lanes_mut() {
            lane.stats.peak = 0.0;
        }
        *self.shared.lock().unwrap_or_else(PoisonError::into_inner) = report;
    }

    fn list_gaps(&mut self) -> Result<(), SinkError> {
        if let Some(path) = self.sidecar.clone()
            && self.recording.epoch().is_some()
        {
            let report = self.report(true);
            write_sidecar(&path, &self.started(), &report).map_err(|source| SinkError::Io {
                what: format!("cannot write {}", path.display()),
                source,
            })?;
        }
        Ok(())
    }

    fn report(&mut self, with_gaps: bool) -> NodeReport {
        let mut report = NodeReport {
            tracks: self.recording.tracks().collect(),
            too_many_streams: self.too_many_streams,
            undecodable: self.undecodable,
            ..NodeReport::default()
        };
        for station in &self.stations {
            let stats = station.ingress.stats();
            report.malformed += stats.malformed;
            report.unknown_payload_type += stats.unknown_payload_type;
            report.suspect += stats.suspect;
            report.trailing_bytes += stats.trailing_bytes;
            report.reports_sent += stats.reports_sent;
            let counts = &station.port.counts;
            report.too_many_streams +=
                stats.too_many_sources + counts.refused_origins.load(Ordering::Relaxed);
            report.not_allowed += counts.not_allowed.load(Ordering::Relaxed);
            report.truncated += counts.truncated.load(Ordering::Relaxed);
            report.overrun += counts.overrun.load(Ordering::Relaxed);
        }
        for (index, (lane, place)) in self.recording.lanes().enumerate() {
            let Some(seen) = self.seen.iter_mut().find(|s| s.id == lane.id) else {
                continue;
            };
            let station = &self.stations[lane.id.port];
            if let Some(stats) = station.ingress.source_stats(lane.id.source) {
                seen.stats = stats;
            }
            if let (None, Some(name)) = (&seen.cname, station.ingress.cname(lane.id.source)) {
                seen.cname = Some(String::from_utf8_lossy(name).into_owned());
            }
            let file = place.and_then(|p| self.tracks.as_ref()?.path(p.track));
            let mut stream = stream_report(index, lane, place, seen, with_gaps);
            stream.file = file.map(std::path::Path::to_path_buf);
            stream.ssrc = (!station.raw).then_some(lane.ssrc);
            report.streams.push(stream);
        }
        report
    }

    /// Wall-clock time of frame 0, RFC 3339 in UTC.
    fn started(&self) -> String {
        let epoch = self.recording.epoch().unwrap_or(0);
        let since_anchor = epoch - super::lane::nanos(self.wall.0);
        utc(self.wall.1.offset_nanos(since_anchor).to_unix())
    }
}

/// Whether the source is still heard of.
fn is_known(stations: &[Station], id: LaneId) -> bool {
    let mut sources = stations[id.port].ingress.sources();
    sources.any(|source| source == id.source)
}

fn stream_report(
    index: usize,
    lane: &Lane,
    place: Option<Place>,
    seen: &Seen,
    with_gaps: bool,
) -> StreamReport {
    let (start, end) = lane.bounds().unwrap_or((0, 0));
    StreamReport {
        index,
        from: seen.from,
        ssrc: None,
        cname: seen.cname.clone(),
        format: lane.format,
        alignment: lane.alignment,
        file: None,
        first_channel: place.map_or(0, |p| p.first_channel),
        start: start.max(0) as u64,
        end: end.max(0) as u64,
        source: seen.stats,
        lane: lane.stats,
        gap_count: lane.gaps.count(),
        gap_frames: lane.gaps.frames(),
        gaps: match (with_gaps, lane.start) {
            (true, Some(start)) => lane.gaps.list(start),
            _ => Vec::new(),
        },
        ended: lane.ended.is_some(),
        mismatch: lane.mismatch(),
        clock_rejected: lane.clock_rejected,
    }
}

/// A Unix time as RFC 3339, to the nanosecond (days to civil dates after Hinnant's algorithm).
fn utc(unix: Duration) -> String {
    let (days, secs) = (unix.as_secs() / 86_400, unix.as_secs() % 86_400);
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    let year = year_of_era + era * 400 + carry;
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:09}Z",
        secs / 3_600,
        secs / 60 % 60,
        secs % 60,
        unix.subsec_nanos()
    )
}

/// How often sockets are drained: far less than their buffers hold.
const POLL: Duration = Duration::from_millis(5);
/// How often the snapshot is renewed.
const PUBLISH_EVERY: Duration = Duration::from_millis(200);
/// How often headers are made true: what a kill can cost beside the window.
const SAFE_EVERY: Duration = Duration::from_millis(250);
/// How often the sidecar is written anew.
const SIDECAR_EVERY: Duration = Duration::from_secs(1);
/// Packets that wait for a second one of their source.
const MAX_FIRSTS: usize = 64;
/// Streams of one recording, over all its time.
const MAX_SEEN: usize = 4_096;
/// Largest receiver report: 31 blocks and a name.
const REPORT_BYTES: usize = 1_472;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_civil() {
        assert_eq!(utc(Duration::ZERO), "1970-01-01T00:00:00.000000000Z");
        assert_eq!(
            utc(Duration::new(951_782_400, 5)),
            "2000-02-29T00:00:00.000000005Z"
        );
        assert_eq!(
            utc(Duration::from_secs(1_795_219_199)),
            "2026-11-20T23:59:59.000000000Z"
        );
    }
}

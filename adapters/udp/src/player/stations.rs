//! The socket side of a player: takes datagrams in, answers, tells.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use audiox_core::ConfigError;
use audiox_core::ingress::{IngressConfig, Origin, ReportConfig, SourceId};
use audiox_core::playout::{Latency, Playout, PlayoutConfig};
use audiox_core::session::{
    NewSource, PlayoutFactory, Routed, Session, SessionConfig, SessionEvent, SessionInput,
    UniformPlayouts,
};
use audiox_core::time::Instant;
use audiox_net::clock::Clock;

use super::PlayerConfig;
use super::output::{PlayerOutput, PulledCounts};
use super::report::{PlayedStream, PlayerReport};
use super::trace::{Tap, Tracer};
use crate::Error;
use crate::node::{Content, Listen, MAX_DATAGRAM};
use crate::port::{Peers, Pool, Port};

/// All ports of a player, and what it tells of them.
pub(super) struct Stations {
    config: PlayerConfig,
    stations: Vec<Station>,
    clock: Clock,
    tracer: Option<Tracer>,
    pulled: Arc<PulledCounts>,
    report: PlayerReport,
    publish_at: Instant,
    shared: Arc<Mutex<PlayerReport>>,
    ended: bool,
}

struct Station {
    port: Port,
    input: SessionInput,
    /// The report's streams by source.
    known: Vec<(SourceId, usize)>,
    /// Where sources send from.
    origins: Vec<(SourceId, Origin)>,
    /// Who sent reports, and wants ours.
    peers: Peers,
    rtp: bool,
}

impl Stations {
    /// The socket side of what is played, and the side that is pulled.
    pub(super) fn new(
        config: PlayerConfig,
        ports: Vec<Port>,
        clock: Clock,
        tracer: Option<Tracer>,
        shared: Arc<Mutex<PlayerReport>>,
    ) -> Result<(Self, PlayerOutput), Error> {
        let now = clock.now();
        let pulled = Arc::new(PulledCounts::default());
        let (mut stations, mut outputs) = (Vec::new(), Vec::new());
        for (listen, port) in config.listen.iter().zip(ports) {
            let tap = tracer.as_ref().map(Tracer::tap);
            let session = session(&config, listen, &port, &clock, tap)?;
            let (input, output) = session.split();
            outputs.push(output);
            stations.push(Station {
                input,
                port,
                known: Vec::new(),
                origins: Vec::new(),
                peers: Peers::default(),
                rtp: matches!(listen.content, Content::Rtp { .. }),
            });
        }
        let output = PlayerOutput::new(config.format, outputs, pulled.clone());
        let stations = Self {
            config,
            stations,
            clock,
            tracer,
            pulled,
            report: PlayerReport::default(),
            publish_at: now,
            shared,
            ended: false,
        };
        Ok((stations, output))
    }

    pub(super) fn config(&self) -> &PlayerConfig {
        &self.config
    }

    /// Has this thread woken whenever something comes.
    pub(super) fn wake_me(&self) {
        for station in &self.stations {
            station.port.wake(std::thread::current());
        }
    }

    /// Whether all has been played that was to be.
    pub(super) fn is_over(&self) -> bool {
        let frames = self
            .pulled
            .frames
            .load(std::sync::atomic::Ordering::Relaxed);
        let played = self.config.format.rate.duration_of(frames);
        self.ended || self.config.duration.is_some_and(|d| played >= d)
    }

    /// When to call [`receive`](Self::receive) even if nothing comes.
    pub(super) fn next_timeout(&self) -> Instant {
        let timeouts = self.stations.iter().filter_map(|s| s.input.poll_timeout());
        timeouts.fold(self.publish_at, Instant::min)
    }

    pub(super) fn count_late_pull(&mut self) {
        self.report.late_pulls += 1;
    }

    /// Closes everything; the output is gone or is about to go.
    pub(super) fn finish(mut self) -> Result<PlayerReport, Error> {
        self.publish();
        for station in &mut self.stations {
            station.port.join();
        }
        // Playouts and factories hold the ends of the traces.
        self.stations.clear();
        if let Some(tracer) = self.tracer.take() {
            self.report.untraced = tracer.finish()?;
        }
        Ok(self.report)
    }

    /// Takes in what came, answers what is due, and tells where it is time.
    pub(super) fn receive(&mut self, now: Instant) {
        for station in &mut self.stations {
            while let Ok(report) = station.port.reports.try_recv() {
                // Malformed ones are counted by the ingress.
                let read = station.input.handle_rtcp(report.arrival, &report.datagram);
                if read.is_ok() {
                    station.peers.heard(report.from, report.arrival);
                }
            }
            while let Some((pool, packet)) = station.port.recv() {
                let (arrival, origin) = (packet.meta.arrival, packet.meta.origin);
                let (session, bytes) = (&mut station.input, packet.bytes());
                let routed = match pool {
                    Pool::Media => session.handle_datagram(arrival, origin, bytes),
                    Pool::Repair => session.handle_repair(arrival, origin, bytes),
                };
                if let Routed::Queued(source) = routed
                    && station.origins.iter().all(|(id, _)| *id != source)
                {
                    station.origins.push((source, origin));
                }
                station.port.recycle(pool, packet);
            }
            station.input.handle_timeout(now);
            station.answer(now);
            while let Some(event) = station.input.poll_event() {
                station.note(event, &mut self.report);
            }
        }
        self.forget();
        if now >= self.publish_at {
            self.publish_at = now + PUBLISH_EVERY;
            self.publish();
        }
    }

    /// Tells of no more than the newest of those that ended: a player runs for months, and whoever
    /// starts anew is another stream.
    fn forget(&mut self) {
        let streams = &mut self.report.streams;
        while streams.iter().filter(|s| s.ended).count() > MAX_ENDED
            && let Some(oldest) = streams.iter().position(|s| s.ended)
        {
            streams.remove(oldest);
            for station in &mut self.stations {
                station.known.retain(|(_, index)| *index != oldest);
                for (_, index) in &mut station.known {
                    *index -= usize::from(*index > oldest);
                }
            }
        }
    }

    fn publish(&mut self) {
        let order = std::sync::atomic::Ordering::Relaxed;
        self.report.frames = self.pulled.frames.load(order);
        self.report.frames_idle = self.pulled.idle.load(order);
        self.report.peak = self.pulled.take_peak();
        self.report.refused = 0;
        self.report.malformed = 0;
        self.report.not_allowed = 0;
        self.report.truncated = 0;
        self.report.overrun = 0;
        for station in &mut self.stations {
            let stats = station.input.stats();
            let counts = &station.port.counts;
            self.report.refused += stats.packets_refused + counts.refused_origins.load(order);
            self.report.not_allowed += counts.not_allowed.load(order);
            self.report.truncated += counts.truncated.load(order);
            self.report.overrun += counts.overrun.load(order);
            self.report.malformed += station.input.ingress().stats().malformed;
            station.update(&self.clock, self.pulled.until_heard(), &mut self.report);
        }
        let ended = !self.report.streams.is_empty() && self.report.streams.iter().all(|s| s.ended);
        self.ended = ended && self.config.stop_when_ended;
        *self.shared.lock().unwrap_or_else(PoisonError::into_inner) = self.report.clone();
    }
}

impl Station {
    /// Sends a receiver report that is due.
    fn answer(&mut self, now: Instant) {
        let mut buf = [0; MAX_REPORT];
        while let Some(len) = self.input.poll_report(now, &mut buf)
            && let Some(control) = &self.port.control
        {
            for peer in self.peers.present(now) {
                // A receiver report is worth no trouble: the next one says more.
                let _ = control.send_to(&buf[..len], peer);
            }
        }
    }

    fn note(&mut self, event: SessionEvent, report: &mut PlayerReport) {
        match event {
            SessionEvent::Started(source) => {
                if self.known.iter().all(|(id, _)| *id != source) {
                    self.known.push((source, report.streams.len()));
                    report.streams.push(PlayedStream {
                        from: None,
                        ssrc: None,
                        cname: None,
                        source: Default::default(),
                        playback: Default::default(),
                        network: None,
                        ended: false,
                    });
                } else if let Some(stream) = self.stream(source, report) {
                    stream.ended = false;
                }
            }
            SessionEvent::Ended { source, playback } => {
                if let Some(stream) = self.stream(source, report) {
                    stream.playback = playback;
                    stream.ended = true;
                }
                self.origins.retain(|(id, _)| *id != source);
            }
            SessionEvent::Refused(..)
            | SessionEvent::Restarted(_)
            | SessionEvent::Mapped(_)
            | SessionEvent::Bye(_) => {}
        }
    }

    fn stream<'a>(
        &self,
        source: SourceId,
        report: &'a mut PlayerReport,
    ) -> Option<&'a mut PlayedStream> {
        let (_, index) = self.known.iter().find(|(id, _)| *id == source)?;
        report.streams.get_mut(*index)
    }

    fn update(&mut self, clock: &Clock, until_heard: Duration, report: &mut PlayerReport) {
        let input = &self.input;
        for (source, index) in &self.known {
            let Some(stream) = report.streams.get_mut(*index) else {
                continue;
            };
            if let Some(stats) = input.source_stats(*source) {
                stream.source = stats;
            }
            if let Some(playback) = input.playback_stats(*source) {
                stream.playback = *playback;
                // What was known of the device when the stream began may be nothing.
                stream.playback.ledger.device = until_heard;
            }
            let ingress = input.ingress();
            stream.ssrc = stream
                .ssrc
                .or_else(|| ingress.ssrc(*source).filter(|_| self.rtp));
            if let Some((_, origin)) = self.origins.iter().find(|(id, _)| id == source) {
                stream.from = stream.from.or_else(|| self.port.origins.address(*origin));
            }
            if let (Some(map), Some((media, arrival))) =
                (ingress.clock_map(*source), ingress.newest(*source))
                && let Some(captured) = map.ntp_at(media)
            {
                let ptime = stream.playback.ledger.packetization;
                let way = clock.ntp_at(arrival).nanos_since(captured);
                stream.network = smoothed(stream.network, way, ptime);
            }
            if let (None, Some(name)) = (&stream.cname, ingress.cname(*source)) {
                stream.cname = Some(String::from_utf8_lossy(name).into_owned());
            }
        }
    }
}

/// The time on the way, from the time since the capture of a packet's first frame; `None` where it
/// shows that the clocks are not set alike. Near the shortest lately: that is the network, the rest
/// is jitter.
fn smoothed(before: Option<Duration>, nanos: i64, ptime: Duration) -> Option<Duration> {
    let way = Duration::from_nanos(u64::try_from(nanos).ok()?).checked_sub(ptime)?;
    if way > MAX_WAY {
        return None;
    }
    Some(match before {
        Some(before) if way > before => before + (way - before) / 64,
        _ => way,
    })
}

/// A session whose playouts are as configured, and traced where asked for.
fn session(
    config: &PlayerConfig,
    listen: &Listen,
    port: &Port,
    clock: &Clock,
    tap: Option<Tap>,
) -> Result<Session, ConfigError> {
    let mut playout = PlayoutConfig {
        output: Some(config.format),
        ..config.playout.clone()
    };
    if let (
        Content::Rtp {
            delay: Some(least), ..
        },
        Latency::Adaptive(delay),
    ) = (&listen.content, &mut playout.latency)
    {
        // Repair that comes later than it is played is worth nothing.
        delay.min = delay.min.max(*least);
        delay.max = delay.max.max(*least);
    }
    let uniform = match &listen.content {
        Content::Raw { pcm, format } => UniformPlayouts::raw(playout, *pcm, *format),
        Content::Rtp { .. } => {
            let codecs = listen.codecs(&config.codecs);
            UniformPlayouts::rtp(playout, listen.formats(&codecs)?, codecs)
        }
    };
    let ingress = listen.ingress();
    let mut session = SessionConfig::new(config.format, ingress.framing.clone());
    session.ingress = IngressConfig {
        max_sources: config.max_streams.saturating_mul(4).clamp(1, 4_096),
        idle_after: config.idle_after,
        reports: matches!(listen.content, Content::Rtp { .. }).then(|| ReportConfig {
            // Unpredictable enough to tell receivers apart (RFC 3550 section 8.1).
            ssrc: (clock.wall_now().0 as u32)
                ^ u32::from(port.local.port()).rotate_left(16)
                ^ std::process::id(),
            cname: format!("audiox-player@{}", port.local),
            bandwidth: 1_000_000,
        }),
        ..ingress
    };
    session.max_sources = config.max_streams;
    session.max_datagram = MAX_DATAGRAM;
    let factory = Traced { uniform, tap };
    Session::new(session, factory, clock.now())
}

struct Traced {
    uniform: UniformPlayouts,
    tap: Option<Tap>,
}

impl PlayoutFactory for Traced {
    fn playout(&mut self, source: &NewSource) -> Result<Playout, ConfigError> {
        let mut playout = self.uniform.playout(source)?;
        if let Some(tap) = &self.tap {
            tap.attach(&mut playout);
        }
        Ok(playout)
    }

    fn reads(&self, made_for: u8, payload_type: u8) -> bool {
        self.uniform.reads(made_for, payload_type)
    }
}

const PUBLISH_EVERY: Duration = Duration::from_millis(100);
/// Streams told of after their end.
const MAX_ENDED: usize = 64;
const MAX_REPORT: usize = 1_500;
/// Longest time on the way that is believed.
const MAX_WAY: Duration = Duration::from_secs(10);

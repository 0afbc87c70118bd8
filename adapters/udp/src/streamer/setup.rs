//! From a configuration to running threads. Everything that can be refused is refused here.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use audiox_core::ConfigError;
use audiox_core::codec::{CodecRegistry, EncodingName, RedFactory};
use audiox_core::format::{PcmFormat, SampleRate};
use audiox_core::sender::{RetransmissionConfig, Sender, SenderConfig};
use audiox_core::source::Source;
use audiox_core::time::{RtpTimestamp, SeqNum};
use audiox_io::{OpusFileReader, Prefetch, PrefetchConfig, PrefetchReader, Resampled};
use audiox_net::clock::Clock;
use audiox_net::endpoint::{
    EncodingOptions, NetAddress, RedAmount, RepairScheme, RetransmissionOptions, RtpEndpoint,
};
use audiox_net::{Endpoint, StopFlag};

use super::control::{self, Heard};
use super::feed::Feed;
use super::handle::StreamerHandle;
use super::identity::Identifiers;
use super::pace::Work;
use super::packets::Records;
use super::plan::{Kind, Offer, Packets, SessionPlan, StreamPlan};
use super::session;
use super::sockets::Sockets;
use super::status::Status;
use super::stream::Stream;
use super::tempo::Tempo;
use super::{StreamSpec, StreamerConfig};
use crate::Error;

pub(super) fn start(
    config: StreamerConfig,
    specs: Vec<StreamSpec>,
) -> Result<StreamerHandle, Error> {
    if specs.is_empty() {
        return Err(ConfigError::new("sources", "nothing", "give at least one to send").into());
    }
    config.start.check()?;
    let config = StreamerConfig {
        codecs: codecs(&config),
        ..config
    };
    let (at, rtp) = destination(&config.to)?;
    let socket = at.sender()?;
    let to = socket.connect.expect("a sender's socket is connected");
    let session = session_plan(&config, at, to);
    let (mut names, mut sources, mut resampled) = (Vec::new(), Vec::new(), Vec::new());
    let (mut offers, mut tempi) = (Vec::new(), Vec::new());
    let plain = config.ptime.is_none() && rtp.is_some_and(has_no_wishes);
    for spec in specs {
        names.push(spec.name.clone());
        tempi.push(Tempo::of(&*spec.source));
        let packets = spec.opus.as_ref().filter(|_| plain).map(packets);
        match (spec.opus, packets) {
            (Some(file), Some(packets)) if session.takes(spec.source.format(), &packets) => {
                offers.push(offer(&*spec.source, Some(packets)));
                sources.push(Box::new(Records::new(file)) as Box<dyn Source>);
            }
            _ => {
                let (source, notice) = fit_rate(&session, &spec.name, spec.source)?;
                resampled.extend(notice);
                offers.push(offer(&*source, None));
                sources.push(source);
            }
        }
    }
    let plans = session.streams(&offers)?;
    let mut notices = session.notices(&plans);
    notices.extend(resampled);
    notices.extend(config.start.notice());

    let clock = Clock::new();
    let mut sockets: Vec<Sockets> = Vec::with_capacity(plans.len());
    for _ in &plans {
        sockets.push(match rtp {
            Some(rtp) => {
                let port = rtp.repair.port_beside(to.port(), rtp.rtcp)?;
                Sockets::rtp(&socket, to, rtp.rtcp, sockets.last())?.with_repair(to.ip(), port)
            }
            None => Sockets::raw(&socket)?,
        });
    }
    if !sockets.iter().all(|s| s.media.report().dscp_set) {
        notices.push("the system does not let datagrams be marked with a class of service".into());
    }
    if sockets[0].control.as_ref().is_some_and(|c| c.deaf) {
        notices.push(
            "another program has the group's RTCP port, so reports of its members are not heard"
                .into(),
        );
    }
    let statuses: Vec<_> = names
        .into_iter()
        .zip(&plans)
        .zip(&sockets)
        .map(|((name, plan), s)| {
            let local = s.media.local_addr();
            Arc::new(Status::new(name, plan.format.rate, local))
        })
        .collect();

    let mut identity = Identity::new(&config, rtp);
    let senders = plans
        .iter()
        .map(|plan| identity.sender(plan, &config, clock))
        .collect::<Result<Vec<_>, ConfigError>>()?;
    // Of packets in blocks a description would say that they are plain ones.
    let described = rtp.filter(|rtp| rtp.repair.scheme == RepairScheme::Window);
    let sdp = described.map(|rtp| {
        let from = sockets[0].media.local_addr().ip();
        let described = session::Described {
            name: &config.session_name,
            from,
            to,
            rtp,
            cname: &identity.cname,
            ssrcs: &identity.taken,
        };
        described.write(&plans, clock).to_string()
    });
    let heard = heard(&sockets, &statuses);

    let stored = plans.iter().map(|p| p.stored);
    let (prefetch, readers) = read_ahead(sources.into_iter().zip(stored).collect(), &tempi)?;
    let mut streams = Vec::with_capacity(plans.len());
    for (((((plan, reader), sender), sockets), status), tempo) in plans
        .into_iter()
        .zip(readers)
        .zip(senders)
        .zip(sockets)
        .zip(&statuses)
        .zip(tempi)
    {
        let encoder = plan.encoder(&config.codecs)?;
        let around = (sender.header_len(), sender.trailer_len());
        let feed = Feed::new(reader, &plan, around, encoder);
        let mut stream = Stream::new(plan, sender, feed, sockets, status.clone(), tempo);
        stream.prime()?;
        streams.push(stream);
    }

    let (stop, listener_stop) = (StopFlag::new(), StopFlag::new());
    let mut handle = StreamerHandle {
        clock,
        stop: stop.clone(),
        listener_stop: listener_stop.clone(),
        notices,
        sdp,
        start_time: std::time::SystemTime::now(),
        start: Arc::new(AtomicU64::new(0)),
        statuses,
        rejected: None,
        pacing: None,
        listener: None,
        prefetch,
    };
    let mut incoming = None;
    if rtp.is_some() {
        let (thread, output, rejected) =
            control::listen(heard, identity.taken, clock, listener_stop)?;
        handle.listener = Some(thread);
        handle.rejected = Some(rejected);
        incoming = Some(output);
    }
    let work = Work::new(clock, streams, incoming);
    // Reading ahead took its time.
    config.start.check()?;
    let (point, start_time) = config.start.settle(&clock);
    handle.start_time = start_time;
    let settled = handle.start.clone();
    let pacing = std::thread::Builder::new()
        .name("audiox-pace".to_owned())
        .spawn(move || {
            let started = |at: audiox_core::time::Instant| settled.store(at.as_nanos(), Relaxed);
            work.run_to_end(point, config.catch_up, config.priority, &stop, started)
        })
        .map_err(no_thread)?;
    handle.pacing = Some(pacing);
    Ok(handle)
}

/// The codecs, with RED where packets are to carry earlier ones.
fn codecs(config: &StreamerConfig) -> CodecRegistry {
    let mut codecs = config.codecs.clone();
    if let Endpoint::Rtp(rtp) = &config.to
        && let Some(red) = rtp.red
    {
        let (least, distance) = match red {
            RedAmount::Auto => (0, RedAmount::MOST),
            RedAmount::Packets(n) => (n, n),
        };
        let red = RedFactory {
            codecs: config.codecs.clone(),
            encoding: rtp.codec.clone().unwrap_or(EncodingName::L16),
            payload_type: RtpEndpoint::RED_BLOCKS,
            distance: distance.into(),
            least: least.into(),
            max_payload: MAX_RED,
        };
        codecs.register(EncodingName::RED, red);
    }
    codecs
}

fn destination(to: &Endpoint) -> Result<(&NetAddress, Option<&RtpEndpoint>), ConfigError> {
    match to {
        Endpoint::Udp(udp) => Ok((&udp.at, None)),
        Endpoint::Rtp(rtp) => Ok((&rtp.at, Some(rtp))),
        Endpoint::Sdp(path) => Err(ConfigError::new(
            "to",
            path.display(),
            "a session description is for receiving; send to udp://host:port or rtp://host:port",
        )),
    }
}

fn session_plan<'a>(
    config: &'a StreamerConfig,
    at: &NetAddress,
    to: SocketAddr,
) -> SessionPlan<'a> {
    let (kind, rate, channels, ptime, chunk) = match &config.to {
        Endpoint::Rtp(rtp) => (
            Kind::Rtp {
                codec: match rtp.red {
                    Some(_) => Some(&EncodingName::RED),
                    None => rtp.codec.as_ref(),
                },
                payload_type: rtp.payload_type,
                repair: rtp.repair,
                again: RetransmissionOptions {
                    // Of a group many would ask at once.
                    asked: match rtp.retransmission.asked {
                        None if to.ip().is_multicast() => Some(false),
                        asked => asked,
                    },
                    ..rtp.retransmission
                },
            },
            rtp.rate,
            rtp.channels,
            rtp.ptime,
            None,
        ),
        Endpoint::Udp(udp) => (
            Kind::Raw { format: udp.format },
            udp.rate,
            udp.channels,
            udp.ptime,
            udp.chunk,
        ),
        Endpoint::Sdp(_) => (Kind::Raw { format: None }, None, None, None, None),
    };
    SessionPlan {
        kind,
        rate,
        channels,
        ptime: config.ptime.or(ptime).unwrap_or(DEFAULT_PTIME),
        chunk: chunk.filter(|_| config.ptime.is_none()),
        max_datagram: config
            .max_datagram
            .unwrap_or_else(|| at.options.max_datagram(to.ip())),
        codecs: &config.codecs,
    }
}

/// The source at the rate that is asked for or that the encoding carries, and what to tell of it.
fn fit_rate(
    session: &SessionPlan<'_>,
    name: &str,
    source: Box<dyn Source>,
) -> Result<(Box<dyn Source>, Option<String>), ConfigError> {
    let is = source.format().rate;
    let wanted = session.rate_for(is);
    if wanted == is {
        return Ok((source, None));
    }
    let notice = format!("{name}: resampled from {is} to {wanted}");
    Ok((Box::new(Resampled::new(source, wanted)?), Some(notice)))
}

fn offer(source: &dyn Source, packets: Option<Packets>) -> Offer {
    Offer {
        format: source.format(),
        native: source.native(),
        packets,
    }
}

/// Whether packets may be as they are, for all that the URL says.
fn has_no_wishes(rtp: &RtpEndpoint) -> bool {
    rtp.ptime.is_none() && rtp.red.is_none() && rtp.encoding == EncodingOptions::default()
}

fn packets(file: &OpusFileReader) -> Packets {
    Packets {
        ptime: SampleRate::HZ_48000.duration_of(file.usual_ticks().into()),
        longest: file.longest_packet(),
    }
}

/// The sockets on which receivers' reports come, each once.
fn heard(sockets: &[Sockets], statuses: &[Arc<Status>]) -> Vec<Heard> {
    let mut heard: Vec<Heard> = Vec::new();
    for (sockets, status) in sockets.iter().zip(statuses) {
        if let Some(control) = &sockets.control
            && !heard.iter().any(|(s, _)| Arc::ptr_eq(s, &control.socket))
        {
            heard.push((control.socket.clone(), status.clone()));
        }
    }
    heard
}

/// Starts reading ahead and waits until there is enough to begin. Sources that may block have a
/// thread each, since one that has to wait would keep the others waiting.
fn read_ahead(
    sources: Vec<(Box<dyn Source>, PcmFormat)>,
    tempi: &[Tempo],
) -> Result<(Vec<Prefetch>, Vec<PrefetchReader>), Error> {
    let mut threads = Vec::new();
    let mut readers: Vec<(usize, PrefetchReader)> = Vec::new();
    let (blocking, ready): (Vec<_>, Vec<_>) = sources
        .into_iter()
        .enumerate()
        .partition(|(i, _)| tempi[*i] != Tempo::Schedule);
    let groups = blocking.into_iter().map(|one| vec![one]);
    for group in groups.chain([ready]).filter(|g| !g.is_empty()) {
        let (ids, sources): (Vec<_>, Vec<_>) = group.into_iter().unzip();
        let device = ids.iter().any(|i| tempi[*i] == Tempo::Device);
        let depth = match device {
            true => PrefetchConfig::new(DEVICE_DEPTH)?,
            false => PrefetchConfig::default(),
        };
        let (thread, made) = Prefetch::spawn(sources, depth)?;
        threads.push((thread, device));
        readers.extend(ids.into_iter().zip(made));
    }
    let deadline = std::time::Instant::now() + FILL;
    // What a device has not captured yet cannot be waited for, and is sent as it comes.
    for (thread, _) in threads.iter().filter(|(_, device)| !device) {
        thread.wait_filled(deadline.saturating_duration_since(std::time::Instant::now()));
    }
    readers.sort_by_key(|(i, _)| *i);
    let threads = threads.into_iter().map(|(thread, _)| thread).collect();
    Ok((threads, readers.into_iter().map(|(_, r)| r).collect()))
}

/// What tells the streams apart.
struct Identity {
    ids: Identifiers,
    cname: String,
    /// Streams take SSRCs one after the other from here on, so that a recorder can keep the
    /// sender's order.
    first_ssrc: u32,
    taken: Vec<u32>,
}

impl Identity {
    fn new(config: &StreamerConfig, rtp: Option<&RtpEndpoint>) -> Self {
        let mut ids = Identifiers::new(config.seed);
        let cname = config.cname.clone().unwrap_or_else(|| ids.cname());
        let drawn = ids.next() as u32 & SSRC_ROOM;
        Self {
            first_ssrc: rtp.and_then(|r| r.ssrc).unwrap_or(drawn),
            ids,
            cname,
            taken: Vec::new(),
        }
    }

    /// A sender as planned.
    fn sender(
        &mut self,
        plan: &StreamPlan,
        config: &StreamerConfig,
        clock: Clock,
    ) -> Result<Sender, ConfigError> {
        let ssrc = self.first_ssrc.wrapping_add(self.taken.len() as u32);
        self.taken.push(ssrc);
        let sender = SenderConfig {
            framing: plan.framing,
            payload_type: plan.payload_type,
            ssrc,
            first_seq: SeqNum(self.ids.next() as u16),
            first_timestamp: RtpTimestamp(self.ids.next() as u32),
            cname: self.cname.clone(),
            wall: clock.anchor(),
        };
        let mut sender = Sender::new(sender, plan.encoder(&config.codecs)?, clock.now())?;
        if let Some(repair) = plan.repair {
            repair.apply(&mut sender, repair.window, repair.rate)?;
        }
        sender.set_retransmission(plan.again.map(|again| RetransmissionConfig {
            payload_type: again.payload_type,
            // Neither near the streams' nor near the repair packets'.
            ssrc: ssrc ^ 0x5555_5555,
            packets: again.packets,
        }))?;
        Ok(sender)
    }
}

fn no_thread(source: std::io::Error) -> Error {
    Error::Io {
        what: "cannot start a thread".to_owned(),
        source,
    }
}

/// Bytes of a RED payload: what fits an unfragmented datagram with all that may be around it.
const MAX_RED: usize = 1_200;
const DEFAULT_PTIME: Duration = Duration::from_millis(10);
/// How long to wait for sources to be read ahead. Slower ones start with what they have.
const FILL: Duration = Duration::from_secs(1);

/// A device's frames are fetched as they come; this is for when the sending thread is held up.
const DEVICE_DEPTH: Duration = Duration::from_millis(200);

/// Leaves room above a random SSRC for those that count on from it.
const SSRC_ROOM: u32 = 0xffff_0fff;

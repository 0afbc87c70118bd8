//! The threads beside the sockets: they turn away, stamp and hand over, and do nothing else.

mod origins;
mod peers;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::{JoinHandle, Thread};

use audiox_core::packet::PacketBuf;
use audiox_core::packet::rtcp::is_rtcp;
use audiox_core::pool::{PacketInput, PacketOutput, packet_pool};
use audiox_core::time::Instant;
use audiox_net::AllowList;
use audiox_net::clock::Clock;
use audiox_net::stop::StopFlag;
use audiox_net::udp::{RecvOutcome, RtpSockets, UdpError, UdpSocketConfig, UdpTransport};

use crate::Error;
use crate::node::{Content, Listen, MAX_DATAGRAM};
pub(crate) use origins::Origins;
pub(crate) use peers::Peers;

/// The reading end of a port.
pub(crate) struct Port {
    media: PacketOutput,
    repair: Option<PacketOutput>,
    pub(crate) reports: Receiver<Report>,
    pub(crate) origins: Arc<Origins>,
    pub(crate) control: Option<Arc<UdpTransport>>,
    pub(crate) local: SocketAddr,
    pub(crate) counts: Arc<Counts>,
    threads: Vec<JoinHandle<()>>,
    reader: Arc<OnceLock<Thread>>,
}

/// Where a datagram's buffer goes home to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pool {
    Media,
    Repair,
}

/// An RTCP datagram as it came.
pub(crate) struct Report {
    pub(crate) arrival: Instant,
    pub(crate) from: SocketAddr,
    pub(crate) datagram: Vec<u8>,
}

/// Counters of the socket threads.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) not_allowed: AtomicU64,
    pub(crate) truncated: AtomicU64,
    pub(crate) overrun: AtomicU64,
    pub(crate) refused_origins: AtomicU64,
    pub(crate) errors: AtomicU64,
}

impl Port {
    /// Opens the sockets and starts their threads, which take in what comes from `allow`.
    pub(crate) fn open(
        listen: &Listen,
        clock: Clock,
        stop: &StopFlag,
        limit: usize,
        allow: &AllowList,
    ) -> Result<Self, Error> {
        // Beside an RTP port that is any, the one for repair packets may be taken.
        let mut tries = if listen.socket.bind.port() == 0 {
            16
        } else {
            1
        };
        let (media_socket, control, kind, repair_socket) = loop {
            let (media, control, kind) = open_media(listen)?;
            match open_repair(listen, media.local_addr().port()) {
                Err(UdpError::AddressInUse { .. }) if tries > 1 => tries -= 1,
                repair => break (media, control, kind, repair?),
            }
        };
        let (input, output) = packet_pool(POOL, MAX_DATAGRAM);
        let (report_tx, reports) = sync_channel(REPORTS);
        let origins = Arc::new(Origins::new(limit.saturating_mul(4).max(64)));
        let counts = Arc::new(Counts::default());
        let local = media_socket.local_addr();
        let mut threads = Vec::new();
        let shared = Shared {
            clock,
            stop: stop.clone(),
            counts: counts.clone(),
            allow: allow.clone(),
            reports: report_tx,
            reader: Arc::default(),
        };
        let reader = shared.reader.clone();
        if let Some(control) = &control
            && !Arc::ptr_eq(control, &media_socket)
        {
            let (control, shared) = (control.clone(), shared.clone());
            threads.push(spawn("audiox-rtcp", move || {
                receive_reports(&control, &shared)
            })?);
        }
        let mut repair = None;
        if let Some(socket) = repair_socket {
            let (input, output) = packet_pool(REPAIR_POOL, MAX_DATAGRAM);
            let (addresses, shared) = (origins.clone(), shared.clone());
            threads.push(spawn("audiox-repair", move || {
                receive_media(&socket, Kind::Repair, input, &addresses, &shared);
            })?);
            repair = Some(output);
        }
        let addresses = origins.clone();
        threads.push(spawn("audiox-recv", move || {
            receive_media(&media_socket, kind, input, &addresses, &shared);
        })?);
        Ok(Self {
            media: output,
            repair,
            reports,
            origins,
            control,
            local,
            counts,
            threads,
            reader,
        })
    }

    /// The next datagram that came, media first; give it back to [`recycle`](Self::recycle).
    pub(crate) fn recv(&mut self) -> Option<(Pool, PacketBuf)> {
        let media = self.media.recv().map(|p| (Pool::Media, p));
        media.or_else(|| Some((Pool::Repair, self.repair.as_mut()?.recv()?)))
    }

    /// Has `reader`, once and for all, woken whenever something came.
    pub(crate) fn wake(&self, reader: Thread) {
        let _ = self.reader.set(reader);
    }

    /// Takes a buffer of [`recv`](Self::recv) back.
    pub(crate) fn recycle(&mut self, pool: Pool, packet: PacketBuf) {
        // Each pool's ring has room for all of its buffers.
        let _ = match (pool, &mut self.repair) {
            (Pool::Repair, Some(repair)) => repair.recycle(packet),
            _ => self.media.recycle(packet),
        };
    }

    /// Waits for the threads, which end soon after the stop flag is set.
    pub(crate) fn join(&mut self) {
        for thread in self.threads.drain(..) {
            // A panic there is a bug of ours and has printed itself.
            let _ = thread.join();
        }
    }
}

/// What comes to a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Raw,
    /// RTP, with RTCP where they share a port.
    Rtp,
    /// Repair packets without an RTP header.
    Repair,
}

#[derive(Clone)]
struct Shared {
    clock: Clock,
    stop: StopFlag,
    counts: Arc<Counts>,
    allow: AllowList,
    reports: SyncSender<Report>,
    reader: Arc<OnceLock<Thread>>,
}

impl Shared {
    fn wake(&self) {
        if let Some(reader) = self.reader.get() {
            reader.unpark();
        }
    }
}

type Media = (Arc<UdpTransport>, Option<Arc<UdpTransport>>, Kind);

/// The sockets of media and control.
fn open_media(listen: &Listen) -> Result<Media, UdpError> {
    Ok(match &listen.content {
        Content::Raw { .. } => (
            Arc::new(UdpTransport::open(&listen.socket)?),
            None,
            Kind::Raw,
        ),
        Content::Rtp { rtcp, .. } => {
            let sockets = RtpSockets::open(&listen.socket, *rtcp)?;
            let media = Arc::new(sockets.rtp);
            let control = sockets.rtcp.map_or_else(|| media.clone(), Arc::new);
            (media, Some(control), Kind::Rtp)
        }
    })
}

/// The socket of repair packets beside RTP port `media`, where they have one.
fn open_repair(listen: &Listen, media: u16) -> Result<Option<UdpTransport>, UdpError> {
    let Content::Rtp {
        blocks: Some(port), ..
    } = listen.content
    else {
        return Ok(None);
    };
    let port = match port {
        0 => media.saturating_add(2),
        port => port,
    };
    let config = UdpSocketConfig {
        bind: SocketAddr::new(listen.socket.bind.ip(), port),
        ..listen.socket.clone()
    };
    UdpTransport::open(&config).map(Some)
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, Error> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map_err(|source| Error::Io {
            what: "cannot start a thread".to_owned(),
            source,
        })
}

fn receive_media(
    socket: &UdpTransport,
    kind: Kind,
    mut input: PacketInput,
    origins: &Origins,
    shared: &Shared,
) {
    let mut spare = PacketBuf::with_capacity(MAX_DATAGRAM);
    while !shared.stop.is_stopped() {
        let Some(from) = receive(socket, &mut spare, shared) else {
            continue;
        };
        if kind == Kind::Rtp && is_rtcp(spare.bytes()) {
            hand_over(&spare, from, shared);
            continue;
        }
        let Some(origin) = origins.number(from, spare.meta.arrival) else {
            count(&shared.counts.refused_origins);
            continue;
        };
        spare.meta.origin = origin;
        spare.meta.repair_port = kind == Kind::Repair;
        let Some(free) = input.acquire() else {
            count(&shared.counts.overrun);
            continue;
        };
        let full = std::mem::replace(&mut spare, free);
        if input.submit(full).is_err() {
            count(&shared.counts.overrun);
        }
        shared.wake();
    }
}

fn receive_reports(socket: &UdpTransport, shared: &Shared) {
    let mut buf = PacketBuf::with_capacity(MAX_DATAGRAM);
    while !shared.stop.is_stopped() {
        if let Some(from) = receive(socket, &mut buf, shared) {
            hand_over(&buf, from, shared);
        }
    }
}

fn receive(socket: &UdpTransport, buf: &mut PacketBuf, shared: &Shared) -> Option<SocketAddr> {
    match socket.recv(&shared.clock, buf) {
        Ok(RecvOutcome::Datagram { from, .. }) if shared.allow.allows(from.ip()) => Some(from),
        Ok(RecvOutcome::Datagram { .. }) => {
            count(&shared.counts.not_allowed);
            None
        }
        Ok(RecvOutcome::Truncated { .. }) => {
            count(&shared.counts.truncated);
            None
        }
        Ok(RecvOutcome::Refused | RecvOutcome::Nothing) => None,
        Err(_) => {
            count(&shared.counts.errors);
            // The system is out of order: do not spin on it.
            shared
                .stop
                .wait_timeout(std::time::Duration::from_millis(10));
            None
        }
    }
}

fn hand_over(buf: &PacketBuf, from: SocketAddr, shared: &Shared) {
    let report = Report {
        arrival: buf.meta.arrival,
        from,
        datagram: buf.bytes().to_vec(),
    };
    if let Err(TrySendError::Full(_)) = shared.reports.try_send(report) {
        count(&shared.counts.overrun);
    }
    shared.wake();
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Datagrams between the socket and the recorder: at 1 ms packets of 16 streams, a quarter of a
/// second of disk trouble.
const POOL: usize = 4_096;
/// Repair packets between them.
const REPAIR_POOL: usize = 1_024;
/// RTCP datagrams between the socket and the recorder.
const REPORTS: usize = 256;

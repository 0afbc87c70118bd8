//! A bad network between real sockets: the simulator's [`Link`] as a UDP relay.
//!
//! Datagrams sent to the relay's RTP and RTCP ports leave for the destination's as the link
//! model has it: late, twice, in another order, or not at all. What comes back (receiver
//! reports, retransmission requests) passes a second link and reaches the sender from the port
//! it had sent to.
//!
//! Every sender has a pair of sockets of its own towards the destination, so that receivers
//! still tell streams apart by their source address. RTP from port *p* and RTCP from port
//! *p* + 1 of one host count as one sender.
//!
//! One thread does it all: it waits for sockets and for the next due time in one system call,
//! so there is nothing to lock. (Where sockets cannot be waited for, they are looked at in turn,
//! and delays are some milliseconds coarser.)
//!
//! The feature `link` is off by default: a relay that damages
//! traffic has no place in a program that does not ask for it.

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use audiox_core::ConfigError;
use audiox_core::packet::PacketBuf;
use audiox_core::sim::{Link, LinkConfig, LinkStats};
use audiox_core::time::Instant;

use crate::clock::Clock;
use crate::stop::StopFlag;
use crate::thread::sharpen_timers;
use crate::udp::{
    Fragmentation, ReadSet, RecvOutcome, RtcpPort, RtpSockets, UdpCounts, UdpError,
    UdpSocketConfig, UdpTransport,
};

/// What a [`LinkRelay`] is made with.
#[derive(Debug, Clone)]
pub struct RelayConfig {
    /// Where senders send their RTP (or raw) datagrams to.
    pub listen: UdpSocketConfig,
    /// Where those go on to.
    pub to: SocketAddr,
    /// Where RTCP comes in and goes, beside `listen` and `to`: the next port, unless multiplexed.
    pub rtcp: RtcpPort,
    /// The way from the senders to `to`. RTP and RTCP share it.
    pub forward: LinkConfig,
    /// The way back. Perfect by default.
    pub back: LinkConfig,
    /// Senders at once, 1 to 256; datagrams of further ones are dropped (counted).
    pub max_sessions: usize,
    /// A sender is forgotten when nothing went either way for so long. 30 s by default.
    pub idle_after: Duration,
}

impl RelayConfig {
    /// A relay from `listen` to `to` whose way there is `forward`.
    pub fn new(listen: SocketAddr, to: SocketAddr, forward: LinkConfig) -> Self {
        Self {
            listen: UdpSocketConfig::receiver(listen),
            to,
            rtcp: RtcpPort::Next,
            forward,
            back: LinkConfig::default(),
            max_sessions: 64,
            idle_after: Duration::from_secs(30),
        }
    }
}

/// What a relay did so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RelayStats {
    /// The way there.
    pub forward: LinkStats,
    /// The way back.
    pub back: LinkStats,
    /// Senders known now.
    pub sessions: usize,
    /// Senders ever known.
    pub sessions_opened: u64,
    /// Datagrams dropped because their sender found no room, or no socket could be opened.
    pub sessions_refused: u64,
    /// Datagrams that came out of a link after their sender was forgotten.
    pub orphaned: u64,
    /// Datagrams to a sender's RTCP socket from hosts other than the destination.
    pub foreign: u64,
    /// The sockets that senders send to.
    pub front: UdpCounts,
    /// The sockets towards the destination.
    pub upstream: UdpCounts,
}

/// The counts of a running relay, from any thread.
#[derive(Debug, Clone)]
pub struct RelayMonitor(Arc<Mutex<RelayStats>>);

impl RelayMonitor {
    /// The counts at the last round of the relay's loop.
    pub fn stats(&self) -> RelayStats {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A relay with its listening sockets open.
#[derive(Debug)]
pub struct LinkRelay {
    front: RtpSockets,
    upstream: UdpSocketConfig,
    to: [SocketAddr; 2],
    rtcp: RtcpPort,
    forward: Link,
    back: Link,
    sessions: Vec<Session>,
    next_id: usize,
    max_sessions: usize,
    idle_after: Duration,
    stats: RelayStats,
    monitor: RelayMonitor,
}

/// A sender and its sockets towards the destination.
#[derive(Debug)]
struct Session {
    id: usize,
    /// Where the sender's RTP comes from, and its RTCP, as far as known.
    peer: [SocketAddr; 2],
    sockets: RtpSockets,
    used: Instant,
}

/// Whether what is sent to `to` comes to a socket of this machine that is bound to `own`.
fn reaches(to: SocketAddr, own: SocketAddr) -> bool {
    let (there, here) = (to.ip().to_canonical(), own.ip().to_canonical());
    let any_address = here.is_unspecified()
        && !there.is_multicast()
        // Only this machine's own addresses can be bound.
        && std::net::UdpSocket::bind((there, 0)).is_ok();
    to.port() == own.port() && (there == here || there.is_unspecified() || any_address)
}

/// The two flows, as indices.
const RTP: usize = 0;
const RTCP: usize = 1;

impl LinkRelay {
    /// Opens the listening sockets.
    ///
    /// # Errors
    /// A link's configuration is impossible, an address cannot be bound, there is no route to
    /// the destination, or the destination is this link.
    pub fn open(config: RelayConfig) -> Result<Self, UdpError> {
        if !(1..=MAX_SESSIONS).contains(&config.max_sessions) {
            return Err(ConfigError::new(
                "max_sessions",
                config.max_sessions,
                "a relay serves 1 to 256 senders",
            )
            .into());
        }
        let to_rtcp = SocketAddr::new(config.to.ip(), config.rtcp.beside(config.to.port())?);
        let relaying = |base: UdpSocketConfig| UdpSocketConfig {
            fragmentation: Fragmentation::Allow,
            receive_buffer: Some(RECEIVE_BUFFER),
            ..base
        };
        let upstream = relaying(UdpSocketConfig::sender(config.to));
        // A dry run, to fail here rather than at the first datagram.
        open(&upstream, config.rtcp)?;
        let front = open(&relaying(config.listen), config.rtcp)?;
        let own = [front.rtp.local_addr(), front.control().local_addr()];
        if own
            .iter()
            .any(|own| reaches(config.to, *own) || reaches(to_rtcp, *own))
        {
            let allowed = "the link listens there itself, and datagrams would go round and round";
            return Err(ConfigError::new("to", config.to, allowed).into());
        }
        Ok(Self {
            front,
            upstream,
            to: [config.to, to_rtcp],
            rtcp: config.rtcp,
            forward: Link::new(config.forward)?,
            back: Link::new(config.back)?,
            sessions: Vec::new(),
            next_id: 0,
            max_sessions: config.max_sessions,
            idle_after: config.idle_after,
            stats: RelayStats::default(),
            monitor: RelayMonitor(Arc::default()),
        })
    }

    /// The address for RTP (or raw) datagrams.
    pub fn local_addr(&self) -> SocketAddr {
        self.front.rtp.local_addr()
    }

    /// The address for RTCP; that for RTP where multiplexed.
    pub fn local_rtcp_addr(&self) -> SocketAddr {
        self.front.control().local_addr()
    }

    /// A view of the counts that outlives this.
    pub fn monitor(&self) -> RelayMonitor {
        self.monitor.clone()
    }

    /// Relays on this thread until `stop` is given, which takes effect within 50 ms, and returns
    /// the final counts. What is under way then is lost.
    ///
    /// # Errors
    /// The system is out of order; never what the network does.
    pub fn run(mut self, stop: &StopFlag) -> Result<RelayStats, UdpError> {
        sharpen_timers();
        let clock = Clock::new();
        let mut buf = PacketBuf::with_capacity(MAX_DATAGRAM);
        while !stop.is_stopped() {
            let now = clock.now();
            self.deliver(now)?;
            self.forget_idle(now);
            self.publish();
            for (socket, flow) in self.wait(&clock)? {
                self.receive_all(socket, flow, &clock, &mut buf)?;
            }
        }
        self.publish();
        Ok(self.stats)
    }

    /// Waits for datagrams or the next due time, whichever is first, and returns which sockets
    /// have something.
    fn wait(&self, clock: &Clock) -> Result<Vec<(Socket, usize)>, UdpError> {
        let front = flows(&self.front).map(|(flow, t)| ((Socket::Front, flow), t));
        let upstream = self.sessions.iter().flat_map(|session| {
            flows(&session.sockets).map(|(flow, t)| ((Socket::Upstream(session.id), flow), t))
        });
        let (keys, sockets): (Vec<_>, Vec<_>) = front.chain(upstream).unzip();
        let mut set = ReadSet::new(sockets);

        let due = [self.forward.poll_timeout(), self.back.poll_timeout()];
        let due = due.into_iter().flatten().min();
        set.wait(due.map_or(LONGEST_WAIT, |due| {
            due.saturating_since(clock.now()).min(LONGEST_WAIT)
        }))?;
        Ok(set.ready().map(|i| keys[i]).collect())
    }

    /// Takes what has arrived on a socket, up to [`MAX_LOT`] datagrams.
    fn receive_all(
        &mut self,
        socket: Socket,
        flow: usize,
        clock: &Clock,
        buf: &mut PacketBuf,
    ) -> Result<(), UdpError> {
        for _ in 0..MAX_LOT {
            if self.receive(socket, flow, clock, buf)? == RecvOutcome::Nothing {
                break;
            }
        }
        Ok(())
    }

    fn receive(
        &mut self,
        socket: Socket,
        flow: usize,
        clock: &Clock,
        buf: &mut PacketBuf,
    ) -> Result<RecvOutcome, UdpError> {
        match socket {
            Socket::Front => {
                let outcome = transport(&self.front, flow).recv(clock, buf)?;
                self.stats.front.count_recv(outcome);
                if let RecvOutcome::Datagram { from, .. } = outcome {
                    let now = buf.meta.arrival;
                    match self.session_of(now, flow, from) {
                        Some(id) => {
                            self.forward.handle(now, tag(id, flow), buf.bytes());
                        }
                        None => self.stats.sessions_refused += 1,
                    }
                }
                Ok(outcome)
            }
            Socket::Upstream(id) => {
                let Some(session) = self.sessions.iter_mut().find(|s| s.id == id) else {
                    return Ok(RecvOutcome::Nothing);
                };
                let outcome = transport(&session.sockets, flow).recv(clock, buf)?;
                self.stats.upstream.count_recv(outcome);
                if let RecvOutcome::Datagram { from, .. } = outcome {
                    let to = self.to[flow].ip();
                    if from.ip() == to.to_canonical() || to.is_multicast() {
                        session.used = buf.meta.arrival;
                        self.back
                            .handle(buf.meta.arrival, tag(id, flow), buf.bytes());
                    } else {
                        self.stats.foreign += 1;
                    }
                }
                Ok(outcome)
            }
        }
    }

    /// Sends what has come through the links by now.
    fn deliver(&mut self, now: Instant) -> Result<(), UdpError> {
        while let Some(d) = self.forward.poll_output(now) {
            let (id, flow) = untag(d.tag);
            let Some(session) = self.sessions.iter().find(|s| s.id == id) else {
                self.stats.orphaned += 1;
                continue;
            };
            let socket = transport(&session.sockets, flow);
            let outcome = match flow {
                RTP => socket.send(d.bytes)?,
                _ => socket.send_to(d.bytes, self.to[flow])?,
            };
            self.stats.upstream.count_send(outcome, d.bytes.len());
        }
        while let Some(d) = self.back.poll_output(now) {
            let (id, flow) = untag(d.tag);
            let Some(session) = self.sessions.iter().find(|s| s.id == id) else {
                self.stats.orphaned += 1;
                continue;
            };
            let outcome = transport(&self.front, flow).send_to(d.bytes, session.peer[flow])?;
            self.stats.front.count_send(outcome, d.bytes.len());
        }
        Ok(())
    }

    /// The session of a sender, opened where it is new; `None` where there is no room for it.
    fn session_of(&mut self, now: Instant, flow: usize, from: SocketAddr) -> Option<usize> {
        // RTCP comes from the port after RTP's, by custom if not by rule.
        let rtp_port = match flow {
            RTP => from.port(),
            _ => from.port().saturating_sub(1),
        };
        let rtp = SocketAddr::new(from.ip(), rtp_port);
        if let Some(session) = self.sessions.iter_mut().find(|s| s.peer[RTP] == rtp) {
            session.used = now;
            return Some(session.id);
        }
        if self.sessions.len() >= self.max_sessions {
            return None;
        }
        let sockets = open(&self.upstream, self.rtcp).ok()?;
        let id = self.next_id;
        self.next_id += 1;
        self.stats.sessions_opened += 1;
        let rtcp = SocketAddr::new(from.ip(), rtp_port.saturating_add(1));
        self.sessions.push(Session {
            id,
            peer: [rtp, rtcp],
            sockets,
            used: now,
        });
        Some(id)
    }

    fn forget_idle(&mut self, now: Instant) {
        let idle_after = self.idle_after;
        self.sessions
            .retain(|s| now.saturating_since(s.used) < idle_after);
    }

    fn publish(&mut self) {
        self.stats.forward = self.forward.stats();
        self.stats.back = self.back.stats();
        self.stats.sessions = self.sessions.len();
        *self
            .monitor
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = self.stats;
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Socket {
    Front,
    Upstream(usize),
}

fn open(config: &UdpSocketConfig, rtcp: RtcpPort) -> Result<RtpSockets, UdpError> {
    let sockets = RtpSockets::open(config, rtcp)?;
    for (_, socket) in flows(&sockets) {
        socket.set_nonblocking()?;
    }
    Ok(sockets)
}

fn flows(sockets: &RtpSockets) -> impl Iterator<Item = (usize, &UdpTransport)> {
    let rtcp = sockets.rtcp.as_ref().map(|t| (RTCP, t));
    std::iter::once((RTP, &sockets.rtp)).chain(rtcp)
}

fn transport(sockets: &RtpSockets, flow: usize) -> &UdpTransport {
    match flow {
        RTP => &sockets.rtp,
        _ => sockets.control(),
    }
}

const fn tag(id: usize, flow: usize) -> usize {
    id << 1 | flow
}

const fn untag(tag: usize) -> (usize, usize) {
    (tag >> 1, tag & 1)
}

const MAX_SESSIONS: usize = 256;
/// Datagrams read from one socket before the others have their turn.
const MAX_LOT: usize = 64;
const MAX_DATAGRAM: usize = 65_535;
const RECEIVE_BUFFER: usize = 1 << 20;
/// Bounds how long a stop signal waits and how stale the published counts are.
const LONGEST_WAIT: Duration = Duration::from_millis(50);

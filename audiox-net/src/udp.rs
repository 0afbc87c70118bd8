//! UDP sockets for media: unicast, multicast and broadcast, IPv4 and IPv6.
//!
//! A [`UdpTransport`] is a blocking socket that is shared by reference between a sending and a
//! receiving thread. A receiving thread's wait ends after
//! [`read_timeout`](UdpSocketConfig::read_timeout) at the latest, so that it can look at a stop
//! signal. Datagrams are received straight into a [`PacketBuf`] and stamped after the wake-up.
//!
//! What the network does to datagrams while running is an outcome to be counted
//! ([`SendOutcome`], [`RecvOutcome`], [`UdpCounts`]); errors are left for what makes the socket
//! useless.

mod config;
mod counts;
mod error;
mod interface;
mod ready;
mod rtp;
#[cfg(test)]
mod tests;

pub use config::{Dscp, Fragmentation, Interface, Stack, UdpSocketConfig};
pub use counts::{RecvOutcome, SendOutcome, UdpCounts};
pub use error::UdpError;
pub use interface::interface_index;
pub use ready::ReadSet;
pub use rtp::{RtcpPort, RtpSockets};

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use audiox_core::ConfigError;
use audiox_core::packet::PacketBuf;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::clock::Clock;

/// A UDP socket, made as a [`UdpSocketConfig`] asks.
#[derive(Debug)]
pub struct UdpTransport {
    socket: UdpSocket,
    report: UdpReport,
}

/// What became of a configuration's wishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UdpReport {
    /// The address and port bound.
    pub local: SocketAddr,
    /// The peer, where connected.
    pub peer: Option<SocketAddr>,
    /// Bytes of the receive buffer.
    pub receive_buffer: Granted,
    /// Bytes of the send buffer.
    pub send_buffer: Granted,
    /// Whether datagrams carry the code point asked for.
    pub dscp_set: bool,
}

/// A size that was asked for, and the one that the system gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Granted {
    /// What was asked for; `None` for the system's default.
    pub asked: Option<usize>,
    /// What there is.
    pub obtained: usize,
}

impl Granted {
    /// Whether less was given than asked for.
    pub fn is_short(&self) -> bool {
        self.asked.is_some_and(|asked| self.obtained < asked)
    }
}

impl UdpTransport {
    /// Makes, sets up and binds a socket, joins its groups and connects it.
    ///
    /// # Errors
    /// The address is taken, is not this machine's or is reserved; there is no route to the
    /// peer; an interface or group does not exist; the configuration contradicts itself. Class
    /// of service and buffer sizes are wishes: the [`report`](Self::report) tells what became of
    /// them.
    pub fn open(config: &UdpSocketConfig) -> Result<Self, UdpError> {
        match open_socket(config) {
            // A machine without IPv6 still receives on all its addresses.
            Err(UdpError::Io { .. } | UdpError::AddressNotAvailable { .. })
                if config.stack == Stack::Dual && config.bind.ip().is_unspecified() =>
            {
                open_socket(&UdpSocketConfig {
                    bind: (Ipv4Addr::UNSPECIFIED, config.bind.port()).into(),
                    stack: Stack::Single,
                    ..config.clone()
                })
            }
            opened => opened,
        }
    }

    /// What became of the configuration's wishes.
    pub fn report(&self) -> &UdpReport {
        &self.report
    }

    /// The address and port bound.
    pub fn local_addr(&self) -> SocketAddr {
        self.report.local
    }

    /// Makes sending and receiving return at once from now on: a send whose buffer is full is
    /// [`SendOutcome::Full`], a receive without a datagram [`RecvOutcome::Nothing`].
    ///
    /// # Errors
    /// The system refuses.
    pub fn set_nonblocking(&self) -> Result<(), UdpError> {
        self.socket
            .set_nonblocking(true)
            .map_err(UdpError::io("cannot make the UDP socket non-blocking"))
    }

    /// Sends to the connected peer.
    ///
    /// # Errors
    /// The socket is not connected, or the system is out of order; never what the network does.
    pub fn send(&self, datagram: &[u8]) -> Result<SendOutcome, UdpError> {
        counts::send_outcome(|| self.socket.send(datagram))
            .map_err(UdpError::io("cannot send on the UDP socket"))
    }

    /// Sends to `to`.
    ///
    /// # Errors
    /// As for [`send`](Self::send).
    pub fn send_to(&self, datagram: &[u8], to: SocketAddr) -> Result<SendOutcome, UdpError> {
        let to = match (self.report.local, to) {
            // A dual-stack socket knows IPv4 peers by their mapped addresses.
            (SocketAddr::V6(_), SocketAddr::V4(v4)) => {
                SocketAddr::from((v4.ip().to_ipv6_mapped(), v4.port()))
            }
            _ => to,
        };
        counts::send_outcome(|| self.socket.send_to(datagram, to))
            .map_err(|source| UdpError::io(format!("cannot send to {to}"))(source))
    }

    /// Waits for a datagram, at most for the read timeout, receives it into `buf` and stamps its
    /// arrival. IPv4 peers of a dual-stack socket appear with their IPv4 addresses.
    ///
    /// # Errors
    /// The system is out of order; never what the network does.
    pub fn recv(&self, clock: &Clock, buf: &mut PacketBuf) -> Result<RecvOutcome, UdpError> {
        buf.set_len(0);
        let received = recv_from(&self.socket, buf.spare());
        let arrival = clock.now();
        let outcome = counts::recv_outcome(received)
            .map_err(UdpError::io("cannot receive on the UDP socket"))?;
        if let RecvOutcome::Datagram { len, .. } = outcome {
            buf.set_len(len);
            buf.meta.arrival = arrival;
        }
        Ok(outcome)
    }
}

/// The address from which this machine would send to `to`; finds out whether there is a route
/// without sending anything.
///
/// # Errors
/// There is no route; or `to` is a broadcast address, which needs no route but a permission.
pub fn check_route(to: SocketAddr) -> Result<IpAddr, UdpError> {
    let probe = UdpTransport::open(&UdpSocketConfig {
        dscp: Dscp::BEST_EFFORT,
        ..UdpSocketConfig::sender(to)
    })?;
    Ok(probe.local_addr().ip())
}

fn open_socket(config: &UdpSocketConfig) -> Result<UdpTransport, UdpError> {
    check(config)?;
    let bind = config.bind;
    let socket = Socket::new(Domain::for_address(bind), Type::DGRAM, Some(Protocol::UDP))
        .map_err(UdpError::io("cannot make a UDP socket"))?;
    let set = |what: &str, result: io::Result<()>| {
        result.map_err(|e| UdpError::io(format!("cannot set {what} of the UDP socket"))(e))
    };

    if bind.is_ipv6() {
        set(
            "IP version",
            socket.set_only_v6(config.stack == Stack::Single),
        )?;
    }
    if config.reuse {
        set("address sharing", socket.set_reuse_address(true))?;
        #[cfg(unix)]
        set("port sharing", socket.set_reuse_port(true))?;
    }
    set("broadcast", socket.set_broadcast(config.broadcast))?;
    set(
        "read timeout",
        socket.set_read_timeout(Some(config.read_timeout)),
    )?;
    // More than the system's maximum is cut there without an error; a refusal leaves the default.
    if let Some(bytes) = config.receive_buffer {
        let _ = socket.set_recv_buffer_size(bytes);
    }
    if let Some(bytes) = config.send_buffer {
        let _ = socket.set_send_buffer_size(bytes);
    }
    let dscp_set = set_dscp(&socket, config).is_ok();
    set("fragmentation", set_fragmentation(&socket, config))?;
    if let Some(ttl) = config.ttl {
        set("ttl", set_ttl(&socket, bind, ttl))?;
    }

    socket
        .bind(&SockAddr::from(bind))
        .map_err(UdpError::bind(bind))?;
    interface::set_up_multicast(&socket, config)?;
    if let Some(to) = config.connect {
        socket
            .connect(&SockAddr::from(to))
            .map_err(UdpError::connect(to, config.broadcast))?;
    }

    let obtained = |size: io::Result<usize>| size.map_or(0, usable);
    let report = UdpReport {
        local: socket
            .local_addr()
            .ok()
            .and_then(|a| a.as_socket())
            .unwrap_or(bind),
        peer: config.connect,
        receive_buffer: Granted {
            asked: config.receive_buffer,
            obtained: obtained(socket.recv_buffer_size()),
        },
        send_buffer: Granted {
            asked: config.send_buffer,
            obtained: obtained(socket.send_buffer_size()),
        },
        dscp_set,
    };
    Ok(UdpTransport {
        socket: socket.into(),
        report,
    })
}

fn check(config: &UdpSocketConfig) -> Result<(), ConfigError> {
    let v4 = config.bind.is_ipv4();
    if config.read_timeout.is_zero() {
        return Err(ConfigError::new(
            "read_timeout",
            "0",
            "it must be above zero",
        ));
    }
    if let Some(to) = config.connect
        && to.is_ipv4() != v4
    {
        return Err(ConfigError::new(
            "connect",
            to,
            format!("{} is of the other IP version", config.bind.ip()),
        ));
    }
    if let Some(to) = config.connect
        && to.port() == 0
    {
        return Err(ConfigError::new(
            "port",
            0,
            "a destination has port 1 to 65535",
        ));
    }
    for group in &config.groups {
        if !group.is_multicast() {
            return Err(ConfigError::new(
                "group",
                group,
                "multicast groups are 224.0.0.0 to 239.255.255.255 and ff00::/8",
            ));
        }
        if group.is_ipv4() != v4 {
            return Err(ConfigError::new(
                "group",
                group,
                format!("{} is of the other IP version", config.bind.ip()),
            ));
        }
    }
    Ok(())
}

fn set_dscp(socket: &Socket, config: &UdpSocketConfig) -> io::Result<()> {
    let class = config.dscp.traffic_class();
    if config.bind.is_ipv4() {
        return socket.set_tos_v4(class);
    }
    #[cfg(unix)]
    {
        if config.stack == Stack::Dual {
            // IPv4 datagrams of an IPv6 socket have a byte of their own, on some systems.
            let _ = socket.set_tos_v4(class);
        }
        socket.set_tclass_v6(class)
    }
    #[cfg(not(unix))]
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn set_fragmentation(socket: &Socket, config: &UdpSocketConfig) -> io::Result<()> {
    use rustix::net::sockopt::{
        Ipv4PathMtuDiscovery as V4, Ipv6PathMtuDiscovery as V6, set_ip_mtu_discover,
        set_ipv6_mtu_discover,
    };
    let (v4, v6) = match config.fragmentation {
        Fragmentation::System => return Ok(()),
        Fragmentation::Never => (V4::DO, V6::DO),
        Fragmentation::Allow => (V4::DONT, V6::DONT),
    };
    if config.bind.is_ipv4() {
        set_ip_mtu_discover(socket, v4)?;
    } else {
        set_ipv6_mtu_discover(socket, v6)?;
    }
    Ok(())
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn set_fragmentation(_: &Socket, _: &UdpSocketConfig) -> io::Result<()> {
    Ok(())
}

fn set_ttl(socket: &Socket, bind: SocketAddr, ttl: u8) -> io::Result<()> {
    if bind.is_ipv4() {
        // Unicast must pass one hop at least; multicast of 0 stays on this machine.
        socket.set_ttl_v4(u32::from(ttl.max(1)))?;
        socket.set_multicast_ttl_v4(u32::from(ttl))
    } else {
        socket.set_unicast_hops_v6(u32::from(ttl.max(1)))?;
        socket.set_multicast_hops_v6(u32::from(ttl))
    }
}

/// Linux reports twice what was asked for, to account for its own bookkeeping.
fn usable(reported: usize) -> usize {
    if cfg!(any(target_os = "linux", target_os = "android")) {
        reported / 2
    } else {
        reported
    }
}

/// Length, sender, and whether the datagram was cut to fit.
type Raw = (usize, SocketAddr, bool);

/// The standard library cuts a long datagram silently; `recvmsg` tells.
#[cfg(unix)]
fn recv_from(socket: &UdpSocket, buf: &mut [u8]) -> io::Result<Raw> {
    use rustix::net::{RecvAncillaryBuffer, RecvFlags, ReturnFlags, recvmsg};

    let message = recvmsg(
        socket,
        &mut [io::IoSliceMut::new(buf)],
        &mut RecvAncillaryBuffer::new(&mut []),
        RecvFlags::empty(),
    )?;
    let from = message
        .address
        .and_then(|a| SocketAddr::try_from(a).ok())
        .unwrap_or_else(|| (Ipv4Addr::UNSPECIFIED, 0).into());
    Ok((
        message.bytes,
        from,
        message.flags.contains(ReturnFlags::TRUNC),
    ))
}

#[cfg(not(unix))]
fn recv_from(socket: &UdpSocket, buf: &mut [u8]) -> io::Result<Raw> {
    const WSAEMSGSIZE: i32 = 10_040;
    let capacity = buf.len();
    match socket.recv_from(buf) {
        Ok((len, from)) => Ok((len, from, false)),
        Err(e) if e.raw_os_error() == Some(WSAEMSGSIZE) => {
            Ok((capacity, (Ipv4Addr::UNSPECIFIED, 0).into(), true))
        }
        Err(e) => Err(e),
    }
}

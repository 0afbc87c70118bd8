//! Why a socket could not be made or used, in lines that say what to do.

use std::io;
use std::net::{IpAddr, SocketAddr};

use audiox_core::ConfigError;

/// A socket cannot be had, or can no longer be used. What the network does to single datagrams
/// is no error but an outcome.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UdpError {
    /// The configuration contradicts itself.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Another socket has the port.
    #[error(
        "UDP port {} of {} is in use by another program (`ss -ulpn 'sport = :{}'` shows which); \
         stop it or choose another port",
        .addr.port(), ip(.addr), .addr.port()
    )]
    AddressInUse {
        /// The address asked for.
        addr: SocketAddr,
    },
    /// No interface has the address.
    #[error(
        "{} is not an address of this machine (`ip address` lists them); \
         leave the host empty to use all", ip(.addr)
    )]
    AddressNotAvailable {
        /// The address asked for.
        addr: SocketAddr,
    },
    /// The routing table has no way to the destination.
    #[error("{}", no_route(*.to))]
    NoRoute {
        /// The destination.
        to: SocketAddr,
    },
    /// The system does not allow it.
    #[error("{}", denied(*.addr))]
    Denied {
        /// The address asked for.
        addr: SocketAddr,
    },
    /// The destination is a broadcast address and broadcast was not asked for.
    #[error("{} is a broadcast address; ask for broadcast to send to it", ip(.to))]
    Broadcast {
        /// The destination.
        to: SocketAddr,
    },
    /// There is no such interface, or it cannot be named this way here.
    #[error("interface {interface}: {reason}")]
    Interface {
        /// The interface as it was given.
        interface: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A multicast group cannot be joined.
    #[error(
        "cannot join multicast group {group} on interface {interface}: {source}; \
         name an interface of this machine to listen on"
    )]
    Join {
        /// The group.
        group: IpAddr,
        /// The interface as it was given.
        interface: String,
        /// The system's reason.
        source: io::Error,
    },
    /// Anything else that the system refuses.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// The system's reason.
        source: io::Error,
    },
}

impl UdpError {
    /// The text is made when there is an error: this stands on the path of every datagram.
    pub(super) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io {
            what: what.into(),
            source,
        }
    }

    pub(super) fn bind(addr: SocketAddr) -> impl FnOnce(io::Error) -> Self {
        move |source| match source.kind() {
            io::ErrorKind::AddrInUse => Self::AddressInUse { addr },
            io::ErrorKind::AddrNotAvailable => Self::AddressNotAvailable { addr },
            io::ErrorKind::PermissionDenied => Self::Denied { addr },
            _ => Self::Io {
                what: format!("cannot bind UDP {addr}"),
                source,
            },
        }
    }

    pub(super) fn connect(to: SocketAddr, broadcast: bool) -> impl FnOnce(io::Error) -> Self {
        move |source| match source.kind() {
            io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::AddrNotAvailable => Self::NoRoute { to },
            io::ErrorKind::PermissionDenied if to.is_ipv4() && !broadcast => Self::Broadcast { to },
            io::ErrorKind::PermissionDenied => Self::Denied { addr: to },
            _ => Self::Io {
                what: format!("cannot send to {to}"),
                source,
            },
        }
    }
}

fn ip(addr: &SocketAddr) -> String {
    match addr.ip() {
        any if any.is_unspecified() => "all addresses".to_owned(),
        ip => ip.to_string(),
    }
}

fn no_route(to: SocketAddr) -> String {
    let ip = to.ip();
    if ip.is_multicast() {
        format!("there is no route to multicast group {ip}; name the interface to send from")
    } else {
        format!("there is no route to {ip}; check the address and the network connection")
    }
}

fn denied(addr: SocketAddr) -> String {
    match addr.port() {
        port @ 1..1024 => {
            format!("port {port} is reserved for the system's services; choose one from 1024 up")
        }
        _ => format!("the system does not permit the use of {addr}; a firewall may forbid it"),
    }
}

//! What a socket is asked to be.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use audiox_core::ConfigError;

/// Configuration of a [`UdpTransport`](super::UdpTransport).
///
/// [`receiver`](Self::receiver) and [`sender`](Self::sender) give what media needs; single
/// fields are then changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UdpSocketConfig {
    /// Address and port to bind. Port 0 takes any free one, an unspecified address all of the
    /// family's.
    pub bind: SocketAddr,
    /// For an IPv6 `bind`: whether IPv4 datagrams arrive too.
    pub stack: Stack,
    /// The one peer to exchange datagrams with. A connected socket learns when the peer's host
    /// refuses and finds out at once that there is no route.
    pub connect: Option<SocketAddr>,
    /// Share the port with other sockets that ask for the same: what receivers of one multicast
    /// group on one machine need.
    pub reuse: bool,
    /// Multicast groups to join.
    pub groups: Vec<IpAddr>,
    /// Accept the IPv4 `groups` from these senders only (source-specific multicast).
    pub sources: Vec<Ipv4Addr>,
    /// The interface to join groups on and to send multicast from.
    pub interface: Interface,
    /// Routers that a datagram may pass (TTL, hop limit). By default the system's 64 for
    /// unicast and 1, the local network, for multicast.
    pub ttl: Option<u8>,
    /// Whether multicast sent here is heard by receivers on this machine too. On by default.
    pub multicast_loop: bool,
    /// Allow sending to broadcast addresses.
    pub broadcast: bool,
    /// Class of service for the network. By default expedited forwarding.
    pub dscp: Dscp,
    /// What happens to datagrams longer than the path's MTU.
    pub fragmentation: Fragmentation,
    /// Bytes that the kernel should hold between two receive calls; `None` for the system's
    /// default. 1 MiB by default: 100 streams of CD audio for half a second, for a process that
    /// is held up.
    pub receive_buffer: Option<usize>,
    /// Bytes that the kernel should hold before the network card takes them; `None` for the
    /// system's default.
    pub send_buffer: Option<usize>,
    /// How long a receive call waits. It bounds how long a receiving thread takes to notice a
    /// stop signal. 100 ms by default; above zero.
    pub read_timeout: Duration,
}

impl UdpSocketConfig {
    /// A socket bound to `bind` with the defaults of each field.
    pub fn new(bind: SocketAddr) -> Self {
        Self {
            bind,
            stack: Stack::Single,
            connect: None,
            reuse: false,
            groups: Vec::new(),
            sources: Vec::new(),
            interface: Interface::Any,
            ttl: None,
            multicast_loop: true,
            broadcast: false,
            dscp: Dscp::EXPEDITED,
            fragmentation: Fragmentation::System,
            receive_buffer: Some(1 << 20),
            send_buffer: None,
            read_timeout: Duration::from_millis(100),
        }
    }

    /// A socket that receives what is sent to `at`: one of this machine's addresses, an
    /// unspecified address, or a multicast group, which is joined.
    pub fn receiver(at: SocketAddr) -> Self {
        let mut config = Self::new(at);
        if at.ip().is_multicast() {
            config.groups.push(at.ip());
            config.reuse = true;
            // Binding to the group keeps other groups' and unicast datagrams of the same port
            // out. Windows cannot do it.
            if cfg!(windows) {
                config.bind.set_ip(unspecified(at.ip()));
            }
        }
        config
    }

    /// A socket that receives everything sent to `port` of this machine, over IPv6 and IPv4
    /// where the machine has both.
    pub fn receiver_any(port: u16) -> Self {
        Self {
            stack: Stack::Dual,
            ..Self::new((Ipv6Addr::UNSPECIFIED, port).into())
        }
    }

    /// A socket that sends to `to` from any free port.
    pub fn sender(to: SocketAddr) -> Self {
        Self {
            connect: Some(to),
            broadcast: to.ip() == IpAddr::V4(Ipv4Addr::BROADCAST),
            receive_buffer: None,
            ..Self::new((unspecified(to.ip()), 0).into())
        }
    }
}

/// Which IP versions an IPv6 socket speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Stack {
    /// The version of the address it is bound to.
    #[default]
    Single,
    /// Both, where bound to the unspecified IPv6 address; IPv4 alone on a machine without IPv6.
    Dual,
}

/// A network interface, for multicast.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Interface {
    /// The one that the routing table picks.
    #[default]
    Any,
    /// The one that has this IPv4 address.
    Address(Ipv4Addr),
    /// By name, such as `eth0`.
    Name(String),
    /// By the system's index.
    Index(u32),
}

impl From<&str> for Interface {
    /// An IPv4 address, a number, or a name; empty is any.
    fn from(s: &str) -> Self {
        if s.is_empty() {
            Self::Any
        } else if let Ok(address) = s.parse() {
            Self::Address(address)
        } else if let Ok(index) = s.parse() {
            Self::Index(index)
        } else {
            Self::Name(s.to_owned())
        }
    }
}

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::Address(a) => a.fmt(f),
            Self::Name(n) => n.fmt(f),
            Self::Index(i) => i.fmt(f),
        }
    }
}

/// Differentiated services code point (RFC 2474), 0 to 63.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dscp(u8);

impl Dscp {
    /// Like all other traffic.
    pub const BEST_EFFORT: Self = Self(0);
    /// Assured forwarding 41: what AES67 recommends for media, beside EF for the clock.
    pub const AF41: Self = Self(34);
    /// Expedited forwarding (RFC 3246): what RFC 4594 recommends for voice.
    pub const EXPEDITED: Self = Self(46);

    /// A code point.
    ///
    /// # Errors
    /// Above 63.
    pub fn new(code_point: u8) -> Result<Self, ConfigError> {
        if code_point > 63 {
            return Err(ConfigError::new(
                "dscp",
                code_point,
                "a code point is 0 to 63 (46 is expedited forwarding, 0 best effort)",
            ));
        }
        Ok(Self(code_point))
    }

    /// The code point.
    pub const fn get(self) -> u8 {
        self.0
    }

    /// As it stands in the TOS or traffic class byte, whose lower two bits are ECN's.
    pub(super) const fn traffic_class(self) -> u32 {
        (self.0 as u32) << 2
    }
}

/// What to do with a datagram that is longer than the path's MTU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fragmentation {
    /// As the system is set: on Linux the first such datagram is refused as too long, later ones
    /// are fragmented here.
    #[default]
    System,
    /// Never fragment, here or on the way: too long a datagram is an error at once or lost on
    /// the way. Linux only; elsewhere like [`System`](Self::System).
    Never,
    /// Fragment freely. Linux only; elsewhere like [`System`](Self::System).
    Allow,
}

/// The unspecified address of the same family.
pub(super) fn unspecified(like: IpAddr) -> IpAddr {
    match like {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    }
}

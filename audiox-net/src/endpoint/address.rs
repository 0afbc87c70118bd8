//! A host and port with socket options, and the sockets they ask for.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6, ToSocketAddrs};

use super::EndpointError;
use crate::udp::{Dscp, Interface, UdpSocketConfig, interface_index};

/// Host, port and socket options of a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetAddress {
    /// An address without brackets, a name, or empty for any address of this machine.
    pub host: String,
    /// The UDP port; 0, for a receiver, is any free one.
    pub port: u16,
    /// Socket options.
    pub options: NetOptions,
}

/// Socket options of a URL; `None` is the default of [`UdpSocketConfig`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NetOptions {
    /// Routers that a datagram may pass.
    pub ttl: Option<u8>,
    /// The interface for multicast.
    pub interface: Interface,
    /// Senders to accept a multicast group from; empty for all.
    pub sources: Vec<Ipv4Addr>,
    /// Class of service.
    pub dscp: Option<Dscp>,
    /// The MTU that datagrams must fit with their IP and UDP headers, in bytes; 1 500 where it
    /// is not given.
    pub mtu: Option<usize>,
    /// Allow sending to broadcast addresses.
    pub broadcast: bool,
    /// Bytes of the receive buffer.
    pub receive_buffer: Option<usize>,
}

impl NetOptions {
    /// The longest datagram to `to` that fits the MTU, in bytes of UDP payload.
    pub fn max_datagram(&self, to: IpAddr) -> usize {
        let headers = match to.to_canonical() {
            IpAddr::V4(_) => 20 + 8,
            IpAddr::V6(_) => 40 + 8,
        };
        self.mtu.unwrap_or(ETHERNET_MTU).saturating_sub(headers)
    }

    /// `config` with these options in place of its own, where they are given.
    pub fn apply(&self, config: UdpSocketConfig) -> UdpSocketConfig {
        UdpSocketConfig {
            ttl: self.ttl.or(config.ttl),
            interface: match &self.interface {
                Interface::Any => config.interface,
                chosen => chosen.clone(),
            },
            sources: if self.sources.is_empty() {
                config.sources
            } else {
                self.sources.clone()
            },
            dscp: self.dscp.unwrap_or(config.dscp),
            broadcast: self.broadcast || config.broadcast,
            receive_buffer: self.receive_buffer.or(config.receive_buffer),
            ..config
        }
    }
}

impl NetAddress {
    /// Resolves the host. Of a name's addresses IPv4 is preferred, since most audio equipment
    /// speaks nothing else; an IPv6 address is always taken as it is. `None` where the host is
    /// empty.
    ///
    /// # Errors
    /// The name has no address, or its zone (`fe80::1%eth0`) no interface.
    pub fn resolve(&self) -> Result<Option<SocketAddr>, EndpointError> {
        if self.host.is_empty() {
            return Ok(None);
        }
        if let Ok(ip) = self.host.parse::<IpAddr>() {
            return Ok(Some((ip, self.port).into()));
        }
        if let Some((ip, zone)) = self.host.split_once('%')
            && let Ok(ip) = ip.parse()
        {
            let scope = match zone.parse() {
                Ok(index) => index,
                Err(_) => interface_index(zone)?,
            };
            return Ok(Some(SocketAddrV6::new(ip, self.port, 0, scope).into()));
        }
        let unresolved = |source| EndpointError::Resolve {
            host: self.host.clone(),
            source,
        };
        let found: Vec<_> = (self.host.as_str(), self.port)
            .to_socket_addrs()
            .map_err(unresolved)?
            .collect();
        let v4 = found.iter().find(|a| a.is_ipv4());
        v4.or_else(|| found.first())
            .copied()
            .map(Some)
            .ok_or_else(|| unresolved(std::io::Error::other("it has no address")))
    }

    /// The socket that sends there.
    ///
    /// # Errors
    /// There is no host, or it does not resolve.
    pub fn sender(&self) -> Result<UdpSocketConfig, EndpointError> {
        let to = self
            .resolve()?
            .ok_or_else(|| EndpointError::NoHost(self.to_string()))?;
        Ok(self.options.apply(UdpSocketConfig::sender(to)))
    }

    /// The socket that receives what is sent there: on one of this machine's addresses, on all
    /// of them, or as a member of a multicast group.
    ///
    /// # Errors
    /// The host does not resolve.
    pub fn receiver(&self) -> Result<UdpSocketConfig, EndpointError> {
        let config = match self.resolve()? {
            Some(at) => UdpSocketConfig::receiver(at),
            None => UdpSocketConfig::receiver_any(self.port),
        };
        Ok(self.options.apply(config))
    }
}

impl fmt::Display for NetAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

const ETHERNET_MTU: usize = 1_500;

//! Multicast: which interface, which groups.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

#[cfg(any(target_os = "linux", target_os = "android"))]
use socket2::{Domain, Type};
use socket2::{InterfaceIndexOrAddress, Socket};

use super::config::{Interface, UdpSocketConfig};
use super::error::UdpError;

/// Chooses the interface to send multicast from and joins the groups.
pub(super) fn set_up_multicast(socket: &Socket, config: &UdpSocketConfig) -> Result<(), UdpError> {
    let set = |what: &str, result: io::Result<()>| {
        result.map_err(|e| UdpError::io(format!("cannot set {what} of the UDP socket"))(e))
    };
    let peer_is_group = config.connect.is_some_and(|to| to.ip().is_multicast());
    if config.groups.is_empty() && !peer_is_group && config.interface == Interface::Any {
        return Ok(());
    }
    let interface = resolve(config)?;
    let refused = |e| UdpError::Interface {
        interface: config.interface.to_string(),
        reason: format!("{e}; `ip address` lists the interfaces"),
    };
    if config.bind.is_ipv4() {
        set(
            "multicast loop",
            socket.set_multicast_loop_v4(config.multicast_loop),
        )?;
        set_sending_interface_v4(socket, &interface).map_err(refused)?;
        // Otherwise a socket hears every group that any process of this machine has joined.
        #[cfg(any(target_os = "linux", target_os = "android"))]
        set("multicast filter", socket.set_multicast_all_v4(false))?;
    } else {
        set(
            "multicast loop",
            socket.set_multicast_loop_v6(config.multicast_loop),
        )?;
        if let Resolved::Index(index) = interface {
            socket.set_multicast_if_v6(index).map_err(refused)?;
        }
        #[cfg(any(target_os = "linux", target_os = "android"))]
        set("multicast filter", socket.set_multicast_all_v6(false))?;
    }
    for group in &config.groups {
        join(socket, *group, &interface, &config.sources).map_err(|source| UdpError::Join {
            group: *group,
            interface: config.interface.to_string(),
            source,
        })?;
    }
    Ok(())
}

#[derive(Debug, Clone, Copy)]
enum Resolved {
    Any,
    Address(Ipv4Addr),
    Index(u32),
}

fn resolve(config: &UdpSocketConfig) -> Result<Resolved, UdpError> {
    let error = |reason: &str| UdpError::Interface {
        interface: config.interface.to_string(),
        reason: reason.to_owned(),
    };
    match &config.interface {
        Interface::Any => Ok(match scope_of(config) {
            0 => Resolved::Any,
            scope => Resolved::Index(scope),
        }),
        Interface::Address(a) if config.bind.is_ipv4() => Ok(Resolved::Address(*a)),
        Interface::Address(_) => Err(error(
            "for IPv6 an interface is chosen by name or index, such as eth0 or 2",
        )),
        Interface::Index(i) => Ok(Resolved::Index(*i)),
        Interface::Name(name) => interface_index(name).map(Resolved::Index),
    }
}

/// The scope of an address such as `ff02::1%eth0`.
fn scope_of(config: &UdpSocketConfig) -> u32 {
    [Some(config.bind), config.connect]
        .into_iter()
        .flatten()
        .find_map(|addr| match addr {
            SocketAddr::V6(v6) if v6.scope_id() != 0 => Some(v6.scope_id()),
            _ => None,
        })
        .unwrap_or(0)
}

/// The index of the interface called `name`.
///
/// # Errors
/// There is none, or this system does not tell (all but Linux).
#[cfg(any(target_os = "linux", target_os = "android"))]
pub fn interface_index(name: &str) -> Result<u32, UdpError> {
    // The kernel answers such questions on any socket.
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)
        .or_else(|_| Socket::new(Domain::IPV6, Type::DGRAM, None))
        .map_err(UdpError::io("cannot make a UDP socket"))?;
    rustix::net::netdevice::name_to_index(&socket, name).map_err(|_| UdpError::Interface {
        interface: name.to_owned(),
        reason: "there is none of this name; `ip link` lists them".to_owned(),
    })
}

/// The index of the interface called `name`.
///
/// # Errors
/// Always: this system does not tell.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub fn interface_index(name: &str) -> Result<u32, UdpError> {
    Err(UdpError::Interface {
        interface: name.to_owned(),
        reason: "on this system give the interface's IPv4 address or index instead of its name"
            .to_owned(),
    })
}

fn set_sending_interface_v4(socket: &Socket, interface: &Resolved) -> io::Result<()> {
    match interface {
        Resolved::Any => Ok(()),
        Resolved::Address(a) => socket.set_multicast_if_v4(a),
        Resolved::Index(index) => set_sending_index_v4(socket, *index),
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn set_sending_index_v4(socket: &Socket, index: u32) -> io::Result<()> {
    // The kernel takes index 0 as "no choice"; here it was one.
    if index == 0 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    rustix::net::sockopt::set_ip_multicast_if_with_ifindex(
        socket,
        &Ipv4Addr::UNSPECIFIED,
        &Ipv4Addr::UNSPECIFIED,
        index,
    )
    .map_err(Into::into)
}

/// Elsewhere an address of the form 0.0.0.x stands for the interface of index x.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn set_sending_index_v4(socket: &Socket, index: u32) -> io::Result<()> {
    if index == 0 || index > 0x00ff_ffff {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    socket.set_multicast_if_v4(&Ipv4Addr::from(index))
}

fn join(
    socket: &Socket,
    group: IpAddr,
    interface: &Resolved,
    sources: &[Ipv4Addr],
) -> io::Result<()> {
    match (group, interface) {
        (IpAddr::V6(group), Resolved::Index(index)) => socket.join_multicast_v6(&group, *index),
        (IpAddr::V6(group), _) => socket.join_multicast_v6(&group, 0),
        (IpAddr::V4(group), _) if !sources.is_empty() => {
            let address = match interface {
                Resolved::Any => Ipv4Addr::UNSPECIFIED,
                Resolved::Address(a) => *a,
                // Joining from one source takes no index on all systems.
                Resolved::Index(_) => {
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidInput,
                        "with chosen senders, give the interface by its IPv4 address",
                    ));
                }
            };
            sources
                .iter()
                .try_for_each(|source| socket.join_ssm_v4(source, &group, &address))
        }
        (IpAddr::V4(group), Resolved::Any) => {
            socket.join_multicast_v4(&group, &Ipv4Addr::UNSPECIFIED)
        }
        (IpAddr::V4(group), Resolved::Address(a)) => socket.join_multicast_v4(&group, a),
        (IpAddr::V4(group), Resolved::Index(index)) => {
            socket.join_multicast_v4_n(&group, &InterfaceIndexOrAddress::Index(*index))
        }
    }
}

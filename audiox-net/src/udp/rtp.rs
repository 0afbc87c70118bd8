//! The sockets of an RTP session: one for RTP, and one for RTCP unless both share a port.

use std::net::{IpAddr, SocketAddr};

use audiox_core::ConfigError;

use super::{UdpError, UdpSocketConfig, UdpTransport};

/// Where RTCP travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RtcpPort {
    /// On the port after RTP's (RFC 3550 section 11).
    #[default]
    Next,
    /// On RTP's own port (RFC 5761).
    Mux,
    /// On a port of its own (RFC 3605).
    Port(u16),
}

impl RtcpPort {
    /// The RTCP port beside RTP port `rtp`.
    ///
    /// # Errors
    /// `rtp` is 65535 and has no port after it.
    pub fn beside(self, rtp: u16) -> Result<u16, ConfigError> {
        match self {
            Self::Next => rtp.checked_add(1).ok_or_else(|| {
                ConfigError::new(
                    "port",
                    rtp,
                    "RTCP takes the next port, so RTP's is at most 65534; or use rtcp-mux",
                )
            }),
            Self::Mux => Ok(rtp),
            Self::Port(port) => Ok(port),
        }
    }
}

/// The sockets of an RTP session.
#[derive(Debug)]
pub struct RtpSockets {
    /// The RTP socket; RTCP's too where multiplexed.
    pub rtp: UdpTransport,
    /// The RTCP socket; `None` where multiplexed.
    pub rtcp: Option<UdpTransport>,
}

impl RtpSockets {
    /// Opens the socket or sockets of a session. `config` is the RTP socket's; the RTCP socket
    /// takes after it, with the ports that `rtcp` says.
    ///
    /// With bind port 0 a free pair is looked for. A sender's RTCP socket is bound but not
    /// connected, since reports may come from any port of the peer; a sender to a multicast group
    /// joins it there, since that is where receivers send their reports, and so hears its own.
    /// With [`RtcpPort::Mux`] a sender to a group hears no reports: a connected socket takes
    /// datagrams of its peer only, and a group sends none.
    ///
    /// # Errors
    /// As for [`UdpTransport::open`].
    pub fn open(config: &UdpSocketConfig, rtcp: RtcpPort) -> Result<Self, UdpError> {
        if rtcp == RtcpPort::Mux {
            let rtp = UdpTransport::open(config)?;
            return Ok(Self { rtp, rtcp: None });
        }
        if let Some(group) = config.connect.filter(|to| to.ip().is_multicast()) {
            let port = rtcp.beside(group.port())?;
            return Ok(Self {
                rtp: UdpTransport::open(config)?,
                rtcp: Some(UdpTransport::open(&group_rtcp_config(
                    config,
                    group.ip(),
                    port,
                ))?),
            });
        }
        let mut tries = if config.bind.port() == 0 {
            PAIR_TRIES
        } else {
            1
        };
        loop {
            tries -= 1;
            let rtp = UdpTransport::open(config)?;
            let port = rtp.local_addr().port();
            let paired = match rtcp {
                // Any free port will do for the sender of an explicit RTCP port.
                RtcpPort::Port(_) if config.connect.is_some() => Ok(0),
                rtcp => rtcp.beside(port).map_err(UdpError::from),
            }
            .and_then(|port| UdpTransport::open(&rtcp_config(config, port)));
            match paired {
                Ok(rtcp) => {
                    return Ok(Self {
                        rtp,
                        rtcp: Some(rtcp),
                    });
                }
                Err(UdpError::AddressInUse { .. } | UdpError::Config(_)) if tries > 0 => {}
                Err(e) => return Err(e),
            }
        }
    }

    /// The socket that RTCP is sent and received on.
    pub fn control(&self) -> &UdpTransport {
        self.rtcp.as_ref().unwrap_or(&self.rtp)
    }
}

fn rtcp_config(config: &UdpSocketConfig, port: u16) -> UdpSocketConfig {
    UdpSocketConfig {
        bind: SocketAddr::new(config.bind.ip(), port),
        connect: None,
        ..config.clone()
    }
}

/// Not bound to the group, since the reports of some receivers come to the sender alone.
fn group_rtcp_config(config: &UdpSocketConfig, group: IpAddr, port: u16) -> UdpSocketConfig {
    UdpSocketConfig {
        groups: vec![group],
        reuse: true,
        ..rtcp_config(config, port)
    }
}

const PAIR_TRIES: u32 = 32;

//! The sockets of one stream, and where its reports go.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use audiox_core::sender::Flow;
use audiox_net::udp::{RtcpPort, RtpSockets, UdpError, UdpSocketConfig, UdpTransport};

use crate::Error;

/// The sockets of one stream. Nothing done with them waits.
#[derive(Debug)]
pub(super) struct Sockets {
    /// Connected to the destination.
    pub(super) media: Arc<UdpTransport>,
    pub(super) control: Option<Control>,
    /// Where repair packets go that have a port of their own.
    repair: Option<SocketAddr>,
}

/// Where RTCP travels.
#[derive(Debug, Clone)]
pub(super) struct Control {
    pub(super) socket: Arc<UdpTransport>,
    /// `None` where the socket is the media one, which is connected.
    to: Option<SocketAddr>,
    /// Another program has the port to which members of the group report.
    pub(super) deaf: bool,
}

impl Sockets {
    /// Opens the socket of a raw stream.
    pub(super) fn raw(config: &UdpSocketConfig) -> Result<Self, Error> {
        Ok(Self {
            media: shared(UdpTransport::open(config)?)?,
            control: None,
            repair: None,
        })
    }

    /// Opens the sockets of an RTP stream to `to`: RTP's port is any, RTCP's the next where that
    /// can be had, otherwise any too.
    ///
    /// Members of a multicast group report to the group, where all streams can hear them on one
    /// socket: that of the stream `before`.
    pub(super) fn rtp(
        config: &UdpSocketConfig,
        to: SocketAddr,
        rtcp: RtcpPort,
        before: Option<&Self>,
    ) -> Result<Self, Error> {
        let control_to = SocketAddr::new(to.ip(), rtcp.beside(to.port())?);
        if to.ip().is_multicast()
            && let Some(control) = before.and_then(|b| b.control.as_ref())
            && control.to.is_some()
        {
            return Ok(Self {
                control: Some(control.clone()),
                ..Self::raw(config)?
            });
        }
        let mut deaf = false;
        let opened = match RtpSockets::open(config, rtcp) {
            Err(UdpError::AddressInUse { .. }) => {
                deaf = to.ip().is_multicast();
                RtpSockets {
                    rtp: UdpTransport::open(config)?,
                    rtcp: Some(UdpTransport::open(&UdpSocketConfig {
                        connect: None,
                        ..config.clone()
                    })?),
                }
            }
            opened => opened?,
        };
        let media = shared(opened.rtp)?;
        let control = match opened.rtcp {
            Some(socket) => Control {
                socket: shared(socket)?,
                to: Some(control_to),
                deaf,
            },
            None => Control {
                socket: media.clone(),
                to: None,
                deaf,
            },
        };
        Ok(Self {
            media,
            control: Some(control),
            repair: None,
        })
    }

    /// The same, with a port of its own for repair packets.
    pub(super) fn with_repair(self, to: IpAddr, port: Option<u16>) -> Self {
        let repair = port.map(|port| SocketAddr::new(to, port));
        Self { repair, ..self }
    }

    /// Sends a repair packet. A lost one is what repair packets are for.
    pub(super) fn repair(&self, flow: Flow, datagram: &[u8]) {
        let _ = match self.repair.filter(|_| flow == Flow::BlockRepair) {
            // From the media's port, by which receivers know whose it is.
            Some(to) => self.media.send_to(datagram, to),
            None => self.media.send(datagram),
        };
    }

    /// Sends a report. Reports repeat, so one that does not get out is not missed.
    pub(super) fn report(&self, datagram: &[u8]) {
        if let Some(control) = &self.control {
            let _ = match control.to {
                Some(to) => control.socket.send_to(datagram, to),
                None => control.socket.send(datagram),
            };
        }
    }
}

fn shared(socket: UdpTransport) -> Result<Arc<UdpTransport>, Error> {
    socket.set_nonblocking()?;
    Ok(Arc::new(socket))
}

//! Session descriptions (SDP, RFC 8866) of RTP streams: written for every stream sent, read to
//! receive others'.
//!
//! Read is what the common senders write: ffmpeg (with its `SDP:` heading), GStreamer,
//! PulseAudio, AES67 equipment, and audiox itself. Fields that say nothing about receiving audio
//! are passed over. Several `m=` lines are several streams; those that cannot be received
//! (video, encrypted, switched off) are left out with a reason in
//! [`SessionDescription::skipped`], and only a description without any that can is an error.
//!
//! Limits on untrusted input: 64 KiB, 64 `m=` lines, 32 payload types and 64 SSRCs a stream.

mod read;
#[cfg(test)]
mod tests;
mod write;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use audiox_core::codec::CodecSpec;

use crate::udp::{RtcpPort, UdpSocketConfig};

/// A session description: some RTP streams under one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionDescription {
    /// Name for people (`s=`); empty where there is none.
    pub name: String,
    /// More for people (`i=`).
    pub info: Option<String>,
    /// Who made it.
    pub origin: Origin,
    /// The audio streams, in their order.
    pub media: Vec<MediaDescription>,
    /// Why other streams of a description that was read were left out. Not written.
    pub skipped: Vec<String>,
}

/// Who made a description (`o=`). Together the fields tell one description from all others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Tells sessions of one machine apart; digits only.
    pub id: String,
    /// Counts the changes of this description.
    pub version: u64,
    /// The machine: an address or a name.
    pub address: String,
}

/// One audio stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaDescription {
    /// Name for people (`i=`).
    pub title: Option<String>,
    /// Where the stream goes: a receiver's address or a multicast group; unspecified where only
    /// the port is known.
    pub address: IpAddr,
    /// Routers that datagrams to an IPv4 group may pass; every such group should have it.
    pub ttl: Option<u8>,
    /// The RTP port.
    pub port: u16,
    /// Where RTCP travels.
    pub rtcp: RtcpPort,
    /// The payload types that may occur, the preferred first; at least one.
    pub formats: Vec<PayloadFormat>,
    /// Whether lost packets may be asked for (`a=rtcp-fb` with `nack`, RFC 4585).
    pub nack: bool,
    /// Duration of a packet.
    pub ptime: Option<Duration>,
    /// Duration of a packet at most.
    pub max_ptime: Option<Duration>,
    /// Which way it flows, seen by whoever wrote the description.
    pub direction: Direction,
    /// The only senders to accept (`a=source-filter`, RFC 4570); empty for all.
    pub sources: Vec<IpAddr>,
    /// Its synchronisation sources, where they are announced (RFC 5576).
    pub ssrcs: Vec<SsrcDescription>,
    /// The clock that timestamps refer to (`a=ts-refclk`, RFC 7273), for instance
    /// `ptp=IEEE1588-2008:39-A7-94-FF-FE-07-CB-D0:0`.
    pub reference_clock: Option<String>,
    /// How timestamps relate to that clock.
    pub media_clock: Option<MediaClock>,
}

/// What a payload type stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayloadFormat {
    /// The payload type, 0 to 127.
    pub payload_type: u8,
    /// Encoding, RTP clock rate and channels.
    pub codec: CodecSpec,
    /// Parameters of the encoding (`a=fmtp`), untouched.
    pub fmtp: Option<String>,
}

/// Which way a stream flows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Direction {
    /// Both ways; also where nothing is said.
    #[default]
    SendRecv,
    /// From the describer.
    SendOnly,
    /// To the describer; announcements of multicast streams use it for "receive this".
    RecvOnly,
    /// Not at the moment.
    Inactive,
}

/// A synchronisation source with its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SsrcDescription {
    /// The SSRC.
    pub ssrc: u32,
    /// Its canonical name, the same for all streams of one sender.
    pub cname: String,
}

/// How RTP timestamps relate to the reference clock (`a=mediaclk`, RFC 7273 section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaClock {
    /// The sender's own clock.
    Sender,
    /// The RTP timestamp is the reference clock's count of ticks plus this offset.
    Direct {
        /// The timestamp at the reference clock's epoch.
        offset: u32,
    },
}

/// A session description cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SdpError {
    /// The line at fault, counted from 1.
    pub line: Option<usize>,
    /// What kind of fault it is.
    pub kind: SdpErrorKind,
    /// What is wrong and what was expected.
    pub message: String,
}

/// Kinds of [`SdpError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SdpErrorKind {
    /// It is not a session description, or one with a mistake.
    Malformed,
    /// It exceeds a limit on untrusted input.
    Limit,
    /// It is sound, but has no audio stream that can be received here.
    NoAudio,
}

impl SessionDescription {
    /// A session of one stream sent from `origin`.
    pub fn new(name: &str, origin: Origin, media: MediaDescription) -> Self {
        Self {
            name: name.to_owned(),
            info: None,
            origin,
            media: vec![media],
            skipped: Vec::new(),
        }
    }

    /// Reads a session description.
    ///
    /// # Errors
    /// It is malformed, exceeds a limit, or has no audio that can be received. The error names
    /// the line and what is expected there.
    pub fn parse(data: &[u8]) -> Result<Self, SdpError> {
        read::session(data)
    }
}

impl FromStr for SessionDescription {
    type Err = SdpError;

    fn from_str(s: &str) -> Result<Self, SdpError> {
        Self::parse(s.as_bytes())
    }
}

/// The description as it is written to a file or sent: lines end in CR LF (RFC 8866 section 5).
impl fmt::Display for SessionDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write::session(self, f)
    }
}

impl Origin {
    /// The origin of a session that starts at `ntp_seconds` (seconds since 1900, which RFC 8866
    /// section 5.2 proposes as its id) on the machine that sends from `address`.
    pub fn new(ntp_seconds: u64, address: IpAddr) -> Self {
        Self {
            id: ntp_seconds.to_string(),
            version: ntp_seconds,
            address: address.to_string(),
        }
    }
}

impl MediaDescription {
    /// A stream to `to` with one payload type, sent only, all else left open. A multicast group
    /// gets a time to live of 1, the local network.
    pub fn new(to: SocketAddr, payload_type: u8, codec: CodecSpec) -> Self {
        Self {
            title: None,
            address: to.ip(),
            ttl: (to.is_ipv4() && to.ip().is_multicast()).then_some(1),
            port: to.port(),
            rtcp: RtcpPort::Next,
            formats: vec![PayloadFormat {
                payload_type,
                codec,
                fmtp: None,
            }],
            nack: false,
            ptime: None,
            max_ptime: None,
            direction: Direction::SendOnly,
            sources: Vec::new(),
            ssrcs: Vec::new(),
            reference_clock: None,
            media_clock: None,
        }
    }

    /// The socket that receives this stream: a member of its multicast group, from its sources
    /// only where it names some; otherwise on all addresses of this machine, since the address
    /// in the description is how the sender sees us; of loopback, on loopback alone.
    pub fn receiver(&self) -> UdpSocketConfig {
        if !self.address.is_multicast() && !self.address.is_loopback() {
            return UdpSocketConfig::receiver_any(self.port);
        }
        let sources = self.sources.iter().filter_map(|ip| match ip {
            IpAddr::V4(ip) => Some(*ip),
            IpAddr::V6(_) => None,
        });
        UdpSocketConfig {
            sources: sources.collect(),
            ..UdpSocketConfig::receiver(SocketAddr::new(self.address, self.port))
        }
    }

    /// What `payload_type` stands for in this stream.
    pub fn format(&self, payload_type: u8) -> Option<&PayloadFormat> {
        self.formats.iter().find(|f| f.payload_type == payload_type)
    }
}

impl fmt::Display for SdpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "session description, line {line}: {}", self.message),
            None => write!(f, "session description: {}", self.message),
        }
    }
}

impl std::error::Error for SdpError {}

const MAX_BYTES: usize = 64 * 1024;
const MAX_MEDIA: usize = 64;
const MAX_FORMATS: usize = 32;
const MAX_SSRCS: usize = 64;

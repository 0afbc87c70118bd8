//! The URLs that name streams.
//!
//! | URL | stream |
//! | --- | --- |
//! | `udp://host:port?format=s16le&rate=44100&channels=1` | headerless PCM |
//! | `rtp://host:port?codec=L16&rate=48000&channels=2&ptime=5` | RTP |
//! | `session.sdp` | what the session description says |
//!
//! The host is an address, a multicast group, a name, or an IPv6 address in brackets; left
//! empty it is any address of this machine, to receive on. Keys that are not known are refused,
//! so that a mistyped one cannot pass unseen.
//!
//! Both kinds take `ttl`, `iface` (name, index or IPv4 address), `source` (IPv4 senders to accept
//! a group from, separated by commas), `dscp` (0 to 63, `ef`, `af41`, `be`), `mtu`, `broadcast`,
//! `rcvbuf` and `ptime` (milliseconds, or with a unit as in `125us`). Headerless PCM takes `chunk`
//! as well, the frames of a datagram, in place of `ptime`. RTP further takes `codec`,
//! `rate`, `channels`, `pt`, `ssrc`, and `rtcp-mux` or `rtcp=PORT`; and for repair packets `fec`
//! (`auto`, `off`, or how many: `60%`), `fec-delay` (what the receiver waits at least, 60 ms),
//! `fec-pt`, `fec-scheme` (`window`, or `rs8m` as roc-toolkit has it) and `fec-port` (of `rs8m`'s
//! repair packets, two above RTP's; roc usually has it one above, and RTCP two: `fec-port=10002` and
//! `rtcp=10003` beside port 10001); `red`, how many earlier packets each carries again (or `auto`);
//! and `nack`, whether lost packets are asked for and sent again, with `rtx-pt`, the payload type in
//! which they are. Encoders with settings, which is Opus', take `bitrate` (`64k`), `application`
//! (`voip`, `audio`, `lowdelay`), `complexity` (0 to 10), `dtx` (leave silence out) and `history`
//! (`500ms` of the past in each packet).

mod address;
mod encoding;
mod query;
#[cfg(test)]
mod tests;

pub use address::{NetAddress, NetOptions};
pub use encoding::{EncodingOptions, Purpose, parse_bitrate};

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use audiox_core::ConfigError;
use audiox_core::codec::EncodingName;
use audiox_core::format::{Channels, PcmFormat, SampleRate};

use crate::udp::{RtcpPort, UdpError};
use query::Query;
pub use query::unescape;

/// Where a stream goes or comes from, as a URL says. What it leaves out is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// Headerless PCM over UDP.
    Udp(UdpEndpoint),
    /// RTP.
    Rtp(RtpEndpoint),
    /// The streams of a session description.
    Sdp(PathBuf),
}

/// `udp://`: headerless interleaved PCM, each datagram a whole number of frames.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UdpEndpoint {
    /// Host, port and socket options.
    pub at: NetAddress,
    /// The samples' format.
    pub format: Option<PcmFormat>,
    /// Frames per second.
    pub rate: Option<SampleRate>,
    /// Samples per frame.
    pub channels: Option<Channels>,
    /// Duration of a datagram.
    pub ptime: Option<Duration>,
    /// Frames of a datagram, 1 to 65 536; instead of its duration.
    pub chunk: Option<u32>,
}

/// `rtp://`: RTP with RTCP beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RtpEndpoint {
    /// Host, port and socket options.
    pub at: NetAddress,
    /// The encoding.
    pub codec: Option<EncodingName>,
    /// Frames per second.
    pub rate: Option<SampleRate>,
    /// Samples per frame.
    pub channels: Option<Channels>,
    /// The RTP payload type, 0 to 127.
    pub payload_type: Option<u8>,
    /// Duration of a packet.
    pub ptime: Option<Duration>,
    /// The synchronisation source, for a sender that must not choose its own.
    pub ssrc: Option<u32>,
    /// Where RTCP travels.
    pub rtcp: RtcpPort,
    /// Repair packets.
    pub repair: RepairOptions,
    /// Earlier packets that each carries again (RED).
    pub red: Option<RedAmount>,
    /// Lost packets asked for and sent again.
    pub retransmission: RetransmissionOptions,
    /// How the encoder is to encode, where it has a choice.
    pub encoding: EncodingOptions,
}

impl RtpEndpoint {
    /// The payload type of the blocks inside RED packets.
    pub const RED_BLOCKS: u8 = 119;
}

/// How many earlier packets each carries again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedAmount {
    /// As many as the loss calls for that receivers report, up to [`Self::MOST`].
    Auto,
    /// So many, 1 to 31.
    Packets(u8),
}

impl RedAmount {
    /// The most that are chosen.
    pub const MOST: u8 = 4;
}

impl FromStr for RedAmount {
    type Err = ConfigError;

    fn from_str(s: &str) -> Result<Self, ConfigError> {
        match (s, s.parse()) {
            ("auto", _) => Ok(Self::Auto),
            (_, Ok(n @ 1..=31)) => Ok(Self::Packets(n)),
            _ => Err(ConfigError::new(
                "red",
                format_args!("'{s}'"),
                "auto, or how many earlier packets each carries again, 1 to 31",
            )),
        }
    }
}

/// Lost packets asked for and sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RetransmissionOptions {
    /// Whether receivers ask, and senders answer. Where that is not said, receivers of unicast
    /// do, and senders do that send repair packets as loss calls for them.
    pub asked: Option<bool>,
    /// RTP payload type of the packets that are sent again.
    pub payload_type: Option<u8>,
}

impl RetransmissionOptions {
    /// The payload type where none is given.
    pub const PAYLOAD_TYPE: u8 = 117;
}

/// Repair packets beside a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RepairOptions {
    /// How many are sent.
    pub amount: RepairAmount,
    /// The delay that a receiver keeps at least: nothing later than that is worth repairing.
    pub delay: Option<Duration>,
    /// Their RTP payload type, in the window scheme.
    pub payload_type: Option<u8>,
    /// How they are made.
    pub scheme: RepairScheme,
    /// Their port, in the scheme that has one.
    pub port: Option<u16>,
}

impl RepairOptions {
    /// The payload type where none is given.
    pub const PAYLOAD_TYPE: u8 = 118;
    /// The delay where none is given.
    pub const DELAY: Duration = Duration::from_millis(60);

    /// The port of repair packets beside RTP port `rtp`: the one given, or else two above, behind
    /// RTCP's. `None` where they have no port of their own.
    ///
    /// # Errors
    /// It is RTP's or RTCP's, or above 65535.
    pub fn port_beside(&self, rtp: u16, rtcp: RtcpPort) -> Result<Option<u16>, ConfigError> {
        if self.scheme == RepairScheme::Window {
            return Ok(None);
        }
        let free = |port: &u16| *port != rtp && rtcp.beside(rtp).is_ok_and(|taken| taken != *port);
        let port = self.port.or_else(|| rtp.checked_add(2)).filter(free);
        port.map(Some).ok_or_else(|| {
            let value = self
                .port
                .map_or_else(|| "two above RTP's".into(), |p| p.to_string());
            let allowed = "a port up to 65535 that neither RTP nor RTCP has";
            ConfigError::new("fec-port", value, allowed)
        })
    }
}

/// How repair packets are made, and what becomes of the packets that they protect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RepairScheme {
    /// A sliding window; packets are left as they are
    /// ([`fec::window`](audiox_core::fec::window)).
    #[default]
    Window,
    /// Reed–Solomon in blocks, as roc-toolkit has it; packets have payload IDs behind them
    /// ([`fec::block`](audiox_core::fec::block)).
    Rs8m,
}

impl FromStr for RepairScheme {
    type Err = ConfigError;

    fn from_str(s: &str) -> Result<Self, ConfigError> {
        match s.to_ascii_lowercase().as_str() {
            "window" => Ok(Self::Window),
            "rs8m" => Ok(Self::Rs8m),
            _ => Err(ConfigError::new(
                "fec-scheme",
                format_args!("'{s}'"),
                "window, or rs8m for peers that speak roc-toolkit's rtp+rs8m",
            )),
        }
    }
}

/// How many repair packets are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RepairAmount {
    /// None.
    #[default]
    Off,
    /// As many as the loss calls for that receivers report.
    Auto,
    /// So many for a thousand media packets, 1 to 4 000.
    PerThousand(u32),
}

impl FromStr for RepairAmount {
    type Err = ConfigError;

    fn from_str(s: &str) -> Result<Self, ConfigError> {
        let percent = |n: &str| query::decimal(n, 10);
        match s {
            "off" | "0" | "no" => Ok(Self::Off),
            "auto" | "on" | "" => Ok(Self::Auto),
            _ => s
                .strip_suffix('%')
                .and_then(percent)
                .and_then(|n| u32::try_from(n).ok())
                .filter(|n| (1..=4_000).contains(n))
                .map(Self::PerThousand)
                .ok_or_else(|| {
                    ConfigError::new(
                        "fec",
                        format_args!("'{s}'"),
                        "auto, off, or repair packets for a hundred packets, as 60% (up to 400%)",
                    )
                }),
        }
    }
}

/// A URL does not name a stream.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// Neither a URL known here nor a session description.
    #[error("{0}: expected udp://host:port, rtp://host:port or a FILE.sdp")]
    Kind(String),
    /// The URL is malformed.
    #[error("{url}: {reason}")]
    Syntax {
        /// The URL.
        url: String,
        /// What is wrong with it, and what was expected.
        reason: String,
    },
    /// A key that has no meaning here.
    #[error("{url}: unknown key {key:?}; known are {known}")]
    UnknownKey {
        /// The URL.
        url: String,
        /// The key.
        key: String,
        /// The keys that this kind of URL takes.
        known: String,
    },
    /// A key's value is not possible.
    #[error("{url}: {source}")]
    Value {
        /// The URL.
        url: String,
        /// The key, its value, and what is allowed.
        source: ConfigError,
    },
    /// The host's name has no address.
    #[error("cannot resolve host {host:?}: {source}; check the name, or give an address")]
    Resolve {
        /// The name.
        host: String,
        /// The resolver's reason.
        source: std::io::Error,
    },
    /// A sender's URL has no host.
    #[error("{0}: a destination needs a host, as in udp://192.0.2.7:5004")]
    NoHost(String),
    /// The host names an interface that is not there.
    #[error(transparent)]
    Udp(#[from] UdpError),
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(url: &str) -> Result<Self, EndpointError> {
        let Some((scheme, rest)) = url.split_once("://") else {
            return if url.to_ascii_lowercase().ends_with(".sdp") {
                Ok(Self::Sdp(PathBuf::from(url)))
            } else {
                Err(EndpointError::Kind(url.to_owned()))
            };
        };
        let value = |source| EndpointError::Value {
            url: url.to_owned(),
            source,
        };
        match scheme.to_ascii_lowercase().as_str() {
            "udp" => {
                let mut q = Query::parse(url, rest, &[NET_KEYS, UDP_KEYS])?;
                (|| {
                    let (ptime, chunk) = (q.ptime()?, q.number("chunk", 1, 65_536)?);
                    if let (Some(_), Some(chunk)) = (ptime, chunk) {
                        let allowed = "give chunk or ptime, not both";
                        return Err(ConfigError::new("chunk", chunk, allowed));
                    }
                    Ok(Self::Udp(UdpEndpoint {
                        format: q.parsed("format")?,
                        rate: q.rate()?,
                        channels: q.channels()?,
                        ptime,
                        chunk: chunk.map(|n| n as u32),
                        at: q.address()?,
                    }))
                })()
                .map_err(value)
            }
            "rtp" => {
                let keys = [NET_KEYS, RTP_KEYS, EncodingOptions::KEYS];
                let mut q = Query::parse(url, rest, &keys)?;
                (|| {
                    let scheme = q.parsed("fec-scheme")?;
                    // Who names a scheme wants repair packets.
                    let amount = q
                        .parsed("fec")?
                        .or_else(|| scheme.map(|_| RepairAmount::Auto));
                    Ok(Self::Rtp(RtpEndpoint {
                        codec: q.parsed("codec")?,
                        rate: q.rate()?,
                        channels: q.channels()?,
                        payload_type: q.number("pt", 0, 127)?.map(|n| n as u8),
                        ptime: q.ptime()?,
                        ssrc: q.ssrc()?,
                        rtcp: q.rtcp()?,
                        red: q.parsed("red")?,
                        encoding: EncodingOptions::from_query(&mut q)?,
                        retransmission: RetransmissionOptions {
                            asked: q.switch("nack")?,
                            payload_type: q.number("rtx-pt", 0, 127)?.map(|n| n as u8),
                        },
                        repair: RepairOptions {
                            amount: amount.unwrap_or_default(),
                            scheme: scheme.unwrap_or_default(),
                            port: q.number("fec-port", 1, 65_535)?.map(|n| n as u16),
                            delay: q.duration("fec-delay")?,
                            payload_type: q.number("fec-pt", 0, 127)?.map(|n| n as u8),
                        },
                        at: q.address()?,
                    }))
                })()
                .map_err(value)
            }
            _ => Err(EndpointError::Kind(url.to_owned())),
        }
    }
}

/// A packet time: milliseconds (`10`, `2.5`), or a number with a unit (`125us`, `20ms`, `1s`).
///
/// # Errors
/// Not a number, finer than a nanosecond, zero, or above ten seconds.
pub fn parse_ptime(s: &str) -> Result<Duration, ConfigError> {
    let (number, nanos_per_unit) = if let Some(n) = s.strip_suffix("us") {
        (n, 1_000)
    } else if let Some(n) = s.strip_suffix("µs") {
        (n, 1_000)
    } else if let Some(n) = s.strip_suffix("ms") {
        (n, 1_000_000)
    } else if let Some(n) = s.strip_suffix('s') {
        (n, 1_000_000_000)
    } else {
        (s, 1_000_000)
    };
    query::decimal(number, nanos_per_unit)
        .filter(|n| (1..=MAX_PTIME_NANOS).contains(n))
        .map(Duration::from_nanos)
        .ok_or_else(|| {
            ConfigError::new(
                "ptime",
                s,
                "write milliseconds (10, 2.5) or a unit (125us, 20ms), above 0 and up to 10 s",
            )
        })
}

const NET_KEYS: &[&str] = &[
    "ttl",
    "iface",
    "source",
    "dscp",
    "mtu",
    "broadcast",
    "rcvbuf",
];
const UDP_KEYS: &[&str] = &["format", "rate", "channels", "ptime", "chunk"];
const RTP_KEYS: &[&str] = &[
    "codec",
    "rate",
    "channels",
    "pt",
    "ptime",
    "ssrc",
    "rtcp-mux",
    "rtcp",
    "fec",
    "fec-delay",
    "fec-pt",
    "fec-scheme",
    "fec-port",
    "red",
    "nack",
    "rtx-pt",
];
const MAX_PTIME_NANOS: u64 = 10_000_000_000;

use std::time::Duration;

use crate::fec::block::Points;
use crate::format::{Channels, PcmFormat, SampleRate};

/// What an [`Ingress`](super::Ingress) expects and allows.
#[derive(Debug, Clone)]
pub struct IngressConfig {
    /// How datagrams are framed.
    pub framing: IngressFraming,
    /// Senders kept apart at once; 1 to 4 096. A further one is refused (counted), except that
    /// it replaces one of which only a single packet was ever seen.
    pub max_sources: usize,
    /// A source silent for longer is forgotten. RFC 3550 section 6.3.5 waits five report
    /// intervals; 10 s is of that order.
    pub idle_after: Duration,
    /// Receiver reports; `None` sends none, as raw framing always does.
    pub reports: Option<ReportConfig>,
    /// RTP payload types of repair packets ([`fec::window`](crate::fec::window)). Default: none.
    pub repair_types: Vec<u8>,
    /// Every RTP packet has a payload ID of the block code behind it
    /// ([`fec::block`](crate::fec::block)), and repair packets come to a port of their own. Default:
    /// `None`.
    pub blocks: Option<Points>,
    /// Asks for lost packets; needs `reports`. Default: does not.
    pub retransmission: Option<RetransmissionConfig>,
}

/// Which packets are sent again, and until when that is worth it
/// ([`retransmit`](crate::retransmit)).
#[derive(Debug, Clone)]
pub struct RetransmissionConfig {
    /// RTP payload types of retransmissions, each with that of the packets it repeats (`apt` of
    /// RFC 4588).
    pub types: Vec<(u8, u8)>,
    /// What the receiver waits after a packet's time, until [`Ingress::set_delay`](super::Ingress::set_delay) says more.
    pub delay: Duration,
}

/// How datagrams are framed, and the clock rates needed to read their timestamps.
#[derive(Debug, Clone)]
pub enum IngressFraming {
    /// RTP; the payload types expected, each with its clock rate. Others are refused.
    Rtp(Vec<(u8, SampleRate)>),
    /// Headerless PCM.
    Raw {
        /// Sample format.
        pcm: PcmFormat,
        /// Samples a frame.
        channels: Channels,
        /// Frames a second.
        rate: SampleRate,
    },
}

/// Who sends receiver reports, and how many.
#[derive(Debug, Clone)]
pub struct ReportConfig {
    /// Own SSRC; random.
    pub ssrc: u32,
    /// Own canonical name (RFC 7022), at most 255 bytes.
    pub cname: String,
    /// The session's bandwidth in bits a second; reports take up to a twentieth of it.
    pub bandwidth: u64,
}

impl IngressConfig {
    /// RTP with these payload types and clock rates; 64 sources, 10 s, no reports.
    pub fn rtp(payload_types: impl Into<Vec<(u8, SampleRate)>>) -> Self {
        Self::with_framing(IngressFraming::Rtp(payload_types.into()))
    }

    /// Headerless PCM; 64 sources, 10 s.
    pub fn raw(pcm: PcmFormat, channels: Channels, rate: SampleRate) -> Self {
        Self::with_framing(IngressFraming::Raw {
            pcm,
            channels,
            rate,
        })
    }

    fn with_framing(framing: IngressFraming) -> Self {
        Self {
            framing,
            max_sources: 64,
            idle_after: Duration::from_secs(10),
            reports: None,
            repair_types: Vec::new(),
            blocks: None,
            retransmission: None,
        }
    }
}

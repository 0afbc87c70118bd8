//! What a node listens to: one port (or pair of ports) and what is expected there.

use std::time::Duration;

use audiox_core::ConfigError;
use audiox_core::codec::{
    CodecRegistry, CodecSpec, Decoder, EncodingName, PcmCoding, PcmDecoder, RedFactory,
    check_payload_type, static_payload_type,
};
use audiox_core::fec::block::Points;
use audiox_core::format::{Channels, PcmFormat, SampleFormat, SampleRate, StreamFormat};
use audiox_core::ingress::{IngressConfig, RetransmissionConfig};
use audiox_net::endpoint::{
    Endpoint, NetAddress, NetOptions, RepairAmount, RepairOptions, RepairScheme,
    RetransmissionOptions, RtpEndpoint, UdpEndpoint, parse_ptime,
};
use audiox_net::sdp::{MediaDescription, PayloadFormat, SessionDescription};
use audiox_net::udp::{RtcpPort, UdpSocketConfig};

use crate::Error;
use crate::streamer::check_red_type;

/// One port to receive on, and how to read what comes.
#[derive(Debug, Clone)]
pub struct Listen {
    /// The media socket.
    pub socket: UdpSocketConfig,
    /// What its datagrams hold.
    pub content: Content,
}

/// What the datagrams of a port hold.
#[derive(Debug, Clone)]
pub enum Content {
    /// Headerless PCM.
    Raw {
        /// Sample format.
        pcm: PcmFormat,
        /// Rate and channels.
        format: StreamFormat,
    },
    /// RTP.
    Rtp {
        /// Payload types expected, with what they stand for.
        formats: Vec<(u8, CodecSpec)>,
        /// Payload types of repair packets.
        repair: Vec<u8>,
        /// Packets are in blocks, whose repair packets come to this port; 0 is two above RTP's.
        blocks: Option<u16>,
        /// Payload types of packets that are sent again, each with that of the packets which it
        /// repeats; lost packets are asked for where there are any.
        again: Vec<(u8, u8)>,
        /// What is to be waited at least, so that repair packets help.
        delay: Option<Duration>,
        /// Where RTCP travels.
        rtcp: RtcpPort,
    },
}

impl Listen {
    /// What a URL names; several ports where it is a session description.
    ///
    /// Left out, raw PCM is signed 16-bit little-endian, 44 100 Hz, mono; RTP needs either a
    /// codec with rate and channels or a static payload type.
    ///
    /// # Errors
    /// The host does not resolve, the file cannot be read, or the format is not known.
    pub fn from_endpoint(endpoint: &Endpoint) -> Result<Vec<Self>, Error> {
        match endpoint {
            Endpoint::Udp(udp) => Ok(vec![Self::raw(udp)?]),
            Endpoint::Rtp(rtp) => Ok(vec![Self::rtp(rtp)?]),
            Endpoint::Sdp(path) => {
                let data = std::fs::read(path).map_err(|source| Error::Io {
                    what: format!("cannot read {}", path.display()),
                    source,
                })?;
                Self::from_sdp(&SessionDescription::parse(&data)?)
            }
        }
    }

    /// The ports that a session description names.
    ///
    /// # Errors
    /// None of a stream's formats can be read here.
    pub fn from_sdp(session: &SessionDescription) -> Result<Vec<Self>, Error> {
        session.media.iter().map(Self::media).collect()
    }

    fn raw(udp: &UdpEndpoint) -> Result<Self, Error> {
        Ok(Self {
            socket: udp.at.receiver()?,
            content: Content::Raw {
                pcm: udp.format.unwrap_or(PcmFormat::S16LE),
                format: StreamFormat::new(
                    udp.rate.unwrap_or(SampleRate::HZ_44100),
                    udp.channels.unwrap_or(Channels::MONO),
                ),
            },
        })
    }

    fn rtp(rtp: &RtpEndpoint) -> Result<Self, Error> {
        let format = rtp_format(rtp)?;
        if rtp.red.is_some() {
            check_red_type(format.0)?;
        }
        let blocks = match rtp.at.port {
            // Which it is shows when it is open.
            0 if rtp.repair.scheme == RepairScheme::Rs8m => Some(rtp.repair.port.unwrap_or(0)),
            port => rtp.repair.port_beside(port, rtp.rtcp)?,
        };
        let repair = rtp.repair.payload_type;
        let repair = repair.unwrap_or(RepairOptions::PAYLOAD_TYPE);
        let socket = rtp.at.receiver()?;
        let again = rtp.retransmission;
        // Of a group many would ask at once.
        let asks = again.asked.unwrap_or(socket.groups.is_empty()) && blocks.is_none();
        let again = again
            .payload_type
            .unwrap_or(RetransmissionOptions::PAYLOAD_TYPE);
        let wanted = rtp.repair.amount != RepairAmount::Off;
        Ok(Self {
            socket,
            content: Content::Rtp {
                // What is media is not taken for repair.
                repair: Some(repair)
                    .filter(|pt| *pt != format.0 && blocks.is_none())
                    .into_iter()
                    .collect(),
                again: (asks && again != format.0 && again != repair)
                    .then_some((again, format.0))
                    .into_iter()
                    .collect(),
                delay: rtp
                    .repair
                    .delay
                    .or_else(|| wanted.then_some(RepairOptions::DELAY)),
                formats: match rtp.red {
                    // RED packets come in the stream's type, its blocks in one of their own.
                    Some(_) => vec![
                        (format.0, red_of(&format.1)),
                        (RtpEndpoint::RED_BLOCKS, format.1),
                    ],
                    None => vec![format],
                },
                blocks,
                rtcp: rtp.rtcp,
            },
        })
    }

    fn media(media: &MediaDescription) -> Result<Self, Error> {
        let mut formats: Vec<(u8, CodecSpec)> = media
            .formats
            .iter()
            .filter(|f| f.codec.encoding != EncodingName::WINDOW_FEC)
            .filter(|f| f.codec.encoding != EncodingName::RTX)
            .map(|f| (f.payload_type, f.codec.clone()))
            .collect();
        // What RED carries, its parameters say (RFC 2198 section 5); otherwise it is the first that
        // fits.
        let carried: Option<u8> = media
            .formats
            .iter()
            .filter(|f| f.codec.encoding == EncodingName::RED)
            .find_map(|f| f.fmtp.as_deref()?.split('/').next()?.trim().parse().ok());
        if let Some(carried) = carried {
            formats.sort_by_key(|(pt, _)| *pt != carried);
        }
        // A unicast session description names the receiver, which is this machine; on another
        // address of it the stream is still the same one.
        let host = match media.address {
            ip if ip.is_multicast() || ip.is_loopback() => ip.to_string(),
            _ => String::new(),
        };
        let at = NetAddress {
            host,
            port: media.port,
            options: NetOptions {
                sources: media
                    .sources
                    .iter()
                    .filter_map(|ip| match *ip {
                        std::net::IpAddr::V4(v4) if media.address.is_multicast() => Some(v4),
                        _ => None,
                    })
                    .collect(),
                ..NetOptions::default()
            },
        };
        Ok(Self {
            socket: at.receiver()?,
            content: Content::Rtp {
                formats,
                repair: media
                    .formats
                    .iter()
                    .filter(|f| f.codec.encoding == EncodingName::WINDOW_FEC)
                    .map(|f| f.payload_type)
                    .collect(),
                blocks: None,
                again: media
                    .formats
                    .iter()
                    // Of a group many would ask at once.
                    .filter(|f| {
                        media.nack
                            && !media.address.is_multicast()
                            && f.codec.encoding == EncodingName::RTX
                    })
                    .filter_map(|f| Some((f.payload_type, parameter(f, "apt")?.parse().ok()?)))
                    .collect(),
                delay: media
                    .formats
                    .iter()
                    .filter(|f| f.codec.encoding == EncodingName::WINDOW_FEC)
                    .find_map(|f| parse_ptime(parameter(f, "delay")?).ok()),
                rtcp: media.rtcp,
            },
        })
    }

    /// Whether everything that is expected here is Opus of one or two channels, by itself or in
    /// RED, so that it can be recorded as it comes.
    pub fn is_opus(&self) -> bool {
        let Content::Rtp { formats, .. } = &self.content else {
            return false;
        };
        let is = |spec: &CodecSpec, name| spec.encoding == name && spec.channels.get() <= 2;
        let any = formats.iter().any(|(_, s)| is(s, EncodingName::OPUS));
        let only = |(_, s): &(u8, CodecSpec)| is(s, EncodingName::OPUS) || is(s, EncodingName::RED);
        any && formats.iter().all(only)
    }

    pub(crate) fn ingress(&self) -> IngressConfig {
        match &self.content {
            Content::Raw { pcm, format } => IngressConfig::raw(*pcm, format.channels, format.rate),
            Content::Rtp {
                formats,
                repair,
                blocks,
                again,
                delay,
                ..
            } => IngressConfig {
                repair_types: repair.clone(),
                blocks: blocks.map(|_| Points::default()),
                retransmission: (!again.is_empty()).then(|| RetransmissionConfig {
                    types: again.clone(),
                    delay: delay.unwrap_or_default(),
                }),
                ..IngressConfig::rtp(
                    formats
                        .iter()
                        .map(|(pt, spec)| (*pt, spec.rate))
                        .collect::<Vec<_>>(),
                )
            },
        }
    }

    /// `codecs` with RED as it comes to this port.
    pub(crate) fn codecs(&self, codecs: &CodecRegistry) -> CodecRegistry {
        let mut all = codecs.clone();
        if let Content::Rtp { formats, .. } = &self.content {
            let is_red = |spec: &CodecSpec| spec.encoding == EncodingName::RED;
            let red = formats.iter().find(|(_, spec)| is_red(spec));
            let inner = red.and_then(|(_, red)| {
                let same = |spec: &CodecSpec| !is_red(spec) && spec.format() == red.format();
                formats.iter().find(|(_, spec)| same(spec))
            });
            if let Some((payload_type, spec)) = inner {
                let factory = RedFactory {
                    codecs: codecs.clone(),
                    encoding: spec.encoding.clone(),
                    payload_type: *payload_type,
                    distance: 1,
                    least: 0,
                    max_payload: MAX_DATAGRAM,
                };
                all.register(EncodingName::RED, factory);
            }
        }
        all
    }

    /// Those payload types of RTP that `registry` can read.
    ///
    /// # Errors
    /// None of them.
    pub(crate) fn formats(
        &self,
        registry: &CodecRegistry,
    ) -> Result<Vec<(u8, CodecSpec)>, ConfigError> {
        let Content::Rtp { formats, .. } = &self.content else {
            return Ok(Vec::new());
        };
        let known = |spec: &CodecSpec| registry.names().any(|name| *name == spec.encoding);
        let read: Vec<_> = formats.iter().filter(|(_, s)| known(s)).cloned().collect();
        if read.is_empty() {
            let offered: Vec<String> = formats.iter().map(|(_, s)| s.to_string()).collect();
            let names: Vec<&str> = registry.names().map(EncodingName::as_str).collect();
            return Err(ConfigError::new(
                "codec",
                offered.join(", "),
                format!("one of them must be known; known are {}", names.join(", ")),
            ));
        }
        Ok(read)
    }

    pub(crate) fn decoders(&self, codecs: &CodecRegistry) -> Result<Vec<PayloadReader>, Error> {
        let registry = &self.codecs(codecs);
        match &self.content {
            Content::Raw { pcm, format } => Ok(vec![PayloadReader {
                payload_type: 0,
                carries: Carries::Other,
                stored: pcm.sample,
                decoder: Box::new(raw_decoder(*pcm, *format)?),
                make: Box::new({
                    let (pcm, format) = (*pcm, *format);
                    move || Ok(Box::new(raw_decoder(pcm, format)?))
                }),
            }]),
            Content::Rtp { .. } => self
                .formats(registry)?
                .into_iter()
                .map(|(payload_type, spec)| {
                    // A sample of PCM takes a byte at least; a codec's packets are short and last long.
                    let longest = (MAX_DATAGRAM / spec.channels.get())
                        .max(spec.rate.frames_in(LONGEST_PACKET) as usize);
                    Ok(PayloadReader {
                        payload_type,
                        carries: match &spec.encoding {
                            name if *name == EncodingName::OPUS => Carries::Opus,
                            name if *name == EncodingName::RED => Carries::Red,
                            _ => Carries::Other,
                        },
                        stored: stored_as(&spec.encoding),
                        decoder: registry.decoder(&spec, longest)?,
                        make: Box::new({
                            let registry = registry.clone();
                            move || registry.decoder(&spec, longest)
                        }),
                    })
                })
                .collect(),
        }
    }
}

/// A payload type's decoder, and what its samples should be stored as.
pub(crate) struct PayloadReader {
    pub(crate) payload_type: u8,
    pub(crate) stored: SampleFormat,
    /// For payloads that stand for themselves.
    pub(crate) decoder: Box<dyn Decoder>,
    pub(crate) carries: Carries,
    /// A decoder for one stream, where payloads build on each other.
    pub(crate) make: Box<dyn Fn() -> Result<Box<dyn Decoder>, ConfigError> + Send>,
}

impl PayloadReader {
    /// Whether payloads build on those before them, or tell of them.
    pub(crate) fn minds_order(&self) -> bool {
        self.decoder.conceals() || self.decoder.max_recovery() > 0
    }
}

fn raw_decoder(pcm: PcmFormat, format: StreamFormat) -> Result<PcmDecoder, ConfigError> {
    let frames = MAX_DATAGRAM / pcm.frame_bytes(format.channels).max(1) + 1;
    PcmDecoder::new(PcmCoding::Linear(pcm), format, frames)
}

/// Whether payloads are, or have in them, packets of Opus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Carries {
    Opus,
    /// In the blocks of RED.
    Red,
    Other,
}

/// A parameter of a payload type by its name.
fn parameter<'a>(format: &'a PayloadFormat, name: &str) -> Option<&'a str> {
    let parameters = format.fmtp.as_deref()?.split(';');
    parameters
        .filter_map(|p| p.trim().split_once('='))
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}

fn red_of(spec: &CodecSpec) -> CodecSpec {
    CodecSpec {
        encoding: EncodingName::RED,
        ..spec.clone()
    }
}

fn rtp_format(rtp: &RtpEndpoint) -> Result<(u8, CodecSpec), Error> {
    let fixed = rtp.payload_type.and_then(static_payload_type);
    let spec = match (&rtp.codec, fixed) {
        (None, Some(spec)) => CodecSpec {
            rate: rtp.rate.unwrap_or(spec.rate),
            channels: rtp.channels.unwrap_or(spec.channels),
            ..spec
        },
        (None, None) => {
            return Err(ConfigError::new(
                "codec",
                "none",
                format!(
                    "to receive rtp:// say what comes, as in ?codec=L16&rate=48000&channels=2, \
                     or give the sender's session description (FILE.sdp); known are {}",
                    known()
                ),
            )
            .into());
        }
        (Some(encoding), _) => {
            let g711 = *encoding == EncodingName::PCMU || *encoding == EncodingName::PCMA;
            let default = if g711 {
                SampleRate::HZ_8000
            } else {
                SampleRate::HZ_48000
            };
            let channels = if g711 {
                Channels::MONO
            } else {
                Channels::STEREO
            };
            CodecSpec::new(
                encoding.clone(),
                StreamFormat::new(
                    rtp.rate.unwrap_or(default),
                    rtp.channels.unwrap_or(channels),
                ),
            )
        }
    };
    let pt = rtp
        .payload_type
        .or_else(|| spec.static_payload_type())
        .unwrap_or(FIRST_DYNAMIC);
    check_payload_type(pt, &spec)?;
    let opus = [EncodingName::OPUS, EncodingName::MULTIOPUS].contains(&spec.encoding);
    if opus && spec.rate != SampleRate::HZ_48000 {
        // RFC 7587 section 4.1.
        let allowed = "Opus in RTP is always 48000 Hz";
        return Err(ConfigError::new("rate", spec.rate, allowed).into());
    }
    Ok((pt, spec))
}

/// G.711 widens to 16 bits; unknown codecs decode to float.
fn stored_as(encoding: &EncodingName) -> SampleFormat {
    match PcmCoding::from_encoding(encoding) {
        Some(PcmCoding::Linear(pcm)) => pcm.sample,
        Some(PcmCoding::Mulaw | PcmCoding::Alaw) => SampleFormat::S16,
        None => SampleFormat::F32,
    }
}

fn known() -> String {
    let names: Vec<_> = PcmCoding::NAMED
        .iter()
        .filter_map(|c| c.encoding())
        .map(|n| n.to_string())
        .collect();
    names.join(", ")
}

/// First dynamic payload type (RFC 3551 section 3).
const FIRST_DYNAMIC: u8 = 96;
/// Longest datagram taken: the originals send blocks of up to 2 048 bytes and more.
pub(crate) const MAX_DATAGRAM: usize = 9_216;
/// The longest that Opus has (RFC 7587 section 4.2).
const LONGEST_PACKET: Duration = Duration::from_millis(120);

#[cfg(test)]
mod tests;

//! From sources and a URL to what each stream looks like on the wire.

use std::time::Duration;

use audiox_core::ConfigError;
use audiox_core::codec::{
    CodecRegistry, CodecSpec, Encoder, EncodingName, PcmCoding, PcmEncoder, check_payload_type,
};
use audiox_core::fec::block::{BlockConfig, PayloadId};
use audiox_core::fec::symbol;
use audiox_core::format::{Channels, PcmFormat, SampleFormat, SampleRate, StreamFormat};
use audiox_core::packet::Framing;
use audiox_core::packet::rtx;
use audiox_core::packetizer::PacketPlan;
use audiox_core::redundancy;
use audiox_core::retransmit::History;
use audiox_core::sender::{REPAIR_OVERHEAD, RTP_HEADER, RepairConfig, Sender};
use audiox_net::endpoint::{
    RepairAmount, RepairOptions, RepairScheme, RetransmissionOptions, RtpEndpoint,
};

use super::packets::Records;

/// What all streams of a session share.
#[derive(Debug)]
pub(super) struct SessionPlan<'a> {
    pub(super) kind: Kind<'a>,
    pub(super) rate: Option<SampleRate>,
    pub(super) channels: Option<Channels>,
    pub(super) ptime: Duration,
    /// Frames of a packet, where they are asked for.
    pub(super) chunk: Option<u32>,
    pub(super) max_datagram: usize,
    pub(super) codecs: &'a CodecRegistry,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Kind<'a> {
    Raw {
        format: Option<PcmFormat>,
    },
    Rtp {
        codec: Option<&'a EncodingName>,
        payload_type: Option<u8>,
        repair: RepairOptions,
        again: RetransmissionOptions,
    },
}

/// What one source offers.
#[derive(Debug, Clone)]
pub(super) struct Offer {
    pub(super) format: StreamFormat,
    pub(super) native: Option<PcmFormat>,
    /// It is packets already.
    pub(super) packets: Option<Packets>,
}

/// Packets that are sent as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Packets {
    /// What they mostly last.
    pub(super) ptime: Duration,
    /// Bytes of the longest.
    pub(super) longest: usize,
}

/// How one stream is sent.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct StreamPlan {
    pub(super) format: StreamFormat,
    pub(super) framing: Framing,
    pub(super) wire: Wire,
    /// The format in which samples are read ahead.
    pub(super) stored: PcmFormat,
    pub(super) payload_type: u8,
    /// Encoding, clock rate and channels as RTP names them.
    pub(super) rtpmap: CodecSpec,
    /// Parameters of the encoding for SDP.
    pub(super) fmtp: Option<String>,
    pub(super) packet: PacketPlan,
    /// Payloads are not encoded but come from a file.
    pub(super) packets: Option<Packets>,
    pub(super) repair: Option<RepairPlan>,
    pub(super) again: Option<AgainPlan>,
}

/// Packets that are sent again when they are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AgainPlan {
    pub(super) payload_type: u8,
    /// So many are remembered.
    pub(super) packets: usize,
}

/// Repair packets beside a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RepairPlan {
    pub(super) payload_type: u8,
    pub(super) scheme: RepairScheme,
    /// Packets that each covers, or of a block.
    pub(super) window: usize,
    /// For a thousand packets, to begin with.
    pub(super) rate: u32,
    /// The delay that a receiver keeps, where the rate follows the loss.
    pub(super) adaptive: Option<Duration>,
}

impl RepairPlan {
    /// Has `sender` make `rate` repair packets for a thousand packets, over `window` packets.
    ///
    /// # Errors
    /// What the scheme does not allow.
    pub(super) fn apply(
        &self,
        sender: &mut Sender,
        window: usize,
        rate: u32,
    ) -> Result<(), ConfigError> {
        match self.scheme {
            RepairScheme::Window => sender.set_repair(Some(RepairConfig {
                payload_type: self.payload_type,
                // Streams count their SSRCs up from the first, repair packets down from its
                // complement.
                ssrc: !sender.ssrc(),
                window,
                rate,
            })),
            RepairScheme::Rs8m => sender.set_blocks(Some(BlockConfig {
                source: window,
                rate,
                // As good as random, since SSRCs are.
                first_block: !sender.ssrc(),
                ..BlockConfig::default()
            })),
        }
    }
}

/// What payloads hold.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Wire {
    Pcm(PcmCoding),
    Other(CodecSpec),
}

impl SessionPlan<'_> {
    /// Plans each stream.
    ///
    /// # Errors
    /// A rate, channel count, codec, payload type or packet time that cannot be.
    pub(super) fn streams(&self, offers: &[Offer]) -> Result<Vec<StreamPlan>, ConfigError> {
        let mut plans = offers
            .iter()
            .map(|offer| self.stream(offer))
            .collect::<Result<Vec<_>, _>>()?;
        if let Kind::Rtp {
            payload_type,
            codec,
            ..
        } = self.kind
        {
            let formats: Vec<_> = plans
                .iter()
                .map(|p| (p.rtpmap.clone(), p.fmtp.clone()))
                .collect();
            let types = payload_types(&formats, payload_type)?;
            if codec == Some(&EncodingName::RED) {
                types.iter().try_for_each(|pt| check_red_type(*pt))?;
            }
            for (plan, pt) in plans.iter_mut().zip(types) {
                plan.payload_type = pt;
            }
            self.again(&mut plans);
        }
        Ok(plans)
    }

    /// The rate to send audio of `rate` at: what was asked for, else what the encoding carries.
    pub(super) fn rate_for(&self, rate: SampleRate) -> SampleRate {
        match (self.rate, self.kind) {
            (Some(asked), _) => asked,
            (
                None,
                Kind::Rtp {
                    codec: Some(codec), ..
                },
            ) => self.codecs.rate_for(codec, rate),
            _ => rate,
        }
    }

    fn stream(&self, offer: &Offer) -> Result<StreamPlan, ConfigError> {
        let channels = offer.format.channels;
        const SENT_AS_IT_IS: &str =
            "a source is sent as it is, so leave this out or convert the source first";
        if self.channels.is_some_and(|asked| asked != channels) {
            return Err(ConfigError::new("channels", channels, SENT_AS_IT_IS));
        }
        let (framing, header, wire) = match self.kind {
            Kind::Raw { format } => {
                let format = format.or(offer.native).unwrap_or(PcmFormat::S16LE);
                (Framing::Raw, 0, Wire::Pcm(PcmCoding::Linear(format)))
            }
            Kind::Rtp { codec, .. } => {
                let name = codec.cloned().unwrap_or_else(|| default_codec(offer));
                let wire = match PcmCoding::from_encoding(&name) {
                    Some(coding) => Wire::Pcm(coding),
                    None => Wire::Other(CodecSpec::new(name, offer.format)),
                };
                (Framing::Rtp, RTP_HEADER, wire)
            }
        };
        let stored = match offer.packets {
            Some(_) => Records::BYTES,
            None => wire.stored(offer.native),
        };
        let packet = self.packet(offer, header, &wire)?;
        let repair = self.repair(&packet);
        let spec = wire.spec(offer.format);
        let (rtpmap, fmtp) = match &wire {
            Wire::Pcm(_) => (spec, None),
            Wire::Other(_) => (self.codecs.rtpmap(&spec), self.codecs.fmtp(&spec)),
        };
        Ok(StreamPlan {
            format: offer.format,
            framing,
            wire,
            stored,
            payload_type: 0,
            rtpmap,
            fmtp,
            packet,
            packets: offer.packets,
            repair,
            again: None,
        })
    }

    /// Gives each payload type another in which its packets are sent again, counted down from the
    /// one that is given, as long as there are free ones.
    fn again(&self, plans: &mut [StreamPlan]) {
        let Kind::Rtp { repair, again, .. } = self.kind else {
            return;
        };
        let chosen = repair.amount == RepairAmount::Auto && repair.scheme == RepairScheme::Window;
        if !again.asked.unwrap_or(chosen) {
            return;
        }
        let first = again
            .payload_type
            .unwrap_or(RetransmissionOptions::PAYLOAD_TYPE);
        let taken = |pt: &u8| {
            let repair = plans
                .iter()
                .any(|p| p.repair.is_some_and(|r| r.payload_type == *pt));
            repair || *pt == RtpEndpoint::RED_BLOCKS || plans.iter().any(|p| p.payload_type == *pt)
        };
        let mut free = (0..=first)
            .rev()
            .filter(|pt| !taken(pt))
            .collect::<Vec<_>>()
            .into_iter();
        let mut given: Vec<(u8, u8)> = Vec::new();
        for plan in plans {
            let of = plan.payload_type;
            let known = given
                .iter()
                .find(|(_, given)| *given == of)
                .map(|(pt, _)| *pt);
            let Some(payload_type) = known.or_else(|| free.next()) else {
                return;
            };
            given.push((payload_type, of));
            let remembered = REMEMBERED.as_nanos() / plan.packet.ptime.as_nanos().max(1);
            let remembered = usize::try_from(remembered).unwrap_or(usize::MAX);
            plan.again = Some(AgainPlan {
                payload_type,
                packets: remembered.clamp(16, History::MAX_PACKETS),
            });
        }
    }

    fn repair(&self, packet: &PacketPlan) -> Option<RepairPlan> {
        let Kind::Rtp { repair, .. } = self.kind else {
            return None;
        };
        let delay = repair.delay.unwrap_or(RepairOptions::DELAY);
        let (rate, adaptive) = match repair.amount {
            RepairAmount::Off if repair.scheme == RepairScheme::Window => return None,
            // The packets are in blocks all the same.
            RepairAmount::Off => (0, None),
            RepairAmount::Auto => (0, Some(delay)),
            RepairAmount::PerThousand(rate) => (rate, None),
        };
        Some(RepairPlan {
            payload_type: repair.payload_type.unwrap_or(RepairOptions::PAYLOAD_TYPE),
            scheme: repair.scheme,
            window: redundancy::window(packet.ptime, delay),
            rate,
            adaptive,
        })
    }

    /// Whether a file's packets can be sent as they are.
    pub(super) fn takes(&self, format: StreamFormat, packets: &Packets) -> bool {
        let Kind::Rtp { codec, .. } = self.kind else {
            return false;
        };
        let offer = Offer {
            format,
            native: None,
            packets: Some(*packets),
        };
        codec == Some(&EncodingName::OPUS)
            && self.rate.is_none_or(|rate| rate == format.rate)
            && self.channels.is_none_or(|channels| channels == format.channels)
            && RTP_HEADER + packets.longest <= self.max_media()
            // Packets of an odd length no encoder makes, and no session can announce.
            && self.stream(&offer).is_ok()
    }

    /// Bytes of UDP payload that a media packet may have: repair packets are longer, or something
    /// is put behind it.
    fn max_media(&self) -> usize {
        match self.kind {
            Kind::Rtp { repair, .. } if repair.scheme == RepairScheme::Rs8m => {
                let room = self.max_datagram.saturating_sub(PayloadId::LEN);
                room.min(symbol::MAX_DATAGRAM)
            }
            Kind::Rtp { repair, .. } if repair.amount != RepairAmount::Off => {
                self.max_datagram.saturating_sub(REPAIR_OVERHEAD)
            }
            Kind::Rtp { again, .. } if again.asked == Some(true) => {
                self.max_datagram.saturating_sub(rtx::OVERHEAD)
            }
            _ => self.max_datagram,
        }
    }

    fn packet(&self, offer: &Offer, header: usize, wire: &Wire) -> Result<PacketPlan, ConfigError> {
        let format = offer.format;
        let ptime = match (offer.packets, self.chunk) {
            (Some(packets), _) => packets.ptime,
            // A nanosecond more, since a duration is rounded down, and frames of it again.
            (None, Some(frames)) => {
                format.rate.duration_of(frames.into()) + Duration::from_nanos(1)
            }
            (None, None) => self.ptime,
        };
        let plan = |frame_bytes, max| PacketPlan::new(format.rate, frame_bytes, header, ptime, max);
        match wire {
            Wire::Pcm(coding) => plan(coding.frame_bytes(format.channels), self.max_media()),
            // Compressed packets hold a fixed time; whether they fit, the codec knows.
            Wire::Other(spec) => {
                let packet = plan(1, usize::MAX)?;
                let encoder = self.codecs.encoder(spec, packet.frames)?;
                let longest = header + encoder.max_payload_len();
                if longest > self.max_media() {
                    return Err(ConfigError::new(
                        "ptime",
                        ms(packet.ptime),
                        format!(
                            "a packet of {spec} could take {longest} bytes of {}; choose less",
                            self.max_media()
                        ),
                    ));
                }
                Ok(packet)
            }
        }
    }

    /// What was changed about the packet times asked for, a sentence for each kind of stream.
    pub(super) fn notices(&self, plans: &[StreamPlan]) -> Vec<String> {
        let mut seen: Vec<(StreamFormat, &Wire)> = Vec::new();
        let mut notices = Vec::new();
        for plan in plans {
            let Some(asked) = plan.packet.shortened_from else {
                continue;
            };
            let kind = (plan.format, &plan.wire);
            if seen.contains(&kind) {
                continue;
            }
            seen.push(kind);
            notices.push(format!(
                "ptime shortened from {} to {} so that a datagram of {} stays within {} bytes",
                ms(plan.format.rate.duration_of(asked as u64)),
                ms(plan.packet.ptime),
                plan.describe(),
                self.max_media(),
            ));
        }
        notices
    }
}

impl Wire {
    /// What is encoded.
    fn spec(&self, format: StreamFormat) -> CodecSpec {
        match self {
            Self::Pcm(coding) => {
                // Little-endian PCM has no name and occurs in raw streams only.
                let name = coding.encoding().unwrap_or(EncodingName::L16);
                CodecSpec::new(name, format)
            }
            Self::Other(spec) => spec.clone(),
        }
    }

    /// The format to read ahead in: what is stored, where packets can be made of it by moving
    /// bytes or by an encoder, so that nothing is converted that need not be.
    fn stored(&self, native: Option<PcmFormat>) -> PcmFormat {
        match (self, native) {
            (Self::Pcm(PcmCoding::Linear(wire)), Some(native)) if native.sample == wire.sample => {
                native
            }
            (Self::Pcm(PcmCoding::Linear(wire)), _) => *wire,
            (_, Some(native)) => native,
            (_, None) => NATIVE_FLOAT,
        }
    }
}

impl StreamPlan {
    /// An encoder of this stream's packets.
    pub(super) fn encoder(&self, codecs: &CodecRegistry) -> Result<Box<dyn Encoder>, ConfigError> {
        match &self.wire {
            Wire::Pcm(coding) => {
                let encoder = PcmEncoder::new(*coding, self.format, self.packet.frames)?;
                Ok(Box::new(encoder))
            }
            Wire::Other(spec) => codecs.encoder(spec, self.packet.frames),
        }
    }

    /// Coding, rate and channels, for people.
    pub(super) fn describe(&self) -> String {
        match &self.wire {
            Wire::Pcm(coding) => {
                let StreamFormat { rate, channels } = self.format;
                format!("{coding}/{}/{channels}", rate.get())
            }
            Wire::Other(spec) => spec.to_string(),
        }
    }
}

/// L24 for sources of more than 16 bits, otherwise L16, which everybody understands.
fn default_codec(offer: &Offer) -> EncodingName {
    match offer.native.map(|n| n.sample) {
        Some(SampleFormat::S24 | SampleFormat::S32 | SampleFormat::F32) => EncodingName::L24,
        Some(SampleFormat::U8 | SampleFormat::S16) | None => EncodingName::L16,
    }
}

/// A payload type for each of `formats`, the same for equal ones: `asked` for the first and those
/// after it for others, without it the static one or the next that is free from 96 up.
fn payload_types(formats: &[Described], asked: Option<u8>) -> Result<Vec<u8>, ConfigError> {
    let mut known: Vec<(&Described, u8)> = Vec::new();
    let mut free = asked.unwrap_or(FIRST_DYNAMIC);
    for format in formats {
        if known.iter().any(|(f, _)| *f == format) {
            continue;
        }
        let (spec, _) = format;
        let pt = match spec.static_payload_type() {
            Some(pt) if asked.is_none() => pt,
            _ if free > 127 => {
                return Err(ConfigError::new(
                    "pt",
                    asked.unwrap_or(FIRST_DYNAMIC),
                    "these sources have more formats than there are payload types up to 127",
                ));
            }
            _ => {
                check_payload_type(free, spec)?;
                let pt = free;
                // A static type means one format; the next one asks for it again and is told.
                free += u8::from(free >= FIRST_DYNAMIC);
                pt
            }
        };
        known.push((format, pt));
    }
    let of = |format| known.iter().find(|(f, _)| *f == format).map(|(_, pt)| *pt);
    Ok(formats
        .iter()
        .map(|f| of(f).unwrap_or(FIRST_DYNAMIC))
        .collect())
}

/// Packets of RED and the blocks in them need a payload type each.
pub(crate) fn check_red_type(payload_type: u8) -> Result<(), ConfigError> {
    if payload_type == RtpEndpoint::RED_BLOCKS {
        let allowed = "with red= this is the type of the blocks; another one";
        return Err(ConfigError::new("pt", payload_type, allowed));
    }
    Ok(())
}

/// Milliseconds as people write them: `10 ms`, `2.5 ms`.
pub(super) fn ms(d: Duration) -> String {
    let text = format!("{:.4}", d.as_secs_f64() * 1e3);
    format!("{} ms", text.trim_end_matches('0').trim_end_matches('.'))
}

/// What SDP says of a payload type.
type Described = (CodecSpec, Option<String>);

const FIRST_DYNAMIC: u8 = 96;
const NATIVE_FLOAT: PcmFormat =
    PcmFormat::new(SampleFormat::F32, audiox_core::format::Endian::Little);

/// How far back a packet can be asked for: longer than any delay in which it could still be heard.
const REMEMBERED: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(native: Option<&str>, rate: u32, channels: u16) -> Offer {
        Offer {
            format: StreamFormat::new(
                SampleRate::new(rate).unwrap(),
                Channels::new(channels).unwrap(),
            ),
            native: native.map(|n| n.parse().unwrap()),
            packets: None,
        }
    }

    fn session<'a>(kind: Kind<'a>, codecs: &'a CodecRegistry) -> SessionPlan<'a> {
        SessionPlan {
            kind,
            rate: None,
            channels: None,
            ptime: Duration::from_millis(10),
            chunk: None,
            max_datagram: 1_472,
            codecs,
        }
    }

    fn rtp<'a>(codec: Option<&'a EncodingName>, payload_type: Option<u8>) -> Kind<'a> {
        Kind::Rtp {
            repair: RepairOptions::default(),
            again: RetransmissionOptions::default(),
            codec,
            payload_type,
        }
    }

    #[test]
    fn raw_streams_are_planned_as_they_are_stored() {
        let codecs = CodecRegistry::pcm();
        let plan = session(Kind::Raw { format: None }, &codecs);
        let offers = [
            offer(Some("s16le"), 44_100, 1),
            offer(Some("s24le"), 44_100, 2),
            offer(Some("s24le"), 44_100, 2),
            offer(None, 8_000, 1),
        ];
        let plans = plan.streams(&offers).unwrap();
        let seen: Vec<_> = plans
            .iter()
            .map(|p| (p.describe(), p.packet.frames, p.stored.to_string()))
            .collect();
        assert_eq!(seen[0], ("s16le/44100/1".into(), 441, "s16le".into()));
        assert_eq!(seen[1], ("s24le/44100/2".into(), 221, "s24le".into()));
        assert_eq!(seen[3], ("s16le/8000/1".into(), 80, "s16le".into()));
        assert_eq!(
            plan.notices(&plans),
            [
                "ptime shortened from 10 ms to 5.0113 ms so that a datagram of s24le/44100/2 \
                 stays within 1472 bytes"
            ]
        );
    }

    #[test]
    fn rtp_takes_l24_for_more_than_16_bits_and_static_types_where_they_match() {
        let codecs = CodecRegistry::pcm();
        let plan = session(rtp(None, None), &codecs);
        let offers = [
            offer(Some("s24le"), 48_000, 1),
            offer(Some("s16le"), 44_100, 2),
            offer(Some("u8"), 44_100, 1),
            offer(None, 48_000, 1),
            offer(Some("f32le"), 48_000, 1),
        ];
        let plans = plan.streams(&offers).unwrap();
        let seen: Vec<_> = plans
            .iter()
            .map(|p| (p.describe(), p.payload_type))
            .collect();
        assert_eq!(seen[0], ("L24/48000/1".into(), 96));
        assert_eq!(seen[1], ("L16/44100/2".into(), 10));
        assert_eq!(seen[2], ("L16/44100/1".into(), 11));
        assert_eq!(seen[3], ("L16/48000/1".into(), 97));
        assert_eq!(seen[4], ("L24/48000/1".into(), 96));
        // The byte order is changed by whoever sends, everything else by whoever reads.
        assert_eq!(plans[1].stored, PcmFormat::S16LE);
        assert_eq!(plans[4].stored.to_string(), "s24be");
    }

    #[test]
    fn a_payload_type_asked_for_must_fit_and_counts_on_for_further_formats() {
        let codecs = CodecRegistry::pcm();
        let offers = [
            offer(Some("s16le"), 44_100, 2),
            offer(Some("s16le"), 48_000, 2),
        ];
        let types = |pt| {
            let plans = session(rtp(None, Some(pt)), &codecs).streams(&offers)?;
            Ok::<_, ConfigError>(plans.iter().map(|p| p.payload_type).collect::<Vec<_>>())
        };
        assert_eq!(types(100).unwrap(), [100, 101]);
        let err = types(10).unwrap_err().to_string();
        assert!(err.contains("rate") && err.contains("44100"), "{err}");
        let err = types(127).unwrap_err().to_string();
        assert!(err.contains("pt") && err.contains("127"), "{err}");
        let pcmu = EncodingName::PCMU;
        let one = session(rtp(Some(&pcmu), Some(0)), &codecs);
        let err = one.streams(&offers[1..]).unwrap_err().to_string();
        assert!(err.contains("8000"), "{err}");
    }

    #[test]
    fn impossible_wishes_name_the_field() {
        let codecs = CodecRegistry::pcm();
        let offers = [offer(Some("s16le"), 44_100, 2)];
        let field = |change: &dyn Fn(&mut SessionPlan<'_>)| {
            let mut plan = session(rtp(None, None), &codecs);
            change(&mut plan);
            plan.streams(&offers).unwrap_err().field
        };
        assert_eq!(field(&|p| p.channels = Some(Channels::MONO)), "channels");
        assert_eq!(field(&|p| p.ptime = Duration::from_micros(1)), "ptime");
        assert_eq!(field(&|p| p.ptime = Duration::from_secs(2)), "ptime");
        assert_eq!(field(&|p| p.max_datagram = 15), "mtu");
        let opus = EncodingName::new("opus").unwrap();
        let unknown = session(rtp(Some(&opus), None), &codecs);
        let err = unknown.streams(&offers).unwrap_err().to_string();
        assert!(err.contains("opus") && err.contains("L16"), "{err}");
    }
}

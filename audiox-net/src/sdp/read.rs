//! From text to our types, by way of `sdp-types`, which reads the lines.

use std::net::IpAddr;
use std::time::Duration;

use audiox_core::codec::{CodecSpec, static_payload_type};
use sdp_types::{
    Attribute, Connection, ConnectionAddressError, Media, ParserError, Session, SourceFilter,
    SourceFilterAddress, SourceFilterDestination, SourceFilterMode, Ssrc, SsrcAttribute,
};

use super::{
    Direction, MAX_BYTES, MAX_FORMATS, MAX_MEDIA, MAX_SSRCS, MediaClock, MediaDescription, Origin,
    PayloadFormat, SdpError, SdpErrorKind, SessionDescription, SsrcDescription,
};
use crate::endpoint::parse_ptime;
use crate::udp::RtcpPort;

pub(super) fn session(data: &[u8]) -> Result<SessionDescription, SdpError> {
    if data.len() > MAX_BYTES {
        return Err(SdpError {
            line: None,
            kind: SdpErrorKind::Limit,
            message: format!("{} bytes, at most {MAX_BYTES} are read", data.len()),
        });
    }
    let lines = Lines::new(data);
    if lines.media.len() > MAX_MEDIA {
        return Err(SdpError {
            line: lines.media.get(MAX_MEDIA).copied(),
            kind: SdpErrorKind::Limit,
            message: format!(
                "{} m= lines, at most {MAX_MEDIA} are read",
                lines.media.len()
            ),
        });
    }
    let parsed = Session::parse(lines.data).map_err(|e| lines.malformed(e))?;

    let mut media = Vec::new();
    let mut skipped = Vec::new();
    for (index, m) in parsed.medias.iter().enumerate() {
        let context = Context {
            lines: &lines,
            session: &parsed,
            media: m,
            index,
        };
        match context.read()? {
            Ok(description) => media.push(description),
            Err(reason) => skipped.push(format!("line {}: {reason}", context.line())),
        }
    }
    if media.is_empty() {
        return Err(SdpError {
            line: None,
            kind: SdpErrorKind::NoAudio,
            message: match skipped.len() {
                0 => "no stream; expected a line such as m=audio 5004 RTP/AVP 96".to_owned(),
                _ => format!(
                    "no audio stream that can be received; {}",
                    skipped.join("; ")
                ),
            },
        });
    }
    Ok(SessionDescription {
        name: match parsed.session_name.trim() {
            "-" => String::new(),
            name => name.to_owned(),
        },
        info: text(parsed.session_description.as_deref()),
        origin: Origin {
            id: parsed.origin.sess_id.clone(),
            version: parsed.origin.sess_version,
            address: parsed.origin.unicast_address.clone(),
        },
        media,
        skipped,
    })
}

/// The text and where its lines are: the parser's results no longer know.
struct Lines<'a> {
    /// From the `v=` line on.
    data: &'a [u8],
    /// Lines before that.
    heading: usize,
    /// The `m=` lines, counted from 1 in the whole text.
    media: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn new(data: &'a [u8]) -> Self {
        // A byte order mark, blank lines, and the "SDP:" that ffmpeg prints.
        let mut rest = data.strip_prefix(b"\xef\xbb\xbf").unwrap_or(data);
        let mut heading = 0;
        while let Some(end) = rest.iter().position(|&b| b == b'\n') {
            let line = rest[..end].trim_ascii();
            if !line.is_empty() && line != b"SDP:" {
                break;
            }
            rest = &rest[end + 1..];
            heading += 1;
        }
        let media = rest
            .split(|&b| b == b'\n')
            .enumerate()
            .filter(|(_, line)| line.starts_with(b"m="))
            .map(|(n, _)| heading + n + 1)
            .collect();
        Self {
            data: rest,
            heading,
            media,
        }
    }

    fn malformed(&self, e: ParserError) -> SdpError {
        use ParserError as E;
        let (line, message) = match e {
            E::NoVersion => (
                Some(1),
                "it must begin with v=0; is this a session description?".to_owned(),
            ),
            E::InvalidVersion(n, _) => (Some(n), "v=0 is the only version".to_owned()),
            E::InvalidLineFormat(n, what) => (Some(n), format!("expected KEY=VALUE ({what})")),
            E::InvalidFieldEncoding(n, field) => (Some(n), format!("{field} is not UTF-8")),
            E::InvalidFieldFormat(n, field) => (Some(n), format!("{field} is not possible")),
            E::MissingField(n, field) => (Some(n), format!("{field} is missing")),
            E::FieldTrailingData(n, field) => (Some(n), format!("too much after {field}")),
            E::MultipleVersions(n) => (Some(n), "a second v= line".to_owned()),
            E::MultipleOrigins(n) => (Some(n), "a second o= line".to_owned()),
            E::MultipleSessionNames(n) => (Some(n), "a second s= line".to_owned()),
            E::MultipleConnections(n) => (Some(n), "a second c= line".to_owned()),
            other => (None, other.to_string()),
        };
        SdpError {
            line: line.map(|n| n + self.heading),
            kind: SdpErrorKind::Malformed,
            message,
        }
    }

    /// The line of attribute `a` in the part of `m=` line `index`, else in the session's part.
    fn of_attribute(&self, index: usize, a: &Attribute) -> Option<usize> {
        let wanted = match &a.value {
            Some(value) => format!("a={}:{value}", a.attribute),
            None => format!("a={}", a.attribute),
        };
        let find = |from: usize, to: Option<usize>| {
            let lines = self.data.split(|&b| b == b'\n').enumerate();
            lines
                .map(|(n, line)| (self.heading + n + 1, line))
                .skip_while(|(n, _)| *n < from)
                .take_while(|(n, _)| to.is_none_or(|to| *n < to))
                .find(|(_, line)| line.strip_suffix(b"\r").unwrap_or(line) == wanted.as_bytes())
                .map(|(n, _)| n)
        };
        let start = self.media.get(index).copied()?;
        let end = self.media.get(index + 1).copied();
        find(start, end).or_else(|| find(0, self.media.first().copied()))
    }
}

/// A stream that cannot be received, and why.
type Skipped = String;

struct Context<'a> {
    lines: &'a Lines<'a>,
    session: &'a Session,
    media: &'a Media,
    index: usize,
}

impl Context<'_> {
    fn line(&self) -> usize {
        self.lines.media.get(self.index).copied().unwrap_or(0)
    }

    fn read(&self) -> Result<Result<MediaDescription, Skipped>, SdpError> {
        let m = self.media;
        if m.media != "audio" {
            return Ok(Err(format!("{:?} is not audio", m.media)));
        }
        if m.port == 0 {
            return Ok(Err("the stream is switched off (port 0)".to_owned()));
        }
        if let Err(reason) = check_protocol(&m.proto) {
            return Ok(Err(reason));
        }
        if m.num_ports.is_some_and(|n| n > 1) {
            return Ok(Err("layers on several ports are not supported".to_owned()));
        }
        let (address, ttl) = match self.address()? {
            Ok(found) => found,
            Err(reason) => return Ok(Err(reason)),
        };
        let formats = match self.formats()? {
            Ok(formats) => formats,
            Err(reason) => return Ok(Err(reason)),
        };
        Ok(Ok(MediaDescription {
            title: text(m.media_title.as_deref()),
            address,
            ttl,
            port: m.port,
            rtcp: self.rtcp()?,
            formats,
            nack: self.nack(),
            ptime: self.duration("ptime")?,
            max_ptime: self.duration("maxptime")?,
            direction: self.direction(),
            sources: self.sources(address)?,
            ssrcs: self.ssrcs()?,
            reference_clock: self
                .attribute("ts-refclk")
                .and_then(|a| text(a.value.as_deref())),
            media_clock: self.media_clock(),
        }))
    }

    /// The stream's attributes of this name.
    fn own(&self, name: &str) -> impl Iterator<Item = &Attribute> {
        named(&self.media.attributes, name)
    }

    /// The first attribute of this name of the stream, else of the session.
    fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.own(name)
            .next()
            .or_else(|| named(&self.session.attributes, name).next())
    }

    fn malformed(&self, a: &Attribute, expected: impl std::fmt::Display) -> SdpError {
        let value = a.value.as_deref().unwrap_or_default();
        SdpError {
            line: self.lines.of_attribute(self.index, a),
            kind: SdpErrorKind::Malformed,
            message: format!("a={}:{value}: {expected}", a.attribute),
        }
    }

    fn address(&self) -> Result<Result<(IpAddr, Option<u8>), Skipped>, SdpError> {
        let error = |message: String| SdpError {
            line: Some(self.line()),
            kind: SdpErrorKind::Malformed,
            message,
        };
        let session = self.session.connection.as_ref();
        let Some(c) = self.media.connections.first().or(session) else {
            return Err(error(
                "there is no c= line for this stream; expected one such as c=IN IP4 192.0.2.7"
                    .to_owned(),
            ));
        };
        let written =
            |c: &Connection| format!("c={} {} {}", c.nettype, c.addrtype, c.connection_address);
        match c.try_address() {
            Ok(a) if a.count.is_some_and(|n| n > 1) || self.media.connections.len() > 1 => Ok(Err(
                "layers on several addresses are not supported".to_owned(),
            )),
            Ok(a) => Ok(Ok((a.ip, a.ttl.filter(|_| a.ip.is_multicast())))),
            Err(ConnectionAddressError::InvalidAddress(_)) => Ok(Err(format!(
                "{}: expected a numeric IPv4 or IPv6 address",
                written(c)
            ))),
            Err(e) => Err(error(format!("{}: {e}", written(c)))),
        }
    }

    fn formats(&self) -> Result<Result<Vec<PayloadFormat>, Skipped>, SdpError> {
        let mut formats: Vec<PayloadFormat> = Vec::new();
        let mut unknown = Vec::new();
        for (n, word) in self.media.fmt.split_ascii_whitespace().enumerate() {
            if n == MAX_FORMATS {
                return Err(SdpError {
                    line: Some(self.line()),
                    kind: SdpErrorKind::Limit,
                    message: format!("at most {MAX_FORMATS} payload types are read"),
                });
            }
            let Some(payload_type) = word.parse().ok().filter(|pt| *pt < 128u8) else {
                return Err(SdpError {
                    line: Some(self.line()),
                    kind: SdpErrorKind::Malformed,
                    message: format!("payload type {word:?}: expected a number from 0 to 127"),
                });
            };
            if formats.iter().any(|f| f.payload_type == payload_type) {
                continue;
            }
            match self.codec(payload_type)? {
                Some(codec) => formats.push(PayloadFormat {
                    payload_type,
                    codec,
                    fmtp: self
                        .of_payload("fmtp", payload_type)
                        .and_then(|(_, v)| text(Some(v))),
                }),
                None => unknown.push(word),
            }
        }
        Ok(if formats.is_empty() {
            Err(format!(
                "payload type {} has no a=rtpmap line, as in a=rtpmap:96 L16/48000/2",
                unknown.join(", ")
            ))
        } else {
            Ok(formats)
        })
    }

    fn codec(&self, payload_type: u8) -> Result<Option<CodecSpec>, SdpError> {
        match self.of_payload("rtpmap", payload_type) {
            Some((a, spec)) => match spec.trim().parse() {
                Ok(codec) => Ok(Some(codec)),
                Err(e) => Err(self.malformed(a, e)),
            },
            None => Ok(static_payload_type(payload_type)),
        }
    }

    /// The attribute of this name for this payload type, and what follows the number.
    fn of_payload(&self, name: &str, payload_type: u8) -> Option<(&Attribute, &str)> {
        self.own(name).find_map(|a| {
            let (pt, rest) = a.value.as_deref()?.trim_start().split_once(' ')?;
            (pt.parse() == Ok(payload_type)).then_some((a, rest))
        })
    }

    /// Generic requests alone: `nack pli` and the like are for video.
    fn nack(&self) -> bool {
        self.own("rtcp-fb").any(|a| {
            let value = a.value.as_deref().unwrap_or_default().trim();
            value
                .split_once(' ')
                .is_some_and(|(_, what)| what.trim() == "nack")
        })
    }

    fn rtcp(&self) -> Result<RtcpPort, SdpError> {
        if self.attribute("rtcp-mux").is_some() {
            return Ok(RtcpPort::Mux);
        }
        let Some(a) = self.own("rtcp").next() else {
            return Ok(RtcpPort::Next);
        };
        // An address may follow, which matters to nobody who answers where reports come from.
        let port = a.value.as_deref().unwrap_or_default();
        let port = port.split_ascii_whitespace().next().unwrap_or_default();
        match port.parse() {
            Ok(port) if self.media.port.checked_add(1) == Some(port) => Ok(RtcpPort::Next),
            Ok(port) if port == self.media.port => Ok(RtcpPort::Mux),
            Ok(port) if port > 0 => Ok(RtcpPort::Port(port)),
            _ => Err(self.malformed(a, "expected a port from 1 to 65535")),
        }
    }

    fn duration(&self, name: &str) -> Result<Option<Duration>, SdpError> {
        let Some(a) = self.attribute(name) else {
            return Ok(None);
        };
        let value = a.value.as_deref().unwrap_or_default().trim();
        // Units are our URLs' and not SDP's.
        let digits = value.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        match parse_ptime(value) {
            Ok(d) if digits => Ok(Some(d)),
            _ => Err(self.malformed(a, "expected milliseconds, above 0 and up to 10000")),
        }
    }

    fn direction(&self) -> Direction {
        let find = |attributes: &[Attribute]| {
            attributes.iter().find_map(|a| {
                Some(match a.attribute.as_str() {
                    "sendrecv" => Direction::SendRecv,
                    "sendonly" => Direction::SendOnly,
                    "recvonly" => Direction::RecvOnly,
                    "inactive" => Direction::Inactive,
                    _ => return None,
                })
            })
        };
        find(&self.media.attributes)
            .or_else(|| find(&self.session.attributes))
            .unwrap_or_default()
    }

    fn sources(&self, destination: IpAddr) -> Result<Vec<IpAddr>, SdpError> {
        let Some(a) = self.attribute("source-filter") else {
            return Ok(Vec::new());
        };
        // The grammar wants a space after the colon; not all write it.
        let value = a.value.as_deref().unwrap_or_default().trim();
        let filter: SourceFilter = value
            .parse()
            .map_err(|_| self.malformed(a, "expected incl IN IP4 GROUP SOURCE"))?;
        let here = match filter.destination {
            SourceFilterDestination::Address(SourceFilterAddress::IpAddr(ip)) => ip == destination,
            _ => true,
        };
        if !here || filter.mode != SourceFilterMode::Incl {
            return Ok(Vec::new());
        }
        let sources = filter.sources.into_iter().filter_map(|s| match s {
            SourceFilterAddress::IpAddr(ip) if ip.is_ipv4() == destination.is_ipv4() => Some(ip),
            _ => None,
        });
        Ok(sources.collect())
    }

    fn ssrcs(&self) -> Result<Vec<SsrcDescription>, SdpError> {
        let mut ssrcs: Vec<SsrcDescription> = Vec::new();
        for a in self.own("ssrc") {
            let s: Ssrc = a
                .value
                .as_deref()
                .unwrap_or_default()
                .parse()
                .map_err(|_| self.malformed(a, "expected NUMBER cname:NAME"))?;
            let known = ssrcs.iter().any(|known| known.ssrc == s.ssrc_id);
            if s.attribute != SsrcAttribute::Cname || known || ssrcs.len() == MAX_SSRCS {
                continue;
            }
            if let Some(cname) = text(s.value.as_deref()) {
                ssrcs.push(SsrcDescription {
                    ssrc: s.ssrc_id,
                    cname,
                });
            }
        }
        Ok(ssrcs)
    }

    fn media_clock(&self) -> Option<MediaClock> {
        match self.attribute("mediaclk")?.value.as_deref()?.trim() {
            "sender" => Some(MediaClock::Sender),
            // A rate other than nominal may follow; it is for video.
            direct => direct
                .strip_prefix("direct=")?
                .split_ascii_whitespace()
                .next()?
                .parse()
                .ok()
                .map(|offset| MediaClock::Direct { offset }),
        }
    }
}

fn check_protocol(proto: &str) -> Result<(), Skipped> {
    match proto {
        "RTP/AVP" | "RTP/AVPF" => Ok(()),
        p if p.contains("SAVP") => Err(format!(
            "{p} is encrypted RTP, which is not supported; expected RTP/AVP"
        )),
        p => Err(format!(
            "transport {p:?} is not supported; expected RTP/AVP"
        )),
    }
}

fn named<'a>(attributes: &'a [Attribute], name: &str) -> impl Iterator<Item = &'a Attribute> {
    attributes
        .iter()
        .filter(move |a| a.attribute.eq_ignore_ascii_case(name))
}

/// Text without space around it; `None` where nothing is left.
fn text(s: Option<&str>) -> Option<String> {
    s.map(str::trim)
        .filter(|s| !s.is_empty())
        .map(str::to_owned)
}

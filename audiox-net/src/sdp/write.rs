//! From our types to text, by way of `sdp-types`, which keeps line breaks out of fields.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use audiox_core::codec::EncodingName;
use sdp_types::{AddrType, Attribute, Connection, Media, NetType, Session, Time};

use super::{Direction, MediaClock, MediaDescription, Origin, PayloadFormat, SessionDescription};
use crate::udp::RtcpPort;

pub(super) fn session(s: &SessionDescription, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let connections: Vec<_> = s.media.iter().map(connection).collect();
    // One connection for all is what the simplest receivers understand.
    let shared = connections
        .first()
        .filter(|first| connections.iter().all(|c| c == *first))
        .cloned();
    let mut medias: Vec<_> = s.media.iter().map(media).collect();
    if shared.is_none() {
        for (media, connection) in medias.iter_mut().zip(connections) {
            media.connections.push(connection);
        }
    }
    let text = Session {
        origin: origin(&s.origin),
        // RFC 8866 section 5.3: a session without a name has "-".
        session_name: Some(s.name.clone())
            .filter(|n| !n.is_empty())
            .unwrap_or_else(|| "-".to_owned()),
        session_description: s.info.clone(),
        uri: None,
        emails: Vec::new(),
        phones: Vec::new(),
        connection: shared,
        bandwidths: Vec::new(),
        times: vec![Time::new(0, 0)],
        time_zones: Vec::new(),
        key: None,
        attributes: vec![Attribute::with_value(
            "tool",
            concat!("audiox ", env!("CARGO_PKG_VERSION")),
        )],
        medias,
    };
    let mut out = Vec::new();
    text.write(&mut out).map_err(|_| fmt::Error)?;
    f.write_str(&String::from_utf8_lossy(&out))
}

fn origin(o: &Origin) -> sdp_types::Origin {
    let addrtype = match o.address.parse::<IpAddr>() {
        Ok(ip) => AddrType::from(ip),
        Err(_) => AddrType::Ip4,
    };
    sdp_types::Origin::new(&o.id, o.version, NetType::In, addrtype, &o.address)
}

fn connection(m: &MediaDescription) -> Connection {
    // RFC 8866 section 5.7: no other address has a time to live.
    let ttl = match m.address {
        IpAddr::V4(ip) if ip.is_multicast() => m.ttl,
        _ => None,
    };
    Connection::from_ip_addr_ttl(m.address, ttl)
}

fn media(m: &MediaDescription) -> Media {
    let types: Vec<_> = m
        .formats
        .iter()
        .map(|f| f.payload_type.to_string())
        .collect();
    let mut attributes = Vec::new();
    let mut add = |name: &str, value: String| attributes.push(Attribute::with_value(name, value));
    // The preferred last: ffmpeg takes what it read last for the stream's, of whatever type.
    for f in m.formats.iter().rev() {
        add("rtpmap", rtpmap(f));
        if let Some(fmtp) = &f.fmtp {
            add("fmtp", format!("{} {fmtp}", f.payload_type));
        }
    }
    if m.nack {
        add("rtcp-fb", "* nack".to_owned());
    }
    if let Some(d) = m.ptime {
        add("ptime", millis(d));
    }
    if let Some(d) = m.max_ptime {
        add("maxptime", millis(d));
    }
    if let RtcpPort::Port(port) = m.rtcp {
        add("rtcp", port.to_string());
    }
    if !m.sources.is_empty() {
        add("source-filter", source_filter(m));
    }
    for s in &m.ssrcs {
        add("ssrc", format!("{} cname:{}", s.ssrc, s.cname));
    }
    if let Some(clock) = &m.reference_clock {
        add("ts-refclk", clock.clone());
    }
    match m.media_clock {
        Some(MediaClock::Sender) => add("mediaclk", "sender".to_owned()),
        Some(MediaClock::Direct { offset }) => add("mediaclk", format!("direct={offset}")),
        None => {}
    }
    if m.rtcp == RtcpPort::Mux {
        attributes.push(Attribute::new("rtcp-mux"));
    }
    match m.direction {
        Direction::SendRecv => {}
        Direction::SendOnly => attributes.push(Attribute::new("sendonly")),
        Direction::RecvOnly => attributes.push(Attribute::new("recvonly")),
        Direction::Inactive => attributes.push(Attribute::new("inactive")),
    }
    Media {
        media: "audio".to_owned(),
        port: m.port,
        num_ports: None,
        proto: if m.nack { "RTP/AVPF" } else { "RTP/AVP" }.to_owned(),
        fmt: types.join(" "),
        media_title: m.title.clone(),
        connections: Vec::new(),
        bandwidths: Vec::new(),
        key: None,
        attributes,
    }
}

/// What holds no audio has no channels, as RFC 4588 section 8 writes it.
fn rtpmap(f: &PayloadFormat) -> String {
    let (pt, codec) = (f.payload_type, &f.codec);
    match [EncodingName::RTX, EncodingName::WINDOW_FEC].contains(&codec.encoding) {
        true => format!("{pt} {}/{}", codec.encoding, codec.rate.get()),
        false => format!("{pt} {codec}"),
    }
}

fn source_filter(m: &MediaDescription) -> String {
    let family = match m.sources.first() {
        Some(IpAddr::V6(_)) => "IP6",
        _ => "IP4",
    };
    let sources: Vec<_> = m.sources.iter().map(IpAddr::to_string).collect();
    format!("incl IN {family} {} {}", m.address, sources.join(" "))
}

/// Milliseconds in as few digits as are exact.
fn millis(d: Duration) -> String {
    let nanos = d.as_nanos();
    let (whole, fraction) = (nanos / 1_000_000, nanos % 1_000_000);
    if fraction == 0 {
        return whole.to_string();
    }
    format!("{whole}.{fraction:06}")
        .trim_end_matches('0')
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_have_no_needless_digits() {
        let write = |ns| millis(Duration::from_nanos(ns));
        assert_eq!(write(10_000_000), "10");
        assert_eq!(write(2_500_000), "2.5");
        assert_eq!(write(125_000), "0.125");
        assert_eq!(write(333_333), "0.333333");
    }
}

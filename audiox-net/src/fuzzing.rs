//! Bodies of the fuzz targets: what must hold for any bytes whatever.

use crate::Endpoint;
use crate::sdp::SessionDescription;

/// A fuzz target's body; it panics where a property does not hold.
pub type Body = fn(&[u8]);

/// Every body of this crate under the name of its target and of its corpus folder.
pub const BODIES: &[(&str, Body)] = &[
    ("endpoint", endpoint),
    ("sdp", sdp),
    #[cfg(feature = "socketio")]
    ("socketio", socketio),
];

/// What a client of Socket.IO posts is read, written and read back the same, or refused.
///
/// # Panics
/// It is not.
#[cfg(feature = "socketio")]
pub fn socketio(data: &[u8]) {
    use crate::socketio::{EnginePacket, Packet};
    let Ok(body) = std::str::from_utf8(data) else {
        return;
    };
    for packet in EnginePacket::parse_body(body).flatten() {
        let mut text = String::new();
        packet.write(&mut text);
        assert_eq!(EnginePacket::parse(&text), Ok(packet.clone()));
        let EnginePacket::Message(message) = packet else {
            continue;
        };
        let Ok(read) = Packet::parse(message, 8) else {
            continue;
        };
        let mut written = String::new();
        read.write(&mut written);
        assert_eq!(Packet::parse(&written, 8), Ok(read.clone()), "{written}");
        let _ = read.into_event(Vec::new());
    }
}

/// Whatever is read as a session description is written and read back the same.
///
/// # Panics
/// It is not.
pub fn sdp(data: &[u8]) {
    let Ok(mut read) = SessionDescription::parse(data) else {
        return;
    };
    // What was left out is not written.
    read.skipped.clear();
    let written = read.to_string();
    match SessionDescription::parse(written.as_bytes()) {
        Ok(again) => assert_eq!(read, again, "{written}"),
        Err(e) => panic!("{e}\n{written}"),
    }
}

/// Any text is a URL or a clear error, and a host survives being written.
///
/// # Panics
/// It does not.
pub fn endpoint(data: &[u8]) {
    let Ok(url) = std::str::from_utf8(data) else {
        return;
    };
    match url.parse::<Endpoint>() {
        Ok(Endpoint::Udp(e)) => same_address(&e.at),
        Ok(Endpoint::Rtp(e)) => same_address(&e.at),
        Ok(Endpoint::Sdp(path)) => assert_eq!(path.to_str(), Some(url)),
        Err(e) => assert!(!e.to_string().is_empty()),
    }
}

fn same_address(at: &crate::endpoint::NetAddress) {
    // Characters that would need an escape again, and a lone bracket, are no host's.
    if at.host.contains(['%', '?', '&', ']', '[']) {
        return;
    }
    match format!("udp://{at}").parse::<Endpoint>() {
        Ok(Endpoint::Udp(again)) => {
            assert_eq!((&again.at.host, again.at.port), (&at.host, at.port))
        }
        other => panic!("{at}: {other:?}"),
    }
}

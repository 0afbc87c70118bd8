//! Plain WebSockets and HTTP: live, from the archive, and from the one into the other.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use audiox_core::store::{Archive, StreamId};
use audiox_websocket::RelayConfig;
use audiox_websocket::access::Roles;
use audiox_websocket::packet::Header;
use serde_json::Value;
use tokio_tungstenite::tungstenite::{self, Message};

use crate::support::{Away, Server, Socket, archive, pcm, until};

/// Everything up to the end: where frames begin, and all frames in a row.
fn heard(socket: &mut Socket) -> (Option<i64>, Vec<u8>, bool) {
    let (mut first, mut all, mut holes) = (None, Vec::new(), false);
    loop {
        match socket.read().unwrap() {
            Message::Binary(message) => {
                let (header, frames) = Header::parse(&message).unwrap();
                let first = *first.get_or_insert(header.at.0);
                holes |= header.at.0 != first + all.len() as i64 / 2;
                all.extend_from_slice(&frames);
            }
            Message::Text(text) => {
                let told: Value = serde_json::from_str(&text).unwrap();
                if told.get("ended").is_some() {
                    return (first, all, holes);
                }
                assert!(told.get("error").is_none(), "{told}");
            }
            _ => {}
        }
    }
}

/// Past the description of the stream.
fn listen(server: &Server, id: &StreamId, query: &str) -> Socket {
    let mut socket = server.socket(&format!("/api/streams/{id}/listen{query}"));
    let hello: Value = serde_json::from_str(socket.read().unwrap().to_text().unwrap()).unwrap();
    assert_eq!(hello["stream_id"], id.as_str());
    assert_eq!(hello["rate"], 44_100);
    socket
}

#[test]
fn listeners_slide_from_the_archive_into_what_is_live_without_a_gap_or_repeat() {
    let server = Server::start();
    let id = server.create("");
    let sent = pcm(0, 44_100 * 4);
    let post = |from: usize, to: usize| {
        for part in sent[from * 2..to * 2].chunks(3_000) {
            server.post(&id, part);
        }
    };
    post(0, 100_000);
    let mut all = listen(&server, &id, "?from=start");
    let mut late = listen(&server, &id, "?from=-1s");
    let mut live = listen(&server, &id, "");
    let mut one = listen(&server, &id, "?from=1s");
    std::thread::scope(|scope| {
        let [all, late, live, one] = [&mut all, &mut late, &mut live, &mut one]
            .map(|socket| scope.spawn(move || heard(socket)));
        post(100_000, 44_100 * 4);
        server.end(&id);
        assert!(all.join().unwrap() == (Some(0), sent.clone(), false));
        for (listener, at) in [(late, 55_900), (live, 100_000), (one, 44_100)] {
            let (first, got, holes) = listener.join().unwrap();
            assert_eq!((first, holes), (Some(at), false));
            assert!(got == sent[at as usize * 2..]);
        }
    });
    // And when it is over.
    let (first, got, _) = heard(&mut listen(&server, &id, "?from=3s"));
    assert_eq!(first, Some(132_300));
    assert!(got == sent[264_600..]);
    until(|| server.relay.info(&id).unwrap().other_listeners == 0);
}

#[test]
fn who_reads_slowly_has_holes_live_and_none_from_the_archive() {
    let config = RelayConfig {
        listener_bytes: 100_000,
        ..RelayConfig::default()
    };
    let server = Server::with(config, Roles::default(), archive());
    let id = server.create("");
    let mut live = listen(&server, &id, "");
    let mut whole = listen(&server, &id, "?from=start");
    let sent = pcm(0, 8_000_000);
    for part in sent.chunks(160_000) {
        server.post(&id, part);
    }
    server.end(&id);
    let (first, got, holes) = heard(&mut whole);
    assert_eq!((first, holes, got.len()), (Some(0), false, sent.len()));
    assert!(got == sent);
    let (_, got, holes) = heard(&mut live);
    assert!(holes && got.len() < sent.len(), "{}", got.len());
}

#[test]
fn http_plays_on_and_has_parts_of_what_is_stored() {
    let server = Server::start();
    let id = server.create("");
    let sent = pcm(0, 66_150);
    server.post(&id, &sent[..44_100]);
    let at = server.url().replace("http://", "");
    let mut stream = TcpStream::connect(&at).unwrap();
    write!(
        stream,
        "GET /api/streams/{id}/live.wav HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    until(|| server.relay.info(&id).unwrap().other_listeners == 1);
    server.post(&id, &sent[44_100..]);
    server.end(&id);
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let riff = answer.windows(4).position(|w| w == b"RIFF").unwrap();
    let data = answer.windows(4).position(|w| w == b"data").unwrap();
    assert_eq!(data - riff, 36);
    assert!(
        answer[data..]
            .windows(1_000)
            .any(|w| w == &sent[50_000..51_000])
    );
    for (query, from, to) in [
        ("", 0, 66_150),
        ("?from=0.5s&to=1s", 22_050, 44_100),
        ("?from=-250ms", 55_125, 66_150),
        ("?from=9s", 66_150, 66_150),
    ] {
        let line = format!("GET /api/streams/{id}/audio.wav{query}");
        let (status, head, body) = server.ask(&line, &[], b"");
        assert_eq!(status, 200, "{query}");
        assert!(head.contains("audio/wav"), "{head}");
        assert!(body[44..] == sent[from * 2..to * 2], "{query}");
        let length = u32::from_le_bytes(body[40..44].try_into().unwrap());
        assert_eq!(length as usize, body.len() - 44, "{query}");
        let (_, _, raw) = server.ask(&line.replace(".wav", ".raw"), &[], b"");
        assert!(raw == body[44..], "{query}");
    }
    let (status, told) = server.json(&format!("GET /api/streams/{id}/audio.wav?from=soon"), b"");
    assert_eq!(status, 400, "{told}");
}

#[test]
fn senders_may_use_a_websocket() {
    let server = Server::start();
    let id = server.create(r#"{"rate": 44100, "channels": 1, "format": "s16be"}"#);
    let mut listener = listen(&server, &id, "");
    let mut sender = server.socket(&format!("/api/streams/{id}/ingest"));
    let sent = pcm(0, 10_000);
    for part in sent.chunks(1_001) {
        sender.send(Message::binary(part.to_vec())).unwrap();
    }
    sender.send(Message::text("end")).unwrap();
    assert!(sender.read().unwrap().is_close());
    assert!(heard(&mut listener).1 == sent);
    // WAV is little-endian.
    let (_, _, wav) = server.ask(&format!("GET /api/streams/{id}/audio.wav"), &[], b"");
    assert_eq!((wav[44], wav[45]), (sent[1], sent[0]));
    let ended = tungstenite::connect(format!(
        "{}/api/streams/{id}/ingest",
        server.url().replace("http", "ws")
    ));
    assert!(ended.unwrap_err().to_string().contains("400"));
}

#[test]
fn a_sender_that_falls_silent_is_ended() {
    let config = RelayConfig {
        idle: Duration::from_millis(100),
        ..RelayConfig::default()
    };
    let server = Server::with(config, Roles::default(), archive());
    let id = server.create("");
    server.post(&id, &pcm(0, 100));
    for _ in 0..80 {
        std::thread::sleep(Duration::from_millis(100));
        if !server.relay.info(&id).unwrap().is_live {
            assert_eq!(server.segments(&id, 1).len(), 1);
            return;
        }
    }
    panic!("it is live still");
}

#[test]
fn a_download_that_the_archive_fails_is_cut_off() {
    for does_fail in [false, true] {
        let archive: Arc<dyn Archive> = match does_fail {
            true => Arc::new(Away {
                archive: archive(),
                does_list: true,
            }),
            false => archive(),
        };
        let server = Server::with(RelayConfig::default(), Roles::default(), archive);
        let id = server.create("");
        server.post(&id, &pcm(0, 44_100));
        server.end(&id);
        for file in ["audio.wav", "audio.raw"] {
            let line = format!("GET /api/streams/{id}/{file}");
            let answer = server.raw(&line, &[], b"");
            assert_eq!(answer.len() > 2 * 44_100, !does_fail, "{file}");
            // The end of a body that is whole (RFC 9112 section 7.1).
            let is_whole = answer.ends_with(b"\r\n0\r\n\r\n");
            assert_eq!(is_whole, !does_fail, "{file}");
        }
    }
}

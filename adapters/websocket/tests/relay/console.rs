//! What the page is told, and how it asks.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::{Duration, SystemTime};

use audiox_net::http::Token;
use audiox_websocket::RelayConfig;
use audiox_websocket::access::Roles;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{self, client::IntoClientRequest};

use crate::support::{Server, archive};

const LISTEN: &str = "listen/listen=listen";
const PUBLISH: &str = "publish-publish-publish";

fn guarded() -> Server {
    let token = |t| vec![Token::new(t).unwrap()];
    let roles = Roles::new(token(LISTEN), token(PUBLISH), Vec::new(), false);
    Server::with(RelayConfig::default(), roles, archive())
}

/// Half a second of a wave that is 0.25 high, then as much of one of 0.5.
fn two_waves() -> Vec<u8> {
    let wave = |n: usize| if n < 22_050 { 8_192 } else { 16_384 };
    (0..44_100)
        .flat_map(|n| (if n % 100 < 50 { wave(n) } else { -wave(n) } as i16).to_le_bytes())
        .collect()
}

#[test]
fn the_page_and_all_that_it_asks_for_are_there() {
    let server = Server::start();
    let (status, head, body) = server.ask("GET /", &[], b"");
    let html = String::from_utf8(body).unwrap();
    assert_eq!(status, 200);
    assert!(
        head.to_lowercase()
            .contains("content-security-policy: default-src 'self'")
    );
    assert!(
        !html.contains("style=") && !html.contains("onclick="),
        "{html}"
    );
    let mut found = 0;
    let mut waiting = vec![html];
    let mut seen = std::collections::BTreeSet::new();
    while let Some(text) = waiting.pop() {
        for part in text.split(['"', '\'']).filter(|p| p.starts_with('/')) {
            let is_file = part.ends_with(".js") || part.ends_with(".css");
            if is_file && seen.insert(part.to_owned()) {
                let (status, _, body) = server.ask(&format!("GET {part}"), &[], b"");
                assert_eq!(status, 200, "{part}");
                found += 1;
                waiting.push(String::from_utf8(body).unwrap());
            }
        }
    }
    assert!(found >= 15, "{seen:?}");
}

#[test]
fn a_waveform_shows_what_is_archived() {
    let server = Server::start();
    let id = server.create("");
    server.post(&id, &two_waves());
    server.end(&id);
    server.segments(&id, 1);
    let ask = |query: &str| server.json(&format!("GET /api/streams/{id}/waveform?{query}"), b"");
    let (status, told) = ask("points=4");
    assert_eq!(status, 200, "{told}");
    assert_eq!(told["step"], json!(0.25));
    assert_eq!(told["max"], json!([8_192, 8_192, 16_384, 16_384]));
    assert_eq!(told["min"], json!([-8_192, -8_192, -16_384, -16_384]));
    assert_eq!(
        (&told["complete"], &told["seconds"]),
        (&json!(true), &json!(1.0))
    );
    let (_, part) = ask("from=0.4s&to=600ms&points=4000");
    assert_eq!((&part["from"], &part["step"]), (&json!(0.4), &json!(0.01)));
    let max = part["max"].as_array().unwrap();
    assert_eq!(max.len(), 20);
    assert_eq!((&max[9], &max[10]), (&json!(8_192), &json!(16_384)));
    assert_eq!(ask("from=5s").1["max"], json!([]));
    for wrong in ["points=0", "points=4001", "points=x", "from=yesterday"] {
        let (status, told) = ask(wrong);
        assert_eq!(status, 400, "{wrong}: {told}");
    }
    let (status, _) = server.json("GET /api/streams/unknown/waveform", b"");
    assert_eq!(status, 404);
}

#[test]
fn a_waveform_shows_what_is_being_written() {
    let server = Server::start();
    let id = server.create("");
    server.post(&id, &two_waves()[..4_410]);
    let (status, told) = server.json(&format!("GET /api/streams/{id}/waveform"), b"");
    assert_eq!((status, &told["max"]), (200, &Value::from(vec![8_192; 5])));
}

/// The next event's name and data.
fn event(lines: &mut impl Iterator<Item = String>) -> (String, Value) {
    let name = lines.find_map(|l| Some(l.strip_prefix("event: ")?.to_owned()));
    let data = lines.find_map(|l| Some(l.strip_prefix("data: ")?.to_owned()));
    (name.unwrap(), serde_json::from_str(&data.unwrap()).unwrap())
}

#[test]
fn events_tell_of_streams_and_of_what_passes() {
    let server = Server::start();
    let id = server.create(r#"{"name": "here"}"#);
    let mut socket = TcpStream::connect(server.url().trim_start_matches("http://")).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    write!(
        socket,
        "GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n"
    )
    .unwrap();
    let mut lines = BufReader::new(socket).lines().map(Result::unwrap);
    let (name, told) = event(&mut lines);
    assert_eq!(name, "streams");
    let here = &told["streams"][0];
    assert_eq!(
        (&here["stream_id"], &here["name"]),
        (&json!(id.as_str()), &json!("here"))
    );
    assert_eq!((&here["is_live"], &told["more"]), (&json!(true), &json!(0)));
    server.post(&id, &two_waves());
    let live = loop {
        let (name, told) = event(&mut lines);
        assert_eq!(name, "live");
        let live = told[id.as_str()].clone();
        if live["levels"][0].as_f64().unwrap() > -99.0 {
            break live;
        }
    };
    assert_eq!(live["levels"][0], json!(-6.0));
    assert_eq!(
        (&live["seconds"], &live["listeners"]),
        (&json!(1.0), &json!(0))
    );
    assert!(live["rate"].as_f64().unwrap() > 10_000.0, "{live}");
    server.end(&id);
    let ended = loop {
        let (name, told) = event(&mut lines);
        if name == "streams" {
            break told;
        }
    };
    let ended = &ended["streams"][0];
    assert_eq!(
        (&ended["is_live"], &ended["seconds"]),
        (&json!(false), &json!(1.0))
    );
}

#[test]
fn the_time_is_told_to_everybody() {
    let server = guarded();
    let (status, told) = server.json("GET /api/time", b"");
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    assert_eq!(status, 200);
    assert!((told["now"].as_f64().unwrap() - now).abs() < 60.0, "{told}");
    assert_eq!(server.json("GET /api/events", b"").0, 401);
}

/// The status of a WebSocket's handshake with these protocols, and the one that was taken.
fn handshake(server: &Server, path: &str, protocols: &str) -> (u16, Option<String>) {
    let url = format!("{}{path}", server.url().replace("http", "ws"));
    let mut request = url.into_client_request().unwrap();
    let protocols = protocols.parse().unwrap();
    request
        .headers_mut()
        .insert("Sec-WebSocket-Protocol", protocols);
    match tungstenite::connect(request) {
        Ok((_, response)) => {
            let taken = response.headers().get("Sec-WebSocket-Protocol");
            let taken = taken.map(|p| p.to_str().unwrap().to_owned());
            (response.status().as_u16(), taken)
        }
        Err(tungstenite::Error::Http(response)) => (response.status().as_u16(), None),
        Err(e) => panic!("{e}"),
    }
}

#[test]
fn a_page_gives_its_token_as_a_protocol_and_is_told_of_another() {
    let server = guarded();
    let authorized = format!("Authorization: Bearer {PUBLISH}");
    let (status, _, body) = server.ask("POST /api/streams", &[&authorized], b"");
    assert_eq!(status, 200);
    let made: Value = serde_json::from_slice(&body).unwrap();
    let id = made["stream_id"].as_str().unwrap();
    let (listen, ingest) = (
        format!("/api/streams/{id}/listen"),
        format!("/api/streams/{id}/ingest"),
    );
    let taken = (101, Some("audiox".to_owned()));
    let encoded = "audiox, bearer.listen%2Flisten%3Dlisten";
    assert_eq!(handshake(&server, &listen, encoded), taken);
    assert_eq!(handshake(&server, &ingest, encoded).0, 401);
    assert_eq!(handshake(&server, &listen, "audiox").0, 401);
    for broken in [
        "bearer.%",
        "bearer.%2",
        "bearer.%zz",
        "bearer.%ff",
        "bearer.",
    ] {
        let offered = format!("audiox, {broken}");
        assert_eq!(handshake(&server, &listen, &offered).0, 401, "{broken}");
    }
    let plain = format!("audiox, bearer.{PUBLISH}");
    assert_eq!(handshake(&server, &ingest, &plain), taken);
}

#[test]
fn who_may_listen_may_have_a_link_for_a_minute_and_cannot_renew_it_by_itself() {
    let server = guarded();
    let (publish, listen) = (
        format!("Authorization: Bearer {PUBLISH}"),
        format!("Authorization: Bearer {LISTEN}"),
    );
    let (_, _, body) = server.ask("POST /api/streams", &[&publish], b"");
    let made: Value = serde_json::from_slice(&body).unwrap();
    let line = format!(
        "POST /api/streams/{}/tokens",
        made["stream_id"].as_str().unwrap()
    );
    let ask = |head: &str, body: &[u8]| {
        let (status, _, answer) = server.ask(&line, &[head], body);
        (status, serde_json::from_slice::<Value>(&answer).unwrap())
    };
    let (status, told) = ask(&listen, br#"{"expires_in": 60}"#);
    assert_eq!(status, 200, "{told}");
    let given = format!("Authorization: Bearer {}", told["token"].as_str().unwrap());
    assert_eq!(ask(&given, br#"{"expires_in": 60}"#).0, 401);
    assert_eq!(ask(&listen, br#"{"expires_in": 61}"#).0, 401);
    assert_eq!(ask(&publish, br#"{"expires_in": 61}"#).0, 200);
}

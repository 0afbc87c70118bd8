//! The calls of the contract, row by row.

use serde_json::json;

use audiox_net::http::Token;
use audiox_websocket::RelayConfig;
use audiox_websocket::access::Roles;

use tokio_tungstenite::tungstenite;

use crate::support::{Server, archive, pcm, until};

#[test]
fn a_stream_is_made_fed_ended_listed_and_read_back() {
    let server = Server::start();
    let id = server.create("");
    assert_eq!(id.as_str().len(), 36);
    assert_eq!(&id.as_str()[14..15], "4", "a UUID of version 4");
    let (_, all) = server.json("GET /api/streams", b"");
    assert_eq!(all[id.as_str()]["is_live"], true);
    assert_eq!(all[id.as_str()]["chunks"], 0);
    // 1.2 seconds, as the original's sender cuts it.
    let sent = pcm(0, 53_248);
    for part in sent.chunks(2_048) {
        server.post(&id, part);
    }
    server.end(&id);
    let segments = server.segments(&id, 3);
    let (status, told) = server.json(&format!("GET /api/streams/{id}/chunks"), b"");
    let names: Vec<_> = segments.iter().map(ToString::to_string).collect();
    assert_eq!(
        (status, told),
        (200, json!({ "chunks": names, "is_live": false }))
    );
    let mut got = Vec::new();
    for name in &names {
        assert!(name.starts_with(&format!("{id}/")) && name.ends_with(".raw"));
        let (status, head, body) = server.ask(&format!("GET /api/chunks/{name}"), &[], b"");
        assert_eq!(status, 200);
        assert!(head.contains("content-type: audio/raw"), "{head}");
        got.extend(body);
    }
    assert_eq!(got, sent);
    let (_, all) = server.json("GET /api/streams", b"");
    assert_eq!(all[id.as_str()]["is_live"], false);
    assert_eq!(all[id.as_str()]["chunks"], names.len());
}

#[test]
fn what_is_not_known_or_over_is_told_in_the_originals_words() {
    let server = Server::start();
    let unknown = json!({ "error": "Stream not found" });
    for line in [
        "POST /api/streams/nothing/audio",
        "POST /api/streams/nothing/end",
        "GET /api/streams/nothing/chunks",
        "GET /api/streams/..%2f..%2fetc/chunks",
        "GET /api/streams/a%00b/chunks",
        "GET /api/streams/nothing",
        "DELETE /api/streams/nothing",
    ] {
        assert_eq!(server.json(line, b"x"), (404, unknown.clone()), "{line}");
    }
    for line in [
        "GET /api/chunks/nothing/1700000000.raw",
        "GET /api/chunks/nothing/..%2f..%2fpasswd",
        "GET /api/chunks/%2e%2e/1700000000.raw",
        "GET /api/chunks/nothing/1.raw%00",
    ] {
        let (status, told) = server.json(line, b"");
        assert_eq!(status, 404, "{line}");
        assert!(told["error"].is_string(), "{line}: {told}");
    }
    let id = server.create("{}");
    server.post(&id, &pcm(0, 10));
    server.end(&id);
    server.end(&id);
    let again = server.json(&format!("POST /api/streams/{id}/audio"), b"xx");
    assert_eq!(again, (400, json!({ "error": "Stream has ended" })));
}

#[test]
fn a_stream_carries_its_format_and_odd_ones_are_refused() {
    let server = Server::start();
    let id = server.create(r#"{"rate": 48000, "channels": 2, "format": "s24le", "name": "A"}"#);
    let (_, told) = server.json(&format!("GET /api/streams/{id}"), b"");
    for (field, value) in [
        ("rate", json!(48_000)),
        ("channels", json!(2)),
        ("format", json!("s24le")),
        ("codec", json!("pcm")),
        ("name", json!("A")),
        ("stream_id", json!(id.as_str())),
    ] {
        assert_eq!(told[field], value, "{field}");
    }
    for (body, named) in [
        (&br#"{"rate": 0}"#[..], "rate"),
        (br#"{"channels": 5000}"#, "channels"),
        (br#"{"format": "mp3"}"#, "s16le"),
        (br#"{"codec": "mp3"}"#, "codec"),
        (br#"{"colour": 1}"#, "colour"),
        (b"[", "body"),
        (b"\xff\xfe", "body"),
    ] {
        let (status, told) = server.json("POST /api/streams", body);
        assert_eq!(status, 400, "{told}");
        assert!(told["error"].as_str().unwrap().contains(named), "{told}");
    }
    assert_eq!(server.relay.streams().len(), 1);
}

#[test]
fn bodies_of_any_length_are_taken_up_to_the_limit_and_streamed_ones_beyond() {
    let config = RelayConfig {
        max_body: 100_000,
        max_live: 2,
        ..RelayConfig::default()
    };
    let server = Server::with(config, Roles::default(), archive());
    let id = server.create("");
    let line = format!("POST /api/streams/{id}/audio");
    server.post(&id, b"");
    let (status, _, _) = server.ask(&line, &[], &[0; 100_001]);
    assert_eq!(status, 413);
    // An odd number of bytes, cut in the middle of frames.
    let sent = pcm(0, 100_000);
    server.post(&id, &sent[..99_999]);
    let mut chunked = Vec::new();
    for part in sent[99_999..].chunks(7_001) {
        chunked.extend(format!("{:x}\r\n", part.len()).bytes());
        chunked.extend_from_slice(part);
        chunked.extend(b"\r\n");
    }
    chunked.extend(b"0\r\n\r\n");
    let (status, _, _) = server.ask(&line, &["Transfer-Encoding: chunked"], &chunked);
    assert_eq!(status, 200);
    server.end(&id);
    let mut got = Vec::new();
    for key in server.segments(&id, 5) {
        let segment = server.relay.segment(&key);
        got.extend(server.runtime.block_on(segment).unwrap());
    }
    assert!(got == sent);
    let _ = (server.create(""), server.create(""));
    let (status, told) = server.json("POST /api/streams", b"");
    assert_eq!(status, 503, "{told}");
}

#[test]
fn a_sender_that_sends_again_repeats_nothing_and_what_never_came_is_silence() {
    let server = Server::start();
    let id = server.create("");
    let sent = pcm(0, 30_000);
    let line = format!("POST /api/streams/{id}/audio");
    let post = |from: usize, to: usize| {
        let head = format!("audiox-offset: {from}");
        server.ask(&line, &[&head], &sent[from..to]).0
    };
    assert_eq!(post(0, 20_000), 200);
    assert_eq!(post(10_000, 20_000), 200);
    assert_eq!(post(15_000, 25_000), 200);
    assert_eq!(post(45_000, 60_000), 200);
    let (status, told) = server.json(&format!("GET /api/streams/{id}"), b"");
    assert_eq!((status, &told["offset"]), (200, &json!(60_000)));
    let far = server.ask(&line, &["audiox-offset: 99999999999"], b"xx").0;
    assert_eq!(far, 400);
    server.end(&id);
    let (_, _, got) = server.ask(&format!("GET /api/streams/{id}/audio.raw"), &[], b"");
    assert!(got[..25_000] == sent[..25_000] && got[45_000..] == sent[45_000..]);
    assert!(got[25_000..45_000].iter().all(|b| *b == 0));
    let archive = server.relay.archive();
    let listed = archive.list(&id, audiox_core::store::TimeRange::ALL);
    let gaps = server.runtime.block_on(listed).unwrap();
    let missing: u64 = gaps.iter().flat_map(|s| &s.gaps).map(|g| g.frames).sum();
    assert_eq!(missing, 10_000);
}

#[test]
fn tokens_are_for_what_they_are_for() {
    let [listen, publish, admin] = ["listen", "publish", "admin"].map(|r| r.repeat(4));
    let token = |t: &str| vec![Token::new(t).unwrap()];
    let roles = Roles::new(token(&listen), token(&publish), token(&admin), false);
    let server = Server::with(RelayConfig::default(), roles, archive());
    let ask = |line: &str, token: &str| {
        let head = format!("Authorization: Bearer {token}");
        let heads = if token.is_empty() {
            vec![]
        } else {
            vec![head.as_str()]
        };
        let (status, _, body) = server.ask(line, &heads, b"");
        (status, String::from_utf8_lossy(&body).into_owned())
    };
    assert_eq!(ask("POST /api/streams", "").0, 401);
    assert_eq!(ask("POST /api/streams", &listen).0, 401);
    let (status, told) = ask("POST /api/streams", &publish);
    assert_eq!(status, 200);
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    let id = told["stream_id"].as_str().unwrap();
    for (line, needs) in [
        ("GET /api/streams".to_owned(), 0),
        (format!("GET /api/streams/{id}/chunks"), 0),
        (format!("POST /api/streams/{id}/audio"), 1),
        (format!("POST /api/streams/{id}/tokens"), 1),
        (format!("POST /api/streams/{id}/end"), 1),
        (format!("DELETE /api/streams/{id}"), 2),
    ] {
        for (level, token) in ["", &listen, &publish, &admin].into_iter().enumerate() {
            let is_let = ask(&line, token).0 != 401;
            assert_eq!(is_let, level > needs, "{line} with token {level}");
        }
    }
    // For one stream, and in a link.
    let id = server
        .runtime
        .block_on(server.relay.create(Default::default(), None));
    let id = id.unwrap();
    let (_, told) = ask(&format!("POST /api/streams/{id}/tokens"), &publish);
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    let given = told["token"].as_str().unwrap();
    assert_eq!(ask(&format!("GET /api/streams/{id}/chunks"), given).0, 200);
    assert_eq!(ask("GET /api/streams", given).0, 401);
    server.runtime.block_on(server.relay.end(&id)).unwrap();
    let link = format!("GET /api/streams/{id}/live.wav?listen={given}");
    assert_eq!(ask(&link, "").0, 200);
    assert_eq!(ask(&link.replace(given, "0000"), "").0, 401);
}

#[test]
fn listeners_that_come_and_go_leave_nothing_behind() {
    let server = Server::start();
    let id = server.create("");
    for round in 0..5 {
        let mut sockets: Vec<_> = (0..40)
            .map(|n| {
                let path = match n % 2 {
                    0 => format!("/api/streams/{id}/listen"),
                    _ => "/socket.io/?EIO=4&transport=websocket".to_owned(),
                };
                server.socket(&path)
            })
            .collect();
        for socket in sockets.iter_mut().skip(1).step_by(2) {
            let join = format!("42[\"join_stream\",{{\"stream_id\":\"{id}\"}}]");
            for said in ["40".to_owned(), join] {
                socket.send(tungstenite::Message::text(said)).unwrap();
            }
        }
        let listeners = || {
            let info = server.relay.info(&id).unwrap();
            info.listeners + info.other_listeners
        };
        until(|| listeners() == 40);
        server.post(&id, &pcm(round * 1_000, 1_000));
        drop(sockets);
        until(|| listeners() == 0);
    }
}

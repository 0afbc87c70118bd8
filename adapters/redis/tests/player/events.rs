//! Events, as an unmodified client of the contract hears them.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use audiox_net::http::Token;
use audiox_redis::player::{PlayerConfig, Roles};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::{Ear, Server, names, tone, until, wav};

struct Peer {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Peer {
    /// A client that has been told that it is connected.
    fn connect(server: &Server, transports: &str, events: usize, watched: Option<&str>) -> Self {
        let there = Command::new("/usr/bin/python3")
            .args(["-c", "import socketio, websocket, requests"])
            .output();
        assert!(
            there.is_ok_and(|o| o.status.success()),
            "python3 with python3-socketio, python3-websocket and python3-requests is missing; \
             install with: scripts/bootstrap.sh test"
        );
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/player.py");
        let mut child = Command::new("/usr/bin/python3")
            .arg(script)
            .args([&server.url(), transports, &events.to_string()])
            .args(watched)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        let mut peer = Self { child, lines };
        let (name, data) = peer.event();
        assert_eq!(name, "connected");
        assert_eq!(names(&data), ["message"]);
        assert!(data["message"].as_str().is_some_and(|m| !m.is_empty()));
        peer
    }

    fn event(&mut self) -> (String, Value) {
        let mut line = String::new();
        assert_ne!(
            self.lines.read_line(&mut line).unwrap(),
            0,
            "no more events"
        );
        serde_json::from_str(&line).unwrap()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn clients_hear_that_playing_is_done_over_every_transport() {
    let ear = Ear::default();
    let server = Server::heard_by(&ear);
    server.session("a", &wav(&tone(440.0, 4_000)));
    let all = ["polling,websocket", "websocket", "polling"];
    let mut peers = all.map(|t| Peer::connect(&server, t, 1, None));
    server.json("POST /api/session/a/play");
    for peer in &mut peers {
        let (name, data) = peer.event();
        assert_eq!(name, "playback_complete");
        assert_eq!(names(&data), ["session_id", "success", "message"]);
        let wanted = json!({ "session_id": "a", "success": true, "message": "Playback completed" });
        assert_eq!(data, wanted);
    }
}

#[test]
fn clients_hear_that_playing_was_stopped_and_that_it_failed() {
    let ear = Ear {
        is_paced: true,
        breaks_after: Some(48_000),
        ..Ear::default()
    };
    let server = Server::heard_by(&ear);
    server.session("a", &wav(&tone(440.0, 160_000)));
    let mut peer = Peer::connect(&server, "websocket", 2, None);
    server.json("POST /api/session/a/play");
    server.json("POST /api/session/a/stop");
    let (name, data) = peer.event();
    assert_eq!(
        (name.as_str(), &data["success"]),
        ("playback_complete", &json!(false))
    );
    server.json("POST /api/session/a/play");
    let (name, data) = peer.event();
    assert_eq!(name, "playback_error");
    let wanted = json!({ "session_id": "a", "error": "Failed to play audio: the cable is out" });
    assert_eq!(data, wanted);
    assert_eq!(names(&data), ["session_id", "error"]);
    assert_eq!(server.player.stats().playback_errors, 1);
}

#[test]
fn who_may_not_have_a_session_does_not_hear_that_it_is_played() {
    let token = "only-for-operating-in-tests";
    let roles = Roles::new(vec![], vec![Token::new(token).unwrap()], true);
    let ear = Ear::default();
    let server = Server::with(PlayerConfig::default(), roles, Some(ear));
    server.session_with("hidden", &[], &STANDARD.encode(wav(&tone(440.0, 400))));
    server.session("known", &wav(&tone(440.0, 400)));
    let mut peer = Peer::connect(&server, "websocket", 1, None);
    let operator = format!("Authorization: Bearer {token}");
    let (_, _, told) = server.ask("POST /api/session/hidden/play", &[&operator]);
    assert!(told.starts_with(br#"{"success":true"#));
    until("it was played", || server.player.stats().playing == 0);
    server.json("POST /api/session/known/play");
    assert_eq!(peer.event().1["session_id"], "known");
}

#[test]
fn who_watches_a_session_is_told_that_it_grows_and_goes() {
    let server = Server::start();
    let fields = [("authenticated", "True"), ("is_recording", "True")];
    let id = server.session_with("a", &fields, "");
    let mut peer = Peer::connect(&server, "websocket", 3, Some("a"));
    let told = |length: u64, gone: bool| {
        let data = json!({
            "session_id": "a",
            "audio_buffer_length": length,
            "is_recording": !gone,
            "gone": gone,
        });
        ("session_grew".to_owned(), data)
    };
    assert_eq!(peer.event(), told(0, false));
    server.append(&id, &[1, 2, 3]);
    assert_eq!(peer.event(), told(4, false));
    server.sessions.memory.advance(Duration::from_secs(4_000));
    assert_eq!(peer.event(), told(0, true));
    until("it is let go", || server.player.stats().listeners == 0);
}

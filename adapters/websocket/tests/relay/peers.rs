//! Foreign clients of the contract.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use audiox_core::store::StreamId;
use serde_json::{Value, json};

use crate::support::{Server, pcm};

/// Bytes that the original's sender posts at a time.
const PACKET: usize = 2_048;

fn peers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers")
}

fn python() -> Command {
    let mut command = Command::new("/usr/bin/python3");
    let there = Command::new("/usr/bin/python3")
        .args(["-c", "import socketio, websocket, requests"])
        .output();
    assert!(
        there.is_ok_and(|o| o.status.success()),
        "python3 with python3-socketio, python3-websocket and python3-requests is missing; \
         install with: scripts/bootstrap.sh test"
    );
    command.arg(peers().join("listener.py"));
    command
}

fn node() -> Command {
    assert!(
        peers().join("node_modules/socket.io-client").exists(),
        "socket.io-client is missing; install with: scripts/bootstrap.sh test"
    );
    let mut command = Command::new("node");
    command.arg(peers().join("listener.mjs"));
    command
}

/// A listener that has joined.
struct Listener {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
}

impl Listener {
    fn start(mut command: Command, server: &Server, id: &str, transports: &str, n: usize) -> Self {
        let mut child = command
            .args([&server.url(), id, transports, &n.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, output }
    }

    fn joined(mut self) -> Self {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        assert_eq!(line, "joined\n");
        self
    }

    fn told(mut self) -> Value {
        let mut text = String::new();
        self.output.read_to_string(&mut text).unwrap();
        assert!(self.child.wait().unwrap().success(), "{text}");
        serde_json::from_str(&text).unwrap()
    }
}

fn digest(data: &[u8]) -> String {
    // By the peers' own means: one line of Python.
    let script = "import hashlib,sys; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())";
    let mut child = Command::new("/usr/bin/python3")
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), data).unwrap();
    let output = child.wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Packets that say which they are.
fn numbered(frames: usize) -> Vec<u8> {
    let mut sent = pcm(0, frames);
    for (n, part) in sent.chunks_mut(PACKET).enumerate() {
        part[..2].copy_from_slice(&(n as u16).to_be_bytes());
    }
    sent
}

/// Frames to send; in the long form those of a quarter of a minute.
fn frames(short: usize) -> usize {
    match std::env::var_os("AUDIOX_LONG") {
        Some(_) => 12 * short,
        None => short,
    }
}

fn send(server: &Server, id: &StreamId, sent: &[u8]) {
    for part in sent.chunks(PACKET) {
        server.post(id, part);
    }
    server.end(id);
}

#[test]
fn python_clients_hear_live_and_stored_audio_byte_for_byte() {
    let server = Server::start();
    let id = server.create("");
    let sent = numbered(frames(53_248));
    let all = ["polling,websocket", "websocket", "polling"];
    let listeners: Vec<_> = all
        .iter()
        .map(|t| Listener::start(python(), &server, id.as_str(), t, sent.len()))
        .collect();
    let listeners: Vec<_> = listeners.into_iter().map(Listener::joined).collect();
    send(&server, &id, &sent);
    let whole = digest(&sent);
    for (listener, transports) in listeners.into_iter().zip(all) {
        let told = listener.told();
        let joined = json!({ "stream_id": id.as_str(), "is_live": true });
        assert_eq!(told["joined"], joined, "{transports}");
        assert_eq!(told["wrong"], 0, "{transports}");
        assert_eq!(told["heard"], whole, "{transports}: {told}");
        assert_eq!(told["got"], whole, "{transports}: {told}");
        assert_eq!(told["is_live"], false);
        let chunks = told["chunks"].as_array().unwrap();
        assert!(!chunks.is_empty(), "{told}");
        let is_websocket = transports != "polling";
        assert_eq!(told["transport"] == "websocket", is_websocket, "{told}");
    }
}

#[test]
fn the_browsers_client_hears_the_same() {
    let server = Server::start();
    let id = server.create("");
    let sent = pcm(0, frames(30_720));
    let listeners = ["polling,websocket", "websocket", "polling"]
        .map(|t| Listener::start(node(), &server, id.as_str(), t, sent.len()).joined());
    send(&server, &id, &sent);
    let whole = digest(&sent);
    for (listener, is_websocket) in listeners.into_iter().zip([true, true, false]) {
        let told = listener.told();
        assert_eq!(told["heard"], whole, "{told}");
        assert_eq!(told["upgraded"], is_websocket, "{told}");
    }
}

#[test]
fn who_joins_what_is_not_there_is_told_and_who_is_late_gets_the_list() {
    let server = Server::start();
    for id in ["nothing", "../../etc", ""] {
        let told = Listener::start(python(), &server, id, "websocket", 1).told();
        assert_eq!(told["error"], "Invalid stream ID", "{id}: {told}");
    }
    let id = server.create("");
    let sent = numbered(53_248);
    send(&server, &id, &sent);
    server.segments(&id, 3);
    let late = Listener::start(python(), &server, id.as_str(), "websocket", 0).joined();
    let told = late.told();
    assert_eq!(told["joined"]["is_live"], false);
    assert_eq!(told["chunks"], told["listed"]);
    assert_eq!(told["got"], digest(&sent));
}

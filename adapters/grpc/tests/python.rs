//! Devices written in Python from the contract, with grpcio and libopus, against the server.
#![cfg(test)]

#[path = "support/sounding.rs"]
mod support;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use audiox_grpc::{DeviceServer, ServerHandle};
use support::Sounding;

fn server(sounds: &Sounding, bind: &str) -> ServerHandle {
    let server = DeviceServer::bind(sounds.config(bind)).unwrap();
    server.spawn().unwrap()
}

/// Starts a script against a server. What it needs is named where it is missing.
fn script(name: &str, target: &str) -> Child {
    let needed = "import ctypes, grpc, grpc_tools; ctypes.CDLL('libopus.so.0')";
    let tried = Command::new(PYTHON).args(["-c", needed]).output();
    assert!(
        tried.is_ok_and(|o| o.status.success()),
        "{PYTHON} with grpcio, grpcio-tools and libopus is missing; run scripts/bootstrap.sh test, \
         or apt-get install python3-grpcio python3-grpc-tools libopus0"
    );
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python");
    Command::new(PYTHON)
        .arg("-B")
        .arg(folder.join(name))
        .arg(target)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn passes(child: Child) {
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

#[test]
fn two_devices_go_through_the_whole_sequence_at_once() {
    let sounds = Sounding::new();
    let server = server(&sounds, "127.0.0.1:0");
    passes(script("sequence.py", &server.local_addr().to_string()));
    let now = server.hub().snapshot();
    assert_eq!((now.devices.len(), now.playing), (2, 0));
    for device in &now.devices {
        assert_eq!((device.odd_events, device.dropped), (0, 0), "{device:?}");
        assert!(device.packets > 300 && device.connects >= 2, "{device:?}");
    }
    server.stop().unwrap();
}

#[test]
fn odd_devices_are_answered_and_harm_nobody() {
    let sounds = Sounding::new();
    let server = server(&sounds, "127.0.0.1:0");
    sounds.remove("d.wav");
    // It is looked at once a second.
    while server
        .hub()
        .snapshot()
        .sounds
        .iter()
        .all(|s| s.trouble.is_none())
    {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    passes(script("trouble.py", &server.local_addr().to_string()));
    let now = server.hub().snapshot();
    let odd = now.devices.iter().find(|d| d.id == "odd").unwrap();
    assert_eq!((odd.odd_events, odd.battery), (5, None));
    let gone = now.devices.iter().find(|d| d.id == "gone").unwrap();
    assert_eq!(gone.mode, 0);
    server.stop().unwrap();
}

#[test]
fn a_server_that_ends_ends_its_sounds_and_another_one_is_found() {
    let sounds = Sounding::new();
    let first = server(&sounds, "127.0.0.1:0");
    let address = first.local_addr().to_string();
    let mut child = script("restart.py", &address);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut said = || lines.next().and_then(Result::ok).unwrap_or_default();
    let began = said();
    first.stop().unwrap();
    let ended = said();
    let second = server(&sounds, &address);
    let mut stdin = child.stdin.take().unwrap();
    let told = stdin.write_all(b"again\n");
    passes(child);
    assert_eq!((began.as_str(), ended.as_str()), ("playing", "ended"));
    told.unwrap();
    second.stop().unwrap();
}

/// The system's own: it has Debian's packages, whichever comes first in the path.
const PYTHON: &str = "/usr/bin/python3";

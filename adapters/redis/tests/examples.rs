//! The example programs do what they say, the one while the other still writes.
#![cfg(test)]

#[path = "support/server.rs"]
mod server;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use server::RedisServer;

/// A program of this crate's examples.
fn example(name: &str) -> Command {
    let test = std::env::current_exe().unwrap();
    Command::new(test.ancestors().nth(2).unwrap().join("examples").join(name))
}

/// A program that runs until it is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_reader_follows_what_the_writer_records() {
    for example in [
        include_str!("../examples/write.rs"),
        include_str!("../examples/read.rs"),
        include_str!("../examples/session_player.rs"),
    ] {
        assert!(example.lines().count() <= 70);
    }
    let server = RedisServer::start();
    let program = |name: &str| {
        let mut command = example(name);
        command.args([&server.url(), "a session"]);
        command
    };
    let mut writer = program("write").stdout(Stdio::null()).spawn().unwrap();
    // The session is there before its audio is.
    let reader = loop {
        let output = program("read")
            .stderr(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = output;
        let mut line = String::new();
        BufReader::new(output.stderr.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        if line.starts_with("a session: 440 Hz") {
            break output;
        }
        assert!(writer.try_wait().unwrap().is_none(), "{line}");
        output.wait().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20));
    };
    let heard = reader.wait_with_output().unwrap();
    assert!(heard.status.success() && writer.wait().unwrap().success());
    assert_eq!(heard.stdout.len(), 48_000);
    for (n, sample) in heard.stdout.chunks_exact(2).enumerate() {
        let sample = f64::from(i16::from_le_bytes([sample[0], sample[1]]));
        let sine = (n as f64 * 440.0 / 8_000.0 * std::f64::consts::TAU).sin();
        assert!((sample - sine * 9_000.0).abs() < 2.0, "frame {n}");
    }
}

#[test]
fn the_player_shows_what_there_is() {
    let redis = RedisServer::start();
    let mut writer = example("write");
    writer.args([&redis.url(), "a-session"]);
    assert!(writer.stdout(Stdio::null()).status().unwrap().success());
    let mut player = example("session_player");
    player.args([&redis.url(), "127.0.0.1:0"]);
    let mut player = Running(player.stdout(Stdio::piped()).spawn().unwrap());
    let mut url = String::new();
    let mut told = BufReader::new(player.0.stdout.take().unwrap());
    told.read_line(&mut url).unwrap();
    let place = url.trim().trim_start_matches("http://");
    let place = place.trim_end_matches('/');
    let ask = |path: &str| {
        let mut stream = TcpStream::connect(place).unwrap();
        let head = format!("GET {path} HTTP/1.0\r\nHost: {place}\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
        let body = answer.split_off(end + 4);
        assert!(answer.starts_with(b"HTTP/1.0 200"), "{path}");
        body
    };
    assert!(String::from_utf8_lossy(&ask("/")).contains("Voice sessions"));
    let list = String::from_utf8(ask("/api/sessions")).unwrap();
    assert!(
        list.contains(r#""session_id":"a-session","user_name":"440 Hz""#),
        "{list}"
    );
    let wav = ask("/api/session/a-session/download");
    let format = wav.windows(4).position(|w| w == b"fmt ").unwrap();
    assert_eq!(wav[format + 12..][..4], 8_000u32.to_le_bytes());
    // Three seconds of 16-bit samples behind the header.
    assert!((48_044..48_200).contains(&wav.len()), "{}", wav.len());
}

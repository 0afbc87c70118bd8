//! The example programs do what they say.
#![cfg(test)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

#[test]
fn relay_serves_its_page_and_a_tone() {
    assert!(include_str!("../examples/relay.rs").lines().count() <= 60);
    let test = std::env::current_exe().unwrap();
    let program = test.ancestors().nth(2).unwrap().join("examples/relay");
    let mut relay = Command::new(program)
        .args(["--tone", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    let mut output = BufReader::new(relay.stdout.take().unwrap());
    output.read_line(&mut said).unwrap();
    let at = said.trim().strip_prefix("http://").unwrap();
    let ask = |path: &str| {
        let mut socket = TcpStream::connect(at).unwrap();
        let head = format!("GET {path} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n");
        socket.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        answer
    };
    assert!(ask("/").contains("<title>audiox relay</title>"));
    let is_heard = (0..100).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        let streams = ask("/api/streams");
        streams.contains("\"name\":\"440 Hz\"") && !streams.contains("\"seconds\":0.0")
    });
    // And the smallest listener hears it.
    let streams = ask("/api/streams");
    let id = streams.split('"').nth(1).unwrap_or_default();
    let listener = test.ancestors().nth(2).unwrap().join("examples/listener");
    let mut listener = Command::new(listener)
        .args([&format!("http://{at}/{id}"), "start"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut heard = vec![0; 20_000];
    let is_whole = listener.stdout.take().unwrap().read_exact(&mut heard);
    for mut child in [relay, listener] {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert!(is_heard && is_whole.is_ok());
    let sine = |n: usize| (n as f64 * 440.0 / 44_100.0 * std::f64::consts::TAU).sin();
    for (n, sample) in heard.chunks_exact(2).enumerate() {
        let sample = f64::from(i16::from_le_bytes([sample[0], sample[1]]));
        assert!((sample - sine(n) * 9_000.0).abs() < 2.0, "frame {n}");
    }
}

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
    relay.kill().unwrap();
    relay.wait().unwrap();
    assert!(is_heard);
}

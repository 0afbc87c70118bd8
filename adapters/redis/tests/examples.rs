//! The example programs do what they say, the one while the other still writes.
#![cfg(test)]

#[path = "support/server.rs"]
mod server;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use server::RedisServer;

#[test]
fn the_reader_follows_what_the_writer_records() {
    for example in [
        include_str!("../examples/write.rs"),
        include_str!("../examples/read.rs"),
    ] {
        assert!(example.lines().count() <= 70);
    }
    let server = RedisServer::start();
    let test = std::env::current_exe().unwrap();
    let program = |name: &str| {
        let mut command =
            Command::new(test.ancestors().nth(2).unwrap().join("examples").join(name));
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

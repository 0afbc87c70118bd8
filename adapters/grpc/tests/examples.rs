//! The example programs do what they say.
#![cfg(test)]

use std::env;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

fn program(name: &str) -> Command {
    let test = env::current_exe().unwrap();
    Command::new(test.ancestors().nth(2).unwrap().join("examples").join(name))
}

#[test]
fn a_device_plays_what_a_server_serves() {
    for source in [
        include_str!("../examples/server.rs"),
        include_str!("../examples/device.rs"),
    ] {
        assert!(source.lines().count() <= 60);
    }
    let mut server = program("server")
        .arg("127.0.0.1:0")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let said = BufReader::new(server.stdout.take().unwrap());
    let url = said.lines().next().unwrap().unwrap();
    let device = program("device").arg(&url).output().unwrap();
    // Its input ends, and so does it.
    drop(server.stdin.take());
    let ended = server.wait().unwrap();
    let said = String::from_utf8(device.stdout).unwrap();
    assert!(device.status.success() && ended.success(), "{said}");
    // 3.61 s, and LED 1 lit.
    assert!(
        said.contains("181 packets") && said.contains("#FF00FFFF"),
        "{said}"
    );
}

//! The example programs do what they say.
#![cfg(test)]

use std::env;
use std::net::UdpSocket;
use std::process::Command;
use std::time::Duration;

use audiox_core::format::{Channels, SampleFormat, SampleRate, StreamFormat};
use audiox_core::source::Sink;
use audiox_io::wav::WavSink;

#[test]
fn stream_folder_sends_every_file_of_a_folder_byte_for_byte() {
    assert!(include_str!("../examples/stream_folder.rs").lines().count() <= 40);
    let folder = tempfile::tempdir().unwrap();
    let mono = StreamFormat::new(SampleRate::HZ_8000, Channels::MONO);
    let files = [("1.wav", 7u8), ("2.wav", 9)];
    for (name, byte) in files {
        let path = folder.path().join(name);
        let mut file = WavSink::create(path, mono, SampleFormat::S16).unwrap();
        file.write_native(&[byte; 2 * 1_000]).unwrap();
        file.finish().unwrap();
    }
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = receiver.local_addr().unwrap().port();
    let test = env::current_exe().unwrap();
    let program = test
        .ancestors()
        .nth(2)
        .unwrap()
        .join("examples/stream_folder");
    let output = Command::new(program)
        .arg(folder.path())
        .arg(format!("udp://127.0.0.1:{port}"))
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("1.wav: 13 packets"), "{said}");

    receiver
        .set_read_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    let (mut heard, mut buf) = ([0; 256], [0; 2_048]);
    while let Ok(n) = receiver.recv(&mut buf) {
        buf[..n].iter().for_each(|b| heard[usize::from(*b)] += 1);
    }
    assert_eq!(
        (heard[7], heard[9], heard.iter().sum::<i32>()),
        (2_000, 2_000, 4_000)
    );
}

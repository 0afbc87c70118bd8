//! The example programs do what they say.
#![cfg(test)]

use std::env;
use std::net::UdpSocket;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use audiox_core::format::{Channels, SampleFormat, SampleRate, StreamFormat};
use audiox_core::source::{Sink, Source};
use audiox_io::wav::{WavSink, WavSource};

fn program(name: &str) -> PathBuf {
    let test = env::current_exe().unwrap();
    let built = test.ancestors().nth(2).unwrap();
    built.join("examples").join(name)
}

#[test]
fn player_plays_datagrams_of_1024_frames_as_they_come() {
    assert!(include_str!("../examples/player.rs").lines().count() <= 60);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("heard.wav");
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let to = taken.local_addr().unwrap();
    drop(taken);
    let playing = Command::new(program("player"))
        .arg(format!("udp://{to}?rate=44100&channels=1&chunk=1024"))
        .arg(&file)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // It listens as soon as it has made its file.
    while !file.exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    let start = std::time::Instant::now();
    for n in 0..86u32 {
        let samples = (n * 1_024..(n + 1) * 1_024).flat_map(|i| {
            let turn = (i % 100) as f32 / 100.0 * std::f32::consts::TAU;
            ((turn.sin() * 8_000.0) as i16).to_le_bytes()
        });
        sender.send_to(&samples.collect::<Vec<u8>>(), to).unwrap();
        let next = Duration::from_nanos(u64::from(n + 1) * 1_024_000_000_000 / 44_100);
        std::thread::sleep(next.saturating_sub(start.elapsed()));
    }
    let output = playing.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}");
    let mut heard = WavSource::open(&file).unwrap();
    let mut samples = vec![0.0; 44_100 * 5];
    let mut frames = 0;
    while let n @ 1.. = heard.read(&mut samples[frames..]).unwrap() {
        frames += n;
    }
    // 441 times a second from below zero, for two seconds; it dies away where nothing follows, and
    // is bridged where this thread is late.
    let rising = samples.windows(2).filter(|s| s[0] < 0.0 && s[1] >= 0.0);
    let periods = rising.count();
    assert!((700..=1_100).contains(&periods), "{periods}, {said}");
}

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
    let output = Command::new(program("stream_folder"))
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

#[test]
fn fanout_sends_each_channel_to_whom_the_list_says() {
    assert!(include_str!("../examples/fanout.rs").lines().count() <= 50);
    let folder = tempfile::tempdir().unwrap();
    let stereo = StreamFormat::new(SampleRate::HZ_44100, Channels::STEREO);
    let wav = folder.path().join("stage.wav");
    let mut file = WavSink::create(&wav, stereo, SampleFormat::S16).unwrap();
    file.write_native(&[7, 7, 9, 9].repeat(4 * 1_024)).unwrap();
    file.finish().unwrap();
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = receiver.local_addr().unwrap().port();
    let list = folder.path().join("clients.json");
    let text = format!(r#"{{"right": {{"ip": "127.0.0.1", "port": {port}, "channel": 1}}}}"#);
    std::fs::write(&list, text).unwrap();
    let test = env::current_exe().unwrap();
    let program = test.ancestors().nth(2).unwrap().join("examples/fanout");
    let output = Command::new(program).arg(wav).arg(list).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("right: 4 datagrams"), "{said}");
    receiver
        .set_read_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    let mut buf = [0; 4_096];
    for _ in 0..4 {
        assert_eq!(receiver.recv(&mut buf).unwrap(), 2_048);
        assert_eq!(buf[..2_048], [9; 2_048]);
    }
    assert!(receiver.recv(&mut buf).is_err());
}

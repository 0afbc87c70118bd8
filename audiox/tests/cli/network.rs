//! Sources into plain sockets.

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use audiox::core::format::SampleFormat;

use crate::support::{Folder, Outcome, Running, audiox};

/// A socket that listens, and its port.
fn socket() -> (UdpSocket, u16) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket
        .set_read_timeout(Some(Duration::from_millis(100)))
        .unwrap();
    let port = socket.local_addr().unwrap().port();
    (socket, port)
}

/// What comes while the sender runs, by source address, and how that ended.
fn collect(socket: &UdpSocket, mut send: Running) -> (HashMap<SocketAddr, Vec<Vec<u8>>>, Outcome) {
    let mut all: HashMap<SocketAddr, Vec<Vec<u8>>> = HashMap::new();
    let mut buf = [0; 65_536];
    loop {
        let ended = send.has_ended();
        while let Ok((n, from)) = socket.recv_from(&mut buf) {
            all.entry(from).or_default().push(buf[..n].to_vec());
        }
        if ended {
            return (all, send.wait());
        }
    }
}

#[test]
fn each_file_comes_out_of_a_plain_socket_byte_for_byte() {
    let folder = Folder::new();
    let files = [
        folder.wav("a.wav", SampleFormat::S16, 1, 48_000 / 4 + 7),
        folder.wav("b.wav", SampleFormat::S16, 2, 48_000 / 4 + 1),
        folder.wav("c.wav", SampleFormat::S24, 1, 48_000 / 4 - 1),
        folder.wav("d.wav", SampleFormat::S24, 2, 48_000 / 4),
    ];
    let (socket, port) = socket();
    let to = format!("udp://127.0.0.1:{port}?ptime=4");
    let mut args = vec!["send", "--to", &to, "--json"];
    args.extend(files.iter().map(|(path, _)| path.as_str()));
    let send = Running::start(&args);
    let (got, told) = collect(&socket, send);
    let told = told.clean().summary();

    assert_eq!(got.len(), 4);
    let mut joined: Vec<Vec<u8>> = got.values().map(|d| d.concat()).collect();
    let mut sent: Vec<Vec<u8>> = files.iter().map(|(_, data)| data.clone()).collect();
    joined.sort();
    sent.sort();
    assert!(joined == sent);
    for (stream, (path, data)) in told["streams"].as_array().unwrap().iter().zip(&files) {
        assert_eq!(stream["name"], path.as_str());
        assert_eq!(stream["bytes"], data.len());
        assert_eq!(stream["end"], "complete");
        let from: SocketAddr = stream["from"].as_str().unwrap().parse().unwrap();
        let datagrams = &got[&from];
        assert_eq!(stream["packets"], datagrams.len());
        assert!(datagrams.concat() == *data);
        assert!(stream["schedule"]["mean_interval_ms"].as_f64().unwrap() > 1.0);
    }
}

#[test]
fn the_original_command_line_works() {
    let folder = Folder::new();
    let (a, first) = folder.wav("a.wav", SampleFormat::S16, 1, 9_600);
    let (b, second) = folder.wav("b.wav", SampleFormat::S24, 1, 9_600);
    let (socket, port) = socket();
    let port = port.to_string();
    let args = [
        "--ip",
        "127.0.0.1",
        "--port",
        &port,
        "--delay_ms",
        "8",
        "--verbose",
    ];
    let send = Running::start(&[&["send", "--wav_file", &a, &b], &args[..]].concat());
    let (got, told) = collect(&socket, send);
    assert_eq!(told.code, 0);
    let mut lengths: Vec<usize> = got.values().map(|d| d[0].len()).collect();
    lengths.sort_unstable();
    assert_eq!(lengths, [48 * 8 * 2, 48 * 8 * 3]);
    let mut joined: Vec<Vec<u8>> = got.values().map(|d| d.concat()).collect();
    joined.sort_by_key(Vec::len);
    assert!(joined == [first, second]);
}

#[test]
fn what_would_fragment_is_shortened_with_a_notice() {
    let folder = Folder::new();
    let (a, samples) = folder.wav("a.wav", SampleFormat::S24, 2, 9_600);
    let (socket, port) = socket();
    let to = format!("udp://127.0.0.1:{port}");
    let send = Running::start(&["send", &a, "--to", &to, "--delay-ms", "20"]);
    let (got, told) = collect(&socket, send);
    assert_eq!(told.code, 0);
    assert!(told.err.contains("shortened from 20 ms"), "{}", told.err);
    let datagrams = got.values().next().unwrap();
    assert!(
        datagrams
            .iter()
            .all(|d| d.len() <= 1_472 && d.len().is_multiple_of(6))
    );
    assert!(datagrams.concat() == samples);

    let send = Running::start(&["send", &a, "--to", &to, "--ptime", "20ms", "--mtu", "9000"]);
    let (got, told) = collect(&socket, send);
    told.clean();
    assert_eq!(got.values().next().unwrap()[0].len(), 960 * 6);
}

#[test]
fn a_port_that_refuses_is_told_of_once_and_sending_goes_on() {
    let (socket, port) = socket();
    drop(socket);
    let to = format!("udp://127.0.0.1:{port}");
    let told = audiox(&["send", "tone:440,length=1s", "--to", &to]);
    assert_eq!(told.code, 0);
    assert_eq!(
        told.err.matches("nothing listens").count(),
        1,
        "{}",
        told.err
    );
    assert!(
        told.text().contains("refused by the host"),
        "{}",
        told.text()
    );
    assert!(told.text().contains("100 packets"), "{}", told.text());
}

#[test]
fn statistics_come_as_json_lines_and_the_start_can_be_later() {
    let (socket, port) = socket();
    let to = format!("rtp://127.0.0.1:{port}?rtcp-mux&codec=L24");
    let tones = ["tone:440,length=1.2s", "tone:660,length=1.2s"];
    let args = ["--to", &to, "--start-at", "+1s", "--json", "--seed", "3"];
    let told = audiox(&[&["send"], &tones[..], &args[..]].concat()).clean();
    let events = told.events();
    let stats: Vec<_> = events.iter().filter(|e| e["event"] == "stats").collect();
    assert!(stats.len() >= 2, "{events:?}");
    assert_eq!(stats[0]["streams"].as_array().unwrap().len(), 2);
    let summary = told.summary();
    assert_eq!(summary["packets"], 240);
    assert!(summary["elapsed"].as_f64().unwrap() >= 1.9, "{summary}");
    assert!(summary["first_packet_spread_ms"].as_f64().is_some());
    assert_eq!(summary["streams"][1]["format"], "L24/48000/1");
    drop(socket);
}

#[test]
fn datagrams_from_elsewhere_are_turned_away_and_counted() {
    let folder = Folder::new();
    for (range, heard) in [("127.0.0.0/8,10.0.0.7", 1), ("10.0.0.0/8", 0)] {
        for command in ["recv", "play"] {
            let file = folder.at(&format!("{command}{heard}.wav"));
            let at = "udp://127.0.0.1:0?rate=48000&channels=1";
            let listen = [command, at, "--to", &file, "--allow", range];
            let (listening, ports) = Running::listening(&listen);
            let to = format!("udp://127.0.0.1:{}?ptime=10", ports[0]);
            audiox(&["send", "tone:440,length=300ms,rate=48000", "--to", &to]).clean();
            std::thread::sleep(Duration::from_millis(300));
            listening.interrupt();
            let told = listening.wait().clean().summary();
            let streams = told["streams"].as_array().unwrap();
            assert_eq!(streams.len(), heard, "{told}");
            assert_eq!(told["not_allowed"], 30 * (1 - heard), "{told}");
        }
    }
    let wrong = ["play", "udp://:0", "--to", "null:", "--allow", "10.0.0.1/8"];
    audiox(&wrong).fails(2, "10.0.0.0/8");
}

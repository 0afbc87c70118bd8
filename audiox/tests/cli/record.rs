//! From the command to the command.

use std::thread;
use std::time::Duration;

use audiox::core::format::SampleFormat;

use crate::support::{Folder, Running, audiox, channel, data, free_ports, wait_taken};

#[test]
fn raw_streams_become_tracks() {
    let folder = Folder::new();
    let (a, first) = folder.wav("a.wav", SampleFormat::S16, 1, 48_000);
    let (b, second) = folder.wav("b.wav", SampleFormat::S16, 1, 48_000);
    let to = folder.at("both.wav");
    let (recv, port) = Running::listening(&[
        "recv",
        "udp://127.0.0.1:0?rate=48000",
        "--to",
        &to,
        "--once",
        "--idle",
        "500ms",
    ]);
    let url = format!("udp://127.0.0.1:{}", port[0]);
    audiox(&["send", &a, &b, "--to", &url]).clean();
    let told = recv.wait().clean().summary();
    assert_eq!(told["streams"].as_array().unwrap().len(), 2);
    assert_eq!(told["streams"][0]["aligned_by"], "arrival");
    let recorded = data(&to);
    // Aligned by arrival, as well as this machine is quick; each is whole.
    for stream in told["streams"].as_array().unwrap() {
        let which = stream["first_channel"].as_u64().unwrap() as usize;
        let start = stream["start_frame"].as_u64().unwrap() as usize;
        assert!(start < 24_000, "{stream}");
        let track = channel(&recorded, 2, which);
        let track = &track[start * 2..][..96_000];
        assert!(track == first || track == second, "{stream}");
    }
}

#[test]
fn rtp_streams_from_a_description_are_aligned_to_the_frame() {
    let folder = Folder::new();
    let (a, first) = folder.wav("a.wav", SampleFormat::S16, 1, 60_000);
    let (b, second) = folder.wav("b.wav", SampleFormat::S16, 1, 48_000);
    let (to, sdp) = (folder.at("both.wav"), folder.at("session.sdp"));
    // The description is written while the streams wait for their start.
    let port = free_ports();
    let url = format!("rtp://127.0.0.1:{port}");
    let args = ["--to", &url, "--sdp", &sdp, "--start-at", "+1.5s"];
    let send = Running::start(&[&["send", &a, &b], &args[..]].concat());
    while !folder.path("session.sdp").exists() {
        thread::sleep(Duration::from_millis(10));
    }
    thread::sleep(Duration::from_millis(50));
    let recv = Running::start(&["recv", &sdp, "--to", &to, "--once", "--json"]);
    send.wait().clean();
    let told = recv.wait().clean().summary();
    let recorded = data(&to);
    assert_eq!(told["streams"].as_array().unwrap().len(), 2);
    for stream in told["streams"].as_array().unwrap() {
        assert_eq!(stream["aligned_by"], "timestamps", "{stream}");
        assert_eq!(stream["packets_lost"], 0, "{stream}");
        assert_eq!(stream["start_frame"], 0, "{stream}");
        let track = channel(
            &recorded,
            2,
            stream["first_channel"].as_u64().unwrap() as usize,
        );
        assert!(
            track.starts_with(&first) || track.starts_with(&second),
            "{stream}"
        );
    }
    let sidecar = std::fs::read_to_string(folder.path("both.json")).unwrap();
    assert!(
        sidecar.contains("\"aligned_by\": \"timestamps\""),
        "{sidecar}"
    );
}

#[test]
fn a_stream_goes_through_a_pipe_and_into_a_folder() {
    let folder = Folder::new();
    let (a, samples) = folder.wav("a.wav", SampleFormat::S16, 2, 24_000);
    let (p, q) = (free_ports(), free_ports());
    let query = "codec=L16&rate=48000&channels=2";
    let [pipe_url, file_url] = [p, q].map(|port| format!("rtp://127.0.0.1:{port}?{query}"));
    let pipe = Running::start(&["recv", &pipe_url, "--to", "-", "--once", "-q"]);
    let takes = folder.at("takes/");
    let file = Running::start(&["recv", &file_url, "--to", &takes, "--once", "--no-sidecar"]);
    for port in [p, q] {
        wait_taken(port);
        audiox(&[
            "send",
            &a,
            "--to",
            &format!("rtp://127.0.0.1:{port}"),
            "--ptime",
            "5",
        ])
        .clean();
    }
    let heard = pipe.wait().clean().out;
    assert!(heard == samples, "{} of {}", heard.len(), samples.len());
    let told = file.wait().clean();
    assert!(
        told.text().contains("aligned by timestamps"),
        "{}",
        told.text()
    );
    let takes: Vec<_> = std::fs::read_dir(folder.path("takes")).unwrap().collect();
    assert_eq!(takes.len(), 1, "{takes:?}");
    assert!(data(takes[0].as_ref().unwrap().path()) == samples);
}

#[test]
fn a_recording_ends_after_its_time_whatever_comes() {
    let told = audiox(&[
        "recv",
        "udp://127.0.0.1:0",
        "--to",
        "null:",
        "--duration",
        "300ms",
    ]);
    let told = told.clean();
    assert!(told.text().contains("nothing was heard"), "{}", told.text());
}

#[test]
fn who_reads_no_more_ends_it_and_the_recording_is_whole() {
    // Nobody listens to the pipe.
    let url = format!("udp://127.0.0.1:{}", free_ports());
    let mut pipe = Running::start(&["recv", &url, "--to", "-", "-q", "--hold", "100ms"]);
    drop(pipe.output());
    let tone = ["send", "tone:440,rate=44100", "--to", &url, "-q"];
    let send = Running::start(&tone);
    let told = pipe.wait();
    assert_eq!((told.code, told.err.as_str()), (0, ""));
    drop(send);

    // Nobody reads what is told.
    let folder = Folder::new();
    let to = folder.at("heard.wav");
    let (mut recv, port) = Running::listening(&["recv", "udp://127.0.0.1:0", "--to", &to]);
    let send = Running::start(&[
        "send",
        tone[1],
        "--to",
        &format!("udp://127.0.0.1:{}", port[0]),
    ]);
    recv.wait_for("\"peak_dbfs\":-1");
    drop(recv.output());
    let told = recv.wait();
    assert_eq!((told.code, told.err.as_str()), (0, ""));
    assert!(data(&to).len() > 10_000);
    drop(send);
}

//! Ctrl-C.

use std::process::Stdio;
use std::thread;
use std::time::Duration;

use audiox::io::WavSource;

use crate::support::{Folder, Running, data};

#[test]
fn the_first_ends_a_recording_with_a_whole_file_and_a_summary() {
    let folder = Folder::new();
    let to = folder.at("heard.wav");
    let (mut recv, port) = Running::listening(&["recv", "udp://127.0.0.1:0", "--to", &to]);
    let url = format!("udp://127.0.0.1:{}", port[0]);
    let tone = "tone:440,rate=44100";
    let mut send = Running::start(&["send", tone, "--to", &url, "--json"]);
    recv.wait_for("\"peak_dbfs\":-1");
    recv.interrupt();
    let told = recv.wait().clean();
    let heard = told.summary()["streams"][0]["end_frame"].as_u64().unwrap();
    assert!(heard > 20_000, "{heard}");
    assert_eq!(data(&to).len() as u64, heard * 2);

    send.wait_for("\"event\":\"stats\"");
    send.interrupt();
    // The port refuses by now, of which it may have told.
    let told = send.wait();
    assert_eq!(told.code, 0, "{}", told.err);
    let stream = &told.summary()["streams"][0];
    assert_eq!(stream["end"], "stopped");
    assert!(stream["packets"].as_u64().unwrap() > 10);
}

#[test]
fn the_first_ends_a_copy_with_a_whole_file() {
    let folder = Folder::new();
    let to = folder.at("copy.wav");
    let long = "noise:white,length=24h";
    let copy = Running::start(&["send", long, "--to", &to]);
    while std::fs::metadata(&to).map_or(0, |m| m.len()) < 1 << 20 {
        thread::sleep(Duration::from_millis(5));
    }
    copy.interrupt();
    copy.wait().clean();
    let wav = WavSource::open(&to).unwrap();
    assert!(wav.notices().is_empty() && wav.frames() > 1 << 18);
}

#[test]
fn the_second_ends_it_at_once() {
    // A pipe that says nothing cannot be left by one.
    let args = ["send", "-", "--to", "null:", "--json"];
    let mut stuck = Running::start_with(&args, Stdio::piped());
    let _open = stuck.input();
    stuck.wait_for("\"event\":\"started\"");
    while !stuck.has_ended() {
        stuck.interrupt();
        thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(stuck.wait().code, 130);
}

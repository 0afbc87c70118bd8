//! One process sends what a microphone hears, another plays it on a speaker, and between the two is
//! a network that loses. Twenty seconds as a rule; ten minutes where `AUDIOX_LONG` is set.
#![cfg(test)]
#![cfg(all(feature = "devices", target_os = "linux"))]

#[path = "cli/heard.rs"]
mod heard;
#[path = "cli/support.rs"]
#[allow(dead_code, reason = "the other tests of the command use the rest")]
mod support;
#[path = "cli/virtual_devices.rs"]
#[allow(dead_code, reason = "the other tests of devices use the rest")]
mod virtual_devices;

use std::thread;
use std::time::Duration;

use heard::{heard, periods};
use serde_json::Value;
use support::{Folder, Running, free_ports};
use virtual_devices::{VirtualDevices, stopped};

#[test]
fn a_microphone_is_heard_through_a_network_that_loses() {
    let long = std::env::var_os("AUDIOX_LONG").is_some();
    let seconds: u64 = if long { 600 } else { 20 };
    let (devices, folder) = (VirtualDevices::start(), Folder::new());
    let mut voice = devices.run(&["send", "tone:440", "--to", "speaker:voice,buffer=1920"]);
    let port = free_ports();
    let url = format!("rtp://127.0.0.1:{port}?codec=L16&rate=48000&channels=1");
    let mut playing = devices.run(&["play", &url, "--to", "speaker:out,buffer=960", "--json"]);
    playing.wait_for("listening");
    let to = format!("127.0.0.1:{port}");
    let bad = ["--loss", "bursts:2%,2", "--jitter", "4ms", "--seed", "5"];
    let between = ["link", "--listen", "udp://127.0.0.1:0", "--to", &to];
    let (mut link, here) = Running::listening(&[&between[..], &bad].concat());
    let to = format!("rtp://127.0.0.1:{}?ptime=5", here[0]);
    let mic = "mic:mic,channels=1,buffer=960";
    link.drain();
    let mut sending = devices.run(&["send", mic, "--to", &to, "--json"]);
    sending.wait_for("stats");
    playing.wait_for("stats");
    for running in [&mut voice, &mut playing, &mut sending] {
        running.drain();
    }

    let recorded = folder.at("heard.wav");
    let args = ["send", "mic:tap,channels=1,buffer=1920", "--to", &recorded];
    // A virtual device counts fewer frames than the clock where its server is kept from working.
    let length = format!("{}s", 2 * seconds);
    let mut recording = devices.run(&[&args[..], &["--duration", &length]].concat());
    recording.drain();
    thread::sleep(Duration::from_secs(seconds));
    stopped(recording);
    let sent = stopped(sending).summary();
    let passed = stopped(link).summary();
    let played = stopped(playing).summary();
    stopped(voice);

    // Seconds of packets, and of each a fiftieth lost.
    // Some of what was captured before the stream began, where that took its time.
    let overflowed = sent["devices"][0]["frames_overflowed"].as_u64().unwrap();
    assert!(overflowed < 24_000 + seconds * 48, "{sent}");
    let there = &passed["there"];
    let (handled, lost) = (there["handled"].as_u64(), there["lost"].as_u64());
    let (handled, lost) = (handled.unwrap(), lost.unwrap());
    // The link handles reports as well.
    assert!(handled > seconds * 196, "{passed}");
    assert!(lost > handled / 100 && lost < handled / 25, "{passed}");

    // One stream from the first to the last second, whose holes were filled.
    let streams = played["streams"].as_array().unwrap();
    assert_eq!(streams.len(), 1, "{played}");
    let received = streams[0]["packets_received"].as_u64().unwrap();
    assert!(received + lost >= handled * 49 / 50, "{played} {passed}");
    let made_up = streams[0]["concealed_samples"].as_u64().unwrap();
    let delay = streams[0]["latency_ms"]["jitter_buffer"].as_f64().unwrap();
    println!("{handled} packets, {lost} lost, {made_up} frames made up, delay {delay} ms");
    assert!(delay < 400.0, "{played}");
    let frames = seconds * 48_000;
    // What is lost, 2 % to 3 %, and what a busy machine holds up.
    assert!(made_up < frames / 20, "{played}");

    let heard = heard(&recorded);
    // What is cut out is what the sound server put in for callbacks that came late.
    assert!(
        heard.tone.len() as u64 > frames * 8 / 10,
        "{}",
        heard.tone.len()
    );
    let again = |told: &Value| told["devices"][0]["reopened"].as_u64().unwrap();
    println!("{overflowed} frames of the microphone overflowed");
    // Neither falls silent for a second.
    assert_eq!((again(&sent), again(&played)), (0, 0), "{sent} {played}");
    let (frequency, odd) = periods(&heard.tone, 440.0);
    println!("{frequency} Hz, {odd} periods of another length");
    assert!((frequency - 440.0).abs() < 0.5, "{frequency}");
    assert!((odd as u64) < 440 * seconds / 20, "{odd}");
}

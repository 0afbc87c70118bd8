//! Microphones and speakers that a sound server makes up: what goes in comes out, whole.
//!
//! No figure is taken from the clock here; gaps are judged by the index of frames.

use crate::heard::{heard, periods};
use crate::support::{Folder, free_ports};
use crate::virtual_devices::{VirtualDevices, stopped};

#[test]
fn devices_are_listed_and_wrong_names_say_which_there_are() {
    let devices = VirtualDevices::start();
    let listed = devices.run(&["devices", "--json"]).wait().summary();
    let list = listed["devices"].as_array().unwrap();
    for (direction, name) in [("input", "mic"), ("output", "out")] {
        let found = list
            .iter()
            .find(|d| d["direction"] == direction && d["id"] == name)
            .unwrap_or_else(|| panic!("{listed}"));
        assert_eq!(found["name"], format!("virtual {name}"));
        assert!(found["rate_min"].as_u64() <= Some(44_100));
        assert!(found["channels"].as_array().unwrap().contains(&2.into()));
    }
    let text = devices.run(&["devices"]).wait();
    assert!(text.text().contains("virtual mic"), "{}", text.text());
    for (name, there) in [
        ("mic:headset", "virtual mic"),
        ("mic:virtual", "4 input devices"),
    ] {
        let args = ["send", name, "--to", "null:"];
        devices.run(&args).wait().fails(2, there);
    }
    let args = ["send", "tone:440", "--to", "speaker:headset"];
    devices.run(&args).wait().fails(2, "virtual out");
    // What a device has not, the nearest stands in for, and that is said.
    let url = format!("udp://127.0.0.1:{}?rate=48000", free_ports());
    let to = "speaker:out,channels=64";
    let played = devices.run(&["recv", &url, "--to", to, "--duration", "200ms"]);
    let played = played.wait();
    assert_eq!(played.code, 0, "{}", played.err);
    assert!(played.err.contains("the nearest is"), "{}", played.err);
}

#[test]
fn a_tone_goes_through_the_network_out_of_a_speaker_without_a_gap() {
    let (devices, folder) = (VirtualDevices::start(), Folder::new());
    let recorded = folder.at("heard.wav");
    let args = [
        "send",
        "mic:tap,channels=1,buffer=1920",
        "--to",
        &recorded,
        "--duration",
        "7s",
    ];
    let recording = devices.run(&args);
    let port = free_ports();
    let url = format!("rtp://127.0.0.1:{port}?codec=L16&rate=48000&channels=1");
    let play = [
        "play",
        &url,
        "--to",
        "speaker:out,buffer=1920",
        "--latency",
        "300ms",
        "--idle",
        "1s",
        "--once",
        "--json",
    ];
    let mut playing = devices.run(&play);
    playing.wait_for("listening");
    let to = format!("rtp://127.0.0.1:{port}?ptime=5");
    let sent = devices
        .run(&["send", "tone:440,length=3s", "--to", &to])
        .wait();
    assert_eq!(sent.code, 0, "{}", sent.err);
    let summary = playing.wait().summary();
    assert_eq!(recording.wait().code, 0);

    let speaker = &summary["devices"][0];
    // The sound server needs the cores more than whoever waits for it.
    let priority = speaker["priority"].as_str().unwrap();
    assert!(priority.contains("sound server"), "{priority}");
    assert_eq!(speaker["id"], "out");
    assert!(speaker["callbacks"].as_u64() > Some(50), "{speaker}");
    let stream = &summary["streams"][0];
    assert_eq!(stream["concealed_samples"], 0, "{stream}");
    let heard = heard(&recorded);
    let frames = heard.tone.len();
    assert!(frames.abs_diff(3 * 48_000) < 4_800, "{frames}");
    let (frequency, odd) = periods(&heard.tone, 440.0);
    assert!((frequency - 440.0).abs() < 0.2, "{frequency}");
    // A device that stood still is caught up with, a step of time-stretch each time.
    assert!(
        odd <= 2 + 4 * heard.silences,
        "{odd} periods of another length"
    );
}

#[test]
fn what_a_microphone_hears_is_played_elsewhere_from_raw_datagrams() {
    let (devices, folder) = (VirtualDevices::start(), Folder::new());
    let voice = devices.run(&["send", "tone:440", "--to", "speaker:voice,buffer=1920"]);
    let port = free_ports();
    let url = format!("udp://0.0.0.0:{port}?rate=48000&channels=1&chunk=480");
    let args = ["recv", &url, "--to", "speaker:out,buffer=1920", "--json"];
    let mut playing = devices.run(&args);
    playing.wait_for("listening");
    let to = format!("udp://127.0.0.1:{port}?chunk=480");
    let mut sending = devices.run(&[
        "send",
        "mic:mic,channels=1,buffer=960",
        "--to",
        &to,
        "--json",
    ]);
    sending.wait_for("stats");
    // The delay has found itself by now; it may stretch before.
    playing.wait_for("stats");
    let recorded = folder.at("heard.wav");
    let args = [
        "send",
        "mic:tap,channels=1,buffer=1920",
        "--to",
        &recorded,
        "--duration",
        "3s",
    ];
    assert_eq!(devices.run(&args).wait().code, 0);
    let sent = stopped(sending).summary();
    let played = stopped(playing).summary();
    stopped(voice);

    assert_eq!(sent["devices"][0]["id"], "mic");
    // Some of what was captured before the stream began, where that took its time.
    let overflowed = sent["devices"][0]["frames_overflowed"].as_u64();
    assert!(overflowed < Some(48_000), "{sent}");
    assert_eq!(sent["streams"][0]["underruns"], 0);
    assert_eq!(played["streams"][0]["packets_lost"], 0);
    let heard = heard(&recorded);
    assert!(heard.tone.len() > 2 * 48_000, "{}", heard.tone.len());
    let (frequency, odd) = periods(&heard.tone, 440.0);
    // Until it is known how fast the devices are, it is a per mille off at most.
    assert!((frequency - 440.0).abs() < 1.0, "{frequency}");
    // Neither microphone nor speaker keep their pace on a busy machine, and the delay adapts.
    assert!(
        odd <= 8 + 8 * heard.silences,
        "{odd} periods of another length"
    );
}

#[test]
fn a_speaker_that_is_unplugged_and_plugged_plays_on() {
    let (devices, folder) = (VirtualDevices::start(), Folder::new());
    let port = free_ports();
    let url = format!("rtp://127.0.0.1:{port}?codec=L16&rate=48000&channels=1");
    let mut playing = devices.run(&["play", &url, "--to", "speaker:out,buffer=1920", "--json"]);
    playing.wait_for("listening");
    let to = format!("rtp://127.0.0.1:{port}?ptime=10");
    let sending = devices.run(&["send", "tone:440", "--to", &to]);
    playing.wait_for("\"running\":true");
    // With the other sink there, the server would let it play on that.
    devices.unplug("voice");
    devices.unplug("out");
    playing.wait_for("\"running\":false");
    devices.plug();
    playing.wait_for("\"running\":true");
    let recorded = folder.at("heard.wav");
    let args = [
        "send",
        "mic:tap,channels=1,buffer=1920",
        "--to",
        &recorded,
        "--duration",
        "2s",
    ];
    assert_eq!(devices.run(&args).wait().code, 0);
    stopped(sending);
    let summary = stopped(playing).summary();

    let speaker = &summary["devices"][0];
    assert!(speaker["losses"].as_u64() >= Some(1), "{speaker}");
    assert!(speaker["reopened"].as_u64() >= Some(1), "{speaker}");
    assert!(speaker["frames_away"].as_u64() > Some(4_800), "{speaker}");
    // Nothing was missing while nobody heard it: the stream went on.
    assert_eq!(summary["streams"][0]["packets_discarded"], 0);
    let heard = heard(&recorded);
    assert!(heard.tone.len() > 48_000, "{}", heard.tone.len());
    let (frequency, _) = periods(&heard.tone, 440.0);
    assert!((frequency - 440.0).abs() < 2.0, "{frequency}");
}

#[test]
fn where_no_speaker_is_named_another_is_taken_when_the_default_goes() {
    let (devices, folder) = (VirtualDevices::start(), Folder::new());
    let mut playing = devices.run(&["send", "tone:440", "--to", "speaker,buffer=1920", "--json"]);
    playing.wait_for("\"started\"");
    devices.unplug("out");
    let recorded = folder.at("heard.wav");
    // What was the speaker in front of the microphone is the default now.
    let args = ["send", "mic:mic,channels=1,buffer=1920", "--to", &recorded];
    let recording = devices.run(&[&args[..], &["--duration", "2s"]].concat());
    assert_eq!(recording.wait().code, 0);
    let summary = stopped(playing).summary();
    assert!(summary["devices"][0]["callbacks"].as_u64() > Some(10));
    let heard = heard(&recorded);
    assert!(heard.tone.len() > 24_000, "{}", heard.tone.len());
    let (frequency, _) = periods(&heard.tone, 440.0);
    assert!((frequency - 440.0).abs() < 0.5, "{frequency}");
}

#[test]
fn a_round_trip_is_measured_by_impulses() {
    let devices = VirtualDevices::start();
    let args = ["loopback", "--output", "out", "--input", "tap", "--json"];
    let more = ["--impulses", "8", "--every", "300ms"];
    let measured = devices.run(&[&args[..], &more].concat()).wait();
    assert_eq!(measured.code, 0, "{}", measured.err);
    let summary = measured.summary();
    assert_eq!(
        (&summary["played"], &summary["came_back"]),
        (&8.into(), &8.into())
    );
    let median = summary["round_trip_ms_p50"].as_f64().unwrap();
    // More than a quantum, and what two devices' buffers hold at most.
    assert!((5.0..300.0).contains(&median), "{summary}");
    let frames = summary["round_trip_frames_p50"].as_f64().unwrap();
    assert!((frames / 48.0 - median).abs() < 0.05, "{summary}");

    // Nothing comes back from what is not connected.
    let args = ["loopback", "--output", "out", "--input", "mic"];
    let more = ["--impulses", "2", "--every", "100ms"];
    let deaf = devices.run(&[&args[..], &more].concat()).wait();
    assert_eq!(deaf.code, 1);
    assert!(deaf.err.contains("no impulse came back"), "{}", deaf.err);
}

#[cfg(feature = "relay")]
#[test]
fn a_relays_stream_comes_out_of_a_speaker() {
    use crate::support::Running;

    let (devices, folder) = (VirtualDevices::start(), Folder::new());
    let (store, spool) = (folder.at("archive"), folder.at("spool"));
    let listen = ["relay", "--listen", "127.0.0.1:0"];
    let keep = ["--store", &store, "--spool", &spool];
    let (_relay, ports) = Running::listening(&[&listen[..], &keep].concat());
    let url = format!("http://127.0.0.1:{}", ports[0]);
    let recorded = folder.at("heard.wav");
    let tap = "mic:tap,channels=1,buffer=1920";
    let args = [
        "send",
        tap,
        "--to",
        &recorded,
        "--duration",
        "25s",
        "--json",
    ];
    let mut recording = devices.run(&args);
    recording.wait_for("\"started\"");
    let args = ["send", "tone:440,length=3s", "--to", &url, "--json"];
    let mut sending = devices.run(&args);
    let stream = sending.event("stream")["url"].as_str().unwrap().to_owned();
    // From its start, so what has passed is played, and what is live behind it.
    let speaker = "speaker:out,buffer=1920";
    let args = [
        "recv", &stream, "--from", "start", "--to", speaker, "--json",
    ];
    let playing = devices.run(&args);
    assert_eq!(sending.wait().code, 0);
    let summary = playing.wait().summary();
    stopped(recording);
    let stream = &summary["streams"][0];
    assert_eq!(stream["packets_lost"], 0, "{stream}");
    let heard = heard(&recorded);
    let frames = heard.tone.len();
    assert!(frames.abs_diff(3 * 48_000) < 24_000, "{frames}");
    let (frequency, _) = periods(&heard.tone, 440.0);
    assert!((frequency - 440.0).abs() < 0.5, "{frequency}");
}

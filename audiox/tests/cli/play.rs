//! Streams as a listener hears them, their traces, and what can be told from these.

use serde_json::Value;

use crate::support::{Folder, Running, audiox, data};

/// Plays a tone of three seconds through a bad link, with a trace; the summary and the samples.
fn through_a_bad_link(folder: &Folder, url: &str, play: &[&str], link: &[&str]) -> Value {
    let (heard, trace) = (folder.at("heard.wav"), folder.at("heard.trace"));
    let args = [
        "play", url, "--to", &heard, "--trace", &trace, "--once", "--idle", "1s",
    ];
    let (player, there) = Running::listening(&[&args, play].concat());
    let to = format!("127.0.0.1:{}", there[0]);
    let args = ["link", "--listen", "udp://127.0.0.1:0", "--to", &to];
    let (link, here) = Running::listening(&[&args, link].concat());
    let scheme = url.split(':').next().unwrap();
    let to = format!("{scheme}://127.0.0.1:{}?ptime=10", here[0]);
    audiox(&["send", "tone:440,length=3s,rate=48000", "--to", &to]).clean();
    let told = player.wait().clean().summary();
    link.interrupt();
    link.wait().clean();
    told
}

const BAD: [&str; 6] = ["--loss", "5%", "--jitter", "20ms", "--seed", "3"];

fn samples(folder: &Folder) -> Vec<f32> {
    data(folder.path("heard.wav"))
        .chunks_exact(2)
        .map(|b| f32::from(i16::from_le_bytes([b[0], b[1]])) / 32_768.0)
        .collect()
}

/// The longest run of next to nothing between the first and the last sound, in frames.
fn longest_silence(samples: &[f32]) -> usize {
    let loud = |x: &f32| x.abs() > 0.01;
    let first = samples.iter().position(loud).unwrap();
    let last = samples.iter().rposition(loud).unwrap();
    let runs = samples[first..last].split(loud).map(<[f32]>::len);
    runs.max().unwrap()
}

#[test]
fn a_bad_network_is_not_heard_as_gaps() {
    let folder = Folder::new();
    let told = through_a_bad_link(
        &folder,
        "rtp://127.0.0.1:0?codec=L16&rate=48000&channels=1",
        &[],
        &BAD,
    );
    let stream = &told["streams"][0];
    assert!(stream["packets_lost"].as_u64().unwrap() > 3, "{told}");
    let made_up = stream["concealed_samples"].as_u64().unwrap();
    let lost = stream["packets_lost"].as_u64().unwrap() * 480;
    assert!(made_up >= lost / 2 && made_up < 3 * 48_000 / 5, "{told}");
    for part in ["packetization", "jitter_buffer", "total"] {
        assert!(stream["latency_ms"][part].as_f64().unwrap() > 0.0, "{told}");
    }
    assert_eq!(told["untraced"], 0);
    let heard = samples(&folder);
    // A tone of 440 Hz passes through zero every 1.1 ms; a lost packet would be 10 ms of silence.
    assert!(longest_silence(&heard) < 100, "{}", longest_silence(&heard));
    let sounding = heard.iter().filter(|x| x.abs() > 0.01).count();
    assert!((130_000..150_000).contains(&sounding), "{sounding}");

    // The trace, replayed in virtual time under the same settings, comes to much the same.
    let trace = folder.at("heard.trace");
    let plot = folder.at("delay.svg");
    let args = ["replay", &trace, "--profile", "balanced", "--json"];
    let replayed = audiox(&args).clean().summary();
    let again = replayed["runs"][0]["concealed_samples"].as_u64().unwrap();
    assert!(again.abs_diff(made_up) < 9_600, "{made_up} {replayed}");
    // A latency too short for the network, and one that is long enough for all of it.
    let args = [
        "replay",
        &trace,
        "--latency",
        "5ms",
        "--latency",
        "100ms",
        "--plot",
        &plot,
        "--json",
    ];
    let replayed = audiox(&args).clean().summary();
    let made_up = |n: usize| replayed["runs"][n]["concealed_samples"].as_u64();
    assert!(made_up(0) > made_up(1).map(|n| n + 960), "{replayed}");
    let svg = std::fs::read_to_string(plot).unwrap();
    assert!(
        svg.starts_with("<svg") && svg.contains("fixed at 100"),
        "{svg}"
    );

    let told = audiox(&["doctor", &trace, "--json"]).clean().summary();
    let stream = &told["streams"][0];
    assert_eq!(stream["ptime_ms"], 10.0);
    assert_eq!(stream["loss"]["pattern"], "single", "{told}");
    // How late the worst came says as much of this machine as of the link.
    let jitter = |of: &str| stream["jitter_ms"][of].as_f64().unwrap();
    assert!(jitter("max") > 10.0 && jitter("p50") < 20.0, "{told}");
    let words = audiox(&["doctor", &trace]).clean();
    assert!(words.text().contains("lost"), "{}", words.text());
}

#[test]
fn headerless_datagrams_play_too_and_a_fixed_latency_is_kept() {
    let folder = Folder::new();
    let told = through_a_bad_link(
        &folder,
        "udp://127.0.0.1:0?rate=48000&channels=1",
        &["--latency", "150ms"],
        &["--jitter", "10ms"],
    );
    let stream = &told["streams"][0];
    assert_eq!(stream["concealed_samples"], 0, "{told}");
    let total = stream["latency_ms"]["total"].as_f64().unwrap();
    assert!((140.0..190.0).contains(&total), "{told}");
    assert!(longest_silence(&samples(&folder)) < 100);
}

#[test]
fn a_simulation_leaves_a_trace_that_can_be_replayed() {
    let folder = Folder::new();
    let trace = folder.at("sim.trace");
    let sim = [
        "sim",
        "--ptime",
        "10",
        "--profile",
        "interactive",
        "--jitter",
        "spikes:140ms/1.5s",
        "--duration",
        "20s",
        "--seed",
        "5",
        "--trace",
        &trace,
        "--json",
    ];
    let told = audiox(&sim).clean().summary();
    let replayed = audiox(&["replay", &trace, "--json"]).clean().summary();
    let runs = replayed["runs"].as_array().unwrap();
    let names: Vec<_> = runs
        .iter()
        .map(|r| r["settings"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["interactive", "balanced", "robust"]);
    // The same packets and the same settings: much the same, though a trace keeps no sound, so
    // it is stretched in other places.
    let made_up = |v: &Value| v["concealed_samples"].as_u64().unwrap();
    let [again, was] = [made_up(&runs[0]), made_up(&told["playout"])];
    assert!(again.abs_diff(was) < was / 10, "{again} {was}");
    // What is there is not written over, unless that is wanted.
    audiox(&sim).fails(2, "is there already");
    audiox(&[&sim[..], &["--overwrite"]].concat()).clean();
}

#[test]
fn a_live_stream_is_examined() {
    let (doctor, there) = Running::listening(&[
        "doctor",
        "rtp://127.0.0.1:0?codec=L16&rate=48000&channels=1",
        "--duration",
        "2s",
    ]);
    let to = format!("rtp://127.0.0.1:{}?ptime=5", there[0]);
    audiox(&["send", "tone:440,length=1s", "--to", &to]).clean();
    let told = doctor.wait().clean().summary();
    let stream = &told["streams"][0];
    assert!(stream["packets"].as_u64().unwrap() >= 200, "{told}");
    assert_eq!(stream["lost"], 0, "{told}");
    assert_eq!(stream["ptime_ms"], 5.0);
    let suits = stream["suits"].as_str().unwrap();
    assert!(["interactive", "balanced"].contains(&suits), "{told}");

    audiox(&["doctor", "udp://127.0.0.1:0", "--duration", "200ms"]).fails(1, "nothing came");
}

#[test]
fn what_is_no_trace_is_told() {
    let folder = Folder::new();
    let write = |name: &str, bytes: &[u8]| {
        std::fs::write(folder.path(name), bytes).unwrap();
        folder.at(name)
    };
    let good = folder.at("good.trace");
    audiox(&[
        "sim",
        "--duration",
        "2s",
        "--profile",
        "balanced",
        "--trace",
        &good,
    ]);
    let bytes = std::fs::read(&good).unwrap();
    let mut newer = bytes.clone();
    newer[4] = 9;
    for (file, part) in [
        (write("text.trace", b"not at all"), "not a trace"),
        (write("empty.trace", b""), "not a trace"),
        (write("newer.trace", &newer), "version 9"),
        (write("head.trace", &bytes[..6]), "head"),
        (folder.at("missing.trace"), "missing.trace"),
    ] {
        for command in ["replay", "doctor"] {
            audiox(&[command, &file]).fails(1, part);
        }
    }
    // Cut off in a record: what is there is used, and that is told.
    let cut = write("cut.trace", &bytes[..bytes.len() - 1]);
    let told = audiox(&["replay", &cut, "--json"]);
    assert_eq!(told.code, 0);
    assert_eq!(told.events()[0]["event"], "notice", "{told:?}");

    let play = |more: &[&str]| {
        let to = folder.at("out.wav");
        audiox(&[&["play", "udp://127.0.0.1:0", "--to", &to], more].concat())
    };
    assert_eq!(play(&["--profile", "fast"]).code, 2);
    assert_eq!(play(&["--profile", "robust", "--latency", "20ms"]).code, 2);
    assert_eq!(play(&["--max-streams", "0"]).code, 2);
}

//! What cannot work is told in one line, and ends with an exit code that is not 0.

use std::net::UdpSocket;

use audiox::core::format::SampleFormat;

use crate::support::{Folder, Outcome, Running, audiox, data};

fn send(source: &str, to: &str, more: &[&str]) -> Outcome {
    audiox(&[&["send", source, "--to", to], more].concat())
}

const NOWHERE: &str = "udp://127.0.0.1:9";

#[test]
fn files_that_are_not_what_they_say() {
    let folder = Folder::new();
    let (good, _) = folder.wav("good.wav", SampleFormat::S16, 1, 1_000);
    let bytes = std::fs::read(&good).unwrap();
    let write = |name: &str, bytes: &[u8]| {
        std::fs::write(folder.path(name), bytes).unwrap();
        folder.at(name)
    };
    let header = bytes.len() - 2_000;
    let tag = bytes.windows(4).position(|w| w == b"fmt ").unwrap() + 8;
    let mut adpcm = bytes.clone();
    adpcm[tag] = 2;
    for (file, part) in [
        (write("empty.wav", b""), "empty.wav"),
        (
            write("text.wav", b"this is no audio at all, just text"),
            "text.wav",
        ),
        (write("head.wav", &bytes[..20]), "head.wav"),
        (write("nothing.wav", &bytes[..header]), "nothing.wav"),
        (write("adpcm.wav", &adpcm), "adpcm.wav"),
        (folder.at("missing.wav"), "missing.wav"),
    ] {
        send(&file, NOWHERE, &[]).fails(1, part);
    }

    // A header that promises more than there is: what is there is sent, and that is told.
    let cut = write("cut.wav", &bytes[..header + 1_000]);
    let told = send(&cut, "null:", &["--json"]);
    assert_eq!(told.code, 0);
    let events = told.events();
    assert_eq!(events[0]["event"], "notice", "{events:?}");
    assert_eq!(told.summary()["written"][0]["frames"], 500);
}

#[test]
fn a_folder_without_audio() {
    let folder = Folder::new();
    std::fs::write(folder.path("notes.txt"), "none").unwrap();
    send(folder.path("").to_str().unwrap(), NOWHERE, &[]).fails(1, "no audio");
}

#[test]
fn addresses_that_lead_nowhere() {
    let tone = "tone:440,length=1s";
    send(tone, "udp://no-such-host.invalid:5004", &[]).fails(1, "no-such-host.invalid");
    send(tone, "udp://127.0.0.1", &[]).fails(2, "host:port");
    send(tone, "udp://:5004", &[]).fails(2, "host");
    send(tone, "udp://127.0.0.1:5004?color=red", &[]).fails(2, "color");
    send(tone, "rtp://127.0.0.1:5004?format=s16le", &[]).fails(2, "codec");
    send(tone, "ftp://127.0.0.1:5004", &[]).fails(2, "rtp://");
    send(tone, "somewhere", &[]).fails(2, "FILE.wav");
    // A link-local address needs the link.
    send(tone, "udp://[fe80::1]:5004", &[]).fails(1, "fe80::1");
}

/// In a network namespace of its own, where the system lets us have one, nothing has a route.
#[cfg(target_os = "linux")]
#[test]
fn an_address_without_a_route() {
    let alone = |args: &[&str]| {
        std::process::Command::new("unshare")
            .arg("-rn")
            .args(args)
            .output()
            .ok()
    };
    if !alone(&["true"]).is_some_and(|o| o.status.success()) {
        return;
    }
    for url in ["udp://192.0.2.77:5004", "rtp://239.1.2.3:5004"] {
        let told = alone(&[
            env!("CARGO_BIN_EXE_audiox"),
            "send",
            "tone:440",
            "--to",
            url,
        ])
        .unwrap();
        let told = Outcome {
            code: told.status.code().unwrap_or(-1),
            out: told.stdout,
            err: String::from_utf8(told.stderr).unwrap(),
        };
        told.fails(1, "no route");
    }
}

#[test]
fn values_that_cannot_be() {
    let tone = "tone:440,length=1s";
    let rtp = "rtp://127.0.0.1:5004";
    for ptime in ["0", "11s", "fast"] {
        let told = send(tone, rtp, &["--ptime", ptime]);
        told.fails(2, "ptime");
    }
    send(tone, rtp, &["--ptime", "1us"]).fails(2, "ptime");
    send(tone, rtp, &["--ptime", "2s"]).fails(2, "ptime");
    send(tone, rtp, &["--pt", "10"]).fails(2, "payload type");
    send(tone, "rtp://127.0.0.1:5004?pt=10", &[]).fails(2, "44100");
    send(tone, rtp, &["--pt", "128"]).fails(2, "128");
    send(tone, rtp, &["--codec", "mp3"]).fails(2, "mp3");
    send(tone, rtp, &["--start-at", "2001-01-01T00:00:00Z"]).fails(2, "2001-01-01");
    send(tone, rtp, &["--start-at", "teatime"]).fails(2, "teatime");
    send(tone, rtp, &["--gain", "loud"]).fails(2, "-6dB");
    send(tone, rtp, &["--dscp", "99"]).fails(2, "0 to 63");
    send(tone, rtp, &["--iface", "no-such-card0"]).fails(1, "no-such-card0");
    send(tone, "null:", &["--pt", "10"]).fails(2, "--pt");
    send(tone, NOWHERE, &["--sdp", "a.sdp"]).fails(2, "--sdp");
    send("tine:440", rtp, &[]).fails(2, "tone:440");
    send("tone:440", "out.wav", &[]).fails(2, "duration");
    send("udp://127.0.0.1:1", "out.wav", &[]).fails(2, "audiox recv");
    send("-", rtp, &["--loop"]).fails(1, "pipe");
    send(tone, rtp, &["--rate", "8000"]).fails(2, "standard input");
    send(tone, rtp, &["--sample-format", "s16"]).fails(2, "--codec");
    audiox(&["send", "-", "-", "--to", "null:"]).fails(2, "once");
    audiox(&["send", tone]).fails(2, "--to");
    audiox(&["send", "--to", "null:"]).fails(2, "SOURCE");
    audiox(&["shout"]).fails(2, "shout");
    audiox(&["sim", "--codec", "opus/48000/2"]).fails(2, "opus");
    audiox(&["sim", "--loss", "120%"]).fails(2, "120%");
    audiox(&["link", "--listen", "udp://:0", "--to", "nowhere"]).fails(2, "nowhere");
    audiox(&["plot", "a.wav", "-o", "a.png"]).fails(2, "SVG");
}

#[test]
fn a_group_of_a_description_is_joined_where_it_is_said() {
    let folder = Folder::new();
    let sdp = folder.at("group.sdp");
    let text = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 239.69.1.1/1\r\nt=0 0\r\n\
                m=audio 5004 RTP/AVP 96\r\na=rtpmap:96 L24/48000/2\r\n";
    std::fs::write(&sdp, text).unwrap();
    for command in ["recv", "play"] {
        let args = [command, &sdp, "--to", "null:", "--duration", "1s"];
        let told = audiox(&[&args[..], &["--iface", "no-such-card0"]].concat());
        told.fails(1, "no-such-card0");
    }
}

#[test]
fn ports_and_formats_that_cannot_be_received() {
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let url = format!("udp://{}", taken.local_addr().unwrap());
    let recv = |url: &str, more: &[&str]| {
        audiox(&[&["recv", url, "--to", "null:", "--duration", "1s"], more].concat())
    };
    recv(&url, &[]).fails(1, "in use");
    recv("rtp://127.0.0.1:0", &[]).fails(2, "codec");
    recv("rtp://127.0.0.1:0?pt=10&rate=48000", &[]).fails(2, "44100");
    recv("udp://127.0.0.1:0?format=s17le", &[]).fails(2, "s17le");
    recv("udp://192.0.2.77:0", &[]).fails(1, "192.0.2.77");
    recv("missing.sdp", &[]).fails(1, "missing.sdp");
    recv("missing.sdp", &["--rate", "8000"]).fails(2, "--rate");
    recv("udp://127.0.0.1:0", &["--hold", "1h"]).fails(2, "hold");
    let url = "udp://127.0.0.1:0";
    audiox(&["recv", url, "--to", "udp://127.0.0.1:9"]).fails(2, "FILE.wav");
    audiox(&["recv", url, "--to", "/proc/no/such/folder/"]).fails(1, "/proc/no");
}

#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_is_full() {
    let folder = Folder::new();
    let wav = folder.at("full.wav");
    std::os::unix::fs::symlink("/dev/full", &wav).unwrap();
    send("tone:440,length=1s", &wav, &[]).fails(1, "full.wav");
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full");
    let told = std::process::Command::new(env!("CARGO_BIN_EXE_audiox"))
        .args(["send", "tone:440,length=1s", "--to", "-", "-q"])
        .stdout(full.unwrap())
        .output()
        .unwrap();
    assert_eq!(told.status.code(), Some(1));
    assert!(
        String::from_utf8(told.stderr)
            .unwrap()
            .contains("standard output")
    );

    let (recv, port) = Running::listening(&["recv", "udp://127.0.0.1:0", "--to", &wav]);
    let url = format!("udp://127.0.0.1:{}", port[0]);
    let sender = Running::start(&["send", "tone:440,rate=44100", "--to", &url, "-q"]);
    recv.wait().fails(1, "full.wav");
    sender.interrupt();
    assert_eq!(sender.wait().code, 0);
}

#[test]
fn a_take_is_not_recorded_over_by_accident() {
    let folder = Folder::new();
    let (take, samples) = folder.wav("take.wav", SampleFormat::S16, 1, 1_000);
    let recv = |to: &str, more: &[&str]| {
        let args = [
            "recv",
            "udp://127.0.0.1:0",
            "--to",
            to,
            "--duration",
            "200ms",
        ];
        audiox(&[&args[..], more].concat())
    };
    recv(&take, &[]).fails(2, "--overwrite");
    assert!(data(&take) == samples);
    recv(&take, &["--overwrite"]).clean();
    folder.wav("track-01.wav", SampleFormat::S16, 1, 1_000);
    recv(folder.path("").to_str().unwrap(), &[]).fails(2, "track-01.wav");

    // Nor is anything else that has the name of what is written beside it.
    let other = folder.at("other.wav");
    std::fs::write(folder.path("other.json"), "{}").unwrap();
    recv(&other, &[]).fails(2, "other.json");
    std::fs::remove_file(folder.path("other.json")).unwrap();
    std::fs::write(folder.path("other.track-02.wav"), "what a kill left").unwrap();
    recv(&other, &[]).fails(2, "other.track-02.wav");
}

#[test]
fn a_place_that_cannot_be_written_to_is_known_before_the_first_packet() {
    let folder = Folder::new();
    let recv = |to: &str| {
        let args = ["recv", "udp://127.0.0.1:0", "--to", to, "--duration"];
        audiox(&[&args[..], &["200ms"]].concat())
    };
    if cfg!(target_os = "linux") {
        recv("/proc/heard.wav").fails(1, "/proc/heard.wav");
        recv("/proc/").fails(1, "/proc/");
    }
    // Trying leaves nothing behind.
    recv(&folder.at("nothing.wav")).clean();
    assert!(!folder.path("nothing.wav").exists());
}

#[test]
fn sources_without_audio() {
    let folder = Folder::new();
    let (wav, _) = folder.wav("short.wav", SampleFormat::S16, 1, 1_000);
    let to = folder.at("to.wav");
    for to in [&*to, "null:", NOWHERE] {
        send(&wav, to, &["--offset", "5s"]).fails(1, "there is no audio to send");
        // Standard input is empty here.
        send("-", to, &[]).fails(1, "standard input: there is no audio");
    }
}

#[test]
fn what_is_told_to_a_file_has_no_colours() {
    let told = send("tone:440,length=10ms", "null:", &["-v"]);
    assert!(told.err.contains("DEBUG"), "{}", told.err);
    assert!(!told.err.contains('\u{1b}'), "{}", told.err);
}

//! Ogg Opus files, and Opus on the way between them.
#![cfg(feature = "opus")]

use std::net::UdpSocket;
use std::path::Path;
use std::process::{Command, Stdio};

use audiox::core::source::Source;
use audiox::io::WavSource;
use audiox::io::ogg::{
    ChannelMapping, OpusEvent, OpusFileReader, OpusFileWriter, OpusHead, packet_ticks,
};

use crate::media::file;
use crate::support::{Folder, Running, audiox};

/// All samples of a WAV file's first channel, and its rate.
fn heard(path: &str) -> (Vec<f32>, u32) {
    let mut wav = WavSource::open(path).unwrap();
    let format = wav.format();
    let mut all = vec![0.0; wav.frames() as usize * format.channels.get()];
    wav.read(&mut all).unwrap();
    let first = all.iter().step_by(format.channels.get()).copied();
    (first.collect(), format.rate.get())
}

/// Which part of the power, 0 to 1, a sine of this frequency has.
fn purity(samples: &[f32], rate: u32, hz: f64) -> f64 {
    let (mut re, mut im, mut all) = (0.0, 0.0, 0.0);
    for (i, s) in samples.iter().enumerate() {
        let phase = std::f64::consts::TAU * hz * i as f64 / f64::from(rate);
        let s = f64::from(*s);
        re += s * phase.cos();
        im += s * phase.sin();
        all += s * s;
    }
    2.0 * (re * re + im * im) / (samples.len() as f64 * all)
}

#[test]
fn music_at_44100_hz_is_sent_as_opus() {
    let folder = Folder::new();
    let signal = "tone:1000,rate=44100,channels=2,length=2s";
    let path = file(&folder, "music.flac", signal, &["-c:a", "flac"]);
    let to = folder.at("heard.wav");
    let from = "rtp://127.0.0.1:0?codec=opus&channels=2";
    let (receiver, ports) = Running::listening(&["recv", from, "--to", &to, "--once"]);
    let url = format!("rtp://127.0.0.1:{}?codec=opus&ptime=20", ports[0]);
    let told = audiox(&["send", &path, "--to", &url, "--json"]).clean();
    receiver.wait().clean();
    let notice = &told.events()[0];
    assert_eq!(notice["event"], "notice");
    let text = notice["text"].as_str().unwrap();
    assert!(text.contains("from 44100 Hz to 48000 Hz"), "{text}");
    let (samples, rate) = heard(&to);
    assert_eq!((rate, samples.len()), (48_000, 96_000));
    let part = purity(&samples[4_800..91_200], rate, 1_000.0);
    assert!(part > 0.999, "{part}");
}

#[test]
fn what_a_browser_recorded_becomes_a_wav_file() {
    let folder = Folder::new();
    let recording = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/recordings/chromium.webm"
    );
    let to = folder.at("heard.wav");
    audiox(&["send", recording, "--to", &to, "-q"]).clean();
    let (samples, rate) = heard(&to);
    assert_eq!(rate, 48_000);
    assert!(samples.len().abs_diff(RECORDED) <= 960, "{}", samples.len());
    let part = purity(&samples[20_000..90_000], rate, 440.0);
    assert!(part > 0.99, "{part}");
}

/// Frames of the recording: 36 packets of 60 ms.
const RECORDED: usize = 36 * 2_880;

/// The packets of an Ogg Opus file.
fn packets(path: impl AsRef<Path>) -> Vec<Vec<u8>> {
    let mut reader = OpusFileReader::open(path).unwrap();
    assert_eq!(reader.notices(), [""; 0]);
    let mut all = Vec::new();
    while let Some(event) = reader.next_event().unwrap() {
        match event {
            OpusEvent::Packet { data, .. } => all.push(data),
            other => panic!("{other:?}"),
        }
    }
    all
}

#[test]
fn packets_of_every_length_are_received() {
    for ptime in ["2.5", "120"] {
        let folder = Folder::new();
        let to = folder.at("heard.wav");
        let from = "rtp://127.0.0.1:0?codec=opus";
        let (receiver, ports) = Running::listening(&["recv", from, "--to", &to, "--once"]);
        let url = format!("rtp://127.0.0.1:{}?codec=opus&ptime={ptime}", ports[0]);
        let tone = "tone:440,channels=2,length=0.6s";
        audiox(&["send", tone, "--to", &url, "-q"]).clean();
        let told = receiver.wait().clean().summary();
        assert_eq!(told["undecodable"], 0, "{told}");
        assert_eq!(told["streams"][0]["end_frame"], 28_800, "{told}");
    }
}

#[test]
fn received_opus_is_recorded_as_it_came_with_its_gaps() {
    let folder = Folder::new();
    let codec = ["-c:a", "libopus", "-b:a", "64k"];
    let path = file(&folder, "a.opus", "sweep:200-4000,length=1s", &codec);
    let sent = packets(&path);
    assert_eq!(sent.len(), 51);

    let to = folder.at("heard.opus");
    let from = "rtp://127.0.0.1:0?codec=opus&channels=1&pt=111";
    let (receiver, ports) =
        Running::listening(&["recv", from, "--to", &to, "--once", "--idle", "1s"]);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    // One is lost, two are swapped, one comes twice.
    let order = (0..51).filter(|n| *n != 20).map(|n| match n {
        30 => 31,
        31 => 30,
        n => n,
    });
    for n in order.chain([40]) {
        let mut datagram = vec![0x80, 111, 0, n as u8];
        datagram.extend((960 * n as u32).to_be_bytes());
        datagram.extend(7u32.to_be_bytes());
        datagram.extend(&sent[n]);
        socket.send_to(&datagram, ("127.0.0.1", ports[0])).unwrap();
    }
    let told = receiver.wait().clean().summary();
    let stream = &told["streams"][0];
    assert_eq!(stream["gap_frames"], 960, "{stream}");
    assert_eq!(stream["file"], to.as_str(), "{stream}");
    let heard = packets(&to);
    assert_eq!(heard.len(), 51);
    for (n, (heard, sent)) in heard.iter().zip(&sent).enumerate() {
        if n == 20 {
            assert_eq!((heard.len(), packet_ticks(heard)), (1, Some(960)));
            assert_eq!(heard[0] & !3, sent[0] & !3);
        } else {
            assert!(heard == sent, "{n}");
        }
    }
    // Others read it too, in time.
    let wav = folder.at("decoded.wav");
    let decode = ["-v", "error", "-c:a", "libopus", "-i", &to, &wav];
    let output = Command::new("ffmpeg")
        .args(decode)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{output:?}"
    );
    assert_eq!(heard_frames(&wav), 51 * 960 - 312);
    // It is not recorded over, nor beside.
    audiox(&["recv", from, "--to", &to]).fails(2, "--overwrite");
}

fn heard_frames(path: &str) -> u64 {
    WavSource::open(path).unwrap().frames()
}

#[test]
fn anything_is_encoded_into_ogg_opus_files() {
    let folder = Folder::new();
    let (small, large) = (folder.at("small.opus"), folder.at("large.opus"));
    let tone = "tone:1000,rate=44100,channels=2,length=2s";
    audiox(&[
        "send",
        tone,
        "--to",
        &small,
        "--bitrate",
        "24k",
        "--application",
        "voip",
        "-q",
    ])
    .clean();
    audiox(&["send", tone, "--to", &large, "--bitrate", "200k", "-q"]).clean();
    let length = |path: &str| std::fs::metadata(path).unwrap().len();
    assert!(
        (4_000..9_000).contains(&length(&small)),
        "{}",
        length(&small)
    );
    assert!(
        (30_000..60_000).contains(&length(&large)),
        "{}",
        length(&large)
    );
    let wav = folder.at("again.wav");
    audiox(&["send", &small, "--to", &wav, "-q"]).clean();
    let (samples, rate) = heard(&wav);
    assert_eq!((rate, samples.len()), (48_000, 96_000));
    let part = purity(&samples[4_800..91_200], rate, 1_000.0);
    assert!(part > 0.95, "{part}");

    // PCM that is received, too.
    let to = folder.at("heard.opus");
    let from = "rtp://127.0.0.1:0?codec=L16&rate=44100&channels=2";
    let (receiver, ports) = Running::listening(&["recv", from, "--to", &to, "--once"]);
    let url = format!("rtp://127.0.0.1:{}?codec=L16", ports[0]);
    audiox(&["send", tone, "--to", &url, "-q"]).clean();
    receiver.wait().clean();
    audiox(&["send", &to, "--to", &wav, "-q"]).clean();
    assert_eq!(heard_frames(&wav), 96_000);
}

#[test]
fn opus_is_encoded_as_the_url_says_and_options_win() {
    let bytes = |query: &str, args: &[&str]| {
        let to = format!("rtp://127.0.0.1:9?codec=opus&ptime=20&{query}");
        let args = [
            &["send", "noise:pink,length=1s", "--to", &to, "--json"],
            args,
        ]
        .concat();
        let told = audiox(&args).clean().summary();
        told["streams"][0]["bytes"].as_u64().unwrap()
    };
    let few = bytes("bitrate=16k&complexity=0", &[]);
    assert!((1_200..2_800).contains(&few), "{few}");
    let many = bytes("bitrate=16k", &["--bitrate", "128k"]);
    assert!(many > 10_000, "{many}");
    let send =
        |to: &str, more: &[&str]| audiox(&[&["send", "tone:440", "--to", to], more].concat());
    send("rtp://127.0.0.1:9?codec=L16&bitrate=64k", &[]).fails(2, "codec=opus");
    send("rtp://127.0.0.1:9?codec=opus&bitrate=1", &[]).fails(2, "bitrate");
    send("udp://127.0.0.1:9", &["--dtx"]).fails(2, "Opus");
    send("a.wav", &["--dtx"]).fails(2, "FILE.opus");
    send("a.opus", &["--sample-format", "s16"]).fails(2, "--sample-format");
}

/// What a recorder makes of a file that is sent with these keys and options.
fn sent(folder: &Folder, path: &str, query: &str, options: &[&str]) -> Vec<Vec<u8>> {
    let to = folder.at("heard.opus");
    let from = "rtp://127.0.0.1:0?codec=opus&channels=2";
    let args = ["recv", from, "--to", &to, "--once", "--overwrite"];
    let (receiver, ports) = Running::listening(&args);
    let url = format!("rtp://127.0.0.1:{}?codec=opus{query}", ports[0]);
    let told = audiox(&[&["send", path, "--to", &url, "--json"], options].concat());
    let stream = &told.clean().summary()["streams"][0];
    assert_eq!(stream["end"], "complete", "{stream}");
    receiver.wait().clean();
    packets(&to)
}

#[test]
fn a_file_goes_through_the_network_into_a_file_without_being_encoded_again() {
    let folder = Folder::new();
    for frame_duration in ["20", "2.5", "60"] {
        let codec = [
            "-c:a",
            "libopus",
            "-b:a",
            "96k",
            "-frame_duration",
            frame_duration,
        ];
        let signal = "sweep:200-4000,length=1s,channels=2";
        let path = file(&folder, "a.opus", signal, &codec);
        let original = packets(&path);
        assert!(
            sent(&folder, &path, "", &[]) == original,
            "{frame_duration}"
        );
        let repaired = sent(&folder, &path, "&fec=20%", &[]);
        assert!(repaired == original, "{frame_duration} with repair packets");
    }
    // What asks for something else is decoded and encoded.
    let path = file(
        &folder,
        "a.opus",
        "tone:440,length=1s,channels=2",
        &["-c:a", "libopus"],
    );
    let original = packets(&path);
    assert_eq!(sent(&folder, &path, "&ptime=10", &[]).len(), 100);
    for (query, options) in [
        ("", &["--gain", "-6dB"][..]),
        ("", &["--offset", "500ms"]),
        ("&bitrate=32k", &[]),
    ] {
        let other = sent(&folder, &path, query, options);
        assert!(other != original, "{query} {options:?}");
    }
}

#[test]
fn a_file_with_a_gain_or_a_beginning_not_heard_is_not_sent_as_it_is() {
    let folder = Folder::new();
    let stream = |gain: i16, pre_skip: u16, serial: u32| {
        let mut head = OpusHead::new(ChannelMapping::single(1).unwrap(), pre_skip, 48_000);
        head.gain = gain;
        let mut bytes = Vec::new();
        let mut writer = OpusFileWriter::new(&mut bytes, "stream", &head, serial).unwrap();
        (0..20).for_each(|_| writer.write(&[31 << 3, 0, 0]).unwrap());
        writer.finish(0).unwrap();
        bytes
    };
    let plain = stream(0, 312, 1);
    for (rest, as_it_is) in [
        (stream(0, 312, 2), true),
        // Quieter, and with a fifth of a second that is not to be heard.
        (stream(-256, 312, 2), false),
        (stream(0, 9_600, 2), false),
    ] {
        let path = folder.path("chained.opus");
        std::fs::write(&path, [&plain[..], &rest].concat()).unwrap();
        let opened = audiox::source::open_file(&path).unwrap();
        assert_eq!(opened.opus.is_some(), as_it_is);
    }
}

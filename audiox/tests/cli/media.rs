//! Compressed files as sources, sent to a recorder on this machine.

use std::process::{Command, Stdio};

use audiox::core::source::Source;
use audiox::io::WavSource;

use crate::support::{Folder, Running, audiox, data};

/// A file that ffmpeg makes of a test signal.
fn file(folder: &Folder, name: &str, signal: &str, codec: &[&str]) -> String {
    let (wav, path) = (folder.at("signal.wav"), folder.at(name));
    audiox(&["send", signal, "--to", &wav, "-q"]).clean();
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-i", &wav])
        .args(codec)
        .arg(&path)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|e| panic!("ffmpeg: {e}; install it by scripts/bootstrap.sh test"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    path
}

const KINDS: [(&str, &[&str]); 5] = [
    ("a.flac", &["-c:a", "flac"]),
    ("a.mp3", &["-c:a", "libmp3lame", "-b:a", "160k"]),
    ("a.ogg", &["-c:a", "libvorbis"]),
    ("a.aac", &["-c:a", "aac"]),
    ("a.m4a", &["-c:a", "aac"]),
];

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
fn every_kind_of_file_is_sent_as_it_is_decoded() {
    let folder = Folder::new();
    for (name, codec) in KINDS {
        let signal = "sweep:200-4000,rate=44100,channels=2,length=1s";
        let path = file(&folder, name, signal, codec);
        let (local, remote) = (folder.at("local.wav"), folder.at("remote.wav"));
        audiox(&[
            "send",
            &path,
            "--to",
            &local,
            "--sample-format",
            "s16",
            "-q",
        ])
        .clean();
        let from = "rtp://127.0.0.1:0?codec=L16&rate=44100&channels=2";
        let args = ["recv", from, "--to", &remote, "--once", "--overwrite"];
        let (receiver, ports) = Running::listening(&args);
        let to = format!("rtp://127.0.0.1:{}?codec=L16", ports[0]);
        let told = audiox(&["send", &path, "--to", &to, "--json"]).clean();
        receiver.wait().clean();
        assert_eq!(told.summary()["streams"][0]["name"], path.as_str());
        assert!(data(&local).len() >= 44_100 * 4, "{name}");
        assert!(data(&local) == data(&remote), "{name}");
    }
}

#[test]
fn a_folder_of_all_kinds_is_as_many_streams() {
    let folder = Folder::new();
    for (name, codec) in KINDS {
        file(&folder, name, "tone:440,length=0.2s", codec);
    }
    std::fs::write(folder.path("cover.jpg"), "none").unwrap();
    let told = audiox(&[
        "send",
        folder.path("").to_str().unwrap(),
        "--to",
        "null:",
        "--json",
    ]);
    let told = told.clean().summary();
    // The signal's own file lies there too.
    assert_eq!(told["written"].as_array().unwrap().len(), KINDS.len() + 1);
}

#[test]
#[cfg(feature = "opus")]
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
fn files_that_cannot_be_read_are_named_with_what_they_are() {
    let folder = Folder::new();
    let write = |name: &str, bytes: &[u8]| {
        std::fs::write(folder.path(name), bytes).unwrap();
        folder.at(name)
    };
    let flac = file(&folder, "a.flac", "tone:440,length=1s", &["-c:a", "flac"]);
    let whole = std::fs::read(flac).unwrap();
    for (path, part) in [
        (
            write("a.jpg", &[0xff, 0xd8, 0xff, 0xe0, 0, 16]),
            "FLAC, MP3",
        ),
        (write("text.mp3", &b"not music ".repeat(200)), "text.mp3"),
        (
            write("a.wma", &[0x30, 0x26, 0xb2, 0x75, 0x8e]),
            "Windows Media",
        ),
        (write("head.flac", &whole[..40]), "head.flac"),
    ] {
        audiox(&["send", &path, "--to", "null:"]).fails(1, part);
    }
    let cut = write("cut.flac", &whole[..whole.len() / 2]);
    audiox(&["send", &cut, "--to", "null:"]).fails(1, "of 48000");
}

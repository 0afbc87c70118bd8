//! Compressed files as sources, sent to a recorder on this machine.

use std::process::{Command, Stdio};

use crate::support::{Folder, Running, audiox, data};

/// A file that ffmpeg makes of a test signal.
pub(crate) fn file(folder: &Folder, name: &str, signal: &str, codec: &[&str]) -> String {
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

/// The kinds that this build reads.
fn kinds() -> impl Iterator<Item = (&'static str, &'static [&'static str])> {
    let reads = |(name, _): &(&str, _)| cfg!(feature = "opus") || *name != "a.opus";
    KINDS.into_iter().filter(reads)
}

const KINDS: [(&str, &[&str]); 6] = [
    ("a.flac", &["-c:a", "flac"]),
    ("a.mp3", &["-c:a", "libmp3lame", "-b:a", "160k"]),
    ("a.ogg", &["-c:a", "libvorbis"]),
    ("a.aac", &["-c:a", "aac"]),
    ("a.m4a", &["-c:a", "aac"]),
    ("a.opus", &["-c:a", "libopus", "-b:a", "160k"]),
];

#[test]
fn every_kind_of_file_is_sent_as_it_is_decoded() {
    let folder = Folder::new();
    for (name, codec) in kinds() {
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
        // Opus has no other rate.
        let rate = if name == "a.opus" { 48_000 } else { 44_100 };
        let from = format!("rtp://127.0.0.1:0?codec=L16&rate={rate}&channels=2");
        let args = ["recv", &from, "--to", &remote, "--once", "--overwrite"];
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
    for (name, codec) in kinds() {
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
    assert_eq!(
        told["written"].as_array().unwrap().len(),
        kinds().count() + 1
    );
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

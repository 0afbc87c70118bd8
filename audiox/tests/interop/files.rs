//! Ogg Opus files of others read here, and ours read by others.

use crate::peer::{gst, program};
use crate::sound::{self, LEAST_SECONDS, Likeness, SECONDS, least_snr};
use crate::support::{Folder, audiox};

fn check(path: &str, channels: usize, what: &str) {
    let heard = Likeness::of(path, channels);
    assert!(heard.seconds >= LEAST_SECONDS, "{what}: {}", heard.seconds);
    assert!(heard.snr >= least_snr(channels), "{what}: {}", heard.snr);
}

fn run(command: &mut std::process::Command) {
    let out = command.output().unwrap();
    assert!(
        out.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&out.stderr)
    );
}

#[test]
fn files_of_others_are_read_as_they_are_meant() {
    for channels in [1, 2] {
        let folder = Folder::new();
        let source = sound::file(&folder, 48_000, channels, SECONDS);
        let (theirs, heard) = (folder.at("theirs.opus"), folder.at("heard.wav"));
        let pipeline = format!(
            "filesrc location={source} ! wavparse ! audioconvert ! opusenc bitrate=128000 ! oggmux \
             ! filesink location={theirs}"
        );
        let ffmpeg = ["-v", "error", "-y", "-i", &source, "-b:a", "128k", &theirs];
        for (name, mut command) in [
            ("GStreamer", gst(&pipeline)),
            ("ffmpeg", {
                let mut command = program("ffmpeg");
                command.args(ffmpeg);
                command
            }),
        ] {
            run(&mut command);
            audiox(&["send", &theirs, "--to", &heard]).clean();
            check(&heard, channels, name);
        }
    }
}

#[test]
fn our_files_are_read_by_others() {
    for channels in [1, 2] {
        let folder = Folder::new();
        let source = sound::file(&folder, 48_000, channels, SECONDS);
        let (ours, heard) = (folder.at("ours.opus"), folder.at("heard.wav"));
        audiox(&["send", &source, "--to", &ours, "--bitrate", "128000"]).clean();
        let pipeline = format!(
            "filesrc location={ours} ! oggdemux ! opusdec ! audioconvert \
             ! audio/x-raw,format=S16LE,rate=48000,channels={channels} ! wavenc \
             ! filesink location={heard}"
        );
        run(&mut gst(&pipeline));
        check(&heard, channels, "GStreamer");
        let mut ffmpeg = program("ffmpeg");
        ffmpeg.args(["-v", "error", "-y", "-i", &ours, &heard]);
        run(&mut ffmpeg);
        check(&heard, channels, "ffmpeg");
    }
}

//! Compressed files of others read here, and ours read by others.

use std::process::Command;

use crate::peer::{gst, program};
use crate::program::ran;
use crate::sound::{self, LEAST_SECONDS, Likeness, SECONDS, least_snr};
use crate::support::{Folder, audiox};
use crate::table::{Way, passed};

#[test]
fn ogg_files_of_others_are_read_as_they_are_meant() {
    for channels in [1, 2] {
        let folder = Folder::new();
        let source = sound::file(&folder, 48_000, channels, SECONDS);
        let heard = folder.at("heard.wav");
        for (peer, codec) in [
            ("GStreamer", "Opus"),
            ("ffmpeg", "Opus"),
            ("opus-tools", "Opus"),
            ("sox", "Vorbis"),
        ] {
            let theirs = folder.at(&format!("{peer}.ogg"));
            ran(&mut match peer {
                "GStreamer" => gst(&format!(
                    "filesrc location={source} ! wavparse ! audioconvert ! \
                     opusenc bitrate=128000 ! oggmux ! filesink location={theirs}"
                )),
                "ffmpeg" => {
                    let args = ["-i", &source, "-c:a", "libopus", "-b:a", "128k", &theirs];
                    with("ffmpeg", &[&["-v", "error"][..], &args].concat())
                }
                "sox" => with("sox", &[&source, "-C", "8", &theirs]),
                _ => with(
                    "opusenc",
                    &["--quiet", "--bitrate", "128", &source, &theirs],
                ),
            });
            audiox(&["send", &theirs, "--to", &heard]).clean();
            check(&heard, (codec, peer, Way::ToUs), channels);
        }
    }
}

#[test]
fn our_ogg_files_are_read_by_others() {
    for channels in [1, 2] {
        let folder = Folder::new();
        let source = sound::file(&folder, 48_000, channels, SECONDS);
        let (ours, heard) = (folder.at("ours.opus"), folder.at("heard.wav"));
        audiox(&["send", &source, "--to", &ours, "--bitrate", "128000"]).clean();
        for peer in ["GStreamer", "ffmpeg", "opus-tools"] {
            ran(&mut match peer {
                "GStreamer" => gst(&format!(
                    "filesrc location={ours} ! oggdemux ! opusdec ! audioconvert \
                     ! audio/x-raw,format=S16LE,rate=48000,channels={channels} ! wavenc \
                     ! filesink location={heard}"
                )),
                "ffmpeg" => with("ffmpeg", &["-v", "error", "-y", "-i", &ours, &heard]),
                _ => with("opusdec", &["--quiet", "--force-wav", &ours, &heard]),
            });
            check(&heard, ("Opus", peer, Way::FromUs), channels);
        }
    }
}

fn with(name: &str, args: &[&str]) -> Command {
    let mut command = program(name);
    command.args(args);
    command
}

fn check(path: &str, (codec, peer, way): (&str, &str, Way), channels: usize) {
    let heard = Likeness::of(path, channels);
    let what = format!("{peer} {way:?}, {channels} ch: {heard:?}");
    assert!(heard.seconds >= LEAST_SECONDS, "{what}");
    assert!(heard.unlike < 0.03, "{what}");
    assert!(heard.snr >= least_snr(channels), "{what}");
    let how = format!("file, 48000 Hz, {channels} ch");
    passed(codec, peer, way, &how, &format!("{:.0} dB", heard.snr));
}

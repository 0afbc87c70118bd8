//! ffmpeg and GStreamer, each as sender and as receiver of a stream.

use std::process::Command;
use std::time::Duration;

use crate::peer::{gst, program, python};
use crate::stream::{Codec, Stream};
use crate::support::{Folder, Running, audiox, wait_bound};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    Ffmpeg,
    GStreamer,
}

impl Program {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ffmpeg => "ffmpeg",
            Self::GStreamer => "GStreamer",
        }
    }

    /// Its own description of what it will send to a port; the file's path.
    pub(crate) fn describe(self, folder: &Folder, stream: Stream, source: &str, to: u16) -> String {
        let sdp = folder.at("theirs.sdp");
        match self {
            // It describes only what it sends: a little, to nobody.
            Self::Ffmpeg => {
                let mut send = ffmpeg_sends(stream, source, to);
                let url = send.get_args().last().unwrap().to_owned();
                let mut once = program("ffmpeg");
                // The address stays last, and what limits the time before it.
                let args = send.get_args().take(send.get_args().count() - 1);
                once.args(args).args(["-t", "0.01", "-sdp_file", &sdp]);
                send = once;
                ran(send.arg(url));
            }
            Self::GStreamer => {
                let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/gst_sdp.py");
                let pipeline = gst_source(stream, source);
                let said = ran(python().args([script, &to.to_string(), &pipeline]));
                std::fs::write(&sdp, said).unwrap();
            }
        }
        sdp
    }

    /// Sends a WAV file in real time to a port of this machine, and ends.
    pub(crate) fn sends(self, stream: Stream, source: &str, to: u16) -> Command {
        match self {
            Self::Ffmpeg => ffmpeg_sends(stream, source, to),
            Self::GStreamer => gst(&format!(
                "{} ! udpsink host=127.0.0.1 port={to} sync=true",
                gst_source(stream, source)
            )),
        }
    }

    /// Writes what comes by a description into a WAV file, and ends with the stream.
    pub(crate) fn hears(self, stream: Stream, sdp: &str, to: &str) -> Command {
        match self {
            Self::Ffmpeg => {
                let mut command = program("ffmpeg");
                command
                    .args(["-v", "error", "-protocol_whitelist", "file,udp,rtp"])
                    // What waits behind a missing packet when the stream ends it would throw away.
                    .args(["-reorder_queue_size", "0", "-i", sdp]);
                if stream.codec == Codec::Opus {
                    // What is lost stays away, but in its place.
                    command.args(["-af", "aresample=async=1:min_hard_comp=0.005"]);
                }
                command.args([
                    "-c:a",
                    ["pcm_s16le", "pcm_s24le"][usize::from(wide(stream))],
                ]);
                command.arg(to);
                command
            }
            Self::GStreamer => gst(&format!(
                "filesrc location={sdp} ! sdpdemux latency=60 name=session session.stream_0 ! \
                 {} ! audioconvert dithering=none ! audio/x-raw,format={} ! wavenc ! \
                 filesink location={to}",
                stream.codec.gst_hears(),
                if wide(stream) { "S24LE" } else { "S16LE" }
            )),
        }
    }
}

/// GStreamer hearing Opus on a port as its decoder bridges losses, of which only a jitter buffer
/// made by hand tells it. It is to be interrupted at the end.
pub(crate) fn gst_bridges(port: u16, to: &str) -> Command {
    gst(&format!(
        "udpsrc address=127.0.0.1 port={port} caps=application/x-rtp,media=audio,\
         clock-rate=48000,encoding-name=OPUS,payload=96 ! \
         rtpjitterbuffer latency=200 do-lost=true ! {} ! audioconvert ! \
         audio/x-raw,format=S16LE ! wavenc ! filesink location={to}",
        Codec::Opus.gst_hears()
    ))
}

/// Whether its samples are of 24 bits.
fn wide(stream: Stream) -> bool {
    stream.codec == Codec::L24
}

fn ffmpeg_sends(stream: Stream, source: &str, to: u16) -> Command {
    let payload = stream.payload_len();
    let (url, ptime) = (format!("rtp://127.0.0.1:{to}"), stream.ptime());
    let mut command = program("ffmpeg");
    command
        .args(["-v", "error", "-re", "-i", source, "-f", "rtp"])
        .args(["-c:a", stream.codec.ffmpeg(), "-rtpflags", "+send_bye"])
        .args(["-payload_type", &stream.payload_type().to_string()]);
    match stream.codec {
        Codec::Opus => command.args(["-b:a", "96k", "-frame_duration", &ptime, &url]),
        _ => {
            // Else what is left of each piece that it reads is a shorter packet.
            let pieces = format!("asetnsamples=n={}", stream.packet());
            command.args(["-af", &pieces, &format!("{url}?pkt_size={}", 12 + payload)])
        }
    };
    command
}

fn gst_source(stream: Stream, source: &str) -> String {
    let (codec, pt, ns) = (
        stream.codec,
        stream.payload_type(),
        u64::from(stream.packet_us) * 1_000,
    );
    let packets = match codec {
        // Its name for 2.5 ms is 2.
        Codec::Opus => {
            let ms = stream.packet_us / 1_000;
            format!("opusenc bitrate=96000 frame-size={ms} ! rtpopuspay name=pay pt={pt}")
        }
        _ => format!(
            "{} name=pay pt={pt} min-ptime={ns} max-ptime={ns}",
            codec.gst_sends()
        ),
    };
    format!("filesrc location={source} ! wavparse ! audioconvert dithering=none ! {packets}")
}

/// Runs a program to its good end; what it printed.
pub(crate) fn ran(command: &mut Command) -> String {
    let out = command.output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{command:?}: {said}");
    String::from_utf8(out.stdout).unwrap()
}

/// Our description of a stream; the file's path. It is had by sending a little, to nobody, so that
/// nothing hurries a receiver that reads it.
pub(crate) fn our_description(folder: &Folder, source: &str, url: &str) -> String {
    let sdp = folder.at("ours.sdp");
    let some = ["--duration", "5ms", "--sdp", &sdp, "--seed", SEED];
    let told = audiox(&[&["send", source, "--to", url][..], &some].concat());
    assert_eq!(told.code, 0, "{told:?}");
    sdp
}

/// `audiox send` of the stream that was described, once somebody has bound a port.
pub(crate) fn send_to_bound(port: u16, source: &str, url: &str) -> Running {
    wait_bound(port);
    // What is behind the socket comes into being after it.
    std::thread::sleep(Duration::from_millis(300));
    Running::start(&["send", source, "--to", url, "--seed", SEED, "--json"])
}

/// Has a description say another port: behind a relay the receiver's is not the one sent to.
pub(crate) fn readdress(sdp: &str, from: u16, to: u16) {
    let text = std::fs::read_to_string(sdp).unwrap();
    let (from, to) = (format!("m=audio {from} "), format!("m=audio {to} "));
    assert!(text.contains(&from), "{text}");
    std::fs::write(sdp, text.replace(&from, &to)).unwrap();
}

/// Of identifiers, which the description names.
const SEED: &str = "1";

//! ffmpeg as sender and as receiver, by session descriptions both ways.

use std::path::Path;
use std::time::Duration;

use crate::peer::{
    Peer, came_whole, formats, free_port, node, noise, program, samples, stands_in, wait_bound,
};
use audiox_core::format::SampleFormat;
use audiox_io::wav::WavSource;
use audiox_udp::streamer::{StreamSpec, Streamer, StreamerConfig};

/// Codec in RTP, ffmpeg's name for it, and the file's samples.
const CODECS: [(&str, &str, SampleFormat); 2] = [
    ("L16", "pcm_s16be", SampleFormat::S16),
    ("L24", "pcm_s24be", SampleFormat::S24),
];

fn ffmpeg_sends(source: &Path, codec: &str, port: u16, sdp: &Path, seconds: &str) -> Peer {
    let url = format!("rtp://127.0.0.1:{port}?pkt_size=972");
    Peer::start(
        program("ffmpeg")
            .args(["-v", "error", "-re", "-i"])
            .arg(source)
            .args([
                "-t",
                seconds,
                "-c:a",
                codec,
                "-f",
                "rtp",
                "-payload_type",
                "96",
            ])
            .args(["-sdp_file".as_ref(), sdp.as_os_str()])
            .arg(url),
    )
}

#[test]
fn the_l16_that_ffmpeg_sends_is_recorded_to_the_bit() {
    ffmpeg_to_us(CODECS[0]);
}

#[test]
fn the_l24_that_ffmpeg_sends_is_recorded_to_the_bit() {
    ffmpeg_to_us(CODECS[1]);
}

#[test]
fn the_l16_that_we_send_ffmpeg_receives_to_the_bit() {
    us_to_ffmpeg(CODECS[0]);
}

#[test]
fn the_l24_that_we_send_ffmpeg_receives_to_the_bit() {
    us_to_ffmpeg(CODECS[1]);
}

fn ffmpeg_to_us((_, codec, sample): (&str, &str, SampleFormat)) {
    for format in formats() {
        let dir = tempfile::tempdir().unwrap();
        let source = dir.path().join("source.wav");
        let frames = format.rate.get() as usize;
        noise(&source, format, sample, frames);
        let (port, sdp) = (free_port(), dir.path().join("ffmpeg.sdp"));
        // Its description can be had only by sending: once to nobody, then in earnest.
        ffmpeg_sends(&source, codec, port, &sdp, "0.01").finish();
        let file = dir.path().join("recorded.wav");
        let recorder = node(&std::fs::read_to_string(&sdp).unwrap(), file.clone());
        ffmpeg_sends(&source, codec, port, &sdp, "9").finish();
        let report = recorder.wait().unwrap();
        came_whole(&report);
        let ((got_format, got), (_, sent)) = (samples(&file), samples(&source));
        assert_eq!(got_format, format);
        assert_eq!(
            stands_in(&got, &sent, format.channels.get()),
            frames,
            "{codec} {format}"
        );
    }
}

fn us_to_ffmpeg((codec, _, sample): (&str, &str, SampleFormat)) {
    for format in formats() {
        let dir = tempfile::tempdir().unwrap();
        let source = dir.path().join("source.wav");
        noise(&source, format, sample, format.rate.get() as usize * 3);
        let port = free_port();
        let url = format!("rtp://127.0.0.1:{port}?codec={codec}&ptime=5");
        let mut config = StreamerConfig::new(url.parse().unwrap());
        // Long enough for ffmpeg to read the description and bind.
        config.start = audiox_udp::streamer::Start::At(
            std::time::SystemTime::now() + Duration::from_millis(2_500),
        );
        let stream = StreamSpec::new("source", WavSource::open(&source).unwrap());
        let streamer = Streamer::start(config, vec![stream]).unwrap();
        let sdp = dir.path().join("ours.sdp");
        std::fs::write(&sdp, streamer.sdp().unwrap()).unwrap();
        let out = dir.path().join("received.wav");
        let stored = if sample == SampleFormat::S16 {
            "pcm_s16le"
        } else {
            "pcm_s24le"
        };
        let ffmpeg = Peer::start(
            program("ffmpeg")
                .args(["-v", "error", "-protocol_whitelist", "file,udp,rtp", "-i"])
                .arg(&sdp)
                .args(["-t", "1.5", "-c:a", stored])
                .arg(&out),
        );
        wait_bound(port);
        ffmpeg.finish();
        streamer.stop();
        streamer.wait().unwrap();
        let ((got_format, got), (_, sent)) = (samples(&out), samples(&source));
        assert_eq!(got_format, format);
        let whole = stands_in(&got, &sent, format.channels.get());
        assert!(
            whole >= format.rate.get() as usize,
            "{codec} {format}: {whole} frames"
        );
    }
}

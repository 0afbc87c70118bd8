//! GStreamer as sender and as receiver, with descriptions as its users write them.

use std::time::Duration;

use crate::peer::{
    Peer, came_whole, formats, free_port, node, noise, program, samples, stands_in, wait_bound,
};
use audiox_core::format::SampleFormat;
use audiox_io::wav::WavSource;
use audiox_udp::streamer::{StreamSpec, Streamer, StreamerConfig};

/// Codec in RTP, GStreamer's payloader and depayloader, its raw format, the file's samples.
const CODECS: [(&str, &str, &str, &str, SampleFormat); 2] = [
    (
        "L16",
        "rtpL16pay",
        "rtpL16depay",
        "S16LE",
        SampleFormat::S16,
    ),
    (
        "L24",
        "rtpL24pay",
        "rtpL24depay",
        "S24LE",
        SampleFormat::S24,
    ),
];

#[test]
fn what_gstreamer_sends_is_recorded_to_the_bit() {
    for (codec, pay, _, _, sample) in CODECS {
        for format in formats() {
            let dir = tempfile::tempdir().unwrap();
            let source = dir.path().join("source.wav");
            let frames = format.rate.get() as usize;
            noise(&source, format, sample, frames);
            let port = free_port();
            let (rate, channels) = (format.rate.get(), format.channels);
            let sdp = format!(
                "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=gst\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
                 m=audio {port} RTP/AVP 96\r\na=rtpmap:96 {codec}/{rate}/{channels}\r\n"
            );
            let file = dir.path().join("recorded.wav");
            let recorder = node(&sdp, file.clone());
            let pipeline = format!(
                "filesrc location={} ! wavparse ! audioconvert dithering=none ! \
                 {pay} pt=96 max-ptime=5000000 ! udpsink host=127.0.0.1 port={port} sync=true",
                source.display()
            );
            Peer::start(
                program("gst-launch-1.0")
                    .arg("-q")
                    .args(pipeline.split(' ')),
            )
            .finish();
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
}

#[test]
fn what_we_send_gstreamer_receives_to_the_bit() {
    for (codec, _, depay, raw, sample) in CODECS {
        for format in formats() {
            let dir = tempfile::tempdir().unwrap();
            let source = dir.path().join("source.wav");
            let frames = format.rate.get() as usize;
            noise(&source, format, sample, frames);
            let (port, out) = (free_port(), dir.path().join("received.wav"));
            let (rate, channels) = (format.rate.get(), format.channels);
            let pipeline = format!(
                "udpsrc address=127.0.0.1 port={port} \
                 caps=application/x-rtp,media=audio,clock-rate={rate},encoding-name={codec},\
                 channels={channels},payload=96 ! rtpjitterbuffer latency=50 ! {depay} ! \
                 audioconvert dithering=none ! audio/x-raw,format={raw} ! wavenc ! \
                 filesink location={}",
                out.display()
            );
            let gst = Peer::start(
                program("gst-launch-1.0")
                    .args(["-q", "-e"])
                    .args(pipeline.split(' ')),
            );
            wait_bound(port);
            std::thread::sleep(Duration::from_millis(300));
            let url = format!("rtp://127.0.0.1:{port}?codec={codec}&pt=96&ptime=4");
            let stream = StreamSpec::new("source", WavSource::open(&source).unwrap());
            let streamer = Streamer::start(StreamerConfig::new(url.parse().unwrap()), vec![stream]);
            streamer.unwrap().wait().unwrap();
            std::thread::sleep(Duration::from_millis(500));
            gst.interrupt();
            let ((got_format, got), (_, sent)) = (samples(&out), samples(&source));
            assert_eq!(got_format, format);
            assert_eq!(
                stands_in(&got, &sent, format.channels.get()),
                frames,
                "{codec} {format}"
            );
        }
    }
}

//! GStreamer as sender and as receiver of Opus, with descriptions as its users write them.

use crate::ffmpeg::announced;
use crate::peer::{Peer, gst, packets, wait_bound};
use crate::sound::{self, LEAST_SECONDS, Likeness, SECONDS, least_snr};
use crate::support::{Folder, Running, free_ports};

#[test]
fn gstreamer_hears_the_opus_that_we_send() {
    for (ptime, channels) in packets() {
        we_send(ptime, channels, "");
    }
}

#[test]
fn gstreamer_hears_a_stream_with_repair_packets_and_retransmission() {
    we_send("10", 2, "&fec=60%&nack=on");
    we_send("20", 1, "&fec=auto");
}

fn we_send(ptime: &str, channels: usize, options: &str) {
    let folder = Folder::new();
    let source = sound::file(&folder, 48_000, channels, SECONDS);
    let url = format!(
        "rtp://127.0.0.1:{}?codec=opus&ptime={ptime}{options}",
        free_ports()
    );
    let (sender, sdp, port) = announced(&folder, &source, &url);
    let to = folder.at("heard.wav");
    // It takes the stream's caps from our description, and ends at our goodbye.
    let receiver = Peer::start(&mut gst(&format!(
        "filesrc location={sdp} ! sdpdemux latency=60 name=session session.stream_0 ! \
         rtpopusdepay ! opusdec ! audioconvert ! audio/x-raw,format=S16LE ! wavenc ! \
         filesink location={to}"
    )));
    wait_bound(port);
    let said = receiver.finish();
    sender.wait().clean();
    let heard = Likeness::of(&to, channels);
    let what = format!("{ptime} ms {channels} ch{options}: {heard:?} {said}");
    assert!(
        heard.seconds > LEAST_SECONDS && heard.unlike < 0.03,
        "{what}"
    );
    assert!(heard.snr > least_snr(channels), "{what}");
}

#[test]
fn we_record_the_opus_that_gstreamer_sends() {
    for (ptime, channels) in packets() {
        gstreamer_sends("recv", ptime, channels);
    }
}

#[test]
fn we_play_the_opus_that_gstreamer_sends() {
    for (ptime, channels) in &packets()[1..] {
        gstreamer_sends("play", ptime, *channels);
    }
}

fn gstreamer_sends(receive: &str, ptime: &str, channels: usize) {
    let folder = Folder::new();
    let source = sound::file(&folder, 48_000, channels, SECONDS);
    let (sdp, port, to) = (folder.at("gst.sdp"), free_ports(), folder.at("heard.wav"));
    let description = format!(
        "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=gst\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP 96\r\na=rtpmap:96 OPUS/48000/2\r\n"
    );
    std::fs::write(&sdp, description).unwrap();
    let args = [receive, &sdp, "--to", &to, "--once", "--idle", "1s"];
    // What is stretched and skipped could not be compared.
    let fixed: &[&str] = if receive == "play" {
        &["--latency", "300ms"]
    } else {
        &[]
    };
    let args = [&args[..], fixed].concat();
    let (receiver, _) = Running::listening(&args);
    // Its name for 2.5 ms.
    let frame = ptime.split('.').next().unwrap();
    let sender = Peer::start(&mut gst(&format!(
        "filesrc location={source} ! wavparse ! audioconvert ! \
         opusenc frame-size={frame} bitrate=96000 ! rtpopuspay pt=96 ! \
         udpsink host=127.0.0.1 port={port} sync=true"
    )));
    let said = sender.finish();
    let told = receiver.wait().clean().summary();
    let heard = Likeness::of(&to, channels);
    let what = format!("{receive} {ptime} ms {channels} ch: {heard:?} {said} {told}");
    assert_eq!(told["streams"][0]["packets_lost"], 0, "{what}");
    assert!(
        heard.seconds > LEAST_SECONDS && heard.unlike < 0.03,
        "{what}"
    );
    assert!(heard.snr > least_snr(channels), "{what}");
}

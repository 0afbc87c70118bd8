//! Opus with ffmpeg and GStreamer, with and without loss.

use std::thread;
use std::time::Duration;

use crate::peer::{Peer, is_long};
use crate::program::{Program, gst_bridges, our_description, readdress, send_to_bound};
use crate::sound::{self, BLOCK, LEAST_SECONDS, Likeness, SECONDS, least_snr};
use crate::stream::{Codec, Stream};
use crate::support::{Folder, Running, free_ports};
use crate::table::{Way, described, passed};
use crate::wire::Wire;

#[test]
fn ffmpeg_hears_the_opus_that_we_send() {
    for stream in streams() {
        we_send(Program::Ffmpeg, stream, "", 0.0);
    }
}

#[test]
fn gstreamer_hears_the_opus_that_we_send() {
    for stream in streams() {
        we_send(Program::GStreamer, stream, "", 0.0);
    }
}

/// ffmpeg's parser takes what is said last, of any payload type, for the stream's.
#[test]
fn a_stream_with_repair_packets_and_retransmission_is_heard_by_those_who_know_of_none() {
    let opus = |ms: u32, channels| Stream::new(Codec::Opus, 48_000, channels, ms * 1_000);
    we_send(Program::Ffmpeg, opus(10, 2), "&fec=60%&nack=on", 0.0);
    we_send(Program::GStreamer, opus(10, 2), "&fec=60%&nack=on", 0.0);
    we_send(Program::GStreamer, opus(20, 1), "&fec=auto", 0.0);
}

#[test]
fn others_bridge_what_is_lost_of_the_opus_that_we_send() {
    for stream in torn() {
        // The predictor of speech, which mono is taken for, is wrong about tones for half a second
        // after a hole, and far too loud where nobody tells it of one, as ffmpeg does not.
        let options = match stream.channels {
            1 => "&application=lowdelay",
            _ => "",
        };
        we_send(Program::Ffmpeg, stream, options, LOSS);
        we_send(Program::GStreamer, stream, options, LOSS);
    }
}

#[test]
fn we_record_the_opus_that_ffmpeg_sends() {
    for stream in streams() {
        they_send(Program::Ffmpeg, "recv", stream, 0.0);
    }
}

#[test]
fn we_record_the_opus_that_gstreamer_sends() {
    for stream in streams() {
        they_send(Program::GStreamer, "recv", stream, 0.0);
    }
}

#[test]
fn we_play_the_opus_that_ffmpeg_sends() {
    for stream in &streams()[1..] {
        they_send(Program::Ffmpeg, "play", *stream, 0.0);
    }
}

#[test]
fn we_play_the_opus_that_gstreamer_sends() {
    for stream in &streams()[1..] {
        they_send(Program::GStreamer, "play", *stream, 0.0);
    }
}

#[test]
fn we_bridge_what_is_lost_of_the_opus_that_others_send() {
    for stream in torn() {
        for receive in ["play", "recv"] {
            they_send(Program::Ffmpeg, receive, stream, LOSS);
            they_send(Program::GStreamer, receive, stream, LOSS);
        }
    }
}

#[test]
fn a_source_of_16_khz_is_heard_at_48_khz() {
    let stream = Stream::new(Codec::Opus, 16_000, 1, 20_000);
    let sdp = we_send(Program::Ffmpeg, stream, "", 0.0);
    assert!(sdp.contains("a=rtpmap:96 opus/48000/2"), "{sdp}");
    assert!(sdp.contains("sprop-maxcapturerate=16000"), "{sdp}");
}

fn streams() -> Vec<Stream> {
    let opus = |us, channels| Stream::new(Codec::Opus, 48_000, channels, us);
    if !is_long() {
        return vec![opus(2_500, 1), opus(20_000, 2), opus(60_000, 1)];
    }
    let times = [2_500, 5_000, 10_000, 20_000, 40_000, 60_000];
    times
        .into_iter()
        .flat_map(|t| [opus(t, 1), opus(t, 2)])
        .collect()
}

fn torn() -> Vec<Stream> {
    let opus = |us, channels| Stream::new(Codec::Opus, 48_000, channels, us);
    match is_long() {
        true => vec![
            opus(10_000, 2),
            opus(20_000, 2),
            opus(10_000, 1),
            opus(20_000, 1),
        ],
        false => vec![opus(20_000, 2)],
    }
}

/// Our description of it.
fn we_send(to: Program, stream: Stream, options: &str, loss: f64) -> String {
    let folder = Folder::new();
    let source = sound::file(&folder, stream.rate, stream.channels, SECONDS);
    let (there, heard) = (free_ports(), folder.at("heard.wav"));
    let port = if loss > 0.0 { free_ports() } else { there };
    let ptime = stream.ptime();
    let url = format!("rtp://127.0.0.1:{port}?codec=opus&ptime={ptime}{options}");
    let sdp = our_description(&folder, &source, &url);
    readdress(&sdp, port, there);
    let wire = (loss > 0.0).then(|| Wire::losing(loss, port, there));
    let by_hand = wire.is_some() && to == Program::GStreamer;
    let receiver = Peer::start(&mut match by_hand {
        true => gst_bridges(there, &heard),
        false => to.hears(stream, &sdp, &heard),
    });
    let sender = send_to_bound(there, &source, &url);
    let told = sender.wait().clean().summary();
    if by_hand {
        // For what still waits in it.
        thread::sleep(Duration::from_millis(500));
    }
    // Of itself it ends at our goodbye.
    let said = match by_hand {
        true => receiver.interrupt(),
        false => receiver.finish(),
    };
    let link = wire.map(Wire::finish);

    let likeness = Likeness::of(&heard, stream.channels);
    let name = to.name();
    let what = format!("us to {name}, {stream}{options}: {likeness:?} {said} {told} {link:?}");
    let (lost, all) = link.map_or((0, 0), |link| (link.lost, link.handled));
    check(likeness, stream, lost as f64 / all.max(1) as f64, &what);
    if link.is_some() {
        assert_eq!(told["streams"][0]["packets"], all, "{what}");
        assert!(lost > 2, "{what}");
    }
    let how = options.trim_start_matches('&').replace('&', " ");
    tell(stream, name, Way::FromUs, &how, (lost, all), likeness);
    std::fs::read_to_string(sdp).unwrap()
}

fn they_send(from: Program, receive: &str, stream: Stream, loss: f64) {
    let folder = Folder::new();
    let source = sound::file(&folder, stream.rate, stream.channels, SECONDS);
    let (here, heard) = (free_ports(), folder.at("heard.wav"));
    let there = if loss > 0.0 { free_ports() } else { here };
    let sdp = from.describe(&folder, stream, &source, there);
    let wire = (loss > 0.0).then(|| Wire::losing(loss, there, here));
    readdress(&sdp, there, here);
    let args = [receive, &sdp, "--to", &heard, "--once", "--idle", "1s"];
    // What is stretched and skipped could not be compared.
    let fixed: &[&str] = match receive {
        "play" => &["--latency", "300ms"],
        _ => &[],
    };
    let (receiver, _) = Running::listening(&[&args[..], fixed].concat());
    let said = Peer::start(&mut from.sends(stream, &source, there)).finish();
    let told = receiver.wait().clean().summary();
    let link = wire.map(Wire::finish);

    let (told, name) = (&told["streams"][0], from.name());
    let likeness = Likeness::of(&heard, stream.channels);
    let what = format!("{name} to {receive}, {stream}: {likeness:?} {said} {told} {link:?}");
    let (lost, all) = link.map_or((0, 0), |link| (link.lost, link.handled));
    assert_eq!(told["packets_lost"], lost, "{what}");
    check(likeness, stream, lost as f64 / all.max(1) as f64, &what);
    if lost > 0 {
        let of = |key: &str| told[key].as_u64().unwrap_or(0);
        // What nobody hears beyond the end is no bridge.
        let made_up = of("concealed_samples") + of("concealed_frames");
        let made_up = made_up - of("silent_concealed_samples");
        let missing = lost * stream.packet() as u64;
        // A bridge may reach into its ends, and into the silence of who leaves without a goodbye.
        let most = 2 * missing + u64::from(stream.rate) / 10;
        assert!((missing..most).contains(&made_up), "{what}");
    }
    tell(stream, name, Way::ToUs, receive, (lost, all), likeness);
}

/// `lost` is a share of the packets. A hole touches a block more than its own length, and the
/// decoder is not itself at once after it.
fn check(heard: Likeness, stream: Stream, lost: f64, what: &str) {
    assert!(heard.seconds > LEAST_SECONDS, "{what}");
    let blocks = (stream.packet() + BLOCK) as f64 / stream.packet() as f64;
    assert!(heard.unlike < 0.03 + blocks * lost, "{what}");
    let spared = if lost > 0.0 { 6.0 } else { 0.0 };
    assert!(heard.snr > least_snr(stream.channels) - spared, "{what}");
}

fn tell(stream: Stream, peer: &str, way: Way, how: &str, lost: (u64, u64), heard: Likeness) {
    // GStreamer was told of what it bridges by hand.
    if lost.0 == 0 {
        described(peer, way, stream);
    }
    let mut how = match how {
        "" => stream.to_string(),
        how => format!("{stream}, {how}"),
    };
    let (snr, unlike) = (heard.snr, heard.unlike * 100.0);
    let mut came = format!("{snr:.0} dB, {unlike:.0} % unlike what was sent");
    if lost.0 > 0 {
        how = format!("{how}, {:.0} % lost", LOSS * 100.0);
        came = format!("{} of {} packets lost, {came}", lost.0, lost.1);
    }
    passed("Opus", peer, way, &how, &came);
}

/// Share of the packets that a link loses.
const LOSS: f64 = 0.08;

//! Streams as AES67 has them: L24 in packets of one millisecond to a multicast group. The group
//! is joined on the loopback interface alone; nothing leaves this machine.

use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::pcm::{missing_packets, noise};
use crate::peer::{Peer, gst, is_long, program};
use crate::program::{our_description, ran, send_to_bound};
use crate::stream::{Codec, Stream};
use crate::support::{Folder, Running, data, free_ports};
use crate::table::{Way, passed};

#[test]
fn what_ffmpeg_sends_to_a_group_is_recorded_to_the_bit() {
    for stream in streams() {
        let folder = Folder::new();
        let (source, sent) = noise(&folder, stream, 1);
        let (group, port) = group();
        let sdp = folder.at("theirs.sdp");
        let send = |seconds: &str| {
            let bytes = 12 + stream.packet() * stream.frame();
            let pieces = format!("asetnsamples=n={}", stream.packet());
            let to = format!("rtp://{group}:{port}?pkt_size={bytes}&localaddr=127.0.0.1&ttl=1");
            let mut command = program("ffmpeg");
            command
                .args(["-v", "error", "-re", "-i", &source, "-t", seconds])
                .args(["-af", &pieces, "-c:a", "pcm_s24be", "-f", "rtp"])
                .args(["-payload_type", "96", "-sdp_file", &sdp, &to]);
            command
        };
        // Its description can be had only by sending.
        ran(&mut send("0.01"));
        we_record(&folder, "ffmpeg", stream, &sdp, &sent, &mut send("9"));
    }
}

#[test]
fn what_gstreamer_sends_to_a_group_is_recorded_to_the_bit() {
    for stream in streams() {
        let folder = Folder::new();
        let (source, sent) = noise(&folder, stream, 1);
        let (group, port) = group();
        let sdp = folder.at("theirs.sdp");
        // As such devices describe what they send, clocks and all.
        let text = format!(
            "v=0\r\no=- 1311738121 1311738121 IN IP4 127.0.0.1\r\ns=Stage left\r\n\
             c=IN IP4 {group}/1\r\nt=0 0\r\na=recvonly\r\nm=audio {port} RTP/AVP 96\r\n\
             a=rtpmap:96 L24/48000/{}\r\na=ptime:1\r\n\
             a=ts-refclk:ptp=IEEE1588-2008:39-A7-94-FF-FE-07-CB-D0:0\r\n\
             a=mediaclk:direct=963214424\r\n",
            stream.channels
        );
        std::fs::write(&sdp, text).unwrap();
        let mut send = gst(&format!(
            "filesrc location={source} ! wavparse ! audioconvert dithering=none ! \
             rtpL24pay pt=96 min-ptime=1000000 max-ptime=1000000 ! udpsink host={group} \
             port={port} multicast-iface=lo ttl-mc=1 sync=true"
        ));
        we_record(&folder, "GStreamer", stream, &sdp, &sent, &mut send);
    }
}

#[test]
fn what_we_send_to_a_group_ffmpeg_records_to_the_bit() {
    for stream in streams() {
        let folder = Folder::new();
        let (source, sent) = noise(&folder, stream, 1);
        let (group, port) = group();
        let url = ours(&group, port);
        let sdp = our_description(&folder, &source, &url);
        let heard = folder.at("heard.wav");
        let receiver = Peer::start(
            program("ffmpeg")
                .args(["-v", "error", "-protocol_whitelist", "file,udp,rtp"])
                .args(["-localaddr", "127.0.0.1", "-i", &sdp])
                .args(["-c:a", "pcm_s24le", &heard]),
        );
        let sender = send_to_bound(port, &source, &url);
        let said = receiver.finish();
        sender.wait().clean();
        came_whole("ffmpeg", stream, &heard, &sent, &said);
    }
}

#[test]
fn what_we_send_to_a_group_gstreamer_records_to_the_bit() {
    for stream in streams() {
        let folder = Folder::new();
        let (source, sent) = noise(&folder, stream, 1);
        let (group, port) = group();
        let url = ours(&group, port);
        let heard = folder.at("heard.wav");
        // What reads descriptions there cannot be told an interface.
        let receiver = Peer::start(&mut gst(&format!(
            "udpsrc address={group} port={port} multicast-iface=lo \
             caps=application/x-rtp,media=audio,clock-rate=48000,encoding-name=L24,channels={},\
             payload=96 ! rtpjitterbuffer latency=50 ! rtpL24depay ! audioconvert dithering=none \
             ! audio/x-raw,format=S24LE ! wavenc ! filesink location={heard}",
            stream.channels
        )));
        let sender = send_to_bound(port, &source, &url);
        sender.wait().clean();
        thread::sleep(Duration::from_millis(300));
        let said = receiver.interrupt();
        let sent = as_gstreamer_orders(stream, &sent);
        came_whole("GStreamer", stream, &heard, &sent, &said);
    }
}

/// Eight channels whose order nobody tells it GStreamer takes for 7.1 with the rear pair before the
/// side pair, and writes them the other way round. Fewer stay as they are.
fn as_gstreamer_orders(stream: Stream, sent: &[u8]) -> Vec<u8> {
    let mut sent = sent.to_vec();
    if stream.channels == 8 {
        let pair = 2 * stream.codec.bytes().0;
        for frame in sent.chunks_exact_mut(stream.frame()) {
            let (rear, side) = frame[2 * pair..].split_at_mut(pair);
            rear.swap_with_slice(side);
        }
    }
    sent
}

fn streams() -> Vec<Stream> {
    let of = |channels| Stream::new(Codec::L24, 48_000, channels, 1_000);
    match is_long() {
        true => [1, 2, 8].map(of).to_vec(),
        false => vec![of(2)],
    }
}

/// A group and a port of this test's own.
fn group() -> (String, u16) {
    let port = free_ports();
    (format!("239.69.{}.{}", port >> 8, port & 255), port)
}

fn ours(group: &str, port: u16) -> String {
    format!("rtp://{group}:{port}?codec=L24&pt=96&ptime=1&iface=lo&ttl=1")
}

fn we_record(
    folder: &Folder,
    peer: &str,
    stream: Stream,
    sdp: &str,
    sent: &[u8],
    send: &mut Command,
) {
    let heard = folder.at("heard.wav");
    let args = ["recv", sdp, "--iface", "lo", "--to", &heard];
    let end = ["--once", "--idle", "1s"];
    let (receiver, _) = Running::listening(&[&args[..], &end].concat());
    let said = Peer::start(send).finish();
    let told = receiver.wait().clean().summary();
    let what = format!("{peer} to us, {stream}: {said} {told}");
    assert_eq!(told["streams"][0]["packets_lost"], 0, "{what}");
    assert_eq!(told["streams"][0]["gap_count"], 0, "{what}");
    let missing = missing_packets(&data(&heard), sent, stream, &what);
    assert!(missing.is_empty(), "{missing:?} {what}");
    tell(stream, peer, Way::ToUs, sent);
}

fn came_whole(peer: &str, stream: Stream, heard: &str, sent: &[u8], said: &str) {
    let what = format!("us to {peer}, {stream}: {said}");
    let missing = missing_packets(&data(heard), sent, stream, &what);
    assert!(missing.is_empty(), "{missing:?} {what}");
    tell(stream, peer, Way::FromUs, sent);
}

fn tell(stream: Stream, peer: &str, way: Way, sent: &[u8]) {
    let packets = sent.len() / stream.packet() / stream.frame();
    let how = format!("{stream}, multicast");
    passed(
        "L24",
        peer,
        way,
        &how,
        &format!("{packets} packets, to the bit"),
    );
}

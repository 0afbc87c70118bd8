//! Lost packets asked for and sent again between GStreamer and us (RFC 4585, RFC 4588), over a
//! relay that loses some.

use crate::peer::{Peer, gst};
use crate::program::send_to_bound;
use crate::relay::Relay;
use crate::sound::{self, Likeness};
use crate::support::{Folder, Running, free_ports};
use crate::table::{Way, passed};

/// Its payload type map, as its elements take it.
const TYPES: &str = "payload-type-map=application/x-rtp-pt-map,96=(uint)117";

#[test]
fn gstreamer_asks_and_we_send_again() {
    let folder = Folder::new();
    let source = sound::file(&folder, 48_000, 2, 2.9);
    let (there, to) = (free_ports(), folder.at("heard.wav"));
    let relay = Relay::start(there, None, LOSS, 117);
    let url = format!("rtp://127.0.0.1:{}?codec=opus&ptime=10&nack=on", relay.port);
    let pipeline = format!(
        "rtpsession name=session rtp-profile=avpf bandwidth=1000000 rtcp-min-interval=20000000 \
         udpsrc address=127.0.0.1 port={there} caps={CAPS} ! session.recv_rtp_sink \
         udpsrc address=127.0.0.1 port={} ! session.recv_rtcp_sink \
         session.send_rtcp_src ! \
         udpsink host=127.0.0.1 port={} sync=false async=false \
         session.recv_rtp_src ! rtprtxreceive {TYPES} ! rtpssrcdemux name=demux \
         demux. ! rtpjitterbuffer do-retransmission=true latency=500 ! \
         rtpopusdepay ! opusdec ! audioconvert ! audio/x-raw,format=S16LE ! wavenc ! \
         filesink location={to}",
        there + 1,
        relay.port + 1
    );
    let receiver = Peer::start(gst(&pipeline).env("GST_DEBUG", "rtp*:2"));
    let sender = send_to_bound(there, &source, &url);
    let told = sender.wait().clean().summary();
    std::thread::sleep(std::time::Duration::from_millis(1_000));
    let said = receiver.interrupt();
    let passed = relay.finish();
    let heard = Likeness::of(&to, 2);
    let what = format!("{heard:?} {passed:?} {told} {said}");
    // Those before it knew us it does not ask for, some it asks for twice.
    assert!(
        passed.lost > 10 && passed.again + 3 >= passed.lost,
        "{what}"
    );
    let again = &told["streams"][0]["retransmission"];
    assert_eq!(again["packets"], passed.again, "{what}");
    // Opus takes the signal for speech while losses are reported.
    assert!(heard.seconds > 2.7 && heard.unlike < 0.03, "{what}");
    assert!(heard.snr > 8.0, "{what}");
    tell(Way::FromUs, passed.again, passed.lost, heard);
}

#[test]
fn we_ask_and_gstreamer_sends_again() {
    let folder = Folder::new();
    let source = sound::file(&folder, 48_000, 2, 2.9);
    let (there, back, to) = (free_ports(), free_ports(), folder.at("heard.wav"));
    let relay = Relay::start(there, Some(back), LOSS, 117);
    let sdp = folder.at("gst.sdp");
    let description = format!(
        "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=gst\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
         m=audio {there} RTP/AVPF 96 117\r\na=rtpmap:96 OPUS/48000/2\r\n\
         a=rtcp-fb:96 nack\r\na=rtpmap:117 rtx/48000\r\na=fmtp:117 apt=96;rtx-time=1000\r\n"
    );
    std::fs::write(&sdp, description).unwrap();
    let args = [
        "play",
        &sdp,
        "--to",
        &to,
        "--once",
        "--idle",
        "1s",
        "--latency",
        "200ms",
    ];
    let (receiver, _) = Running::listening(&args);
    let pipeline = format!(
        "rtpsession name=session rtp-profile=avpf bandwidth=1000000 rtcp-min-interval=20000000 \
         filesrc location={source} ! wavparse ! audioconvert ! \
         opusenc frame-size=10 bitrate=96000 ! rtpopuspay pt=96 ! \
         rtprtxsend {TYPES} ! session.send_rtp_sink \
         session.send_rtp_src ! udpsink host=127.0.0.1 port={} sync=true \
         session.send_rtcp_src ! udpsink host=127.0.0.1 port={} sync=false async=false \
         udpsrc address=127.0.0.1 port={back} ! session.recv_rtcp_sink",
        relay.port,
        relay.port + 1
    );
    let sender = Peer::start(gst(&pipeline).env("GST_DEBUG", "rtp*:2"));
    let told = receiver.wait().clean().summary();
    let said = sender.interrupt();
    let passed = relay.finish();
    let heard = Likeness::of(&to, 2);
    let what = format!("{heard:?} {passed:?} {told} {said}");
    let stream = &told["streams"][0];
    let lost = stream["packets_lost"].as_u64().unwrap();
    let again = stream["packets_retransmitted"].as_u64().unwrap();
    assert!(lost > 10 && again + 3 >= lost, "{what}");
    assert!(heard.seconds > 2.7 && heard.unlike < 0.03, "{what}");
    assert!(heard.snr > 8.0, "{what}");
    // Extended reports came to it and were passed over.
    let extended = [passed.losses, passed.times, passed.delays];
    assert!(extended.iter().all(|n| *n > 2), "{what}");
    assert!(passed.report_blocks > 2, "{what}");
    assert!(
        !said.contains("invalid") && !said.contains("ERROR"),
        "{what}"
    );
    tell(Way::ToUs, again, passed.lost, heard);
}

fn tell(way: Way, again: u64, lost: u64, heard: Likeness) {
    let (snr, unlike) = (heard.snr, heard.unlike * 100.0);
    let how = format!("48000 Hz, 2 ch, 10 ms, {LOSS} % lost, asked for again");
    let came = format!("{again} sent again of {lost} lost, {snr:.0} dB, {unlike:.0} % unlike");
    passed("Opus", "GStreamer", way, &how, &came);
}

const CAPS: &str = "application/x-rtp,media=audio,clock-rate=48000,encoding-name=OPUS,payload=96";
/// Per cent of the packets.
const LOSS: u64 = 8;

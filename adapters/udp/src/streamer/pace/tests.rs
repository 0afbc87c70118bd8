//! The pacing thread's work on the test's own thread, with a start that has passed: everything
//! is late at once, as after a process was stopped for a while.

use std::net::UdpSocket;
use std::sync::Arc;

use audiox_core::codec::CodecRegistry;
use audiox_core::format::{Channels, SampleRate, StreamFormat};
use audiox_core::packet::rtp::RtpPacket;
use audiox_core::sender::{Sender, SenderConfig};
use audiox_core::source::Source;
use audiox_core::time::{RtpTimestamp, SeqNum};
use audiox_io::raw::RawSource;
use audiox_io::{Prefetch, PrefetchConfig};
use audiox_net::udp::{RtcpPort, UdpSocketConfig};

use super::super::feed::Feed;
use super::super::plan::{Kind, Offer, SessionPlan};
use super::super::report::StreamReport;
use super::super::sockets::Sockets;
use super::super::status::Status;
use super::super::tempo::Tempo;
use super::*;

const RATE: SampleRate = SampleRate::HZ_8000;
const FRAMES: usize = 80 * 100 + 33;
const SECOND: Duration = Duration::from_secs(1);

/// Samples that tell their index, in network order.
fn audio() -> Vec<u8> {
    (0..FRAMES as u16).flat_map(u16::to_be_bytes).collect()
}

/// Sends [`audio`] as L16 from a start that lies `late` back.
fn run(late: Duration, catch_up: CatchUp) -> (Vec<Vec<u8>>, StreamReport) {
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    receiver.set_nonblocking(true).unwrap();
    let to = receiver.local_addr().unwrap();
    let codecs = CodecRegistry::pcm();
    let session = SessionPlan {
        kind: Kind::Rtp {
            codec: None,
            payload_type: None,
            repair: Default::default(),
            again: Default::default(),
        },
        rate: None,
        channels: None,
        ptime: Duration::from_millis(10),
        chunk: None,
        max_datagram: 1_472,
        codecs: &codecs,
    };
    let format = StreamFormat::new(RATE, Channels::MONO);
    let source = RawSource::new(
        std::io::Cursor::new(audio()),
        "memory",
        "s16be".parse().unwrap(),
        format,
    );
    let offer = Offer {
        format,
        native: source.native(),
        packets: None,
    };
    let plan = session.streams(&[offer]).unwrap().remove(0);
    // All of it is read before it starts.
    let depth = PrefetchConfig::new(2 * SECOND).unwrap();
    let (prefetch, mut readers) =
        Prefetch::spawn(vec![(Box::new(source), plan.stored)], depth).unwrap();
    assert!(prefetch.wait_filled(10 * SECOND));

    let clock = Clock::new();
    let config = SenderConfig {
        framing: plan.framing,
        payload_type: plan.payload_type,
        ssrc: 7,
        first_seq: SeqNum(0),
        first_timestamp: RtpTimestamp(0),
        cname: "test".into(),
        wall: clock.anchor(),
    };
    let sender = Sender::new(config, plan.encoder(&codecs).unwrap(), clock.now()).unwrap();
    let encoder = plan.encoder(&codecs).unwrap();
    let feed = Feed::new(readers.remove(0), &plan, (sender.header_len(), 0), encoder);
    let socket = UdpSocketConfig::sender(to);
    let sockets = Sockets::rtp(&socket, to, RtcpPort::Mux, None).unwrap();
    let status = Arc::new(Status::new(
        "memory".into(),
        RATE,
        sockets.media.local_addr(),
    ));
    let mut stream = Stream::new(plan, sender, feed, sockets, status, Tempo::Schedule);
    stream.prime().unwrap();
    let mut work = Work::new(clock, vec![stream], None);
    let start = clock.now().saturating_sub(late);
    work.begin(clock, start, catch_up);
    assert_eq!(
        run_paced(&clock, &StopFlag::new(), &mut work),
        PaceEnd::Finished
    );

    let (mut media, mut buf) = (Vec::new(), [0; 2_048]);
    while let Ok(n) = receiver.recv(&mut buf) {
        if !audiox_core::packet::rtcp::is_rtcp(&buf[..n]) {
            media.push(buf[..n].to_vec());
        }
    }
    let report = work.into_report(Realtime::NotAsked).streams.remove(0);
    (media, report)
}

#[test]
fn packets_that_are_late_go_out_back_to_back_and_none_is_left_out() {
    let (media, report) = run(SECOND, CatchUp::Burst);
    let payloads: Vec<_> = media.iter().flat_map(|d| d[12..].iter().copied()).collect();
    assert_eq!(payloads, audio());
    assert_eq!((report.packets, report.frames_skipped), (101, 0));
    // All but those due within the last packet's time.
    assert!(report.schedule.late >= 98, "{report:?}");
}

#[test]
fn packets_that_are_too_late_are_left_out_and_their_time_with_them() {
    let late = Duration::from_millis(505);
    let (media, report) = run(late, CatchUp::Skip(Duration::from_millis(20)));
    let skipped = report.frames_skipped;
    assert!(
        skipped >= 50 * 80 && skipped.is_multiple_of(80),
        "{report:?}"
    );
    assert_eq!(report.frames + skipped, FRAMES as u64);
    let audio = audio();
    let mut before = 0;
    for (n, datagram) in media.iter().enumerate() {
        let packet = RtpPacket::parse(datagram).unwrap();
        let at = packet.timestamp().0 as usize;
        // What is sent is sent under its own time.
        assert_eq!(packet.payload(), &audio[2 * at..][..packet.payload().len()]);
        assert_eq!(usize::from(packet.seq().0), n);
        assert_eq!(packet.marker(), at != before || n == 0);
        before = at + packet.payload().len() / 2;
    }
    assert_eq!(before, FRAMES);
}

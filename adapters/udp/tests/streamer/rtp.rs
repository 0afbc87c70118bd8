//! RTP and RTCP: numbers, times, reports both ways, and what the payloads hold.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use audiox_core::block::AudioRef;
use audiox_core::codec::{Encoder, PcmCoding, PcmEncoder};
use audiox_core::format::SampleFormat::{F32, S16, S24, S32};
use audiox_core::packet::rtcp::{
    Compound, CompoundWriter, ReportBlock, RtcpPacket, SenderReport, is_rtcp,
};
use audiox_core::packet::rtp::RtpPacket;
use audiox_core::source::Source;
use audiox_core::time::{NtpTime, RtpTimestamp};
use audiox_net::clock::ntp_of;
use audiox_net::sdp::SessionDescription;
use audiox_udp::streamer::{Start, StreamEnd, StreamerConfig, StreamerHandle};

use crate::harness::{Ear, Heard, config, from, send, start, wav};

/// Checks numbers and times of one stream's packets and returns the payloads joined, with the
/// first packet's timestamp.
fn check_packets(datagrams: &[&[u8]], ssrc: u32, pt: u8, frame: usize) -> (Vec<u8>, RtpTimestamp) {
    let packets: Vec<_> = datagrams
        .iter()
        .map(|d| RtpPacket::parse(d).unwrap())
        .collect();
    let (mut seq, mut timestamp) = (packets[0].seq(), packets[0].timestamp());
    let mut audio = Vec::new();
    for (i, p) in packets.iter().enumerate() {
        assert_eq!((p.ssrc(), p.payload_type()), (ssrc, pt));
        assert_eq!(
            (p.seq(), p.timestamp(), p.marker()),
            (seq, timestamp, i == 0)
        );
        seq = seq.wrapping_add(1);
        timestamp = timestamp.wrapping_add((p.payload().len() / frame) as u32);
        audio.extend_from_slice(p.payload());
    }
    (audio, packets[0].timestamp())
}

fn reports<'a>(datagrams: &[&'a [u8]]) -> Vec<Vec<RtcpPacket<'a>>> {
    datagrams
        .iter()
        .map(|d| {
            Compound::parse(d)
                .unwrap()
                .packets()
                .map(Result::unwrap)
                .collect()
        })
        .collect()
}

/// Checks that reports come first and a goodbye last, and returns the sender reports.
fn check_reports<'a>(datagrams: &[&'a [u8]], ssrc: u32, cname: &str) -> Vec<SenderReport<'a>> {
    let compounds = reports(datagrams);
    let mut senders = Vec::new();
    for (i, compound) in compounds.iter().enumerate() {
        let RtcpPacket::SenderReport(sr) = compound[0] else {
            panic!("a sender report comes first: {compound:?}");
        };
        let RtcpPacket::SourceDescription(sdes) = compound[1] else {
            panic!("then a description: {compound:?}");
        };
        assert_eq!((sr.ssrc, sdes.cname(ssrc)), (ssrc, Some(cname.as_bytes())));
        match (compound.get(2), i + 1 == compounds.len()) {
            (Some(RtcpPacket::Bye(bye)), true) => assert!(bye.ssrcs().eq([ssrc])),
            (None, false) => {}
            (other, last) => panic!("{other:?} where last is {last}"),
        }
        senders.push(sr);
    }
    senders
}

/// When the frame at `timestamp` was captured, as a receiver finds out from a report.
fn captured(sr: &SenderReport<'_>, timestamp: RtpTimestamp, rate: u32) -> NtpTime {
    let frames = i64::from(timestamp.distance(sr.info.timestamp));
    sr.info
        .ntp
        .offset_nanos(frames * 1_000_000_000 / i64::from(rate))
}

fn big_endian(data: &[u8], width: usize) -> Vec<u8> {
    data.chunks(width)
        .flat_map(|s| s.iter().rev().copied())
        .collect()
}

#[test]
fn numbers_run_on_and_reports_give_every_stream_the_same_capture_time() {
    let dir = tempfile::tempdir().unwrap();
    let files = [
        wav(dir.path(), "a", S16, 44_100, 2, 33_000),
        wav(dir.path(), "b", S24, 48_000, 1, 30_001),
        wav(dir.path(), "c", S16, 48_000, 1, 40_000),
    ];
    let payloads: Vec<_> = files
        .iter()
        .map(|f| big_endian(&f.data, f.source.native().unwrap().sample.bytes()))
        .collect();
    let rates = files.each_ref().map(|f| f.format.rate.get());
    let at = SystemTime::now() + Duration::from_millis(700);
    let (rtp, rtcp) = Ear::pair();
    let config = StreamerConfig {
        cname: Some("studio".into()),
        start: Start::At(at),
        ..config(&format!("rtp://127.0.0.1:{}", rtp.port()))
    };
    let handle = start(config, files.into_iter().map(|f| f.source));
    let sdp: SessionDescription = handle.sdp().unwrap().parse().unwrap();
    let senders = handle.local_addrs();
    let report = handle.wait().unwrap();
    let (heard, control) = (rtp.heard(), rtcp.heard());

    let mut ssrcs: Vec<_> = report.streams.iter().map(|s| s.ssrc.unwrap()).collect();
    let announced: Vec<_> = sdp.media[0].ssrcs.iter().map(|s| s.ssrc).collect();
    assert_eq!(announced, ssrcs);
    let formats: Vec<_> = sdp.media[0]
        .formats
        .iter()
        .map(|f| (f.payload_type, f.codec.to_string()))
        .collect();
    let expected = [
        (10, "L16/44100/2"),
        (96, "L24/48000/1"),
        (97, "L16/48000/1"),
    ];
    assert_eq!(formats, expected.map(|(pt, codec)| (pt, codec.to_owned())));
    assert_eq!(sdp.media[0].port + 1, control_port(&sdp));

    for (i, stream) in report.streams.iter().enumerate() {
        let frame = [4, 3, 2][i];
        let (pt, name) = expected[i];
        assert_eq!(stream.format, name);
        let datagrams = from(&heard, senders[i]);
        let (audio, first) = check_packets(&datagrams, ssrcs[i], pt, frame);
        assert_eq!(audio, payloads[i]);

        // Reports come from a port of their own; which, the stream's SSRC tells.
        let of_stream: Vec<_> = control
            .iter()
            .filter(|(_, d)| d[4..8] == ssrcs[i].to_be_bytes())
            .map(|(_, d)| &d[..])
            .collect();
        assert!(of_stream.len() >= 2);
        for sr in check_reports(&of_stream, ssrcs[i], "studio") {
            // Each report of every stream says the same: frame 0 was captured at the start.
            let error = captured(&sr, first, rates[i]).nanos_since(ntp_of(at));
            assert!(error.abs() < 10_000, "{error} ns");
        }
        let last = &reports(&of_stream).pop().unwrap()[0];
        let RtcpPacket::SenderReport(last) = last else {
            panic!("no sender report");
        };
        assert_eq!(u64::from(last.info.packet_count), stream.packets);
        assert_eq!(u64::from(last.info.octet_count), stream.bytes);
    }
    ssrcs.sort_unstable();
    ssrcs.dedup();
    assert_eq!(ssrcs.len(), 3);
}

fn control_port(sdp: &SessionDescription) -> u16 {
    sdp.media[0].rtcp.beside(sdp.media[0].port).unwrap()
}

#[test]
fn multiplexed_reports_come_before_and_after_all_media() {
    let dir = tempfile::tempdir().unwrap();
    let file = wav(dir.path(), "a", S16, 8_000, 1, 1_600);
    let ear = Ear::at("127.0.0.1:0");
    let url = format!("rtp://127.0.0.1:{}?rtcp-mux&codec=L16", ear.port());
    let (senders, report) = send(config(&url), [file.source]);
    let heard = ear.heard();
    assert!(heard.iter().all(|(from, _)| *from == senders[0]));
    assert!(is_rtcp(&heard[0].1) && is_rtcp(&heard[heard.len() - 1].1));
    let (control, media): (Vec<_>, Vec<_>) =
        heard.iter().map(|(_, d)| &d[..]).partition(|d| is_rtcp(d));
    assert_eq!(media.len(), 20);
    let ssrc = report.streams[0].ssrc.unwrap();
    let (audio, _) = check_packets(&media, ssrc, 96, 2);
    assert_eq!(audio, big_endian(&file.data, 2));
    let cname = {
        let compounds = reports(&control);
        let RtcpPacket::SourceDescription(sdes) = compounds[0][1] else {
            panic!("no description");
        };
        String::from_utf8(sdes.cname(ssrc).unwrap().to_vec()).unwrap()
    };
    check_reports(&control, ssrc, &cname);
}

/// Answers the first report heard of each stream with a receiver report, from `ear`.
fn answer(ear: &Ear, to: SocketAddr, ssrc: u32, last_sr: NtpTime) {
    let mut buf = [0; 128];
    let mut writer = CompoundWriter::new(&mut buf);
    let block = ReportBlock {
        ssrc,
        fraction_lost: 64,
        cumulative_lost: 5,
        jitter: 80,
        last_sr: last_sr.middle(),
        ..ReportBlock::default()
    };
    writer.receiver_report(99, &[block]).unwrap();
    writer.sdes_cname(99, "listener").unwrap();
    let len = writer.finish();
    ear.socket.send_to(&buf[..len], to).unwrap();
}

fn wait_for_remote(handle: &StreamerHandle, stream: usize) {
    while handle.snapshot().streams[stream].remote.is_none() {
        assert!(
            !handle.is_finished(),
            "the stream ended before it was reported on"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn what_receivers_report_shows_in_the_snapshot_of_the_stream_it_is_about() {
    let dir = tempfile::tempdir().unwrap();
    let long = |name| wav(dir.path(), name, S16, 8_000, 1, 8_000 * 25).source;
    for mux in ["", "?rtcp-mux"] {
        let (rtp, rtcp) = Ear::pair();
        let url = format!("rtp://127.0.0.1:{}{mux}", rtp.port());
        let seeded = StreamerConfig {
            seed: Some(3),
            ..config(&url)
        };
        let handle = start(seeded, [long("a"), long("b")]);
        let sdp: SessionDescription = handle.sdp().unwrap().parse().unwrap();
        let ssrc = sdp.media[0].ssrcs[1].ssrc;
        let mut to = handle.local_addrs()[1];
        let ear = if mux.is_empty() { &rtcp } else { &rtp };
        if mux.is_empty() {
            // By the rule; where that port is taken another serves, and a receiver learns it.
            to.set_port(to.port() + 1);
        }
        ear.socket.send_to(b"noise", to).unwrap();
        answer(ear, to, 1, ntp_of(SystemTime::now()));
        answer(ear, to, ssrc, ntp_of(SystemTime::now()));
        wait_for_remote(&handle, 1);
        let snapshot = handle.snapshot();
        assert_eq!(snapshot.streams[0].remote, None);
        assert_eq!(snapshot.reports_rejected, 1);
        let remote = snapshot.streams[1].remote.unwrap();
        assert_eq!((remote.reports, remote.packets_lost), (1, 5));
        assert_eq!(remote.fraction_lost, 0.25);
        assert_eq!(remote.jitter, Duration::from_millis(10));
        assert!(remote.round_trip.is_some());
        handle.stop();
        let report = handle.wait().unwrap();
        assert!(report.streams[1].remote.is_some());
        assert!(matches!(report.streams[1].end, StreamEnd::Stopped));
        // Even so, the last word is a goodbye.
        let control = if mux.is_empty() {
            rtcp.heard()
        } else {
            rtp.heard()
        };
        assert_goodbye(&control, ssrc);
    }
}

fn assert_goodbye(control: &[Heard], ssrc: u32) {
    let of_stream: Vec<_> = control
        .iter()
        .map(|(_, d)| &d[..])
        .filter(|d| is_rtcp(d) && d[4..8] == ssrc.to_be_bytes())
        .collect();
    let last = reports(&of_stream).pop().unwrap();
    assert!(matches!(last[2], RtcpPacket::Bye(_)), "{last:?}");
}

#[test]
fn a_group_hears_reports_and_its_members_are_heard() {
    let dir = tempfile::tempdir().unwrap();
    let file = wav(dir.path(), "a", S16, 8_000, 1, 8_000 * 20).source;
    // Ports that nobody has at the moment.
    let (rtp, rtcp) = Ear::pair();
    let port = rtp.port();
    drop((rtp.heard(), rtcp.heard()));
    let url = format!("rtp://239.255.77.2:{port}?iface=127.0.0.1&ssrc=7&fec=auto");
    let handle = start(config(&url), [file]);
    // All members would ask at once.
    let sdp = handle.sdp().unwrap();
    assert!(sdp.contains("window-fec") && !sdp.contains("nack"), "{sdp}");
    assert_eq!(handle.notices().len(), 0, "{:?}", handle.notices());
    let socket = audiox_net::udp::UdpTransport::open(&audiox_net::udp::UdpSocketConfig {
        interface: audiox_net::udp::Interface::from("127.0.0.1"),
        ..audiox_net::udp::UdpSocketConfig::sender(
            format!("239.255.77.2:{}", port + 1).parse().unwrap(),
        )
    })
    .unwrap();
    let mut buf = [0; 64];
    let mut writer = CompoundWriter::new(&mut buf);
    let block = ReportBlock {
        ssrc: 7,
        ..ReportBlock::default()
    };
    writer.receiver_report(99, &[block]).unwrap();
    let len = writer.finish();
    socket.send(&buf[..len]).unwrap();
    wait_for_remote(&handle, 0);
}

#[test]
fn payloads_are_converted_where_the_codec_asked_for_is_another() {
    let dir = tempfile::tempdir().unwrap();
    let cases = [
        ("a", S24, "L16", 2),
        ("b", S32, "L32", 4),
        ("c", F32, "F32", 4),
        ("d", S16, "L24", 3),
        ("e", S16, "pcmu", 1),
        ("f", S24, "pcma", 1),
        ("g", S16, "L8", 1),
        ("h", F32, "L24", 3),
    ];
    for (name, sample, codec, bytes) in cases {
        let file = wav(dir.path(), name, sample, 8_000, 2, 1_000);
        let coding: PcmCoding = codec.parse().unwrap();
        let native = file.source.native().unwrap();
        let expected = if native.sample.bytes() == bytes && sample != S16 {
            // The same samples in network order, to the last bit.
            big_endian(&file.data, bytes)
        } else {
            let mut samples = vec![0.0; 2_000];
            audiox_core::convert::decode(native, &file.data, &mut samples);
            let mut encoder = PcmEncoder::new(coding, file.format, 1_000).unwrap();
            let mut payload = vec![0; 2_000 * bytes];
            let block = AudioRef::new(&samples, file.format.channels);
            assert_eq!(encoder.encode(block, &mut payload), Ok(2_000 * bytes));
            payload
        };
        let (rtp, _rtcp) = Ear::pair();
        let url = format!("rtp://127.0.0.1:{}?codec={codec}&pt=100", rtp.port());
        let (senders, report) = send(config(&url), [file.source]);
        let heard = rtp.heard();
        let ssrc = report.streams[0].ssrc.unwrap();
        let (audio, _) = check_packets(&from(&heard, senders[0]), ssrc, 100, 2 * bytes);
        assert_eq!(audio, expected, "{codec}");
    }
}

#[test]
fn a_seed_repeats_every_identifier() {
    let dir = tempfile::tempdir().unwrap();
    let run = |seed| {
        let file = wav(dir.path(), "a", S16, 8_000, 1, 160);
        let (rtp, _rtcp) = Ear::pair();
        let config = StreamerConfig {
            seed,
            ..config(&format!("rtp://127.0.0.1:{}", rtp.port()))
        };
        send(config, [file.source]);
        rtp.heard().into_iter().map(|(_, d)| d).collect::<Vec<_>>()
    };
    assert_eq!(run(Some(1)), run(Some(1)));
    assert_ne!(run(None)[0][..12], run(None)[0][..12]);
}

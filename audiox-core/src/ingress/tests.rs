use super::*;
use crate::fec::window::WindowEncoder;
use crate::packet::rtp::RtpHeader;
use crate::time::{RtpTimestamp, SeqNum};

const RATE: SampleRate = SampleRate::HZ_8000;

fn ms(n: u64) -> Instant {
    Instant::from_nanos(n * 1_000_000)
}

fn ingress(config: IngressConfig) -> Ingress {
    Ingress::new(config, Instant::EPOCH).unwrap()
}

fn rtp() -> IngressConfig {
    IngressConfig::rtp([(96, RATE)])
}

fn packet(at: Instant, ssrc: u32, seq: u16, timestamp: u32) -> PacketBuf {
    let mut buf = PacketBuf::with_capacity(200);
    let header = RtpHeader::new(96, SeqNum(seq), RtpTimestamp(timestamp), ssrc).unwrap();
    let len = header.write_packet(&[1; 160], 0, buf.spare()).unwrap();
    buf.set_len(len);
    buf.meta.arrival = at;
    buf
}

/// Feeds packets of 20 ms, `from..to`, and returns what became of the last.
fn feed(i: &mut Ingress, ssrc: u32, packets: impl Iterator<Item = u64>) -> Handled {
    let mut last = Handled::TooManySources;
    for n in packets {
        let mut p = packet(ms(n * 20), ssrc, n as u16, (n * 160) as u32);
        last = i.handle_packet(&mut p);
    }
    last
}

fn events(i: &mut Ingress) -> Vec<IngressEvent> {
    std::iter::from_fn(|| i.poll_event()).collect()
}

#[test]
fn sources_are_told_apart_and_numbers_unwrap() {
    let mut i = ingress(rtp());
    for n in 65_530..65_550u64 {
        let mut a = packet(ms(n * 20), 7, n as u16, (n * 160) as u32);
        let mut b = packet(ms(n * 20), 8, (n + 9) as u16, (n * 160) as u32);
        assert_eq!(i.handle_packet(&mut a), Handled::Media(SourceId(0)));
        assert_eq!(i.handle_packet(&mut b), Handled::Media(SourceId(1)));
        assert_eq!(a.meta.seq.0, 0x1_0000 + n);
        assert_eq!(a.payload().len(), 160);
    }
    let stats = i.source_stats(SourceId(0)).unwrap();
    assert_eq!((stats.packets_received, stats.packets_lost), (20, 0));
    assert_eq!(stats.bytes_received, 20 * 160);
    assert_eq!(stats.jitter, Duration::ZERO);
    assert_eq!(
        events(&mut i),
        [
            IngressEvent::Started(SourceId(0)),
            IngressEvent::Started(SourceId(1))
        ]
    );
}

#[test]
fn a_stray_jump_is_dropped_and_a_confirmed_one_restarts() {
    let mut i = ingress(rtp());
    feed(&mut i, 7, 0..10);
    let mut stray = packet(ms(200), 7, 30_000, 5);
    assert_eq!(i.handle_packet(&mut stray), Handled::Suspect(SourceId(0)));
    assert_eq!(feed(&mut i, 7, 10..12), Handled::Media(SourceId(0)));
    let mut one = packet(ms(300), 7, 40_000, 99);
    let mut two = packet(ms(320), 7, 40_001, 259);
    assert_eq!(i.handle_packet(&mut one), Handled::Suspect(SourceId(0)));
    assert_eq!(i.handle_packet(&mut two), Handled::Media(SourceId(0)));
    assert_eq!(two.meta.generation, 1);
    assert!(events(&mut i).contains(&IngressEvent::Restarted(SourceId(0))));
    assert_eq!(i.stats().suspect, 2);
}

#[test]
fn timestamps_that_jump_with_the_clock_are_a_pause() {
    let mut i = ingress(rtp());
    feed(&mut i, 7, 0..10);
    // Ten seconds of silence suppression: sequence goes on, timestamp and clock jump alike.
    let mut p = packet(ms(10_200), 7, 10, 10 * 160 + 80_000);
    assert_eq!(i.handle_packet(&mut p), Handled::Media(SourceId(0)));
    // Ten seconds asleep: neither jumps but the clock.
    let mut p = packet(ms(20_400), 7, 11, 11 * 160 + 80_000);
    assert_eq!(i.handle_packet(&mut p), Handled::Media(SourceId(0)));
    // A timestamp from nowhere.
    let mut p = packet(ms(20_420), 7, 12, 9);
    assert_eq!(i.handle_packet(&mut p), Handled::Suspect(SourceId(0)));
}

#[test]
fn a_flood_of_ssrcs_stays_within_the_table_and_spares_the_confirmed() {
    let mut i = ingress(IngressConfig {
        max_sources: 4,
        ..rtp()
    });
    feed(&mut i, 7, 0..10);
    for ssrc in 1_000..3_000 {
        let mut p = packet(ms(200), ssrc, 1, 1);
        let _ = i.handle_packet(&mut p);
    }
    assert!(i.sources().count() <= 4);
    assert_eq!(feed(&mut i, 7, 10..12), Handled::Media(SourceId(0)));
    assert!(i.stats().events_dropped > 0);
    // With only confirmed sources a further one is refused.
    let mut full = ingress(IngressConfig {
        max_sources: 1,
        ..rtp()
    });
    feed(&mut full, 7, 0..3);
    assert_eq!(feed(&mut full, 8, 0..1), Handled::TooManySources);
    assert_eq!(full.stats().too_many_sources, 1);
}

#[test]
fn hostile_datagrams_are_counted() {
    let mut i = ingress(rtp());
    for bytes in [&b""[..], b"\x80", &[0x40; 40], &[0xbf; 14]] {
        let mut p = PacketBuf::with_capacity(64);
        p.fill(bytes);
        assert!(matches!(i.handle_packet(&mut p), Handled::Malformed(_)));
    }
    let mut other = packet(ms(1), 7, 1, 1);
    other.spare()[1] = 97;
    assert_eq!(i.handle_packet(&mut other), Handled::PayloadType(97));
    assert_eq!(
        (i.stats().malformed, i.stats().unknown_payload_type),
        (4, 1)
    );
    assert_eq!(i.sources().count(), 0);
    assert!(i.handle_rtcp(ms(1), &[0x80; 3]).is_err());
}

/// RFC 3550 appendix A.3 and section 6.4.1, on ten packets of which two are lost.
#[test]
fn report_blocks_say_what_was_lost() {
    let mut i = ingress(IngressConfig {
        reports: Some(ReportConfig {
            ssrc: 99,
            cname: "me".into(),
            bandwidth: 64_000,
        }),
        ..rtp()
    });
    feed(&mut i, 7, (0..10).filter(|n| *n != 4 && *n != 5));
    let mut sr = [0; 200];
    let mut w = CompoundWriter::new(&mut sr);
    let info = crate::packet::rtcp::SenderInfo {
        ntp: NtpTime(0xaaaa_bbbb_cccc_dddd),
        timestamp: RtpTimestamp(1_600),
        packet_count: 10,
        octet_count: 1_600,
    };
    w.sender_report(7, &info, &[]).unwrap();
    w.sdes_cname(7, "you").unwrap();
    let len = w.finish();
    i.handle_rtcp(ms(200), &sr[..len]).unwrap();
    assert_eq!(i.cname(SourceId(0)), Some(&b"you"[..]));
    assert!(events(&mut i).contains(&IngressEvent::Mapped(SourceId(0))));
    i.handle_timeout(ms(450));
    let mut out = [0; 200];
    let len = i.poll_report(ms(450), &mut out).unwrap();
    let compound = Compound::parse(&out[..len]).unwrap();
    let Some(Ok(RtcpPacket::ReceiverReport(rr))) = compound.packets().next() else {
        panic!("no receiver report");
    };
    let block = rr.reports.find(7).unwrap();
    assert_eq!(u32::from(block.fraction_lost), 2 * 256 / 10);
    assert_eq!((block.cumulative_lost, block.highest_seq), (2, 9));
    assert_eq!(block.last_sr, 0xbbbb_cccc);
    assert_eq!(block.delay_since_last_sr, 65_536 / 4);
    assert_eq!(i.poll_report(ms(451), &mut out), None);
}

#[test]
fn the_capture_time_of_every_frame_follows_from_a_report() {
    let mut i = ingress(rtp());
    let base = NtpTime(0xe000_0000_0000_0000);
    let mut sr = [0; 100];
    let mut w = CompoundWriter::new(&mut sr);
    let info = crate::packet::rtcp::SenderInfo {
        ntp: base,
        timestamp: RtpTimestamp(u32::MAX - 79),
        packet_count: 0,
        octet_count: 0,
    };
    w.sender_report(7, &info, &[]).unwrap();
    w.sdes_cname(7, "x").unwrap();
    let len = w.finish();
    // The report overtakes the first packet, and the timestamp wraps in between.
    i.handle_rtcp(ms(0), &sr[..len]).unwrap();
    assert_eq!(i.clock_map(SourceId(0)).map(|_| ()), None);
    let mut p = packet(ms(1), 7, 1, 80);
    i.handle_packet(&mut p);
    assert!(events(&mut i).contains(&IngressEvent::Mapped(SourceId(0))));
    let map = i.clock_map(SourceId(0)).unwrap();
    assert_eq!(map.ntp_at(p.meta.at), Some(base.offset_nanos(20_000_000)));
}

#[test]
fn raw_streams_are_told_apart_by_origin() {
    let mut i = ingress(IngressConfig::raw(PcmFormat::S16LE, Channels::STEREO, RATE));
    for (origin, bytes, at) in [(1, 40, 0), (2, 40, 0), (1, 42, 10), (1, 40, 20)] {
        let mut p = PacketBuf::with_capacity(64);
        p.fill(&vec![0; bytes]);
        p.meta.origin = Origin(origin);
        let expected = SourceId(origin as u32 - 1);
        assert_eq!(i.handle_packet(&mut p), Handled::Media(expected));
        assert_eq!(p.meta.at.0, at);
    }
    assert_eq!(i.stats().trailing_bytes, 2);
    let mut p = PacketBuf::with_capacity(8);
    p.fill(&[0; 3]);
    p.meta.origin = Origin(3);
    assert!(matches!(i.handle_packet(&mut p), Handled::Malformed(_)));
    assert_eq!(i.sources().count(), 2);
}

#[test]
fn idle_sources_end_and_goodbyes_are_told_once() {
    let mut i = ingress(rtp());
    feed(&mut i, 7, 0..3);
    let mut bye = [0; 100];
    let mut w = CompoundWriter::new(&mut bye);
    w.receiver_report(7, &[]).unwrap();
    w.sdes_cname(7, "x").unwrap();
    w.bye(&[7], None).unwrap();
    let len = w.finish();
    i.handle_rtcp(ms(60), &bye[..len]).unwrap();
    i.handle_rtcp(ms(61), &bye[..len]).unwrap();
    assert!(i.said_bye(SourceId(0)));
    let byes = events(&mut i);
    assert_eq!(
        byes.iter()
            .filter(|e| **e == IngressEvent::Bye(SourceId(0)))
            .count(),
        1
    );
    assert_eq!(i.poll_timeout(), Some(ms(10_040)));
    i.handle_timeout(ms(10_040));
    assert_eq!(events(&mut i), [IngressEvent::Ended(SourceId(0))]);
    assert_eq!(i.poll_timeout(), None);
}

#[test]
fn what_comes_again_belongs_to_the_stream_that_it_fits() {
    let mut i = ingress(IngressConfig {
        reports: Some(ReportConfig {
            ssrc: 1,
            cname: "a".into(),
            bandwidth: 64_000,
        }),
        retransmission: Some(RetransmissionConfig {
            types: vec![(97, 96)],
            delay: Duration::from_secs(1),
        }),
        ..rtp()
    });
    // Two streams with the same numbers lose the same packet.
    let time = |ssrc: u32, n: u64| (n * 160) as u32 + ssrc * 500_000_000;
    for n in (0..20u64).filter(|n| *n != 15) {
        for ssrc in [2, 3] {
            let mut p = packet(ms(n * 20), ssrc, n as u16, time(ssrc, n));
            assert!(matches!(i.handle_packet(&mut p), Handled::Media(_)));
        }
    }
    let repeated = |ssrc: u32| {
        let original = packet(ms(390), ssrc, 15, time(ssrc, 15));
        let mut again = PacketBuf::with_capacity(200);
        let len = rtx::write(original.bytes(), 97, SeqNum(4), ssrc + 10, again.spare());
        again.set_len(len.unwrap());
        again.meta.arrival = ms(390);
        again
    };
    for (ssrc, id) in [(3, 1), (2, 0)] {
        let mut p = repeated(ssrc);
        assert_eq!(i.handle_packet(&mut p), Handled::Media(SourceId(id)));
        assert_eq!(p.meta.ssrc, ssrc);
        let stats = i.source_stats(SourceId(id)).unwrap();
        assert_eq!(stats.packets_retransmitted, 1);
    }
    // A repeater that is known does not speak for another stream.
    let mut p = repeated(5);
    p.spare()[8..12].copy_from_slice(&12u32.to_be_bytes());
    assert_eq!(i.handle_packet(&mut p), Handled::Useless);
}

#[test]
fn nothing_comes_back_for_a_source_that_has_ended() {
    let mut i = ingress(IngressConfig {
        repair_types: vec![118],
        ..rtp()
    });
    feed(&mut i, 7, 0..3);
    let mut encoder = WindowEncoder::new(2, 1_000).unwrap();
    encoder.push(packet(ms(60), 7, 3, 480).bytes());
    let mut repair = PacketBuf::with_capacity(300);
    let header = RtpHeader::new(118, SeqNum(0), RtpTimestamp(0), 9).unwrap();
    let head = header.write_into(repair.spare()).unwrap();
    let len = encoder.poll_repair(&mut repair.spare()[head..]).unwrap();
    repair.set_len(head + len);
    repair.meta.arrival = ms(61);
    assert_eq!(i.handle_packet(&mut repair), Handled::Repair(SourceId(0)));
    assert!(i.has_recovered());
    i.handle_timeout(ms(60_000));
    assert_eq!(i.poll_recovered(&mut repair), None);
    assert!(!i.has_recovered(), "or it would be asked for ever");
}

#[test]
fn losses_are_told_apart_from_duplicates_and_outlive_a_restart() {
    let mut i = ingress(rtp());
    // Two are missing, three come twice.
    feed(&mut i, 7, (0..10).filter(|n| ![4, 5].contains(n)));
    feed(&mut i, 7, 7..10);
    let stats = i.source_stats(SourceId(0)).unwrap();
    assert_eq!((stats.packets_lost, stats.packets_duplicate), (-1, 3));
    assert_eq!((stats.missing(), stats.packets_out_of_order), (2, 0));
    feed(&mut i, 7, (20_000..20_010).filter(|n| *n != 20_005));
    let stats = i.source_stats(SourceId(0)).unwrap();
    assert_eq!((stats.restarts, stats.missing()), (1, 3));
}

use std::time::Duration;

use super::*;
use crate::error::WriteError;
use crate::time::{NtpTime, RtpTimestamp, SeqNum};
use proptest::collection::vec;
use proptest::prelude::*;

/// A sender report with one block, and the sender's CNAME.
#[rustfmt::skip]
const SR_SDES: [u8; 68] = [
    0x81, 200, 0, 12,
    0x00, 0x00, 0x00, 0x01,                         // SSRC
    0xe0, 0x00, 0x00, 0x00, 0x80, 0x00, 0x00, 0x00, // NTP
    0x00, 0x00, 0xbb, 0x80,                         // RTP timestamp
    0x00, 0x00, 0x00, 0x64,                         // packets
    0x00, 0x01, 0x77, 0x00,                         // octets
    0x00, 0x00, 0x00, 0x02,                         // block: SSRC
    0x40, 0xff, 0xff, 0xfe,                         // a quarter lost, −2 in all
    0x00, 0x01, 0x00, 0x07,                         // highest sequence number, one cycle
    0x00, 0x00, 0x00, 0x30,                         // jitter
    0xb7, 0x05, 0x20, 0x00,                         // LSR
    0x00, 0x05, 0x40, 0x00,                         // DLSR
    0x81, 202, 0, 3,
    0x00, 0x00, 0x00, 0x01, 0x01, 0x03, b'a', b'@', b'b', 0, 0, 0,
];

const BLOCK: ReportBlock = ReportBlock {
    ssrc: 2,
    fraction_lost: 0x40,
    cumulative_lost: -2,
    highest_seq: 0x0001_0007,
    jitter: 48,
    last_sr: 0xb705_2000,
    delay_since_last_sr: 0x0005_4000,
};

const INFO: SenderInfo = SenderInfo {
    ntp: NtpTime(0xe000_0000_8000_0000),
    timestamp: RtpTimestamp(48_000),
    packet_count: 100,
    octet_count: 96_000,
};

fn packets(datagram: &[u8]) -> Vec<RtcpPacket<'_>> {
    let compound = Compound::parse_reduced_size(datagram).unwrap();
    compound.packets().map(Result::unwrap).collect()
}

fn only_error(datagram: &[u8]) -> ParseError {
    let compound = Compound::parse_reduced_size(datagram).unwrap();
    compound.packets().next().unwrap().unwrap_err()
}

#[test]
fn a_compound_is_read_field_by_field() {
    let compound = Compound::parse(&SR_SDES).unwrap();
    let mut packets = compound.into_iter();
    let Some(Ok(RtcpPacket::SenderReport(sr))) = packets.next() else {
        panic!("a sender report comes first");
    };
    assert_eq!((sr.ssrc, sr.info), (1, INFO));
    assert_eq!(sr.reports.iter().collect::<Vec<_>>(), [BLOCK]);
    assert_eq!(
        (sr.reports.find(2), sr.reports.find(3)),
        (Some(BLOCK), None)
    );
    assert_eq!(sr.extension, []);
    let Some(Ok(RtcpPacket::SourceDescription(sdes))) = packets.next() else {
        panic!("a source description follows");
    };
    assert_eq!(sdes.cname(1), Some(&b"a@b"[..]));
    assert_eq!(sdes.cname(2), None);
    assert_eq!(packets.next(), None);
}

#[test]
fn the_same_compound_is_written() {
    let mut out = [0xaa; 80];
    let mut writer = CompoundWriter::new(&mut out);
    assert!(writer.is_empty());
    writer.sender_report(1, &INFO, &[BLOCK]).unwrap();
    assert_eq!(writer.len(), 52);
    writer.sdes_cname(1, "a@b").unwrap();
    assert_eq!(writer.finish(), 68);
    assert_eq!(out[..68], SR_SDES);
    assert_eq!(out[68..], [0xaa; 12]);
}

#[test]
fn the_round_trip_time_is_the_one_of_the_rfc() {
    // RFC 3550 section 6.4.1, figure 2: 6.125 s.
    let arrival = NtpTime(0xb710_8000 << 16);
    assert_eq!(
        BLOCK.round_trip(arrival),
        Some(Duration::from_millis(6_125))
    );
    assert_eq!(
        BLOCK.round_trip(NtpTime(0xb705_0000 << 16)),
        Some(Duration::ZERO)
    );
    let unreported = ReportBlock::default();
    assert_eq!(unreported.round_trip(arrival), None);
    assert_eq!(
        ReportBlock::delay_units(Duration::from_millis(5_250)),
        0x0005_4000
    );
    assert_eq!(ReportBlock::delay_units(Duration::MAX), u32::MAX);
}

#[test]
fn cumulative_loss_is_clamped_to_24_bits() {
    let mut out = [0; 32];
    for (given, written) in [
        (i32::MAX, 0x7f_ffff),
        (0x7f_ffff, 0x7f_ffff),
        (-0x80_0000, -0x80_0000),
        (i32::MIN, -0x80_0000),
        (-1, -1),
    ] {
        let block = ReportBlock {
            cumulative_lost: given,
            ..BLOCK
        };
        let mut writer = CompoundWriter::new(&mut out);
        writer.receiver_report(9, &[block]).unwrap();
        let [RtcpPacket::ReceiverReport(rr)] = packets(&out)[..] else {
            panic!("one receiver report");
        };
        let block = rr.reports.find(2).unwrap();
        assert_eq!(
            (block.cumulative_lost, block.fraction_lost),
            (written, 0x40)
        );
    }
}

#[test]
fn compounds_that_break_a_rule_are_refused() {
    let change = |at: usize, to: u8| {
        let mut bytes = SR_SDES;
        bytes[at] = to;
        Compound::parse(&bytes).map(|_| ())
    };
    let truncated = |expected, actual| Err(ParseError::Truncated { expected, actual });
    assert_eq!(change(0, 0x41), Err(ParseError::Version(1)));
    assert_eq!(change(52, 0xc1), Err(ParseError::Version(3)));
    // Padding belongs on the last packet and not on the first.
    assert_eq!(change(0, 0xa1), Err(ParseError::Padding(0)));
    assert_eq!(change(1, 202), Err(ParseError::Type(202)));
    assert_eq!(change(55, 4), truncated(20, 16));
    // A packet too short leaves bytes that are no packet.
    assert_eq!(change(55, 2), Err(ParseError::Version(1)));
    let cut = |len: usize| Compound::parse(&SR_SDES[..len]).map(|_| ());
    assert_eq!(cut(0), truncated(4, 0));
    assert_eq!(cut(54), truncated(4, 2));
    assert_eq!(cut(51), truncated(52, 51));
    assert_eq!(cut(52), Ok(()));
}

#[test]
fn a_reduced_size_datagram_may_begin_with_anything() {
    let sdes = &SR_SDES[52..];
    assert_eq!(Compound::parse(sdes), Err(ParseError::Type(202)));
    assert_eq!(packets(sdes).len(), 1);
    let padded = [0xa0, 205, 0, 1, 0, 0, 0, 4];
    assert_eq!(
        packets(&padded),
        [RtcpPacket::Other {
            ty: packet_type::TRANSPORT_FEEDBACK,
            count_or_fmt: 0,
            body: &[]
        }]
    );
}

#[test]
fn padding_is_counted_in_words_and_left_out() {
    let with_padding = |count: u8| {
        let mut bytes = SR_SDES.to_vec();
        bytes[52] |= PADDING_BIT;
        bytes[55] += 2;
        bytes.extend([9, 9, 9, 9, 9, 9, 9, count]);
        bytes
    };
    assert_eq!(packets(&with_padding(8)), packets(&SR_SDES));
    for count in [0, 3, 24, 255] {
        assert_eq!(
            Compound::parse(&with_padding(count)),
            Err(ParseError::Padding(count))
        );
    }
    let mut not_last = with_padding(8);
    not_last.extend([0x80, 203, 0, 0]);
    assert_eq!(Compound::parse(&not_last), Err(ParseError::Padding(8)));
}

#[test]
fn reports_shorter_than_their_count_are_refused_and_longer_ones_have_an_extension() {
    let rr = [0x80, 201, 0, 2, 0, 0, 0, 7, 1, 2, 3, 4];
    let [RtcpPacket::ReceiverReport(report)] = packets(&rr)[..] else {
        panic!("one receiver report");
    };
    assert_eq!((report.ssrc, report.extension), (7, &[1, 2, 3, 4][..]));
    assert!(report.reports.is_empty());

    let truncated = |expected, actual| ParseError::Truncated { expected, actual };
    assert_eq!(only_error(&[0x80, 201, 0, 0]), truncated(4, 0));
    let mut counted = rr;
    counted[0] |= 1;
    assert_eq!(only_error(&counted), truncated(24, 4));
    assert_eq!(only_error(&[0x80, 200, 0, 1, 0, 0, 0, 1]), truncated(20, 0));
}

#[test]
fn a_malformed_packet_does_not_cost_its_neighbours() {
    let mut bytes = SR_SDES;
    bytes[61] = 200;
    let compound = Compound::parse(&bytes).unwrap();
    let read: Vec<_> = compound.packets().map(|p| p.is_ok()).collect();
    assert_eq!(read, [true, false]);
}

#[test]
fn descriptions_hold_several_sources_and_items() {
    #[rustfmt::skip]
    let bytes = [
        0x82, 202, 0, 6,
        0, 0, 0, 1, 6, 2, b'o', b'k', 1, 1, b'x', 0,   // the null byte ends the word
        0, 0, 0, 2, 1, 2, b'y', b'z', 0, 0, 0, 0,      // a word of nulls
    ];
    let [RtcpPacket::SourceDescription(sdes)] = packets(&bytes)[..] else {
        panic!("one description");
    };
    let chunks: Vec<_> = sdes.chunks().collect();
    assert_eq!(chunks.len(), 2);
    let items: Vec<_> = chunks[0].items().map(|i| (i.ty, i.value)).collect();
    assert_eq!(
        items,
        [(SdesItem::TOOL, &b"ok"[..]), (SdesItem::CNAME, &b"x"[..])]
    );
    assert_eq!(sdes.cname(2), Some(&b"yz"[..]));
}

#[test]
fn malformed_descriptions_are_refused() {
    let sdes = |count: u8, body: &[u8]| {
        let mut bytes = vec![0x80 | count, 202, 0, (body.len() / 4) as u8];
        bytes.extend(body);
        only_error(&bytes)
    };
    // No null byte ends the items.
    assert!(matches!(
        sdes(1, &[0, 0, 0, 1, 1, 2, b'a', b'b']),
        ParseError::Truncated { .. }
    ));
    // An item reaches beyond the packet.
    assert!(matches!(
        sdes(1, &[0, 0, 0, 1, 1, 9, b'a', b'b']),
        ParseError::Truncated { .. }
    ));
    // Fewer chunks than counted, and more.
    assert!(matches!(
        sdes(2, &[0, 0, 0, 1, 0, 0, 0, 0]),
        ParseError::Truncated { .. }
    ));
    assert_eq!(sdes(0, &[0, 0, 0, 1, 0, 0, 0, 0]), ParseError::Length(8));
}

#[test]
fn goodbyes_carry_sources_and_perhaps_a_reason() {
    #[rustfmt::skip]
    let table: [(&[u8], &[u32], Option<&str>); 4] = [
        (&[0x80, 203, 0, 0], &[], None),
        (&[0x81, 203, 0, 1, 0, 0, 0, 5], &[5], None),
        (&[0x81, 203, 0, 2, 0, 0, 0, 5, 3, b'e', b'n', b'd'], &[5], Some("end")),
        (&[0x82, 203, 0, 4, 0, 0, 0, 5, 0, 0, 0, 6, 4, b's', b't', b'o', b'p', 0, 0, 0],
            &[5, 6], Some("stop")),
    ];
    for (bytes, ssrcs, reason) in table {
        let [RtcpPacket::Bye(bye)] = packets(bytes)[..] else {
            panic!("one goodbye");
        };
        assert_eq!(bye.ssrcs().collect::<Vec<_>>(), ssrcs);
        assert_eq!(bye.reason, reason.map(str::as_bytes));
        let mut out = [0xaa; 24];
        let mut writer = CompoundWriter::reduced_size(&mut out);
        writer.bye(ssrcs, reason).unwrap();
        let len = writer.finish();
        assert_eq!(&out[..len], bytes);
    }
    let truncated = |expected, actual| ParseError::Truncated { expected, actual };
    assert_eq!(only_error(&[0x81, 203, 0, 0]), truncated(4, 0));
    assert_eq!(
        only_error(&[0x80, 203, 0, 1, 4, b'a', b'b', b'c']),
        truncated(4, 3)
    );
    assert_eq!(
        only_error(&[0x80, 203, 0, 2, 2, b'a', b'b', 0, 0, 0, 0, 0]),
        ParseError::Length(5)
    );
}

#[test]
fn the_writer_refuses_what_the_wire_cannot_carry_and_goes_on() {
    let mut out = [0; 2_000];
    let mut writer = CompoundWriter::new(&mut out);
    let field = |r: Result<(), WriteError>| match r {
        Err(WriteError::OutOfRange { field }) => field,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        field(writer.sdes_cname(1, "me")),
        "type of a compound's first packet"
    );
    assert_eq!(field(writer.receiver_report(1, &[BLOCK; 32])), "count");
    writer.receiver_report(1, &[BLOCK; 31]).unwrap();
    let long = "x".repeat(256);
    assert_eq!(field(writer.sdes_cname(1, &long)), "CNAME length");
    writer.sdes_cname(1, &long[1..]).unwrap();
    assert_eq!(field(writer.bye(&[1], Some(&long))), "reason length");
    assert_eq!(field(writer.bye(&[1; 32], None)), "count");
    assert_eq!(field(writer.other(205, 32, &[])), "count");
    assert_eq!(field(writer.other(205, 1, &[0; 5])), "packet length");
    let huge = vec![0; 65_536 * 4];
    assert_eq!(field(writer.other(205, 1, &huge)), "packet length");
    writer.other(207, 1, &[0; 8]).unwrap();
    let len = writer.finish();
    assert_eq!(Compound::parse(&out[..len]).unwrap().packets().count(), 3);
}

#[test]
fn a_full_buffer_keeps_what_was_written() {
    let mut out = [0; 60];
    let mut writer = CompoundWriter::new(&mut out);
    writer.sender_report(1, &INFO, &[BLOCK]).unwrap();
    assert_eq!(
        writer.sdes_cname(1, "a@b"),
        Err(WriteError::BufferTooSmall {
            needed: 68,
            available: 60
        })
    );
    writer.bye(&[1], None).unwrap();
    assert_eq!(writer.finish(), 60);
    assert_eq!(packets(&out).len(), 2);
}

#[test]
fn rtcp_is_told_from_rtp_by_its_second_byte() {
    for ty in 192..=223 {
        assert!(is_rtcp(&[0x80, ty, 0, 0]));
    }
    assert!(is_rtcp(&SR_SDES));
    // Every payload type below 64 and above 95, with marker and without.
    for second in (0..=191).chain(224..=255) {
        assert!(!is_rtcp(&[0x80, second, 0, 0]));
    }
    assert!(!is_rtcp(&[]) && !is_rtcp(&[0x80]) && !is_rtcp(&[0, 200]));
}

#[test]
fn missing_packets_are_asked_for_as_the_rfc_lays_it_out() {
    let missing = [65_534, 65_535, 14, 15, 40].map(SeqNum);
    let mut out = [0; 64];
    let mut writer = CompoundWriter::new(&mut out);
    writer.receiver_report(7, &[]).unwrap();
    writer.nack(7, 9, &missing).unwrap();
    assert!(writer.nack(7, 9, &[]).is_err());
    let len = writer.finish();
    #[rustfmt::skip]
    let expected = [
        0x81, 205, 0, 5,
        0, 0, 0, 7,
        0, 0, 0, 9,
        0xff, 0xfe, 0x80, 0x01, // 65 534, and 1 and 16 further on
        0, 15, 0, 0,
        0, 40, 0, 0,
    ];
    assert_eq!(out[8..len], expected);
    let RtcpPacket::Nack(nack) = packets(&out[..len])[1] else {
        panic!("a request follows");
    };
    assert_eq!((nack.sender, nack.media), (7, 9));
    assert_eq!(nack.missing().collect::<Vec<_>>(), missing);
    assert_eq!(
        only_error(&[0x81, 205, 0, 2, 0, 0, 0, 7, 0, 0, 0, 9]),
        ParseError::Length(0)
    );
}

#[test]
fn extended_reports_are_laid_out_as_the_rfcs_say() {
    let mut out = [0; 200];
    let mut writer = CompoundWriter::reduced_size(&mut out);
    // Twenty-one arrived, then every other one of eight.
    let arrived = (0..29).map(|n| n < 20 || n % 2 == 0);
    writer.loss(1, 2, SeqNum(65_530), arrived.clone()).unwrap();
    writer.reference_time(1, INFO.ntp).unwrap();
    let answer = XrDelay {
        ssrc: 3,
        last_rr: 0x8000_0000,
        delay_since_last_rr: 0x1_0000,
    };
    writer.delays(1, &[XrDelay::default(), answer]).unwrap();
    let delay = JitterBufferDelay {
        ssrc: 2,
        adaptive: true,
        nominal: Some(Duration::from_millis(60)),
        maximum: Some(Duration::from_secs(100)),
    };
    writer.jitter_buffer(1, &delay).unwrap();
    let len = writer.finish();
    #[rustfmt::skip]
    let expected = [
        0x80, 207, 0, 5,
        0, 0, 0, 1,
        1, 0, 0, 3,
        0, 0, 0, 2,
        0xff, 0xfa, 0, 23,
        // A run of 20 that arrived and bits of the rest, the first the highest.
        0x40, 21, 0xaa, 0x80,
    ];
    assert_eq!(out[..24], expected[..]);
    let blocks: Vec<_> = packets(&out[..len])
        .into_iter()
        .map(|packet| match packet {
            RtcpPacket::ExtendedReport(report) => {
                assert_eq!(report.ssrc, 1);
                let mut blocks = report.blocks();
                let block = blocks.next().unwrap().unwrap();
                assert_eq!(blocks.next(), None);
                block
            }
            other => panic!("{other:?}"),
        })
        .collect();
    let [
        XrBlock::Loss(loss),
        XrBlock::ReferenceTime(ntp),
        XrBlock::Delays(delays),
        XrBlock::JitterBuffer(buffer),
    ] = blocks[..]
    else {
        panic!("{blocks:?}");
    };
    assert_eq!(
        (loss.ssrc, loss.begin, loss.end),
        (2, SeqNum(65_530), SeqNum(23))
    );
    assert!(loss.arrived().eq(arrived));
    assert_eq!(ntp, INFO.ntp);
    assert_eq!(delays.find(3), Some(answer));
    assert_eq!(delays.find(4), None);
    let clock = NtpTime(0x0000_8001_8000_0000);
    assert_eq!(answer.round_trip(clock), Some(Duration::from_millis(500)));
    // What does not fit is over the range, and no delay.
    let read = JitterBufferDelay {
        maximum: None,
        ..delay
    };
    assert_eq!(buffer, read);
}

#[test]
fn a_block_longer_than_its_report_ends_it() {
    let bytes = [0x80, 207, 0, 3, 0, 0, 0, 1, 9, 0, 0, 0, 4, 0, 0, 2];
    let RtcpPacket::ExtendedReport(report) = packets(&bytes)[0] else {
        panic!("an extended report");
    };
    let blocks: Vec<_> = report.blocks().collect();
    let unknown = XrBlock::Other {
        ty: 9,
        specific: 0,
        body: &[],
    };
    let short = ParseError::Truncated {
        expected: 8,
        actual: 0,
    };
    assert_eq!(blocks, [Ok(unknown), Err(short)]);
}

fn blocks(max: usize) -> impl Strategy<Value = Vec<ReportBlock>> {
    let block = (any::<[u32; 5]>(), any::<u8>(), -0x80_0000i32..0x80_0000).prop_map(
        |([ssrc, highest_seq, jitter, last_sr, delay], fraction_lost, cumulative_lost)| {
            ReportBlock {
                ssrc,
                fraction_lost,
                cumulative_lost,
                highest_seq,
                jitter,
                last_sr,
                delay_since_last_sr: delay,
            }
        },
    );
    vec(block, 0..=max)
}

proptest! {
    #[test]
    fn every_compound_survives_the_round_trip(
        ssrc in any::<u32>(),
        info in any::<(u64, u32, u32, u32)>(),
        (sent, received) in (blocks(31), blocks(31)),
        cname in "\\PC{0,60}",
        leaving in vec(any::<u32>(), 0..=31),
        reason in proptest::option::of("\\PC{0,60}"),
        feedback in vec(any::<[u8; 4]>(), 0..20),
    ) {
        let info = SenderInfo {
            ntp: NtpTime(info.0),
            timestamp: RtpTimestamp(info.1),
            packet_count: info.2,
            octet_count: info.3,
        };
        let feedback = feedback.concat();
        let mut out = vec![0xaa; 3_000];
        let mut writer = CompoundWriter::new(&mut out);
        writer.sender_report(ssrc, &info, &sent).unwrap();
        writer.receiver_report(ssrc, &received).unwrap();
        writer.sdes_cname(ssrc, &cname).unwrap();
        writer.other(205, 15, &feedback).unwrap();
        writer.bye(&leaving, reason.as_deref()).unwrap();
        let len = writer.finish();

        prop_assert!(is_rtcp(&out[..len]));
        let read: Vec<_> = Compound::parse(&out[..len])
            .unwrap()
            .packets()
            .map(Result::unwrap)
            .collect();
        let [
            RtcpPacket::SenderReport(sr),
            RtcpPacket::ReceiverReport(rr),
            RtcpPacket::SourceDescription(sdes),
            other,
            RtcpPacket::Bye(bye),
        ] = read[..] else {
            panic!("{read:?}");
        };
        prop_assert_eq!((sr.ssrc, sr.info, rr.ssrc), (ssrc, info, ssrc));
        prop_assert_eq!(sr.reports.iter().collect::<Vec<_>>(), sent);
        prop_assert_eq!(rr.reports.iter().collect::<Vec<_>>(), received);
        prop_assert_eq!(sdes.cname(ssrc), Some(cname.as_bytes()));
        let expected = RtcpPacket::Other { ty: 205, count_or_fmt: 15, body: &feedback };
        prop_assert_eq!(other, expected);
        prop_assert_eq!(bye.ssrcs().collect::<Vec<_>>(), leaving);
        prop_assert_eq!(bye.reason, reason.as_deref().map(str::as_bytes));
    }

    #[test]
    fn any_losses_survive_the_round_trip(
        runs in vec((any::<bool>(), 1usize..40), 0..60),
        begin in any::<u16>(),
    ) {
        let arrived: Vec<bool> = runs
            .iter()
            .flat_map(|(arrived, n)| std::iter::repeat_n(*arrived, *n))
            .collect();
        let mut out = vec![0; 2_000];
        let mut writer = CompoundWriter::reduced_size(&mut out);
        writer.loss(1, 2, SeqNum(begin), arrived.iter().copied()).unwrap();
        let len = writer.finish();
        prop_assert!(len <= 20 + 4 * runs.len() + 4);
        crate::fuzzing::rtcp(&out[..len]);
        let RtcpPacket::ExtendedReport(report) = packets(&out[..len])[0] else {
            panic!("an extended report");
        };
        let Some(Ok(XrBlock::Loss(loss))) = report.blocks().next() else {
            panic!("a loss block");
        };
        prop_assert_eq!(loss.arrived().collect::<Vec<_>>(), arrived);
        let mut missing: Vec<_> = runs.iter().map(|(_, n)| SeqNum(begin.wrapping_add(*n as u16))).collect();
        missing.sort_by_key(|s| s.distance(SeqNum(begin)));
        missing.dedup();
        if !missing.is_empty() {
            let mut writer = CompoundWriter::reduced_size(&mut out);
            writer.nack(1, 2, &missing).unwrap();
            let len = writer.finish();
            crate::fuzzing::rtcp(&out[..len]);
        }
    }

    #[test]
    fn garbage_never_panics(packets in vec((any::<u8>(), 200u8..208, vec(any::<[u8; 4]>(), 0..12)), 0..6)) {
        let mut bytes = Vec::new();
        for (flags, ty, words) in packets {
            bytes.extend([0x80 | flags & 0x3f, ty, 0, words.len() as u8]);
            bytes.extend(words.concat());
        }
        if let Ok(compound) = Compound::parse_reduced_size(&bytes) {
            for packet in compound.packets() {
                let _ = format!("{packet:?}");
                if let Ok(RtcpPacket::ExtendedReport(report)) = packet {
                    prop_assert!(report.blocks().count() <= 12);
                }
                if let Ok(RtcpPacket::SourceDescription(sdes)) = packet {
                    prop_assert!(sdes.chunks().count() <= 31);
                    let _ = sdes.chunks().flat_map(|c| c.items()).count();
                }
            }
        }
    }
}

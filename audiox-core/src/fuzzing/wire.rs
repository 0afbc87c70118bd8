//! Wire formats: what was read can be written again, byte for byte.

use crate::codec::{Decoder, PcmCoding, PcmDecoder, RedDecoder};
use crate::fec::block::{BlockConfig, BlockDecoder, BlockEncoder, PayloadId, Points};
use crate::fec::symbol::MAX_DATAGRAM;
use crate::fec::window::WindowDecoder;
use crate::format::{Channels, SampleRate, StreamFormat};
use crate::packet::raw::RawFraming;
use crate::packet::red::{self, RedPayload};
use crate::packet::rtcp::{
    Compound, CompoundWriter, ExtendedReport, LossRle, Losses, Nack, RtcpPacket, XrBlock, is_rtcp,
    packet_type,
};
use crate::packet::rtp::RtpPacket;
use crate::time::{ExtSeq, MediaTime, NtpTime};

/// RTP: parse → write → equal bytes, but for the content of the padding, which is without
/// meaning (RFC 3550 section 5.1) and is written as zeros.
pub fn rtp(data: &[u8]) {
    let Ok(packet) = RtpPacket::parse(data) else {
        return;
    };
    let (header, payload, padding) = (packet.header(), packet.payload(), packet.padding());
    assert_eq!(&data[packet.payload_range()], payload);
    assert_eq!(packet.header_len(), header.wire_len());

    let mut out = vec![0xaa; data.len()];
    let len = header.write_packet(payload, padding, &mut out);
    assert_eq!(len, Ok(data.len()));
    let content = data.len() - usize::from(padding);
    assert_eq!(out[..content], data[..content]);
    assert_eq!(out.last(), data.last(), "the count of padding bytes");

    let short = out.len() - 1;
    assert!(
        header
            .write_packet(payload, padding, &mut out[..short])
            .is_err()
    );
}

/// RED: parse → write → equal bytes; and its decoder brings back what is finite, no more of it than
/// was asked for, whatever the blocks say.
pub fn red(data: &[u8]) {
    let Ok(red) = RedPayload::parse(data) else {
        return;
    };
    let mut out = vec![0xaa; data.len()];
    let len = red::write(
        red.redundant(),
        (red.payload_type(), red.primary()),
        &mut out,
    );
    assert_eq!(len, Ok(data.len()));
    assert_eq!(out, data);

    let format = StreamFormat::new(SampleRate::HZ_8000, Channels::MONO);
    let inner = PcmDecoder::new(PcmCoding::L16, format, 80).expect("10 ms");
    let mut decoder = RedDecoder::new(Box::new(inner), red.payload_type());
    let mut out = [0.0; 400];
    for gap in [1, 79, 80, 400] {
        let out = &mut out[..gap];
        out.fill(f32::NAN);
        if let Ok(n) = decoder.decode_fec(data, out) {
            assert!(n <= gap && out[gap - n..].iter().all(|s| s.is_finite()));
        }
        let part = decoder.recover(data, 2 * gap, out);
        assert!(part.is_ok_and(|n| n <= gap));
    }
    let read = decoder.frames_in(data);
    assert_eq!(decoder.decode(data, &mut out).ok(), read.ok());
}

/// Repair packets: whatever comes, what is brought back is an RTP packet of the stream.
///
/// The input is a list of packets, each behind its length; odd lengths are of repair packets,
/// whose SSRC is set right so that more than one in four billion gets anywhere.
pub fn fec(data: &[u8]) {
    const SSRC: u32 = 7;
    let mut decoder = WindowDecoder::new(SSRC);
    let (mut rest, mut out) = (data, [0; MAX_DATAGRAM]);
    while let Some((&len, behind)) = rest.split_first() {
        let (packet, next) = behind.split_at(usize::from(len).min(behind.len()));
        rest = next;
        let mut packet = packet.to_vec();
        if len % 2 == 1 {
            if let Some(ssrc) = packet.first_chunk_mut() {
                *ssrc = SSRC.to_be_bytes();
            }
            let _ = decoder.handle_repair(&packet);
        } else if packet.len() >= 12 {
            packet[0] = 0x80;
            packet[8..12].copy_from_slice(&SSRC.to_be_bytes());
            let seq = u16::from_be_bytes([packet[2], packet[3]]);
            let cycle = if seq < 0x8000 { 2 << 16 } else { 1 << 16 };
            decoder.handle_source(ExtSeq(cycle | u64::from(seq)), &packet);
        }
        while let Some((seq, len)) = decoder.poll_recovered(&mut out) {
            let packet = RtpPacket::parse(&out[..len]);
            if let Ok(p) = packet {
                assert_eq!((p.seq().0, p.ssrc()), (seq.0 as u16, SSRC));
            }
        }
    }
}

/// Packets of the block code: whatever comes, what is brought back is no longer than what came and
/// looks like RTP; and whatever is to be sent can be read again.
///
/// The input is a list of packets, each behind its length in seven bits; the eighth says that it is
/// a repair packet.
pub fn fec_block(data: &[u8]) {
    let mut decoder = BlockDecoder::new(Points::OpenFec);
    let mut encoder = BlockEncoder::new(BlockConfig {
        source: 2,
        ..BlockConfig::default()
    })
    .expect("two source packets, one repair packet");
    let (mut rest, mut out, mut longest) = (data, [0; MAX_DATAGRAM], 0);
    while let Some((&len, behind)) = rest.split_first() {
        let (packet, next) = behind.split_at(usize::from(len & 0x7f).min(behind.len()));
        rest = next;
        longest = longest.max(packet.len());
        if len & 0x80 != 0 {
            if let Ok((id, symbol)) = PayloadId::split_repair(packet) {
                let mut written = [0; PayloadId::LEN];
                id.write(&mut written);
                assert_eq!([&written[..], symbol].concat(), packet);
            }
            let _ = decoder.handle_repair(packet);
        } else if let Ok((id, rtp)) = PayloadId::split_source(packet) {
            decoder.handle_source(id, rtp);
            let mut buf = [rtp, &[0; 300]].concat();
            if let Some(len) = encoder.push(&mut buf, rtp.len()) {
                let (_, sent) = PayloadId::split_source(&buf[..len]).expect("just written");
                assert_eq!(sent[1..rtp.len()], rtp[1..]);
            }
            while let Some(len) = encoder.poll_repair(&mut out) {
                PayloadId::split_repair(&out[..len]).expect("just written");
            }
        }
        while let Some(len) = decoder.poll_recovered(&mut out) {
            assert!(len <= longest && out[0] >> 6 == 2);
        }
    }
}

/// RTCP: every sound packet of a datagram is written again, by its own writer where it has one,
/// to equal bytes.
///
/// Excepted are the padding, which the writer has no use for, and null bytes that fill a word in
/// descriptions and goodbyes: what a sender put there in their stead is without meaning.
pub fn rtcp(data: &[u8]) {
    let Ok(compound) = Compound::parse_reduced_size(data) else {
        assert!(
            Compound::parse(data).is_err(),
            "a compound is also fit for reduced size"
        );
        return;
    };
    if Compound::parse(data).is_ok() {
        assert!(is_rtcp(data));
    }
    let mut rest = data;
    for packet in compound.packets() {
        let words = usize::from(u16::from_be_bytes([rest[2], rest[3]]));
        let (bytes, behind) = rest.split_at(4 + words * 4);
        rest = behind;
        if let Ok(packet) = packet {
            rewrite(packet, without_padding(bytes));
        }
    }
    assert!(rest.is_empty());
}

fn rewrite(packet: RtcpPacket<'_>, mut expected: Vec<u8>) {
    let mut out = vec![0xaa; expected.len()];
    let mut writer = CompoundWriter::reduced_size(&mut out);
    let written = match packet {
        RtcpPacket::SenderReport(sr) if sr.extension.is_empty() => {
            let reports: Vec<_> = sr.reports.iter().collect();
            writer.sender_report(sr.ssrc, &sr.info, &reports)
        }
        RtcpPacket::ReceiverReport(rr) if rr.extension.is_empty() => {
            let reports: Vec<_> = rr.reports.iter().collect();
            for block in &reports {
                let _ = block.round_trip(NtpTime(u64::from(rr.ssrc) << 16));
            }
            writer.receiver_report(rr.ssrc, &reports)
        }
        RtcpPacket::SourceDescription(sdes) => {
            let mut body = Vec::new();
            for chunk in sdes.chunks() {
                body.extend(chunk.ssrc.to_be_bytes());
                for item in chunk.items() {
                    body.extend([item.ty, item.value.len() as u8]);
                    body.extend(item.value);
                }
                let end = (body.len() + 1).next_multiple_of(4);
                expected[4 + body.len()..4 + end].fill(0);
                body.resize(end, 0);
            }
            let mut chunks = sdes.chunks();
            let only_name = match (chunks.next(), chunks.next()) {
                (Some(chunk), None) if chunk.items().count() == 1 => chunk
                    .cname()
                    .and_then(|name| Some((chunk.ssrc, str::from_utf8(name).ok()?))),
                _ => None,
            };
            match only_name {
                Some((ssrc, name)) => writer.sdes_cname(ssrc, name),
                None => writer.other(packet_type::SOURCE_DESCRIPTION, expected[0] & 31, &body),
            }
        }
        RtcpPacket::Bye(bye) => {
            let ssrcs: Vec<_> = bye.ssrcs().collect();
            let reason = match bye.reason.map(str::from_utf8) {
                None => None,
                Some(Ok(text)) => Some(text),
                Some(Err(_)) => return,
            };
            let pad = 4 + ssrcs.len() * 4 + reason.map_or(0, |text| 1 + text.len());
            expected[pad..].fill(0);
            writer.bye(&ssrcs, reason)
        }
        RtcpPacket::Other {
            ty,
            count_or_fmt,
            body,
        } => writer.other(ty, count_or_fmt, body),
        RtcpPacket::Nack(nack) => return nack_again(nack),
        RtcpPacket::ExtendedReport(report) => return extended_again(report),
        // A profile's extension has no writer.
        RtcpPacket::SenderReport(_) | RtcpPacket::ReceiverReport(_) => return,
    };
    assert_eq!(written, Ok(()));
    assert_eq!(writer.finish(), expected.len());
    assert_eq!(out, expected);
}

/// What a request asks for is asked for again, though its entries may be others.
fn nack_again(nack: Nack<'_>) {
    let mut missing: Vec<_> = nack.missing().collect();
    let mut out = vec![0; 12 + missing.len() * 4];
    let mut writer = CompoundWriter::reduced_size(&mut out);
    assert_eq!(writer.nack(nack.sender, nack.media, &missing), Ok(()));
    let len = writer.finish();
    let again = Compound::parse_reduced_size(&out[..len]).map(|c| c.packets().next());
    let Ok(Some(Ok(RtcpPacket::Nack(again)))) = again else {
        panic!("{again:?}");
    };
    assert_eq!((again.sender, again.media), (nack.sender, nack.media));
    let mut asked: Vec<_> = again.missing().collect();
    for list in [&mut missing, &mut asked] {
        list.sort_by_key(|seq| seq.0);
        list.dedup();
    }
    assert_eq!(asked, missing);
}

/// What [`LossRle::losses`] tells, packet by packet.
fn counted(loss: &LossRle<'_>, before: bool) -> Losses {
    let (mut told, mut lost, mut runs, mut last) = (0, 0, 0, before);
    for arrived in loss.arrived() {
        told += 1;
        lost += u64::from(!arrived);
        runs += u64::from(!arrived && !last);
        last = !arrived;
    }
    Losses {
        told,
        lost,
        runs,
        last,
    }
}

/// Every block of an extended report is read and written again to what says the same.
fn extended_again(report: ExtendedReport<'_>) {
    let mut out = vec![0; 20_000];
    for block in report.blocks().filter_map(Result::ok) {
        let mut writer = CompoundWriter::reduced_size(&mut out);
        let written = match block {
            XrBlock::Loss(loss) => {
                assert!(loss.arrived().count() <= 65_535);
                for before in [false, true] {
                    assert_eq!(loss.losses(before), counted(&loss, before));
                }
                if loss.thinning > 0 {
                    continue;
                }
                writer.loss(report.ssrc, loss.ssrc, loss.begin, loss.arrived())
            }
            XrBlock::ReferenceTime(ntp) => writer.reference_time(report.ssrc, ntp),
            XrBlock::Delays(delays) => {
                let answer = delays.find(report.ssrc);
                let _ = answer.and_then(|a| a.round_trip(NtpTime(1 << 40)));
                writer.delays(report.ssrc, answer.as_slice())
            }
            XrBlock::JitterBuffer(delay) => writer.jitter_buffer(report.ssrc, &delay),
            XrBlock::Other { .. } => continue,
        };
        if written.is_err() {
            // Only as long a list of chunks as no sensible writer makes.
            assert!(matches!(block, XrBlock::Loss(_)));
            continue;
        }
        let len = writer.finish();
        let again = Compound::parse_reduced_size(&out[..len]).map(|c| c.packets().next());
        let Ok(Some(Ok(RtcpPacket::ExtendedReport(again)))) = again else {
            panic!("{again:?}");
        };
        match (block, again.blocks().next()) {
            (XrBlock::Loss(a), Some(Ok(XrBlock::Loss(b)))) => {
                assert_eq!((a.ssrc, a.begin), (b.ssrc, b.begin));
                assert!(a.arrived().eq(b.arrived()));
            }
            (XrBlock::Delays(_), Some(Ok(XrBlock::Delays(_)))) => {}
            (a, b) => assert_eq!(b, Some(Ok(a))),
        }
    }
}

/// A packet as it would be without padding: flag cleared, length and bytes less.
fn without_padding(packet: &[u8]) -> Vec<u8> {
    let mut bytes = packet.to_vec();
    if bytes[0] & 0x20 != 0 {
        let count = bytes[bytes.len() - 1];
        bytes.truncate(bytes.len() - usize::from(count));
        bytes[0] &= !0x20;
        let words = (bytes.len() / 4 - 1) as u16;
        bytes[2..4].copy_from_slice(&words.to_be_bytes());
    }
    bytes
}

/// Raw framing: the first two bytes are the frame's length, every further two a datagram's.
/// Sequence and time follow from the whole frames, and no byte is used twice or forgotten.
pub fn raw(data: &[u8]) {
    let (numbers, _) = data.as_chunks::<2>();
    let mut numbers = numbers
        .iter()
        .map(|&bytes| usize::from(u16::from_be_bytes(bytes)));
    let Some(frame) = numbers.next() else {
        return;
    };
    let Ok(mut framing) = RawFraming::new(frame) else {
        assert_eq!(frame, 0);
        return;
    };
    let (mut seq, mut at) = (0, MediaTime(0));
    for len in numbers {
        match framing.accept(len) {
            Err(_) => assert!(len < frame),
            Ok(packet) => {
                assert_eq!((packet.seq.0, packet.at), (seq, at));
                assert_eq!(packet.payload, 0..packet.frames * frame);
                assert_eq!(packet.payload.len() + packet.trailing, len);
                assert!(packet.frames > 0 && packet.trailing < frame);
                seq += 1;
                at = at + packet.frames as i64;
            }
        }
        assert_eq!(framing.next_time(), at);
    }
}

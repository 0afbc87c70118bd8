use super::*;
use crate::codec::{EncodeError, PcmCoding, PcmEncoder};
use crate::format::{Channels, StreamFormat};
use crate::packet::rtp::RtpPacket;

const START: Instant = Instant::from_nanos(5_000_000_000);
const NTP: NtpTime = NtpTime::from_unix(Duration::from_secs(1_700_000_000));

fn sender(framing: Framing) -> Sender {
    let format = StreamFormat::new(SampleRate::HZ_48000, Channels::MONO);
    let config = SenderConfig {
        framing,
        payload_type: 96,
        ssrc: 7,
        first_seq: SeqNum(65_535),
        first_timestamp: RtpTimestamp(u32::MAX),
        cname: "test".into(),
        wall: (START, NTP),
    };
    let encoder = PcmEncoder::new(PcmCoding::L16, format, 4).unwrap();
    Sender::new(config, Box::new(encoder), START).unwrap()
}

#[test]
fn a_payload_in_place_goes_out_like_a_copied_one() {
    let payload = [1, 2, 3, 4, 5, 6, 7, 8];
    for framing in [Framing::Rtp, Framing::Raw] {
        let (mut a, mut b) = (sender(framing), sender(framing));
        let (mut copied, mut placed) = ([0; 32], [0; 32]);
        for _ in 0..3 {
            let t = a.transmit_payload(4, &payload, &mut copied).unwrap();
            let header = b.header_len();
            placed[header..header + 8].copy_from_slice(&payload);
            assert_eq!(b.transmit_in_place(4, 8, &mut placed), Ok(t));
            assert_eq!(placed[..t.len], copied[..t.len]);
            assert_eq!(t.len, header + 8);
        }
        assert_eq!(a.stats(), b.stats());
        assert!(b.transmit_in_place(4, 32, &mut placed[..31]).is_err());
        assert_eq!(a.stats(), b.stats());
    }
}

/// Two frames a byte at 16 kHz, stamped at 48; the byte 0 need not travel.
struct Sparse;

impl Encoder for Sparse {
    fn format(&self) -> StreamFormat {
        StreamFormat::new(SampleRate::new(16_000).unwrap(), Channels::MONO)
    }

    fn frames_per_packet(&self) -> usize {
        2
    }

    fn clock_rate(&self) -> SampleRate {
        SampleRate::HZ_48000
    }

    fn max_payload_len(&self) -> usize {
        1
    }

    fn encode(&mut self, input: AudioRef<'_>, out: &mut [u8]) -> Result<usize, EncodeError> {
        out[0] = input.samples()[0] as u8;
        Ok(usize::from(out[0] != 0))
    }

    fn reset(&mut self) {}
}

#[test]
fn timestamps_count_the_encoders_clock_and_silence_that_need_not_travel_is_a_gap() {
    let config = sender(Framing::Rtp).config;
    let mut s = Sender::new(config.clone(), Box::new(Sparse), START).unwrap();
    let samples = [1.0, 0.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 3.0];
    s.push(AudioRef::new(&samples, Channels::MONO));
    s.finish();
    let mut buf = [0; 400];
    let mut seen = Vec::new();
    while let Some(t) = s.poll_transmit(START, &mut buf) {
        let datagram = &buf[..t.len];
        match t.flow {
            Flow::Media => {
                let p = RtpPacket::parse(datagram).unwrap();
                seen.push((p.seq().0, p.timestamp().0, p.marker(), p.payload()[0]));
            }
            Flow::Repair | Flow::BlockRepair => panic!("none was asked for"),
            Flow::Reports => {
                let report = Compound::parse(datagram)
                    .unwrap()
                    .into_iter()
                    .next()
                    .unwrap();
                let Ok(RtcpPacket::SenderReport(sr)) = report else {
                    panic!("{report:?}");
                };
                // The frame captured now is frame 0.
                assert_eq!(sr.info.timestamp, config.first_timestamp);
            }
        }
    }
    let expected = [
        (65_535, u32::MAX, true, 1),
        (0, 5, false, 2),
        (1, 23, true, 3),
    ];
    assert_eq!(seen, expected);
    let stats = s.stats();
    assert_eq!((stats.packets_sent, stats.frames_sent), (3, 5));
}

#[test]
fn numbers_wrap_and_the_marker_is_on_the_first_packet_and_after_a_gap() {
    let mut s = sender(Framing::Rtp);
    let mut buf = [0; 32];
    let mut next = |s: &mut Sender| {
        let t = s.transmit_in_place(4, 8, &mut buf).unwrap();
        let p = RtpPacket::parse(&buf[..t.len]).unwrap();
        (p.seq().0, p.timestamp().0, p.marker())
    };
    assert_eq!(next(&mut s), (65_535, u32::MAX, true));
    assert_eq!(next(&mut s), (0, 3, false));
    s.skip(8);
    assert_eq!(next(&mut s), (1, 15, true));
}

#[test]
fn repair_packets_follow_the_packets_they_cover_on_either_way() {
    let config = RepairConfig {
        payload_type: 118,
        ssrc: 77,
        window: 2,
        rate: 1_000,
    };
    let mut raw = sender(Framing::Raw);
    assert_eq!(raw.set_repair(Some(config)).unwrap_err().field, "fec");
    let mut s = sender(Framing::Rtp);
    let (pt, ssrc) = (s.config.payload_type, s.ssrc());
    for (bad, field) in [
        (
            RepairConfig {
                payload_type: pt,
                ..config
            },
            "repair type",
        ),
        (
            RepairConfig {
                payload_type: 128,
                ..config
            },
            "repair type",
        ),
        (RepairConfig { ssrc, ..config }, "repair SSRC"),
        (
            RepairConfig {
                window: 0,
                ..config
            },
            "window",
        ),
        (
            RepairConfig {
                rate: 9_999,
                ..config
            },
            "rate",
        ),
    ] {
        assert_eq!(s.set_repair(Some(bad)).unwrap_err().field, field);
    }
    let plain = s.max_datagram();
    s.set_repair(Some(config)).unwrap();
    assert!(s.max_datagram() >= plain);
    let mut buf = [0; 400];
    for n in 1..=3u64 {
        s.transmit_payload(4, &[n as u8; 8], &mut buf).unwrap();
        let t = s.poll_repair(&mut buf).unwrap();
        assert_eq!((t.flow, t.frames), (Flow::Repair, 0));
        let p = RtpPacket::parse(&buf[..t.len]).unwrap();
        assert_eq!((p.payload_type(), p.ssrc()), (118, 77));
        let (header, _) = RepairHeader::parse(p.payload()).unwrap();
        assert_eq!((header.ssrc, u64::from(header.packets)), (ssrc, n.min(2)));
        assert!(s.poll_repair(&mut buf).is_none());
    }
    assert_eq!(s.stats().repair_packets_sent, 3);
    s.set_repair(None).unwrap();
    s.transmit_payload(4, &[9; 8], &mut buf).unwrap();
    assert!(s.poll_repair(&mut buf).is_none());
}

#[test]
fn packets_of_a_block_are_marked_on_either_way_and_repair_packets_have_no_rtp_header() {
    let config = BlockConfig {
        source: 2,
        rate: 500,
        first_block: 9,
        ..BlockConfig::default()
    };
    let mut raw = sender(Framing::Raw);
    assert_eq!(raw.set_blocks(Some(config)).unwrap_err().field, "fec");
    let mut s = sender(Framing::Rtp);
    let bad = BlockConfig {
        source: 0,
        ..config
    };
    assert_eq!(s.set_blocks(Some(bad)).unwrap_err().field, "source");
    s.set_blocks(Some(config)).unwrap();
    assert_eq!(s.trailer_len(), PayloadId::LEN);
    let mut buf = vec![0; s.max_datagram()];
    let needed = RTP_HEADER + 8 + PayloadId::LEN;
    let short = s.transmit_payload(4, &[0; 8], &mut buf[..needed - 1]);
    let available = needed - 1;
    assert_eq!(short, Err(WriteError::BufferTooSmall { needed, available }));
    let t = s.transmit_payload(4, &[1; 8], &mut buf).unwrap();
    let (id, rtp) = PayloadId::split_source(&buf[..t.len]).unwrap();
    assert_eq!((id.block, id.symbol, id.source), (9, 0, 2));
    assert_eq!(RtpPacket::parse(rtp).unwrap().payload(), [1; 8]);
    assert!(s.poll_repair(&mut buf).is_none());
    // A short packet, by the encoder: padded to be as long as the first.
    s.push(AudioRef::new(&[0.5; 3], Channels::MONO));
    s.finish();
    let mut poll = || s.poll_transmit(START, &mut buf).map(|t| (t, buf.clone()));
    let (t, bytes) = poll().unwrap();
    let (id, rtp) = PayloadId::split_source(&bytes[..t.len]).unwrap();
    assert_eq!((t.flow, id.symbol, rtp.len()), (Flow::Media, 1, 20));
    assert_eq!(RtpPacket::parse(rtp).unwrap().payload().len(), 6);
    let (t, bytes) = poll().unwrap();
    assert_eq!((t.flow, t.len), (Flow::BlockRepair, 26));
    PayloadId::split_repair(&bytes[..t.len]).unwrap();
    let (t, _) = poll().unwrap();
    assert_eq!(t.flow, Flow::Reports);
    assert_eq!(s.stats().repair_packets_sent, 1);
    assert_eq!(s.stats().repair_bytes_sent, 20);
}

#[test]
fn the_wall_clock_can_be_tied_anew_until_something_was_sent() {
    let mut s = sender(Framing::Rtp);
    let later = NTP.offset_nanos(1_000);
    s.set_wall((START, later));
    assert_eq!(s.ntp_at(MediaTime(0)), later);
    s.transmit_in_place(4, 8, &mut [0; 32]).unwrap();
    s.set_wall((START, NTP));
    assert_eq!(s.ntp_at(MediaTime(0)), later);
}

#[test]
fn reports_before_the_start_say_when_the_first_frame_will_be() {
    let mut s = sender(Framing::Rtp);
    let start = START + Duration::from_secs(1);
    s.set_capture(MediaTime(0), start);
    let mut buf = vec![0; s.max_datagram()];
    let t = s.poll_transmit(START, &mut buf).unwrap();
    assert_eq!((t.flow, t.frames), (Flow::Reports, 0));
    let mut packets = Compound::parse(&buf[..t.len]).unwrap().packets();
    let Some(Ok(RtcpPacket::SenderReport(sr))) = packets.next() else {
        panic!("a sender report comes first");
    };
    // 48 000 frames before the first, whose timestamp is u32::MAX.
    assert_eq!(sr.info.timestamp, RtpTimestamp(u32::MAX - 48_000));
    assert_eq!(sr.info.ntp, NTP);
}

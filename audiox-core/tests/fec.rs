//! Repair packets through both ends and the network between them.
#![cfg(test)]

use std::time::Duration;

use audiox_core::codec::{PcmCoding, PcmEncoder};
use audiox_core::fec::block::{BlockConfig, Points};
use audiox_core::format::{Channels, SampleRate, StreamFormat};
use audiox_core::ingress::{Handled, Ingress, IngressConfig, Origin};
use audiox_core::packet::{Framing, PacketBuf};
use audiox_core::playout::{PlayoutConfig, Profile};
use audiox_core::sender::{Flow, Sender, SenderConfig};
use audiox_core::sim::{LinkConfig, Pair, PairBuilder, PairReport};
use audiox_core::time::{Instant, NtpTime, RtpTimestamp, SeqNum};

const SECOND: Duration = Duration::from_secs(1);

fn pair(loss: &str) -> PairBuilder {
    Pair::builder()
        .ptime(Duration::from_micros(2_500))
        .playout(PlayoutConfig::exact(Duration::from_millis(60)))
        .link(LinkConfig {
            loss: loss.parse().unwrap(),
            ..LinkConfig::default()
        })
        .seed(5)
}

/// Share of the frames played that were missing.
fn missing(r: &PairReport) -> f64 {
    r.playout.concealed_samples as f64 / r.playout.frames_pulled as f64
}

#[test]
fn what_is_lost_comes_back_frame_for_frame() {
    for (loss, rate, most) in [
        ("10%", 600, 0.000_2),
        ("20%", 600, 0.005),
        ("bursts:5%,3", 1_000, 0.002),
    ] {
        let without = pair(loss).build().unwrap().run_for(60 * SECOND);
        let with = pair(loss)
            .repair(24, rate)
            .build()
            .unwrap()
            .run_for(60 * SECOND);
        assert!(missing(&without) > 0.04, "{loss}: {}", missing(&without));
        assert!(missing(&with) <= most, "{loss}: {}", missing(&with));
        // Every frame that came out is the one that was due, from its packet or from others.
        assert_eq!((with.probe.garbage, with.probe.repeats), (0, 0), "{with:?}");
        let source = with.source.unwrap();
        let lost = source.packets_lost as u64;
        assert!(
            source.packets_recovered.abs_diff(lost) <= lost / 50,
            "{source:?}"
        );
        assert!(with.sender.repair_packets_sent >= 24_000 * u64::from(rate) / 1_000 - 1);
        assert_eq!(with.ingress.useless_repair_packets, 0);
    }
}

/// Blocks of 24 packets, which take the whole 60 ms.
fn blocks(rate: u32) -> BlockConfig {
    BlockConfig {
        source: 24,
        rate,
        first_block: 0xff_fff0,
        ..BlockConfig::default()
    }
}

#[test]
fn what_is_lost_of_a_block_comes_back_frame_for_frame() {
    for (loss, rate, most) in [
        ("10%", 600, 0.000_2),
        ("20%", 600, 0.005),
        ("bursts:5%,3", 1_000, 0.002),
    ] {
        let run = |builder: PairBuilder| builder.build().unwrap().run_for(60 * SECOND);
        let (without, with) = (run(pair(loss)), run(pair(loss).blocks(blocks(rate))));
        assert!(missing(&without) > 0.04, "{loss}: {}", missing(&without));
        assert!(missing(&with) <= most, "{loss}: {}", missing(&with));
        assert_eq!((with.probe.garbage, with.probe.repeats), (0, 0), "{with:?}");
        let source = with.source.unwrap();
        let lost = source.packets_lost as u64;
        assert!(
            source.packets_recovered.abs_diff(lost) <= lost / 50,
            "{source:?}"
        );
        let sent = with.sender.repair_packets_sent;
        assert!(
            sent.abs_diff(24_000 * u64::from(rate) / 1_000) <= 24,
            "{sent}"
        );
        // The first few come before a second packet has spoken for the sender, or a decoder is
        // there to know where in its blocks it is.
        assert!(with.ingress.useless_repair_packets <= 1);
        assert_eq!(with.ingress.malformed, 0);
    }
}

#[test]
fn blocks_are_followed_through_restarts_and_never_beside_other_repair() {
    use audiox_core::sim::Restart;
    let mut p = pair("20%").blocks(blocks(800)).build().unwrap();
    for restart in [Restart::SameSsrc, Restart::NewSsrc, Restart::SameSsrc] {
        p.run_for(5 * SECOND);
        p.restart_sender(restart);
        let before = p.run_for(3 * SECOND);
        let after = p.run_for(5 * SECOND);
        let concealed = after.playout.concealed_samples - before.playout.concealed_samples;
        assert!(concealed < 5 * 48_000 / 200, "{restart:?}: {concealed}");
    }
    let both = pair("0%").blocks(blocks(500)).repair(24, 500).build();
    assert_eq!(both.unwrap_err().field, "fec");
    let both = pair("0%").blocks(blocks(500)).retransmission(100).build();
    assert_eq!(both.unwrap_err().field, "nack");
}

#[test]
fn packets_brought_back_are_no_sign_of_delay() {
    let run = |repair: bool| {
        let mut builder = pair("10%").playout(Profile::Balanced.config());
        if repair {
            builder = builder.repair(24, 600);
        }
        let mut pair = builder.build().unwrap();
        let report = pair.run_for(30 * SECOND);
        (
            pair.receiver().playout().target_delay(),
            report.source.unwrap(),
        )
    };
    let ((without, plain), (with, repaired)) = (run(false), run(true));
    assert!(
        with <= without + Duration::from_millis(1),
        "{with:?} {without:?}"
    );
    // What receiver reports say of the network is what it did, not what was made of it.
    assert!(repaired.packets_lost.abs_diff(plain.packets_lost) < 300);
    assert!(repaired.jitter <= plain.jitter + Duration::from_micros(50));
}

#[test]
fn a_receiver_that_joins_late_and_a_sender_that_starts_over_are_repaired() {
    use audiox_core::sim::Restart;
    let mut p = pair("20%").repair(24, 800).build().unwrap();
    for restart in [Restart::SameSsrc, Restart::NewSsrc, Restart::SameSsrc] {
        p.run_for(5 * SECOND);
        p.restart_sender(restart);
        let before = p.run_for(3 * SECOND);
        let after = p.run_for(5 * SECOND);
        let concealed = after.playout.concealed_samples - before.playout.concealed_samples;
        assert!(concealed < 5 * 48_000 / 200, "{restart:?}: {concealed}");
    }
}

/// Source and repair packets of a sender with 2-packet blocks of L16.
fn two_packet_blocks(ssrc: u32, packets: usize) -> Vec<(Flow, Vec<u8>)> {
    let format = StreamFormat::new(SampleRate::HZ_48000, Channels::MONO);
    let config = SenderConfig {
        framing: Framing::Rtp,
        payload_type: 96,
        ssrc,
        first_seq: SeqNum(u16::MAX),
        first_timestamp: RtpTimestamp(0),
        cname: "test".into(),
        wall: (Instant::EPOCH, NtpTime(0)),
    };
    let encoder = PcmEncoder::new(PcmCoding::L16, format, 4).unwrap();
    let mut sender = Sender::new(config, Box::new(encoder), Instant::EPOCH).unwrap();
    let blocks = BlockConfig {
        source: 2,
        ..BlockConfig::default()
    };
    sender.set_blocks(Some(blocks)).unwrap();
    let mut buf = [0; 100];
    let mut all = Vec::new();
    for n in 0..packets {
        let t = sender.transmit_payload(4, &[n as u8; 8], &mut buf).unwrap();
        all.push((t.flow, buf[..t.len].to_vec()));
        while let Some(t) = sender.poll_repair(&mut buf) {
            all.push((t.flow, buf[..t.len].to_vec()));
        }
    }
    all
}

#[test]
fn repair_packets_of_blocks_belong_to_the_sender_they_come_from() {
    let mut config = IngressConfig::rtp([(96, SampleRate::HZ_48000)]);
    config.blocks = Some(Points::default());
    let mut ingress = Ingress::new(config, Instant::EPOCH).unwrap();
    let mut packet = PacketBuf::with_capacity(100);
    let mut hand = |origin: u64, (flow, bytes): &(Flow, Vec<u8>)| {
        packet.fill(bytes);
        packet.meta.origin = Origin(origin);
        packet.meta.repair_port = *flow == Flow::BlockRepair;
        let handled = ingress.handle_packet(&mut packet);
        let back = ingress
            .poll_recovered(&mut packet)
            .map(|id| (id, packet.meta.clone(), packet.payload().to_vec()));
        (handled, back)
    };
    let streams = [two_packet_blocks(7, 8), two_packet_blocks(8, 8)];
    // Two blocks each, so that both are known; the second repair packets find decoders.
    for n in 0..6 {
        for (origin, stream) in streams.iter().enumerate() {
            let (handled, back) = hand(origin as u64, &stream[n]);
            match stream[n].0 {
                Flow::Media => assert!(matches!(handled, Handled::Media(_))),
                _ => assert!(matches!(handled, Handled::Repair(_))),
            }
            assert!(back.is_none());
        }
    }
    // Of the third block of each the second packet is lost, which crosses the wrap of numbers.
    for (origin, stream) in streams.iter().enumerate() {
        assert_eq!(hand(origin as u64, &stream[6]).1, None);
        let stray = hand(9, &stream[8]);
        assert_eq!(stray, (Handled::Useless, None));
        let (handled, back) = hand(origin as u64, &stream[8]);
        let (id, meta, payload) = back.unwrap();
        assert_eq!(handled, Handled::Repair(id));
        assert_eq!((meta.ssrc, meta.recovered), (7 + origin as u32, true));
        assert_eq!((meta.seq.0 & 0xffff, meta.at.0), (4, 20));
        assert_eq!(payload, [5; 8]);
    }
    // What has no payload ID is refused.
    let bare = (Flow::Media, streams[0][9].1[..20].to_vec());
    assert!(matches!(hand(0, &bare).0, Handled::Malformed(_)));
}

//! Lost packets: each is one gap of exactly its own frames, and nothing else changes.
//!
//! A sender captures a probe, whose frames carry their index, the link loses packets, and the
//! reader of the receiver's output says which frames came out and when.
#![cfg(test)]

use std::time::Duration;

use audiox_core::codec::PcmCoding;
use audiox_core::format::{Channels, SampleRate};
use audiox_core::sim::{LinkConfig, Loss, Pair, PairBuilder, PairReport, SpanKind};

const SECOND: Duration = Duration::from_secs(1);

fn telephone(loss: &str) -> PairBuilder {
    Pair::builder()
        .format(SampleRate::HZ_8000, Channels::MONO)
        .link(losing(loss))
        .without_reports()
}

fn losing(loss: &str) -> LinkConfig {
    LinkConfig {
        loss: loss.parse().unwrap(),
        latency: Duration::from_millis(15),
        ..LinkConfig::default()
    }
}

/// Runs until everything sent has been played.
fn run_out(mut pair: Pair, d: Duration) -> PairReport {
    pair.run_for(d);
    pair.finish_sender();
    pair.run_for(Duration::from_millis(100))
}

#[test]
fn a_lost_packet_is_a_gap_of_its_frames_and_the_delay_stays() {
    let mut pair = telephone("list:10,11,50,70-89").build().unwrap();
    let report = pair.run_for(10 * SECOND);
    // 20 ms of capture, 15 ms of network and 60 ms of playout, in frames of 8 kHz.
    let delay = 760;
    let played = |from, until| (from + delay, until - from, SpanKind::Played { from });
    let silence = |from, until| (from + delay, until - from, SpanKind::Silence);
    let spans: Vec<_> = pair
        .spans()
        .iter()
        .map(|s| (s.out_at, s.frames, s.kind))
        .collect();
    assert_eq!(
        spans,
        [
            (0, delay, SpanKind::Silence),
            played(0, 1_600),
            silence(1_600, 1_920),
            played(1_920, 8_000),
            silence(8_000, 8_160),
            played(8_160, 11_200),
            silence(11_200, 14_400),
            played(14_400, 80_160 - delay),
        ]
    );
    assert_eq!(report.playout.concealed_samples, 23 * 160);
    assert_eq!(report.playout.concealment_events, 3);
    assert_eq!(report.source.unwrap().packets_lost, 23);
    assert_eq!(report.latency.min(), Duration::from_millis(95));
    assert_eq!(report.latency.max(), Duration::from_millis(95));
}

#[test]
fn every_model_coding_and_packet_length_loses_no_frame_too_many() {
    let stereo = Channels::STEREO;
    for (coding, rate, channels, ptime_us) in [
        (PcmCoding::L16, SampleRate::HZ_48000, Channels::MONO, 1_000),
        (PcmCoding::L24, SampleRate::HZ_48000, stereo, 4_000),
        (PcmCoding::L16, SampleRate::HZ_44100, stereo, 10_000),
        (PcmCoding::L32, SampleRate::HZ_8000, Channels::MONO, 20_000),
    ] {
        for loss in ["5%", "ge:2%,30%", "bursts:10%,5", "ge:1%,20%,60%,2%"] {
            let ptime = Duration::from_micros(ptime_us);
            let pair = Pair::builder()
                .format(rate, channels)
                .coding(coding)
                .ptime(ptime)
                .playback_quantum(100)
                .link(losing(loss))
                .without_reports()
                .seed(ptime_us)
                .build()
                .unwrap();
            let frames = pair.sender().frames_per_packet() as u64;
            let report = run_out(pair, 20 * SECOND);
            let (link, probe) = (report.forward, report.probe);
            assert!(link.lost > 0, "{coding} {loss}");
            assert_eq!(probe.garbage + probe.repeated, 0, "{coding} {loss}");
            assert_eq!(probe.played, link.delivered * frames, "{coding} {loss}");
            assert_eq!(probe.delay_changes, 0, "{coding} {loss}");
            assert_eq!(report.playout.frames_decoded, probe.played);
            // Gaps at the very start and end are no gaps in what was played.
            assert!(probe.missing <= link.lost * frames);
            assert!(report.playout.concealed_samples >= probe.missing);
        }
    }
}

#[test]
fn an_outage_is_survived_with_the_same_delay_after_it() {
    // Shorter and longer than the starvation after which the timeline restarts.
    for (lost, resyncs) in [(20, 0), (100, 1), (2_900, 1)] {
        let mut pair = telephone(&format!("list:100-{}", 99 + lost))
            .build()
            .unwrap();
        let report = pair.run_for(90 * SECOND);
        let probe = report.probe;
        assert_eq!((probe.gaps, probe.missing), (1, lost * 160));
        assert_eq!((probe.delay_changes, probe.garbage), (0, 0));
        assert_eq!(report.playout.resyncs, resyncs);
    }
}

#[test]
fn a_stream_joined_late_is_heard_from_its_first_packet_on() {
    let mut pair = telephone("list:0-49").build().unwrap();
    let probe = pair.run_for(5 * SECOND).probe;
    assert_eq!((probe.gaps, probe.garbage), (0, 0));
    assert_eq!(probe.lead_in, 50 * 160 + 760);
    assert_eq!(probe.delay_last, 760);
}

#[test]
fn the_receiver_counts_what_the_link_lost_and_the_sender_learns_it() {
    let mut pair = Pair::builder()
        .link(losing("5%"))
        .back(losing("20%"))
        .seed(3)
        .build()
        .unwrap();
    let report = pair.run_for(60 * SECOND);
    let lost = report.source.unwrap().packets_lost;
    let sent = i64::try_from(report.sender.packets_sent).unwrap();
    let received = i64::try_from(report.source.unwrap().packets_received).unwrap();
    // The link's 15 ms hold one packet at most.
    assert!((0..=1).contains(&(sent - received - lost)));
    assert!((100..200).contains(&lost), "{lost}");
    let told = i64::from(report.sender.remote_packets_lost);
    assert!((lost - told).abs() < 20, "{told} of {lost}");
    // 15 ms each way.
    let round_trip = report.sender.round_trip_time.unwrap();
    assert!(round_trip.abs_diff(Duration::from_millis(30)) < Duration::from_micros(50));
}

#[test]
fn everything_lost_is_silence() {
    let mut pair = telephone("100%").build().unwrap();
    let report = pair.run_for(5 * SECOND);
    assert_eq!(report.probe.silence, report.frames_played);
    assert_eq!(report.playout.concealed_samples, 0);
    assert_eq!("100%".parse::<Loss>().unwrap().to_string(), "100%");
}

#[test]
fn codings_that_alter_samples_are_tried_with_a_tone() {
    for coding in [PcmCoding::Mulaw, PcmCoding::Alaw, "L8".parse().unwrap()] {
        let clicks = |loss| {
            let mut pair = telephone(loss).coding(coding).build().unwrap();
            let report = pair.run_for(10 * SECOND);
            assert_eq!(report.probe.played, 0);
            report.clicks
        };
        // The start, and both edges of each gap.
        assert!(clicks("none") <= 1, "{coding}");
        assert!((2..=7).contains(&clicks("list:10,20,30")), "{coding}");
    }
}

#[test]
fn flipped_bits_harm_their_own_packets_only() {
    let mut pair = Pair::builder()
        .format(SampleRate::HZ_8000, Channels::MONO)
        .link(LinkConfig {
            bit_error: "0.002%".parse().unwrap(),
            ..LinkConfig::default()
        })
        .seed(5)
        .build()
        .unwrap();
    let report = pair.run_for(300 * SECOND);
    let link = report.forward;
    assert!(link.corrupted > 500, "{}", link.corrupted);
    let spoilt = report.frames_played - report.probe.played - report.probe.lead_in;
    // A flipped sample spoils one frame, a flipped header a packet or, where it passes for
    // another sender or a jump, that packet too; only a flipped timestamp moves one.
    assert!(spoilt < link.corrupted * 2 * 160, "{spoilt}");
    assert_eq!(report.probe.delay_last, 640);
}

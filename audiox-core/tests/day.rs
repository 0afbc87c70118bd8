//! A day of one stream in seconds: 24 virtual hours of 8 kHz mono in packets of 20 ms through a
//! mediocre network, every frame accounted for.
#![cfg(test)]

use std::time::Duration;

use audiox_core::format::{Channels, SampleRate};
use audiox_core::sim::{LinkConfig, Pair};

#[test]
fn every_frame_of_a_day_is_accounted_for() {
    let mut pair = Pair::builder()
        .format(SampleRate::HZ_8000, Channels::MONO)
        .link(LinkConfig {
            latency: Duration::from_millis(20),
            jitter: "25ms".parse().unwrap(),
            loss: "bursts:1%,3".parse().unwrap(),
            duplicate: "0.1%".parse().unwrap(),
            reorder: "0.5%/20ms".parse().unwrap(),
            ..LinkConfig::default()
        })
        .seed(24)
        .build()
        .unwrap();
    let report = pair.run_for(Duration::from_secs(86_400));
    let (probe, playout, link) = (report.probe, report.playout, report.forward);

    // 4.32 million packets, a wrap of the sequence numbers each 22 minutes, reports besides.
    assert_eq!(report.frames_captured, 86_400 * 8_000);
    assert_eq!(report.sender.packets_sent, 86_400 * 50);
    assert_eq!(report.source.unwrap().restarts, 0);
    let lost = link.lost as f64 / link.handled as f64;
    assert!((0.0095..0.0105).contains(&lost), "{lost}");

    // What did not arrive is a gap, and there is no other.
    assert_eq!(
        (playout.packets_late, playout.resyncs, playout.flushes),
        (0, 0, 0)
    );
    assert_eq!(
        (probe.garbage, probe.repeats, probe.delay_changes),
        (0, 0, 0)
    );
    assert_eq!(probe.missing, playout.concealed_samples);
    assert_eq!(probe.played, playout.frames_decoded);
    assert_eq!(
        probe.lead_in + probe.played + probe.missing,
        report.frames_played
    );
    // A packet or two may be on their way.
    let source = report.source.unwrap();
    let sent = report.sender.packets_sent as i64;
    let on_the_way = sent - source.packets_received as i64 - source.packets_lost;
    assert!((0..=4).contains(&on_the_way), "{on_the_way}");

    // Not a nanosecond of drift, and no growth.
    assert_eq!(report.latency.min(), report.latency.max());
    assert!(playout.packets_buffered_max < 16);
    assert_eq!(report.receiver.no_buffer + playout.buffers_dropped, 0);
}

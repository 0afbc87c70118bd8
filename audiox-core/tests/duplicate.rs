//! Packets that come twice are heard once.
//!
//! Probe in, probe out, through a link that copies packets.
#![cfg(test)]

use std::time::Duration;

use audiox_core::format::{Channels, SampleRate};
use audiox_core::sim::{LinkConfig, Order, Pair, PairReport};

fn run(link: LinkConfig) -> PairReport {
    let mut pair = Pair::builder()
        .format(SampleRate::HZ_8000, Channels::MONO)
        .link(link)
        .without_reports()
        .seed(2)
        .build()
        .unwrap();
    pair.run_for(Duration::from_secs(300))
}

#[test]
fn copies_are_counted_and_dropped_whenever_they_come() {
    for (share, jitter) in [
        ("5%", "none"),
        ("5%", "30ms"),
        ("100%", "none"),
        ("100%", "50ms"),
    ] {
        for order in [Order::Kept, Order::Free] {
            let report = run(LinkConfig {
                duplicate: share.parse().unwrap(),
                jitter: jitter.parse().unwrap(),
                order,
                ..LinkConfig::default()
            });
            let case = format!("{share} {jitter} {order:?}: {report}");
            let (playout, probe, link) = (report.playout, report.probe, report.forward);
            assert!(link.duplicated > 500, "{case}");
            // A copy is a duplicate while the packet is held and late once it has been played.
            let copies = playout.packets_duplicate + playout.packets_late;
            assert!(copies <= link.duplicated, "{case}");
            assert!(copies + link.in_flight >= link.duplicated, "{case}");
            assert_eq!(
                (probe.repeats, probe.gaps, probe.garbage),
                (0, 0, 0),
                "{case}"
            );
            assert_eq!(probe.played + probe.lead_in, report.frames_played, "{case}");
        }
    }
}

#[test]
fn a_copy_does_not_make_up_for_a_lost_packet_in_the_count() {
    let report = run(LinkConfig {
        loss: "list:5-14".parse().unwrap(),
        duplicate: "100%".parse().unwrap(),
        ..LinkConfig::default()
    });
    assert_eq!(report.probe.missing, 10 * 160);
    // RFC 3550 section 6.4.1: duplicates count as received, so the loss may be negative.
    let expected = 10 - report.forward.duplicated as i64;
    assert_eq!(report.source.unwrap().packets_lost, expected);
}

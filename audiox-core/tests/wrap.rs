//! Sequence numbers wrap at 2¹⁶ and timestamps at 2³²; nothing of it is heard.
//!
//! The sender starts just before the wrap; the link loses, doubles and reorders packets there.
#![cfg(test)]

use std::time::Duration;

use audiox_core::format::{Channels, SampleRate};
use audiox_core::sim::{LinkConfig, Pair, PairBuilder, PairReport};
use audiox_core::time::{RtpTimestamp, SeqNum};

fn starting_at(seq: u16, timestamp: u32) -> PairBuilder {
    Pair::builder()
        .format(SampleRate::HZ_8000, Channels::MONO)
        .identity(0x1234_5678, SeqNum(seq), RtpTimestamp(timestamp))
        .without_reports()
}

fn assert_untouched(report: &PairReport) {
    let probe = report.probe;
    assert_eq!(
        (probe.gaps, probe.repeats, probe.garbage),
        (0, 0, 0),
        "{report}"
    );
    assert_eq!(
        (report.playout.resyncs, report.playout.packets_late),
        (0, 0)
    );
    assert_eq!(report.source.unwrap().restarts, 0);
}

#[test]
fn either_wrap_and_both_at_once_pass_unheard() {
    let five_packets = 5 * 160;
    for (seq, timestamp) in [
        (65_531, 0),
        (7, u32::MAX - five_packets),
        (65_531, u32::MAX - five_packets),
        (u16::MAX, u32::MAX),
        (0, 0),
    ] {
        let mut pair = starting_at(seq, timestamp).build().unwrap();
        let report = pair.run_for(Duration::from_secs(10));
        assert_untouched(&report);
        assert_eq!(report.source.unwrap().packets_lost, 0);
    }
}

#[test]
fn packets_are_sorted_across_the_wrap() {
    for seed in 0..20 {
        let mut pair = starting_at(65_530, u32::MAX - 900)
            .link(LinkConfig {
                reorder: "30%/45ms".parse().unwrap(),
                duplicate: "20%".parse().unwrap(),
                ..LinkConfig::default()
            })
            .seed(seed)
            .build()
            .unwrap();
        let report = pair.run_for(Duration::from_secs(2));
        assert!(report.forward.reordered > 0);
        assert_untouched(&report);
    }
}

#[test]
fn a_loss_across_the_wrap_is_counted_and_no_more_is_lost() {
    let mut pair = starting_at(65_530, u32::MAX - 900)
        .link(LinkConfig {
            loss: "list:4-7,9".parse().unwrap(),
            ..LinkConfig::default()
        })
        .build()
        .unwrap();
    let report = pair.run_for(Duration::from_secs(2));
    assert_eq!(report.probe.missing, 5 * 160);
    assert_eq!(report.source.unwrap().packets_lost, 5);
    assert_eq!(report.source.unwrap().restarts, 0);
}

#[test]
fn many_cycles_of_short_packets_are_counted_in_full() {
    // 1 ms packets: a cycle each 65.5 s.
    let mut pair = starting_at(60_000, 12_345)
        .ptime(Duration::from_millis(1))
        .link(LinkConfig {
            loss: "1%".parse().unwrap(),
            ..LinkConfig::default()
        })
        .build()
        .unwrap();
    let report = pair.run_for(Duration::from_secs(600));
    let (source, link) = (report.source.unwrap(), report.forward);
    assert_eq!(source.restarts, 0);
    // The last of them may not be missed yet.
    let missing = report.probe.missing / 8;
    assert!(
        (link.lost - 2..=link.lost).contains(&missing),
        "{missing} of {}",
        link.lost
    );
    assert_eq!(source.packets_lost, link.lost as i64);
    // The unwrapped number of the last packet, counted from the cycle of the first.
    let last = source.extended_highest_sequence - 0x1_0000;
    assert_eq!(last, 60_000 + link.handled - 1);
}

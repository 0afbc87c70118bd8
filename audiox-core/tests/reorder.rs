//! Packets out of order and packets that come at uneven times: while they come before their
//! time is up, nothing of it is heard.
//!
//! Probe in, probe out, through a link that holds packets back or lets them overtake.
#![cfg(test)]

use std::time::Duration;

use audiox_core::format::{Channels, SampleRate};
use audiox_core::sim::{LinkConfig, Order, Pair, PairReport, Reorder};

const MS: Duration = Duration::from_millis(1);

fn run(latency: Duration, link: LinkConfig) -> PairReport {
    let mut pair = Pair::builder()
        .format(SampleRate::HZ_8000, Channels::MONO)
        .ptime(5 * MS)
        .latency(latency)
        .link(link)
        .without_reports()
        .seed(11)
        .build()
        .unwrap();
    pair.run_for(Duration::from_secs(120))
}

fn assert_untouched(report: &PairReport, case: &str) {
    let p = report.probe;
    assert_eq!(
        (p.gaps, p.repeats, p.garbage),
        (0, 0, 0),
        "{case}: {report}"
    );
    assert_eq!(p.played + p.lead_in, report.frames_played, "{case}");
    assert_eq!(p.delay_min, p.delay_max, "{case}");
    assert_eq!(report.playout.packets_late, 0, "{case}");
}

fn reordering(text: &str) -> LinkConfig {
    LinkConfig {
        reorder: text.parse().unwrap(),
        ..LinkConfig::default()
    }
}

#[test]
fn what_is_held_back_within_the_latency_is_put_in_order() {
    for text in ["1%/10ms", "20%/30ms", "50%/59ms", "100%/20ms"] {
        let report = run(60 * MS, reordering(text));
        assert_untouched(&report, text);
        let source = report.source.unwrap();
        assert_eq!(
            source.packets_out_of_order, report.forward.reordered,
            "{text}"
        );
        assert!(
            source.packets_lost <= report.forward.in_flight as i64,
            "{text}"
        );
    }
}

#[test]
fn what_is_held_back_for_longer_is_late_and_is_a_gap() {
    let report = run(60 * MS, reordering("2%/80ms"));
    let (playout, probe) = (report.playout, report.probe);
    assert!(playout.packets_late > 400, "{report}");
    assert_eq!(playout.packets_late, report.forward.reordered);
    // Those held back at the very end are not missed yet, or missed and still under way.
    let missing = playout.packets_late + report.forward.in_flight;
    assert!((playout.packets_late * 40..=missing * 40).contains(&playout.concealed_samples));
    assert!((playout.packets_late * 40..=missing * 40).contains(&probe.missing));
    assert_eq!(
        (probe.garbage, probe.repeats, probe.delay_changes),
        (0, 0, 0)
    );
}

#[test]
fn jitter_of_any_shape_is_unheard_within_the_latency() {
    // The latency must cover the whole spread and one quantum of playback, which is asked for all
    // at once.
    for (jitter, latency) in [
        ("55ms", 65),
        ("normal:8ms", 90),
        ("spikes:140ms/1.5s", 145),
        ("spikes:100ms/1s/300ms", 105),
        ("trace:0,3ms,50ms,20ms,0,0,10ms", 60),
    ] {
        for order in [Order::Kept, Order::Free] {
            let link = LinkConfig {
                latency: 40 * MS,
                jitter: jitter.parse().unwrap(),
                order,
                ..LinkConfig::default()
            };
            let report = run(Duration::from_millis(latency), link);
            assert_untouched(&report, &format!("{jitter} {order:?}"));
        }
    }
}

#[test]
fn jitter_beyond_the_latency_is_a_gap_and_never_noise() {
    for jitter in ["60ms", "normal:20ms", "spikes:140ms/1.5s"] {
        let link = LinkConfig {
            latency: 100 * MS,
            jitter: jitter.parse().unwrap(),
            order: Order::Free,
            ..LinkConfig::default()
        };
        let report = run(20 * MS, link);
        let probe = report.probe;
        assert!(report.playout.packets_late > 100, "{jitter}: {report}");
        assert_eq!((probe.garbage, probe.repeats), (0, 0), "{jitter}");
        // One that is late by less than its length is still heard in part.
        assert!(
            probe.missing <= report.playout.concealed_samples,
            "{jitter}"
        );
    }
}

#[test]
fn a_congested_link_delays_and_drops_and_the_rest_is_exact() {
    // 5 ms of L16 at 8 kHz are 92 bytes, with IP and UDP 120: 192 kbit/s. The link has 4 % less.
    let link = LinkConfig {
        rate: Some("184kbit/40ms".parse().unwrap()),
        ..LinkConfig::default()
    };
    let report = run(60 * MS, link);
    let dropped = report.forward.queue_dropped;
    let share = dropped as f64 / report.forward.handled as f64;
    assert!((share - 8.0 / 192.0).abs() < 0.002, "{share}");
    // The last one dropped may not be missed yet.
    let missing = report.probe.missing / 40;
    assert!(
        (dropped - 1..=dropped).contains(&missing),
        "{missing} of {dropped}"
    );
    assert_eq!(report.probe.garbage, 0);
}

#[test]
fn reordering_is_told_apart_from_loss() {
    let link = LinkConfig {
        loss: "3%".parse().unwrap(),
        reorder: Reorder {
            probability: "5%".parse().unwrap(),
            delay: 33 * MS,
        },
        ..LinkConfig::default()
    };
    let report = run(60 * MS, link);
    let (link, source) = (report.forward, report.source.unwrap());
    assert_eq!(source.packets_out_of_order, link.reordered);
    assert_eq!(source.packets_received, link.delivered);
    assert!(source.packets_lost >= link.lost as i64);
    assert!(source.packets_lost <= (link.lost + link.in_flight) as i64);
    assert_eq!(report.probe.delay_changes, 0);
}

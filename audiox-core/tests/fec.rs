//! Repair packets through both ends and the network between them.
#![cfg(test)]

use std::time::Duration;

use audiox_core::playout::{PlayoutConfig, Profile};
use audiox_core::sim::{LinkConfig, Pair, PairBuilder, PairReport};

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

//! What a sender chooses by reports that come over a bad network, and what that brings back.
#![cfg(test)]

use std::time::Duration;

use audiox_core::playout::PlayoutConfig;
use audiox_core::redundancy::{Means, Reason, RedundancyPlan};
use audiox_core::sim::{LinkConfig, Pair, PairReport};

const BOTH: Means = Means {
    repair: true,
    retransmission: true,
    copies: 0,
    in_band: false,
    history: Duration::ZERO,
};

/// A minute and a half after the sender has learned; what it chose, which share was not heard, and
/// packets beside the media for each of it.
fn run(loss: &str, delay: u64, round_trip: u64, means: Means) -> (RedundancyPlan, f64, f64) {
    let link = LinkConfig {
        latency: Duration::from_millis(round_trip) / 2,
        loss: loss.parse().unwrap(),
        ..LinkConfig::default()
    };
    let mut pair = Pair::builder()
        .ptime(Duration::from_millis(5))
        .playout(PlayoutConfig::exact(Duration::from_millis(delay)))
        .link(link.clone())
        .back(link)
        .redundancy(means)
        .seed(2)
        .build()
        .unwrap();
    let before = pair.run_for(Duration::from_secs(20));
    let after = pair.run_for(Duration::from_secs(90));
    let since = |of: fn(&PairReport) -> u64| (of(&after) - of(&before)) as f64;
    let missing = since(|r| r.playout.concealed_samples) / since(|r| r.playout.frames_pulled);
    let beside = since(|r| r.sender.repair_packets_sent + r.sender.retransmitted_packets_sent);
    // What comes back is what was sent.
    assert_eq!((after.probe.garbage, after.probe.repeats), (0, 0));
    let plan = *pair.protection().unwrap();
    (plan, missing, beside / since(|r| r.sender.packets_sent))
}

#[test]
fn where_round_trips_fit_nothing_else_is_sent() {
    for (loss, delay, round_trip) in [("1%", 60, 10), ("10%", 150, 10), ("bursts:10%,3", 150, 10)] {
        let (plan, missing, beside) = run(loss, delay, round_trip, BOTH);
        let what = format!("{loss} {delay} {round_trip} {plan:?} {missing} {beside}");
        assert!(
            matches!(plan.reason, Reason::RoundTripsFit { .. }),
            "{what}"
        );
        assert!(missing < 0.000_5 && beside < 0.15, "{what}");
    }
}

#[test]
fn where_they_do_not_fit_repair_packets_are() {
    for (loss, delay, round_trip, most) in [
        ("1%", 60, 150, 0.3),
        ("10%", 60, 150, 0.8),
        ("20%", 60, 150, 1.0),
        ("10%", 150, 150, 0.5),
        ("bursts:5%,3", 60, 150, 1.0),
    ] {
        let (plan, missing, beside) = run(loss, delay, round_trip, BOTH);
        let what = format!("{loss} {delay} {round_trip} {plan:?} {missing} {beside}");
        assert!(plan.rate > 0 && beside < most, "{what}");
        assert!(missing < 0.005, "{what}");
    }
}

#[test]
fn both_share_the_work_where_few_round_trips_fit() {
    let (plan, missing, beside) = run("10%", 60, 10, BOTH);
    let alone = Means {
        retransmission: false,
        ..BOTH
    };
    let (alone, _, more) = run("10%", 60, 10, alone);
    assert!(plan.retransmission && !alone.retransmission, "{plan:?}");
    assert!(
        plan.rate > 0 && plan.rate < alone.rate,
        "{plan:?} {alone:?}"
    );
    assert!(
        beside < more * 0.7 && missing < 0.000_5,
        "{beside} {more} {missing}"
    );
    // The last packets of long bursts are missed in time, the first are not.
    let (plan, missing, _) = run("bursts:5%,3", 60, 10, BOTH);
    assert!(plan.rate > 0 && missing < 0.002, "{plan:?} {missing}");
}

#[test]
fn a_network_without_loss_is_left_alone() {
    let (plan, missing, beside) = run("none", 60, 40, BOTH);
    assert_eq!((plan.reason, plan.rate), (Reason::HardlyAnyLoss, 0));
    assert_eq!((missing, beside), (0.0, 0.0));
}

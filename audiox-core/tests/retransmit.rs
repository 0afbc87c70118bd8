//! Lost packets asked for and sent again, through both ends and the network between them.
#![cfg(test)]

use std::time::Duration;

use audiox_core::jitter::delay::DelayConfig;
use audiox_core::playout::{Latency, PlayoutConfig};
use audiox_core::sim::{LinkConfig, Pair, PairBuilder, PairReport};

const SECOND: Duration = Duration::from_secs(1);

fn link(latency: Duration, loss: &str) -> LinkConfig {
    LinkConfig {
        latency,
        loss: loss.parse().unwrap(),
        ..LinkConfig::default()
    }
}

fn pair(one_way: u64, loss: &str) -> PairBuilder {
    Pair::builder()
        .ptime(Duration::from_millis(5))
        .playout(PlayoutConfig::exact(Duration::from_millis(100)))
        .link(link(Duration::from_millis(one_way), loss))
        .back(link(Duration::from_millis(one_way), loss))
        .retransmission(256)
        .seed(11)
}

fn missing(r: &PairReport) -> f64 {
    r.playout.concealed_samples as f64 / r.playout.frames_pulled as f64
}

#[test]
fn what_is_lost_comes_again_while_a_round_trip_fits_the_delay() {
    // Five tries fit in 100 ms; requests and answers are lost as well.
    let r = pair(8, "10%").build().unwrap().run_for(60 * SECOND);
    let source = r.source.unwrap();
    assert!(missing(&r) < 0.002, "{}", missing(&r));
    assert_eq!((r.probe.garbage, r.probe.repeats), (0, 0), "{r:?}");
    let lost = source.packets_lost as u64;
    assert!((1_000..1_400).contains(&lost), "{source:?}");
    assert!(source.packets_retransmitted > lost * 98 / 100, "{source:?}");
    // Losses there and back, and hardly a question too many.
    let asked = source.retransmissions_requested;
    assert!(asked < lost * 4 / 3, "{source:?}");
    let sent = r.sender.retransmitted_packets_sent;
    assert!(sent < lost * 5 / 4, "{:?}", r.sender);
    let rtt = source.round_trip_time.unwrap();
    assert!((16..20).contains(&rtt.as_millis()), "{rtt:?}");
    assert_eq!(r.ingress.useless_repair_packets, 0);
    // What the sender learns for its choice: losses one by one, and how long is waited.
    let (losses, runs) = (r.sender.remote_losses, r.sender.remote_loss_runs);
    assert!(losses > 700 && runs > losses * 85 / 100, "{:?}", r.sender);
    assert_eq!(r.sender.remote_delay, Some(Duration::from_millis(100)));
}

#[test]
fn nothing_is_asked_for_that_would_come_too_late() {
    let r = pair(80, "10%").build().unwrap().run_for(60 * SECOND);
    let source = r.source.unwrap();
    // Some before the round trip was known.
    assert!(source.retransmissions_requested < 20, "{source:?}");
    assert!(missing(&r) > 0.08);
}

#[test]
fn packets_that_came_again_are_no_sign_of_delay() {
    let playout = PlayoutConfig {
        latency: Latency::Adaptive(DelayConfig {
            min: Duration::from_millis(60),
            ..DelayConfig::default()
        }),
        ..PlayoutConfig::default()
    };
    let r = pair(10, "5%")
        .playout(playout)
        .build()
        .unwrap()
        .run_for(60 * SECOND);
    assert!(missing(&r) < 0.003, "{}", missing(&r));
    let target = r.playout.mean_target_delay();
    assert!((59..=62).contains(&target.as_millis()), "{target:?}");
}

#[test]
fn bursts_are_told_of_and_asked_for() {
    let r = pair(5, "bursts:5%,4")
        .repair(16, 200)
        .build()
        .unwrap()
        .run_for(60 * SECOND);
    assert!(missing(&r) < 0.002, "{}", missing(&r));
    let source = r.source.unwrap();
    // Nothing is asked for that repair packets brought back already.
    let lost = source.packets_lost as u64;
    let back = source.packets_recovered + source.packets_retransmitted;
    assert!(back <= lost, "{source:?}");
    assert!(
        source.packets_recovered > 50 && source.packets_retransmitted > 300,
        "{source:?}"
    );
    let mean = r.sender.remote_losses as f64 / r.sender.remote_loss_runs as f64;
    assert!((3.0..5.0).contains(&mean), "{mean}");
}

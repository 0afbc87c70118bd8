//! What a trace of a simulated run says, against what the simulator knows.
#![cfg(test)]

use std::time::Duration;

use audiox_core::format::{Channels, SampleRate};
use audiox_core::playout::{PlayoutConfig, Profile};
use audiox_core::sim::{LinkConfig, Pair, PairBuilder, PairReport};
use audiox_core::trace::{Diagnosis, LossPattern, Replay, TraceEvent, TraceHead};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

fn stream() -> PairBuilder {
    Pair::builder()
        .format(SampleRate::HZ_8000, Channels::MONO)
        .ptime(10 * MS)
        .without_reports()
        .seed(11)
}

fn bad() -> LinkConfig {
    LinkConfig {
        latency: 5 * MS,
        jitter: "6ms".parse().unwrap(),
        loss: "bursts:4%,4".parse().unwrap(),
        duplicate: "1%".parse().unwrap(),
        reorder: "1%/25ms".parse().unwrap(),
        ..LinkConfig::default()
    }
}

fn traced(builder: PairBuilder, seconds: u32) -> (PairReport, TraceHead, Vec<TraceEvent>) {
    let mut pair = builder.build().unwrap();
    let (head, mut output) = pair.trace(10_000);
    let mut events = Vec::new();
    for _ in 0..seconds {
        pair.run_for(SECOND);
        events.extend(std::iter::from_fn(|| output.poll()));
    }
    (pair.report(), head, events)
}

#[test]
fn the_diagnosis_is_what_the_network_did() {
    let playout = Profile::Balanced.config();
    let builder = stream().link(bad()).playout(playout).playback_ppm(-80.0);
    let (report, head, events) = traced(builder, 180);
    let d = Diagnosis::new(&head, &events).unwrap();
    let (link, source) = (report.forward, report.source.unwrap());
    assert_eq!(d.packets + d.duplicates, source.packets_received);
    // One copy may be lost while the other comes, and the last packets may be on their way.
    assert!(d.lost.abs_diff(link.lost) < 10, "{} {}", d.lost, link.lost);
    assert!(d.duplicates.abs_diff(link.duplicated) < 10, "{d:?}");
    assert!(
        d.reordered > 0 && d.reordered <= source.packets_out_of_order,
        "{d:?}"
    );
    let LossPattern::Bursts { mean, longest } = d.pattern else {
        panic!("{:?}", d.pattern);
    };
    assert!(
        (3.0..5.0).contains(&mean) && longest >= 8,
        "{mean} {longest}"
    );
    assert_eq!((d.restarts, d.untraced, d.ptime), (0, 0, 10 * MS));
    // Sender and network are on one clock here.
    let drift = d.drift.unwrap();
    assert!(drift.ppm.abs() < 3.0 && drift.sigma_ppm < 1.0, "{drift:?}");
    // Jitter of 6 ms, and packets held back by 25.
    let [p50, p90, _, _, max] = d.jitter;
    assert!(
        (2 * MS..5 * MS).contains(&p50) && (5 * MS..8 * MS).contains(&p90),
        "{d:?}"
    );
    assert!((25 * MS..33 * MS).contains(&max), "{max:?}");
    // The run itself was one of those replayed.
    let (_, balanced) = &d.profiles[1];
    let [was, again] = [report.playout, balanced.stats].map(|s| s.concealed_ratio());
    assert!((was - again).abs() < 0.002, "{was} {again}");
}

#[test]
fn a_replay_without_stretch_is_the_run_itself() {
    let config = PlayoutConfig::exact(40 * MS);
    let builder = stream().link(bad()).playout(config.clone());
    let (report, head, events) = traced(builder, 60);
    let replayed = Replay::run(&head, &events, &config).unwrap();
    assert_eq!(replayed.stats, report.playout);
}

#[test]
fn no_clock_is_blamed_for_packets_that_bear_no_numbers() {
    let link = LinkConfig {
        loss: "1%".parse().unwrap(),
        jitter: "3ms".parse().unwrap(),
        ..LinkConfig::default()
    };
    let playout = Profile::Balanced.config();
    let (_, head, events) = traced(stream().raw().link(link).playout(playout), 60);
    let words = Diagnosis::new(&head, &events).unwrap().to_string();
    assert!(!words.contains("ppm"), "{words}");
    assert!(words.contains("% less sound comes"), "{words}");
    assert!(!words.contains("Nothing was lost"), "{words}");
}

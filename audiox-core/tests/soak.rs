//! Long runs in virtual time over bad networks of several kinds: every frame is accounted for, and
//! nothing grows. Ten minutes each as a rule, a day each and four seeds where `AUDIOX_LONG` is set.
#![cfg(test)]

use std::time::Duration;

use audiox_core::format::{Channels, SampleRate};
use audiox_core::sim::{LinkConfig, Pair, PairBuilder};

/// Runs a pair for each seed and checks what must hold over any link.
fn soak(build: impl Fn(PairBuilder) -> PairBuilder) {
    let (seeds, length) = match std::env::var_os("AUDIOX_LONG") {
        Some(_) => (1..=4, Duration::from_secs(86_400)),
        None => (1..=1, Duration::from_secs(600)),
    };
    for seed in seeds {
        let telephone = Pair::builder().format(SampleRate::HZ_8000, Channels::MONO);
        let mut pair = build(telephone).seed(seed).build().unwrap();
        // The first tenth shows how much is held when all is in motion.
        pair.run_for(length / 10);
        let settled = pair.receiver().playout_stats().packets_buffered_max;
        let report = pair.run_for(length - length / 10);
        let (probe, playout) = (report.probe, report.playout);

        assert_eq!(report.frames_captured, length.as_secs() * 8_000);
        assert_eq!((probe.garbage, probe.repeats), (0, 0), "seed {seed}");
        assert_eq!(probe.played, playout.frames_decoded, "seed {seed}");
        // What is missing at the very end becomes a gap when audio follows it.
        let told = probe.lead_in + probe.played + probe.missing;
        let open = report.frames_played - told;
        assert!(open < 8_000, "seed {seed}: {open}");
        let held = playout.packets_buffered_max;
        assert!(held <= settled * 2 + 2, "seed {seed}: {settled}, {held}");
        let leaked = report.receiver.no_buffer + playout.buffers_dropped;
        assert_eq!(leaked, 0, "seed {seed}");
        assert_eq!(report.source.unwrap().restarts, 0, "seed {seed}");
    }
}

fn over(link: LinkConfig) {
    soak(|pair| pair.link(link.clone()));
}

#[test]
fn bursts_of_loss() {
    over(LinkConfig {
        latency: Duration::from_millis(20),
        loss: "ge:1%,25%".parse().unwrap(),
        ..LinkConfig::default()
    });
}

#[test]
fn delays_beyond_the_buffer() {
    over(LinkConfig {
        latency: Duration::from_millis(10),
        jitter: "spikes:200ms/2s".parse().unwrap(),
        loss: "1%".parse().unwrap(),
        ..LinkConfig::default()
    });
}

#[test]
fn copies_and_changes_of_order() {
    over(LinkConfig {
        latency: Duration::from_millis(20),
        jitter: "15ms".parse().unwrap(),
        duplicate: "5%".parse().unwrap(),
        reorder: "5%/30ms".parse().unwrap(),
        ..LinkConfig::default()
    });
}

#[test]
fn a_loss_of_half() {
    over(LinkConfig {
        loss: "50%".parse().unwrap(),
        ..LinkConfig::default()
    });
}

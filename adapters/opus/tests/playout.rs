//! Opus through the playout engine: what its packets hold of their predecessors is put to use.
#![cfg(test)]

use std::sync::Arc;
use std::time::Duration;

use audiox_core::format::{Channels, SampleRate};
use audiox_core::playout::PlayoutConfig;
use audiox_core::sim::{LinkConfig, Pair};
use audiox_core::stats::PlayoutStats;
use audiox_opus::{Application, Bitrate, InbandFec, OPUS, OpusConfig, OpusFactory};

fn heard(fec: InbandFec, loss: &str) -> PlayoutStats {
    let config = OpusConfig {
        application: Application::Voip,
        bitrate: Bitrate::BitsPerSecond(32_000),
        fec,
        expected_loss: 0.1,
        ..OpusConfig::default()
    };
    let mut pair = Pair::builder()
        .format(SampleRate::new(16_000).unwrap(), Channels::MONO)
        .codec(OPUS, Arc::new(OpusFactory::new(config)))
        .ptime(Duration::from_millis(20))
        // Enough for the packet behind a lost one to be there when it is missed.
        .playout(PlayoutConfig::fixed(Duration::from_millis(80)))
        .link(LinkConfig {
            loss: loss.parse().unwrap(),
            jitter: "30ms".parse().unwrap(),
            ..LinkConfig::default()
        })
        .seed(4)
        .build()
        .unwrap();
    pair.run_for(Duration::from_secs(5));
    let before = pair.report().playout;
    pair.run_for(Duration::from_secs(60));
    let mut stats = pair.report().playout;
    stats.recovered_samples -= before.recovered_samples;
    stats.concealed_samples -= before.concealed_samples;
    stats.concealment_events -= before.concealment_events;
    stats
}

#[test]
fn a_lost_packet_comes_back_from_the_one_behind_it() {
    // Every tenth packet, never two in a row: all of it can be recovered.
    let list: Vec<String> = (0..400).map(|n| (n * 10 + 5).to_string()).collect();
    let loss = format!("list:{}", list.join(","));
    let with = heard(InbandFec::Always, &loss);
    assert_eq!((with.concealed_samples, with.concealment_events), (0, 0));
    let lost = 300 * 320;
    assert!(with.recovered_samples.abs_diff(lost) <= 640, "{with:?}");
    let without = heard(InbandFec::Off, &loss);
    assert_eq!(without.recovered_samples, 0);
    assert!(
        without.concealed_samples.abs_diff(lost) <= 640,
        "{without:?}"
    );
}

#[test]
fn of_a_burst_only_its_last_packet_comes_back_and_the_codec_conceals_the_rest() {
    let with = heard(InbandFec::Always, "bursts:10%,3");
    // A packet for each burst.
    let bursts = with.concealment_events * 320;
    assert!(with.recovered_samples * 10 > bursts * 9, "{with:?}");
    assert!(with.concealed_samples > with.recovered_samples, "{with:?}");
    assert!(with.concealment_events > 50, "{with:?}");
}

#[cfg(feature = "dred")]
#[test]
fn a_whole_burst_comes_back_from_deep_redundancy() {
    let config = OpusConfig {
        application: Application::Voip,
        bitrate: Bitrate::BitsPerSecond(64_000),
        expected_loss: 0.2,
        history: Duration::from_millis(300),
        ..OpusConfig::default()
    };
    let heard = |config: OpusConfig| {
        let mut pair = Pair::builder()
            .format(SampleRate::new(16_000).unwrap(), Channels::MONO)
            .codec(OPUS, Arc::new(OpusFactory::new(config)))
            .ptime(Duration::from_millis(20))
            // The burst, the packet behind it, and something for that to arrive.
            .playout(PlayoutConfig::fixed(Duration::from_millis(260)))
            .link(LinkConfig {
                // 200 ms each.
                loss: "list:200-209,300-309,400-409".parse().unwrap(),
                ..LinkConfig::default()
            })
            .seed(4)
            .build()
            .unwrap();
        pair.run_for(Duration::from_secs(10)).playout
    };
    let without = heard(OpusConfig {
        history: Duration::ZERO,
        ..config.clone()
    });
    assert!(without.concealed_samples >= 3 * 9 * 320, "{without:?}");
    let with = heard(config);
    assert!(with.recovered_samples >= 3 * 9 * 320, "{with:?}");
    assert!(with.concealed_samples <= 3 * 320, "{with:?}");
}

//! Packets that carry the ones before them, through both ends and a network that loses some.
#![cfg(test)]

use std::sync::Arc;
use std::time::Duration;

use audiox_core::ConfigError;
use audiox_core::codec::{
    CodecFactory, CodecSpec, Decoder, Encoder, EncodingName, PcmCoding, RedDecoder, RedEncoder,
};
use audiox_core::format::{Channels, SampleRate};
use audiox_core::playout::PlayoutConfig;
use audiox_core::sim::{LinkConfig, Pair};
use audiox_core::stats::PlayoutStats;

/// L16 with up to this many earlier packets in each.
struct Red(usize);

impl CodecFactory for Red {
    fn encoder(&self, spec: &CodecSpec, frames: usize) -> Result<Box<dyn Encoder>, ConfigError> {
        let inner = PcmCoding::L16.encoder(spec, frames)?;
        Ok(Box::new(RedEncoder::new(inner, 97, self.0, 1_400)?))
    }

    fn decoder(&self, spec: &CodecSpec, frames: usize) -> Result<Box<dyn Decoder>, ConfigError> {
        let inner = PcmCoding::L16.decoder(spec, frames)?;
        Ok(Box::new(RedDecoder::new(inner, 97)))
    }
}

fn heard(distance: usize, loss: &str) -> (PlayoutStats, u64) {
    let mut pair = Pair::builder()
        .format(SampleRate::HZ_8000, Channels::MONO)
        .codec(EncodingName::new("red").unwrap(), Arc::new(Red(distance)))
        .ptime(Duration::from_millis(10))
        .playout(PlayoutConfig::fixed(Duration::from_millis(60)))
        .link(LinkConfig {
            loss: loss.parse().unwrap(),
            ..LinkConfig::default()
        })
        .seed(2)
        .build()
        .unwrap();
    let report = pair.run_for(Duration::from_secs(60));
    (report.playout, report.clicks)
}

#[test]
fn as_many_packets_in_a_row_come_back_as_each_carries_within_the_delay() {
    let lists = |run: u64| {
        let runs = (1..100).map(|n| format!("{}-{}", n * 50, n * 50 + run - 1));
        format!("list:{}", runs.collect::<Vec<_>>().join(","))
    };
    // The tone begins with a click.
    let (_, begins) = heard(1, "none");
    for (distance, run) in [(1, 1), (2, 2), (4, 4)] {
        let (stats, clicks) = heard(distance, &lists(run));
        assert_eq!(stats.concealed_samples, 0, "{distance}: {stats:?}");
        assert_eq!(clicks, begins, "{distance}");
        // Some of what is lost are reports.
        let all = 99 * run * 80;
        assert!(
            (all * 9 / 10..=all).contains(&stats.recovered_samples),
            "{stats:?}"
        );
    }
    // One more than each carries: what is missing before is made up, and joins.
    let (stats, clicks) = heard(2, &lists(3));
    let made_up = stats.concealed_samples;
    assert!((80 * 80..=99 * 80).contains(&made_up), "{stats:?}");
    assert!(stats.recovered_samples >= 2 * made_up, "{stats:?}");
    assert_eq!(clicks, begins);
}

#[test]
fn random_loss_shrinks_with_the_distance() {
    let share = |distance| {
        let (s, _) = heard(distance, "20%");
        s.concealed_samples as f64 / s.frames_pulled as f64
    };
    let (one, three) = (share(1), share(3));
    // Two in a row: 4 %, four: 0.16 %.
    assert!((0.03..0.05).contains(&one), "{one}");
    assert!(three < 0.004, "{three}");
}

//! The same seed gives the same run: twice in one process, and in every build on every
//! platform. The digests cover the time of each arrival, each event and each sample played.
//!
//! A digest changes only where behaviour does. If that was meant, the change log says so and
//! the new value goes here.
#![cfg(test)]

use std::time::Duration;

use audiox_core::codec::PcmCoding;
use audiox_core::format::{Channels, SampleRate};
use audiox_core::sim::{ClockConfig, LinkConfig, Pair, PairBuilder, Restart, Wander};

fn telephone(seed: u64) -> PairBuilder {
    Pair::builder()
        .format(SampleRate::HZ_8000, Channels::MONO)
        .seed(seed)
}

fn rough() -> LinkConfig {
    LinkConfig {
        latency: Duration::from_millis(40),
        jitter: "normal:12ms".parse().unwrap(),
        loss: "ge:1%,25%".parse().unwrap(),
        duplicate: "0.5%".parse().unwrap(),
        reorder: "1%/30ms".parse().unwrap(),
        rate: Some("256kbit".parse().unwrap()),
        bit_error: "0.0001%".parse().unwrap(),
        ..LinkConfig::default()
    }
}

fn digest(mut pair: Pair) -> String {
    pair.run_for(Duration::from_secs(60));
    pair.restart_sender(Restart::SameSsrc);
    pair.run_for(Duration::from_secs(30));
    pair.restart_sender(Restart::NewSsrc);
    let report = pair.run_for(Duration::from_secs(30));
    format!("{:032x}", report.digest)
}

#[test]
fn runs_repeat_to_the_bit() {
    let clean = |seed| telephone(seed).build().unwrap();
    let bad = |seed| telephone(seed).link(rough()).build().unwrap();
    let drifting = |seed| {
        let capture = ClockConfig {
            ppm: -80.0,
            wander: Wander::Random {
                amplitude_ppm: 20.0,
                period: Duration::from_secs(10),
                seed,
            },
            ..ClockConfig::default()
        };
        Pair::builder()
            .format(SampleRate::HZ_44100, Channels::STEREO)
            .coding(PcmCoding::L24)
            .ptime(Duration::from_millis(4))
            .link(rough())
            .capture_clock(capture)
            .playback_ppm(35.0)
            .seed(seed)
            .build()
            .unwrap()
    };
    for (name, make, golden) in [
        (
            "clean",
            &clean as &dyn Fn(u64) -> Pair,
            "93d8987c6e90115268e4f77d4e33b9e3",
        ),
        ("bad", &bad, "1d615ff6fa105e35c7fc04c2b2d07286"),
        ("drifting", &drifting, "e420ba0b15136fd8616d5f6fc5b3caf4"),
    ] {
        let first = digest(make(7));
        assert_eq!(first, digest(make(7)), "{name}: twice in one process");
        assert_ne!(first, digest(make(8)), "{name}: another seed");
        assert_eq!(first, golden, "{name}: in another build");
    }
}

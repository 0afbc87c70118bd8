//! Clocks that disagree. Without a resampler in the path a fixed latency drifts by exactly the
//! difference of the device clocks; this is what drift correction will be measured against.
//!
//! Each device and each system has a clock of its own; latencies are in true time.
#![cfg(test)]

use std::time::Duration;

use audiox_core::format::{Channels, SampleRate};
use audiox_core::sim::{ClockConfig, LinkConfig, Pair, PairBuilder, Wander};
use audiox_core::time::Instant;

const MS: Duration = Duration::from_millis(1);
const MINUTE: Duration = Duration::from_secs(60);

fn telephone() -> PairBuilder {
    Pair::builder().format(SampleRate::HZ_8000, Channels::MONO)
}

#[test]
fn a_fast_capture_device_fills_the_buffer_at_the_difference_of_the_clocks() {
    for (capture, playback) in [(100.0, 0.0), (0.0, -100.0), (60.0, -40.0)] {
        let mut pair = telephone()
            .capture_ppm(capture)
            .playback_ppm(playback)
            .build()
            .unwrap();
        let report = pair.run_for(10 * MINUTE);
        let probe = report.probe;
        assert_eq!((probe.gaps, probe.repeats, probe.garbage), (0, 0, 0));
        // 100 ppm of ten minutes.
        let grown = report.latency.max() - report.latency.min();
        assert!(grown.abs_diff(60 * MS) < MS / 10, "{grown:?}");
        assert!(report.latency.min().abs_diff(80 * MS) < MS / 10);
    }
}

#[test]
fn a_slow_capture_device_uses_the_latency_up_and_starts_over() {
    let mut pair = telephone().capture_ppm(-100.0).build().unwrap();
    // 60 ms last for ten minutes.
    let report = pair.run_for(10 * MINUTE - MINUTE / 60);
    assert_eq!((report.probe.gaps, report.playout.packets_late), (0, 0));
    assert!(report.latency.min().abs_diff(20 * MS) < MS);
    let report = pair.run_for(5 * MINUTE);
    assert_eq!(report.playout.resyncs, 1);
    assert_eq!((report.probe.gaps, report.probe.garbage), (1, 0));
    // From the restart on the whole latency is there again.
    let gained = report.probe.delay_last - report.probe.delay_min;
    assert!((470..=490).contains(&gained), "{gained}");
}

#[test]
fn the_sender_reports_tell_the_drift_of_the_capture_clock() {
    for ppm in [-75.0, 0.0, 100.0] {
        let mut pair = telephone().capture_ppm(ppm).build().unwrap();
        let report = pair.run_for(5 * MINUTE);
        let measured = report.source.unwrap().sender_clock_ppb as f64 / 1e3;
        assert!((measured - ppm).abs() < 1.0, "{measured} for {ppm}");
    }
}

#[test]
fn what_the_system_clocks_show_is_not_heard() {
    let probe_of = |sender: ClockConfig, receiver: ClockConfig| {
        let mut pair = telephone()
            .sender_clock(sender)
            .receiver_clock(receiver)
            .link(LinkConfig {
                latency: 20 * MS,
                loss: "2%".parse().unwrap(),
                ..LinkConfig::default()
            })
            .without_reports()
            .seed(1)
            .build()
            .unwrap();
        pair.run_for(5 * MINUTE).probe
    };
    let at = |ppm, secs| ClockConfig {
        ppm,
        start: Instant::EPOCH + Duration::from_secs(secs),
        ..ClockConfig::default()
    };
    let reference = probe_of(at(0.0, 0), at(0.0, 0));
    for (sender, receiver) in [
        (at(0.0, 1_000_000), at(0.0, 5)),
        (at(200.0, 7), at(0.0, 9)),
        (at(0.0, 9), at(-200.0, 7)),
    ] {
        assert_eq!(probe_of(sender, receiver), reference);
    }
}

#[test]
fn a_wandering_clock_moves_the_latency_and_brings_it_back() {
    let mut pair = telephone()
        .capture_clock(ClockConfig {
            wander: Wander::Sine {
                amplitude_ppm: 50.0,
                period: 10 * MINUTE,
            },
            ..ClockConfig::default()
        })
        .build()
        .unwrap();
    let report = pair.run_for(60 * MINUTE);
    assert_eq!((report.probe.gaps, report.probe.garbage), (0, 0));
    // 50 ppm · 600 s / π
    let swing = report.latency.max() - report.latency.min();
    assert!(
        swing.abs_diff(Duration::from_micros(9_549)) < MS / 10,
        "{swing:?}"
    );
    let random = Wander::Random {
        amplitude_ppm: 50.0,
        period: MINUTE,
        seed: 4,
    };
    let mut pair = telephone()
        .playback_clock(ClockConfig {
            wander: random,
            ..ClockConfig::default()
        })
        .build()
        .unwrap();
    let report = pair.run_for(60 * MINUTE);
    assert_eq!((report.probe.gaps, report.probe.garbage), (0, 0));
    let swing = report.latency.max() - report.latency.min();
    assert!(swing > MS && swing <= 3 * MS, "{swing:?}");
}

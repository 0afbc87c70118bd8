//! Senders that start over, pause, stop and come back.
//!
//! The probe's index counts the frames captured whoever sends them, so what a change of sender
//! costs is read off the output.
#![cfg(test)]

use std::time::Duration;

use audiox_core::format::{Channels, SampleRate};
use audiox_core::playout::Profile;
use audiox_core::sim::{LinkConfig, Pair, PairBuilder, PairReport, Restart};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

fn telephone() -> PairBuilder {
    Pair::builder().format(SampleRate::HZ_8000, Channels::MONO)
}

fn assert_one_gap(report: &PairReport, at_most: Duration) {
    let probe = report.probe;
    assert_eq!(
        (probe.gaps, probe.repeats, probe.garbage),
        (1, 0, 0),
        "{report}"
    );
    let limit = SampleRate::HZ_8000.frames_in(at_most);
    assert!((1..=limit).contains(&probe.missing), "{}", probe.missing);
    assert_eq!(probe.delay_changes, 0, "the latency is the same afterwards");
}

#[test]
fn a_goodbye_ends_the_sound_and_nothing_is_made_up() {
    let mut pair = Pair::builder()
        .playout(Profile::Balanced.config())
        .build()
        .unwrap();
    pair.run_for(Duration::from_secs(10));
    pair.finish_sender();
    let report = pair.run_for(Duration::from_secs(2));
    assert_eq!(report.playout.concealed_samples, 0, "{report}");
    assert!(!pair.receiver().playout().is_playing());
}

#[test]
fn a_sender_that_starts_over_under_its_name_is_heard_at_once() {
    let mut pair = telephone().build().unwrap();
    pair.run_for(5 * SECOND);
    pair.restart_sender(Restart::SameSsrc);
    let report = pair.run_for(5 * SECOND);
    // What was buffered of the old timeline, and the packet that raised the suspicion.
    assert_one_gap(&report, 80 * MS);
    assert_eq!(report.source.unwrap().restarts, 1);
    assert_eq!(report.ingress.suspect, 1);
}

#[test]
fn a_sender_that_comes_back_under_another_name_takes_over() {
    let mut pair = telephone().build().unwrap();
    pair.run_for(5 * SECOND);
    pair.restart_sender(Restart::NewSsrc);
    let report = pair.run_for(5 * SECOND);
    // 200 ms of silence of the old one are waited for.
    assert_one_gap(&report, 220 * MS);
    assert_eq!(report.receiver.takeovers, 1);
    assert!(report.receiver.foreign > 0);
}

#[test]
fn after_a_goodbye_the_next_sender_is_heard_at_once() {
    let mut pair = telephone().build().unwrap();
    pair.run_for(5 * SECOND);
    pair.finish_sender();
    pair.restart_sender(Restart::NewSsrc);
    let report = pair.run_for(5 * SECOND);
    assert_eq!((report.receiver.takeovers, report.receiver.foreign), (1, 0));
    // What was buffered of the old one makes way.
    assert_one_gap(&report, 80 * MS);
}

#[test]
fn restarts_again_and_again_on_a_bad_link_leave_nothing_behind() {
    let mut pair = telephone()
        .link(LinkConfig {
            latency: 30 * MS,
            jitter: "40ms".parse().unwrap(),
            loss: "5%".parse().unwrap(),
            reorder: "2%/20ms".parse().unwrap(),
            duplicate: "1%".parse().unwrap(),
            ..LinkConfig::default()
        })
        .seed(8)
        .build()
        .unwrap();
    let mut before = pair.run_for(3 * SECOND).probe;
    for n in 0..40 {
        let restart = if n % 3 == 0 {
            Restart::NewSsrc
        } else {
            Restart::SameSsrc
        };
        pair.restart_sender(restart);
        let after = pair.run_for(3 * SECOND).probe;
        let played = after.played - before.played;
        assert!(played > 3 * 8_000 * 8 / 10, "restart {n}: {played}");
        assert_eq!(after.garbage, 0, "restart {n}");
        before = after;
    }
    let report = pair.report();
    assert_eq!(report.receiver.takeovers, 14);
    assert_eq!(report.receiver.no_buffer, 0);
    // Each timeline starts with the luckiest packet of its start: within the jitter.
    let spread = report.probe.delay_max - report.probe.delay_min;
    assert!(spread <= 8 * 40, "{spread}");
}

#[test]
fn a_pause_is_silence_of_its_length() {
    for (pause, resyncs) in [(100, 0), (400, 0), (2_000, 1), (20_000, 1)] {
        let mut pair = telephone().build().unwrap();
        pair.run_for(5 * SECOND);
        pair.pause_sender();
        pair.run_for(pause * MS);
        pair.resume_sender();
        let report = pair.run_for(5 * SECOND);
        let probe = report.probe;
        assert_eq!(
            (probe.gaps, probe.missing),
            (1, u64::from(pause) * 8),
            "{pause}"
        );
        assert_eq!((probe.delay_changes, probe.garbage), (0, 0), "{pause}");
        assert_eq!(report.playout.resyncs, resyncs, "{pause}");
    }
}

#[test]
fn a_finished_stream_is_played_to_its_last_frame() {
    let mut pair = telephone().build().unwrap();
    pair.run_for(5 * SECOND);
    pair.finish_sender();
    let report = pair.run_for(15 * SECOND);
    assert_eq!(report.probe.played, 5 * 8_000);
    assert_eq!((report.probe.gaps, report.probe.garbage), (0, 0));
    assert_eq!(report.sender.frames_sent, 5 * 8_000);
    assert!(report.source.is_none(), "forgotten after its goodbye");
}

//! Headerless PCM: what arrives is played in the order of arrival, byte for byte, and a loss
//! can neither be seen nor made up for.
//!
//! Probe in, probe out, without RTP in between.
#![cfg(test)]

use std::time::Duration;

use audiox_core::codec::PcmCoding;
use audiox_core::format::{Channels, PcmFormat, SampleRate};
use audiox_core::sim::{LinkConfig, Pair, PairBuilder};

const TEN_SECONDS: Duration = Duration::from_secs(10);

fn raw(format: &str) -> PairBuilder {
    let format: PcmFormat = format.parse().unwrap();
    Pair::builder()
        .format(SampleRate::HZ_8000, Channels::MONO)
        .coding(PcmCoding::Linear(format))
        .raw()
}

fn link(change: impl FnOnce(&mut LinkConfig)) -> LinkConfig {
    let mut link = LinkConfig::default();
    change(&mut link);
    link
}

#[test]
fn every_format_passes_bit_for_bit() {
    for format in [
        "s16le", "s16be", "s24le", "s24be", "s32le", "f32le", "f32be",
    ] {
        for channels in [1, 2, 6] {
            let mut pair = raw(format)
                .format(SampleRate::HZ_44100, Channels::new(channels).unwrap())
                .ptime(Duration::from_millis(4))
                .build()
                .unwrap();
            let report = pair.run_for(TEN_SECONDS);
            let probe = report.probe;
            assert_eq!((probe.gaps, probe.garbage), (0, 0), "{format} {channels}");
            assert_eq!(probe.played + probe.lead_in, report.frames_played);
            assert_eq!(probe.delay_changes, 0);
        }
    }
}

#[test]
fn a_coding_other_than_linear_is_refused() {
    let err = Pair::builder()
        .coding(PcmCoding::Mulaw)
        .raw()
        .build()
        .unwrap_err();
    assert!(err.to_string().contains("linear PCM"), "{err}");
}

#[test]
fn a_loss_is_not_seen_and_shortens_the_delay() {
    let mut pair = raw("s16le")
        .link(link(|l| l.loss = "list:10,11,50".parse().unwrap()))
        .build()
        .unwrap();
    let report = pair.run_for(TEN_SECONDS);
    let probe = report.probe;
    assert_eq!((probe.gaps, probe.missing), (2, 3 * 160));
    assert_eq!(probe.delay_max - probe.delay_min, 3 * 160);
    assert_eq!(report.playout.concealed_samples, 0);
    assert_eq!(report.source.unwrap().packets_lost, 0);
}

#[test]
fn what_the_losses_used_up_comes_back_at_once_when_the_stream_runs_dry() {
    let mut pair = raw("s16le")
        .link(link(|l| l.loss = "2%".parse().unwrap()))
        .seed(3)
        .build()
        .unwrap();
    let report = pair.run_for(Duration::from_secs(300));
    let (probe, playout) = (report.probe, report.playout);
    let lost = report.forward.lost;
    assert_eq!(
        (probe.garbage, probe.repeats, playout.packets_late),
        (0, 0, 0)
    );
    assert!((lost * 160 - 640..=lost * 160).contains(&probe.missing));
    // Four lost packets use up the 60 ms and one quantum; then as much silence restores them.
    assert!(
        (lost / 4 - 1..=lost / 4).contains(&playout.resyncs),
        "{report}"
    );
    let silence = probe.silence - probe.lead_in;
    assert_eq!(silence, playout.resyncs * 4 * 160);
    assert_eq!((probe.delay_min, probe.delay_max), (160, 640));
}

#[test]
fn packets_are_heard_in_the_order_of_arrival() {
    let mut pair = raw("s16le")
        .link(link(|l| l.reorder = "2%/30ms".parse().unwrap()))
        .seed(1)
        .build()
        .unwrap();
    let report = pair.run_for(TEN_SECONDS);
    let (probe, reordered) = (report.probe, report.forward.reordered);
    assert!(reordered > 5);
    // Each is left out in its place, then played after its successor, which is then left behind.
    assert_eq!((probe.gaps, probe.repeats), (2 * reordered, reordered));
    assert_eq!(probe.missing, probe.repeated);
    assert_eq!(probe.garbage, 0);
    assert_eq!(probe.played + probe.lead_in, report.frames_played);
}

#[test]
fn copies_are_heard_twice_and_lengthen_the_delay() {
    let mut pair = raw("s16le")
        .link(link(|l| l.duplicate = "2%".parse().unwrap()))
        .seed(1)
        .build()
        .unwrap();
    let report = pair.run_for(TEN_SECONDS);
    let probe = report.probe;
    assert_eq!(probe.repeated, probe.repeats * 160);
    assert_eq!(probe.delay_last, 640 + probe.repeated as i64);
    assert!(
        report.forward.duplicated - probe.repeats <= 10,
        "still buffered"
    );
}

#[test]
fn a_pause_is_kept_as_silence() {
    let mut pair = raw("s16le").build().unwrap();
    pair.run_for(TEN_SECONDS);
    pair.pause_sender();
    pair.run_for(Duration::from_secs(3));
    pair.resume_sender();
    let report = pair.run_for(TEN_SECONDS);
    assert_eq!((report.probe.gaps, report.probe.missing), (1, 3 * 8_000));
    assert_eq!(report.playout.resyncs, 1);
    assert_eq!(report.probe.delay_changes, 0);
}

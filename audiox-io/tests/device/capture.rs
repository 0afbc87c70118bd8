//! A device that captures.

use std::sync::Arc;
use std::time::Duration;

use audiox_core::source::{Source, SourceClock};
use audiox_core::time::Instant;
use audiox_io::device::{
    Capture, CaptureSource, Captured, DeviceName, Direction, FakeDevice, FakeHost, Wish,
};

use super::support::{format, number, time, until};

const IN: Direction = Direction::Input;

fn mic() -> FakeDevice {
    FakeDevice::new("m", "Mic", IN)
}

fn start(host: &FakeHost, wish: Wish) -> CaptureSource {
    let capture = Capture {
        wish,
        ..Capture::new(DeviceName::Default, time())
    };
    capture.start(Arc::new(host.clone())).unwrap()
}

fn at(ms: u64) -> Captured {
    Captured {
        now: Instant::EPOCH + Duration::from_millis(ms),
        age: Duration::from_millis(10),
    }
}

fn frames(from: u64, count: usize) -> Vec<f32> {
    (from..from + count as u64)
        .flat_map(|n| [number(n), -number(n)])
        .collect()
}

#[test]
fn frames_come_out_as_they_went_in_with_the_time_of_their_capture() {
    let host = FakeHost::new();
    host.plug(mic());
    let mut source = start(&host, Wish::default());
    assert_eq!(source.clock(), SourceClock::Device);
    assert_eq!(
        (source.format(), source.frames_left()),
        (format(48_000, 2), None)
    );
    assert!(host.capture("m", at(10), &frames(0, 480)));
    assert!(host.capture("m", at(20), &frames(480, 480)));
    let mut out = vec![0.0; 400 * 2];
    assert_eq!(source.read(&mut out).unwrap(), 400);
    assert_eq!(out, frames(0, 400));
    assert_eq!(source.stamp().unwrap().frame, 0);
    assert_eq!(source.stamp().unwrap().captured, Instant::EPOCH);
    assert_eq!(source.read(&mut out).unwrap(), 400);
    assert_eq!(out, frames(400, 400));
    let stamp = source.stamp().unwrap();
    assert_eq!((stamp.frame, stamp.captured), (480, at(10).now));
    assert_eq!(stamp.delivered, at(20).now);
    // What is left comes without waiting for more.
    assert_eq!(source.read(&mut out).unwrap(), 160);
    assert_eq!(source.frames_ready(), 0);
    assert!(source.seek(0).is_err());
}

#[test]
fn reading_waits_for_the_device() {
    let host = FakeHost::new();
    host.plug(mic());
    let mut source = start(&host, Wish::default());
    let reading = std::thread::spawn(move || {
        let mut out = vec![0.0; 960];
        source.read(&mut out).unwrap()
    });
    std::thread::sleep(Duration::from_millis(30));
    assert!(!reading.is_finished());
    host.capture("m", at(10), &frames(0, 480));
    assert_eq!(reading.join().unwrap(), 480);
}

#[test]
fn what_nobody_fetches_is_left_out_and_counted() {
    let host = FakeHost::new();
    host.plug(mic());
    let mut source = start(&host, Wish::default());
    // A second fits.
    for block in 0..110 {
        host.capture("m", at(10 * (block + 1)), &frames(480 * block, 480));
    }
    let stats = source.watch().stats();
    assert_eq!(stats.frames_overflowed, 10 * 480);
    assert_eq!(source.frames_ready(), 48_000);
    let mut out = vec![0.0; 96_000];
    assert_eq!(source.read(&mut out).unwrap(), 48_000);
    assert_eq!(out, frames(0, 48_000), "the oldest are kept");
    host.capture("m", at(1_110), &frames(52_800, 480));
    assert_eq!(source.read(&mut out).unwrap(), 480);
    assert_eq!(out[..960], frames(52_800, 480));
    // The stamp tells of the gap: this is a tenth of a second later than frames say.
    assert_eq!(source.stamp().unwrap().frame, 48_000);
    assert_eq!(source.stamp().unwrap().captured, at(1_100).now);
}

#[test]
fn while_the_device_is_away_there_is_silence_at_the_same_pace() {
    let host = FakeHost::new();
    host.plug(mic());
    let mut source = start(&host, Wish::default());
    let watch = source.watch();
    host.unplug("m", IN);
    until("lost", || !watch.stats().running);
    let mut out = vec![9.0; 4_800];
    let mut silent = 0;
    while silent < 9_600 {
        let frames = source.read(&mut out).unwrap();
        assert!(out[..frames * 2].iter().all(|s| *s == 0.0));
        silent += frames;
    }
    host.plug(mic());
    until("reopened", || watch.stats().running);
    host.capture("m", at(10), &frames(7, 480));
    let mut found = false;
    until("sound", || {
        let frames = source.read_ready(&mut out);
        found |= out[..frames * 2].contains(&number(7));
        found
    });
    assert!(watch.stats().frames_away >= 9_600);
}

#[test]
fn a_format_that_the_device_has_not_is_converted_to() {
    let host = FakeHost::new();
    host.plug(mic().only(format(44_100, 2)));
    let mut source = start(&host, Wish::format(format(48_000, 1)));
    assert_eq!(source.obtained().format, format(44_100, 2));
    assert_eq!(source.format(), format(48_000, 1));
    let mut got = 0;
    let mut out = vec![0.0; 48_000];
    for block in 0..100 {
        host.capture("m", at(10 * (block + 1)), &[0.5; 882]);
        got += source.read_ready(&mut out);
    }
    assert!(got.abs_diff(48_000) < 100, "{got}");
    assert!((out[10] - 0.5).abs() < 0.01, "{}", out[10]);
}

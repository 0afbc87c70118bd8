//! Microphone and speaker at once, and a round trip between them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use audiox_core::source::{Asked, Source};
use audiox_io::device::{
    Capture, Captured, DeviceErrorKind, DeviceName, Direction, Duplex, FakeDevice, FakeHost,
    LoopbackConfig, PlaybackConfig, Wish, measure_loopback,
};

use super::support::{Counting, asked, format, number, time};

fn card(host: &FakeHost) {
    for direction in [Direction::Input, Direction::Output] {
        host.plug(FakeDevice::new("card", "Card", direction));
    }
}

fn duplex(output: &str) -> Duplex {
    Duplex {
        input: Capture {
            wish: Wish {
                buffer: Some(240),
                ..Wish::format(format(44_100, 1))
            },
            ..Capture::new(DeviceName::Default, time())
        },
        output: PlaybackConfig::new(DeviceName::new(output), time()),
    }
}

#[test]
fn both_directions_of_one_device_run_at_one_rate() {
    let host = FakeHost::new();
    card(&host);
    let both = duplex("card").start(Arc::new(host.clone()), |captured, played| {
        assert_eq!(captured, format(44_100, 1));
        Box::new(Counting::new(played).0)
    });
    let (mut source, playback) = both.unwrap();
    assert_eq!(playback.format(), format(44_100, 2));
    assert_eq!(playback.obtained().asked_buffer, 240);
    for n in 0..10 {
        let captured = Captured {
            now: time()(),
            age: Duration::from_millis(5),
        };
        assert!(host.capture("card", captured, &[0.25; 240]));
        let mut out = [0.0; 480];
        assert!(host.ask("card", asked(time()()), &mut out));
        assert_eq!(out[0], number(240 * n));
    }
    let mut heard = [0.0; 3_000];
    assert_eq!(source.read(&mut heard).unwrap(), 2_400);
}

#[test]
fn where_one_cannot_be_opened_the_other_is_let_go() {
    let host = FakeHost::new();
    card(&host);
    let made = |_, played| Box::new(Counting::new(played).0) as _;
    let error = duplex("headphones").start(Arc::new(host.clone()), made);
    assert_eq!(error.unwrap_err().kind, DeviceErrorKind::NoSuchDevice);
    assert_eq!(host.format("card", Direction::Input), None);
}

/// A card whose output is wired to its input, through a buffer of so many quanta of 5 ms; with a
/// clock of its own, so that the figure is exact.
#[test]
fn a_round_trip_counts_the_frames_from_the_decision_to_the_return() {
    let host = FakeHost::new();
    card(&host);
    let clock = time();
    let over = Arc::new(AtomicBool::new(false));
    let (done, device) = (over.clone(), host.clone());
    let now = clock.clone();
    let wire = thread::spawn(move || {
        let mut between = std::collections::VecDeque::from(vec![vec![0.0; 480]; QUANTA]);
        let mut due = now();
        while !done.load(Ordering::Relaxed) {
            if now() < due {
                thread::sleep(Duration::from_micros(300));
                continue;
            }
            let mut out = vec![0.0; 480];
            let asked = Asked {
                now: due,
                until_heard: Duration::ZERO,
            };
            device.ask("card", asked, &mut out);
            between.push_back(out);
            let captured = Captured {
                now: due,
                age: Duration::from_millis(5),
            };
            device.capture("card", captured, &between.pop_front().unwrap());
            due += Duration::from_millis(5);
        }
    });
    let config = LoopbackConfig {
        impulses: 5,
        every: Duration::from_millis(100),
        wish: Wish::format(format(48_000, 2)),
        ..LoopbackConfig::new(clock)
    };
    let mut told = 0;
    let report = measure_loopback(Arc::new(host), &config, |_| told += 1).unwrap();
    over.store(true, Ordering::Relaxed);
    wire.join().unwrap();
    assert_eq!((report.played, report.round_trips.len(), told), (5, 5, 5));
    for round_trip in &report.round_trips {
        assert_eq!(*round_trip, Duration::from_millis(5) * QUANTA as u32);
    }
    assert_eq!(report.loudest, 0.5);
}

const QUANTA: usize = 3;

//! A device that pulls.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use audiox_core::block::AudioMut;
use audiox_core::format::StreamFormat;
use audiox_core::source::{Asked, Pull};
use audiox_core::time::Instant;
use audiox_io::device::{
    DeviceErrorKind, DeviceName, Direction, FakeDevice, FakeHost, Playback, PlaybackConfig,
    PullAhead, StreamEvent, TimeSource, Wish,
};

use super::support::{Counting, asked, format, number, time, until};

const OUT: Direction = Direction::Output;

fn speaker(id: &str) -> FakeDevice {
    FakeDevice::new(id, &format!("Speaker {id}"), OUT)
}

fn start(host: &FakeHost, device: &str, pulls: Option<StreamFormat>) -> (Playback, Arc<AtomicU64>) {
    let given = Arc::new(AtomicU64::new(0));
    let counter = given.clone();
    let config = PlaybackConfig::new(DeviceName::new(device), time());
    let playback = Playback::start(Arc::new(host.clone()), config, move |obtained| {
        Box::new(Counting {
            format: pulls.unwrap_or(obtained),
            given: counter,
        })
    });
    (playback.unwrap(), given)
}

/// Lets the device ask once; what it got.
fn ask(host: &FakeHost, id: &str, frames: usize, channels: usize) -> Option<Vec<f32>> {
    let mut out = vec![9.0; frames * channels];
    host.ask(id, asked(time()()), &mut out).then_some(out)
}

#[test]
fn the_device_gets_every_frame_in_order_whatever_its_quantum() {
    let host = FakeHost::new();
    host.plug(speaker("a"));
    let (playback, given) = start(&host, "", None);
    assert_eq!(playback.format(), format(48_000, 2));
    let mut n = 0;
    for frames in [480, 1, 320, 5_000, 441] {
        let out = ask(&host, "a", frames, 2).unwrap();
        for frame in out.chunks_exact(2) {
            assert_eq!(frame, [number(n), number(n)]);
            n += 1;
        }
    }
    let stats = playback.watch().stats();
    assert_eq!(
        (stats.frames, stats.frames_away, stats.callbacks),
        (n, 0, 5)
    );
    assert_eq!(stats.quantum, (1, 5_000));
    assert_eq!(stats.device_delay.as_millis(), 7);
    assert!(stats.running && stats.peak > 0.0);
    assert_eq!(given.load(Ordering::Relaxed), n);
}

#[test]
fn what_was_asked_of_the_buffer_and_what_came_of_it_is_told() {
    let host = FakeHost::new();
    let mut liar = speaker("liar");
    liar.claims = Some(64);
    host.plug(liar);
    let config = PlaybackConfig {
        device: DeviceName::new("speaker"),
        wish: Wish {
            buffer: Some(256),
            ..Wish::format(format(44_100, 1))
        },
        ..PlaybackConfig::new(DeviceName::Default, time())
    };
    let made = |f| Box::new(Counting::new(f).0) as _;
    let playback = Playback::start(Arc::new(host.clone()), config, made).unwrap();
    let obtained = playback.obtained();
    assert_eq!((obtained.asked_buffer, obtained.buffer), (256, Some(64)));
    assert_eq!(obtained.format, format(44_100, 1));
    // It calls with something else again, and nothing breaks.
    assert!(ask(&host, "liar", 1_023, 1).is_some());
    assert_eq!(playback.watch().stats().quantum, (1_023, 1_023));
}

#[test]
fn an_unplugged_device_is_stood_in_for_and_taken_again() {
    for silently in [false, true] {
        let host = FakeHost::new();
        host.plug(speaker("a"));
        let (playback, given) = start(&host, "speaker a", None);
        let watch = playback.watch();
        ask(&host, "a", 480, 2).unwrap();
        if silently {
            host.unplug_silently("a", OUT);
        } else {
            host.unplug("a", OUT);
        }
        until("lost", || !watch.stats().running);
        // The stream goes on: what nobody hears is pulled all the same.
        let before = given.load(Ordering::Relaxed);
        until("stood in", || {
            given.load(Ordering::Relaxed) > before + 2_400
        });
        assert!(ask(&host, "a", 480, 2).is_none());
        let away = watch.stats().frames_away;
        host.plug(speaker("a"));
        until("reopened", || watch.stats().reopened == 1);
        // Within a second, by the frames that it was stood in for.
        let away = watch.stats().frames_away - away;
        assert!(away < 48_000, "{away}");
        let before = given.load(Ordering::Relaxed);
        let out = ask(&host, "a", 480, 2).unwrap();
        assert_eq!(out[0], number(before), "the stream goes on where it is");
        let stats = watch.stats();
        assert!(stats.running && stats.losses == 1);
        assert!(stats.frames_away >= 2_400, "{}", stats.frames_away);
        assert_eq!(stats.frames, given.load(Ordering::Relaxed));
    }
}

#[test]
fn what_a_silent_device_left_undone_is_done_in_its_place() {
    let host = FakeHost::new();
    host.plug(speaker("a"));
    let (clock, looks) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (now, looked) = (clock.clone(), looks.clone());
    let time: TimeSource = Arc::new(move || {
        looked.fetch_add(1, Ordering::Relaxed);
        Instant::from_nanos(now.load(Ordering::Relaxed))
    });
    let config = PlaybackConfig::new(DeviceName::new("a"), time);
    let (counting, given) = Counting::new(format(48_000, 2));
    let made = move |_| Box::new(counting) as _;
    let playback = Playback::start(Arc::new(host.clone()), config, made).unwrap();
    let watch = playback.watch();
    // The stream's thread watches before the device calls, and sees that it called.
    let looked_again = || {
        let seen = looks.load(Ordering::Relaxed);
        until("looked at", || looks.load(Ordering::Relaxed) >= seen + 3);
    };
    looked_again();
    ask(&host, "a", 480, 2).unwrap();
    looked_again();
    host.unplug_silently("a", OUT);
    clock.store(1_000_000_000, Ordering::Relaxed);
    until("lost", || !watch.stats().running);
    until("made up for", || watch.stats().frames_away == 48_000);
    assert_eq!(given.load(Ordering::Relaxed), 48_480);
}

#[test]
fn a_device_that_comes_back_in_another_format_is_adapted_to() {
    let host = FakeHost::new();
    host.plug(speaker("a"));
    let (playback, given) = start(&host, "a", Some(format(48_000, 1)));
    assert_eq!(playback.format(), format(48_000, 1));
    // Mono to the stereo device, which runs mono as well: it is asked for what is played.
    let watch = playback.watch();
    host.unplug("a", OUT);
    until("lost", || !watch.stats().running);
    host.plug(speaker("a").only(format(44_100, 2)));
    until("reopened", || watch.stats().reopened == 1);
    assert_eq!(host.format("a", OUT), Some(format(44_100, 2)));
    let before = given.load(Ordering::Relaxed);
    for _ in 0..100 {
        let out = ask(&host, "a", 441, 2).unwrap();
        assert!(out.chunks_exact(2).all(|f| (f[0] - f[1]).abs() < 1e-6));
        assert!(out.iter().all(|s| s.abs() < 1.0));
    }
    let pulled = given.load(Ordering::Relaxed) - before;
    assert!(pulled.abs_diff(48_000) < 100, "{pulled}");
}

#[test]
fn the_default_is_followed_when_it_changes_and_when_it_goes() {
    let host = FakeHost::new();
    host.plug(speaker("a"));
    host.plug(speaker("b"));
    let (playback, _) = start(&host, "", None);
    let watch = playback.watch();
    assert!(host.format("a", OUT).is_some());
    // Callbacks keep coming, so only the look at the default can find out.
    host.set_default("b", OUT);
    until("b", || {
        ask(&host, "a", 480, 2);
        host.format("b", OUT).is_some()
    });
    until("counted", || watch.stats().reopened == 1);
    host.unplug("b", OUT);
    until("a again", || host.format("a", OUT).is_some());
    assert!(ask(&host, "a", 480, 2).is_some());
}

#[test]
fn a_busy_device_is_waited_for_once_the_stream_runs() {
    let host = FakeHost::new();
    host.plug(speaker("a"));
    let (playback, given) = start(&host, "a", None);
    let watch = playback.watch();
    host.set_busy("a", OUT, true);
    host.tell("a", OUT, StreamEvent::Gone);
    until("lost", || !watch.stats().running);
    until("stood in", || given.load(Ordering::Relaxed) > 4_800);
    host.set_busy("a", OUT, false);
    until("reopened", || watch.stats().running);
    assert!(ask(&host, "a", 480, 2).is_some());
}

#[test]
fn xruns_and_noise_are_counted_and_change_nothing() {
    let host = FakeHost::new();
    host.plug(speaker("a"));
    let (playback, _) = start(&host, "a", None);
    for _ in 0..1_000 {
        host.tell("a", OUT, StreamEvent::Trouble);
    }
    host.tell("a", OUT, StreamEvent::Xrun);
    let opened = host.times_opened();
    for _ in 0..20 {
        ask(&host, "a", 480, 2).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let stats = playback.watch().stats();
    assert_eq!((stats.xruns, stats.troubles, stats.losses), (1, 1_000, 0));
    assert_eq!(host.times_opened(), opened);
}

#[test]
fn what_cannot_be_opened_at_the_start_is_said() {
    let host = FakeHost::new();
    let mut busy = speaker("a");
    busy.busy = true;
    host.plug(busy);
    let open = |device: &str| {
        let config = PlaybackConfig::new(DeviceName::new(device), time());
        let made = |f| Box::new(Counting::new(f).0) as _;
        Playback::start(Arc::new(host.clone()), config, made).unwrap_err()
    };
    let busy = open("");
    assert_eq!(busy.kind, DeviceErrorKind::Busy);
    assert!(!busy.is_usage());
    let missing = open("headphones");
    assert_eq!(missing.kind, DeviceErrorKind::NoSuchDevice);
    assert!(missing.to_string().contains("Speaker a"), "{missing}");
}

#[test]
fn a_worker_can_pull_a_quantum_ahead() {
    let host = FakeHost::new();
    host.plug(speaker("a"));
    let given = Arc::new(AtomicU64::new(0));
    let counter = given.clone();
    let config = PlaybackConfig {
        ahead: PullAhead::Always,
        ..PlaybackConfig::new(DeviceName::Default, time())
    };
    let playback = Playback::start(Arc::new(host.clone()), config, move |format| {
        Box::new(Counting {
            format,
            given: counter,
        })
    });
    let watch = playback.as_ref().unwrap().watch();
    // Nothing is ready before the device asked first, and then all of it.
    assert_eq!(ask(&host, "a", 480, 2).unwrap(), [0.0; 960]);
    let mut n = 0;
    for frames in [480, 320, 480, 37, 480] {
        until("ahead", || given.load(Ordering::Relaxed) >= n + 480);
        // What is pulled is there an instant later.
        std::thread::sleep(std::time::Duration::from_millis(50));
        for frame in ask(&host, "a", frames, 2).unwrap().chunks_exact(2) {
            assert_eq!(frame, [number(n), number(n)]);
            n += 1;
        }
    }
    until("ahead", || given.load(Ordering::Relaxed) == n + 480);
    assert_eq!(watch.stats().frames_starved, 0);
    // A quantum that is longer than any before comes too soon.
    std::thread::sleep(std::time::Duration::from_millis(50));
    let out = ask(&host, "a", 600, 2).unwrap();
    assert_eq!((out[0], out[1_199]), (number(n), 0.0));
    assert_eq!(watch.stats().frames_starved, 120);
    drop(playback);
    assert!(ask(&host, "a", 480, 2).is_none());
}

/// Takes as long as it is told, by a clock that only this moves.
struct Heavy {
    counting: Counting,
    clock: Arc<AtomicU64>,
    takes: Arc<AtomicU64>,
}

impl Pull for Heavy {
    fn format(&self) -> StreamFormat {
        self.counting.format
    }

    fn pull(&mut self, asked: Asked, out: AudioMut<'_>) {
        let takes = self.takes.load(Ordering::Relaxed);
        self.clock.fetch_add(takes, Ordering::Relaxed);
        self.counting.pull(asked, out);
    }
}

#[test]
fn what_becomes_too_heavy_for_the_callback_is_pulled_ahead_without_a_gap() {
    let host = FakeHost::new();
    host.plug(speaker("a"));
    let (clock, takes) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (now, pulls) = (clock.clone(), takes.clone());
    let time: TimeSource = Arc::new(move || Instant::from_nanos(now.load(Ordering::Relaxed)));
    let given = Arc::new(AtomicU64::new(0));
    let counter = given.clone();
    let config = PlaybackConfig::new(DeviceName::Default, time);
    let playback = Playback::start(Arc::new(host.clone()), config, move |format| {
        Box::new(Heavy {
            counting: Counting {
                format,
                given: counter,
            },
            clock,
            takes: pulls,
        })
    });
    let watch = playback.as_ref().unwrap().watch();
    let mut n = 0;
    let mut hear = |quanta: u64| {
        for _ in 0..quanta {
            if watch.stats().ahead {
                // It has as long as the device leaves it.
                until("ahead", || given.load(Ordering::Relaxed) >= n + 480);
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            for frame in ask(&host, "a", 480, 2).unwrap().chunks_exact(2) {
                assert_eq!(frame, [number(n), number(n)]);
                n += 1;
            }
        }
        watch.stats().ahead
    };
    // Of a quantum of 10 ms a third may be taken for ever, and twice as long once or twice.
    takes.store(3_300_000, Ordering::Relaxed);
    assert!(!hear(200));
    takes.store(20_000_000, Ordering::Relaxed);
    assert!(!hear(2));
    takes.store(3_300_000, Ordering::Relaxed);
    assert!(!hear(200));
    takes.store(7_000_000, Ordering::Relaxed);
    assert!(hear(40));
    assert_eq!(watch.stats().frames_starved, 0);
}

#[test]
fn what_is_to_stay_in_the_callback_stays_there() {
    assert_eq!("auto".parse::<PullAhead>().unwrap(), PullAhead::default());
    assert_eq!("never".parse::<PullAhead>().unwrap(), PullAhead::Never);
    assert_eq!("yes".parse::<PullAhead>().unwrap_err().field, "ahead");
    let host = FakeHost::new();
    host.plug(speaker("a"));
    let clock = Arc::new(AtomicU64::new(0));
    let now = clock.clone();
    let config = PlaybackConfig {
        ahead: PullAhead::Never,
        ..PlaybackConfig::new(
            DeviceName::Default,
            Arc::new(move || Instant::from_nanos(now.load(Ordering::Relaxed))),
        )
    };
    let playback = Playback::start(Arc::new(host.clone()), config, move |format| {
        Box::new(Heavy {
            counting: Counting::new(format).0,
            clock,
            takes: Arc::new(AtomicU64::new(9_000_000)),
        })
    });
    for _ in 0..100 {
        assert!(ask(&host, "a", 480, 2).is_some());
    }
    assert!(!playback.unwrap().watch().stats().ahead);
}

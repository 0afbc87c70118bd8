//! Callbacks wait for nobody: whatever other threads do with the same stream, the thread that
//! calls is never put to sleep. The system counts how often a thread goes to sleep by itself, be
//! it for a lock or a channel.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use audiox_core::block::AudioMut;
use audiox_core::format::{PcmFormat, StreamFormat};
use audiox_core::ingress::{IngressConfig, Origin};
use audiox_core::playout::PlayoutConfig;
use audiox_core::session::{Session, SessionConfig, UniformPlayouts};
use audiox_core::source::{Asked, Pull};
use audiox_core::time::Instant;
use audiox_io::device::{
    Capture, Captured, DeviceName, Direction, FakeDevice, FakeHost, Playback, PlaybackConfig,
};

use super::support::{format, time};

/// How often this thread has given the processor away of its own accord.
fn sleeps() -> u64 {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
    let line = status
        .lines()
        .find_map(|l| l.strip_prefix("voluntary_ctxt_switches:"));
    line.unwrap().trim().parse().unwrap()
}

fn at(step: u64) -> Instant {
    Instant::EPOCH + Duration::from_millis(10 * step)
}

fn play(host: &FakeHost, pull: Box<dyn Pull>) -> Playback {
    host.plug(FakeDevice::new("a", "a", Direction::Output));
    let config = PlaybackConfig::new(DeviceName::Named("a".to_owned()), time());
    Playback::start(Arc::new(host.clone()), config, move |_| pull).unwrap()
}

/// Calls so often; how often the thread slept after the first call, which asks for priority.
fn sleeps_in(calls: u64, host: &FakeHost, mut before: impl FnMut(u64)) -> u64 {
    let mut out = vec![0.0; 960];
    let mut slept = 0;
    for n in 0..calls {
        before(n);
        let asked = Asked {
            now: at(n),
            until_heard: Duration::from_millis(10),
        };
        let already = sleeps();
        assert!(host.ask("a", asked, &mut out));
        if n > 0 {
            slept += sleeps() - already;
        }
    }
    slept
}

#[test]
fn playing_a_session_waits_neither_for_its_packets_nor_for_who_looks_at_it() {
    let stream = format(48_000, 2);
    let ingress = IngressConfig::raw(PcmFormat::S16LE, stream.channels, stream.rate);
    let playouts = UniformPlayouts::raw(PlayoutConfig::default(), PcmFormat::S16LE, stream);
    let config = SessionConfig::new(stream, ingress.framing.clone());
    let config = SessionConfig { ingress, ..config };
    let session = Session::new(config, playouts, Instant::EPOCH).unwrap();
    let (mut input, output) = session.split();
    let host = FakeHost::new();
    let playback = play(&host, Box::new(output));
    let watch = playback.watch();
    let over = AtomicBool::new(false);
    let step = std::sync::atomic::AtomicU64::new(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            let datagram = [17u8; 480 * 4];
            let mut sent = 0;
            while !over.load(Ordering::Relaxed) {
                let now = at(step.load(Ordering::Relaxed));
                if sent <= step.load(Ordering::Relaxed) {
                    input.handle_datagram(now, Origin(1), &datagram);
                    sent += 1;
                }
                input.handle_timeout(now);
                while input.poll_event().is_some() {}
            }
        });
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let _ = watch.stats();
            }
        });
        let slept = sleeps_in(20_000, &host, |n| step.store(n, Ordering::Relaxed));
        over.store(true, Ordering::Relaxed);
        assert!(slept <= PAGES, "{slept}");
    });
    assert!(watch.stats().callbacks == 20_000);
}

#[test]
fn capturing_waits_neither_for_its_reader_nor_for_who_looks_at_it() {
    let host = FakeHost::new();
    host.plug(FakeDevice::new("m", "m", Direction::Input));
    let capture = Capture::new(DeviceName::Named("m".to_owned()), time());
    let mut source = capture.start(Arc::new(host.clone())).unwrap();
    let watch = source.watch();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut out = vec![0.0; 960];
            while !over.load(Ordering::Relaxed) {
                source.read_ready(&mut out);
            }
        });
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let _ = watch.stats();
            }
        });
        let samples = vec![0.25; 960];
        let mut slept = 0;
        for n in 0..20_000 {
            let captured = Captured {
                now: at(n),
                age: Duration::from_millis(10),
            };
            let already = sleeps();
            assert!(host.capture("m", captured, &samples));
            if n > 0 {
                slept += sleeps() - already;
            }
        }
        over.store(true, Ordering::Relaxed);
        assert!(slept <= PAGES, "{slept}");
    });
}

/// That the count counts: a callback that takes a lock.
#[test]
fn a_lock_in_a_callback_would_show() {
    struct Locked(Arc<Mutex<f32>>);
    impl Pull for Locked {
        fn format(&self) -> StreamFormat {
            format(48_000, 2)
        }
        fn pull(&mut self, _: Asked, mut out: AudioMut<'_>) {
            out.samples().fill(*self.0.lock().unwrap());
        }
    }
    let lock = Arc::new(Mutex::new(0.5));
    let host = FakeHost::new();
    let _playback = play(&host, Box::new(Locked(lock.clone())));
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let held = lock.lock().unwrap();
                thread::sleep(Duration::from_millis(1));
                drop(held);
                // Who takes a lock again at once may keep others from it for as long as it likes.
                thread::sleep(Duration::from_micros(100));
            }
        });
        let slept = sleeps_in(500, &host, |_| thread::sleep(Duration::from_micros(100)));
        over.store(true, Ordering::Relaxed);
        assert!(slept > 10 * PAGES, "{slept}");
    });
}

/// The system itself may have a thread wait, for a page of its memory while another thread asks for
/// some: once in a while in 20 000 calls. A lock shows in every second call.
const PAGES: u64 = 4;

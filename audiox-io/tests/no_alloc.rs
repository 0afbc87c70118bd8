//! Device callbacks neither allocate nor free.
#![cfg(test)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use audiox_core::format::PcmFormat;
use audiox_core::format::{Channels, SampleRate, StreamFormat};
use audiox_core::ingress::{IngressConfig, Origin};
use audiox_core::playout::PlayoutConfig;
use audiox_core::session::{Session, SessionConfig, UniformPlayouts};
use audiox_core::source::Asked;
use audiox_core::time::Instant;
use audiox_io::device::{
    Capture, Captured, DeviceName, Direction, FakeDevice, FakeHost, Playback, PlaybackConfig,
    TimeSource, Wish,
};

/// Counts what the thread at hand asks for.
struct Counting;

thread_local! {
    static CALLS: Cell<Option<u64>> = const { Cell::new(None) };
}

fn count() {
    let _ = CALLS.try_with(|calls| calls.set(calls.get().map(|n| n + 1)));
}

// SAFETY: everything is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are those that are asked for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        count();
        // SAFETY: as above.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.realloc(ptr, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn calls_in(work: impl FnOnce()) -> u64 {
    CALLS.with(|calls| calls.set(Some(0)));
    work();
    CALLS.with(|calls| calls.replace(None)).unwrap_or_default()
}

fn time() -> TimeSource {
    let start = std::time::Instant::now();
    Arc::new(move || Instant::EPOCH + start.elapsed())
}

fn format(rate: u32, channels: u16) -> StreamFormat {
    StreamFormat::new(
        SampleRate::new(rate).unwrap(),
        Channels::new(channels).unwrap(),
    )
}

#[test]
fn the_counter_counts() {
    assert!(calls_in(|| drop(vec![1, 2, 3])) >= 2);
}

/// A session in a device's callback, with packets that come, stay away and come again; with the
/// stream's own format and with one that has to be converted to.
#[test]
fn playing_a_session_from_the_callback_allocates_nothing() {
    for device in [format(48_000, 2), format(44_100, 1)] {
        let host = FakeHost::new();
        host.plug(FakeDevice::new("a", "a", Direction::Output).only(device));
        let stream = format(48_000, 2);
        let ingress = IngressConfig::raw(PcmFormat::S16LE, stream.channels, stream.rate);
        let playouts = UniformPlayouts::raw(PlayoutConfig::default(), PcmFormat::S16LE, stream);
        let config = SessionConfig::new(stream, ingress.framing.clone());
        let config = SessionConfig { ingress, ..config };
        let session = Session::new(config, playouts, Instant::EPOCH).unwrap();
        let (mut input, output) = session.split();
        let config = PlaybackConfig::new(DeviceName::Default, time());
        let playback =
            Playback::start(Arc::new(host.clone()), config, move |_| Box::new(output)).unwrap();
        let frames = device.rate.get() as usize / 100;
        let mut out = vec![0.0; frames * device.channels.get()];
        let datagram = [17u8; 480 * 4];
        let mut calls = 0;
        let mut loud = 0;
        for n in 0..3_000u64 {
            let now = Instant::EPOCH + Duration::from_millis(10 * n);
            // A tenth is lost, and now and then a second's worth.
            if n % 10 != 3 && n % 1_000 < 900 {
                input.handle_datagram(now, Origin(1), &datagram);
            }
            input.handle_timeout(now);
            while input.poll_event().is_some() {}
            let asked = Asked {
                now,
                until_heard: Duration::from_millis(10),
            };
            let counted = calls_in(|| assert!(host.ask("a", asked, &mut out)));
            // The first callback asks for real-time priority, once.
            if n > 0 {
                calls += counted;
            }
            loud += usize::from(out.iter().any(|s| *s != 0.0));
        }
        assert_eq!(calls, 0, "at {device}");
        assert!(loud > 2_000, "{loud} callbacks with sound at {device}");
        assert_eq!(playback.watch().stats().callbacks, 3_000);
    }
}

#[test]
fn capturing_in_the_callback_allocates_nothing() {
    for device in [format(48_000, 2), format(44_100, 1)] {
        let host = FakeHost::new();
        host.plug(FakeDevice::new("a", "a", Direction::Input).only(device));
        let capture = Capture {
            wish: Wish::format(format(48_000, 2)),
            ..Capture::new(DeviceName::Default, time())
        };
        let mut source = capture.start(Arc::new(host.clone())).unwrap();
        let samples = vec![0.25; device.rate.get() as usize / 100 * device.channels.get()];
        let mut out = vec![0.0; 960];
        let mut calls = 0;
        for n in 0..3_000u64 {
            let captured = Captured {
                now: Instant::EPOCH + Duration::from_millis(10 * n),
                age: Duration::from_millis(10),
            };
            let counted = calls_in(|| {
                assert!(host.capture("a", captured, &samples));
                // Half of the time nobody reads, and it overflows.
                if n % 200 < 100 {
                    while source.read_ready(&mut out) > 0 {}
                }
            });
            if n > 0 {
                calls += counted;
            }
        }
        assert_eq!(calls, 0, "at {device}");
        assert!(source.watch().stats().frames_overflowed > 0);
    }
}

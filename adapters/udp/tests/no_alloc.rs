//! A running streamer or fan-out asks nothing of the allocator, on any of its threads: whatever it needs, it
//! took at the start.
//!
//! The count is the whole process's, so this is the only test here.
#![cfg(test)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::net::UdpSocket;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use audiox_core::convert::Gain;
use audiox_core::format::{Channels, SampleFormat, SampleRate, StreamFormat};
use audiox_core::packet::rtcp::{CompoundWriter, ReportBlock};
use audiox_core::source::Sink;
use audiox_io::Signal;
use audiox_io::wav::{WavSink, WavSource};
use audiox_udp::fanout::{ClientList, Fanout, FanoutConfig};
use audiox_udp::streamer::{StreamSpec, Streamer, StreamerConfig};

struct Counting;

static CALLS: AtomicU64 = AtomicU64::new(0);

// The one place with `unsafe` in these tests: the trait demands it. Every call goes to the
// system's allocator unchanged, so its promises hold.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.fetch_add(1, SeqCst);
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        CALLS.fetch_add(1, SeqCst);
        unsafe { System.realloc(ptr, layout, new_size) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        CALLS.fetch_add(1, SeqCst);
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn what_sends_does_not_allocate_in_its_steady_state() {
    streamers();
    fanouts();
}

fn streamers() {
    let stereo = StreamFormat::new(SampleRate::HZ_48000, Channels::STEREO);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.wav");
    let mut file = WavSink::create(&path, stereo, SampleFormat::S16).unwrap();
    file.write_native(&vec![1; 4 * 48_000 * 20]).unwrap();
    file.finish().unwrap();

    // One that moves bytes, and one that encodes; packets of 1 ms, to see many.
    for codec in ["L16", "PCMU"] {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = receiver.local_addr().unwrap().port();
        let url = format!("rtp://127.0.0.1:{port}?rtcp-mux&codec={codec}&ptime=1&ssrc=100");
        let tone = Signal::tone(stereo, 440.0, Gain::UNITY).unwrap();
        let specs = vec![
            StreamSpec::new("file", WavSource::open(&path).unwrap()),
            StreamSpec::new("tone", tone),
        ];
        let handle = Streamer::start(StreamerConfig::new(url.parse().unwrap()), specs).unwrap();
        let senders = handle.local_addrs();
        let mut report = [0; 64];
        let mut writer = CompoundWriter::new(&mut report);
        let block = ReportBlock {
            ssrc: 100,
            ..ReportBlock::default()
        };
        writer.receiver_report(1, &[block]).unwrap();
        let len = writer.finish();

        // Until reports went both ways.
        while handle.snapshot().streams[0].remote.is_none() {
            receiver.send_to(&report[..len], senders[0]).unwrap();
            std::thread::sleep(Duration::from_millis(20));
        }
        let packets = handle.snapshot().streams[0].packets;
        let calls = CALLS.load(SeqCst);
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(2) {
            receiver.send_to(&report[..len], senders[0]).unwrap();
            std::thread::sleep(Duration::from_millis(100));
        }
        let calls = CALLS.load(SeqCst) - calls;
        let snapshot = handle.snapshot();
        assert_eq!(calls, 0, "{codec}: the allocator was called");
        assert!(snapshot.streams[0].packets > packets + 100, "{snapshot:?}");
        assert!(snapshot.streams[0].remote.unwrap().reports > 1);
    }
}

/// Raw and RTP, with gain and without, to somebody who listens and to nobody.
fn fanouts() {
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = receiver.local_addr().unwrap().port();
    let list = format!(
        r#"{{"raw": {{"ip": "127.0.0.1", "port": {port}, "channel": 3}},
            "soft": {{"ip": "127.0.0.1", "port": {port}, "channels": [0, 1], "gain": -6}},
            "rtp": {{"ip": "127.0.0.1", "port": {port}, "channel": 2, "codec": "PCMU"}},
            "deaf": {{"ip": "127.0.0.1", "port": 9, "channel": 0, "mute": true}}}}"#
    );
    let four = StreamFormat::new(SampleRate::HZ_8000, Channels::new(4).unwrap());
    let config = FanoutConfig {
        chunk: 40,
        ..FanoutConfig::new("tone", move || {
            let tone = Signal::tone(four, 440.0, Gain::UNITY).map_err(audiox_udp::Error::from)?;
            Ok(Box::new(tone))
        })
    };
    let fanout = Fanout::new(config, ClientList::parse(&list).unwrap()).unwrap();
    fanout.start().unwrap();
    std::thread::sleep(Duration::from_millis(500));
    let blocks = fanout.snapshot().blocks;
    let calls = CALLS.load(SeqCst);
    std::thread::sleep(Duration::from_secs(2));
    let calls = CALLS.load(SeqCst) - calls;
    let snapshot = fanout.snapshot();
    assert_eq!(calls, 0, "the allocator was called");
    assert!(snapshot.blocks > blocks + 200, "{snapshot:?}");
    assert!(snapshot.clients.iter().all(|c| c.streaming), "{snapshot:?}");
}

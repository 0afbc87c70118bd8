use std::sync::mpsc::Sender;

use super::*;
use crate::decorate::Take;
use crate::raw::RawSource;
use crate::signal::{Colour, Signal};
use audiox_core::convert::Gain;
use audiox_core::format::{Channels, SampleRate};
use audiox_core::source::SourceClock;

const MONO: StreamFormat = StreamFormat::new(SampleRate::HZ_8000, Channels::MONO);
const STEREO: StreamFormat = StreamFormat::new(SampleRate::HZ_48000, Channels::STEREO);
const LONG: Duration = Duration::from_secs(20);

fn pcm(name: &str) -> PcmFormat {
    name.parse().unwrap()
}

fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 7 + i / 251) as u8).collect()
}

fn drain(reader: &mut PrefetchReader, step: usize) -> Vec<u8> {
    let (mut got, mut out) = (Vec::new(), vec![0; step]);
    loop {
        let filled = reader.fill(&mut out);
        got.extend(&out[..filled.bytes]);
        if filled.end {
            return got;
        }
        if filled.bytes == 0 {
            thread::yield_now();
        }
    }
}

#[test]
fn many_sources_come_through_untouched_on_one_thread() {
    let lens = [0, 4, 192_000, 777_776];
    let sources = lens.map(|len| {
        let file = std::io::Cursor::new(bytes(len));
        let source: Box<dyn Source> =
            Box::new(RawSource::new(file, "memory", PcmFormat::S16LE, STEREO));
        (source, PcmFormat::S16LE)
    });
    let (prefetch, mut readers) =
        Prefetch::spawn(sources.into(), PrefetchConfig::default()).unwrap();
    assert!(prefetch.wait_filled(LONG));
    assert!(prefetch.wait_filled(Duration::ZERO));
    // A second is 192 000 bytes; the longest source fills its ring up to a turn.
    assert!(readers[3].frames_ahead() > 48_000 * 7 / 8);
    assert!(readers[3].frames_ahead() <= 48_000);
    for (reader, len) in readers.iter_mut().zip(lens) {
        assert_eq!(drain(reader, 1_766), bytes(len));
        assert!(reader.take_error().is_none());
    }
}

#[test]
fn other_formats_are_converted_ahead() {
    let noise = Signal::noise(STEREO, Colour::White, 3, Gain::UNITY).unwrap();
    let mut same = noise.clone();
    let source = Box::new(Take::new(Box::new(noise), 100_000));
    let (_prefetch, mut readers) =
        Prefetch::spawn(vec![(source, pcm("s24be"))], PrefetchConfig::default()).unwrap();
    let got = drain(&mut readers[0], 1_440);
    let mut samples = vec![0.0; 200_000];
    same.read(&mut samples).unwrap();
    let mut expected = vec![0; 600_000];
    convert::encode(pcm("s24be"), &samples, &mut expected);
    assert_eq!(got, expected);
}

/// Waits for permission before each read, as a disk that is asleep; fails at the end.
struct Gated {
    gate: Receiver<usize>,
}

impl Source for Gated {
    fn format(&self) -> StreamFormat {
        MONO
    }
    fn clock(&self) -> SourceClock {
        SourceClock::None
    }
    fn frames_left(&self) -> Option<u64> {
        None
    }
    fn read(&mut self, _: &mut [f32]) -> Result<usize, SourceError> {
        panic!("the stored format was asked for")
    }
    fn native(&self) -> Option<PcmFormat> {
        Some(pcm("u8"))
    }
    fn read_native(&mut self, out: &mut [u8]) -> Result<usize, SourceError> {
        let n = self
            .gate
            .recv()
            .map_err(|_| SourceError::Malformed("gone".into()))?;
        out[..n].fill(n as u8);
        Ok(n)
    }
    fn seek(&mut self, _: u64) -> Result<(), SourceError> {
        Ok(())
    }
}

fn gated() -> (Sender<usize>, Prefetch, PrefetchReader) {
    let (open, gate) = mpsc::channel();
    let source = vec![(Box::new(Gated { gate }) as Box<dyn Source>, pcm("u8"))];
    let (prefetch, mut readers) = Prefetch::spawn(source, PrefetchConfig::default()).unwrap();
    (open, prefetch, readers.remove(0))
}

#[test]
fn a_slow_source_is_an_underrun_and_a_failed_one_an_end_with_its_error() {
    let (open, prefetch, mut reader) = gated();
    let mut out = [0; 100];
    let nothing = Filled {
        bytes: 0,
        end: false,
    };
    assert_eq!(reader.fill(&mut out), nothing);
    assert_eq!((reader.underruns(), reader.missing_frames()), (1, 100));
    assert!(!prefetch.wait_filled(Duration::ZERO));

    open.send(30).unwrap();
    while reader.frames_ahead() == 0 {
        thread::yield_now();
    }
    let filled = reader.fill(&mut out[..20]);
    assert_eq!((filled.bytes, filled.end), (20, false));
    assert_eq!(reader.underruns(), 1);
    assert!(reader.take_error().is_none());

    drop(open);
    while reader.ring.write_is_held() {
        thread::yield_now();
    }
    // What was read before the failure is still handed over.
    let filled = reader.fill(&mut out);
    assert_eq!((filled.bytes, filled.end), (10, true));
    assert_eq!(reader.underruns(), 1);
    assert_eq!(reader.take_error().unwrap().to_string(), "gone");
    assert!(reader.take_error().is_none());
    assert!(prefetch.wait_filled(LONG));
}

#[test]
fn dropping_either_side_ends_the_thread() {
    for drop_reader in [false, true] {
        let (open, prefetch, reader) = gated();
        if drop_reader {
            drop(reader);
        } else {
            drop(prefetch);
        }
        // The read it is in returns; then the thread drops the source, and with it the gate.
        let _ = open.send(1);
        while open.send(1).is_ok() {
            thread::yield_now();
        }
    }
}

#[test]
fn depth_has_limits_and_so_has_memory() {
    assert!(PrefetchConfig::new(Duration::from_millis(9)).is_err());
    let text = PrefetchConfig::new(Duration::from_secs(61)).unwrap_err();
    assert!(text.to_string().contains("10 ms to 60 s"), "{text}");
    let config = PrefetchConfig::new(Duration::from_secs(60)).unwrap();
    let wide = StreamFormat::new(
        SampleRate::new(768_000).unwrap(),
        Channels::new(1_024).unwrap(),
    );
    let (stream, _) = stream(Box::new(Signal::silence(wide)), pcm("f32le"), config);
    assert!(stream.ring.capacity().get() <= MAX_RING);
    let slow = StreamFormat::new(SampleRate::new(1).unwrap(), Channels::MONO);
    let (stream, _) = super::stream(Box::new(Signal::silence(slow)), pcm("u8"), config);
    assert!(!stream.chunk.is_empty());
}

//! Once made, sources, sinks and readers ask nothing of the allocator.
#![cfg(test)]

#[path = "../../audiox-core/tests/support/counting.rs"]
mod counting;

use std::io::Cursor;
use std::num::NonZeroU64;
use std::time::Duration;

use audiox_core::block::AudioRef;
use audiox_core::convert::Gain;
use audiox_core::format::{Channels, PcmFormat, SampleFormat, SampleRate, StreamFormat};
use audiox_core::source::{Sink, Source};
use audiox_io::*;
use counting::assert_no_alloc;

const STEREO: StreamFormat = StreamFormat::new(SampleRate::HZ_48000, Channels::STEREO);
/// Ten milliseconds of samples.
const BLOCK: usize = 480 * 2;

fn tone() -> Signal {
    Signal::tone(STEREO, 440.0, Gain::UNITY).unwrap()
}

fn wav(sample: SampleFormat) -> WavSource<Cursor<Vec<u8>>> {
    let mut file = Cursor::new(Vec::new());
    let mut sink = WavSink::new(&mut file, "memory", STEREO, sample).unwrap();
    let mut block = vec![0.0; 48_000 * 2];
    tone().read(&mut block).unwrap();
    sink.write(AudioRef::new(&block, Channels::STEREO)).unwrap();
    sink.finish().unwrap();
    WavSource::new(file, "memory").unwrap()
}

#[test]
fn reading_ahead_is_free_on_the_pacing_side() {
    let twice = Repeat::Times(NonZeroU64::new(2).unwrap());
    let file: Box<dyn Source> = Box::new(wav(SampleFormat::S16));
    let looped = Looped::new(file, twice).unwrap();
    let sources: Vec<(Box<dyn Source>, PcmFormat)> = vec![
        (Box::new(looped), PcmFormat::S16LE),
        (Box::new(tone()), "s24be".parse().unwrap()),
    ];
    let (prefetch, mut readers) = Prefetch::spawn(sources, PrefetchConfig::default()).unwrap();
    assert!(prefetch.wait_filled(Duration::from_secs(20)));
    let mut out = [0; BLOCK * 3];
    assert_no_alloc(|| {
        let mut bytes = 0;
        loop {
            let filled = readers[0].fill(&mut out[..BLOCK * 2]);
            bytes += filled.bytes;
            readers[1].fill(&mut out);
            if filled.end {
                break;
            }
            std::hint::spin_loop();
        }
        assert_eq!(bytes, 2 * 48_000 * 4);
    });
}

#[test]
fn reading_and_writing_use_the_buffers_they_were_made_with() {
    let folder = tempfile::tempdir().unwrap();
    let mut block = [0.0; BLOCK];
    let mut bytes = [0; BLOCK * 4];
    for sample in [SampleFormat::U8, SampleFormat::S24, SampleFormat::F32] {
        let mut source = Amplified::new(Box::new(wav(sample)), Gain::from_db(-3.0).unwrap());
        let mut stored = wav(sample);
        let path = folder.path().join("a.wav");
        let mut sink = WavSink::create(path, STEREO, sample).unwrap();
        assert_no_alloc(|| {
            while source.read(&mut block).unwrap() > 0 {
                sink.write(AudioRef::new(&block, Channels::STEREO)).unwrap();
            }
            loop {
                let n = stored.read_native(&mut bytes).unwrap();
                if n == 0 {
                    break;
                }
                sink.write_native(&bytes[..n]).unwrap();
            }
            sink.flush().unwrap();
            source.seek(7).unwrap();
        });
    }
    for mut signal in [
        tone(),
        Signal::noise(STEREO, Colour::Pink, 1, Gain::UNITY).unwrap(),
    ] {
        assert_no_alloc(|| {
            signal.read(&mut block).unwrap();
        });
    }
}

//! Writing WAV files: what is in them at any moment, on a disk that fills, and past 4 GiB.

use std::fs::File;
use std::io::{self, Cursor, ErrorKind, Seek, SeekFrom, Write};
use std::sync::{Arc, Mutex};

use super::ffmpeg::probed;
use super::support::{format, native_bytes, samples};
use audiox_core::block::AudioRef;
use audiox_core::format::{Channels, SampleFormat, StreamFormat};
use audiox_core::source::{Sink, SinkError, Source};
use audiox_io::{WavSink, WavSource};

const FORMATS: [SampleFormat; 5] = [
    SampleFormat::U8,
    SampleFormat::S16,
    SampleFormat::S24,
    SampleFormat::S32,
    SampleFormat::F32,
];

/// A medium that others may look at while it is written, and that may be small.
#[derive(Clone)]
struct Medium {
    file: Arc<Mutex<Cursor<Vec<u8>>>>,
    /// Bytes it holds at most.
    size: usize,
    flushes: Arc<Mutex<usize>>,
}

impl Medium {
    fn of_size(size: usize) -> Self {
        Self {
            file: Arc::default(),
            size,
            flushes: Arc::default(),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        self.file.lock().unwrap().get_ref().clone()
    }

    fn open(&self) -> WavSource<Cursor<Vec<u8>>> {
        WavSource::new(Cursor::new(self.bytes()), "medium").unwrap()
    }
}

impl Write for Medium {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut file = self.file.lock().unwrap();
        let room = self.size.saturating_sub(file.position() as usize);
        if room == 0 && !bytes.is_empty() {
            // As the system says it: no space left on device.
            return Err(io::Error::from_raw_os_error(28));
        }
        file.write(&bytes[..bytes.len().min(room)])
    }

    fn flush(&mut self) -> io::Result<()> {
        *self.flushes.lock().unwrap() += 1;
        Ok(())
    }
}

impl Seek for Medium {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.lock().unwrap().seek(to)
    }
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 + i / 253) as u8).collect()
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

#[test]
fn stored_bytes_come_back_whatever_the_format() {
    for sample in FORMATS {
        for (rate, channels) in [(8_000, 1), (44_100, 2), (48_000, 3), (96_000, 64)] {
            let medium = Medium::of_size(usize::MAX);
            let stream = format(rate, channels);
            let mut sink = WavSink::new(medium.clone(), "medium", stream, sample).unwrap();
            // 333 frames: an odd number of bytes where a frame is odd.
            let data = pattern(333 * sample.bytes() * usize::from(channels));
            for part in data.chunks(37 * sample.bytes() * usize::from(channels)) {
                sink.write_native(part).unwrap();
            }
            assert_eq!(sink.frames(), 333);
            sink.finish().unwrap();
            let bytes = medium.bytes();
            assert_eq!(bytes.len() % 2, 0, "the pad byte is there");
            assert_eq!(u32_at(&bytes, 4) as usize, bytes.len() - 8);
            let mut source = medium.open();
            assert_eq!(source.format(), stream);
            assert_eq!(source.native().map(|pcm| pcm.sample), Some(sample));
            assert_eq!(source.notices(), &[] as &[String]);
            assert_eq!(native_bytes(&mut source), data);
        }
    }
}

#[test]
fn samples_come_back_as_far_as_the_format_carries_them() {
    let stream = format(48_000, 2);
    let audio: Vec<f32> = (0..9_000)
        .map(|i| ((i * 37) % 256 - 128) as f32 / 128.0)
        .collect();
    for sample in FORMATS {
        let medium = Medium::of_size(usize::MAX);
        let mut sink = WavSink::new(medium.clone(), "medium", stream, sample).unwrap();
        sink.write(AudioRef::new(&audio, Channels::STEREO)).unwrap();
        drop(sink);
        assert_eq!(samples(&mut medium.open()), audio, "{sample:?}");
    }
}

#[test]
fn the_header_is_true_after_each_second_and_the_file_valid_at_any_byte() {
    let stream = format(8_000, 1);
    let medium = Medium::of_size(usize::MAX);
    let mut sink = WavSink::new(medium.clone(), "medium", stream, SampleFormat::S16).unwrap();
    let data = pattern(2 * 8_000 * 5 / 2);
    for (i, part) in data.chunks(160).enumerate() {
        sink.write_native(part).unwrap();
        let taken = (i + 1) * 80;
        let bytes = medium.bytes();
        // What any reader sees: the header's size.
        let claimed = u32_at(&bytes, 124) as usize / 2;
        assert!(
            claimed <= taken && taken - claimed < 8_000,
            "{claimed} of {taken}"
        );
        assert_eq!(u32_at(&bytes, 4) as usize, 120 + claimed * 2);
        assert!(bytes.len() >= 128 + claimed * 2);
    }
    // One call that is longer than a second keeps to the rule too.
    sink.write_native(&pattern(2 * 8_000 * 3)).unwrap();
    assert_eq!(u32_at(&medium.bytes(), 124), 5 * 2 * 8_000);
    assert_eq!(*medium.flushes.lock().unwrap(), 0);
    sink.flush().unwrap();
    assert_eq!(u32_at(&medium.bytes(), 124), 11 * 8_000);
    assert_eq!(*medium.flushes.lock().unwrap(), 1);
    sink.write_native(&[1, 2]).unwrap();
    drop(sink);
    let mut whole = data;
    whole.extend(pattern(2 * 8_000 * 3));
    whole.extend([1, 2]);
    assert_eq!(native_bytes(&mut medium.open()), whole);
}

#[test]
fn a_recording_cut_off_anywhere_keeps_all_that_reached_the_file() {
    let stream = format(16_000, 2);
    let medium = Medium::of_size(usize::MAX);
    let mut sink = WavSink::new(medium.clone(), "medium", stream, SampleFormat::S24).unwrap();
    // The buffer of 64 KiB overflows before the second is full, behind the header's back.
    let data = pattern(6 * 16_000 * 4 - 600);
    for part in data.chunks(600) {
        sink.write_native(part).unwrap();
    }
    let file = medium.bytes();
    std::mem::forget(sink);
    for len in [129, 133, 134, 60_000, file.len() - 1, file.len()] {
        let source = WavSource::new(Cursor::new(file[..len].to_vec()), "cut");
        let kept = (len - 128) / 6 * 6;
        if kept == 0 {
            assert!(source.unwrap_err().to_string().contains("no audio"));
            continue;
        }
        let mut source = source.unwrap();
        assert_eq!(native_bytes(&mut source), data[..kept]);
        assert!(!source.notices().is_empty());
    }
    let claimed = u32_at(&file, 124) as usize;
    assert!(
        file.len() - 128 > claimed,
        "some lies beyond the header's size"
    );
    let source = WavSource::new(Cursor::new(file), "cut").unwrap();
    assert!(
        source.notices()[0].contains("cut off"),
        "{:?}",
        source.notices()
    );
}

#[test]
fn a_disk_that_fills_leaves_a_valid_file_and_says_so_in_one_line() {
    let stream = format(8_000, 2);
    // Full within a frame, within the header's second, at the very start, and later.
    for size in [129, 132, 1_001, 128 + 70_001, 128 + 32_000 * 3] {
        for step in [4, 400, 40_000, 400_000] {
            let medium = Medium::of_size(size);
            let mut sink =
                WavSink::new(medium.clone(), "full.wav", stream, SampleFormat::S16).unwrap();
            let data = pattern(400_000);
            let error = data
                .chunks(step)
                .find_map(|part| sink.write_native(part).err());
            let error = error.or_else(|| sink.flush().err()).unwrap();
            let kept = (size - 128) / 4;
            let text = error.to_string();
            assert!(text.starts_with("full.wav: recording stopped"), "{text}");
            assert!(
                text.contains(&format!("({kept} frames) are kept")),
                "{text}"
            );
            assert!(text.contains("No space left"), "{text}");
            assert!(!text.contains('\n'));
            let SinkError::Io { source, .. } = error else {
                panic!("not an Io error");
            };
            assert_eq!(source.kind(), ErrorKind::StorageFull);
            // It says the same again, and touches the file no more.
            assert_eq!(sink.flush().unwrap_err().to_string(), text);
            assert_eq!(sink.write_native(&data[..4]).unwrap_err().to_string(), text);
            let before = medium.bytes();
            assert_eq!(sink.finish().unwrap_err().to_string(), text);
            assert_eq!(medium.bytes(), before);

            assert_eq!(u32_at(&before, 124) as usize, kept * 4);
            if kept > 0 {
                let mut source = medium.open();
                assert_eq!(source.notices(), &[] as &[String]);
                assert_eq!(native_bytes(&mut source), data[..kept * 4]);
            }
        }
    }
    let Err(error) = WavSink::new(Medium::of_size(100), "full.wav", stream, SampleFormat::S16)
    else {
        panic!("a header fitted where there was no room");
    };
    assert!(error.to_string().starts_with("full.wav: "), "{error}");
}

#[test]
fn what_does_not_fit_the_file_is_refused() {
    let medium = Medium::of_size(usize::MAX);
    let mut sink = WavSink::new(medium, "a.wav", format(8_000, 2), SampleFormat::S16).unwrap();
    let text = sink.write_native(&[0; 6]).unwrap_err().to_string();
    assert!(
        text.contains("6 bytes") && text.contains("frames of 4"),
        "{text}"
    );
    let mono = AudioRef::new(&[0.0; 4], Channels::MONO);
    let text = sink.write(mono).unwrap_err().to_string();
    assert!(
        text.contains("1 channels") && text.contains("has 2"),
        "{text}"
    );
    let error = WavSink::create("/nonexistent/a.wav", format(8_000, 2), SampleFormat::S16);
    let text = error.unwrap_err().to_string();
    assert!(text.starts_with("/nonexistent/a.wav: "), "{text}");
}

/// Counts what is written and keeps only the header and the last bytes.
struct Counting {
    header: [u8; 128],
    pos: u64,
    len: u64,
    seeks: u64,
}

impl Write for &mut Counting {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(room) = self.header.get_mut(self.pos as usize..) {
            let n = bytes.len().min(room.len());
            room[..n].copy_from_slice(&bytes[..n]);
        }
        self.pos += bytes.len() as u64;
        self.len = self.len.max(self.pos);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for &mut Counting {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let SeekFrom::Start(pos) = to else {
            panic!("only absolute positions are sought");
        };
        self.seeks += 1;
        self.pos = pos;
        Ok(pos)
    }
}

#[test]
fn past_four_gibibytes_the_header_turns_rf64_in_place() {
    let mut medium = Counting {
        header: [0; 128],
        pos: 0,
        len: 0,
        seeks: 0,
    };
    let stream = format(192_000, 8);
    let mut sink = WavSink::new(&mut medium, "long.wav", stream, SampleFormat::F32).unwrap();
    let block = vec![0; 32 * 192_000];
    let seconds = (1 << 32) / block.len() as u64 + 1;
    for _ in 0..seconds {
        sink.write_native(&block).unwrap();
    }
    let data = seconds * block.len() as u64;
    sink.finish().unwrap();
    assert_eq!(medium.len, 128 + data);
    // Two for each second and the first and last header: there, and back.
    assert_eq!(medium.seeks, 2 * (seconds + 2));
    assert_eq!(&medium.header[..4], b"RF64");
    assert_eq!(&medium.header[12..16], b"ds64");
    let u64_at = |at: usize| u64::from_le_bytes(medium.header[at..at + 8].try_into().unwrap());
    assert_eq!(u64_at(20), 120 + data);
    assert_eq!(u64_at(28), data);
    assert_eq!(u64_at(36), data / 32);
    assert_eq!(u32_at(&medium.header, 124), u32::MAX);
}

/// A file in which long writes, which this test makes of zeros only, are holes.
struct Sparse(File);

impl Write for Sparse {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() >= 4_096 {
            let end = self.0.seek(SeekFrom::Current(bytes.len() as i64))?;
            if end > self.0.metadata()?.len() {
                self.0.set_len(end)?;
            }
            return Ok(bytes.len());
        }
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Seek for Sparse {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
}

#[test]
fn a_real_file_past_four_gibibytes_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("long.wav");
    let stream: StreamFormat = format(768_000, 16);
    let file = Sparse(File::create(&path).unwrap());
    let mut sink = WavSink::new(file, "long.wav", stream, SampleFormat::S32).unwrap();
    let zeros = vec![0; 64 * 768_000];
    let start: Vec<u8> = (1..=64).collect();
    let end: Vec<u8> = (101..=164).collect();
    sink.write_native(&start).unwrap();
    for _ in 0..90 {
        sink.write_native(&zeros).unwrap();
    }
    sink.write_native(&end).unwrap();

    // Cut off here, it is valid to our reader up to the last byte.
    sink.flush().unwrap();
    let frames = 90 * 768_000 + 2;
    assert_eq!(WavSource::open(&path).unwrap().frames(), frames);
    sink.finish().unwrap();

    let mut source = WavSource::open(&path).unwrap();
    assert!(source.notices().is_empty());
    assert_eq!(source.format(), stream);
    assert_eq!(source.frames(), frames);
    assert!(frames * 64 > 1 << 32);
    assert_eq!(
        probed(&path, "channels,duration_ts"),
        format!("16,{frames}")
    );
    let mut out = [0; 64];
    source.read_native(&mut out).unwrap();
    assert_eq!(out, start[..]);
    source.seek(frames - 1).unwrap();
    source.read_native(&mut out).unwrap();
    assert_eq!(out, end[..]);
    assert_eq!(source.read_native(&mut out).unwrap(), 0);
}

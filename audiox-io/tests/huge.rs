//! A hundred megabytes that mean no good: opened, read and sought in bounded memory.
#![cfg(test)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use audiox_core::format::{Channels, PcmFormat, SampleRate, StreamFormat};
use audiox_core::source::{Source, SourceClock, SourceError};
use audiox_io::opus::OpusPackets;
use audiox_io::sound::{MAX_SAMPLES, PcmWish, open};
use bytes::Bytes;

/// Knows how much memory there is, and the most that there was.
struct Peak;

static NOW: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

fn more(size: usize) {
    let now = NOW.fetch_add(size, Relaxed) + size;
    MOST.fetch_max(now, Relaxed);
}

// SAFETY: everything is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Peak {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        more(layout.size());
        // SAFETY: the caller's promises are those that are asked for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        more(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        more(size);
        NOW.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as above.
        unsafe { System.realloc(ptr, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Peak = Peak;

/// Opus packets as silence of their length.
struct Silent(Box<dyn OpusPackets>, u64);

impl Source for Silent {
    fn format(&self) -> StreamFormat {
        let channels = self.0.head().mapping.channels();
        let channels = Channels::new(channels.into()).unwrap();
        StreamFormat::new(SampleRate::HZ_48000, channels)
    }

    fn clock(&self) -> SourceClock {
        SourceClock::None
    }

    fn frames_left(&self) -> Option<u64> {
        Some(self.1)
    }

    fn read(&mut self, out: &mut [f32]) -> Result<usize, SourceError> {
        if self.0.next_event()?.is_none() {
            return Ok(0);
        }
        out.fill(0.0);
        let frames = (out.len() / self.format().channels.get()) as u64;
        let frames = frames.min(self.1);
        self.1 -= frames;
        Ok(frames as usize)
    }

    fn native(&self) -> Option<PcmFormat> {
        None
    }

    fn read_native(&mut self, _: &mut [u8]) -> Result<usize, SourceError> {
        Err(SourceError::Unsupported("there is no audio".to_owned()))
    }

    fn seek(&mut self, frame: u64) -> Result<(), SourceError> {
        self.1 = self.0.length().saturating_sub(frame);
        self.0.seek(frame)
    }
}

const LEN: usize = 100_000_000;
/// Beside the bytes themselves.
const MEMORY: usize = 16 << 20;

/// Opens, reads a piece at the start and in the middle; what came of it.
#[track_caller]
fn endured(name: &str, bytes: Vec<u8>) -> Result<u64, String> {
    let bytes = Bytes::from(bytes);
    let before = NOW.load(Relaxed);
    MOST.store(before, Relaxed);
    let mut opened = open(
        bytes,
        &PcmWish::default(),
        Some(|p| {
            let length = p.length();
            Ok(Box::new(Silent(p, length)))
        }),
    );
    let mut length = 0;
    if let Ok(sound) = &mut opened {
        let channels = sound.source.format().channels.get();
        let frames = sound.source.frames_left().unwrap();
        length = frames;
        assert!(frames * channels as u64 <= MAX_SAMPLES, "{name}: {frames}");
        let mut piece = vec![0.0; 4_800 * channels];
        for place in [frames / 2, 0] {
            if sound.source.seek(place).is_ok() {
                // Damage may be said instead.
                let _ = sound.source.read(&mut piece);
            }
        }
    }
    let most = MOST.load(Relaxed) - before;
    assert!(most <= MEMORY, "{name}: {most} bytes");
    opened.map(|_| length).map_err(|e| e.to_string())
}

/// `head`, and then noise.
fn noise_behind(head: &[u8], noise: &[u8]) -> Vec<u8> {
    [head, &noise[head.len()..]].concat()
}

fn noise() -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let words = (0..LEN / 8).flat_map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.collect()
}

/// `head`, and then `piece` again and again.
fn pieces_behind(head: &[u8], piece: &[u8]) -> Vec<u8> {
    let mut bytes = head.to_vec();
    bytes.extend(piece.repeat(LEN / piece.len()));
    bytes
}

fn mp4(size: u32, kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    [&size.to_be_bytes()[..], kind, body].concat()
}

const EBML: &[u8] = b"\x1a\x45\xdf\xa3\x87\x42\x82\x84webm";
/// A segment and a track of Opus with one channel, its header inside.
const TRACK: &[u8] =
    b"\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff\x16\x54\xae\x6b\xae\xae\xac\
    \xd7\x81\x01\x83\x81\x02\x86\x86A_OPUS\xe1\x86\xb5\x84\x47\x3b\x80\x00\
    \x63\xa2\x93OpusHead\x01\x01\x00\x00\x80\xbb\0\0\0\0\0";
const CLUSTER: &[u8] = b"\x1f\x43\xb6\x75\x01\xff\xff\xff\xff\xff\xff\xff\xe7\x81\0";

#[test]
fn a_hundred_megabytes_of_anything_are_endured() {
    let noise = noise();
    for (name, head) in [
        ("noise", &b""[..]),
        ("noise behind WebM", EBML),
        ("noise behind a track", &[EBML, TRACK].concat()),
        ("noise behind a cluster", &[EBML, TRACK, CLUSTER].concat()),
        ("noise behind Ogg", b"OggS\0\x02\0\0\0\0\0\0\0\0\x01\0\0\0"),
        ("noise behind FLAC", b"fLaC\0\0\0\x22"),
        ("noise behind MP3", b"\xff\xfb\x90\x64"),
        ("noise behind tags", b"ID3\x04\0\0\x7f\x7f\x7f\x7f"),
        ("noise behind ADTS", b"\xff\xf1\x50\x80\x02\x1f\xfc"),
        (
            "noise behind MP4",
            &[mp4(16, b"ftyp", b"isom\0\0\0\0"), mp4(0, b"moov", b"")].concat(),
        ),
        (
            "noise behind WAV",
            b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\x01\0\x40\0\x80\xbb\0\0\0\0\0\0\x80\0\x10\0data\xff\xff\xff\xff",
        ),
    ] {
        let _ = endured(name, noise_behind(head, &noise));
    }
    let _ = endured("zeros", vec![0; LEN]);
    let _ = endured("zeros behind WebM", pieces_behind(EBML, &[0; 10]));
    let _ = endured("WebM in WebM", pieces_behind(EBML, EBML));
    let _ = endured(
        "boxes",
        pieces_behind(&mp4(16, b"ftyp", b"isom\0\0\0\0"), &mp4(8, b"free", b"")),
    );
    let _ = endured(
        "boxes in boxes",
        pieces_behind(
            &mp4(16, b"ftyp", b"isom\0\0\0\0"),
            &mp4(u32::MAX, b"moov", b""),
        ),
    );

    // Two bytes for 120 ms, thirteen days of them: cut to a day.
    let packet = b"\xa3\x86\x81\0\0\x80\xfb\x06";
    let bomb = pieces_behind(&[EBML, TRACK, CLUSTER].concat(), packet);
    assert_eq!(endured("hours in a few bytes", bomb), Ok(MAX_SAMPLES));
    // A hundred megabytes that one element claims, and a few that do.
    let claims = [EBML, &TRACK[..12], b"\x16\x54\xae\x6b\x01\0\0\x80\0\0\0\0"].concat();
    assert!(endured("a track of terabytes", noise_behind(&claims, &noise)).is_err());
}

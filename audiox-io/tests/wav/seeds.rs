//! The seeds of the WAV fuzz target, made here and checked in.
//!
//! `AUDIOX_WRITE_SEEDS=1 cargo test -p audiox-io --test wav seeds` writes them.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use audiox_core::format::SampleFormat;
use audiox_core::source::Sink;
use audiox_io::WavSink;

use super::support::{Wav, ds64, format};

#[test]
fn the_checked_in_seeds_are_the_ones_made_here() {
    let corpus = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/wav"));
    for (name, bytes) in written().into_iter().chain(read()) {
        let file = corpus.join(name);
        if std::env::var_os("AUDIOX_WRITE_SEEDS").is_some() {
            fs::create_dir_all(corpus).unwrap();
            fs::write(&file, &bytes).unwrap();
        }
        assert_eq!(
            fs::read(&file).unwrap_or_default(),
            bytes,
            "{}: to write the seeds set AUDIOX_WRITE_SEEDS=1",
            file.display()
        );
    }
}

/// What our own sink writes, closed and cut off.
fn written() -> Vec<(String, Vec<u8>)> {
    let mut seeds = Vec::new();
    for (sample, channels) in [
        (SampleFormat::U8, 1),
        (SampleFormat::S16, 2),
        (SampleFormat::S24, 3),
        (SampleFormat::S32, 1),
        (SampleFormat::F32, 2),
    ] {
        let mut file = Cursor::new(Vec::new());
        let mut sink = WavSink::new(&mut file, "seed", format(8_000, channels), sample).unwrap();
        let frame = sample.bytes() * usize::from(channels);
        let data: Vec<u8> = (0..frame * 5).map(|i| i as u8).collect();
        sink.write_native(&data).unwrap();
        sink.flush().unwrap();
        std::mem::forget(sink);
        let mut open = file.get_ref().clone();
        open.extend(&data);
        seeds.push((format!("ours-open-{sample:?}"), open));
        file.set_position(0);
        let mut sink = WavSink::new(&mut file, "seed", format(8_000, channels), sample).unwrap();
        sink.write_native(&data).unwrap();
        sink.finish().unwrap();
        seeds.push((format!("ours-closed-{sample:?}"), file.into_inner()));
    }
    seeds
}

/// What others write, well or badly.
fn read() -> Vec<(String, Vec<u8>)> {
    let data: Vec<u8> = (0..24).collect();
    let rf64 = |claimed| {
        Wav::new(b"RF64")
            .chunk(b"ds64", &ds64(claimed, &[(b"axml", 6)]))
            .fmt(1, 2, 48_000, 16)
            .lying(b"axml", u32::MAX, b"<xml/>")
            .lying(b"data", u32::MAX, &data)
    };
    let plain = |tag, bits| Wav::new(b"RIFF").fmt(tag, 1, 8_000, bits);
    [
        ("pcm-20-in-3", plain(1, 20).chunk(b"data", &data)),
        ("float-64", plain(3, 64).chunk(b"data", &data)),
        ("a-law", plain(6, 8).chunk(b"data", &data)),
        ("mu-law", plain(7, 8).chunk(b"data", &data)),
        ("mp3-tag", plain(0x55, 16).chunk(b"data", &data)),
        ("rf64", rf64(24)),
        ("rf64-lying", rf64(1 << 50)),
        (
            "odd-chunks",
            plain(1, 16)
                .chunk(b"LIST", b"INFO1")
                .chunk(b"data", &data[..7])
                .chunk(b"id3 ", b"x"),
        ),
        ("size-left-open", plain(1, 16).lying(b"data", 0, &data)),
        ("size-too-large", plain(1, 16).lying(b"data", 999, &data)),
        ("no-data", plain(1, 16)),
        (
            "fmt-behind-data",
            Wav::new(b"RIFF").chunk(b"data", &data).fmt(1, 1, 8_000, 16),
        ),
        (
            "fmt-cut",
            Wav::new(b"RIFF").lying(b"fmt ", 40, &[0xFE, 0xFF]),
        ),
        ("not-wave", Wav(b"ID3\x04\0\0\0\0\0\0\0\0\0".to_vec())),
    ]
    .map(|(name, wav)| (name.to_string(), wav.0))
    .into()
}

use std::num::NonZeroU64;

use audiox_core::convert::Gain;
use audiox_core::format::{Channels, PcmFormat, SampleRate, StreamFormat};
use audiox_core::source::{Source, SourceError};

use super::*;
use crate::raw::RawSource;
use crate::signal::{Colour, Signal};
use crate::wav::{WavSink, WavSource};

const STEREO: StreamFormat = StreamFormat::new(SampleRate::HZ_48000, Channels::STEREO);

/// A WAV file in memory of `frames` stereo frames that count: 0, 1, 2 …
fn wav(frames: u16) -> Box<dyn Source> {
    use audiox_core::format::SampleFormat;
    use audiox_core::source::Sink;
    let mut file = std::io::Cursor::new(Vec::new());
    let mut sink = WavSink::new(&mut file, "memory", STEREO, SampleFormat::S16).unwrap();
    sink.write_native(&counting(0..frames)).unwrap();
    sink.finish().unwrap();
    Box::new(WavSource::new(file, "memory").unwrap())
}

fn pipe(frames: u16) -> Box<dyn Source> {
    let bytes = std::io::Cursor::new(counting(0..frames));
    Box::new(RawSource::new(bytes, "pipe", PcmFormat::S16LE, STEREO))
}

fn counting(frames: impl Iterator<Item = u16>) -> Vec<u8> {
    frames
        .flat_map(|n| [n, n])
        .flat_map(u16::to_le_bytes)
        .collect()
}

/// The frames' numbers, read as stored bytes in odd pieces.
fn numbers(source: &mut dyn Source) -> Vec<u16> {
    let (mut got, mut out) = (Vec::new(), [0; 31]);
    loop {
        let n = source.read_native(&mut out).unwrap();
        if n == 0 {
            return got;
        }
        let frames = out[..n].chunks_exact(4);
        got.extend(frames.map(|f| u16::from_le_bytes([f[0], f[1]])));
    }
}

fn times(n: u64) -> Repeat {
    Repeat::Times(NonZeroU64::new(n).unwrap())
}

#[test]
fn a_loop_has_no_seam_and_counts_down() {
    let mut looped = Looped::new(wav(10), times(3)).unwrap();
    assert_eq!(looped.frames_left(), Some(30));
    let expected: Vec<u16> = (0..30).map(|n| n % 10).collect();
    assert_eq!(numbers(&mut looped), expected);
    assert_eq!(looped.frames_left(), Some(0));

    looped.seek(25).unwrap();
    assert_eq!(looped.frames_left(), Some(5));
    assert_eq!(numbers(&mut looped), expected[25..]);
    looped.seek(99).unwrap();
    assert_eq!(looped.frames_left(), Some(0));
    assert!(numbers(&mut looped).is_empty());

    // One read fills its whole buffer across several seams.
    let mut forever = Looped::new(wav(10), Repeat::Forever).unwrap();
    let mut out = vec![0.0; 2 * 1_000];
    assert_eq!(forever.read(&mut out).unwrap(), 1_000);
    assert_eq!(out[2 * 999], 9.0 / 32_768.0);
    assert_eq!(forever.frames_left(), None);
    forever.seek(u64::MAX).unwrap();
    assert_eq!(forever.read(&mut out).unwrap(), 1_000);
    assert_eq!(out[0], (u64::MAX % 10) as f32 / 32_768.0);
}

#[test]
fn a_pipe_is_refused_before_it_would_have_to_go_back() {
    let error = Looped::new(pipe(3), Repeat::Forever).unwrap_err();
    assert!(matches!(error, SourceError::Unsupported(_)), "{error}");
}

#[test]
fn nothing_looped_is_nothing() {
    let empty = Take::new(wav(5), 0);
    let mut looped = Looped::new(Box::new(empty), Repeat::Forever).unwrap();
    assert_eq!(looped.frames_left(), Some(0));
    assert_eq!(looped.read(&mut [0.0; 8]).unwrap(), 0);
}

#[test]
fn skipping_seeks_or_reads_away() {
    for source in [wav(6_000), pipe(6_000)] {
        let mut skipped = Skip::new(source, 5_000).unwrap();
        assert_eq!(numbers(&mut skipped), (5_000..6_000).collect::<Vec<u16>>());
    }
    let mut skipped = Skip::new(wav(10), 4).unwrap();
    assert_eq!(skipped.frames_left(), Some(6));
    skipped.seek(3).unwrap();
    assert_eq!(numbers(&mut skipped), [7, 8, 9]);
    for source in [wav(10), pipe(10)] {
        let mut beyond = Skip::new(source, 11).unwrap();
        assert_eq!(beyond.read(&mut [0.0; 8]).unwrap(), 0);
    }
}

#[test]
fn taking_limits_length_bytes_and_seeking() {
    let mut taken = Take::new(wav(10), 7);
    assert_eq!(taken.frames_left(), Some(7));
    assert_eq!(numbers(&mut taken), (0..7).collect::<Vec<u16>>());
    taken.seek(5).unwrap();
    assert_eq!(taken.frames_left(), Some(2));
    let mut out = [0.0; 20];
    assert_eq!(taken.read(&mut out).unwrap(), 2);
    taken.seek(9).unwrap();
    assert_eq!(taken.frames_left(), Some(0));
    assert_eq!(Take::new(wav(10), 70).frames_left(), Some(10));
    assert_eq!(
        Take::new(Box::new(Signal::silence(STEREO)), 70).frames_left(),
        Some(70)
    );
}

#[test]
fn gain_multiplies_and_only_unity_keeps_bytes() {
    let half = Gain::linear(0.5).unwrap();
    let mut soft = Amplified::new(wav(10), half);
    assert_eq!(soft.native(), None);
    assert!(soft.read_native(&mut [0; 4]).is_err());
    let mut out = [0.0; 40];
    assert_eq!(soft.read(&mut out).unwrap(), 10);
    assert_eq!(out[18], 4.5 / 32_768.0);
    assert_eq!(out[20], 0.0);
    let mut same = Amplified::new(wav(10), Gain::UNITY);
    assert_eq!(same.native(), Some(PcmFormat::S16LE));
    assert_eq!(numbers(&mut same), (0..10).collect::<Vec<u16>>());
}

#[test]
fn decorators_combine() {
    // Frames 2 to 5 of the file, three times over, of which the first eight frames.
    let part = Take::new(Box::new(Skip::new(wav(10), 2).unwrap()), 3);
    let looped = Looped::new(Box::new(part), times(3)).unwrap();
    let mut source = Take::new(Box::new(looped), 8);
    assert_eq!(source.frames_left(), Some(8));
    assert_eq!(numbers(&mut source), [2, 3, 4, 2, 3, 4, 2, 3]);
    let noise = Signal::noise(STEREO, Colour::White, 1, Gain::UNITY).unwrap();
    let mut noise = Looped::new(Box::new(noise.with_length(2)), times(2)).unwrap();
    assert!(noise.read_native(&mut [0; 8]).is_err());
    let mut out = [0.0; 8];
    assert_eq!(noise.read(&mut out).unwrap(), 4);
    assert_eq!(out[..4], out[4..]);
}

/// A 500 Hz tone's error against the formula, over `frames` from `first` on.
fn off_tone(out: &[f32], first: u64, rate: u32) -> f32 {
    let expected = |i: usize| {
        let t = (first + i as u64) as f64 / f64::from(rate);
        (std::f64::consts::TAU * 500.0 * t).sin() as f32
    };
    let pairs = out.iter().enumerate();
    pairs.fold(0.0, |most, (i, x)| most.max((x - expected(i)).abs()))
}

#[test]
fn another_rate_keeps_every_place_and_the_length() {
    for (from, to) in [
        (44_100, 48_000),
        (48_000, 8_000),
        (11_025, 12_000),
        (96_000, 44_100),
    ] {
        let format = StreamFormat::new(SampleRate::new(from).unwrap(), Channels::MONO);
        let tone = Signal::tone(format, 500.0, Gain::UNITY).unwrap();
        let tone = Take::new(Box::new(tone), u64::from(from) * 2 + 1);
        let rate = SampleRate::new(to).unwrap();
        let mut source = Resampled::new(Box::new(tone), rate).unwrap();
        assert_eq!(source.format().rate, rate);
        let length = (u64::from(from) * 2 + 1) * u64::from(to) / u64::from(from);
        assert_eq!(source.frames_left(), Some(length));
        let (mut all, mut piece) = (Vec::new(), [0.0; 997]);
        loop {
            match source.read(&mut piece).unwrap() {
                0 => break,
                n => all.extend_from_slice(&piece[..n]),
            }
        }
        assert_eq!(all.len() as u64, length);
        let edge = to as usize / 100;
        let heard = &all[edge..all.len() - edge];
        let off = off_tone(heard, edge as u64, to);
        assert!(off < 1e-4, "{from} to {to}: {off}");
        for frame in [0, 1, 12_345 % length, length / 2, length - 1] {
            source.seek(frame).unwrap();
            assert_eq!(source.frames_left(), Some(length - frame));
            let n = source.read(&mut piece).unwrap();
            assert!(
                n > 0 && piece[..n] == all[frame as usize..][..n],
                "{from} to {to}: {frame}"
            );
        }
        source.seek(length + 10).unwrap();
        assert_eq!(source.read(&mut piece).unwrap(), 0);
    }
}

#[test]
fn rates_too_far_apart_are_refused() {
    let rate = SampleRate::new(384_000).unwrap();
    let slow = StreamFormat::new(SampleRate::new(1_000).unwrap(), Channels::MONO);
    let tone = Signal::tone(slow, 5.0, Gain::UNITY).unwrap();
    assert_eq!(
        Resampled::new(Box::new(tone), rate).unwrap_err().field,
        "output rate"
    );
}

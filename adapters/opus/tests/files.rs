//! Ogg Opus files: encoded and decoded here, and exchanged with ffmpeg.
#![cfg(test)]

use std::f64::consts::TAU;
use std::io::Cursor;
use std::path::Path;
use std::process::{Command, Stdio};

use audiox_core::block::AudioRef;
use audiox_core::format::{Channels, SampleFormat, SampleRate, StreamFormat};
use audiox_core::source::{Sink, Source};
use audiox_io::ogg::{OpusEvent, OpusFileReader, OpusFileWriter, packet_ticks};
use audiox_io::{WavSink, WavSource};
use audiox_opus::{Bitrate, OpusConfig, OpusSink, OpusSource, packet};
use proptest::prelude::*;

fn format(rate: u32, channels: u16) -> StreamFormat {
    StreamFormat::new(
        SampleRate::new(rate).unwrap(),
        Channels::new(channels).unwrap(),
    )
}

/// A gliding tone, another one in each channel, so that neither place nor channel can be mistaken.
fn glide(format: StreamFormat, frames: usize) -> Vec<f32> {
    let rate = f64::from(format.rate.get());
    let mut samples = Vec::new();
    for i in 0..frames {
        let t = i as f64 / rate;
        for c in 0..format.channels.get() {
            let hz = 250.0 + 130.0 * c as f64 + 60.0 * t;
            samples.push((TAU * hz * t).sin() as f32 * 0.4);
        }
    }
    samples
}

fn config() -> OpusConfig {
    OpusConfig {
        bitrate: Bitrate::BitsPerSecond(256_000),
        ..OpusConfig::default()
    }
}

fn encoded(format: StreamFormat, samples: &[f32]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut config = config();
    if format.channels.get() > 2 {
        config.bitrate = Bitrate::BitsPerSecond(128_000 * format.channels.get() as u32);
    }
    let mut sink = OpusSink::new(&mut bytes, "memory", format, &config).unwrap();
    for piece in samples.chunks(777 * format.channels.get()) {
        sink.write(AudioRef::new(piece, format.channels)).unwrap();
    }
    sink.finish().unwrap();
    bytes
}

fn open(bytes: Vec<u8>) -> OpusSource<OpusFileReader<Cursor<Vec<u8>>>> {
    OpusSource::new(OpusFileReader::new(Cursor::new(bytes), "memory").unwrap()).unwrap()
}

fn rest(source: &mut dyn Source) -> Vec<f32> {
    let channels = source.format().channels.get();
    let mut piece = vec![0.0; 1_021 * channels];
    let mut all = Vec::new();
    loop {
        match source.read(&mut piece).unwrap() {
            0 => return all,
            n => all.extend_from_slice(&piece[..n * channels]),
        }
    }
}

/// The same without the channel of 5.1 that holds nothing but the lowest tones.
fn full_range(samples: &[f32], channels: u16) -> Vec<f32> {
    let keeps = |i: &usize| channels != 6 || i % 6 != 3;
    let kept = (0..samples.len()).filter(keeps).map(|i| samples[i]);
    kept.collect()
}

/// Signal against difference, in decibels.
fn snr(signal: &[f32], other: &[f32]) -> f64 {
    assert_eq!(signal.len(), other.len());
    let square = |x: f32| f64::from(x) * f64::from(x);
    let noise: f64 = signal.iter().zip(other).map(|(a, b)| square(a - b)).sum();
    let loud: f64 = signal.iter().map(|a| square(*a)).sum();
    10.0 * (loud / noise.max(1e-20)).log10()
}

fn run(program: &str, args: &[&str]) -> Vec<u8> {
    let output = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|e| {
            panic!("{program}: {e}; it comes with ffmpeg: scripts/bootstrap.sh test")
        });
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.is_empty(),
        "{program}: {said}"
    );
    output.stdout
}

fn decoded_by_ffmpeg(path: &Path) -> Vec<f32> {
    let path = path.to_str().unwrap();
    // By the library that we use too, so that only the container can differ.
    let decode = ["-v", "error", "-c:a", "libopus", "-i", path];
    let raw = ["-f", "f32le", "-c:a", "pcm_f32le", "-"];
    let bytes = run("ffmpeg", &[&decode[..], &raw].concat());
    let samples = bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b));
    samples.collect()
}

#[test]
fn what_is_written_is_read_in_its_place_and_length() {
    for (rate, channels, frames) in [
        (48_000, 1, 48_000),
        (48_000, 2, 100_001),
        (16_000, 1, 16_003),
        (44_100, 2, 88_201),
        (8_000, 1, 961),
        (96_000, 2, 50_000),
        (48_000, 6, 48_000),
        (48_000, 10, 30_000),
        (48_000, 1, 1),
    ] {
        let from = format(rate, channels);
        let bytes = encoded(from, &glide(from, frames));
        let mut source = open(bytes);
        let length = frames as u64 * 48_000 / u64::from(rate);
        assert_eq!(source.format(), format(48_000, channels));
        // At other rates what is left over of a frame is lost.
        let told = source.frames();
        assert!(
            told <= length && told + 48_000 / u64::from(rate).min(48_000) >= length,
            "{rate} {told} {length}"
        );
        assert_eq!(source.notices(), [""; 0]);
        let got = rest(&mut source);
        assert_eq!(got.len() as u64, told * u64::from(channels));
        let expected = full_range(&glide(format(48_000, channels), told as usize), channels);
        let got = full_range(&got, channels);
        let edge = 480 * usize::from(channels);
        if got.len() > 4 * edge {
            let quality = snr(
                &expected[edge..got.len() - edge],
                &got[edge..got.len() - edge],
            );
            assert!(quality > 18.0, "{rate} {channels}: {quality} dB");
        }
    }
}

#[test]
fn ffmpeg_reads_what_is_written_here_as_it_is_read_here() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.opus");
    for (rate, channels) in [(48_000, 1), (44_100, 2), (48_000, 6)] {
        let from = format(rate, channels);
        std::fs::write(&path, encoded(from, &glide(from, rate as usize))).unwrap();
        let theirs = decoded_by_ffmpeg(&path);
        let ours = rest(&mut OpusSource::open(&path).unwrap());
        let quality = snr(&ours, &theirs);
        // It decodes to 16 bits.
        assert!(quality > 60.0, "{rate} {channels}: {quality} dB");
        let entries = [
            "-v",
            "error",
            "-of",
            "csv=p=0",
            "-show_entries",
            "stream=codec_name,sample_rate,channels",
        ];
        let shown = run(
            "ffprobe",
            &[&entries[..], &[path.to_str().unwrap()]].concat(),
        );
        let shown = String::from_utf8(shown).unwrap();
        assert_eq!(shown.trim(), format!("opus,48000,{channels}"));
    }
}

#[test]
fn what_ffmpeg_writes_is_read_as_ffmpeg_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    let (wav, path) = (folder.path().join("a.wav"), folder.path().join("a.opus"));
    for (channels, args) in [
        (1, &["-b:a", "64k"][..]),
        (2, &["-b:a", "160k", "-frame_duration", "2.5"]),
        (
            2,
            &[
                "-b:a",
                "24k",
                "-application",
                "voip",
                "-frame_duration",
                "60",
            ],
        ),
        (6, &["-b:a", "400k", "-mapping_family", "1"]),
        (10, &["-b:a", "900k", "-mapping_family", "255"]),
    ] {
        let from = format(48_000, channels);
        let samples = glide(from, 100_003);
        let mut sink = WavSink::create(&wav, from, SampleFormat::S16).unwrap();
        sink.write(AudioRef::new(&samples, from.channels)).unwrap();
        sink.finish().unwrap();
        let encode = [
            "-v",
            "error",
            "-y",
            "-i",
            wav.to_str().unwrap(),
            "-c:a",
            "libopus",
        ];
        run(
            "ffmpeg",
            &[&encode[..], args, &[path.to_str().unwrap()]].concat(),
        );
        let theirs = decoded_by_ffmpeg(&path);
        let mut source = OpusSource::open(&path).unwrap();
        assert_eq!(source.frames(), 100_003, "{args:?}");
        let ours = rest(&mut source);
        assert_eq!(ours.len(), samples.len());
        let quality = snr(&ours, &theirs[..ours.len().min(theirs.len())]);
        assert!(quality > 60.0, "{channels} {args:?}: {quality} dB");
        let whole = |samples| full_range(samples, channels)[4_800..].to_vec();
        let same_place = snr(&whole(&samples), &whole(&ours));
        assert!(
            channels == 1 || same_place > 10.0 || args[1] == "24k",
            "{args:?}: {same_place} dB"
        );

        for frame in [50_000, 0, 99_999, 1] {
            source.seek(frame).unwrap();
            let mut some = vec![0.0; 2_000 * from.channels.get()];
            let n = source.read(&mut some).unwrap() * from.channels.get();
            let at = frame as usize * from.channels.get();
            let quality = snr(&ours[at..at + n], &some[..n]);
            assert!(n > 0 && quality > 15.0, "{args:?}: {frame}: {quality}");
        }
        // The packets' durations are those that the codec's own parser finds.
        let mut reader = OpusFileReader::open(&path).unwrap();
        if channels <= 2 {
            while let Some(OpusEvent::Packet { data, ticks, .. }) = reader.next_event().unwrap() {
                assert_eq!(
                    packet::OpusPacket::parse(&data).unwrap().ticks(),
                    ticks as usize
                );
            }
        }
    }
}

#[test]
fn gain_holes_and_chains_are_heard_as_they_are_said() {
    let mono = format(48_000, 1);
    let samples = glide(mono, 48_000);
    let bytes = encoded(mono, &samples);
    let plain = rest(&mut open(bytes.clone()));

    // The same packets with half the level, and half a second missing in the middle.
    let mut reader = OpusFileReader::new(Cursor::new(bytes), "memory").unwrap();
    let mut head = reader.head().clone();
    head.gain = -1_541;
    let mut copy = Vec::new();
    let mut writer = OpusFileWriter::new(&mut copy, "copy", &head, 3).unwrap();
    let mut written = 0;
    while let Some(OpusEvent::Packet { data, ticks, .. }) = reader.next_event().unwrap() {
        match written {
            14_400..38_400 => writer.gap(u64::from(ticks)).unwrap(),
            _ => writer.write(&data).unwrap(),
        }
        written += u64::from(ticks);
    }
    writer.finish((written - 312 - 48_000) as u32).unwrap();
    let quieter = rest(&mut open(copy.clone()));
    assert_eq!(quieter.len(), 48_000);
    let doubled: Vec<f32> = quieter.iter().map(|s| s * 2.0).collect();
    assert!(snr(&plain[..14_000], &doubled[..14_000]) > 50.0);
    assert!(snr(&plain[42_000..], &doubled[42_000..]) > 20.0);
    // What is concealed goes on at first and is gone before the end.
    let level = |s: &[f32]| s.iter().fold(0.0f32, |m, x| m.max(x.abs()));
    assert!(level(&quieter[14_200..15_000]) > 0.1);
    let late = level(&quieter[35_000..37_000]);
    assert!(late < 0.05, "{late}");

    let mut both = open([copy, encoded(mono, &samples)].concat());
    assert_eq!(both.frames(), 96_000);
    let all = rest(&mut both);
    assert!(all[..48_000] == quieter && all[48_000..] == plain);
}

#[test]
fn a_file_is_as_good_as_its_bitrate_allows() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../assets/speech.wav");
    let mut wav = WavSource::open(path).unwrap();
    let format = wav.format();
    let samples = rest(&mut wav);
    let mut bytes = Vec::new();
    let mut sink = OpusSink::new(&mut bytes, "memory", format, &OpusConfig::default()).unwrap();
    sink.write(AudioRef::new(&samples, format.channels))
        .unwrap();
    drop(sink);
    let seconds = format
        .rate
        .duration_of((samples.len() / format.channels.get()) as u64);
    let rate = bytes.len() as f64 * 8.0 / seconds.as_secs_f64();
    // 51 kbit/s and the container.
    assert!((20_000.0..56_000.0).contains(&rate), "{rate} bit/s");
    let frames = (samples.len() / format.channels.get()) as u64;
    let expected = frames * 48_000 / u64::from(format.rate.get());
    assert_eq!(open(bytes).frames(), expected);
}

#[test]
fn what_opus_does_not_have_is_refused_by_name() {
    let many = OpusSink::new(Vec::new(), "a.opus", format(48_000, 256), &config()).unwrap_err();
    assert!(many.to_string().starts_with("a.opus: "), "{many}");
}

proptest! {
    #[test]
    fn durations_agree_with_the_codecs_parser(bytes in prop::collection::vec(any::<u8>(), 1..60)) {
        if let Ok(packet) = packet::OpusPacket::parse(&bytes) {
            prop_assert_eq!(packet_ticks(&bytes), Some(packet.ticks() as u32));
        }
    }

    #[test]
    fn damaged_files_are_read_to_the_length_they_say(
        changes in prop::collection::vec((0.0f64..1.0, any::<u8>()), 1..30), cut in 0.2f64..1.2,
    ) {
        let stereo = format(48_000, 2);
        let mut bytes = encoded(stereo, &glide(stereo, 24_000));
        for (at, byte) in changes {
            let at = (at * bytes.len() as f64) as usize;
            bytes[at] = byte;
        }
        bytes.truncate((cut * bytes.len() as f64) as usize);
        if let Ok(reader) = OpusFileReader::new(Cursor::new(bytes), "memory") {
            let mut source = OpusSource::new(reader).unwrap();
            let frames = source.frames();
            let all = rest(&mut source);
            prop_assert_eq!(all.len() as u64, frames * source.format().channels.get() as u64);
            prop_assert!(all.iter().all(|s| s.is_finite()));
        }
    }
}

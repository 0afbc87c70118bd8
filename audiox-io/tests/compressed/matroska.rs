//! Vorbis, FLAC, MP3, AAC and PCM in Matroska and WebM.

use audiox_core::format::SampleFormat;
use audiox_core::source::Source;
use audiox_io::{CompressedSource, FileKind};
use bytes::Bytes;

use crate::support::{Made, decoded_by_ffmpeg, rest, snr};

const LOSSLESS: [(&str, &[&str], SampleFormat); 8] = [
    ("s16.mka", &["-c:a", "pcm_s16le"], SampleFormat::S16),
    ("be.mka", &["-c:a", "pcm_s16be"], SampleFormat::S16),
    ("s24.mka", &["-c:a", "pcm_s24le"], SampleFormat::S24),
    ("s32.mka", &["-c:a", "pcm_s32le"], SampleFormat::S32),
    ("f32.mka", &["-c:a", "pcm_f32le"], SampleFormat::F32),
    ("f64.mka", &["-c:a", "pcm_f64le"], SampleFormat::F32),
    ("u8.mka", &["-c:a", "pcm_u8"], SampleFormat::S16),
    (
        "flac.mka",
        &["-c:a", "flac", "-sample_fmt", "s16"],
        SampleFormat::S16,
    ),
];

const LOSSY: [(&str, &[&str], usize); 4] = [
    ("vorbis.webm", &["-c:a", "libvorbis", "-q:a", "6"], 0),
    (
        "live.webm",
        &["-c:a", "libvorbis", "-q:a", "6", "-live", "1"],
        0,
    ),
    ("mp3.mka", &["-c:a", "libmp3lame", "-b:a", "192k"], 1_105),
    ("aac.mka", &["-c:a", "aac", "-b:a", "192k"], 1_024),
];

#[test]
fn samples_come_out_bit_for_bit() {
    for channels in [1, 2] {
        let made = Made::new(44_100, channels, 60_001);
        for (file, args, sample) in LOSSLESS {
            let path = made.file(file, args);
            assert_eq!(FileKind::of_file(&path).unwrap(), FileKind::Matroska);
            let mut source = CompressedSource::open(&path).unwrap();
            assert_eq!(
                (source.format(), source.sample()),
                (made.format, sample),
                "{file}"
            );
            assert_eq!(source.frames_left(), Some(60_001), "{file}");
            assert_eq!(source.notices(), [""; 0]);
            let all = rest(&mut source);
            assert!(all == decoded_by_ffmpeg(&path), "{file}");
            for frame in [0, 1, 31_337, 44_100, 60_000] {
                source.seek(frame).unwrap();
                let got = rest(&mut source);
                assert!(
                    got == all[frame as usize * usize::from(channels)..],
                    "{file}: {frame}"
                );
            }
        }
    }
}

#[test]
fn what_was_coded_with_loss_has_its_length_place_and_quality() {
    let made = Made::new(44_100, 2, 200_000);
    for (file, args, delay) in LOSSY {
        let path = made.file(file, args);
        let mut source = CompressedSource::open(&path).unwrap();
        assert_eq!(
            (source.format(), source.sample()),
            (made.format, SampleFormat::F32),
            "{file}"
        );
        let told = source.frames_left().unwrap();
        let all = rest(&mut source);
        assert_eq!(told, all.len() as u64 / 2, "{file}");
        // What Matroska does not tell of these encoders' silence, nobody knows.
        let extra = told as i64 - 200_000;
        assert!((-1_000..4_000).contains(&extra), "{file}: {told}");
        let found = [0, delay]
            .map(|d| snr(&made.samples[..380_000], &all[2 * d..]))
            .into_iter()
            .fold(f64::MIN, f64::max);
        assert!(found > 25.0, "{file}: {found} dB");
        for frame in [0, 1_000, 99_999, 150_000] {
            source.seek(frame).unwrap();
            let mut some = vec![0.0; 4_000];
            let n = source.read(&mut some).unwrap();
            let expected = &all[frame as usize * 2..][..n * 2];
            let apart = expected.iter().zip(&some[..n * 2]);
            let apart = apart.fold(0.0f32, |most, (a, b)| most.max((a - b).abs()));
            assert!(n > 0 && apart < 1e-4, "{file}: {frame}: {apart}");
        }
    }
}

#[test]
fn what_was_cut_is_read_as_far_as_it_goes_and_says_so() {
    let made = Made::new(44_100, 1, 132_300);
    for (file, args) in [
        ("a.mka", &["-c:a", "pcm_s16le"][..]),
        ("a.webm", &["-c:a", "libvorbis"]),
        ("flac.mka", &["-c:a", "flac"]),
    ] {
        let bytes = std::fs::read(made.file(file, args)).unwrap();
        for part in [0.5, 0.71, 0.93] {
            let len = (bytes.len() as f64 * part) as usize;
            let cut = Bytes::copy_from_slice(&bytes[..len]);
            let mut source = CompressedSource::counted(cut, file).unwrap();
            let told = source.frames_left().unwrap();
            let all = rest(&mut source);
            assert_eq!(told, all.len() as u64, "{file} {part}");
            assert!(
                source.notices().iter().any(|n| n.contains("cut")),
                "{file}: {:?}",
                source.notices()
            );
            let share = told as f64 / 132_300.0;
            assert!((share - part).abs() < 0.2, "{file}: {part}: {share}");
            let whole = all.len().saturating_sub(4_000);
            let quality = snr(&made.samples[..whole], &all[..whole]);
            assert!(quality > 20.0, "{file}: {quality}");
        }
    }
}

//! Sound files: length, place, quality and seeking.

use audiox_core::format::SampleFormat;
use audiox_core::source::{Source, SourceError};
use audiox_io::{CompressedSource, FileKind};

use crate::support::{LOSSY, Made, decoded_by_ffmpeg, rest, snr};

#[test]
fn flac_is_read_bit_for_bit() {
    for (sample_fmt, bits, channels) in [("s16", "16", 1), ("s32", "24", 2), ("s16", "16", 6)] {
        let made = Made::new(44_100, channels, 60_001);
        let args = [
            "-c:a",
            "flac",
            "-sample_fmt",
            sample_fmt,
            "-bits_per_raw_sample",
            bits,
        ];
        for file in ["a.flac", "flac.ogg"] {
            let path = made.file(file, &args);
            let mut source = CompressedSource::open(&path).unwrap();
            assert_eq!(source.format(), made.format);
            assert_eq!(source.frames_left(), Some(60_001), "{file}");
            assert_eq!(source.notices(), [""; 0]);
            assert_eq!(source.sample().bits().to_string(), bits);
            let got = rest(&mut source);
            assert!(got == decoded_by_ffmpeg(&path), "{file} {bits} {channels}");
            assert_eq!(source.frames_left(), Some(0));

            // The stored samples are those.
            source.seek(100).unwrap();
            let pcm = source.native().unwrap();
            let mut bytes = vec![0; 1_000 * pcm.frame_bytes(made.format.channels)];
            assert_eq!(source.read_native(&mut bytes).unwrap(), bytes.len());
            let mut again = vec![0.0; 1_000 * made.format.channels.get()];
            audiox_core::convert::decode(pcm, &bytes, &mut again);
            assert_eq!(
                again,
                got[100 * made.format.channels.get()..][..again.len()]
            );
        }
    }
}

#[test]
fn flac_whose_header_tells_no_length_is_read_to_its_end() {
    let made = Made::new(44_100, 2, 60_001);
    let path = made.file("a.flac", &["-c:a", "flac"]);
    let mut bytes = std::fs::read(path).unwrap();
    // The last 36 bits before the checksum of 16 bytes: what an encoder that wrote into a pipe
    // leaves empty.
    bytes[21] &= 0xf0;
    bytes[22..26].fill(0);
    let mut source = CompressedSource::from_bytes(bytes, "pipe.flac").unwrap();
    assert_eq!(source.frames_left(), Some(60_001));
    assert_eq!(rest(&mut source).len(), 2 * 60_001);
}

#[test]
fn streams_chained_in_one_ogg_file_are_refused_instead_of_left_out() {
    let made = Made::new(44_100, 1, 30_000);
    for (file, codec) in [("a.ogg", "libvorbis"), ("flac.ogg", "flac")] {
        let one = std::fs::read(made.file(file, &["-c:a", codec])).unwrap();
        assert!(CompressedSource::from_bytes(one.clone(), file).is_ok());
        let refused = CompressedSource::from_bytes([&one[..], &one].concat(), file);
        let text = refused.err().map(|e| e.to_string()).unwrap_or_default();
        assert!(text.contains("chained") && text.contains("split"), "{text}");
    }
}

#[test]
fn compressed_audio_has_its_length_place_and_quality() {
    for (rate, channels, frames) in [
        (44_100, 2, 100_000),
        (48_000, 1, 48_000),
        (22_050, 1, 30_011),
    ] {
        let made = Made::new(rate, channels, frames);
        for kind in &LOSSY {
            let path = made.file(kind.file, kind.args);
            let mut source = CompressedSource::open(&path).unwrap();
            let name = format!("{} {rate} {channels}", kind.file);
            assert_eq!(source.format(), made.format, "{name}");
            assert_eq!(
                (source.native(), source.sample()),
                (None, SampleFormat::F32)
            );
            assert_eq!(source.notices(), [""; 0], "{name}");
            let told = source.frames_left();
            let got = rest(&mut source);
            let got_frames = got.len() / usize::from(channels);
            assert_eq!(told, Some(got_frames as u64), "{name}");
            if kind.aligned {
                assert_eq!(got_frames, frames, "{name}");
                let quality = snr(&made.samples, &got);
                assert!(quality > 25.0, "{name}: {quality} dB");
            } else {
                // ADTS tells no delay: a block of it comes first.
                let delay = 1_024;
                assert!(
                    (frames + delay..frames + 3 * delay).contains(&got_frames),
                    "{name} {got_frames}"
                );
                let quality = snr(&made.samples, &got[delay * usize::from(channels)..]);
                assert!(quality > 25.0, "{name}: {quality} dB");
            }
        }
    }
}

#[test]
fn any_place_is_found_again() {
    let made = Made::new(44_100, 2, 200_000);
    let flac = made.file("a.flac", &["-c:a", "flac"]);
    let lossy = LOSSY.iter().map(|kind| made.file(kind.file, kind.args));
    for path in lossy.chain([flac]) {
        let mut source = CompressedSource::open(&path).unwrap();
        let all = rest(&mut source);
        let last = source.frames() - 1;
        for frame in [0, 1, 1_000, 99_999, 31_337, last, 150_000, 0] {
            source.seek(frame).unwrap();
            assert_eq!(source.frames_left(), Some(source.frames() - frame));
            let mut some = vec![0.0; 4_000];
            let n = source.read(&mut some).unwrap();
            let expected = &all[frame as usize * 2..][..n * 2];
            let apart = expected.iter().zip(&some[..n * 2]);
            let apart = apart.fold(0.0f32, |most, (a, b)| most.max((a - b).abs()));
            assert!(
                n > 0 && apart < 1e-4,
                "{}: {frame}: {apart}",
                path.display()
            );
        }
        source.seek(u64::MAX).unwrap();
        assert_eq!(
            (source.frames_left(), source.read(&mut [0.0; 8]).unwrap()),
            (Some(0), 0)
        );
        source.seek(0).unwrap();
        let again = rest(&mut source);
        assert!(again == all, "{}", path.display());
    }
}

#[test]
fn the_content_decides_and_the_name_does_not() {
    let made = Made::new(48_000, 1, 9_600);
    for (file, args, kind) in [
        (
            "flac.mp3",
            &["-c:a", "flac", "-f", "flac"][..],
            FileKind::Flac,
        ),
        (
            "mp3.wav",
            &["-c:a", "libmp3lame", "-f", "mp3"],
            FileKind::Mp3,
        ),
        (
            "vorbis.aac",
            &["-c:a", "libvorbis", "-f", "ogg"],
            FileKind::OggVorbis,
        ),
        ("adts.flac", &["-c:a", "aac", "-f", "adts"], FileKind::Aac),
        ("mp4", &["-c:a", "aac", "-f", "ipod"], FileKind::Mp4),
    ] {
        let path = made.file(file, args);
        assert_eq!(FileKind::of_file(&path).unwrap(), kind, "{file}");
        let source = CompressedSource::open(&path).unwrap();
        assert_eq!(source.kind(), kind);
        assert!(source.frames() >= 9_600, "{file}");
    }
    let opus = made.file("a.opus", &["-c:a", "opus", "-strict", "-2"]);
    assert_eq!(FileKind::of_file(&opus).unwrap(), FileKind::OggOpus);
    let refused = CompressedSource::open(&opus).unwrap_err();
    assert!(matches!(refused, SourceError::Unsupported(_)), "{refused}");
    assert!(refused.to_string().contains("Ogg Opus"), "{refused}");
}

#[test]
fn codings_that_are_not_read_are_named() {
    let made = Made::new(48_000, 1, 9_600);
    for (file, args, part) in [
        ("a.m4a", &["-c:a", "alac"][..], "MP4"),
        ("a.aiff", &["-c:a", "pcm_s16be"], "AIFF"),
        ("a.webm", &["-c:a", "opus", "-strict", "-2"], "WebM"),
    ] {
        let path = made.file(file, args);
        let refused = CompressedSource::open(&path).unwrap_err();
        let text = refused.to_string();
        assert!(matches!(refused, SourceError::Unsupported(_)), "{text}");
        assert!(
            text.contains(part) && text.contains(file) && !text.contains('\n'),
            "{text}"
        );
    }
}

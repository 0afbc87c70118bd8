//! Recordings in memory, made by ffmpeg and by a browser: told by their content, heard as they are.
#![cfg(test)]
#![cfg(feature = "opus")]

use std::io::Read;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::Command;

use audiox::core::source::{Source, SourceError};
use audiox::io::analysis::{Analyser, Analysis, scan};
use audiox::io::{FileKind, WavBytes, WavSource};
use audiox::sound::{Headers, PcmWish, Sound, open};
use bytes::Bytes;
use tempfile::TempDir;

fn ffmpeg(args: &[&str]) -> Vec<u8> {
    let output = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-y"])
        .args(args)
        .output();
    let output =
        output.unwrap_or_else(|e| panic!("ffmpeg: {e}; install it by scripts/bootstrap.sh test"));
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ffmpeg {args:?}: {complaints}");
    output.stderr
}

/// `seconds` of a tone of 440 Hz at −18 dBFS, as ffmpeg makes it with `args`.
fn tone(folder: &TempDir, seconds: u32, file: &str, args: &[&str]) -> Bytes {
    let path = folder.path().join(file);
    let signal = format!("sine=frequency=440:sample_rate=48000:duration={seconds}");
    let all = [
        &["-f", "lavfi", "-i", &signal][..],
        args,
        &[path.to_str().unwrap()],
    ]
    .concat();
    ffmpeg(&all);
    std::fs::read(path).unwrap().into()
}

fn opened(bytes: &Bytes) -> Sound {
    open(bytes.clone(), &PcmWish::default()).unwrap()
}

fn samples(source: &mut dyn Source) -> Vec<f32> {
    let mut all = Vec::new();
    scan(source, |block| {
        all.extend_from_slice(block.samples());
        ControlFlow::Continue(())
    })
    .unwrap();
    all
}

/// The pitch by zero crossings, in Hz.
fn pitch(samples: &[f32], rate: u32) -> f64 {
    let rises: Vec<usize> = (1..samples.len())
        .filter(|i| samples[i - 1] < 0.0 && samples[*i] >= 0.0)
        .collect();
    let (first, last) = (rises[0], rises[rises.len() - 1]);
    (rises.len() - 1) as f64 * f64::from(rate) / (last - first) as f64
}

fn analyse(bytes: &Bytes) -> Analysis {
    let mut sound = opened(bytes);
    let mut analyser = Analyser::new(sound.source.format(), sound.sample);
    scan(&mut *sound.source, |block| {
        analyser.push(block);
        ControlFlow::Continue(())
    })
    .unwrap();
    analyser.finish()
}

const FRAGMENTS: [&str; 4] = [
    "-movflags",
    "frag_keyframe+empty_moov+default_base_moof",
    "-frag_duration",
    "500000",
];

#[test]
fn every_kind_is_told_and_has_its_length_and_pitch() {
    let folder = tempfile::tempdir().unwrap();
    let fragments = |codec: &[&'static str]| [codec, &FRAGMENTS].concat();
    let opus = ["-c:a", "libopus", "-b:a", "48k"];
    for (file, args, kind, codec, slack) in [
        ("a.wav", vec![], FileKind::Wav, "signed 16-bit PCM", 0),
        ("a.flac", vec![], FileKind::Flac, "FLAC", 0),
        ("a.mp3", vec![], FileKind::Mp3, "MP3", 0),
        (
            "v.ogg",
            vec!["-c:a", "libvorbis"],
            FileKind::OggVorbis,
            "Vorbis",
            0,
        ),
        ("f.oga", vec!["-c:a", "flac"], FileKind::OggFlac, "FLAC", 0),
        ("o.opus", opus.to_vec(), FileKind::OggOpus, "Opus", 0),
        ("a.m4a", vec!["-c:a", "aac"], FileKind::Mp4, "AAC", 0),
        (
            "f.mp4",
            fragments(&["-c:a", "aac"]),
            FileKind::Mp4,
            "AAC",
            2_100,
        ),
        (
            "o.mp4",
            fragments(&["-c:a", "libopus", "-strict", "-2"]),
            FileKind::Mp4,
            "Opus",
            960,
        ),
        ("a.aac", vec!["-c:a", "aac"], FileKind::Aac, "AAC", 3_100),
        ("o.webm", opus.to_vec(), FileKind::WebM, "Opus", 0),
        (
            "l.webm",
            [&opus[..], &["-live", "1"]].concat(),
            FileKind::WebM,
            "Opus",
            0,
        ),
        (
            "v.webm",
            vec!["-c:a", "libvorbis"],
            FileKind::WebM,
            "Vorbis",
            1_100,
        ),
        (
            "p.mka",
            vec!["-c:a", "pcm_s24le"],
            FileKind::Matroska,
            "",
            0,
        ),
        (
            "f.mka",
            vec!["-c:a", "pcm_f32le"],
            FileKind::Matroska,
            "",
            0,
        ),
    ] {
        let bytes = tone(&folder, 3, file, &args);
        let mut sound = opened(&bytes);
        assert_eq!(sound.kind, kind, "{file}");
        assert!(sound.codec.contains(codec), "{file}: {}", sound.codec);
        assert!(
            sound.guess.is_none() && sound.notices.is_empty(),
            "{file}: {:?}",
            sound.notices
        );
        let frames = sound.source.frames_left().unwrap();
        assert!(frames.abs_diff(144_000) <= slack, "{file}: {frames}");
        let all = samples(&mut *sound.source);
        assert_eq!(all.len() as u64, frames, "{file}");
        let hz = pitch(&all[4_800..140_000], 48_000);
        assert!((hz - 440.0).abs() < 0.5, "{file}: {hz}");
        // And cut: it plays as far as it goes.
        let cut = bytes.slice(..bytes.len() * 2 / 3);
        match open(cut, &PcmWish::default()) {
            Ok(mut sound) => {
                let frames = sound.source.frames_left().unwrap();
                // Ogg goes as far as its last whole page, of up to a second.
                assert!((40_000..120_000).contains(&frames), "{file}: {frames}");
                let all = samples(&mut *sound.source);
                assert_eq!(all.len() as u64, frames, "{file}");
                let hz = pitch(&all[4_800..38_000], 48_000);
                assert!((hz - 440.0).abs() < 1.0, "{file}: {hz}");
            }
            Err(e) => assert!(
                file == "a.m4a" && e.to_string().contains("moov"),
                "{file}: {e}"
            ),
        }
    }
}

#[test]
fn webm_is_heard_just_as_ogg_with_the_same_packets() {
    let folder = tempfile::tempdir().unwrap();
    tone(&folder, 5, "a.ogg", &["-c:a", "libopus", "-ac", "2"]);
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    ffmpeg(&["-i", &path("a.ogg"), "-c", "copy", &path("a.webm")]);
    let read = |name: &str| Bytes::from(std::fs::read(path(name)).unwrap());
    let mut ogg = opened(&read("a.ogg"));
    let mut webm = opened(&read("a.webm"));
    assert_eq!(ogg.source.frames_left(), Some(240_000));
    let (expected, got) = (samples(&mut *ogg.source), samples(&mut *webm.source));
    // Matroska tells the end in nanoseconds; all before is bit for bit the same.
    assert!(
        got.len().abs_diff(expected.len()) <= 4,
        "{} {}",
        got.len(),
        expected.len()
    );
    let len = got.len().min(expected.len());
    assert!(got[..len] == expected[..len]);
    for frame in [0, 1, 100_000, 239_000] {
        webm.source.seek(frame).unwrap();
        ogg.source.seek(frame).unwrap();
        let (a, b) = (samples(&mut *ogg.source), samples(&mut *webm.source));
        let apart = a
            .iter()
            .zip(&b)
            .fold(0.0f32, |m, (a, b)| m.max((a - b).abs()));
        assert!(apart < 1e-6, "{frame}: {apart}");
    }
}

#[test]
fn a_browsers_recording_is_heard_at_its_pitch() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings/chromium.webm");
    let bytes = Bytes::from(std::fs::read(path).unwrap());
    let mut sound = opened(&bytes);
    assert_eq!((sound.kind, sound.codec.as_str()), (FileKind::WebM, "Opus"));
    let frames = sound.source.frames_left().unwrap();
    assert!((80_000..140_000).contains(&frames), "{frames}");
    let all = samples(&mut *sound.source);
    let channels = sound.source.format().channels.get();
    assert_eq!(all.len() as u64, frames * channels as u64);
    let mono: Vec<f32> = all.chunks_exact(channels).map(|f| f[0]).collect();
    let hz = pitch(&mono[20_000..70_000], 48_000);
    assert!((hz - 440.0).abs() < 1.0, "{hz}");
}

#[test]
fn a_download_is_a_true_wav_file() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = tone(&folder, 3, "a.webm", &["-c:a", "libopus"]);
    let sound = opened(&bytes);
    let mut wav = WavBytes::new(sound.source, sound.sample).unwrap();
    let mut file = Vec::new();
    wav.read_to_end(&mut file).unwrap();
    assert_eq!((file.len() as u64, wav.notice()), (wav.file_len(), None));
    let mut read = WavSource::new(std::io::Cursor::new(file), "it").unwrap();
    assert_eq!((read.frames(), read.format().rate.get()), (144_000, 48_000));
    assert!(read.notices().is_empty());
    let hz = pitch(&samples(&mut read)[4_800..140_000], 48_000);
    assert!((hz - 440.0).abs() < 0.2, "{hz}");
}

#[test]
fn loudness_is_that_of_ffmpeg() {
    let folder = tempfile::tempdir().unwrap();
    let speech = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/speech.wav");
    tone(&folder, 20, "tone.wav", &["-ac", "2"]);
    tone(
        &folder,
        12,
        "steps.wav",
        &["-af", "volume='0.1+0.9*mod(floor(t),3)/2':eval=frame"],
    );
    let of = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    for path in [speech.to_owned(), of("tone.wav"), of("steps.wav")] {
        let output = Command::new("ffmpeg")
            .args(["-nostdin", "-i", &path, "-af", "ebur128", "-f", "null", "-"])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let line = said
            .lines()
            .rev()
            .find(|l| l.trim().starts_with("I:"))
            .unwrap();
        let theirs: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        let ours = analyse(&std::fs::read(&path).unwrap().into())
            .loudness
            .unwrap();
        // ffmpeg tells one decimal.
        assert!((ours - theirs).abs() <= 0.1, "{path}: {ours} {theirs}");
    }
}

#[test]
fn samples_without_a_header_are_heard_as_they_are_or_as_asked() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = tone(&folder, 3, "a.raw", &["-f", "s24le", "-c:a", "pcm_s24le"]);
    let sound = opened(&bytes);
    assert_eq!(
        (sound.kind, sound.codec.as_str()),
        (FileKind::Unknown, "signed 24-bit PCM")
    );
    assert_eq!(sound.source.frames_left(), Some(144_000));
    let guess = sound.guess.unwrap();
    assert!(
        guess.coding_confidence > 0.8 && guess.rate_confidence < 0.6,
        "{guess:?}"
    );
    assert!(
        sound.notices.iter().any(|n| n.contains("no header")),
        "{:?}",
        sound.notices
    );

    let env = |name: &str| match name {
        "AUDIO_FORMAT" => Some("pyaudio.paInt32".to_owned()),
        "AUDIO_CHANNELS" => Some("2".to_owned()),
        "AUDIO_RATE" => Some("22050".to_owned()),
        _ => None,
    };
    let usual = PcmWish::from_env(env).unwrap();
    // Silence tells nothing, so it is what is usual.
    let sound = open(Bytes::from(vec![0; 80_000]), &usual).unwrap();
    assert_eq!(sound.source.format().to_string(), "22050 Hz, 2 ch");
    assert_eq!(sound.source.frames_left(), Some(10_000));
    let asked = PcmWish {
        headers: Headers::Ignore,
        coding: Some("u8".parse().unwrap()),
        rate: Some(audiox::core::format::SampleRate::HZ_8000),
        channels: Some(audiox::core::format::Channels::MONO),
        ..usual
    };
    let wav = tone(&folder, 1, "b.wav", &[]);
    let sound = open(wav.clone(), &asked).unwrap();
    assert_eq!(sound.source.frames_left(), Some(wav.len() as u64));
    assert_eq!(sound.source.format().to_string(), "8000 Hz, 1 ch");
    let error = PcmWish::from_env(|n| (n == "AUDIO_RATE").then(|| "fast".to_owned()));
    assert!(error.unwrap_err().to_string().contains("AUDIO_RATE"));
}

#[test]
fn what_cannot_be_opened_says_what_it_is() {
    for (bytes, part) in [
        (&b"FORM\0\0\0\x10AIFFCOMM"[..], "AIFF"),
        (b"OggS\0\x02", "OggS"),
        (b"fLaC\0\0\0\x22", "FLAC"),
        (b"\x1a\x45\xdf\xa3\x84\x42\x86\x81\x01", "tracks"),
        (b"", "no audio"),
        (b"RIFF\x10\0\0\0WAVEfmt ", ""),
    ] {
        match open(Bytes::from_static(bytes), &PcmWish::default()) {
            Err(e @ (SourceError::Malformed(_) | SourceError::Unsupported(_))) => {
                let text = e.to_string();
                assert!(part == "OggS" || text.contains(part), "{text}");
            }
            // Six bytes of Ogg are no Ogg.
            Ok(sound) => assert_eq!((part, sound.kind), ("OggS", FileKind::Unknown)),
            Err(e) => panic!("{e}"),
        }
    }
}

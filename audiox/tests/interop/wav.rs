//! WAV, RF64 and FLAC files with ffmpeg and sox, both ways, to the bit.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::process::Command;

use audiox::core::format::{Channels, SampleFormat, SampleRate, StreamFormat};
use audiox::core::source::Sink;
use audiox::io::WavSink;

use crate::peer::{is_long, program};
use crate::support::{Folder, audiox, data};
use crate::table::{Way, passed};

/// What both peers call a kind of samples.
struct Kind {
    name: &'static str,
    sample: SampleFormat,
    ffmpeg: &'static str,
    sox: [&'static str; 2],
}

const KINDS: [Kind; 5] = [
    kind("8 bit", SampleFormat::U8, "u8", ["unsigned", "8"]),
    kind("16 bit", SampleFormat::S16, "s16le", ["signed", "16"]),
    kind("24 bit", SampleFormat::S24, "s24le", ["signed", "24"]),
    kind("32 bit", SampleFormat::S32, "s32le", ["signed", "32"]),
    kind(
        "float",
        SampleFormat::F32,
        "f32le",
        ["floating-point", "32"],
    ),
];

const fn kind(
    name: &'static str,
    sample: SampleFormat,
    ffmpeg: &'static str,
    sox: [&'static str; 2],
) -> Kind {
    Kind {
        name,
        sample,
        ffmpeg,
        sox,
    }
}

impl Kind {
    /// All samples of a file as each peer reads them.
    fn read_by(&self, peer: &str, path: &str) -> Vec<u8> {
        match peer {
            "ffmpeg" => {
                let codec = format!("pcm_{}", self.ffmpeg);
                let raw = ["-c:a", &codec, "-f", self.ffmpeg, "-"];
                output(
                    program("ffmpeg")
                        .args(["-v", "error", "-i", path])
                        .args(raw),
                )
            }
            _ => {
                let [encoding, bits] = self.sox;
                let raw = ["-t", "raw", "-e", encoding, "-b", bits, "-"];
                output(program("sox").args(["-D", path]).args(raw))
            }
        }
    }
}

fn output(command: &mut Command) -> Vec<u8> {
    let out = command.output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{command:?}: {said}");
    out.stdout
}

/// Noise whose values all kinds of samples hold that are long enough.
fn noise(folder: &Folder, kind: &Kind, channels: u16) -> (String, Vec<u8>) {
    if kind.sample != SampleFormat::F32 {
        return folder.wav("ours.wav", kind.sample, channels, FRAMES);
    }
    // Random bytes are no numbers.
    let (whole, _) = folder.wav("whole.wav", SampleFormat::S24, channels, FRAMES);
    let ours = folder.at("ours.wav");
    audiox(&["send", &whole, "--to", &ours, "--sample-format", "f32"]).clean();
    let samples = data(&ours);
    (ours, samples)
}

#[test]
fn our_files_are_read_to_the_bit() {
    for kind in &KINDS {
        for channels in [1, 2, 6] {
            let folder = Folder::new();
            let (ours, samples) = noise(&folder, kind, channels);
            for peer in PEERS {
                let read = kind.read_by(peer, &ours);
                assert!(read == samples, "{peer}: {}, {channels} ch", kind.name);
            }
        }
        for peer in PEERS {
            let how = format!("{}; 1, 2 and 6 ch", kind.name);
            passed("WAV", peer, Way::FromUs, &how, "to the bit");
        }
    }
}

#[test]
fn files_of_others_are_read_to_the_bit() {
    let sox = |args: &'static [&str]| ("sox", args);
    let ffmpeg = |args: &'static [&str]| ("ffmpeg", args);
    let [u8, s16, s24, s32, f32] = [0, 1, 2, 3, 4];
    for (subject, (peer, args), n, how) in [
        (
            "WAV",
            sox(&["-b", "8", "-e", "unsigned", "x.wav"]),
            u8,
            "8 bit",
        ),
        ("WAV", sox(&["-b", "16", "x.wav"]), s16, "16 bit"),
        (
            "WAV",
            sox(&["-b", "24", "x.wav"]),
            s24,
            "24 bit, extensible",
        ),
        (
            "WAV",
            sox(&["-b", "32", "x.wav"]),
            s32,
            "32 bit, extensible",
        ),
        (
            "WAV",
            sox(&["-b", "32", "-e", "floating-point", "x.wav"]),
            f32,
            "float",
        ),
        ("WAV", sox(&["-e", "mu-law", "x.wav"]), s16, "µ-law"),
        ("WAV", sox(&["-e", "a-law", "x.wav"]), s16, "A-law"),
        ("FLAC", sox(&["-b", "16", "x.flac"]), s16, "16 bit"),
        ("FLAC", sox(&["-b", "24", "x.flac"]), s24, "24 bit"),
        ("WAV", ffmpeg(&["-c:a", "pcm_u8", "x.wav"]), u8, "8 bit"),
        (
            "WAV",
            ffmpeg(&["-c:a", "pcm_s24le", "x.wav"]),
            s24,
            "24 bit, extensible",
        ),
        ("WAV", ffmpeg(&["-c:a", "pcm_f32le", "x.wav"]), f32, "float"),
        ("WAV", ffmpeg(&["-c:a", "pcm_mulaw", "x.wav"]), s16, "µ-law"),
        ("WAV", ffmpeg(&["-c:a", "pcm_alaw", "x.wav"]), s16, "A-law"),
        (
            "RF64",
            ffmpeg(&["-c:a", "pcm_s16le", "-rf64", "always", "x.wav"]),
            s16,
            "16 bit",
        ),
        (
            "RF64",
            ffmpeg(&["-c:a", "pcm_s24le", "-rf64", "always", "x.wav"]),
            s24,
            "24 bit",
        ),
        (
            "FLAC",
            ffmpeg(&["-sample_fmt", "s16", "x.flac"]),
            s16,
            "16 bit",
        ),
    ] {
        let folder = Folder::new();
        let (source, _) = folder.wav("source.wav", SampleFormat::S24, 2, FRAMES);
        let (name, args) = args.split_last().unwrap();
        let theirs = folder.at(name);
        let mut write = program(peer);
        match peer {
            "ffmpeg" => write.args(["-v", "error", "-i", &source]),
            _ => write.args(["-D", &source]),
        };
        output(write.args(args).arg(&theirs));
        let read = folder.at("read.wav");
        audiox(&["send", &theirs, "--to", &read]).clean();
        let kind: &Kind = &KINDS[n];
        let what = format!("{subject} of {peer}, {how}");
        let (ours, own) = (data(&read), kind.read_by(peer, &theirs));
        assert_eq!(own.len(), FRAMES * 2 * kind.sample.bytes(), "{what}");
        assert!(ours == own, "{what}");
        passed(subject, peer, Way::ToUs, how, "to the bit");
    }
}

#[test]
fn our_files_past_four_gibibytes_are_read_by_others() {
    let folder = Folder::new();
    let path = folder.at("long.wav");
    let channels = Channels::new(8).unwrap();
    let format = StreamFormat::new(SampleRate::new(192_000).unwrap(), channels);
    let file = Sparse(File::create(&path).unwrap());
    let mut sink = WavSink::new(file, "long.wav", format, SampleFormat::S32).unwrap();
    let (_, end) = folder.wav("end.wav", SampleFormat::S32, 8, 100);
    let second = vec![0; 192_000 * 32];
    for _ in 0..700 {
        sink.write_native(&second).unwrap();
    }
    sink.write_native(&end).unwrap();
    sink.finish().unwrap();
    assert!(std::fs::metadata(&path).unwrap().len() > 1 << 32);

    let frames = 700 * 192_000;
    let mut ffprobe = program("ffprobe");
    ffprobe.args(["-v", "error", "-of", "csv=p=0", "-show_entries"]);
    let told = output(ffprobe.args(["stream=duration_ts", &path]));
    let told = String::from_utf8(told).unwrap();
    assert_eq!(told.trim(), (frames + 100).to_string());
    let mut ffmpeg = program("ffmpeg");
    ffmpeg.args(["-v", "error", "-ss", "700", "-i", &path]);
    let read = output(ffmpeg.args(["-c:a", "pcm_s32le", "-f", "s32le", "-"]));
    assert!(read == end, "ffmpeg: {} bytes", read.len());
    let how = "32 bit, 8 ch, past 4 GiB";
    passed("RF64", "ffmpeg", Way::FromUs, how, "its end, to the bit");
    if !is_long() {
        return;
    }
    // It reads all of it on its way to the end.
    let mut sox = program("sox");
    let from = format!("{frames}s");
    let read = output(sox.args(["-D", &path, "-t", "raw", "-", "trim", &from]));
    assert!(read == end, "sox: {} bytes", read.len());
    passed("RF64", "sox", Way::FromUs, how, "its end, to the bit");
}

/// A file in which long writes, which are of zeros only, are holes.
struct Sparse(File);

impl Write for Sparse {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() < 4_096 {
            return self.0.write(bytes);
        }
        let end = self.0.seek(SeekFrom::Current(bytes.len() as i64))?;
        if end > self.0.metadata()?.len() {
            self.0.set_len(end)?;
        }
        Ok(bytes.len())
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

const PEERS: [&str; 2] = ["ffmpeg", "sox"];
const FRAMES: usize = 5_003;

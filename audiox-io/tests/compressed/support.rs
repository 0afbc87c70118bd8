//! Files in all kinds, of a signal that shows where each of its frames is.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use audiox_core::block::AudioRef;
use audiox_core::format::{Channels, SampleFormat, SampleRate, StreamFormat};
use audiox_core::source::{Sink, Source};
use audiox_io::WavSink;
use tempfile::TempDir;

/// A kind of file: its name, what ffmpeg is told, and whether it tells its encoder's delay.
pub(crate) struct Kind {
    pub(crate) file: &'static str,
    pub(crate) args: &'static [&'static str],
    pub(crate) aligned: bool,
}

pub(crate) const LOSSY: [Kind; 5] = [
    Kind {
        file: "a.mp3",
        args: &["-c:a", "libmp3lame", "-b:a", "192k"],
        aligned: true,
    },
    Kind {
        file: "vbr.mp3",
        args: &["-c:a", "libmp3lame", "-q:a", "2"],
        aligned: true,
    },
    Kind {
        file: "a.ogg",
        args: &["-c:a", "libvorbis", "-q:a", "6"],
        aligned: true,
    },
    Kind {
        file: "a.m4a",
        args: &["-c:a", "aac", "-b:a", "192k"],
        aligned: true,
    },
    Kind {
        file: "a.aac",
        args: &["-c:a", "aac", "-b:a", "192k"],
        aligned: false,
    },
];

pub(crate) struct Made {
    folder: TempDir,
    pub(crate) format: StreamFormat,
    /// What the files were made of.
    pub(crate) samples: Vec<f32>,
}

impl Made {
    /// Some seconds in which no stretch resembles another: harmonics of a gliding tone, different
    /// in each channel.
    pub(crate) fn new(rate: u32, channels: u16, frames: usize) -> Self {
        let format = StreamFormat::new(
            SampleRate::new(rate).unwrap(),
            Channels::new(channels).unwrap(),
        );
        let mut samples = Vec::with_capacity(frames * usize::from(channels));
        for i in 0..frames {
            let t = i as f64 / f64::from(rate);
            for c in 0..channels {
                let phase = std::f64::consts::TAU * (150.0 + 60.0 * f64::from(c) + 170.0 * t) * t;
                let tone: f64 = (1..6)
                    .map(|h| (phase * f64::from(h)).sin() / f64::from(h))
                    .sum();
                samples.push((tone * 0.25) as f32);
            }
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("in.wav");
        let mut sink = WavSink::create(&path, format, SampleFormat::S24).unwrap();
        sink.write(AudioRef::new(&samples, format.channels))
            .unwrap();
        sink.finish().unwrap();
        Self {
            folder,
            format,
            samples,
        }
    }

    /// The signal as `file`, made by ffmpeg.
    pub(crate) fn file(&self, file: &str, args: &[&str]) -> PathBuf {
        let (from, to) = (self.path("in.wav"), self.path(file));
        let mut all = vec!["-v", "error", "-y", "-i", from.to_str().unwrap()];
        all.extend(args);
        all.push(to.to_str().unwrap());
        ffmpeg(&all);
        to
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// Runs ffmpeg; what it prints.
pub(crate) fn ffmpeg(args: &[&str]) -> Vec<u8> {
    let output = Command::new("ffmpeg")
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|e| panic!("ffmpeg: {e}; install it by scripts/bootstrap.sh test"));
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ffmpeg {args:?}: {complaints}");
    output.stdout
}

/// A file's samples as ffmpeg decodes them.
pub(crate) fn decoded_by_ffmpeg(path: &Path) -> Vec<f32> {
    let path = path.to_str().unwrap();
    let bytes = ffmpeg(&[
        "-v",
        "error",
        "-i",
        path,
        "-f",
        "f32le",
        "-c:a",
        "pcm_f32le",
        "-",
    ]);
    let samples = bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b));
    samples.collect()
}

/// Everything from here on, in pieces of an odd length.
pub(crate) fn rest(source: &mut dyn Source) -> Vec<f32> {
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

/// Signal against difference, in decibels.
pub(crate) fn snr(signal: &[f32], other: &[f32]) -> f64 {
    let power = |x: f64| x * x;
    let pairs = signal.iter().zip(other);
    let noise: f64 = pairs.map(|(a, b)| power(f64::from(a - b))).sum();
    let loud: f64 = signal.iter().map(|a| power(f64::from(*a))).sum();
    10.0 * (loud / noise.max(1e-20)).log10()
}

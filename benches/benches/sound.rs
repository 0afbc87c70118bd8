//! Ten minutes of a recording in memory: opened, analysed beside a pass that only looks for the peak and
//! beside ffmpeg, and made a WAV file of. ffmpeg is a process, whose start counts, and measures
//! loudness (`ebur128`) and levels (`volumedetect`), without clipping, silence and DC offset.
//!
//! `cargo bench -p audiox-benches --bench sound`

use std::hint::black_box;
use std::io::Read;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use audiox_benches::measured::{Measured, run};
use audiox_core::format::{Channels, Endian, PcmFormat, SampleFormat, SampleRate, StreamFormat};
use audiox_io::PcmCoding;
use audiox_io::analysis::{Analyser, Spectrogram, scan};
use audiox_io::guess::guess;
use audiox_io::sound::{DecodeOpus, PcmWish, Sound, open};
use audiox_io::wav::{HEADER_LEN, WavBytes, header};
use bytes::Bytes;
use criterion::Criterion;

const MONO: StreamFormat = StreamFormat::new(SampleRate::HZ_48000, Channels::MONO);
const SECONDS: u32 = 600;

/// Ten minutes of something like speech: a buzz that comes and goes, with some noise.
fn samples() -> Vec<u8> {
    let (mut seed, mut low) = (1u32, 0.0f32);
    (0..48_000 * SECONDS)
        .flat_map(|i| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = (seed >> 8) as f32 / 8_388_608.0 - 1.0;
            let t = i as f32 / 48_000.0;
            let syllable = (t * 4.0 * std::f32::consts::PI).sin().max(0.0);
            let buzz = (t * 140.0).fract() * 2.0 - 1.0;
            low += 0.2 * (0.5 * syllable * buzz + 0.02 * noise - low);
            ((low * 30_000.0) as i16).to_le_bytes()
        })
        .collect()
}

fn wav() -> Bytes {
    let samples = samples();
    let head = header(MONO, SampleFormat::S16, samples.len() as u64 / 2);
    [&head[..], &samples].concat().into()
}

/// The same as WebM with Opus of 128 kbit/s, 10 MB, by ffmpeg.
fn webm() -> Bytes {
    let folder = tempfile::tempdir().expect("room for files");
    let (from, to) = (folder.path().join("in.wav"), folder.path().join("out.webm"));
    std::fs::write(&from, wav()).expect("room for a file");
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(from)
        .args(["-c:a", "libopus", "-b:a", "128k", "-vbr", "off"])
        .arg(&to)
        .status();
    let made = made.expect("ffmpeg; scripts/bootstrap.sh bench installs it");
    assert!(made.success(), "ffmpeg failed");
    std::fs::read(to).expect("what ffmpeg wrote").into()
}

const OPUS: Option<DecodeOpus> =
    Some(|packets| Ok(Box::new(audiox_opus::OpusSource::new(packets)?)));

fn opened(bytes: &Bytes) -> Sound {
    open(bytes.clone(), &PcmWish::default(), OPUS).expect("it is whole")
}

fn analysed(bytes: &Bytes) -> f64 {
    let mut sound = opened(bytes);
    let mut analyser = Analyser::new(sound.source.format(), sound.sample);
    let said = scan(&mut *sound.source, |block| {
        analyser.push(block);
        ControlFlow::Continue(())
    });
    said.expect("it is whole");
    analyser.finish().loudness.unwrap_or_default()
}

fn pictured(bytes: &Bytes) -> usize {
    let mut sound = opened(bytes);
    let mut spectrogram = Spectrogram::new(sound.source.format());
    let said = scan(&mut *sound.source, |block| {
        spectrogram.push(block);
        ControlFlow::Continue(())
    });
    said.expect("it is whole");
    spectrogram.columns().count()
}

/// The pass that costs least: reading, and a peak.
fn naive(bytes: &Bytes) -> f32 {
    let mut sound = opened(bytes);
    let mut peak = 0.0f32;
    let said = scan(&mut *sound.source, |block| {
        peak = block.samples().iter().fold(peak, |p, x| p.max(x.abs()));
        ControlFlow::Continue(())
    });
    said.expect("it is whole");
    peak
}

/// The same file analysed by ffmpeg.
fn by_ffmpeg(file: &Path) {
    let done = Command::new("ffmpeg")
        .args(["-v", "error", "-nostats", "-threads", "1", "-i"])
        .arg(file)
        .args(["-af", "ebur128,volumedetect", "-f", "null", "-"])
        .status();
    assert!(done.is_ok_and(|d| d.success()), "ffmpeg failed");
}

fn ten_minutes(c: &mut Criterion) {
    for (name, bytes) in [("PCM", wav()), ("Opus in WebM", webm())] {
        let mut group = c.benchmark_group(format!("10 minutes of {name}"));
        group
            .sample_size(10)
            .measurement_time(Duration::from_secs(3));
        group.bench_function("open", |b| b.iter(|| opened(black_box(&bytes)).kind));
        group.bench_function("first bytes of a WAV file", |b| {
            b.iter(|| {
                let sound = opened(black_box(&bytes));
                let mut wav = WavBytes::new(sound.source, sound.sample).expect("it has an end");
                let mut first = [0; HEADER_LEN + 4_096];
                wav.read_exact(&mut first).expect("memory");
                first[HEADER_LEN]
            })
        });
        group.bench_function("peak only", |b| b.iter(|| naive(black_box(&bytes))));
        group.bench_function("analysis", |b| b.iter(|| analysed(black_box(&bytes))));
        let folder = tempfile::tempdir().expect("room for files");
        let file = folder.path().join("recording");
        std::fs::write(&file, &bytes).expect("room for a file");
        group.bench_function("ffmpeg", |b| b.iter(|| by_ffmpeg(black_box(&file))));
        group.bench_function("spectrogram", |b| b.iter(|| pictured(black_box(&bytes))));
        group.bench_function("all of a WAV file", |b| {
            b.iter(|| {
                let sound = opened(black_box(&bytes));
                let mut wav = WavBytes::new(sound.source, sound.sample).expect("it has an end");
                std::io::copy(&mut wav, &mut std::io::sink()).expect("memory")
            })
        });
    }
}

fn guessing(c: &mut Criterion) {
    let samples = samples();
    let usual = (
        PcmCoding::Pcm(PcmFormat::new(SampleFormat::S16, Endian::Little)),
        MONO,
    );
    let mut group = c.benchmark_group("PCM without a header");
    group.sample_size(10);
    group.bench_function("guess", |b| {
        b.iter(|| guess(black_box(&samples), usual).coding_confidence)
    });
    let rubbish: Vec<u8> = (0..100_000_000u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    group.bench_function("guess 100 MB of noise", |b| {
        b.iter(|| guess(black_box(&rubbish), usual).coding_confidence)
    });
    let mut webm = b"\x1a\x45\xdf\xa3\x9f\x42\x82\x84webm".to_vec();
    webm.extend(&rubbish);
    let webm = Bytes::from(webm);
    group.bench_function("refuse 100 MB of noise that begins as WebM", |b| {
        b.iter(|| open(black_box(webm.clone()), &PcmWish::default(), OPUS).is_err())
    });
}

const TABLES: &[Measured<'_>] = &[
    Measured {
        id: "sound",
        label: "ten minutes",
        columns: &["WAV", "Opus in WebM"],
        unit: "ms",
        per: 1.0,
        digits: 2,
        rows: &[
            (
                "open, told what it is and how long",
                &["10 minutes of PCM/open", "10 minutes of Opus in WebM/open"],
            ),
            (
                "first bytes of a WAV file of it",
                &[
                    "10 minutes of PCM/first bytes of a WAV file",
                    "10 minutes of Opus in WebM/first bytes of a WAV file",
                ],
            ),
            (
                "peak only",
                &[
                    "10 minutes of PCM/peak only",
                    "10 minutes of Opus in WebM/peak only",
                ],
            ),
            (
                "analysis",
                &[
                    "10 minutes of PCM/analysis",
                    "10 minutes of Opus in WebM/analysis",
                ],
            ),
            (
                "analysis by ffmpeg, a process",
                &[
                    "10 minutes of PCM/ffmpeg",
                    "10 minutes of Opus in WebM/ffmpeg",
                ],
            ),
            (
                "spectrogram",
                &[
                    "10 minutes of PCM/spectrogram",
                    "10 minutes of Opus in WebM/spectrogram",
                ],
            ),
            (
                "all of a WAV file of it",
                &[
                    "10 minutes of PCM/all of a WAV file",
                    "10 minutes of Opus in WebM/all of a WAV file",
                ],
            ),
        ],
        note: "",
    },
    Measured {
        id: "guess",
        label: "without a header",
        columns: &["audiox"],
        unit: "ms",
        per: 1.0,
        digits: 2,
        rows: &[
            (
                "guess what ten minutes of PCM are",
                &["PCM without a header/guess"],
            ),
            (
                "guess what 100 MB of noise are",
                &["PCM without a header/guess 100 MB of noise"],
            ),
            (
                "refuse 100 MB of noise that begin as WebM",
                &["PCM without a header/refuse 100 MB of noise that begins as WebM"],
            ),
        ],
        note: "",
    },
];

fn main() {
    run(TABLES, |c| {
        ten_minutes(c);
        guessing(c);
    });
}

//! What is found out about a buffer: the original's figures of its bytes, and how it sounds, heard
//! once for figures and picture.

use std::ops::ControlFlow;

use audiox_core::convert::Level;
use audiox_io::FileKind;
use audiox_io::analysis::{Analyser, Analysis, Spectrogram, scan};
use audiox_io::guess::Guess;
use audiox_io::sound::Sound;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::buffers::Buffer;
use super::error::PlayerError;

/// How a buffer sounds.
#[derive(Debug)]
pub(super) struct Heard {
    /// Our fields of the analysis.
    pub(super) figures: Map<String, Value>,
    /// What a page draws.
    pub(super) picture: Value,
}

impl Heard {
    /// Listens to all of it.
    ///
    /// # Errors
    /// Nothing of it can be read.
    pub(super) fn of(mut sound: Sound, is_cut: bool) -> Result<Self, PlayerError> {
        let format = sound.source.format();
        let mut analyser = Analyser::new(format, sound.sample);
        let mut spectrogram = Spectrogram::new(format);
        let damage = scan(&mut *sound.source, |block| {
            analyser.push(block);
            spectrogram.push(block);
            ControlFlow::Continue(())
        })?;
        let analysis = analyser.finish();
        sound.notices.extend(damage);
        if is_cut {
            let cut = "the Base64 text stops inside a byte, which is left out";
            sound.notices.push(cut.to_owned());
        }
        Ok(Self {
            figures: figures(&sound, &analysis),
            picture: picture(&analysis, &spectrogram),
        })
    }
}

/// The fields that stand behind the original's.
fn figures(sound: &Sound, analysis: &Analysis) -> Map<String, Value> {
    let level = analysis.level();
    let all: usize = analysis.format.channels.get();
    let samples = (analysis.frames * all as u64).max(1) as f64;
    let offset = analysis.dc_offset.iter().copied();
    let offset = offset.fold(
        0.0f32,
        |most, x| if x.abs() > most.abs() { x } else { most },
    );
    let channel = |(level, offset): (&Level, &f32)| {
        json!({
            "peak_db": decibels(level.peak_db()),
            "rms_db": decibels(level.rms_db()),
            "dc_offset": offset,
        })
    };
    let channels = analysis.levels.iter().zip(&analysis.dc_offset);
    let rate = f64::from(analysis.format.rate.get());
    let silences = analysis.silences.iter().take(MOST_SILENCES);
    object(json!({
        "container": match sound.kind {
            FileKind::Unknown => "no header".to_owned(),
            kind => kind.to_string(),
        },
        "codec": sound.codec,
        "duration": analysis.duration().as_secs_f64(),
        "frames": analysis.frames,
        "rate": analysis.format.rate.get(),
        "channels": all,
        "peak": level.peak,
        "peak_db": decibels(level.peak_db()),
        "rms": level.rms,
        "rms_db": decibels(level.rms_db()),
        "loudness_lufs": analysis.loudness,
        "clipped_samples": analysis.clipped_samples,
        "clipped": analysis.clipped_samples as f64 / samples,
        "silent": analysis.silent_share,
        "silences": silences
            .map(|s| json!([s.start as f64 / rate, s.end as f64 / rate]))
            .collect::<Vec<_>>(),
        "dc_offset": offset,
        "levels": channels.map(channel).collect::<Vec<_>>(),
        "guess": sound.guess.as_ref().map(guessed),
        "notices": sound.notices,
    }))
}

fn guessed(guess: &Guess) -> Value {
    let each = guess.candidates.iter().map(|c| {
        json!({
            "sample": c.coding.to_string(),
            "rate": c.format.rate.get(),
            "channels": c.format.channels.get(),
            "confidence": c.confidence,
        })
    });
    json!({
        "content": format!("{:?}", guess.content).to_lowercase(),
        "coding_confidence": guess.coding_confidence,
        "rate_confidence": guess.rate_confidence,
        "candidates": each.collect::<Vec<_>>(),
    })
}

/// Outline and spectrogram, a byte for each value.
fn picture(analysis: &Analysis, spectrogram: &Spectrogram) -> Value {
    let frames = analysis.frames;
    let step = frames.div_ceil(COLUMNS).max(1);
    let (mut least, mut greatest) = (Vec::new(), Vec::new());
    for from in (0..frames).step_by(usize::try_from(step).unwrap_or(usize::MAX)) {
        let extent = analysis.envelope.extent(from..(from + step).min(frames));
        let (min, max) = extent.map_or((0.0, 0.0), |e| (e.min, e.max));
        least.push((min.clamp(-1.0, 1.0) * 127.0).floor() as i8 as u8);
        greatest.push((max.clamp(-1.0, 1.0) * 127.0).ceil() as i8 as u8);
    }
    let rate = f64::from(analysis.format.rate.get());
    let levels: Vec<u8> = spectrogram.columns().flatten().collect();
    json!({
        "rate": analysis.format.rate.get(),
        "channels": analysis.format.channels.get(),
        "seconds": frames as f64 / rate,
        "outline": {
            "step": step as f64 / rate,
            "least": STANDARD.encode(least),
            "greatest": STANDARD.encode(greatest),
        },
        "spectrum": {
            "step": spectrogram.column_frames() as f64 / rate,
            "bands": spectrogram.bands(),
            "levels": STANDARD.encode(levels),
        },
    })
}

/// JSON has no infinity, which silence is.
fn decibels(db: f32) -> Option<f32> {
    db.is_finite().then_some(db)
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// The original's fields, in their order.
///
/// `has_repetitive_pattern` is true where the first thousand bytes have fewer than ten different
/// groups of four.
pub(super) fn of_bytes(buffer: &Buffer) -> Map<String, Value> {
    let bytes = &buffer.bytes[..];
    let mut counts = [0u64; 256];
    for byte in bytes {
        counts[usize::from(*byte)] += 1;
    }
    let nulls = counts[0];
    let share = match bytes.len() {
        0 => 0.0,
        len => nulls as f64 * 100.0 / len as f64,
    };
    let first: Vec<String> = bytes.iter().take(20).map(|b| format!("{b:02x}")).collect();
    let begins = |magic: &[u8]| bytes.starts_with(magic);
    let is_mp4 = bytes.get(4..8) == Some(b"ftyp");
    let is_mp3 = matches!(bytes, [0xff, b, ..] if b & 0xe6 == 0xe2);
    object(json!({
        "base64_length": buffer.chars,
        "decoded_length": bytes.len(),
        "first_20_bytes_hex": first.concat(),
        "null_bytes_count": nulls,
        "null_bytes_percentage": share,
        "unique_bytes": counts.iter().filter(|n| **n > 0).count(),
        "has_repetitive_pattern": is_repetitive(bytes),
        "headers": {
            "riff_wav": begins(b"RIFF"),
            "id3_mp3": begins(b"ID3"),
            "mp3_sync": is_mp3,
            "ogg": begins(b"OggS"),
            "webm": begins(&[0x1a, 0x45, 0xdf, 0xa3]),
            "mp4_m4a": is_mp4,
        },
        "detected_format": detected(bytes),
    }))
}

fn is_repetitive(bytes: &[u8]) -> bool {
    let (groups, _) = bytes[..bytes.len().min(1_000)].as_chunks::<4>();
    let mut seen: Vec<&[u8; 4]> = groups.iter().collect();
    seen.sort_unstable();
    seen.dedup();
    groups.len() >= 10 && seen.len() < 10
}

/// The container by its first bytes, in a word.
fn detected(bytes: &[u8]) -> &'static str {
    let mut reader = std::io::Cursor::new(bytes);
    match FileKind::of(&mut reader) {
        Ok(FileKind::Wav) => "WAV",
        Ok(FileKind::Mp3) => "MP3",
        Ok(FileKind::OggOpus | FileKind::OggVorbis | FileKind::OggFlac) => "OGG",
        Ok(FileKind::Mp4) => "MP4/M4A",
        Ok(FileKind::Flac) => "FLAC",
        Ok(FileKind::Aac) => "AAC",
        _ if bytes.starts_with(&[0x1a, 0x45, 0xdf, 0xa3]) => "WebM",
        _ if bytes.starts_with(b"OggS") => "OGG",
        Ok(FileKind::Other(name)) => name,
        _ => "Raw PCM or unknown",
    }
}

const COLUMNS: u64 = 1_000;
/// Stretches of silence that are told.
const MOST_SILENCES: usize = 100;

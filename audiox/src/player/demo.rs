//! Sessions to look at: a few recordings in the encodings that applications leave, and one that is
//! still going on.

use std::f32::consts::TAU;
use std::io::{Cursor, Seek, SeekFrom, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use audiox_core::block::AudioRef;
use audiox_core::convert::{self, Gain};
use audiox_core::format::{Channels, PcmFormat, SampleFormat, SampleRate, StreamFormat};
use audiox_core::registry::{MemoryRegistry, SessionFields, SessionId, SessionRegistry, field};
use audiox_core::source::{Sink, Source};
use audiox_io::{Signal, WavSink};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::Error;

/// Puts a handful of sessions into `registry`: headerless PCM, WAV, Ogg Opus, one that is not
/// authenticated, one without audio, one that is none.
///
/// # Errors
/// The registry takes none.
pub async fn demo_sessions(registry: &MemoryRegistry) -> Result<(), Error> {
    let minutes = |n: u64| Duration::from_secs(60 * n);
    let narrow = format(16_000, 1);
    let speech = voice(narrow, 8, 0);
    let all = [
        Demo::new(
            "7c1f6d0a-speech-pcm",
            "Ada (16 kHz PCM)",
            pcm(&speech),
            minutes(4),
        ),
        Demo::new(
            "2b8e90c4-stereo-wav",
            "Bo (stereo WAV)",
            wav(format(44_100, 2), &voice(format(44_100, 2), 6, 1)),
            minutes(11),
        ),
        #[cfg(feature = "opus")]
        Demo::new(
            "e51d3f77-speech-opus",
            "Chidi (Ogg Opus)",
            opus(format(48_000, 1), &voice(format(48_000, 1), 12, 2)),
            minutes(23),
        ),
        Demo::new(
            "a90b44d2-sweep-wav",
            "Test signal (sweep)",
            wav(format(48_000, 1), &sweep(format(48_000, 1))),
            minutes(31),
        ),
        Demo {
            is_authenticated: false,
            ..Demo::new("0f3a-not-known", "Somebody", pcm(&speech), minutes(2))
        },
        Demo::new("c4d5-no-audio", "Dana (no audio)", Vec::new(), minutes(45)),
        Demo::new(
            "<img src=x onerror=alert(1)>",
            "<b>Eve</b> (markup)",
            pcm(&speech[..32_000]),
            minutes(52),
        ),
    ];
    for demo in all {
        demo.put(registry).await?;
    }
    registry.set_broken(
        &SessionId::parse("not-a-session")?,
        "this is a list, not a hash",
    );
    Ok(())
}

/// A session that goes on: speech-like sound at its own pace, over and over.
pub(super) async fn keep_recording(registry: Arc<MemoryRegistry>) {
    loop {
        let id = format!("live-{}", seconds() % 1_000_000);
        if record(&registry, &id).await.is_err() {
            // It was removed, or there is no room.
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
    }
}

async fn record(registry: &MemoryRegistry, id: &str) -> Result<(), Error> {
    let id = SessionId::parse(id)?;
    let fields = fields("Fay (live)", true, Duration::ZERO)?
        .with_mark(field::IS_RECORDING, true)?
        .with(field::AUDIO_RATE, 16_000)?;
    registry.put(&id, &fields, Some(TTL)).await?;
    let sound = pcm(&voice(format(16_000, 1), LIVE_SECONDS, 3));
    let mut pause = tokio::time::interval(PART);
    // 750 ms of 16-bit samples at 16 kHz are whole groups of three bytes.
    for part in sound.chunks(24_000) {
        pause.tick().await;
        // Only here does time pass for a registry in memory.
        registry.advance(PART);
        registry.append(&id, &STANDARD.encode(part)).await?;
    }
    let ended = SessionFields::new().with_mark(field::IS_RECORDING, false)?;
    registry.put(&id, &ended, None).await?;
    Ok(())
}

/// One session.
struct Demo {
    id: &'static str,
    name: &'static str,
    audio: Vec<u8>,
    age: Duration,
    is_authenticated: bool,
}

impl Demo {
    fn new(id: &'static str, name: &'static str, audio: Vec<u8>, age: Duration) -> Self {
        Self {
            id,
            name,
            audio,
            age,
            is_authenticated: true,
        }
    }

    async fn put(self, registry: &MemoryRegistry) -> Result<(), Error> {
        let id = SessionId::parse(self.id)?;
        let fields = fields(self.name, self.is_authenticated, self.age)?;
        registry.put(&id, &fields, Some(TTL - self.age)).await?;
        if !self.audio.is_empty() {
            registry.append(&id, &STANDARD.encode(&self.audio)).await?;
        }
        Ok(())
    }
}

fn fields(name: &str, is_known: bool, age: Duration) -> Result<SessionFields, Error> {
    let began = seconds() - age.as_secs();
    let fields = SessionFields::new()
        .with_mark(field::AUTHENTICATED, is_known)?
        .with_mark(field::IS_RECORDING, false)?
        .with(field::USER_NAME, name)?
        .with(field::CONNECTED_AT, began)?;
    Ok(match is_known {
        true => fields.with(field::AUTHENTICATED_AT, began + 2)?,
        false => fields,
    })
}

fn seconds() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}

/// Something like a voice: a buzz whose pitch glides, with syllables and pauses.
fn voice(format: StreamFormat, seconds: u32, variant: u32) -> Vec<f32> {
    let (rate, channels) = (format.rate.get() as f32, format.channels.get());
    let mut out = Vec::with_capacity(channels * (rate as usize) * seconds as usize);
    let (mut turn, base) = (0.0f32, 110.0 + 35.0 * variant as f32);
    let (mut step, mut loud, mut overtones) = (0.0, 0.0, [0.0f32; OVERTONES]);
    for n in 0..format.rate.get() * seconds {
        if n % 64 == 0 {
            let t = n as f32 / rate;
            let pitch = base * (1.0 + 0.12 * (1.7 * t).sin() + 0.05 * (6.1 * t).sin());
            let syllable = (0.5 - 0.5 * (t * 3.3 * TAU).cos()).powi(2);
            let phrase = if t % 2.6 < 2.1 { 1.0 } else { 0.0 };
            (step, loud) = (pitch / rate, 0.19 * syllable * phrase);
            // Two resonances of a mouth that changes.
            let vowel = 500.0 + 350.0 * (2.3 * t + variant as f32).sin();
            let near =
                |hertz: f32, centre: f32, width: f32| (-((hertz - centre) / width).powi(2)).exp();
            for (overtone, part) in (1u16..).zip(&mut overtones) {
                let hertz = pitch * f32::from(overtone);
                let two = near(hertz, vowel, 260.0) + 0.35 * near(hertz, 2.6 * vowel, 420.0);
                *part = two + 0.04;
            }
        }
        turn = (turn + step) % 1.0;
        let each = (1u16..).zip(&overtones);
        let sum: f32 = each
            .map(|(n, part)| part * (turn * TAU * f32::from(n)).sin())
            .sum();
        for channel in 0..channels {
            let side = if channel == 0 { 1.0 } else { 0.6 };
            out.push((sum * loud * side).clamp(-1.0, 1.0));
        }
    }
    out
}

fn sweep(format: StreamFormat) -> Vec<f32> {
    let frames = format.rate.frames_in(Duration::from_secs(5));
    let gain = Gain::linear(0.5).unwrap_or(Gain::UNITY);
    let mut out = vec![0.0; frames as usize];
    if let Ok(mut sweep) = Signal::sweep(format, 50.0, 12_000.0, frames, gain) {
        let _ = sweep.read(&mut out);
    }
    out
}

fn pcm(samples: &[f32]) -> Vec<u8> {
    let mut out = vec![0; 2 * samples.len()];
    convert::encode(PcmFormat::S16LE, samples, &mut out);
    out
}

fn wav(format: StreamFormat, samples: &[f32]) -> Vec<u8> {
    let file = Shared::default();
    let written =
        WavSink::new(file.clone(), "demo.wav", format, SampleFormat::S16).and_then(|mut sink| {
            sink.write(AudioRef::new(samples, format.channels))?;
            sink.finish()
        });
    written.map(|()| file.take()).unwrap_or_default()
}

#[cfg(feature = "opus")]
fn opus(format: StreamFormat, samples: &[f32]) -> Vec<u8> {
    use audiox_opus::{OpusConfig, OpusSink};

    let file = Shared::default();
    let config = OpusConfig::default();
    let written = OpusSink::new(file.clone(), "demo.opus", format, &config).and_then(|mut sink| {
        sink.write(AudioRef::new(samples, format.channels))?;
        sink.finish()
    });
    written.map(|()| file.take()).unwrap_or_default()
}

/// A file in memory whose bytes are had when its writer is gone.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Cursor<Vec<u8>>>>);

impl Shared {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_inner()
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        file.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Seek for Shared {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(to)
    }
}

fn format(rate: u32, channels: u16) -> StreamFormat {
    let rate = SampleRate::new(rate).expect("a rate that there is");
    StreamFormat::new(rate, Channels::new(channels).expect("one channel or two"))
}

/// How much of a recording is written at once.
const PART: Duration = Duration::from_millis(750);
/// As the original's sessions.
const TTL: Duration = Duration::from_secs(3_600);
/// How long a recording goes on before the next begins.
const LIVE_SECONDS: u32 = 90;
const OVERTONES: usize = 12;

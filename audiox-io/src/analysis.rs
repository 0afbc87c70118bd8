//! How a recording sounds, in figures and as a picture, read once and in bounded memory.
//!
//! An [`Analyser`] takes blocks and says in the end how loud they were, whether they are clipped, where
//! they are silent; a [`Spectrogram`] takes the same blocks and keeps what frequencies there were when.
//! [`scan`] takes a source through any number of such listeners in one pass.
//!
//! ```
//! use std::ops::ControlFlow;
//!
//! use audiox_core::convert::Gain;
//! use audiox_core::format::{Channels, SampleFormat, SampleRate, StreamFormat};
//! use audiox_io::analysis::{Analyser, Spectrogram, scan};
//! use audiox_io::{Signal, Take};
//!
//! let format = StreamFormat::new(SampleRate::HZ_48000, Channels::MONO);
//! let tone = Signal::tone(format, 1_000.0, Gain::from_db(-20.0)?)?;
//! let mut source = Take::new(Box::new(tone), 3 * 48_000);
//! let mut analyser = Analyser::new(format, SampleFormat::S16);
//! let mut spectrogram = Spectrogram::new(format);
//! scan(&mut source, |block| {
//!     analyser.push(block);
//!     spectrogram.push(block);
//!     ControlFlow::Continue(())
//! })?;
//! let analysis = analyser.finish();
//! assert!((analysis.loudness.unwrap() + 23.0).abs() < 0.1, "-23 LUFS: a sine, one channel");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Loudness
//! Integrated, as EBU R 128 and ITU-R BS.1770 have it, by the crate `ebur128`, a port of libebur128. One
//! channel counts once, as in ffmpeg.

mod loudness;
mod runs;
mod spectrogram;

use std::ops::{ControlFlow, Range};
use std::time::Duration;

use audiox_core::block::AudioRef;
use audiox_core::convert::{Level, LevelMeter};
use audiox_core::format::{SampleFormat, StreamFormat};
use audiox_core::source::{Source, SourceError};

pub use spectrogram::Spectrogram;

use crate::envelope::Envelope;
use loudness::Loudness;
use runs::{Clipped, Silence};

/// Measures what is pushed into it.
#[derive(Debug)]
pub struct Analyser {
    format: StreamFormat,
    meter: LevelMeter,
    loudness: Option<Loudness>,
    sums: Box<[f64]>,
    clipped: Clipped,
    silence: Silence,
    envelope: Envelope,
    frames: u64,
}

/// What was measured.
#[derive(Debug, Clone)]
pub struct Analysis {
    /// Rate and channels.
    pub format: StreamFormat,
    /// Frames.
    pub frames: u64,
    /// Peak and RMS of each channel, linear, full scale 1.0.
    pub levels: Vec<Level>,
    /// Mean of each channel, full scale 1.0.
    pub dc_offset: Vec<f32>,
    /// Integrated loudness in LUFS; `None` where nothing is louder than −70 LUFS, or the rate or number of
    /// channels has none (up to 64 channels, 16 Hz and more).
    pub loudness: Option<f64>,
    /// Samples at full scale, in stretches of three and more.
    pub clipped_samples: u64,
    /// How many such stretches there are.
    pub clipped_stretches: u64,
    /// Where all channels stay below −60 dBFS for 0.2 s and more, in frames, exact to a hundredth of a
    /// second; the first 1 000 of them.
    pub silences: Vec<Range<u64>>,
    /// Part of the time that such silence takes, 0 to 1.
    pub silent_share: f64,
    /// The outline.
    pub envelope: Envelope,
}

impl Analysis {
    /// How long it lasts.
    pub fn duration(&self) -> Duration {
        self.format.rate.duration_of(self.frames)
    }

    /// The loudest channel's peak, and the RMS of all channels together.
    pub fn level(&self) -> Level {
        let peak = self.levels.iter().fold(0.0f32, |p, l| p.max(l.peak));
        let squares: f64 = self.levels.iter().map(|l| f64::from(l.rms).powi(2)).sum();
        let rms = (squares / self.levels.len().max(1) as f64).sqrt() as f32;
        Level { peak, rms }
    }
}

impl Analyser {
    /// For audio of `format` that was stored as `sample`, whose greatest code is what clipped
    /// audio stays at.
    pub fn new(format: StreamFormat, sample: SampleFormat) -> Self {
        let channels = format.channels.get();
        Self {
            format,
            meter: LevelMeter::new(format.channels),
            loudness: Loudness::new(format),
            sums: vec![0.0; channels].into(),
            clipped: Clipped::new(channels, sample),
            silence: Silence::new(format),
            envelope: Envelope::new(format),
            frames: 0,
        }
    }

    /// Takes what comes next. A block of another channel count is passed over.
    pub fn push(&mut self, block: AudioRef<'_>) {
        if block.channels() != self.format.channels {
            return;
        }
        self.frames += block.frames() as u64;
        self.meter.push(block);
        if let Some(loudness) = &mut self.loudness {
            loudness.push(block);
        }
        let channels = self.sums.len();
        for run in block.samples().chunks(RUN * channels) {
            for (c, sum) in self.sums.iter_mut().enumerate() {
                let part: f32 = run.iter().skip(c).step_by(channels).sum();
                *sum += f64::from(part);
            }
        }
        self.clipped.push(block.samples());
        self.silence.push(block.samples());
        self.envelope.push(block);
    }

    /// What it all was.
    pub fn finish(mut self) -> Analysis {
        self.silence.finish();
        let frames = self.frames;
        let mean = |sum: &f64| (sum / frames.max(1) as f64) as f32;
        Analysis {
            format: self.format,
            frames,
            levels: self.meter.levels().collect(),
            dc_offset: self.sums.iter().map(mean).collect(),
            loudness: self.loudness.and_then(|l| l.integrated()),
            clipped_samples: self.clipped.samples(),
            clipped_stretches: self.clipped.stretches(),
            silent_share: self.silence.frames() as f64 / frames.max(1) as f64,
            silences: self.silence.into_stretches(),
            envelope: self.envelope,
        }
    }
}

/// Hands a source block by block to `each`, from its position to its end or until `each` says so. What
/// a damaged source has to say after some of it could be read is no error, but returned.
///
/// # Errors
/// What the source fails with: reading, or before anything could be read.
pub fn scan(
    source: &mut dyn Source,
    mut each: impl FnMut(AudioRef<'_>) -> ControlFlow<()>,
) -> Result<Option<String>, SourceError> {
    let channels = source.format().channels;
    let mut samples = vec![0.0; BLOCK * channels.get()];
    let mut is_first = true;
    loop {
        let frames = match source.read(&mut samples) {
            Ok(0) => return Ok(None),
            Ok(frames) => frames,
            Err(SourceError::Malformed(text) | SourceError::Unsupported(text)) if !is_first => {
                return Ok(Some(text));
            }
            Err(e) => return Err(e),
        };
        is_first = false;
        let block = AudioRef::new(&samples[..frames * channels.get()], channels);
        if each(block).is_break() {
            return Ok(None);
        }
    }
}

/// Frames read at a time.
const BLOCK: usize = 4_096;
/// Frames summed up as `f32`.
const RUN: usize = 256;

#[cfg(test)]
mod tests;

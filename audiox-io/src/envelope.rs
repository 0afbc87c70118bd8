//! The outline of a stretch of audio, at a resolution that fits its length.

use std::ops::Range;
use std::time::Duration;

use audiox_core::block::AudioRef;
use audiox_core::format::{SampleRate, StreamFormat};
use audiox_core::source::{Source, SourceError};

/// Least and greatest sample of each of at most 2 048 equal spans, all channels together.
///
/// Memory is bounded however long the audio is: when the spans run out, neighbours are joined and
/// each counts twice as many frames from then on.
#[derive(Debug, Clone)]
pub struct Envelope {
    format: StreamFormat,
    frames: u64,
    frames_per_span: u64,
    spans: Vec<Extent>,
}

/// Least and greatest sample of a span, full scale ±1.0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Extent {
    /// The least sample.
    pub min: f32,
    /// The greatest sample.
    pub max: f32,
}

impl Envelope {
    /// The envelope of nothing yet.
    pub fn new(format: StreamFormat) -> Self {
        Self {
            format,
            frames: 0,
            frames_per_span: 1,
            spans: Vec::with_capacity(MAX_SPANS),
        }
    }

    /// The envelope of what `source` holds from its position to its end. An endless source must
    /// be cut by the caller: use [`push`](Self::push).
    ///
    /// # Errors
    /// What the source fails with.
    pub fn of(source: &mut dyn Source) -> Result<Self, SourceError> {
        let mut envelope = Self::new(source.format());
        let channels = envelope.format.channels;
        let mut samples = vec![0.0; READ_FRAMES * channels.get()];
        loop {
            match source.read(&mut samples)? {
                0 => return Ok(envelope),
                frames => {
                    envelope.push(AudioRef::new(&samples[..frames * channels.get()], channels));
                }
            }
        }
    }

    /// Adds what comes next. The block's channel count is the format's.
    pub fn push(&mut self, block: AudioRef<'_>) {
        let channels = self.format.channels.get();
        let mut rest = block.samples();
        while rest.len() >= channels {
            let filled = self.frames % self.frames_per_span;
            if filled == 0 {
                if self.spans.len() == MAX_SPANS {
                    self.halve();
                    continue;
                }
                self.spans.push(Extent::NOTHING);
            }
            let room = usize::try_from(self.frames_per_span - filled).unwrap_or(usize::MAX);
            let frames = room.min(rest.len() / channels);
            let (now, later) = rest.split_at(frames * channels);
            if let Some(last) = self.spans.last_mut() {
                *last = now.iter().fold(*last, |e, &sample| e.with(sample));
            }
            self.frames += frames as u64;
            rest = later;
        }
    }

    /// Frames taken in.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Frames per second.
    pub fn rate(&self) -> SampleRate {
        self.format.rate
    }

    /// How long it lasts.
    pub fn duration(&self) -> Duration {
        self.format.rate.duration_of(self.frames)
    }

    /// The greatest magnitude, full scale 1.0.
    pub fn peak(&self) -> f32 {
        self.spans
            .iter()
            .fold(0.0, |p: f32, e| p.max(-e.min).max(e.max))
    }

    /// The extent of the spans that `frames` touches; `None` where that lies past the end.
    pub fn extent(&self, frames: Range<u64>) -> Option<Extent> {
        if frames.start >= self.frames || frames.is_empty() {
            return None;
        }
        let last = (frames.end.min(self.frames) - 1) / self.frames_per_span;
        let first = frames.start / self.frames_per_span;
        let spans = self.spans.get(first as usize..=last as usize)?;
        let joined = spans.iter().fold(Extent::NOTHING, |a, &b| a.join(b));
        // A span of nothing but NaN draws as silence.
        Some(if joined.min > joined.max {
            Extent { min: 0.0, max: 0.0 }
        } else {
            joined
        })
    }

    fn halve(&mut self) {
        let pairs = self.spans.len() / 2;
        for i in 0..pairs {
            self.spans[i] = self.spans[2 * i].join(self.spans[2 * i + 1]);
        }
        self.spans.truncate(pairs);
        self.frames_per_span *= 2;
    }
}

impl Extent {
    const NOTHING: Self = Self {
        min: f32::INFINITY,
        max: f32::NEG_INFINITY,
    };

    fn with(self, sample: f32) -> Self {
        Self {
            min: self.min.min(sample),
            max: self.max.max(sample),
        }
    }

    fn join(self, other: Self) -> Self {
        Self {
            min: self.min.min(other.min),
            max: self.max.max(other.max),
        }
    }
}

const MAX_SPANS: usize = 2_048;
const READ_FRAMES: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;
    use audiox_core::format::Channels;

    fn ramp(frames: u64) -> Envelope {
        let mut envelope = Envelope::new(StreamFormat::new(SampleRate::HZ_48000, Channels::STEREO));
        let samples: Vec<f32> = (0..frames)
            .flat_map(|n| [n as f32 / frames as f32, -0.25])
            .collect();
        // Odd block sizes, so that blocks and spans do not end together.
        for block in samples.chunks(2 * 37) {
            envelope.push(AudioRef::new(block, Channels::STEREO));
        }
        envelope
    }

    #[test]
    fn short_audio_is_kept_frame_by_frame() {
        let envelope = ramp(4);
        let at = |n| envelope.extent(n..n + 1);
        assert_eq!(envelope.frames(), 4);
        assert_eq!(
            at(3),
            Some(Extent {
                min: -0.25,
                max: 0.75
            })
        );
        assert_eq!(at(4), None);
    }

    #[test]
    fn long_audio_keeps_its_extremes_in_bounded_memory() {
        let frames = 300_000;
        let envelope = ramp(frames);
        assert!(envelope.spans.len() <= MAX_SPANS && envelope.spans.len() > MAX_SPANS / 2);
        assert_eq!(envelope.frames(), frames);
        assert_eq!(envelope.peak(), (frames - 1) as f32 / frames as f32);
        for start in (0..frames - 500).step_by(7_001) {
            let extent = envelope.extent(start..start + 500).unwrap();
            let exact = (start + 499) as f32 / frames as f32;
            let slack = envelope.frames_per_span as f32 / frames as f32;
            assert!(extent.max >= exact && extent.max <= exact + slack);
            assert_eq!(extent.min, -0.25);
        }
    }

    #[test]
    fn samples_that_are_not_numbers_draw_as_silence() {
        let mut envelope = Envelope::new(StreamFormat::new(SampleRate::HZ_8000, Channels::MONO));
        envelope.push(AudioRef::new(&[f32::NAN; 3], Channels::MONO));
        assert_eq!(envelope.extent(0..3), Some(Extent { min: 0.0, max: 0.0 }));
        assert_eq!(envelope.peak(), 0.0);
    }
}

//! Views of interleaved audio: frames × channels, `f32`, full scale ±1.0.

use crate::format::Channels;

/// Borrowed frames: `samples.len()` is a multiple of `channels`.
#[derive(Debug, Clone, Copy)]
pub struct AudioRef<'a> {
    samples: &'a [f32],
    channels: Channels,
}

impl<'a> AudioRef<'a> {
    /// A view of `samples`; a trailing partial frame is left out.
    pub fn new(samples: &'a [f32], channels: Channels) -> Self {
        let whole = samples.len() - samples.len() % channels.get();
        Self {
            samples: &samples[..whole],
            channels,
        }
    }

    /// Interleaved samples, frames × channels.
    pub fn samples(&self) -> &'a [f32] {
        self.samples
    }

    /// Samples per frame.
    pub fn channels(&self) -> Channels {
        self.channels
    }

    /// Number of frames.
    pub fn frames(&self) -> usize {
        self.samples.len() / self.channels.get()
    }

    /// The first `frames` frames and the rest; all and nothing where there are fewer.
    pub fn split_at(self, frames: usize) -> (Self, Self) {
        let at = frames
            .saturating_mul(self.channels.get())
            .min(self.samples.len());
        let (a, b) = self.samples.split_at(at);
        (Self { samples: a, ..self }, Self { samples: b, ..self })
    }
}

/// Mutably borrowed frames: `samples.len()` is a multiple of `channels`.
#[derive(Debug)]
pub struct AudioMut<'a> {
    samples: &'a mut [f32],
    channels: Channels,
}

impl<'a> AudioMut<'a> {
    /// A view of `samples`; a trailing partial frame is left out.
    pub fn new(samples: &'a mut [f32], channels: Channels) -> Self {
        let whole = samples.len() - samples.len() % channels.get();
        Self {
            samples: &mut samples[..whole],
            channels,
        }
    }

    /// Interleaved samples, frames × channels.
    pub fn samples(&mut self) -> &mut [f32] {
        self.samples
    }

    /// Samples per frame.
    pub fn channels(&self) -> Channels {
        self.channels
    }

    /// Number of frames.
    pub fn frames(&self) -> usize {
        self.samples.len() / self.channels.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partial_frames_are_left_out_and_splits_are_clamped() {
        let data = [0.0, 1.0, 2.0, 3.0, 4.0];
        let block = AudioRef::new(&data, Channels::STEREO);
        assert_eq!(block.frames(), 2);
        let (a, b) = block.split_at(1);
        assert_eq!((a.samples(), b.samples()), (&data[..2], &data[2..4]));
        assert_eq!(block.split_at(9).1.frames(), 0);
    }
}

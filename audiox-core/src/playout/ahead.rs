//! Frames that are ready and have not gone out yet.

use std::ops::Range;

/// A short queue of interleaved frames in one piece of memory; what was made up stands first.
#[derive(Debug)]
pub(super) struct Ahead {
    samples: Box<[f32]>,
    range: Range<usize>,
    channels: usize,
    /// Frames at the front that were made up.
    concealed: usize,
}

/// What [`Ahead::pop_into`] took, in frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Popped {
    pub(super) decoded: usize,
    pub(super) concealed: usize,
}

impl Popped {
    pub(super) const NONE: Self = Self {
        decoded: 0,
        concealed: 0,
    };
}

impl Ahead {
    pub(super) fn new(frames: usize, channels: usize) -> Self {
        Self {
            samples: vec![0.0; frames * channels].into_boxed_slice(),
            range: 0..0,
            channels,
            concealed: 0,
        }
    }

    pub(super) fn frames(&self) -> usize {
        self.range.len() / self.channels
    }

    pub(super) fn is_empty(&self) -> bool {
        self.range.is_empty()
    }

    pub(super) fn samples(&self) -> &[f32] {
        &self.samples[self.range.clone()]
    }

    pub(super) fn samples_mut(&mut self) -> &mut [f32] {
        &mut self.samples[self.range.clone()]
    }

    /// Moves as many frames as `out` takes into it.
    pub(super) fn pop_into(&mut self, out: &mut [f32]) -> Popped {
        let n = self.range.len().min(out.len());
        out[..n].copy_from_slice(&self.samples[self.range.start..self.range.start + n]);
        self.range.start += n;
        let frames = n / self.channels;
        let concealed = frames.min(self.concealed);
        self.concealed -= concealed;
        Popped {
            decoded: frames - concealed,
            concealed,
        }
    }

    /// Room behind what is held, all there is.
    pub(super) fn room(&mut self) -> &mut [f32] {
        if self.range.start > 0 {
            self.samples.copy_within(self.range.clone(), 0);
            self.range = 0..self.range.len();
        }
        &mut self.samples[self.range.end..]
    }

    /// Takes in `frames` that were written into the [`room`](Self::room).
    pub(super) fn grow(&mut self, frames: usize) {
        let end = self.range.end + frames * self.channels;
        self.range.end = end.min(self.samples.len());
    }

    /// As [`grow`](Self::grow), where nothing was held and the first `concealed` are made up.
    pub(super) fn grow_bridged(&mut self, concealed: usize, frames: usize) {
        self.concealed = concealed;
        self.grow(concealed + frames);
    }

    /// Replaces the first `frames` by `with`.
    pub(super) fn replace_front(&mut self, frames: usize, with: &[f32]) {
        let old = (frames * self.channels).min(self.range.len());
        self.room();
        let tail = old..self.range.end;
        let end = (with.len() + tail.len()).min(self.samples.len());
        self.samples.copy_within(tail, with.len());
        self.samples[..with.len()].copy_from_slice(with);
        self.range.end = end;
    }

    pub(super) fn clear(&mut self) {
        self.range = 0..0;
        self.concealed = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_leave_in_order_and_the_front_can_be_exchanged() {
        let mut a = Ahead::new(8, 2);
        a.room()[..8].copy_from_slice(&[1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5]);
        a.grow_bridged(1, 3);
        let mut out = [0.0; 4];
        let popped = a.pop_into(&mut out);
        assert_eq!((popped.concealed, popped.decoded), (1, 1));
        assert_eq!(out, [1.0, 1.5, 2.0, 2.5]);
        a.replace_front(1, &[7.0, 7.5, 8.0, 8.5, 9.0, 9.5]);
        assert_eq!(a.samples(), [7.0, 7.5, 8.0, 8.5, 9.0, 9.5, 4.0, 4.5]);
        a.replace_front(3, &[]);
        assert_eq!(a.samples(), [4.0, 4.5]);
        assert_eq!(a.room().len(), 14);
        a.clear();
        assert!(a.is_empty());
    }
}

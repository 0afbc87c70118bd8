//! The past, in one piece.

use crate::convert::make_finite;

/// The last frames that went out, interleaved. Twice as long as needed, so that what is needed
/// always lies in one slice and is moved only now and then.
#[derive(Debug)]
pub(super) struct History {
    samples: Box<[f32]>,
    channels: usize,
    /// Frames kept.
    frames: usize,
    /// One past the newest sample.
    end: usize,
}

impl History {
    /// Silence, `frames` long.
    pub(super) fn new(frames: usize, channels: usize) -> Self {
        Self {
            samples: vec![0.0; 2 * frames * channels].into_boxed_slice(),
            channels,
            frames,
            end: frames * channels,
        }
    }

    pub(super) fn push(&mut self, new: &[f32]) {
        let keep = self.frames * self.channels;
        let new = &new[..new.len() / self.channels * self.channels];
        let new = &new[new.len().saturating_sub(keep)..];
        if self.end + new.len() > self.samples.len() {
            self.samples.copy_within(self.end - keep..self.end, 0);
            self.end = keep;
        }
        let room = &mut self.samples[self.end..self.end + new.len()];
        room.copy_from_slice(new);
        make_finite(room);
        self.end += new.len();
    }

    /// The last `frames` frames, or as many as are kept.
    pub(super) fn last(&self, frames: usize) -> &[f32] {
        let n = frames.min(self.frames) * self.channels;
        &self.samples[self.end - n..self.end]
    }

    pub(super) fn frames(&self) -> usize {
        self.frames
    }

    pub(super) fn clear(&mut self) {
        self.samples.fill(0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_frames_are_there_in_order_however_they_came() {
        let mut h = History::new(5, 2);
        let mut all = vec![0.0; 10];
        for len in [1, 3, 0, 2, 7, 1, 1, 4, 20, 3] {
            let from = all.len();
            all.extend((0..len * 2).map(|i| (from + i) as f32));
            h.push(&all[from..]);
            assert_eq!(h.last(5), &all[all.len() - 10..]);
            assert_eq!(h.last(2), &all[all.len() - 4..]);
        }
        h.push(&[f32::NAN, 1.0, f32::INFINITY, 2.0]);
        assert_eq!(h.last(2), [0.0, 1.0, 0.0, 2.0]);
        assert_eq!(h.last(99).len(), 10);
    }
}

//! The blend of two stretches of a signal into one.

use crate::format::Channels;
use crate::pitch::similarity;

/// Two stretches of `fade` frames, the first from frame `at` on, the second `lag` frames later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Splice {
    pub(super) at: usize,
    pub(super) lag: usize,
    pub(super) fade: usize,
}

impl Splice {
    /// Goes over from the first stretch to the second in the first `frames` frames of `audio`,
    /// and returns how many are left.
    pub(super) fn shorten(self, frames: usize, channels: Channels, audio: &mut [f32]) -> usize {
        let ch = channels.get();
        let loudest = peak(&audio[..frames * ch]);
        let alike = self.alike(ch, audio);
        for i in 0..self.fade {
            let (first, second) = self.weights(i, alike);
            let (a, b) = ((self.at + i) * ch, (self.at + self.lag + i) * ch);
            for c in 0..ch {
                let sum = first * audio[a + c] + second * audio[b + c];
                audio[a + c] = sum.clamp(-f32::MAX, f32::MAX);
            }
            limit(&mut audio[a..a + ch], loudest);
        }
        let end = self.at + self.fade;
        audio.copy_within((end + self.lag) * ch..frames * ch, end * ch);
        frames - self.lag
    }

    /// Goes back from the second stretch to the first; there is room for `lag` frames more.
    pub(super) fn lengthen(self, frames: usize, channels: Channels, audio: &mut [f32]) -> usize {
        let ch = channels.get();
        let loudest = peak(&audio[..frames * ch]);
        let alike = self.alike(ch, audio);
        let end = self.at + self.fade;
        audio.copy_within(end * ch..frames * ch, (end + self.lag) * ch);
        // Backwards: where the two overlap, the second is read as the first later on.
        for i in (0..self.fade).rev() {
            let (second, first) = self.weights(i, alike);
            let (a, b) = ((self.at + i) * ch, (self.at + self.lag + i) * ch);
            for c in 0..ch {
                let sum = first * audio[a + c] + second * audio[b + c];
                audio[b + c] = sum.clamp(-f32::MAX, f32::MAX);
            }
            limit(&mut audio[b..b + ch], loudest);
        }
        frames + self.lag
    }

    /// The weights of what goes and of what comes, `i` frames into the fade.
    ///
    /// Smooth at both ends, so that not even a low tone bends, and the first and last frames are
    /// untouched; their sum is 1 for equal stretches, the sum of their squares for stretches that
    /// have nothing in common.
    fn weights(self, i: usize, alike: f32) -> (f32, f32) {
        let t = i as f32 / (self.fade - 1).max(1) as f32;
        let comes = t * t * (3.0 - 2.0 * t);
        let goes = 1.0 - comes;
        let power = goes * goes + comes * comes + 2.0 * alike * goes * comes;
        let gain = 1.0 / power.sqrt();
        (goes * gain, comes * gain)
    }

    fn alike(self, ch: usize, audio: &[f32]) -> f32 {
        let (a, b, n) = (self.at * ch, (self.at + self.lag) * ch, self.fade * ch);
        similarity(&audio[a..a + n], &audio[b..b + n]).max(0.0)
    }
}

/// Turns a frame down, all channels alike, where it is louder than `loudest`.
fn limit(frame: &mut [f32], loudest: f32) {
    let loud = peak(frame);
    if loud > loudest {
        let gain = loudest / loud;
        for x in frame {
            *x = (*x * gain).clamp(-loudest, loudest);
        }
    }
}

fn peak(x: &[f32]) -> f32 {
    x.iter().fold(0.0, |max, x| max.max(x.abs()))
}

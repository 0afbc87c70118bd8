//! What is heard where nothing is there to play.

use super::{Aim, Popped, Timeline};
use crate::conceal::Concealer;
use crate::time::Instant;

impl Timeline {
    /// Makes up for what is missing: up to the next packet where that is here, so that both sides
    /// are known; otherwise into `out` for as long as it is.
    pub(super) fn expand(&mut self, now: Instant, out: &mut [f32]) -> Popped {
        let ch = self.format.channels.get();
        if self.starved == 0 {
            self.stats.concealment_events += 1;
        }
        let gap = self
            .buffer
            .head()
            .map(|p| usize::try_from(p.meta.at - self.next).unwrap_or(usize::MAX));
        let bridge = self.concealer.as_ref().map_or(0, Concealer::max_bridge);
        let mut frames = out.len() / ch;
        match gap {
            Some(gap) if gap <= bridge => {
                self.bridge(now, gap);
                return Popped::NONE;
            }
            Some(gap) => frames = frames.min(gap - bridge),
            None => {}
        }
        let out = &mut out[..frames * ch];
        match &mut self.concealer {
            Some(c) => c.extend(out),
            None => out.fill(0.0),
        }
        self.stats.concealed(out, ch);
        self.starved += frames as u64;
        if gap.is_none() && self.aim == Aim::Adaptive {
            self.held += frames as u64;
        } else {
            self.next = self.next + frames as i64;
        }
        if self.starved >= self.resync_after {
            self.resync();
        }
        Popped {
            decoded: 0,
            concealed: frames,
        }
    }

    /// Fills a gap of `gap` frames between what went out and the packet that waits, and takes
    /// both into `ahead`.
    pub(super) fn bridge(&mut self, now: Instant, gap: usize) {
        let frames = self.decode_raw(now, gap);
        let ch = self.format.channels.get();
        if let Some(c) = &mut self.concealer
            && frames > 0
        {
            let room = self.ahead.room();
            let (made, after) = room.split_at_mut(gap * ch);
            let after = &after[..frames * ch];
            c.bridge(made, after);
            c.push(after);
            self.stats.concealed(made, ch);
            self.ahead.grow_bridged(gap, frames);
            self.starved = 0;
            self.torn = false;
        }
    }

    /// Fills `out` while nothing plays: what was heard last fades away, then silence.
    pub(super) fn idle(&mut self, out: &mut [f32]) {
        let ch = self.format.channels.get();
        let frames = self.fading.min(out.len() / ch);
        let (tail, silence) = out.split_at_mut(frames * ch);
        silence.fill(0.0);
        if let Some(c) = &mut self.concealer
            && frames > 0
        {
            c.extend(tail);
            let step = 1.0 / self.fade as f32;
            for frame in tail.chunks_exact_mut(ch) {
                let gain = self.fading as f32 * step;
                self.fading -= 1;
                frame.iter_mut().for_each(|s| *s *= gain);
            }
            if self.fading == 0 {
                c.reset();
            }
        }
    }
}

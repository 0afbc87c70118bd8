//! Steps of the delay: sound played shorter or longer, or left out.

use super::Timeline;
use crate::stretch::{Effort, TimeStretcher};
use crate::time::Instant;

impl Timeline {
    /// Plays consecutive packets shorter by at most `limit` nanoseconds.
    pub(super) fn accelerate(&mut self, now: Instant, limit: i64, effort: Effort) {
        self.gather(now);
        let ch = self.format.channels.get();
        let frames = self.ahead.frames().min(self.window());
        let limit = self.format.rate.frames_in_nanos(limit).max(0) as usize;
        if let Some(s) = &mut self.stretcher {
            let input = &self.ahead.samples()[..frames * ch];
            let made = s.accelerate(input, &mut self.stretched, limit, effort);
            self.exchange(now, frames, made, 0);
        }
        self.remember();
    }

    /// Plays consecutive packets longer by at most `limit` nanoseconds. What was played last may
    /// be repeated, so that little has to be here.
    pub(super) fn expand_ahead(&mut self, now: Instant, limit: i64, effort: Effort) {
        self.gather(now);
        let ch = self.format.channels.get();
        let frames = self.ahead.frames().min(self.window());
        let limit = self.format.rate.frames_in_nanos(limit).max(0) as usize;
        let lead = self.window() - frames;
        let past = match &self.concealer {
            Some(c) => c.recent(lead),
            None => &[],
        };
        let (lead, room) = self.joined.split_at_mut(past.len());
        lead.copy_from_slice(past);
        room[..frames * ch].copy_from_slice(&self.ahead.samples()[..frames * ch]);
        let played = past.len() / ch;
        let all = played + frames;
        if let Some(s) = &mut self.stretcher {
            let input = &self.joined[..all * ch];
            let made = s.expand_after(input, played, &mut self.stretched, limit, effort);
            self.exchange(now, frames, made.saturating_sub(played), played);
        }
        self.remember();
    }

    /// Decodes consecutive packets until a window is full, as far as they are here.
    fn gather(&mut self, now: Instant) {
        loop {
            self.decode(now);
            let ready = self.buffer.head().is_some_and(|p| p.meta.at <= self.next);
            if self.ahead.frames() >= self.window() || !ready {
                return;
            }
        }
    }

    /// Puts `made` stretched frames, from `from` on, in the place of the first `frames` ahead.
    fn exchange(&mut self, now: Instant, frames: usize, made: usize, from: usize) {
        if made == frames {
            return;
        }
        let ch = self.format.channels.get();
        let changed = &self.stretched[from * ch..(from + made) * ch];
        self.ahead.replace_front(frames, changed);
        self.stats.stretched(frames, made);
        self.policy
            .stretched(i64::try_from(now.as_nanos()).unwrap_or(i64::MAX));
    }

    fn window(&self) -> usize {
        self.stretcher.as_ref().map_or(0, TimeStretcher::window)
    }

    /// Leaves `frames` of media out: of a gap any number, else whole packets, of which at least
    /// one stays. Returns whether anything was left out.
    pub(super) fn skip(&mut self, frames: i64) -> bool {
        let (from, to) = (self.next, self.next + frames);
        match self.buffer.head().map(|p| p.meta.at) {
            Some(head) if head > self.next => self.next = to.min(head),
            _ => {
                while self.buffer.len() > 1
                    && let Some(head) = self.buffer.head()
                    && head.meta.at + i64::from(head.meta.frames) <= to
                    && let Some(packet) = self.buffer.pop()
                {
                    let end = packet.meta.at + i64::from(packet.meta.frames);
                    self.next = self.next.max(end);
                    self.stats.packets_discarded += 1;
                    self.spend(packet);
                }
            }
        }
        self.stats.removed_samples_for_acceleration += (self.next - from).max(0) as u64;
        let skipped = self.next > from;
        self.torn |= skipped;
        skipped
    }
}

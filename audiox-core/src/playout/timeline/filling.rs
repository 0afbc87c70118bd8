//! What is heard where nothing is there to play.

use super::{Aim, Popped, Timeline};
use crate::codec::{Decoder, RecoveredFrames};
use crate::time::Instant;

impl Timeline {
    /// Makes up for what is missing: up to the next packet where that is here, so that both sides
    /// are known; otherwise into `out` for as long as it is.
    pub(super) fn expand(&mut self, now: Instant, out: &mut [f32]) -> Popped {
        let ch = self.format.channels.get();
        let gap = self
            .buffer
            .head()
            .map(|p| usize::try_from(p.meta.at - self.next).unwrap_or(usize::MAX));
        let reach = self.reach();
        let mut frames = out.len() / ch;
        match gap {
            Some(gap) if gap <= reach => {
                self.bridge(now, gap);
                return Popped::NONE;
            }
            Some(gap) => frames = frames.min(gap - reach),
            None => {}
        }
        let out = &mut out[..frames * ch];
        if let Some(recovered) = gap.and_then(|gap| self.recover_part(gap, out)) {
            return recovered;
        }
        if self.starved == 0 {
            self.stats.concealment_events += 1;
        }
        self.extend(out);
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

    /// Fills `out` with the first of the `gap` frames before the packet that waits, where what that
    /// packet holds of its past reaches so far: only as much as is needed now, since it takes its
    /// time.
    fn recover_part(&mut self, gap: usize, out: &mut [f32]) -> Option<Popped> {
        let c = self.concealer.as_mut()?;
        let head = self.buffer.head()?;
        let (payload_type, decoder) = self.decoders.get_mut(self.speaker)?;
        if *payload_type != head.meta.payload_type {
            return None;
        }
        let decoded = decoder.recover(head.payload(), gap, out).unwrap_or(0);
        let frames = out.len() / self.format.channels.get();
        let concealed = frames.checked_sub(decoded).filter(|c| *c < frames)?;
        if concealed > 0 && self.starved == 0 {
            self.stats.concealment_events += 1;
        }
        c.push(out);
        self.stats.recovered_samples += decoded as u64;
        self.account_recovered();
        self.next = self.next + frames as i64;
        self.starved = 0;
        self.joins = true;
        Some(Popped { decoded, concealed })
    }

    fn account_recovered(&mut self) {
        let all = self.decoders.iter().map(|(_, d)| d.recovered());
        self.stats.recovered = all.fold(RecoveredFrames::default(), |sum, of| sum + of);
    }

    /// Frames of a gap that are filled at once when the packet behind it is here.
    fn reach(&self) -> usize {
        let recovery = |(_, d): &(u8, Box<dyn Decoder>)| d.max_recovery();
        self.concealer.as_ref().map_or(0, |c| {
            let codec = self.decoders.get(self.speaker).map_or(0, recovery);
            codec.max(c.max_bridge())
        })
    }

    /// Goes on from what went out, the end being unknown: by the codec's own means, which its
    /// next packet joins, or by the waveform's.
    fn extend(&mut self, out: &mut [f32]) {
        let Some(c) = &mut self.concealer else {
            out.fill(0.0);
            return;
        };
        let decoder = self.decoders.get_mut(self.speaker);
        self.joins = decoder.is_some_and(|(_, d)| d.conceal(out) > 0 && d.conceals_better());
        if self.joins {
            c.push(out);
        } else {
            c.extend(out);
        }
    }

    /// Fills a gap of `gap` frames between what went out and the packet that waits, and takes
    /// both into `ahead`.
    fn bridge(&mut self, now: Instant, gap: usize) {
        let by_codec = self.fill_by_codec(gap);
        let frames = self.decode_raw(now, gap);
        let ch = self.format.channels.get();
        let Some(c) = &mut self.concealer else { return };
        if frames == 0 {
            return;
        }
        let filled = &mut self.ahead.room()[..(gap + frames) * ch];
        let (made, after) = filled.split_at_mut(gap * ch);
        let recovered = by_codec.unwrap_or(0);
        let concealed = gap - recovered;
        let conceals = self
            .decoders
            .get(self.speaker)
            .is_some_and(|(_, d)| d.conceals());
        if by_codec.is_none() {
            c.bridge(made, after);
            c.push(after);
        } else if conceals || concealed == 0 {
            if self.torn {
                c.merge(made);
            }
            c.push(filled);
        } else {
            // Redundancy reaches into the gap, and before that nothing was made.
            let (made, after) = filled.split_at_mut(concealed * ch);
            c.bridge(made, after);
            c.push(after);
        }
        if concealed > 0 && self.starved == 0 {
            self.stats.concealment_events += 1;
        }
        self.stats.recovered_samples += recovered as u64;
        self.stats.concealed(&filled[..concealed * ch], ch);
        self.ahead.grow_bridged(concealed, recovered + frames);
        self.starved = 0;
        self.torn = false;
        self.account_recovered();
    }

    /// Writes the `gap` frames before the packet that waits into `ahead`'s room, where the codec
    /// can: from redundancy in that packet, of which the number of frames is returned, or from
    /// what it decoded before.
    fn fill_by_codec(&mut self, gap: usize) -> Option<usize> {
        self.concealer.as_ref()?;
        let head = self.buffer.head()?;
        let (payload_type, decoder) = self.decoders.get_mut(self.speaker)?;
        if *payload_type != head.meta.payload_type {
            return None;
        }
        let room = &mut self.ahead.room()[..gap * self.format.channels.get()];
        match decoder.decode_fec(head.payload(), room) {
            Ok(recovered) if recovered > 0 => Some(recovered.min(gap)),
            _ => (decoder.conceal(room) > 0 && decoder.conceals_better()).then_some(0),
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

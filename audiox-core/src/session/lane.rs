//! One source on the playback side.

use std::time::Duration;

use super::mixer;
use super::stats::PlaybackStats;
use super::ticket::Ticket;
use crate::block::AudioMut;
use crate::convert::{Gain, GainRamp};
use crate::format::Channels;
use crate::ingress::SourceId;
use crate::packet::PacketBuf;
use crate::playout::{Part, Playout, Pulled};

/// A playout with its gain. Made and dropped on the socket side.
pub(super) struct Lane {
    source: SourceId,
    ticket: Ticket,
    playout: Playout,
    gain: Gain,
    ramp: GainRamp,
    slew: u32,
    finishing: bool,
    /// Frames since one was decoded, and how many are waited for after a goodbye.
    dry: u64,
    patience: u64,
    peak: f32,
}

impl Lane {
    /// A lane for `source`, whose gain moves within `slew` frames.
    pub(super) fn new(
        source: SourceId,
        ticket: Ticket,
        playout: Playout,
        gain: Gain,
        slew: u32,
    ) -> Self {
        let format = playout.format();
        Self {
            source,
            ticket,
            playout,
            gain,
            ramp: GainRamp::new(gain, format.channels),
            slew,
            finishing: false,
            dry: 0,
            patience: format.rate.frames_in(STRAGGLERS),
            peak: 0.0,
        }
    }

    pub(super) fn source(&self) -> SourceId {
        self.source
    }

    pub(super) fn ticket(&self) -> Ticket {
        self.ticket
    }

    pub(super) fn insert(&mut self, packet: PacketBuf) {
        self.playout.insert(packet);
    }

    pub(super) fn poll_recycled(&mut self) -> Option<PacketBuf> {
        self.playout.poll_recycled()
    }

    pub(super) fn set_output_delay(&mut self, delay: Duration) {
        self.playout.set_output_delay(delay);
    }

    pub(super) fn set_gain(&mut self, gain: Gain) {
        if gain != self.gain {
            self.gain = gain;
            self.ramp.set(gain, self.slew);
        }
    }

    /// Fills `out`, frames of `channels` samples and a part of a slice, and measures it.
    pub(super) fn pull(&mut self, part: Part, out: &mut [f32], channels: Channels) -> Filled {
        let pulled = self.playout.pull_part(part, AudioMut::new(out, channels));
        let frames = out.len() / channels.get();
        self.dry = match pulled.decoded {
            0 => self.dry.saturating_add(frames as u64),
            _ => 0,
        };
        if pulled.idle >= frames {
            // In silence a gain arrives at once.
            self.ramp.set(self.gain, 0);
            return Filled { pulled, peak: None };
        }
        self.ramp.apply_frames(out, channels);
        let peak = mixer::peak(out);
        self.peak = self.peak.max(peak);
        Filled {
            pulled,
            peak: Some(peak),
        }
    }

    pub(super) fn finish(&mut self) {
        self.finishing = true;
        self.playout.finish();
    }

    /// Whether it was told to finish, has played all it had, and nothing more came.
    pub(super) fn is_done(&self) -> bool {
        let is_over = self.dry >= self.patience || !self.playout.is_playing();
        self.finishing && is_over && self.playout.packets_buffered() == 0
    }

    /// Drops everything held: the packets come out as recycled.
    pub(super) fn reset(&mut self) {
        self.playout.reset();
    }

    /// Statistics up to now; the peak is counted anew from here.
    pub(super) fn take_stats(&mut self) -> PlaybackStats {
        PlaybackStats {
            playout: *self.playout.stats(),
            packets_buffered: self.playout.packets_buffered(),
            playing: self.playout.is_playing(),
            target_delay: self.playout.target_delay(),
            adaptive: self.playout.is_adaptive(),
            ledger: self.playout.ledger(),
            drift: self.playout.drift(),
            peak: std::mem::take(&mut self.peak),
        }
    }
}

/// What a lane put into a slice.
pub(super) struct Filled {
    pub(super) pulled: Pulled,
    /// Largest magnitude; `None` where all of it is silence for want of a stream.
    pub(super) peak: Option<f32>,
}

/// How long after a goodbye packets may come that it overtook. Longer would draw out concealment
/// where nothing is missing.
const STRAGGLERS: Duration = Duration::from_millis(100);

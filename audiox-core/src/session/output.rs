use std::time::Duration;

use super::handover::{Command, Playback, Report};
use super::lane::Lane;
use super::mixer::{self, Limiter};
use super::stats::MixStats;
use super::ticket::Ticket;
use crate::block::{AudioMut, AudioRef};
use crate::format::{Channels, StreamFormat};
use crate::ingress::SourceId;
use crate::packet::PacketBuf;
use crate::playout::{Part, Pulled};
use crate::source::{Asked, Pull};
use crate::time::Instant;

/// The playback side of a session: lives in the device's callback. Neither allocates nor frees.
pub struct SessionOutput {
    format: StreamFormat,
    lanes: Box<[Option<Box<Lane>>]>,
    playback: Playback,
    scratch: Box<[f32]>,
    limiter: Limiter,
    /// From a pull to when it is heard, once that was told.
    output_delay: Option<Duration>,
    report_every: usize,
    unreported: usize,
    stats: MixStats,
}

/// What [`SessionOutput::pull`] put into the slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mixed {
    /// Sources that have a place.
    pub sources: usize,
    /// Sources of which something went in other than silence for want of a stream.
    pub sounding: usize,
    /// Frames made up, summed over the sources.
    pub concealed: usize,
}

/// One source's part of a [`SessionOutput::pull_each`].
#[derive(Debug, Clone, Copy)]
pub struct SourceAudio<'a> {
    /// Whose it is.
    pub source: SourceId,
    /// Its place, below [`SessionConfig::max_sources`](super::SessionConfig::max_sources); its
    /// own while it lasts, another source's afterwards. Serves as a track number.
    pub slot: usize,
    /// Its frames, with the gain applied.
    pub audio: AudioRef<'a>,
    /// What they are made of.
    pub pulled: Pulled,
}

impl SessionOutput {
    pub(super) fn new(format: StreamFormat, slots: usize, playback: Playback) -> Self {
        Self {
            format,
            lanes: (0..slots).map(|_| None).collect(),
            playback,
            scratch: vec![0.0; CHUNK * format.channels.get()].into_boxed_slice(),
            limiter: Limiter::new(format.rate, CHUNK),
            output_delay: None,
            report_every: (format.rate.get() / REPORTS_PER_SECOND) as usize,
            unreported: 0,
            stats: MixStats::default(),
        }
    }

    /// Format of the slices to pull.
    pub fn format(&self) -> StreamFormat {
        self.format
    }

    /// Fills the whole of `out`, whose first frame is heard at `now`, with the sum of all
    /// sources, each with its gain. Its channel count should be the format's; otherwise the
    /// channels both have are filled and the rest is silence.
    ///
    /// The sum is kept within full scale, or within its loudest source's own peak where that is
    /// more: a source alone is never changed. Work is bounded by the slice, the sources and the
    /// packet buffers.
    pub fn pull(&mut self, now: Instant, mut out: AudioMut<'_>) -> Mixed {
        self.receive();
        let (frames, channels) = (out.frames(), out.channels());
        let mixed = self.mix(now, out.samples(), channels);
        self.conclude(frames);
        mixed
    }

    /// Fills the whole of `slice` once for each source in turn and hands it to `each`: for
    /// multitrack recording and one's own routing. Nothing is limited. `slice` should have the
    /// format's channel count, as for [`pull`](Self::pull).
    ///
    /// A session is pulled in one of the two ways: either takes the frames.
    pub fn pull_each(
        &mut self,
        now: Instant,
        mut slice: AudioMut<'_>,
        mut each: impl FnMut(SourceAudio<'_>),
    ) {
        self.receive();
        let (frames, channels) = (slice.frames(), slice.channels());
        for lane in self.lanes.iter_mut().flatten() {
            let part = Part {
                now,
                done: 0,
                of: frames,
            };
            let filled = lane.pull(part, slice.samples(), channels);
            each(SourceAudio {
                source: lane.source(),
                slot: lane.ticket().slot(),
                audio: AudioRef::new(slice.samples(), channels),
                pulled: filled.pulled,
            });
        }
        self.conclude(frames);
    }

    /// What is pulled from now on is heard so much later: sources that begin count it towards a
    /// fixed latency, those that play stay where they are. Until it is called, their
    /// [`PlayoutConfig::output_delay`](crate::playout::PlayoutConfig::output_delay) counts.
    pub fn set_output_delay(&mut self, delay: Duration) {
        self.output_delay = Some(delay);
    }

    /// The sources that have a place, each with its place.
    pub fn sources(&self) -> impl Iterator<Item = (usize, SourceId)> + '_ {
        let lanes = self.lanes.iter().flatten();
        lanes.map(|l| (l.ticket().slot(), l.source()))
    }

    /// Counters so far.
    pub fn stats(&self) -> &MixStats {
        &self.stats
    }

    /// Whether the socket side is gone; what it handed over plays on.
    pub fn is_closed(&self) -> bool {
        self.playback.is_closed()
    }

    fn mix(&mut self, now: Instant, out: &mut [f32], channels: Channels) -> Mixed {
        let ch = channels.get();
        let of = out.len() / ch;
        let mut mixed = Mixed::default();
        let mut done = 0;
        for part in out.chunks_mut((self.scratch.len() / ch).clamp(1, CHUNK) * ch) {
            let frames = part.len() / ch;
            let place = Part { now, done, of };
            let (mut sources, mut sounding, mut loudest) = (0, 0, 1f32);
            for lane in self.lanes.iter_mut().flatten() {
                sources += 1;
                let slice = match sounding {
                    0 => &mut *part,
                    _ => &mut self.scratch[..part.len()],
                };
                let filled = lane.pull(place, slice, channels);
                mixed.concealed += filled.pulled.concealed;
                let Some(peak) = filled.peak else {
                    continue;
                };
                loudest = loudest.max(peak);
                if sounding > 0 {
                    mixer::add(part, &self.scratch[..part.len()]);
                }
                sounding += 1;
            }
            if sounding == 0 {
                part.fill(0.0);
            }
            let peak = if sounding > 1 { mixer::peak(part) } else { 0.0 };
            let lowest = self.limiter.apply(part, ch, loudest, peak);
            if lowest < 1.0 {
                self.stats.frames_limited += frames as u64;
                self.stats.lowest_gain = self.stats.lowest_gain.min(lowest);
            }
            mixed.sources = mixed.sources.max(sources);
            mixed.sounding = mixed.sounding.max(sounding);
            done += frames;
        }
        mixed
    }

    /// Takes over what the socket side has handed in.
    fn receive(&mut self) {
        self.obey();
        for _ in 0..self.playback.buffers() {
            let Some(packet) = self.playback.next_packet() else {
                break;
            };
            self.route(packet);
        }
        for (slot, lane) in self.lanes.iter_mut().enumerate() {
            if let Some(lane) = lane {
                lane.set_gain(self.playback.gain(slot));
                if let Some(delay) = self.output_delay {
                    lane.set_output_delay(delay);
                }
            }
        }
    }

    fn obey(&mut self) {
        while let Some(command) = self.playback.next_command() {
            match command {
                Command::Open(lane) => {
                    let slot = lane.ticket().slot();
                    debug_assert!(self.lanes[slot].is_none(), "a place is opened once");
                    self.lanes[slot] = Some(lane);
                }
                Command::Finish(ticket) => {
                    if let Some(lane) = self.lane(ticket) {
                        lane.finish();
                    }
                }
                Command::Close(ticket) => {
                    if self.lane(ticket).is_some() {
                        self.send_home(ticket.slot());
                    }
                }
            }
        }
    }

    fn route(&mut self, packet: PacketBuf) {
        let ticket = packet.meta.ticket;
        if self.lane(ticket).is_none() {
            // Its lane was handed in before it, yet maybe after the commands were read.
            self.obey();
        }
        let slot = ticket.slot();
        match self.lanes.get_mut(slot) {
            Some(Some(lane)) if lane.ticket() == ticket => {
                lane.insert(packet);
                while let Some(spent) = lane.poll_recycled() {
                    self.playback.recycle(spent, Some(slot));
                }
            }
            _ => {
                self.stats.packets_unrouted += 1;
                self.playback.recycle(packet, None);
            }
        }
    }

    /// Gives back what the pull used up, sends home who is done, reports when it is time.
    fn conclude(&mut self, frames: usize) {
        for slot in 0..self.lanes.len() {
            let Some(lane) = &mut self.lanes[slot] else {
                continue;
            };
            while let Some(spent) = lane.poll_recycled() {
                self.playback.recycle(spent, Some(slot));
            }
            if lane.is_done() {
                self.send_home(slot);
            }
        }
        self.stats.pulls += 1;
        self.stats.frames_pulled += frames as u64;
        self.unreported = self.unreported.saturating_add(frames);
        if self.unreported >= self.report_every {
            self.report();
        }
    }

    fn report(&mut self) {
        if !self.playback.has_room_for(1 + self.lanes.len()) {
            return;
        }
        for lane in self.lanes.iter_mut().flatten() {
            let stats = lane.take_stats();
            self.playback.report(Report::Lane(lane.ticket(), stats));
        }
        self.playback.report(Report::Mix(self.stats));
        self.unreported = 0;
    }

    fn send_home(&mut self, slot: usize) {
        if let Some(lane) = self.lanes[slot].take() {
            self.lanes[slot] = self.playback.send_home(lane).err();
        }
    }

    fn lane(&mut self, ticket: Ticket) -> Option<&mut Lane> {
        let lane = self.lanes.get_mut(ticket.slot())?.as_deref_mut()?;
        (lane.ticket() == ticket).then_some(lane)
    }
}

impl Pull for SessionOutput {
    fn format(&self) -> StreamFormat {
        self.format
    }

    fn pull(&mut self, asked: Asked, out: AudioMut<'_>) {
        if !asked.until_heard.is_zero() {
            self.set_output_delay(asked.until_heard);
        }
        Self::pull(self, asked.now, out);
    }
}

impl std::fmt::Debug for SessionOutput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionOutput")
            .field("format", &self.format)
            .field("sources", &self.sources().count())
            .field("stats", &self.stats)
            .finish_non_exhaustive()
    }
}

/// Frames mixed at once: more than the quantum of most devices.
const CHUNK: usize = 1_024;
/// Often enough for meters.
const REPORTS_PER_SECOND: u32 = 10;

#[cfg(test)]
mod tests;

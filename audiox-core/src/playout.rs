//! The device side of a stream: packets in, the device's own slice filled.
//!
//! Everything here runs in the playback callback. Memory is taken in the constructor; `insert`
//! and `pull` neither allocate nor fail.
//!
//! # Order of a pull, and why
//! 1. What the last decode left over goes out first: frames leave in media order.
//! 2. The head of the jitter buffer decides by its *media time*, not its sequence number: only
//!    time says how much is missing.
//! 3. A missing stretch is concealed up to the next packet held, never past it.
//! 4. A headerless stream that runs dry is not late but delayed: it is buffered anew at once.
//! 5. Starvation longer than [`PlayoutConfig::resync_after`] ends the timeline; the next packet
//!    starts a new one, so a sender that paused is heard again with the full latency.
//!
//! # Deliberate differences
//! - GStreamer's `rtpjitterbuffer` releases packets by timer and lets the sink sort out what is
//!   late; here the device pulls and every frame of its slice is accounted for.
//! - roc trims latency by resetting the session; here only the timeline restarts.

use std::collections::VecDeque;
use std::time::Duration;

use crate::block::AudioMut;
use crate::codec::Decoder;
use crate::error::ConfigError;
use crate::format::StreamFormat;
use crate::jitter::{JitterBuffer, Refusal};
use crate::packet::PacketBuf;
use crate::stats::PlayoutStats;
use crate::time::{Instant, MediaTime};

/// How much delay playout keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Latency {
    /// This long after the luckiest packet of the start arrived, to the frame.
    Fixed(Duration),
}

/// What a [`Playout`] is made with.
#[derive(Debug, Clone)]
pub struct PlayoutConfig {
    /// Delay between arrival and playout. 60 ms suits Wi-Fi at home; a wired network does with
    /// 10 ms.
    pub latency: Latency,
    /// Packets the jitter buffer spans: latency ÷ ptime, with room for bursts.
    pub width: usize,
    /// Starvation after which the timeline restarts with the next packet. Shorter hears a
    /// resumed sender sooner, longer survives longer outages without a jump.
    pub resync_after: Duration,
}

impl Default for PlayoutConfig {
    /// Tuned for PCM packets of 1 to 20 ms over Wi-Fi.
    fn default() -> Self {
        Self {
            latency: Latency::Fixed(Duration::from_millis(60)),
            width: 1_024,
            resync_after: Duration::from_millis(500),
        }
    }
}

/// Jitter buffer, decoders and timeline of one stream.
pub struct Playout {
    format: StreamFormat,
    latency: Duration,
    resync_after: u64,
    decoders: Vec<(u8, Box<dyn Decoder>)>,
    buffer: JitterBuffer,
    timeline: Timeline,
    generation: u32,
    /// One decoded packet; `ready` is what of it has not gone out yet, in samples.
    decoded: Box<[f32]>,
    ready: std::ops::Range<usize>,
    starved: u64,
    concealing: bool,
    /// The stream's times count what arrived ([`PacketMeta::synthesised`]).
    ///
    /// [`PacketMeta::synthesised`]: crate::packet::PacketMeta::synthesised
    synthesised: bool,
    spent: VecDeque<PacketBuf>,
    stats: PlayoutStats,
}

#[derive(Debug, Clone, Copy)]
enum Timeline {
    /// Nothing plays. Where packets wait: the earliest local time at which `at` could have
    /// arrived, over all of them.
    Waiting(Option<(MediaTime, Instant)>),
    /// The next frame to go out.
    Playing(MediaTime),
}

/// What became of an inserted packet. Counted too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inserted {
    /// It waits for its time.
    Queued,
    /// Held already.
    Duplicate,
    /// Its time had passed.
    Late,
    /// No room: everything held was flushed in its favour and the timeline restarts with it.
    Flushed,
    /// No decoder for its payload type, or the decoder refuses the payload.
    Undecodable,
}

/// What a [`Playout::pull`] put into the slice, in frames; the parts sum to its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pulled {
    /// Decoded from packets.
    pub decoded: usize,
    /// Made up, because packets were missing.
    pub concealed: usize,
    /// Silence while no timeline runs: before the first packet and between streams.
    pub idle: usize,
}

impl Playout {
    /// A playout for packets whose payload types `decoders` can read. All decoders share one
    /// format, which is also that of the slices pulled.
    ///
    /// # Errors
    /// No decoder, decoders of different formats, or a `width` out of range.
    pub fn new(
        config: &PlayoutConfig,
        decoders: Vec<(u8, Box<dyn Decoder>)>,
    ) -> Result<Self, ConfigError> {
        let Some(format) = decoders.first().map(|(_, d)| d.format()) else {
            return Err(ConfigError::new("decoders", 0, "at least one is needed"));
        };
        if let Some((pt, odd)) = decoders.iter().find(|(_, d)| d.format() != format) {
            return Err(ConfigError::new(
                "decoders",
                format!("{} for payload type {pt}", odd.format()),
                format!("all decoders of a stream share one format, here {format}"),
            ));
        }
        let frames = decoders.iter().map(|(_, d)| d.max_frames()).max();
        let Latency::Fixed(latency) = config.latency;
        let buffer = JitterBuffer::new(config.width)?;
        Ok(Self {
            format,
            latency,
            resync_after: format.rate.frames_in(config.resync_after),
            spent: VecDeque::with_capacity(buffer.width() + SPENT_SLACK),
            decoded: vec![0.0; frames.unwrap_or(0) * format.channels.get()].into_boxed_slice(),
            decoders,
            buffer,
            timeline: Timeline::Waiting(None),
            generation: 0,
            ready: 0..0,
            starved: 0,
            concealing: false,
            synthesised: false,
            stats: PlayoutStats::default(),
        })
    }

    /// Format of the slices to pull.
    pub fn format(&self) -> StreamFormat {
        self.format
    }

    /// Takes a packet whose `meta` ingress has filled in. O(1), except that a flush returns the
    /// packets held.
    pub fn insert(&mut self, mut packet: PacketBuf) -> Inserted {
        let Some(frames) = self.frames_in(&packet) else {
            self.stats.packets_undecodable += 1;
            self.spend(packet);
            return Inserted::Undecodable;
        };
        packet.meta.frames = frames as u32;
        self.synthesised = packet.meta.synthesised;
        if packet.meta.generation != self.generation {
            self.generation = packet.meta.generation;
            self.restart();
        }
        let (at, arrival) = (packet.meta.at, packet.meta.arrival);
        if let Timeline::Playing(next) = self.timeline
            && at + i64::from(packet.meta.frames) <= next
        {
            self.stats.packets_late += 1;
            self.spend(packet);
            return Inserted::Late;
        }
        let outcome = match self.buffer.insert(packet) {
            Ok(()) => Inserted::Queued,
            Err((Refusal::Duplicate, p)) => {
                self.stats.packets_duplicate += 1;
                self.spend(p);
                return Inserted::Duplicate;
            }
            Err((Refusal::Late, p)) => {
                self.stats.packets_late += 1;
                self.spend(p);
                return Inserted::Late;
            }
            Err((Refusal::Overflow, p)) => {
                self.stats.flushes += 1;
                self.restart();
                if let Err((_, p)) = self.buffer.insert(p) {
                    self.spend(p);
                }
                Inserted::Flushed
            }
        };
        self.stats.packets_buffered_max = self
            .stats
            .packets_buffered_max
            .max(self.buffer.len() as u64);
        if let Timeline::Waiting(anchor) = &mut self.timeline {
            let luckiest = anchor.is_none_or(|(a, t)| {
                // When this packet's time would have come by the anchor so far.
                arrival.signed_since(t) < self.format.rate.nanos_of(at - a)
            });
            if luckiest {
                *anchor = Some((at, arrival));
            }
        }
        outcome
    }

    /// Fills the whole of `out`, whose first frame is heard at `now`. Its channel count should be
    /// the format's; otherwise the channels both have are filled and the rest is silence.
    ///
    /// Work is bounded by the slice and the packets that fall into it.
    pub fn pull(&mut self, now: Instant, mut out: AudioMut<'_>) -> Pulled {
        let channels = out.channels();
        if channels == self.format.channels {
            return self.fill(now, out.samples());
        }
        self.pull_mapped(now, channels.get(), out.samples())
    }

    /// A buffer that is done with, to be returned to its pool. Drain after each insert and pull.
    #[must_use]
    pub fn poll_recycled(&mut self) -> Option<PacketBuf> {
        self.spent.pop_front()
    }

    /// Counters so far.
    pub fn stats(&self) -> &PlayoutStats {
        &self.stats
    }

    /// Packets waiting.
    pub fn packets_buffered(&self) -> usize {
        self.buffer.len()
    }

    /// Whether a timeline runs: sound is or should be playing.
    pub fn is_playing(&self) -> bool {
        matches!(self.timeline, Timeline::Playing(_))
    }

    /// Drops everything held and waits for the next packet.
    pub fn reset(&mut self) {
        self.restart();
        self.generation = 0;
    }

    fn fill(&mut self, now: Instant, out: &mut [f32]) -> Pulled {
        let ch = self.format.channels.get();
        let mut pulled = Pulled::default();
        let mut filled = 0;
        if let Timeline::Waiting(_) = self.timeline {
            let idle = self.start_offset(now, out.len() / ch);
            out[..idle * ch].fill(0.0);
            pulled.idle = idle;
            filled = idle * ch;
        }
        while filled < out.len() {
            let Timeline::Playing(next) = self.timeline else {
                out[filled..].fill(0.0);
                pulled.idle += (out.len() - filled) / ch;
                break;
            };
            let rest = &mut out[filled..];
            if !self.ready.is_empty() {
                let n = self.ready.len().min(rest.len());
                rest[..n].copy_from_slice(&self.decoded[self.ready.start..self.ready.start + n]);
                self.ready.start += n;
                filled += n;
                pulled.decoded += n / ch;
                self.timeline = Timeline::Playing(next + (n / ch) as i64);
                continue;
            }
            let ahead = self.buffer.head().map(|head| head.meta.at - next);
            match ahead {
                Some(ahead) if ahead <= 0 => self.decode_head(now, next),
                None if self.synthesised => self.resync(),
                gap => {
                    let room = rest.len() / ch;
                    let missing =
                        gap.map_or(room, |g| room.min(usize::try_from(g).unwrap_or(room)));
                    self.conceal(&mut out[filled..filled + missing * ch]);
                    filled += missing * ch;
                    pulled.concealed += missing;
                    self.timeline = Timeline::Playing(next + missing as i64);
                    self.starved += missing as u64;
                    if self.starved >= self.resync_after {
                        self.resync();
                    }
                }
            }
        }
        self.stats.account(&pulled);
        pulled
    }

    /// Frames of silence before sound starts within the next `frames`; starts the timeline where
    /// that is fewer than all.
    fn start_offset(&mut self, now: Instant, frames: usize) -> usize {
        let Timeline::Waiting(Some((at, arrival))) = self.timeline else {
            return frames;
        };
        let rate = self.format.rate;
        let Some(head) = self.buffer.head().map(|p| p.meta.at) else {
            return frames;
        };
        // The frame due now, were the timeline running already.
        let due = at + rate.frames_in_nanos(now.signed_since(arrival + self.latency));
        let offset = head - due;
        if offset >= frames as i64 {
            return frames;
        }
        let offset = offset.max(0);
        self.timeline = Timeline::Playing(due + offset);
        self.starved = 0;
        offset as usize
    }

    /// Decodes the head of the buffer, whose time has come, leaving out what lies before `next`.
    fn decode_head(&mut self, now: Instant, next: MediaTime) {
        let Some(packet) = self.buffer.pop() else {
            return;
        };
        let ch = self.format.channels.get();
        let skip = usize::try_from(next - packet.meta.at).unwrap_or(usize::MAX);
        if skip >= packet.meta.frames as usize {
            self.stats.packets_late += 1;
        } else {
            let decoder = self
                .decoders
                .iter_mut()
                .find(|(pt, _)| *pt == packet.meta.payload_type);
            let frames = decoder
                .and_then(|(_, d)| d.decode(packet.payload(), &mut self.decoded).ok())
                .unwrap_or(0);
            if frames > skip {
                self.ready = skip * ch..frames * ch;
                self.starved = 0;
                self.concealing = false;
                let waited = now.saturating_since(packet.meta.arrival);
                self.stats.emitted(frames - skip, waited);
            } else {
                self.stats.packets_undecodable += 1;
            }
        }
        self.spend(packet);
    }

    fn conceal(&mut self, out: &mut [f32]) {
        out.fill(0.0);
        if !self.concealing {
            self.concealing = true;
            self.stats.concealment_events += 1;
        }
    }

    fn frames_in(&self, packet: &PacketBuf) -> Option<usize> {
        let (_, decoder) = self
            .decoders
            .iter()
            .find(|(pt, _)| *pt == packet.meta.payload_type)?;
        let frames = decoder.frames_in(packet.payload()).ok()?;
        (1..=decoder.max_frames())
            .contains(&frames)
            .then_some(frames)
    }

    /// Ends a timeline that has starved. Packets held ahead of it keep their places and start
    /// the next one at the time that is due to them.
    fn resync(&mut self) {
        self.stats.resyncs += 1;
        let ahead = self.buffer.head().map(|p| (p.meta.at, p.meta.arrival));
        if ahead.is_none() {
            self.restart();
        }
        self.timeline = Timeline::Waiting(ahead);
        self.starved = 0;
        self.concealing = false;
    }

    fn restart(&mut self) {
        while let Some(p) = self.buffer.pop() {
            self.stats.packets_discarded += 1;
            self.spend(p);
        }
        self.buffer.clear_floor();
        for (_, d) in &mut self.decoders {
            d.reset();
        }
        self.timeline = Timeline::Waiting(None);
        self.ready = 0..0;
        self.starved = 0;
        self.concealing = false;
    }

    fn spend(&mut self, packet: PacketBuf) {
        if self.spent.len() < self.spent.capacity() {
            self.spent.push_back(packet);
        } else {
            self.stats.buffers_dropped += 1;
        }
    }

    #[cold]
    fn pull_mapped(&mut self, now: Instant, channels: usize, out: &mut [f32]) -> Pulled {
        let own = self.format.channels.get();
        let mut pulled = Pulled::default();
        let mut at = now;
        let mut scratch = [0.0f32; MAP_SCRATCH];
        let step = (MAP_SCRATCH / own).max(1);
        for part in out.chunks_mut(step * channels) {
            let frames = part.len() / channels;
            let Some(from) = scratch.get_mut(..frames * own) else {
                part.fill(0.0);
                continue;
            };
            let p = self.fill(at, from);
            at += self.format.rate.duration_of(frames as u64);
            for (o, i) in part.chunks_exact_mut(channels).zip(from.chunks_exact(own)) {
                let n = channels.min(own);
                o[..n].copy_from_slice(&i[..n]);
                o[n..].fill(0.0);
            }
            pulled.decoded += p.decoded;
            pulled.concealed += p.concealed;
            pulled.idle += p.idle;
        }
        pulled
    }
}

impl std::fmt::Debug for Playout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Playout")
            .field("format", &self.format)
            .field("timeline", &self.timeline)
            .field("buffered", &self.buffer.len())
            .finish_non_exhaustive()
    }
}

/// Spent buffers kept beyond the jitter buffer's width before they are freed instead (counted).
const SPENT_SLACK: usize = 64;
/// Samples on the stack for a pull with another channel count; more than the largest frame.
const MAP_SCRATCH: usize = 2_048;

#[cfg(test)]
mod tests;

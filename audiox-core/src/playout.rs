//! The device side of a stream: packets in, the device's own slice filled.
//!
//! Everything here runs in the playback callback. Memory is taken in the constructor; `insert`
//! and `pull` neither allocate nor fail.
//!
//! # Order, and why
//! At insert:
//! 1. Delay and drift are estimated from the arrival time, before any buffering; a recovered
//!    packet or a duplicate tells nothing about the network and is left out.
//! 2. The packet's buffer becomes the jitter buffer's slot.
//!
//! At pull:
//! 1. The moment is smoothed: a callback woken late asks for frames due when they always were.
//! 2. The drift controller steers the resampler; how many frames of the stream are needed is
//!    known only then.
//! 3. What the last decode left over goes out first: frames leave in media order.
//! 4. The head of the jitter buffer is judged by its *media time*, not its sequence number: only
//!    time says how much is missing. The policy decides at each packet boundary.
//! 5. A missing stretch is made up to the next packet held, never past it; both sides are known
//!    then. While nothing is held, adaptive playout waits where it is (the packet is late), fixed
//!    playout goes on (it is lost).
//! 6. Time-stretch, on whole windows of decoded frames.
//! 7. Resampler, then the channel map, into the device's slice.
//!
//! Starvation longer than [`PlayoutConfig::resync_after`] ends the timeline; the next packet
//! starts a new one, so a sender that paused is heard again at once.
//!
//! The estimators live on this side of the seam although they read arrivals: the arrival time
//! travels with the packet, so nothing has to be shared between threads.
//!
//! # Deliberate differences
//! - NetEQ conceals without looking at the packet that follows the gap; here it is decoded first
//!   and the gap bridged from both sides. NetEQ has no drift correction but time-stretch.
//! - GStreamer's `rtpjitterbuffer` releases packets by timer and lets the sink sort out what is
//!   late; here the device pulls and every frame of its slice is accounted for.
//! - roc trims latency by resetting the session and has no time-stretch; here only the timeline
//!   restarts, and only after half a second of nothing.

mod ahead;
mod clock;
mod config;
mod output;
mod timeline;

pub use config::{Concealment, DriftCorrection, Latency, PlayoutConfig, Profile};

use std::time::Duration;

use clock::DeviceClock;
use output::Output;
use timeline::Timeline;

use crate::block::AudioMut;
use crate::codec::Decoder;
use crate::drift::{DriftController, DriftEstimate, DriftEstimator};
use crate::error::ConfigError;
use crate::format::StreamFormat;
use crate::jitter::Decision;
use crate::packet::PacketBuf;
use crate::stats::{LatencyLedger, PlayoutStats};
use crate::time::Instant;
use crate::trace::{TraceEvent, TraceHead, TraceInput};

/// Jitter buffer, decoders, concealment, time-stretch and resampler of one stream.
#[derive(Debug)]
pub struct Playout {
    timeline: Timeline,
    output: Output,
    drift: Option<Drift>,
    /// The slice being filled: when it was asked for, smoothed.
    slice: Instant,
}

/// A slice that is filled part by part, all of it asked for at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part {
    /// When the slice was asked for.
    pub(crate) now: Instant,
    /// Frames of the slice before this part.
    pub(crate) done: usize,
    /// Frames of the slice.
    pub(crate) of: usize,
}

/// Measures the clocks at both ends against the local one, and steers.
#[derive(Debug)]
struct Drift {
    device: DeviceClock,
    sender_rate: DriftEstimator,
    device_rate: DriftEstimator,
    controller: DriftController,
    next: Option<Instant>,
    generation: u32,
}

/// What became of an inserted packet. Counted too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inserted {
    /// It waits for its time.
    Queued,
    /// Held already, or played already.
    Duplicate,
    /// Its time had passed.
    Late,
    /// No room: everything held was flushed in its favour and the timeline restarts with it.
    Flushed,
    /// No decoder for its payload type, or the decoder refuses the payload.
    Undecodable,
}

/// What a [`Playout::pull`] put into the slice, in frames of the slice; the first three sum to
/// its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pulled {
    /// Decoded from packets.
    pub decoded: usize,
    /// Made up, because packets were missing.
    pub concealed: usize,
    /// Silence while no timeline runs: before the first packet and between streams, where the
    /// sound of the last one fades away over the first 10 ms.
    pub idle: usize,
    /// The newest decision.
    pub decision: Decision,
    /// How long after the luckiest arrival the frames were asked for. See
    /// [`Playout::ledger`] for the rest of the way.
    pub delay: Duration,
}

impl Playout {
    /// A playout for packets whose payload types `decoders` can read. All decoders share one
    /// format.
    ///
    /// # Errors
    /// No decoder, decoders of different formats, or a configuration out of range.
    pub fn new(
        config: &PlayoutConfig,
        decoders: Vec<(u8, Box<dyn Decoder>)>,
    ) -> Result<Self, ConfigError> {
        let Some(stream) = decoders.first().map(|(_, d)| d.format()) else {
            return Err(ConfigError::new("decoders", 0, "at least one is needed"));
        };
        if let Some((pt, odd)) = decoders.iter().find(|(_, d)| d.format() != stream) {
            return Err(ConfigError::new(
                "decoders",
                format!("{} for payload type {pt}", odd.format()),
                format!("all decoders of a stream share one format, here {stream}"),
            ));
        }
        if let Some((_, odd)) = decoders.iter().find(|(_, d)| {
            let clock = d.clock_rate();
            clock != decoders[0].1.clock_rate() || !clock.get().is_multiple_of(stream.rate.get())
        }) {
            return Err(ConfigError::new(
                "clock_rate",
                odd.clock_rate(),
                format!("one for all decoders, a multiple of {}", stream.rate),
            ));
        }
        let output = Output::new(config, stream)?;
        let look_ahead = stream.rate.duration_of(output.look_ahead() as u64);
        let drift = match config.drift {
            DriftCorrection::Ignore => None,
            DriftCorrection::Resample => Some(Drift {
                device: DeviceClock::new(output.format().rate),
                sender_rate: DriftEstimator::new(),
                device_rate: DriftEstimator::new(),
                controller: DriftController::new(&Default::default())?,
                next: None,
                generation: 0,
            }),
        };
        Ok(Self {
            timeline: Timeline::new(config, decoders, stream, look_ahead)?,
            output,
            drift,
            slice: Instant::EPOCH,
        })
    }

    /// Format of the slices to pull.
    pub fn format(&self) -> StreamFormat {
        self.output.format()
    }

    /// Format of the stream.
    pub fn stream_format(&self) -> StreamFormat {
        self.timeline.format()
    }

    /// Takes a packet whose `meta` ingress has filled in. O(1), except that a flush returns the
    /// packets held.
    pub fn insert(&mut self, packet: PacketBuf) -> Inserted {
        let (arrival, generation) = (packet.meta.arrival, packet.meta.generation);
        let (outcome, media) = self.timeline.insert(packet);
        if let (Some(drift), Some(media)) = (&mut self.drift, media) {
            if drift.generation != generation {
                drift.generation = generation;
                drift.sender_rate.reset();
            }
            drift.sender_rate.observe(arrival, media);
        }
        outcome
    }

    /// Fills the whole of `out`, which is asked for at `now`; its first frame is heard
    /// [`PlayoutConfig::output_delay`] later. Its channel count should be the format's; otherwise
    /// the channels both have are filled and the rest is silence.
    ///
    /// Work is bounded by the slice and the packets that fall into it.
    pub fn pull(&mut self, now: Instant, out: AudioMut<'_>) -> Pulled {
        let of = out.frames();
        self.pull_part(Part { now, done: 0, of }, out)
    }

    /// As [`pull`](Self::pull), where `out` is a part of a slice, from the first on in order.
    /// Parts are not pulls of their own: a packet that is to sound late in the slice must be here
    /// as soon as one that is to sound first.
    pub(crate) fn pull_part(&mut self, part: Part, mut out: AudioMut<'_>) -> Pulled {
        let channels = out.channels();
        if channels == self.output.format().channels {
            return self.fill(part, out.samples());
        }
        self.fill_other(part, channels.get(), out.samples())
    }

    /// A buffer that is done with, to be returned to its pool. Drain after each insert and pull.
    #[must_use]
    pub fn poll_recycled(&mut self) -> Option<PacketBuf> {
        self.timeline.poll_recycled()
    }

    /// Counters so far, in frames of the stream.
    pub fn stats(&self) -> &PlayoutStats {
        &self.timeline.stats
    }

    /// Packets waiting.
    pub fn packets_buffered(&self) -> usize {
        self.timeline.packets_buffered()
    }

    /// Whether a timeline runs: sound is or should be playing.
    pub fn is_playing(&self) -> bool {
        self.timeline.is_playing()
    }

    /// Delay aimed at, from the luckiest arrival to the moment frames are asked for.
    pub fn target_delay(&self) -> Duration {
        self.timeline.target()
    }

    /// Whether that follows the network's jitter.
    pub fn is_adaptive(&self) -> bool {
        self.timeline.is_adaptive()
    }

    /// What is pulled is heard so much later, as a device came to tell: it counts instead of
    /// [`PlayoutConfig::output_delay`] for the next timeline to start, and changes nothing of one
    /// that runs.
    pub fn set_output_delay(&mut self, delay: Duration) {
        self.timeline.set_output_delay(delay);
    }

    /// Sets the least delay to aim at from now on, up to 10 s, whatever it was made with: what
    /// video or another stream needs to keep in step. Where it exceeds the greatest, that counts.
    /// A fixed latency stays as it is.
    pub fn set_min_delay(&mut self, min: Duration) {
        self.timeline.set_min_delay(min);
    }

    /// Sets the greatest delay to aim at from now on, up to 10 s. A fixed latency stays as it is.
    pub fn set_max_delay(&mut self, max: Duration) {
        self.timeline.set_max_delay(max);
    }

    /// By how much the sender's clock is fast against the device's; `None` where that is not
    /// corrected or not known yet.
    pub fn drift(&self) -> Option<DriftEstimate> {
        self.drift.as_ref()?.estimate()
    }

    /// What the delay is made of, as far as playout knows: capture and network are the caller's
    /// to fill in.
    pub fn ledger(&self) -> LatencyLedger {
        LatencyLedger {
            packetization: self.timeline.ptime(),
            jitter_buffer: self.timeline.delay(),
            resampler: self
                .timeline
                .format()
                .rate
                .duration_of(self.output.look_ahead() as u64),
            device: self.timeline.output_delay(),
            ..LatencyLedger::default()
        }
    }

    /// Lets every arrival, pull and decision be traced into a ring from now on (see
    /// [`trace`](crate::trace)); returns the ring used so far, which is not for the audio thread
    /// to drop.
    pub fn set_trace(&mut self, trace: Option<TraceInput>) -> Option<TraceInput> {
        self.timeline.set_trace(trace)
    }

    /// What a trace of this playout begins with.
    pub fn trace_head(&self) -> TraceHead {
        TraceHead {
            stream: self.stream_format(),
            output: self.format(),
        }
    }

    /// The sender said that it ends: what is held is played, and then nothing is made up. A
    /// packet that comes more than 100 ms later takes it back; those before it may have overtaken.
    pub fn finish(&mut self) {
        self.timeline.finish();
    }

    /// Drops everything held and waits for the next packet.
    pub fn reset(&mut self) {
        self.timeline.reset();
        if let Some(d) = &mut self.drift {
            d.sender_rate.reset();
        }
    }

    fn fill(&mut self, part: Part, out: &mut [f32]) -> Pulled {
        let format = self.output.format();
        let frames = out.len() / format.channels.get();
        if part.done == 0 {
            self.timeline.trace(TraceEvent::Pull {
                at: part.now,
                frames: u32::try_from(part.of).unwrap_or(u32::MAX),
            });
            self.slice = self.steer(part.now, part.of);
        }
        let (timeline, output, asked) = (&mut self.timeline, &mut self.output, self.slice);
        let mut sum = Pulled::default();
        output.fill(out, |done, input| {
            let at = asked + format.rate.duration_of((part.done + done) as u64);
            let pulled = timeline.fill(asked, at, input);
            sum.decoded += pulled.decoded;
            sum.concealed += pulled.concealed;
            sum.idle += pulled.idle;
            (sum.decision, sum.delay) = (pulled.decision, pulled.delay);
        });
        sum.scale_to(frames);
        sum
    }

    /// Sets the resampler's speed; returns the time of the pull on the device's clock.
    fn steer(&mut self, now: Instant, frames: usize) -> Instant {
        let Some(drift) = &mut self.drift else {
            return now;
        };
        let tick = drift.device.tick(now, frames);
        if tick.jumped {
            drift.device_rate.reset();
        }
        drift.device_rate.observe(now, tick.played);
        if drift.next.is_none_or(|next| tick.now >= next) || tick.jumped {
            drift.next = Some(tick.now + STEER_EVERY);
            let error = match self.timeline.steady() {
                true => self.timeline.error(tick.now).unwrap_or(0),
                // Steps are time-stretch's to correct; the resampler only keeps pace.
                false => 0,
            };
            let ppm = drift.controller.update(tick.now, error, drift.estimate());
            if self.output.adjust(ppm) {
                let held = self.output.look_ahead() as u64;
                let held = self.timeline.format().rate.duration_of(held);
                self.timeline.hold_back(held);
            }
        }
        tick.now
    }

    #[cold]
    fn fill_other(&mut self, slice: Part, channels: usize, out: &mut [f32]) -> Pulled {
        let own = self.output.format().channels.get();
        let mut sum = Pulled::default();
        let mut done = slice.done;
        let mut scratch = [0.0f32; MAP_SCRATCH];
        let step = (MAP_SCRATCH / own).max(1);
        for part in out.chunks_mut(step * channels) {
            let frames = part.len() / channels;
            let Some(from) = scratch.get_mut(..frames * own) else {
                part.fill(0.0);
                continue;
            };
            let p = self.fill(Part { done, ..slice }, from);
            done += frames;
            for (o, i) in part.chunks_exact_mut(channels).zip(from.chunks_exact(own)) {
                let n = channels.min(own);
                o[..n].copy_from_slice(&i[..n]);
                o[n..].fill(0.0);
            }
            sum.decoded += p.decoded;
            sum.concealed += p.concealed;
            sum.idle += p.idle;
            (sum.decision, sum.delay) = (p.decision, p.delay);
        }
        sum
    }
}

impl Drift {
    /// The sender's clock against the device's.
    fn estimate(&self) -> Option<DriftEstimate> {
        let (s, d) = (self.sender_rate.estimate()?, self.device_rate.estimate()?);
        Some(DriftEstimate {
            ppm: s.ppm - d.ppm,
            sigma_ppm: (s.sigma_ppm * s.sigma_ppm + d.sigma_ppm * d.sigma_ppm).sqrt(),
            span: s.span.min(d.span),
        })
    }
}

impl Pulled {
    /// From frames of the stream to `frames` of the slice.
    fn scale_to(&mut self, frames: usize) {
        let total = self.decoded + self.concealed + self.idle;
        if total == frames {
            return;
        }
        let share = |n: usize| n * frames / total.max(1);
        self.concealed = share(self.concealed);
        self.idle = share(self.idle);
        self.decoded = frames - self.concealed - self.idle;
    }
}

/// The controller slews by the time that passed, not by the call.
const STEER_EVERY: Duration = Duration::from_millis(10);
/// Samples on the stack for a pull with another channel count; more than the largest frame.
const MAP_SCRATCH: usize = 2_048;

#[cfg(test)]
mod tests;

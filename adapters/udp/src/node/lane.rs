//! One stream's way from packets to positions on the recording's time line.

use std::collections::VecDeque;
use std::time::Duration;

use audiox_core::codec::RecoveredFrames;
use audiox_core::format::{SampleFormat, StreamFormat};
use audiox_core::packet::PacketMeta;
use audiox_core::packet::red::RedPayload;
use audiox_core::stats::LineFit;
use audiox_core::time::{ClockMap, ExtSeq, Instant, MediaTime, NtpTime};

use audiox_io::ogg::TICK_RATE;

use super::gaps::{GapBook, GapCause};
use super::lag::Lag;
use super::listen::Carries;
use super::recording::CLOCK_TOLERANCE;
use super::track::{Placed, Span, Track};

/// How a stream was put in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alignment {
    /// By the capture times in its sender reports: exact to the frame.
    Timestamps,
    /// By the arrival of its first packet: as exact as the network is quick.
    Arrival,
}

/// Counters of one recorded stream.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct LaneStats {
    /// Frames received and placed.
    pub frames: u64,
    /// Frames that came again.
    pub duplicate_frames: u64,
    /// Frames that came after their place was written.
    pub late_frames: u64,
    /// Frames too far ahead for the window.
    pub early_frames: u64,
    /// Frames of missing packets that redundancy inside others brought back.
    pub recovered_frames: u64,
    /// Of these, by which means.
    pub recovered: RecoveredFrames,
    /// Frames of missing packets that were made up.
    pub concealed_frames: u64,
    /// Packets that came after those behind them were decoded.
    pub late_packets: u64,
    /// Packets whose payload could not be decoded.
    pub undecodable: u64,
    /// Speed of the sender's media clock against ours, in parts per million: positive where it
    /// is fast. The slope of a line through all arrivals, so jitter makes it vague at first;
    /// `None` for the first seconds.
    pub drift_ppm: Option<f64>,
    /// Largest absolute sample, 0 to 1, since it was last read.
    pub peak: f32,
}

/// What a packet holds does not agree with what the sender's timestamps say it holds: the codec,
/// rate or channels that were given are not the sender's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mismatch {
    /// Frames in a packet, as it was decoded.
    pub payload_frames: u64,
    /// Frames from its timestamp to the next one's.
    pub timestamp_step: u64,
}

#[derive(Debug)]
pub(super) struct Lane {
    pub(super) id: LaneId,
    pub(super) format: StreamFormat,
    /// What the samples were on the wire: the file is written alike.
    pub(super) stored: SampleFormat,
    pub(super) ssrc: u32,
    /// Relative positions: 0 is the first frame of the first packet.
    pub(super) track: Track,
    /// What came after a pause longer than the window, until writing has come near.
    ahead: VecDeque<(i64, Vec<f32>)>,
    /// Packets as they came, by their positions, where they are kept.
    packets: VecDeque<(i64, Box<[u8]>)>,
    /// Position of the last packet that was taken.
    last_at: i64,
    pub(super) first_arrival: Instant,
    /// Local time at which relative position 0 was captured, from the sender's clock.
    pub(super) captured: Option<i64>,
    pub(super) alignment: Option<Alignment>,
    /// Position of relative 0 in the recording, once decided.
    pub(super) start: Option<i64>,
    /// When the sender said goodbye or was given up; put off by packets that come after.
    pub(super) ended: Option<Instant>,
    pub(super) stats: LaneStats,
    pub(super) gaps: GapBook,
    /// How far arrival trails capture, nanoseconds: what the window must wait for.
    pub(super) delay: i64,
    pub(super) clock_rejected: Option<i64>,
    base: MediaTime,
    generation: u32,
    newest: Option<(ExtSeq, i64, Instant)>,
    /// Since when everything has come too late.
    late_since: Option<Instant>,
    lag: Option<Lag>,
    arrivals: LineFit,
    steps: Steps,
}

/// Consecutive packets, and how many of them did not meet.
#[derive(Debug, Default)]
struct Steps {
    seen: u64,
    off: u64,
    last: Option<Mismatch>,
}

/// Which port's which source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LaneId {
    pub(super) port: usize,
    pub(super) source: audiox_core::ingress::SourceId,
}

impl Lane {
    /// A lane for the stream whose first packet is `meta`. `raw` streams have no timestamps of
    /// their own.
    pub(super) fn new(
        id: LaneId,
        meta: &PacketMeta,
        format: StreamFormat,
        stored: SampleFormat,
        window: Duration,
        raw: bool,
    ) -> Self {
        let capacity = format.rate.frames_in(window) as usize;
        Self {
            id,
            format,
            stored,
            ssrc: meta.ssrc,
            track: Track::new(format.channels.get(), capacity),
            ahead: VecDeque::new(),
            packets: VecDeque::new(),
            last_at: 0,
            first_arrival: meta.arrival,
            captured: None,
            alignment: None,
            start: None,
            ended: None,
            stats: LaneStats::default(),
            gaps: GapBook::new(if raw {
                GapCause::Starved
            } else {
                GapCause::Lost
            }),
            delay: 0,
            clock_rejected: None,
            base: meta.at,
            generation: meta.generation,
            newest: None,
            late_since: None,
            lag: raw.then(|| Lag::new(format.rate)),
            arrivals: LineFit::default(),
            steps: Steps::default(),
        }
    }

    /// Takes a decoded packet.
    pub(super) fn packet(&mut self, meta: &PacketMeta, samples: &[f32]) {
        let frames = (samples.len() / self.format.channels.get()) as i64;
        // A straggler puts the end off; what comes later still is no straggler.
        self.ended = self
            .ended
            .filter(|ended| meta.arrival.saturating_since(*ended) < STRAGGLERS)
            .map(|_| meta.arrival);
        if self.track.is_released() {
            self.track.restore();
        }
        if meta.generation != self.generation {
            self.restart(meta);
        }
        let mut at = meta.at - self.base;
        if let Some((seq, end, _)) = self.newest
            && meta.seq == seq.next()
        {
            self.step(at - end, frames);
            self.gaps.explain(
                Span {
                    start: end,
                    end: at,
                },
                GapCause::Pause,
            );
        }
        if let Some(lag) = &mut self.lag {
            let arrived = meta.arrival.signed_since(self.first_arrival);
            if let Some(found) = lag.observe(meta.arrival, arrived, at, frames) {
                let onset = found.onset;
                self.stats.early_frames += self.track.shift(onset, found.frames);
                self.base = self.base + -found.frames;
                self.gaps.explain(
                    Span {
                        start: onset,
                        end: onset + found.frames,
                    },
                    GapCause::Starved,
                );
                at += found.frames;
            }
        }
        let is_newest = self.newest.is_none_or(|(seq, _, _)| meta.seq > seq);
        let mut placed = self.track.place(at, samples);
        if is_newest && self.stays_late(meta, placed.late == frames as u64) {
            at = self.follow_on(meta);
            placed = self.track.place(at, samples);
        }
        let since_start = self.format.rate.nanos_of(at);
        let elapsed = meta.arrival.signed_since(self.first_arrival);
        let delay = nanos(meta.arrival).saturating_sub(self.origin() + since_start);
        if placed.early > 0 {
            let fits = (frames - placed.early as i64) as usize * self.format.channels.get();
            let tail = (at + fits as i64, &samples[fits..]);
            if self.keep_ahead(tail, -delay) {
                placed.early = 0;
            }
        }
        self.last_at = at;
        self.count(placed);
        if placed.late > 0 {
            let end = self.track.written().unwrap_or(at);
            self.gaps.came_late(Span { start: at, end });
        }
        let peak = samples.iter().fold(0.0f32, |p, s| p.max(s.abs()));
        self.stats.peak = self.stats.peak.max(peak);
        if is_newest {
            self.newest = Some((meta.seq, at + frames, meta.arrival));
        }
        if !meta.recovered {
            self.arrivals
                .add(since_start as f64, (elapsed - since_start) as f64);
        }
        if elapsed >= DRIFT_AFTER {
            self.stats.drift_ppm = self.arrivals.slope().map(|slope| -slope * 1e6);
        }
        self.follow_delay(delay);
    }

    /// Keeps the packet that was taken last as it came, too; of RED also the earlier ones in it.
    pub(super) fn keep(&mut self, payload: &[u8], carries: Carries) {
        match (carries, RedPayload::parse(payload)) {
            (Carries::Opus, _) => self.keep_at(self.last_at, payload),
            (Carries::Red, Ok(red)) => {
                let own = red.payload_type();
                for block in red.redundant().filter(|b| b.payload_type == own) {
                    let rate = i64::from(self.format.rate.get());
                    let before = i64::from(block.offset) * rate / i64::from(TICK_RATE);
                    self.keep_at(self.last_at - before, block.payload);
                }
                self.keep_at(self.last_at, red.primary());
            }
            (Carries::Red | Carries::Other, _) => {}
        }
    }

    fn keep_at(&mut self, position: i64, packet: &[u8]) {
        let at = self.packets.partition_point(|(at, _)| *at < position);
        let again = self.packets.get(at).is_some_and(|(p, _)| *p == position);
        if !again && self.packets.len() < MAX_PACKETS {
            self.packets.insert(at, (position, packet.into()));
        }
    }

    /// Takes the first packet kept, if it begins before `end`.
    pub(super) fn packet_before(&mut self, end: i64) -> Option<(i64, Box<[u8]>)> {
        let is_due = self.packets.front().is_some_and(|(at, _)| *at < end);
        is_due.then(|| self.packets.pop_front())?
    }

    /// Takes what stands in for missing packets from media time `at` on, of which the last
    /// `recovered` frames are what was lost, and those before made up.
    pub(super) fn fill(&mut self, at: MediaTime, samples: &[f32], recovered: usize) {
        let frames = samples.len() / self.format.channels.get();
        let at = at - self.base;
        let placed = self.track.place(at, samples);
        let made = frames.saturating_sub(recovered);
        let made_until = at + made as i64;
        if placed.fresh > 0 {
            self.stats.recovered_frames += placed.fresh.min(recovered as u64);
            self.stats.concealed_frames += placed.fresh.saturating_sub(recovered as u64);
            self.gaps.concealed(Span {
                start: at,
                end: made_until,
            });
        }
    }

    fn count(&mut self, placed: Placed) {
        self.stats.frames += placed.fresh;
        self.stats.duplicate_frames += placed.duplicate;
        self.stats.late_frames += placed.late;
        self.stats.early_frames += placed.early;
    }

    /// Whether the sender's timestamps have stayed behind for good: a packet that comes after its
    /// place was written is late, a second of nothing else is a sender that stood still.
    fn stays_late(&mut self, meta: &PacketMeta, late: bool) -> bool {
        if !late {
            self.late_since = None;
            return false;
        }
        let since = *self.late_since.get_or_insert(meta.arrival);
        meta.arrival.saturating_since(since) >= LATE_PATIENCE
    }

    /// Places the stream anew, by arrival, from this packet on; returns its position.
    fn follow_on(&mut self, meta: &PacketMeta) -> i64 {
        self.late_since = None;
        let elapsed = nanos(meta.arrival).saturating_sub(self.origin());
        let at = self.format.rate.frames_in_nanos(elapsed);
        let end = self.track.bounds().map_or(at, |(_, end)| end);
        self.gaps.explain(
            Span {
                start: end,
                end: at,
            },
            GapCause::Late,
        );
        self.base = meta.at + -at;
        at
    }

    /// Keeps what lies beyond the window until writing comes near; not what is farther `lead`ing
    /// its time than clocks and the audio that came account for, which would only fill the disk
    /// with silence.
    fn keep_ahead(&mut self, (at, samples): (i64, &[f32]), lead: i64) -> bool {
        let kept: usize = self.ahead.iter().map(|(_, s)| s.len()).sum();
        let room = self.track.capacity() as usize * self.format.channels.get();
        if lead > self.most_lead() || kept + samples.len() > room {
            return false;
        }
        self.ahead.push_back((at, samples.to_vec()));
        true
    }

    /// Gives what was kept its place, as far as the window now reaches. Returns where the window
    /// ends, if more is kept beyond it.
    pub(super) fn place_kept(&mut self) -> Option<i64> {
        let window_end = self.track.written()? + self.track.capacity();
        for _ in 0..self.ahead.len() {
            let (at, samples) = self.ahead.pop_front()?;
            let frames = (samples.len() / self.format.channels.get()) as i64;
            if at + frames > window_end {
                self.ahead.push_back((at, samples));
            } else {
                let placed = self.track.place(at, &samples);
                self.count(placed);
            }
        }
        (!self.ahead.is_empty()).then_some(window_end)
    }

    /// Compares a packet's timestamp with the end of the packet before it.
    fn step(&mut self, beyond: i64, frames: i64) {
        self.steps.seen += 1;
        if beyond != 0 {
            self.steps.off += 1;
            self.steps.last = Some(Mismatch {
                payload_frames: frames as u64,
                timestamp_step: (frames + beyond).max(0) as u64,
            });
        }
    }

    /// Whether most packets do not fill the time to the next one, or overfill it.
    pub(super) fn mismatch(&self) -> Option<Mismatch> {
        let enough = self.steps.seen >= 10 && self.steps.off * 2 > self.steps.seen;
        self.steps.last.filter(|_| enough)
    }

    /// Learns from the sender's reports when its frames were captured. `wall` pairs the local
    /// clocks; a sender's clock too far from ours is not believed.
    pub(super) fn mapped(&mut self, map: &ClockMap, wall: (Instant, NtpTime), tolerance: Duration) {
        if self.start.is_some() || self.captured.is_some() {
            return;
        }
        let Some(ntp) = map.ntp_at(self.base) else {
            return;
        };
        let captured = nanos(wall.0).saturating_add(ntp.nanos_since(wall.1));
        let delay = nanos(self.first_arrival).saturating_sub(captured);
        if delay.unsigned_abs() > tolerance.as_nanos() as u64 {
            self.clock_rejected = Some(delay);
            return;
        }
        self.captured = Some(captured);
        self.delay = delay;
    }

    /// Whether the stream ended so long ago that no straggler is waited for.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.ended
            .is_some_and(|ended| now.saturating_since(ended) >= STRAGGLERS)
    }

    /// Whether all that was placed is on disk.
    pub(super) fn is_written(&self) -> bool {
        match (self.track.written(), self.track.bounds()) {
            (Some(written), Some((_, end))) => written >= end && self.ahead.is_empty(),
            _ => false,
        }
    }

    /// Local time of relative position 0, as well as it is known.
    pub(super) fn origin(&self) -> i64 {
        self.captured.unwrap_or_else(|| nanos(self.first_arrival))
    }

    /// Local time of the earliest frame, which a reordered packet may have put before relative 0.
    pub(super) fn earliest(&self) -> i64 {
        let first = self.track.bounds().map_or(0, |(first, _)| first);
        self.origin() + self.format.rate.nanos_of(first)
    }

    /// Fixes the lane's place: `epoch` is the local time of the recording's first frame.
    pub(super) fn settle(&mut self, epoch: i64) {
        if self.start.is_none() {
            self.start = Some(self.format.rate.frames_in_nanos(self.origin() - epoch));
            self.alignment = Some(match self.captured {
                Some(_) => Alignment::Timestamps,
                None => Alignment::Arrival,
            });
        }
    }

    /// Position in the recording up to which everything has had its time to come.
    pub(super) fn due(&self, now: Instant, hold: Duration, epoch: i64) -> i64 {
        let hold = match self.lag {
            // What is lost is found only after a while, and belongs where it was lost.
            Some(_) => hold.max(RAW_HOLD),
            None => hold,
        };
        let time = nanos(now) - hold.as_nanos() as i64 - self.delay - epoch;
        let due = self.format.rate.frames_in_nanos(time);
        due.min(self.doubtful_from().unwrap_or(i64::MAX))
    }

    /// Position in the recording from which on the audio may have to move, if the window has
    /// room for that.
    fn doubtful_from(&self) -> Option<i64> {
        let found = self.lag.as_ref()?.doubtful()?;
        let reach = found.frames + self.format.rate.frames_in(RAW_HOLD) as i64;
        let start = self.start.filter(|_| reach <= self.track.capacity())?;
        Some(start + found.onset)
    }

    /// First position placed and the end of the last, in the recording; `None` before it is
    /// settled.
    pub(super) fn bounds(&self) -> Option<(i64, i64)> {
        let (first, end) = self.track.bounds()?;
        let start = self.start?;
        let kept = self
            .ahead
            .iter()
            .map(|(at, samples)| at + (samples.len() / self.format.channels.get()) as i64);
        Some((start + first, start + kept.fold(end, i64::max)))
    }

    /// Another timeline of the same sender follows on by arrival.
    fn restart(&mut self, meta: &PacketMeta) {
        self.generation = meta.generation;
        let at = match self.newest {
            Some((_, end, arrival)) => {
                let pause = meta.arrival.signed_since(arrival);
                let resumed = end.saturating_add(self.format.rate.frames_in_nanos(pause).max(0));
                self.gaps.explain(
                    Span {
                        start: end,
                        end: resumed,
                    },
                    GapCause::Restart,
                );
                resumed
            }
            None => 0,
        };
        self.base = meta.at + -at;
        self.newest = None;
    }

    /// Falls at once, rises slowly: the least delay of late, so that the clocks may drift. Within
    /// limits: other streams need not wait for one that fell behind, and silence is not written
    /// for timestamps that run ahead.
    fn follow_delay(&mut self, delay: i64) {
        let delay = if delay < self.delay {
            delay
        } else {
            self.delay + (delay - self.delay) / 1_024
        };
        self.delay = delay.clamp(-self.most_lead(), CLOCK_TOLERANCE.as_nanos() as i64);
    }

    /// How far a stream may be ahead of its arrival times, nanoseconds.
    fn most_lead(&self) -> i64 {
        let received = self.format.rate.duration_of(self.stats.frames);
        (CLOCK_TOLERANCE + received).as_nanos() as i64
    }
}

/// Nanoseconds on the local clock, signed.
pub(super) fn nanos(at: Instant) -> i64 {
    i64::try_from(at.as_nanos()).unwrap_or(i64::MAX)
}

/// Packets kept: 2.5 ms each through the longest window, twice.
const MAX_PACKETS: usize = 1 << 16;
/// How long packets may trail a goodbye, which takes another way.
const STRAGGLERS: Duration = Duration::from_millis(300);
/// How long a stream may be late in every packet before it is placed anew.
const LATE_PATIENCE: Duration = Duration::from_secs(1);
/// Nanoseconds of arrivals before their slope means anything.
const DRIFT_AFTER: i64 = 5_000_000_000;
/// The least window of raw streams: longer than the patience of [`Lag`].
const RAW_HOLD: Duration = Duration::from_millis(1_300);

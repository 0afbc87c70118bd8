//! The stream side of playout: packets in, frames at the stream's own rate out.

mod filling;
mod stretching;

use std::collections::VecDeque;
use std::time::Duration;

use super::ahead::{Ahead, Popped};
use super::config::{Concealment, DriftCorrection, Latency, PlayoutConfig};
use super::{Inserted, Pulled};
use crate::codec::Decoder;
use crate::conceal::Concealer;
use crate::convert::make_finite;
use crate::error::ConfigError;
use crate::format::StreamFormat;
use crate::jitter::policy::{
    Decision, Observation, PlayoutPolicy, PolicyConfig, Stretch, Supply, URGENT,
};
use crate::jitter::{DelayConfig, DelayEstimator, JitterBuffer, Refusal};
use crate::packet::PacketBuf;
use crate::stats::PlayoutStats;
use crate::stretch::TimeStretcher;
use crate::time::{Instant, MediaTime, nanos};
use crate::trace::{Arrival, TraceEvent, TraceInput};

/// Jitter buffer, decoders, and what fills the gaps between their frames.
pub(super) struct Timeline {
    format: StreamFormat,
    /// Of the sender's media clock, a frame.
    ticks: i64,
    aim: Aim,
    /// From the moment frames are asked for to that at which they are heard, in nanoseconds.
    output_delay: i64,
    /// Frames.
    resync_after: u64,
    decoders: Vec<(u8, Box<dyn Decoder>)>,
    /// The one that decoded last.
    speaker: usize,
    /// What it decodes next joins what was made up.
    joins: bool,
    buffer: JitterBuffer,
    state: State,
    /// Media time of the first frame that is neither out nor in `ahead`.
    next: MediaTime,
    ahead: Ahead,
    generation: u32,
    /// Frames made up in a row.
    starved: u64,
    /// Of these, frames by which `next` did not move on.
    held: u64,
    /// The stream's times count what arrived ([`PacketMeta::synthesised`]).
    ///
    /// [`PacketMeta::synthesised`]: crate::packet::PacketMeta::synthesised
    synthesised: bool,
    /// Nothing more is to come, as was said when frames were last asked for at this time: where
    /// the buffer is empty, the end is reached.
    ending: Option<Instant>,
    /// When frames were last asked for.
    asked: Instant,
    /// What follows does not follow from what went out: blend.
    torn: bool,
    /// How far into a slice packet boundaries fell lately, in nanoseconds: packets must be here
    /// when the slice is asked for, that much before they sound.
    margin: i64,
    looked: Instant,
    /// Since when a fixed latency has been exceeded.
    exceeded: Option<Instant>,
    /// Where the latency is fixed and nothing is corrected, only to tell the delay.
    estimator: DelayEstimator,
    policy: PlayoutPolicy,
    concealer: Option<Concealer>,
    stretcher: Option<TimeStretcher>,
    /// What was played and what is to come, for the stretcher; and what it made of it.
    joined: Box<[f32]>,
    stretched: Box<[f32]>,
    /// Frames of an ended timeline's fade still to go out, and their number at its start.
    fading: usize,
    fade: usize,
    last: Last,
    trace: Option<TraceInput>,
    spent: VecDeque<PacketBuf>,
    pub(super) stats: PlayoutStats,
}

/// What delay is aimed at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Aim {
    /// Nanoseconds from the luckiest arrival to the moment frames are heard, but for those that
    /// the resampler takes.
    Fixed(i64),
    /// What the estimator says.
    Adaptive,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// Nothing plays. Where packets wait: the earliest local time at which `at` could have
    /// arrived, over all of them.
    Waiting(Option<(MediaTime, Instant)>),
    Playing,
}

/// The newest of what [`Playout`](super::Playout) reports.
#[derive(Debug, Clone, Copy, Default)]
struct Last {
    decision: Decision,
    /// Frames.
    packet: u32,
    delay: i64,
}

impl Timeline {
    pub(super) fn new(
        config: &PlayoutConfig,
        decoders: Vec<(u8, Box<dyn Decoder>)>,
        format: StreamFormat,
        look_ahead: Duration,
    ) -> Result<Self, ConfigError> {
        let clock = decoders
            .first()
            .map_or(format.rate, |(_, d)| d.clock_rate());
        let frames = decoders.iter().map(|(_, d)| d.max_frames()).max();
        let frames = frames.unwrap_or(0);
        let buffer = JitterBuffer::new(config.width)?;
        let concealer = match config.concealment {
            Concealment::Silence => None,
            Concealment::Waveform => Some(Concealer::new(format)?),
        };
        let (aim, delay, stretcher) = match &config.latency {
            Latency::Fixed(latency) => {
                let latency = latency.saturating_sub(look_ahead);
                (Aim::Fixed(signed(latency)), DelayConfig::default(), None)
            }
            Latency::Adaptive(delay) => (
                Aim::Adaptive,
                delay.clone(),
                Some(TimeStretcher::new(format)?),
            ),
        };
        let policy = match (&config.latency, config.drift) {
            (Latency::Fixed(_), DriftCorrection::Ignore) => PolicyConfig {
                slack_above: i64::MAX,
                slack_below: i64::MAX,
                skip_above: i64::MAX,
                skip_excess: i64::MAX,
                stretch: Stretch::Forbidden,
            },
            (Latency::Fixed(_), DriftCorrection::Resample) => PolicyConfig {
                slack_above: i64::MAX,
                slack_below: i64::MAX,
                skip_above: 0,
                skip_excess: PROMISED_WITHIN,
                stretch: Stretch::Forbidden,
            },
            (Latency::Adaptive(delay), _) => PolicyConfig {
                slack_above: SLACK_ABOVE,
                slack_below: SLACK_BELOW,
                skip_above: skip_above(delay.max),
                skip_excess: URGENT,
                stretch: Stretch::Allowed,
            },
        };
        let recovery = decoders.iter().map(|(_, d)| d.max_recovery()).max();
        let reach = concealer
            .as_ref()
            .map_or(0, |c| c.max_bridge().max(recovery.unwrap_or(0)));
        let window = stretcher.as_ref().map_or(0, TimeStretcher::window);
        let channels = format.channels.get();
        Ok(Self {
            format,
            ticks: i64::from(clock.get() / format.rate.get()).max(1),
            aim,
            output_delay: signed(config.output_delay),
            resync_after: format.rate.frames_in(config.resync_after),
            spent: VecDeque::with_capacity(buffer.width() + SPENT_SLACK),
            ahead: Ahead::new(frames + reach.max(2 * window), channels),
            decoders,
            speaker: 0,
            joins: false,
            buffer,
            state: State::Waiting(None),
            next: MediaTime::default(),
            generation: 0,
            starved: 0,
            held: 0,
            synthesised: false,
            ending: None,
            asked: Instant::EPOCH,
            torn: false,
            margin: 0,
            looked: Instant::EPOCH,
            exceeded: None,
            estimator: DelayEstimator::new(&delay)?,
            policy: PlayoutPolicy::new(policy),
            concealer,
            joined: vec![0.0; window * channels].into_boxed_slice(),
            stretched: vec![0.0; 2 * window * channels].into_boxed_slice(),
            stretcher,
            fading: 0,
            fade: (format.rate.get() / FADE) as usize + 1,
            last: Last::default(),
            trace: None,
            stats: PlayoutStats::default(),
        })
    }

    pub(super) fn format(&self) -> StreamFormat {
        self.format
    }

    /// Takes a packet in. The second value is its media time in nanoseconds, where it says
    /// something about the sender's clock.
    pub(super) fn insert(&mut self, mut packet: PacketBuf) -> (Inserted, Option<i64>) {
        packet.meta.at = MediaTime(packet.meta.at.0.div_euclid(self.ticks));
        if self.trace.is_none() {
            return self.admit(packet);
        }
        let mut arrival = Arrival {
            at: packet.meta.arrival,
            seq: packet.meta.seq,
            media: packet.meta.at,
            frames: self.frames_in(&packet).unwrap_or(0) as u32,
            bytes: packet.payload().len() as u32,
            generation: packet.meta.generation,
            recovered: packet.meta.recovered,
            synthesised: packet.meta.synthesised,
            marker: packet.meta.marker,
            outcome: Inserted::Queued,
        };
        let (outcome, telling) = self.admit(packet);
        arrival.outcome = outcome;
        self.trace(TraceEvent::Arrival(arrival));
        (outcome, telling)
    }

    /// Nothing more is to come, unless it does.
    pub(super) fn finish(&mut self) {
        self.ending = Some(self.asked);
    }

    /// Where events go from now on.
    pub(super) fn set_trace(&mut self, trace: Option<TraceInput>) -> Option<TraceInput> {
        std::mem::replace(&mut self.trace, trace)
    }

    pub(super) fn trace(&mut self, event: TraceEvent) {
        if let Some(t) = &mut self.trace {
            t.push(event);
        }
    }

    fn admit(&mut self, mut packet: PacketBuf) -> (Inserted, Option<i64>) {
        let Some(frames) = self.frames_in(&packet) else {
            self.stats.packets_undecodable += 1;
            self.spend(packet);
            return (Inserted::Undecodable, None);
        };
        packet.meta.frames = frames as u32;
        let overtaken = |since| packet.meta.arrival.saturating_since(since) < STRAGGLERS;
        self.ending = self.ending.filter(|since| overtaken(*since));
        self.synthesised = packet.meta.synthesised;
        self.last.packet = packet.meta.frames;
        if packet.meta.generation != self.generation {
            self.generation = packet.meta.generation;
            self.ending = None;
            self.restart();
            self.estimator.reset();
        }
        let (at, arrival, seq) = (packet.meta.at, packet.meta.arrival, packet.meta.seq);
        let mut telling = None;
        if !packet.meta.recovered && !self.buffer.knows(seq) {
            let media = self.format.rate.nanos_of(at.0);
            let duration = self.format.rate.nanos_of(i64::from(packet.meta.frames));
            self.estimator.observe(arrival, seq, media, duration);
            telling = Some(media);
        }
        if let State::Playing = self.state
            && at + i64::from(packet.meta.frames) <= self.next
            && !self.buffer.knows(seq)
        {
            self.stats.packets_late += 1;
            self.spend(packet);
            return (Inserted::Late, telling);
        }
        let outcome = match self.buffer.insert(packet) {
            Ok(()) => Inserted::Queued,
            Err((Refusal::Duplicate, p)) => {
                self.stats.packets_duplicate += 1;
                self.spend(p);
                return (Inserted::Duplicate, None);
            }
            Err((Refusal::Late, p)) => {
                self.stats.packets_late += 1;
                self.spend(p);
                return (Inserted::Late, telling);
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
        let held = self.buffer.len() as u64;
        self.stats.packets_buffered_max = self.stats.packets_buffered_max.max(held);
        if let State::Waiting(anchor) = &mut self.state {
            let luckiest = anchor.is_none_or(|(a, t)| {
                // When this packet's time would have come by the anchor so far.
                arrival.signed_since(t) < self.format.rate.nanos_of(at - a)
            });
            if luckiest {
                *anchor = Some((at, arrival));
            }
        }
        (outcome, telling)
    }

    /// Fills `out`, whose first frame is due at `now`, and which belongs to a slice that was asked
    /// for at `asked`: no packet comes between its parts.
    pub(super) fn fill(&mut self, asked: Instant, now: Instant, out: &mut [f32]) -> Pulled {
        let ch = self.format.channels.get();
        self.asked = asked;
        let mut pulled = Pulled::default();
        let mut filled = 0;
        // Each packet held may be left out or late; more steps in a row without a frame mean that
        // times are beyond reckoning.
        let most = self.buffer.width() + STEPS;
        let mut barren = 0;
        while filled < out.len() {
            let at = now + self.format.rate.duration_of((filled / ch) as u64);
            let rest = &mut out[filled..];
            if let State::Waiting(_) = self.state {
                let idle = self.start_offset(at, rest.len() / ch);
                self.idle(&mut rest[..idle * ch]);
                pulled.idle += idle;
                filled += idle * ch;
                continue;
            }
            let popped = if self.ahead.is_empty() {
                self.step(at, at.signed_since(asked), rest)
            } else {
                self.ahead.pop_into(rest)
            };
            pulled.decoded += popped.decoded;
            pulled.concealed += popped.concealed;
            let frames = popped.decoded + popped.concealed;
            filled += frames * ch;
            barren = if frames == 0 { barren + 1 } else { 0 };
            if barren > most {
                self.stats.resyncs += 1;
                self.restart();
            }
        }
        pulled.decision = self.last.decision;
        pulled.delay = Duration::from_nanos(self.last.delay.max(0) as u64);
        self.stats.account(&pulled);
        pulled
    }

    pub(super) fn poll_recycled(&mut self) -> Option<PacketBuf> {
        self.spent.pop_front()
    }

    pub(super) fn packets_buffered(&self) -> usize {
        self.buffer.len()
    }

    pub(super) fn is_playing(&self) -> bool {
        matches!(self.state, State::Playing)
    }

    /// Delay aimed at, counted from the luckiest arrival to the moment frames are asked for.
    pub(super) fn target(&self) -> Duration {
        Duration::from_nanos(self.target_nanos().max(0) as u64)
    }

    pub(super) fn is_adaptive(&self) -> bool {
        matches!(self.aim, Aim::Adaptive)
    }

    /// Delay that the network alone would need.
    fn floor(&self) -> Duration {
        self.estimator.needed()
    }

    /// By how much the frame due at `now` is later than aimed at, in nanoseconds; `None` while
    /// nothing plays or nothing is known.
    pub(super) fn error(&self, now: Instant) -> Option<i64> {
        self.is_playing().then_some(())?;
        Some(self.delay_at(now)?.saturating_sub(self.target_nanos()))
    }

    /// Whether the delay is to be kept to the frame, rather than in a band.
    pub(super) fn steady(&self) -> bool {
        matches!(self.aim, Aim::Fixed(_))
    }

    /// Delay of the newest decision.
    pub(super) fn delay(&self) -> Duration {
        Duration::from_nanos(self.last.delay.max(0) as u64)
    }

    /// Duration of the newest packet.
    pub(super) fn ptime(&self) -> Duration {
        self.format.rate.duration_of(u64::from(self.last.packet))
    }

    /// From now on frames are asked for this much earlier than they used to be: a fixed latency
    /// counts to when they are heard.
    pub(super) fn hold_back(&mut self, by: Duration) {
        if let Aim::Fixed(latency) = &mut self.aim {
            *latency = latency.saturating_sub(signed(by)).max(0);
        }
    }

    /// Where a fixed latency plays already, its frames stay where they are until it starts anew.
    pub(super) fn set_output_delay(&mut self, delay: Duration) {
        if !self.is_playing() || self.is_adaptive() {
            self.output_delay = signed(delay);
        }
    }

    pub(super) fn output_delay(&self) -> Duration {
        Duration::from_nanos(self.output_delay.max(0) as u64)
    }

    pub(super) fn set_min_delay(&mut self, min: Duration) {
        if self.is_adaptive() {
            self.estimator.set_min(min);
        }
    }

    pub(super) fn set_max_delay(&mut self, max: Duration) {
        if self.is_adaptive() {
            self.estimator.set_max(max);
            self.policy.set_skip_above(skip_above(max));
        }
    }

    pub(super) fn reset(&mut self) {
        self.restart();
        self.estimator.reset();
        self.generation = 0;
    }

    fn target_nanos(&self) -> i64 {
        match self.aim {
            Aim::Fixed(latency) => latency.saturating_sub(self.output_delay).max(0),
            Aim::Adaptive => signed(self.estimator.target()).saturating_add(self.margin),
        }
    }

    /// Time by which the frame that is due at `now` behind all of `ahead` comes later than luck
    /// would have allowed.
    fn delay_at(&self, now: Instant) -> Option<i64> {
        let rate = self.format.rate;
        let lucky = self.estimator.lucky_arrival(rate.nanos_of(self.next.0))?;
        let ahead = rate.nanos_of(self.ahead.frames() as i64);
        Some(now.signed_since(lucky).saturating_add(ahead))
    }

    /// Frames of silence before sound starts within the next `frames`; starts the timeline where
    /// that is fewer than all.
    fn start_offset(&mut self, now: Instant, frames: usize) -> usize {
        let State::Waiting(Some((at, arrival))) = self.state else {
            return frames;
        };
        let Some(head) = self.buffer.head().map(|p| p.meta.at) else {
            return frames;
        };
        let rate = self.format.rate;
        let lucky = self
            .estimator
            .lucky_arrival(rate.nanos_of(head.0))
            .filter(|_| self.is_adaptive())
            .map_or((at, arrival), |lucky| (head, lucky));
        let waited = now
            .signed_since(lucky.1)
            .saturating_sub(self.target_nanos());
        // The frame due now, were the timeline running already.
        let due = lucky.0 + rate.frames_in_nanos(waited);
        let offset = head - due;
        if offset >= frames as i64 {
            return frames;
        }
        // A fixed latency leaves out what should have been heard already.
        self.next = match self.aim {
            Aim::Fixed(_) => due + offset.max(0),
            Aim::Adaptive => head,
        };
        self.state = State::Playing;
        self.starved = 0;
        self.held = 0;
        offset.max(0) as usize
    }

    /// Makes more to play: into `ahead`, or straight into `out` where it is made up. `offset`:
    /// how far into the slice, in nanoseconds.
    fn step(&mut self, now: Instant, offset: i64, out: &mut [f32]) -> Popped {
        let rate = self.format.rate;
        let head = self.buffer.head().map(|p| p.meta.at);
        let boundary = match head {
            Some(_) => offset,
            // Were the packets here, the slice's last boundary would fall there or later.
            None => {
                let left = (out.len() / self.format.channels.get()) as i64;
                offset.max(offset + rate.nanos_of(left - i64::from(self.last.packet)))
            }
        };
        self.margin = boundary.max(self.margin - self.fading_margin(now));
        if let Some(head) = head
            && self.held > 0
        {
            // What was lost is made up for by what stood in for it; only the rest is delay.
            let missing = u64::try_from(head - self.next).unwrap_or(0);
            self.next = self.next + self.held.min(missing) as i64;
            self.held = 0;
        }
        if head.is_none() && self.ending.is_some() {
            self.restart();
            return Popped::NONE;
        }
        if head.is_none() && self.synthesised {
            // Nothing on the wire says what is missing: it is not lost but late.
            if !self.is_adaptive() {
                self.resync();
                return Popped::NONE;
            }
            self.estimator.reset();
        }
        let supply = match head.map(|head| head - self.next) {
            None => Supply::Empty,
            Some(gap) if gap > 0 => Supply::Gap(rate.nanos_of(gap)),
            Some(_) => Supply::Ready,
        };
        let target = self.target_nanos();
        let delay = self.delay_at(now).unwrap_or(target);
        let concealed = rate.nanos_of(self.starved.min(1 << 40) as i64);
        let observation = Observation {
            now: i64::try_from(now.as_nanos()).unwrap_or(i64::MAX),
            target,
            delay,
            supply,
            concealed: concealed.max(i64::from(self.torn)),
        };
        let decision = match self.policy.decide(observation) {
            Decision::Skip(by) => self.insist(now, by),
            decision => {
                self.exceeded = self.exceeded.filter(|_| supply != Supply::Ready);
                decision
            }
        };
        self.last.decision = decision;
        if supply == Supply::Ready {
            self.last.delay = delay;
        }
        self.trace(TraceEvent::Decision {
            at: now,
            decision,
            delay,
            target: target.max(0) as u64,
        });
        let limit = self.policy.limit(observation);
        match decision {
            Decision::Skip(by) => {
                if !self.skip(rate.frames_in_nanos(by).max(1)) {
                    self.decode(now);
                    self.remember();
                }
            }
            Decision::Accelerate(effort) => self.accelerate(now, limit, effort),
            Decision::PreemptiveExpand(effort) => self.expand_ahead(now, limit, effort),
            Decision::Normal | Decision::Merge | Decision::Buffering => {
                self.decode(now);
                self.remember();
            }
            Decision::Expand | Decision::ComfortNoise => return self.expand(now, out),
        }
        Popped::NONE
    }

    /// A fixed latency is not exceeded in earnest until it was for long: a clock may have jumped, or
    /// the network not have settled.
    fn insist(&mut self, now: Instant, by: i64) -> Decision {
        if self.is_adaptive() {
            return Decision::Skip(by);
        }
        let since = self.exceeded.map_or(now, |since| since.min(now));
        self.exceeded = Some(since);
        let packet = self.format.rate.nanos_of(i64::from(self.last.packet));
        match now.saturating_since(since) >= EXCEEDED_FOR && by >= packet {
            true => Decision::Skip(by),
            false => Decision::Normal,
        }
    }

    /// By how much the margin shrinks since it was looked at last. Slowly: where clocks differ, the
    /// boundaries wander through the slice and come back to its end only after minutes.
    fn fading_margin(&mut self, now: Instant) -> i64 {
        let passed = now.saturating_since(std::mem::replace(&mut self.looked, now));
        let millis = passed.as_millis().min(MARGIN_MEMORY) as i64;
        self.margin / MARGIN_MEMORY as i64 * millis
    }

    /// Decodes the packet whose time has come to the end of `ahead` and blends it where it does
    /// not follow. Returns frames decoded.
    fn decode(&mut self, now: Instant) -> usize {
        let ch = self.format.channels.get();
        let from = self.ahead.frames() * ch;
        let frames = self.decode_raw(now, 0);
        if frames > 0 {
            self.ahead.grow(frames);
            let joins = std::mem::take(&mut self.joins);
            let blend = std::mem::take(&mut self.torn) || self.starved > 0 && !joins;
            self.starved = 0;
            if let Some(c) = &mut self.concealer
                && blend
            {
                let fresh = &mut self.ahead.samples_mut()[from..];
                c.merge(fresh);
            }
        }
        frames
    }

    /// Decodes the head of the buffer into `ahead`'s room, leaving `space` frames before it and
    /// leaving out what lies before `next`, and moves `next` on. Returns frames decoded.
    fn decode_raw(&mut self, now: Instant, space: usize) -> usize {
        let Some(packet) = self.buffer.pop() else {
            return 0;
        };
        let ch = self.format.channels.get();
        let skip = usize::try_from(self.next - packet.meta.at).unwrap_or(0);
        if skip >= packet.meta.frames as usize {
            self.stats.packets_late += 1;
            self.spend(packet);
            return 0;
        }
        let room = self.ahead.room().get_mut(space * ch..).unwrap_or(&mut []);
        let payload_type = packet.meta.payload_type;
        let speaker = self.decoders.iter().position(|(pt, _)| *pt == payload_type);
        self.speaker = speaker.unwrap_or(self.speaker);
        let frames = self
            .decoders
            .get_mut(self.speaker)
            .filter(|_| speaker.is_some())
            .and_then(|(_, d)| d.decode(packet.payload(), room).ok())
            .unwrap_or(0);
        let kept = frames.saturating_sub(skip);
        if kept == 0 {
            self.stats.packets_undecodable += 1;
        } else {
            room.copy_within(skip * ch..frames * ch, 0);
            make_finite(&mut room[..kept * ch]);
            self.next = self.next.max(packet.meta.at) + kept as i64;
            let waited = now.saturating_since(packet.meta.arrival);
            let aim = [self.target(), self.floor()];
            self.stats.emitted(kept, waited, aim);
        }
        self.spend(packet);
        kept
    }

    /// Lets the concealer know what is going out.
    fn remember(&mut self) {
        if let Some(c) = &mut self.concealer {
            c.push(self.ahead.samples());
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
        self.wait(ahead);
        // Whatever comes next, it need not have been sent when its timestamp suggests.
        self.estimator.reset();
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
        self.policy.reset();
        self.wait(None);
    }

    fn wait(&mut self, anchor: Option<(MediaTime, Instant)>) {
        if self.is_playing() && self.concealer.is_some() {
            self.fading = self.fade;
        }
        self.state = State::Waiting(anchor);
        self.ahead.clear();
        self.starved = 0;
        self.held = 0;
        self.exceeded = None;
        self.torn = false;
    }

    fn spend(&mut self, packet: PacketBuf) {
        if self.spent.len() < self.spent.capacity() {
            self.spent.push_back(packet);
        } else {
            self.stats.buffers_dropped += 1;
        }
    }
}

fn skip_above(max: Duration) -> i64 {
    signed(max).saturating_add(SKIP_BEYOND_MAX)
}

fn signed(d: Duration) -> i64 {
    i64::try_from(nanos(d)).unwrap_or(i64::MAX)
}

impl std::fmt::Debug for Timeline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Timeline")
            .field("format", &self.format)
            .field("state", &self.state)
            .field("next", &self.next)
            .field("buffered", &self.buffer.len())
            .finish_non_exhaustive()
    }
}

/// Time after a goodbye in which packets may come that it overtook.
const STRAGGLERS: Duration = Duration::from_millis(100);
/// Steps without a frame in a row, beside those that leave a packet out.
const STEPS: usize = 64;
const MS: i64 = 1_000_000;
const SLACK_ABOVE: i64 = 5 * MS;
const SLACK_BELOW: i64 = 2 * MS;
/// Nanoseconds by which a fixed latency may be exceeded: what the resampler brings back in half a
/// minute. Beyond, whole packets are left out.
const PROMISED_WITHIN: i64 = 30 * MS;
/// Longer than the estimator believes in arrivals that none was as lucky as since.
const EXCEEDED_FOR: Duration = Duration::from_secs(3);
/// Delay above the greatest allowed one that is still played fast rather than left out.
const SKIP_BEYOND_MAX: i64 = 200 * MS;
/// Milliseconds.
const MARGIN_MEMORY: u128 = 1_200_000;
/// Frames of a second ÷ this over which sound fades when the timeline ends.
const FADE: u32 = 100;
/// Spent buffers kept beyond the jitter buffer's width before they are freed instead (counted).
const SPENT_SLACK: usize = 64;

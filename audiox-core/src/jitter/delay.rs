//! How long to wait for packets: the target delay, from when they arrive.
//!
//! A packet's *offset* is its arrival less its media time. The lowest offset of the last 2 s is
//! that of the luckiest packet; every other was late by the difference. Only packets that arrive
//! are looked at and no gap between them, so loss cannot raise the target.
//!
//! The target is the greatest of
//! - **recent**: the lateness of packets in order over the last 8 s, of which each quarter
//!   second's latest counts. It rises with the packet and is back 8 s after the trouble's end;
//! - **recurring**: a quantile of the same quarter seconds over a minute, with exponential
//!   forgetting. Spikes that differ in height, or seem to since the packets sample them, are
//!   covered to the height that has long been usual. It counts only while the recent ones are at
//!   least half as high, and is dropped once they are not: the trouble is over;
//! - **reordering**: the delay at which waiting for overtaken packets and losing the rest costs
//!   least, and never more than those of the last 8 s needed;
//! - the **start** value during the first 2 s.
//!
//! # Invariants
//! - The target lies between minimum and maximum, whatever is observed.
//! - Memory is fixed and an observation takes O(1) on the average: every quarter second the
//!   histograms are looked through once.
//! - Silence teaches nothing: during a pause no time passes. A clock up to 500 ppm off is not
//!   taken for lateness by the time a pause ends.
//! - Times beyond [`DelayConfig::max`]'s double (and 2 s) from the reference are a jump of the
//!   stream, not the network's doing. What seems to come that early is believed from the fourth
//!   packet on, what seems to come that late after 2 s, and neither raises the target.
//!
//! # Deliberate differences
//! - NetEQ takes the 95th percentile of half-second maxima, in buckets of 20 ms that forget 1.7 %
//!   each half second, so it comes down from spikes over most of a minute; its older versions add
//!   a detector of peaks above 78 ms. Here the maximum of 8 s comes down at once, and the slow
//!   percentile, in buckets of 3 %, only tells how high peaks are for as long as there are any.
//! - NetEQ keeps delays; here offsets are kept, so lateness against a reference that has moved
//!   since, as on another route, is forgotten with it.
//! - NetEQ weighs the loss of overtaken packets over some 1 400 packets; here over 4 s, so the
//!   same at 1 ms and 60 ms packets.
//! - GStreamer's `rtpjitterbuffer` has a fixed latency. roc's peak jitter, a quantile of an
//!   envelope over tens of thousands of packets, comes down after minutes.

mod config;
mod forgetting;
mod recent;
mod sequence;
#[cfg(test)]
mod tests;

pub use config::DelayConfig;

use std::time::Duration;

use self::forgetting::{Forgetting, ONE};
use self::recent::{FARTHEST, INTERVAL, Recent};
use self::sequence::{CONVINCED, Place, Sequence};
use crate::error::ConfigError;
use crate::time::{ExtSeq, Instant, nanos};

/// Finds the delay that the packets of one stream need.
///
/// Playing a frame of media time `m` at [`lucky_arrival`](Self::lucky_arrival)`(m)` +
/// [`target`](Self::target) means that packets up to the target later than the luckiest are in
/// time.
#[derive(Debug, Clone)]
pub struct DelayEstimator {
    min: i64,
    max: i64,
    start: i64,
    peaks: usize,
    /// What losing all packets would cost, in nanoseconds of delay.
    reorder_price: i64,
    /// Weight of quarter seconds in `history` that may stay uncovered.
    tolerated: u64,
    sequence: Sequence,
    recent: Recent,
    /// The latest of each quarter second, from when it leaves `recent`.
    history: Forgetting,
    /// Delays of overtaken packets; those in order enter with none.
    overtaken: Forgetting,
    /// Arrival of the last packet; `None` before the first of a timeline.
    last: Option<Instant>,
    duration: i64,
    /// Packets in a row that came too early to be true.
    too_early: u8,
    /// Intervals left of the start.
    starting: u32,
    /// Offset of the latest packet that recent ones want to be waited for.
    peak: i64,
    /// What else the target has to reach.
    floor: i64,
}

impl DelayEstimator {
    /// An estimator that has seen nothing.
    ///
    /// # Errors
    /// A field of `config` is out of its range.
    pub fn new(config: &DelayConfig) -> Result<Self, ConfigError> {
        config.validate()?;
        let history = Forgetting::new(nanos(config.memory) / INTERVAL);
        Ok(Self {
            min: bounded(config.min),
            max: bounded(config.max),
            start: bounded(config.start),
            peaks: config.peaks,
            reorder_price: bounded(config.reorder_cost) * 100,
            tolerated: (history.steady_sum() as f64 * (1.0 - config.quantile)) as u64,
            sequence: Sequence::default(),
            recent: Recent::new(),
            history,
            overtaken: Forgetting::new(REORDER_INTERVALS),
            last: None,
            duration: 0,
            too_early: 0,
            starting: START_INTERVALS,
            peak: 0,
            floor: bounded(config.start),
        })
    }

    /// Takes note of a packet that was received (not of one that was recovered), in order of
    /// arrival. `media` is the media time of its first frame in nanoseconds from any fixed
    /// origin, `duration` its length in nanoseconds.
    ///
    /// Copies and packets more than a thousand numbers old are not counted.
    #[inline]
    pub fn observe(&mut self, arrival: Instant, seq: ExtSeq, media: i64, duration: i64) {
        let place = self.sequence.place(seq);
        if place == Place::Known {
            return;
        }
        let offset = offset(arrival, media);
        self.duration = duration.clamp(0, LONGEST_PACKET);
        match self.last.replace(arrival) {
            Some(last) => self.pass(last, arrival, offset),
            None => {
                self.recent.anchor(offset, i64::MAX);
                self.settle();
            }
        }

        let limit = self.limit();
        let early = self.recent.luckiest() - offset;
        if early > limit {
            self.too_early += 1;
            if self.too_early < CONVINCED {
                return;
            }
            self.recent.anchor(offset, i64::MAX);
            self.settle();
        }
        self.too_early = 0;
        if self.recent.note(offset) {
            self.rank();
        }

        let delay = offset - self.recent.luckiest();
        if delay > limit {
            return;
        }
        let current = self.recent.current();
        match place {
            Place::Overtaken => {
                current.overtaken = current.overtaken.max(offset);
                self.overtaken.add(delay);
            }
            Place::Newest | Place::Known => {
                self.overtaken.add(0);
                if offset > current.latest {
                    current.latest = offset;
                    if offset > self.peak {
                        self.rank();
                    }
                }
            }
        }
    }

    /// How much later than the luckiest packet's a frame is best played; between minimum and
    /// maximum.
    #[inline]
    pub fn target(&self) -> Duration {
        let needed = bounded(self.needed());
        Duration::from_nanos(needed.max(self.min).min(self.max) as u64)
    }

    /// The target without minimum and maximum: what the network alone calls for.
    pub fn needed(&self) -> Duration {
        let recent = self.peak - self.recent.luckiest();
        let wanted = (recent + self.headroom(recent)).max(self.floor);
        Duration::from_nanos(wanted.max(0) as u64)
    }

    /// When the luckiest packet of the last 2 s would have brought the frame of media time
    /// `media`, in nanoseconds; `None` before the first packet.
    #[inline]
    pub fn lucky_arrival(&self, media: i64) -> Option<Instant> {
        self.last?;
        let nanos = self.recent.luckiest().saturating_add(media);
        Some(Instant::from_nanos(nanos.max(0) as u64))
    }

    /// Sets the least target, at once; at most 10 s. Where it exceeds the greatest, that counts.
    pub fn set_min(&mut self, min: Duration) {
        self.min = bounded(min);
    }

    /// Sets the greatest target, at once; at most 10 s.
    pub fn set_max(&mut self, max: Duration) {
        self.max = bounded(max);
    }

    /// Another timeline over the same network: forgets numbers and times, and keeps what is
    /// known of lateness.
    pub fn reset(&mut self) {
        self.sequence = Sequence::default();
        self.last = None;
        self.too_early = 0;
    }

    /// Another network: as new, but with the least and greatest target as they are set.
    pub fn forget(&mut self) {
        self.reset();
        self.recent = Recent::new();
        self.history.clear();
        self.overtaken.clear();
        self.starting = START_INTERVALS;
        self.peak = 0;
        self.floor = self.start;
    }

    /// Lets the time from the `last` arrival to this one pass.
    #[inline]
    fn pass(&mut self, last: Instant, arrival: Instant, offset: i64) {
        let intervals = arrival.as_nanos() / INTERVAL;
        let ended = intervals.saturating_sub(last.as_nanos() / INTERVAL);
        if ended > 0 {
            self.end_intervals(ended, arrival.signed_since(last), offset);
        }
    }

    fn end_intervals(&mut self, ended: u64, gap: i64, offset: i64) {
        let limit = self.limit();
        for _ in 0..ended.min(PAUSE as u64 / INTERVAL) {
            let old = self.recent.step();
            self.history.fade();
            self.overtaken.fade();
            let delay = old.latest.saturating_sub(self.recent.luckiest());
            if (1..=limit).contains(&delay) {
                self.history.add(delay);
            }
            self.starting = self.starting.saturating_sub(1);
        }
        if gap > PAUSE {
            // As far as two clocks may have moved apart.
            self.recent.anchor(offset, gap / 2_000);
        }
        self.recent.expire(limit);
        self.settle();
    }

    /// Works out anew what recent packets want; gives back the greatest delay of one.
    fn rank(&mut self) -> i64 {
        let (highest, ranked) = self.recent.lateness(self.peaks, self.limit());
        self.peak = self.recent.luckiest() + ranked;
        highest
    }

    /// Works out anew what the target has to reach.
    fn settle(&mut self) {
        let limit = self.limit();
        let highest = self.rank();
        let recurring = self.history.level(self.tolerated);
        self.floor = if recurring <= 2 * highest {
            recurring
        } else {
            self.history.clear();
            0
        };
        let needed = self.recent.overtaken(limit);
        if needed > 0 {
            let reordering = self.overtaken.cheapest(self.reorder_price, FEW_PACKETS);
            self.floor = self
                .floor
                .max(reordering.min(needed + self.headroom(needed)));
        }
        if self.starting > 0 {
            self.floor = self.floor.max(self.start);
        }
    }

    /// What is added to a delay that was seen, against the next being a little longer: packets
    /// sample a stall, and the worst of it falls between two of them.
    #[inline]
    fn headroom(&self, delay: i64) -> i64 {
        (delay / 32).max(delay.min(self.duration).min(FINEST_STALL) / 2)
    }

    /// Delays beyond are interruptions.
    #[inline]
    fn limit(&self) -> i64 {
        (2 * self.max).max(INTERRUPTION)
    }
}

#[inline]
fn offset(arrival: Instant, media: i64) -> i64 {
    let arrival = i64::try_from(arrival.as_nanos()).unwrap_or(i64::MAX);
    arrival.saturating_sub(media).clamp(-FARTHEST, FARTHEST)
}

fn bounded(d: Duration) -> i64 {
    nanos(d.min(config::LONGEST)) as i64
}

/// Nanoseconds without a packet after which time stands still.
const PAUSE: i64 = 1_000_000_000;
/// Nanoseconds.
const INTERRUPTION: i64 = 2_000_000_000;
/// Nanoseconds.
const LONGEST_PACKET: i64 = 120_000_000;
/// Nanoseconds.
const FINEST_STALL: i64 = 5_000_000;
/// 2 s.
const START_INTERVALS: u32 = 8;
/// 4 s: a share of packets that come out of order is felt within a second.
const REORDER_INTERVALS: u64 = 16;
/// Fewer packets do not tell a share.
const FEW_PACKETS: u64 = 100 * ONE;

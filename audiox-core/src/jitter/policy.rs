//! What to do next: one small observation in, one decision out.
//!
//! The policy keeps no audio and no clock; it remembers only when it last changed the length of
//! the sound. The same observations give the same decisions.
//!
//! # One actuator at a time
//! Steps of the delay are taken by time-stretch, in whole pitch periods, and only outside a band
//! about the target. Inside the band nothing happens here: what remains is drift, and belongs to
//! the resampler.
//!
//! # Deliberate differences
//! - NetEQ compares a low-passed *level of the buffer*, which the sawtooth of arrivals and pulls
//!   blurs; here the playout delay of the next frame is compared, which is exact at any moment.
//! - NetEQ conceals a loss for its whole length even when the delay is far above the target; here
//!   a gap is a chance to catch up: what the delay has too much is not concealed but left out.
//! - GStreamer and roc have no step actuator: one waits for its timers, the other starts over.

use crate::stretch::Effort;

/// What the policy is told, once per packet boundary. Times in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observation {
    /// Time at which the frame due next goes out, on any clock that does not jump.
    pub now: i64,
    /// Delay aimed at, counted from the luckiest arrival.
    pub target: i64,
    /// Present delay of the frame due next, counted alike.
    pub delay: i64,
    /// What is there to play.
    pub supply: Supply,
    /// How long sound has been made up by now without a break.
    pub concealed: i64,
}

/// What is there to play.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Supply {
    /// The frame due next.
    Ready,
    /// A later one: this many nanoseconds of media are missing before it.
    Gap(i64),
    /// Nothing.
    Empty,
}

/// What playout does next. Names as in NetEQ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Decision {
    /// Nothing plays: before the first packet, or waiting for the delay to build up.
    #[default]
    Buffering,
    /// Play as it came.
    Normal,
    /// Play the first packet after made-up sound, blended with it.
    Merge,
    /// Play shortened: the delay is too long.
    Accelerate(Effort),
    /// Play lengthened: the delay is too short.
    PreemptiveExpand(Effort),
    /// Make up sound from what went before (and comes after, where that is known).
    Expand,
    /// As [`Expand`](Self::Expand), so long that only background noise is left.
    ComfortNoise,
    /// Leave this many nanoseconds of media out: far too long a delay, or a gap that helps to
    /// shorten it.
    Skip(i64),
}

/// The bands about the target, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PolicyConfig {
    /// Delay above the target that is left alone, at least; or a sixth of the target.
    pub slack_above: i64,
    /// Delay below the target that is left alone, at least; or a sixteenth of the target. Less
    /// than above: what is missing below is heard as a gap.
    pub slack_below: i64,
    /// Delay beyond which media are left out rather than played fast, where the target is not as
    /// long by itself (a device may ask for more at once). `i64::MAX`: never.
    pub skip_above: i64,
    /// How far beyond the target that must be as well.
    pub skip_excess: i64,
    /// Whether steps are corrected by time-stretch at all.
    pub stretch: Stretch,
}

/// Whether the length of the sound may be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stretch {
    /// Yes, outside the band.
    Allowed,
    /// Never: every frame goes out once, in its place.
    Forbidden,
}

/// Decides, packet boundary by packet boundary.
#[derive(Debug, Clone)]
pub struct PlayoutPolicy {
    config: PolicyConfig,
    last_stretch: Option<i64>,
}

impl PlayoutPolicy {
    /// A policy with these bands.
    pub fn new(config: PolicyConfig) -> Self {
        Self {
            config,
            last_stretch: None,
        }
    }

    /// What to do at the next packet boundary.
    pub fn decide(&self, o: Observation) -> Decision {
        let c = &self.config;
        let excess = o.delay.saturating_sub(o.target);
        match o.supply {
            Supply::Empty if o.concealed >= COMFORT_AFTER => Decision::ComfortNoise,
            Supply::Empty => Decision::Expand,
            Supply::Gap(missing) => {
                let skip = excess.min(missing);
                if c.stretch == Stretch::Allowed && excess > self.above(o) && skip > 0 {
                    Decision::Skip(skip)
                } else {
                    Decision::Expand
                }
            }
            Supply::Ready if o.delay > c.skip_above && excess > c.skip_excess => {
                Decision::Skip(excess)
            }
            Supply::Ready if o.concealed > 0 => Decision::Merge,
            Supply::Ready if c.stretch == Stretch::Forbidden => Decision::Normal,
            Supply::Ready => self.stretch(o, excess),
        }
    }

    /// Tells that the sound was shortened or lengthened at `now`, successfully.
    pub fn stretched(&mut self, now: i64) {
        self.last_stretch = Some(now);
    }

    /// Sets [`PolicyConfig::skip_above`].
    pub fn set_skip_above(&mut self, delay: i64) {
        self.config.skip_above = delay;
    }

    /// Forgets the past.
    pub fn reset(&mut self) {
        self.last_stretch = None;
    }

    /// How far the delay may lie above the target.
    fn above(&self, o: Observation) -> i64 {
        self.config.slack_above.max(o.target / 6)
    }

    /// The most, in nanoseconds, by which a decision to stretch may change the length: not beyond
    /// the target when shortening, not beyond the band when lengthening.
    pub fn limit(&self, o: Observation) -> i64 {
        let excess = o.delay.saturating_sub(o.target);
        if excess > 0 {
            excess
        } else {
            self.above(o).saturating_sub(excess)
        }
    }

    fn stretch(&self, o: Observation, excess: i64) -> Decision {
        // A clock that went back says nothing about how long ago that was.
        let rested = |pause| {
            self.last_stretch
                .is_none_or(|last| !(0..pause).contains(&o.now.saturating_sub(last)))
        };
        let short = excess.saturating_neg();
        if excess > self.above(o) {
            let effort = match excess {
                URGENT.. => Effort::Urgent,
                PRESSING.. if rested(PAUSE_PRESSING) => Effort::Normal,
                _ if rested(PAUSE_GENTLE) => Effort::Gentle,
                _ => return Decision::Normal,
            };
            Decision::Accelerate(effort)
        } else if short > self.config.slack_below.max(o.target / 16) {
            let effort = match short {
                PRESSING.. if rested(PAUSE_PRESSING) => Effort::Normal,
                _ if rested(PAUSE_GENTLE) => Effort::Gentle,
                _ => return Decision::Normal,
            };
            Decision::PreemptiveExpand(effort)
        } else {
            Decision::Normal
        }
    }
}

const MS: i64 = 1_000_000;
/// Made-up sound has faded by then (the concealer decides by itself; this only names it).
const COMFORT_AFTER: i64 = 150 * MS;
/// Excess above which quality gives way.
pub(crate) const URGENT: i64 = 100 * MS;
const PRESSING: i64 = 20 * MS;
/// Between two changes of length, so that they are not heard as flutter.
const PAUSE_GENTLE: i64 = 120 * MS;
const PAUSE_PRESSING: i64 = 50 * MS;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CONFIG: PolicyConfig = PolicyConfig {
        slack_above: 5 * MS,
        slack_below: 2 * MS,
        skip_above: 600 * MS,
        skip_excess: URGENT,
        stretch: Stretch::Allowed,
    };

    fn at(delay: i64, supply: Supply) -> Observation {
        Observation {
            now: 0,
            target: 40 * MS,
            delay: delay * MS,
            supply,
            concealed: 0,
        }
    }

    #[test]
    fn inside_the_band_nothing_is_done() {
        let policy = PlayoutPolicy::new(CONFIG);
        for delay in 38..=46 {
            assert_eq!(policy.decide(at(delay, Supply::Ready)), Decision::Normal);
        }
    }

    #[test]
    fn effort_grows_with_the_distance() {
        let policy = PlayoutPolicy::new(CONFIG);
        let decide = |delay| policy.decide(at(delay, Supply::Ready));
        assert_eq!(decide(55), Decision::Accelerate(Effort::Gentle));
        assert_eq!(decide(70), Decision::Accelerate(Effort::Normal));
        assert_eq!(decide(150), Decision::Accelerate(Effort::Urgent));
        assert_eq!(decide(700), Decision::Skip(660 * MS));
        let far = |delay| Observation {
            target: 620 * MS,
            ..at(delay, Supply::Ready)
        };
        assert_eq!(policy.decide(far(650)), Decision::Normal);
        assert_eq!(policy.decide(far(730)), Decision::Skip(110 * MS));
        assert_eq!(decide(36), Decision::PreemptiveExpand(Effort::Gentle));
        assert_eq!(decide(-10), Decision::PreemptiveExpand(Effort::Normal));
    }

    #[test]
    fn changes_of_length_keep_a_distance_unless_it_is_urgent() {
        let mut policy = PlayoutPolicy::new(CONFIG);
        policy.stretched(-20 * MS);
        assert_eq!(policy.decide(at(55, Supply::Ready)), Decision::Normal);
        assert_eq!(
            policy.decide(at(150, Supply::Ready)),
            Decision::Accelerate(Effort::Urgent)
        );
        policy.stretched(-60 * MS);
        assert_eq!(
            policy.decide(at(70, Supply::Ready)),
            Decision::Accelerate(Effort::Normal)
        );
        policy.reset();
        let gentle = Decision::Accelerate(Effort::Gentle);
        assert_eq!(policy.decide(at(55, Supply::Ready)), gentle);
        // The clock went back.
        policy.stretched(3_600_000 * MS);
        assert_eq!(policy.decide(at(55, Supply::Ready)), gentle);
    }

    #[test]
    fn a_gap_is_concealed_except_for_what_the_delay_has_too_much() {
        let policy = PlayoutPolicy::new(CONFIG);
        let gap = Supply::Gap(20 * MS);
        assert_eq!(policy.decide(at(40, gap)), Decision::Expand);
        assert_eq!(policy.decide(at(52, gap)), Decision::Skip(12 * MS));
        assert_eq!(policy.decide(at(90, gap)), Decision::Skip(20 * MS));
        let fixed = PlayoutPolicy::new(PolicyConfig {
            stretch: Stretch::Forbidden,
            ..CONFIG
        });
        assert_eq!(fixed.decide(at(90, gap)), Decision::Expand);
        assert_eq!(fixed.decide(at(90, Supply::Ready)), Decision::Normal);
        let kept = PlayoutPolicy::new(PolicyConfig {
            stretch: Stretch::Forbidden,
            skip_above: 0,
            skip_excess: 30 * MS,
            ..CONFIG
        });
        assert_eq!(kept.decide(at(70, Supply::Ready)), Decision::Normal);
        assert_eq!(kept.decide(at(71, Supply::Ready)), Decision::Skip(31 * MS));
    }

    #[test]
    fn starvation_fades_to_noise_and_ends_in_a_merge() {
        let policy = PlayoutPolicy::new(CONFIG);
        let after = |concealed, supply| {
            policy.decide(Observation {
                concealed: concealed * MS,
                ..at(40, supply)
            })
        };
        assert_eq!(after(0, Supply::Empty), Decision::Expand);
        assert_eq!(after(200, Supply::Empty), Decision::ComfortNoise);
        assert_eq!(after(20, Supply::Ready), Decision::Merge);
    }

    proptest! {
        /// A higher target never makes playout go faster.
        #[test]
        fn monotone_in_the_target(delay in -200i64..900, low in 0i64..500, more in 0i64..500, rest in 0i64..200) {
            let speed = |target: i64| {
                let mut policy = PlayoutPolicy::new(CONFIG);
                policy.stretched(-rest * MS);
                let o = Observation { target: target * MS, ..at(delay, Supply::Ready) };
                match policy.decide(o) {
                    Decision::Skip(_) => 3,
                    Decision::Accelerate(_) => 2,
                    Decision::PreemptiveExpand(_) => 0,
                    _ => 1,
                }
            };
            prop_assert!(speed(low + more) <= speed(low));
        }
    }
}

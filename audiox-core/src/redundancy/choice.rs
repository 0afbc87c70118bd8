//! What each means would leave lost, and what it would cost, by simple models of loss: packets
//! are lost by a two-state chain (Gilbert) of the reported share and mean run.

use std::time::Duration;

use super::plan::Loss;
use super::{Reason, RedundancyConfig, RedundancyPlan, window};
use crate::packet::red;

pub(super) fn choose(
    config: &RedundancyConfig,
    payload: usize,
    loss: Loss,
    round_trip: Option<Duration>,
) -> RedundancyPlan {
    let Loss { share, burst } = loss;
    let asked = round_trip.filter(|_| config.means.retransmission);
    let tries = asked.map_or(0, |rtt| tries(config, burst, rtt));
    let unanswered = asked.map_or(1.0, |rtt| unanswered(config, loss, rtt));
    if let Some(round_trip) = round_trip
        && share * unanswered <= GOAL
    {
        return RedundancyPlan::none(
            config,
            Reason::RoundTripsFit {
                loss,
                round_trip,
                tries,
            },
        );
    }
    // The rest is for means that need no round trip.
    let goal = GOAL / unanswered;
    let window = window(config.ptime, config.delay);
    let holds = config.delay >= config.ptime;
    let best = candidates(config, payload, &loss, window, goal)
        .min_by(|a, b| a.rank(goal).total_cmp(&b.rank(goal)));
    let best = best.unwrap_or_else(|| Candidate::nothing(share));
    let left = best.left * unanswered;
    let mut plan = RedundancyPlan {
        retransmission: tries > 0,
        window,
        rate: best.rate,
        copies: best.copies,
        history: Duration::ZERO,
        expected_loss: 0.0,
        reason: Reason::Cheapest(loss),
    };
    if left > GOAL * TOLERANCE {
        // The codec has to help itself: with its history where bursts are long, since that and
        // the copy of the packet before share its bits.
        let long = burst >= LONG_BURST && !config.means.history.is_zero() && holds;
        if long {
            // One burst in twenty is longer than three times the mean.
            let bursts = config.ptime.mul_f64(3.0 * burst.min(1e3));
            plan.history = bursts.max(LEAST_HISTORY).min(config.means.history);
        } else if config.means.in_band {
            plan.expected_loss = left as f32;
        }
        plan.reason = if holds {
            Reason::AtTheLimit { loss, left }
        } else {
            Reason::DelayTooShort(loss)
        };
    }
    plan
}

/// Share of lost packets that do not come again in time.
fn unanswered(config: &RedundancyConfig, loss: Loss, round_trip: Duration) -> f64 {
    // A request and its answer can be lost as well.
    let fails = 1.0 - (1.0 - loss.share).powi(2);
    let (ends, goes_on) = (1.0 / loss.burst, 1.0 - 1.0 / loss.burst);
    // Those at the beginning of a long burst are missed later than others: as many packets later as
    // are lost behind them.
    let (mut left, mut behind, mut of_these) = (0.0, 1.0, 1.0);
    while of_these > NEGLIGIBLE {
        let tries = tries(config, behind, round_trip);
        if tries == 0 {
            break;
        }
        left += of_these * ends * fails.powi(tries as i32);
        of_these *= goes_on;
        behind += 1.0;
    }
    left + of_these
}

/// Round trips that fit behind the discovery of a loss, where so many packets are lost in a row.
fn tries(config: &RedundancyConfig, burst: f64, round_trip: Duration) -> u32 {
    let discovery = config.ptime.mul_f64(burst.min(1e3)) + PATIENCE;
    let left = config.delay.saturating_sub(discovery);
    let each = round_trip + MARGIN;
    u32::try_from(left.as_nanos() / each.as_nanos().max(1)).map_or(MAX_TRIES, |n| n.min(MAX_TRIES))
}

#[derive(Debug, Clone, Copy)]
struct Candidate {
    rate: u32,
    copies: usize,
    /// Share of packets that stays lost.
    left: f64,
    /// Bytes a packet.
    cost: f64,
}

impl Candidate {
    const fn nothing(left: f64) -> Self {
        Self {
            rate: 0,
            copies: 0,
            left,
            cost: 0.0,
        }
    }

    /// The lower the better: what reaches the goal by its cost, else by what it leaves.
    fn rank(&self, goal: f64) -> f64 {
        if self.left <= goal * TOLERANCE {
            self.cost
        } else {
            1e9 * (1.0 + self.left)
        }
    }
}

fn candidates(
    config: &RedundancyConfig,
    payload: usize,
    loss: &Loss,
    window: usize,
    goal: f64,
) -> impl Iterator<Item = Candidate> {
    let payload = payload as f64;
    let allowed = f64::from(config.max_overhead) / 1e3 * (payload + HEADERS);
    let copies = config.means.copies.min(window).min(red::MAX_BLOCKS - 1);
    let copies = if config.delay < config.ptime {
        0
    } else {
        copies
    };
    let (share, stays) = (loss.share, 1.0 - 1.0 / loss.burst);
    let copied = (1..=copies).map(move |n| Candidate {
        copies: n,
        rate: 0,
        left: share * stays.powi(n as i32),
        cost: n as f64 * (payload + RED_HEADER),
    });
    let repair_cost = payload + HEADERS + REPAIR_HEADER;
    let repair = (config.means.repair && window >= 2).then(|| {
        let most = (allowed / repair_cost).min(MAX_RATE);
        let (rate, left) = repair_rate(loss, window, goal, most);
        Candidate {
            rate: (rate * 1e3) as u32,
            copies: 0,
            left,
            cost: rate * repair_cost,
        }
    });
    copied
        .chain(repair)
        .filter(move |c| c.cost <= allowed * 1.001)
}

/// Repair packets a packet, up to `most`, with which no more than `goal` stays lost or as little as
/// possible, and what that is.
fn repair_rate(loss: &Loss, window: usize, goal: f64, most: f64) -> (f64, f64) {
    let mut best = (0.0, loss.share);
    for repair in 1..=(most * window as f64) as usize {
        let left = left_by_block(loss, window, repair);
        best = (repair as f64 / window as f64, left);
        if left <= goal {
            break;
        }
    }
    best
}

/// Share of packets that stays lost of a block of `window` packets and `repair` repair packets:
/// those of the blocks that lose more than `repair` of all. A sliding window does a little worse.
fn left_by_block(loss: &Loss, window: usize, repair: usize) -> f64 {
    let all = window + repair;
    if window > EXACT {
        return left_by_large_block(loss, all, repair);
    }
    let recovers = 1.0 / loss.burst;
    let begins = (recovers * loss.share / (1.0 - loss.share).max(0.01)).min(1.0);
    // How probable it is that so many were lost so far, where the last arrived or was lost.
    let mut arrived = [0.0f64; MAX_LOST];
    let mut lost = [0.0f64; MAX_LOST];
    (arrived[0], lost[1]) = (1.0 - loss.share, loss.share);
    for _ in 1..all {
        for count in (0..MAX_LOST).rev() {
            let (a, l) = (arrived[count], lost[count]);
            arrived[count] = a * (1.0 - begins) + l * recovers;
            let before = count.checked_sub(1).map(|n| (arrived[n], lost[n]));
            let (a, l) = before.unwrap_or_default();
            lost[count] = a * begins + l * (1.0 - recovers);
        }
    }
    // What is more than the arrays hold is the rest of the mean.
    let kept = arrived.iter().zip(&lost).enumerate().take(repair + 1);
    let repaired: f64 = kept.map(|(n, (a, l))| n as f64 * (a + l)).sum();
    (loss.share - repaired / all as f64).max(0.0)
}

/// The same by a normal distribution.
fn left_by_large_block(loss: &Loss, all: usize, repair: usize) -> f64 {
    let returns = 1.0 / loss.burst;
    let begins = returns * loss.share / (1.0 - loss.share).max(0.01);
    let correlation = (1.0 - returns - begins).max(0.0);
    // Losses in a row make the sum vary more.
    let wider = (1.0 + correlation) / (1.0 - correlation).max(0.01);
    let mean = all as f64 * loss.share;
    let deviation = (mean * (1.0 - loss.share) * wider).sqrt().max(1e-9);
    let beyond = (repair as f64 + 0.5 - mean) / deviation;
    let at_least = (repair as f64 / all as f64).max(loss.share);
    (tail(beyond) * at_least).min(loss.share)
}

/// Share of a normal distribution beyond so many standard deviations (Abramowitz and Stegun,
/// 26.2.17 cut to three terms: to 0.00001).
fn tail(deviations: f64) -> f64 {
    if deviations < 0.0 {
        return 1.0 - tail(-deviations);
    }
    let t = 1.0 / (1.0 + 0.332_67 * deviations);
    let density = (-deviations * deviations / 2.0).exp() / std::f64::consts::TAU.sqrt();
    density * t * (0.436_183_6 + t * (-0.120_167_6 + t * 0.937_298))
}

/// Share of packets that may stay lost: one in 5 000, some of one each half minute.
const GOAL: f64 = 0.000_2;
/// The models are no better than this.
const TOLERANCE: f64 = 1.5;
/// Mean run of losses from which on a copy of the packet before is of little use.
const LONG_BURST: f64 = 2.0;
/// A history that is worth its head.
const LEAST_HISTORY: Duration = Duration::from_millis(100);
/// How long a receiver waits for packets that were overtaken before it asks.
const PATIENCE: Duration = Duration::from_millis(2);
/// By how much an answer is later than the network alone makes it.
const MARGIN: Duration = Duration::from_millis(5);
const MAX_TRIES: u32 = 100;
/// Of lost packets.
const NEGLIGIBLE: f64 = 1e-4;
/// Bytes of IPv4, UDP and RTP headers.
const HEADERS: f64 = 40.0;
/// Bytes of a repair packet beyond the longest packet that it covers.
const REPAIR_HEADER: f64 = 16.0;
/// Bytes of RED's header of a block.
const RED_HEADER: f64 = 4.0;
/// Longest window that is calculated packet by packet, and losses kept apart in it.
const EXACT: usize = 32;
const MAX_LOST: usize = 64;
/// Repair packets a packet at most.
const MAX_RATE: f64 = 4.0;

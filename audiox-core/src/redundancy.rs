//! How much redundancy a stream needs, and of which kind: from what receivers report to what is
//! sent.
//!
//! | means | costs | brings back |
//! | --- | --- | --- |
//! | retransmission ([`retransmit`](crate::retransmit)) | what was lost, and a round trip | anything, as often as round trips fit the delay |
//! | repair packets ([`fec::window`](crate::fec::window)) | a packet each | as many packets in a window as there are repair packets |
//! | copies ([`codec::red`](crate::codec), RFC 2198) | a payload each, in packets that are sent anyway | losses up to as many packets long |
//! | the codec's coarse copy of the packet before (in-band FEC) | a part of the bitrate | single packets, coarsely |
//! | the codec's history (DRED) | a part of the bitrate | long bursts of speech, coarsely |
//!
//! Redundancy that comes too late is worth nothing, so the receiver's delay decides what can be
//! done at all; loss, the length of bursts and the round trip how much of what. Of the means that
//! leave one packet in 5 000 lost or fewer, the cheapest in bytes is chosen; where none does, the
//! one that leaves least, and the codec helps itself with the rest. Loss is believed within
//! two or three reports when it rises and forgotten over half a minute, since what is sent too much costs bandwidth and what
//! is sent too little is heard.

mod choice;
mod plan;

pub use plan::{Loss, Reason, RedundancyPlan};

use std::time::Duration;

use crate::fec::window::MAX_WINDOW;
use crate::time::Instant;

/// What is known about a stream, its way and its receiver.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RedundancyConfig {
    /// Duration of a packet.
    pub ptime: Duration,
    /// What the receiver waits at least after the luckiest arrival, until it says itself: nothing
    /// later is heard.
    pub delay: Duration,
    /// The most that redundancy may add, in thousandths of the stream's bytes, headers included.
    /// Default: 1 000, twice the bandwidth.
    pub max_overhead: u32,
    /// What there is to choose from.
    pub means: Means,
}

/// The means that sender and receiver have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Means {
    /// Receivers may ask for packets again.
    pub retransmission: bool,
    /// Repair packets.
    pub repair: bool,
    /// Earlier packets that each may carry again.
    pub copies: usize,
    /// The codec can carry a coarse copy of the packet before.
    pub in_band: bool,
    /// How far back the codec's history can reach; zero where it has none.
    pub history: Duration,
}

impl RedundancyConfig {
    /// For packets of `ptime`, a receiver that waits for `delay`, and `means`.
    pub fn new(ptime: Duration, delay: Duration, means: Means) -> Self {
        Self {
            ptime,
            delay,
            max_overhead: 1_000,
            means,
        }
    }
}

/// Packets of `ptime` that a repair packet should cover: as many as `delay` holds.
pub fn window(ptime: Duration, delay: Duration) -> usize {
    let packets = delay.as_nanos() / ptime.as_nanos().max(1);
    usize::try_from(packets).map_or(MAX_WINDOW, |n| n.clamp(1, MAX_WINDOW))
}

/// What a receiver reports, and what it reports on.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct LossReport {
    /// Share of packets lost since the report before, 0 to 1.
    pub lost: f64,
    /// Packets that this is the share of, where it is known: of few, much is chance.
    pub packets: Option<u64>,
    /// Lost packets, and the runs of them, since the report before, where it says which were
    /// lost.
    pub bursts: Option<(u64, u64)>,
    /// Time there and back.
    pub round_trip: Option<Duration>,
    /// What the receiver waits.
    pub delay: Option<Duration>,
    /// Bytes of a payload in the mean; what the means cost is compared by it.
    pub payload: usize,
}

/// Chooses which redundancy is sent, and how much.
#[derive(Debug, Clone)]
pub struct RedundancyController {
    config: RedundancyConfig,
    /// Loss as it is believed, and when it was last looked at.
    believed: Option<(f64, Instant)>,
    /// Lost packets and runs of them, fading alike.
    losses: f64,
    runs: f64,
    round_trip: Option<Duration>,
    delay: Option<Duration>,
    payload: usize,
}

impl RedundancyController {
    /// A controller that has heard nothing.
    pub fn new(config: RedundancyConfig) -> Self {
        Self {
            config,
            believed: None,
            losses: 0.0,
            runs: 0.0,
            round_trip: None,
            delay: None,
            payload: 0,
        }
    }

    /// Takes in a receiver's report. Of several receivers the one that loses most counts.
    pub fn report(&mut self, now: Instant, report: &LossReport) -> RedundancyPlan {
        let lost = if report.lost.is_finite() {
            report.lost.clamp(0.0, 1.0)
        } else {
            0.0
        };
        // A report speaks of some dozens of packets, so half of a rise may be chance, and of fewer
        // packets more.
        let told = report.packets.map_or(CHANCE, |n| n as f64);
        let share = (told / (told + CHANCE)).min(0.5);
        let faded = self.faded(now).unwrap_or(lost);
        let risen = faded + (lost - faded).max(0.0) * share;
        if let Some((_, at)) = self.believed {
            let fading = fading(at, now);
            self.losses *= fading;
            self.runs *= fading;
        }
        if let Some((losses, runs)) = report.bursts {
            self.losses += losses as f64;
            self.runs += runs as f64;
        }
        self.believed = Some((risen, now));
        self.round_trip = report.round_trip.or(self.round_trip);
        self.delay = report.delay.or(self.delay);
        self.payload = report.payload;
        self.plan(now)
    }

    /// What to send now.
    pub fn plan(&self, now: Instant) -> RedundancyPlan {
        let config = RedundancyConfig {
            delay: self.delay.unwrap_or(self.config.delay),
            ..self.config
        };
        let Some(loss) = self.faded(now) else {
            return RedundancyPlan::none(&config, Reason::NoReports);
        };
        if loss < HARDLY_ANY {
            return RedundancyPlan::none(&config, Reason::HardlyAnyLoss);
        }
        let burst = self.burst(loss);
        choice::choose(
            &config,
            self.payload,
            Loss { share: loss, burst },
            self.round_trip,
        )
    }

    /// Mean length of runs of lost packets: as reported, and at least what chance makes of them.
    fn burst(&self, loss: f64) -> f64 {
        let chance = 1.0 / (1.0 - loss).max(0.01);
        // A few losses say little.
        let reported = (self.losses + DOUBT * chance) / (self.runs + DOUBT);
        reported.max(chance)
    }

    fn faded(&self, now: Instant) -> Option<f64> {
        let (loss, at) = self.believed?;
        Some(loss * fading(at, now))
    }
}

fn fading(from: Instant, to: Instant) -> f64 {
    (-to.saturating_since(from).as_secs_f64() / MEMORY).exp2()
}

/// One in 500.
const HARDLY_ANY: f64 = 0.002;
/// Seconds in which what is not reported again is half forgotten.
const MEMORY: f64 = 15.0;
/// So many packets tell as much of loss as what is believed already.
const CHANCE: f64 = 32.0;
/// Runs of losses that chance is trusted for.
const DOUBT: f64 = 4.0;

#[cfg(test)]
mod tests;

//! How much redundancy a stream needs: from what receivers report to what is sent.
//!
//! Redundancy that comes too late is worth nothing, so the receiver's delay decides what can be
//! done at all, and the loss how much of it. Loss is believed at once when it rises and forgotten
//! over half a minute, since what is sent too much costs bandwidth and what is sent too little is
//! heard.

use std::fmt;
use std::time::Duration;

use crate::fec::window::MAX_WINDOW;
use crate::time::Instant;

/// What is known about a stream and its way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RedundancyConfig {
    /// Duration of a packet.
    pub ptime: Duration,
    /// What the receiver waits at least after the luckiest arrival: nothing later is heard.
    pub delay: Duration,
    /// The most repair packets for a thousand packets. Default: 1 000, twice the bandwidth.
    pub max_rate: u32,
}

impl RedundancyConfig {
    /// For packets of `ptime` and a receiver that waits for `delay`.
    pub fn new(ptime: Duration, delay: Duration) -> Self {
        Self {
            ptime,
            delay,
            max_rate: 1_000,
        }
    }

    /// Packets that a repair packet should cover: as many as the delay holds.
    pub fn window(&self) -> usize {
        let packets = self.delay.as_nanos() / self.ptime.as_nanos().max(1);
        usize::try_from(packets).map_or(MAX_WINDOW, |n| n.clamp(1, MAX_WINDOW))
    }
}

/// What is sent beside the media.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RedundancyPlan {
    /// Packets that a repair packet covers.
    pub window: usize,
    /// Repair packets for a thousand packets.
    pub rate: u32,
    /// Share of packets that will be lost, 0 to 1, for a codec with redundancy of its own.
    pub expected_loss: f32,
    /// Why.
    pub reason: Reason,
}

/// Why a [`RedundancyPlan`] is what it is.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Reason {
    /// Nobody has reported yet.
    NoReports,
    /// Less than one packet in 500 is lost: concealment does.
    HardlyAnyLoss,
    /// The delay is shorter than two packets: repair packets would come too late.
    DelayTooShort,
    /// Repair packets for this share of loss, 0 to 1.
    Loss(f64),
    /// The loss, 0 to 1, calls for more repair packets than are allowed.
    AtTheLimit(f64),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoReports => f.write_str("no receiver has reported yet"),
            Self::HardlyAnyLoss => f.write_str("hardly anything is lost"),
            Self::DelayTooShort => f.write_str("the receiver's delay is shorter than two packets"),
            Self::Loss(loss) => write!(f, "{:.1} % are lost", loss * 100.0),
            Self::AtTheLimit(loss) => write!(
                f,
                "{:.1} % are lost, which calls for more than is allowed",
                loss * 100.0
            ),
        }
    }
}

/// Chooses how much redundancy is sent.
#[derive(Debug, Clone)]
pub struct RedundancyController {
    config: RedundancyConfig,
    /// Loss as it is believed, and when it was last looked at.
    believed: Option<(f64, Instant)>,
}

impl RedundancyController {
    /// A controller that has heard nothing.
    pub fn new(config: RedundancyConfig) -> Self {
        Self {
            config,
            believed: None,
        }
    }

    /// Takes in a receiver's report that this share of packets, 0 to 1, was lost since the one
    /// before it. Of several receivers the worst counts.
    pub fn report(&mut self, now: Instant, lost: f64) -> RedundancyPlan {
        let lost = if lost.is_finite() {
            lost.clamp(0.0, 1.0)
        } else {
            0.0
        };
        let faded = self.faded(now).unwrap_or(0.0);
        self.believed = Some((lost.max(faded), now));
        self.plan(now)
    }

    /// What to send now.
    pub fn plan(&self, now: Instant) -> RedundancyPlan {
        let window = self.config.window();
        let plan = |rate, loss: f64, reason| RedundancyPlan {
            window,
            rate,
            expected_loss: loss as f32,
            reason,
        };
        let Some(loss) = self.faded(now) else {
            return plan(0, 0.0, Reason::NoReports);
        };
        if loss < HARDLY_ANY {
            return plan(0, 0.0, Reason::HardlyAnyLoss);
        }
        if window < 2 {
            return plan(0, loss, Reason::DelayTooShort);
        }
        let needed = needed(loss, window);
        if needed > self.config.max_rate {
            return plan(self.config.max_rate, loss, Reason::AtTheLimit(loss));
        }
        plan(needed, loss, Reason::Loss(loss))
    }

    fn faded(&self, now: Instant) -> Option<f64> {
        let (loss, at) = self.believed?;
        let passed = now.saturating_since(at).as_secs_f64();
        Some(loss * (-passed / MEMORY).exp2())
    }
}

/// Repair packets for a thousand, so that those that arrive within a window outnumber what is lost
/// in it, but for a deviation of three standard ones.
fn needed(loss: f64, window: usize) -> u32 {
    let arrives = (1.0 - loss).max(0.01);
    let mean = loss / arrives;
    let deviation = (loss / (arrives * window as f64)).sqrt();
    // Repair packets are lost too, which widens the deviation by what they are themselves.
    let rate = mean + DEVIATIONS * deviation * (1.0 + mean + DEVIATIONS * deviation).sqrt();
    (rate * 1_000.0).ceil().min(1e6) as u32
}

/// One in 500.
const HARDLY_ANY: f64 = 0.002;
/// Seconds in which loss that is not reported again is half forgotten.
const MEMORY: f64 = 15.0;
const DEVIATIONS: f64 = 3.0;

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn controller(ptime: Duration, delay: Duration) -> RedundancyController {
        RedundancyController::new(RedundancyConfig::new(ptime, delay))
    }

    fn at(seconds: u64) -> Instant {
        Instant::EPOCH + Duration::from_secs(1_000 + seconds)
    }

    #[test]
    fn the_rate_follows_the_loss_and_the_window_the_delay() {
        let mut c = controller(Duration::from_micros(2_500), 60 * MS);
        assert_eq!(c.plan(at(0)).reason, Reason::NoReports);
        assert_eq!(c.report(at(1), 0.001).reason, Reason::HardlyAnyLoss);
        let mut last = 0;
        for loss in [0.01, 0.05, 0.1, 0.2] {
            let plan = c.report(at(2), loss);
            assert_eq!((plan.window, plan.reason), (24, Reason::Loss(loss)));
            assert!(plan.rate > last, "{plan:?}");
            last = plan.rate;
        }
        // What BENCHMARKS.md shows to bring 20 % below 0.1 %.
        assert!((600..800).contains(&last), "{last}");
        let plan = c.report(at(2), 0.5);
        assert_eq!((plan.rate, plan.reason), (1_000, Reason::AtTheLimit(0.5)));
        let text = plan.reason.to_string();
        assert!(text.starts_with("50.0 %"), "{text}");
    }

    #[test]
    fn loss_is_believed_at_once_and_forgotten_slowly() {
        let mut c = controller(5 * MS, 60 * MS);
        let high = c.report(at(0), 0.1).rate;
        assert_eq!(c.report(at(0), 0.0).rate, high);
        let later = c.report(at(15), 0.0);
        assert!(matches!(later.reason, Reason::Loss(l) if (l - 0.05).abs() < 1e-9));
        assert_eq!(c.report(at(200), 0.0).reason, Reason::HardlyAnyLoss);
    }

    #[test]
    fn what_would_come_too_late_is_not_sent() {
        let mut c = controller(20 * MS, 30 * MS);
        let plan = c.report(at(0), 0.1);
        assert_eq!((plan.rate, plan.reason), (0, Reason::DelayTooShort));
        // The codec may still help itself.
        assert!(plan.expected_loss > 0.09);
        let mut wide = controller(Duration::from_micros(125), Duration::from_secs(10));
        assert_eq!(wide.report(at(0), f64::NAN).window, MAX_WINDOW);
    }
}

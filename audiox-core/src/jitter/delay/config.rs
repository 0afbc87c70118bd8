//! What a delay estimator is tuned for.

use std::time::Duration;

use super::recent::PEAKS_MAX;
use crate::error::ConfigError;

/// What a [`DelayEstimator`](super::DelayEstimator) is made with.
#[derive(Debug, Clone, PartialEq)]
pub struct DelayConfig {
    /// The target is never lower, however good the network; up to `max`.
    pub min: Duration,
    /// The target is never higher, however bad the network; up to 10 s. Packets later than
    /// twice this, and later than 2 s, are taken for an interruption that no delay could have
    /// bridged, and do not raise it.
    pub max: Duration,
    /// The target of the first two seconds, until there is evidence for less. More evidence
    /// raises it at once. Bounded by `min` and `max`.
    pub start: Duration,
    /// How many quarter seconds of the last 8 s must have seen a lateness before it counts,
    /// 1 to 4. At 1 the first late packet raises the target, and keeps it up for 8 s; at 2 a
    /// hiccup that stays alone does nothing.
    pub peaks: usize,
    /// Of the quarter seconds within `memory`, the share whose latest packet shall be in time
    /// while trouble goes on; above 0, below 1. It makes sure of what recurs less evenly than
    /// the last 8 s show. The nearer to 1, the more often a height must recur to be forgotten.
    pub quantile: f64,
    /// Time constant of that longer memory, 1 s to 10 minutes. It is dropped when the trouble
    /// is over, so it does not delay the way down.
    pub memory: Duration,
    /// How much delay it is worth to save one packet in a hundred from being overtaken and
    /// lost; up to 1 s. Zero lets all packets that come out of order be lost.
    pub reorder_cost: Duration,
}

impl DelayConfig {
    /// Conversation and playing together on a wired network: gives hiccups up rather than wait
    /// for them.
    pub fn interactive() -> Self {
        Self {
            min: Duration::from_millis(1),
            max: Duration::from_millis(200),
            start: Duration::from_millis(10),
            peaks: 2,
            quantile: 0.995,
            memory: Duration::from_secs(60),
            reorder_cost: Duration::from_millis(10),
        }
    }

    /// Listening and conversation over Wi-Fi and the internet.
    pub fn balanced() -> Self {
        Self {
            min: Duration::from_millis(5),
            max: Duration::from_millis(500),
            start: Duration::from_millis(20),
            peaks: 1,
            quantile: 0.995,
            memory: Duration::from_secs(60),
            reorder_cost: Duration::from_millis(20),
        }
    }

    /// Listening without breaks, where a delay is no harm.
    pub fn robust() -> Self {
        Self {
            min: Duration::from_millis(40),
            max: Duration::from_secs(2),
            start: Duration::from_millis(80),
            peaks: 1,
            quantile: 0.998,
            memory: Duration::from_secs(120),
            reorder_cost: Duration::from_millis(40),
        }
    }

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let millis = |d: Duration| format!("{} ms", d.as_millis());
        if self.max > LONGEST {
            let allowed = "a delay is at most 10 s";
            return Err(ConfigError::new("max", millis(self.max), allowed));
        }
        if self.min > self.max {
            let allowed = format!("it is at most max, {}", millis(self.max));
            return Err(ConfigError::new("min", millis(self.min), allowed));
        }
        if !(1..=PEAKS_MAX).contains(&self.peaks) {
            return Err(ConfigError::new("peaks", self.peaks, "1 to 4"));
        }
        if !(self.quantile > 0.0 && self.quantile < 1.0) {
            let allowed = "a share between 0 and 1";
            return Err(ConfigError::new("quantile", self.quantile, allowed));
        }
        if !(MEMORY_MIN..=MEMORY_MAX).contains(&self.memory) {
            let allowed = "1 s to 10 minutes";
            return Err(ConfigError::new("memory", millis(self.memory), allowed));
        }
        if self.reorder_cost > REORDER_COST_MAX {
            let (value, allowed) = (millis(self.reorder_cost), "at most 1 s");
            return Err(ConfigError::new("reorder_cost", value, allowed));
        }
        Ok(())
    }
}

impl Default for DelayConfig {
    /// [`balanced`](Self::balanced).
    fn default() -> Self {
        Self::balanced()
    }
}

pub(super) const LONGEST: Duration = Duration::from_secs(10);
const MEMORY_MIN: Duration = Duration::from_secs(1);
const MEMORY_MAX: Duration = Duration::from_secs(600);
const REORDER_COST_MAX: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_are_possible_and_ordered() {
        let profiles = [
            DelayConfig::interactive(),
            DelayConfig::default(),
            DelayConfig::robust(),
        ];
        assert!(profiles.iter().all(|p| p.validate().is_ok()));
        assert!(profiles.is_sorted_by_key(|p| (p.min, p.start, p.max, p.reorder_cost)));
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        let ms = Duration::from_millis;
        let base = DelayConfig::default;
        for (field, config) in [
            (
                "max",
                DelayConfig {
                    max: ms(10_001),
                    ..base()
                },
            ),
            (
                "min",
                DelayConfig {
                    min: ms(501),
                    ..base()
                },
            ),
            ("peaks", DelayConfig { peaks: 0, ..base() }),
            ("peaks", DelayConfig { peaks: 5, ..base() }),
            (
                "quantile",
                DelayConfig {
                    quantile: f64::NAN,
                    ..base()
                },
            ),
            (
                "quantile",
                DelayConfig {
                    quantile: 1.0,
                    ..base()
                },
            ),
            (
                "memory",
                DelayConfig {
                    memory: ms(999),
                    ..base()
                },
            ),
            (
                "reorder_cost",
                DelayConfig {
                    reorder_cost: ms(1_001),
                    ..base()
                },
            ),
        ] {
            assert_eq!(config.validate().unwrap_err().field, field);
        }
    }
}

//! Rates from counters.

use std::collections::VecDeque;
use std::time::Duration;

/// How fast a counter of bytes runs, over the last second or so.
#[derive(Debug, Default)]
pub(super) struct Meter {
    seen: VecDeque<(Duration, u64)>,
}

impl Meter {
    /// Takes the counter's state and returns the rate in bits a second.
    pub(super) fn bits_per_second(&mut self, at: Duration, bytes: u64) -> f64 {
        self.seen.push_back((at, bytes));
        while self.seen.len() > 2 && at - self.seen[1].0 >= WINDOW {
            self.seen.pop_front();
        }
        let (from, before) = self.seen[0];
        let seconds = (at - from).as_secs_f64();
        if seconds > 0.0 {
            bytes.saturating_sub(before) as f64 * 8.0 / seconds
        } else {
            0.0
        }
    }
}

const WINDOW: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_the_last_second() {
        let mut meter = Meter::default();
        assert_eq!(meter.bits_per_second(Duration::ZERO, 0), 0.0);
        for step in 1..=20 {
            let at = Duration::from_millis(step * 100);
            let expected = if step <= 10 { 8_000.0 } else { 16_000.0 };
            let bytes = if step <= 10 {
                step * 100
            } else {
                1_000 + (step - 10) * 200
            };
            let rate = meter.bits_per_second(at, bytes);
            if step <= 10 || step == 20 {
                assert!((rate - expected).abs() < 1e-6, "{step}: {rate}");
            }
        }
    }
}

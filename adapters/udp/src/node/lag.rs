//! Loss in raw streams, which number nothing: seen only in that the stream falls behind its
//! arrival times and stays behind.

use std::time::Duration;

use audiox_core::format::SampleRate;
use audiox_core::time::Instant;

/// Watches how far a stream's frame count lags behind its arrival times.
///
/// A delay passes: once the backlog is in, the lag is gone. A loss stays. So a lag of at least a
/// datagram that lasts for [`PATIENCE`] and over [`MIN_PACKETS`] packets is taken for frames that
/// never came, at the place where it began.
#[derive(Debug)]
pub(super) struct Lag {
    rate: SampleRate,
    run: Option<Run>,
}

#[derive(Debug, Clone, Copy)]
struct Run {
    since: Instant,
    onset: i64,
    /// Least lag of the run, frames.
    least: i64,
    packets: u32,
}

/// Frames that never came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    /// Where they are missing.
    pub(super) onset: i64,
    /// How many.
    pub(super) frames: i64,
}

impl Lag {
    pub(super) fn new(rate: SampleRate) -> Self {
        Self { rate, run: None }
    }

    /// Takes a datagram of `frames` frames, at position `at` by count, that arrived `elapsed`
    /// nanoseconds after the first.
    pub(super) fn observe(
        &mut self,
        now: Instant,
        elapsed: i64,
        at: i64,
        frames: i64,
    ) -> Option<Found> {
        let lag = self.rate.frames_in_nanos(elapsed) - at;
        let least = frames.max(self.rate.frames_in(MIN_LAG) as i64);
        if lag < least {
            self.run = None;
            return None;
        }
        let run = self.run.get_or_insert(Run {
            since: now,
            onset: at,
            least: lag,
            packets: 0,
        });
        run.least = run.least.min(lag);
        run.packets += 1;
        if run.packets < MIN_PACKETS || now.saturating_since(run.since) < PATIENCE {
            return None;
        }
        let found = Found {
            onset: run.onset,
            frames: run.least,
        };
        self.run = None;
        Some(found)
    }

    /// Where a lag that may yet turn out to be a loss began, and how many frames it is: what
    /// came since may have to move.
    pub(super) fn doubtful(&self) -> Option<Found> {
        self.run.map(|run| Found {
            onset: run.onset,
            frames: run.least,
        })
    }
}

/// How long a lag must last to be a loss.
const PATIENCE: Duration = Duration::from_secs(1);
/// How many packets must show it.
const MIN_PACKETS: u32 = 20;
/// A smaller lag is jitter.
const MIN_LAG: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use super::*;

    /// Datagrams of 80 frames at 8 kHz; each item is (arrival in ms, at).
    fn run(packets: impl Iterator<Item = (u64, i64)>) -> Vec<Found> {
        let mut lag = Lag::new(SampleRate::HZ_8000);
        packets
            .filter_map(|(ms, at)| {
                let now = Instant::from_nanos(ms * 1_000_000);
                lag.observe(now, now.as_nanos() as i64, at, 80)
            })
            .collect()
    }

    #[test]
    fn a_lost_datagram_is_found_where_it_is_missing() {
        let found = run((0..300).map(|n| {
            if n < 100 {
                (n * 10, n as i64 * 80)
            } else {
                (n * 10 + 10, n as i64 * 80)
            }
        }));
        assert_eq!(
            found[0],
            Found {
                onset: 8_000,
                frames: 80
            }
        );
    }

    #[test]
    fn a_stall_that_is_made_up_for_is_none() {
        let stalled = (0..500u64).map(|n| {
            let ms = n * 10;
            (
                if (1_000..3_000).contains(&ms) {
                    3_000
                } else {
                    ms
                },
                n as i64 * 80,
            )
        });
        assert_eq!(run(stalled), []);
    }
}

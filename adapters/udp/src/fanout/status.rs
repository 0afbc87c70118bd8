//! What the sending thread tells, by atomics alone.

use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use audiox_core::convert::{Gain, Level};
use audiox_core::format::Channels;
use audiox_core::time::Instant;
use audiox_net::udp::SendOutcome;

/// A level meter that one thread moves and any may read: it rises at once and falls slowly, so
/// that whoever looks ten times a second sees every peak.
#[derive(Debug, Default)]
pub(super) struct Meter {
    peak: AtomicU32,
    rms: AtomicU32,
}

impl Meter {
    /// Takes a block's level. `fall` is the factor by which the meter falls in a block.
    pub(super) fn push(&self, level: Level, fall: f32) {
        let follow = |cell: &AtomicU32, value: f32| {
            let before = f32::from_bits(cell.load(Relaxed));
            let after = value.max(before * fall);
            // Denormals would be of no use to anybody.
            let after = if after < FLOOR { 0.0 } else { after };
            cell.store(after.to_bits(), Relaxed);
        };
        follow(&self.peak, level.peak);
        follow(&self.rms, level.rms);
    }

    pub(super) fn level(&self) -> Level {
        Level {
            peak: f32::from_bits(self.peak.load(Relaxed)),
            rms: f32::from_bits(self.rms.load(Relaxed)),
        }
    }

    pub(super) fn reset(&self) {
        self.peak.store(0, Relaxed);
        self.rms.store(0, Relaxed);
    }
}

/// The factor by which meters fall in `block`: 20 dB in 1.5 s, as peak programme meters do.
pub(super) fn fall(block: Duration) -> f32 {
    10f32.powf(-block.as_secs_f32() / 1.5)
}

/// One client, as the sending thread sees it. It outlives streams to it.
#[derive(Debug)]
pub(super) struct ClientStatus {
    pub(super) sent: AtomicU64,
    pub(super) bytes: AtomicU64,
    pub(super) lost: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) meter: Meter,
    /// The gain that is wanted, muting included.
    factor: AtomicU32,
    trouble: AtomicU8,
    trouble_at: AtomicU64,
}

/// What is the matter with a client at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Trouble {
    Refused = 1,
    Unreachable = 2,
    Full = 3,
    TooLong = 4,
    System = 5,
}

impl ClientStatus {
    pub(super) fn new(gain: Gain) -> Self {
        Self {
            sent: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            meter: Meter::default(),
            factor: AtomicU32::new(gain.factor().to_bits()),
            trouble: AtomicU8::new(0),
            trouble_at: AtomicU64::new(0),
        }
    }

    pub(super) fn set_gain(&self, gain: Gain) {
        self.factor.store(gain.factor().to_bits(), Relaxed);
    }

    pub(super) fn gain(&self) -> Gain {
        // Only gains are stored.
        Gain::linear(f32::from_bits(self.factor.load(Relaxed))).unwrap_or(Gain::UNITY)
    }

    /// Counts a datagram of `len` bytes; `None` is a socket out of order.
    pub(super) fn count(&self, outcome: Option<SendOutcome>, len: usize, now: Instant) {
        let trouble = match outcome {
            Some(SendOutcome::Sent) => None,
            Some(SendOutcome::Refused) => Some(Trouble::Refused),
            Some(SendOutcome::Unreachable) => Some(Trouble::Unreachable),
            Some(SendOutcome::Full) => Some(Trouble::Full),
            Some(SendOutcome::TooLong) => Some(Trouble::TooLong),
            None => Some(Trouble::System),
        };
        if matches!(outcome, Some(SendOutcome::Sent | SendOutcome::Refused)) {
            self.sent.fetch_add(1, Relaxed);
            self.bytes.fetch_add(len as u64, Relaxed);
        } else {
            self.lost.fetch_add(1, Relaxed);
        }
        if let Some(trouble) = trouble {
            self.refused
                .fetch_add(u64::from(trouble == Trouble::Refused), Relaxed);
            self.trouble.store(trouble as u8, Relaxed);
            self.trouble_at.store(now.as_nanos(), Relaxed);
        }
    }

    /// What was the matter within the last [`TROUBLE_LASTS`].
    pub(super) fn trouble(&self, now: Instant) -> Option<Trouble> {
        let at = Instant::from_nanos(self.trouble_at.load(Relaxed));
        if now.saturating_since(at) > TROUBLE_LASTS {
            return None;
        }
        match self.trouble.load(Relaxed) {
            1 => Some(Trouble::Refused),
            2 => Some(Trouble::Unreachable),
            3 => Some(Trouble::Full),
            4 => Some(Trouble::TooLong),
            5 => Some(Trouble::System),
            _ => None,
        }
    }
}

/// The whole of it, as the sending thread sees it.
#[derive(Debug)]
pub(super) struct Board {
    pub(super) meters: Box<[Meter]>,
    pub(super) blocks: AtomicU64,
    /// Frames that the source did not have in time, silence in their place.
    pub(super) missing: AtomicU64,
    /// Frames by which the schedule was moved, since the thread was held up.
    pub(super) skipped: AtomicU64,
}

impl Board {
    pub(super) fn new(channels: Channels) -> Self {
        Self {
            meters: (0..channels.get()).map(|_| Meter::default()).collect(),
            blocks: AtomicU64::new(0),
            missing: AtomicU64::new(0),
            skipped: AtomicU64::new(0),
        }
    }
}

const FLOOR: f32 = 1e-6;
/// A port that refuses does so after each datagram, but word of it may be rationed.
const TROUBLE_LASTS: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meters_rise_at_once_and_fall_20_db_in_a_second_and_a_half() {
        let meter = Meter::default();
        let fall = fall(Duration::from_millis(10));
        let level = |peak: f32| Level {
            peak,
            rms: peak / 2.0,
        };
        meter.push(level(0.5), fall);
        assert_eq!(meter.level(), level(0.5));
        for _ in 0..150 {
            meter.push(level(0.0), fall);
        }
        let fallen = meter.level().peak_db() - level(0.5).peak_db();
        assert!((fallen + 20.0).abs() < 0.01, "{fallen}");
        for _ in 0..1_000 {
            meter.push(level(0.0), fall);
        }
        assert_eq!(meter.level(), Level::default());
    }

    #[test]
    fn troubles_pass() {
        let status = ClientStatus::new(Gain::UNITY);
        let at = |s: u64| Instant::from_nanos(s * 1_000_000_000);
        assert_eq!(status.trouble(at(1)), None);
        status.count(Some(SendOutcome::Refused), 100, at(10));
        status.count(Some(SendOutcome::Sent), 100, at(11));
        assert_eq!(status.trouble(at(12)), Some(Trouble::Refused));
        assert_eq!(status.trouble(at(14)), None);
        status.count(Some(SendOutcome::Unreachable), 100, at(20));
        assert_eq!(status.trouble(at(20)), Some(Trouble::Unreachable));
        let count = |c: &AtomicU64| c.load(Relaxed);
        assert_eq!((count(&status.sent), count(&status.lost)), (2, 1));
    }
}

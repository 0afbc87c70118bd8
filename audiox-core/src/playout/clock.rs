//! The playback device's clock, seen through the moments at which it asks for more.

use crate::format::SampleRate;
use crate::time::Instant;

/// Smooths the times of pulls: a callback that is woken late by some milliseconds asks for
/// frames that are due when they always were.
#[derive(Debug)]
pub(super) struct DeviceClock {
    rate: SampleRate,
    /// Local time of the next pull as foreseen, in 1/[`FINE`] nanoseconds.
    next: Option<i128>,
    frames: u64,
}

/// A pull on the device's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tick {
    /// The pull's time, smoothed.
    pub(super) now: Instant,
    /// Nanoseconds of frames pulled before it, by the device's own count.
    pub(super) played: i64,
    /// The device did not ask for long, or all at once: suspended, restarted, an xrun.
    pub(super) jumped: bool,
}

impl DeviceClock {
    pub(super) fn new(rate: SampleRate) -> Self {
        Self {
            rate,
            next: None,
            frames: 0,
        }
    }

    /// Takes in a pull of `frames` at `now`.
    pub(super) fn tick(&mut self, now: Instant, frames: usize) -> Tick {
        let seen = i128::from(now.as_nanos()) * FINE;
        let played = self
            .rate
            .nanos_of(i64::try_from(self.frames).unwrap_or(i64::MAX));
        let mut jumped = false;
        let smooth = match self.next {
            None => seen,
            Some(next) if (seen - next).abs() > JUMP * FINE => {
                jumped = true;
                seen
            }
            Some(next) => next + (seen - next) / PULL_IN,
        };
        let span = i128::from(self.rate.nanos_of(frames as i64)) * FINE;
        self.next = Some(smooth + span);
        self.frames += frames as u64;
        Tick {
            now: Instant::from_nanos(u64::try_from(smooth / FINE).unwrap_or(0)),
            played,
            jumped,
        }
    }
}

const FINE: i128 = 1 << 16;
/// Share of a deviation that is believed at each pull.
const PULL_IN: i128 = 32;
/// Nanoseconds off the schedule from which on it is another schedule.
const JUMP: i128 = 60_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    const QUANTUM: usize = 480;

    fn ms(n: u64) -> u64 {
        n * 1_000_000
    }

    #[test]
    fn late_callbacks_are_smoothed_and_a_skewed_device_is_followed() {
        let mut clock = DeviceClock::new(SampleRate::HZ_48000);
        for n in 0..10_000u64 {
            // 200 ppm slow, and every seventh callback 6 ms late.
            let due = ms(50) + n * 10_002_000;
            let late = if n % 7 == 3 { ms(6) } else { 0 };
            let tick = clock.tick(Instant::from_nanos(due + late), QUANTUM);
            assert!(!tick.jumped);
            assert_eq!(tick.played, (n * ms(10)) as i64);
            let error = tick.now.as_nanos().abs_diff(due);
            assert!(error < ms(2), "{error} at {n}");
        }
    }

    #[test]
    fn after_a_jump_it_starts_over() {
        let mut clock = DeviceClock::new(SampleRate::HZ_48000);
        clock.tick(Instant::from_nanos(ms(1_000)), QUANTUM);
        let tick = clock.tick(Instant::from_nanos(ms(9_000)), QUANTUM);
        assert_eq!((tick.now.as_nanos(), tick.jumped), (ms(9_000), true));
        let tick = clock.tick(Instant::from_nanos(ms(9_010)), QUANTUM);
        assert_eq!((tick.now.as_nanos(), tick.jumped), (ms(9_010), false));
        // Time that runs backwards is a jump as well, not a panic.
        assert!(clock.tick(Instant::from_nanos(5), QUANTUM).jumped);
    }
}

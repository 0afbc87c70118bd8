//! The clock that drivers hand to the state machines.
//!
//! A [`Clock`] reads the monotonic and the wall clock together *once*. From then on the NTP time
//! of an instant is an exact function of the monotonic clock, so that a wall clock that is set
//! while a stream runs cannot tear the stream. [`Clock::wall_offset_nanos`] says how far both
//! have come apart since.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use audiox_core::time::{Instant, NtpTime};

/// The process's monotonic clock with one pair of readings that ties it to the wall clock.
///
/// Instants of all clocks of a process have one epoch and are comparable; only the wall-clock
/// pair differs.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    instant: Instant,
    std: std::time::Instant,
    ntp: NtpTime,
}

impl Clock {
    /// Reads both clocks and ties them together.
    pub fn new() -> Self {
        // The thread may be interrupted between two readings: of several tries the one with the
        // least time around it is the truest.
        (0..TRIES)
            .map(|_| {
                let before = system::now();
                let (wall, std) = (SystemTime::now(), std::time::Instant::now());
                let after = system::now();
                let width = after.saturating_since(before);
                let clock = Self {
                    instant: before + width / 2,
                    std,
                    ntp: ntp_of(wall),
                };
                (width, clock)
            })
            .min_by_key(|(width, _)| *width)
            .map(|(_, clock)| clock)
            .expect("TRIES is not zero")
    }

    /// The time now.
    pub fn now(&self) -> Instant {
        system::now()
    }

    /// The instant of a standard library instant.
    pub fn from_std(&self, at: std::time::Instant) -> Instant {
        match at.checked_duration_since(self.std) {
            Some(d) => self.instant + d,
            None => self
                .instant
                .saturating_sub(self.std.saturating_duration_since(at)),
        }
    }

    /// The standard library's instant for `at`; the nearest it can express.
    pub fn to_std(&self, at: Instant) -> std::time::Instant {
        let std = if at >= self.instant {
            self.std.checked_add(at - self.instant)
        } else {
            self.std.checked_sub(self.instant - at)
        };
        std.unwrap_or(self.std)
    }

    /// The pair that ties the clocks together.
    pub fn anchor(&self) -> (Instant, NtpTime) {
        (self.instant, self.ntp)
    }

    /// Wall-clock time of `at`, by the fixed pair.
    pub fn ntp_at(&self, at: Instant) -> NtpTime {
        self.ntp.offset_nanos(at.signed_since(self.instant))
    }

    /// The instant of wall-clock time `ntp`, by the fixed pair; `None` where that lies before
    /// the monotonic clock's epoch.
    pub fn instant_at(&self, ntp: NtpTime) -> Option<Instant> {
        self.instant
            .as_nanos()
            .checked_add_signed(ntp.nanos_since(self.ntp))
            .map(Instant::from_nanos)
    }

    /// A fresh reading of the wall clock.
    pub fn wall_now(&self) -> NtpTime {
        ntp_of(SystemTime::now())
    }

    /// Nanoseconds by which the wall clock has come to run ahead of the fixed pair: what was
    /// corrected by steps since this clock was made.
    pub fn wall_offset_nanos(&self) -> i64 {
        let before = system::now();
        let wall = self.wall_now();
        let width = system::now().saturating_since(before);
        wall.nanos_since(self.ntp_at(before + width / 2))
    }

    /// Sleeps until `deadline`, not before, and not at all where that has passed.
    ///
    /// On Linux this is one absolute sleep of the kernel, late by tens of microseconds once
    /// [`thread::sharpen_timers`](crate::thread::sharpen_timers) was called on the thread.
    pub fn sleep_until(&self, deadline: Instant) {
        system::sleep_until(deadline);
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

/// The NTP form of a wall-clock time; times before 1970 become 1970.
pub fn ntp_of(wall: SystemTime) -> NtpTime {
    NtpTime::from_unix(wall.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO))
}

const TRIES: usize = 8;

/// CLOCK_MONOTONIC itself, because only it can be slept on to an absolute deadline.
#[cfg(any(target_os = "linux", target_os = "android"))]
mod system {
    use audiox_core::time::Instant;
    use rustix::thread::clock_nanosleep_absolute;
    use rustix::time::{ClockId, Timespec, clock_gettime};

    pub(super) fn now() -> Instant {
        let t = clock_gettime(ClockId::Monotonic);
        Instant::from_nanos(t.tv_sec as u64 * NANOS + t.tv_nsec as u64)
    }

    pub(super) fn sleep_until(deadline: Instant) {
        let n = deadline.as_nanos();
        let request = Timespec {
            tv_sec: (n / NANOS) as _,
            tv_nsec: (n % NANOS) as _,
        };
        // A signal interrupts the sleep; the deadline stands, so it is simply taken up again.
        while now() < deadline {
            let _ = clock_nanosleep_absolute(ClockId::Monotonic, &request);
        }
    }

    const NANOS: u64 = 1_000_000_000;
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod system {
    use std::sync::OnceLock;
    use std::time::Duration;

    use audiox_core::time::Instant;

    pub(super) fn now() -> Instant {
        static EPOCH: OnceLock<std::time::Instant> = OnceLock::new();
        // Instants shortly before the first reading must be expressible too.
        Instant::EPOCH + HEADROOM + EPOCH.get_or_init(std::time::Instant::now).elapsed()
    }

    pub(super) fn sleep_until(deadline: Instant) {
        loop {
            let left = deadline.saturating_since(now());
            if left.is_zero() {
                return;
            }
            std::thread::sleep(left);
        }
    }

    const HEADROOM: Duration = Duration::from_secs(3_600);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_go_to_std_and_back() {
        let clock = Clock::new();
        for nanos in [0i64, 1, -1, 3_000_000_000, -1_000_000] {
            let at = Instant::from_nanos(clock.anchor().0.as_nanos().saturating_add_signed(nanos));
            assert_eq!(clock.from_std(clock.to_std(at)), at);
        }
    }

    #[test]
    fn both_monotonic_clocks_are_the_same_one() {
        let clock = Clock::new();
        let before = clock.now();
        let std = clock.from_std(std::time::Instant::now());
        let after = clock.now();
        let slack = Duration::from_millis(1);
        assert!(std + slack >= before && after + slack >= std);
    }

    #[test]
    fn ntp_times_are_a_function_of_the_monotonic_clock() {
        let clock = Clock::new();
        let (at, ntp) = clock.anchor();
        assert_eq!(clock.ntp_at(at), ntp);
        let later = at + Duration::from_secs(86_400);
        assert_eq!(clock.ntp_at(later).nanos_since(ntp), 86_400_000_000_000);
        assert_eq!(clock.instant_at(clock.ntp_at(later)), Some(later));
        let before_the_epoch = clock.ntp_at(Instant::EPOCH).offset_nanos(-10);
        assert_eq!(clock.instant_at(before_the_epoch), None);
        // Nobody sets a clock by an hour while this runs.
        assert!(clock.wall_offset_nanos().abs() < 3_600_000_000_000);
    }

    #[test]
    fn sleeping_never_ends_early() {
        let clock = Clock::new();
        for ms in [0, 1, 5] {
            let deadline = clock.now() + Duration::from_millis(ms);
            clock.sleep_until(deadline);
            assert!(clock.now() >= deadline);
        }
        clock.sleep_until(Instant::EPOCH);
    }
}

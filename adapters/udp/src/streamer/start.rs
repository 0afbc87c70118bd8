//! When a streamer starts, and how that time is written.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use audiox_core::time::{Instant, NtpTime};
use audiox_net::StopFlag;
use audiox_net::clock::{Clock, ntp_of};

use crate::Error;

/// When the first packets of all streams are due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Start {
    /// As soon as every source was read ahead: some 100 ms from now.
    #[default]
    Now,
    /// At this time of the wall clock. Streamers on several machines that are given the same
    /// time start together, as exactly as their clocks agree.
    At(SystemTime),
}

/// The common start, once it is settled.
#[derive(Debug, Clone, Copy)]
pub(super) enum StartPoint {
    Local(Instant),
    Wall(NtpTime),
}

impl Start {
    /// Refuses a time that has passed.
    pub(super) fn check(self) -> Result<(), Error> {
        let now = SystemTime::now();
        match self {
            Self::At(at) if at <= now => Err(Error::StartPassed {
                at: utc(at),
                now: utc(now),
            }),
            _ => Ok(()),
        }
    }

    /// A sentence about a start so far ahead that it may be a slip.
    pub(super) fn notice(self) -> Option<String> {
        let Self::At(at) = self else {
            return None;
        };
        let ahead = at.duration_since(SystemTime::now()).ok()?;
        (ahead > FAR).then(|| {
            let hours = ahead.as_secs() / 3_600;
            format!("the start at {} is {hours} hours ahead", utc(at))
        })
    }

    /// Fixes the start, now that everything is ready.
    pub(super) fn settle(self, clock: &Clock) -> (StartPoint, SystemTime) {
        match self {
            Self::Now => (
                StartPoint::Local(clock.now() + LEAD),
                SystemTime::now() + LEAD,
            ),
            Self::At(at) => (StartPoint::Wall(ntp_of(at)), at),
        }
    }
}

impl StartPoint {
    /// Waits until shortly before the start and says when it is, by a clock whose two halves
    /// were tied together then: over a long wait the wall clock may be set, or slewed against the
    /// monotonic one. `None` where the stop signal came first.
    pub(super) fn approach(self, clock: Clock, stop: &StopFlag) -> Option<(Clock, Instant)> {
        let ntp = match self {
            Self::Local(at) => return (!stop.is_stopped()).then_some((clock, at)),
            Self::Wall(ntp) => ntp,
        };
        loop {
            let clock = Clock::new();
            let left = clock.instant_at(ntp)?.saturating_since(clock.now());
            if left <= CLOSE {
                let at = clock.instant_at(ntp)?;
                return (!stop.is_stopped()).then_some((clock, at));
            }
            if stop.wait_timeout((left - CLOSE).min(RECHECK)) {
                return None;
            }
        }
    }
}

/// `at` as in RFC 3339, UTC, to the millisecond where it has any.
pub(crate) fn utc(at: SystemTime) -> String {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let (days, secs) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    // Days to a date of the Gregorian calendar: years that begin in March, eras of 400 of them.
    let z = days + 719_468;
    let (era, day_of_era) = (z / 146_097, z % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (secs / 3_600, secs / 60 % 60, secs % 60);
    let fraction = match since.subsec_millis() {
        0 => String::new(),
        ms => format!(".{ms:03}"),
    };
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
}

/// From "ready" to the first packet: long enough for threads to be running and for receivers to
/// have read the first reports.
const LEAD: Duration = Duration::from_millis(100);
/// The clocks are tied together for the last time this long before the start.
const CLOSE: Duration = Duration::from_secs(1);
const RECHECK: Duration = Duration::from_secs(10);
const FAR: Duration = Duration::from_secs(24 * 3_600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_rfc_3339_has_them() {
        let at = |secs, ms| utc(UNIX_EPOCH + Duration::from_secs(secs) + Duration::from_millis(ms));
        assert_eq!(at(0, 0), "1970-01-01T00:00:00Z");
        assert_eq!(at(951_782_399, 5), "2000-02-28T23:59:59.005Z");
        assert_eq!(at(951_782_400, 0), "2000-02-29T00:00:00Z");
        assert_eq!(at(951_868_800, 0), "2000-03-01T00:00:00Z");
        assert_eq!(at(4_102_444_799, 999), "2099-12-31T23:59:59.999Z");
        assert_eq!(at(1_735_689_600, 0), "2025-01-01T00:00:00Z");
    }

    #[test]
    fn a_time_that_has_passed_is_refused_with_the_time_now() {
        let err = Start::At(UNIX_EPOCH).check().unwrap_err().to_string();
        assert!(err.contains("1970-01-01T00:00:00Z has passed"), "{err}");
        assert!(err.contains(&utc(SystemTime::now())[..10]), "{err}");
        let soon = Start::At(SystemTime::now() + Duration::from_secs(60));
        assert!(soon.check().is_ok() && soon.notice().is_none());
        let far = Start::At(SystemTime::now() + Duration::from_secs(26 * 3_600));
        assert!(far.notice().unwrap().contains("25 hours ahead"));
    }

    #[test]
    fn stopping_ends_the_wait() {
        let stop = StopFlag::new();
        let far = ntp_of(SystemTime::now() + Duration::from_secs(3_600));
        stop.stop();
        let clock = Clock::new();
        assert!(StartPoint::Wall(far).approach(clock, &stop).is_none());
        let now = StartPoint::Local(clock.now());
        assert!(now.approach(clock, &stop).is_none());
        assert!(now.approach(clock, &StopFlag::new()).is_some());
    }
}

//! Time types. Each says whose clock it is read from, and the compiler keeps them apart.
//!
//! | type | meaning | clock |
//! | --- | --- | --- |
//! | [`Instant`] | arrival, deadline, "now" | local monotonic |
//! | [`RtpTimestamp`], [`SeqNum`] | on the wire, wrapping | sender's media clock |
//! | [`MediaTime`], [`ExtSeq`] | unwrapped, ordered | sender's media clock |
//! | [`NtpTime`] | wall-clock time of a capture or a report | sender's wall clock |
//! | [`UnixTime`] | when something was stored | local wall clock |
//!
//! Times of different streams are comparable only through a [`ClockMap`].

mod map;
mod ntp;
mod unix;
mod wrap;

pub use map::ClockMap;
pub use ntp::NtpTime;
pub use unix::UnixTime;
pub use wrap::{ExtSeq, MediaTime, RtpTimestamp, SeqNum, SeqUnwrapper, TimestampUnwrapper};

use std::ops::{Add, AddAssign, Sub};
use std::time::Duration;

/// A point on the local monotonic clock: nanoseconds since an epoch that the driver chose.
///
/// An own type rather than `std::time::Instant`: eight bytes, fits an atomic, can be written to
/// a trace and made up by a test; and a stray clock read does not type-check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(u64);

impl Instant {
    /// The driver's epoch.
    pub const EPOCH: Self = Self(0);

    /// The instant `nanos` nanoseconds after the driver's epoch.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the driver's epoch.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Time since `earlier`, zero where `earlier` is later.
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// Signed nanoseconds since `other`, saturating.
    pub const fn signed_since(self, other: Self) -> i64 {
        if self.0 >= other.0 {
            let d = self.0 - other.0;
            if d > i64::MAX as u64 {
                i64::MAX
            } else {
                d as i64
            }
        } else {
            let d = other.0 - self.0;
            if d > i64::MAX as u64 {
                i64::MIN
            } else {
                -(d as i64)
            }
        }
    }

    /// This instant less `d`, the epoch where that would lie before it.
    pub const fn saturating_sub(self, d: Duration) -> Self {
        Self(self.0.saturating_sub(nanos(d)))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    /// Saturates at the end of the clock (584 years).
    fn add(self, d: Duration) -> Self {
        Self(self.0.saturating_add(nanos(d)))
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, d: Duration) {
        *self = *self + d;
    }
}

impl Sub for Instant {
    type Output = Duration;

    /// Zero where `earlier` is later, like [`Instant::saturating_since`].
    fn sub(self, earlier: Self) -> Duration {
        self.saturating_since(earlier)
    }
}

/// Nanoseconds of `d`, saturating at 584 years.
pub(crate) const fn nanos(d: Duration) -> u64 {
    let n = d.as_nanos();
    if n > u64::MAX as u128 {
        u64::MAX
    } else {
        n as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_signed_or_saturate() {
        let (a, b) = (Instant::from_nanos(5), Instant::from_nanos(8));
        assert_eq!(b - a, Duration::from_nanos(3));
        assert_eq!(a - b, Duration::ZERO);
        assert_eq!(a.signed_since(b), -3);
        assert_eq!(
            Instant::from_nanos(u64::MAX) + Duration::MAX,
            Instant::from_nanos(u64::MAX)
        );
        assert_eq!(
            Instant::EPOCH.signed_since(Instant::from_nanos(u64::MAX)),
            i64::MIN
        );
    }
}

use std::fmt;
use std::time::{Duration, SystemTime};

/// A point on the local wall clock: nanoseconds since 1970-01-01 UTC, until the year 2554.
///
/// It says when something was stored or began; it may jump, so nothing is timed by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UnixTime(u64);

impl UnixTime {
    /// 1970-01-01 UTC.
    pub const EPOCH: Self = Self(0);

    /// The time `nanos` nanoseconds after 1970-01-01 UTC.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// The start of a second, the last representable one for any later.
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(NANOS))
    }

    /// Nanoseconds since 1970-01-01 UTC.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Whole seconds since 1970-01-01 UTC.
    pub const fn as_secs(self) -> u64 {
        self.0 / NANOS
    }

    /// Time since `earlier`, zero where `earlier` is later.
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// This time moved on by `d`, saturating.
    pub const fn saturating_add(self, d: Duration) -> Self {
        Self(self.0.saturating_add(super::nanos(d)))
    }

    /// This time moved back by `d`, saturating.
    pub const fn saturating_sub(self, d: Duration) -> Self {
        Self(self.0.saturating_sub(super::nanos(d)))
    }
}

impl From<Duration> for UnixTime {
    /// From the time since 1970-01-01 UTC, saturating.
    fn from(since_1970: Duration) -> Self {
        Self(super::nanos(since_1970))
    }
}

impl From<SystemTime> for UnixTime {
    /// From what the system's clock said; a clock before 1970 is none, and says 1970.
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(SystemTime::UNIX_EPOCH);
        Self::from(since.unwrap_or_default())
    }
}

impl fmt::Display for UnixTime {
    /// Seconds with nine decimals.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09}", self.as_secs(), self.0 % NANOS)
    }
}

const NANOS: u64 = 1_000_000_000;

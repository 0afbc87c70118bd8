//! NTP timestamps (RFC 5905 section 6, RFC 3550 section 4).

use std::time::Duration;

/// A wall-clock time in NTP's 32.32 fixed-point form: seconds since 1900-01-01 UTC and fraction.
///
/// The resolution is 233 ps, so any frame of any audio rate maps to it and back exactly.
/// Era 0 ends in 2036; differences are taken modulo 2⁶⁴ and stay right across the change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct NtpTime(pub u64);

impl NtpTime {
    /// The NTP form of a Unix time (time since 1970-01-01 UTC).
    pub const fn from_unix(since_1970: Duration) -> Self {
        let secs = since_1970.as_secs().wrapping_add(UNIX_EPOCH_IN_NTP) as u32;
        // Rounded to nearest, so that a nanosecond survives the way there and back.
        let frac = (((since_1970.subsec_nanos() as u64) << 32) + 500_000_000) / 1_000_000_000;
        Self((((secs as u64) << 32) as u128 + frac as u128) as u64)
    }

    /// Time since 1970-01-01 UTC, to the nearest nanosecond, reading values with the top bit
    /// clear as era 1 (2036 on).
    pub const fn to_unix(self) -> Duration {
        let secs = self.0 >> 32;
        let secs = if secs < 1 << 31 {
            secs + (1 << 32)
        } else {
            secs
        };
        let nanos = ((self.0 & 0xffff_ffff) * 1_000_000_000 + (1 << 31)) >> 32;
        let since_1900 = secs + nanos / 1_000_000_000;
        let secs = since_1900.saturating_sub(UNIX_EPOCH_IN_NTP);
        Duration::new(secs, (nanos % 1_000_000_000) as u32)
    }

    /// The middle 32 bits, as in the LSR field of a report block (RFC 3550 section 6.4.1).
    pub const fn middle(self) -> u32 {
        (self.0 >> 16) as u32
    }

    /// Signed nanoseconds from `other` to `self` by the shorter way round.
    pub const fn nanos_since(self, other: Self) -> i64 {
        let d = self.0.wrapping_sub(other.0) as i64;
        let n = (d as i128 * 1_000_000_000 + (1 << 31)) >> 32;
        n as i64
    }

    /// This time moved by `nanos`, to the nearest representable value.
    pub const fn offset_nanos(self, nanos: i64) -> Self {
        let units = (((nanos as i128) << 32) + 500_000_000).div_euclid(1_000_000_000);
        Self(self.0.wrapping_add(units as i64 as u64))
    }
}

/// Seconds from 1900-01-01 to 1970-01-01.
const UNIX_EPOCH_IN_NTP: u64 = 2_208_988_800;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_unix_epoch_is_where_ntp_says() {
        assert_eq!(NtpTime::from_unix(Duration::ZERO).0 >> 32, 2_208_988_800);
        assert_eq!(NtpTime(0x83aa_7e80_0000_0000).to_unix(), Duration::ZERO);
    }

    proptest! {
        #[test]
        fn unix_times_survive_the_round_trip(secs in 0u64..4_000_000_000, nanos in 0u32..1_000_000_000) {
            let t = Duration::new(secs, nanos);
            prop_assert_eq!(NtpTime::from_unix(t).to_unix(), t);
        }

        #[test]
        fn offsets_and_differences_are_inverse(base in any::<u64>(), nanos in -1_000_000_000_000_000i64..1_000_000_000_000_000) {
            let t = NtpTime(base);
            prop_assert_eq!(t.offset_nanos(nanos).nanos_since(t), nanos);
        }
    }
}

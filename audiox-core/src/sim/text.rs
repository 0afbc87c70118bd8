//! Durations as people write them on a command line.

use std::fmt;
use std::time::Duration;

/// Reads `20ms`, `1.5s`, `250us`, `10ns`, `2m`, `24h` or `0`; exact, no floating point.
pub(super) fn parse_duration(s: &str) -> Option<Duration> {
    if s == "0" {
        return Some(Duration::ZERO);
    }
    let unit_at = s.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = s.split_at(unit_at);
    let unit_nanos = UNITS.iter().find(|(name, _)| *name == unit)?.1;
    Some(Duration::from_nanos(parse_scaled(number, unit_nanos)?))
}

/// Reads a decimal number times `unit`, in whole units of one; digits finer than one are refused.
pub(super) fn parse_scaled(number: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || fraction.len() > 12 {
        return None;
    }
    let whole: u64 = whole.parse().ok()?;
    let mut nanos = whole.checked_mul(unit)?;
    let mut place = unit;
    for digit in fraction.bytes() {
        let digit = u64::from(digit.checked_sub(b'0').filter(|d| *d < 10)?);
        if digit != 0 && !place.is_multiple_of(10) {
            return None;
        }
        place /= 10;
        nanos = nanos.checked_add(digit * place)?;
    }
    Some(nanos)
}

/// Shows a duration the way [`parse_duration`] reads it, in the largest unit that is exact.
pub(super) struct Shown(pub(super) Duration);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos();
        if nanos == 0 {
            return f.write_str("0");
        }
        let (name, unit) = UNITS
            .iter()
            .take(4)
            .find(|(_, unit)| nanos.is_multiple_of(u128::from(*unit)))
            .copied()
            .unwrap_or(("ns", 1));
        write!(f, "{}{name}", nanos / u128::from(unit))
    }
}

const UNITS: [(&str, u64); 6] = [
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_exactly_and_shown_readably() {
        for (text, nanos, shown) in [
            ("20ms", 20_000_000, "20ms"),
            ("1.5s", 1_500_000_000, "1500ms"),
            ("250us", 250_000, "250us"),
            ("0.3us", 300, "300ns"),
            ("0", 0, "0"),
            ("0ms", 0, "0"),
            ("24h", 86_400_000_000_000, "86400s"),
        ] {
            let d = parse_duration(text).unwrap();
            assert_eq!(d, Duration::from_nanos(nanos), "{text}");
            assert_eq!(Shown(d).to_string(), shown);
            assert_eq!(parse_duration(shown), Some(d));
        }
        for text in [
            "",
            "20",
            "ms",
            "1.2.3s",
            "-1s",
            "1.5ns",
            "20 ms",
            "1e3s",
            "999999999h",
        ] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }
}

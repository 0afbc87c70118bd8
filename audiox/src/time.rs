//! Durations and points in time as people write them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use audiox_core::ConfigError;

/// Reads a duration: seconds (`90`, `1.5`), a number with a unit (`250ms`, `90s`, `5m`, `2h`,
/// `30d`), or a clock (`1:30`, `1:02:03.5`). `field` names it in the error.
///
/// # Errors
/// None of these, negative, or longer than a century.
pub fn parse_duration(field: &'static str, text: &str) -> Result<Duration, ConfigError> {
    seconds(text)
        .filter(|s| (0.0..=CENTURY).contains(s))
        .and_then(|s| Duration::try_from_secs_f64(s).ok())
        .ok_or_else(|| {
            let allowed =
                "write seconds (90, 1.5), a unit (250ms, 90s, 5m, 2h, 30d) or a clock (1:30)";
            ConfigError::new(field, format_args!("{text:?}"), allowed)
        })
}

fn seconds(text: &str) -> Option<f64> {
    if text.contains(':') {
        let parts: Vec<&str> = text.split(':').collect();
        let (last, whole) = parts.split_last()?;
        if whole.len() > 2 {
            return None;
        }
        let mut sum = 0.0;
        for (place, part) in whole.iter().enumerate() {
            let n: u32 = part.parse().ok()?;
            if place > 0 && n > 59 {
                return None;
            }
            sum = (sum + f64::from(n)) * 60.0;
        }
        return Some(sum + plain(last).filter(|s| *s < 60.0)?);
    }
    let unit_at = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let (_, scale) = UNITS.iter().find(|(name, _)| *name == unit)?;
    Some(plain(number)? * scale)
}

/// A decimal number without sign or exponent.
fn plain(text: &str) -> Option<f64> {
    let digits = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    digits.then(|| text.parse().ok()).flatten()
}

/// Reads a point in time: RFC 3339 (`2026-05-04T21:00:00Z`, `…21:00:00.5+02:00`), a time of
/// today in UTC (`21:00:00`), or a span from `now` (`+5s`).
///
/// # Errors
/// None of these, or a date that the calendar does not have.
pub fn parse_time(
    field: &'static str,
    text: &str,
    now: SystemTime,
) -> Result<SystemTime, ConfigError> {
    let found = if let Some(span) = text.strip_prefix('+') {
        parse_duration(field, span)
            .ok()
            .and_then(|d| now.checked_add(d))
    } else if let Some((date, time)) = text.split_once(['T', 't', ' ']) {
        days(date)
            .zip(offset_time(time))
            .and_then(|(days, (nanos, offset))| at(days, nanos - offset))
    } else {
        let today = now
            .duration_since(UNIX_EPOCH)
            .map_or(0, |d| (d.as_secs() / DAY) as i64);
        let time = text.strip_suffix(['Z', 'z']).unwrap_or(text);
        time_of_day(time).and_then(|nanos| at(today, nanos))
    };
    found.ok_or_else(|| {
        let allowed = "write UTC as 2026-05-04T21:00:00Z, a time of today in UTC as 21:00:00, or \
                       a span from now as +5s";
        ConfigError::new(field, format_args!("{text:?}"), allowed)
    })
}

fn at(days: i64, nanos: i64) -> Option<SystemTime> {
    let total = i128::from(days) * i128::from(DAY) * NANOS + i128::from(nanos);
    let secs = u64::try_from(total.div_euclid(NANOS)).ok()?;
    UNIX_EPOCH.checked_add(Duration::new(secs, total.rem_euclid(NANOS) as u32))
}

/// Days since 1970-01-01 of a civil date, after Hinnant's algorithm.
fn days(date: &str) -> Option<i64> {
    let mut parts = date.splitn(3, '-');
    let mut number = |digits: usize| -> Option<i64> {
        let part = parts.next()?;
        let good = part.len() == digits && part.bytes().all(|b| b.is_ascii_digit());
        good.then(|| part.parse().ok()).flatten()
    };
    let (year, month, day) = (number(4)?, number(2)?, number(2)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=last).contains(&day) {
        return None;
    }
    let shifted = if month > 2 { year } else { year - 1 };
    let (era, year_of_era) = (shifted.div_euclid(400), shifted.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

/// Nanoseconds of the day, and of the offset from UTC.
fn offset_time(text: &str) -> Option<(i64, i64)> {
    if let Some(utc) = text.strip_suffix(['Z', 'z']) {
        return Some((time_of_day(utc)?, 0));
    }
    let sign_at = text.rfind(['+', '-'])?;
    let (time, offset) = text.split_at(sign_at);
    let (sign, offset) = offset.split_at(1);
    let nanos = time_of_day(offset).filter(|_| offset.len() == 5)?;
    Some((time_of_day(time)?, if sign == "-" { -nanos } else { nanos }))
}

/// `HH:MM[:SS[.fraction]]`, in nanoseconds.
fn time_of_day(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut parts = whole.split(':');
    let mut number = |below: i64| -> Option<i64> {
        let part = parts.next()?;
        let good = part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
        part.parse().ok().filter(|n| good && *n < below)
    };
    let (hours, minutes) = (number(24)?, number(60)?);
    let seconds = if whole.len() > 5 { number(60)? } else { 0 };
    if parts.next().is_some() || (whole.len() == 5 && text.contains('.')) {
        return None;
    }
    let mut nanos = 0;
    let mut place = 1_000_000_000;
    for digit in fraction.bytes() {
        place /= 10;
        nanos += i64::from(digit.checked_sub(b'0').filter(|d| *d < 10)?) * place;
    }
    Some(((hours * 60 + minutes) * 60 + seconds) * 1_000_000_000 + nanos)
}

const UNITS: [(&str, f64); 7] = [
    ("", 1.0),
    ("s", 1.0),
    ("ms", 1e-3),
    ("us", 1e-6),
    ("m", 60.0),
    ("h", 3_600.0),
    ("d", 86_400.0),
];
const CENTURY: f64 = 3.2e9;
const DAY: u64 = 86_400;
const NANOS: i128 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_in_every_notation() {
        for (text, millis) in [
            ("90", 90_000),
            ("1.5", 1_500),
            ("250ms", 250),
            ("5m", 300_000),
            ("2h", 7_200_000),
            ("30d", 2_592_000_000),
            ("1:30", 90_000),
            ("1:02:03.5", 3_723_500),
            ("0", 0),
        ] {
            let read = parse_duration("length", text).unwrap();
            assert_eq!(read, Duration::from_millis(millis), "{text}");
        }
        for text in [
            "", "s", "-1", "1e3", "5 s", "1:60", "1:2:3:4", "x:1", "1:61:00", "9999999h",
        ] {
            let error = parse_duration("length", text).unwrap_err().to_string();
            assert!(
                error.contains("length") && error.contains("1:30"),
                "{text}: {error}"
            );
        }
    }

    #[test]
    fn times_in_every_notation() {
        // 2026-11-20 12:00:00 UTC
        let now = UNIX_EPOCH + Duration::from_secs(1_795_176_000);
        let read = |text| {
            let time = parse_time("start", text, now).unwrap_or_else(|e| panic!("{e}"));
            time.duration_since(UNIX_EPOCH).unwrap()
        };
        assert_eq!(read("2026-11-20T23:59:59Z").as_secs(), 1_795_219_199);
        assert_eq!(
            read("2000-02-29t00:00:00.000000005z"),
            Duration::new(951_782_400, 5)
        );
        assert_eq!(read("2026-11-21T01:29:59+01:30").as_secs(), 1_795_219_199);
        assert_eq!(read("2026-11-20 22:59:59-01:00").as_secs(), 1_795_219_199);
        assert_eq!(read("23:59:59").as_secs(), 1_795_219_199);
        assert_eq!(read("12:30").as_secs(), 1_795_177_800);
        assert_eq!(read("12:00:00.25Z").as_millis(), 1_795_176_000_250);
        assert_eq!(read("+1.5s").as_millis(), 1_795_176_001_500);
        assert_eq!(read("1970-01-01T00:00:00Z"), Duration::ZERO);
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "soon",
            "24:00:00",
            "12:60",
            "12:00.5",
            "1:00:00",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-11-20",
            "2026-11-20T12:00:00",
            "2026-11-20T12:00:00+1:00",
            "1969-12-31T23:59:59Z",
            "+",
            "12:00:00.x",
        ] {
            let error = parse_time("start", text, SystemTime::UNIX_EPOCH).unwrap_err();
            assert!(error.to_string().contains("UTC"), "{text}: {error}");
        }
    }
}

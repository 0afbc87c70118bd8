//! From where somebody wants to listen.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use audiox_core::ConfigError;
use audiox_core::time::{MediaTime, UnixTime};

/// From where a stream is wanted.
///
/// Written `live`; `start`; `-30s`, so long before the present; `90s`, `1m30s` or `1:30`, so long
/// after the start; `44100f`, so many frames after it; `@1700000000.5`, seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum When {
    /// What comes from now on.
    #[default]
    Live,
    /// So long before the present, or the end of a stream that has ended.
    Ago(Duration),
    /// So long after the start.
    After(Duration),
    /// So many frames after the start.
    Frame(MediaTime),
    /// What was sent at a time of the relay's clock.
    At(UnixTime),
}

impl FromStr for When {
    type Err = ConfigError;

    fn from_str(s: &str) -> Result<Self, ConfigError> {
        let wrong = || {
            let shown: String = s.chars().take(40).collect();
            ConfigError::new(
                "from",
                shown,
                "live, start, -30s (so long ago), 90s or 1:30 (after the start), or \
                 @1700000000.5 (seconds since 1970)",
            )
        };
        if let Some(at) = s.strip_prefix('@') {
            let since = seconds(at).ok_or_else(wrong)?;
            return Ok(Self::At(UnixTime::from(since)));
        }
        match s {
            "live" => Ok(Self::Live),
            "start" => Ok(Self::After(Duration::ZERO)),
            _ if s.ends_with('f') => {
                let number = s[..s.len() - 1].parse::<i64>().ok().filter(|n| *n >= 0);
                number.map(|n| Self::Frame(MediaTime(n))).ok_or_else(wrong)
            }
            _ => match s.strip_prefix('-') {
                Some(ago) => length(ago).map(Self::Ago).ok_or_else(wrong),
                None => length(s).map(Self::After).ok_or_else(wrong),
            },
        }
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Live => f.write_str("live"),
            Self::Ago(d) => write!(f, "-{}s", d.as_secs_f64()),
            Self::After(d) => write!(f, "{}s", d.as_secs_f64()),
            Self::Frame(at) => write!(f, "{}f", at.0),
            Self::At(t) => write!(f, "@{t}"),
        }
    }
}

/// `1:02:03.5`, `1h2m3.5s`, `90s`, `90`.
fn length(s: &str) -> Option<Duration> {
    if s.contains(':') {
        let mut total = Duration::ZERO;
        for part in s.split(':') {
            total = total.checked_mul(60)?.checked_add(seconds(part)?)?;
        }
        return Some(total);
    }
    let (mut rest, mut total) = (s, Duration::ZERO);
    while !rest.is_empty() {
        let end = rest.find(|c: char| c.is_ascii_alphabetic());
        let (number, after) = rest.split_at(end.unwrap_or(rest.len()));
        let end = after.find(|c: char| !c.is_ascii_alphabetic());
        let (unit, after) = after.split_at(end.unwrap_or(after.len()));
        let unit = match unit {
            "ms" => 0.001,
            "" | "s" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3_600.0,
            _ => return None,
        };
        let part = seconds(number)?.as_secs_f64() * unit;
        total = total.checked_add(Duration::try_from_secs_f64(part).ok()?)?;
        rest = after;
    }
    (!s.is_empty()).then_some(total)
}

fn seconds(s: &str) -> Option<Duration> {
    let is_number = !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let number: f64 = s.parse().ok().filter(|_| is_number)?;
    Duration::try_from_secs_f64(number)
        .ok()
        .filter(|d| *d <= LONGEST)
}

/// A hundred years.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 86_400);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        let s = Duration::from_secs;
        for (text, when) in [
            ("live", When::Live),
            ("start", When::After(Duration::ZERO)),
            ("-30s", When::Ago(s(30))),
            ("-1m30s", When::Ago(s(90))),
            ("90", When::After(s(90))),
            ("1:30", When::After(s(90))),
            ("1:00:01.5", When::After(Duration::from_millis(3_601_500))),
            ("44100f", When::Frame(MediaTime(44_100))),
            ("250ms", When::After(Duration::from_millis(250))),
            (
                "@1700000000.5",
                When::At(UnixTime::from_nanos(1_700_000_000_500_000_000)),
            ),
        ] {
            assert_eq!(text.parse::<When>().unwrap(), when, "{text}");
            assert_eq!(when.to_string().parse::<When>().unwrap(), when);
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "-",
            "@",
            "now",
            "1x",
            "s",
            "1..2",
            "-@1",
            "1e9",
            "99999999999999999999",
            "1:",
            "é",
            "NaN",
            "inf",
        ] {
            let error = text.parse::<When>().unwrap_err().to_string();
            assert!(error.contains("-30s"), "{text}: {error}");
        }
    }
}

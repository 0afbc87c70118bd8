//! Figures for people.

use std::fmt;
use std::time::Duration;

use audiox::core::codec::RecoveredFrames;
use audiox::core::format::SampleRate;
use audiox::core::stats::SourceStats;

/// `0:07.3`, `1:02:03`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock(pub(super) Duration);

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (secs, tenth) = (self.0.as_secs(), self.0.subsec_millis() / 100);
        match secs {
            0..3_600 => write!(f, "{}:{:02}.{tenth}", secs / 60, secs % 60),
            _ => write!(f, "{}:{:02}:{:02}", secs / 3_600, secs / 60 % 60, secs % 60),
        }
    }
}

/// `1.41 MB`; a unit such as `bit/s` may follow the prefix.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scaled<'a>(pub(super) f64, pub(super) &'a str);

impl fmt::Display for Scaled<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(value, unit) = *self;
        let (scale, prefix) = match value {
            v if v >= 1e9 => (1e9, "G"),
            v if v >= 1e6 => (1e6, "M"),
            v if v >= 1e3 => (1e3, "k"),
            _ => (1.0, ""),
        };
        let scaled = value / scale;
        let digits = match (scale, scaled) {
            (1.0, _) => 0,
            (_, 100.0..) => 0,
            (_, 10.0..) => 1,
            _ => 2,
        };
        write!(f, "{scaled:.digits$} {prefix}{unit}")
    }
}

/// Milliseconds or microseconds, whichever reads better.
#[derive(Debug, Clone, Copy)]
pub(super) struct Short(pub(super) Duration);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.as_nanos() as f64 / 1e3;
        match micros {
            0.0..10.0 => write!(f, "{micros:.1} µs"),
            10.0..1_000.0 => write!(f, "{micros:.0} µs"),
            1_000.0..10_000_000.0 => write!(f, "{:.2} ms", micros / 1e3),
            _ => write!(f, "{:.2} s", micros / 1e6),
        }
    }
}

/// A count and its noun.
pub(super) fn count(n: u64, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

/// Peak levels in dBFS as a column each: a dot below −60, full from −3.
pub(super) fn bars(peaks: impl IntoIterator<Item = f32>) -> String {
    let bar = |db: f32| {
        let step = ((db + 60.0) / 57.0 * 8.0).clamp(0.0, 8.0);
        BARS.get(step as usize).copied().unwrap_or('·')
    };
    peaks.into_iter().map(bar).collect()
}

/// A name's last part, so that a table stays narrow.
pub(super) fn short_name(name: &str) -> &str {
    let trimmed = name.trim_end_matches('/');
    trimmed.rsplit('/').next().unwrap_or(trimmed)
}

const BARS: [char; 9] = ['·', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// What of the lost packets came back, and by which means.
pub(super) fn recovered(source: &SourceStats) -> String {
    let means = [
        (
            source.packets_recovered,
            source.repair_packets,
            "by repair packets",
        ),
        (
            source.packets_retransmitted,
            source.retransmissions_requested,
            "sent again",
        ),
    ];
    let told: Vec<_> = means
        .into_iter()
        .filter(|(_, effort, _)| *effort > 0)
        .map(|(back, _, means)| format!("{back} {means}"))
        .collect();
    match told[..] {
        [] => String::new(),
        _ => format!(" (of which came back {})", told.join(", ")),
    }
}

/// What redundancy inside packets brought back, each means after a comma.
pub(super) fn recovered_by(by: &RecoveredFrames, rate: SampleRate) -> String {
    let means = [
        (by.copies, "from copies"),
        (by.in_band, "from in-band FEC"),
        (by.history, "from history"),
    ];
    let told = means.into_iter().filter(|(n, _)| *n > 0);
    told.map(|(n, how)| format!(", {} {how}", Short(rate.duration_of(n))))
        .collect()
}

/// What redundancy inside packets brought back, in frames, for programs.
pub(super) fn recovered_json(by: &RecoveredFrames) -> serde_json::Value {
    serde_json::json!({
        "copies": by.copies,
        "in_band": by.in_band,
        "history": by.history,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_well() {
        let clock = |s| Clock(Duration::from_secs_f64(s)).to_string();
        assert_eq!(
            (clock(7.39).as_str(), clock(3_723.0).as_str()),
            ("0:07.3", "1:02:03")
        );
        assert_eq!(Scaled(1_411_200.0, "bit/s").to_string(), "1.41 Mbit/s");
        assert_eq!(Scaled(999.0, "B").to_string(), "999 B");
        assert_eq!(Scaled(123_456.0, "B").to_string(), "123 kB");
        let short = |us| Short(Duration::from_nanos(us)).to_string();
        assert_eq!(short(950), "0.9 µs");
        assert_eq!(short(153_000), "153 µs");
        assert_eq!(short(2_345_000), "2.35 ms");
        assert_eq!(
            (count(1, "gap"), count(0, "gap")),
            ("1 gap".into(), "0 gaps".into())
        );
        assert_eq!(short_name("/a/b/c.wav"), "c.wav");
        assert_eq!(short_name("tone:440"), "tone:440");
    }

    #[test]
    fn bars_grow_with_the_level() {
        let levels = [f32::NEG_INFINITY, -60.0, -30.0, -3.0, 6.0, f32::NAN];
        assert_eq!(bars(levels), "··▄██·");
    }
}

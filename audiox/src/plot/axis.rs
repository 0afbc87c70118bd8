//! The time axis: seconds to pixels, and the marks along it.

use std::fmt::{self, Write};
use std::ops::Range;
use std::time::Duration;

use super::{LANE_HEIGHT, LEFT, Lane, PLOT_WIDTH};

/// Time to the right, from the left edge's time on.
pub(super) struct Axis {
    start: Duration,
    total: Duration,
}

impl Axis {
    pub(super) fn new(start: Duration, longest: Option<Duration>) -> Self {
        let total = longest.unwrap_or_default();
        Self {
            start,
            total: total.max(Duration::from_millis(1)),
        }
    }

    /// Whether anything of `length` from `at` on lies in the picture.
    pub(super) fn shows(&self, at: Duration, length: Duration) -> bool {
        at < self.start.saturating_add(self.total) && at.saturating_add(length) > self.start
    }

    /// Where a time stands; what lies outside stands at the edge.
    pub(super) fn x(&self, at: Duration) -> f64 {
        let since = at.saturating_sub(self.start);
        let share = since.as_secs_f64() / self.total.as_secs_f64();
        LEFT + share.min(1.0) * PLOT_WIDTH
    }

    /// The frames of `lane` under one column of pixels; at least one.
    pub(super) fn frames_of(&self, column: u32, lane: &Lane) -> Range<u64> {
        let frames = self.total.as_secs_f64() * f64::from(lane.envelope.rate().get());
        let at = |column: u32| (frames * f64::from(column) / PLOT_WIDTH) as u64;
        let start = at(column);
        start..at(column + 1).max(start + 1)
    }

    /// A round step that gives 4 to 12 marks, and the marks.
    pub(super) fn marks(&self) -> (f64, impl Iterator<Item = f64> + use<>) {
        let (start, total) = (self.start.as_secs_f64(), self.total.as_secs_f64());
        let step = STEPS
            .into_iter()
            .find(|step| total / step <= 12.0)
            .unwrap_or_else(|| (total / 8.0 / 86_400.0).ceil() * 86_400.0);
        let first = (start / step).ceil();
        // A mark at the right edge may miss it by a rounding error.
        let last = ((start + total) / step + 1e-9).floor();
        let count = (last - first) as u32;
        (
            step,
            (0..=count).map(move |n| (first + f64::from(n)) * step),
        )
    }

    pub(super) fn write_grid(&self, out: &mut String, top: f64) -> fmt::Result {
        out.push_str(r#"<path class="grid" d=""#);
        for mark in self.marks().1 {
            let x = self.x(Duration::from_secs_f64(mark));
            write!(out, "M{x:.1} {top:.1}v{LANE_HEIGHT}")?;
        }
        out.push_str("\"/>\n");
        Ok(())
    }

    pub(super) fn write(&self, out: &mut String, top: f64) -> fmt::Result {
        let (step, marks) = self.marks();
        for mark in marks {
            writeln!(
                out,
                r#"<text class="tick" x="{:.1}" y="{:.1}" text-anchor="middle">{}</text>"#,
                self.x(Duration::from_secs_f64(mark)),
                top + 12.0,
                Clock {
                    seconds: mark,
                    step
                },
            )?;
        }
        Ok(())
    }
}

/// A mark on the time axis, as precise as the step asks for.
pub(super) struct Clock {
    pub(super) seconds: f64,
    pub(super) step: f64,
}

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.step < 0.1 {
            return write!(f, "{:.0} ms", self.seconds * 1e3);
        }
        if self.step < 1.0 {
            return write!(f, "{:.1} s", self.seconds);
        }
        let whole = self.seconds.round() as u64;
        let (h, m, s) = (whole / 3600, whole / 60 % 60, whole % 60);
        match (h, m) {
            (0, 0) => write!(f, "{s} s"),
            (0, _) => write!(f, "{m}:{s:02}"),
            _ => write!(f, "{h}:{m:02}:{s:02}"),
        }
    }
}

const STEPS: [f64; 20] = [
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0,
    600.0, 1_800.0, 3_600.0, 14_400.0,
];

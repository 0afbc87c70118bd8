//! What devices say of themselves.

use audiox_core::time::Instant;

use super::Rgba;

/// How a device said it was.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Report {
    /// When it was heard.
    pub at: Instant,
    /// LEDs 0 to 5; `None` for those that it left out.
    pub leds: [Option<Rgba>; 6],
    /// Buttons 1 to 4, those that are down.
    pub down: [bool; 4],
    /// Its battery, in the device's own measure; `None` where it said no number.
    pub battery: Option<f32>,
}

/// What a device said so far.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reports {
    /// The newest report.
    pub newest: Option<Report>,
    /// Requests that it answered with `success`.
    pub successes: u64,
    /// Requests that it answered otherwise.
    pub refusals: u64,
    /// The newest answer where it was one of those, at most 200 characters.
    pub refusal: Option<String>,
}

impl Reports {
    pub(super) fn keep(&mut self, report: Report) {
        self.newest = Some(Report {
            battery: report.battery.filter(|b| b.is_finite()),
            ..report
        });
    }

    pub(super) fn answered(&mut self, answer: &str) {
        if answer == "success" {
            self.successes += 1;
            self.refusal = None;
        } else {
            self.refusals += 1;
            self.refusal = Some(answer.chars().take(LONGEST).collect());
        }
    }
}

const LONGEST: usize = 200;

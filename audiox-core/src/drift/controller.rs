//! The speed of the resampler.

use super::DriftEstimate;
use crate::error::ConfigError;
use crate::time::Instant;

/// How strongly the controller acts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DriftControlConfig {
    /// Seconds in which an error of the latency shrinks to a third; 1 to 1 000. Short ones bend
    /// the pitch with the network's jitter. Default 15, tuned for jitter of milliseconds.
    pub time_constant: f64,
    /// Fastest and slowest, in parts per million; 1 to 5 000. Default 1 000: a sixtieth of a
    /// semitone, below what anyone hears.
    pub limit_ppm: f64,
    /// Parts per million that the speed changes in a second at most; 1 to 100 000. Default 200.
    pub slew_ppm: f64,
}

impl Default for DriftControlConfig {
    fn default() -> Self {
        Self {
            time_constant: 15.0,
            limit_ppm: 1_000.0,
            slew_ppm: 200.0,
        }
    }
}

/// Keeps the latency where it should be by the speed at which frames are consumed.
///
/// The estimated drift goes in as it is; a proportional and a slow integral part take care of
/// what the estimate leaves. Until there is a reason to act the speed is exactly nominal, so
/// that clocks that agree leave every frame untouched.
#[derive(Debug, Clone)]
pub struct DriftController {
    config: DriftControlConfig,
    engaged: bool,
    last: Option<Instant>,
    /// Low-passed error, nanoseconds.
    error: f64,
    /// Seconds for which the error has been notable.
    notable: f64,
    forward: f64,
    integral: f64,
    ppm: f64,
}

impl DriftController {
    /// A controller at rest.
    ///
    /// # Errors
    /// A value out of range.
    pub fn new(config: &DriftControlConfig) -> Result<Self, ConfigError> {
        for (field, value, range, allowed) in [
            (
                "time_constant",
                config.time_constant,
                1.0..=1_000.0,
                "1 to 1000 s",
            ),
            (
                "limit_ppm",
                config.limit_ppm,
                1.0..=5_000.0,
                "1 to 5000 ppm",
            ),
            (
                "slew_ppm",
                config.slew_ppm,
                1.0..=100_000.0,
                "1 to 100000 ppm a second",
            ),
        ] {
            if !range.contains(&value) {
                return Err(ConfigError::new(field, value, allowed));
            }
        }
        Ok(Self {
            config: *config,
            engaged: false,
            last: None,
            error: 0.0,
            notable: 0.0,
            forward: 0.0,
            integral: 0.0,
            ppm: 0.0,
        })
    }

    /// Parts per million by which to consume faster than nominal from `now` on. `error` is the
    /// latency less what it should be, in nanoseconds; `drift` how much faster the sender's clock
    /// is than the device's, as far as known.
    pub fn update(&mut self, now: Instant, error: i64, drift: Option<DriftEstimate>) -> f64 {
        let Some(last) = self.last.replace(now) else {
            self.error = error as f64;
            return self.ppm;
        };
        let dt = now.saturating_since(last).as_secs_f64().min(MAX_STEP);
        self.error += (error as f64 - self.error) * (dt / SMOOTH).min(1.0);
        self.engage(dt, drift);
        if !self.engaged {
            return self.ppm;
        }
        if let Some(d) = drift.filter(|d| d.sigma_ppm < TRUSTED_SIGMA) {
            // What the integral found before is in the estimate now.
            let change = d.ppm - self.forward;
            let taken = self.integral.clamp(change.min(0.0), change.max(0.0));
            self.integral -= taken;
            self.forward = d.ppm;
        }
        let t = self.config.time_constant;
        // Nanoseconds a second are a thousandth of a ppm.
        let proportional = self.error / 1e3 / t;
        let limit = self.config.limit_ppm;
        let wanted = self.forward + self.integral + proportional;
        if wanted.abs() < limit || wanted * self.error < 0.0 {
            self.integral += proportional / (4.0 * t) * dt;
            self.integral = self.integral.clamp(-limit, limit);
        }
        let step = self.config.slew_ppm * dt;
        let wanted = wanted.clamp(-limit, limit);
        self.ppm += (wanted - self.ppm).clamp(-step, step);
        self.ppm
    }

    /// Forgets what it knows about the clocks, and keeps its speed: a new sender is likely to be
    /// like the last one, and a jump of the pitch is worse than a wrong latency.
    pub fn reset(&mut self) {
        self.integral =
            (self.forward + self.integral).clamp(-self.config.limit_ppm, self.config.limit_ppm);
        self.forward = 0.0;
        self.last = None;
    }

    /// Whether there is a reason to act: a drift that is no accident, or an error that stays.
    fn engage(&mut self, dt: f64, drift: Option<DriftEstimate>) {
        if self.engaged {
            return;
        }
        let drifts = drift.is_some_and(|d| {
            d.span.as_secs_f64() >= SURE_SPAN && d.ppm.abs() > SURE_SIGMAS * d.sigma_ppm + SURE_PPM
        });
        let off = self.error.abs() > NOTABLE_ERROR;
        self.notable = if off { self.notable + dt } else { 0.0 };
        self.engaged = drifts || self.notable >= NOTABLE_FOR;
    }
}

/// Seconds that count at most between two updates.
const MAX_STEP: f64 = 0.5;
/// Seconds over which the error is smoothed.
const SMOOTH: f64 = 2.0;
/// Estimates less certain than this many ppm are not used.
const TRUSTED_SIGMA: f64 = 20.0;
/// Seconds, standard deviations and ppm beyond which a drift is no accident.
const SURE_SPAN: f64 = 9.0;
const SURE_SIGMAS: f64 = 5.0;
const SURE_PPM: f64 = 0.3;
/// Nanoseconds of error, and seconds of it, that call for action.
const NOTABLE_ERROR: f64 = 700_000.0;
const NOTABLE_FOR: f64 = 3.0;

#[cfg(test)]
mod tests;

//! Clocks that run at their own speed.

use std::time::Duration;

use super::math;
use super::rng::Pcg32;
use crate::error::ConfigError;
use crate::time::{Instant, nanos};

/// What a device's or a machine's clock shows as true time goes on.
///
/// A pure function of the true time: monotonic, the same for ever, and computed anew each time
/// in integers, so nothing accumulates. Its inverse is exact to the nanosecond.
#[derive(Debug, Clone)]
pub struct SkewedClock {
    /// Rate error in parts of 10¹².
    pico: i64,
    wander: WanderState,
    start: u64,
}

/// How a clock differs from true time. The default does not.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ClockConfig {
    /// The rate's constant error in parts per million; positive is fast. Within ±100 000;
    /// quartz is within ±100, and resolved to 10⁻⁶ ppm here.
    pub ppm: f64,
    /// What varies about the rate.
    pub wander: Wander,
    /// What the clock shows at true time zero.
    pub start: Instant,
}

/// How a clock's rate varies with time. The amplitude is at most 1 000 ppm, the period 1 ms to
/// one day.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Wander {
    /// Not at all.
    #[default]
    None,
    /// A sine of this amplitude about the constant error, 0 and rising at the start: temperature
    /// over a day, a servo that hunts.
    Sine {
        /// In parts per million.
        amplitude_ppm: f64,
        /// The length of a whole oscillation.
        period: Duration,
    },
    /// A new random rate each period. Rates are drawn such that the reading stays within
    /// `amplitude · period / 2` of the constant rate's for ever, and the rate within the
    /// amplitude.
    Random {
        /// In parts per million.
        amplitude_ppm: f64,
        /// How long each rate lasts.
        period: Duration,
        /// Chooses the run.
        seed: u64,
    },
}

#[derive(Debug, Clone, Copy)]
enum WanderState {
    None,
    Sine { swing: f64, period: u64 },
    Random { reach: u64, period: u64, seed: u64 },
}

impl SkewedClock {
    /// A clock.
    ///
    /// # Errors
    /// A rate error, amplitude or period out of range.
    pub fn new(config: ClockConfig) -> Result<Self, ConfigError> {
        if !(-MAX_PPM..=MAX_PPM).contains(&config.ppm) {
            let allowed = "a clock's rate is off by at most 100000 ppm";
            return Err(ConfigError::new("ppm", config.ppm, allowed));
        }
        Ok(Self {
            pico: (config.ppm * PICO_PER_PPM).round_ties_even() as i64,
            wander: WanderState::new(config.wander)?,
            start: config.start.as_nanos(),
        })
    }

    /// The clock that shows true time.
    pub const fn ideal() -> Self {
        Self {
            pico: 0,
            wander: WanderState::None,
            start: 0,
        }
    }

    /// What the clock shows at true time `at`. Never decreases; saturates at either end.
    pub fn local(&self, at: Instant) -> Instant {
        if self.is_true() {
            return Instant::from_nanos(self.start.saturating_add(at.as_nanos()));
        }
        let t = i128::from(at.as_nanos());
        // One rounding for both parts: two could step back together.
        let offset = (t * i128::from(self.pico) + self.wander.pico_nanos(t)).div_euclid(PICO);
        clamp(i128::from(self.start) + t + offset)
    }

    /// The earliest true time at which the clock shows `local` or more.
    pub fn true_at(&self, local: Instant) -> Instant {
        let shown = local.as_nanos().saturating_sub(self.start);
        if shown == 0 || self.is_true() {
            return Instant::from_nanos(shown);
        }
        let shown = i128::from(shown);
        let solve = |t: i128| {
            (shown * PICO - self.wander.pico_nanos(t)).div_euclid(PICO + i128::from(self.pico))
        };
        // The wander turns at most a thousandth of an error into the next: seven rounds bring 584
        // years below a nanosecond.
        let mut t = shown;
        for _ in 0..8 {
            let next = solve(t);
            let done = next == t;
            t = next;
            if done {
                break;
            }
        }
        let mut t = clamp(t).as_nanos();
        while t > 0 && self.local(Instant::from_nanos(t - 1)) >= local {
            t -= 1;
        }
        while t < u64::MAX && self.local(Instant::from_nanos(t)) < local {
            t += 1;
        }
        Instant::from_nanos(t)
    }

    /// Whether it shows true time but for its start.
    fn is_true(&self) -> bool {
        self.pico == 0 && matches!(self.wander, WanderState::None)
    }
}

impl Default for SkewedClock {
    fn default() -> Self {
        Self::ideal()
    }
}

impl WanderState {
    fn new(wander: Wander) -> Result<Self, ConfigError> {
        let check = |amplitude: f64, period: Duration| {
            if !(0.0..=MAX_WANDER_PPM).contains(&amplitude) {
                let allowed = "a clock wanders by 0 to 1000 ppm";
                return Err(ConfigError::new("amplitude_ppm", amplitude, allowed));
            }
            if !(MIN_PERIOD..=MAX_PERIOD).contains(&period) {
                let shown = super::text::Shown(period);
                return Err(ConfigError::new("period", shown, "1 ms to one day"));
            }
            Ok(nanos(period))
        };
        Ok(match wander {
            Wander::None => Self::None,
            Wander::Sine {
                amplitude_ppm,
                period,
            } => {
                let period = check(amplitude_ppm, period)?;
                let swing = amplitude_ppm * PICO_PER_PPM * period as f64 / std::f64::consts::TAU;
                Self::Sine { swing, period }
            }
            Wander::Random {
                amplitude_ppm,
                period,
                seed,
            } => {
                let period = check(amplitude_ppm, period)?;
                // In nanoseconds: half of what the amplitude gains in one period.
                let reach = amplitude_ppm * 1e-6 * period as f64 / 2.0;
                Self::Random {
                    reach: reach as u64,
                    period,
                    seed,
                }
            }
        })
    }

    /// The wander's share of the reading, in 10⁻¹² ns.
    fn pico_nanos(&self, t: i128) -> i128 {
        match *self {
            Self::None => 0,
            // The integral of the sine of the rate.
            Self::Sine { swing, period } => {
                let phase = t.rem_euclid(i128::from(period)) as f64 / period as f64;
                (swing * (1.0 - math::cos_turns(phase))) as i128
            }
            Self::Random {
                reach,
                period,
                seed,
            } => {
                let knot = |k: i128| match k {
                    ..=0 => 0,
                    k => {
                        let drawn = Pcg32::derive(seed, k as u64).below(2 * reach + 1);
                        (i128::from(drawn) - i128::from(reach)) * PICO
                    }
                };
                let (k, into) = (t.div_euclid(period.into()), t.rem_euclid(period.into()));
                let (from, to) = (knot(k), knot(k + 1));
                from + (to - from) * into / i128::from(period)
            }
        }
    }
}

fn clamp(nanos: i128) -> Instant {
    Instant::from_nanos(nanos.clamp(0, i128::from(u64::MAX)) as u64)
}

const PICO: i128 = 1_000_000_000_000;
const PICO_PER_PPM: f64 = 1e6;
const MAX_PPM: f64 = 100_000.0;
const MAX_WANDER_PPM: f64 = 1_000.0;
const MIN_PERIOD: Duration = Duration::from_millis(1);
const MAX_PERIOD: Duration = Duration::from_secs(86_400);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DAY: u64 = 86_400_000_000_000;

    fn clock(ppm: f64, wander: Wander) -> SkewedClock {
        SkewedClock::new(ClockConfig {
            ppm,
            wander,
            start: Instant::EPOCH,
        })
        .unwrap()
    }

    #[test]
    fn a_constant_error_is_exact_after_a_day() {
        let at = Instant::from_nanos(DAY);
        assert_eq!(
            clock(100.0, Wander::None).local(at).as_nanos() - DAY,
            8_640_000_000
        );
        assert_eq!(
            DAY - clock(-80.5, Wander::None).local(at).as_nanos(),
            6_955_200_000
        );
        assert_eq!(
            clock(0.001, Wander::None).local(at).as_nanos() - DAY,
            86_400
        );
        assert_eq!(SkewedClock::ideal().local(at), at);
        assert_eq!(SkewedClock::ideal().true_at(at), at);
    }

    #[test]
    fn a_sine_returns_after_each_period_and_swings_as_far_as_its_integral() {
        let period = Duration::from_secs(600);
        let c = clock(
            0.0,
            Wander::Sine {
                amplitude_ppm: 10.0,
                period,
            },
        );
        for n in 0..144 {
            let at = Instant::from_nanos(n * nanos(period));
            assert_eq!(c.local(at), at);
        }
        // 10 ppm · 600 s / π
        let half = Instant::from_nanos(301 * 600_000_000_000 / 2);
        assert_eq!(c.local(half).signed_since(half), 1_909_859);
    }

    #[test]
    fn random_wander_stays_within_its_bounds() {
        let period = Duration::from_secs(60);
        let c = clock(
            0.0,
            Wander::Random {
                amplitude_ppm: 20.0,
                period,
                seed: 3,
            },
        );
        let mut rates = Vec::new();
        let mut last = 0;
        for n in 1..1_440 {
            let at = Instant::from_nanos(n * nanos(period));
            let offset = c.local(at).signed_since(at);
            assert!(offset.abs() <= 600_000);
            rates.push((offset - last) as f64 / 60e3);
            last = offset;
        }
        assert!(rates.iter().all(|r| r.abs() <= 20.0));
        assert!(rates.iter().any(|r| *r > 10.0) && rates.iter().any(|r| *r < -10.0));
    }

    #[test]
    fn readings_are_pinned() {
        let period = Duration::from_secs(37);
        let sine = clock(
            31.25,
            Wander::Sine {
                amplitude_ppm: 7.0,
                period,
            },
        );
        let random = clock(
            -12.5,
            Wander::Random {
                amplitude_ppm: 7.0,
                period,
                seed: 5,
            },
        );
        let mut d = crate::sim::Digest::new();
        for n in 0..10_000 {
            let at = Instant::from_nanos(n * 8_640_000_001);
            d.word(sine.local(at).as_nanos());
            d.word(random.local(at).as_nanos());
        }
        assert_eq!(d.to_string(), "3da0f99464de97519e37b0ce87d807af");
    }

    #[test]
    fn impossible_clocks_are_refused() {
        let sine = |amplitude_ppm, secs| Wander::Sine {
            amplitude_ppm,
            period: Duration::from_secs(secs),
        };
        for (ppm, wander) in [
            (f64::NAN, Wander::None),
            (100_001.0, Wander::None),
            (0.0, sine(-1.0, 1)),
            (0.0, sine(f64::INFINITY, 1)),
            (0.0, sine(1.0, 0)),
            (0.0, sine(1.0, 86_401)),
        ] {
            let start = Instant::EPOCH;
            assert!(SkewedClock::new(ClockConfig { ppm, wander, start }).is_err());
        }
    }

    fn any_clock() -> impl Strategy<Value = SkewedClock> {
        let period = (1u64..=86_400_000).prop_map(Duration::from_millis);
        let wander = prop_oneof![
            Just(Wander::None).boxed(),
            (0.0..=1_000.0, period.clone())
                .prop_map(|(amplitude_ppm, period)| Wander::Sine {
                    amplitude_ppm,
                    period
                })
                .boxed(),
            (0.0..=1_000.0, period, any::<u64>())
                .prop_map(|(amplitude_ppm, period, seed)| Wander::Random {
                    amplitude_ppm,
                    period,
                    seed
                })
                .boxed(),
        ];
        (
            prop_oneof![-200.0..200.0, -100_000.0..100_000.0],
            wander,
            0..DAY,
        )
            .prop_map(|(ppm, wander, start)| {
                let start = Instant::from_nanos(start);
                SkewedClock::new(ClockConfig { ppm, wander, start }).unwrap()
            })
    }

    proptest! {
        #[test]
        fn clocks_never_run_backwards(c in any_clock(), at in 0..DAY * 30) {
            let mut last = c.local(Instant::from_nanos(at));
            for step in [1, 1, 1, 2, 5, 100, 1_000_000] {
                let next = c.local(Instant::from_nanos(at + step));
                prop_assert!(next >= last);
                last = next;
            }
        }

        #[test]
        fn the_inverse_is_the_earliest_time_that_shows_it(c in any_clock(), local in 0..DAY * 30) {
            let local = Instant::from_nanos(local);
            let at = c.true_at(local);
            prop_assert!(c.local(at) >= local);
            if at > Instant::EPOCH {
                prop_assert!(c.local(Instant::from_nanos(at.as_nanos() - 1)) < local);
            }
        }

        #[test]
        fn the_ends_of_time_are_survived(c in any_clock(), at in any::<u64>()) {
            c.local(Instant::from_nanos(at));
            c.true_at(Instant::from_nanos(at));
        }
    }
}

//! How the delay of a link varies.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::super::rng::Pcg32;
use super::super::text::{Shown, parse_duration};
use super::MAX_DELAY;
use crate::error::ConfigError;
use crate::time::{Instant, nanos};

/// What is added to the latency, datagram by datagram.
///
/// Written `none`, `20ms` (uniform, 0 to 20 ms), `normal:5ms` (standard deviation),
/// `spikes:140ms/1.5s[/DECAY]` (height, mean interval) or `trace:0,3ms,1ms`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Jitter {
    /// Nothing.
    #[default]
    None,
    /// Anything from 0 to `max`, each equally likely.
    Uniform {
        /// The greatest delay added.
        max: Duration,
    },
    /// Normally distributed about the latency; the whole delay is never below 0.
    Normal {
        /// The standard deviation.
        sigma: Duration,
    },
    /// Now and then the delay jumps up by `height` and sinks back evenly within `decay`: what a
    /// scan or a busy channel does to a wireless link. Spikes come `every` so often on average,
    /// a quarter of that earlier or later, whatever is sent.
    ///
    /// With `decay` equal to `height` the link stands still and then lets everything out at once.
    Spikes {
        /// The mean interval; at least `decay` · 2.
        every: Duration,
        /// The delay added at the start of a spike.
        height: Duration,
        /// How long a spike lasts.
        decay: Duration,
    },
    /// These delays in turn, from the start again after the last.
    Trace(Vec<Duration>),
}

impl Jitter {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let too_long = |d: &Duration| *d > MAX_DELAY;
        let refuse = |allowed: &'static str| Err(ConfigError::new("jitter", self, allowed));
        match self {
            Self::None => Ok(()),
            Self::Uniform { max: d } | Self::Normal { sigma: d } if !too_long(d) => Ok(()),
            Self::Spikes { every, decay, .. }
                if every.is_zero() || decay.is_zero() || *decay > *every / 2 =>
            {
                refuse(
                    "a spike takes more than no time and at most half of the interval between spikes",
                )
            }
            Self::Spikes { every, height, .. } if !too_long(every) && !too_long(height) => Ok(()),
            Self::Trace(delays) if delays.is_empty() => refuse("a trace has at least one delay"),
            Self::Trace(delays) if !delays.iter().any(too_long) => Ok(()),
            _ => refuse("delays and intervals are at most one hour"),
        }
    }
}

impl fmt::Display for Jitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Uniform { max } => Shown(*max).fmt(f),
            Self::Normal { sigma } => write!(f, "normal:{}", Shown(*sigma)),
            Self::Spikes {
                every,
                height,
                decay,
            } => write!(
                f,
                "spikes:{}/{}/{}",
                Shown(*height),
                Shown(*every),
                Shown(*decay)
            ),
            Self::Trace(delays) => {
                f.write_str("trace:")?;
                for (i, d) in delays.iter().enumerate() {
                    let comma = if i == 0 { "" } else { "," };
                    write!(f, "{comma}{}", Shown(*d))?;
                }
                Ok(())
            }
        }
    }
}

impl FromStr for Jitter {
    type Err = ConfigError;

    fn from_str(s: &str) -> Result<Self, ConfigError> {
        parse(s)
            .ok_or_else(|| ConfigError::new("jitter", format_args!("'{s}'"), ALLOWED))
            .and_then(|jitter| jitter.validate().map(|()| jitter))
    }
}

fn parse(s: &str) -> Option<Jitter> {
    Some(match s.split_once(':') {
        None if s == "none" => Jitter::None,
        None => match parse_duration(s)? {
            Duration::ZERO => Jitter::None,
            max => Jitter::Uniform { max },
        },
        Some(("normal", sigma)) => Jitter::Normal {
            sigma: parse_duration(sigma)?,
        },
        Some(("spikes", rest)) => {
            let parts = rest
                .split('/')
                .map(parse_duration)
                .collect::<Option<Vec<_>>>()?;
            let (height, every, decay) = match *parts {
                [height, every] => (height, every, height),
                [height, every, decay] => (height, every, decay),
                _ => return None,
            };
            Jitter::Spikes {
                every,
                height,
                decay,
            }
        }
        Some(("trace", rest)) => Jitter::Trace(
            rest.split(',')
                .map(parse_duration)
                .collect::<Option<Vec<_>>>()?,
        ),
        Some(_) => return None,
    })
}

/// A jitter model at work.
#[derive(Debug)]
pub(super) struct JitterState {
    model: Jitter,
    rng: Pcg32,
    seed: u64,
    taken: usize,
}

impl JitterState {
    pub(super) fn new(model: Jitter, seed: u64, purpose: u64) -> Self {
        Self {
            model,
            rng: Pcg32::derive(seed, purpose),
            seed,
            taken: 0,
        }
    }

    /// Nanoseconds to add to the latency of a datagram that sets out at `now`; may be negative.
    pub(super) fn draw(&mut self, now: Instant) -> i64 {
        match &self.model {
            Jitter::None => 0,
            Jitter::Uniform { max } => self.rng.below(nanos(*max) + 1) as i64,
            Jitter::Normal { sigma } => {
                (self.rng.normal() * nanos(*sigma) as f64).round_ties_even() as i64
            }
            Jitter::Spikes {
                every,
                height,
                decay,
            } => {
                let (every, height, decay) = (nanos(*every), nanos(*height), nanos(*decay));
                // One spike in each stretch of `every`, in its first half; so at most the one of
                // this stretch or the one before is under way, and neither needs a memory.
                let cell = now.as_nanos() / every;
                let start = |cell: u64| {
                    let shift = Pcg32::derive(self.seed, SPIKES ^ cell).below(every / 2 + 1);
                    u128::from(cell) * u128::from(every) + u128::from(shift)
                };
                let t = u128::from(now.as_nanos());
                let recent = [Some(cell), cell.checked_sub(1)];
                let Some(since) = recent
                    .into_iter()
                    .flatten()
                    .find_map(|cell| t.checked_sub(start(cell)))
                else {
                    return 0;
                };
                let decay = u128::from(decay);
                let left = decay.saturating_sub(since);
                (u128::from(height) * left / decay) as i64
            }
            Jitter::Trace(delays) => {
                let delay = delays[self.taken % delays.len()];
                self.taken = self.taken.wrapping_add(1);
                nanos(delay) as i64
            }
        }
    }
}

/// Keeps the spikes' places apart from the other purposes of the seed.
const SPIKES: u64 = 1 << 63;
const ALLOWED: &str = "write 20ms, normal:5ms, spikes:HEIGHT/EVERY[/DECAY] such as spikes:140ms/1.5s, \
     trace:0,3ms,1ms or none";

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;

    fn draws(text: &str, count: u64, step: Duration) -> Vec<i64> {
        let mut jitter = JitterState::new(text.parse().unwrap(), 3, 2);
        (0..count)
            .map(|n| jitter.draw(Instant::from_nanos(n * nanos(step))))
            .collect()
    }

    #[test]
    fn uniform_jitter_fills_its_range() {
        let d = draws("20ms", 50_000, Duration::from_millis(1));
        let mean = d.iter().sum::<i64>() / d.len() as i64;
        assert!(d.iter().all(|x| (0..=20 * MS).contains(x)));
        assert!((mean - 10 * MS).abs() < MS / 10, "{mean}");
        assert!(*d.iter().max().unwrap() > 199 * MS / 10 && *d.iter().min().unwrap() < MS / 10);
    }

    #[test]
    fn normal_jitter_has_its_deviation() {
        let d = draws("normal:5ms", 50_000, Duration::from_millis(1));
        let variance = d.iter().map(|x| (*x as f64).powi(2)).sum::<f64>() / d.len() as f64;
        assert!((variance.sqrt() / 5e6 - 1.0).abs() < 0.02);
    }

    #[test]
    fn spikes_rise_at_once_sink_evenly_and_keep_their_distance() {
        let d = draws("spikes:140ms/1.5s/200ms", 100_000, Duration::from_millis(1));
        assert!(d.iter().all(|x| (0..=140 * MS).contains(x)));
        let starts: Vec<usize> = (1..d.len()).filter(|n| d[*n] > d[n - 1]).collect();
        assert!((66..=67).contains(&starts.len()), "{}", starts.len());
        assert!(
            starts
                .windows(2)
                .all(|w| (750..=2_250).contains(&(w[1] - w[0])))
        );
        let at = starts[5];
        assert!(d[at] > 139 * MS && d[at + 201] == 0);
        assert_eq!(d[at + 10] - d[at + 11], 700_000);
    }

    #[test]
    fn a_trace_repeats() {
        let d = draws("trace:0,3ms,1ms", 5, Duration::from_millis(1));
        assert_eq!(d, [0, 3 * MS, MS, 0, 3 * MS]);
    }

    #[test]
    fn notations_parse_and_print() {
        for (text, shown) in [
            ("none", "none"),
            ("0", "none"),
            ("0.5ms", "500us"),
            ("normal:5ms", "normal:5ms"),
            ("spikes:140ms/1.5s", "spikes:140ms/1500ms/140ms"),
            ("trace:0,3ms", "trace:0,3ms"),
        ] {
            let jitter: Jitter = text.parse().unwrap();
            assert_eq!(jitter.to_string(), shown);
            assert_eq!(shown.parse::<Jitter>().unwrap(), jitter);
        }
        for text in ["", "20", "normal:", "spikes:1ms", "trace:", "x:1ms"] {
            let err = text.parse::<Jitter>().unwrap_err().to_string();
            assert!(err.contains("spikes:140ms/1.5s"), "{text}: {err}");
        }
        for text in [
            "2h",
            "spikes:1s/1s",
            "spikes:1s/0",
            "spikes:0/1s",
            "trace:2h",
        ] {
            assert!(text.parse::<Jitter>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_end_of_the_clock_is_survived() {
        let mut jitter = JitterState::new("spikes:1ms/5ms".parse().unwrap(), 3, 2);
        jitter.draw(Instant::from_nanos(u64::MAX));
    }
}

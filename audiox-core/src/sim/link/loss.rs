//! Which datagrams a link loses.

use std::fmt;
use std::str::FromStr;

use super::super::probability::Probability;
use super::super::rng::Pcg32;
use crate::error::ConfigError;

/// Which datagrams are lost.
///
/// Written `none`, `5%` or `0.05` (Bernoulli), `ge:2%,30%[,LOSS_BAD[,LOSS_GOOD]]`
/// (Gilbert–Elliott, good to bad and back; 100% and 0% where left out), `bursts:5%,4`
/// (overall rate and mean burst length) or `list:3,7,10-15` (datagram numbers from 0).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Loss {
    /// None is.
    #[default]
    None,
    /// Each with this probability, whatever happened to the others.
    Bernoulli(Probability),
    /// Two states, as radio links have: seldom and in bursts. The state may change before each
    /// datagram.
    GilbertElliott {
        /// Probability of turning bad before a datagram while good.
        p_good_to_bad: Probability,
        /// Probability of turning good before a datagram while bad; the mean stay is its inverse.
        p_bad_to_good: Probability,
        /// Loss while good.
        loss_good: Probability,
        /// Loss while bad.
        loss_bad: Probability,
    },
    /// Exactly these, numbered from 0 in the order they were handed in.
    List(Vec<u64>),
}

impl Loss {
    /// Bursts that last `mean_length` datagrams (at least 1) on average, so often that `rate` of
    /// all datagrams are lost (below 1): Gilbert–Elliott with nothing lost between bursts.
    ///
    /// # Errors
    /// `rate` is not a probability below 1, `mean_length` is below 1, or so high a rate cannot be
    /// reached with bursts so short (`rate` ≤ `mean_length` / (`mean_length` + 1)).
    pub fn bursts(rate: f64, mean_length: f64) -> Result<Self, ConfigError> {
        let possible = (0.0..1.0).contains(&rate)
            && (1.0..=MAX_BURST).contains(&mean_length)
            && rate <= mean_length / (mean_length + 1.0);
        if !possible {
            return Err(ConfigError::new(
                "loss",
                format_args!("bursts:{rate},{mean_length}"),
                "the mean length L is 1 to 1000000 datagrams and the rate at most L / (L + 1)",
            ));
        }
        // In balance as many bursts begin as end: (1 − rate) · p = rate / L.
        Ok(Self::GilbertElliott {
            p_good_to_bad: Probability::new(rate / (mean_length * (1.0 - rate)))?,
            p_bad_to_good: Probability::new(1.0 / mean_length)?,
            loss_good: Probability::NEVER,
            loss_bad: Probability::ALWAYS,
        })
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Bernoulli(p) => p.fmt(f),
            Self::GilbertElliott {
                p_good_to_bad,
                p_bad_to_good,
                loss_good,
                loss_bad,
            } => write!(
                f,
                "ge:{p_good_to_bad},{p_bad_to_good},{loss_bad},{loss_good}"
            ),
            Self::List(numbers) => {
                f.write_str("list:")?;
                for (i, n) in numbers.iter().enumerate() {
                    let comma = if i == 0 { "" } else { "," };
                    write!(f, "{comma}{n}")?;
                }
                Ok(())
            }
        }
    }
}

impl FromStr for Loss {
    type Err = ConfigError;

    fn from_str(s: &str) -> Result<Self, ConfigError> {
        let refuse = || ConfigError::new("loss", format_args!("'{s}'"), ALLOWED);
        match s.split_once(':') {
            None if s == "none" => Ok(Self::None),
            None => match s.parse().map_err(|_| refuse())? {
                Probability::NEVER => Ok(Self::None),
                p => Ok(Self::Bernoulli(p)),
            },
            Some(("ge", rest)) => {
                let p = rest
                    .split(',')
                    .map(str::parse)
                    .collect::<Result<Vec<Probability>, _>>()
                    .map_err(|_| refuse())?;
                let (&[p_good_to_bad, p_bad_to_good], rest) =
                    p.split_first_chunk().ok_or_else(refuse)?;
                let (loss_bad, loss_good) = match *rest {
                    [] => (Probability::ALWAYS, Probability::NEVER),
                    [bad] => (bad, Probability::NEVER),
                    [bad, good] => (bad, good),
                    _ => return Err(refuse()),
                };
                Ok(Self::GilbertElliott {
                    p_good_to_bad,
                    p_bad_to_good,
                    loss_good,
                    loss_bad,
                })
            }
            Some(("bursts", rest)) => {
                let (rate, length) = rest.split_once(',').ok_or_else(refuse)?;
                let rate: Probability = rate.parse().map_err(|_| refuse())?;
                Self::bursts(rate.get(), length.parse().map_err(|_| refuse())?)
            }
            Some(("list", rest)) => parse_list(rest).map(Self::List).ok_or_else(refuse),
            Some(_) => Err(refuse()),
        }
    }
}

fn parse_list(text: &str) -> Option<Vec<u64>> {
    let mut numbers = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let range = first.parse::<u64>().ok()?..=last.parse::<u64>().ok()?;
        let count = range.end().checked_sub(*range.start())?;
        if count >= MAX_LIST || numbers.len() as u64 + count >= MAX_LIST {
            return None;
        }
        numbers.extend(range);
    }
    Some(numbers)
}

/// A loss model at work.
#[derive(Debug)]
pub(super) struct LossState {
    model: Loss,
    bad: bool,
    rng: Pcg32,
}

impl LossState {
    pub(super) fn new(mut model: Loss, rng: Pcg32) -> Self {
        if let Loss::List(numbers) = &mut model {
            numbers.sort_unstable();
        }
        Self {
            model,
            bad: false,
            rng,
        }
    }

    /// Whether datagram `number` is lost. Called once for each, in order.
    pub(super) fn strikes(&mut self, number: u64) -> bool {
        match &self.model {
            Loss::None => false,
            Loss::Bernoulli(p) => self.rng.chance(*p),
            Loss::GilbertElliott {
                p_good_to_bad,
                p_bad_to_good,
                loss_good,
                loss_bad,
            } => {
                let leave = if self.bad {
                    *p_bad_to_good
                } else {
                    *p_good_to_bad
                };
                self.bad ^= self.rng.chance(leave);
                self.rng
                    .chance(if self.bad { *loss_bad } else { *loss_good })
            }
            Loss::List(numbers) => numbers.binary_search(&number).is_ok(),
        }
    }
}

const MAX_BURST: f64 = 1e6;
const MAX_LIST: u64 = 1_000_000;
const ALLOWED: &str = "write 5%, ge:GOOD_TO_BAD,BAD_TO_GOOD[,LOSS_BAD[,LOSS_GOOD]] such as ge:2%,30%, \
     bursts:RATE,MEAN_LENGTH such as bursts:5%,4, list:3,7,10-15 or none";

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str, datagrams: u64) -> Vec<bool> {
        let mut loss = LossState::new(text.parse().unwrap(), Pcg32::derive(11, 1));
        (0..datagrams).map(|n| loss.strikes(n)).collect()
    }

    fn rate_and_mean_burst(lost: &[bool]) -> (f64, f64) {
        let count = lost.iter().filter(|l| **l).count() as f64;
        let bursts = lost.chunk_by(|a, b| a == b).filter(|run| run[0]).count() as f64;
        (count / lost.len() as f64, count / bursts)
    }

    #[test]
    fn bernoulli_loses_its_share_in_bursts_of_chance() {
        let (rate, burst) = rate_and_mean_burst(&pattern("5%", 200_000));
        assert!((rate - 0.05).abs() < 0.002, "{rate}");
        assert!((burst - 1.0 / 0.95).abs() < 0.02, "{burst}");
    }

    #[test]
    fn gilbert_elliott_has_the_stationary_rate_and_burst_length() {
        let (rate, burst) = rate_and_mean_burst(&pattern("ge:2%,30%", 400_000));
        assert!((rate - 0.02 / 0.32).abs() < 0.002, "{rate}");
        assert!((burst - 1.0 / 0.3).abs() < 0.06, "{burst}");
        let (rate, _) = rate_and_mean_burst(&pattern("ge:2%,30%,50%,1%", 400_000));
        let bad = 0.02 / 0.32;
        assert!(
            (rate - (0.5 * bad + 0.01 * (1.0 - bad))).abs() < 0.002,
            "{rate}"
        );
    }

    #[test]
    fn bursts_are_as_long_and_as_frequent_as_asked() {
        let (rate, burst) = rate_and_mean_burst(&pattern("bursts:5%,4", 400_000));
        assert!((rate - 0.05).abs() < 0.003, "{rate}");
        assert!((burst - 4.0).abs() < 0.1, "{burst}");
        assert!(Loss::bursts(0.9, 1.0).is_err() && Loss::bursts(0.1, f64::NAN).is_err());
        assert_eq!(rate_and_mean_burst(&pattern("bursts:50%,1", 9_999)).1, 1.0);
    }

    #[test]
    fn lists_lose_exactly_what_they_name() {
        let lost = pattern("list:10-12,3,7", 20);
        let numbers: Vec<usize> = (0..20).filter(|n| lost[*n]).collect();
        assert_eq!(numbers, [3, 7, 10, 11, 12]);
    }

    #[test]
    fn notations_parse_and_print() {
        for (text, shown) in [
            ("none", "none"),
            ("0%", "none"),
            ("0.05", "5%"),
            ("ge:2%,30%", "ge:2%,30%,100%,0%"),
            ("ge:2%,30%,50%,1%", "ge:2%,30%,50%,1%"),
            ("list:3,7-9", "list:3,7,8,9"),
        ] {
            let loss: Loss = text.parse().unwrap();
            assert_eq!(loss.to_string(), shown);
            assert_eq!(shown.parse::<Loss>().unwrap(), loss);
        }
        for text in [
            "",
            "ge:2%",
            "ge:",
            "ge:1,1,1,1,1",
            "list:",
            "list:9-3",
            "list:0-99999999999",
            "5",
            "x:1",
            "bursts:5%",
            "bursts:x,4",
            "list:0-18446744073709551615",
        ] {
            let err = text.parse::<Loss>().unwrap_err().to_string();
            assert!(err.contains("ge:2%,30%"), "{text}: {err}");
        }
    }
}

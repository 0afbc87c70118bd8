//! What a link does to datagrams.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::super::probability::Probability;
use super::super::text::{Shown, parse_duration, parse_scaled};
use super::{Jitter, Loss, MAX_DELAY};
use crate::error::ConfigError;

/// A link's properties. The default is perfect: no delay, no loss, no limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkConfig {
    /// The delay of every datagram; at most an hour.
    pub latency: Duration,
    /// What varies about the delay.
    pub jitter: Jitter,
    /// Which datagrams are lost. A lost datagram takes no part of `rate`.
    pub loss: Loss,
    /// How many come twice. The copy draws a delay of its own and is not lost.
    pub duplicate: Probability,
    /// How many are overtaken by later ones.
    pub reorder: Reorder,
    /// The bottleneck, passed before the latency begins.
    pub rate: Option<RateLimit>,
    /// Probability that a bit arrives flipped. UDP's checksum would drop such a datagram; the
    /// link delivers it, to show that parsers hold.
    pub bit_error: Probability,
    /// Whether jitter may change the order.
    pub order: Order,
    /// Datagrams under way at most, 1 to 1 000 000; what comes on top is dropped and counted.
    /// Bounds the memory: `capacity` times the longest datagrams seen.
    pub capacity: usize,
    /// Chooses the run. Loss, jitter, duplicates, reordering and bit errors draw from it
    /// independently: to change one does not move the others.
    pub seed: u64,
}

impl LinkConfig {
    pub(in crate::sim) fn validate(&self) -> Result<(), ConfigError> {
        for (field, delay) in [
            ("latency", self.latency),
            ("reorder", self.reorder.delay),
            ("rate", self.rate.map_or(Duration::ZERO, |r| r.queue)),
        ] {
            if delay > MAX_DELAY {
                let shown = Shown(delay);
                return Err(ConfigError::new(
                    field,
                    shown,
                    "delays are at most one hour",
                ));
            }
        }
        if !(1..=MAX_CAPACITY).contains(&self.capacity) {
            let allowed = "1 to 1000000 datagrams may be under way";
            return Err(ConfigError::new("capacity", self.capacity, allowed));
        }
        if let Some(rate) = self.rate {
            rate.validate()?;
        }
        self.jitter.validate()
    }
}

impl Default for LinkConfig {
    fn default() -> Self {
        Self {
            latency: Duration::ZERO,
            jitter: Jitter::None,
            loss: Loss::None,
            duplicate: Probability::NEVER,
            reorder: Reorder::default(),
            rate: None,
            bit_error: Probability::NEVER,
            order: Order::Kept,
            capacity: 4_096,
            seed: 0,
        }
    }
}

/// Whether varying delays change the order of datagrams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Order {
    /// None leaves before an earlier one, as in a queue: a short delay drawn after a long one is
    /// lengthened, and only [`Reorder`] changes the order. What most networks do.
    #[default]
    Kept,
    /// Each takes the delay drawn for it and overtakes as it may: many paths at once.
    Free,
}

/// Datagrams that are held back so that later ones overtake them.
///
/// Written `1%/30ms`, or `1%` for 25 ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Reorder {
    /// How many are held back.
    pub probability: Probability,
    /// For how long, on top of their delay. They change the order only if something is sent
    /// meanwhile.
    pub delay: Duration,
}

impl Default for Reorder {
    fn default() -> Self {
        Self {
            probability: Probability::NEVER,
            delay: Duration::from_millis(25),
        }
    }
}

impl fmt::Display for Reorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.probability, Shown(self.delay))
    }
}

impl FromStr for Reorder {
    type Err = ConfigError;

    fn from_str(s: &str) -> Result<Self, ConfigError> {
        let (probability, delay) = match s.split_once('/') {
            Some((p, delay)) => (p, parse_duration(delay)),
            None => (s, Some(Self::default().delay)),
        };
        match (probability.parse(), delay) {
            (Ok(probability), Some(delay)) => Ok(Self { probability, delay }),
            _ => Err(ConfigError::new(
                "reorder",
                format_args!("'{s}'"),
                "write PROBABILITY[/DELAY] such as 1%/30ms",
            )),
        }
    }
}

/// A bottleneck: datagrams leave it one behind the other, and wait in a queue of bounded length.
///
/// Written `1.5Mbit` or `64kbit/50ms`; 200 ms of queue where left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RateLimit {
    /// Bits a second, 1 to 10¹².
    pub bits_per_second: u64,
    /// A datagram that would wait longer than this before its first bit leaves is dropped.
    pub queue: Duration,
    /// Bytes that each datagram takes beside its own: 28 for IPv4 and UDP, the default.
    pub overhead: usize,
}

impl RateLimit {
    /// A bottleneck of this rate with 200 ms of queue and 28 bytes of overhead a datagram.
    pub const fn new(bits_per_second: u64) -> Self {
        Self {
            bits_per_second,
            queue: Duration::from_millis(200),
            overhead: 28,
        }
    }

    fn validate(self) -> Result<(), ConfigError> {
        if !(1..=MAX_RATE).contains(&self.bits_per_second) {
            let allowed = "a link carries 1 to 10^12 bits a second";
            return Err(ConfigError::new("rate", self.bits_per_second, allowed));
        }
        if self.overhead > super::MAX_DATAGRAM {
            let allowed = "a datagram's overhead is at most 65535 bytes";
            return Err(ConfigError::new("overhead", self.overhead, allowed));
        }
        Ok(())
    }
}

impl fmt::Display for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, name) = RATE_UNITS
            .into_iter()
            .find(|(unit, _)| self.bits_per_second.is_multiple_of(*unit))
            .unwrap_or((1, "bit"));
        let (number, queue) = (self.bits_per_second / unit, Shown(self.queue));
        write!(f, "{number}{name}/{queue}")
    }
}

impl FromStr for RateLimit {
    type Err = ConfigError;

    fn from_str(s: &str) -> Result<Self, ConfigError> {
        let parse = || {
            let (rate, queue) = match s.split_once('/') {
                Some((rate, queue)) => (rate, parse_duration(queue)?),
                None => (s, Self::new(1).queue),
            };
            let (number, unit) = RATE_UNITS
                .into_iter()
                .find_map(|(unit, name)| Some((rate.strip_suffix(name)?, unit)))?;
            let bits_per_second = parse_scaled(number, unit)?;
            Some(Self {
                queue,
                ..Self::new(bits_per_second)
            })
        };
        let limit = parse().ok_or_else(|| {
            ConfigError::new(
                "rate",
                format_args!("'{s}'"),
                "write bit, kbit, Mbit or Gbit a second and, if wanted, the queue, such as 1.5Mbit/50ms",
            )
        })?;
        limit.validate().map(|()| limit)
    }
}

const MAX_CAPACITY: usize = 1_000_000;
const MAX_RATE: u64 = 1_000_000_000_000;
/// The plain `bit` last: it ends the others' names too.
const RATE_UNITS: [(u64, &str); 4] = [
    (1_000_000_000, "Gbit"),
    (1_000_000, "Mbit"),
    (1_000, "kbit"),
    (1, "bit"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_reordering_parse_and_print() {
        for (text, bits, shown) in [
            ("1.5Mbit", 1_500_000, "1500kbit/200ms"),
            ("64kbit/50ms", 64_000, "64kbit/50ms"),
            ("9600bit/0", 9_600, "9600bit/0"),
        ] {
            let rate: RateLimit = text.parse().unwrap();
            assert_eq!(
                (rate.bits_per_second, rate.to_string()),
                (bits, shown.into())
            );
            assert_eq!(shown.parse::<RateLimit>().unwrap(), rate);
        }
        for text in [
            "", "bit", "0bit", "1", "1Mbit/", "1.5bit", "2000Gbit", "64 kbit",
        ] {
            assert!(text.parse::<RateLimit>().is_err(), "{text}");
        }
        assert_eq!("1%".parse::<Reorder>().unwrap().to_string(), "1%/25ms");
        assert_eq!("1%/3ms".parse::<Reorder>().unwrap().to_string(), "1%/3ms");
        for text in ["", "1%/", "x/3ms", "1%/3"] {
            let err = text.parse::<Reorder>().unwrap_err().to_string();
            assert!(err.contains("1%/30ms"), "{err}");
        }
    }

    #[test]
    fn values_out_of_range_are_refused_by_name() {
        let of = |config: LinkConfig| config.validate().unwrap_err().field;
        let day = Duration::from_secs(86_400);
        let d = LinkConfig::default;
        assert_eq!(
            of(LinkConfig {
                latency: day,
                ..d()
            }),
            "latency"
        );
        assert_eq!(of(LinkConfig { capacity: 0, ..d() }), "capacity");
        assert_eq!(
            of(LinkConfig {
                jitter: Jitter::Trace(vec![]),
                ..d()
            }),
            "jitter"
        );
        assert_eq!(
            of(LinkConfig {
                rate: Some(RateLimit::new(0)),
                ..d()
            }),
            "rate"
        );
        let reorder = Reorder {
            delay: day,
            ..Reorder::default()
        };
        assert_eq!(of(LinkConfig { reorder, ..d() }), "reorder");
        let rate = Some(RateLimit {
            overhead: usize::MAX,
            ..RateLimit::new(1)
        });
        assert_eq!(of(LinkConfig { rate, ..d() }), "overhead");
    }
}

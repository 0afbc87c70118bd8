//! A network path as a state machine: datagrams in, fewer, later, other datagrams out.
//!
//! A datagram passes, in this order: loss, duplication, the bottleneck ([`RateLimit`]), bit
//! errors, and the delay (latency, jitter, reordering). Datagrams due at the same instant come
//! out in the order they went in.
//!
//! Each handed in has exactly one outcome, so at any moment
//! `handled + duplicated = lost + queue_dropped + overflowed + delivered + in_flight`.

mod bottleneck;
mod config;
mod jitter;
mod loss;
#[cfg(test)]
mod tests;
mod wifi;

pub use config::{LinkConfig, Order, RateLimit, Reorder};
pub use jitter::Jitter;
pub use loss::Loss;
pub use wifi::{WIFI_LOADED, WIFI_TRACE, wifi_trace};

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use self::bottleneck::Bottleneck;
use self::jitter::JitterState;
use self::loss::LossState;
use super::probability::Probability;
use super::rng::Pcg32;
use crate::error::ConfigError;
use crate::time::{Instant, nanos};

/// One direction of a network path.
///
/// Any call order is legal. Times need not increase, though a datagram handed in at an earlier
/// `now` than its predecessor is taken as sent then.
#[derive(Debug)]
pub struct Link {
    latency: i64,
    order: Order,
    capacity: usize,
    reorder: Reorder,
    duplicate: Probability,
    bit_error: Probability,
    loss: LossState,
    jitter: JitterState,
    bottleneck: Option<Bottleneck>,
    duplicate_rng: Pcg32,
    reorder_rng: Pcg32,
    bit_rng: Pcg32,
    flights: BinaryHeap<Reverse<Flight>>,
    pool: Vec<Vec<u8>>,
    out: Vec<u8>,
    entered: u64,
    last_due: Instant,
    newest_out: Option<u64>,
    stats: LinkStats,
}

/// What became of a datagram handed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fate {
    /// It is under way and due at this instant.
    Queued(Instant),
    /// It is lost.
    Lost,
    /// The bottleneck's queue is full.
    QueueDropped,
    /// As many as [`LinkConfig::capacity`] are under way, or it is longer than 65 535 bytes.
    Overflowed,
}

/// A datagram that comes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery<'a> {
    /// The datagram, with bit errors if there were any.
    pub bytes: &'a [u8],
    /// What was handed in with it.
    pub tag: usize,
    /// Its number, from 0, among all that were handed in.
    pub number: u64,
    /// When it was handed in.
    pub sent: Instant,
    /// When it arrives.
    pub due: Instant,
    /// Whether this is the second of a duplicated datagram.
    pub copy: bool,
}

/// Counts of a link's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LinkStats {
    /// Datagrams handed in.
    pub handled: u64,
    /// Lost by the loss model.
    pub lost: u64,
    /// Copies made.
    pub duplicated: u64,
    /// Delivered after one that was handed in later; copies are not counted.
    pub reordered: u64,
    /// Put under way with at least one bit flipped.
    pub corrupted: u64,
    /// Dropped by the bottleneck.
    pub queue_dropped: u64,
    /// Dropped because too many were under way, or too long.
    pub overflowed: u64,
    /// Delivered, copies included.
    pub delivered: u64,
    /// Bytes delivered.
    pub delivered_bytes: u64,
    /// Under way now.
    pub in_flight: u64,
    /// The shortest delay of those delivered; zero before the first.
    pub delay_min: Duration,
    /// The longest.
    pub delay_max: Duration,
    /// The sum of all, in nanoseconds.
    pub delay_total_nanos: u128,
}

impl LinkStats {
    /// The mean delay of those delivered; zero before the first.
    pub fn delay_mean(&self) -> Duration {
        let mean = self.delay_total_nanos / u128::from(self.delivered.max(1));
        Duration::from_nanos(mean.try_into().unwrap_or(u64::MAX))
    }
}

impl Link {
    /// A link with nothing under way.
    ///
    /// # Errors
    /// A delay above one hour, a rate or capacity out of range, an impossible jitter model.
    pub fn new(config: LinkConfig) -> Result<Self, ConfigError> {
        config.validate()?;
        Ok(Self {
            latency: nanos(config.latency) as i64,
            order: config.order,
            capacity: config.capacity,
            reorder: config.reorder,
            duplicate: config.duplicate,
            bit_error: config.bit_error,
            loss: LossState::new(config.loss, Pcg32::derive(config.seed, LOSS)),
            jitter: JitterState::new(config.jitter, config.seed, JITTER),
            bottleneck: config.rate.map(Bottleneck::new),
            duplicate_rng: Pcg32::derive(config.seed, DUPLICATE),
            reorder_rng: Pcg32::derive(config.seed, REORDER),
            bit_rng: Pcg32::derive(config.seed, BIT_ERROR),
            flights: BinaryHeap::new(),
            pool: Vec::new(),
            out: Vec::new(),
            entered: 0,
            last_due: Instant::EPOCH,
            newest_out: None,
            stats: LinkStats::default(),
        })
    }

    /// From now on the link is this one: another route, other traffic beside. What is under way
    /// arrives as it would have, and may be overtaken; counts and numbers go on.
    ///
    /// # Errors
    /// As [`new`](Self::new); the link then stays as it was.
    pub fn set_config(&mut self, config: LinkConfig) -> Result<(), ConfigError> {
        let old = std::mem::replace(self, Self::new(config)?);
        self.flights = old.flights;
        self.pool = old.pool;
        self.out = old.out;
        self.entered = old.entered;
        self.newest_out = old.newest_out;
        self.stats = old.stats;
        Ok(())
    }

    /// Sends `datagram` into the link. `tag` comes out with it: a port, a destination.
    pub fn handle(&mut self, now: Instant, tag: usize, datagram: &[u8]) -> Fate {
        let number = self.stats.handled;
        self.stats.handled += 1;
        if self.loss.strikes(number) {
            self.stats.lost += 1;
            return Fate::Lost;
        }
        let twice = self.duplicate_rng.chance(self.duplicate);
        let mut flight = Flight {
            due: now,
            entered: 0,
            sent: now,
            tag,
            number,
            copy: false,
            bytes: Vec::new(),
        };
        let fate = self.launch(&mut flight, datagram);
        if twice {
            self.stats.duplicated += 1;
            flight.copy = true;
            self.launch(&mut flight, datagram);
        }
        fate
    }

    /// The next datagram that is due at `now`. Call until there is none.
    #[must_use]
    pub fn poll_output(&mut self, now: Instant) -> Option<Delivery<'_>> {
        if self.poll_timeout()? > now {
            return None;
        }
        let Reverse(flight) = self.flights.pop()?;
        self.pool
            .push(std::mem::replace(&mut self.out, flight.bytes));

        let delay = flight.due.saturating_since(flight.sent);
        let s = &mut self.stats;
        s.delay_min = if s.delivered == 0 {
            delay
        } else {
            s.delay_min.min(delay)
        };
        s.delay_max = s.delay_max.max(delay);
        s.delay_total_nanos += delay.as_nanos();
        s.delivered += 1;
        s.delivered_bytes += self.out.len() as u64;
        if self.newest_out.is_some_and(|newest| flight.number < newest) {
            s.reordered += u64::from(!flight.copy);
        } else {
            self.newest_out = Some(flight.number);
        }
        Some(Delivery {
            bytes: &self.out,
            tag: flight.tag,
            number: flight.number,
            sent: flight.sent,
            due: flight.due,
            copy: flight.copy,
        })
    }

    /// When the next datagram is due; `None` while nothing is under way.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.flights.peek().map(|Reverse(flight)| flight.due)
    }

    /// Counts so far.
    pub fn stats(&self) -> LinkStats {
        LinkStats {
            in_flight: self.flights.len() as u64,
            ..self.stats
        }
    }

    fn launch(&mut self, flight: &mut Flight, datagram: &[u8]) -> Fate {
        if self.flights.len() >= self.capacity || datagram.len() > MAX_DATAGRAM {
            self.stats.overflowed += 1;
            return Fate::Overflowed;
        }
        let departure = match &mut self.bottleneck {
            None => flight.sent,
            Some(bottleneck) => match bottleneck.admit(flight.sent, datagram.len()) {
                Some(departure) => departure,
                None => {
                    self.stats.queue_dropped += 1;
                    return Fate::QueueDropped;
                }
            },
        };
        let due = self.due(departure);

        let mut bytes = self.pool.pop().unwrap_or_default();
        bytes.clear();
        bytes.extend_from_slice(datagram);
        self.stats.corrupted += u64::from(self.flip_bits(&mut bytes));
        self.flights.push(Reverse(Flight {
            due,
            entered: self.entered,
            bytes,
            ..*flight
        }));
        self.entered += 1;
        Fate::Queued(due)
    }

    fn due(&mut self, departure: Instant) -> Instant {
        let delay = self.latency.saturating_add(self.jitter.draw(departure));
        let due = departure + Duration::from_nanos(delay.max(0) as u64);
        if self.reorder_rng.chance(self.reorder.probability) {
            // Held back beside the queue: those behind it need not wait for it.
            return due + self.reorder.delay;
        }
        match self.order {
            Order::Free => due,
            Order::Kept => {
                self.last_due = self.last_due.max(due);
                self.last_due
            }
        }
    }

    fn flip_bits(&mut self, bytes: &mut [u8]) -> bool {
        if self.bit_error == Probability::NEVER {
            return false;
        }
        let mut any = false;
        for byte in bytes {
            for bit in 0..8 {
                if self.bit_rng.chance(self.bit_error) {
                    *byte ^= 1 << bit;
                    any = true;
                }
            }
        }
        any
    }
}

/// A datagram under way. Ordered by when it is due, then by when it entered.
#[derive(Debug)]
struct Flight {
    due: Instant,
    entered: u64,
    sent: Instant,
    tag: usize,
    number: u64,
    copy: bool,
    bytes: Vec<u8>,
}

impl Ord for Flight {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.due, self.entered).cmp(&(other.due, other.entered))
    }
}

impl PartialOrd for Flight {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Flight {
    fn eq(&self, other: &Self) -> bool {
        self.entered == other.entered
    }
}

impl Eq for Flight {}

/// The longest datagram that UDP carries, and more.
const MAX_DATAGRAM: usize = 65_535;
const MAX_DELAY: Duration = Duration::from_secs(3_600);

const LOSS: u64 = 1;
const JITTER: u64 = 2;
const DUPLICATE: u64 = 3;
const REORDER: u64 = 4;
const BIT_ERROR: u64 = 5;

use std::fmt;
use std::time::Duration;

use super::{RedundancyConfig, window};

/// What is sent beside the media.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RedundancyPlan {
    /// Whether lost packets are sent again when they are asked for.
    pub retransmission: bool,
    /// Packets that a repair packet covers.
    pub window: usize,
    /// Repair packets for a thousand packets.
    pub rate: u32,
    /// Earlier packets that each carries again.
    pub copies: usize,
    /// How far back the codec's history reaches.
    pub history: Duration,
    /// Share of packets, 0 to 1, that the codec has to do without, for its in-band FEC.
    pub expected_loss: f32,
    /// Why.
    pub reason: Reason,
}

impl RedundancyPlan {
    /// No redundancy, for `reason`.
    pub(super) fn none(config: &RedundancyConfig, reason: Reason) -> Self {
        Self {
            retransmission: config.means.retransmission,
            window: window(config.ptime, config.delay),
            rate: 0,
            copies: 0,
            history: Duration::ZERO,
            expected_loss: 0.0,
            reason,
        }
    }
}

/// Why a [`RedundancyPlan`] is what it is.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Reason {
    /// Nobody has reported yet.
    NoReports,
    /// Less than one packet in 500 is lost: concealment does.
    HardlyAnyLoss,
    /// The receiver's delay holds less than a packet: anything would come too late.
    DelayTooShort(Loss),
    /// Round trips fit the delay, so many that asking again is enough.
    RoundTripsFit {
        /// What is lost.
        loss: Loss,
        /// Time there and back.
        round_trip: Duration,
        /// Round trips that fit.
        tries: u32,
    },
    /// Cheapest of what leaves next to nothing lost.
    Cheapest(Loss),
    /// All that is allowed, or all there is, and some stays lost.
    AtTheLimit {
        /// What is lost.
        loss: Loss,
        /// Share of packets that stays lost, 0 to 1.
        left: f64,
    },
}

/// What a stream loses.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Loss {
    /// Share of packets, 0 to 1.
    pub share: f64,
    /// Mean number of packets lost in a row.
    pub burst: f64,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} % are lost", self.share * 100.0)?;
        if self.burst >= 1.5 {
            write!(f, ", {:.1} in a row", self.burst)?;
        }
        Ok(())
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoReports => f.write_str("no receiver has reported yet"),
            Self::HardlyAnyLoss => f.write_str("hardly anything is lost"),
            Self::DelayTooShort(loss) => {
                write!(
                    f,
                    "{loss}, and the receiver's delay is shorter than a packet"
                )
            }
            Self::RoundTripsFit {
                loss,
                round_trip,
                tries,
            } => write!(
                f,
                "{loss}, and of the round trip of {:.0} ms {tries} fit the delay",
                round_trip.as_secs_f64() * 1e3
            ),
            Self::Cheapest(loss) => loss.fmt(f),
            Self::AtTheLimit { loss, left } => write!(
                f,
                "{loss}, which calls for more than is possible; {:.1} % stay lost",
                left * 100.0
            ),
        }
    }
}

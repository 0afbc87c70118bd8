//! What a session tells its owner.

use super::stats::PlaybackStats;
use crate::error::ConfigError;
use crate::ingress::{Handled, SourceId};

/// What became of a datagram. Counted too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Routed {
    /// It is on its way to its source's playout.
    Queued(SourceId),
    /// The first of its source: it could be a stray. The next one is heard.
    Unconfirmed(SourceId),
    /// Its source has no place (yet).
    Refused(SourceId),
    /// Its source has all its buffers waiting: playback lags behind, or is not running.
    Backlogged(SourceId),
    /// Longer than [`SessionConfig::max_datagram`](super::SessionConfig::max_datagram).
    TooLong,
    /// No buffer is free.
    NoBuffer,
    /// A repair packet; what it brought back is on its way.
    Repair,
    /// Turned away on the wire side.
    Rejected(Handled),
}

/// Something about a source that its owner acts on.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "a few hundred wait at most, in a queue made once"
)]
pub enum SessionEvent {
    /// A playout was built and handed over. May come again for the same source, after
    /// [`Ended`](Self::Ended): it went on after its goodbye, or changed its format.
    Started(SourceId),
    /// Confirmed, but not to be heard. Those without a place may still [start](Self::Started).
    Refused(SourceId, SourceRefusal),
    /// The sender started over.
    Restarted(SourceId),
    /// The source's wall clock is known from now on
    /// ([`Ingress::clock_map`](crate::ingress::Ingress::clock_map)).
    Mapped(SourceId),
    /// The sender said goodbye; what it sent before is still played.
    Bye(SourceId),
    /// Its playout came back and its place is free.
    Ended {
        /// Whose it was.
        source: SourceId,
        /// The final figures.
        playback: PlaybackStats,
    },
}

/// Why a source is not heard.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceRefusal {
    /// All places are taken.
    #[error("all places are taken")]
    NoPlace,
    /// There is no playout for it.
    #[error("no playout: {0}")]
    NoPlayout(ConfigError),
}

//! Counters of a session; each stream has its own in [`PlayoutStats`] and
//! [`SourceStats`](crate::stats::SourceStats).

use std::time::Duration;

use crate::drift::DriftEstimate;
use crate::stats::{LatencyLedger, PlayoutStats};

/// What the socket side did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SessionStats {
    /// Packets handed to the playback side.
    pub packets_queued: u64,
    /// First packets of sources, dropped because one packet could be a stray.
    pub packets_unconfirmed: u64,
    /// Packets of sources that have no place: all are taken, or there is no playout for them.
    pub packets_refused: u64,
    /// Packets dropped because their source had all its buffers waiting.
    pub packets_backlogged: u64,
    /// Datagrams longer than the buffers.
    pub too_long: u64,
    /// Datagrams for which no buffer was free.
    pub no_buffer: u64,
    /// Playouts built and handed over.
    pub sources_started: u64,
    /// Sources refused, each counted once.
    pub sources_refused: u64,
    /// Playouts that came back.
    pub sources_ended: u64,
    /// Events lost because nobody polled.
    pub events_dropped: u64,
}

/// What the playback side did with all sources together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MixStats {
    /// Pulls.
    pub pulls: u64,
    /// Frames filled.
    pub frames_pulled: u64,
    /// Frames in which the limiter had to turn the sum down, to the slice.
    pub frames_limited: u64,
    /// The most it ever turned down, as a factor: 1 where it never had to.
    pub lowest_gain: f32,
    /// Packets whose source had ended while they were on the way.
    pub packets_unrouted: u64,
}

impl Default for MixStats {
    fn default() -> Self {
        Self {
            pulls: 0,
            frames_pulled: 0,
            frames_limited: 0,
            lowest_gain: 1.0,
            packets_unrouted: 0,
        }
    }
}

/// What the playback side did with one source, at its last report.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct PlaybackStats {
    /// Counters of its playout.
    pub playout: PlayoutStats,
    /// Packets waiting in its jitter buffer.
    pub packets_buffered: usize,
    /// Whether its timeline ran.
    pub playing: bool,
    /// Delay aimed at, from the luckiest arrival.
    pub target_delay: Duration,
    /// Whether that follows the network's jitter.
    pub adaptive: bool,
    /// What its delay was made of; capture and network are not known here.
    pub ledger: LatencyLedger,
    /// By how much its sender's clock was fast against the device's, where known.
    pub drift: Option<DriftEstimate>,
    /// Largest magnitude that went into the mix since the report before, after the gain, linear.
    pub peak: f32,
}

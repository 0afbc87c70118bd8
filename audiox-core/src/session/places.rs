//! What the socket side remembers of the places and of those who have none.

use super::stats::PlaybackStats;
use super::ticket::Ticket;
use crate::ingress::SourceId;
use crate::time::Instant;

/// What the socket side knows of a place on the playback side.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) source: Option<SourceId>,
    pub(super) ticket: Ticket,
    pub(super) payload_type: u8,
    pub(super) leaving: Leaving,
    /// Packets handed to the lane.
    pub(super) sent: u32,
    pub(super) stats: PlaybackStats,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaving {
    No,
    /// After a goodbye: what comes still counts.
    Finishing,
    Closing,
}

impl Place {
    pub(super) fn free(ticket: Ticket) -> Self {
        Self {
            source: None,
            ticket,
            payload_type: 0,
            leaving: Leaving::No,
            sent: 0,
            stats: PlaybackStats::default(),
        }
    }
}

/// A confirmed source without a place.
#[derive(Debug)]
pub(super) struct RefusedSource {
    pub(super) id: SourceId,
    /// The payload type for which there is no playout; `None` where there was no place.
    pub(super) payload_type: Option<u8>,
}

/// Playouts that may be built within a second: enough that everybody can start, and be replaced,
/// at once, and nobody can keep us building.
#[derive(Debug)]
pub(super) struct Budget {
    per_second: usize,
    since: Instant,
    used: usize,
}

impl Budget {
    pub(super) fn new(places: usize, now: Instant) -> Self {
        Self {
            per_second: 2 * places,
            since: now,
            used: 0,
        }
    }

    /// Whether another may be built at `now`.
    pub(super) fn spend(&mut self, now: Instant) -> bool {
        if now.signed_since(self.since).unsigned_abs() >= SECOND {
            (self.since, self.used) = (now, 0);
        }
        let left = self.used < self.per_second;
        self.used += usize::from(left);
        left
    }
}

const SECOND: u64 = 1_000_000_000;

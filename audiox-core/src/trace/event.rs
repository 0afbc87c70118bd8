//! What a trace consists of.

use crate::jitter::Decision;
use crate::playout::Inserted;
use crate::time::{ExtSeq, Instant, MediaTime};

/// One thing that happened. `Copy`, so that it can cross a ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TraceEvent {
    /// A packet came in.
    Arrival(Arrival),
    /// A slice was asked for.
    Pull {
        /// When.
        at: Instant,
        /// How many frames, at the output's rate.
        frames: u32,
    },
    /// What was decided at a packet boundary. Repeats of the same [`Decision::Normal`] are
    /// traced too: they carry the delay.
    Decision {
        /// When the frame it is about goes out.
        at: Instant,
        /// What.
        decision: Decision,
        /// Present delay, nanoseconds after the luckiest arrival; negative where frames play
        /// before luck would have brought them.
        delay: i64,
        /// Delay aimed at, nanoseconds.
        target: u64,
    },
    /// Events that the ring had no room for, at this place.
    Lost(u64),
}

/// A packet as it came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// When.
    pub at: Instant,
    /// Its number.
    pub seq: ExtSeq,
    /// Media time of its first frame.
    pub media: MediaTime,
    /// Its frames.
    pub frames: u32,
    /// Bytes of its payload.
    pub bytes: u32,
    /// The sender's restarts before it.
    pub generation: u32,
    /// Whether redundancy brought it back.
    pub recovered: bool,
    /// Whether number and media time count what arrived.
    pub synthesised: bool,
    /// Whether it begins a talkspurt.
    pub marker: bool,
    /// What became of it.
    pub outcome: Inserted,
}

//! What happened to a stream, written down: every arrival, every pull, every decision.
//!
//! A [`Playout`](crate::playout::Playout) that traces puts [`TraceEvent`]s into a ring and never
//! waits ([`trace_ring`]); another thread takes them out and writes them with a [`TraceWriter`].
//! A [`Replay`] runs a trace again in virtual time under other settings, a [`Diagnosis`] says what
//! it shows. No audio is kept, only times and lengths.
//!
//! # File format, version 1
//! All integers are little-endian base-128 numbers (LEB128) of at most ten bytes; *signed* ones
//! are zigzag-coded first. Times are nanoseconds, those of one kind coded as the difference to
//! the one before (the first: to zero).
//!
//! | bytes | meaning |
//! | --- | --- |
//! | `AXTR`, 1 | magic, version (one byte) |
//! | rate, channels | of the stream |
//! | output rate, output channels | of the slices pulled |
//!
//! Then records, until the file ends; a record cut off by the end is told and left out. The first byte is
//! its kind.
//!
//! | kind | fields |
//! | --- | --- |
//! | 1 arrival | flags byte, signed time, signed sequence number step − 1, signed media time step in frames, frames, generation, payload bytes |
//! | 2 pull | signed time, frames |
//! | 3 decision | code byte, signed time, signed delay, target, frames left out or made up |
//! | 4 lost events | how many the ring had no room for |
//!
//! Flags of an arrival: 1 recovered, 2 synthesised time, 4 marker; bits 4–6: what became of it
//! (0 queued, 1 duplicate, 2 late, 3 flushed, 4 undecodable). Codes of a decision: see
//! [`TraceEvent::Decision`]. The size is about 8 bytes a packet and 3 a pull.

mod diagnosis;
mod event;
mod format;
mod losses;
mod replay;
mod ring;

pub use diagnosis::{Diagnosis, LossPattern};
pub use event::{Arrival, TraceEvent};
pub use format::{TraceError, TraceHead, TraceReader, TraceWriter};
pub use replay::{Replay, ReplayPoint, ReplayReport};
pub use ring::{TraceInput, TraceOutput, trace_ring};

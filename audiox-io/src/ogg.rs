//! Ogg Opus files (RFC 7845), packet by packet: what is in them is neither decoded nor encoded here.
//!
//! [`OpusFileReader`] yields the packets of a file with their durations, tells where it has holes and
//! where chained streams meet, and how long it is. [`OpusFileWriter`] writes packets as they came
//! from a network, puts requests for concealment where some are missing, and keeps the granule
//! positions right. Pages and checksums are those of the crate `ogg`.
//!
//! Time is counted in *ticks* of 48 kHz, as in RTP, whatever rate was encoded.
//!
//! # Deliberate differences
//! - A file is read through once, page header by page header, when it is opened: so its length is
//!   known to the tick whether it is chained, cut or damaged.
//! - A damaged page is a hole in the time, not an error: what follows stays in its place.
//! - Comments are passed over, however long they are; a picture in them costs no memory.

mod head;
mod page;
mod reader;
mod toc;
mod writer;

pub use head::{ChannelMapping, OpusHead};
pub use reader::{OpusEvent, OpusFileReader};
pub use toc::packet_ticks;
pub use writer::OpusFileWriter;

/// Ticks a second.
pub const TICK_RATE: u32 = 48_000;

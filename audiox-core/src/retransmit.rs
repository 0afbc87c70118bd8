//! Retransmission: lost packets are asked for (generic NACK, RFC 4585) and sent again in a stream
//! of their own (RFC 4588).
//!
//! It costs no more than what was lost, but a round trip: worth it where that fits the delay that
//! the receiver keeps anyway. So the receiver decides: [`Requests`] asks for a packet only while
//! the answer can still be in time. [`History`] is the sender's side, with a bounded memory and a
//! budget: who forges requests cannot make it send more than twice the stream.
//!
//! # Deliberate differences
//! - WebRTC asks up to ten times and for up to a second, in time or not.
//! - GStreamer's `rtprtxqueue` sends the packet again under its old number, which spoils the loss
//!   that receivers report; RFC 4588's own stream does not.

mod history;
mod requests;

pub use history::{History, HistoryStats};
pub use requests::{RequestStats, Requests};

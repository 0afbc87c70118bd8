//! Live audio transport as pure state machines.
//!
//! This crate is fully deterministic. It opens no socket, file or device, starts no thread,
//! takes no lock, and never asks what time it is: the caller passes `now` in and asks for the
//! next timeout. The same calls give the same results, so a day of network trouble can be
//! replayed in seconds (feature `sim`).
//!
//! # Words
//! A *sample* is one channel's value; a *frame* is one sample per channel; a *block* is a run of
//! frames with a format and a time; a *packet* goes on the wire and carries a *payload*; a
//! *datagram* is the UDP unit; *ptime* is a packet's duration; a *quantum* is the frames of one
//! device callback. Audio in memory is `f32`, interleaved, full scale ±1.0.
#![forbid(unsafe_code)]

pub mod block;
pub mod bus;
pub mod codec;
pub mod conceal;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod convert;
pub mod drift;
pub mod error;
pub mod fec;
pub mod format;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod ingress;
pub mod jitter;
pub mod pacer;
pub mod packet;
pub mod packetizer;
pub mod pitch;
pub mod playout;
pub mod pool;
pub mod receiver;
pub mod redundancy;
pub mod registry;
pub mod report;
pub mod resample;
pub mod retransmit;
pub mod sender;
pub mod session;
#[cfg(feature = "sim")]
pub mod sim;
pub mod source;
pub mod stats;
pub mod store;
pub mod stretch;
pub mod time;
pub mod trace;

pub use error::{ConfigError, ParseError, WriteError};

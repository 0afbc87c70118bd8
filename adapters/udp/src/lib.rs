//! Audio over UDP and RTP: paced streams out, aligned recordings in.
#![forbid(unsafe_code)]

pub mod error;
pub mod node;

pub use error::Error;

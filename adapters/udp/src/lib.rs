//! Audio over UDP and RTP: paced streams out, aligned recordings in.
//!
//! [`streamer`] sends any number of sources in real time from one thread, in step with each
//! other and with streamers on other machines.
#![forbid(unsafe_code)]

pub mod error;
pub mod node;
pub mod streamer;

pub use error::Error;

//! Audio over UDP and RTP: paced streams out, aligned recordings in.
//!
//! [`streamer`] sends any number of sources in real time from one thread, in step with each
//! other and with streamers on other machines; [`node`] records; [`player`] plays as a
//! listener would hear it; [`fanout`] sends each channel of a source to
//! whoever wants it; [`listener`] only listens, to tell how a stream fares.
#![forbid(unsafe_code)]

pub mod error;
pub mod fanout;
pub mod listener;
pub mod node;
pub mod player;
mod port;
pub mod streamer;

pub use error::Error;

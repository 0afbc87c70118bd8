//! Clocks that disagree: by how much, and what to do about it.
//!
//! A sender's sound card and a receiver's run at rates that differ by some parts per million. The
//! [`DriftEstimator`] compares any clock with the local one: the sender's, whose media times
//! arrive through a network that delays them, or the playback device's, which asks for frames
//! through a scheduler that delays it. The [`DriftController`] turns the difference of the two
//! and the remaining error of the latency into the speed of a resampler.
//!
//! # Deliberate differences
//! - NetEQ does not measure drift; its buffer level moves until time-stretch takes a period out.
//! - roc steers by the buffer level alone (`FreqEstimator`), so network jitter bends the pitch,
//!   and it takes minutes to find a rate that a line through the arrivals shows in seconds.
//! - GStreamer's `rtpjitterbuffer` takes the minimum of a window for the skew and applies it to
//!   timestamps, without resampling.

mod controller;
mod estimator;

pub use controller::{DriftControlConfig, DriftController};
pub use estimator::{DriftEstimate, DriftEstimator};

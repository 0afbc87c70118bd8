//! Putting packets back in order and deciding when they play.

pub mod buffer;
pub mod delay;

pub use buffer::{JitterBuffer, Refusal};
pub use delay::{DelayConfig, DelayEstimator};

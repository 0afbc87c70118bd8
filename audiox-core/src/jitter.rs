//! Putting packets back in order and deciding when they play.

pub mod buffer;
pub mod delay;
pub mod policy;

pub use buffer::{JitterBuffer, Refusal};
pub use delay::{DelayConfig, DelayEstimator};
pub use policy::{Decision, Observation, PlayoutPolicy, PolicyConfig, Stretch, Supply};

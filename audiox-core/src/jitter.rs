//! Putting packets back in order and deciding when they play.

pub mod buffer;

pub use buffer::{JitterBuffer, Refusal};

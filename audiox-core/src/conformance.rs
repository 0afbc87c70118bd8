//! Suites that every implementation of a contract trait passes, called from its tests. They
//! panic with the reason where it does not.

mod codec;
mod random;
mod resampler;

pub use codec::codec;
pub use resampler::resampler;

//! Suites that every implementation of a contract trait passes, called from its tests. They
//! panic with the reason where it does not.

mod codec;
mod random;
mod resampler;
mod store;

pub use codec::codec;
pub use resampler::resampler;
pub use store::segment_store;

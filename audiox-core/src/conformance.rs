//! Suites that every implementation of a contract trait passes, called from its tests. They
//! panic with the reason where it does not.

mod bus;
mod codec;
mod random;
mod registry;
mod resampler;
mod store;

pub use bus::stream_bus;
pub use codec::codec;
pub use registry::session_registry;
pub use resampler::resampler;
pub use store::segment_store;

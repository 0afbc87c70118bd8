//! A relay with its archive, and ways to and from one.

mod ingest;
mod listen;
#[cfg(feature = "opus")]
mod ogg;
mod publish;
mod server;
mod sink;
mod target;

pub use ingest::Ingest;
pub use listen::RelaySource;
#[cfg(feature = "opus")]
pub use ogg::ogg_encoders;
pub use publish::{Published, Publishing};
pub use server::{RelayOptions, RelayServer};
pub use sink::RelaySink;
pub use target::{RelayTarget, is_relay};

//! A relay with its archive, and ways to and from one.

mod listen;
mod publish;
mod server;
mod sink;
mod target;

pub use listen::RelaySource;
pub use publish::{Published, Publishing};
pub use server::{RelayOptions, RelayServer};
pub use sink::RelaySink;
pub use target::{RelayTarget, is_relay};

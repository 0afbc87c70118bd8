//! What goes on the wire, and the buffers it travels in.

pub mod buf;

pub use buf::{PacketBuf, PacketMeta};

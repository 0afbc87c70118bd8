//! Live audio between machines.
#![forbid(unsafe_code)]

pub use audiox_core as core;
pub use audiox_io as io;
pub use audiox_net as net;
pub use audiox_udp as udp;

pub mod compare;
pub mod plot;

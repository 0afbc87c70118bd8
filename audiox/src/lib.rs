//! Live audio between machines.
#![forbid(unsafe_code)]

pub use audiox_core as core;
pub use audiox_io as io;
pub use audiox_net as net;
pub use audiox_udp as udp;

pub mod compare;
pub mod error;
pub mod plot;
pub mod recv;
pub mod send;
pub mod sink;
pub mod source;
pub mod time;
pub mod transfer;

pub use audiox_net::Endpoint;
pub use error::Error;
pub use recv::{RecvBuilder, recv};
pub use send::{SendBuilder, send};
pub use sink::{SinkName, sink_from_str};
pub use source::{SourceOptions, sources_from_str};
pub use transfer::{Transfer, Transferred};

//! What goes on the wire, and the buffers it travels in.

pub mod buf;
pub mod raw;
pub mod red;
pub mod rtcp;
pub mod rtp;
pub mod rtx;

pub use buf::{PacketBuf, PacketMeta};

/// How the datagrams of a stream are framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Framing {
    /// An RTP header before every payload ([`rtp`]), with RTCP beside it ([`rtcp`]).
    Rtp,
    /// Headerless PCM ([`raw`]): order and time are those of arrival.
    Raw,
}

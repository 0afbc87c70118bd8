//! An owned datagram buffer that is filled by the socket and becomes the jitter buffer's slot.

use std::ops::Range;

use crate::ingress::{Origin, SourceId};
use crate::session::Ticket;
use crate::time::{ExtSeq, Instant, MediaTime};

/// A datagram in a buffer of fixed capacity, with what is known about it.
///
/// Buffers are made once, in a pool, and travel by move; nothing is copied or freed on the way.
#[derive(Debug)]
pub struct PacketBuf {
    data: Box<[u8]>,
    len: usize,
    /// What ingress found out about the packet.
    pub meta: PacketMeta,
}

/// What is known about a packet. Plain data; all zero for a fresh buffer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PacketMeta {
    /// When it arrived, on the local clock. Set by whoever received it.
    pub arrival: Instant,
    /// Where it came from. Set by whoever received it.
    pub origin: Origin,
    /// It came to the port of the block code's repair packets. Set by whoever received it.
    pub repair_port: bool,
    /// Its sequence number, unwrapped (or synthesised, for raw framing).
    pub seq: ExtSeq,
    /// Media time of its first frame, unwrapped (or synthesised).
    pub at: MediaTime,
    /// Frames in the payload; known once a decoder has looked at it.
    pub frames: u32,
    /// Counts the sender's restarts: another generation is another timeline.
    pub generation: u32,
    /// Which of the ingress's sources sent it.
    pub source: SourceId,
    /// Which of a [session](crate::session)'s playouts it goes to.
    pub ticket: Ticket,
    /// The sender's synchronisation source; 0 for raw framing.
    pub ssrc: u32,
    /// RTP payload type; 0 for raw framing.
    pub payload_type: u8,
    /// RTP marker: first packet of a talkspurt.
    pub marker: bool,
    /// `seq` and `at` count what arrived, for want of any on the wire: nothing is ever missing
    /// before this packet, and it is never late.
    pub synthesised: bool,
    /// Recovered by redundancy rather than received: it tells nothing about the network's timing.
    pub recovered: bool,
    /// Where in the buffer the codec's payload lies.
    pub payload: Range<usize>,
}

impl PacketBuf {
    /// An empty buffer that can hold `capacity` bytes.
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            data: vec![0; capacity].into_boxed_slice(),
            len: 0,
            meta: PacketMeta::default(),
        }
    }

    /// Bytes it can hold.
    pub fn capacity(&self) -> usize {
        self.data.len()
    }

    /// The datagram.
    pub fn bytes(&self) -> &[u8] {
        &self.data[..self.len]
    }

    /// The codec's payload; empty where `meta.payload` does not lie within the datagram.
    pub fn payload(&self) -> &[u8] {
        self.bytes().get(self.meta.payload.clone()).unwrap_or(&[])
    }

    /// The whole capacity, to receive or write into; follow with [`set_len`](Self::set_len).
    pub fn spare(&mut self) -> &mut [u8] {
        &mut self.data
    }

    /// Sets the datagram's length, at most the capacity.
    pub fn set_len(&mut self, len: usize) {
        self.len = len.min(self.data.len());
    }

    /// Copies `datagram` in, cut to the capacity; returns whether it fitted.
    pub fn fill(&mut self, datagram: &[u8]) -> bool {
        let n = datagram.len().min(self.data.len());
        self.data[..n].copy_from_slice(&datagram[..n]);
        self.len = n;
        n == datagram.len()
    }
}

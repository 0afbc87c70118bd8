//! Packet buffers made once and passed from one thread to another and back.
//!
//! Two single-producer single-consumer rings, one of full and one of free buffers. Each has room
//! for every buffer, so a hand-over cannot fail, block or allocate on either side.

use ringbuf::HeapRb;
use ringbuf::traits::{Consumer, Observer, Producer, Split};

use crate::packet::PacketBuf;

type Tx = ringbuf::HeapProd<PacketBuf>;
type Rx = ringbuf::HeapCons<PacketBuf>;

/// Makes `count` buffers of `capacity` bytes and the two ends they travel between.
pub fn packet_pool(count: usize, capacity: usize) -> (PacketInput, PacketOutput) {
    let (full_tx, full_rx) = HeapRb::new(count).split();
    let (mut free_tx, free_rx) = HeapRb::new(count).split();
    for _ in 0..count {
        let _ = free_tx.try_push(PacketBuf::with_capacity(capacity));
    }
    (
        PacketInput {
            full: full_tx,
            free: free_rx,
            exhausted: 0,
        },
        PacketOutput {
            full: full_rx,
            free: free_tx,
        },
    )
}

/// The filling end of a pool: beside the socket.
pub struct PacketInput {
    full: Tx,
    free: Rx,
    exhausted: u64,
}

impl PacketInput {
    /// A free buffer, or `None` (counted) while the other side holds them all: the datagram at
    /// hand is then dropped, the oldest audio kept.
    pub fn acquire(&mut self) -> Option<PacketBuf> {
        let buf = self.free.try_pop();
        if buf.is_none() {
            self.exhausted += 1;
        }
        buf
    }

    /// Hands a filled buffer over. Gives it back only where it is not of this pool and the ring
    /// is full.
    pub fn submit(&mut self, packet: PacketBuf) -> Result<(), PacketBuf> {
        self.full.try_push(packet)
    }

    /// How often no buffer was free.
    pub fn exhausted(&self) -> u64 {
        self.exhausted
    }

    /// Whether the other end is gone.
    pub fn is_closed(&self) -> bool {
        !self.full.read_is_held()
    }
}

impl std::fmt::Debug for PacketInput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PacketInput")
            .field("free", &self.free.occupied_len())
            .field("exhausted", &self.exhausted)
            .finish_non_exhaustive()
    }
}

/// The draining end of a pool: in the playback callback or the writer.
pub struct PacketOutput {
    full: Rx,
    free: Tx,
}

impl PacketOutput {
    /// The next filled buffer, in the order of submission.
    pub fn recv(&mut self) -> Option<PacketBuf> {
        self.full.try_pop()
    }

    /// Sends a spent buffer home. Gives it back only where it is not of this pool and the ring
    /// is full.
    pub fn recycle(&mut self, packet: PacketBuf) -> Result<(), PacketBuf> {
        self.free.try_push(packet)
    }

    /// Whether the other end is gone; what it had submitted is still there to receive.
    pub fn is_closed(&self) -> bool {
        !self.full.write_is_held()
    }
}

impl std::fmt::Debug for PacketOutput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PacketOutput")
            .field("full", &self.full.occupied_len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_go_round_and_exhaustion_is_counted() {
        let (mut input, mut output) = packet_pool(2, 16);
        let (mut a, b) = (input.acquire().unwrap(), input.acquire().unwrap());
        assert!(input.acquire().is_none());
        assert_eq!(input.exhausted(), 1);
        assert!(a.fill(b"one"));
        input.submit(a).unwrap();
        input.submit(b).unwrap();
        let got = output.recv().unwrap();
        assert_eq!(got.bytes(), b"one");
        output.recycle(got).unwrap();
        assert!(input.acquire().is_some());
        drop(input);
        assert!(output.is_closed());
        assert!(output.recv().is_some());
    }
}

//! The container: packets in sequence order, each at most once.
//!
//! A ring indexed by sequence number: insert, take and the duplicate test are O(1) and never
//! touch the heap, since the packet's own buffer becomes the slot. The buffer knows order, not
//! time; what plays when is decided elsewhere.
//!
//! # Deliberate differences
//! - NetEQ keeps a sorted list with at most 200 packets whatever their length and flushes all of
//!   it on overflow; here the width is chosen by the owner, who also decides what to flush.
//! - GStreamer's `rtpjitterbuffer` sorts a list under a lock and arms timers per packet.

use crate::error::ConfigError;
use crate::packet::PacketBuf;
use crate::time::ExtSeq;

/// Packets of one stream, ordered by extended sequence number.
#[derive(Debug)]
pub struct JitterBuffer {
    slots: Box<[Option<PacketBuf>]>,
    /// One bit a slot: whether its number below the floor was taken, or passed over.
    taken: Box<[u64]>,
    /// Lowest number still acceptable: one past the last taken.
    floor: u64,
    /// Lowest and highest number held; without meaning while `len` is 0.
    lowest: u64,
    highest: u64,
    len: usize,
}

/// Why a packet was not taken in. An outcome to count, not an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Its place was given up: what was taken came after it.
    Late,
    /// The same number is held, or was taken.
    Duplicate,
    /// It lies farther from the packets held than the ring is wide.
    Overflow,
}

impl JitterBuffer {
    /// An empty buffer that spans `width` consecutive sequence numbers, rounded up to a power of
    /// two; 2 to 65 536.
    ///
    /// # Errors
    /// `width` is out of range.
    pub fn new(width: usize) -> Result<Self, ConfigError> {
        if !(2..=1 << 16).contains(&width) {
            return Err(ConfigError::new(
                "jitter buffer width",
                width,
                "2 to 65536 packets",
            ));
        }
        Ok(Self {
            slots: (0..width.next_power_of_two()).map(|_| None).collect(),
            taken: vec![0; width.next_power_of_two().div_ceil(64)].into_boxed_slice(),
            floor: 0,
            lowest: 0,
            highest: 0,
            len: 0,
        })
    }

    /// Takes `packet` in at the place of its `meta.seq`, or gives it back with the reason.
    #[inline]
    pub fn insert(&mut self, packet: PacketBuf) -> Result<(), (Refusal, PacketBuf)> {
        let seq = packet.meta.seq.0;
        let width = self.slots.len() as u64;
        if seq < self.floor {
            let known = self.knows(packet.meta.seq);
            let why = if known {
                Refusal::Duplicate
            } else {
                Refusal::Late
            };
            return Err((why, packet));
        }
        if self.len == 0 {
            (self.lowest, self.highest) = (seq, seq);
        } else if seq > self.highest {
            if seq - self.lowest >= width {
                return Err((Refusal::Overflow, packet));
            }
            self.highest = seq;
        } else if seq < self.lowest {
            if self.highest - seq >= width {
                return Err((Refusal::Overflow, packet));
            }
            self.lowest = seq;
        } else if self.slots[self.index(seq)].is_some() {
            return Err((Refusal::Duplicate, packet));
        }
        let index = self.index(seq);
        self.slots[index] = Some(packet);
        self.len += 1;
        Ok(())
    }

    /// The packet with the lowest number.
    #[inline]
    pub fn head(&self) -> Option<&PacketBuf> {
        if self.len == 0 {
            return None;
        }
        self.slots[self.index(self.lowest)].as_ref()
    }

    /// Takes the packet with the lowest number; everything up to it is from then on late.
    #[inline]
    pub fn pop(&mut self) -> Option<PacketBuf> {
        if self.len == 0 {
            return None;
        }
        let index = self.index(self.lowest);
        let packet = self.slots[index].take();
        let width = self.slots.len() as u64;
        for passed in self.floor.max(self.lowest.saturating_sub(width))..self.lowest {
            let index = self.index(passed);
            self.taken[index / 64] &= !(1 << (index % 64));
        }
        self.taken[index / 64] |= 1 << (index % 64);
        self.floor = self.lowest + 1;
        self.len -= 1;
        if self.len > 0 {
            // Ends at `highest`, which is held.
            while self.slots[self.index(self.lowest)].is_none() {
                self.lowest += 1;
            }
        }
        packet
    }

    /// Whether a packet of this number is held or was taken, as far back as the ring is wide.
    pub fn knows(&self, seq: ExtSeq) -> bool {
        let index = self.index(seq.0);
        if seq.0 >= self.floor {
            self.slots[index]
                .as_ref()
                .is_some_and(|p| p.meta.seq == seq)
        } else {
            self.floor - seq.0 <= self.slots.len() as u64
                && self.taken[index / 64] >> (index % 64) & 1 == 1
        }
    }

    /// Whether the packet before the lowest one held is the last one taken: nothing is missing.
    pub fn is_contiguous(&self) -> bool {
        self.len > 0 && self.lowest == self.floor
    }

    /// Lowest number still acceptable.
    pub fn floor(&self) -> ExtSeq {
        ExtSeq(self.floor)
    }

    /// Packets held.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Sequence numbers it spans at most.
    pub fn width(&self) -> usize {
        self.slots.len()
    }

    /// The highest number held.
    pub fn highest(&self) -> Option<ExtSeq> {
        (self.len > 0).then_some(ExtSeq(self.highest))
    }

    /// Accepts any number again; packets held stay. Follow a drain by [`pop`](Self::pop) to
    /// start afresh.
    pub fn clear_floor(&mut self) {
        self.floor = 0;
        self.taken.fill(0);
    }

    fn index(&self, seq: u64) -> usize {
        (seq & (self.slots.len() as u64 - 1)) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn packet(seq: u64) -> PacketBuf {
        let mut p = PacketBuf::with_capacity(1);
        p.meta.seq = ExtSeq(seq);
        p
    }

    #[test]
    fn packets_come_out_in_order_once() {
        let mut b = JitterBuffer::new(8).unwrap();
        for seq in [5, 3, 4, 3, 7] {
            let _ = b.insert(packet(seq));
        }
        let out: Vec<u64> = std::iter::from_fn(|| b.pop())
            .map(|p| p.meta.seq.0)
            .collect();
        assert_eq!(out, [3, 4, 5, 7]);
        assert_eq!(b.insert(packet(6)).unwrap_err().0, Refusal::Late);
    }

    #[test]
    fn a_ring_too_narrow_refuses_rather_than_overwrites() {
        let mut b = JitterBuffer::new(4).unwrap();
        b.insert(packet(10)).unwrap();
        assert_eq!(b.insert(packet(14)).unwrap_err().0, Refusal::Overflow);
        assert_eq!(b.insert(packet(6)).unwrap_err().0, Refusal::Overflow);
        b.insert(packet(13)).unwrap();
        assert_eq!(b.insert(packet(9)).unwrap_err().0, Refusal::Overflow);
        assert!(JitterBuffer::new(1).is_err());
    }

    /// The same rules, said slowly.
    #[derive(Default)]
    struct Model {
        held: BTreeMap<u64, ()>,
        taken: BTreeMap<u64, ()>,
        floor: u64,
    }

    impl Model {
        fn insert(&mut self, seq: u64, width: u64) -> Option<Refusal> {
            if seq < self.floor {
                let near = self.floor - seq <= width;
                return Some(match near && self.taken.contains_key(&seq) {
                    true => Refusal::Duplicate,
                    false => Refusal::Late,
                });
            }
            if self.held.contains_key(&seq) {
                return Some(Refusal::Duplicate);
            }
            let low = self.held.keys().next().copied().unwrap_or(seq).min(seq);
            let high = self.held.keys().last().copied().unwrap_or(seq).max(seq);
            if high - low >= width {
                return Some(Refusal::Overflow);
            }
            self.held.insert(seq, ());
            None
        }

        fn pop(&mut self) -> Option<u64> {
            let (seq, ()) = self.held.pop_first()?;
            self.floor = seq + 1;
            self.taken.insert(seq, ());
            Some(seq)
        }
    }

    proptest! {
        #[test]
        fn behaves_as_the_naive_model(ops in prop::collection::vec((0u64..80, any::<bool>()), 0..400), width in 2usize..40) {
            let mut ring = JitterBuffer::new(width).unwrap();
            let mut model = Model::default();
            for (seq, take) in ops {
                if take {
                    prop_assert_eq!(ring.pop().map(|p| p.meta.seq.0), model.pop());
                } else {
                    let got = ring.insert(packet(seq)).err().map(|(why, _)| why);
                    prop_assert_eq!(got, model.insert(seq, ring.width() as u64));
                }
                prop_assert_eq!(ring.len(), model.held.len());
                prop_assert_eq!(ring.head().map(|p| p.meta.seq.0), model.held.keys().next().copied());
            }
        }
    }
}

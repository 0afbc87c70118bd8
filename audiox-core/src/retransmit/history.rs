use std::collections::VecDeque;
use std::time::Duration;

use crate::error::ConfigError;
use crate::packet::rtx;
use crate::sender::RTP_HEADER;
use crate::time::{Instant, SeqNum};

/// What a sender sent last, and what of it is asked for again.
///
/// Fixed memory. One packet is sent again at most every 4 ms however often it is asked for, and no
/// more packets in all than were sent the first time, but for 64 at once.
#[derive(Debug)]
pub struct History {
    datagrams: Box<[u8]>,
    slots: Box<[Slot]>,
    longest: usize,
    wanted: VecDeque<SeqNum>,
    /// Packets that may still be sent again.
    budget: u32,
    payload_type: u8,
    ssrc: u32,
    seq: SeqNum,
    stats: HistoryStats,
}

/// What became of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HistoryStats {
    /// Packets asked for.
    pub requested: u64,
    /// Packets sent again.
    pub sent: u64,
    /// Their bytes, headers not counted.
    pub bytes: u64,
    /// Packets asked for that were sent too long ago, or never.
    pub unknown: u64,
    /// Packets asked for beyond what is sent again: repeated too soon, or too many.
    pub refused: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    seq: SeqNum,
    /// 0 where there is none.
    len: u16,
    again: Option<Instant>,
}

impl History {
    /// The most packets that are remembered.
    pub const MAX_PACKETS: usize = 1_024;

    /// A history of `packets` datagrams of up to `longest` bytes, which are sent again in the
    /// stream `ssrc`, from number `first` on, with `payload_type`.
    ///
    /// # Errors
    /// Packets outside 1 to [`MAX_PACKETS`](Self::MAX_PACKETS), a length above 65 535, or a
    /// payload type above 127.
    pub fn new(
        packets: usize,
        longest: usize,
        payload_type: u8,
        ssrc: u32,
        first: SeqNum,
    ) -> Result<Self, ConfigError> {
        if !(1..=Self::MAX_PACKETS).contains(&packets) {
            let allowed = format!("1 to {} packets are remembered", Self::MAX_PACKETS);
            return Err(ConfigError::new("history", packets, allowed));
        }
        if longest > usize::from(u16::MAX) {
            let allowed = "a datagram is at most 65535 bytes long";
            return Err(ConfigError::new("longest", longest, allowed));
        }
        if payload_type > 127 {
            let allowed = "RTP payload types are 0 to 127";
            return Err(ConfigError::new("rtx-pt", payload_type, allowed));
        }
        Ok(Self {
            datagrams: vec![0; packets * longest].into_boxed_slice(),
            slots: vec![Slot::default(); packets].into_boxed_slice(),
            longest,
            wanted: VecDeque::with_capacity(MAX_WANTED),
            budget: MAX_BUDGET,
            payload_type,
            ssrc,
            seq: first,
            stats: HistoryStats::default(),
        })
    }

    /// Remembers an RTP datagram that was sent with number `seq`, in place of the oldest. Longer
    /// ones than the longest are not.
    pub fn push(&mut self, seq: SeqNum, datagram: &[u8]) {
        self.budget = (self.budget + 1).min(MAX_BUDGET);
        let at = self.place(seq);
        let room = &mut self.datagrams[at * self.longest..][..self.longest];
        let len = match room.get_mut(..datagram.len()) {
            Some(room) => {
                room.copy_from_slice(datagram);
                datagram.len() as u16
            }
            None => 0,
        };
        self.slots[at] = Slot {
            seq,
            len,
            again: None,
        };
    }

    /// Somebody misses packet `seq`.
    pub fn request(&mut self, now: Instant, seq: SeqNum) {
        self.stats.requested += 1;
        let at = self.place(seq);
        let slot = &mut self.slots[at];
        if slot.len == 0 || slot.seq != seq {
            self.stats.unknown += 1;
            return;
        }
        let soon = slot.again.is_some_and(|at| now < at + REPEAT_AFTER);
        if soon || self.budget == 0 || self.wanted.len() == MAX_WANTED {
            self.stats.refused += 1;
            return;
        }
        slot.again = Some(now);
        self.budget -= 1;
        self.wanted.push_back(seq);
    }

    /// Writes the next packet to be sent again into `out` and returns its length; a datagram takes
    /// 2 bytes more than the one that it repeats.
    #[must_use]
    pub fn poll(&mut self, out: &mut [u8]) -> Option<usize> {
        while let Some(seq) = self.wanted.pop_front() {
            let at = self.place(seq);
            let slot = self.slots[at];
            if slot.seq != seq || slot.len == 0 {
                // Overwritten since.
                self.stats.unknown += 1;
                continue;
            }
            let datagram = &self.datagrams[at * self.longest..][..usize::from(slot.len)];
            let len = rtx::write(datagram, self.payload_type, self.seq, self.ssrc, out)?;
            self.seq = self.seq.wrapping_add(1);
            self.stats.sent += 1;
            self.stats.bytes += u64::from(slot.len).saturating_sub(RTP_HEADER as u64);
            return Some(len);
        }
        None
    }

    /// Whether [`poll`](Self::poll) has something.
    pub fn is_wanted(&self) -> bool {
        !self.wanted.is_empty()
    }

    /// Payload type of the packets that are sent again.
    pub fn payload_type(&self) -> u8 {
        self.payload_type
    }

    /// Counters so far.
    pub fn stats(&self) -> &HistoryStats {
        &self.stats
    }

    fn place(&self, seq: SeqNum) -> usize {
        usize::from(seq.0) % self.slots.len()
    }
}

const MAX_WANTED: usize = 256;
const MAX_BUDGET: u32 = 64;
/// Receivers that share a stream ask for the same packet at about the same time.
const REPEAT_AFTER: Duration = Duration::from_millis(4);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::rtp::{RtpHeader, RtpPacket};
    use crate::time::RtpTimestamp;

    fn datagram(seq: u16) -> Vec<u8> {
        let mut d = vec![0; 12];
        let header = RtpHeader::new(96, SeqNum(seq), RtpTimestamp(u32::from(seq) * 10), 7);
        header.unwrap().write_into(&mut d).unwrap();
        d.extend([seq as u8; 4]);
        d
    }

    fn at(ms: u64) -> Instant {
        Instant::EPOCH + Duration::from_millis(1_000 + ms)
    }

    fn history(packets: usize) -> History {
        History::new(packets, 16, 97, 77, SeqNum(u16::MAX)).unwrap()
    }

    #[test]
    fn what_is_asked_for_is_sent_again_in_a_stream_of_its_own() {
        let mut h = history(8);
        for seq in 65_530..=65_540u32 {
            h.push(SeqNum(seq as u16), &datagram(seq as u16));
        }
        h.request(at(0), SeqNum(65_535));
        h.request(at(0), SeqNum(2));
        // Too old, and not sent yet.
        h.request(at(0), SeqNum(65_530));
        h.request(at(0), SeqNum(5));
        let mut out = [0; 20];
        for (own, original) in [(u16::MAX, 65_535), (0, 2)] {
            let len = h.poll(&mut out).unwrap();
            let p = RtpPacket::parse(&out[..len]).unwrap();
            assert_eq!((p.ssrc(), p.payload_type(), p.seq().0), (77, 97, own));
            assert_eq!(rtx::original_seq(p.payload()), Ok(SeqNum(original)));
            assert_eq!(p.payload()[2..], [original as u8; 4]);
        }
        assert_eq!(h.poll(&mut out), None);
        let stats = *h.stats();
        assert_eq!((stats.requested, stats.sent, stats.unknown), (4, 2, 2));
        assert_eq!(stats.bytes, 8);
    }

    #[test]
    fn a_flood_of_requests_is_answered_within_bounds() {
        let mut h = history(200);
        for seq in 0..200 {
            h.push(SeqNum(seq), &datagram(seq));
        }
        let mut out = [0; 20];
        let mut sent = 0;
        for ms in 0..1_000 {
            for seq in 0..200 {
                h.request(at(ms), SeqNum(seq));
            }
            while h.poll(&mut out).is_some() {
                sent += 1;
            }
        }
        assert_eq!(sent, 64);
        h.push(SeqNum(200), &datagram(200));
        h.request(at(2_000), SeqNum(200));
        h.request(at(2_001), SeqNum(200));
        assert!(h.poll(&mut out).is_some() && h.poll(&mut out).is_none());
        assert_eq!(h.stats().refused, 200_000 - 64 + 1);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for (packets, longest, pt) in [(0, 10, 97), (1_025, 10, 97), (5, 70_000, 97), (5, 9, 128)] {
            assert!(History::new(packets, longest, pt, 1, SeqNum(0)).is_err());
        }
        let mut h = history(1);
        h.push(SeqNum(1), &[0x80; 17]);
        h.request(at(0), SeqNum(1));
        assert!(!h.is_wanted());
    }
}

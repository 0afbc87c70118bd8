//! Which of the newest packets arrived.

use crate::time::ExtSeq;

/// A bit for each of the last 2 048 packet numbers.
#[derive(Debug)]
pub(super) struct Arrivals {
    bits: [u64; WORDS],
    /// One past the newest number.
    end: u64,
    /// One past the newest number that was told of.
    told: u64,
}

impl Arrivals {
    pub(super) const fn new() -> Self {
        Self {
            bits: [0; WORDS],
            end: 0,
            told: 0,
        }
    }

    /// Packet `seq` arrived.
    pub(super) fn mark(&mut self, seq: ExtSeq) {
        let seq = seq.0;
        if self.end == 0 {
            (self.end, self.told) = (seq, seq);
        }
        if seq >= self.end {
            for missing in self.end.max((seq + 1).saturating_sub(SPAN))..=seq {
                self.set(missing, false);
            }
            self.end = seq + 1;
        }
        if self.end - seq <= SPAN {
            self.set(seq, true);
        }
    }

    /// The first number not told of yet, and whether it and each after it arrived. What is told
    /// counts as told from now on.
    pub(super) fn tell(&mut self) -> (ExtSeq, impl Iterator<Item = bool> + Clone + '_) {
        let begin = self.told.max(self.end.saturating_sub(SPAN));
        self.told = self.end;
        let bits = &self.bits;
        let arrived = (begin..self.end).map(|seq| bits[word(seq)] >> (seq % 64) & 1 == 1);
        (ExtSeq(begin), arrived)
    }

    /// Whether packet `seq` was marked, and not so long ago that it is forgotten.
    pub(super) fn contains(&self, seq: ExtSeq) -> bool {
        let seq = seq.0;
        let known = seq < self.end && self.end - seq <= SPAN;
        known && self.bits[word(seq)] >> (seq % 64) & 1 == 1
    }

    fn set(&mut self, seq: u64, arrived: bool) {
        let bit = 1 << (seq % 64);
        if arrived {
            self.bits[word(seq)] |= bit;
        } else {
            self.bits[word(seq)] &= !bit;
        }
    }
}

fn word(seq: u64) -> usize {
    (seq / 64) as usize % WORDS
}

const WORDS: usize = 32;
const SPAN: u64 = 64 * WORDS as u64;

#[cfg(test)]
mod tests {
    use super::*;

    fn told(a: &mut Arrivals) -> (u64, Vec<bool>) {
        let (begin, arrived) = a.tell();
        (begin.0, arrived.collect())
    }

    #[test]
    fn each_packet_is_told_of_once() {
        let mut a = Arrivals::new();
        assert_eq!(told(&mut a), (0, vec![]));
        for seq in [100, 101, 104, 103] {
            a.mark(ExtSeq(seq));
        }
        assert_eq!(told(&mut a), (100, vec![true, true, false, true, true]));
        // Too late to be told of.
        a.mark(ExtSeq(102));
        a.mark(ExtSeq(106));
        assert_eq!(told(&mut a), (105, vec![false, true]));
        assert_eq!(told(&mut a).1, []);
        a.mark(ExtSeq(107 + 5_000));
        let (begin, arrived) = told(&mut a);
        assert_eq!(
            (begin, arrived.len()),
            (107 + 5_000 + 1 - SPAN, SPAN as usize)
        );
        assert_eq!(arrived.iter().filter(|a| **a).count(), 1);
        assert!(arrived[SPAN as usize - 1]);
        let known = [5_107, 5_106, 5_108, 106].map(|seq| a.contains(ExtSeq(seq)));
        assert_eq!(known, [true, false, false, false]);
    }
}

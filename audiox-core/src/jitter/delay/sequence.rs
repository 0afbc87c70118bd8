//! Which packets came out of order, and which came twice.

use crate::time::ExtSeq;

/// The last thousand sequence numbers of a stream.
#[derive(Debug, Clone, Default)]
pub(super) struct Sequence {
    highest: Option<u64>,
    /// One bit a number, at its remainder.
    seen: [u64; WORDS],
    strays: u8,
}

/// A packet's place among those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Its number is the highest so far.
    Newest,
    /// One with a higher number came before it.
    Overtaken,
    /// It has been here already, or is so old that this cannot be told.
    Known,
}

impl Sequence {
    #[inline]
    pub(super) fn place(&mut self, ExtSeq(seq): ExtSeq) -> Place {
        let Some(highest) = self.highest else {
            return self.start(seq);
        };
        if seq > highest {
            self.forget(highest, seq);
            self.highest = Some(seq);
            self.mark(seq);
            return Place::Newest;
        }
        if highest - seq < WIDTH {
            return if self.mark(seq) {
                Place::Overtaken
            } else {
                Place::Known
            };
        }
        self.strays += 1;
        if self.strays < CONVINCED {
            return Place::Known;
        }
        // Numbers so far back, and nothing else: they have begun anew.
        *self = Self::default();
        self.start(seq)
    }

    fn start(&mut self, seq: u64) -> Place {
        self.highest = Some(seq);
        self.mark(seq);
        Place::Newest
    }

    /// Whether `seq` is seen for the first time.
    fn mark(&mut self, seq: u64) -> bool {
        let word = &mut self.seen[(seq / 64 % WORDS as u64) as usize];
        let bit = 1 << (seq % 64);
        let new = *word & bit == 0;
        *word |= bit;
        self.strays = 0;
        new
    }

    /// Frees the places of the numbers after `highest`, up to `seq`.
    fn forget(&mut self, highest: u64, seq: u64) {
        let step = seq - highest;
        if step == 1 {
            self.seen[(seq / 64 % WORDS as u64) as usize] &= !(1 << (seq % 64));
        } else if step >= WIDTH {
            self.seen = [0; WORDS];
        } else {
            for n in highest + 1..=seq {
                self.seen[(n / 64 % WORDS as u64) as usize] &= !(1 << (n % 64));
            }
        }
    }
}

const WORDS: usize = 16;
const WIDTH: u64 = 64 * WORDS as u64;
/// So many packets in a row must say that the stream has jumped before it is believed.
pub(super) const CONVINCED: u8 = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn places(numbers: &[u64]) -> Vec<Place> {
        let mut s = Sequence::default();
        numbers.iter().map(|&n| s.place(ExtSeq(n))).collect()
    }

    #[test]
    fn gaps_are_not_reordering_but_what_fills_them_is() {
        use Place::*;
        let got = places(&[7, 8, 11, 9, 9, 11, 12, 10, 7]);
        let want = [
            Newest, Newest, Newest, Overtaken, Known, Known, Newest, Overtaken, Known,
        ];
        assert_eq!(got, want);
    }

    #[test]
    fn numbers_that_begin_anew_are_believed_at_the_fourth() {
        use Place::*;
        let got = places(&[90_000, 1, 2, 3, 4, 5, 4]);
        assert_eq!(got, [Newest, Known, Known, Known, Newest, Newest, Known]);
        // A single stray between good ones is not.
        let got = places(&[90_000, 1, 90_001, 2, 90_002, 3, 90_003, 4, 90_004]);
        assert_eq!(got.iter().filter(|p| **p == Known).count(), 4);
    }

    #[test]
    fn the_ends_of_the_numbers_are_survived() {
        use Place::*;
        let got = places(&[0, u64::MAX, u64::MAX - 1, 0, u64::MAX]);
        assert_eq!(got, [Newest, Newest, Overtaken, Known, Known]);
    }

    proptest! {
        #[test]
        fn behaves_as_a_set_of_all_numbers(steps in prop::collection::vec(-900i64..950, 1..400)) {
            let mut s = Sequence::default();
            let (mut at, mut highest) = (1_000_000u64, 0u64);
            let mut seen = BTreeSet::new();
            for step in steps {
                at = at.saturating_add_signed(step).max(highest.saturating_sub(WIDTH - 1));
                let want = match (at > highest, seen.insert(at)) {
                    (true, _) => Place::Newest,
                    (false, true) => Place::Overtaken,
                    (false, false) => Place::Known,
                };
                highest = highest.max(at);
                prop_assert_eq!(s.place(ExtSeq(at)), want);
            }
        }
    }
}

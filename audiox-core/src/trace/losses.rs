//! Which packets never came, and in what runs.

use std::collections::BTreeMap;

/// Numbers missing so far. Memory is bounded by the packets that came, however far their numbers
/// leap.
#[derive(Debug, Default)]
pub(super) struct Losses {
    highest: Option<u64>,
    /// Runs of missing numbers that may still come: first, and one past the last.
    missing: BTreeMap<u64, u64>,
    /// Packets given up, in how many runs, and the longest.
    pub(super) lost: u64,
    pub(super) runs: u64,
    pub(super) longest: u64,
}

impl Losses {
    /// Takes note of a packet that came; whether it fills a gap.
    pub(super) fn came(&mut self, seq: u64) -> bool {
        match self.highest {
            Some(highest) if seq <= highest => return self.fill(seq),
            Some(highest) if seq > highest + 1 => {
                self.missing.insert(highest + 1, seq);
            }
            _ => {}
        }
        self.highest = Some(seq);
        while let Some(run) = self.missing.first_entry()
            && seq - *run.get() >= PATIENCE
        {
            let (first, end) = run.remove_entry();
            self.give_up(first, end);
        }
        false
    }

    /// Numbers begin anew, or nothing more comes: what is missing is lost.
    pub(super) fn end(&mut self) {
        while let Some((first, end)) = self.missing.pop_first() {
            self.give_up(first, end);
        }
        self.highest = None;
    }

    fn fill(&mut self, seq: u64) -> bool {
        let run = self.missing.range(..=seq).next_back();
        let Some((first, end)) = run.map(|(f, e)| (*f, *e)).filter(|(_, end)| seq < *end) else {
            return false;
        };
        self.missing.remove(&first);
        if first < seq {
            self.missing.insert(first, seq);
        }
        if seq + 1 < end {
            self.missing.insert(seq + 1, end);
        }
        true
    }

    fn give_up(&mut self, first: u64, end: u64) {
        let run = end - first;
        self.lost = self.lost.saturating_add(run);
        self.runs += 1;
        self.longest = self.longest.max(run);
    }
}

/// Numbers after which a missing packet is no longer waited for.
const PATIENCE: u64 = 4_096;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn runs_are_counted_and_what_comes_late_is_not_lost() {
        let mut l = Losses::default();
        let filled: Vec<bool> = [5, 6, 10, 8, 8, 6, 12, 20]
            .into_iter()
            .map(|seq| l.came(seq))
            .collect();
        let late = [false, false, false, true, false, false, false, false];
        assert_eq!(filled, late);
        l.end();
        // 7, 9, 11 and 13 to 19.
        assert_eq!((l.lost, l.runs, l.longest), (10, 4, 7));
    }

    #[test]
    fn leaps_are_counted_in_full_and_kept_in_little() {
        let mut l = Losses::default();
        for n in 0..10_000u64 {
            l.came(n * 5_000);
            assert!(l.missing.len() < 3);
        }
        l.came(u64::MAX);
        l.came(3);
        l.end();
        assert_eq!(l.lost, u64::MAX - 10_000);
        assert_eq!((l.runs, l.longest), (10_000, u64::MAX - 9_999 * 5_000 - 1));
    }

    proptest! {
        #[test]
        fn what_is_lost_is_what_is_left(steps in prop::collection::vec(-40i64..60, 1..300)) {
            let mut l = Losses::default();
            let (mut at, mut seen) = (100_000u64, BTreeSet::new());
            for step in steps {
                at = at.saturating_add_signed(step);
                let newest = seen.last().is_none_or(|highest| at > *highest);
                let first = seen.first().is_some_and(|first| at < *first);
                prop_assert_eq!(l.came(at), !newest && !first && !seen.contains(&at));
                if !first {
                    seen.insert(at);
                }
            }
            l.end();
            let (first, last) = (seen.first().copied(), seen.last().copied());
            let all = last.unwrap_or(0) - first.unwrap_or(0) + 1;
            prop_assert_eq!(l.lost, all - seen.len() as u64);
        }
    }
}

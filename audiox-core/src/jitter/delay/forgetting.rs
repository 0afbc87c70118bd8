//! A histogram of delays whose older entries weigh less.

/// Weights of delays in buckets of 1/64 to 1/32 (3 %) of the delay, from 65 µs to 34 s, that
/// shrink by the same share with every [`fade`](Self::fade).
#[derive(Debug, Clone)]
pub(super) struct Forgetting {
    weights: Box<[u64]>,
    sum: u64,
    /// The highest bucket that has weight.
    top: usize,
    /// Share forgotten with each fade, in 2⁻²⁴.
    rate: u64,
}

impl Forgetting {
    /// An empty histogram that keeps a share of 1/e of a weight after `fades` fades.
    pub(super) fn new(fades: u64) -> Self {
        Self {
            weights: vec![0; BUCKETS].into_boxed_slice(),
            sum: 0,
            top: 0,
            // 1 - exp(-1/n) is 1/(n + 1/2) but for the third order, and that the same everywhere.
            rate: (2 << RATE_BITS) / (2 * fades.clamp(1, 1 << 20) + 1),
        }
    }

    /// The sum of weights that adding one entry with every fade tends to.
    pub(super) fn steady_sum(&self) -> u64 {
        (ONE << RATE_BITS) / self.rate
    }

    /// Enters a delay in nanoseconds.
    #[inline]
    pub(super) fn add(&mut self, delay: i64) {
        let bucket = bucket_of(delay);
        let weight = &mut self.weights[bucket];
        if *weight < HEAVIEST {
            *weight += ONE;
            self.sum += ONE;
        }
        self.top = self.top.max(bucket);
    }

    /// Lets all weights shrink, the last traces to nothing.
    pub(super) fn fade(&mut self) {
        self.sum = 0;
        for w in &mut self.weights[..=self.top] {
            *w -= (*w * self.rate).div_ceil(1 << RATE_BITS);
            self.sum += *w;
        }
        while self.top > 0 && self.weights[self.top] == 0 {
            self.top -= 1;
        }
    }

    pub(super) fn clear(&mut self) {
        self.weights.fill(0);
        (self.sum, self.top) = (0, 0);
    }

    /// The lowest delay, in nanoseconds, above which entries of at most `weight` lie.
    pub(super) fn level(&self, weight: u64) -> i64 {
        if self.sum <= weight {
            return 0;
        }
        let mut above = 0;
        for bucket in (0..=self.top).rev() {
            above += self.weights[bucket];
            if above > weight {
                return end_of(bucket);
            }
        }
        0
    }

    /// The delay, in nanoseconds, that costs least if to lose all entries, or `least` where that
    /// is more, would cost `price` nanoseconds of delay. The lowest bucket is no delay.
    pub(super) fn cheapest(&self, price: i64, least: u64) -> i64 {
        let (mut best, mut best_cost, mut above) = (0, i128::MAX, 0);
        for bucket in (0..=self.top).rev() {
            let w = self.weights[bucket];
            if w == 0 && bucket > 0 {
                continue;
            }
            let delay = if bucket == 0 { 0 } else { end_of(bucket) };
            let lost = i128::from(price) * i128::from(above) / i128::from(self.sum.max(least));
            let cost = i128::from(delay) + lost;
            if cost <= best_cost {
                (best, best_cost) = (delay, cost);
            }
            above += w;
        }
        best
    }
}

const fn bucket_of(delay: i64) -> usize {
    if delay <= 0 {
        return 0;
    }
    let value = delay as u64 >> UNIT_BITS;
    if value < 2 * SUB {
        return value as usize;
    }
    let shift = value.ilog2() - SUB_BITS;
    let bucket = (shift as u64 * SUB + (value >> shift)) as usize;
    if bucket < BUCKETS {
        bucket
    } else {
        BUCKETS - 1
    }
}

/// The lowest delay above the bucket.
const fn end_of(bucket: usize) -> i64 {
    let next = bucket as u64 + 1;
    let value = if next < 2 * SUB {
        next
    } else {
        let shift = next / SUB - 1;
        (next - shift * SUB) << shift
    };
    (value << UNIT_BITS) as i64
}

/// The weight of an entry when it is made.
pub(super) const ONE: u64 = 1 << 20;
/// A bucket takes no more: 500 000 entries. Its product with a rate still fits.
const HEAVIEST: u64 = ONE << 19;
const RATE_BITS: u32 = 24;
/// 65.5 µs.
const UNIT_BITS: u32 = 16;
const SUB_BITS: u32 = 5;
const SUB: u64 = 1 << SUB_BITS;
const MAX_BITS: u32 = 19;
const BUCKETS: usize = ((MAX_BITS - SUB_BITS + 1) as u64 * SUB) as usize;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: i64 = 1_000_000;

    #[test]
    fn the_buckets_meet_without_gap_or_overlap() {
        for bucket in 0..BUCKETS - 1 {
            let end = end_of(bucket);
            assert_eq!(bucket_of(end - 1), bucket);
            assert_eq!(bucket_of(end), bucket + 1);
        }
        assert!(end_of(BUCKETS - 1) > 30_000 * MS);
        assert_eq!(bucket_of(i64::MAX), BUCKETS - 1);
        assert_eq!(bucket_of(i64::MIN), 0);
    }

    #[test]
    fn a_level_leaves_no_more_than_the_weight_above_it() {
        let mut h = Forgetting::new(100);
        for n in 1..=100 {
            h.add(n * MS);
        }
        let level = h.level(5 * ONE);
        assert!((95 * MS..102 * MS).contains(&level), "{level}");
        assert_eq!(h.level(100 * ONE), 0);
        assert!(h.level(0) > 100 * MS);
    }

    #[test]
    fn weights_shrink_to_one_in_e_to_the_steady_sum_and_to_nothing() {
        let mut h = Forgetting::new(50);
        h.add(MS);
        (0..50).for_each(|_| h.fade());
        assert!((h.sum as f64 / ONE as f64 - (-1.0f64).exp()).abs() < 1e-3);
        (0..2_000).for_each(|_| {
            h.fade();
            h.add(MS);
        });
        assert!((h.sum as f64 / h.steady_sum() as f64 - 1.0).abs() < 1e-3);
        (0..2_000).for_each(|_| h.fade());
        assert_eq!((h.sum, h.top, h.level(0)), (0, 0, 0));
        h.add(MS);
        h.clear();
        assert_eq!((h.sum, h.level(0)), (0, 0));
    }

    #[test]
    fn a_flood_does_not_overflow() {
        let mut h = Forgetting::new(1);
        (0..600_000).for_each(|_| h.add(0));
        h.fade();
        assert!(h.sum < HEAVIEST);
    }

    #[test]
    fn the_cheapest_delay_weighs_loss_against_waiting() {
        let mut h = Forgetting::new(100);
        (0..98).for_each(|_| h.add(0));
        h.add(25 * MS);
        // 1 in 100 late by 25 ms: worth it at 30 ms a hundredth, not at 20.
        assert_eq!(h.cheapest(20 * 100 * MS, 100 * ONE), 0);
        let covered = h.cheapest(30 * 100 * MS, 100 * ONE);
        assert!((25 * MS..27 * MS).contains(&covered), "{covered}");
        // A second one far off is left to be lost.
        h.add(90 * MS);
        assert_eq!(h.cheapest(30 * 100 * MS, 100 * ONE), covered);
        assert_eq!(Forgetting::new(9).cheapest(MS, ONE), 0);
    }

    proptest! {
        #[test]
        fn the_cheapest_delay_is_that_of_the_definition(
            delays in prop::collection::vec(0..200 * MS, 1..40),
            price in 0..10_000 * MS,
        ) {
            let mut h = Forgetting::new(100);
            delays.iter().for_each(|&d| h.add(d));
            let rounded = |d: i64| if bucket_of(d) == 0 { 0 } else { end_of(bucket_of(d)) };
            let cost = |level: i64| {
                let late = delays.iter().filter(|&&d| rounded(d) > level).count();
                i128::from(level) + i128::from(price) * late as i128 / delays.len() as i128
            };
            let got = h.cheapest(price, 0);
            let best = delays.iter().map(|&d| cost(rounded(d))).chain([cost(0)]).min();
            prop_assert_eq!(Some(cost(got)), best);
        }
    }
}

//! A histogram of durations over twelve decades in nine kilobytes.

/// Counts of `u64` values in buckets whose width grows with the value, so that every percentile
/// is known to within 1/32 (3.2 %) of itself.
///
/// Values below 64 are counted exactly, values of 2⁴⁰ (18 minutes in nanoseconds) and above
/// share the last bucket; minimum, maximum and sum are exact for all. Recording never allocates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Histogram {
    counts: Box<[u64]>,
    count: u64,
    sum: u128,
    min: u64,
    max: u64,
}

impl Histogram {
    /// An empty histogram.
    pub fn new() -> Self {
        Self {
            counts: vec![0; BUCKETS].into_boxed_slice(),
            count: 0,
            sum: 0,
            min: u64::MAX,
            max: 0,
        }
    }

    /// Counts one value.
    pub fn record(&mut self, value: u64) {
        if let Some(n) = self.counts.get_mut(bucket_of(value)) {
            *n += 1;
        }
        self.count += 1;
        self.sum += u128::from(value);
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }

    /// Adds all that `other` has counted.
    pub fn merge(&mut self, other: &Self) {
        for (to, from) in self.counts.iter_mut().zip(&other.counts) {
            *to += from;
        }
        self.count += other.count;
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.counts.fill(0);
        self.count = 0;
        self.sum = 0;
        self.min = u64::MAX;
        self.max = 0;
    }

    /// Values counted.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The smallest value; `None` where nothing was counted.
    pub fn min(&self) -> Option<u64> {
        (self.count > 0).then_some(self.min)
    }

    /// The largest value; `None` where nothing was counted.
    pub fn max(&self) -> Option<u64> {
        (self.count > 0).then_some(self.max)
    }

    /// The arithmetic mean; `None` where nothing was counted.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum as f64 / self.count as f64)
    }

    /// The smallest value that at least the share `q` (0 to 1) of all values do not exceed,
    /// rounded up to its bucket's end but never above the maximum; `None` where nothing was
    /// counted. `quantile(0.99)` is the 99th percentile.
    pub fn quantile(&self, q: f64) -> Option<u64> {
        if self.count == 0 {
            return None;
        }
        let rank = ((q.clamp(0.0, 1.0) * self.count as f64).ceil() as u64).clamp(1, self.count);
        let mut seen = 0;
        for (bucket, n) in self.counts.iter().enumerate() {
            seen += n;
            if seen >= rank {
                return Some(last_value_of(bucket).clamp(self.min, self.max));
            }
        }
        Some(self.max)
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

/// The first 2·SUB values have a bucket each; from there on each doubling has SUB buckets.
const fn bucket_of(value: u64) -> usize {
    if value < 2 * SUB {
        return value as usize;
    }
    let exponent = value.ilog2();
    if exponent >= MAX_BITS {
        return BUCKETS - 1;
    }
    let shift = exponent - SUB_BITS;
    (shift as u64 * SUB + (value >> shift)) as usize
}

const fn last_value_of(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < 2 * SUB {
        return bucket;
    }
    if bucket == BUCKETS as u64 - 1 {
        return u64::MAX;
    }
    let shift = bucket / SUB - 1;
    let top = bucket - shift * SUB;
    ((top + 1) << shift) - 1
}

const SUB_BITS: u32 = 5;
const SUB: u64 = 1 << SUB_BITS;
const MAX_BITS: u32 = 40;
/// One more than the last regular bucket, for all values beyond.
const BUCKETS: usize = ((MAX_BITS - SUB_BITS + 1) as u64 * SUB) as usize + 1;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn small_values_are_exact() {
        let mut h = Histogram::new();
        assert_eq!((h.quantile(0.5), h.min(), h.mean()), (None, None, None));
        for v in 1..=63 {
            h.record(v);
        }
        assert_eq!(h.quantile(0.0), Some(1));
        assert_eq!(h.quantile(0.5), Some(32));
        assert_eq!(h.quantile(1.0), Some(63));
        assert_eq!(h.mean(), Some(32.0));
    }

    #[test]
    fn the_buckets_meet_without_gap_or_overlap() {
        for bucket in 0..BUCKETS - 2 {
            let last = last_value_of(bucket);
            assert_eq!(bucket_of(last), bucket);
            assert_eq!(bucket_of(last + 1), bucket + 1);
        }
        assert_eq!(last_value_of(BUCKETS - 2), (1 << MAX_BITS) - 1);
        assert_eq!(bucket_of(1 << MAX_BITS), BUCKETS - 1);
    }

    #[test]
    fn beyond_the_range_the_maximum_still_holds() {
        let mut h = Histogram::new();
        h.record(u64::MAX);
        h.record(u64::MAX);
        assert_eq!(h.max(), Some(u64::MAX));
        assert_eq!(h.quantile(0.5), Some(u64::MAX));
        h.clear();
        assert_eq!(h, Histogram::new());
    }

    proptest! {
        #[test]
        fn quantiles_are_within_a_bucket_of_the_truth(
            mut values in prop::collection::vec(0u64..1 << 39, 1..300),
            q in 0.0f64..=1.0,
        ) {
            let mut h = Histogram::new();
            values.iter().for_each(|&v| h.record(v));
            values.sort_unstable();
            let rank = ((q * values.len() as f64).ceil() as usize).clamp(1, values.len());
            let truth = values[rank - 1];
            let got = h.quantile(q).unwrap();
            prop_assert!(got >= truth && got - truth <= truth / 32, "{got} for {truth}");
        }

        #[test]
        fn merging_equals_recording_everything_in_one(
            a in prop::collection::vec(any::<u64>(), 0..50),
            b in prop::collection::vec(any::<u64>(), 0..50),
        ) {
            let fill = |values: &[u64]| {
                let mut h = Histogram::new();
                values.iter().for_each(|&v| h.record(v));
                h
            };
            let mut merged = fill(&a);
            merged.merge(&fill(&b));
            prop_assert_eq!(merged, fill(&[a, b].concat()));
        }
    }
}

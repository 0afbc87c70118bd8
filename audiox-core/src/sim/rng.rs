//! Random numbers that are the same on every platform and for ever.
//!
//! PCG-XSH-RR 64/32 (M. E. O'Neill, "PCG: A Family of Simple Fast Space-Efficient Statistically
//! Good Algorithms for Random Number Generation", 2014), written here because a dependency may
//! change its stream between versions.

use super::math;
use super::probability::Probability;

/// A small generator with a 64-bit state. Not for secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pcg32 {
    state: u64,
    increment: u64,
}

impl Pcg32 {
    /// The reference generator `pcg32` with its `initstate` and `initseq`.
    pub const fn new(seed: u64, stream: u64) -> Self {
        let mut rng = Self {
            state: 0,
            increment: (stream << 1) | 1,
        };
        rng.state = rng.step().wrapping_add(seed);
        rng.state = rng.step();
        rng
    }

    /// A generator of its own for each `purpose` under one `seed`.
    ///
    /// The seed is scrambled with the purpose first: streams of one PCG that share a start are
    /// correlated.
    pub const fn derive(seed: u64, purpose: u64) -> Self {
        Self::new(scramble(seed ^ scramble(purpose)), purpose)
    }

    /// 32 random bits.
    pub const fn next_u32(&mut self) -> u32 {
        let old = self.state;
        self.state = self.step();
        let xor_shifted = (((old >> 18) ^ old) >> 27) as u32;
        xor_shifted.rotate_right((old >> 59) as u32)
    }

    /// 64 random bits.
    pub const fn next_u64(&mut self) -> u64 {
        let high = self.next_u32() as u64;
        (high << 32) | self.next_u32() as u64
    }

    /// A whole number in `0..bound`, each equally likely; 0 where `bound` is 0.
    pub const fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 {
            return 0;
        }
        // Values under this threshold would favour the small residues.
        let threshold = bound.wrapping_neg() % bound;
        loop {
            let x = self.next_u64();
            if x >= threshold {
                return x % bound;
            }
        }
    }

    /// A number in `[0, 1)`, a multiple of 2⁻⁵³.
    pub const fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Whether an event of this probability happens: one integer comparison.
    pub const fn chance(&mut self, probability: Probability) -> bool {
        self.next_u64() >> 1 < probability.threshold()
    }

    /// A normally distributed number of mean 0 and standard deviation 1.
    ///
    /// Marsaglia's polar method on a logarithm of our own, so that platforms agree to the bit.
    pub fn normal(&mut self) -> f64 {
        loop {
            let u = 2.0 * self.unit() - 1.0;
            let v = 2.0 * self.unit() - 1.0;
            let s = u * u + v * v;
            if s > 0.0 && s < 1.0 {
                return u * (-2.0 * math::ln(s) / s).sqrt();
            }
        }
    }

    const fn step(&self) -> u64 {
        self.state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(self.increment)
    }
}

/// A bijection of 64-bit words that spreads every bit (the finaliser of SplitMix64).
pub(super) const fn scramble(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_the_published_vectors_of_pcg32() {
        let mut rng = Pcg32::new(42, 54);
        let got: Vec<u32> = (0..6).map(|_| rng.next_u32()).collect();
        assert_eq!(
            got,
            [
                0xa15c_02b7,
                0x7b47_f409,
                0xba1d_3330,
                0x83d2_f293,
                0xbfa4_784b,
                0xcbed_606e
            ]
        );
    }

    #[test]
    fn bounded_numbers_are_even_and_within_bounds() {
        let mut rng = Pcg32::derive(1, 2);
        let mut counts = [0u32; 7];
        for _ in 0..70_000 {
            counts[rng.below(7) as usize] += 1;
        }
        assert!(
            counts.iter().all(|&c| (9_700..10_300).contains(&c)),
            "{counts:?}"
        );
        assert_eq!((rng.below(0), rng.below(1)), (0, 0));
        let u = (0..10_000).map(|_| rng.unit()).collect::<Vec<_>>();
        assert!(u.iter().all(|x| (0.0..1.0).contains(x)));
        assert!((u.iter().sum::<f64>() / 1e4 - 0.5).abs() < 0.01);
    }

    #[test]
    fn chance_follows_its_probability_at_both_ends() {
        let mut rng = Pcg32::derive(1, 3);
        assert!((0..1_000).all(|_| rng.chance(Probability::ALWAYS)));
        assert!((0..1_000).all(|_| !rng.chance(Probability::NEVER)));
        let p = Probability::new(0.05).unwrap();
        let hits = (0..100_000).filter(|_| rng.chance(p)).count();
        assert!((4_800..5_200).contains(&hits), "{hits}");
    }

    #[test]
    fn normal_numbers_have_the_moments_of_the_distribution() {
        let mut rng = Pcg32::derive(9, 1);
        let x: Vec<f64> = (0..200_000).map(|_| rng.normal()).collect();
        let mean = |f: &dyn Fn(f64) -> f64| x.iter().map(|&v| f(v)).sum::<f64>() / x.len() as f64;
        assert!(mean(&|v| v).abs() < 0.01);
        assert!((mean(&|v| v * v) - 1.0).abs() < 0.01);
        assert!(mean(&|v| v * v * v).abs() < 0.03);
        assert!((mean(&|v| v * v * v * v) - 3.0).abs() < 0.06);
        let beyond_two = x.iter().filter(|v| v.abs() > 2.0).count() as f64 / x.len() as f64;
        assert!((beyond_two - 0.0455).abs() < 0.002);
    }

    #[test]
    fn normal_numbers_are_pinned_to_the_bit() {
        let mut rng = Pcg32::derive(7, 7);
        let bits = (0..1_000).fold(0u64, |h, _| scramble(h ^ rng.normal().to_bits()));
        assert_eq!(bits, 0xa87cdab435f00bf6);
    }

    #[test]
    fn purposes_do_not_share_a_stream() {
        let (mut a, mut b) = (Pcg32::derive(5, 1), Pcg32::derive(5, 2));
        assert!((0..100).filter(|_| a.next_u32() == b.next_u32()).count() < 2);
    }
}

//! A short fingerprint of a whole run.

use std::fmt;

/// A 128-bit fingerprint of everything fed to it, in order.
///
/// Two runs with the same digest had the same events, packets and samples, to the bit. The
/// function is part of the public contract and does not change: tests may keep digests as golden
/// values. It guards against accidents, not against forgery.
///
/// Definition: two 64-bit lanes start at fixed values and take one word `w` at a time,
/// `a = fold((a ^ w) · K₁)`, `b = fold((rotl(b, 29) ^ w) · K₂)` with `fold(x) = x ^ (x >> 32)`;
/// the result is lane `a` (high) and `b` (low), each scrambled with the number of words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digest {
    a: u64,
    b: u64,
    words: u64,
}

impl Digest {
    /// The digest of nothing.
    pub const fn new() -> Self {
        Self {
            a: 0xcbf2_9ce4_8422_2325,
            b: 0x6c62_272e_07bb_0142,
            words: 0,
        }
    }

    /// Takes a number: an event's kind, a time, a count.
    pub const fn word(&mut self, w: u64) {
        let a = (self.a ^ w).wrapping_mul(K1);
        self.a = a ^ (a >> 32);
        let b = (self.b.rotate_left(29) ^ w).wrapping_mul(K2);
        self.b = b ^ (b >> 32);
        self.words = self.words.wrapping_add(1);
    }

    /// Takes bytes: their number, then little-endian words, the last padded with zeros.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.word(bytes.len() as u64);
        for chunk in bytes.chunks(8) {
            let mut w = [0; 8];
            w[..chunk.len()].copy_from_slice(chunk);
            self.word(u64::from_le_bytes(w));
        }
    }

    /// Takes samples by their bit patterns: the complement of their number, then two to a word, the
    /// first low.
    ///
    /// `0.0` and `-0.0` differ, and so do two NaNs of different bits.
    pub fn samples(&mut self, samples: &[f32]) {
        self.word(!(samples.len() as u64));
        let (pairs, rest) = samples.as_chunks::<2>();
        for [low, high] in pairs {
            self.word(u64::from(low.to_bits()) | u64::from(high.to_bits()) << 32);
        }
        if let [last] = rest {
            self.word(u64::from(last.to_bits()));
        }
    }

    /// The digest of all that was taken so far; more may follow.
    pub const fn value(&self) -> u128 {
        let a = super::rng::scramble(self.a ^ self.words);
        let b = super::rng::scramble(self.b.wrapping_add(a));
        (a as u128) << 64 | b as u128
    }
}

impl Default for Digest {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for Digest {
    /// 32 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.value())
    }
}

const K1: u64 = 0x9e37_79b9_7f4a_7c15;
const K2: u64 = 0xd6e8_feb8_6659_fd93;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_function_is_pinned() {
        assert_eq!(
            Digest::new().to_string(),
            "c3817c016ba4ff307d1514637a091207"
        );
        let mut d = Digest::new();
        d.word(1);
        d.bytes(b"a stretch of bytes");
        d.samples(&[0.0, -0.5, 1.0]);
        assert_eq!(d.to_string(), "285cec32b74b2138aadd509c51b3aa5b");
    }

    #[test]
    fn order_length_and_every_bit_count() {
        let of = |f: &dyn Fn(&mut Digest)| {
            let mut d = Digest::new();
            f(&mut d);
            d.value()
        };
        let all = [
            of(&|_| ()),
            of(&|d| d.word(0)),
            of(&|d| d.bytes(&[])),
            of(&|d| d.bytes(&[0])),
            of(&|d| d.bytes(&[0, 0])),
            of(&|d| d.bytes(&[1, 2])),
            of(&|d| d.bytes(&[2, 1])),
            of(&|d| d.samples(&[0.0])),
            of(&|d| d.samples(&[-0.0])),
            of(&|d| d.samples(&[0.0, 1.0])),
            of(&|d| d.samples(&[1.0, 0.0])),
        ];
        for i in 0..all.len() {
            // `word(0)` and the empty slice are one and the same stream of words.
            for j in (0..i).filter(|j| (*j, i) != (1, 2)) {
                assert_ne!(all[i], all[j], "{i} and {j}");
            }
        }
        let base = of(&|d| (0..64).for_each(|_| d.word(0)));
        for bit in 0..64 * 64 {
            let w = |n| if n == bit / 64 { 1u64 << (bit % 64) } else { 0 };
            let flipped = of(&|d| (0..64).for_each(|n| d.word(w(n))));
            assert!((10..118).contains(&(base ^ flipped).count_ones()));
        }
    }
}

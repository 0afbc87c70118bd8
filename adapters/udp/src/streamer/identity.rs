//! Random identifiers of RTP streams.

use std::hash::{BuildHasher, Hasher, RandomState};

/// Random numbers for SSRCs, sequence numbers, timestamps and names: unlike those of any other
/// sender, or the same ones again from the same seed.
#[derive(Debug)]
pub(crate) struct Identifiers(u64);

impl Identifiers {
    pub(crate) fn new(seed: Option<u64>) -> Self {
        // A new RandomState holds keys that the system drew at random for this process.
        Self(seed.unwrap_or_else(|| RandomState::new().build_hasher().finish()))
    }

    /// SplitMix64 (Steele, Lea, Flood 2014).
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A short-term persistent name of 96 random bits (RFC 7022 section 4.2).
    pub(crate) fn cname(&mut self) -> String {
        format!("{:016x}{:08x}", self.next(), self.next() as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_itself_and_no_seed_does_not() {
        let draw = |seed| {
            let mut ids = Identifiers::new(seed);
            (ids.next(), ids.cname())
        };
        assert_eq!(draw(Some(1)), draw(Some(1)));
        assert_ne!(draw(Some(1)), draw(Some(2)));
        assert_ne!(draw(None), draw(None));
        assert_eq!(draw(None).1.len(), 24);
    }
}

/// The CRC-32 of Ethernet, gzip and PNG (reflected polynomial 0xEDB88320), over any number of
/// pieces. It finds what was changed by accident, not by intent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crc32(u32);

impl Crc32 {
    /// The checksum of nothing so far.
    pub const fn new() -> Self {
        Self(u32::MAX)
    }

    /// The checksum of `bytes`.
    pub fn of(bytes: &[u8]) -> u32 {
        let mut crc = Self::new();
        crc.update(bytes);
        crc.value()
    }

    /// Takes the next `bytes` in.
    pub fn update(&mut self, bytes: &[u8]) {
        // Eight bytes a step, each through the table of its distance from the end of the step:
        // several times faster than one by one.
        let mut crc = self.0;
        let mut steps = bytes.chunks_exact(8);
        for s in &mut steps {
            let low = crc ^ u32::from_le_bytes([s[0], s[1], s[2], s[3]]);
            crc = TABLES[7][(low & 0xff) as usize]
                ^ TABLES[6][(low >> 8 & 0xff) as usize]
                ^ TABLES[5][(low >> 16 & 0xff) as usize]
                ^ TABLES[4][(low >> 24) as usize]
                ^ TABLES[3][usize::from(s[4])]
                ^ TABLES[2][usize::from(s[5])]
                ^ TABLES[1][usize::from(s[6])]
                ^ TABLES[0][usize::from(s[7])];
        }
        for b in steps.remainder() {
            crc = TABLES[0][((crc ^ u32::from(*b)) & 0xff) as usize] ^ (crc >> 8);
        }
        self.0 = crc;
    }

    /// The checksum of what was taken in.
    pub const fn value(self) -> u32 {
        !self.0
    }
}

impl Default for Crc32 {
    fn default() -> Self {
        Self::new()
    }
}

static TABLES: [[u32; 256]; 8] = tables();

const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut i = 0;
    while i < 256 {
        let mut crc = i as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = (crc >> 1) ^ (0xEDB8_8320 * (crc & 1));
            bit += 1;
        }
        tables[0][i] = crc;
        i += 1;
    }
    let mut t = 1;
    while t < 8 {
        let mut i = 0;
        while i < 256 {
            let before = tables[t - 1][i];
            tables[t][i] = tables[0][(before & 0xff) as usize] ^ (before >> 8);
            i += 1;
        }
        t += 1;
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_check_value_is_that_of_the_standard() {
        assert_eq!(Crc32::of(b"123456789"), 0xcbf4_3926);
        assert_eq!(Crc32::of(b""), 0);
        assert_eq!(
            Crc32::of(b"The quick brown fox jumps over the lazy dog"),
            0x414f_a339
        );
    }

    proptest! {
        #[test]
        fn pieces_make_the_whole(data in prop::collection::vec(any::<u8>(), 0..200), cut in 0usize..200) {
            let mut crc = Crc32::new();
            let (a, b) = data.split_at(cut.min(data.len()));
            crc.update(a);
            crc.update(b);
            prop_assert_eq!(crc.value(), Crc32::of(&data));
        }
    }
}

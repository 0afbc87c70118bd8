//! The field of 256 elements, modulo x⁸ + x⁴ + x³ + x² + 1 (0x11d), as in RFC 5510 section 8.1.
//!
//! Addition is XOR. Long stretches are multiplied by doubling, which needs no table and fills
//! vectors of any width; single elements by logarithms.

/// The product of two elements.
pub const fn mul(a: u8, b: u8) -> u8 {
    if a == 0 || b == 0 {
        return 0;
    }
    EXP[LOG[a as usize] as usize + LOG[b as usize] as usize]
}

/// What `a` has to be multiplied with to give 1; 0 for 0, which has none.
pub const fn inv(a: u8) -> u8 {
    if a == 0 {
        return 0;
    }
    EXP[255 - LOG[a as usize] as usize]
}

/// The generator 2 raised to `n`.
pub const fn exp(n: usize) -> u8 {
    EXP[n % 255]
}

/// Adds `c` times `src` to `dst`, as far as both go.
pub fn mul_add(dst: &mut [u8], src: &[u8], c: u8) {
    match c {
        0 => {}
        1 => dst.iter_mut().zip(src).for_each(|(d, s)| *d ^= s),
        _ => {
            let n = dst.len().min(src.len());
            let (dst, dst_rest) = dst[..n].as_chunks_mut::<LANES>();
            let (src, src_rest) = src[..n].as_chunks::<LANES>();
            for (d, s) in dst.iter_mut().zip(src) {
                mul_add_chunk(d, *s, c);
            }
            let mut last = [0; LANES];
            last[..src_rest.len()].copy_from_slice(src_rest);
            let mut sum = [0; LANES];
            mul_add_chunk(&mut sum, last, c);
            dst_rest.iter_mut().zip(sum).for_each(|(d, s)| *d ^= s);
        }
    }
}

/// Multiplies all of `data` by `c`.
pub fn scale(data: &mut [u8], c: u8) {
    if c == 1 {
        return;
    }
    let (chunks, rest) = data.as_chunks_mut::<LANES>();
    for chunk in chunks {
        let s = std::mem::replace(chunk, [0; LANES]);
        mul_add_chunk(chunk, s, c);
    }
    rest.iter_mut().for_each(|d| *d = mul(*d, c));
}

#[inline]
fn mul_add_chunk(dst: &mut [u8; LANES], mut s: [u8; LANES], c: u8) {
    for bit in 0..8 {
        // All ones or none, so that the loop has no branch.
        let mask = 0u8.wrapping_sub((c >> bit) & 1);
        for (d, s) in dst.iter_mut().zip(&mut s) {
            *d ^= *s & mask;
            let carry = ((*s as i8) >> 7) as u8 & REDUCED;
            *s = (*s << 1) ^ carry;
        }
    }
}

/// Bytes handled at once.
const LANES: usize = 32;
/// x⁸ modulo the polynomial.
const REDUCED: u8 = 0x1d;

/// Powers of 2, twice over, so that the sum of two logarithms needs no reduction.
static EXP: [u8; 510] = {
    let mut table = [0; 510];
    let mut x = 1u8;
    let mut i = 0;
    while i < 255 {
        table[i] = x;
        table[i + 255] = x;
        x = (x << 1) ^ if x & 0x80 != 0 { REDUCED } else { 0 };
        i += 1;
    }
    table
};

static LOG: [u8; 256] = {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 255 {
        table[EXP[i] as usize] = i as u8;
        i += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    /// By the definition: polynomials over bits, reduced.
    fn product(a: u8, b: u8) -> u8 {
        let mut sum = 0u32;
        for bit in 0..8 {
            if b >> bit & 1 == 1 {
                sum ^= u32::from(a) << bit;
            }
        }
        for bit in (8..16).rev() {
            if sum >> bit & 1 == 1 {
                sum ^= 0x11d << (bit - 8);
            }
        }
        sum as u8
    }

    #[test]
    fn products_and_inverses_are_those_of_the_polynomial() {
        for a in 0..=255 {
            for b in 0..=255 {
                assert_eq!(mul(a, b), product(a, b));
            }
            assert_eq!(product(a, inv(a)), u8::from(a != 0));
        }
        assert_eq!([exp(0), exp(1), exp(8), exp(255)], [1, 2, 0x1d, 1]);
    }

    #[test]
    fn long_stretches_are_multiplied_like_single_elements() {
        let src: Vec<u8> = (0..=255)
            .chain(0..77)
            .map(|n: u8| n.wrapping_mul(31))
            .collect();
        for c in 0..=255 {
            for len in [0, 1, 31, 32, 33, 200, 333] {
                let mut dst: Vec<u8> = (0..len).map(|n| n as u8 ^ 0x5a).collect();
                let expected: Vec<u8> = dst
                    .iter()
                    .zip(&src)
                    .map(|(d, s)| d ^ product(*s, c))
                    .collect();
                mul_add(&mut dst, &src, c);
                assert_eq!(dst, expected);
                let mut scaled = src[..len].to_vec();
                scale(&mut scaled, c);
                let expected: Vec<u8> = src[..len].iter().map(|s| product(*s, c)).collect();
                assert_eq!(scaled, expected);
            }
        }
    }
}

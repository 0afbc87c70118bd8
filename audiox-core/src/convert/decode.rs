use super::bounded;
use crate::format::{Endian, PcmFormat, SampleFormat};

/// Turns PCM bytes into samples and returns how many samples were written: what `bytes` holds
/// whole, or what fits `out`.
pub fn decode(format: PcmFormat, bytes: &[u8], out: &mut [f32]) -> usize {
    use {Endian::*, SampleFormat::*};
    match (format.sample, format.endian) {
        (U8, _) => each(bytes, out, |[b]: [u8; 1]| {
            (i32::from(b) - 128) as f32 * (1.0 / 128.0)
        }),
        (S16, Little) => each(bytes, out, |b| from_s16(i16::from_le_bytes(b))),
        (S16, Big) => each(bytes, out, |b| from_s16(i16::from_be_bytes(b))),
        (S24, Little) => each_s24(bytes, out, le24, le24x4),
        (S24, Big) => each_s24(bytes, out, be24, be24x4),
        (S32, Little) => each(bytes, out, |b| from_s32(i32::from_le_bytes(b))),
        (S32, Big) => each(bytes, out, |b| from_s32(i32::from_be_bytes(b))),
        (F32, Little) => each(bytes, out, |b| bounded(f32::from_le_bytes(b))),
        (F32, Big) => each(bytes, out, |b| bounded(f32::from_be_bytes(b))),
    }
}

#[inline(always)]
fn each<const N: usize>(bytes: &[u8], out: &mut [f32], sample: impl Fn([u8; N]) -> f32) -> usize {
    let (coded, _) = bytes.as_chunks::<N>();
    for (o, &b) in out.iter_mut().zip(coded) {
        *o = sample(b);
    }
    coded.len().min(out.len())
}

/// Three-byte samples do not map onto vector lanes, so four at a time are cut out of three words.
#[inline(always)]
fn each_s24(
    bytes: &[u8],
    out: &mut [f32],
    one: impl Fn([u8; 3]) -> i32,
    four: impl Fn([[u8; 4]; 3]) -> [i32; 4],
) -> usize {
    let n = (bytes.len() / 3).min(out.len());
    let (coded, coded_rest) = bytes[..n * 3].as_chunks::<12>();
    let (quads, out_rest) = out[..n].as_chunks_mut::<4>();
    for (o, b) in quads.iter_mut().zip(coded) {
        let (words, _) = b.as_chunks::<4>();
        *o = four([words[0], words[1], words[2]]).map(from_s32);
    }
    for (o, &b) in out_rest.iter_mut().zip(coded_rest.as_chunks::<3>().0) {
        *o = from_s32(one(b));
    }
    n
}

// A 24-bit sample is read into the upper three bytes of a word: the sign is in place, and the
// scale is that of 32 bit.

#[inline(always)]
fn le24([a, b, c]: [u8; 3]) -> i32 {
    i32::from_le_bytes([0, a, b, c])
}

#[inline(always)]
fn be24([a, b, c]: [u8; 3]) -> i32 {
    i32::from_be_bytes([a, b, c, 0])
}

#[inline(always)]
fn le24x4(words: [[u8; 4]; 3]) -> [i32; 4] {
    let [a, b, c] = words.map(u32::from_le_bytes);
    [
        a << 8,
        (a >> 16 | b << 16) & UPPER,
        (b >> 8 | c << 24) & UPPER,
        c & UPPER,
    ]
    .map(|w| w as i32)
}

#[inline(always)]
fn be24x4(words: [[u8; 4]; 3]) -> [i32; 4] {
    let [a, b, c] = words.map(u32::from_be_bytes);
    [
        a & UPPER,
        (a << 24 | b >> 8) & UPPER,
        (b << 16 | c >> 16) & UPPER,
        c << 8,
    ]
    .map(|w| w as i32)
}

#[inline(always)]
fn from_s16(x: i16) -> f32 {
    f32::from(x) * (1.0 / 32_768.0)
}

#[inline(always)]
fn from_s32(x: i32) -> f32 {
    x as f32 * (1.0 / 2_147_483_648.0)
}

const UPPER: u32 = 0xffff_ff00;

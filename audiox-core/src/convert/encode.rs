use super::{bounded, silence_nan};
use crate::format::{Endian, PcmFormat, SampleFormat};

/// Turns samples into PCM bytes and returns how many bytes were written: all of `samples`, or
/// the whole samples that fit `out`.
pub fn encode(format: PcmFormat, samples: &[f32], out: &mut [u8]) -> usize {
    use {Endian::*, SampleFormat::*};
    match (format.sample, format.endian) {
        (U8, _) => each(samples, out, |x| [to_u8(x)]),
        (S16, Little) => each(samples, out, |x| to_s16(x).to_le_bytes()),
        (S16, Big) => each(samples, out, |x| to_s16(x).to_be_bytes()),
        (S24, Little) => each_s24(samples, out, le24, le24x4),
        (S24, Big) => each_s24(samples, out, be24, be24x4),
        (S32, Little) => each(samples, out, |x| to_s32(x).to_le_bytes()),
        (S32, Big) => each(samples, out, |x| to_s32(x).to_be_bytes()),
        (F32, Little) => each(samples, out, |x| bounded(x).to_le_bytes()),
        (F32, Big) => each(samples, out, |x| bounded(x).to_be_bytes()),
    }
}

#[inline(always)]
fn each<const N: usize>(samples: &[f32], out: &mut [u8], code: impl Fn(f32) -> [u8; N]) -> usize {
    let (coded, _) = out.as_chunks_mut::<N>();
    for (o, &x) in coded.iter_mut().zip(samples) {
        *o = code(x);
    }
    coded.len().min(samples.len()) * N
}

/// Three-byte samples do not map onto vector lanes, so four at a time are packed into three words.
#[inline(always)]
fn each_s24(
    samples: &[f32],
    out: &mut [u8],
    one: impl Fn(u32) -> [u8; 3],
    four: impl Fn([u32; 4]) -> [[u8; 4]; 3],
) -> usize {
    let n = (out.len() / 3).min(samples.len());
    let (quads, rest) = samples[..n].as_chunks::<4>();
    let (coded, coded_rest) = out[..n * 3].as_chunks_mut::<12>();
    for (o, &x) in coded.iter_mut().zip(quads) {
        o.copy_from_slice(four(x.map(to_s24)).as_flattened());
    }
    let (coded_rest, _) = coded_rest.as_chunks_mut::<3>();
    for (o, &x) in coded_rest.iter_mut().zip(rest) {
        *o = one(to_s24(x));
    }
    n * 3
}

#[inline(always)]
fn le24(x: u32) -> [u8; 3] {
    let [a, b, c, _] = x.to_le_bytes();
    [a, b, c]
}

#[inline(always)]
fn be24(x: u32) -> [u8; 3] {
    let [_, a, b, c] = x.to_be_bytes();
    [a, b, c]
}

#[inline(always)]
fn le24x4([a, b, c, d]: [u32; 4]) -> [[u8; 4]; 3] {
    [
        (a & LOWER | b << 24).to_le_bytes(),
        (b >> 8 & 0xffff | c << 16).to_le_bytes(),
        (c >> 16 & 0xff | d << 8).to_le_bytes(),
    ]
}

#[inline(always)]
fn be24x4([a, b, c, d]: [u32; 4]) -> [[u8; 4]; 3] {
    [
        (a << 8 | b >> 16 & 0xff).to_be_bytes(),
        (b << 16 | c >> 8 & 0xffff).to_be_bytes(),
        (c << 24 | d & LOWER).to_be_bytes(),
    ]
}

// `f32::round` and `round_ties_even` are library calls on the baseline x86-64 target and keep a
// loop scalar. Adding a constant so large that the sum's last bit is worth one makes the ordinary
// addition do the rounding, and leaves the integer in the sum's low bits.

/// With 1.5·2²³ the sum stays within one binade for |v| ≤ 2²², which 8 and 16 bit need.
#[inline(always)]
fn to_u8(x: f32) -> u8 {
    let v = (silence_nan(x) * 128.0).clamp(-128.0, 127.0);
    (v + MAGIC).to_bits() as u8 ^ 0x80
}

#[inline(always)]
pub(crate) fn to_s16(x: f32) -> i16 {
    let v = (silence_nan(x) * 32_768.0).clamp(-32_768.0, 32_767.0);
    (v + MAGIC).to_bits() as i16
}

/// The low 24 bits of the result are the sample.
///
/// 24 bit would leave the binade of 1.5·2²³, so the magnitude is rounded alone: |v| + 2²³ lies in
/// [2²³, 2²⁴], and the sign is put back by a two's complement.
#[inline(always)]
fn to_s24(x: f32) -> u32 {
    let v = (silence_nan(x) * TWO_23).clamp(-TWO_23, TWO_23 - 1.0);
    let magnitude = (v.abs() + TWO_23).to_bits().wrapping_sub(TWO_23.to_bits());
    let sign = (v.to_bits() as i32 >> 31) as u32;
    (magnitude ^ sign).wrapping_sub(sign)
}

/// In `f64` the sum with 1.5·2⁵² holds 32 bit with room to spare.
#[inline(always)]
fn to_s32(x: f32) -> i32 {
    let v = f64::from(silence_nan(x)) * 2_147_483_648.0;
    (v.clamp(-2_147_483_648.0, 2_147_483_647.0) + MAGIC_64).to_bits() as i32
}

const MAGIC: f32 = 12_582_912.0;
const MAGIC_64: f64 = 6_755_399_441_055_744.0;
const TWO_23: f32 = 8_388_608.0;
const LOWER: u32 = 0x00ff_ffff;

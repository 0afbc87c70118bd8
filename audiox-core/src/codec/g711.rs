//! G.711: 16-bit samples in 8 bits, by two laws of companding (ITU-T G.711, RFC 3551 section
//! 4.5.14).
//!
//! Encoding is branch-free and vectorises: both laws are a sign, a three-bit exponent and a
//! four-bit mantissa, which is what the top bits of the magnitude as a float are.
//!
//! # Deliberate differences from ffmpeg
//! Where a sample lies on one of the Recommendation's decision values or up to 3/32768 from it,
//! ffmpeg chooses the neighbouring code; we follow the Recommendation. Decoding is the same.

use crate::convert::to_s16;

/// Encodes as µ-law and returns how many samples that was: all, or as many as fit `out`.
pub fn encode_mulaw(samples: &[f32], out: &mut [u8]) -> usize {
    for (o, &x) in out.iter_mut().zip(samples) {
        *o = mulaw_from_s16(to_s16(x));
    }
    out.len().min(samples.len())
}

/// Decodes µ-law and returns how many samples that was: all, or as many as fit `out`.
pub fn decode_mulaw(codes: &[u8], out: &mut [f32]) -> usize {
    expand(&MULAW, codes, out)
}

/// Encodes as A-law and returns how many samples that was: all, or as many as fit `out`.
pub fn encode_alaw(samples: &[f32], out: &mut [u8]) -> usize {
    for (o, &x) in out.iter_mut().zip(samples) {
        *o = alaw_from_s16(to_s16(x));
    }
    out.len().min(samples.len())
}

/// Decodes A-law and returns how many samples that was: all, or as many as fit `out`.
pub fn decode_alaw(codes: &[u8], out: &mut [f32]) -> usize {
    expand(&ALAW, codes, out)
}

/// The µ-law code of a sample.
#[inline(always)]
pub const fn mulaw_from_s16(x: i16) -> u8 {
    let sign = (x >> 15) as u8 & 0x80;
    let biased = magnitude(x) + MULAW_BIAS;
    let capped = if biased < 0x7fff { biased } else { 0x7fff };
    // The bias makes 2⁷ the smallest exponent.
    let code = float_top(capped) - ((127 + 7) << 4);
    !(code as u8 | sign)
}

/// The sample that a µ-law code stands for; both zeros are 0.
pub const fn mulaw_to_s16(code: u8) -> i16 {
    let bits = !code;
    let mantissa = (bits & 15) as i16;
    let m = (((mantissa << 3) + MULAW_BIAS as i16) << (bits >> 4 & 7)) - MULAW_BIAS as i16;
    if bits & 0x80 == 0 { m } else { -m }
}

/// The A-law code of a sample.
#[inline(always)]
pub const fn alaw_from_s16(x: i16) -> u8 {
    let sign = !(x >> 15) as u8 & 0x80;
    let m = magnitude(x) >> 4;
    // The lowest two segments share a step; in the lower one the magnitude is the code.
    let code = if m < 16 {
        m
    } else {
        float_top(m) - ((127 + 3) << 4)
    };
    (code as u8 | sign) ^ 0x55
}

/// The sample that an A-law code stands for.
pub const fn alaw_to_s16(code: u8) -> i16 {
    let bits = code ^ 0x55;
    let mantissa = (bits & 15) as i16;
    let step = (mantissa << 4) + 8;
    let m = match bits >> 4 & 7 {
        0 => step,
        segment => (step + 0x100) << (segment - 1),
    };
    if bits & 0x80 == 0 { -m } else { m }
}

fn expand(table: &[f32; 256], codes: &[u8], out: &mut [f32]) -> usize {
    for (o, &code) in out.iter_mut().zip(codes) {
        *o = table[usize::from(code)];
    }
    out.len().min(codes.len())
}

/// The ones' complement of negatives, so that both halves of the axis have as many steps.
#[inline(always)]
const fn magnitude(x: i16) -> i32 {
    (x ^ (x >> 15)) as i32
}

/// Exponent (biased by 127) and upper four mantissa bits of `m` as a float.
#[inline(always)]
const fn float_top(m: i32) -> i32 {
    ((m as f32).to_bits() >> 19) as i32
}

enum Law {
    Mu,
    A,
}

const fn table(law: Law) -> [f32; 256] {
    let mut table = [0.0; 256];
    let mut code = 0;
    while code < 256 {
        let sample = match law {
            Law::Mu => mulaw_to_s16(code as u8),
            Law::A => alaw_to_s16(code as u8),
        };
        table[code] = sample as f32 / 32_768.0;
        code += 1;
    }
    table
}

const MULAW_BIAS: i32 = 132;
static MULAW: [f32; 256] = table(Law::Mu);
static ALAW: [f32; 256] = table(Law::A);

#[cfg(test)]
mod tests;

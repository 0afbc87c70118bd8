//! Conversions at the edges: PCM bytes to and from `f32`, channel layout, gain, levels.
//!
//! Slice kernels in safe Rust, written so that the compiler vectorises them. None allocates,
//! none panics for any input or length: each works on what both slices hold and says how much
//! that was.
//!
//! # Scale
//! Integers are scaled by powers of two (16 bit by 2⁻¹⁵, 24 bit by 2⁻²³, 32 bit by 2⁻³¹), so 8-,
//! 16- and 24-bit samples go through `f32` and back bit-exactly. The price is that +1.0 has no
//! code of its own and becomes the largest one. 32-bit integers keep their upper 24 bits.
//!
//! # Out of range
//! Towards integers, values beyond full scale and infinities saturate, NaN becomes silence, and
//! everything else is rounded to the nearest code, ties to even. No dither is added.
//! Floats keep their headroom and their exact bits up to ±[`FLOAT_LIMIT`]; beyond it they
//! saturate, and NaN becomes silence, so that no filter can be poisoned from the wire.

mod decode;
mod encode;
mod finite;
mod gain;
mod layout;
mod levels;
mod map;

pub use decode::decode;
pub use encode::encode;
pub(crate) use encode::to_s16;
pub(crate) use finite::make_finite;
pub use gain::{Gain, GainRamp, apply_gain};
pub use layout::{copy_channel, deinterleave, interleave, write_channel};
pub use levels::{Level, LevelMeter, levels};
pub use map::{ChannelMap, Route};

/// Magnitude at which float samples saturate: 2¹⁶, 96 dB above full scale.
pub const FLOAT_LIMIT: f32 = 65_536.0;

/// `x` within ±[`FLOAT_LIMIT`], NaN as silence.
#[inline(always)]
fn bounded(x: f32) -> f32 {
    silence_nan(x).clamp(-FLOAT_LIMIT, FLOAT_LIMIT)
}

#[inline(always)]
fn silence_nan(x: f32) -> f32 {
    if x.is_nan() { 0.0 } else { x }
}

#[cfg(test)]
mod tests;

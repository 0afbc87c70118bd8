//! Sources around sources: loops, gain, a start offset, a length limit, another rate.
//!
//! Each is a source like any other, so they combine in any order; and each passes stored bytes
//! through untouched where what it does leaves them as they are. The source they are given should
//! stand at its start.

mod amplified;
mod looped;
mod range;
mod resampled;

pub use amplified::Amplified;
pub use looped::{Looped, Repeat};
pub use range::{Skip, Take};
pub use resampled::Resampled;

#[cfg(test)]
mod tests;

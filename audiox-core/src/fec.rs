//! Forward error correction: repair packets sent beside the source packets, from which lost ones
//! are calculated. Words are those of RFC 6363.
//!
//! - [`window`]: a sliding window, random linear code. A repair packet covers the packets sent
//!   last, so nothing waits for the end of a block, and the window is as long as the delay that
//!   the receiver has anyway.
//! - [`gf256`]: the arithmetic below it.

pub mod gf256;
pub mod symbol;
pub mod window;

//! Forward error correction: repair packets sent beside the source packets, from which lost ones
//! are calculated. Words are those of RFC 6363.
//!
//! - [`window`]: a sliding window, random linear code. A repair packet covers the packets sent
//!   last, so nothing waits for the end of a block, and the window is as long as the delay that
//!   the receiver has anyway.
//! - [`block`]: Reed–Solomon over blocks of packets, for what speaks RTP + RS8M as roc does.
//! - [`gf256`]: the arithmetic below both.

pub mod block;
pub mod gf256;
pub mod symbol;
pub mod window;

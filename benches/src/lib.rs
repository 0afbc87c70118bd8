//! Fixtures shared by the benches.

pub mod rtp;

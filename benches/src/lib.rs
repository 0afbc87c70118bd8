//! Fixtures shared by the benches, and what becomes of their figures.

pub mod rtp;
pub mod table;
pub mod taken;

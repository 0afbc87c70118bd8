//! Fixtures shared by the benches, and what becomes of their figures.

pub mod chart;
pub mod document;
pub mod measured;
pub mod plots;
pub mod printed;
pub mod promises;
pub mod rtp;
pub mod table;
pub mod taken;

//! Online statistics in fixed memory, for runs of any length.

pub mod histogram;
pub mod schedule;

pub use histogram::Histogram;
pub use schedule::{ScheduleStats, ScheduleSummary};

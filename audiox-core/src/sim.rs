//! A seeded simulator: a bad network, clocks that disagree, signals that tell where they come
//! from, and digests of whole runs. All in virtual time; a day takes seconds.
//!
//! The same seed and the same calls give the same run on every platform and in every version
//! that does not say otherwise in the change log: random numbers are our own ([`Pcg32`]), times
//! are integers, and what has to be a real number uses only operations that IEEE 754 rounds
//! exactly (no `sin`, `ln` or `powf` of the platform).
//!
//! ```
//! use audiox_core::sim::{Link, LinkConfig, Probability};
//! use audiox_core::time::Instant;
//! use std::time::Duration;
//!
//! let mut link = Link::new(LinkConfig {
//!     latency: Duration::from_millis(30),
//!     jitter: "20ms".parse()?,
//!     loss: "ge:2%,30%".parse()?,
//!     seed: 7,
//!     ..LinkConfig::default()
//! })?;
//! link.handle(Instant::EPOCH, 0, b"datagram");
//! while let Some(due) = link.poll_timeout() {
//!     let delivery = link.poll_output(due).expect("something is due");
//!     assert_eq!(delivery.bytes, b"datagram");
//! }
//! # Ok::<(), audiox_core::ConfigError>(())
//! ```

pub mod clock;
pub mod digest;
pub mod link;
mod math;
pub mod pair;
pub mod probability;
pub mod probe;
pub mod rng;
pub mod spectrum;
mod text;
pub mod tone;

pub use clock::{ClockConfig, SkewedClock, Wander};
pub use digest::Digest;
pub use link::{
    Delivery, Fate, Jitter, Link, LinkConfig, LinkStats, Loss, Order, RateLimit, Reorder,
};
pub use pair::{LatencyStats, Pair, PairBuilder, PairReport, Restart};
pub use probability::Probability;
pub use probe::{Probe, ProbeReader, ProbeTotals, Span, SpanKind};
pub use rng::Pcg32;
pub use tone::{ClickDetector, Tone};

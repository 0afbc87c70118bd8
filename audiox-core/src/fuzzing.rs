//! Bodies of the fuzz targets: what must hold for any bytes whatever.
//!
//! They live here, not in the fuzz workspace, so that an ordinary build compiles them and an
//! ordinary test replays the checked-in corpora through them. To add a target, put its body into
//! [`BODIES`] and follow `fuzz/README.md`.

mod dice;
mod feedback;
mod machines;
mod store;
mod traces;
mod wire;

pub use feedback::feedback;
pub use machines::{jitter_ops, receiver_ops};
pub use store::{segment_key, segmenter_ops};
pub use traces::trace;
pub use wire::{fec, fec_block, raw, red, rtcp, rtp};

/// A fuzz target's body; it panics where a property does not hold.
pub type Body = fn(&[u8]);

/// Every body of this crate under the name of its target and of its corpus folder.
pub const BODIES: &[(&str, Body)] = &[
    ("fec", fec),
    ("fec_block", fec_block),
    ("feedback", feedback),
    ("jitter_ops", jitter_ops),
    ("raw", raw),
    ("receiver_ops", receiver_ops),
    ("red", red),
    ("rtcp", rtcp),
    ("rtp", rtp),
    ("segment_key", segment_key),
    ("segmenter_ops", segmenter_ops),
    ("trace", trace),
];

//! Bodies of the fuzz targets: what must hold for any bytes whatever.
//!
//! They live here, not in the fuzz workspace, so that an ordinary build compiles them and an
//! ordinary test replays the checked-in corpora through them. To add a target, put its body into
//! [`BODIES`] and follow `fuzz/README.md`.

mod wire;

pub use wire::{raw, rtcp, rtp};

/// A fuzz target's body; it panics where a property does not hold.
pub type Body = fn(&[u8]);

/// Every body of this crate under the name of its target and of its corpus folder.
pub const BODIES: &[(&str, Body)] = &[("raw", raw), ("rtcp", rtcp), ("rtp", rtp)];

//! The operations that are counted.

use crate::{stream, waveform};

/// Something small that is done over and over.
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    /// Makes everything ready and gives what one round does.
    pub(crate) prepare: fn() -> Round,
    /// Rounds over which a mean is taken; three times as many in the longer run.
    pub(crate) rounds: u32,
}

pub(crate) type Round = Box<dyn FnMut()>;

impl Operation {
    pub(crate) const fn new(name: &'static str, rounds: u32, prepare: fn() -> Round) -> Self {
        Self {
            name,
            prepare,
            rounds,
        }
    }

    pub(crate) fn all() -> Vec<Self> {
        [stream::operations(), waveform::operations()].concat()
    }
}

impl Clone for Operation {
    fn clone(&self) -> Self {
        Self { ..*self }
    }
}

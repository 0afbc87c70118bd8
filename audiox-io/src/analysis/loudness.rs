//! Integrated loudness.

use audiox_core::block::AudioRef;
use audiox_core::format::StreamFormat;
use ebur128::{EbuR128, Mode};

#[derive(Debug)]
pub(super) struct Loudness(EbuR128);

impl Loudness {
    /// `None` where the format has no loudness.
    pub(super) fn new(format: StreamFormat) -> Option<Self> {
        let channels = u32::try_from(format.channels.get()).ok()?;
        EbuR128::new(channels, format.rate.get(), Mode::I)
            .ok()
            .map(Self)
    }

    pub(super) fn push(&mut self, block: AudioRef<'_>) {
        // It fails where the samples are not whole frames, which those of a block are.
        let _ = self.0.add_frames_f32(block.samples());
    }

    pub(super) fn integrated(&self) -> Option<f64> {
        self.0.loudness_global().ok().filter(|l| l.is_finite())
    }
}

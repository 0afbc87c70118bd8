//! Material, packet after packet.

use super::material::Material;

/// Stretches of samples, each a packet of 10 ms further than the one before, over and over.
pub(crate) struct Walk<'a> {
    samples: &'a [f32],
    step: usize,
    at: usize,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(material: &'a Material) -> Self {
        Self {
            samples: &material.samples,
            step: packet(material),
            at: 0,
        }
    }

    pub(crate) fn next(&mut self, samples: usize) -> &'a [f32] {
        self.at += self.step;
        if self.at + samples > self.samples.len() {
            self.at = 0;
        }
        &self.samples[self.at..self.at + samples]
    }
}

/// Samples in 10 ms.
pub(crate) fn packet(material: &Material) -> usize {
    material.format.rate.get() as usize / 100 * material.format.channels.get()
}

//! What is listened to.

use audiox_core::codec::PcmCoding;
use audiox_core::format::{Channels, SampleRate, StreamFormat};
use audiox_core::source::Source;
use audiox_io::WavSource;

/// A piece of audio that 16 bits hold exactly.
pub(crate) struct Material {
    pub(crate) name: &'static str,
    pub(crate) format: StreamFormat,
    /// Interleaved.
    pub(crate) samples: Vec<f32>,
}

impl Material {
    pub(crate) fn speech() -> Self {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/speech.wav");
        let mut file = WavSource::open(path).expect("the repository has it");
        let mut samples = vec![0.0; file.frames() as usize];
        let frames = file.read(&mut samples).expect("it is whole");
        assert_eq!(
            (frames, file.format().channels),
            (samples.len(), Channels::MONO)
        );
        Self {
            name: "speech",
            format: file.format(),
            samples,
        }
    }

    pub(crate) fn music() -> Self {
        let mut samples = crate::music::render();
        let mut bytes = vec![0; 2 * samples.len()];
        PcmCoding::L16.encode(&samples, &mut bytes);
        PcmCoding::L16.decode(&bytes, &mut samples);
        Self {
            name: "music",
            format: StreamFormat::new(SampleRate::HZ_48000, Channels::STEREO),
            samples,
        }
    }

    /// One channel of interleaved `samples`.
    pub(crate) fn channel(&self, samples: &[f32], n: usize) -> Vec<f32> {
        let frames = samples.chunks_exact(self.format.channels.get());
        frames.map(|f| f[n]).collect()
    }
}

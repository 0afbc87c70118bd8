use std::fmt;
use std::sync::Arc;

use super::{CodecSpec, Decoder, Encoder, EncodingName, PcmCoding, PcmDecoder, PcmEncoder};
use crate::error::ConfigError;
use crate::format::SampleRate;

/// Makes the encoders and decoders of one encoding.
pub trait CodecFactory: Send + Sync {
    /// An encoder of packets of `frames_per_packet` frames.
    ///
    /// # Errors
    /// The encoding cannot carry this rate, channel count or packet length.
    fn encoder(
        &self,
        spec: &CodecSpec,
        frames_per_packet: usize,
    ) -> Result<Box<dyn Encoder>, ConfigError>;

    /// A decoder of payloads of at most `max_frames` frames.
    ///
    /// # Errors
    /// The encoding cannot carry this rate, channel count or packet length.
    fn decoder(&self, spec: &CodecSpec, max_frames: usize)
    -> Result<Box<dyn Decoder>, ConfigError>;

    /// The rate to encode audio of `rate` at: `rate` itself where the encoding carries it, else
    /// the one to resample to.
    fn rate_for(&self, rate: SampleRate) -> SampleRate {
        rate
    }

    /// What SDP's `a=rtpmap` calls a stream of `spec`. It is the same but for encodings whose
    /// clock and channel count are fixed whatever they carry.
    fn rtpmap(&self, spec: &CodecSpec) -> CodecSpec {
        spec.clone()
    }

    /// What SDP's `a=fmtp` says of a stream of `spec` sent by this factory's encoders.
    fn fmtp(&self, _spec: &CodecSpec) -> Option<String> {
        None
    }
}

/// The encodings a program can speak, by name. Cloning is cheap.
#[derive(Clone)]
pub struct CodecRegistry {
    factories: Vec<(EncodingName, Arc<dyn CodecFactory>)>,
}

impl CodecRegistry {
    /// No encoding at all.
    pub const fn empty() -> Self {
        Self {
            factories: Vec::new(),
        }
    }

    /// L8, L16, L24, L32, F32, PCMU and PCMA, at any rate and channel count.
    pub fn pcm() -> Self {
        let mut registry = Self::empty();
        for coding in PcmCoding::NAMED {
            if let Some(name) = coding.encoding() {
                registry.register(name, coding);
            }
        }
        registry
    }

    /// Adds an encoding; one of the same name is replaced.
    pub fn register(&mut self, name: EncodingName, factory: impl CodecFactory + 'static) {
        self.factories.retain(|(n, _)| *n != name);
        self.factories.push((name, Arc::new(factory)));
    }

    /// The names of all encodings, in the order in which they were registered.
    pub fn names(&self) -> impl Iterator<Item = &EncodingName> {
        self.factories.iter().map(|(name, _)| name)
    }

    /// An encoder for `spec`, of packets of `frames_per_packet` frames.
    ///
    /// # Errors
    /// The encoding is not registered, or cannot carry this rate, channel count or packet length.
    pub fn encoder(
        &self,
        spec: &CodecSpec,
        frames_per_packet: usize,
    ) -> Result<Box<dyn Encoder>, ConfigError> {
        self.find(spec)?.encoder(spec, frames_per_packet)
    }

    /// A decoder for `spec`, of payloads of at most `max_frames` frames.
    ///
    /// # Errors
    /// The encoding is not registered, or cannot carry this rate, channel count or packet length.
    pub fn decoder(
        &self,
        spec: &CodecSpec,
        max_frames: usize,
    ) -> Result<Box<dyn Decoder>, ConfigError> {
        self.find(spec)?.decoder(spec, max_frames)
    }

    /// The rate to encode audio of `rate` at by `encoding`; `rate` where that is not registered.
    pub fn rate_for(&self, encoding: &EncodingName, rate: SampleRate) -> SampleRate {
        let found = self.factories.iter().find(|(n, _)| n == encoding);
        found.map_or(rate, |(_, factory)| factory.rate_for(rate))
    }

    /// What SDP's `a=rtpmap` calls a stream of `spec`.
    pub fn rtpmap(&self, spec: &CodecSpec) -> CodecSpec {
        self.find(spec)
            .map_or_else(|_| spec.clone(), |factory| factory.rtpmap(spec))
    }

    /// What SDP's `a=fmtp` says of a stream of `spec` sent by these encoders.
    pub fn fmtp(&self, spec: &CodecSpec) -> Option<String> {
        self.find(spec).ok()?.fmtp(spec)
    }

    fn find(&self, spec: &CodecSpec) -> Result<&dyn CodecFactory, ConfigError> {
        let found = self.factories.iter().find(|(n, _)| *n == spec.encoding);
        found.map(|(_, factory)| &**factory).ok_or_else(|| {
            let known: Vec<&str> = self.names().map(EncodingName::as_str).collect();
            ConfigError::new(
                "encoding",
                &spec.encoding,
                format!("known are {}", known.join(", ")),
            )
        })
    }
}

impl Default for CodecRegistry {
    /// What needs no other crate: [`CodecRegistry::pcm`].
    fn default() -> Self {
        Self::pcm()
    }
}

impl fmt::Debug for CodecRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(self.names().map(EncodingName::as_str))
            .finish()
    }
}

impl CodecFactory for PcmCoding {
    fn encoder(
        &self,
        spec: &CodecSpec,
        frames_per_packet: usize,
    ) -> Result<Box<dyn Encoder>, ConfigError> {
        let encoder = PcmEncoder::new(*self, spec.format(), frames_per_packet)?;
        Ok(Box::new(encoder))
    }

    fn decoder(
        &self,
        spec: &CodecSpec,
        max_frames: usize,
    ) -> Result<Box<dyn Decoder>, ConfigError> {
        let decoder = PcmDecoder::new(*self, spec.format(), max_frames)?;
        Ok(Box::new(decoder))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_any_case_at_any_rate() {
        let registry = CodecRegistry::default();
        let spec = "pcmu/48000/2".parse().unwrap();
        let encoder = registry.encoder(&spec, 480).unwrap();
        assert_eq!(
            (encoder.format(), encoder.max_payload_len()),
            (spec.format(), 960)
        );
        let decoder = registry.decoder(&spec, 1_000).unwrap();
        assert_eq!(decoder.frames_in(&[0; 960]), Ok(480));
    }

    #[test]
    fn an_unknown_name_is_refused_with_those_known() {
        let spec = "opus/48000/2".parse().unwrap();
        let err = CodecRegistry::pcm().encoder(&spec, 960).err().unwrap();
        assert_eq!(err.field, "encoding");
        assert_eq!(err.allowed, "known are L8, L16, L24, L32, F32, PCMU, PCMA");
        assert!(CodecRegistry::empty().decoder(&spec, 960).is_err());
    }

    #[test]
    fn registering_again_replaces() {
        let mut registry = CodecRegistry::pcm();
        registry.register("l16".parse().unwrap(), PcmCoding::L24);
        let spec = "L16/48000/1".parse().unwrap();
        assert_eq!(registry.encoder(&spec, 1).unwrap().max_payload_len(), 3);
        assert_eq!(registry.names().count(), 7);
        let shown = format!("{registry:?}");
        assert!(shown.contains("PCMA") && shown.contains("l16"), "{shown}");
    }
}

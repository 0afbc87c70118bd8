use audiox_core::codec::{CodecFactory, CodecRegistry, CodecSpec, Decoder, Encoder, EncodingName};
use audiox_core::error::ConfigError;

use crate::config::OpusConfig;
use crate::decoder::OpusDecoder;
use crate::encoder::OpusEncoder;

/// Makes the encoders and decoders of `opus` (one or two channels, RFC 7587) and `multiopus`
/// (any number) in a [`CodecRegistry`].
#[derive(Debug, Clone, Default)]
pub struct OpusFactory {
    config: OpusConfig,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Kind {
    #[default]
    Single,
    Multi,
}

impl OpusFactory {
    /// Of `opus`: mono and stereo.
    pub fn new(config: OpusConfig) -> Self {
        let kind = Kind::Single;
        Self { config, kind }
    }

    /// Of `multiopus`, as WebRTC calls streams of more than two channels.
    pub fn multistream(config: OpusConfig) -> Self {
        let kind = Kind::Multi;
        Self { config, kind }
    }

    fn check(&self, spec: &CodecSpec) -> Result<(), ConfigError> {
        if self.kind == Kind::Single && spec.channels.get() > 2 {
            return Err(ConfigError::new(
                "channels",
                spec.channels,
                "opus carries 1 or 2; for more choose multiopus",
            ));
        }
        Ok(())
    }
}

/// Adds `opus` and `multiopus` with these settings to `registry`; those of before are replaced.
pub fn register(registry: &mut CodecRegistry, config: &OpusConfig) {
    registry.register(OPUS, OpusFactory::new(config.clone()));
    registry.register(MULTIOPUS, OpusFactory::multistream(config.clone()));
}

impl CodecFactory for OpusFactory {
    fn encoder(
        &self,
        spec: &CodecSpec,
        frames_per_packet: usize,
    ) -> Result<Box<dyn Encoder>, ConfigError> {
        self.check(spec)?;
        let encoder = OpusEncoder::new(&self.config, spec.format(), frames_per_packet)?;
        Ok(Box::new(encoder))
    }

    fn decoder(
        &self,
        spec: &CodecSpec,
        max_frames: usize,
    ) -> Result<Box<dyn Decoder>, ConfigError> {
        self.check(spec)?;
        let decoder = OpusDecoder::new(&self.config, spec.format(), max_frames)?;
        Ok(Box::new(decoder))
    }
}

/// The name of Opus in RTP (RFC 7587 section 7).
pub const OPUS: EncodingName = EncodingName::OPUS;
/// The name that WebRTC gives to Opus of more than two channels in RTP. Not registered.
pub const MULTIOPUS: EncodingName = EncodingName::MULTIOPUS;

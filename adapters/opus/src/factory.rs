use audiox_core::codec::{CodecFactory, CodecRegistry, CodecSpec, Decoder, Encoder, EncodingName};
use audiox_core::error::ConfigError;
use audiox_core::format::{Channels, SampleRate};

use crate::config::{OpusConfig, rate_above};
use crate::decoder::OpusDecoder;
use crate::encoder::OpusEncoder;
use crate::params::OpusParams;

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

    fn rate_for(&self, rate: SampleRate) -> SampleRate {
        rate_above(rate)
    }

    /// RFC 7587 section 7: always `opus/48000/2`, so that two sides agree whatever they send.
    fn rtpmap(&self, spec: &CodecSpec) -> CodecSpec {
        CodecSpec {
            encoding: spec.encoding.clone(),
            rate: SampleRate::HZ_48000,
            channels: match self.kind {
                Kind::Single => Channels::STEREO,
                Kind::Multi => spec.channels,
            },
        }
    }

    fn fmtp(&self, spec: &CodecSpec) -> Option<String> {
        let params = OpusParams::describing(&self.config, spec.format());
        let mut params = params.ok()?;
        if self.kind == Kind::Single {
            params.layout = None;
        }
        Some(params.to_string()).filter(|s| !s.is_empty())
    }
}

/// The name of Opus in RTP (RFC 7587 section 7).
pub const OPUS: EncodingName = EncodingName::OPUS;
/// The name that WebRTC gives to Opus of more than two channels in RTP. Not registered.
pub const MULTIOPUS: EncodingName = EncodingName::MULTIOPUS;

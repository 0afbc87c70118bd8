//! How a session comes by a playout for a source it did not know.

use std::time::Duration;

use crate::codec::{CodecRegistry, CodecSpec, Decoder, PcmCoding, PcmDecoder};
use crate::error::ConfigError;
use crate::format::{PcmFormat, StreamFormat};
use crate::ingress::{Origin, SourceId};
use crate::playout::{Playout, PlayoutConfig};

/// A source for which a playout is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewSource {
    /// Its name within the session.
    pub id: SourceId,
    /// Its synchronisation source; 0 for raw framing.
    pub ssrc: u32,
    /// Where it sends from.
    pub origin: Origin,
    /// Payload type of the packet at hand; 0 for raw framing.
    pub payload_type: u8,
    /// What its playout has to yield.
    pub output: StreamFormat,
}

/// Makes a session's playouts, on the socket side. A closure will do.
pub trait PlayoutFactory: Send {
    /// A playout for `source`, whose [format](Playout::format) is [`NewSource::output`].
    ///
    /// # Errors
    /// There is none for it; the source is refused until it changes its payload type.
    fn playout(&mut self, source: &NewSource) -> Result<Playout, ConfigError>;

    /// Whether a playout that was made for payload type `made_for` reads `payload_type` as well;
    /// where it does not, the source gets another playout when its payload type changes.
    fn reads(&self, made_for: u8, payload_type: u8) -> bool;
}

impl<F> PlayoutFactory for F
where
    F: FnMut(&NewSource) -> Result<Playout, ConfigError> + Send,
{
    fn playout(&mut self, source: &NewSource) -> Result<Playout, ConfigError> {
        self(source)
    }

    fn reads(&self, _: u8, _: u8) -> bool {
        true
    }
}

/// The same configuration for every source, decoders by payload type. Whatever its format, each
/// is converted to the session's.
#[derive(Debug, Clone)]
pub struct UniformPlayouts {
    config: PlayoutConfig,
    payloads: Payloads,
}

#[derive(Debug, Clone)]
enum Payloads {
    Rtp(Vec<(u8, CodecSpec)>, CodecRegistry),
    Raw(PcmFormat, StreamFormat),
}

impl UniformPlayouts {
    /// For RTP: what each payload type stands for, decoded by what `registry` knows.
    pub fn rtp(
        config: PlayoutConfig,
        types: impl Into<Vec<(u8, CodecSpec)>>,
        registry: CodecRegistry,
    ) -> Self {
        Self {
            config,
            payloads: Payloads::Rtp(types.into(), registry),
        }
    }

    /// For headerless PCM.
    pub fn raw(config: PlayoutConfig, pcm: PcmFormat, format: StreamFormat) -> Self {
        Self {
            config,
            payloads: Payloads::Raw(pcm, format),
        }
    }

    /// Decoders of one format, as one playout takes no others: that of `payload_type`.
    fn decoders(&self, payload_type: u8) -> Result<Decoders, ConfigError> {
        let max_frames = |format: StreamFormat| format.rate.frames_in(MAX_PACKET).max(1) as usize;
        match &self.payloads {
            Payloads::Raw(pcm, format) => {
                let coding = PcmCoding::Linear(*pcm);
                let decoder = PcmDecoder::new(coding, *format, max_frames(*format))?;
                Ok(vec![(0, Box::new(decoder))])
            }
            Payloads::Rtp(types, registry) => {
                let Some(format) = self.format(payload_type) else {
                    let allowed = "announce what it stands for";
                    return Err(ConfigError::new("payload type", payload_type, allowed));
                };
                types
                    .iter()
                    .filter(|(_, spec)| spec.format() == format)
                    .map(|(pt, spec)| Ok((*pt, registry.decoder(spec, max_frames(format))?)))
                    .collect()
            }
        }
    }

    fn format(&self, payload_type: u8) -> Option<StreamFormat> {
        match &self.payloads {
            Payloads::Raw(_, format) => Some(*format),
            Payloads::Rtp(types, _) => types
                .iter()
                .find(|(pt, _)| *pt == payload_type)
                .map(|(_, spec)| spec.format()),
        }
    }
}

impl PlayoutFactory for UniformPlayouts {
    fn playout(&mut self, source: &NewSource) -> Result<Playout, ConfigError> {
        let config = PlayoutConfig {
            output: Some(source.output),
            ..self.config.clone()
        };
        Playout::new(&config, self.decoders(source.payload_type)?)
    }

    fn reads(&self, made_for: u8, payload_type: u8) -> bool {
        self.format(made_for) == self.format(payload_type)
    }
}

type Decoders = Vec<(u8, Box<dyn Decoder>)>;

/// What a packet holds at most (RFC 3551 section 4.2: receivers should accept 200 ms).
const MAX_PACKET: Duration = Duration::from_millis(200);

//! What encodings this build can speak, and how they are set.

use std::path::Path;

use audiox_core::ConfigError;
use audiox_core::codec::CodecRegistry;
use audiox_core::format::StreamFormat;
use audiox_core::source::{Sink, SinkError};
use audiox_net::endpoint::EncodingOptions;
#[cfg(feature = "opus")]
use audiox_net::endpoint::Purpose;
#[cfg(feature = "opus")]
use audiox_opus::{Application, Bitrate, OpusConfig, OpusSink};

/// Every encoding built in: PCM, G.711 and, with feature `opus`, Opus with its default settings.
pub fn codecs() -> CodecRegistry {
    codecs_with(&EncodingOptions::default())
}

/// As [`codecs`], with these settings of encoders that have some.
pub fn codecs_with(options: &EncodingOptions) -> CodecRegistry {
    #[allow(unused_mut, reason = "features add to it")]
    let mut codecs = CodecRegistry::pcm();
    #[cfg(feature = "opus")]
    audiox_opus::register(&mut codecs, &opus_config(options));
    #[cfg(not(feature = "opus"))]
    let _ = options;
    codecs
}

/// As [`codecs_with`], with the settings of an RTP URL.
///
/// # Errors
/// Settings are given for an encoding that has none.
pub fn codecs_for(to: &crate::Endpoint) -> Result<CodecRegistry, ConfigError> {
    let crate::Endpoint::Rtp(rtp) = to else {
        return Ok(codecs());
    };
    let has_settings = |name: &str| {
        ["opus", "multiopus"]
            .iter()
            .any(|known| known.eq_ignore_ascii_case(name))
    };
    let codec = rtp.codec.as_ref().map_or("L16", |c| c.as_str());
    if rtp.encoding != EncodingOptions::default() && !has_settings(codec) {
        let allowed = "bitrate, application, complexity, dtx and history are for codec=opus";
        return Err(ConfigError::new("codec", codec, allowed));
    }
    Ok(codecs_with(&rtp.encoding))
}

/// Creates an Ogg Opus file.
pub(crate) fn opus_file(
    path: &Path,
    format: StreamFormat,
    options: &EncodingOptions,
) -> Result<Box<dyn Sink>, SinkError> {
    #[cfg(feature = "opus")]
    return Ok(Box::new(OpusSink::create(
        path,
        format,
        &opus_config(options),
    )?));
    #[cfg(not(feature = "opus"))]
    {
        let _ = (format, options);
        let path = path.display();
        Err(SinkError::Unsupported(format!(
            "{path}: Ogg Opus takes feature opus"
        )))
    }
}

#[cfg(feature = "opus")]
fn opus_config(options: &EncodingOptions) -> OpusConfig {
    let usual = OpusConfig::default();
    let history = options.history.unwrap_or(usual.history);
    OpusConfig {
        application: match options.purpose {
            Some(Purpose::Voip) => Application::Voip,
            Some(Purpose::Audio) => Application::Audio,
            Some(Purpose::LowDelay) => Application::LowDelay,
            None => usual.application,
        },
        bitrate: options
            .bitrate
            .map_or(usual.bitrate, Bitrate::BitsPerSecond),
        complexity: options.complexity.unwrap_or(usual.complexity),
        dtx: options.dtx.unwrap_or(usual.dtx),
        // The encoder adds no history before it expects losses.
        expected_loss: if history.is_zero() {
            usual.expected_loss
        } else {
            LOSS_WITH_HISTORY
        },
        history,
        ..usual
    }
}

#[cfg(feature = "opus")]
const LOSS_WITH_HISTORY: f32 = 0.1;

#[cfg(all(test, feature = "opus"))]
mod tests {
    use super::*;

    #[test]
    fn opus_is_among_them() {
        let spec = "opus/48000/2".parse().unwrap();
        let encoder = codecs().encoder(&spec, 960).unwrap();
        assert_eq!(
            codecs().decoder(&spec, 960).unwrap().format(),
            encoder.format()
        );
    }
}

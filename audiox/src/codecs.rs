//! What encodings this build can speak.

use audiox_core::codec::CodecRegistry;

/// Every encoding built in: PCM, G.711 and, with feature `opus`, Opus with its default settings.
pub fn codecs() -> CodecRegistry {
    #[allow(unused_mut, reason = "features add to it")]
    let mut codecs = CodecRegistry::pcm();
    #[cfg(feature = "opus")]
    audiox_opus::register(&mut codecs, &audiox_opus::OpusConfig::default());
    codecs
}

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

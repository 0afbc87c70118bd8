//! Every PCM coding passes the suite that every codec must pass.

use audiox_core::codec::{
    CodecRegistry, PcmCoding, PcmDecoder, PcmEncoder, RedDecoder, RedEncoder,
};
use audiox_core::conformance;
use audiox_core::format::{Channels, SampleRate, StreamFormat};

const CODINGS: [&str; 15] = [
    "u8", "s16le", "s16be", "s24le", "s24be", "s32le", "s32be", "f32le", "f32be", "L8", "L16",
    "L24", "L32", "PCMU", "PCMA",
];

#[test]
fn every_pcm_coding_conforms() {
    for coding in CODINGS {
        let coding: PcmCoding = coding.parse().unwrap();
        for channels in [1, 2, 3, 8] {
            for frames in [1, 2, 48, 441] {
                let channels = Channels::new(channels).unwrap();
                let format = StreamFormat::new(SampleRate::HZ_44100, channels);
                let mut encoder = PcmEncoder::new(coding, format, frames).unwrap();
                let mut decoder = PcmDecoder::new(coding, format, frames).unwrap();
                conformance::codec(&mut encoder, &mut decoder);
            }
        }
    }
}

#[test]
fn what_the_registry_makes_conforms() {
    let registry = CodecRegistry::default();
    for name in registry.names() {
        let spec = format!("{name}/48000/2").parse().unwrap();
        let mut encoder = registry.encoder(&spec, 48).unwrap();
        let mut decoder = registry.decoder(&spec, 480).unwrap();
        conformance::codec(&mut *encoder, &mut *decoder);
    }
}

#[test]
fn red_conforms_around_any_codec() {
    let registry = CodecRegistry::default();
    for name in ["L16", "PCMU"] {
        let spec = format!("{name}/8000/1").parse().unwrap();
        for distance in [1, 5] {
            let inner = registry.encoder(&spec, 80).unwrap();
            let mut encoder = RedEncoder::new(inner, 96, distance, 1_400).unwrap();
            let mut decoder = RedDecoder::new(registry.decoder(&spec, 160).unwrap(), 96);
            conformance::codec(&mut encoder, &mut decoder);
        }
    }
}

//! Opus passes the suite that every codec must pass.
#![cfg(test)]

#[path = "support/measure.rs"]
mod measure;

use audiox_core::codec::CodecRegistry;
use audiox_core::conformance;
use audiox_opus::{Application, OpusConfig, OpusDecoder, OpusEncoder, RateControl, register};
use measure::{all_ptimes, format};

fn conforms(config: &OpusConfig, rate: u32, channels: u16, frames: usize) {
    let format = format(rate, channels);
    let mut encoder = OpusEncoder::new(config, format, frames).unwrap();
    let mut decoder = OpusDecoder::new(config, format, frames).unwrap();
    conformance::codec(&mut encoder, &mut decoder);
}

#[test]
fn every_rate_and_packet_time_conforms() {
    let config = OpusConfig {
        complexity: 0,
        ..OpusConfig::default()
    };
    for rate in [8_000, 12_000, 16_000, 24_000, 48_000] {
        for frames in all_ptimes(rate) {
            conforms(&config, rate, 1 + (frames % 2) as u16, frames);
        }
    }
}

#[test]
fn every_application_and_rate_control_conforms() {
    for application in [Application::Voip, Application::Audio, Application::LowDelay] {
        for rate_control in [
            RateControl::Variable,
            RateControl::Constrained,
            RateControl::Constant,
        ] {
            let config = OpusConfig {
                application,
                rate_control,
                expected_loss: 0.1,
                ..OpusConfig::default()
            };
            conforms(&config, 48_000, 2, 960);
        }
    }
}

#[test]
fn many_channels_conform() {
    let config = OpusConfig {
        complexity: 0,
        max_payload: 6_000,
        ..OpusConfig::default()
    };
    for channels in [3, 6, 8, 9] {
        conforms(&config, 48_000, channels, 480);
    }
}

#[test]
fn what_the_registry_makes_conforms() {
    let mut registry = CodecRegistry::pcm();
    register(&mut registry, &OpusConfig::default());
    assert_eq!(registry.names().count(), 9);
    for spec in ["opus/48000/2", "OPUS/16000/1", "multiopus/48000/6"] {
        let spec = spec.parse().unwrap();
        let mut encoder = registry.encoder(&spec, 960).unwrap();
        let mut decoder = registry.decoder(&spec, 5_760).unwrap();
        conformance::codec(&mut *encoder, &mut *decoder);
    }
}

#[test]
fn in_sdp_a_stream_is_always_48_khz_and_opus_always_stereo() {
    let mut registry = CodecRegistry::pcm();
    register(&mut registry, &OpusConfig::default());
    let described = |spec: &str| {
        let spec = spec.parse().unwrap();
        let fmtp = registry.fmtp(&spec).unwrap_or_default();
        (registry.rtpmap(&spec).to_string(), fmtp)
    };
    let (rtpmap, fmtp) = described("opus/16000/1");
    assert_eq!(rtpmap, "opus/48000/2");
    assert_eq!(fmtp, "sprop-maxcapturerate=16000; useinbandfec=1");
    let (rtpmap, fmtp) = described("multiopus/48000/4");
    assert_eq!(rtpmap, "multiopus/48000/4");
    assert!(fmtp.ends_with("num_streams=2; coupled_streams=2; channel_mapping=0,1,2,3"));
    assert_eq!(
        described("L16/44100/2"),
        ("L16/44100/2".into(), String::new())
    );
    let spec = "opus/16000/1".parse().unwrap();
    let clock = registry.encoder(&spec, 320).unwrap().clock_rate();
    assert_eq!(clock.get(), 48_000);
}

#[test]
fn what_opus_does_not_carry_is_refused_by_name() {
    let mut registry = CodecRegistry::empty();
    register(&mut registry, &OpusConfig::default());
    let error = |spec: &str, frames| {
        let spec = spec.parse().unwrap();
        registry.encoder(&spec, frames).err().unwrap().to_string()
    };
    assert_eq!(
        error("opus/44100/2", 882),
        "rate: 44100 Hz is not possible; Opus takes 8000, 12000, 16000, 24000 and 48000 Hz; resample others"
    );
    assert_eq!(
        error("opus/48000/6", 960),
        "channels: 6 is not possible; opus carries 1 or 2; for more choose multiopus"
    );
    assert_eq!(
        error("opus/48000/2", 48),
        "ptime: 1 ms is not possible; Opus packets last 2.5, 5, 10, 20, 40, 60, 80, 100 or 120 ms"
    );
    assert!(error("multiopus/48000/256", 960).contains("1 to 255"));
}

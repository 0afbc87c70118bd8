//! The resampler passes the suite that every resampler must pass.
#![cfg(test)]

use audiox_core::conformance;
use audiox_core::format::{Channels, SampleRate};
use audiox_core::resample::{ResamplerQuality, resampler};

#[test]
fn every_quality_conforms_at_any_rate() {
    for quality in [
        ResamplerQuality::Fast,
        ResamplerQuality::Balanced,
        ResamplerQuality::Best,
    ] {
        for (input, output) in [
            (48_000, 48_000),
            (44_100, 48_000),
            (48_000, 44_100),
            (8_000, 192_000),
            (192_000, 8_000),
            (11_025, 47_999),
        ] {
            conforms(input, output, 2, quality);
        }
    }
}

#[test]
fn every_channel_count_conforms() {
    for channels in [1, 3, 4, 5, 6, 7, 64] {
        conforms(44_100, 48_000, channels, ResamplerQuality::Fast);
    }
}

fn conforms(input: u32, output: u32, channels: u16, quality: ResamplerQuality) {
    let (input, output) = (SampleRate::new(input), SampleRate::new(output));
    let (input, output) = (input.unwrap(), output.unwrap());
    let channels = Channels::new(channels).unwrap();
    let mut made = resampler(input, output, channels, quality).unwrap();
    conformance::resampler(&mut *made, input, output);
}

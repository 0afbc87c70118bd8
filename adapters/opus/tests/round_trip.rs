//! What goes in comes out: how much later, and how close.
#![cfg(test)]

#[path = "support/measure.rs"]
mod measure;

use audiox_core::codec::{Decoder, Encoder};
use audiox_core::format::Channels;
use audiox_opus::{
    Application, Bitrate, Layout, OpusConfig, OpusDecoder, OpusEncoder, RateControl,
};
use measure::*;

const RATES: [u32; 5] = [8_000, 12_000, 16_000, 24_000, 48_000];

/// Delay beyond the lookahead and SNR of a voice, its first 200 ms left out.
fn round_trip(config: &OpusConfig, rate: u32, frames: usize) -> (isize, f64) {
    let format = format(rate, 1);
    let mut encoder = OpusEncoder::new(config, format, frames).unwrap();
    let mut decoder = OpusDecoder::new(config, format, frames).unwrap();
    let input = voice(rate, rate as usize);
    let heard = decoded(&mut decoder, &payloads(&mut encoder, &input));
    let (from, to) = (rate as usize / 5, rate as usize * 4 / 5);
    let (lag, snr) = delay(&input[from..to], &heard[from..], encoder.lookahead());
    (lag as isize - encoder.lookahead() as isize, snr)
}

#[test]
fn audio_comes_out_at_every_rate_and_packet_time_exactly_the_lookahead_later() {
    for (application, bits) in [
        (Application::Audio, 64_000),
        (Application::LowDelay, 64_000),
    ] {
        let config = OpusConfig {
            application,
            bitrate: Bitrate::BitsPerSecond(bits),
            ..OpusConfig::default()
        };
        for rate in RATES {
            for frames in all_ptimes(rate) {
                let (late, snr) = round_trip(&config, rate, frames);
                let what = format!("{application:?}, {frames} frames at {rate} Hz");
                assert_eq!(late, 0, "{what}: frames late, {snr:.1} dB");
                assert!(snr > 13.0, "{what}: {snr:.1} dB");
            }
        }
    }
}

#[test]
fn speech_at_a_low_bitrate_comes_out_the_lookahead_later_but_for_three_frames() {
    let config = OpusConfig {
        application: Application::Voip,
        bitrate: Bitrate::BitsPerSecond(24_000),
        ..OpusConfig::default()
    };
    for rate in RATES {
        for frames in &all_ptimes(rate)[2..] {
            let (late, snr) = round_trip(&config, rate, *frames);
            let what = format!("{frames} frames at {rate} Hz");
            assert!((-3..=0).contains(&late), "{what}: {late} frames late");
            assert!(snr > 8.0, "{what}: {snr:.1} dB");
        }
    }
}

#[test]
fn every_channel_of_every_layout_comes_out_where_it_went_in() {
    let discrete = |n| {
        (
            n,
            Some(Layout::discrete(Channels::new(n).unwrap()).unwrap()),
        )
    };
    let crossed = Layout::new(2, 1, [2, 0, 1]).unwrap();
    let layouts = [1, 2, 3, 4, 5, 6, 7, 8, 9]
        .map(|n| (n, None))
        .into_iter()
        .chain([discrete(2), discrete(6), discrete(64), (3, Some(crossed))]);
    for (channels, layout) in layouts {
        let format = format(48_000, channels);
        let lfe = (layout.is_none() && (6..=8).contains(&channels)).then_some(channels - 1);
        let low = lfe.map(usize::from);
        let config = OpusConfig {
            bitrate: Bitrate::BitsPerSecond(64_000 * u32::from(channels)),
            complexity: 2,
            max_payload: 40_000,
            layout,
            ..OpusConfig::default()
        };
        let mut encoder = OpusEncoder::new(&config, format, 960).unwrap();
        let mut decoder = OpusDecoder::new(&config, format, 960).unwrap();
        assert_eq!(encoder.layout(), decoder.layout());
        let input = tones(format, 960 * 15, low);
        let heard = decoded(&mut decoder, &payloads(&mut encoder, &input));
        for c in 0..usize::from(channels) {
            let own = channel(&heard, channels.into(), c);
            let share = share_db(&own[4_800..], 48_000, hertz(c, low));
            assert!(
                share > -0.5,
                "channel {c} of {channels}: {share:.2} dB is its own"
            );
        }
    }
}

#[test]
fn mono_and_stereo_are_decoded_as_whichever_is_wanted() {
    for (sent, wanted) in [(1, 2), (2, 1)] {
        let config = OpusConfig::default();
        let from = format(48_000, sent);
        let mut encoder = OpusEncoder::new(&config, from, 960).unwrap();
        let to = format(16_000, wanted);
        let mut decoder = OpusDecoder::new(&config, to, 960).unwrap();
        let input = tones(from, 48_000, None);
        let heard = decoded(&mut decoder, &payloads(&mut encoder, &input));
        assert_eq!(heard.len(), 16_000 * usize::from(wanted));
        for c in 0..usize::from(wanted) {
            let own = &channel(&heard, wanted.into(), c)[1_600..];
            let share = share_db(own, 16_000, hertz(0, None));
            // Mixed to mono, each of two tones has half of the power.
            let expected = if sent == 2 { -3.0 } else { 0.0 };
            assert!(
                (share - expected).abs() < 0.5,
                "{share:.2} dB of {expected}"
            );
        }
    }
}

#[test]
fn bitrates_are_kept_and_changed_while_running() {
    let bits = |payloads: &[Vec<u8>]| {
        let bytes: usize = payloads.iter().map(Vec::len).sum();
        bytes as f64 * 8.0 * 50.0 / payloads.len() as f64
    };
    let config = OpusConfig {
        bitrate: Bitrate::BitsPerSecond(96_000),
        rate_control: RateControl::Constant,
        ..OpusConfig::default()
    };
    let format = format(48_000, 2);
    let input = voice(48_000, 2 * 48_000);
    let mut encoder = OpusEncoder::new(&config, format, 960).unwrap();
    let sent = payloads(&mut encoder, &input);
    assert!(sent.iter().all(|p| p.len() == 240), "constant");
    encoder.set_bitrate(32_000);
    let sent = payloads(&mut encoder, &input);
    assert!(sent.iter().all(|p| p.len() == 80), "constant, lower");
    assert_eq!(encoder.bitrate(), 32_000);

    for control in [RateControl::Constrained, RateControl::Variable] {
        let config = OpusConfig {
            rate_control: control,
            ..config.clone()
        };
        let mut encoder = OpusEncoder::new(&config, format, 960).unwrap();
        let sent = payloads(&mut encoder, &input);
        let rate = bits(&sent);
        assert!((70_000.0..180_000.0).contains(&rate), "{control:?}: {rate}");
        let longest = sent.iter().map(Vec::len).max().unwrap();
        assert!(longest > 245, "{control:?}: {longest} bytes");
    }
}

#[test]
fn a_limit_holds_whatever_bitrate_is_asked_for() {
    for bitrate in [Bitrate::Auto, Bitrate::BitsPerSecond(500_000)] {
        let config = OpusConfig {
            bitrate,
            max_bitrate: Some(40_000),
            rate_control: RateControl::Constant,
            ..OpusConfig::default()
        };
        let format = format(48_000, 2);
        let mut encoder = OpusEncoder::new(&config, format, 960).unwrap();
        let input = voice(48_000, 48_000);
        assert!(
            payloads(&mut encoder, &input)
                .iter()
                .all(|p| p.len() == 100)
        );
        encoder.set_bitrate(u32::MAX);
        assert!(
            payloads(&mut encoder, &input)
                .iter()
                .all(|p| p.len() == 100)
        );
        encoder.set_bitrate(0);
        assert!(payloads(&mut encoder, &input).iter().all(|p| p.len() < 30));
    }
}

#[test]
fn payloads_never_exceed_what_they_may_take() {
    for max_payload in [16, 40, 100] {
        for frames in all_ptimes(48_000) {
            let config = OpusConfig {
                max_payload,
                complexity: 1,
                ..OpusConfig::default()
            };
            let format = format(48_000, 2);
            let mut encoder = OpusEncoder::new(&config, format, frames).unwrap();
            assert_eq!(encoder.max_payload_len(), max_payload);
            let decoder = OpusDecoder::new(&config, format, frames).unwrap();
            let input = tones(format, 48_000 / 2, None);
            for payload in payloads(&mut encoder, &input) {
                assert!((1..=max_payload).contains(&payload.len()));
                assert_eq!(decoder.frames_in(&payload), Ok(frames));
            }
        }
    }
}

#[test]
fn input_that_is_not_finite_or_far_too_loud_harms_nothing() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, 1e9] {
        for channels in [1, 2, 6] {
            for application in [Application::Voip, Application::Audio, Application::LowDelay] {
                let config = OpusConfig {
                    application,
                    bitrate: Bitrate::BitsPerSecond(24_000 * u32::from(channels)),
                    ..OpusConfig::default()
                };
                let format = format(48_000, channels);
                let mut encoder = OpusEncoder::new(&config, format, 960).unwrap();
                let mut decoder = OpusDecoder::new(&config, format, 960).unwrap();
                let mut input = tones(format, 48_000, None);
                let ch = usize::from(channels);
                input[960 * ch * 5..960 * ch * 7].fill(bad);
                input[960 * ch * 9 + 100] = bad;
                let heard = decoded(&mut decoder, &payloads(&mut encoder, &input));
                assert!(heard.iter().all(|x| x.is_finite()), "{bad}");
                let last = channel(&heard[960 * ch * 30..], ch, 0);
                let share = share_db(&last, 48_000, hertz(0, None));
                assert!(share > -1.0, "{bad} left something: {share:.2} dB");
            }
        }
    }
}

//! Deep redundancy and deep concealment, where they are built in.
#![cfg(test)]
#![cfg(feature = "dred")]

#[path = "support/measure.rs"]
mod measure;

use std::ops::Range;
use std::time::Duration;

use audiox_core::codec::{DecodeError, Decoder, Encoder};
use audiox_core::sim::spectrum::{Distance, distance};
use audiox_opus::packet::OpusPacket;
use audiox_opus::{
    Application, Bitrate, Concealment, InbandFec, OpusConfig, OpusDecoder, OpusEncoder,
};
use measure::*;

const RATE: u32 = 24_000;
/// 20 ms.
const FRAMES: usize = 480;
/// 200 ms.
const BURST: usize = 10;

fn encoder(kilobits: u32, history: Duration) -> OpusEncoder {
    let mut encoder = unprepared(kilobits, history);
    encoder.set_expected_loss(0.2);
    encoder
}

/// An encoder that does not know yet that anything is lost.
fn unprepared(kilobits: u32, history: Duration) -> OpusEncoder {
    let config = OpusConfig {
        application: Application::Voip,
        bitrate: Bitrate::BitsPerSecond(kilobits * 1_000),
        history,
        // The two would share the bits.
        fec: InbandFec::Off,
        ..OpusConfig::default()
    };
    OpusEncoder::new(&config, format(RATE, 1), FRAMES).unwrap()
}

fn decoder(concealment: Concealment) -> OpusDecoder {
    let config = OpusConfig {
        concealment,
        ..OpusConfig::default()
    };
    OpusDecoder::new(&config, format(RATE, 1), FRAMES).unwrap()
}

/// A burst each second, but for the first.
fn bursts(packets: usize) -> Vec<Range<usize>> {
    (50..packets - 2 * BURST)
        .step_by(50)
        .map(|at| at + 7..at + 7 + BURST)
        .collect()
}

/// Decodes with the bursts missing; in a gap, from the packet after it where `recover` says so.
/// Returns the audio and how many blocks were recovered.
fn played(sent: &[Vec<u8>], mut decoder: OpusDecoder, recover: bool) -> (Vec<f32>, usize) {
    let bursts = bursts(sent.len());
    let mut all = vec![0.0; sent.len() * FRAMES];
    let mut recovered = 0;
    for (i, out) in all.chunks_exact_mut(FRAMES).enumerate() {
        let Some(burst) = bursts.iter().find(|b| b.contains(&i)) else {
            assert_eq!(decoder.decode(&sent[i], out), Ok(FRAMES));
            continue;
        };
        let ahead = (burst.end - i) * FRAMES;
        if recover && decoder.recover(&sent[burst.end], ahead, out).unwrap() > 0 {
            recovered += 1;
        } else {
            assert_eq!(decoder.conceal(out), FRAMES);
        }
    }
    (all, recovered)
}

fn compare(sent: &[Vec<u8>], heard: &[f32]) -> Distance {
    let whole = decoded(&mut decoder(Concealment::Classic), sent);
    let blocks: Vec<_> = bursts(sent.len())
        .into_iter()
        .flatten()
        .map(|i| i * FRAMES..(i + 1) * FRAMES)
        .collect();
    distance(&whole, heard, &blocks)
}

#[test]
fn bursts_of_200_ms_are_recovered_and_sound_more_alike_than_any_concealment() {
    let input = [speech(), speech()].concat();
    let sent = payloads(&mut encoder(48, Duration::from_millis(500)), &input);
    let total = bursts(sent.len()).len() * BURST;
    let (classic, _) = played(&sent, decoder(Concealment::Classic), false);
    let (deep, _) = played(&sent, decoder(Concealment::Deep), false);
    let (dred, recovered) = played(&sent, decoder(Concealment::Classic), true);
    let [classic, deep, dred] = [classic, deep, dred].map(|heard| compare(&sent, &heard));
    println!("{classic:?}\n{deep:?}\n{dred:?}\n{recovered} of {total}");
    // The rest was silence, which the encoder leaves out.
    assert!(recovered * 20 > total * 18, "{recovered} of {total}");
    assert!(deep.log_spectral_db < classic.log_spectral_db);
    assert!(dred.log_spectral_db < classic.log_spectral_db * 0.5);
}

#[test]
fn redundancy_is_switched_and_sized_while_running() {
    let mut encoder = encoder(48, Duration::ZERO);
    let input = speech();
    let carried = |encoder: &mut OpusEncoder| {
        let sent = payloads(encoder, &input);
        let bytes = sent
            .iter()
            .map(|p| OpusPacket::parse(p).unwrap().padding().len());
        bytes.sum::<usize>() / sent.len()
    };
    assert_eq!(carried(&mut encoder), 0);
    encoder.set_history(Duration::from_millis(200));
    let short = carried(&mut encoder);
    encoder.set_history(Duration::from_secs(9));
    let long = carried(&mut encoder);
    assert!(short > 20 && long > short + 10, "{short} and {long} bytes");
    encoder.set_expected_loss(0.0);
    assert_eq!(carried(&mut encoder), 0);
    encoder.set_expected_loss(0.2);
    encoder.set_history(Duration::ZERO);
    assert_eq!(carried(&mut encoder), 0);
}

#[test]
fn redundancy_that_was_asked_for_is_not_planned_away() {
    let mut encoder = encoder(48, Duration::from_millis(200));
    encoder.set_history(Duration::ZERO);
    let sent = payloads(&mut encoder, &speech());
    let deep = sent
        .iter()
        .filter(|p| !OpusPacket::parse(p).unwrap().padding().is_empty());
    assert!(deep.count() * 2 > sent.len());
}

/// A decoder in the middle of speech, and payloads after it.
fn heard(packets: usize) -> (OpusDecoder, Vec<Vec<u8>>) {
    let sent = payloads(&mut encoder(48, Duration::from_millis(500)), &speech());
    let mut decoder = decoder(Concealment::Classic);
    decoded(&mut decoder, &sent[..packets]);
    (decoder, sent[packets..].to_vec())
}

#[test]
fn how_a_burst_is_cut_into_blocks_does_not_matter() {
    let (mut decoder, sent) = heard(100);
    let mut whole = vec![f32::NAN; BURST * FRAMES];
    let n = decoder.recover(&sent[BURST], BURST * FRAMES, &mut whole);
    assert_eq!(n, Ok(BURST * FRAMES));
    let (mut decoder, sent) = heard(100);
    for (i, block) in whole.chunks_exact(FRAMES).enumerate() {
        let mut out = vec![f32::NAN; FRAMES];
        let n = decoder.recover(&sent[BURST], (BURST - i) * FRAMES, &mut out);
        assert_eq!(n, Ok(FRAMES));
        assert!(out == block, "block {i}");
    }
    // Lengths that are no multiple of anything.
    let mut ahead = BURST * FRAMES;
    for length in [1, 59, 61, 479, 481, 1_000] {
        let mut out = vec![f32::NAN; length];
        let n = decoder.recover(&sent[BURST], ahead, &mut out);
        assert_eq!(n, Ok(length));
        assert!(out.iter().all(|x| x.is_finite()));
        ahead -= length;
    }
}

#[test]
fn what_redundancy_does_not_reach_is_left_to_concealment() {
    let (mut decoder, sent) = heard(100);
    let mut out = vec![0.0; FRAMES];
    let second = 50 * FRAMES;
    assert_eq!(decoder.recover(&sent[50], 2 * second, &mut out), Ok(0));
    assert_eq!(decoder.recover(&sent[50], usize::MAX, &mut out), Ok(0));
    // Frames of the payload itself are not missing.
    assert_eq!(decoder.recover(&sent[50], FRAMES - 1, &mut out), Ok(0));
    assert_eq!(decoder.recover(&sent[50], 0, &mut out), Ok(0));
    assert_eq!(decoder.recover(&sent[50], FRAMES, &mut []), Ok(0));
    assert_eq!(
        decoder.recover(&[], FRAMES, &mut out),
        Err(DecodeError::Malformed)
    );
    assert_eq!(decoder.recover(&sent[3], 3 * FRAMES, &mut out), Ok(FRAMES));
    // There is nothing to continue yet.
    decoder.reset();
    assert_eq!(decoder.recover(&sent[3], 3 * FRAMES, &mut out), Ok(0));
}

#[test]
fn packets_of_10_to_60_ms_recover_at_every_rate_from_16_khz_on() {
    let config = OpusConfig {
        bitrate: Bitrate::BitsPerSecond(64_000),
        expected_loss: 0.2,
        history: Duration::from_millis(500),
        fec: InbandFec::Off,
        ..OpusConfig::default()
    };
    for rate in [16_000, 24_000, 48_000] {
        for channels in [1, 2] {
            for frames in &all_ptimes(rate)[2..6] {
                let format = format(rate, channels);
                let mut encoder = OpusEncoder::new(&config, format, *frames).unwrap();
                let mut decoder = OpusDecoder::new(&config, format, *frames).unwrap();
                // Faster or slower than it was spoken, it is speech still.
                let spoken = speech();
                let input: Vec<f32> = spoken
                    .iter()
                    .flat_map(|x| vec![*x; usize::from(channels)])
                    .collect();
                let sent = payloads(&mut encoder, &input);
                // The burst that has most to lose ends where a packet begins.
                let packets = (rate as usize / 5).div_ceil(*frames);
                let lost = packets * frames;
                let loud = |end: &usize| -> f32 {
                    let lost = &spoken[end * frames - lost..end * frames];
                    lost.iter().map(|x| x * x).sum()
                };
                let end = (2 * packets..sent.len())
                    .max_by(|a, b| loud(a).total_cmp(&loud(b)))
                    .unwrap();
                decoded(&mut decoder, &sent[..end - packets]);
                let mut out = vec![0.0; lost * usize::from(channels)];
                let n = decoder.recover(&sent[end], lost, &mut out);
                assert!(
                    // Silence before a word is left out.
                    n.is_ok_and(|n| n * 3 > lost),
                    "{rate} Hz, {channels} ch, {frames} frames: {n:?} of {lost}"
                );
                let level = |x: &[f32]| x.iter().map(|x| x * x).sum::<f32>() / x.len() as f32;
                let (there, was) = (level(&out[out.len() / 2..]), level(&input));
                assert!(
                    there > was * 0.1,
                    "{rate} Hz, {frames} frames: {there} of {was}"
                );
            }
        }
    }
}

#[test]
fn speech_narrower_than_8_khz_is_not_claimed_to_be_recovered() {
    let config = OpusConfig {
        application: Application::Voip,
        bitrate: Bitrate::BitsPerSecond(30_000),
        expected_loss: 0.2,
        history: Duration::from_millis(500),
        fec: InbandFec::Off,
        ..OpusConfig::default()
    };
    let format = format(8_000, 1);
    let mut encoder = OpusEncoder::new(&config, format, 160).unwrap();
    let mut decoder = OpusDecoder::new(&config, format, 160).unwrap();
    let sent = payloads(&mut encoder, &voice(8_000, 8_000));
    decoded(&mut decoder, &sent[..20]);
    assert!(
        sent.iter()
            .any(|p| !OpusPacket::parse(p).unwrap().padding().is_empty())
    );
    let mut out = [0.0; 160];
    assert_eq!(decoder.recover(&sent[30], 1_600, &mut out), Ok(0));
}

#[test]
fn decoders_that_do_not_look_for_it_hear_the_same_audio() {
    let with = payloads(&mut encoder(48, Duration::from_millis(500)), &speech());
    let heard = decoded(&mut decoder(Concealment::Classic), &with);
    let (from, to) = (24_000, 120_000);
    let (late, snr) = delay(&speech()[from..to], &heard[from..], 156);
    assert!(
        (153..=156).contains(&late) && snr > 6.0,
        "{late} frames, {snr:.1} dB"
    );
    // Without the padding that carries it, not a bit differs.
    let without: Vec<Vec<u8>> = with
        .iter()
        .map(|p| {
            let packet = OpusPacket::parse(p).unwrap();
            let mut plain = p[..p.len() - packet.padding().len()].to_vec();
            if plain.len() < p.len() {
                // One frame, its count and the length of the padding.
                let lengths = 1 + packet.padding().len() / 254;
                plain[1] &= !0x40;
                plain.drain(2..2 + lengths);
            }
            plain
        })
        .collect();
    assert_ne!(with, without);
    assert!(decoded(&mut decoder(Concealment::Classic), &without) == heard);
}

#[test]
fn several_streams_and_too_long_a_history_are_refused() {
    let error = |channels, history| {
        let config = OpusConfig {
            history,
            ..OpusConfig::default()
        };
        let format = format(48_000, channels);
        OpusEncoder::new(&config, format, 960)
            .err()
            .map(|e| e.field)
    };
    assert_eq!(error(3, Duration::from_millis(10)), Some("history"));
    assert_eq!(error(2, Duration::from_millis(1_041)), Some("history"));
    assert_eq!(error(2, Duration::from_millis(1_040)), None);
}

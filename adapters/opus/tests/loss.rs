//! Packets that do not arrive: concealment, in-band error correction, silence left out.
#![cfg(test)]

#[path = "support/measure.rs"]
mod measure;

use std::ops::Range;

use audiox_core::codec::{DecodeError, Decoder, Encoder};
use audiox_core::format::StreamFormat;
use audiox_core::sim::Pcg32;
use audiox_core::sim::spectrum::{Distance, distance};
use audiox_opus::packet::OpusPacket;
use audiox_opus::{Application, Bitrate, InbandFec, Layout, OpusConfig, OpusDecoder, OpusEncoder};
use measure::*;

const RATE: u32 = 24_000;
/// 20 ms.
const FRAMES: usize = 480;

/// What a lost packet is replaced by.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Repair {
    Silence,
    Concealment,
    /// In-band error correction where there is some, else concealment.
    Fec,
}

/// Decodes with the packets that `lost` names missing.
fn repaired(payloads: &[Vec<u8>], lost: &[bool], repair: Repair) -> Vec<f32> {
    let format = format(RATE, 1);
    let mut decoder = OpusDecoder::new(&OpusConfig::default(), format, FRAMES).unwrap();
    let mut all = vec![0.0; payloads.len() * FRAMES];
    for (i, out) in all.chunks_exact_mut(FRAMES).enumerate() {
        if !lost[i] {
            assert_eq!(decoder.decode(&payloads[i], out), Ok(FRAMES));
            continue;
        }
        let next = payloads
            .get(i + 1)
            .filter(|_| repair == Repair::Fec && !lost[i + 1]);
        let recovered = next.map_or(0, |next| decoder.decode_fec(next, out).unwrap());
        if recovered == 0 && repair != Repair::Silence {
            assert_eq!(decoder.conceal(out), FRAMES);
        }
    }
    all
}

fn stretches(lost: &[bool], lookahead: usize) -> Vec<Range<usize>> {
    let lost = lost.iter().enumerate().filter(|(_, lost)| **lost);
    lost.map(|(i, _)| lookahead + i * FRAMES..lookahead + (i + 1) * FRAMES)
        .collect()
}

fn speech_config() -> OpusConfig {
    OpusConfig {
        application: Application::Voip,
        bitrate: Bitrate::BitsPerSecond(32_000),
        expected_loss: 0.2,
        fec: InbandFec::Always,
        ..OpusConfig::default()
    }
}

#[test]
fn in_band_error_correction_is_closer_than_concealment_and_that_closer_than_silence() {
    let mut encoder = OpusEncoder::new(&speech_config(), format(RATE, 1), FRAMES).unwrap();
    let input = speech();
    let sent = payloads(&mut encoder, &input);
    let with_fec = sent
        .iter()
        .filter(|p| OpusPacket::parse(p).unwrap().has_fec());
    assert!(with_fec.count() > sent.len() / 2);
    let mut rng = Pcg32::new(7, 1);
    // One at a time, as in-band error correction repairs them.
    let mut lost: Vec<bool> = sent
        .iter()
        .map(|_| rng.next_u32().is_multiple_of(5))
        .collect();
    for i in 1..lost.len() {
        lost[i] &= !lost[i - 1] && i + 1 < lost.len();
    }
    let whole = repaired(&sent, &vec![false; sent.len()], Repair::Silence);
    let against = |repair| -> Distance {
        let heard = repaired(&sent, &lost, repair);
        distance(&whole, &heard, &stretches(&lost, 0))
    };
    let [silence, concealed, fec] =
        [Repair::Silence, Repair::Concealment, Repair::Fec].map(against);
    // The report of the benches takes it from here.
    println!("table: opus-loss\n| lost packets are | log-spectral distance, dB | SNR, dB |");
    println!("| --- | ---: | ---: |");
    for (what, d) in [
        ("silence", &silence),
        ("concealed", &concealed),
        ("recovered by in-band error correction", &fec),
    ] {
        println!("| {what} | {:.1} | {:.1} |", d.log_spectral_db, d.snr_db);
    }
    assert!(concealed.log_spectral_db < silence.log_spectral_db * 0.5);
    assert!(fec.log_spectral_db < concealed.log_spectral_db * 0.8);
    assert!(fec.snr_db > concealed.snr_db + 3.0);
}

#[test]
fn a_share_of_lost_packets_switches_error_correction_on_and_off_while_running() {
    let config = OpusConfig {
        expected_loss: 0.0,
        ..speech_config()
    };
    let mut encoder = OpusEncoder::new(&config, format(RATE, 1), FRAMES).unwrap();
    let input = speech();
    let with_fec = |encoder: &mut OpusEncoder| {
        let sent = payloads(encoder, &input);
        let with = |p: &&Vec<u8>| OpusPacket::parse(p).unwrap().has_fec();
        sent.iter().filter(with).count()
    };
    assert_eq!(with_fec(&mut encoder), 0);
    encoder.set_expected_loss(0.2);
    assert!(with_fec(&mut encoder) > 100);
    // Settings outlive a reset.
    encoder.reset();
    assert!(with_fec(&mut encoder) > 100);
    encoder.set_expected_loss(f32::NAN);
    encoder.reset();
    assert_eq!(with_fec(&mut encoder), 0);
}

#[test]
fn several_streams_recover_by_error_correction_too() {
    for channels in [2, 3] {
        let format = format(RATE, channels);
        let config = OpusConfig {
            bitrate: Bitrate::BitsPerSecond(32_000 * u32::from(channels)),
            // Surround is always coded as music.
            layout: Some(match channels {
                2 => Layout::stereo(),
                _ => Layout::discrete(format.channels).unwrap(),
            }),
            ..speech_config()
        };
        let mut encoder = OpusEncoder::new(&config, format, FRAMES).unwrap();
        let mut decoder = OpusDecoder::new(&config, format, FRAMES).unwrap();
        let ch = usize::from(channels);
        let input: Vec<f32> = speech().iter().flat_map(|x| vec![*x; ch]).collect();
        let sent = payloads(&mut encoder, &input);
        let whole = decoded(&mut decoder, &sent);
        let block = FRAMES * ch;
        let mut recovered = 0;
        let mut all = Vec::new();
        decoder.reset();
        for (i, payload) in sent.iter().enumerate() {
            let mut out = vec![f32::NAN; block];
            let lost = i % 7 == 3 && i + 1 < sent.len();
            let by_fec = lost && decoder.decode_fec(&sent[i + 1], &mut out) == Ok(FRAMES);
            recovered += usize::from(by_fec);
            if lost && !by_fec {
                decoder.conceal(&mut out);
            }
            if !lost {
                assert_eq!(decoder.decode(payload, &mut out), Ok(FRAMES));
            }
            all.extend(out);
        }
        assert!(recovered > 20, "{channels} channels: {recovered}");
        let snr = snr_db(&whole, &all);
        assert!(snr > 8.0, "{channels} channels: {snr:.1} dB");
    }
}

/// A decoder that has heard a vowel, and the payloads after it.
fn heard(config: &OpusConfig, format: StreamFormat, frames: usize) -> (OpusDecoder, Vec<Vec<u8>>) {
    let mut encoder = OpusEncoder::new(config, format, frames).unwrap();
    let mut decoder = OpusDecoder::new(config, format, frames).unwrap();
    let spoken = speech();
    let power = |at: &usize| -> f32 { spoken[*at..at + 480].iter().map(|x| x * x).sum() };
    let loudest = (4_800..spoken.len() - 48_000)
        .step_by(240)
        .max_by(|a, b| power(a).total_cmp(&power(b)))
        .unwrap();
    let packets = 4_800 / frames;
    let input: Vec<f32> = spoken[loudest + 480 - packets * frames..]
        .iter()
        .flat_map(|x| vec![*x; format.channels.get()])
        .collect();
    let sent = payloads(&mut encoder, &input);
    decoded(&mut decoder, &sent[..packets]);
    (decoder, sent[packets..].to_vec())
}

#[test]
fn concealment_does_not_depend_on_how_it_is_cut() {
    for (application, frames) in [
        (Application::Voip, 480),
        (Application::Voip, 1_440),
        (Application::LowDelay, 60),
        (Application::Audio, 240),
    ] {
        for channels in [1, 2] {
            let config = OpusConfig {
                application,
                ..OpusConfig::default()
            };
            let format = format(RATE, channels);
            let ch = usize::from(channels);
            let mut whole = vec![f32::NAN; 2_000 * ch];
            let (mut decoder, _) = heard(&config, format, frames);
            assert_eq!(decoder.conceal(&mut whole), 2_000);
            assert!(whole.iter().any(|x| x.abs() > 0.01));
            let (mut decoder, _) = heard(&config, format, frames);
            let (mut cut, mut rng) = (Vec::new(), Pcg32::new(3, 3));
            while cut.len() < whole.len() {
                let n = (rng.next_u32() as usize % 200).min(2_000 - cut.len() / ch);
                let mut part = vec![f32::NAN; n * ch];
                assert_eq!(decoder.conceal(&mut part), n);
                cut.extend(part);
            }
            assert!(whole == cut, "{application:?}, packets of {frames}");
        }
    }
}

#[test]
fn error_correction_gives_the_end_of_a_gap_that_is_shorter_or_longer_than_it_reaches() {
    let config = speech_config();
    let format = format(RATE, 1);
    let fresh = || {
        let (decoder, sent) = heard(&config, format, FRAMES);
        let at = sent
            .iter()
            .position(|p| OpusPacket::parse(p).unwrap().has_fec());
        (decoder, sent[at.unwrap()].clone())
    };
    let (mut decoder, next) = fresh();
    let mut exact = vec![0.0; FRAMES];
    assert_eq!(decoder.decode_fec(&next, &mut exact), Ok(FRAMES));
    let (mut decoder, next) = fresh();
    let mut short = vec![0.0; 100];
    assert_eq!(decoder.decode_fec(&next, &mut short), Ok(100));
    assert!(short == exact[FRAMES - 100..]);
    let (mut decoder, next) = fresh();
    let mut long = vec![f32::NAN; FRAMES * 2 + 7];
    assert_eq!(decoder.decode_fec(&next, &mut long), Ok(FRAMES));
    assert!(long.iter().all(|x| x.is_finite()));
    // Music has none, malformed payloads neither.
    let music = OpusConfig {
        application: Application::LowDelay,
        ..config.clone()
    };
    let (mut decoder, sent) = heard(&music, format, FRAMES);
    assert_eq!(decoder.decode_fec(&sent[0], &mut exact), Ok(0));
    assert_eq!(
        decoder.decode_fec(&[], &mut exact),
        Err(DecodeError::Malformed)
    );
}

#[test]
fn silence_is_left_out_but_for_its_first_packet_and_one_in_400_ms() {
    let config = OpusConfig {
        dtx: true,
        application: Application::Voip,
        bitrate: Bitrate::BitsPerSecond(24_000),
        ..OpusConfig::default()
    };
    let format = format(RATE, 1);
    let mut encoder = OpusEncoder::new(&config, format, FRAMES).unwrap();
    let mut decoder = OpusDecoder::new(&config, format, FRAMES).unwrap();
    let spoken = speech();
    let mut rng = Pcg32::new(5, 5);
    let noise: Vec<f32> = (0..RATE * 6).map(|_| rng.normal() as f32 * 1e-4).collect();
    let input = [
        &spoken[..FRAMES * 100],
        &noise,
        &spoken[FRAMES * 20..FRAMES * 120],
    ]
    .concat();
    let sent = payloads(&mut encoder, &input);
    let quiet = 100 + 25..100 + 300;
    let out = sent[quiet.clone()].iter().filter(|p| p.is_empty()).count();
    let ends = sent[quiet.clone()].iter().filter(|p| p.len() == 1).count();
    let updates = quiet.len() - out - ends;
    assert!(
        out * 10 > quiet.len() * 8,
        "{out} of {} left out",
        quiet.len()
    );
    assert!(
        updates <= 275 / 20 + 1 && ends <= updates + 1,
        "{ends} ends, {updates} updates"
    );
    let spoken = sent[410..].iter().filter(|p| p.len() > 2).count();
    assert!(spoken > 80, "speech goes on: {spoken} of 90 packets");

    let mut block = vec![0.0; FRAMES];
    let mut level = Vec::new();
    for payload in &sent {
        let n = match payload.is_empty() {
            true => decoder.conceal(&mut block),
            false => decoder.decode(payload, &mut block).unwrap(),
        };
        assert_eq!(n, FRAMES);
        level.push(block.iter().fold(0.0f32, |a, x| a.max(x.abs())));
    }
    let peak = |range: Range<usize>| level[range].iter().fold(0.0f32, |a, x| a.max(*x));
    assert!(peak(quiet.clone()) < 0.002, "{} in silence", peak(quiet));
    assert!(peak(420..500) > 0.1, "{} in speech", peak(420..500));
}

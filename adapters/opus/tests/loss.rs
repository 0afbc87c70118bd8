//! Packets that do not arrive: concealment, in-band error correction, silence left out.
#![cfg(test)]

#[path = "support/measure.rs"]
mod measure;

use std::ops::Range;

use audiox_core::codec::{DecodeError, Decoder, Encoder};
use audiox_core::sim::Pcg32;
use audiox_core::sim::spectrum::{Distance, distance};
use audiox_opus::packet::OpusPacket;
use audiox_opus::{Application, Bitrate, InbandFec, OpusConfig, OpusDecoder, OpusEncoder};
use measure::*;

const FRAMES: usize = 320;
const RATE: u32 = 16_000;

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
        let next = payloads.get(i + 1).filter(|_| repair == Repair::Fec && !lost[i + 1]);
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
    let input = voice(RATE, 10 * RATE as usize);
    let sent = payloads(&mut encoder, &input);
    let with_fec = sent.iter().filter(|p| OpusPacket::parse(p).unwrap().has_fec());
    assert!(with_fec.count() > sent.len() / 2);
    let mut rng = Pcg32::new(7, 1);
    // One at a time, as in-band error correction repairs them.
    let mut lost: Vec<bool> = sent.iter().map(|_| rng.next_u32() % 5 == 0).collect();
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
    println!("{silence:?}\n{concealed:?}\n{fec:?}");
    assert!(concealed.log_spectral_db < silence.log_spectral_db * 0.5);
    assert!(fec.log_spectral_db < concealed.log_spectral_db * 0.8);
    assert!(fec.snr_db > concealed.snr_db + 3.0);
}

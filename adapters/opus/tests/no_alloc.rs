//! Encoding, decoding, concealing and refusing ask nothing of the allocator.
//!
//! libopus takes its memory when a state is made; per packet it works on the stack.
#![cfg(test)]

#[path = "../../../audiox-core/tests/support/counting.rs"]
#[allow(dead_code, reason = "soaks use more of it")]
mod counting;
#[path = "support/measure.rs"]
mod measure;

use std::time::Duration;

use audiox_core::block::AudioRef;
use audiox_core::codec::{Decoder, Encoder};
use audiox_opus::{Application, Concealment, DRED, OpusConfig, OpusDecoder, OpusEncoder};
use counting::{assert_no_alloc, counted};
use measure::{format, tones};

#[test]
fn packets_pass_without_allocating() {
    for (channels, frames) in [(1, 960), (2, 120), (6, 2_880)] {
        let deep = DRED && channels < 3;
        let config = OpusConfig {
            application: Application::Voip,
            history: Duration::from_millis(if deep { 500 } else { 0 }),
            concealment: if deep {
                Concealment::Deep
            } else {
                Concealment::Classic
            },
            complexity: 2,
            expected_loss: 0.1,
            dtx: true,
            ..OpusConfig::default()
        };
        let format = format(48_000, channels);
        let mut encoder = OpusEncoder::new(&config, format, frames).unwrap();
        let mut decoder = OpusDecoder::new(&config, format, 5_760).unwrap();
        let input = tones(format, frames * 8, None);
        let mut payload = vec![0; encoder.max_payload_len()];
        let mut out = vec![0.0; 5_760 * usize::from(channels)];
        let samples = frames * usize::from(channels);
        let mut packets = 0;
        assert_no_alloc(|| {
            for round in 0..40 {
                for block in input.chunks_exact(samples) {
                    let block = AudioRef::new(block, format.channels);
                    let len = encoder.encode(block, &mut payload).unwrap();
                    packets += 1;
                    if len == 0 {
                        decoder.conceal(&mut out[..samples]);
                        continue;
                    }
                    let payload = &mut payload[..len];
                    assert_eq!(decoder.frames_in(payload), Ok(frames));
                    assert_eq!(decoder.decode(payload, &mut out), Ok(frames));
                    decoder.decode_fec(payload, &mut out[..samples]).unwrap();
                    let ahead = frames * 3;
                    decoder
                        .recover(payload, ahead, &mut out[..samples])
                        .unwrap();
                    decoder.conceal(&mut out[..77 * usize::from(channels)]);
                    payload[len / 2] ^= 0x55;
                    let _ = decoder.decode(payload, &mut out);
                    assert!(decoder.decode(&payload[..0], &mut out).is_err());
                }
                encoder.set_expected_loss(round as f32 / 40.0);
                encoder.set_bitrate(32_000 + round * 1_000);
                let short = AudioRef::new(&input[..channels as usize], format.channels);
                encoder.encode(short, &mut payload).unwrap();
                assert!(encoder.encode(block_of(&input), &mut payload).is_err());
                if round % 10 == 9 {
                    encoder.reset();
                    decoder.reset();
                }
            }
        });
        assert_eq!(packets, 320);
    }
    let (_, counts) = counted(|| OpusEncoder::new(&OpusConfig::default(), format(8_000, 1), 160));
    assert!(counts.allocations > 0, "the counter counts");
}

/// Too long for any packet.
fn block_of(input: &[f32]) -> AudioRef<'_> {
    AudioRef::new(input, format(48_000, 1).channels)
}

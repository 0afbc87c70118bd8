//! Whatever arrives in whatever order: finite audio or an error, and a decoder that goes on.
#![cfg(test)]

#[path = "support/measure.rs"]
mod measure;

use std::time::Duration;

use audiox_core::codec::{DecodeError, Decoder};
use audiox_core::format::Channels;
use audiox_opus::{Application, Concealment, DRED, Layout, OpusConfig, OpusDecoder, OpusEncoder};
use measure::{decoded, format, payloads, tones};
use proptest::prelude::*;

/// What a receiver may do with a payload.
#[derive(Debug, Clone)]
enum Step {
    /// A real one of a stream, some bits turned and some bytes cut off.
    Payload {
        index: usize,
        flips: Vec<(usize, u8)>,
        cut: usize,
    },
    Garbage(Vec<u8>),
    Conceal(usize),
    Reset,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let payload = (
        0..40usize,
        prop::collection::vec((0..400usize, 0..8u8), 0..4),
        0..6usize,
    )
        .prop_map(|(index, flips, cut)| Step::Payload { index, flips, cut });
    let garbage = prop::collection::vec(any::<u8>(), 0..300).prop_map(Step::Garbage);
    let step = prop_oneof![
        6 => payload,
        2 => garbage,
        2 => (0..3_000usize).prop_map(Step::Conceal),
        1 => Just(Step::Reset),
    ];
    prop::collection::vec(step, 1..24)
}

fn stream(
    application: Application,
    channels: u16,
    frames: usize,
    layout: Option<Layout>,
) -> (OpusConfig, Vec<Vec<u8>>) {
    let deep = DRED && channels < 3;
    let config = OpusConfig {
        application,
        expected_loss: 0.3,
        complexity: 1,
        history: Duration::from_millis(if deep { 500 } else { 0 }),
        concealment: if deep {
            Concealment::Deep
        } else {
            Concealment::Classic
        },
        layout,
        ..OpusConfig::default()
    };
    let format = format(48_000, channels);
    let mut encoder = OpusEncoder::new(&config, format, frames).unwrap();
    let sent = payloads(&mut encoder, &tones(format, frames * 10, None));
    (config, sent)
}

fn check(
    config: &OpusConfig,
    channels: u16,
    sent: &[Vec<u8>],
    steps: Vec<Step>,
) -> Result<(), TestCaseError> {
    let ch = usize::from(channels);
    let mut decoder = OpusDecoder::new(config, format(48_000, channels), 5_760).unwrap();
    let mut out = vec![0.0; 5_760 * ch];
    for step in steps {
        out.fill(f32::NAN);
        let payload = match step {
            Step::Payload { index, flips, cut } => {
                let mut payload = sent[index % sent.len()].clone();
                for (at, bit) in flips {
                    let at = at % payload.len();
                    payload[at] ^= 1 << bit;
                }
                payload.truncate(payload.len() - cut.min(payload.len()));
                payload
            }
            Step::Garbage(bytes) => bytes,
            Step::Conceal(frames) => {
                prop_assert_eq!(decoder.conceal(&mut out[..frames * ch]), frames);
                prop_assert!(out[..frames * ch].iter().all(|x| x.is_finite()));
                continue;
            }
            Step::Reset => {
                decoder.reset();
                continue;
            }
        };
        let announced = decoder.frames_in(&payload);
        let recovered = decoder.decode_fec(&payload, &mut out[..960 * ch]);
        prop_assert!(matches!(
            recovered,
            Ok(0..=960) | Err(DecodeError::Malformed)
        ));
        let n = recovered.map_or(0, |n| if n > 0 { 960 } else { 0 });
        prop_assert!(out[..n * ch].iter().all(|x| x.is_finite()));
        for ahead in [480, 960, 9_600] {
            let n = decoder.recover(&payload, ahead, &mut out[..960 * ch]);
            prop_assert!(matches!(n, Ok(0..=960) | Err(DecodeError::Malformed)));
            let n = n.map_or(0, |n| if n > 0 { 960 } else { 0 });
            prop_assert!(out[..n * ch].iter().all(|x| x.is_finite()));
        }
        let n = decoder.decode(&payload, &mut out);
        prop_assert_eq!(n.is_ok(), announced.is_ok());
        if let Ok(n) = n {
            prop_assert_eq!(Ok(n), announced);
            prop_assert!(out[..n * ch].iter().all(|x| x.is_finite()));
        }
    }
    decoder.reset();
    prop_assert_eq!(
        decoded(&mut decoder, sent).len(),
        sent.len() * decoder.frames_in(&sent[0]).unwrap() * ch
    );
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_speech_stream_is_survived(steps in steps()) {
        let (config, sent) = stream(Application::Voip, 1, 960, None);
        check(&config, 1, &sent, steps)?;
    }

    #[test]
    fn any_music_stream_is_survived(steps in steps()) {
        let (config, sent) = stream(Application::LowDelay, 2, 240, None);
        check(&config, 2, &sent, steps)?;
    }

    #[test]
    fn any_multistream_is_survived(steps in steps()) {
        let layout = Layout::discrete(Channels::new(3).unwrap()).unwrap();
        let (config, sent) = stream(Application::Audio, 3, 1_920, Some(layout));
        check(&config, 3, &sent, steps)?;
    }
}

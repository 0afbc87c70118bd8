//! Replays the checked-in fuzz corpus, and makes it.
//!
//! `AUDIOX_WRITE_SEEDS=1 cargo test -p audiox-opus --all-features --test fuzz_corpus` writes it.
#![cfg(test)]

#[path = "support/measure.rs"]
mod measure;
#[path = "../../../fuzz/replay.rs"]
mod replay;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use audiox_core::codec::Decoder;
use audiox_core::format::Channels;
use audiox_opus::packet::OpusPacket;
use audiox_opus::{
    Application, Bitrate, DRED, InbandFec, Layout, OpusConfig, OpusDecoder, OpusEncoder,
};
use measure::{format, payloads, speech};

#[test]
fn every_corpus_file_passes_its_body() {
    replay::replay("audiox_opus", audiox_opus::fuzzing::BODIES);
}

fn corpus() -> PathBuf {
    Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../fuzz/corpus/opus"
    ))
    .to_owned()
}

/// libopus' payloads differ a little from processor to processor, so what is checked in is what
/// one of them made.
#[test]
fn seeds_are_written_when_asked_for() {
    if std::env::var_os("AUDIOX_WRITE_SEEDS").is_none() {
        assert!(fs::read_dir(corpus()).unwrap().count() >= 20);
        return;
    }
    if !DRED {
        panic!("seeds with deep redundancy need --all-features");
    }
    fs::create_dir_all(corpus()).unwrap();
    for (name, bytes) in seeds() {
        fs::write(corpus().join(name), bytes).unwrap();
    }
}

/// Builds without the feature play what those with it send.
#[test]
fn a_stream_with_deep_redundancy_is_decoded_with_and_without_the_feature() {
    let data = fs::read(corpus().join("dred-24k-mono")).unwrap();
    let mut rest = &data[1..];
    let config = OpusConfig::default();
    let mut decoder = OpusDecoder::new(&config, format(24_000, 1), 480).unwrap();
    let (mut carrying, mut loudest) = (0, 0.0f32);
    while let Some((&[action, high, low], after)) = rest.split_first_chunk() {
        let (payload, after) = after.split_at(usize::from(u16::from_be_bytes([high, low])));
        rest = after;
        if action == DECODE {
            let mut out = [0.0; 480];
            assert_eq!(decoder.decode(payload, &mut out), Ok(480));
            carrying += usize::from(!OpusPacket::parse(payload).unwrap().padding().is_empty());
            loudest = out.iter().fold(loudest, |a, x| a.max(x.abs()));
        }
    }
    assert!(carrying >= 5, "{carrying} payloads carry it");
    assert!((0.05..1.2).contains(&loudest), "{loudest}");
}

const DECODE: u8 = 4;
/// Of six units of 2.5 ms and one frame.
const CONCEAL: u8 = 6 << 5 | 1 << 3;
const CORRECT: u8 = 7 << 5 | 1;
const RECOVER: u8 = 7 << 5 | 2;
const RESET: u8 = 3;

fn seeds() -> Vec<(String, Vec<u8>)> {
    let mut seeds = Vec::new();
    let base = OpusConfig {
        expected_loss: 0.2,
        ..OpusConfig::default()
    };
    let speech = |kilobits: u32| OpusConfig {
        application: Application::Voip,
        bitrate: Bitrate::BitsPerSecond(kilobits * 1_000),
        fec: InbandFec::Always,
        ..base.clone()
    };
    let deep = OpusConfig {
        history: Duration::from_millis(500),
        fec: InbandFec::Off,
        ..speech(48)
    };
    let low_delay = OpusConfig {
        application: Application::LowDelay,
        ..base.clone()
    };
    let discrete = OpusConfig {
        layout: Layout::discrete(Channels::new(3).unwrap()).ok(),
        ..speech(72)
    };
    let silence = OpusConfig {
        dtx: true,
        ..speech(24)
    };
    for (name, head, rate, channels, frames, config) in [
        ("speech-8k-mono", 0, 8_000, 1, 160, speech(16)),
        ("speech-16k-mono-60ms", 2, 16_000, 1, 960, speech(20)),
        ("speech-48k-stereo", 9, 48_000, 2, 960, speech(40)),
        ("speech-48k-mono-120ms", 4, 48_000, 1, 5_760, speech(40)),
        ("music-48k-mono", 4, 48_000, 1, 960, base.clone()),
        ("music-48k-stereo-2.5ms", 9, 48_000, 2, 120, low_delay),
        ("music-12k-stereo-40ms", 6, 12_000, 2, 480, base.clone()),
        ("discrete-24k", 13, 24_000, 3, 480, discrete),
        ("surround-48k", 19, 48_000, 6, 960, base.clone()),
        ("dtx-16k", 2, 16_000, 1, 320, silence),
        ("dred-24k-mono", 3, 24_000, 1, 480, deep.clone()),
        ("dred-48k-stereo-deep", 29, 48_000, 2, 960, deep),
    ] {
        let format = format(rate, channels);
        let mut encoder = OpusEncoder::new(&config, format, frames).unwrap();
        let ch = usize::from(channels);
        let spoken = speech_at_a_word(rate as usize * 2 / 5);
        let input: Vec<f32> = spoken.iter().flat_map(|x| vec![*x; ch]).collect();
        let sent = payloads(&mut encoder, &input);
        let mut whole = vec![head];
        let mut trouble = vec![head];
        for (i, payload) in sent.iter().enumerate() {
            packet(&mut whole, DECODE, payload);
            let action = match i % 11 {
                3 => CONCEAL,
                4 => RECOVER,
                5 => CORRECT,
                9 => RESET,
                _ => DECODE,
            };
            packet(&mut trouble, action, payload);
        }
        trouble.truncate(trouble.len() - 3);
        seeds.push((name.to_owned(), whole));
        seeds.push((format!("{name}-trouble"), trouble));
        if !name.contains("music") {
            let at = sent.len() / 2;
            seeds.push((format!("{name}-payload"), sent[at].clone()));
        }
    }
    for (name, text) in [
        (
            "fmtp",
            "maxplaybackrate=16000; sprop-maxcapturerate=16000; maxaveragebitrate=20000; stereo=1; useinbandfec=1; usedtx=0",
        ),
        (
            "fmtp-multiopus",
            "channel_mapping=0,4,1,2,3,5;coupled_streams=2;num_streams=4",
        ),
        (
            "fmtp-odd",
            " ;; Stereo = 1 ;x-google-min-bitrate=40;cbr=1;;maxptime=3;ptime=20",
        ),
    ] {
        seeds.push((name.to_owned(), text.into()));
    }
    for (name, bytes) in [
        ("empty", &[][..]),
        ("toc", &[8]),
        ("forty-eight-frames", &[0x83, 48]),
        ("forty-nine-frames", &[0x83, 49]),
        ("padding-too-long", &[0x0b, 0x41, 255, 255, 255]),
        ("lengths-too-long", &[0x0b, 0x83, 255, 255, 1]),
    ] {
        seeds.push((name.to_owned(), bytes.to_vec()));
    }
    seeds
}

/// The middle of the recording, where somebody speaks.
fn speech_at_a_word(samples: usize) -> Vec<f32> {
    speech()[30_000..30_000 + samples].to_vec()
}

fn packet(stream: &mut Vec<u8>, action: u8, payload: &[u8]) {
    stream.push(action);
    stream.extend((payload.len() as u16).to_be_bytes());
    stream.extend(payload);
}

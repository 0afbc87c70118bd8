//! Body of the fuzz target: what must hold for any bytes whatever.

use audiox_core::codec::Decoder;
use audiox_core::format::{Channels, SampleRate, StreamFormat};

use crate::packet::{OpusPacket, Streams};
use crate::{Concealment, DRED, Layout, OpusConfig, OpusDecoder, OpusParams};

/// A fuzz target's body; it panics where a property does not hold.
pub type Body = fn(&[u8]);

/// Every body of this crate under the name of its target and of its corpus folder.
pub const BODIES: &[(&str, Body)] = &[("opus", opus)];

/// Reads `data` as SDP parameters, as a payload, and as a stream: a byte that chooses the
/// decoder, then packets, each of a byte that says what is done with it, a length of two bytes
/// (big-endian) and the payload.
pub fn opus(data: &[u8]) {
    params(data);
    payload(data);
    stream(data);
}

fn params(data: &[u8]) {
    let text = std::str::from_utf8(data);
    let Ok(Ok(read)) = text.map(str::parse::<OpusParams>) else {
        return;
    };
    let written = OpusParams {
        ptime: None,
        max_ptime: None,
        ..read
    };
    assert_eq!(written.to_string().parse(), Ok(written));
}

fn payload(data: &[u8]) {
    if let Ok(packet) = OpusPacket::parse(data) {
        assert!((1..=48).contains(&packet.coded_frames()));
        assert!((120..=5_760).contains(&packet.ticks()));
        assert!(packet.padding().len() < data.len());
        let _ = (packet.has_fec(), packet.is_silence());
    }
}

fn stream(data: &[u8]) {
    let Some((&head, mut rest)) = data.split_first() else {
        return;
    };
    let Some((mut decoder, layout)) = decoder(head) else {
        return;
    };
    let channels = decoder.format().channels.get();
    let mut out = vec![0.0; decoder.max_frames() * channels];
    let unit = decoder.max_frames() / 48;
    for _ in 0..MAX_PACKETS {
        let Some((&[action, high, low], after)) = rest.split_first_chunk() else {
            return;
        };
        let len = usize::from(u16::from_be_bytes([high, low])).min(after.len());
        let (payload, after) = after.split_at(len);
        rest = after;
        let streams: Result<Vec<_>, _> = Streams::new(payload, &layout).collect();
        let announced = decoder.frames_in(payload);
        assert!(streams.is_ok() || announced.is_err());
        // Some odd number of frames.
        let block = unit * usize::from(action >> 5) + usize::from(action >> 3 & 3);
        let block = &mut out[..block * channels];
        block.fill(f32::NAN);
        match action & 7 {
            0 => assert_eq!(decoder.conceal(block), block.len() / channels),
            1 => {
                if decoder.decode_fec(payload, block).is_ok_and(|n| n > 0) {
                    assert!(block.iter().all(|x| x.is_finite()));
                }
            }
            2 => {
                let ahead = unit * 80;
                if decoder.recover(payload, ahead, block).is_ok_and(|n| n > 0) {
                    assert!(block.iter().all(|x| x.is_finite()));
                }
            }
            3 => decoder.reset(),
            _ => {
                out.fill(f32::NAN);
                let decoded = decoder.decode(payload, &mut out);
                assert_eq!(decoded.is_ok(), announced.is_ok());
                let n = decoded.unwrap_or(0);
                assert_eq!(n, announced.unwrap_or(0));
                assert!(out[..n * channels].iter().all(|x| x.is_finite()));
            }
        }
    }
}

/// One of 40 decoders.
fn decoder(head: u8) -> Option<(OpusDecoder, Layout)> {
    let rate = [8_000, 12_000, 16_000, 24_000, 48_000][usize::from(head) % 5];
    let channels = Channels::new([1, 2, 3, 6][usize::from(head) / 5 % 4]).ok()?;
    let format = StreamFormat::new(SampleRate::new(rate).ok()?, channels);
    let deep = DRED && head / 20 % 2 == 1;
    let config = OpusConfig {
        layout: match channels.get() {
            3 => Some(Layout::discrete(channels).ok()?),
            _ => None,
        },
        concealment: if deep {
            Concealment::Deep
        } else {
            Concealment::Classic
        },
        ..OpusConfig::default()
    };
    let longest = rate as usize * 120 / 1_000;
    let decoder = OpusDecoder::new(&config, format, longest).ok()?;
    let layout = decoder.layout().clone();
    Some((decoder, layout))
}

/// In one input: enough for what comes to depend on what came.
const MAX_PACKETS: usize = 64;

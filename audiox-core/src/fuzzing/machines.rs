//! Sequences of operations on the machines of reception, drawn from the bytes.

use std::collections::BTreeSet;
use std::time::Duration;

use super::dice::Dice;
use crate::block::AudioMut;
use crate::codec::{Decoder, PcmCoding, PcmDecoder};
use crate::format::{Channels, SampleRate, StreamFormat};
use crate::ingress::{IngressFraming, Origin, ReportConfig};
use crate::jitter::{JitterBuffer, Refusal};
use crate::packet::PacketBuf;
use crate::packet::rtp::RtpHeader;
use crate::playout::PlayoutConfig;
use crate::receiver::{Receiver, ReceiverConfig};
use crate::time::{ExtSeq, Instant, RtpTimestamp, SeqNum};

/// Any datagrams, reports, pulls and time steps, in any order, also backwards: a pull fills its
/// slice with finite samples within full scale, what it says adds up, and no buffer is lost.
pub fn receiver_ops(data: &[u8]) {
    let mut dice = Dice(data);
    let flags = dice.byte();
    let rate = SampleRate::HZ_8000;
    let channels = if flags & 1 == 0 {
        Channels::MONO
    } else {
        Channels::STEREO
    };
    let format = StreamFormat::new(rate, channels);
    let raw = flags & 2 != 0;
    let framing = if raw {
        IngressFraming::Raw {
            pcm: crate::format::PcmFormat::S16LE,
            channels,
            rate,
        }
    } else {
        IngressFraming::Rtp(vec![(96, rate), (0, rate)])
    };
    let mut config = ReceiverConfig::new(framing);
    config.max_datagram = 400;
    config.ingress.max_sources = 3;
    config.ingress.idle_after = Duration::from_millis(500);
    config.ingress.reports = (!raw).then(|| ReportConfig {
        ssrc: 1,
        cname: "fuzz".into(),
        bandwidth: 64_000,
    });
    let latency = Duration::from_millis(u64::from(flags >> 2 & 31));
    config.playout = match flags >> 7 {
        0 => PlayoutConfig::exact(latency),
        // Everything that there is: delay, concealment, stretch, drift, another rate.
        _ => PlayoutConfig {
            output: Some(StreamFormat::new(SampleRate::HZ_8000, Channels::STEREO)),
            ..PlayoutConfig::default()
        },
    };
    config.playout.width = 16;
    config.playout.resync_after = Duration::from_millis(100);
    let mut now = Instant::from_nanos(1_000_000_000);
    let mut receiver = match Receiver::new(config, decoders(format), now) {
        Ok(receiver) => receiver,
        Err(e) => panic!("a sound configuration is refused: {e}"),
    };
    let mut stream = (
        SeqNum(dice.word()),
        RtpTimestamp(u32::from(dice.word()) << 16),
    );
    let mut datagram = [0u8; 512];
    let mut out = [0.0f32; 256];
    while !dice.is_used_up() {
        match dice.byte() % 10 {
            // The next packet of a stream, sometimes damaged.
            0..=3 => {
                let frames = u32::from(dice.byte() % 60);
                let len = packet(
                    &mut datagram,
                    stream,
                    frames as usize * format.channels.get() * 2,
                );
                stream = (stream.0.wrapping_add(1), stream.1.wrapping_add(frames));
                let damage = dice.byte();
                if damage > 200
                    && let Some(b) = datagram[..len].get_mut(usize::from(damage) % len.max(1))
                {
                    *b ^= dice.byte();
                }
                let _ =
                    receiver.handle_datagram(now, Origin(u64::from(damage % 3)), &datagram[..len]);
            }
            // The stream jumps.
            4 => {
                stream.0 = stream.0.wrapping_add(dice.word());
                stream.1 = stream
                    .1
                    .wrapping_add(u32::from(dice.word()) << (dice.byte() % 17));
            }
            5 => {
                let len = usize::from(dice.byte()) * 2;
                let _ = receiver.handle_datagram(now, Origin(9), dice.take(len));
            }
            6 => {
                let len = usize::from(dice.byte());
                let _ = receiver.handle_rtcp(now, dice.take(len));
            }
            7 => {
                let step = Duration::from_micros(u64::from(dice.word()) * 16);
                now = if dice.byte() > 250 {
                    now.saturating_sub(step)
                } else {
                    now + step
                };
            }
            8 => {
                receiver.handle_timeout(now);
                let _ = receiver.poll_report(now, &mut datagram);
                while receiver.poll_event().is_some() {}
            }
            _ => {
                let width = match dice.byte() % 8 {
                    0 => Channels::MONO,
                    1 => Channels::STEREO,
                    _ => format.channels,
                };
                let len = usize::from(dice.byte());
                let len = len - len % width.get();
                out.fill(f32::NAN);
                let pulled = receiver.pull(now, AudioMut::new(&mut out[..len], width));
                assert_eq!(
                    pulled.decoded + pulled.concealed + pulled.idle,
                    len / width.get()
                );
                assert!(out[..len].iter().all(|s| s.abs() <= 1.0));
                now += format.rate.duration_of((len / width.get()) as u64);
            }
        }
        assert_eq!(receiver.playout_stats().buffers_dropped, 0);
        assert_eq!(receiver.buffers(), 17);
    }
}

fn decoders(format: StreamFormat) -> Vec<(u8, Box<dyn Decoder>)> {
    [(96, PcmCoding::L16), (0, PcmCoding::Mulaw)]
        .into_iter()
        .filter_map(|(pt, coding)| {
            let decoder = PcmDecoder::new(coding, format, 400).ok()?;
            Some((pt, Box::new(decoder) as Box<dyn Decoder>))
        })
        .collect()
}

fn packet(out: &mut [u8; 512], (seq, timestamp): (SeqNum, RtpTimestamp), payload: usize) -> usize {
    let body = [0x15u8; 240];
    RtpHeader::new(96, seq, timestamp, 5)
        .and_then(|h| h.write_packet(&body[..payload.min(240)], 0, out))
        .unwrap_or(0)
}

/// The ring against the same rules said slowly, over any sequence of inserts and takes.
pub fn jitter_ops(data: &[u8]) {
    let mut dice = Dice(data);
    let Ok(mut ring) = JitterBuffer::new(usize::from(dice.byte() % 60) + 2) else {
        return;
    };
    let width = ring.width() as u64;
    let (mut held, mut taken, mut floor) = (BTreeSet::new(), BTreeSet::new(), 0u64);
    while !dice.is_used_up() {
        if dice.byte().is_multiple_of(3) {
            let expected = held.pop_first();
            floor = expected.map_or(floor, |seq| seq + 1);
            taken.extend(expected);
            assert_eq!(ring.pop().map(|p| p.meta.seq.0), expected);
        } else {
            let seq = floor.saturating_sub(8) + u64::from(dice.byte());
            let low = held.first().map_or(seq, |l| seq.min(*l));
            let high = held.last().map_or(seq, |h| seq.max(*h));
            let expected = if seq < floor && floor - seq <= width && taken.contains(&seq) {
                Some(Refusal::Duplicate)
            } else if seq < floor {
                Some(Refusal::Late)
            } else if held.contains(&seq) {
                Some(Refusal::Duplicate)
            } else if high - low >= width {
                Some(Refusal::Overflow)
            } else {
                held.insert(seq);
                None
            };
            let mut packet = PacketBuf::with_capacity(0);
            packet.meta.seq = ExtSeq(seq);
            assert_eq!(ring.insert(packet).err().map(|(why, _)| why), expected);
        }
        assert_eq!(ring.len(), held.len());
        assert_eq!(ring.head().map(|p| p.meta.seq.0), held.first().copied());
    }
}

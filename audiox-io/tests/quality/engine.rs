//! Audio through the whole receiving side: RTP packets in, some of them lost, quanta out.

use std::time::Duration;

use audiox_core::block::AudioMut;
use audiox_core::codec::{PcmCoding, PcmDecoder};
use audiox_core::ingress::{IngressFraming, Origin};
use audiox_core::packet::rtp::RtpHeader;
use audiox_core::playout::PlayoutConfig;
use audiox_core::receiver::{Receiver, ReceiverConfig};
use audiox_core::stats::PlayoutStats;
use audiox_core::time::{Instant, RtpTimestamp, SeqNum};

use crate::material::Material;

/// What came out.
pub(crate) struct Heard {
    /// Interleaved, from the first frame that was sent on, as long as what was sent.
    pub(crate) samples: Vec<f32>,
    pub(crate) stats: PlayoutStats,
}

pub(crate) const PTIME: Duration = Duration::from_millis(10);
const PAYLOAD_TYPE: u8 = 96;
/// Packets by which what is heard may lag behind what is sent.
const LEAD: usize = 40;

/// Sends `material` in packets of [`PTIME`], without those that are `lost`, over a network that
/// needs no time, and pulls as much at once.
pub(crate) fn play(material: &Material, lost: &[bool], playout: PlayoutConfig) -> Heard {
    let format = material.format;
    let frames = format.rate.frames_in(PTIME) as usize;
    let step = frames * format.channels.get();
    let framing = IngressFraming::Rtp(vec![(PAYLOAD_TYPE, format.rate)]);
    let mut config = ReceiverConfig::new(framing);
    config.playout = playout;
    let decoder = PcmDecoder::new(PcmCoding::L16, format, frames).unwrap();
    let start = Instant::from_nanos(1_000_000_000);
    let decoders: Vec<(u8, Box<dyn audiox_core::codec::Decoder>)> =
        vec![(PAYLOAD_TYPE, Box::new(decoder))];
    let mut receiver = Receiver::new(config, decoders, start).unwrap();

    let mut packets = material.samples.chunks_exact(step).zip(lost);
    let (mut payload, mut datagram) = (vec![0; 2 * step], vec![0; 2 * step + 12]);
    let mut out = vec![0.0; step];
    let mut samples = Vec::new();
    for n in 0..lost.len() + LEAD {
        if samples.len() >= lost.len() * step {
            break;
        }
        let now = start + PTIME * n as u32;
        if let Some((packet, &false)) = packets.next() {
            PcmCoding::L16.encode(packet, &mut payload);
            let timestamp = RtpTimestamp((n * frames) as u32);
            let header = RtpHeader::new(PAYLOAD_TYPE, SeqNum(n as u16), timestamp, 1).unwrap();
            let len = header.write_packet(&payload, 0, &mut datagram).unwrap();
            receiver.handle_datagram(now, Origin(0), &datagram[..len]);
        }
        let pulled = receiver.pull(now, AudioMut::new(&mut out, format.channels));
        // Silence until the first packet's time has come.
        samples.extend_from_slice(&out[pulled.idle * format.channels.get()..]);
    }
    samples.truncate(lost.len() * step);
    Heard {
        samples,
        stats: *receiver.playout_stats(),
    }
}

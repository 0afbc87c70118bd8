//! Packets on their way: written, read, put in order, protected, played.

use std::hint::black_box;

use audiox_benches::rtp::{full, payload};
use audiox_core::block::{AudioMut, AudioRef};
use audiox_core::codec::{CodecRegistry, PcmCoding, PcmEncoder};
use audiox_core::fec::block::{BlockConfig, BlockDecoder, BlockEncoder, PayloadId, Points};
use audiox_core::fec::window::{WindowDecoder, WindowEncoder};
use audiox_core::format::{Channels, SampleRate, StreamFormat};
use audiox_core::ingress::{IngressFraming, Origin};
use audiox_core::jitter::{DelayConfig, DelayEstimator, JitterBuffer};
use audiox_core::packet::rtcp::Compound;
use audiox_core::packet::rtp::{RtpHeader, RtpPacket};
use audiox_core::packet::{Framing, PacketBuf};
use audiox_core::playout::{DriftCorrection, PlayoutConfig};
use audiox_core::sender::{Sender, SenderConfig};
use audiox_core::session::{Session, SessionConfig, UniformPlayouts};
use audiox_core::sim::Pcg32;
use audiox_core::time::{ExtSeq, Instant, NtpTime, RtpTimestamp, SeqNum};

use crate::operation::{Operation, Round};

const FORMAT: StreamFormat = StreamFormat::new(SampleRate::HZ_48000, Channels::STEREO);
/// 10 ms.
const FRAMES: usize = 480;

pub(crate) fn operations() -> Vec<Operation> {
    vec![
        Operation::new("read an RTP packet, every field", 10_000, read_rtp),
        Operation::new("write an RTP header", 10_000, write_rtp),
        Operation::new("read a sender report, SDES and bye", 10_000, read_rtcp),
        Operation::new("send 10 ms of L16 stereo", 1_000, send),
        Operation::new("jitter buffer, insert and take", 10_000, jitter),
        Operation::new("delay estimate, observe and ask", 10_000, delay),
        Operation::new("play 10 ms of L16 stereo", 1_000, || play(Hearing::ONE)),
        Operation::new("the same, a tenth lost", 1_000, || {
            play(Hearing {
                lost_percent: 10,
                ..Hearing::ONE
            })
        }),
        Operation::new("the same, clocks 100 ppm apart", 4_000, || {
            play(Hearing {
                apart: 1_000,
                ..Hearing::ONE
            })
        }),
        Operation::new("play 16 of them, limited", 200, || {
            play(Hearing {
                sources: 16,
                level: 10_000,
                ..Hearing::ONE
            })
        }),
        Operation::new("FEC window, encode a packet", 2_000, window_encode),
        Operation::new("FEC window, decode, a tenth lost", 2_000, window_decode),
        Operation::new("FEC block, encode a packet", 2_000, block_encode),
        Operation::new("FEC block, decode, a tenth lost", 2_000, block_decode),
    ]
}

fn read_rtp() -> Round {
    let datagram = full();
    Box::new(move || {
        let p = RtpPacket::parse(black_box(&datagram)).expect("sound");
        black_box((p.marker(), p.payload_type(), p.seq(), p.timestamp()));
        black_box((p.ssrc(), p.extension(), p.payload()));
        p.csrcs().for_each(|csrc| {
            black_box(csrc);
        });
    })
}

fn write_rtp() -> Round {
    let datagram = full();
    let mut out = payload();
    Box::new(move || {
        let mut header = RtpPacket::parse(&datagram).expect("sound").header();
        header.seq = header.seq.wrapping_add(1);
        black_box(header.write_into(black_box(&mut out))).expect("room");
    })
}

fn read_rtcp() -> Round {
    let mut sender = sender();
    let mut report = [0; 1_500];
    sender.finish();
    let transmit = sender.poll_transmit(at(0), &mut report);
    let len = transmit.expect("a goodbye").len;
    Box::new(move || {
        let compound = Compound::parse(black_box(&report[..len])).expect("sound");
        compound.packets().for_each(|packet| {
            let _ = black_box(packet);
        });
    })
}

fn send() -> Round {
    let (mut sender, mut step) = (sender(), 0);
    let (audio, mut datagram) = ([0.25; FRAMES * 2], [0; 2_048]);
    Box::new(move || {
        step += 1;
        sender.push(AudioRef::new(black_box(&audio), FORMAT.channels));
        while let Some(transmit) = sender.poll_transmit(at(step), &mut datagram) {
            black_box(transmit);
        }
    })
}

fn jitter() -> Round {
    const DEPTH: usize = 6;
    let mut ring = JitterBuffer::new(256).expect("a sound width");
    let packet = || PacketBuf::with_capacity(2_000);
    let mut free: Vec<PacketBuf> = (0..=DEPTH).map(|_| packet()).collect();
    let mut n = 0;
    Box::new(move || {
        if let Some(mut packet) = free.pop() {
            // Two and two change places.
            packet.meta.seq = ExtSeq(n ^ 1);
            n += 1;
            if let Err((_, refused)) = ring.insert(packet) {
                free.push(refused);
            }
        }
        if ring.len() >= DEPTH {
            free.extend(black_box(ring.pop()));
        }
    })
}

fn delay() -> Round {
    const PTIME: u64 = 10_000_000;
    let mut estimator = DelayEstimator::new(&DelayConfig::default()).expect("the default is sound");
    let (mut rng, mut n, mut arrival) = (Pcg32::new(5, 2), 0, 0);
    Box::new(move || {
        arrival = arrival.max(n * PTIME + rng.below(20_000_000));
        let (arrival, media) = (Instant::from_nanos(arrival), (n * PTIME) as i64);
        estimator.observe(arrival, ExtSeq(n), media, PTIME as i64);
        n += 1;
        black_box(estimator.target());
    })
}

/// What a session hears.
#[derive(Clone, Copy)]
struct Hearing {
    sources: u32,
    lost_percent: u32,
    /// Of each sample.
    level: i16,
    /// By how many nanoseconds a packet of the sender's clock is shorter than ours; 0 does not
    /// compare them.
    apart: u64,
}

impl Hearing {
    const ONE: Self = Self {
        sources: 1,
        lost_percent: 0,
        level: 100,
        apart: 0,
    };
}

/// A datagram of each source through a session, and a quantum out of it.
fn play(hearing: Hearing) -> Round {
    let framing = IngressFraming::Rtp(vec![(96, FORMAT.rate)]);
    let types = [(96, "L16/48000/2".parse().expect("a codec"))];
    let playout = PlayoutConfig {
        drift: match hearing.apart {
            0 => DriftCorrection::Ignore,
            _ => DriftCorrection::Resample,
        },
        ..PlayoutConfig::default()
    };
    let playouts = UniformPlayouts::rtp(playout, types, CodecRegistry::pcm());
    let config = SessionConfig::new(FORMAT, framing);
    let mut session = Session::new(config, playouts, at(0)).expect("a sound configuration");
    let samples = hearing.level.to_be_bytes().repeat(FRAMES * 2);
    let mut datagram = [vec![0; 12], samples].concat();
    let (mut rng, mut out, mut step) = (Pcg32::new(7, 7), vec![0.0; FRAMES * 2], 0u64);
    Box::new(move || {
        let sent = Instant::from_nanos(1_000_000_000 + step * (10_000_000 - hearing.apart));
        for ssrc in 0..hearing.sources {
            let timestamp = RtpTimestamp((step as u32).wrapping_mul(FRAMES as u32));
            RtpHeader::new(96, SeqNum(step as u16), timestamp, ssrc)
                .and_then(|h| h.write_into(&mut datagram))
                .expect("the header fits");
            if rng.next_u32() % 100 >= hearing.lost_percent {
                black_box(session.handle_datagram(sent, Origin(0), &datagram));
            }
        }
        let out = AudioMut::new(&mut out, FORMAT.channels);
        black_box(session.pull(at(step), out));
        step += 1;
    })
}

const SPAN: usize = 16;
/// Packets of 1 ms of 16-bit stereo.
const BYTES: usize = 204;

fn packet(n: u64) -> [u8; BYTES] {
    let mut rng = Pcg32::new(n, 1);
    let mut packet = [0; BYTES];
    packet.fill_with(|| rng.next_u32() as u8);
    packet[0] = 0x80;
    packet[2..4].copy_from_slice(&(n as u16).to_be_bytes());
    packet[8..12].fill(7);
    packet
}

fn window_encode() -> Round {
    let mut encoder = WindowEncoder::new(SPAN, 500).expect("in range");
    let (mut packet, mut n, mut out) = (packet(0), 0u16, [0; 300]);
    Box::new(move || {
        packet[2..4].copy_from_slice(&n.to_be_bytes());
        n = n.wrapping_add(1);
        encoder.push(black_box(&packet));
        while let Some(len) = encoder.poll_repair(&mut out) {
            black_box(len);
        }
    })
}

/// A packet's number, whether it is a repair packet, and its bytes.
type Sent = (u64, bool, Vec<u8>);

/// Enough for the longer run, a tenth of it lost.
fn lossy(mut each: impl FnMut(u64, &mut Vec<Sent>)) -> std::vec::IntoIter<Sent> {
    let (mut rng, mut sent) = (Pcg32::new(3, 3), Vec::new());
    (0..6_100).for_each(|n| each(n, &mut sent));
    sent.retain(|&(n, ..)| rng.next_u32() % 10 != 0 || n == 0);
    sent.into_iter()
}

fn window_decode() -> Round {
    let mut encoder = WindowEncoder::new(SPAN, 500).expect("in range");
    let mut out = [0; 300];
    let mut sent = lossy(|n, sent| {
        encoder.push(&packet(n));
        sent.push((n, false, packet(n).to_vec()));
        while let Some(len) = encoder.poll_repair(&mut out) {
            sent.push((n, true, out[..len].to_vec()));
        }
    })
    .peekable();
    let (mut decoder, mut n) = (WindowDecoder::new(0x0707_0707), 0);
    Box::new(move || {
        while let Some((n, repair, bytes)) = sent.next_if(|next| next.0 <= n) {
            match repair {
                false => decoder.handle_source(ExtSeq(n), &bytes),
                true => decoder.handle_repair(&bytes).expect("a sound packet"),
            }
        }
        n += 1;
        while let Some(recovered) = decoder.poll_recovered(&mut out) {
            black_box(recovered);
        }
    })
}

fn blocks() -> BlockEncoder {
    let config = BlockConfig {
        source: SPAN,
        rate: 500,
        ..BlockConfig::default()
    };
    BlockEncoder::new(config).expect("in range")
}

fn block_encode() -> Round {
    let (mut encoder, mut n, mut out) = (blocks(), 0u16, [0; 300]);
    out[..BYTES].copy_from_slice(&packet(0));
    Box::new(move || {
        out[2..4].copy_from_slice(&n.to_be_bytes());
        n = n.wrapping_add(1);
        black_box(encoder.push(&mut out, BYTES)).expect("room for more");
        let mut repair = [0; 300];
        while let Some(len) = encoder.poll_repair(&mut repair) {
            black_box(len);
        }
    })
}

fn block_decode() -> Round {
    let (mut encoder, mut out) = (blocks(), [0; 300]);
    let mut sent = lossy(|n, sent| {
        out[..BYTES].copy_from_slice(&packet(n));
        let len = encoder.push(&mut out, BYTES).expect("room for more");
        sent.push((n, false, out[..len].to_vec()));
        while let Some(len) = encoder.poll_repair(&mut out) {
            sent.push((n, true, out[..len].to_vec()));
        }
    })
    .peekable();
    let (mut decoder, mut n) = (BlockDecoder::new(Points::OpenFec), 0);
    Box::new(move || {
        while let Some((_, repair, bytes)) = sent.next_if(|next| next.0 <= n) {
            match repair {
                false => {
                    let (id, packet) = PayloadId::split_source(&bytes).expect("a sound packet");
                    decoder.handle_source(id, packet);
                }
                true => decoder.handle_repair(&bytes).expect("a sound packet"),
            }
        }
        n += 1;
        while let Some(recovered) = decoder.poll_recovered(&mut out) {
            black_box(recovered);
        }
    })
}

fn sender() -> Sender {
    let config = SenderConfig {
        framing: Framing::Rtp,
        payload_type: 96,
        ssrc: 7,
        first_seq: SeqNum(65_000),
        first_timestamp: RtpTimestamp(u32::MAX - 1_000),
        cname: "instructions".into(),
        wall: (at(0), NtpTime(0xe000_0000_0000_0000)),
    };
    let encoder = PcmEncoder::new(PcmCoding::L16, FORMAT, FRAMES).expect("a sound format");
    Sender::new(config, Box::new(encoder), at(0)).expect("a sound configuration")
}

fn at(step: u64) -> Instant {
    Instant::from_nanos(1_000_000_000 + step * 10_000_000)
}

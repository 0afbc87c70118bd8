//! Jitter buffer, delay estimate and playout: what a packet and a quantum cost.
//!
//! The peer is the container that one would write first, a `BTreeMap` from sequence number to
//! packet, under the same rules. It allocates; ours does not.

use std::collections::BTreeMap;
use std::hint::black_box;

use audiox_core::block::AudioMut;
use audiox_core::codec::{DecodeError, Decoder, PcmCoding, PcmDecoder};
use audiox_core::format::{Channels, SampleRate, StreamFormat};
use audiox_core::jitter::{DelayConfig, DelayEstimator, JitterBuffer};
use audiox_core::packet::PacketBuf;
use audiox_core::playout::{Playout, PlayoutConfig};
use audiox_core::sim::Pcg32;
use audiox_core::time::{ExtSeq, Instant, MediaTime};
use criterion::{Criterion, criterion_group, criterion_main};

const FORMAT: StreamFormat = StreamFormat::new(SampleRate::HZ_48000, Channels::STEREO);
/// 10 ms.
const FRAMES: usize = 480;
/// Packets that wait while one is played: 60 ms of them.
const DEPTH: usize = 6;

/// Sequence numbers of a stream in which one in twenty packets comes three places late.
fn order(reordered: bool) -> Vec<u64> {
    let mut rng = Pcg32::new(5, 1);
    let mut all: Vec<u64> = (0..10_000).collect();
    if reordered {
        for i in 0..all.len() - 3 {
            if rng.next_u32().is_multiple_of(20) {
                all[i..i + 4].rotate_left(1);
            }
        }
    }
    all
}

fn container(c: &mut Criterion) {
    let mut group = c.benchmark_group("jitter/insert+take");
    for (name, reordered) in [("in order", false), ("5 % reordered", true)] {
        let order = order(reordered);
        group.bench_function(format!("audiox ring, {name}"), |b| {
            let mut ring = JitterBuffer::new(256).expect("a sound width");
            let mut free: Vec<PacketBuf> = (0..=DEPTH)
                .map(|_| PacketBuf::with_capacity(2_000))
                .collect();
            let (mut i, mut base) = (0, 0);
            b.iter(|| {
                if let Some(mut packet) = free.pop() {
                    packet.meta.seq = ExtSeq(base + order[i]);
                    if let Err((_, refused)) = ring.insert(packet) {
                        free.push(refused);
                    }
                }
                if ring.len() >= DEPTH {
                    free.extend(black_box(ring.pop()));
                }
                i += 1;
                if i == order.len() {
                    (i, base) = (0, base + order.len() as u64);
                }
            });
        });
        group.bench_function(format!("BTreeMap, {name}"), |b| {
            let mut map = BTreeMap::new();
            let mut free: Vec<PacketBuf> = (0..=DEPTH)
                .map(|_| PacketBuf::with_capacity(2_000))
                .collect();
            let (mut i, mut base, mut floor) = (0, 0, 0);
            b.iter(|| {
                if let Some(packet) = free.pop() {
                    let seq = base + order[i];
                    if seq < floor || map.contains_key(&seq) {
                        free.push(packet);
                    } else {
                        map.insert(seq, packet);
                    }
                }
                if map.len() >= DEPTH
                    && let Some((seq, packet)) = map.pop_first()
                {
                    floor = seq + 1;
                    free.push(black_box(packet));
                }
                i += 1;
                if i == order.len() {
                    (i, base) = (0, base + order.len() as u64);
                }
            });
        });
    }
    group.finish();
}

fn delay(c: &mut Criterion) {
    let mut group = c.benchmark_group("jitter/delay estimate, observe + target");
    for (name, ptime) in [
        ("1 ms", 1_000_000),
        ("10 ms", 10_000_000),
        ("60 ms", 60_000_000),
    ] {
        for (network, jitter) in [("calm", 1), ("20 ms of jitter", 20_000_000)] {
            let mut rng = Pcg32::new(5, 2);
            let mut at = 0;
            let arrivals: Vec<u64> = (0..10_000)
                .map(|n| {
                    at = at.max(n * ptime + rng.below(jitter));
                    at
                })
                .collect();
            let length = arrivals.len() as u64;
            group.bench_function(format!("{name} packets, {network}"), |b| {
                let config = DelayConfig::default();
                let mut estimator = DelayEstimator::new(&config).expect("a sound configuration");
                let mut n = 0;
                b.iter(|| {
                    let round = n / length * length;
                    let arrival = round * ptime + arrivals[(n - round) as usize];
                    let media = (n * ptime) as i64;
                    estimator.observe(Instant::from_nanos(arrival), ExtSeq(n), media, ptime as i64);
                    n += 1;
                    black_box(estimator.target());
                });
            });
        }
    }
    group.finish();
}

/// Says that every payload is 10 ms and decodes it to nothing, so that only playout is measured.
struct Null;

impl Decoder for Null {
    fn format(&self) -> StreamFormat {
        FORMAT
    }

    fn max_frames(&self) -> usize {
        FRAMES
    }

    fn frames_in(&self, _: &[u8]) -> Result<usize, DecodeError> {
        Ok(FRAMES)
    }

    fn decode(&mut self, _: &[u8], _: &mut [f32]) -> Result<usize, DecodeError> {
        Ok(FRAMES)
    }

    fn decode_fec(&mut self, _: &[u8], _: &mut [f32]) -> Result<usize, DecodeError> {
        Ok(0)
    }

    fn conceal(&mut self, _: &mut [f32]) -> usize {
        0
    }

    fn reset(&mut self) {}
}

fn playout(c: &mut Criterion) {
    let mut group = c.benchmark_group("jitter/playout, 10 ms stereo quantum");
    for (name, null) in [("null decoder", true), ("L16", false)] {
        group.bench_function(format!("insert + pull, {name}"), |b| {
            let decoder: Box<dyn Decoder> = if null {
                Box::new(Null)
            } else {
                Box::new(PcmDecoder::new(PcmCoding::L16, FORMAT, FRAMES).expect("a sound length"))
            };
            let mut playout = Playout::new(&PlayoutConfig::default(), vec![(96, decoder)])
                .expect("a sound configuration");
            let mut free: Vec<PacketBuf> =
                (0..16).map(|_| PacketBuf::with_capacity(2_000)).collect();
            let mut out = vec![0.0; FRAMES * 2];
            let mut n = 0u64;
            b.iter(|| {
                let now = Instant::from_nanos(1_000_000_000 + n * 10_000_000);
                if let Some(mut packet) = free.pop() {
                    packet.set_len(FRAMES * 4);
                    packet.meta.payload = 0..FRAMES * 4;
                    packet.meta.payload_type = 96;
                    packet.meta.seq = ExtSeq(n);
                    packet.meta.at = MediaTime((n * FRAMES as u64) as i64);
                    packet.meta.arrival = now;
                    playout.insert(packet);
                }
                n += 1;
                black_box(playout.pull(now, AudioMut::new(&mut out, FORMAT.channels)));
                while let Some(packet) = playout.poll_recycled() {
                    free.push(packet);
                }
            });
            assert_eq!(playout.stats().concealed_samples, 0);
        });
    }
    group.finish();
}

criterion_group!(benches, container, delay, playout);
criterion_main!(benches);

//! Forward error correction: what a packet costs at both ends.
//!
//! Packets of 1 ms of 16-bit stereo at 48 kHz, 192 bytes and an RTP header, one in ten lost, one
//! repair packet for two. The peers are block codes of the same rate and span; they are handed
//! slices that lie ready, without packets, headers or the search for what is missing.

use std::hint::black_box;

use audiox_benches::measured::{Measured, run};
use audiox_core::fec::block::{BlockConfig, BlockDecoder, BlockEncoder, PayloadId, Points};
use audiox_core::fec::gf256;
use audiox_core::fec::window::{WindowDecoder, WindowEncoder};
use audiox_core::sim::Pcg32;
use audiox_core::time::ExtSeq;
use criterion::{BatchSize, Criterion, Throughput};

const BYTES: usize = 204;
const WINDOW: usize = 16;
const REPAIR: usize = WINDOW / 2;
/// Packets of a run.
const PACKETS: usize = 10_000;

fn packet(n: usize) -> [u8; BYTES] {
    let mut rng = Pcg32::new(n as u64, 1);
    let mut packet = [0; BYTES];
    packet.fill_with(|| rng.next_u32() as u8);
    packet[0] = 0x80;
    packet[2..4].copy_from_slice(&(n as u16).to_be_bytes());
    packet[8..12].fill(7);
    packet
}

fn window(c: &mut Criterion) {
    let packets: Vec<_> = (0..PACKETS).map(packet).collect();
    let mut group = c.benchmark_group("fec/packet of 192 bytes, window of 16");
    group
        .throughput(Throughput::Elements(PACKETS as u64))
        .sample_size(20);
    let mut repair = Vec::new();
    group.bench_function("audiox encode", |b| {
        let mut out = [0; 300];
        b.iter(|| {
            repair.clear();
            let mut encoder = WindowEncoder::new(WINDOW, 500).expect("in range");
            for (n, p) in packets.iter().enumerate() {
                encoder.push(p);
                while let Some(len) = encoder.poll_repair(&mut out) {
                    repair.push((n, out, len));
                }
            }
        });
    });
    for (name, loss) in [("nothing lost", 0), ("10 % lost", 10), ("30 % lost", 30)] {
        group.bench_function(format!("audiox decode, {name}"), |b| {
            let mut decoder = WindowDecoder::new(0x0707_0707);
            let mut out = [0; 300];
            b.iter(|| {
                let mut rng = Pcg32::new(3, 3);
                decoder.reset();
                let mut repair = repair.iter().peekable();
                for (n, p) in packets.iter().enumerate() {
                    if n == 0 || rng.next_u32() % 100 >= loss {
                        decoder.handle_source(ExtSeq(n as u64), p);
                    }
                    while let Some((_, bytes, len)) = repair.next_if(|r| r.0 == n) {
                        if rng.next_u32() % 100 >= loss {
                            decoder
                                .handle_repair(&bytes[..*len])
                                .expect("a sound packet");
                        }
                    }
                    while let Some(recovered) = decoder.poll_recovered(&mut out) {
                        black_box(recovered);
                    }
                }
            });
        });
    }
    group.finish();
}

/// A packet's number, its bytes, and how many of them count.
type Sent = (usize, [u8; 300], usize);

fn encode_blocks(packets: &[[u8; BYTES]], source: &mut Vec<Sent>, repair: &mut Vec<Sent>) {
    source.clear();
    repair.clear();
    let mut encoder = BlockEncoder::new(BlockConfig {
        source: WINDOW,
        rate: 500,
        ..BlockConfig::default()
    })
    .expect("in range");
    let mut out = [0; 300];
    for (n, p) in packets.iter().enumerate() {
        out[..BYTES].copy_from_slice(p);
        let len = encoder.push(&mut out, BYTES).expect("room for more");
        source.push((n, out, len));
        while let Some(len) = encoder.poll_repair(&mut out) {
            repair.push((n, out, len));
        }
    }
}

/// The block code, as packets: 16 + 8, payload IDs and the search for what is missing included.
fn block_packets(c: &mut Criterion) {
    let packets: Vec<_> = (0..PACKETS).map(packet).collect();
    let mut group = c.benchmark_group("fec/packet of 192 bytes, blocks of 16 + 8");
    group
        .throughput(Throughput::Elements(PACKETS as u64))
        .sample_size(20);
    let (mut source, mut repair) = (Vec::new(), Vec::new());
    encode_blocks(&packets, &mut source, &mut repair);
    group.bench_function("audiox encode", |b| {
        let (mut source, mut repair) = (source.clone(), repair.clone());
        b.iter(|| encode_blocks(&packets, &mut source, &mut repair));
    });
    for (name, loss) in [("nothing lost", 0), ("10 % lost", 10), ("30 % lost", 30)] {
        group.bench_function(format!("audiox decode, {name}"), |b| {
            let mut decoder = BlockDecoder::new(Points::OpenFec);
            let mut out = [0; 300];
            b.iter(|| {
                let mut rng = Pcg32::new(3, 3);
                decoder.reset();
                let mut repair = repair.iter().peekable();
                for (n, bytes, len) in &source {
                    if *n == 0 || rng.next_u32() % 100 >= loss {
                        let (id, packet) =
                            PayloadId::split_source(&bytes[..*len]).expect("a sound packet");
                        decoder.handle_source(id, packet);
                    }
                    while let Some((_, bytes, len)) = repair.next_if(|r| r.0 == *n) {
                        if rng.next_u32() % 100 >= loss {
                            decoder
                                .handle_repair(&bytes[..*len])
                                .expect("a sound packet");
                        }
                    }
                    while let Some(recovered) = decoder.poll_recovered(&mut out) {
                        black_box(recovered);
                    }
                }
            });
        });
    }
    group.finish();
}

fn blocks(c: &mut Criterion) {
    let mut group = c.benchmark_group("fec/block of 16 + 8 packets of 204 bytes, a packet");
    group.throughput(Throughput::Elements(WINDOW as u64));
    let source: Vec<Vec<u8>> = (0..WINDOW).map(|n| packet(n).to_vec()).collect();
    let erasure =
        reed_solomon_erasure::galois_8::ReedSolomon::new(WINDOW, REPAIR).expect("a sound code");
    let mut all = source.clone();
    all.resize(WINDOW + REPAIR, vec![0; BYTES]);
    group.bench_function("reed-solomon-erasure 6 encode", |b| {
        b.iter(|| erasure.encode(black_box(&mut all)).expect("equal lengths"));
    });
    group.bench_function("reed-solomon-erasure 6 decode, 2 lost", |b| {
        let mut held: Vec<Option<Vec<u8>>> = all.iter().cloned().map(Some).collect();
        held[3] = None;
        held[9] = None;
        b.iter_batched_ref(
            || held.clone(),
            |held| erasure.reconstruct_data(held).expect("enough is left"),
            BatchSize::SmallInput,
        );
    });
    group.bench_function("reed-solomon-simd 3 encode", |b| {
        b.iter(|| reed_solomon_simd::encode(WINDOW, REPAIR, black_box(&source)).expect("in range"));
    });
    group.bench_function("reed-solomon-simd 3 decode, 2 lost", |b| {
        let repair = reed_solomon_simd::encode(WINDOW, REPAIR, &source).expect("in range");
        b.iter(|| {
            let held = source
                .iter()
                .enumerate()
                .filter(|(n, _)| ![3, 9].contains(n));
            let repair = repair.iter().enumerate();
            black_box(reed_solomon_simd::decode(WINDOW, REPAIR, held, repair).expect("enough"))
        });
    });
    group.finish();
}

fn arithmetic(c: &mut Criterion) {
    let mut group = c.benchmark_group("fec/multiply and add 192 bytes");
    let src = packet(1);
    let mut dst = packet(2);
    group.bench_function("audiox, doublings", |b| {
        b.iter(|| gf256::mul_add(black_box(&mut dst[..192]), &src[..192], black_box(0xb7)));
    });
    group.bench_function("a table of 256", |b| {
        let table: Vec<u8> = (0..=255).map(|x| gf256::mul(x, 0xb7)).collect();
        b.iter(|| {
            let table = black_box(&table);
            for (d, s) in black_box(&mut dst[..192]).iter_mut().zip(&src) {
                *d ^= table[usize::from(*s)];
            }
        });
    });
    group.finish();
}

const TABLES: &[Measured<'_>] = &[
    Measured {
        id: "fec-cost",
        label: "a packet",
        columns: &["time"],
        unit: "µs",
        per: PACKETS as f64,
        digits: 2,
        rows: &[
            (
                "audiox, window, encode",
                &["fec/packet of 192 bytes, window of 16/audiox encode"],
            ),
            (
                "audiox, window, decode, nothing lost",
                &["fec/packet of 192 bytes, window of 16/audiox decode, nothing lost"],
            ),
            (
                "audiox, window, decode, 10 % lost",
                &["fec/packet of 192 bytes, window of 16/audiox decode, 10 % lost"],
            ),
            (
                "audiox, window, decode, 30 % lost",
                &["fec/packet of 192 bytes, window of 16/audiox decode, 30 % lost"],
            ),
            (
                "audiox, blocks of 16 + 8, encode",
                &["fec/packet of 192 bytes, blocks of 16 + 8/audiox encode"],
            ),
            (
                "audiox, blocks of 16 + 8, decode, 10 % lost",
                &["fec/packet of 192 bytes, blocks of 16 + 8/audiox decode, 10 % lost"],
            ),
            (
                "audiox, blocks of 16 + 8, decode, 30 % lost",
                &["fec/packet of 192 bytes, blocks of 16 + 8/audiox decode, 30 % lost"],
            ),
        ],
        note: "",
    },
    Measured {
        id: "fec-cost-peers",
        label: "a packet, slices that lie ready",
        columns: &["time"],
        unit: "µs",
        per: WINDOW as f64,
        digits: 2,
        rows: &[
            (
                "reed-solomon-erasure 6, 16 + 8, encode",
                &[
                    "fec/block of 16 + 8 packets of 204 bytes, a packet/reed-solomon-erasure 6 encode",
                ],
            ),
            (
                "reed-solomon-erasure 6, decode, 2 lost, the same each time",
                &[
                    "fec/block of 16 + 8 packets of 204 bytes, a packet/reed-solomon-erasure 6 decode, 2 lost",
                ],
            ),
            (
                "reed-solomon-simd 3, 16 + 8, encode",
                &["fec/block of 16 + 8 packets of 204 bytes, a packet/reed-solomon-simd 3 encode"],
            ),
            (
                "reed-solomon-simd 3, decode, 2 lost",
                &[
                    "fec/block of 16 + 8 packets of 204 bytes, a packet/reed-solomon-simd 3 decode, 2 lost",
                ],
            ),
        ],
        note: "",
    },
    Measured {
        id: "gf256",
        label: "192 bytes multiplied and added",
        columns: &["time"],
        unit: "ns",
        per: 1.0,
        digits: 2,
        rows: &[
            (
                "audiox, doublings in vectors of SSE2",
                &["fec/multiply and add 192 bytes/audiox, doublings"],
            ),
            (
                "a table of 256",
                &["fec/multiply and add 192 bytes/a table of 256"],
            ),
        ],
        note: "",
    },
];

fn main() {
    run(TABLES, |c| {
        window(c);
        block_packets(c);
        blocks(c);
        arithmetic(c);
    });
}

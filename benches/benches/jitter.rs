//! Jitter buffer and delay estimate: what a packet costs.
//!
//! The peer is the container that one would write first, a `BTreeMap` from sequence number to
//! packet, under the same rules. It allocates; ours does not.

use std::collections::BTreeMap;
use std::hint::black_box;

use audiox_benches::measured::{Measured, run};
use audiox_core::jitter::{DelayConfig, DelayEstimator, JitterBuffer};
use audiox_core::packet::PacketBuf;
use audiox_core::sim::Pcg32;
use audiox_core::time::{ExtSeq, Instant};
use criterion::Criterion;

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

const TABLES: &[Measured<'_>] = &[
    Measured {
        id: "jitter",
        label: "insert and take a packet",
        columns: &["in order", "5 % reordered"],
        unit: "ns",
        per: 1.0,
        digits: 2,
        rows: &[
            (
                "audiox, ring by sequence number",
                &[
                    "jitter/insert+take/audiox ring, in order",
                    "jitter/insert+take/audiox ring, 5 % reordered",
                ],
            ),
            (
                "`BTreeMap` by sequence number (allocates)",
                &[
                    "jitter/insert+take/BTreeMap, in order",
                    "jitter/insert+take/BTreeMap, 5 % reordered",
                ],
            ),
        ],
        note: "six packets wait",
    },
    Measured {
        id: "delay-estimate",
        label: "delay estimate: a packet observed, the target read",
        columns: &["calm", "20 ms of jitter"],
        unit: "ns",
        per: 1.0,
        digits: 2,
        rows: &[
            (
                "packets of 1 ms",
                &[
                    "jitter/delay estimate, observe + target/1 ms packets, calm",
                    "jitter/delay estimate, observe + target/1 ms packets, 20 ms of jitter",
                ],
            ),
            (
                "packets of 10 ms",
                &[
                    "jitter/delay estimate, observe + target/10 ms packets, calm",
                    "jitter/delay estimate, observe + target/10 ms packets, 20 ms of jitter",
                ],
            ),
            (
                "packets of 60 ms",
                &[
                    "jitter/delay estimate, observe + target/60 ms packets, calm",
                    "jitter/delay estimate, observe + target/60 ms packets, 20 ms of jitter",
                ],
            ),
        ],
        note: "",
    },
];

fn main() {
    run(TABLES, |c| {
        container(c);
        delay(c);
    });
}

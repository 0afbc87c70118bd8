//! A session of many: what a datagram costs beside the socket, and a quantum in the callback.
//!
//! The peer is what one would write first: a queue of samples for each sender behind one lock, filled in
//! the order of arrival and added up in the callback. It has no jitter buffer, no clock, no
//! concealment and no limit to what a stranger may take.
//!
//! `cargo bench -p audiox-benches --bench session`

use std::collections::{HashMap, VecDeque};
use std::hint::black_box;
use std::sync::Mutex;
use std::time::{Duration, Instant as StdInstant};

use audiox_benches::measured::{Measured, run};
use audiox_core::block::AudioMut;
use audiox_core::codec::CodecRegistry;
use audiox_core::format::{Channels, SampleRate, StreamFormat};
use audiox_core::ingress::{IngressFraming, Origin};
use audiox_core::packet::rtp::{RtpHeader, RtpPacket};
use audiox_core::playout::PlayoutConfig;
use audiox_core::session::{Session, SessionConfig, UniformPlayouts};
use audiox_core::time::{Instant, RtpTimestamp, SeqNum};
use criterion::{BatchSize, Criterion};

const FORMAT: StreamFormat = StreamFormat::new(SampleRate::HZ_48000, Channels::STEREO);
/// 10 ms.
const FRAMES: usize = 480;
const MAX_SOURCES: usize = 64;

fn at(step: u64) -> Instant {
    Instant::from_nanos(1_000_000_000 + step * 10_000_000)
}

struct Conference {
    session: Session,
    step: u64,
    datagram: Vec<u8>,
    out: Vec<f32>,
}

impl Conference {
    /// `sources` that are past their start; `level` decides whether the sum is limited.
    fn new(sources: u32, level: i16) -> Self {
        let framing = IngressFraming::Rtp(vec![(96, FORMAT.rate)]);
        let mut config = SessionConfig::new(FORMAT, framing);
        config.max_sources = MAX_SOURCES;
        config.buffers_per_source = 32;
        config.ingress.max_sources = 2 * MAX_SOURCES;
        let types = [(96, "L16/48000/2".parse().expect("a codec"))];
        let playout = PlayoutConfig::default();
        let playouts = UniformPlayouts::rtp(playout, types, CodecRegistry::pcm());
        let mut conference = Self {
            session: Session::new(config, playouts, at(0)).expect("a sound configuration"),
            step: 0,
            datagram: [vec![0; 12], level.to_be_bytes().repeat(FRAMES * 2)].concat(),
            out: vec![0.0; FRAMES * 2],
        };
        for _ in 0..20 {
            conference.receive(sources);
            conference.pull();
        }
        conference
    }

    fn receive(&mut self, sources: u32) {
        for ssrc in 0..sources {
            let at_frame = RtpTimestamp((self.step as u32).wrapping_mul(FRAMES as u32));
            RtpHeader::new(96, SeqNum(self.step as u16), at_frame, ssrc)
                .and_then(|h| h.write_into(&mut self.datagram))
                .expect("the header fits");
            let now = at(self.step);
            black_box(self.session.handle_datagram(now, Origin(0), &self.datagram));
        }
    }

    fn pull(&mut self) {
        let out = AudioMut::new(&mut self.out, FORMAT.channels);
        black_box(self.session.pull(at(self.step), out));
        self.step += 1;
    }
}

/// Decoded samples of each sender, in the order of arrival.
struct Naive {
    queues: Mutex<HashMap<u32, VecDeque<f32>>>,
    datagrams: Vec<Vec<u8>>,
    out: Vec<f32>,
}

impl Naive {
    fn new(sources: u32) -> Self {
        let datagram = |ssrc: u32| {
            let mut datagram = [vec![0; 12], 100i16.to_be_bytes().repeat(FRAMES * 2)].concat();
            RtpHeader::new(96, SeqNum(0), RtpTimestamp(0), ssrc)
                .and_then(|h| h.write_into(&mut datagram))
                .expect("the header fits");
            datagram
        };
        let mut naive = Self {
            queues: Mutex::default(),
            datagrams: (0..sources).map(datagram).collect(),
            out: vec![0.0; FRAMES * 2],
        };
        // Two packets ahead.
        (0..2).for_each(|_| naive.receive());
        naive
    }

    fn receive(&mut self) {
        for datagram in &self.datagrams {
            let packet = RtpPacket::parse(black_box(datagram)).expect("its own datagram");
            let samples = packet.payload().chunks_exact(2);
            let samples = samples.map(|b| f32::from(i16::from_be_bytes([b[0], b[1]])) / 32_768.0);
            let mut queues = self.queues.lock().expect("nobody panics");
            queues.entry(packet.ssrc()).or_default().extend(samples);
        }
    }

    fn pull(&mut self) {
        let mut queues = self.queues.lock().expect("nobody panics");
        self.out.fill(0.0);
        for queue in queues.values_mut() {
            let samples = queue.len().min(self.out.len());
            for (out, s) in self.out.iter_mut().zip(queue.drain(..samples)) {
                *out += s;
            }
        }
        black_box(&self.out);
    }
}

fn callback(c: &mut Criterion) {
    let mut group = c.benchmark_group("session/pull of 10 ms");
    for (sources, level) in [(1, 100), (4, 100), (16, 100), (64, 100), (16, 10_000)] {
        let what = if level > 1_000 { ", limited" } else { "" };
        group.bench_function(format!("{sources} sources{what}"), |b| {
            let mut conference = Conference::new(sources, level);
            b.iter_custom(|n| {
                let mut spent = Duration::ZERO;
                for _ in 0..n {
                    conference.receive(sources);
                    let start = StdInstant::now();
                    conference.pull();
                    spent += start.elapsed();
                }
                spent
            });
        });
    }
    for sources in [1, 4, 16, 64] {
        group.bench_function(format!("{sources} queues"), |b| {
            let mut naive = Naive::new(sources);
            b.iter_custom(|n| {
                let mut spent = Duration::ZERO;
                for _ in 0..n {
                    naive.receive();
                    let start = StdInstant::now();
                    naive.pull();
                    spent += start.elapsed();
                }
                spent
            });
        });
    }
    group.finish();
}

fn socket(c: &mut Criterion) {
    let mut group = c.benchmark_group("session/handle_datagram of 10 ms");
    for sources in [1u32, 16, 64] {
        group.bench_function(format!("{sources} sources"), |b| {
            let mut conference = Conference::new(sources, 100);
            b.iter_custom(|n| {
                let mut spent = Duration::ZERO;
                for _ in 0..n.div_ceil(u64::from(sources)) {
                    let start = StdInstant::now();
                    conference.receive(sources);
                    spent += start.elapsed();
                    conference.pull();
                }
                spent
            });
        });
    }
    for sources in [1u32, 16, 64] {
        group.bench_function(format!("{sources} queues"), |b| {
            let mut naive = Naive::new(sources);
            b.iter_custom(|n| {
                let mut spent = Duration::ZERO;
                for _ in 0..n.div_ceil(u64::from(sources)) {
                    let start = StdInstant::now();
                    naive.receive();
                    spent += start.elapsed();
                    naive.pull();
                }
                spent
            });
        });
    }
    // What a stranger's first packet costs: an entry in the wire side's table.
    group.bench_function("a flood of strangers", |b| {
        let mut conference = Conference::new(4, 100);
        let mut ssrc = 1_000u32;
        b.iter_batched(
            || {
                ssrc += 1;
                ssrc
            },
            |ssrc| {
                RtpHeader::new(96, SeqNum(0), RtpTimestamp(0), ssrc)
                    .and_then(|h| h.write_into(&mut conference.datagram))
                    .expect("the header fits");
                let now = at(conference.step);
                let datagram = &conference.datagram;
                black_box(conference.session.handle_datagram(now, Origin(0), datagram))
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

const TABLES: &[Measured<'_>] = &[
    Measured {
        id: "session-datagram",
        label: "a datagram",
        columns: &["audiox", "queues"],
        unit: "ns",
        per: 1.0,
        digits: 2,
        rows: &[
            (
                "1 source",
                &[
                    "session/handle_datagram of 10 ms/1 sources",
                    "session/handle_datagram of 10 ms/1 queues",
                ],
            ),
            (
                "16 sources",
                &[
                    "session/handle_datagram of 10 ms/16 sources",
                    "session/handle_datagram of 10 ms/16 queues",
                ],
            ),
            (
                "64 sources",
                &[
                    "session/handle_datagram of 10 ms/64 sources",
                    "session/handle_datagram of 10 ms/64 queues",
                ],
            ),
            (
                "of a sender never heard before, in a flood of nothing else",
                &["session/handle_datagram of 10 ms/a flood of strangers", ""],
            ),
        ],
        note: "",
    },
    Measured {
        id: "session-quantum",
        label: "a quantum of 10 ms",
        columns: &["audiox", "queues"],
        unit: "µs",
        per: 1.0,
        digits: 2,
        rows: &[
            (
                "1 source",
                &[
                    "session/pull of 10 ms/1 sources",
                    "session/pull of 10 ms/1 queues",
                ],
            ),
            (
                "4 sources",
                &[
                    "session/pull of 10 ms/4 sources",
                    "session/pull of 10 ms/4 queues",
                ],
            ),
            (
                "16 sources",
                &[
                    "session/pull of 10 ms/16 sources",
                    "session/pull of 10 ms/16 queues",
                ],
            ),
            (
                "16 sources, the limiter at work",
                &["session/pull of 10 ms/16 sources, limited", ""],
            ),
            (
                "64 sources",
                &[
                    "session/pull of 10 ms/64 sources",
                    "session/pull of 10 ms/64 queues",
                ],
            ),
        ],
        note: "",
    },
];

fn main() {
    run(TABLES, |c| {
        callback(c);
        socket(c);
    });
}

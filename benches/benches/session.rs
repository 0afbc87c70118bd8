//! A session of many: what a datagram costs beside the socket, and a quantum in the callback.

use std::hint::black_box;

use audiox_core::block::AudioMut;
use audiox_core::codec::CodecRegistry;
use audiox_core::format::{Channels, SampleRate, StreamFormat};
use audiox_core::ingress::{IngressFraming, Origin};
use audiox_core::packet::rtp::RtpHeader;
use audiox_core::playout::PlayoutConfig;
use audiox_core::session::{Session, SessionConfig, UniformPlayouts};
use audiox_core::time::{Instant, RtpTimestamp, SeqNum};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};

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

fn callback(c: &mut Criterion) {
    let mut group = c.benchmark_group("session/pull of 10 ms");
    for (sources, level) in [(1, 100), (4, 100), (16, 100), (64, 100), (16, 10_000)] {
        let what = if level > 1_000 { ", limited" } else { "" };
        group.bench_function(format!("{sources} sources{what}"), |b| {
            let mut conference = Conference::new(sources, level);
            b.iter_custom(|n| {
                let mut spent = std::time::Duration::ZERO;
                for _ in 0..n {
                    conference.receive(sources);
                    let start = std::time::Instant::now();
                    conference.pull();
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
                let mut spent = std::time::Duration::ZERO;
                for _ in 0..n.div_ceil(u64::from(sources)) {
                    let start = std::time::Instant::now();
                    conference.receive(sources);
                    spent += start.elapsed();
                    conference.pull();
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

criterion_group!(benches, callback, socket);
criterion_main!(benches);

//! A session in any order of calls, under floods of hostile senders, and over bad networks.
#![cfg(test)]

use std::collections::BTreeSet;
use std::time::Duration;

use audiox_core::block::AudioMut;
use audiox_core::codec::CodecRegistry;
use audiox_core::convert::Gain;
use audiox_core::format::{Channels, SampleRate, StreamFormat};
use audiox_core::ingress::{IngressFraming, Origin, ReportConfig, SourceId};
use audiox_core::packet::PacketBuf;
use audiox_core::packet::rtcp::{CompoundWriter, SenderInfo};
use audiox_core::packet::rtp::RtpHeader;
use audiox_core::playout::{DriftCorrection, PlayoutConfig, Profile};
use audiox_core::session::{Routed, Session, SessionConfig, SessionEvent, UniformPlayouts};
use audiox_core::sim::{Link, LinkConfig, Pcg32};
use audiox_core::time::{Instant, NtpTime, RtpTimestamp, SeqNum};
use proptest::prelude::*;

const RATE: SampleRate = SampleRate::HZ_8000;
const FORMAT: StreamFormat = StreamFormat::new(RATE, Channels::MONO);
/// 10 ms.
const FRAMES: usize = 80;
const PLACES: usize = 3;
const BUFFERS: usize = 8;
/// Beside those of the places, for the socket's owner.
const SPARE: usize = 64;

/// Plays every frame untouched, or silence for those that are missing.
fn exact(latency: u64) -> PlayoutConfig {
    PlayoutConfig {
        resync_after: Duration::from_millis(100),
        ..PlayoutConfig::exact(Duration::from_millis(latency))
    }
}

fn config() -> SessionConfig {
    let framing = IngressFraming::Rtp(vec![(96, RATE), (97, RATE), (0, RATE)]);
    let mut config = SessionConfig::new(FORMAT, framing);
    config.max_sources = PLACES;
    config.buffers_per_source = BUFFERS;
    config.max_datagram = 300;
    config.ingress.max_sources = 12;
    config.ingress.idle_after = Duration::from_millis(500);
    config.ingress.reports = Some(ReportConfig {
        ssrc: u32::MAX,
        cname: "session".into(),
        bandwidth: 64_000,
    });
    config
}

/// 97 is stereo: mixed down for the session.
fn playouts(latency: u64) -> UniformPlayouts {
    let types = [(96, "L16/8000"), (97, "L16/8000/2"), (0, "PCMU/8000")];
    let types = types.map(|(pt, spec)| (pt, spec.parse().unwrap()));
    UniformPlayouts::rtp(exact(latency), types, CodecRegistry::pcm())
}

fn ms(n: u64) -> Instant {
    Instant::from_nanos(1_000_000_000 + n * 1_000_000)
}

fn packet(ssrc: u32, payload_type: u8, seq: u16, payload: &[u8]) -> Vec<u8> {
    let at = RtpTimestamp(u32::from(seq) * FRAMES as u32);
    let header = RtpHeader::new(payload_type, SeqNum(seq), at, ssrc).unwrap();
    let mut out = vec![0; header.wire_len()];
    header.write_into(&mut out).unwrap();
    out.extend_from_slice(payload);
    out
}

/// 10 ms of a constant.
fn voice(ssrc: u32, seq: u16, level: i16) -> Vec<u8> {
    packet(ssrc, 96, seq, &level.to_be_bytes().repeat(FRAMES))
}

fn report(ssrc: u32, goodbye: bool) -> Vec<u8> {
    let mut buf = vec![0; 200];
    let mut writer = CompoundWriter::new(&mut buf);
    let info = SenderInfo {
        ntp: NtpTime(0xe000_0000_0000_0000),
        ..SenderInfo::default()
    };
    writer.sender_report(ssrc, &info, &[]).unwrap();
    writer.sdes_cname(ssrc, "voice").unwrap();
    if goodbye {
        writer.bye(&[ssrc], None).unwrap();
    }
    let len = writer.finish();
    buf.truncate(len);
    buf
}

fn events(s: &mut Session) -> Vec<SessionEvent> {
    std::iter::from_fn(|| s.poll_event()).collect()
}

#[derive(Debug, Clone)]
enum Op {
    Voice {
        ssrc: u32,
        step: u16,
        payload_type: u8,
        len: usize,
    },
    Bytes(Vec<u8>),
    Report {
        ssrc: u32,
        goodbye: bool,
    },
    ReportBytes(Vec<u8>),
    Acquire {
        keep: bool,
    },
    Foreign {
        handle: bool,
    },
    Pull {
        frames: usize,
        channels: u16,
    },
    PullEach {
        frames: usize,
        channels: u16,
    },
    Gain {
        source: u32,
        factor: f32,
    },
    Timeout,
    Later(u64),
    Earlier(u64),
    Poll,
}

fn op() -> impl Strategy<Value = Op> {
    let ssrc = 0u32..8;
    let step = prop_oneof![8 => Just(1u16), 1 => 0u16..4, 1 => any::<u16>()];
    let payload_type =
        prop_oneof![12 => Just(96u8), 2 => Just(0u8), 1 => Just(97u8), 1 => any::<u8>()];
    let len = prop_oneof![8 => Just(2 * FRAMES), 1 => 0usize..400];
    prop_oneof![
        12 => (ssrc.clone(), step, payload_type, len).prop_map(|(ssrc, step, payload_type, len)| {
            Op::Voice { ssrc, step, payload_type: payload_type & 127, len }
        }),
        1 => prop::collection::vec(any::<u8>(), 0..60).prop_map(Op::Bytes),
        2 => (ssrc, any::<bool>()).prop_map(|(ssrc, goodbye)| Op::Report { ssrc, goodbye }),
        1 => prop::collection::vec(any::<u8>(), 0..60).prop_map(Op::ReportBytes),
        1 => any::<bool>().prop_map(|keep| Op::Acquire { keep }),
        1 => any::<bool>().prop_map(|handle| Op::Foreign { handle }),
        6 => (0usize..200, 1u16..4).prop_map(|(frames, channels)| Op::Pull { frames, channels }),
        2 => (0usize..200, 1u16..4).prop_map(|(frames, channels)| Op::PullEach { frames, channels }),
        2 => (0u32..20, 0f32..2.0).prop_map(|(source, factor)| Op::Gain { source, factor }),
        2 => Just(Op::Timeout),
        6 => (0u64..30).prop_map(Op::Later),
        1 => (100u64..700).prop_map(Op::Later),
        1 => (0u64..50).prop_map(Op::Earlier),
        2 => Just(Op::Poll),
    ]
}

/// What must be true of the events: each playout starts once and ends once.
#[derive(Default)]
struct Heard {
    open: BTreeSet<SourceId>,
}

impl Heard {
    fn take(&mut self, s: &mut Session) {
        for event in events(s) {
            match event {
                SessionEvent::Started(id) => assert!(self.open.insert(id), "{id:?} twice"),
                SessionEvent::Ended { source, .. } => {
                    assert!(self.open.remove(&source), "{source:?} never started");
                }
                SessionEvent::Bye(_)
                | SessionEvent::Restarted(_)
                | SessionEvent::Mapped(_)
                | SessionEvent::Refused(..) => {}
            }
            assert!(self.open.len() <= PLACES);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_order_of_calls_is_legal(ops in prop::collection::vec(op(), 0..300)) {
        let mut s = Session::new(config(), playouts(20), ms(0)).unwrap();
        let mut heard = Heard::default();
        let mut kept = Vec::new();
        let mut seq = [0u16; 8];
        let (mut now, mut latest) = (1_000u64, 1_000u64);
        let mut samples = vec![0f32; 200 * 4];
        for op in ops {
            let samples = &mut samples;
            match op {
                Op::Voice { ssrc, step, payload_type, len } => {
                    let n = &mut seq[ssrc as usize];
                    *n = n.wrapping_add(step);
                    let payload = vec![0x20u8; len];
                    let _ = s.handle_datagram(ms(now), Origin(0), &packet(ssrc, payload_type, *n, &payload));
                }
                Op::Bytes(bytes) => {
                    let _ = s.handle_datagram(ms(now), Origin(1), &bytes);
                }
                Op::Report { ssrc, goodbye } => s.handle_rtcp(ms(now), &report(ssrc, goodbye)).unwrap(),
                Op::ReportBytes(bytes) => {
                    let _ = s.handle_rtcp(ms(now), &bytes);
                }
                Op::Acquire { keep: true } if kept.len() < 8 => kept.extend(s.input().acquire()),
                Op::Acquire { .. } => {
                    if let Some(buffer) = kept.pop() {
                        s.input().release(buffer);
                    }
                }
                Op::Foreign { handle } => {
                    let mut buffer = PacketBuf::with_capacity(400);
                    seq[0] = seq[0].wrapping_add(1);
                    buffer.fill(&voice(0, seq[0], 0x2020));
                    buffer.meta.arrival = ms(now);
                    if handle {
                        let _ = s.input().handle_packet(buffer);
                    } else {
                        s.input().release(buffer);
                    }
                }
                Op::Pull { frames, channels } => {
                    let out = &mut samples[..frames * usize::from(channels)];
                    out.fill(f32::NAN);
                    let channels = Channels::new(channels).unwrap();
                    let mixed = s.pull(ms(now), AudioMut::new(out, channels));
                    prop_assert!(mixed.sounding <= mixed.sources && mixed.sources <= PLACES);
                    // A quarter of full scale each, turned up by 2 at most.
                    prop_assert!(out.iter().all(|x| x.abs() <= 1.0), "{:?}", out);
                }
                Op::PullEach { frames, channels } => {
                    let out = &mut samples[..frames * usize::from(channels)];
                    let channels = Channels::new(channels).unwrap();
                    let mut slots = BTreeSet::new();
                    s.pull_each(ms(now), AudioMut::new(out, channels), |part| {
                        assert!(part.slot < PLACES && slots.insert(part.slot));
                        assert_eq!(part.audio.frames(), frames);
                        let p = part.pulled;
                        assert_eq!(p.decoded + p.concealed + p.idle, frames);
                        assert!(part.audio.samples().iter().all(|x| x.abs() <= 1.0));
                    });
                }
                Op::Gain { source, factor } => {
                    s.input().set_gain(SourceId(source), Gain::linear(factor).unwrap());
                }
                Op::Timeout => s.handle_timeout(ms(now)),
                Op::Later(by) => now += by,
                Op::Earlier(by) => now = now.saturating_sub(by),
                Op::Poll => {
                    heard.take(&mut s);
                    let _ = s.poll_timeout();
                    let mut buf = [0; 300];
                    let _ = s.poll_report(ms(now), &mut buf);
                }
            }
            latest = latest.max(now);
            prop_assert!(s.input().sources().count() <= PLACES);
        }
        // However it went: when all are silent all places are free, and every buffer is there.
        s.handle_timeout(ms(latest + 1_000));
        s.pull(ms(latest + 1_000), AudioMut::new(&mut samples[..1], Channels::MONO));
        heard.take(&mut s);
        prop_assert!(heard.open.is_empty());
        prop_assert_eq!(s.output().sources().count() + s.input().sources().count(), 0);
        let lost_events = s.input().stats().events_dropped;
        prop_assert_eq!(lost_events, 0);
        for buffer in kept {
            s.input().release(buffer);
        }
        let all: Vec<_> = std::iter::from_fn(|| s.input().acquire()).collect();
        prop_assert_eq!(all.len(), PLACES * BUFFERS + SPARE);
    }
}

/// Two voices of 100 and 10, who must come out as 110 whatever else arrives.
struct Talk {
    s: Session,
    seq: u16,
    rng: Pcg32,
}

impl Talk {
    fn new() -> Self {
        let s = Session::new(config(), playouts(20), ms(0)).unwrap();
        let mut talk = Self {
            s,
            seq: 0,
            rng: Pcg32::new(7, 1),
        };
        for _ in 0..10 {
            talk.step(0, 0);
        }
        events(&mut talk.s);
        talk
    }

    /// Ten milliseconds with `strangers` who send `each` packets.
    fn step(&mut self, strangers: usize, each: u16) -> f32 {
        let now = ms(u64::from(self.seq) * 10);
        for (ssrc, level) in [(1, 100), (2, 10)] {
            let datagram = voice(ssrc, self.seq, level);
            let _ = self.s.handle_datagram(now, Origin(0), &datagram);
        }
        for _ in 0..strangers {
            let ssrc = self.rng.next_u32();
            for seq in 0..each {
                let _ = self
                    .s
                    .handle_datagram(now, Origin(0), &voice(ssrc, seq, 10_000));
            }
        }
        self.seq += 1;
        let mut out = [f32::NAN; FRAMES];
        self.s.pull(now, AudioMut::new(&mut out, Channels::MONO));
        self.s.handle_timeout(now);
        out[FRAMES - 1] * 32_768.0
    }
}

#[test]
fn a_flood_of_senders_heard_once_changes_nothing() {
    let mut talk = Talk::new();
    for _ in 0..300 {
        assert_eq!(talk.step(300, 1), 110.0);
        assert!(talk.s.input().ingress().sources().count() <= 12);
    }
    let stats = *talk.s.input().stats();
    assert_eq!((stats.sources_started, stats.sources_refused), (2, 0));
    assert_eq!(stats.packets_unconfirmed, 300 * 300 + 2);
    assert_eq!((stats.no_buffer, stats.events_dropped), (0, 0));
    assert!(events(&mut talk.s).is_empty(), "nobody is told of strays");
}

#[test]
fn a_flood_of_persistent_senders_takes_free_places_only() {
    let mut talk = Talk::new();
    // One place is free; whoever gets it is heard once and ends by silence.
    for n in 0..300 {
        let sum = talk.step(100, 3);
        assert!(sum == 110.0 || sum == 10_110.0, "{sum} at {n}");
    }
    let stats = *talk.s.input().stats();
    assert!((3..12).contains(&stats.sources_started), "{stats:?}");
    let known = talk.s.input().ingress().stats();
    // The table is full of those who were confirmed: they hold their entries until they idle.
    assert!(known.too_many_sources > 50_000, "{known:?}");
    assert!(stats.sources_refused > 20, "{stats:?}");
    let still: Vec<SourceId> = talk
        .s
        .output()
        .sources()
        .map(|(_, id)| id)
        .take(2)
        .collect();
    assert_eq!(still, [SourceId(0), SourceId(1)]);
}

#[test]
fn a_timestamp_far_ahead_hoards_its_own_buffers_only() {
    let mut talk = Talk::new();
    for n in 0..200u16 {
        let now = ms(u64::from(talk.seq) * 10);
        for k in 0..20 {
            let _ = talk
                .s
                .handle_datagram(now, Origin(0), &voice(66, n * 20 + k, 0));
        }
        assert_eq!(talk.step(0, 0), 110.0);
    }
    let stats = *talk.s.input().stats();
    assert!(stats.packets_backlogged > 2_000, "{stats:?}");
    assert_eq!(stats.no_buffer, 0);
}

#[test]
fn each_of_three_senders_over_bad_networks_is_heard_as_if_alone() {
    let levels = [1i16, 16, 256];
    let mut s = Session::new(config(), playouts(60), ms(0)).unwrap();
    let mut links = [("5%", 1), ("ge:2%,25%", 2), ("0%", 3)].map(|(loss, seed)| {
        Link::new(LinkConfig {
            latency: Duration::from_millis(20 * seed),
            jitter: "30ms".parse().unwrap(),
            loss: loss.parse().unwrap(),
            seed,
            ..LinkConfig::default()
        })
        .unwrap()
    });
    let mut heard = [0u64; 3];
    let steps = 20_000u64;
    let mut out = [0f32; 8];
    for t in 0..steps {
        for (ssrc, link) in links.iter_mut().enumerate() {
            if t % 10 == 0 {
                let datagram = voice(ssrc as u32, (t / 10) as u16, levels[ssrc]);
                link.handle(ms(t), ssrc, &datagram);
            }
            while let Some(d) = link.poll_output(ms(t)) {
                let routed = s.handle_datagram(d.due, Origin(0), d.bytes);
                assert!(matches!(routed, Routed::Queued(_) | Routed::Unconfirmed(_)));
            }
        }
        s.pull(ms(t), AudioMut::new(&mut out, Channels::MONO));
        s.handle_timeout(ms(t));
        for x in out {
            let sum = (x * 32_768.0) as i16;
            for (n, level) in levels.iter().enumerate() {
                heard[n] += u64::from(sum & level != 0);
            }
            assert_eq!(sum & !273, 0, "{sum}");
        }
    }
    for (n, (frames, link)) in heard.into_iter().zip(&links).enumerate() {
        let arrived = link.stats().delivered * FRAMES as u64;
        // All but the first packet, and those that still wait.
        let missing = arrived - frames;
        assert!(
            (1..10 * FRAMES as u64).contains(&missing),
            "{n}: {missing} of {arrived}"
        );
    }
    let lost = links.map(|l| l.stats().lost);
    assert!(lost[0] > 80 && lost[1] > 80 && lost[2] == 0, "{lost:?}");
    let started = events(&mut s).into_iter();
    assert_eq!(
        started
            .filter(|e| matches!(e, SessionEvent::Started(_)))
            .count(),
        3
    );
}

#[test]
fn a_slice_longer_than_what_is_mixed_at_once_lacks_nothing() {
    let framing = IngressFraming::Rtp(vec![(96, RATE)]);
    let types = [(96, "L16/8000".parse().unwrap())];
    let config = PlayoutConfig {
        drift: DriftCorrection::Ignore,
        ..Profile::Balanced.config()
    };
    let playouts = UniformPlayouts::rtp(config, types, CodecRegistry::pcm());
    let mut s = Session::new(SessionConfig::new(FORMAT, framing), playouts, ms(0)).unwrap();
    let mut out = [0.0; 30 * FRAMES];
    let (mut seq, mut made_up) = (0, 0);
    for t in (0..30_000).step_by(300) {
        while u64::from(seq) * 10 <= t {
            let at = ms(u64::from(seq) * 10);
            s.handle_datagram(at, Origin(0), &voice(1, seq, 10_000));
            seq += 1;
        }
        let mixed = s.pull(ms(t), AudioMut::new(&mut out, Channels::MONO));
        if t > 5_000 {
            made_up += mixed.concealed;
        }
    }
    assert_eq!(made_up, 0);
}

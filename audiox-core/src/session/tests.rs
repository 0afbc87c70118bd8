use super::*;
use crate::codec::CodecRegistry;
use crate::convert::Gain;
use crate::format::{Channels, SampleRate};
use crate::ingress::SourceId;
use crate::packet::rtcp::CompoundWriter;
use crate::packet::rtp::RtpHeader;
use crate::playout::PlayoutConfig;
use crate::source::{Asked, Pull};
use crate::time::{RtpTimestamp, SeqNum};

const RATE: SampleRate = SampleRate::HZ_8000;
const FORMAT: StreamFormat = StreamFormat::new(RATE, Channels::MONO);
/// 10 ms.
const FRAMES: usize = 80;

/// Plays every frame untouched, 20 ms after its arrival.
fn exact() -> PlayoutConfig {
    PlayoutConfig {
        resync_after: Duration::from_millis(100),
        ..PlayoutConfig::exact(Duration::from_millis(20))
    }
}

fn config() -> SessionConfig {
    let slow = SampleRate::new(500).unwrap();
    let types = [
        (96, RATE),
        (97, SampleRate::HZ_48000),
        (98, RATE),
        (99, slow),
    ];
    let framing = IngressFraming::Rtp(types.into());
    let mut config = SessionConfig::new(FORMAT, framing);
    config.max_sources = 4;
    config.buffers_per_source = 8;
    config.max_datagram = 400;
    config.ingress.max_sources = 16;
    config.ingress.idle_after = Duration::from_millis(500);
    config
}

fn playouts() -> UniformPlayouts {
    let types = [
        (96, "L16/8000"),
        (97, "L16/48000"),
        (98, "PCMU/8000"),
        (99, "L16/500"),
    ];
    let types = types.map(|(pt, spec)| (pt, spec.parse().unwrap()));
    UniformPlayouts::rtp(exact(), types, CodecRegistry::pcm())
}

fn session(config: SessionConfig) -> Session {
    Session::new(config, playouts(), ms(0)).unwrap()
}

fn ms(n: u64) -> Instant {
    Instant::from_nanos(1_000_000_000 + n * 1_000_000)
}

/// A sender of a constant: packet `n` is due at `n` × 10 ms.
struct Voice {
    ssrc: u32,
    payload_type: u8,
    level: i16,
    n: u16,
}

impl Voice {
    fn new(ssrc: u32, level: i16) -> Self {
        let payload_type = 96;
        Self {
            ssrc,
            payload_type,
            level,
            n: 0,
        }
    }

    fn datagram(&mut self) -> Vec<u8> {
        let mut out = vec![0; 12 + FRAMES * 2];
        let at = RtpTimestamp(u32::from(self.n) * FRAMES as u32);
        let header = RtpHeader::new(self.payload_type, SeqNum(self.n), at, self.ssrc).unwrap();
        header.write_into(&mut out).unwrap();
        for sample in out[12..].chunks_exact_mut(2) {
            sample.copy_from_slice(&self.level.to_be_bytes());
        }
        self.n += 1;
        out
    }
}

/// Ten milliseconds: everybody sends, then the device pulls.
fn step(s: &mut Session, t: u64, voices: &mut [Voice]) -> (Vec<f32>, Mixed) {
    for voice in voices {
        s.handle_datagram(ms(t), Origin(0), &voice.datagram());
    }
    let mut out = vec![f32::NAN; FRAMES];
    let mixed = s.pull(ms(t), AudioMut::new(&mut out, Channels::MONO));
    s.handle_timeout(ms(t));
    (out, mixed)
}

fn run(s: &mut Session, t: std::ops::Range<u64>, voices: &mut [Voice]) -> Vec<f32> {
    t.map(|n| step(s, n * 10, voices).0).last().unwrap()
}

fn events(s: &mut Session) -> Vec<SessionEvent> {
    std::iter::from_fn(|| s.poll_event()).collect()
}

fn started(events: &[SessionEvent]) -> Vec<SourceId> {
    let of = |e: &SessionEvent| match e {
        SessionEvent::Started(id) => Some(*id),
        _ => None,
    };
    events.iter().filter_map(of).collect()
}

fn ended(events: &[SessionEvent]) -> Vec<(SourceId, PlaybackStats)> {
    let of = |e: &SessionEvent| match e {
        SessionEvent::Ended { source, playback } => Some((*source, *playback)),
        _ => None,
    };
    events.iter().filter_map(of).collect()
}

fn bye(ssrc: u32) -> Vec<u8> {
    let mut buf = vec![0; 200];
    let mut writer = CompoundWriter::new(&mut buf);
    writer.receiver_report(ssrc, &[]).unwrap();
    writer.sdes_cname(ssrc, "voice").unwrap();
    writer.bye(&[ssrc], None).unwrap();
    let len = writer.finish();
    buf.truncate(len);
    buf
}

fn scaled(level: i32) -> f32 {
    level as f32 / 32_768.0
}

#[test]
fn the_mix_is_the_sum_of_its_sources() {
    let mut s = session(config());
    let mut voices = [Voice::new(1, 1_000), Voice::new(2, -300), Voice::new(3, 7)];
    let out = run(&mut s, 0..10, &mut voices);
    assert_eq!(out, vec![scaled(707); FRAMES]);
    assert_eq!(started(&events(&mut s)).len(), 3);
    let (out, mixed) = step(&mut s, 100, &mut voices[..0]);
    assert_eq!(out, vec![scaled(707); FRAMES], "still buffered");
    assert_eq!((mixed.sources, mixed.sounding, mixed.concealed), (3, 3, 0));
    assert_eq!(s.output().stats().frames_limited, 0);
}

#[test]
fn a_stream_older_than_the_devices_first_callback_has_its_delay_counted() {
    let session = session(config());
    let (mut input, mut output) = session.split();
    let mut voice = Voice::new(1, 500);
    for n in 0..2 {
        input.handle_datagram(ms(n * 10), Origin(0), &voice.datagram());
    }
    let asked = Asked {
        now: ms(10),
        until_heard: Duration::from_millis(6),
    };
    let mut out = [f32::NAN; FRAMES];
    Pull::pull(&mut output, asked, AudioMut::new(&mut out, Channels::MONO));
    // The second packet, by which the source was known, came at 10 ms; 20 were asked for.
    let asked = Asked {
        now: ms(20),
        ..asked
    };
    Pull::pull(&mut output, asked, AudioMut::new(&mut out, Channels::MONO));
    assert_eq!((out[31], out[32]), (0.0, scaled(500)));
}

#[test]
fn one_packet_could_be_a_stray() {
    let mut s = session(config());
    let mut voice = Voice::new(1, 500);
    let first = s.handle_datagram(ms(0), Origin(0), &voice.datagram());
    assert!(matches!(first, Routed::Unconfirmed(_)));
    assert!(events(&mut s).is_empty());
    let second = s.handle_datagram(ms(10), Origin(0), &voice.datagram());
    assert!(matches!(second, Routed::Queued(_)));
    assert_eq!(started(&events(&mut s)).len(), 1);
    assert_eq!(s.input().stats().packets_unconfirmed, 1);
}

#[test]
fn sources_can_be_kept_apart() {
    let mut s = session(config());
    let mut voices = [Voice::new(1, 1_000), Voice::new(2, -300)];
    run(&mut s, 0..10, &mut voices);
    let ids = started(&events(&mut s));
    s.input().set_gain(ids[1], Gain::linear(0.5).unwrap());
    let mut slice = [f32::NAN; FRAMES];
    let mut got = vec![];
    s.pull_each(ms(100), AudioMut::new(&mut slice, Channels::MONO), |part| {
        assert_eq!(part.pulled.decoded, FRAMES);
        got.push((part.slot, part.source, part.audio.samples()[FRAMES - 1]));
    });
    // The second's gain is half way down after 10 of 20 ms.
    let expected = [(0, ids[0], scaled(1_000)), (1, ids[1], scaled(-300) * 0.75)];
    assert_eq!(got, expected);
    assert_eq!(
        s.output().sources().collect::<Vec<_>>(),
        [(0, ids[0]), (1, ids[1])]
    );
    assert_eq!(s.input().sources().count(), 2);
}

#[test]
fn a_gain_glides_and_a_silent_source_has_it_at_once() {
    let mut s = session(config());
    let mut voices = [Voice::new(1, 16_384)];
    run(&mut s, 0..10, &mut voices);
    let id = started(&events(&mut s))[0];
    assert!(s.input().set_gain(id, Gain::SILENCE));
    let down: Vec<f32> = (10..13)
        .flat_map(|n| step(&mut s, n * 10, &mut voices).0)
        .collect();
    let largest = down
        .windows(2)
        .map(|w| (w[0] - w[1]).abs())
        .fold(0.0, f32::max);
    assert!((largest - 0.5 / 160.0).abs() < 1e-6, "{largest}");
    assert_eq!((down[159], down[239]), (0.0, 0.0));
    // Starved until its timeline ends, then turned up: no fade-in from nothing.
    for n in 13..40 {
        step(&mut s, n * 10, &mut []);
    }
    s.input().set_gain(id, Gain::UNITY);
    step(&mut s, 400, &mut []);
    let out: Vec<f32> = (41..50)
        .flat_map(|n| step(&mut s, n * 10, &mut voices).0)
        .collect();
    let first = out.iter().find(|x| **x != 0.0).unwrap();
    assert_eq!(*first, 0.5);
    assert!(!s.input().set_gain(SourceId(99), Gain::UNITY));
}

#[test]
fn a_sum_stays_within_full_scale_and_a_single_stream_is_never_touched() {
    let mut s = session(config());
    let mut voices = [Voice::new(1, 30_000), Voice::new(2, 30_000)];
    let alone = run(&mut s, 0..10, &mut voices[..1]);
    assert_eq!(alone, vec![scaled(30_000); FRAMES]);
    let ids = started(&events(&mut s));
    for n in 10..20 {
        let (out, _) = step(&mut s, n * 10, &mut voices);
        assert!(out.iter().all(|x| x.abs() <= 1.0));
    }
    let stats = *s.output().stats();
    assert!(stats.frames_limited > 0);
    assert!(
        (stats.lowest_gain - 32_768.0 / 60_000.0).abs() < 1e-3,
        "{stats:?}"
    );
    // A source turned up beyond full scale by its owner is left there.
    s.input().set_gain(ids[0], Gain::linear(2.0).unwrap());
    let out = run(&mut s, 20..120, &mut voices[..1]);
    assert_eq!(out, vec![scaled(60_000); FRAMES]);
}

#[test]
fn a_source_beyond_the_places_waits_until_one_ends() {
    let mut s = session(config());
    let mut voices: Vec<Voice> = (0..5).map(|n| Voice::new(n, 100)).collect();
    let out = run(&mut s, 0..10, &mut voices);
    assert_eq!(out, vec![scaled(400); FRAMES]);
    let seen = events(&mut s);
    assert_eq!(started(&seen).len(), 4);
    let refused = seen
        .iter()
        .filter(|e| matches!(e, SessionEvent::Refused(_, SourceRefusal::NoPlace)));
    assert_eq!(refused.count(), 1, "told once");
    let stats = *s.input().stats();
    assert_eq!((stats.sources_refused, stats.packets_refused), (1, 9));
    // The first falls silent.
    let out = run(&mut s, 10..90, &mut voices[1..]);
    assert_eq!(out, vec![scaled(400); FRAMES]);
    let seen = events(&mut s);
    assert_eq!((started(&seen).len(), ended(&seen).len()), (1, 1));
    assert_eq!(s.output().sources().count(), 4);
}

#[test]
fn a_goodbye_ends_a_source_once_it_has_been_played_out() {
    let mut s = session(config());
    let mut voices = [Voice::new(1, 100), Voice::new(2, 1_000)];
    run(&mut s, 0..10, &mut voices);
    let ids = started(&events(&mut s));
    s.handle_rtcp(ms(95), &bye(1)).unwrap();
    let (out, _) = step(&mut s, 100, &mut voices[1..]);
    assert_eq!(out, vec![scaled(1_100); FRAMES], "what it sent is heard");
    run(&mut s, 11..40, &mut voices[1..]);
    let seen = events(&mut s);
    assert_eq!(seen[0], SessionEvent::Bye(ids[0]));
    let ends = ended(&seen);
    assert_eq!((ends.len(), ends[0].0), (1, ids[0]));
    assert_eq!(ends[0].1.playout.frames_decoded, 9 * FRAMES as u64);
    assert_eq!(s.output().sources().count(), 1);
    assert!(s.input().poll_timeout().is_some());
}

#[test]
fn a_forged_goodbye_does_not_silence_anybody() {
    let mut s = session(config());
    let mut voices = [Voice::new(1, 100)];
    run(&mut s, 0..10, &mut voices);
    for n in 10..60 {
        s.handle_rtcp(ms(n * 10), &bye(1)).unwrap();
        let (out, _) = step(&mut s, n * 10, &mut voices);
        assert_eq!(out, vec![scaled(100); FRAMES]);
    }
    // A hiccup of the network afterwards does not make it true.
    run(&mut s, 60..65, &mut []);
    voices[0].n += 5;
    let out = run(&mut s, 65..70, &mut voices);
    assert_eq!(out, vec![scaled(100); FRAMES]);
    assert_eq!(s.input().stats().sources_ended, 0);
    // Even where it falls silent for a while, it is heard again.
    run(&mut s, 70..90, &mut []);
    assert_eq!(ended(&events(&mut s)).len(), 1);
    voices[0].n += 20;
    let out = run(&mut s, 90..100, &mut voices);
    assert_eq!(out, vec![scaled(100); FRAMES]);
    assert_eq!(started(&events(&mut s)).len(), 1);
}

#[test]
fn a_restart_is_heard_at_once() {
    let mut s = session(config());
    let mut voices = [Voice::new(1, 100)];
    run(&mut s, 0..10, &mut voices);
    voices[0].n = 20_000;
    let out = run(&mut s, 10..16, &mut voices);
    assert_eq!(out, vec![scaled(100); FRAMES]);
    let seen = events(&mut s);
    assert_eq!(seen.len(), 2, "{seen:?}");
    assert!(matches!(seen[1], SessionEvent::Restarted(_)));
}

#[test]
fn another_format_gets_another_playout_or_is_refused() {
    let mut s = session(config());
    let mut voices = [Voice::new(1, 100)];
    run(&mut s, 0..10, &mut voices);
    // µ-law of the same rate: the same playout reads it.
    voices[0].payload_type = 98;
    run(&mut s, 10..20, &mut voices);
    assert_eq!(started(&events(&mut s)).len(), 1);
    assert_eq!(s.input().stats().sources_ended, 0);
    // 48 kHz: another playout, which converts it.
    voices[0].payload_type = 97;
    run(&mut s, 20..30, &mut voices);
    let seen = events(&mut s);
    assert_eq!((ended(&seen).len(), started(&seen).len()), (1, 1));
    // 500 Hz: nothing converts that; tried once, not with each packet.
    voices[0].payload_type = 99;
    run(&mut s, 220..230, &mut voices);
    let seen = events(&mut s);
    assert_eq!(ended(&seen).len(), 1);
    assert!(
        matches!(&seen[1], SessionEvent::Refused(_, SourceRefusal::NoPlayout(e))
            if e.to_string().contains("500 Hz")),
        "{seen:?}"
    );
    assert_eq!(seen.len(), 2);
    voices[0].payload_type = 96;
    run(&mut s, 230..240, &mut voices);
    assert_eq!(started(&events(&mut s)).len(), 1);
    assert_eq!(s.output().sources().count(), 1);
}

#[test]
fn each_source_has_its_own_share_of_buffers() {
    let mut s = session(config());
    let mut voices = [Voice::new(1, 100), Voice::new(2, 1_000)];
    run(&mut s, 0..10, &mut voices);
    // A hundred packets of the first within one quantum.
    let mut backlogged = 0;
    for _ in 0..100 {
        let datagram = voices[0].datagram();
        let routed = s.handle_datagram(ms(100), Origin(0), &datagram);
        backlogged += u64::from(matches!(routed, Routed::Backlogged(_)));
    }
    assert!(backlogged > 90, "{backlogged}");
    let routed = s.handle_datagram(ms(100), Origin(0), &voices[1].datagram());
    assert!(matches!(routed, Routed::Queued(_)));
    assert_eq!(s.input().stats().packets_backlogged, backlogged);
    assert_eq!(s.input().stats().no_buffer, 0);
}

#[test]
fn nothing_is_lost_while_nobody_pulls_but_packets() {
    let mut s = session(config());
    for round in 0..50u32 {
        let mut voices: Vec<Voice> = (0..6).map(|n| Voice::new(round * 8 + n, 100)).collect();
        for n in 0..20 {
            for voice in &mut voices {
                let now = ms(u64::from(round) * 1_000 + n * 10);
                s.handle_datagram(now, Origin(0), &voice.datagram());
                s.input().handle_timeout(now);
            }
        }
    }
    // The first four wait to be opened and sent home; the others found no place.
    let stats = *s.input().stats();
    assert_eq!((stats.sources_started, stats.sources_ended), (4, 0));
    assert_eq!(stats.no_buffer, 0);
    let t = 50_000;
    step(&mut s, t, &mut []);
    assert_eq!(s.input().stats().sources_ended, 4);
    assert_eq!(s.output().sources().count(), 0);
    let mut voices = [Voice::new(900, 100)];
    let from = t / 10 + 1;
    let out = run(&mut s, from..from + 10, &mut voices);
    assert_eq!(out, vec![scaled(100); FRAMES]);
}

#[test]
fn ends_are_noticed_even_where_the_wire_side_loses_count_of_them() {
    let mut config = config();
    config.ingress.max_sources = 600;
    let mut s = session(config);
    let mut voices = [Voice::new(9_000, 100), Voice::new(9_001, 100)];
    run(&mut s, 0..5, &mut voices);
    for ssrc in 0..500 {
        let mut voice = Voice::new(ssrc, 1);
        for _ in 0..2 {
            s.handle_datagram(ms(50), Origin(0), &voice.datagram());
        }
    }
    assert_eq!(s.input().stats().sources_refused, 498);
    // All end in the same moment: more than the wire side keeps events for.
    s.handle_timeout(ms(2_000));
    assert!(s.input().ingress().stats().events_dropped > 0);
    step(&mut s, 2_010, &mut []);
    assert_eq!(s.input().stats().sources_ended, 4);
    assert_eq!(s.output().sources().count(), 0);
    let all: Vec<_> = std::iter::from_fn(|| s.input().acquire()).collect();
    assert_eq!(all.len(), 4 * 8 + SPARE_BUFFERS);
}

#[test]
fn statistics_come_over_while_it_plays() {
    let mut s = session(config());
    let mut voices = [Voice::new(1, 16_384)];
    run(&mut s, 0..41, &mut voices);
    let id = started(&events(&mut s))[0];
    let stats = *s.input().playback_stats(id).unwrap();
    // At most 100 ms old.
    assert!(
        stats.playout.frames_pulled >= 30 * FRAMES as u64,
        "{stats:?}"
    );
    assert_eq!((stats.playing, stats.peak), (true, 0.5));
    assert_eq!(s.input().source_stats(id).unwrap().packets_received, 41);
    assert_eq!(s.input().mix_stats().pulls, 40);
    assert_eq!(s.input().playback_stats(SourceId(77)), None);
    assert_eq!(s.input().stats().sources_started, 1);
}

#[test]
fn playouts_are_not_built_without_end() {
    let mut config = config();
    config.ingress.max_sources = 64;
    let mut s = session(config);
    let mut built = 0;
    for n in 0..20u32 {
        let mut voice = [Voice::new(n, 100)];
        let t = u64::from(n) * 20;
        run(&mut s, t / 10..t / 10 + 2, &mut voice);
        // A pull beyond the starvation that ends a timeline.
        s.handle_rtcp(ms(t), &bye(n)).unwrap();
        let mut out = vec![0.0; FRAMES * 20];
        s.pull(ms(t + 20), AudioMut::new(&mut out, Channels::MONO));
        built += started(&events(&mut s)).len();
    }
    assert_eq!(built, 8, "within 400 ms");
}

#[test]
fn a_slice_of_any_length_and_channel_count_is_filled() {
    let mut s = session(config());
    let mut voices = [Voice::new(1, 1_000), Voice::new(2, -300)];
    for n in 0..30 {
        for voice in &mut voices {
            s.handle_datagram(ms(n), Origin(0), &voice.datagram());
        }
    }
    for channels in [1u16, 2, 3, 64, 1_024] {
        let channels = Channels::new(channels).unwrap();
        for frames in [0, 1, 79, 1_500] {
            let mut out = vec![f32::NAN; frames * channels.get()];
            s.pull(ms(40), AudioMut::new(&mut out, channels));
            assert!(out.iter().all(|x| x.abs() <= 1.0));
            let others = out.chunks_exact(channels.get()).flat_map(|f| &f[1..]);
            assert!(others.into_iter().all(|x| *x == 0.0));
        }
    }
}

#[test]
fn raw_streams_are_told_apart_by_their_origin() {
    let pcm = crate::format::PcmFormat::S16LE;
    let framing = IngressFraming::Raw {
        pcm,
        channels: Channels::MONO,
        rate: RATE,
    };
    let config = SessionConfig::new(FORMAT, framing);
    let playouts = UniformPlayouts::raw(exact(), pcm, FORMAT);
    let mut s = Session::new(config, playouts, ms(0)).unwrap();
    let mut out = vec![0.0; FRAMES];
    for n in 0..10 {
        for (origin, level) in [(1, 100i16), (2, 23)] {
            let datagram = level.to_le_bytes().repeat(FRAMES);
            s.handle_datagram(ms(n * 10), Origin(origin), &datagram);
        }
        s.pull(ms(n * 10), AudioMut::new(&mut out, Channels::MONO));
    }
    assert_eq!(out, vec![scaled(123); FRAMES]);
}

#[test]
fn a_closure_makes_playouts_too() {
    let mut s = Session::new(
        config(),
        |source: &NewSource| match source.ssrc {
            13 => Err(ConfigError::new("ssrc", source.ssrc, "any other")),
            _ => playouts().playout(source),
        },
        ms(0),
    )
    .unwrap();
    let mut voices = [Voice::new(13, 1_000), Voice::new(14, 100)];
    let out = run(&mut s, 0..10, &mut voices);
    assert_eq!(out, vec![scaled(100); FRAMES]);
    assert_eq!(s.input().stats().sources_refused, 1);
}

#[test]
fn configurations_out_of_range_are_refused_by_field() {
    let refused = |change: fn(&mut SessionConfig)| {
        let mut config = config();
        change(&mut config);
        Session::new(config, playouts(), ms(0)).unwrap_err().field
    };
    assert_eq!(refused(|c| c.max_sources = 0), "max_sources");
    assert_eq!(refused(|c| c.max_sources = 1_025), "max_sources");
    assert_eq!(refused(|c| c.buffers_per_source = 1), "buffers_per_source");
    assert_eq!(refused(|c| c.max_datagram = 0), "max_datagram");
    assert_eq!(refused(|c| c.ingress.max_sources = 0), "max_sources");
}

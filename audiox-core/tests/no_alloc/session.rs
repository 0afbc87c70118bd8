//! Many streams that come and go, with the socket and the callback on threads of their own.
//!
//! Time is virtual and kept by the socket's thread; the callback's follows it by pulling a
//! quantum whenever one is due. How the two interleave is left to the machine.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use audiox_core::block::AudioMut;
use audiox_core::codec::CodecRegistry;
use audiox_core::format::{Channels, SampleRate, StreamFormat};
use audiox_core::ingress::{IngressFraming, Origin};
use audiox_core::packet::rtcp::CompoundWriter;
use audiox_core::packet::rtp::RtpHeader;
use audiox_core::playout::PlayoutConfig;
use audiox_core::session::{
    MixStats, Routed, Session, SessionConfig, SessionEvent, SessionInput, SessionOutput,
    UniformPlayouts,
};
use audiox_core::time::{Instant, RtpTimestamp, SeqNum};

use crate::counting::assert_no_alloc;

const RATE: SampleRate = SampleRate::HZ_48000;
const FORMAT: StreamFormat = StreamFormat::new(RATE, Channels::STEREO);
/// 5 ms.
const FRAMES: usize = 240;
const SENDERS: u32 = 6;
const PLACES: usize = 8;
const BUFFERS: usize = 32;
/// Beside those of the places, for the socket's owner.
const SPARE: usize = 64;

fn session() -> (SessionInput, SessionOutput) {
    let mut config = SessionConfig::new(FORMAT, IngressFraming::Rtp(vec![(96, RATE)]));
    config.max_sources = PLACES;
    config.buffers_per_source = BUFFERS;
    config.ingress.idle_after = Duration::from_millis(200);
    let playout = PlayoutConfig {
        resync_after: Duration::from_millis(50),
        ..PlayoutConfig::exact(Duration::from_millis(20))
    };
    let types = [(96, "L16/48000/2".parse().unwrap())];
    let playouts = UniformPlayouts::rtp(playout, types, CodecRegistry::pcm());
    Session::new(config, playouts, at(0)).unwrap().split()
}

fn at(step: u64) -> Instant {
    Instant::from_nanos(1_000_000_000 + step * 5_000_000)
}

/// A sample of sender `n`, on both channels: 1, 2, 4 … so that a sum tells its parts.
fn sample(n: u32) -> i16 {
    1 << n
}

fn packet(out: &mut [u8], n: u32, step: u64, ssrc: u32) -> usize {
    let (seq, at) = (
        SeqNum(step as u16),
        RtpTimestamp((step as u32).wrapping_mul(FRAMES as u32)),
    );
    let header = RtpHeader::new(96, seq, at, ssrc).unwrap();
    let len = header.write_into(out).unwrap();
    for s in out[len..len + FRAMES * 4].chunks_exact_mut(2) {
        s.copy_from_slice(&sample(n).to_be_bytes());
    }
    len + FRAMES * 4
}

fn bye(out: &mut [u8], ssrc: u32) -> usize {
    let mut writer = CompoundWriter::new(out);
    writer.receiver_report(ssrc, &[]).unwrap();
    writer.sdes_cname(ssrc, "sender").unwrap();
    writer.bye(&[ssrc], None).unwrap();
    writer.finish()
}

/// Buffers that can be had at once: all of them, if none was lost.
fn buffers(input: &mut SessionInput) -> usize {
    let all: Vec<_> = std::iter::from_fn(|| input.acquire()).collect();
    all.len()
}

#[test]
fn steady_streams_ask_nothing_of_the_allocator_on_either_side() {
    let (mut input, mut output) = session();
    let mut datagram = [0; 1_500];
    let mut out = [0.0f32; FRAMES * 2];
    let mut run = |steps: std::ops::Range<u64>| {
        for step in steps {
            for n in 0..SENDERS {
                let len = packet(&mut datagram, n, step, n);
                let _ = input.handle_datagram(at(step), Origin(0), &datagram[..len]);
            }
            output.pull(at(step), AudioMut::new(&mut out, FORMAT.channels));
            input.handle_timeout(at(step));
            while input.poll_event().is_some() {}
        }
    };
    run(0..100);
    assert_no_alloc(|| run(100..20_000));
    assert_eq!(
        input.stats().packets_queued,
        20_000 * u64::from(SENDERS) - u64::from(SENDERS)
    );
    assert_eq!(input.stats().sources_ended, 0);
    assert_eq!(out, [63.0 / 32_768.0; FRAMES * 2]);
}

#[test]
fn sources_that_come_and_go_cost_the_callback_no_allocation() {
    let (mut input, mut output) = session();
    const STEPS: u64 = 20_000;
    let clock = AtomicU64::new(0);
    let played = AtomicU64::new(0);
    let done = AtomicBool::new(false);
    let (heard, mix) = std::thread::scope(|scope| {
        let callback = scope.spawn(|| {
            let _dead = Dead(&played);
            let mut out = [0.0f32; FRAMES * 2];
            let mut heard = [0u64; 1 << SENDERS];
            assert_no_alloc(|| {
                let mut next = 0;
                while !done.load(Ordering::Acquire) {
                    if clock.load(Ordering::Acquire) <= next {
                        std::thread::yield_now();
                        continue;
                    }
                    output.pull(at(next), AudioMut::new(&mut out, FORMAT.channels));
                    for frame in out.chunks_exact(2) {
                        assert_eq!(frame[0], frame[1]);
                        let sum = frame[0] * 32_768.0;
                        assert_eq!(sum.fract(), 0.0, "a part of a sample");
                        // Out of range where somebody is heard twice.
                        heard[sum as usize] += 1;
                    }
                    next += 1;
                    played.store(next, Ordering::Release);
                }
            });
            (heard, *output.stats())
        });
        let end = End(&done);
        socket(&mut input, &clock, &played, STEPS);
        drop(end);
        callback.join().unwrap()
    });
    assert_parts(&heard, &mix, STEPS);
}

/// Ends the callback's thread, also where an assertion fails on the other.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Lets the socket's thread go on where an assertion fails in the callback.
struct Dead<'a>(&'a AtomicU64);

impl Drop for Dead<'_> {
    fn drop(&mut self) {
        self.0.store(u64::MAX / 2, Ordering::Release);
    }
}

/// Sends from six senders, of which each in turn says goodbye, falls silent or starts over under
/// another name; then waits until all have ended.
fn socket(input: &mut SessionInput, clock: &AtomicU64, played: &AtomicU64, steps: u64) {
    let mut datagram = [0; 1_500];
    let mut open = 0i64;
    let mut ssrc: [u32; SENDERS as usize] = std::array::from_fn(|n| n as u32);
    for step in 0..steps + 200 {
        while played.load(Ordering::Acquire) + 2 < step {
            std::thread::yield_now();
        }
        let now = at(step);
        for n in 0..SENDERS {
            let age = (step + u64::from(n) * 50) % 300;
            if step >= steps || (n % 3 == 1 && age < 60) {
                continue;
            }
            let name = &mut ssrc[n as usize];
            let len = packet(&mut datagram, n, step, *name);
            let routed = input.handle_datagram(now, Origin(0), &datagram[..len]);
            let expected = matches!(routed, Routed::Queued(_) | Routed::Unconfirmed(_));
            assert!(expected, "{routed:?} of {n} at {step}");
            if age == 299 && n % 3 != 1 {
                let len = bye(&mut datagram, *name);
                input.handle_rtcp(now, &datagram[..len]).unwrap();
                *name += if n % 3 == 0 { SENDERS } else { 0 };
            }
        }
        input.handle_timeout(now);
        while let Some(event) = input.poll_event() {
            match event {
                SessionEvent::Started(_) => open += 1,
                SessionEvent::Ended { playback, .. } => {
                    open -= 1;
                    assert_eq!(playback.playout.packets_late, 0);
                    assert_eq!(playback.playout.buffers_dropped, 0);
                }
                _ => {}
            }
            assert!((0..=PLACES as i64).contains(&open));
        }
        clock.store(step + 1, Ordering::Release);
    }
    assert_eq!(open, 0, "all have ended");
    let stats = *input.stats();
    // Two that say goodbye and come back under another name, two that fall silent.
    assert!(
        (4 * 65..4 * 70).contains(&stats.sources_started),
        "{stats:?}"
    );
    assert_eq!(
        (stats.no_buffer, stats.packets_backlogged),
        (0, 0),
        "{stats:?}"
    );
    assert_eq!(stats.events_dropped, 0);
    assert_eq!(buffers(input), PLACES * BUFFERS + SPARE);
}

fn assert_parts(heard: &[u64], mix: &MixStats, steps: u64) {
    assert!(mix.frames_pulled >= steps * FRAMES as u64);
    assert_eq!(mix.frames_limited, 0);
    for n in 0..SENDERS {
        let of_sender = heard
            .iter()
            .enumerate()
            .filter(|(sum, _)| sum >> n & 1 == 1);
        let frames: u64 = of_sender.map(|(_, count)| count).sum();
        let share = frames as f64 / (steps * FRAMES as u64) as f64;
        // Sender 1 of 3 is silent for a fifth of the time; starts and ends cost the rest.
        let least = if n % 3 == 1 { 0.78 } else { 0.97 };
        assert!((least..=1.0).contains(&share), "{n}: {share}");
    }
}

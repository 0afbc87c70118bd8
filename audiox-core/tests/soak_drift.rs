//! Clocks that differ, for hours: the latency stays where it should be.
//!
//! The stream is a tone captured by a device that is fast or slow and wanders, the playback
//! device another one. Where the tone is in its period when it is heard tells the latency, to
//! some microseconds, whatever was resampled.
#![cfg(test)]

use std::collections::VecDeque;
use std::f64::consts::TAU;
use std::time::Duration;

use audiox_core::block::AudioMut;
use audiox_core::codec::{PcmCoding, PcmDecoder};
use audiox_core::format::{Channels, SampleRate, StreamFormat};
use audiox_core::packet::PacketBuf;
use audiox_core::playout::{Latency, Playout, PlayoutConfig, Profile};
use audiox_core::resample::ResamplerQuality;
use audiox_core::sim::{ClockConfig, Pcg32, SkewedClock, Wander};
use audiox_core::time::{ExtSeq, Instant, MediaTime};

const RATE: f64 = 8_000.0;
/// Frames of a packet and of a quantum.
const PACKET: u64 = 160;
const QUANTUM: u64 = 160;
/// The tone's period in frames: latencies are told apart within 20 ms.
const PERIOD: u64 = 160;

struct Run {
    capture: SkewedClock,
    playback: SkewedClock,
    playout: Playout,
    rng: Pcg32,
    jitter: f64,
    sent: u64,
    pulled: u64,
    arriving: VecDeque<(Instant, PacketBuf)>,
    spare: Vec<PacketBuf>,
    last_arrival: u64,
    /// Phase in periods, unwrapped.
    phase: Option<f64>,
}

impl Run {
    fn new(
        config: &PlayoutConfig,
        capture: ClockConfig,
        playback: ClockConfig,
        jitter: f64,
    ) -> Self {
        let format = StreamFormat::new(SampleRate::HZ_8000, Channels::MONO);
        let decoder = PcmDecoder::new(PcmCoding::L16, format, 1_600).unwrap();
        Self {
            capture: SkewedClock::new(capture).unwrap(),
            playback: SkewedClock::new(playback).unwrap(),
            playout: Playout::new(config, vec![(0, Box::new(decoder))]).unwrap(),
            rng: Pcg32::new(7, 7),
            jitter,
            sent: 0,
            pulled: 0,
            arriving: VecDeque::new(),
            spare: Vec::new(),
            last_arrival: 0,
            phase: None,
        }
    }

    fn at(clock: &SkewedClock, frames: u64) -> Instant {
        clock.true_at(Instant::from_nanos(frames * 125_000))
    }

    fn send(&mut self) {
        let captured = Self::at(&self.capture, (self.sent + 1) * PACKET);
        let delay = 20e6 + self.rng.normal().abs() * self.jitter;
        let arrival = (captured.as_nanos() + delay as u64).max(self.last_arrival);
        self.last_arrival = arrival;
        let mut packet = self
            .spare
            .pop()
            .unwrap_or_else(|| PacketBuf::with_capacity(2 * PACKET as usize));
        let mut bytes = [0u8; 2 * PACKET as usize];
        for (n, b) in bytes.chunks_exact_mut(2).enumerate() {
            let frame = (self.sent * PACKET + n as u64) % PERIOD;
            let sample = (frame as f64 / PERIOD as f64 * TAU).sin() * 16_000.0;
            b.copy_from_slice(&(sample as i16).to_be_bytes());
        }
        packet.fill(&bytes);
        packet.meta.payload = 0..bytes.len();
        packet.meta.arrival = Instant::from_nanos(arrival);
        packet.meta.seq = ExtSeq(70_000 + self.sent);
        packet.meta.at = MediaTime((self.sent * PACKET) as i64);
        self.arriving.push_back((packet.meta.arrival, packet));
        self.sent += 1;
    }

    /// Plays for a second of the device's time; returns the mean latency of that second in
    /// milliseconds, but for a whole number of periods; `None` where it was silent.
    fn second(&mut self) -> Option<f64> {
        let (mut re, mut im) = (0.0, 0.0);
        let mut out = [0.0f32; QUANTUM as usize];
        for n in 0..(RATE as u64 / QUANTUM) {
            let now = Self::at(&self.playback, self.pulled);
            while Self::at(&self.capture, (self.sent + 1) * PACKET) <= now {
                self.send();
            }
            while self.arriving.front().is_some_and(|(at, _)| *at <= now) {
                let (_, packet) = self.arriving.pop_front().unwrap();
                self.playout.insert(packet);
            }
            self.playout
                .pull(now, AudioMut::new(&mut out, Channels::MONO));
            while let Some(p) = self.playout.poll_recycled() {
                self.spare.push(p);
            }
            if n % 5 == 0 {
                // Where the capture device is, in periods, while this is heard.
                let start = self.capture.local(now).as_nanos() as f64 / 125_000.0;
                let next = Self::at(&self.playback, self.pulled + QUANTUM);
                let end = self.capture.local(next).as_nanos() as f64 / 125_000.0;
                for (i, s) in out.iter().enumerate() {
                    let share = i as f64 / QUANTUM as f64;
                    let turn = ((start + (end - start) * share) / PERIOD as f64).fract() * TAU;
                    re += f64::from(*s) * turn.cos();
                    im += f64::from(*s) * turn.sin();
                }
            }
            self.pulled += QUANTUM;
        }
        if re.hypot(im) < 10.0 {
            self.phase = None;
            return None;
        }
        // sin(x − lag) against cos x and sin x.
        let lag = (-re).atan2(im) / TAU;
        let turned = match self.phase {
            Some(before) => before + (lag - before + 0.5).rem_euclid(1.0) - 0.5,
            None => lag,
        };
        self.phase = Some(turned);
        Some(turned * PERIOD as f64 / RATE * 1e3)
    }
}

fn clock(ppm: f64, wander: Wander) -> ClockConfig {
    ClockConfig {
        ppm,
        wander,
        ..ClockConfig::default()
    }
}

fn telephone() -> PlayoutConfig {
    PlayoutConfig {
        resampler: ResamplerQuality::Fast,
        ..PlayoutConfig::fixed(Duration::from_millis(40))
    }
}

/// Seconds of a long run: a short form, or a day where `AUDIOX_LONG` is set.
fn seconds(short: u64) -> u64 {
    match std::env::var_os("AUDIOX_LONG") {
        Some(_) => 86_400,
        None => short,
    }
}

#[test]
fn fixed_latency_is_kept_to_the_millisecond_while_clocks_wander() {
    let wander = |amplitude_ppm, minutes: u64| Wander::Sine {
        amplitude_ppm,
        period: Duration::from_secs(60 * minutes),
    };
    for (capture, playback) in [(200.0, 0.0), (0.0, 200.0)] {
        let mut run = Run::new(
            &telephone(),
            clock(capture, wander(5.0, 47)),
            clock(playback, wander(3.0, 31)),
            1e6,
        );
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        let all = seconds(3_600);
        for second in 0..all {
            let latency = run.second();
            // Until the drift is known the latency moves a little.
            if second >= 180 {
                let latency = latency.unwrap();
                low = low.min(latency);
                high = high.max(latency);
            }
        }
        let stats = run.playout.stats();
        // A packet takes 20 ms to fill, 20 ms on the way and 40 ms here: whole periods. What is
        // promised is ±1 ms.
        assert!(-0.5 < low && high < 0.5, "{low} to {high}");
        assert!(high - low < 0.3, "{low} to {high}");
        assert_eq!((stats.concealed_samples, stats.resyncs), (0, 0));
        assert_eq!((stats.packets_late, stats.packets_discarded), (0, 0));
        let drift = run.playout.drift().unwrap();
        let expected = capture - playback;
        assert!((drift.ppm - expected).abs() < 15.0, "{drift:?}");
    }
}

#[test]
fn adaptive_latency_needs_no_time_stretch_for_drift() {
    let config = PlayoutConfig {
        resampler: ResamplerQuality::Fast,
        latency: Latency::Adaptive(audiox_core::jitter::DelayConfig::balanced()),
        ..Profile::Balanced.config()
    };
    let mut run = Run::new(
        &config,
        clock(-120.0, Wander::None),
        clock(80.0, Wander::None),
        1e6,
    );
    // Packet boundaries wander through the slice once in a hundred seconds.
    for _ in 0..240 {
        run.second();
    }
    let before = *run.playout.stats();
    let all = seconds(1_800);
    for _ in 0..all {
        run.second();
    }
    let after = *run.playout.stats();
    // 200 ppm are 1.6 frames a second: 2 880 in half an hour, 138 240 in a day.
    let stretched = |s: &audiox_core::stats::PlayoutStats| {
        s.inserted_samples_for_deceleration + s.removed_samples_for_acceleration
    };
    let moved = stretched(&after) - stretched(&before);
    assert!(moved < 300 + all / 200, "{moved}");
    let made_up = after.concealed_samples - before.concealed_samples;
    assert!(made_up < 80 + all / 200, "{made_up}");
}

#[test]
fn clocks_that_agree_leave_every_frame_as_it_was() {
    let mut run = Run::new(
        &telephone(),
        clock(0.0, Wander::None),
        clock(0.0, Wander::None),
        2e5,
    );
    for _ in 0..seconds(1_200) {
        run.second();
    }
    let mut out = [0.0f32; 40];
    run.playout.pull(
        Run::at(&run.playback, run.pulled),
        AudioMut::new(&mut out, Channels::MONO),
    );
    for s in out {
        let stored = s * 32_768.0;
        assert_eq!(stored, stored.round());
    }
}

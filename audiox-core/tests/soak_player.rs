//! Datagrams without a header, captured by one sound device and played by another whose clock
//! differs: no gap, and the delay stays, for as long as one listens. Two players of one stream
//! begin together.
//!
//! The stream is a tone; where it is in its period when it is heard tells the delay, to some
//! microseconds, whatever was resampled.
#![cfg(test)]

use std::collections::VecDeque;
use std::f64::consts::TAU;
use std::time::Duration;

use audiox_core::block::AudioMut;
use audiox_core::format::{Channels, PcmFormat, SampleRate, StreamFormat};
use audiox_core::ingress::{IngressConfig, Origin};
use audiox_core::playout::{PlayoutConfig, Profile};
use audiox_core::resample::ResamplerQuality;
use audiox_core::session::{Session, SessionConfig, UniformPlayouts};
use audiox_core::sim::{ClockConfig, Pcg32, SkewedClock};
use audiox_core::time::Instant;

/// Rate of stream and device, frames of a datagram and of a quantum.
#[derive(Clone, Copy)]
struct Shape {
    rate: u32,
    chunk: u64,
    quantum: u64,
}

impl Shape {
    /// The tone's period in frames: delays are told apart within 20 ms.
    fn period(self) -> f64 {
        f64::from(self.rate / 50)
    }

    fn millis(self, frames: f64) -> f64 {
        frames * 1e3 / f64::from(self.rate)
    }
}

struct Run {
    shape: Shape,
    capture: SkewedClock,
    playback: SkewedClock,
    session: Session,
    rng: Pcg32,
    sent: u64,
    pulled: u64,
    arriving: VecDeque<(Instant, Vec<u8>)>,
    spare: Vec<Vec<u8>>,
    last_arrival: u64,
    out: Vec<f32>,
    /// Phase in periods, unwrapped.
    phase: Option<f64>,
}

impl Run {
    fn new(shape: Shape, playout: PlayoutConfig, capture_ppm: f64, playback_ppm: f64) -> Self {
        let rate = SampleRate::new(shape.rate).unwrap();
        let format = StreamFormat::new(rate, Channels::MONO);
        let pcm = PcmFormat::S16LE;
        let ingress = IngressConfig::raw(pcm, format.channels, rate);
        let config = SessionConfig::new(format, ingress.framing.clone());
        let config = SessionConfig { ingress, ..config };
        let playouts = UniformPlayouts::raw(playout, pcm, format);
        let clock = |ppm| {
            let config = ClockConfig {
                ppm,
                ..ClockConfig::default()
            };
            SkewedClock::new(config).unwrap()
        };
        Self {
            shape,
            capture: clock(capture_ppm),
            playback: clock(playback_ppm),
            session: Session::new(config, playouts, Instant::EPOCH).unwrap(),
            rng: Pcg32::new(7, 7),
            sent: 0,
            pulled: 0,
            arriving: VecDeque::new(),
            spare: Vec::new(),
            last_arrival: 0,
            out: vec![0.0; shape.quantum as usize],
            phase: None,
        }
    }

    fn at(&self, clock: &SkewedClock, frames: u64) -> Instant {
        let nanos = u128::from(frames) * 1_000_000_000 / u128::from(self.shape.rate);
        clock.true_at(Instant::from_nanos(nanos as u64))
    }

    /// When the next datagram is whole.
    fn captured(&self) -> Instant {
        self.at(&self.capture, (self.sent + 1) * self.shape.chunk)
    }

    fn send(&mut self) {
        // A thread that wakes late, a kernel, a switch: a third of a millisecond and seldom two.
        let delay = 100e3 + self.rng.normal().abs() * 300e3;
        let arrival = (self.captured().as_nanos() + delay as u64).max(self.last_arrival);
        self.last_arrival = arrival;
        let mut bytes = self.spare.pop().unwrap_or_default();
        bytes.clear();
        let (chunk, period) = (self.shape.chunk, self.shape.period());
        for n in 0..chunk {
            let turn = ((self.sent * chunk + n) as f64 / period).fract();
            let sample = ((turn * TAU).sin() * 16_000.0) as i16;
            bytes.extend_from_slice(&sample.to_le_bytes());
        }
        self.arriving
            .push_back((Instant::from_nanos(arrival), bytes));
        self.sent += 1;
    }

    /// Plays a quantum; returns when it was asked for.
    fn pull(&mut self) -> Instant {
        let now = self.at(&self.playback, self.pulled);
        while self.captured() <= now {
            self.send();
        }
        while self.arriving.front().is_some_and(|(at, _)| *at <= now) {
            let (at, bytes) = self.arriving.pop_front().unwrap();
            self.session.handle_datagram(at, Origin(1), &bytes);
            self.spare.push(bytes);
        }
        self.session.handle_timeout(now);
        while self.session.poll_event().is_some() {}
        let out = AudioMut::new(&mut self.out, Channels::MONO);
        self.session.pull(now, out);
        self.pulled += self.shape.quantum;
        now
    }

    /// Plays for a second of the device's time; returns its mean delay in milliseconds, but for a
    /// whole number of periods; `None` where it was silent.
    fn second(&mut self) -> Option<f64> {
        let (mut re, mut im) = (0.0, 0.0);
        let shape = self.shape;
        let in_frames = |t: Instant| t.as_nanos() as f64 * f64::from(shape.rate) / 1e9;
        // Quanta of half a period or more, so that what turns twice as fast sums to nothing.
        let looked_at = if shape.quantum * 100 >= u64::from(shape.rate) {
            10
        } else {
            1
        };
        for n in 0..u64::from(shape.rate) / shape.quantum {
            let now = self.pull();
            if n % looked_at != 0 {
                continue;
            }
            // Where the capture device is, in periods, while this is heard.
            let start = in_frames(self.capture.local(now));
            let next = self.at(&self.playback, self.pulled);
            let end = in_frames(self.capture.local(next));
            for (i, s) in self.out.iter().enumerate() {
                let share = i as f64 / shape.quantum as f64;
                let turn = ((start + (end - start) * share) / shape.period()).fract() * TAU;
                re += f64::from(*s) * turn.cos();
                im += f64::from(*s) * turn.sin();
            }
        }
        if re.hypot(im) < 1.0 {
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
        Some(shape.millis(turned * shape.period()))
    }
}

#[test]
fn an_hour_between_two_devices_is_played_without_a_gap_at_the_same_delay() {
    // The long form has the frames of a real installation, the short one as much time.
    let shape = match std::env::var_os("AUDIOX_LONG") {
        Some(_) => Shape {
            rate: 44_100,
            chunk: 1_024,
            quantum: 441,
        },
        None => Shape {
            rate: 8_000,
            chunk: 186,
            quantum: 80,
        },
    };
    let fixed = PlayoutConfig::fixed(Duration::from_millis(40));
    for (capture, playback, playout) in [
        (150.0, 0.0, Profile::Balanced.config()),
        (-150.0, 0.0, Profile::Balanced.config()),
        (0.0, 150.0, Profile::Balanced.config()),
        (75.0, -75.0, fixed),
    ] {
        let playout = PlayoutConfig {
            resampler: ResamplerQuality::Fast,
            ..playout
        };
        let mut run = Run::new(shape, playout, capture, playback);
        run.second();
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for _ in 1..3_600 {
            let delay = run.second().expect("sound");
            low = low.min(delay);
            high = high.max(delay);
        }
        let input = run.session.input();
        let (_, source) = input.sources().next().unwrap();
        let stats = input.playback_stats(source).unwrap();
        let what = format!("{capture} against {playback} ppm: {low} to {high} ms");
        println!("{what}, found {:?}", stats.drift);
        // Within 2 ms to both sides.
        assert!(high - low < 4.0, "{what}");
        let p = &stats.playout;
        assert_eq!((p.concealed_samples, p.resyncs), (0, 0), "{what}");
        assert_eq!((p.packets_late, p.packets_discarded), (0, 0), "{what}");
        let drift = stats.drift.expect("an hour is enough");
        assert!((drift.ppm - capture + playback).abs() < 1.0, "{what}");
    }
}

#[test]
fn two_players_of_one_stream_begin_together() {
    let shape = |quantum| Shape {
        rate: 44_100,
        chunk: 1_024,
        quantum,
    };
    let mut furthest: f64 = 0.0;
    // Where the delay aimed at is shorter than a quantum, that decides, and no two are alike.
    for (playout, quanta) in [
        (Profile::Balanced.config(), &[64, 256, 441, 480, 1_024][..]),
        (Profile::Interactive.config(), &[64, 256, 441, 480, 640]),
        (
            PlayoutConfig::fixed(Duration::from_millis(60)),
            &[64, 256, 441, 480, 1_024],
        ),
    ] {
        for (n, quantum) in quanta.iter().copied().enumerate() {
            // Each is woken at another moment after the same arrival, and its device asks at
            // moments of its own.
            let begin = |quantum, seed, phase: u64| {
                let mut run = Run::new(shape(quantum), playout.clone(), 20.0, -30.0);
                run.rng = Pcg32::new(seed, 1);
                run.pulled = phase;
                loop {
                    let now = run.pull();
                    assert!(run.pulled < 44_100, "silence");
                    if let Some(first) = run.out.iter().position(|s| s.abs() > 0.002) {
                        return run.shape.millis(first as f64) + now.as_nanos() as f64 / 1e6;
                    }
                }
            };
            for phase in (0..1_024).step_by(97) {
                let (one, other) = (begin(441, 1, 0), begin(quantum, 2 + n as u64, phase));
                furthest = furthest.max((one - other).abs());
            }
        }
    }
    println!("at most {furthest} ms apart");
    assert!(furthest < 5.0, "{furthest} ms");
}

#[test]
fn on_a_clean_network_the_librarys_own_delay_is_some_milliseconds() {
    for (rate, chunk, quantum) in [
        (48_000, 240, 480),
        (48_000, 480, 480),
        (48_000, 960, 480),
        (44_100, 1_024, 441),
    ] {
        let shape = Shape {
            rate,
            chunk,
            quantum,
        };
        // The phase of packets and quanta turns once in half a minute and less.
        let mut run = Run::new(shape, Profile::Interactive.config(), 150.0, -150.0);
        for _ in 0..30 {
            run.second();
        }
        // A frame waits until its packet is full, and the last of a quantum is needed when the
        // first is played; the rest is ours.
        let unavoidable = shape.millis((chunk + quantum) as f64);
        let mut own: Vec<f64> = (0..60)
            .map(|_| (run.second().expect("sound") - unavoidable).rem_euclid(20.0))
            .collect();
        own.sort_by(f64::total_cmp);
        println!(
            "{chunk} frames a packet: {:.1} ms, at most {:.1}",
            own[30], own[59]
        );
        assert!(own[30] <= 5.0 && own[59] <= 8.0, "{own:?}");
    }
}

//! What is sent, and how it is played.

use std::fmt;
use std::time::Duration;

use audiox_core::codec::PcmCoding;
use audiox_core::fec::block::BlockConfig;
use audiox_core::format::{Channels, SampleRate};
use audiox_core::playout::{PlayoutConfig, Profile};
use audiox_core::redundancy::Means;
use audiox_core::resample::ResamplerQuality;
use audiox_core::sim::{ClockConfig, Pair, Pcg32, Wander};
use audiox_core::time::Instant;

/// How it is played, and so what can be read off it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Voice {
    /// A probe, each frame untouched.
    Exact,
    /// A tone at a fixed latency, on clocks that differ.
    Fixed,
    /// A tone at a latency that follows the network, on clocks that differ or not.
    Adaptive(Profile),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Redundancy {
    None,
    Repair,
    Again,
    Chosen,
    Blocks,
}

#[derive(Debug, Clone)]
pub(crate) struct Stream {
    pub(crate) seed: u64,
    pub(crate) voice: Voice,
    pub(crate) ptime: Duration,
    coding: PcmCoding,
    redundancy: Redundancy,
    quantum: usize,
    capture: ClockConfig,
    playback: ClockConfig,
    systems: [ClockConfig; 2],
}

impl Stream {
    /// Each voice with each redundancy once in twenty seeds, the rest by chance.
    pub(crate) fn draw(seed: u64, rng: &mut Pcg32) -> Self {
        let profiles = Profile::ALL;
        let voice = match seed % 4 {
            0 | 2 if seed % 8 < 4 => Voice::Exact,
            0 => Voice::Fixed,
            _ => Voice::Adaptive(profiles[(seed / 4) as usize % profiles.len()]),
        };
        let redundancy = [
            Redundancy::None,
            Redundancy::Repair,
            Redundancy::Again,
            Redundancy::Chosen,
            Redundancy::Blocks,
        ][(seed % 5) as usize];
        let coding = match (voice, rng.below(3)) {
            // The period of its codes is longer than any outage.
            (Voice::Exact, _) => PcmCoding::L24,
            (_, 0) => PcmCoding::Mulaw,
            (_, 1) => PcmCoding::Alaw,
            _ => PcmCoding::L16,
        };
        let ms = [10, 20, 20, 40][rng.below(4) as usize];
        let mut clock = |ppm: f64| {
            let amplitude_ppm = rng.unit() * 20.0;
            ClockConfig {
                ppm: (rng.unit() * 2.0 - 1.0) * ppm,
                wander: match rng.below(3) {
                    0 => Wander::None,
                    1 => Wander::Sine {
                        amplitude_ppm,
                        period: Duration::from_secs(600 + rng.below(80_000)),
                    },
                    _ => Wander::Random {
                        amplitude_ppm,
                        period: Duration::from_secs(60 + rng.below(3_600)),
                        seed: rng.next_u64(),
                    },
                },
                ..ClockConfig::default()
            }
        };
        let capture = clock(180.0);
        // Resampled frames are not those that were sent, so a probe is for one clock.
        let playback = match (voice, coding) {
            (Voice::Exact, _) | (_, PcmCoding::Linear(_)) => capture,
            _ => clock(180.0),
        };
        let systems = [(7, clock(180.0)), (3, clock(180.0))].map(|(hours, clock)| ClockConfig {
            start: Instant::EPOCH + Duration::from_secs(3_600 * hours),
            ..clock
        });
        Self {
            seed,
            voice,
            ptime: Duration::from_millis(ms),
            coding,
            redundancy,
            quantum: [80, 160, 160, 441][rng.below(4) as usize],
            capture,
            playback,
            systems,
        }
    }

    pub(crate) fn pair(&self, seed: u64) -> Pair {
        let playout = match self.voice {
            Voice::Exact => PlayoutConfig::exact(FIXED),
            Voice::Fixed => PlayoutConfig::fixed(FIXED),
            Voice::Adaptive(profile) => profile.config(),
        };
        let pair = Pair::builder()
            .format(SampleRate::HZ_8000, Channels::MONO)
            .coding(self.coding)
            .ptime(self.ptime)
            .playback_quantum(self.quantum)
            .playout(PlayoutConfig {
                resampler: ResamplerQuality::Fast,
                ..playout
            })
            .capture_clock(self.capture)
            .playback_clock(self.playback)
            .sender_clock(self.systems[0])
            .receiver_clock(self.systems[1])
            .seed(seed);
        let window = (FIXED.as_millis() / self.ptime.as_millis()).max(2) as usize;
        let pair = match self.redundancy {
            Redundancy::None => pair,
            Redundancy::Repair => pair.repair(window, 200),
            Redundancy::Again => pair.retransmission(100),
            Redundancy::Chosen => pair.redundancy(Means {
                repair: true,
                retransmission: true,
                ..Means::default()
            }),
            Redundancy::Blocks => pair.blocks(BlockConfig {
                source: window,
                ..BlockConfig::default()
            }),
        };
        pair.build().unwrap()
    }

    /// Frames of a packet.
    pub(crate) fn packet(&self) -> u64 {
        SampleRate::HZ_8000.frames_in(self.ptime)
    }

    /// How long after a trouble all must be well. The delay estimator forgets a bad network
    /// within a minute or two, on purpose; what was delayed steers down by time-stretch then.
    pub(crate) fn recovery(&self) -> Duration {
        Duration::from_secs(match self.voice {
            Voice::Exact | Voice::Fixed => 10,
            Voice::Adaptive(_) => 120,
        })
    }

    /// The longest delay of playout over a good network.
    pub(crate) fn most_delay(&self) -> Duration {
        match self.voice {
            // After the luckiest arrival at the start; the way may have become shorter since.
            Voice::Exact => FIXED + Duration::from_millis(900),
            // Less than a packet is not left out.
            Voice::Fixed => FIXED + Duration::from_millis(35) + self.ptime,
            Voice::Adaptive(_) => Duration::from_millis(200) + self.ptime * 2,
        }
    }

    /// By how much the capture device is fast against the playback device, without wander.
    pub(crate) fn skew(&self) -> Option<f64> {
        (self.voice != Voice::Exact).then_some(self.capture.ppm - self.playback.ppm)
    }

    /// How loud anything may be that is heard. What is bridged or resampled may overshoot what was
    /// sent, which is a probe of full scale or a tone of half of that.
    pub(crate) fn loudest(&self) -> f32 {
        match (self.voice, self.coding) {
            (Voice::Exact, _) => 1.0,
            (_, PcmCoding::Linear(_)) => 1.5,
            _ => 0.75,
        }
    }
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "seed {}: {:?}, {:?}, {:?} packets, {:?} redundancy, quanta of {}, {:.0} against {:.0} ppm",
            self.seed,
            self.voice,
            self.coding,
            self.ptime,
            self.redundancy,
            self.quantum,
            self.capture.ppm,
            self.playback.ppm
        )
    }
}

/// The latency of those that keep one, beyond what the calm network ever adds.
const FIXED: Duration = Duration::from_millis(160);

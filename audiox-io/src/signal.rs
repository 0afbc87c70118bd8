//! Test signals: tones, sweeps, noise, silence, impulses.
//!
//! Every sample is computed from its frame's index alone. So nothing drifts in a run of any
//! length, seeking is exact, and the same parameters give the same samples everywhere.

use std::f64::consts::TAU;

use audiox_core::ConfigError;
use audiox_core::convert::Gain;
use audiox_core::format::{PcmFormat, StreamFormat};
use audiox_core::source::{Source, SourceClock, SourceError};

/// A test signal as a source without a clock. Endless unless its constructor says otherwise or
/// [`with_length`](Self::with_length) ends it.
///
/// Levels are peak levels: at [`Gain::UNITY`] (0 dBFS) the largest samples reach ±1.0.
#[derive(Debug, Clone)]
pub struct Signal {
    format: StreamFormat,
    wave: Wave,
    level: f32,
    /// The next frame.
    frame: u64,
    length: Option<u64>,
}

/// The spectrum of noise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Colour {
    /// Equal power per hertz, samples equally distributed; RMS 4.8 dB below the peak level.
    #[default]
    White,
    /// Equal power per octave, down to 1/65536 of the rate; RMS 17 dB below the peak level.
    Pink,
}

#[derive(Debug, Clone)]
enum Wave {
    Silence,
    /// How far the phase moves in a frame, in 2⁻⁶⁴ cycles: one for all channels or one for each.
    Tone(Box<[u64]>),
    Sweep(Sweep),
    Noise {
        seed: u64,
        colour: Colour,
    },
    Impulses {
        period: u64,
    },
}

impl Signal {
    /// Digital silence.
    pub const fn silence(format: StreamFormat) -> Self {
        Self::new(format, Wave::Silence, Gain::UNITY)
    }

    /// A sine of `hz` at the same phase in all channels. It starts at zero, upwards.
    ///
    /// The phase is kept in 2⁻⁶⁴ cycles, so after a day at 48 kHz it is right to 10⁻⁹ cycles.
    ///
    /// # Errors
    /// `hz` is not above 0 and below half the rate, or `level` is above 0 dBFS.
    pub fn tone(format: StreamFormat, hz: f64, level: Gain) -> Result<Self, ConfigError> {
        Self::tones(format, &[hz], level)
    }

    /// A sine for each channel, as [`tone`](Self::tone); one frequency is for all of them.
    ///
    /// # Errors
    /// As [`tone`](Self::tone); or the count is neither 1 nor the number of channels.
    pub fn tones(format: StreamFormat, hz: &[f64], level: Gain) -> Result<Self, ConfigError> {
        if hz.len() != 1 && hz.len() != format.channels.get() {
            return Err(ConfigError::new(
                "frequencies",
                hz.len(),
                format!("one, or one for each of {} channels", format.channels),
            ));
        }
        let steps = hz.iter().map(|&hz| step(format, hz));
        let wave = Wave::Tone(steps.collect::<Result<_, _>>()?);
        Ok(Self::new(format, wave, checked(level)?))
    }

    /// A sine that moves from `from_hz` to `to_hz` in `frames` frames, by equal ratios in equal
    /// times, and ends; all channels are equal.
    ///
    /// # Errors
    /// A frequency is not above 0 and below half the rate, `frames` is 0, or `level` is above
    /// 0 dBFS.
    pub fn sweep(
        format: StreamFormat,
        from_hz: f64,
        to_hz: f64,
        frames: u64,
        level: Gain,
    ) -> Result<Self, ConfigError> {
        step(format, from_hz)?;
        step(format, to_hz)?;
        if frames == 0 {
            return Err(ConfigError::new("duration", "0 frames", "at least one"));
        }
        let rate = f64::from(format.rate.get());
        let sweep = Sweep {
            from: from_hz / rate,
            growth: (to_hz / from_hz).ln() / frames as f64,
        };
        Ok(Self::new(format, Wave::Sweep(sweep), checked(level)?).with_length(frames))
    }

    /// Noise, different in each channel; the same `seed` gives the same noise.
    ///
    /// # Errors
    /// `level` is above 0 dBFS.
    pub fn noise(
        format: StreamFormat,
        colour: Colour,
        seed: u64,
        level: Gain,
    ) -> Result<Self, ConfigError> {
        Ok(Self::new(
            format,
            Wave::Noise { seed, colour },
            checked(level)?,
        ))
    }

    /// One frame at `level` in all channels, then silence, again every `period` frames; the first
    /// at frame 0.
    ///
    /// # Errors
    /// `period` is 0, or `level` is above 0 dBFS.
    pub fn impulses(format: StreamFormat, period: u64, level: Gain) -> Result<Self, ConfigError> {
        if period == 0 {
            return Err(ConfigError::new("period", "0 frames", "at least one"));
        }
        Ok(Self::new(
            format,
            Wave::Impulses { period },
            checked(level)?,
        ))
    }

    /// Ends after `frames` frames, counted from the start, where it would not end earlier.
    #[must_use]
    pub fn with_length(mut self, frames: u64) -> Self {
        self.length = Some(self.length.map_or(frames, |length| length.min(frames)));
        self
    }

    const fn new(format: StreamFormat, wave: Wave, level: Gain) -> Self {
        Self {
            format,
            wave,
            level: level.factor(),
            frame: 0,
            length: None,
        }
    }
}

impl Source for Signal {
    fn format(&self) -> StreamFormat {
        self.format
    }

    fn clock(&self) -> SourceClock {
        SourceClock::None
    }

    fn frames_left(&self) -> Option<u64> {
        self.length.map(|length| length - self.frame)
    }

    fn read(&mut self, out: &mut [f32]) -> Result<usize, SourceError> {
        let channels = self.format.channels.get();
        let wanted = out.len() / channels;
        let frames = match self.frames_left() {
            Some(left) => usize::try_from(left).map_or(wanted, |left| left.min(wanted)),
            None => wanted,
        };
        let blocks = out[..frames * channels].chunks_exact_mut(channels);
        for (n, samples) in (self.frame..).zip(blocks) {
            self.wave.fill(n, samples);
            for sample in samples {
                *sample *= self.level;
            }
        }
        self.frame += frames as u64;
        Ok(frames)
    }

    fn native(&self) -> Option<PcmFormat> {
        None
    }

    fn read_native(&mut self, _: &mut [u8]) -> Result<usize, SourceError> {
        Err(SourceError::Unsupported(
            "a test signal has no stored format; read it as f32".into(),
        ))
    }

    fn seek(&mut self, frame: u64) -> Result<(), SourceError> {
        self.frame = frame.min(self.length.unwrap_or(u64::MAX));
        Ok(())
    }
}

impl Wave {
    /// Computes the samples of frame `n` at full scale.
    fn fill(&self, n: u64, samples: &mut [f32]) {
        match self {
            Self::Silence => samples.fill(0.0),
            Self::Tone(steps) => match **steps {
                [step] => samples.fill(sine(step.wrapping_mul(n))),
                _ => {
                    for (sample, step) in samples.iter_mut().zip(steps) {
                        *sample = sine(step.wrapping_mul(n));
                    }
                }
            },
            Self::Sweep(sweep) => {
                let phase = sweep.cycles(n as f64).fract();
                samples.fill((phase * TAU).sin() as f32);
            }
            Self::Noise { seed, colour } => {
                for (channel, sample) in (0..).zip(samples) {
                    *sample = noise(*colour, mixed(*seed, channel), n);
                }
            }
            Self::Impulses { period } => {
                samples.fill(if n.is_multiple_of(*period) { 1.0 } else { 0.0 });
            }
        }
    }
}

/// Frequencies in cycles per frame; after `n` frames the frequency is `from · exp(growth · n)`.
#[derive(Debug, Clone, Copy)]
struct Sweep {
    from: f64,
    growth: f64,
}

impl Sweep {
    /// Cycles since frame 0: the integral of the frequency.
    fn cycles(self, n: f64) -> f64 {
        if self.growth == 0.0 {
            self.from * n
        } else {
            self.from / self.growth * (self.growth * n).exp_m1()
        }
    }
}

/// The phase step of `hz` in 2⁻⁶⁴ cycles, right to the last bit for frequencies of up to 2²⁰ Hz.
fn step(format: StreamFormat, hz: f64) -> Result<u64, ConfigError> {
    let rate = format.rate.get();
    if !(hz > 0.0 && hz < f64::from(rate) / 2.0) {
        return Err(ConfigError::new(
            "frequency",
            format_args!("{hz} Hz"),
            format!("above 0 and below half the rate of {}", format.rate),
        ));
    }
    let fixed = (hz * 2f64.powi(32)) as u128;
    Ok(((fixed << 32) / u128::from(rate)) as u64)
}

fn checked(level: Gain) -> Result<Gain, ConfigError> {
    if level > Gain::UNITY {
        return Err(ConfigError::new(
            "level",
            format_args!("{} dBFS", level.db()),
            "at most 0 dBFS",
        ));
    }
    Ok(level)
}

/// The sine of a phase in 2⁻⁶⁴ cycles. Taken as signed, small angles either side of zero keep
/// their precision.
fn sine(phase: u64) -> f32 {
    (phase as i64 as f64 * (TAU / 2f64.powi(64))).sin() as f32
}

fn noise(colour: Colour, seed: u64, n: u64) -> f32 {
    match colour {
        Colour::White => uniform(seed, n),
        // Voss' way: a sum of noises, each held twice as long as the one before.
        Colour::Pink => {
            let rows = (0..PINK_ROWS).map(|row| uniform(mixed(seed, row), n >> row));
            rows.sum::<f32>() / PINK_ROWS as f32
        }
    }
}

/// The `n`th of equally distributed values in [−1, 1), of 24 bits.
fn uniform(seed: u64, n: u64) -> f32 {
    (mixed(seed, n) as i64 >> 40) as f32 / 8_388_608.0
}

/// The `n`th output of SplitMix64 seeded with `seed`: a generator that can be asked for any of its
/// values.
const fn mixed(seed: u64, n: u64) -> u64 {
    let mut x = seed.wrapping_add(n.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

const PINK_ROWS: u64 = 16;

#[cfg(test)]
mod tests;

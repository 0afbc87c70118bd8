use std::fmt;
use std::str::FromStr;

use crate::error::ConfigError;
use crate::format::Channels;

/// A gain as a linear factor, finite and 0 to 2¹⁶ (−∞ to +96 dB).
///
/// Read from text as decibels with a unit (`-6dB`) or as a bare factor (`0.5`).
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Gain(f32);

impl Gain {
    /// Leaves samples as they are.
    pub const UNITY: Self = Self(1.0);
    /// Silences.
    pub const SILENCE: Self = Self(0.0);

    /// A gain from a linear factor.
    ///
    /// # Errors
    /// Negative, not a number, or above 65 536.
    pub fn linear(factor: f32) -> Result<Self, ConfigError> {
        if (0.0..=MAX_FACTOR).contains(&factor) {
            Ok(Self(factor))
        } else {
            Err(ConfigError::new("gain", factor, "a factor is 0 to 65536"))
        }
    }

    /// A gain from decibels; −∞ silences.
    ///
    /// # Errors
    /// Not a number, or above +96 dB.
    pub fn from_db(db: f32) -> Result<Self, ConfigError> {
        if db <= MAX_DB {
            Ok(Self(10f32.powf(db / 20.0)))
        } else {
            Err(ConfigError::new(
                "gain",
                format_args!("{db} dB"),
                "at most 96 dB, `-inf dB` for silence",
            ))
        }
    }

    /// The linear factor.
    pub const fn factor(self) -> f32 {
        self.0
    }

    /// The gain in decibels, −∞ for silence.
    pub fn db(self) -> f32 {
        20.0 * self.0.log10()
    }
}

impl Default for Gain {
    fn default() -> Self {
        Self::UNITY
    }
}

impl fmt::Display for Gain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} dB", self.db())
    }
}

impl FromStr for Gain {
    type Err = ConfigError;

    fn from_str(s: &str) -> Result<Self, ConfigError> {
        let text = s.trim();
        let lower = text.to_ascii_lowercase();
        let number = lower.strip_suffix("db");
        match number.unwrap_or(&lower).trim().parse::<f32>() {
            Ok(db) if number.is_some() => Self::from_db(db),
            Ok(factor) => Self::linear(factor),
            Err(_) => Err(ConfigError::new(
                "gain",
                text,
                "write decibels as in -6dB, or a factor as in 0.5",
            )),
        }
    }
}

/// Multiplies every sample by `gain`. Nothing is limited: in memory, audio has headroom.
pub fn apply_gain(samples: &mut [f32], gain: Gain) {
    if gain != Gain::UNITY {
        for s in samples {
            *s *= gain.0;
        }
    }
}

/// A gain that moves to its target in a straight line, frame by frame, so that no step clicks.
#[derive(Debug, Clone)]
pub struct GainRamp {
    channels: Channels,
    target: f32,
    step: f32,
    left: u32,
}

impl GainRamp {
    /// A ramp that rests at `gain`, for frames of `channels` samples.
    pub const fn new(gain: Gain, channels: Channels) -> Self {
        Self {
            channels,
            target: gain.0,
            step: 0.0,
            left: 0,
        }
    }

    /// Moves from where the gain is now to `gain`, reached with the last of `frames` frames; at
    /// once where `frames` is 0.
    pub fn set(&mut self, gain: Gain, frames: u32) {
        let now = self.current();
        self.target = gain.0;
        self.left = frames;
        self.step = if frames == 0 {
            0.0
        } else {
            (gain.0 - now) / frames as f32
        };
    }

    /// The linear factor that the last frame got.
    pub fn current(&self) -> f32 {
        self.target - self.step * self.left as f32
    }

    /// Whether the target is reached.
    pub fn is_settled(&self) -> bool {
        self.left == 0
    }

    /// Applies the gain to interleaved frames and moves on by as many.
    pub fn apply(&mut self, samples: &mut [f32]) {
        self.apply_frames(samples, self.channels);
    }

    /// As [`apply`](Self::apply), to frames of another channel count.
    pub(crate) fn apply_frames(&mut self, samples: &mut [f32], channels: Channels) {
        let n = channels.get();
        let ramped = (self.left as usize).min(samples.len() / n);
        let (moving, settled) = samples.split_at_mut(ramped * n);
        for frame in moving.chunks_exact_mut(n) {
            // From the distance left, not by adding up steps: the end is exact.
            self.left -= 1;
            let gain = self.current();
            for s in frame {
                *s *= gain;
            }
        }
        if self.is_settled() {
            apply_gain(settled, Gain(self.target));
        }
    }
}

const MAX_FACTOR: f32 = 65_536.0;
const MAX_DB: f32 = 96.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gains_read_from_text_in_decibels_or_as_a_factor() {
        let gain = |s: &str| s.parse::<Gain>().map(Gain::factor);
        assert_eq!(gain("0.5"), Ok(0.5));
        assert_eq!(gain("0dB"), Ok(1.0));
        assert_eq!(gain("-inf dB"), Ok(0.0));
        assert!((gain("-6 dB").unwrap() - 0.501_187).abs() < 1e-6);
        assert!((Gain::from_db(-6.0).unwrap().db() + 6.0).abs() < 1e-5);
        for bad in ["", "loud", "-1", "nan", "nan dB", "97dB", "inf", "dB"] {
            let err = gain(bad).unwrap_err();
            assert_eq!(err.field, "gain", "{bad}");
        }
    }

    #[test]
    fn a_ramp_is_straight_and_ends_exactly() {
        let mut ramp = GainRamp::new(Gain::SILENCE, Channels::STEREO);
        ramp.set(Gain::UNITY, 4);
        let mut samples = [1.0; 12];
        ramp.apply(&mut samples[..4]);
        assert_eq!(ramp.current(), 0.5);
        assert!(!ramp.is_settled());
        ramp.apply(&mut samples[4..]);
        let expected = [
            0.25, 0.25, 0.5, 0.5, 0.75, 0.75, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0,
        ];
        assert_eq!(samples, expected);
        assert!(ramp.is_settled());
    }

    #[test]
    fn a_ramp_may_turn_round_half_way() {
        let mut ramp = GainRamp::new(Gain::UNITY, Channels::MONO);
        ramp.set(Gain::SILENCE, 4);
        let mut samples = [1.0; 2];
        ramp.apply(&mut samples);
        ramp.set(Gain::UNITY, 0);
        assert_eq!(ramp.current(), 1.0);
        ramp.set(Gain::SILENCE, 3);
        let mut samples = [1.0; 5];
        ramp.apply(&mut samples);
        assert_eq!(samples[2..], [0.0; 3]);
        ramp.apply(&mut []);
        assert!(ramp.is_settled());
    }
}

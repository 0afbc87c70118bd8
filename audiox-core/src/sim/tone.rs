//! A sine without error of phase, and a detector of what does not belong into it.

use super::math;
use crate::error::ConfigError;
use crate::format::{Channels, SampleRate};

/// A sine of a whole number of hertz, the same bits on every platform.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tone {
    rate: SampleRate,
    hertz: u32,
    amplitude: f32,
}

impl Tone {
    /// A sine of `hertz`, below half of `rate`, and of `amplitude`, above 0 and at most 1.
    ///
    /// # Errors
    /// Either is out of range.
    pub fn new(rate: SampleRate, hertz: u32, amplitude: f32) -> Result<Self, ConfigError> {
        if hertz == 0 || hertz >= rate.get().div_ceil(2) {
            let allowed = "a tone lies above 0 Hz and below half of the rate";
            return Err(ConfigError::new("hertz", hertz, allowed));
        }
        if !(f32::MIN_POSITIVE..=1.0).contains(&amplitude) {
            let allowed = "an amplitude lies above 0 and is at most 1";
            return Err(ConfigError::new("amplitude", amplitude, allowed));
        }
        Ok(Self {
            rate,
            hertz,
            amplitude,
        })
    }

    /// Writes the frames from index `at` on, the same on every channel; phase 0 at index 0.
    pub fn write(&self, at: u64, out: &mut [f32], channels: Channels) {
        let rate = u64::from(self.rate.get());
        let mut phase = at % rate * u64::from(self.hertz) % rate;
        for frame in out.chunks_exact_mut(channels.get()) {
            let turns = phase as f64 / rate as f64;
            frame.fill((math::sin_turns(turns) * f64::from(self.amplitude)) as f32);
            phase = (phase + u64::from(self.hertz)) % rate;
        }
    }

    /// The greatest second difference of its samples: `4 · amplitude · sin²(π f / rate)`.
    pub fn curvature(&self) -> f32 {
        let half_step = math::sin_turns(f64::from(self.hertz) / f64::from(self.rate.get()) / 2.0);
        (4.0 * f64::from(self.amplitude) * half_step * half_step) as f32
    }
}

/// Finds clicks: places where the second difference of the samples is greater than a threshold.
///
/// A jump of height `h` in a signal has a second difference of about `h`, a smooth signal of low
/// frequency nearly none.
#[derive(Debug, Clone)]
pub struct ClickDetector {
    channels: Channels,
    threshold: f32,
    hold: u64,
    history: Vec<[f32; 2]>,
    frames: u64,
    quiet_until: u64,
    clicks: Vec<u64>,
    count: u64,
}

impl ClickDetector {
    /// A detector for interleaved frames of a signal whose second difference stays below
    /// `threshold`. What follows a click within 1 ms belongs to it.
    pub fn new(rate: SampleRate, channels: Channels, threshold: f32) -> Self {
        Self {
            channels,
            threshold,
            hold: u64::from(rate.get() / 1_000).max(3),
            history: vec![[0.0; 2]; channels.get()],
            frames: 0,
            quiet_until: 2,
            clicks: Vec::new(),
            count: 0,
        }
    }

    /// A detector of what stands out of `tone` by more than `margin` times its own curvature;
    /// 1.5 leaves room for a rate adapted by a few hundred ppm.
    pub fn for_tone(tone: &Tone, channels: Channels, margin: f32) -> Self {
        Self::new(tone.rate, channels, tone.curvature() * margin)
    }

    /// Reads the next interleaved block.
    pub fn push(&mut self, block: &[f32]) {
        for frame in block.chunks_exact(self.channels.get()) {
            let mut click = false;
            for (x, [before, last]) in frame.iter().zip(&mut self.history) {
                let bend = (x - 2.0 * *last + *before).abs();
                click |= bend > self.threshold || bend.is_nan();
                (*before, *last) = (*last, *x);
            }
            if click && self.frames >= self.quiet_until {
                self.count += 1;
                self.quiet_until = self.frames + self.hold;
                if self.clicks.len() < MAX_CLICKS {
                    self.clicks.push(self.frames);
                }
            }
            self.frames += 1;
        }
    }

    /// Frame positions of the first 1 024 clicks.
    pub fn clicks(&self) -> &[u64] {
        &self.clicks
    }

    /// The number of all clicks.
    pub fn count(&self) -> u64 {
        self.count
    }
}

const MAX_CLICKS: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    fn tone() -> Tone {
        Tone::new(SampleRate::HZ_48000, 440, 0.5).unwrap()
    }

    #[test]
    fn a_tone_repeats_exactly_and_starts_anywhere() {
        let (mut a, mut b) = ([0.0; 960], [0.0; 960]);
        tone().write(12_345, &mut a, Channels::MONO);
        tone().write(12_345 + 48_000 * 86_400, &mut b, Channels::MONO);
        assert_eq!(a, b);
        tone().write(12_346, &mut b, Channels::MONO);
        assert_eq!(a[1..], b[..959]);
        let peak = a.iter().fold(0f32, |m, x| m.max(x.abs()));
        assert!((0.499..=0.5).contains(&peak));
        assert!(Tone::new(SampleRate::HZ_8000, 4_000, 0.5).is_err());
        assert!(Tone::new(SampleRate::HZ_8000, 400, f32::NAN).is_err());
    }

    #[test]
    fn a_tone_has_no_clicks_and_damage_is_found_where_it_is() {
        let mut x = vec![0.0; 96_000];
        tone().write(0, &mut x, Channels::STEREO);
        let clicks = |x: &[f32]| {
            let mut d = ClickDetector::for_tone(&tone(), Channels::STEREO, 1.5);
            x.chunks(334).for_each(|block| d.push(block));
            d.clicks().to_vec()
        };
        assert_eq!(clicks(&x), []);
        let mut gap = x.clone();
        gap[2 * 10_020..2 * 10_500].fill(0.0);
        let found = clicks(&gap);
        assert!(
            found.contains(&10_020) && found.contains(&10_500),
            "{found:?}"
        );
        let mut one = x.clone();
        one[2 * 20_000 + 1] += 0.02;
        assert_eq!(clicks(&one), [20_000]);
        let mut bad = x.clone();
        bad[2 * 30_000] = f32::NAN;
        assert_eq!(clicks(&bad), [30_000]);
        let mut skipped = x[..2 * 5_000].to_vec();
        skipped.extend_from_slice(&x[2 * 5_040..]);
        assert_eq!(clicks(&skipped), [5_000]);
    }

    #[test]
    fn the_list_of_clicks_is_bounded() {
        let mut d = ClickDetector::new(SampleRate::HZ_8000, Channels::MONO, 0.1);
        for n in 0..2_000 {
            d.push(&[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, (n % 2 + 1) as f32]);
        }
        assert_eq!((d.clicks().len(), d.count()), (1_024, 2_000));
    }
}

//! A signal whose every frame says which frame it is.
//!
//! Frame `i` of channel `c` holds the integer `1 + (i · s + c · t) mod P`, read as a signed 16-
//! or 24-bit sample, with a stride `s` that has an inverse modulo `P`. So any two frames in a row
//! tell their index modulo `P` (65 535 frames for 16 bits, 16 777 215 for 24) and vouch for each
//! other; no frame is silent; and a frame that was scaled, mixed, interpolated or resampled is no
//! longer of the form. The signal sounds like noise at full scale.

mod reader;

pub use reader::{ProbeReader, ProbeTotals, Span, SpanKind};

use crate::error::ConfigError;
use crate::format::{Channels, SampleFormat};

/// Writes and reads index-carrying frames for a sample format that carries them bit-exactly.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Probe {
    channels: Channels,
    bits: u32,
    period: u32,
    stride: u32,
    inverse: u64,
    /// The value of one step of a code; a power of two.
    step: f32,
}

impl Probe {
    /// A probe for streams of this format. 16-bit codes for [`SampleFormat::S16`], 24-bit codes
    /// for those that carry at least as much.
    ///
    /// # Errors
    /// Eight bits do not hold an index.
    pub fn new(sample: SampleFormat, channels: Channels) -> Result<Self, ConfigError> {
        let (bits, stride, inverse) = match sample {
            SampleFormat::U8 => {
                let allowed = "a probe needs samples of 16 bits or more";
                return Err(ConfigError::new("format", "u8", allowed));
            }
            SampleFormat::S16 => (16, STRIDE_16, INVERSE_16),
            SampleFormat::S24 | SampleFormat::S32 | SampleFormat::F32 => {
                (24, STRIDE_24, INVERSE_24)
            }
        };
        Ok(Self {
            channels,
            bits,
            period: (1 << bits) - 1,
            stride,
            inverse,
            step: 1.0 / (1u32 << (bits - 1)) as f32,
        })
    }

    /// Samples a frame.
    pub fn channels(&self) -> Channels {
        self.channels
    }

    /// After how many frames the signal repeats.
    pub fn period(&self) -> u64 {
        self.period.into()
    }

    /// Writes the frames from index `at` on, interleaved; a trailing partial frame is left alone.
    pub fn write(&self, at: u64, out: &mut [f32]) {
        let mut code = self.code(at);
        if self.channels == Channels::MONO {
            for sample in out {
                *sample = self.sample(code);
                code = self.next(code);
            }
            return;
        }
        for frame in out.chunks_exact_mut(self.channels.get()) {
            let mut of_channel = code;
            for sample in frame {
                *sample = self.sample(of_channel);
                of_channel = self.advance(of_channel, CHANNEL_STRIDE);
            }
            code = self.next(code);
        }
    }

    /// The index, modulo the [`period`](Self::period), of the first of the interleaved `frames`;
    /// `None` where they are fewer than two or not all consecutive frames of the probe.
    pub fn read(&self, frames: &[f32]) -> Option<u64> {
        let count = frames.len() / self.channels.get();
        let first = self.decode(frames.get(..self.channels.get())?)?;
        let (following, _) = self.follow(first, frames);
        (count > 1 && following == count).then(|| self.index(first))
    }

    /// The code of frame `at`, channel 0, less one: `at · s mod P`.
    fn code(&self, at: u64) -> u32 {
        let period = self.period();
        (at % period * u64::from(self.stride) % period) as u32
    }

    /// The index, modulo the period, whose code this is.
    fn index(&self, code: u32) -> u64 {
        u64::from(code) * self.inverse % self.period()
    }

    /// The code of the frame after.
    #[inline]
    fn next(&self, code: u32) -> u32 {
        self.advance(code, self.stride)
    }

    #[inline]
    fn advance(&self, code: u32, stride: u32) -> u32 {
        let sum = code + stride;
        if sum >= self.period {
            sum - self.period
        } else {
            sum
        }
    }

    #[inline]
    fn sample(&self, code: u32) -> f32 {
        let shift = 32 - self.bits;
        let signed = (((code + 1) << shift) as i32) >> shift;
        signed as f32 * self.step
    }

    /// The code of a whole frame, if all its channels agree on one.
    fn decode(&self, frame: &[f32]) -> Option<u32> {
        let full_scale = (1u32 << (self.bits - 1)) as f32;
        let scaled = frame.first()? * full_scale;
        let signed = scaled as i32;
        let in_range = (-full_scale..full_scale).contains(&scaled);
        if !in_range || signed as f32 != scaled || signed == 0 {
            return None;
        }
        let code = (signed as u32 & self.period) - 1;
        self.matches(code, frame).then_some(code)
    }

    /// How many of `frames`, from the first on, follow one another from `code` on, and the code
    /// after them.
    fn follow(&self, mut code: u32, frames: &[f32]) -> (usize, u32) {
        let mut count = 0;
        if self.channels == Channels::MONO {
            for sample in frames {
                if *sample != self.sample(code) {
                    break;
                }
                code = self.next(code);
                count += 1;
            }
            return (count, code);
        }
        for frame in frames.chunks_exact(self.channels.get()) {
            if !self.matches(code, frame) {
                break;
            }
            code = self.next(code);
            count += 1;
        }
        (count, code)
    }

    #[inline]
    fn matches(&self, code: u32, frame: &[f32]) -> bool {
        let mut of_channel = code;
        frame.iter().all(|sample| {
            let expected = self.sample(of_channel);
            of_channel = self.advance(of_channel, CHANNEL_STRIDE);
            *sample == expected
        })
    }
}

/// About the golden section of the period, to spread neighbours over the full scale.
const STRIDE_16: u32 = 40_507;
const STRIDE_24: u32 = 10_368_889;
const CHANNEL_STRIDE: u32 = 9_241;
const INVERSE_16: u64 = invert(STRIDE_16 as u64, (1 << 16) - 1);
const INVERSE_24: u64 = invert(STRIDE_24 as u64, (1 << 24) - 1);

/// The inverse of `a` modulo `m`, which must have one (extended Euclid).
const fn invert(a: u64, m: u64) -> u64 {
    let (mut r, mut next_r) = (m as i64, (a % m) as i64);
    let (mut t, mut next_t) = (0i64, 1i64);
    while next_r != 0 {
        let q = r / next_r;
        (r, next_r) = (next_r, r - q * next_r);
        (t, next_t) = (next_t, t - q * next_t);
    }
    assert!(r == 1, "the stride has an inverse");
    t.rem_euclid(m as i64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn probe(sample: SampleFormat, channels: u16) -> Probe {
        Probe::new(sample, Channels::new(channels).unwrap()).unwrap()
    }

    #[test]
    fn every_index_of_a_period_is_told_apart_and_none_is_silent() {
        for sample in [SampleFormat::S16, SampleFormat::S24] {
            let p = probe(sample, 1);
            let mut seen = vec![false; p.period() as usize];
            for at in 0..p.period() {
                let code = p.code(at);
                assert!(!std::mem::replace(&mut seen[code as usize], true));
                assert_eq!(p.index(code), at);
                assert_ne!(p.sample(code), 0.0);
                assert_eq!(p.decode(&[p.sample(code)]), Some(code));
            }
        }
    }

    #[test]
    fn samples_are_exact_in_their_format() {
        let p = probe(SampleFormat::S16, 3);
        let mut out = [0.0; 3_000];
        p.write(123_456, &mut out);
        for s in out {
            let scaled = s * 32_768.0;
            assert_eq!(scaled, scaled.trunc());
            assert!((-1.0..1.0).contains(&s));
        }
    }

    #[test]
    fn what_is_not_the_probe_is_not_read() {
        let p = probe(SampleFormat::S24, 2);
        let mut out = [0.0; 20];
        p.write(50, &mut out);
        assert_eq!(p.read(&out), Some(50));
        assert_eq!(p.read(&out[..2]), None, "one frame vouches for nothing");
        assert_eq!(p.read(&[0.0; 20]), None);
        let with = |f: &dyn Fn(&mut [f32; 20])| {
            let mut changed = out;
            f(&mut changed);
            p.read(&changed)
        };
        assert_eq!(with(&|o| o[7] = 0.0), None);
        assert_eq!(with(&|o| o[0] = f32::NAN), None);
        assert_eq!(with(&|o| o.iter_mut().for_each(|s| *s *= 0.5)), None);
        assert_eq!(with(&|o| o.swap(4, 5)), None);
        assert_eq!(with(&|o| o.copy_within(8.., 6)), None);
        assert!(Probe::new(SampleFormat::U8, Channels::MONO).is_err());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            at in any::<u64>(),
            wide in any::<bool>(),
            channels in 1u16..9,
            frames in 2usize..50,
        ) {
            let sample = if wide { SampleFormat::S24 } else { SampleFormat::S16 };
            let p = probe(sample, channels);
            let mut out = vec![0.0; frames * usize::from(channels)];
            p.write(at, &mut out);
            prop_assert_eq!(p.read(&out), Some(at % p.period()));
        }

        #[test]
        fn any_samples_can_be_read(samples in proptest::collection::vec(any::<f32>(), 0..64)) {
            let p = probe(SampleFormat::S16, 2);
            p.read(&samples);
        }
    }
}

use super::FLOAT_LIMIT;
use crate::block::AudioRef;
use crate::format::Channels;

/// How loud one channel is, linear, full scale 1.0; never NaN.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Level {
    /// Largest magnitude.
    pub peak: f32,
    /// Root of the mean square.
    pub rms: f32,
}

impl Level {
    /// The peak in dBFS, −∞ for silence.
    pub fn peak_db(self) -> f32 {
        20.0 * self.peak.log10()
    }

    /// The RMS in dB relative to a full-scale square wave, −∞ for silence (a full-scale sine
    /// reads −3.01).
    pub fn rms_db(self) -> f32 {
        20.0 * self.rms.log10()
    }
}

/// Measures one block and returns how many channels were written: the block's, or as many as
/// `out` holds. Of an empty block all levels are 0.
pub fn levels(block: AudioRef<'_>, out: &mut [Level]) -> usize {
    let n = block.channels().get();
    let count = n.min(out.len());
    for (c, level) in out[..count].iter_mut().enumerate() {
        let mut sums = Sums::default();
        sums.add(block, c);
        *level = sums.level();
    }
    count
}

/// Peak and RMS per channel over a stretch of time, block by block.
#[derive(Debug, Clone)]
pub struct LevelMeter {
    channels: Channels,
    sums: Box<[Sums]>,
}

impl LevelMeter {
    /// A meter at rest.
    pub fn new(channels: Channels) -> Self {
        Self {
            channels,
            sums: vec![Sums::default(); channels.get()].into_boxed_slice(),
        }
    }

    /// Takes a block in. One of another channel count is passed over.
    pub fn push(&mut self, block: AudioRef<'_>) {
        if block.channels() == self.channels {
            for (c, sums) in self.sums.iter_mut().enumerate() {
                sums.add(block, c);
            }
        }
    }

    /// Levels since the last [`reset`](Self::reset), channel by channel.
    pub fn levels(&self) -> impl ExactSizeIterator<Item = Level> + '_ {
        self.sums.iter().map(Sums::level)
    }

    /// Starts a new stretch.
    pub fn reset(&mut self) {
        self.sums.fill(Sums::default());
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    peak: f32,
    squares: f64,
    frames: u64,
}

impl Sums {
    /// Sums run in [`LANES`] separate lanes, as the compiler may not reorder additions of floats
    /// by itself; a run is short enough for `f32`, runs are added up in `f64`.
    fn add(&mut self, block: AudioRef<'_>, channel: usize) {
        let n = block.channels().get();
        for run in block.samples().chunks(RUN * n) {
            let (peak, squares) = match n {
                1 => lanes::<LANES>(run, 0),
                2 => lanes::<{ LANES * 2 }>(run, channel),
                _ => strided(run, n, channel),
            };
            self.peak = self.peak.max(peak);
            self.squares += f64::from(squares);
        }
        self.frames += block.frames() as u64;
    }

    fn level(&self) -> Level {
        Level {
            peak: self.peak,
            rms: (self.squares / self.frames.max(1) as f64).sqrt() as f32,
        }
    }
}

/// Peak and sum of squares of a channel, over chunks of `N` samples that are all of
/// `N / LANES` channels.
#[inline(always)]
fn lanes<const N: usize>(run: &[f32], channel: usize) -> (f32, f32) {
    let stride = N / LANES;
    let (chunks, rest) = run.as_chunks::<N>();
    let (mut peak, mut squares) = ([0f32; LANES], [0f32; LANES]);
    for chunk in chunks {
        for lane in 0..LANES {
            let m = magnitude(chunk[lane * stride + channel]);
            peak[lane] = if m > peak[lane] { m } else { peak[lane] };
            squares[lane] += m * m;
        }
    }
    let (rest_peak, rest_squares) = strided(rest, stride, channel);
    (
        peak.iter().fold(rest_peak, |a, &b| a.max(b)),
        squares.iter().sum::<f32>() + rest_squares,
    )
}

fn strided(run: &[f32], n: usize, channel: usize) -> (f32, f32) {
    let (mut peak, mut squares) = (0f32, 0f32);
    for frame in run.chunks_exact(n) {
        let m = magnitude(frame[channel]);
        peak = peak.max(m);
        squares += m * m;
    }
    (peak, squares)
}

/// A NaN counts as the limit: broken audio shows, and the result stays a number.
#[inline(always)]
fn magnitude(x: f32) -> f32 {
    let m = x.abs();
    if m < FLOAT_LIMIT { m } else { FLOAT_LIMIT }
}

const LANES: usize = 8;
const RUN: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sine_reads_its_amplitude_and_three_decibels_less() {
        let sine: Vec<f32> = (0..48_000)
            .map(|i| 0.5 * (i as f32 * std::f32::consts::TAU / 480.0).sin())
            .collect();
        let mut out = [Level::default(); 1];
        assert_eq!(levels(AudioRef::new(&sine, Channels::MONO), &mut out), 1);
        assert!((out[0].peak_db() + 6.0206).abs() < 1e-3, "{out:?}");
        assert!((out[0].rms_db() + 9.0309).abs() < 1e-3, "{out:?}");
    }

    #[test]
    fn channels_are_kept_apart_and_blocks_add_up() {
        for n in 1..=6u16 {
            let channels = Channels::new(n).unwrap();
            let samples: Vec<f32> = (0..1_000 * usize::from(n))
                .map(|i| (i % usize::from(n)) as f32 * 0.125)
                .collect();
            let mut meter = LevelMeter::new(channels);
            for part in samples.chunks(37 * usize::from(n)) {
                meter.push(AudioRef::new(part, channels));
            }
            for (c, level) in meter.levels().enumerate() {
                let expected = c as f32 * 0.125;
                assert_eq!(level.peak, expected);
                assert!((level.rms - expected).abs() < 1e-6);
            }
            meter.reset();
            assert!(meter.levels().all(|l| l == Level::default()));
        }
    }

    #[test]
    fn broken_audio_shows_and_other_channel_counts_are_passed_over() {
        let mut meter = LevelMeter::new(Channels::MONO);
        meter.push(AudioRef::new(&[1.0, 1.0], Channels::STEREO));
        assert_eq!(meter.levels().next(), Some(Level::default()));
        meter.push(AudioRef::new(&[f32::NAN, f32::INFINITY], Channels::MONO));
        let level = meter.levels().next().unwrap();
        assert_eq!((level.peak, level.rms), (FLOAT_LIMIT, FLOAT_LIMIT));
        let mut none = [];
        assert_eq!(levels(AudioRef::new(&[0.5], Channels::MONO), &mut none), 0);
    }
}

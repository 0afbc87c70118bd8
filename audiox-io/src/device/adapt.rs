//! Between a stream's format, which stays, and the device's, which may be another each time.

use audiox_core::ConfigError;
use audiox_core::block::AudioMut;
use audiox_core::convert::ChannelMap;
use audiox_core::format::{Channels, StreamFormat};
use audiox_core::resample::{Resampler, ResamplerQuality, resampler};
use audiox_core::source::{Asked, Pull};

/// Pulls in one format to fill slices of another.
pub(super) struct OutputAdapter {
    from: StreamFormat,
    to: StreamFormat,
    resampler: Option<Box<dyn Resampler>>,
    map: ChannelMap,
    pulled: Box<[f32]>,
    resampled: Box<[f32]>,
}

impl OutputAdapter {
    /// From slices of `from` to those of `to`; `None` where they are the same.
    pub(super) fn new(from: StreamFormat, to: StreamFormat) -> Result<Option<Self>, ConfigError> {
        if from == to {
            return Ok(None);
        }
        let resampler = between(from, to, from.channels)?;
        let most = resampler.as_ref().map_or(CHUNK, |r| r.max_input(CHUNK));
        let channels = from.channels.get();
        Ok(Some(Self {
            from,
            to,
            map: ChannelMap::between(from.channels, to.channels),
            pulled: vec![0.0; most * channels].into(),
            resampled: vec![0.0; CHUNK * channels].into(),
            resampler,
        }))
    }

    pub(super) fn pull(&mut self, pull: &mut dyn Pull, asked: Asked, out: &mut [f32]) {
        let (from, to) = (self.from.channels.get(), self.to.channels.get());
        let mut done = 0;
        for out in out.chunks_mut(CHUNK * to) {
            let frames = out.len() / to;
            let needed = match &self.resampler {
                Some(r) => r.input_needed(frames),
                None => frames,
            };
            let needed = needed.min(self.pulled.len() / from);
            let pulled = &mut self.pulled[..needed * from];
            if needed > 0 {
                let asked = Asked {
                    now: asked.now + self.to.rate.duration_of(done),
                    ..asked
                };
                pull.pull(asked, AudioMut::new(pulled, self.from.channels));
            }
            done += frames as u64;
            match &mut self.resampler {
                Some(r) => {
                    let resampled = &mut self.resampled[..frames * from];
                    r.process_into(pulled, resampled);
                    self.map.apply(resampled, out);
                }
                None => {
                    self.map.apply(pulled, out);
                }
            }
        }
    }
}

/// Takes slices of one format in pieces of another.
pub(super) struct InputAdapter {
    from: StreamFormat,
    resampler: Option<Box<dyn Resampler>>,
    map: ChannelMap,
    to: StreamFormat,
    mapped: Box<[f32]>,
    resampled: Box<[f32]>,
}

impl InputAdapter {
    /// From slices of `from` to those of `to`; `None` where they are the same.
    pub(super) fn new(from: StreamFormat, to: StreamFormat) -> Result<Option<Self>, ConfigError> {
        if from == to {
            return Ok(None);
        }
        let channels = to.channels.get();
        Ok(Some(Self {
            from,
            resampler: between(from, to, to.channels)?,
            map: ChannelMap::between(from.channels, to.channels),
            to,
            mapped: vec![0.0; CHUNK * channels].into(),
            resampled: vec![0.0; CHUNK * channels].into(),
        }))
    }

    /// Hands over what becomes of `samples`, piece by piece.
    pub(super) fn convert(&mut self, samples: &[f32], mut each: impl FnMut(&[f32])) {
        let (from, to) = (self.from.channels.get(), self.to.channels.get());
        for piece in samples.chunks(CHUNK * from) {
            let frames = piece.len() / from;
            let mapped = &mut self.mapped[..frames * to];
            self.map.apply(piece, mapped);
            let Some(resampler) = &mut self.resampler else {
                each(mapped);
                continue;
            };
            let mut left = &mapped[..];
            loop {
                let done = resampler.process_into(left, &mut self.resampled);
                each(&self.resampled[..done.produced * to]);
                left = &left[done.consumed * to..];
                if left.is_empty() || done.consumed == 0 && done.produced == 0 {
                    break;
                }
            }
        }
    }
}

fn between(
    from: StreamFormat,
    to: StreamFormat,
    channels: Channels,
) -> Result<Option<Box<dyn Resampler>>, ConfigError> {
    let other = from.rate != to.rate;
    other
        .then(|| resampler(from.rate, to.rate, channels, ResamplerQuality::Balanced))
        .transpose()
}

/// Frames converted at once.
const CHUNK: usize = 1_024;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use audiox_core::format::SampleRate;
    use audiox_core::time::Instant;

    use super::*;

    /// A sine of 1/100 of the rate in all channels.
    struct Sine(StreamFormat, u64);

    impl Pull for Sine {
        fn format(&self) -> StreamFormat {
            self.0
        }

        fn pull(&mut self, _: Asked, mut out: AudioMut<'_>) {
            let channels = self.0.channels.get();
            for frame in out.samples().chunks_exact_mut(channels) {
                frame.fill(sine(self.1));
                self.1 += 1;
            }
        }
    }

    fn sine(n: u64) -> f32 {
        (n as f32 * std::f32::consts::TAU / 100.0).sin() * 0.5
    }

    fn format(rate: u32, channels: u16) -> StreamFormat {
        StreamFormat::new(
            SampleRate::new(rate).unwrap(),
            Channels::new(channels).unwrap(),
        )
    }

    #[test]
    fn the_same_format_needs_no_adapter() {
        assert!(
            OutputAdapter::new(format(48_000, 2), format(48_000, 2))
                .unwrap()
                .is_none()
        );
        assert!(
            InputAdapter::new(format(8_000, 1), format(8_000, 1))
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn a_mono_stream_comes_out_of_both_channels_whatever_the_quantum() {
        let (from, to) = (format(48_000, 1), format(48_000, 2));
        let mut adapter = OutputAdapter::new(from, to).unwrap().unwrap();
        let mut sine_source = Sine(from, 0);
        let asked = Asked {
            now: Instant::EPOCH,
            until_heard: Duration::ZERO,
        };
        let mut n = 0;
        for frames in [1, 480, 5_000, 37] {
            let mut out = vec![9.0; frames * 2];
            adapter.pull(&mut sine_source, asked, &mut out);
            for frame in out.chunks_exact(2) {
                assert!((frame[0] - frame[1]).abs() < 1e-6);
                assert!(frame[0] * sine(n) >= 0.0 && frame[0].abs() <= 0.5 + 1e-6);
                n += 1;
            }
        }
        assert_eq!(n, sine_source.1);
    }

    #[test]
    fn rates_are_converted_both_ways_without_a_gap() {
        let (stream, device) = (format(48_000, 1), format(44_100, 1));
        let mut output = OutputAdapter::new(stream, device).unwrap().unwrap();
        let mut source = Sine(stream, 0);
        let asked = Asked {
            now: Instant::EPOCH,
            until_heard: Duration::ZERO,
        };
        let mut played = vec![0.0; 44_100];
        for part in played.chunks_mut(441) {
            output.pull(&mut source, asked, part);
        }
        let mut input = InputAdapter::new(device, stream).unwrap().unwrap();
        let mut back = Vec::new();
        for part in played.chunks(300) {
            input.convert(part, |piece| back.extend_from_slice(piece));
        }
        assert!(back.len().abs_diff(48_000) < 200, "{}", back.len());
        // The same sine again, later by both look-aheads: no sample departs from its neighbours
        // by more than the steepest slope.
        let slope = 0.5 * std::f32::consts::TAU / 100.0;
        for pair in back[1_000..].windows(2) {
            assert!((pair[1] - pair[0]).abs() < slope * 1.05);
        }
        let peak = back[1_000..].iter().fold(0.0f32, |p, s| p.max(s.abs()));
        assert!((peak - 0.5).abs() < 0.01, "{peak}");
    }
}

//! From the stream's rate and channels to the device's, and its clock to the device's clock.

use super::config::{DriftCorrection, PlayoutConfig};
use crate::convert::ChannelMap;
use crate::error::ConfigError;
use crate::format::StreamFormat;
use crate::resample::{Resampler, resampler};

/// Resampler and channel map, as far as there is need of them.
pub(super) struct Output {
    stream: StreamFormat,
    format: StreamFormat,
    resampler: Option<Box<dyn Resampler>>,
    /// Whether the resampler is in the path. Where rates agree it stays out of it, and frames
    /// pass untouched, until there is a drift to correct.
    engaged: bool,
    /// The last frames that passed by it.
    past: Box<[f32]>,
    input: Box<[f32]>,
    resampled: Box<[f32]>,
    map: Option<ChannelMap>,
}

impl Output {
    pub(super) fn new(config: &PlayoutConfig, stream: StreamFormat) -> Result<Self, ConfigError> {
        let format = config.output.unwrap_or(stream);
        let map = match &config.map {
            Some(m) if m.inputs() != stream.channels || m.outputs() != format.channels => {
                return Err(ConfigError::new(
                    "map",
                    format_args!("{} to {} channels", m.inputs(), m.outputs()),
                    format!(
                        "the stream has {} channels, the output {}",
                        stream.channels, format.channels
                    ),
                ));
            }
            Some(m) => m.clone(),
            None => ChannelMap::between(stream.channels, format.channels),
        };
        let convert = stream.rate != format.rate;
        let resampler = match convert || config.drift == DriftCorrection::Resample {
            true => Some(resampler(
                stream.rate,
                format.rate,
                stream.channels,
                config.resampler,
            )?),
            false => None,
        };
        let channels = stream.channels.get();
        let input = resampler.as_ref().map_or(CHUNK, |r| r.max_input(CHUNK)) * channels;
        Ok(Self {
            stream,
            format,
            engaged: convert,
            past: match &resampler {
                Some(_) if !convert => vec![0.0; PAST * channels].into_boxed_slice(),
                _ => Box::default(),
            },
            input: vec![0.0; input].into_boxed_slice(),
            resampled: vec![0.0; CHUNK * channels].into_boxed_slice(),
            resampler,
            map: (!map.is_identity()).then_some(map),
        })
    }

    pub(super) fn format(&self) -> StreamFormat {
        self.format
    }

    /// Frames of the stream that the resampler holds back.
    pub(super) fn look_ahead(&self) -> usize {
        match &self.resampler {
            Some(r) if self.engaged => r.delay_frames(),
            _ => 0,
        }
    }

    /// Consumes the stream by `ppm` faster than nominal; takes the resampler into the path where
    /// that is not zero. Says whether it did so: from now on it holds
    /// [`look_ahead`](Self::look_ahead) frames back.
    pub(super) fn adjust(&mut self, ppm: f64) -> bool {
        let Some(r) = &mut self.resampler else {
            return false;
        };
        let engages = !self.engaged && ppm != 0.0;
        if engages {
            r.prime(&self.past);
            self.engaged = true;
        }
        r.set_adjustment(ppm);
        engages
    }

    /// Fills `out`; `read` fills slices of the stream's frames, and is told how many output
    /// frames went before.
    pub(super) fn fill(&mut self, out: &mut [f32], mut read: impl FnMut(usize, &mut [f32])) {
        let (from, to) = (self.stream.channels.get(), self.format.channels.get());
        if !self.engaged && self.map.is_none() {
            read(0, out);
            remember(&mut self.past, out);
            return;
        }
        let mut done = 0;
        for part in out.chunks_mut(CHUNK * to) {
            let frames = part.len() / to;
            let straight = match (&mut self.resampler, &self.map) {
                (Some(r), map) if self.engaged => {
                    let need = r.input_needed(frames) * from;
                    let input = &mut self.input[..need];
                    read(done, input);
                    let out = match map {
                        Some(_) => &mut self.resampled[..frames * from],
                        None => &mut *part,
                    };
                    r.process_into(input, out);
                    &self.resampled[..frames * from]
                }
                _ => {
                    let input = &mut self.input[..frames * from];
                    read(done, input);
                    remember(&mut self.past, input);
                    &*input
                }
            };
            if let Some(map) = &self.map {
                map.apply(straight, part);
            }
            done += frames;
        }
    }
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Output")
            .field("stream", &self.stream)
            .field("format", &self.format)
            .field("engaged", &self.engaged)
            .finish_non_exhaustive()
    }
}

/// Appends `new` to `past`, of which the last are kept.
fn remember(past: &mut [f32], new: &[f32]) {
    let keep = past.len().saturating_sub(new.len());
    past.copy_within(past.len() - keep.., 0);
    let n = past.len() - keep;
    past[keep..].copy_from_slice(&new[new.len() - n..]);
}

/// Output frames converted at once.
const CHUNK: usize = 512;
/// Frames remembered for the resampler's start, more than its filter is long.
const PAST: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_past_is_what_went_out_last() {
        let mut past = [0.0; 4];
        remember(&mut past, &[1.0, 2.0]);
        assert_eq!(past, [0.0, 0.0, 1.0, 2.0]);
        remember(&mut past, &[3.0]);
        assert_eq!(past, [0.0, 1.0, 2.0, 3.0]);
        remember(&mut past, &[4.0, 5.0, 6.0, 7.0, 8.0]);
        assert_eq!(past, [5.0, 6.0, 7.0, 8.0]);
        remember(&mut [], &[1.0]);
    }
}

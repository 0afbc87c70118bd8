use std::fmt;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use audiox_core::block::AudioRef;
use audiox_core::codec::Encoder;
use audiox_core::error::ConfigError;
use audiox_core::format::{PcmFormat, SampleRate, StreamFormat};
use audiox_core::resample::{Resampler, ResamplerQuality, resampler};
use audiox_core::source::{Sink, SinkError};
use audiox_io::ogg::{ChannelMapping, OpusFileWriter, OpusHead, TICK_RATE};

use super::surround_order;
use crate::config::{OpusConfig, rate_above};
use crate::encoder::OpusEncoder;
use crate::layout::Layout;

/// An Ogg Opus file, encoded in packets of 20 ms as it is written.
///
/// Any rate is taken: such as Opus does not have are resampled. What is read from the file later has
/// the first frame of what was written first, and its length.
pub struct OpusSink<W: Write = BufWriter<File>> {
    /// There until the end.
    writer: Option<OpusFileWriter<W>>,
    name: String,
    format: StreamFormat,
    /// The rate that is encoded.
    rate: SampleRate,
    encoder: OpusEncoder,
    resampler: Option<Box<dyn Resampler>>,
    /// For each channel of a file with surround the one of the input, where they differ.
    order: Option<&'static [usize]>,
    /// Frames to encode, until they fill a packet.
    block: Vec<f32>,
    ordered: Box<[f32]>,
    payload: Box<[u8]>,
    /// Frames taken.
    frames: u64,
    /// Frames in `block` and before, at the encoder's rate.
    encoded: u64,
}

impl OpusSink<BufWriter<File>> {
    /// Creates a file for audio of `format`, over what is there.
    ///
    /// # Errors
    /// [`SinkError::Unsupported`] where Opus has no such channel count or settings,
    /// [`SinkError::Io`] where the system refuses.
    pub fn create(
        path: impl AsRef<Path>,
        format: StreamFormat,
        config: &OpusConfig,
    ) -> Result<Self, SinkError> {
        let path = path.as_ref();
        Self::with(path.display().to_string(), format, config, |head| {
            OpusFileWriter::create(path, head)
        })
    }
}

impl<W: Write> OpusSink<W> {
    /// A file into any writer; `name` stands in messages.
    ///
    /// # Errors
    /// As [`create`](OpusSink::create).
    pub fn new(
        writer: W,
        name: impl Into<String>,
        format: StreamFormat,
        config: &OpusConfig,
    ) -> Result<Self, SinkError> {
        let name = name.into();
        Self::with(name.clone(), format, config, |head| {
            OpusFileWriter::new(writer, name, head, 1)
        })
    }

    fn with(
        name: String,
        format: StreamFormat,
        config: &OpusConfig,
        open: impl FnOnce(&OpusHead) -> Result<OpusFileWriter<W>, SinkError>,
    ) -> Result<Self, SinkError> {
        let odd = |e: ConfigError| SinkError::Unsupported(format!("{name}: {e}"));
        let channels = format.channels;
        let rate = rate_above(format.rate);
        let inner = StreamFormat::new(rate, channels);
        let packet = rate.get() as usize / 50;
        // A file is read, not received: nothing of it will be lost.
        let config = OpusConfig {
            expected_loss: 0.0,
            max_payload: MAX_PAYLOAD,
            ..config.clone()
        };
        let encoder = OpusEncoder::new(&config, inner, packet).map_err(odd)?;
        let resampler = match rate == format.rate {
            true => None,
            false => {
                let made = resampler(format.rate, rate, channels, ResamplerQuality::Best);
                Some(made.map_err(odd)?)
            }
        };
        let surround = encoder.layout().is_surround();
        let mapping = mapping(encoder.layout()).ok_or_else(|| {
            SinkError::Unsupported(format!("{name}: Ogg Opus has no {channels} channels"))
        })?;
        let ticks = encoder.lookahead() as u64 * u64::from(TICK_RATE / rate.get());
        let pre_skip = u16::try_from(ticks).unwrap_or(u16::MAX);
        let head = OpusHead::new(mapping, pre_skip, format.rate.get());
        let writer = open(&head)?;
        Ok(Self {
            writer: Some(writer),
            format,
            rate,
            resampler,
            order: surround_order(channels.get()).filter(|_| surround),
            block: Vec::with_capacity(packet * channels.get()),
            ordered: vec![0.0; packet * channels.get()].into(),
            payload: vec![0; encoder.max_payload_len()].into(),
            frames: 0,
            encoded: 0,
            encoder,
            name,
        })
    }

    /// Frames taken so far.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Encodes what is left, ends the file and closes it.
    ///
    /// # Errors
    /// [`SinkError::Io`] where the medium fails.
    pub fn finish(mut self) -> Result<(), SinkError> {
        self.close()
    }

    fn close(&mut self) -> Result<(), SinkError> {
        if self.writer.is_none() {
            return Ok(());
        }
        let channels = self.format.channels.get();
        let length = self.length();
        // The resampler and the encoder still hold the end.
        let zeros = vec![0.0; 1_024 * channels];
        while let Some(resampler) = &self.resampler {
            let made = self.encoded + (self.block.len() / channels) as u64;
            if made >= length {
                break;
            }
            let wanted = usize::try_from(length - made).unwrap_or(usize::MAX);
            let needed = resampler.input_needed(wanted).clamp(1, 1_024);
            self.take(&zeros[..needed * channels])?;
        }
        let end = length + self.encoder.lookahead() as u64;
        while self.encoded < end && self.frames > 0 {
            let missing = self.encoder.frames_per_packet() * channels - self.block.len();
            let missing = vec![0.0; missing];
            self.fill(&missing)?;
        }
        let trim = (self.encoded - end.min(self.encoded)) as u32 * (TICK_RATE / self.rate.get());
        self.writer.take().map_or(Ok(()), |w| w.finish(trim))
    }

    /// Frames at the encoder's rate that were taken.
    fn length(&self) -> u64 {
        let frames = u128::from(self.frames) * u128::from(self.rate.get());
        (frames / u128::from(self.format.rate.get())) as u64
    }

    /// Takes frames at the input's rate.
    fn take(&mut self, mut input: &[f32]) -> Result<(), SinkError> {
        let channels = self.format.channels.get();
        let Some(mut resampler) = self.resampler.take() else {
            return self.fill(input);
        };
        let mut made = [0.0; MADE];
        let room = (MADE / channels).max(1) * channels;
        let result = loop {
            let mut many = Vec::new();
            let out = match made.get_mut(..room) {
                Some(out) => out,
                None => {
                    many.resize(room, 0.0);
                    &mut many[..]
                }
            };
            let done = resampler.process_into(input, out);
            input = &input[done.consumed * channels..];
            if done.produced == 0 {
                break Ok(());
            }
            if let Err(e) = self.fill(&out[..done.produced * channels]) {
                break Err(e);
            }
        };
        self.resampler = Some(resampler);
        result
    }

    /// Takes frames at the encoder's rate.
    fn fill(&mut self, mut samples: &[f32]) -> Result<(), SinkError> {
        let full = self.encoder.frames_per_packet() * self.format.channels.get();
        while !samples.is_empty() {
            let (now, rest) = samples.split_at(samples.len().min(full - self.block.len()));
            self.block.extend_from_slice(now);
            samples = rest;
            if self.block.len() == full {
                self.encode()?;
            }
        }
        Ok(())
    }

    fn encode(&mut self) -> Result<(), SinkError> {
        let channels = self.format.channels;
        let samples = match self.order {
            Some(order) => {
                let frames = self.block.chunks_exact(order.len());
                for (from, to) in frames.zip(self.ordered.chunks_exact_mut(order.len())) {
                    for (at, out) in order.iter().zip(to) {
                        *out = from[*at];
                    }
                }
                &self.ordered[..]
            }
            None => &self.block[..],
        };
        let block = AudioRef::new(samples, channels);
        let len = self.encoder.encode(block, &mut self.payload);
        let frames = self.encoder.frames_per_packet() as u64;
        self.block.clear();
        self.encoded += frames;
        let Some(writer) = &mut self.writer else {
            return Ok(());
        };
        match len {
            // Silence that need not be written, and what libopus refuses, is concealed.
            Ok(0) | Err(_) => writer.gap(frames * u64::from(TICK_RATE / self.rate.get())),
            Ok(len) => writer.write(&self.payload[..len]),
        }
    }
}

impl<W: Write + Send> Sink for OpusSink<W> {
    fn format(&self) -> StreamFormat {
        self.format
    }

    fn write(&mut self, block: AudioRef<'_>) -> Result<(), SinkError> {
        if block.channels() != self.format.channels {
            return Err(SinkError::Unsupported(format!(
                "{}: a block of {} channels; the file has {}",
                self.name,
                block.channels(),
                self.format.channels
            )));
        }
        self.frames += block.frames() as u64;
        self.take(block.samples())
    }

    fn native(&self) -> Option<PcmFormat> {
        None
    }

    fn write_native(&mut self, _bytes: &[u8]) -> Result<(), SinkError> {
        Err(SinkError::Unsupported(format!(
            "{}: Opus takes no samples untouched; write them as f32",
            self.name
        )))
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        self.writer.as_mut().map_or(Ok(()), OpusFileWriter::flush)
    }
}

impl<W: Write> Drop for OpusSink<W> {
    /// Ends the file. Whoever wants to know whether that worked calls [`finish`](Self::finish).
    fn drop(&mut self) {
        let _ = self.close();
    }
}

impl<W: Write> fmt::Debug for OpusSink<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpusSink")
            .field("name", &self.name)
            .field("format", &self.format)
            .field("rate", &self.rate)
            .field("frames", &self.frames)
            .finish_non_exhaustive()
    }
}

/// How a file says what a layout is; `None` where it cannot.
fn mapping(layout: &Layout) -> Option<ChannelMapping> {
    if layout.is_single() {
        return ChannelMapping::single(layout.channels() as u8);
    }
    let family = if layout.is_surround() { 1 } else { 255 };
    let (streams, coupled) = (layout.streams(), layout.coupled());
    ChannelMapping::new(family, streams, coupled, layout.mapping())
}

/// Bytes of a packet: no network limits it.
const MAX_PAYLOAD: usize = 61_298;
/// Samples resampled at a time.
const MADE: usize = 2_048;

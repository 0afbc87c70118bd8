use std::fmt;
use std::path::Path;

use audiox_core::codec::Decoder;
use audiox_core::error::ConfigError;
use audiox_core::format::{Channels, PcmFormat, SampleRate, StreamFormat};
use audiox_core::source::{Source, SourceClock, SourceError};
use audiox_io::ogg::{ChannelMapping, OpusEvent, OpusFileReader};
use audiox_io::opus::OpusPackets;

use super::surround_order;
use crate::config::OpusConfig;
use crate::decoder::OpusDecoder;
use crate::layout::Layout;

/// A recording of Opus packets, an Ogg Opus file mostly, decoded at 48 kHz as it is read.
///
/// Pre-skip, end trimming and output gain are those of the file; chained streams follow each other
/// without a gap; what is missing or damaged is concealed, at most 120 ms at a time.
pub struct OpusSource<P: OpusPackets = OpusFileReader> {
    reader: P,
    decoder: OpusDecoder,
    channels: Channels,
    length: u64,
    frame: u64,
    samples: Box<[f32]>,
    /// Which of the samples wait.
    waits: std::ops::Range<usize>,
    /// Frames to conceal before the next packet, and how many in a row already are.
    hole: u64,
    concealed: u64,
    gain: f32,
}

impl OpusSource {
    /// Opens a file.
    ///
    /// # Errors
    /// As [`OpusFileReader::open`], and [`SourceError::Unsupported`] where its channels are not those
    /// of any decoder.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, SourceError> {
        Self::new(OpusFileReader::open(path)?)
    }
}

impl<P: OpusPackets> OpusSource<P> {
    /// The audio of a recording that stands at its start.
    ///
    /// # Errors
    /// [`SourceError::Unsupported`] where its channels are not those of any decoder.
    pub fn new(reader: P) -> Result<Self, SourceError> {
        let mapping = &reader.head().mapping;
        let odd = |e: ConfigError| {
            SourceError::Unsupported(format!("{}: cannot be decoded: {e}", reader.name()))
        };
        let layout = layout(mapping).map_err(odd)?;
        let channels = Channels::new(mapping.channels().into()).map_err(odd)?;
        let config = OpusConfig {
            layout: Some(layout),
            ..OpusConfig::default()
        };
        let format = StreamFormat::new(SampleRate::HZ_48000, channels);
        let decoder = OpusDecoder::new(&config, format, MAX_FRAMES).map_err(odd)?;
        Ok(Self {
            length: reader.length(),
            gain: reader.head().gain_factor(),
            samples: vec![0.0; MAX_FRAMES * channels.get()].into(),
            waits: 0..0,
            frame: 0,
            hole: 0,
            concealed: 0,
            decoder,
            channels,
            reader,
        })
    }

    /// The file's name, as in messages.
    pub fn name(&self) -> &str {
        self.reader.name()
    }

    /// What is odd about it and what was made of it, a sentence each, without the file's name.
    pub fn notices(&self) -> &[String] {
        self.reader.notices()
    }

    /// Frames in the file.
    pub fn frames(&self) -> u64 {
        self.length
    }

    /// Makes frames, until some wait; `false` at the end.
    fn advance(&mut self) -> Result<bool, SourceError> {
        while self.waits.is_empty() {
            if self.hole > 0 {
                self.conceal();
                break;
            }
            let event = self.reader.next_event()?;
            match event {
                None => return Ok(false),
                Some(OpusEvent::Hole { ticks }) => self.hole = ticks,
                Some(OpusEvent::Chained(head)) => {
                    self.decoder.reset();
                    self.gain = head.gain_factor();
                }
                Some(OpusEvent::Packet {
                    data,
                    ticks,
                    skip,
                    trim,
                }) => match self.decoder.decode(&data, &mut self.samples) {
                    // What lasts another time than it says has a second opinion on its length.
                    Ok(frames) if frames == ticks as usize => {
                        let channels = self.channels.get();
                        self.concealed = 0;
                        self.waits = skip as usize * channels..(ticks - trim) as usize * channels;
                        self.amplify();
                    }
                    _ => self.hole = u64::from(ticks - skip - trim),
                },
            }
        }
        Ok(true)
    }

    fn conceal(&mut self) {
        let frames = self.hole.min(CONCEALED_AT_ONCE);
        let out = &mut self.samples[..frames as usize * self.channels.get()];
        let done = match self.concealed < MOST_CONCEALED {
            true => self.decoder.conceal(out),
            false => 0,
        };
        out[done * self.channels.get()..].fill(0.0);
        self.waits = 0..out.len();
        self.hole -= frames;
        self.concealed += frames;
        self.amplify();
    }

    fn amplify(&mut self) {
        if self.gain != 1.0 {
            for sample in &mut self.samples[self.waits.clone()] {
                *sample *= self.gain;
            }
        }
    }
}

impl<P: OpusPackets> Source for OpusSource<P> {
    fn format(&self) -> StreamFormat {
        StreamFormat::new(SampleRate::HZ_48000, self.channels)
    }

    fn clock(&self) -> SourceClock {
        SourceClock::None
    }

    fn frames_left(&self) -> Option<u64> {
        Some(self.length - self.frame)
    }

    fn read(&mut self, out: &mut [f32]) -> Result<usize, SourceError> {
        let channels = self.channels.get();
        let wanted = (out.len() / channels) as u64;
        let wanted = wanted.min(self.length - self.frame) as usize * channels;
        let mut done = 0;
        while done < wanted {
            match self.advance() {
                Ok(true) => {}
                Ok(false) => break,
                // What was read before stays read; the same error comes again.
                Err(_) if done > 0 => break,
                Err(e) => return Err(e),
            }
            let now = self.waits.len().min(wanted - done);
            let from = self.waits.start;
            out[done..done + now].copy_from_slice(&self.samples[from..from + now]);
            self.waits.start += now;
            done += now;
        }
        self.frame += (done / channels) as u64;
        Ok(done / channels)
    }

    fn native(&self) -> Option<PcmFormat> {
        None
    }

    fn read_native(&mut self, _out: &mut [u8]) -> Result<usize, SourceError> {
        Err(SourceError::Unsupported(format!(
            "{}: Opus holds no samples to hand over; read them as f32",
            self.name()
        )))
    }

    fn seek(&mut self, frame: u64) -> Result<(), SourceError> {
        let frame = frame.min(self.length);
        self.reader.seek(frame)?;
        self.decoder.reset();
        self.gain = self.reader.head().gain_factor();
        (self.waits, self.hole, self.concealed) = (0..0, 0, 0);
        self.frame = frame;
        Ok(())
    }
}

impl<P: OpusPackets> fmt::Debug for OpusSource<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpusSource")
            .field("reader", &self.reader)
            .field("frame", &self.frame)
            .finish_non_exhaustive()
    }
}

/// The layout of a file's channels, in the order of WAV files.
fn layout(mapping: &ChannelMapping) -> Result<Layout, ConfigError> {
    let mut table = mapping.table().to_vec();
    if mapping.family() == 1
        && let Some(order) = surround_order(table.len())
    {
        for (place, at) in mapping.table().iter().zip(order) {
            table[*at] = *place;
        }
    }
    Layout::new(mapping.streams(), mapping.coupled(), table)
}

/// 120 ms, the longest packet.
const MAX_FRAMES: usize = 5_760;
/// 20 ms.
const CONCEALED_AT_ONCE: u64 = 960;
/// Beyond 120 ms there is nothing left to go on from.
const MOST_CONCEALED: u64 = 5_760;

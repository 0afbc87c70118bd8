//! From any source to packets of 20 ms, 48 kHz, mono.

use audiox_core::ConfigError;
use audiox_core::block::AudioRef;
use audiox_core::codec::{CodecRegistry, CodecSpec, Encoder, EncodingName};
use audiox_core::convert::{ChannelMap, Level, levels};
use audiox_core::format::{Channels, SampleRate};
use audiox_core::source::{Source, SourceError};
use audiox_io::Resampled;
use bytes::Bytes;

use super::PACKET;

/// What packets are encoded as.
pub(crate) fn spec() -> CodecSpec {
    CodecSpec {
        encoding: EncodingName::OPUS,
        rate: SampleRate::HZ_48000,
        channels: Channels::MONO,
    }
}

/// Encodes a source packet by packet.
pub(super) struct Encoding {
    source: Box<dyn Source>,
    channels: usize,
    to_mono: ChannelMap,
    encoder: Box<dyn Encoder>,
    read: Vec<f32>,
    mono: Vec<f32>,
    payload: Vec<u8>,
    /// Frames of silence that still push out what the encoder holds back; `None` before the
    /// source's end.
    tail: Option<usize>,
}

impl Encoding {
    pub(super) fn new(
        source: Box<dyn Source>,
        codecs: &CodecRegistry,
    ) -> Result<Self, SourceError> {
        let refused = |e: ConfigError| SourceError::Unsupported(e.to_string());
        let source = match source.format().rate == SampleRate::HZ_48000 {
            true => source,
            false => Box::new(Resampled::new(source, SampleRate::HZ_48000).map_err(refused)?),
        };
        let channels = source.format().channels.get();
        let encoder = codecs.encoder(&spec(), PACKET).map_err(refused)?;
        Ok(Self {
            channels,
            to_mono: ChannelMap::between(source.format().channels, Channels::MONO),
            read: vec![0.0; PACKET * channels],
            mono: vec![0.0; PACKET],
            payload: vec![0; encoder.max_payload_len()],
            tail: None,
            source,
            encoder,
        })
    }

    /// The next packet; none at the end.
    pub(super) fn next(&mut self) -> Result<Option<(Bytes, Level)>, SourceError> {
        let frames = self.fill()?;
        if frames == 0 && self.tail.is_none_or(|t| t == 0) {
            return Ok(None);
        }
        let block = AudioRef::new(&self.mono, Channels::MONO);
        let mut level = [Level::default()];
        levels(block, &mut level);
        let length = self.encoder.encode(block, &mut self.payload);
        let length = length.map_err(|e| SourceError::Unsupported(e.to_string()))?;
        let data = Bytes::copy_from_slice(&self.payload[..length]);
        Ok(Some((data, level[0])))
    }

    /// Fills `mono`, with silence behind the end; the frames that are not only silence for the
    /// sake of a whole packet.
    fn fill(&mut self) -> Result<usize, SourceError> {
        let mut frames = 0;
        while frames < PACKET && self.tail.is_none() {
            match self.source.read(&mut self.read[frames * self.channels..])? {
                0 => self.tail = Some(self.encoder.lookahead()),
                n => frames += n,
            }
        }
        self.to_mono
            .apply(&self.read[..frames * self.channels], &mut self.mono);
        self.mono[frames..].fill(0.0);
        let room = PACKET - frames;
        let pushed = self.tail.map_or(0, |tail| tail.min(room));
        self.tail = self.tail.map(|tail| tail - pushed);
        Ok(frames + pushed)
    }
}

//! What several test files need: WAV files built chunk by chunk, and reading to the end.

use std::io::Cursor;

use audiox_core::format::{Channels, SampleRate, StreamFormat};
use audiox_core::source::{Source, SourceError};
use audiox_io::WavSource;

pub(crate) fn format(rate: u32, channels: u16) -> StreamFormat {
    StreamFormat::new(
        SampleRate::new(rate).unwrap(),
        Channels::new(channels).unwrap(),
    )
}

/// A file being put together, chunk by chunk.
#[derive(Clone)]
pub(crate) struct Wav(pub(crate) Vec<u8>);

impl Wav {
    pub(crate) fn new(form: &[u8; 4]) -> Self {
        let mut bytes = form.to_vec();
        bytes.extend([0xFF; 4]);
        bytes.extend(b"WAVE");
        Self(bytes)
    }

    /// A chunk whose size is true, with its pad byte.
    pub(crate) fn chunk(self, id: &[u8; 4], body: &[u8]) -> Self {
        let mut wav = self.lying(id, body.len() as u32, body);
        if body.len() % 2 == 1 {
            wav.0.push(0);
        }
        wav
    }

    /// A chunk that claims `size` bytes.
    pub(crate) fn lying(mut self, id: &[u8; 4], size: u32, body: &[u8]) -> Self {
        self.0.extend(id);
        self.0.extend(size.to_le_bytes());
        self.0.extend(body);
        self
    }

    pub(crate) fn fmt(self, tag: u16, channels: u16, rate: u32, bits: u16) -> Self {
        self.chunk(b"fmt ", &fmt(tag, channels, rate, bits))
    }

    pub(crate) fn open(&self) -> Result<WavSource<Cursor<Vec<u8>>>, SourceError> {
        WavSource::new(Cursor::new(self.0.clone()), "test.wav")
    }
}

pub(crate) fn fmt(tag: u16, channels: u16, rate: u32, bits: u16) -> Vec<u8> {
    let align = channels * bits.div_ceil(8);
    let mut body = tag.to_le_bytes().to_vec();
    body.extend(channels.to_le_bytes());
    body.extend(rate.to_le_bytes());
    body.extend((rate * u32::from(align)).to_le_bytes());
    body.extend(align.to_le_bytes());
    body.extend(bits.to_le_bytes());
    body
}

/// ds64 with `data` bytes of data and sizes of other chunks.
pub(crate) fn ds64(data: u64, table: &[(&[u8; 4], u64)]) -> Vec<u8> {
    let mut body = [0; 8].to_vec();
    body.extend(data.to_le_bytes());
    body.extend([0; 8]);
    body.extend((table.len() as u32).to_le_bytes());
    for (id, size) in table {
        body.extend(*id);
        body.extend(size.to_le_bytes());
    }
    body
}

/// All stored bytes that are left, read in pieces of an odd size.
pub(crate) fn native_bytes(source: &mut dyn Source) -> Vec<u8> {
    let (mut got, mut out) = (Vec::new(), vec![0; 8_191]);
    loop {
        match source.read_native(&mut out).unwrap() {
            0 => return got,
            n => got.extend_from_slice(&out[..n]),
        }
    }
}

/// All samples that are left.
pub(crate) fn samples(source: &mut dyn Source) -> Vec<f32> {
    let channels = source.format().channels.get();
    let (mut got, mut out) = (Vec::new(), vec![0.0; 4_093 * channels]);
    loop {
        match source.read(&mut out).unwrap() {
            0 => return got,
            n => got.extend_from_slice(&out[..n * channels]),
        }
    }
}

//! Ogg Opus for a relay's listeners.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use audiox_core::block::AudioRef;
use audiox_core::convert::decode;
use audiox_core::format::{Channels, PcmFormat};
use audiox_core::source::Sink;
use audiox_core::store::{Coding, StoredFormat};
use audiox_opus::{OpusConfig, OpusSink};
use audiox_websocket::{OggEncoder, OggFactory};
use bytes::Bytes;

/// Encoders for [`RelayConfig::ogg`](audiox_websocket::RelayConfig::ogg), with the settings of
/// Opus files.
pub fn ogg_encoders() -> OggFactory {
    Arc::new(|format| Ok(Box::new(Live::new(format)?)))
}

/// What was written and not taken yet.
#[derive(Clone, Default)]
struct Pages(Arc<Mutex<Vec<u8>>>);

impl Pages {
    fn take(&self) -> Bytes {
        let mut pages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *pages).into()
    }
}

impl Write for Pages {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let mut pages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pages.extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Live {
    sink: OpusSink<Pages>,
    pages: Pages,
    head: Bytes,
    pcm: PcmFormat,
    channels: Channels,
    samples: Vec<f32>,
    /// Frames since a page was ended.
    frames: usize,
    /// Frames of a page: as often as listeners are to hear something new.
    page: usize,
}

impl Live {
    fn new(format: &StoredFormat) -> Result<Self, String> {
        let Coding::Pcm(pcm) = format.coding else {
            return Err(format!("{format} is not PCM"));
        };
        let pages = Pages::default();
        let config = OpusConfig::default();
        let sink = OpusSink::new(pages.clone(), "live.ogg", format.stream, &config);
        let sink = sink.map_err(|e| e.to_string())?;
        Ok(Self {
            head: pages.take(),
            sink,
            pages,
            pcm,
            channels: format.stream.channels,
            samples: Vec::new(),
            frames: 0,
            page: format.stream.rate.get() as usize / PAGES_A_SECOND,
        })
    }
}

impl OggEncoder for Live {
    fn head(&self) -> Bytes {
        self.head.clone()
    }

    fn push(&mut self, frames: &[u8]) -> Result<Bytes, String> {
        self.samples
            .resize(frames.len() / self.pcm.sample.bytes(), 0.0);
        decode(self.pcm, frames, &mut self.samples);
        let block = AudioRef::new(&self.samples, self.channels);
        self.frames += block.frames();
        self.sink.write(block).map_err(|e| e.to_string())?;
        if self.frames >= self.page {
            self.frames = 0;
            self.sink.flush().map_err(|e| e.to_string())?;
        }
        Ok(self.pages.take())
    }

    fn finish(self: Box<Self>) -> Result<Bytes, String> {
        self.sink.finish().map_err(|e| e.to_string())?;
        Ok(self.pages.take())
    }
}

/// A page costs 27 bytes and more.
const PAGES_A_SECOND: usize = 10;

//! A relay's stream as a sink: for a player, a recorder, a program.

use std::fmt;
use std::io;

use audiox_core::block::AudioRef;
use audiox_core::convert::encode;
use audiox_core::format::{Endian, PcmFormat, SampleFormat, StreamFormat};
use audiox_core::source::{Sink, SinkError};
use audiox_core::store::StoredFormat;
use audiox_websocket::client::{ClientError, Publisher, PublisherConfig};
use bytes::BytesMut;

use super::RelayTarget;
use crate::Error;

/// A relay's stream as a sink. What is written leaves on a thread of its own; dropping the sink
/// ends the stream.
pub struct RelaySink {
    publisher: Option<Publisher>,
    format: StreamFormat,
    pcm: PcmFormat,
    /// Bytes of a request.
    chunk: usize,
    waiting: BytesMut,
}

impl RelaySink {
    /// Makes the stream, of `format` with samples of `sample`, little-endian.
    ///
    /// # Errors
    /// The relay cannot be reached or refuses.
    pub fn open(
        target: &RelayTarget,
        format: StreamFormat,
        sample: SampleFormat,
    ) -> Result<Self, Error> {
        let pcm = PcmFormat::new(sample, Endian::Little);
        let config = PublisherConfig {
            name: target.name.clone(),
            ..PublisherConfig::new(target.connect.clone(), StoredFormat::pcm(format, pcm))
        };
        let publisher = Publisher::start(config)?;
        tracing::debug!(stream = %publisher.stream(), "publishing");
        Ok(Self {
            publisher: Some(publisher),
            format,
            pcm,
            chunk: target.chunk * pcm.frame_bytes(format.channels),
            waiting: BytesMut::new(),
        })
    }

    /// The stream's id.
    pub fn stream(&self) -> &str {
        let publisher = self.publisher.as_ref();
        publisher.map_or("", |p| p.stream().as_str())
    }

    fn send(&mut self, least: usize) -> Result<(), SinkError> {
        while self.waiting.len() >= least.max(1) {
            let part = self.waiting.split_to(self.chunk.min(self.waiting.len()));
            if let Some(publisher) = &self.publisher {
                publisher.send(part.freeze()).map_err(sink_error)?;
            }
        }
        Ok(())
    }
}

impl Sink for RelaySink {
    fn format(&self) -> StreamFormat {
        self.format
    }

    fn write(&mut self, block: AudioRef<'_>) -> Result<(), SinkError> {
        let at = self.waiting.len();
        let bytes = block.samples().len() * self.pcm.sample.bytes();
        self.waiting.resize(at + bytes, 0);
        encode(self.pcm, block.samples(), &mut self.waiting[at..]);
        self.send(self.chunk)
    }

    fn native(&self) -> Option<PcmFormat> {
        Some(self.pcm)
    }

    fn write_native(&mut self, bytes: &[u8]) -> Result<(), SinkError> {
        self.waiting.extend_from_slice(bytes);
        self.send(self.chunk)
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        self.send(1)?;
        match &self.publisher {
            Some(publisher) => publisher.flush().map_err(sink_error),
            None => Ok(()),
        }
    }
}

impl Drop for RelaySink {
    fn drop(&mut self) {
        let sent = self.send(1);
        if let (Ok(()), Some(publisher)) = (sent, self.publisher.take())
            && let Err(e) = publisher.end()
        {
            tracing::warn!("the stream could not be ended: {e}");
        }
    }
}

impl fmt::Debug for RelaySink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelaySink")
            .field("publisher", &self.publisher)
            .finish_non_exhaustive()
    }
}

fn sink_error(error: ClientError) -> SinkError {
    SinkError::Io {
        what: "the relay".to_owned(),
        source: io::Error::other(error),
    }
}

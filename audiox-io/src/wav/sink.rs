//! A WAV file as a sink.

use std::fmt;
use std::fs::File;
use std::io::{Seek, Write};
use std::path::Path;

use audiox_core::block::AudioRef;
use audiox_core::convert;
use audiox_core::format::{Endian, PcmFormat, SampleFormat, StreamFormat};
use audiox_core::source::{Sink, SinkError};

use super::layout::Layout;
use super::recorder::Recorder;

/// A WAV file being written; RF64 in place once it passes 4 GiB.
///
/// It is a valid file at any moment: after each second of audio, and on
/// [`flush`](Sink::flush), the header covers all that was written. Memory is 64 KiB of buffer and
/// 16 KiB for conversion; a write touches the disk when the buffer is full.
///
/// Where the medium fails (a full disk), the error says how much is kept, the header is set to the
/// whole frames that made it, and every later write fails with the same text.
///
/// Dropping it closes the file as [`finish`](Self::finish) does, but keeps quiet about failure.
pub struct WavSink<W: Write + Seek = File> {
    recorder: Recorder<W>,
    scratch: Box<[u8]>,
}

impl WavSink<File> {
    /// Creates a file, or empties one that is there.
    ///
    /// # Errors
    /// [`SinkError::Io`] where the system refuses; it names the file.
    pub fn create(
        path: impl AsRef<Path>,
        format: StreamFormat,
        sample: SampleFormat,
    ) -> Result<Self, SinkError> {
        let path = path.as_ref();
        let name = path.display().to_string();
        match File::create(path) {
            Ok(file) => Self::new(file, name, format, sample),
            Err(source) => Err(SinkError::Io { what: name, source }),
        }
    }
}

impl<W: Write + Seek> WavSink<W> {
    /// Writes a WAV file into anything that can be written and sought, from its offset 0 on;
    /// `name` stands in messages. Buffering is done here.
    ///
    /// # Errors
    /// [`SinkError::Io`] where the header cannot be written.
    pub fn new(
        medium: W,
        name: impl Into<String>,
        format: StreamFormat,
        sample: SampleFormat,
    ) -> Result<Self, SinkError> {
        Ok(Self {
            recorder: Recorder::new(medium, name.into(), Layout { format, sample })?,
            scratch: vec![0; SCRATCH].into(),
        })
    }

    /// The file's name, as in messages.
    pub fn name(&self) -> &str {
        self.recorder.name()
    }

    /// Frames taken so far.
    pub fn frames(&self) -> u64 {
        self.recorder.frames()
    }

    /// Writes what is left, makes the header final and closes the file.
    ///
    /// # Errors
    /// [`SinkError::Io`] where the medium fails, now or earlier.
    pub fn finish(mut self) -> Result<(), SinkError> {
        self.recorder.close()
    }

    fn pcm(&self) -> PcmFormat {
        PcmFormat::new(self.recorder.layout().sample, Endian::Little)
    }
}

impl<W: Write + Seek + Send> Sink for WavSink<W> {
    fn format(&self) -> StreamFormat {
        self.recorder.layout().format
    }

    fn write(&mut self, block: AudioRef<'_>) -> Result<(), SinkError> {
        let layout = self.recorder.layout();
        if block.channels() != layout.format.channels {
            return Err(SinkError::Unsupported(format!(
                "{}: a block of {} channels; the file has {}",
                self.name(),
                block.channels(),
                layout.format.channels
            )));
        }
        let pcm = self.pcm();
        let frames = self.scratch.len() / layout.frame_bytes();
        for samples in block
            .samples()
            .chunks(frames * layout.format.channels.get())
        {
            let bytes = convert::encode(pcm, samples, &mut self.scratch);
            self.recorder.put(&self.scratch[..bytes])?;
        }
        Ok(())
    }

    fn native(&self) -> Option<PcmFormat> {
        Some(self.pcm())
    }

    fn write_native(&mut self, bytes: &[u8]) -> Result<(), SinkError> {
        let frame_bytes = self.recorder.layout().frame_bytes();
        if !bytes.len().is_multiple_of(frame_bytes) {
            return Err(SinkError::Unsupported(format!(
                "{}: {} bytes are not whole frames of {frame_bytes}",
                self.name(),
                bytes.len()
            )));
        }
        self.recorder.put(bytes)
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        self.recorder.flush()
    }
}

impl<W: Write + Seek> fmt::Debug for WavSink<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WavSink")
            .field("name", &self.name())
            .field("layout", &self.recorder.layout())
            .field("frames", &self.frames())
            .finish_non_exhaustive()
    }
}

/// Bytes converted at a time; holds a frame of any format.
const SCRATCH: usize = 16 * 1024;

//! PCM without a header: pipes, standard input and output; and a sink for nothing.

use std::fmt;
use std::io::{self, ErrorKind, Read, Stdin, Stdout, Write};

use audiox_core::block::AudioRef;
use audiox_core::convert;
use audiox_core::format::{PcmFormat, StreamFormat};
use audiox_core::source::{Sink, SinkError, Source, SourceClock, SourceError};

/// Raw interleaved PCM from anything that can be read.
///
/// Its clock is [`SourceClock::None`], but a live pipe blocks until its writer has more: read it
/// on a thread that may wait. Frames are handed over as soon as one is whole.
pub struct RawSource<R: Read = Stdin> {
    reader: R,
    name: String,
    pcm: PcmFormat,
    format: StreamFormat,
    buffer: Box<[u8]>,
    /// What of the buffer was read and not yet handed over.
    start: usize,
    end: usize,
    ended: bool,
    notice: Option<String>,
}

impl RawSource<Stdin> {
    /// Standard input.
    pub fn stdin(pcm: PcmFormat, format: StreamFormat) -> Self {
        Self::new(io::stdin(), "standard input", pcm, format)
    }
}

impl<R: Read> RawSource<R> {
    /// PCM from `reader`, whose `name` stands in messages. Reads are made 32 KiB at a time, so the
    /// reader needs no buffer of its own.
    pub fn new(reader: R, name: impl Into<String>, pcm: PcmFormat, format: StreamFormat) -> Self {
        Self {
            reader,
            name: name.into(),
            pcm,
            format,
            buffer: vec![0; BUFFER].into(),
            start: 0,
            end: 0,
            ended: false,
            notice: None,
        }
    }

    /// After the end: what was left over and dropped, where the bytes were not whole frames.
    pub fn notice(&self) -> Option<&str> {
        self.notice.as_deref()
    }

    fn frame_bytes(&self) -> usize {
        self.pcm.frame_bytes(self.format.channels)
    }

    /// Waits for at least one whole frame, and hands over at most `frames`; empty at the end.
    fn take(&mut self, frames: usize) -> Result<&[u8], SourceError> {
        let frame_bytes = self.frame_bytes();
        if frames == 0 {
            return Ok(&[]);
        }
        while self.end - self.start < frame_bytes && !self.ended {
            // What is here is less than a frame, so moving it is cheap and makes room for more.
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
            match self.reader.read(&mut self.buffer[self.end..]) {
                Ok(0) => self.finish(),
                Ok(n) => self.end += n.min(self.buffer.len() - self.end),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(source) => {
                    let what = self.name.clone();
                    return Err(SourceError::Io { what, source });
                }
            }
        }
        let frames = frames.min((self.end - self.start) / frame_bytes);
        let bytes = &self.buffer[self.start..][..frames * frame_bytes];
        self.start += bytes.len();
        Ok(bytes)
    }

    fn finish(&mut self) {
        self.ended = true;
        let left = self.end - self.start;
        if left > 0 {
            self.notice = Some(format!(
                "{}: the last {left} bytes are not a whole frame of {} and are left out",
                self.name,
                self.frame_bytes()
            ));
        }
    }
}

impl<R: Read + Send> Source for RawSource<R> {
    fn format(&self) -> StreamFormat {
        self.format
    }

    fn clock(&self) -> SourceClock {
        SourceClock::None
    }

    fn frames_left(&self) -> Option<u64> {
        None
    }

    fn read(&mut self, out: &mut [f32]) -> Result<usize, SourceError> {
        let (pcm, channels) = (self.pcm, self.format.channels.get());
        let bytes = self.take(out.len() / channels)?;
        Ok(convert::decode(pcm, bytes, out) / channels)
    }

    fn native(&self) -> Option<PcmFormat> {
        Some(self.pcm)
    }

    fn read_native(&mut self, out: &mut [u8]) -> Result<usize, SourceError> {
        let bytes = self.take(out.len() / self.frame_bytes())?;
        out[..bytes.len()].copy_from_slice(bytes);
        Ok(bytes.len())
    }

    /// # Errors
    /// Always [`SourceError::Unsupported`]: a pipe goes one way, and going forward is reading.
    fn seek(&mut self, _: u64) -> Result<(), SourceError> {
        Err(SourceError::Unsupported(format!(
            "{}: a pipe cannot be sought or looped; write it to a file first",
            self.name
        )))
    }
}

impl<R: Read> fmt::Debug for RawSource<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawSource")
            .field("name", &self.name)
            .field("pcm", &self.pcm)
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}

/// Raw interleaved PCM into anything that can be written.
///
/// A pipe may be live, so every write is flushed through. A reader that has gone shows as
/// [`SinkError::Io`] of kind [`BrokenPipe`](ErrorKind::BrokenPipe).
pub struct RawSink<W: Write = Stdout> {
    writer: W,
    name: String,
    pcm: PcmFormat,
    format: StreamFormat,
    scratch: Box<[u8]>,
}

impl RawSink<Stdout> {
    /// Standard output.
    pub fn stdout(pcm: PcmFormat, format: StreamFormat) -> Self {
        Self::new(io::stdout(), "standard output", pcm, format)
    }
}

impl<W: Write> RawSink<W> {
    /// PCM into `writer`, whose `name` stands in messages.
    pub fn new(writer: W, name: impl Into<String>, pcm: PcmFormat, format: StreamFormat) -> Self {
        Self {
            writer,
            name: name.into(),
            pcm,
            format,
            scratch: vec![0; BUFFER].into(),
        }
    }

    fn io(&self, outcome: io::Result<()>) -> Result<(), SinkError> {
        outcome.map_err(|source| SinkError::Io {
            what: self.name.clone(),
            source,
        })
    }
}

impl<W: Write + Send> Sink for RawSink<W> {
    fn format(&self) -> StreamFormat {
        self.format
    }

    fn write(&mut self, block: AudioRef<'_>) -> Result<(), SinkError> {
        same_channels(&self.name, self.format, &block)?;
        for samples in block.samples().chunks(BUFFER / self.pcm.sample.bytes()) {
            let bytes = convert::encode(self.pcm, samples, &mut self.scratch);
            let outcome = self.writer.write_all(&self.scratch[..bytes]);
            self.io(outcome)?;
        }
        self.flush()
    }

    fn native(&self) -> Option<PcmFormat> {
        Some(self.pcm)
    }

    fn write_native(&mut self, bytes: &[u8]) -> Result<(), SinkError> {
        let frame_bytes = self.pcm.frame_bytes(self.format.channels);
        if !bytes.len().is_multiple_of(frame_bytes) {
            return Err(SinkError::Unsupported(format!(
                "{}: {} bytes are not whole frames of {frame_bytes}",
                self.name,
                bytes.len()
            )));
        }
        let outcome = self.writer.write_all(bytes);
        self.io(outcome)?;
        self.flush()
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        let outcome = self.writer.flush();
        self.io(outcome)
    }
}

impl<W: Write> fmt::Debug for RawSink<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawSink")
            .field("name", &self.name)
            .field("pcm", &self.pcm)
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}

/// Takes everything and keeps nothing but the count.
#[derive(Debug, Clone)]
pub struct NullSink {
    format: StreamFormat,
    frames: u64,
}

impl NullSink {
    /// A sink for frames of `format`.
    pub const fn new(format: StreamFormat) -> Self {
        Self { format, frames: 0 }
    }

    /// Frames taken so far.
    pub const fn frames(&self) -> u64 {
        self.frames
    }
}

impl Sink for NullSink {
    fn format(&self) -> StreamFormat {
        self.format
    }

    fn write(&mut self, block: AudioRef<'_>) -> Result<(), SinkError> {
        same_channels("null", self.format, &block)?;
        self.frames += block.frames() as u64;
        Ok(())
    }

    fn native(&self) -> Option<PcmFormat> {
        None
    }

    fn write_native(&mut self, _: &[u8]) -> Result<(), SinkError> {
        Err(SinkError::Unsupported(
            "null: nothing is stored, so there is no stored format; write f32".into(),
        ))
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}

fn same_channels(name: &str, format: StreamFormat, block: &AudioRef<'_>) -> Result<(), SinkError> {
    if block.channels() == format.channels {
        return Ok(());
    }
    Err(SinkError::Unsupported(format!(
        "{name}: a block of {} channels; the stream has {}",
        block.channels(),
        format.channels
    )))
}

/// Bytes read or converted at a time; holds a frame of any format, and then some.
const BUFFER: usize = 32 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use audiox_core::format::{Channels, SampleRate};

    const STEREO: StreamFormat = StreamFormat::new(SampleRate::HZ_48000, Channels::STEREO);

    /// Hands bytes over a few at a time, as a pipe does.
    struct Dribble(Vec<u8>, usize);

    impl Read for Dribble {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let n = self.1.min(self.0.len()).min(out.len());
            out[..n].copy_from_slice(&self.0[..n]);
            self.0.drain(..n);
            Ok(n)
        }
    }

    #[test]
    fn frames_come_whole_however_the_pipe_dribbles() {
        let data: Vec<u8> = (0..4 * 100 + 3).map(|i| i as u8).collect();
        for step in [1, 3, 4, 5, 1_000] {
            let pipe = Dribble(data.clone(), step);
            let mut source = RawSource::new(pipe, "pipe", PcmFormat::S16LE, STEREO);
            let (mut got, mut out) = (Vec::<u8>::new(), [0; 21]);
            loop {
                let n = source.read_native(&mut out).unwrap();
                assert_eq!(n % 4, 0);
                if n == 0 {
                    break;
                }
                got.extend(&out[..n]);
            }
            assert_eq!(got, data[..400]);
            let notice = source.notice().unwrap();
            assert!(notice.contains("last 3 bytes"), "{notice}");
            assert_eq!(source.read(&mut [0.0; 2]).unwrap(), 0);
        }
    }

    #[test]
    fn samples_are_converted_and_seeking_refused() {
        let mut source = RawSource::new(
            Dribble(vec![0x40, 0x00, 0xC0, 0x00], 9),
            "pipe",
            "s16be".parse().unwrap(),
            STEREO,
        );
        let mut out = [0.0; 4];
        assert_eq!(source.read(&mut out).unwrap(), 1);
        assert_eq!(out[..2], [0.5, -0.5]);
        let text = source.seek(1).unwrap_err().to_string();
        assert!(text.contains("pipe cannot be sought"), "{text}");
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut bytes = Vec::new();
        let mut sink = RawSink::new(&mut bytes, "pipe", PcmFormat::S16LE, STEREO);
        let samples: Vec<f32> = (0..70_000).map(|i| (i % 2_048) as f32 / 4_096.0).collect();
        sink.write(AudioRef::new(&samples, Channels::STEREO))
            .unwrap();
        sink.write_native(&[1, 2, 3, 4]).unwrap();
        assert!(sink.write_native(&[1, 2]).is_err());
        assert!(sink.write(AudioRef::new(&samples, Channels::MONO)).is_err());

        let mut source = RawSource::new(&bytes[..], "pipe", PcmFormat::S16LE, STEREO);
        let mut got = vec![0.0; 70_004];
        let mut frames = 0;
        loop {
            let n = source.read(&mut got[frames * 2..]).unwrap();
            if n == 0 {
                break;
            }
            frames += n;
        }
        assert_eq!(frames, 35_001);
        assert_eq!(got[..70_000], samples[..]);
    }

    #[test]
    fn a_reader_that_left_is_a_broken_pipe() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let mut sink = RawSink::new(writer, "pipe", PcmFormat::S16LE, STEREO);
        let Err(SinkError::Io { source, .. }) = sink.write_native(&[0; 4]) else {
            panic!("writing to nobody succeeded");
        };
        assert_eq!(source.kind(), ErrorKind::BrokenPipe);
    }

    #[test]
    fn nothing_counts_frames() {
        let mut sink = NullSink::new(STEREO);
        sink.write(AudioRef::new(&[0.0; 10], Channels::STEREO))
            .unwrap();
        assert_eq!(sink.frames(), 5);
        assert!(sink.write_native(&[]).is_err());
    }
}

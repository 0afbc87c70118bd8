//! Bytes into a file whose header stays true.

use std::io::{self, ErrorKind, Seek, SeekFrom, Write};

use audiox_core::source::SinkError;

use super::chunk::OUR_HEADER;
use super::layout::{Layout, Mark};

/// Buffers data, counts what reached the medium, and keeps the header true.
///
/// Everything is written in order; only the header is sought, once for each second of audio.
#[derive(Debug)]
pub(super) struct Recorder<W: Write + Seek> {
    medium: W,
    name: String,
    layout: Layout,
    buffer: Vec<u8>,
    /// Bytes of data that the medium took.
    written: u64,
    /// Bytes of data taken since the header was last true.
    since_header: usize,
    state: State,
}

#[derive(Debug)]
enum State {
    Open,
    Closed,
    /// What the first failure said.
    Failed(String, ErrorKind, Option<i32>),
}

impl<W: Write + Seek> Recorder<W> {
    /// Writes the header of an empty file.
    pub(super) fn new(medium: W, name: String, layout: Layout) -> Result<Self, SinkError> {
        let mut recorder = Self {
            medium,
            name,
            layout,
            buffer: Vec::with_capacity(BUFFER),
            written: 0,
            since_header: 0,
            state: State::Open,
        };
        match recorder.write_header(Mark::Open) {
            Ok(()) => Ok(recorder),
            Err(source) => {
                recorder.state = State::Closed;
                let what = recorder.name.clone();
                Err(SinkError::Io { what, source })
            }
        }
    }

    pub(super) fn layout(&self) -> Layout {
        self.layout
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Frames taken, those in the buffer included.
    pub(super) fn frames(&self) -> u64 {
        (self.written + self.buffer.len() as u64) / self.layout.frame_bytes() as u64
    }

    /// Takes whole frames.
    pub(super) fn put(&mut self, mut bytes: &[u8]) -> Result<(), SinkError> {
        self.check()?;
        let second = self.layout.format.rate.get() as usize * self.layout.frame_bytes();
        while !bytes.is_empty() {
            let now;
            (now, bytes) = bytes.split_at(bytes.len().min(second - self.since_header));
            self.append(now)?;
            self.since_header += now.len();
            if self.since_header == second {
                self.refresh()?;
            }
        }
        Ok(())
    }

    /// Hands everything to the medium and makes the header true.
    pub(super) fn refresh(&mut self) -> Result<(), SinkError> {
        self.check()?;
        self.drain()?;
        let outcome = self.write_header(Mark::Open);
        self.settle(outcome)?;
        self.since_header = 0;
        Ok(())
    }

    /// As [`refresh`](Self::refresh), and flushes the medium.
    pub(super) fn flush(&mut self) -> Result<(), SinkError> {
        self.refresh()?;
        let outcome = self.medium.flush();
        self.settle(outcome)
    }

    /// Closes the file: no mark, and a pad byte where the data's length is odd.
    pub(super) fn close(&mut self) -> Result<(), SinkError> {
        if matches!(self.state, State::Closed) {
            return Ok(());
        }
        self.check()?;
        self.drain()?;
        let outcome = self.close_medium();
        self.settle(outcome)?;
        self.state = State::Closed;
        Ok(())
    }

    fn close_medium(&mut self) -> io::Result<()> {
        if self.written % 2 == 1 {
            self.medium.write_all(&[0])?;
        }
        self.write_header(Mark::Closed)?;
        self.medium.flush()
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), SinkError> {
        if self.buffer.len() + bytes.len() > BUFFER {
            self.drain()?;
        }
        if bytes.len() < BUFFER {
            self.buffer.extend_from_slice(bytes);
            return Ok(());
        }
        let outcome = write_counted(&mut self.medium, bytes, &mut self.written);
        self.settle(outcome)
    }

    fn drain(&mut self) -> Result<(), SinkError> {
        let outcome = write_counted(&mut self.medium, &self.buffer, &mut self.written);
        self.buffer.clear();
        self.settle(outcome)
    }

    /// Writes the header for what the medium holds, and returns to the end.
    fn write_header(&mut self, mark: Mark) -> io::Result<()> {
        let frames = self.written / self.layout.frame_bytes() as u64;
        self.medium.rewind()?;
        self.medium.write_all(&self.layout.header(frames, mark))?;
        let end = OUR_HEADER + self.written;
        self.medium.seek(SeekFrom::Start(end)).map(|_| ())
    }

    fn check(&self) -> Result<(), SinkError> {
        match &self.state {
            State::Open => Ok(()),
            State::Closed => Err(SinkError::Unsupported(format!(
                "{}: the recording is closed; nothing more can be written",
                self.name
            ))),
            State::Failed(what, kind, code) => Err(SinkError::Io {
                what: what.clone(),
                source: code.map_or_else(|| (*kind).into(), io::Error::from_raw_os_error),
            }),
        }
    }

    /// After a failure nothing more is written but a header that fits what the medium took: a full
    /// disk still lets what is there be overwritten.
    fn settle(&mut self, outcome: io::Result<()>) -> Result<(), SinkError> {
        let Err(source) = outcome else {
            return Ok(());
        };
        self.buffer.clear();
        let frames = self.written / self.layout.frame_bytes() as u64;
        let kept = self.layout.format.rate.duration_of(frames).as_secs_f64();
        let what = match self.write_header(Mark::Closed) {
            Ok(()) => format!(
                "{}: recording stopped; the first {kept:.3} s ({frames} frames) are kept",
                self.name
            ),
            Err(_) => format!(
                "{}: recording stopped; about the first {kept:.3} s are kept, the header is out of \
                 date",
                self.name
            ),
        };
        self.state = State::Failed(what.clone(), source.kind(), source.raw_os_error());
        Err(SinkError::Io { what, source })
    }
}

impl<W: Write + Seek> Drop for Recorder<W> {
    fn drop(&mut self) {
        // Whoever wants to know calls `finish`.
        let _ = self.close();
    }
}

/// `write_all` that knows how far it came.
fn write_counted<W: Write>(medium: &mut W, mut bytes: &[u8], count: &mut u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match medium.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(n) => {
                *count += n as u64;
                bytes = bytes.get(n..).unwrap_or_default();
            }
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

const BUFFER: usize = 64 * 1024;

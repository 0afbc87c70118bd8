//! A WAV file as a source.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use audiox_core::codec::g711;
use audiox_core::convert::{self, FLOAT_LIMIT};
use audiox_core::format::{Endian, PcmFormat, StreamFormat};
use audiox_core::source::{Source, SourceClock, SourceError};

use super::fmt::Coding;
use super::header::{Fault, Header};

/// A WAV file (RIFF, RF64, BW64), read from disk as it is needed.
///
/// Memory is 64 KiB of read-ahead and 64 KiB for conversion, whatever the file's length. What is
/// read and how damaged headers are treated is told in the [module](super).
pub struct WavSource<R: Read + Seek = File> {
    reader: BufReader<R>,
    name: String,
    header: Header,
    /// Frames read so far, counted from the start of the data.
    frame: u64,
    scratch: Box<[u8]>,
}

impl WavSource<File> {
    /// Opens a file.
    ///
    /// # Errors
    /// [`SourceError::Io`] where the system refuses, otherwise as [`new`](Self::new). Each names
    /// the file.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, SourceError> {
        let path = path.as_ref();
        let name = path.display().to_string();
        match File::open(path) {
            Ok(file) => Self::new(file, name),
            Err(source) => Err(SourceError::Io { what: name, source }),
        }
    }
}

impl<R: Read + Seek> WavSource<R> {
    /// A WAV file in anything that can be read and sought; `name` stands in messages.
    ///
    /// # Errors
    /// [`SourceError::Malformed`] where the header contradicts itself or there is no whole frame of
    /// audio, [`SourceError::Unsupported`] where it is not a WAV file or of a coding that is not
    /// read, [`SourceError::Io`] where reading fails.
    pub fn new(reader: R, name: impl Into<String>) -> Result<Self, SourceError> {
        let name = name.into();
        let mut reader = BufReader::with_capacity(BUFFER, reader);
        let header = match Header::read(&mut reader) {
            Ok(header) => header,
            Err(Fault::Io(source)) => return Err(SourceError::Io { what: name, source }),
            Err(Fault::Content(e)) => return Err(named(&name, e)),
        };
        let mut source = Self {
            reader,
            name,
            header,
            frame: 0,
            scratch: vec![0; BUFFER].into(),
        };
        let start = SeekFrom::Start(source.header.data_start);
        let sought = source.reader.seek(start);
        sought.map_err(|e| source.io(e))?;
        Ok(source)
    }

    /// The file's name, as in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What was wrong with the header, and what is used instead; a sentence each, without the
    /// file's name. Empty for a sound file.
    pub fn notices(&self) -> &[String] {
        &self.header.notices
    }

    /// Frames in the file.
    pub fn frames(&self) -> u64 {
        self.header.frames
    }

    /// Bits of each sample that carry audio; less than the container's where the header says so.
    pub fn valid_bits(&self) -> u16 {
        self.header.fmt.valid_bits
    }

    fn left(&self) -> u64 {
        self.header.frames - self.frame
    }

    /// How many of `wanted` frames there are.
    fn available(&self, wanted: usize) -> usize {
        usize::try_from(self.left()).map_or(wanted, |left| left.min(wanted))
    }

    /// Counts frames as read, or goes back to where a failed read began.
    fn advance(&mut self, frames: usize, outcome: io::Result<()>) -> Result<(), SourceError> {
        match outcome {
            Ok(()) => self.frame += frames as u64,
            Err(e) => {
                let at = self.header.data_start + self.frame * self.header.fmt.frame_bytes() as u64;
                // Should this fail too, the next read tells.
                let _ = self.reader.seek(SeekFrom::Start(at));
                return Err(self.io(e));
            }
        }
        Ok(())
    }

    fn io(&self, source: io::Error) -> SourceError {
        if source.kind() == io::ErrorKind::UnexpectedEof {
            return SourceError::Malformed(format!(
                "{}: the file became shorter while it was read: frame {} of {} is missing",
                self.name, self.frame, self.header.frames
            ));
        }
        SourceError::Io {
            what: self.name.clone(),
            source,
        }
    }
}

impl<R: Read + Seek + Send> Source for WavSource<R> {
    fn format(&self) -> StreamFormat {
        self.header.fmt.format
    }

    fn clock(&self) -> SourceClock {
        SourceClock::None
    }

    fn frames_left(&self) -> Option<u64> {
        Some(self.left())
    }

    fn read(&mut self, out: &mut [f32]) -> Result<usize, SourceError> {
        let channels = self.format().channels.get();
        let frames = self.available(out.len() / channels);
        let coding = self.header.fmt.coding;
        let per_turn = self.scratch.len() / self.header.fmt.frame_bytes();
        let mut done = 0;
        while done < frames {
            let now = per_turn.min(frames - done);
            let bytes = &mut self.scratch[..now * self.header.fmt.frame_bytes()];
            let outcome = self.reader.read_exact(bytes);
            decode(coding, bytes, &mut out[done * channels..][..now * channels]);
            self.advance(now, outcome)?;
            done += now;
        }
        Ok(frames)
    }

    fn native(&self) -> Option<PcmFormat> {
        match self.header.fmt.coding {
            Coding::Pcm(sample) => Some(PcmFormat::new(sample, Endian::Little)),
            Coding::F64 | Coding::ALaw | Coding::MuLaw => None,
        }
    }

    fn read_native(&mut self, out: &mut [u8]) -> Result<usize, SourceError> {
        if self.native().is_none() {
            return Err(SourceError::Unsupported(format!(
                "{}: its samples cannot be handed over untouched; read them as f32",
                self.name
            )));
        }
        let frame_bytes = self.header.fmt.frame_bytes();
        let frames = self.available(out.len() / frame_bytes);
        let bytes = frames * frame_bytes;
        let outcome = self.reader.read_exact(&mut out[..bytes]);
        self.advance(frames, outcome)?;
        Ok(bytes)
    }

    fn seek(&mut self, frame: u64) -> Result<(), SourceError> {
        let frame = frame.min(self.header.frames);
        // Relative, so that a short way keeps the read-ahead. Both products lie within the file,
        // whose length the system counts in an i64.
        let by = (frame as i64 - self.frame as i64) * self.header.fmt.frame_bytes() as i64;
        let sought = self.reader.seek_relative(by);
        sought.map_err(|e| self.io(e))?;
        self.frame = frame;
        Ok(())
    }
}

impl<R: Read + Seek> fmt::Debug for WavSource<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WavSource")
            .field("name", &self.name)
            .field("header", &self.header)
            .field("frame", &self.frame)
            .finish_non_exhaustive()
    }
}

fn decode(coding: Coding, bytes: &[u8], out: &mut [f32]) {
    match coding {
        Coding::Pcm(sample) => {
            convert::decode(PcmFormat::new(sample, Endian::Little), bytes, out);
        }
        Coding::F64 => {
            for (bytes, out) in bytes.as_chunks().0.iter().zip(out) {
                let x = f64::from_le_bytes(*bytes) as f32;
                *out = if x.is_nan() {
                    0.0
                } else {
                    x.clamp(-FLOAT_LIMIT, FLOAT_LIMIT)
                };
            }
        }
        Coding::ALaw => {
            g711::decode_alaw(bytes, out);
        }
        Coding::MuLaw => {
            g711::decode_mulaw(bytes, out);
        }
    }
}

/// The error with the file's name before it.
fn named(name: &str, e: SourceError) -> SourceError {
    match e {
        SourceError::Malformed(text) => SourceError::Malformed(format!("{name}: {text}")),
        SourceError::Unsupported(text) => SourceError::Unsupported(format!("{name}: {text}")),
        other => other,
    }
}

/// Bytes read ahead, and bytes converted at a time; holds a frame of any format.
const BUFFER: usize = 64 * 1024;

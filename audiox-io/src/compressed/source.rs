use std::fmt;
use std::fs::File;
use std::io::Cursor;
use std::path::Path;

use audiox_core::convert::{self, FLOAT_LIMIT};
use audiox_core::format::{Endian, PcmFormat, SampleFormat, StreamFormat};
use audiox_core::source::{Source, SourceClock, SourceError};
use bytes::Bytes;
use symphonia::core::errors::Error;
use symphonia::core::io::{MediaSource, MediaSourceStream};
use symphonia::core::packet::Packet;

use super::demuxer::Demuxer;
use super::matroska::MatroskaFormat;
use super::mp4::{Edit, read_edit, read_layout};
use super::ogg::is_chained;
use super::uncut::Uncut;
use crate::kind::FileKind;
use crate::matroska::MatroskaReader;

/// A FLAC, MP3, Ogg Vorbis or AAC file, decoded as it is read. The [module](super) tells how.
///
/// Memory is some packets, whatever the file's length, and in MP4 its tables.
pub struct CompressedSource {
    name: String,
    kind: FileKind,
    format: StreamFormat,
    /// Bits of the samples where the coding keeps them.
    bits: Option<u32>,
    notices: Vec<String>,
    demuxer: Demuxer,
    /// Frames of silence that the encoder put before the audio.
    delay: u64,
    /// Frames of audio.
    length: u64,
    /// Frames of audio handed over.
    frame: u64,
    /// The place in what is decoded, silence of the encoder included, behind all that waits.
    decoded: u64,
    /// Decoded samples, and how many of them are handed over.
    samples: Vec<f32>,
    taken: usize,
    /// Frames of silence to hand over before the next packet.
    silence: u64,
    /// Frames that became silence, and where the first of them is.
    damage: Damage,
    ended: bool,
    scratch: Vec<f32>,
}

/// Whose word counts for how long a file is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Length {
    /// The header's, where it is one.
    Told,
    /// The packets'.
    Counted,
}

#[derive(Debug, Clone, Copy, Default)]
struct Damage {
    frames: u64,
    first: Option<u64>,
    /// Packets in a row that could not be decoded.
    streak: u32,
    told: bool,
}

impl CompressedSource {
    /// Opens a file.
    ///
    /// # Errors
    /// [`SourceError::Io`] where the system refuses, [`SourceError::Unsupported`] where it is of
    /// another kind, [`SourceError::Malformed`] where it is damaged so that nothing can be read.
    /// Each names the file.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, SourceError> {
        let path = path.as_ref();
        let name = path.display().to_string();
        match (File::open(path), File::open(path)) {
            // The edit list is read beside the demuxer, which does not show it.
            (Ok(file), Ok(beside)) => Self::new(file, beside, name, Length::Told),
            (Err(source), _) | (_, Err(source)) => Err(SourceError::Io { what: name, source }),
        }
    }

    /// A file that is in memory; `name` stands in messages.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn from_bytes(bytes: Vec<u8>, name: impl Into<String>) -> Result<Self, SourceError> {
        let bytes = Bytes::from(bytes);
        Self::new(
            Cursor::new(bytes.clone()),
            Cursor::new(bytes),
            name.into(),
            Length::Told,
        )
    }

    /// A file that is in memory and may have been cut: its length is that of the packets that are there,
    /// which are counted, whatever its header says. `name` stands in messages.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn counted(bytes: Bytes, name: impl Into<String>) -> Result<Self, SourceError> {
        Self::new(
            Cursor::new(bytes.clone()),
            Cursor::new(bytes),
            name.into(),
            Length::Counted,
        )
    }

    fn new<S>(source: S, mut beside: S, name: String, length: Length) -> Result<Self, SourceError>
    where
        S: MediaSource + 'static,
    {
        let io = |source| io_error(&name, source);
        let kind = FileKind::of(&mut beside).map_err(io)?;
        if matches!(kind, FileKind::Wav | FileKind::OggOpus | FileKind::Other(_)) {
            return Err(SourceError::Unsupported(format!(
                "{name}: this is {kind}, and neither FLAC, MP3, Vorbis nor AAC"
            )));
        }
        if matches!(kind, FileKind::OggVorbis | FileKind::OggFlac)
            && is_chained(&mut beside).map_err(io)?
        {
            return Err(SourceError::Unsupported(format!(
                "{name}: several streams are chained in this {kind} file; split it"
            )));
        }
        let stream =
            |source: Box<dyn MediaSource>| MediaSourceStream::new(source, Default::default());
        let mut notices = Vec::new();
        let mut edit = Edit::default();
        let demuxer = match kind {
            FileKind::Matroska | FileKind::WebM => {
                let reader = MatroskaReader::new(stream(Box::new(source)), name.as_str())?;
                notices.extend_from_slice(reader.notices());
                edit.delay = reader.track().delay();
                Demuxer::of(Box::new(MatroskaFormat::new(reader)?))
            }
            FileKind::Mp4 => {
                let layout = read_layout(&mut beside).map_err(io)?;
                if !layout.has_movie {
                    return Err(SourceError::Malformed(format!(
                        "{name}: this MP4 recording was cut before its index (moov), which tells \
                         where its audio lies; nothing of it can be read"
                    )));
                }
                Demuxer::new(stream(Box::new(Uncut::new(source, layout.end))))
            }
            _ => Demuxer::new(stream(Box::new(source))),
        };
        let mut demuxer = demuxer.map_err(|e| fault(&name, kind, &e))?;
        let kind = match kind {
            // Something lies before the audio; the demuxer has searched.
            FileKind::Unknown => demuxer.kind(),
            known => known,
        };
        let told = demuxer.told();
        let (format, bits) = demuxer.format(&name, kind)?;
        if kind == FileKind::Mp4 {
            edit = read_edit(&mut beside, format.rate.get()).map_err(io)?;
        }
        let delay = edit.delay + u64::from(told.delay);
        let is_counted = match kind {
            FileKind::Mp3 | FileKind::Aac => true,
            // Its packets have been counted.
            FileKind::Matroska | FileKind::WebM => false,
            _ => length == Length::Counted || told.frames.is_none_or(|frames| frames == 0),
        };
        let length = match told.frames {
            _ if is_counted => {
                let all = demuxer.count().map_err(|e| fault(&name, kind, &e))?;
                demuxer.rewind().map_err(|e| fault(&name, kind, &e))?;
                let there = all.saturating_sub(delay);
                let is_told = told.has_tag || !matches!(kind, FileKind::Mp3 | FileKind::Aac);
                // MP4's header counts the encoder's silence too.
                let told_there = told.frames.map(|n| match kind {
                    FileKind::Mp4 => n.saturating_sub(delay),
                    _ => n,
                });
                match told_there.filter(|n| is_told && *n > 0) {
                    Some(frames) if frames > there => {
                        notices.push(format!(
                            "the header says {frames} frames, but there are {there}"
                        ));
                        there
                    }
                    Some(frames) if told.has_tag => frames,
                    _ => there,
                }
            }
            all => all.unwrap_or(0).saturating_sub(delay),
        };
        let length = match edit.length {
            Some(edit) if edit.frames.saturating_add(edit.unsure) <= length => edit.frames,
            _ => length,
        };
        if length == 0 {
            return Err(SourceError::Malformed(format!(
                "{name}: no audio in this {kind} file"
            )));
        }
        Ok(Self {
            name,
            kind,
            format,
            bits,
            notices,
            demuxer,
            delay,
            length,
            frame: 0,
            decoded: 0,
            samples: Vec::new(),
            taken: 0,
            silence: 0,
            damage: Damage::default(),
            ended: false,
            scratch: Vec::new(),
        })
    }

    /// The file's name, as in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the file is.
    pub fn kind(&self) -> FileKind {
        self.kind
    }

    /// What is odd about it and what was made of it, a sentence each, without the file's name.
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    /// Frames in the file.
    pub fn frames(&self) -> u64 {
        self.length
    }

    /// How it is coded, for people.
    pub fn codec(&self) -> &'static str {
        self.demuxer.codec()
    }

    /// Whether samples are stored as they stand.
    pub fn is_pcm(&self) -> bool {
        self.demuxer.is_pcm()
    }

    /// The sample format that keeps all of it: integers for FLAC and PCM of integers, floats for
    /// the others.
    pub fn sample(&self) -> SampleFormat {
        match self.bits {
            Some(..=16) => SampleFormat::S16,
            Some(..=24) => SampleFormat::S24,
            Some(_) => SampleFormat::S32,
            None => SampleFormat::F32,
        }
    }

    fn pending(&self) -> usize {
        (self.samples.len() - self.taken) / self.format.channels.get()
    }

    /// Takes what is decoded until there is something to hand over; `false` at the end.
    fn advance(&mut self) -> Result<bool, SourceError> {
        while self.pending() == 0 && self.silence == 0 {
            if self.ended {
                return Ok(false);
            }
            let packet = match self.demuxer.next() {
                Ok(Some(packet)) => packet,
                Ok(None) => {
                    self.ended = true;
                    break;
                }
                Err(e) => return Err(self.broken(&e)),
            };
            self.decode(&packet)?;
        }
        self.trim();
        Ok(true)
    }

    fn decode(&mut self, packet: &Packet) -> Result<(), SourceError> {
        let channels = self.format.channels.get();
        self.samples.clear();
        self.taken = 0;
        let at = self.demuxer.place(packet);
        match self.demuxer.decoder.decode(packet) {
            Ok(audio) => {
                let (rate, count) = (audio.spec().rate(), audio.spec().channels().count());
                if audio.frames() > 0 && (rate, count) != (self.format.rate.get(), channels) {
                    return Err(SourceError::Unsupported(format!(
                        "{}: from frame {} on it has {count} channels at {rate} Hz instead of {}; \
                         such files have to be split",
                        self.name, self.decoded, self.format
                    )));
                }
                audio.copy_to_vec_interleaved(&mut self.samples);
                self.demuxer.usual = (self.samples.len() / channels) as u64;
                self.damage.streak = 0;
            }
            // Damage can look like a feature of AAC that is not supported.
            Err(e)
                if matches!(e, Error::DecodeError(_) | Error::IoError(_))
                    || matches!(e, Error::Unsupported(_)) && self.decoded > 0 =>
            {
                self.damage.streak += 1;
                if self.damage.streak > MAX_STREAK {
                    return Err(SourceError::Malformed(format!(
                        "{}: damaged: nothing can be decoded from frame {} on",
                        self.name, self.frame
                    )));
                }
                // The first packets of a cut MP3 file refer to what was cut off.
                if self.decoded > 0 || self.kind != FileKind::Mp3 {
                    self.damaged(self.demuxer.usual);
                }
                self.silence = self.demuxer.usual;
            }
            Err(e) => return Err(self.broken(&e)),
        }
        // Where the container counts frames, what is missing between packets is seen.
        if let Some(missing) = at.and_then(|at| at.checked_sub(self.decoded))
            && !self.samples.is_empty()
            && (1..=self.end().saturating_sub(self.decoded)).contains(&missing)
        {
            self.damaged(missing);
            self.silence += missing;
        }
        self.decoded += self.silence + (self.samples.len() / channels) as u64;
        Ok(())
    }

    fn damaged(&mut self, frames: u64) {
        self.damage.frames += frames;
        self.damage
            .first
            .get_or_insert_with(|| self.decoded.saturating_sub(self.delay));
    }

    fn end(&self) -> u64 {
        self.delay.saturating_add(self.length)
    }

    /// Cuts off what lies before the next frame to hand over. Silence comes before samples.
    fn trim(&mut self) {
        let waiting = self.silence + self.pending() as u64;
        let wanted = self.delay + self.frame;
        let mut early = wanted.saturating_sub(self.decoded - waiting);
        let silent = early.min(self.silence);
        self.silence -= silent;
        early = (early - silent).min(self.pending() as u64);
        self.taken += early as usize * self.format.channels.get();
    }

    fn broken(&self, e: &Error) -> SourceError {
        match e {
            Error::IoError(e) if e.kind() != std::io::ErrorKind::UnexpectedEof => SourceError::Io {
                what: self.name.clone(),
                source: std::io::Error::new(e.kind(), e.to_string()),
            },
            e => SourceError::Malformed(format!(
                "{}: damaged at frame {} of {}: {e}",
                self.name, self.frame, self.length
            )),
        }
    }

    /// What is said at the end, once: that something was missing.
    fn complaint(&mut self) -> Option<SourceError> {
        if std::mem::replace(&mut self.damage.told, true) {
            return None;
        }
        if self.frame < self.length {
            return Some(SourceError::Malformed(format!(
                "{}: the file is cut: it ends after frame {} of {}",
                self.name, self.frame, self.length
            )));
        }
        let first = self.damage.first?;
        Some(SourceError::Malformed(format!(
            "{}: damaged: {} frames could not be decoded and were silent, the first at frame {first}",
            self.name, self.damage.frames
        )))
    }
}

impl Source for CompressedSource {
    fn format(&self) -> StreamFormat {
        self.format
    }

    fn clock(&self) -> SourceClock {
        SourceClock::None
    }

    fn frames_left(&self) -> Option<u64> {
        // An end that has something to say must be read to be heard.
        let unsaid = u64::from(self.damage.first.is_some() && !self.damage.told);
        Some((self.length - self.frame).max(unsaid))
    }

    fn read(&mut self, out: &mut [f32]) -> Result<usize, SourceError> {
        let channels = self.format.channels.get();
        let wanted = (out.len() / channels) as u64;
        let frames = wanted.min(self.length - self.frame);
        let mut done = 0;
        while done < frames {
            match self.advance() {
                Ok(true) => {}
                Ok(false) => break,
                // What was read before stays read; the same error comes again.
                Err(_) if done > 0 => break,
                Err(e) => return Err(e),
            }
            let rest = &mut out[done as usize * channels..frames as usize * channels];
            let silent = self.silence.min(frames - done);
            rest[..silent as usize * channels].fill(0.0);
            self.silence -= silent;
            let mut now = silent;
            if self.silence == 0 {
                let rest = &mut rest[silent as usize * channels..];
                let samples = &self.samples[self.taken..];
                let len = samples.len().min(rest.len());
                rest[..len].copy_from_slice(&samples[..len]);
                self.taken += len;
                now += (len / channels) as u64;
            }
            done += now;
            self.frame += now;
        }
        if done == 0
            && wanted > 0
            && let Some(complaint) = self.complaint()
        {
            return Err(complaint);
        }
        clean(&mut out[..done as usize * channels]);
        Ok(done as usize)
    }

    fn native(&self) -> Option<PcmFormat> {
        // A float holds 24 bits; integers of more are handed over as floats.
        let sample = match self.bits? {
            ..=16 => SampleFormat::S16,
            17..=24 => SampleFormat::S24,
            _ => return None,
        };
        Some(PcmFormat::new(sample, Endian::Little))
    }

    fn read_native(&mut self, out: &mut [u8]) -> Result<usize, SourceError> {
        let Some(pcm) = self.native() else {
            return Err(SourceError::Unsupported(format!(
                "{}: its samples cannot be handed over untouched; read them as f32",
                self.name
            )));
        };
        let channels = self.format.channels;
        let frames = out.len() / pcm.frame_bytes(channels);
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.resize(frames.min(NATIVE_FRAMES) * channels.get(), 0.0);
        let read = self.read(&mut scratch);
        let bytes =
            read.map(|frames| convert::encode(pcm, &scratch[..frames * channels.get()], out));
        self.scratch = scratch;
        bytes
    }

    fn seek(&mut self, frame: u64) -> Result<(), SourceError> {
        let frame = frame.min(self.length);
        let target = self.delay + frame;
        // Overlaps and MP3's reservoir need some packets before the place.
        let from = target.saturating_sub(RUN_UP);
        let sought = if from < RUN_UP || frame == self.length {
            self.demuxer.rewind().map(|()| 0)
        } else {
            self.demuxer.seek(from)
        };
        self.decoded = sought.map_err(|e| self.broken(&e))?;
        self.samples.clear();
        (self.taken, self.silence, self.frame) = (0, 0, frame);
        self.ended = frame == self.length;
        self.damage = Damage::default();
        Ok(())
    }
}

impl fmt::Debug for CompressedSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompressedSource")
            .field("name", &self.name)
            .field("kind", &self.kind)
            .field("format", &self.format)
            .field("length", &self.length)
            .field("frame", &self.frame)
            .finish_non_exhaustive()
    }
}

/// What cannot be heard or would hurt, a damaged file may hold.
fn clean(samples: &mut [f32]) {
    for s in samples {
        *s = if s.is_nan() {
            0.0
        } else {
            s.clamp(-FLOAT_LIMIT, FLOAT_LIMIT)
        };
    }
}

fn io_error(name: &str, source: std::io::Error) -> SourceError {
    let what = name.to_owned();
    SourceError::Io { what, source }
}

/// Why a file could not be opened.
fn fault(name: &str, kind: FileKind, e: &Error) -> SourceError {
    match e {
        Error::IoError(e) if e.kind() != std::io::ErrorKind::UnexpectedEof => {
            io_error(name, std::io::Error::new(e.kind(), e.to_string()))
        }
        Error::IoError(_) => SourceError::Malformed(format!(
            "{name}: this {kind} file ends before its first audio"
        )),
        Error::Unsupported(what) if kind == FileKind::Unknown => SourceError::Unsupported(format!(
            "{name}: no audio file that is known here ({what}); {} are read",
            FileKind::READ
        )),
        Error::Unsupported(what) => SourceError::Unsupported(format!(
            "{name}: a {kind} file of a sort that is not read here: {what}"
        )),
        e => SourceError::Malformed(format!("{name}: this {kind} file is damaged: {e}")),
    }
}

/// Frames before a place that are decoded for it: more than MP3's reservoir and two of Vorbis'
/// longest blocks hold.
const RUN_UP: u64 = 3 * 8_192;
/// Packets in a row that may fail.
const MAX_STREAK: u32 = 100;
/// Frames converted at a time.
const NATIVE_FRAMES: usize = 8_192;

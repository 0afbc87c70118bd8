//! Opus in MP4, as browsers record it.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Cursor, SeekFrom};
use std::path::Path;

use audiox_core::source::SourceError;
use bytes::Bytes;
use symphonia::core::codecs::audio::well_known::CODEC_ID_OPUS;
use symphonia::core::errors::Error;
use symphonia::core::formats::{FormatReader, TrackType};
use symphonia::core::io::{MediaSource, MediaSourceStream};

use super::demuxer::probe;
use super::mp4::read_layout;
use super::uncut::Uncut;
use crate::ogg::{ChannelMapping, OpusEvent, OpusHead, packet_ticks};
use crate::opus::OpusPackets;

/// The packets of an MP4 file whose audio is Opus, as a whole or in fragments.
///
/// It is read through once when it is opened, so its length is that of the packets that are there. To
/// seek is to read packets up to there.
pub struct Mp4Opus {
    name: String,
    reader: Option<Box<dyn FormatReader>>,
    track: u32,
    head: OpusHead,
    notices: Vec<String>,
    /// Ticks of all packets.
    end: u64,
    /// Ticks before the next packet.
    at: u64,
    /// Ticks before this are not heard.
    from: u64,
    waiting: VecDeque<OpusEvent>,
}

impl Mp4Opus {
    /// Opens a file; `None` where its audio is not Opus.
    ///
    /// # Errors
    /// [`SourceError::Io`] where the system refuses; otherwise as [`from_bytes`](Self::from_bytes).
    pub fn open(path: impl AsRef<Path>) -> Result<Option<Self>, SourceError> {
        let path = path.as_ref();
        let name = path.display().to_string();
        match std::fs::File::open(path) {
            Ok(file) => Self::new(file, name),
            Err(source) => Err(SourceError::Io { what: name, source }),
        }
    }

    /// A file in memory; `None` where its audio is not Opus, or it has no index. `name` stands in
    /// messages.
    ///
    /// # Errors
    /// [`SourceError::Malformed`] where there is no packet in it.
    pub fn from_bytes(bytes: Bytes, name: impl Into<String>) -> Result<Option<Self>, SourceError> {
        Self::new(Cursor::new(bytes), name.into())
    }

    fn new(
        mut source: impl MediaSource + 'static,
        name: String,
    ) -> Result<Option<Self>, SourceError> {
        let io = |source| SourceError::Io {
            what: name.clone(),
            source,
        };
        let layout = read_layout(&mut source).map_err(io)?;
        source.seek(SeekFrom::Start(0)).map_err(io)?;
        // What cannot be opened is told by who reads the other codings.
        let source = Box::new(Uncut::new(source, layout.end));
        let stream = MediaSourceStream::new(source, Default::default());
        let Some(reader) = probe(stream).ok().filter(|_| layout.has_movie) else {
            return Ok(None);
        };
        let track = reader.default_track(TrackType::Audio);
        let params = track.and_then(|t| Some((t.id, t.codec_params.as_ref()?.audio()?)));
        let Some((track, params)) = params.filter(|(_, p)| p.codec == CODEC_ID_OPUS) else {
            return Ok(None);
        };
        let Some(head) = params.extra_data.as_deref().and_then(head) else {
            return Err(SourceError::Malformed(format!(
                "{name}: its Opus header is damaged"
            )));
        };
        let mut this = Self {
            name,
            reader: Some(reader),
            track,
            head,
            notices: Vec::new(),
            end: 0,
            at: 0,
            from: 0,
            waiting: VecDeque::new(),
        };
        while let Some(packet) = this.packet()? {
            this.end += u64::from(packet_ticks(&packet).unwrap_or(0));
        }
        if this.length() == 0 {
            let name = this.name;
            return Err(SourceError::Malformed(format!(
                "{name}: there is no audio in it"
            )));
        }
        this.seek(0)?;
        Ok(Some(this))
    }

    fn packet(&mut self) -> Result<Option<Box<[u8]>>, SourceError> {
        let Some(reader) = &mut self.reader else {
            return Ok(None);
        };
        loop {
            match reader.next_packet() {
                Ok(Some(packet)) if packet.track_id == self.track => return Ok(Some(packet.data)),
                Ok(Some(_)) => {}
                Ok(None) => return Ok(None),
                Err(Error::IoError(e)) if e.kind() != io::ErrorKind::UnexpectedEof => {
                    let what = self.name.clone();
                    return Err(SourceError::Io { what, source: e });
                }
                // It was cut, or is damaged from here on.
                Err(_) => return Ok(None),
            }
        }
    }

    fn rewind(&mut self) -> Result<(), SourceError> {
        let Some(reader) = self.reader.take() else {
            return Ok(());
        };
        let mut stream = reader.into_inner();
        let sought = io::Seek::seek(&mut stream, SeekFrom::Start(0));
        sought.map_err(|source| SourceError::Io {
            what: self.name.clone(),
            source,
        })?;
        self.reader = probe(stream).ok();
        self.at = 0;
        Ok(())
    }
}

impl OpusPackets for Mp4Opus {
    fn name(&self) -> &str {
        &self.name
    }

    fn head(&self) -> &OpusHead {
        &self.head
    }

    fn notices(&self) -> &[String] {
        &self.notices
    }

    fn length(&self) -> u64 {
        self.end.saturating_sub(self.head.pre_skip.into())
    }

    fn next_event(&mut self) -> Result<Option<OpusEvent>, SourceError> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Ok(Some(event));
            }
            let Some(data) = self.packet()? else {
                return Ok(None);
            };
            let Some(ticks) = packet_ticks(&data) else {
                continue;
            };
            let first = self.at;
            self.at += u64::from(ticks);
            if self.at + PRE_ROLL <= self.from || first >= self.end {
                continue;
            }
            self.waiting.push_back(OpusEvent::Packet {
                data: data.into_vec(),
                ticks,
                skip: self.from.saturating_sub(first).min(ticks.into()) as u32,
                trim: 0,
            });
        }
    }

    fn seek(&mut self, tick: u64) -> Result<(), SourceError> {
        self.waiting.clear();
        self.from = u64::from(self.head.pre_skip) + tick.min(self.length());
        self.rewind()
    }
}

impl fmt::Debug for Mp4Opus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mp4Opus")
            .field("name", &self.name)
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

/// The header out of the box `dOps`, behind the mark that Ogg has before it: the same fields, but of version
/// 0 and with the most significant byte first ("Encapsulation of Opus in ISO Base Media File
/// Format" section 4.3.2).
fn head(extra: &[u8]) -> Option<OpusHead> {
    let body = extra.strip_prefix(b"OpusHead")?;
    let fixed = body.first_chunk::<11>()?;
    let (channels, family) = (fixed[1], fixed[10]);
    let mapping = match family {
        0 => ChannelMapping::single(channels)?,
        1 | 255 => {
            let table = body.get(13..13 + usize::from(channels))?;
            ChannelMapping::new(family, body[11], body[12], table)?
        }
        _ => return None,
    };
    let pre_skip = u16::from_be_bytes([fixed[2], fixed[3]]);
    let rate = u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]);
    let mut head = OpusHead::new(mapping, pre_skip, rate);
    head.gain = i16::from_be_bytes([fixed[8], fixed[9]]);
    Some(head)
}

/// 80 ms, from which on a decoder cannot be told from one that heard everything.
const PRE_ROLL: u64 = 3_840;

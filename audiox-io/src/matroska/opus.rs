//! A track of Opus as [`OpusPackets`].

use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;

use audiox_core::source::SourceError;

use super::reader::{MatroskaEvent, MatroskaPacket, MatroskaReader};
use super::track::TrackCodec;
use crate::ogg::{OpusEvent, OpusHead};
use crate::opus::OpusPackets;

/// The packets of a WebM or Matroska file whose audio is Opus.
pub struct MatroskaOpus<R: Read + Seek = File> {
    reader: MatroskaReader<R>,
    heads: Vec<OpusHead>,
    /// The recording that is being read.
    link: usize,
    /// The tick that the next packet begins with, where no hole is.
    at: u64,
    /// Ticks before this are not heard.
    from: u64,
    waiting: VecDeque<OpusEvent>,
    ended: bool,
}

impl MatroskaOpus<File> {
    /// Opens a file.
    ///
    /// # Errors
    /// As [`new`](Self::new), and [`SourceError::Io`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, SourceError> {
        Self::of(MatroskaReader::open(path)?)
    }
}

impl<R: Read + Seek> MatroskaOpus<R> {
    /// A file in anything that can be read and sought; `name` stands in messages.
    ///
    /// # Errors
    /// As [`MatroskaReader::new`], and [`SourceError::Unsupported`] where its audio is not Opus.
    pub fn new(reader: R, name: impl Into<String>) -> Result<Self, SourceError> {
        Self::of(MatroskaReader::new(reader, name)?)
    }

    /// The packets of a file that is open.
    ///
    /// # Errors
    /// [`SourceError::Unsupported`] where its audio is not Opus, or channels are mapped in a way
    /// that is not known.
    pub fn of(reader: MatroskaReader<R>) -> Result<Self, SourceError> {
        let unsupported =
            |text: String| SourceError::Unsupported(format!("{}: {text}", reader.name()));
        let mut heads = Vec::new();
        for link in reader.links() {
            let TrackCodec::Opus(head) = &link.track.codec else {
                return Err(unsupported(format!(
                    "its audio is {}, not Opus",
                    link.track.codec_id
                )));
            };
            let family = head.mapping.family();
            if !matches!(family, 0 | 1 | 255) {
                return Err(unsupported(format!(
                    "its channels are mapped by family {family}; families 0, 1 and 255 are read"
                )));
            }
            heads.push(head.clone());
        }
        let mut this = Self {
            reader,
            heads,
            link: 0,
            at: 0,
            from: 0,
            waiting: VecDeque::new(),
            ended: false,
        };
        if this.length() == 0 {
            let name = this.reader.name();
            return Err(SourceError::Malformed(format!(
                "{name}: there is no audio in it"
            )));
        }
        this.go(0)?;
        Ok(this)
    }

    /// Ticks of a recording that are heard.
    fn heard(&self, link: usize) -> u64 {
        let Some((link, head)) = self.reader.links().get(link).zip(self.heads.get(link)) else {
            return 0;
        };
        link.end
            .saturating_sub(link.start)
            .saturating_sub(head.pre_skip.into())
    }

    /// Goes to a tick of what is heard.
    fn go(&mut self, tick: u64) -> Result<(), SourceError> {
        let (mut link, mut rest) = (0, tick);
        while rest >= self.heard(link) && link + 1 < self.heads.len() {
            rest -= self.heard(link);
            link += 1;
        }
        self.ended = tick >= self.length();
        self.link = link;
        let start = self.reader.links()[link].start;
        let skip = u64::from(self.heads[link].pre_skip);
        self.from = start + skip + rest.min(self.heard(link));
        self.waiting.clear();
        // What comes first is placed by its packet.
        self.at = start.max(self.from.saturating_sub(PRE_ROLL));
        self.reader.seek(self.at)
    }

    fn queue(&mut self, packet: MatroskaPacket) {
        let end = self.reader.links()[self.link].end;
        let (first, next) = (packet.at, packet.at + packet.frames);
        let ticks = u32::try_from(packet.frames).unwrap_or(0);
        // Early enough to come to terms (RFC 7845 section 4.6).
        if ticks == 0 || next <= self.at || first >= end {
            return;
        }
        let hole = first.saturating_sub(self.at.max(self.from));
        if hole > 0 && self.at < first {
            self.waiting.push_back(OpusEvent::Hole { ticks: hole });
        }
        self.at = next;
        let skip = self.from.saturating_sub(first).min(u64::from(ticks)) as u32;
        let trim = next.saturating_sub(end).min(u64::from(ticks - skip)) as u32;
        self.waiting.push_back(OpusEvent::Packet {
            data: packet.data,
            ticks,
            skip,
            trim,
        });
    }

    /// What of the recording has not come when it ends.
    fn rest(&mut self) {
        let end = self.reader.links()[self.link].end;
        let left = end.saturating_sub(self.at.max(self.from));
        if left > 0 {
            self.waiting.push_back(OpusEvent::Hole { ticks: left });
        }
    }
}

impl<R: Read + Seek + Send> OpusPackets for MatroskaOpus<R> {
    fn name(&self) -> &str {
        self.reader.name()
    }

    fn head(&self) -> &OpusHead {
        &self.heads[self.link]
    }

    fn notices(&self) -> &[String] {
        self.reader.notices()
    }

    fn length(&self) -> u64 {
        Self::length(self)
    }

    fn next_event(&mut self) -> Result<Option<OpusEvent>, SourceError> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Ok(Some(event));
            }
            if self.ended {
                return Ok(None);
            }
            match self.reader.next_event()? {
                Some(MatroskaEvent::Packet(packet)) => self.queue(packet),
                Some(MatroskaEvent::Link(link)) if link > self.link => {
                    self.rest();
                    self.link = link;
                    let head = self.head().clone();
                    self.at = self.reader.links()[link].start;
                    self.from = self.at + u64::from(head.pre_skip);
                    self.waiting.push_back(OpusEvent::Chained(head));
                }
                // It was sought to.
                Some(MatroskaEvent::Link(_)) => {}
                None => {
                    self.ended = true;
                    self.rest();
                }
            }
        }
    }

    fn seek(&mut self, tick: u64) -> Result<(), SourceError> {
        self.go(tick)
    }
}

impl<R: Read + Seek> MatroskaOpus<R> {
    /// Ticks that are heard, holes included.
    pub fn length(&self) -> u64 {
        (0..self.heads.len()).map(|link| self.heard(link)).sum()
    }
}

impl<R: Read + Seek> fmt::Debug for MatroskaOpus<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MatroskaOpus")
            .field("reader", &self.reader)
            .field("link", &self.link)
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

/// 80 ms, from which on a decoder cannot be told from one that heard everything.
const PRE_ROLL: u64 = 3_840;

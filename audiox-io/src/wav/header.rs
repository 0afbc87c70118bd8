//! Everything before the samples: walks the chunks and settles where the data lies.

use std::io::{self, BufReader, Read, Seek, SeekFrom};

use audiox_core::source::SourceError;

use super::chunk::*;
use super::fmt::{self, Fmt};

/// Where a file's samples lie and what they are.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) fmt: Fmt,
    /// Offset of the first sample, in bytes.
    pub(super) data_start: u64,
    /// Whole frames.
    pub(super) frames: u64,
    /// What was wrong with the header, and what is used instead.
    pub(super) notices: Vec<String>,
}

impl Header {
    /// Reads the chunks up to the data and leaves `reader` anywhere.
    pub(super) fn read<R: Read + Seek>(reader: &mut BufReader<R>) -> Result<Self, Fault> {
        let len = reader.seek(SeekFrom::End(0))?;
        reader.rewind()?;
        Walk {
            reader,
            len,
            pos: 0,
            riff_size: 0,
            ds64: None,
            fmt: None,
            open_mark_at: None,
            seen: Vec::new(),
        }
        .run()
    }
}

/// Why there is no header.
pub(super) enum Fault {
    Io(io::Error),
    Content(SourceError),
}

impl From<io::Error> for Fault {
    fn from(e: io::Error) -> Self {
        Self::Io(e)
    }
}

impl From<SourceError> for Fault {
    fn from(e: SourceError) -> Self {
        Self::Content(e)
    }
}

/// The 64-bit sizes of RF64.
struct Ds64 {
    data: u64,
    /// Sizes of other chunks whose 32-bit size says "unknown".
    table: Vec<(Id, u64)>,
}

struct Walk<'a, R> {
    reader: &'a mut BufReader<R>,
    /// The file's real length.
    len: u64,
    pos: u64,
    riff_size: u32,
    ds64: Option<Ds64>,
    fmt: Option<Fmt>,
    open_mark_at: Option<u64>,
    /// For the message when something is missing.
    seen: Vec<Id>,
}

impl<R: Read + Seek> Walk<'_, R> {
    fn run(mut self) -> Result<Header, Fault> {
        let wide = self.form()?;
        while self.seen.len() < MAX_CHUNKS && self.len.saturating_sub(self.pos) >= CHUNK_HEADER {
            let mut head = [0; CHUNK_HEADER as usize];
            self.take(&mut head)?;
            let (id, size) = (Id([head[0], head[1], head[2], head[3]]), u32_at(&head, 4));
            let body = self.pos;
            self.seen.push(id);
            match id {
                Id::DATA => return self.data(body, size, wide),
                Id::FMT if self.fmt.is_none() => {
                    let mut chunk = [0; fmt::MAX_LEN];
                    let there = self.take_up_to(&mut chunk, size.into())?;
                    self.fmt = Some(Fmt::parse(&chunk[..there], size)?);
                }
                Id::DS64 if wide => self.ds64 = self.sizes(size)?,
                Id::JUNK => {
                    let mut mark = [0; OPEN_MARK.len()];
                    let there = self.take_up_to(&mut mark, size.into())?;
                    if there == mark.len() && mark == OPEN_MARK {
                        self.open_mark_at = Some(body);
                    }
                }
                _ => {}
            }
            let size = match (&self.ds64, size) {
                (Some(ds64), UNKNOWN_SIZE) => ds64.size_of(id).unwrap_or_else(|| size.into()),
                _ => size.into(),
            };
            // Chunks begin at even offsets: an odd one is followed by a pad byte.
            self.go_to(body.saturating_add(size).saturating_add(size & 1))?;
        }
        if self.seen.len() == MAX_CHUNKS {
            return fault(format!(
                "no data chunk among the first {MAX_CHUNKS} chunks; the file is damaged"
            ));
        }
        fault(format!("no data chunk, only {}", self.seen()))
    }

    /// Reads the form's header and says whether sizes may be 64 bits wide.
    fn form(&mut self) -> Result<bool, Fault> {
        let mut head = [0; FORM_HEADER as usize];
        let there = self.take_up_to(&mut head, FORM_HEADER)?;
        let id = Id([head[0], head[1], head[2], head[3]]);
        let form = Id([head[8], head[9], head[10], head[11]]);
        if there == 0 {
            return fault("the file is empty, not a WAV file".into());
        }
        self.riff_size = u32_at(&head, 4);
        match id {
            Id::RIFF | Id::RF64 | Id::BW64 if form == Id::WAVE => Ok(id != Id::RIFF),
            Id::RIFF | Id::RF64 | Id::BW64 if there < head.len() => {
                fault(format!("the file ends after {there} bytes of its header"))
            }
            Id::RIFF | Id::RF64 | Id::BW64 => unsupported(format!(
                "not a WAV file: its form is {form}; \"WAVE\" is needed"
            )),
            Id::RIFX => unsupported(
                "a big-endian WAV file (\"RIFX\") is not supported; convert it to \"RIFF\"".into(),
            ),
            _ => unsupported(format!(
                "not a WAV file: it begins with {id}{}; \"RIFF\", \"RF64\" or \"BW64\" is needed",
                guess(&head)
            )),
        }
    }

    fn sizes(&mut self, size: u32) -> Result<Option<Ds64>, Fault> {
        let mut head = [0; DS64_LEN];
        if self.take_up_to(&mut head, size.into())? < DS64_LEN {
            return Ok(None);
        }
        let mut table = Vec::new();
        let fitting = (size as usize - DS64_LEN) / DS64_ENTRY;
        for _ in 0..fitting
            .min(u32_at(&head, 24) as usize)
            .min(MAX_DS64_ENTRIES)
        {
            let mut entry = [0; DS64_ENTRY];
            if self.take_up_to(&mut entry, DS64_ENTRY as u64)? < DS64_ENTRY {
                break;
            }
            let id = Id([entry[0], entry[1], entry[2], entry[3]]);
            table.push((id, u64_at(&entry, 4)));
        }
        Ok(Some(Ds64 {
            data: u64_at(&head, 8),
            table,
        }))
    }

    /// Settles the data's length: what the header says, held against what is there.
    fn data(mut self, start: u64, size: u32, wide: bool) -> Result<Header, Fault> {
        let Some(fmt) = self.fmt.take() else {
            return self.no_fmt(start, size);
        };
        let mut notices: Vec<String> = fmt.notice.clone().into_iter().collect();
        let there = self.len - start;
        let claimed = match (&self.ds64, size) {
            (Some(ds64), UNKNOWN_SIZE) => Some(ds64.data).filter(|&n| n > 0 && n < u64::MAX),
            (None, UNKNOWN_SIZE) if wide => {
                notices.push("the ds64 chunk is missing or too short".into());
                None
            }
            (_, UNKNOWN_SIZE) => None,
            (_, 0) if self.may_be_streamed(start) => None,
            (_, size) => Some(size.into()),
        };
        // A recording of ours that was cut off: nothing but samples follows.
        let cut_off = start == OUR_HEADER && self.open_mark_at.is_some();
        let mut used = match claimed {
            Some(claimed) if claimed > there => {
                notices.push(format!(
                    "data chunk: size: {claimed} bytes are claimed; the {there} in the file are \
                     used"
                ));
                there
            }
            Some(claimed) if claimed == there || !cut_off => claimed,
            _ if there == 0 => 0,
            _ if cut_off => {
                notices.push(format!(
                    "the recording was cut off before it was closed; all {there} bytes in the \
                     file are used"
                ));
                there
            }
            _ => {
                notices.push(format!(
                    "data chunk: its size was left open ({size}); the {there} bytes to the end of \
                     the file are used"
                ));
                there
            }
        };
        let frame = fmt.frame_bytes() as u64;
        let partial = used % frame;
        used -= partial;
        if used == 0 {
            return fault(format!(
                "data chunk: {partial} bytes; there is no audio in the file, at least one frame \
                 of {frame} bytes is needed"
            ));
        }
        if partial > 0 {
            notices.push(format!(
                "data chunk: the last {partial} bytes are not a whole frame of {frame} and are \
                 left out"
            ));
        }
        Ok(Header {
            fmt,
            data_start: start,
            frames: used / frame,
            notices,
        })
    }

    /// Whether a data size of 0 means "not known when the header was written" rather than "no
    /// audio": unless the form's size covers more chunks behind it.
    fn may_be_streamed(&self, start: u64) -> bool {
        self.riff_size == 0
            || self.riff_size == UNKNOWN_SIZE
            || u64::from(self.riff_size) + CHUNK_HEADER <= start
    }

    /// Tells a missing format chunk from one in the wrong place.
    fn no_fmt(&mut self, start: u64, size: u32) -> Result<Header, Fault> {
        let end = start + u64::from(size) + u64::from(size & 1);
        if end + CHUNK_HEADER <= self.len {
            self.go_to(end)?;
            let mut id = [0; 4];
            self.take(&mut id)?;
            if Id(id) == Id::FMT {
                return fault(
                    "the fmt chunk lies behind the data chunk; it must come first".into(),
                );
            }
        }
        fault(format!(
            "no fmt chunk before the data, only {}",
            self.seen()
        ))
    }

    /// The chunks met, for a message.
    fn seen(&self) -> String {
        let mut text = match self.seen.len() {
            0 => return "an empty form".into(),
            1 => "the chunk".to_string(),
            _ => "the chunks".to_string(),
        };
        for id in self.seen.iter().take(8) {
            text.push_str(&format!(" {id}"));
        }
        if self.seen.len() > 8 {
            text.push_str(" …");
        }
        text
    }

    fn take(&mut self, out: &mut [u8]) -> io::Result<()> {
        self.reader.read_exact(out)?;
        self.pos += out.len() as u64;
        Ok(())
    }

    /// Reads as much as `limit`, `out` and the file hold.
    fn take_up_to(&mut self, out: &mut [u8], limit: u64) -> io::Result<usize> {
        let n = limit.min(out.len() as u64).min(self.len - self.pos) as usize;
        self.take(&mut out[..n])?;
        Ok(n)
    }

    /// Moves to `pos`, at most to the end of the file.
    fn go_to(&mut self, pos: u64) -> io::Result<()> {
        let pos = pos.min(self.len);
        // Both lie within the file, whose length the system counts in an i64.
        self.reader.seek_relative(pos as i64 - self.pos as i64)?;
        self.pos = pos;
        Ok(())
    }
}

impl Ds64 {
    fn size_of(&self, id: Id) -> Option<u64> {
        self.table.iter().find(|(i, _)| *i == id).map(|(_, n)| *n)
    }
}

fn fault<T>(text: String) -> Result<T, Fault> {
    Err(Fault::Content(SourceError::Malformed(text)))
}

fn unsupported<T>(text: String) -> Result<T, Fault> {
    Err(Fault::Content(SourceError::Unsupported(text)))
}

/// What a file that is not RIFF looks like.
fn guess(head: &[u8; 12]) -> &'static str {
    match head {
        [b'I', b'D', b'3', ..] | [0xFF, 0xE0..=0xFF, ..] => " (MP3)",
        [b'O', b'g', b'g', b'S', ..] => " (Ogg)",
        [b'f', b'L', b'a', b'C', ..] => " (FLAC)",
        [b'F', b'O', b'R', b'M', ..] => " (AIFF)",
        [b'.', b's', b'n', b'd', ..] => " (AU)",
        [b'c', b'a', b'f', b'f', ..] => " (CAF)",
        [b'r', b'i', b'f', b'f', ..] => " (Wave64)",
        [0x1A, 0x45, 0xDF, 0xA3, ..] => " (Matroska or WebM)",
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => " (MP4)",
        _ if head
            .iter()
            .all(|b| b.is_ascii_graphic() || b.is_ascii_whitespace()) =>
        {
            " (text)"
        }
        _ => "",
    }
}

/// More chunks than this before the data are damage; it bounds the work on a hostile file.
const MAX_CHUNKS: usize = 4_096;
const DS64_LEN: usize = 28;
const DS64_ENTRY: usize = 12;
const MAX_DS64_ENTRIES: usize = 256;

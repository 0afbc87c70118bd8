//! Pages and the packets in them (RFC 3533), of one logical stream after another.

use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

use ogg::reading::{BasePacketReader, OggPage, PageParser};

use super::head::{MAGIC, OpusHead, TAGS_MAGIC};
use audiox_core::error::ParseError;

/// What comes next in a file.
#[derive(Debug)]
pub(super) enum Step {
    /// A stream of Opus begins, at this byte of the file.
    Link {
        offset: u64,
        head: Result<OpusHead, ParseError>,
    },
    /// A page of it, with the packets that end there.
    Page {
        granule: i64,
        is_last: bool,
        packets: Vec<Vec<u8>>,
    },
}

/// Takes a file apart. Of streams side by side, the first of Opus counts.
pub(super) struct Pages<R> {
    reader: BufReader<R>,
    packets: BasePacketReader,
    stream: Option<Stream>,
    /// Bytes of what looked like pages and was none.
    wasted: u64,
}

/// The stream that is followed.
struct Stream {
    serial: u32,
    state: State,
    /// Only first pages have come since, so another one is of a stream side by side.
    is_opening: bool,
    sequence: u32,
    /// The last page ended inside a packet, of which so many bytes are there.
    partial: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// The header has come.
    Head,
    /// The comments have begun and go on.
    Tags,
    Audio,
}

/// A page whose checksum is right.
struct Page {
    offset: u64,
    continued: bool,
    is_first: bool,
    is_last: bool,
    granule: i64,
    serial: u32,
    sequence: u32,
    lacing: Vec<u8>,
    /// What it begins with, enough for a header.
    start: Vec<u8>,
    parsed: OggPage,
}

impl Page {
    /// Whether a packet ends in it.
    fn has_end(&self) -> bool {
        self.lacing.iter().any(|l| *l < 255)
    }
}

impl<R: Read + Seek> Pages<R> {
    pub(super) fn new(reader: R) -> Self {
        Self {
            reader: BufReader::with_capacity(BUFFER, reader),
            packets: fresh(),
            stream: None,
            wasted: 0,
        }
    }

    /// Goes to a byte of the file where a link begins.
    pub(super) fn go(&mut self, offset: u64) -> io::Result<()> {
        self.reader.seek(SeekFrom::Start(offset))?;
        self.packets = fresh();
        self.stream = None;
        Ok(())
    }

    /// The next step; `None` at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<Step>> {
        while let Some(page) = self.page()? {
            let step = match page.is_first {
                true => self.begin(&page),
                false => self.go_on(page),
            };
            if step.is_some() {
                return Ok(step);
            }
        }
        Ok(None)
    }

    /// A page that is not its stream's first.
    fn go_on(&mut self, page: Page) -> Option<Step> {
        let stream = self.stream.as_mut()?;
        stream.is_opening = false;
        if page.serial != stream.serial {
            return None;
        }
        // The comments end with their page (RFC 7845 section 3). Files without them are read all
        // the same.
        match stream.state {
            State::Head if !page.start.starts_with(TAGS_MAGIC) => stream.state = State::Audio,
            State::Head | State::Tags => {
                stream.sequence = page.sequence;
                stream.state = match page.has_end() {
                    true => State::Audio,
                    false => State::Tags,
                };
                return None;
            }
            State::Audio => {}
        }
        self.audio(page)
    }

    /// A stream's first page.
    fn begin(&mut self, page: &Page) -> Option<Step> {
        if self.stream.as_ref().is_some_and(|s| s.is_opening) {
            return None;
        }
        if !page.start.starts_with(MAGIC) {
            // Another stream, after the one before or before the first.
            self.stream = None;
            return None;
        }
        self.packets = fresh();
        self.stream = Some(Stream {
            serial: page.serial,
            state: State::Head,
            is_opening: true,
            sequence: page.sequence,
            partial: 0,
        });
        Some(Step::Link {
            offset: page.offset,
            head: OpusHead::parse(&page.start),
        })
    }

    fn audio(&mut self, page: Page) -> Option<Step> {
        let stream = self.stream.as_mut()?;
        let follows = page.sequence == stream.sequence.wrapping_add(1);
        stream.sequence = page.sequence;
        if !follows || page.continued != (stream.partial > 0) || stream.partial > MAX_PACKET {
            // Half a packet is none.
            self.packets.update_after_seek();
        }
        let last_end = page.lacing.iter().rposition(|l| *l < 255);
        let open = &page.lacing[last_end.map_or(0, |at| at + 1)..];
        let open: usize = open.iter().map(|l| usize::from(*l)).sum();
        stream.partial = match last_end {
            None => stream.partial + open,
            Some(_) => open,
        };
        let (granule, is_last) = (page.granule, page.is_last);
        // A page that does not go with the one before it was made to: its packets are lost.
        if self.packets.push_page(page.parsed).is_err() {
            self.packets.update_after_seek();
            return None;
        }
        let mut packets = Vec::new();
        while let Some(packet) = self.packets.read_packet() {
            packets.push(packet.data);
        }
        Some(Step::Page {
            granule,
            is_last,
            packets,
        })
    }

    /// The next page whose checksum is right.
    fn page(&mut self) -> io::Result<Option<Page>> {
        while self.capture()? {
            let offset = self.reader.stream_position()?;
            if let Some(page) = self.page_here(offset)? {
                return Ok(Some(page));
            }
            // It may hold the beginning of a real one; where that goes on and on, it is made to.
            let end = self.reader.stream_position()?;
            self.wasted += end - offset;
            if self.wasted < MAX_WASTE {
                self.reader.seek(SeekFrom::Start(offset + 1))?;
            }
        }
        Ok(None)
    }

    /// The page here, where it is one.
    fn page_here(&mut self, offset: u64) -> io::Result<Option<Page>> {
        let mut header = [0; HEADER];
        if !whole(&mut self.reader, &mut header)? {
            return Ok(None);
        }
        let mut lacing = vec![0; usize::from(header[26])];
        if !whole(&mut self.reader, &mut lacing)? {
            return Ok(None);
        }
        let mut body = vec![0; lacing.iter().map(|l| usize::from(*l)).sum()];
        if !whole(&mut self.reader, &mut body)? {
            return Ok(None);
        }
        let start = body[..body.len().min(START)].to_vec();
        let Ok((mut parser, _)) = PageParser::new(header) else {
            return Ok(None);
        };
        parser.parse_segments(lacing.clone());
        let Ok(parsed) = parser.parse_packet_data(body) else {
            return Ok(None);
        };
        let word = |at: usize| [header[at], header[at + 1], header[at + 2], header[at + 3]];
        let mut granule = [0; 8];
        granule.copy_from_slice(&header[6..14]);
        Ok(Some(Page {
            offset,
            continued: header[5] & 1 != 0,
            is_first: header[5] & 2 != 0,
            is_last: header[5] & 4 != 0,
            granule: i64::from_le_bytes(granule),
            serial: u32::from_le_bytes(word(14)),
            sequence: u32::from_le_bytes(word(18)),
            lacing,
            start,
            parsed,
        }))
    }

    /// Goes to the next capture pattern; `false` where there is none.
    fn capture(&mut self) -> io::Result<bool> {
        loop {
            let buffer = self.reader.fill_buf()?;
            if buffer.is_empty() {
                return Ok(false);
            }
            match buffer.windows(CAPTURE.len()).position(|w| w == CAPTURE) {
                Some(at) => {
                    self.reader.consume(at);
                    return Ok(true);
                }
                // It may begin in the last bytes, which cannot be seen together with the next.
                None => {
                    let len = buffer.len();
                    let keep = (1..CAPTURE.len())
                        .rev()
                        .find(|n| buffer.ends_with(&CAPTURE[..*n]))
                        .unwrap_or(0);
                    self.reader.consume(len - keep);
                    if keep > 0 && self.straddles(keep)? {
                        return Ok(true);
                    }
                }
            }
        }
    }

    /// Whether the capture pattern, of which `keep` bytes end the buffer, goes on behind it. If so
    /// it is ahead, else it is passed.
    fn straddles(&mut self, keep: usize) -> io::Result<bool> {
        let mut four = [0; CAPTURE.len()];
        let start = self.reader.stream_position()?;
        let found = whole(&mut self.reader, &mut four)? && four == *CAPTURE;
        let on = if found { 0 } else { keep as u64 };
        self.reader.seek(SeekFrom::Start(start + on))?;
        Ok(found)
    }
}

/// Tolerant of streams that begin in the middle.
fn fresh() -> BasePacketReader {
    let mut packets = BasePacketReader::new();
    packets.update_after_seek();
    packets
}

/// Reads all of `out`; `false` where the file ends before.
fn whole(reader: &mut impl Read, out: &mut [u8]) -> io::Result<bool> {
    match reader.read_exact(out) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(e) => Err(e),
    }
}

const CAPTURE: &[u8; 4] = b"OggS";
const HEADER: usize = 27;
/// The longest `OpusHead`.
const START: usize = 21 + 255;
/// The longest page is 65 307 bytes.
const BUFFER: usize = 1 << 16;
/// More than any packet of Opus has; longer ones are given up.
const MAX_PACKET: usize = 1 << 20;
/// Bytes of false pages that are looked through for real ones.
const MAX_WASTE: u64 = 16 << 20;

use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;

use audiox_core::source::SourceError;

use super::head::OpusHead;
use super::page::{Pages, Step};
use super::toc::packet_ticks;

/// The packets of an Ogg Opus file, in order.
///
/// Memory is two pages, 128 KiB at most, and some 50 bytes for each chained stream.
pub struct OpusFileReader<R: Read + Seek = File> {
    name: String,
    pages: Pages<R>,
    links: Vec<Link>,
    notices: Vec<String>,
    longest: usize,
    usual: u32,
    /// Where reading stands: the link and the ticks since its start.
    link: usize,
    clock: Clock,
    waiting: VecDeque<OpusEvent>,
    /// Ticks of the link before this are not heard.
    from: u64,
    ended: bool,
}

/// What comes next in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpusEvent {
    /// A packet.
    Packet {
        /// Its bytes.
        data: Vec<u8>,
        /// Its duration.
        ticks: u32,
        /// Ticks at its beginning that are decoded and not heard.
        skip: u32,
        /// Ticks at its end that are decoded and not heard.
        trim: u32,
    },
    /// Packets are missing.
    Hole {
        /// For so long, of which all is heard.
        ticks: u64,
    },
    /// Another stream follows, with this header: decoders start anew.
    Chained(OpusHead),
}

#[derive(Debug)]
struct Link {
    offset: u64,
    head: OpusHead,
    /// Ticks from its first packet to where it is to end.
    end: u64,
}

impl Link {
    /// Ticks that are heard.
    fn length(&self) -> u64 {
        self.end.saturating_sub(u64::from(self.head.pre_skip))
    }
}

/// Time in a link, by what packets last and by what granule positions say.
#[derive(Debug, Clone, Copy, Default)]
struct Clock {
    /// Ticks of packets and holes so far.
    ticks: u64,
    /// Granule position of tick 0, once known.
    start: Option<i64>,
}

/// A page on that clock.
struct Placed {
    /// Missing before it.
    hole: u64,
    /// What its packets last, the sum being `ticks`.
    ticks: u64,
    /// Ticks at its end that are not heard.
    trim: u64,
}

impl Clock {
    /// Places a page whose packets last `ticks`.
    fn place(&mut self, granule: i64, is_last: bool, ticks: u64) -> Placed {
        let mut placed = Placed {
            hole: 0,
            ticks,
            trim: 0,
        };
        let end = self.ticks.saturating_add(ticks);
        // −1: no packet ends here (RFC 3533 section 6).
        if granule >= 0 && ticks > 0 {
            let signed = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
            // The first page of a stream that was recorded from its middle says where that is;
            // a last page may end early (RFC 7845 section 4.4).
            let start = granule.saturating_sub(signed(end)).max(0);
            let start = *self.start.get_or_insert(start);
            let beyond = granule.saturating_sub(start).saturating_sub(signed(end));
            match u64::try_from(beyond) {
                Ok(hole) if hole <= MAX_HOLE => placed.hole = hole,
                Ok(_) => self.start = Some(granule.saturating_sub(signed(end))),
                Err(_) if is_last => placed.trim = beyond.unsigned_abs().min(ticks),
                // A muxer that counts too little; a hole must not be made of it later.
                Err(_) => self.start = Some(start.saturating_add(beyond)),
            }
        }
        self.ticks = end.saturating_add(placed.hole);
        placed
    }
}

impl OpusFileReader<File> {
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

impl<R: Read + Seek> OpusFileReader<R> {
    /// An Ogg Opus file in anything that can be read and sought; `name` stands in messages. It is
    /// read through once.
    ///
    /// # Errors
    /// [`SourceError::Unsupported`] where there is no Opus in it, or chained streams differ in their channels;
    /// [`SourceError::Malformed`] where a header cannot be or there is no audio; [`SourceError::Io`].
    pub fn new(reader: R, name: impl Into<String>) -> Result<Self, SourceError> {
        let mut this = Self {
            name: name.into(),
            pages: Pages::new(reader),
            links: Vec::new(),
            notices: Vec::new(),
            longest: 0,
            usual: 0,
            link: 0,
            clock: Clock::default(),
            waiting: VecDeque::new(),
            from: 0,
            ended: false,
        };
        this.survey()?;
        this.seek(0)?;
        Ok(this)
    }

    /// The file's name, as in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The header of the stream that is being read.
    pub fn head(&self) -> &OpusHead {
        &self.links[self.link].head
    }

    /// The headers of all streams that are chained in it, the first first; at least one.
    pub fn heads(&self) -> impl Iterator<Item = &OpusHead> {
        self.links.iter().map(|link| &link.head)
    }

    /// What is odd about the file and what was made of it, a sentence each, without its name.
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    /// Ticks that are heard, holes included.
    pub fn length(&self) -> u64 {
        self.links.iter().map(Link::length).sum()
    }

    /// Bytes of the longest packet.
    pub fn longest_packet(&self) -> usize {
        self.longest
    }

    /// Ticks of the first packet, which mostly is what all last.
    pub fn usual_ticks(&self) -> u32 {
        self.usual
    }

    /// The next event; `None` at the end.
    ///
    /// # Errors
    /// Reading fails.
    pub fn next_event(&mut self) -> Result<Option<OpusEvent>, SourceError> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Ok(Some(event));
            }
            if self.ended {
                return Ok(None);
            }
            let step = self.pages.next().map_err(|source| self.io(source))?;
            match step {
                None => self.ended = true,
                Some(Step::Link { .. }) if self.link + 1 == self.links.len() => self.ended = true,
                Some(Step::Link { .. }) => {
                    self.link += 1;
                    self.clock = Clock::default();
                    self.from = u64::from(self.head().pre_skip);
                    let head = self.head().clone();
                    self.waiting.push_back(OpusEvent::Chained(head));
                }
                Some(Step::Page {
                    granule,
                    is_last,
                    packets,
                }) => self.queue(granule, is_last, packets),
            }
        }
    }

    /// Goes to `tick` of what is heard, past the end to the end. The packets from there on are preceded by
    /// 80 ms of others, which decoders need to find their state and whose ticks are skipped.
    ///
    /// # Errors
    /// Reading fails.
    pub fn seek(&mut self, tick: u64) -> Result<(), SourceError> {
        let mut before = 0;
        let last = self.links.len() - 1;
        let mut ends = self.links.iter().map(|link| {
            before += link.length();
            before
        });
        self.link = ends.position(|end| tick < end).unwrap_or(last);
        let heard: u64 = self.links[..self.link].iter().map(Link::length).sum();
        let link = &self.links[self.link];
        self.from = u64::from(link.head.pre_skip) + (tick - heard).min(link.length());
        self.clock = Clock::default();
        self.waiting.clear();
        self.ended = tick >= self.length();
        let offset = link.offset;
        let gone = self.pages.go(offset).and_then(|()| self.pages.next());
        gone.map_err(|source| self.io(source))?;
        Ok(())
    }

    fn io(&self, source: io::Error) -> SourceError {
        let what = self.name.clone();
        SourceError::Io { what, source }
    }

    /// Turns a page into events, as far as they matter.
    fn queue(&mut self, granule: i64, is_last: bool, packets: Vec<Vec<u8>>) {
        let end = self.links[self.link].end;
        let before = self.clock.ticks;
        let all = packets
            .iter()
            .filter_map(|p| packet_ticks(p))
            .map(u64::from);
        let placed = self.clock.place(granule, is_last, all.sum());
        let mut at = before + placed.hole;
        let heard = at.min(end).saturating_sub(before.max(self.from));
        if heard > 0 {
            self.waiting.push_back(OpusEvent::Hole { ticks: heard });
        }
        for data in packets {
            // What has no duration is no packet: it shows as a hole.
            let Some(ticks) = packet_ticks(&data) else {
                continue;
            };
            let (first, next) = (at, at + u64::from(ticks));
            at = next;
            // Early enough to come to terms (RFC 7845 section 4.6).
            if next + PRE_ROLL <= self.from || first >= end {
                continue;
            }
            let skip = self.from.saturating_sub(first).min(u64::from(ticks)) as u32;
            let trim = next.saturating_sub(end).min(u64::from(ticks - skip)) as u32;
            self.waiting.push_back(OpusEvent::Packet {
                data,
                ticks,
                skip,
                trim,
            });
        }
    }

    /// Reads the file through for its links and their lengths.
    fn survey(&mut self) -> Result<(), SourceError> {
        let (mut holes, mut is_whole) = (0, false);
        let mut clock = Clock::default();
        loop {
            let step = self.pages.next().map_err(|source| self.io(source))?;
            let Some(step) = step else { break };
            match step {
                Step::Link { offset, head } => {
                    let head = head.map_err(|e| self.malformed(&format!("its header: {e}")))?;
                    self.check(&head)?;
                    clock = Clock::default();
                    is_whole = false;
                    self.links.push(Link {
                        offset,
                        head,
                        end: 0,
                    });
                }
                Step::Page {
                    granule,
                    is_last,
                    packets,
                } => {
                    let mut ticks = 0;
                    for packet in &packets {
                        self.longest = self.longest.max(packet.len());
                        let Some(lasts) = packet_ticks(packet) else {
                            continue;
                        };
                        ticks += u64::from(lasts);
                        if self.usual == 0 {
                            self.usual = lasts;
                        }
                    }
                    let placed = clock.place(granule, is_last, ticks);
                    holes += placed.hole;
                    is_whole |= is_last;
                    if let Some(link) = self.links.last_mut() {
                        link.end = clock.ticks - placed.trim.min(placed.ticks);
                    }
                }
            }
        }
        if self.links.is_empty() {
            return Err(SourceError::Unsupported(format!(
                "{}: no Ogg Opus file: no stream in it begins with an OpusHead",
                self.name
            )));
        }
        if self.length() == 0 {
            return Err(self.malformed("there is no audio in it"));
        }
        if !is_whole {
            let text = "it has no end mark: it was cut, or is still being written";
            self.notices.push(text.to_owned());
        }
        if holes > 0 {
            let ms = holes / u64::from(super::TICK_RATE / 1_000);
            let text = format!("packets are missing for {ms} ms in all, which are concealed");
            self.notices.push(text);
        }
        Ok(())
    }

    /// Whether a link goes with those before it.
    fn check(&self, head: &OpusHead) -> Result<(), SourceError> {
        if self.links.len() == MAX_LINKS {
            return Err(self.malformed("more streams are chained in it than are read"));
        }
        let unsupported = |text: String| {
            let name = &self.name;
            Err(SourceError::Unsupported(format!("{name}: {text}")))
        };
        let family = head.mapping.family();
        if !matches!(family, 0 | 1 | 255) {
            return unsupported(format!(
                "its channels are mapped by family {family}; families 0, 1 and 255 are read"
            ));
        }
        match self.links.first() {
            Some(first) if first.head.mapping != head.mapping => unsupported(format!(
                "chained streams differ in their channels, {} and {}; split the file",
                first.head.mapping.channels(),
                head.mapping.channels()
            )),
            _ => Ok(()),
        }
    }

    fn malformed(&self, text: &str) -> SourceError {
        SourceError::Malformed(format!(
            "{}: this Ogg Opus file is damaged: {text}",
            self.name
        ))
    }
}

impl<R: Read + Seek> fmt::Debug for OpusFileReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpusFileReader")
            .field("name", &self.name)
            .field("links", &self.links)
            .field("link", &self.link)
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}

/// 80 ms, from which on a decoder cannot be told from one that heard everything.
const PRE_ROLL: u64 = 3_840;
/// Longer holes, an hour, are another stream's time.
const MAX_HOLE: u64 = 3_600 * 48_000;
const MAX_LINKS: usize = 65_536;

use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;

use audiox_core::source::SourceError;

use super::counter::{Counter, START};
use super::ebml::{self, BlockHead, children, int, uint};
use super::input::Input;
use super::timeline::Timeline;
use super::track::{self, Track, Tracks};

/// The packets of an audio track in a Matroska or WebM file, in order.
///
/// Memory is 64 KiB, the longest packet, and some 100 bytes for each second, 16 384 at most.
pub struct MatroskaReader<R: Read + Seek = File> {
    name: String,
    input: Input<R>,
    links: Vec<MatroskaLink>,
    points: Vec<Point>,
    /// Frames between points.
    spacing: u64,
    notices: Vec<String>,
    /// Frames of the longest packet.
    longest: u64,
    /// Where what can be read ends.
    end: u64,
    state: State,
    waiting: VecDeque<MatroskaEvent>,
}

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MatroskaEvent {
    /// A packet.
    Packet(MatroskaPacket),
    /// Another recording follows in the same file: this one of [`MatroskaReader::links`].
    Link(usize),
}

/// A packet and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatroskaPacket {
    /// Its bytes.
    pub data: Vec<u8>,
    /// Frames before it, from the first packet's first on: those of packets, whether heard or not,
    /// and of holes.
    pub at: u64,
    /// Frames in it.
    pub frames: u64,
}

/// One recording of those that follow each other in a file; mostly the only one.
#[derive(Debug, Clone)]
pub struct MatroskaLink {
    /// Its track.
    pub track: Track,
    /// Frames before its first packet.
    pub start: u64,
    /// Frames up to its end, which may lie in its last packet.
    pub end: u64,
}

/// A place to which reading can go back.
#[derive(Debug, Clone)]
struct Point {
    offset: u64,
    state: State,
}

/// What reading knows where it stands.
#[derive(Debug, Clone)]
struct State {
    link: usize,
    /// A file's header has come, and its tracks have not yet.
    is_fresh: bool,
    /// Nanoseconds of a block's time.
    scale: u64,
    cluster: u64,
    clock: Timeline,
    counter: Option<Counter>,
}

/// What an element says.
enum Step {
    Start,
    Scale(u64),
    Tracks(Tracks),
    Cluster,
    ClusterTime(u64),
    /// Packets with their lengths; of each there is the beginning at least.
    Block {
        head: BlockHead,
        packets: Vec<(Vec<u8>, usize)>,
        discard_ns: i64,
    },
    /// Nothing that matters.
    Passed,
}

/// How reading came to where there is no more.
enum Outcome {
    Step(Step),
    /// Bytes that are no element.
    Damage,
    /// The last element is not all there.
    Cut,
    End,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Starts,
    All,
}

impl MatroskaReader<File> {
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

impl<R: Read + Seek> MatroskaReader<R> {
    /// A file in anything that can be read and sought; `name` stands in messages. It is read
    /// through once.
    ///
    /// # Errors
    /// [`SourceError::Unsupported`] where there is no audio in it, or none that is read here;
    /// [`SourceError::Malformed`] where no packet is whole; [`SourceError::Io`].
    pub fn new(reader: R, name: impl Into<String>) -> Result<Self, SourceError> {
        let name = name.into();
        let input = Input::new(reader).map_err(|source| SourceError::Io {
            what: name.clone(),
            source,
        })?;
        let mut this = Self {
            name,
            input,
            links: Vec::new(),
            points: Vec::new(),
            spacing: 0,
            notices: Vec::new(),
            longest: 0,
            end: u64::MAX,
            state: State::new(),
            waiting: VecDeque::new(),
        };
        this.survey()?;
        this.seek(0)?;
        Ok(this)
    }

    /// The file's name, as in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The recordings in it, the first first; at least one.
    pub fn links(&self) -> &[MatroskaLink] {
        &self.links
    }

    /// The first recording's track.
    pub fn track(&self) -> &Track {
        &self.links[0].track
    }

    /// What is odd about the file and what was made of it, a sentence each, without its name.
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    /// Frames of packets and holes up to the end, of which the first ones may not be heard
    /// ([`Track::delay`]).
    pub fn frames(&self) -> u64 {
        self.links.last().map_or(0, |link| link.end)
    }

    /// Frames of the longest packet.
    pub fn longest_packet(&self) -> u64 {
        self.longest
    }

    /// What was read from.
    pub fn into_inner(self) -> R {
        self.input.into_inner()
    }

    /// The next event; `None` at the end.
    ///
    /// # Errors
    /// Reading fails.
    pub fn next_event(&mut self) -> Result<Option<MatroskaEvent>, SourceError> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Ok(Some(event));
            }
            if self.input.at() >= self.end {
                return Ok(None);
            }
            let outcome = self.step(Wanted::All).map_err(|e| self.io(e))?;
            match outcome {
                Outcome::End | Outcome::Cut => return Ok(None),
                Outcome::Damage => self.resume().map_err(|e| self.io(e))?,
                Outcome::Step(Step::Tracks(found))
                    if self.state.is_fresh && found.chosen.is_some() =>
                {
                    let is_first = self.state.counter.is_none();
                    self.state.is_fresh = false;
                    self.state.clock.start_over();
                    self.state.link += usize::from(!is_first);
                    let link = self.links.get(self.state.link);
                    self.state.counter = link.and_then(|link| Counter::new(&link.track));
                    if !is_first {
                        self.waiting.push_back(MatroskaEvent::Link(self.state.link));
                    }
                }
                Outcome::Step(step) => {
                    let track = self.links.get(self.state.link).map(|link| &link.track);
                    let Some(track) = track.cloned() else {
                        continue;
                    };
                    self.state.take(step, &track, |packet| {
                        self.waiting.push_back(MatroskaEvent::Packet(packet));
                    });
                }
            }
        }
    }

    /// Goes to a packet that begins at `frame` or before it, not much; to the start where
    /// there is none.
    ///
    /// # Errors
    /// Reading fails.
    pub fn seek(&mut self, frame: u64) -> Result<(), SourceError> {
        self.waiting.clear();
        let behind = self.points.partition_point(|p| p.state.clock.at <= frame);
        let (offset, state) = match behind.checked_sub(1).and_then(|i| self.points.get(i)) {
            Some(point) => (point.offset, point.state.clone()),
            None => (0, State::new()),
        };
        self.state = state;
        self.input.go(offset).map_err(|e| self.io(e))
    }

    /// Frames before the next packet, without a hole that may come.
    pub fn place(&self) -> u64 {
        self.state.clock.at
    }

    /// Reads the file through for its recordings and their lengths.
    fn survey(&mut self) -> Result<(), SourceError> {
        let (mut damaged, mut is_cut, mut next) = (0, false, 0);
        let mut tracks = None::<(usize, Option<String>)>;
        let mut discard = 0;
        loop {
            let offset = self.input.at();
            let before = self.state.clone();
            let outcome = self.step(Wanted::Starts).map_err(|e| self.io(e))?;
            match outcome {
                Outcome::End => break,
                Outcome::Cut => {
                    is_cut = true;
                    break;
                }
                Outcome::Damage => {
                    let from = self.input.at();
                    self.resume().map_err(|e| self.io(e))?;
                    damaged += self.input.at() - from;
                }
                Outcome::Step(Step::Tracks(found)) if self.state.is_fresh => {
                    tracks.get_or_insert_with(|| (found.audio, found.refused.clone()));
                    if let Some(track) = found.chosen
                        && !self.begin(track)
                    {
                        self.end = offset;
                        break;
                    }
                    discard = 0;
                }
                Outcome::Step(step) => {
                    let Some(link) = self.links.last_mut() else {
                        continue;
                    };
                    let is_block = matches!(step, Step::Block { .. });
                    if let Step::Block {
                        head, discard_ns, ..
                    } = &step
                        && head.track == link.track.number
                    {
                        let ns = u64::try_from(*discard_ns).unwrap_or(0);
                        discard = track::frames(ns, link.track.rate);
                    }
                    let mut packets = 0;
                    let track = link.track.clone();
                    let (mut last, mut longest) = (0, self.longest);
                    self.state.take(step, &track, |packet| {
                        packets += 1;
                        last = packet.frames;
                        longest = longest.max(last);
                    });
                    self.longest = longest;
                    // What follows the last packet, an index, takes nothing of its padding back.
                    if packets > 0 {
                        link.end = self.state.clock.at - discard.min(last).min(self.state.clock.at);
                    }
                    if is_block && packets > 0 && before.clock.at >= next {
                        self.mark(offset, before);
                        next = self.state.clock.at + self.spacing;
                    }
                }
            }
        }
        let Some(first) = self.links.first() else {
            return Err(self.without_track(tracks));
        };
        if self.frames() <= first.track.delay() {
            return Err(SourceError::Malformed(format!(
                "{}: this recording holds no audio: it ends before its first packet does",
                self.name
            )));
        }
        if let Some((count @ 2.., _)) = tracks {
            let text = format!("it has {count} audio tracks, of which one is read");
            self.notices.push(text);
        }
        if is_cut {
            let text = "it ends inside a packet: it was cut, or is still being written";
            self.notices.push(text.to_owned());
        }
        if damaged > 0 {
            let text = format!("{damaged} bytes of it are damaged and were left out");
            self.notices.push(text);
        }
        let holes = self.state.clock.holes;
        if holes > 0 {
            let ms = first.track.rate.duration_of(holes).as_millis();
            let text = format!("packets are missing for {ms} ms in all, which are concealed");
            self.notices.push(text);
        }
        Ok(())
    }

    /// Another recording begins; `false` where it cannot follow the first one.
    fn begin(&mut self, track: Track) -> bool {
        let counter = Counter::new(&track);
        let joins = self
            .links
            .first()
            .is_none_or(|first| first.track.joins(&track));
        let counter = counter.filter(|_| joins && self.links.len() < MAX_LINKS);
        if counter.is_none() && !self.links.is_empty() {
            let text = "another recording of another format follows in it, and is not read";
            self.notices.push(text.to_owned());
            return false;
        }
        let at = self.state.clock.at;
        self.spacing = track.rate.get().into();
        self.state.link = self.links.len();
        self.state.is_fresh = false;
        self.state.clock.start_over();
        self.state.counter = counter;
        self.links.push(MatroskaLink {
            track,
            start: at,
            end: at,
        });
        true
    }

    fn mark(&mut self, offset: u64, state: State) {
        if self.points.len() == MAX_POINTS {
            let mut keep = false;
            self.points.retain(|_| {
                keep = !keep;
                keep
            });
            self.spacing *= 2;
        }
        self.points.push(Point { offset, state });
    }

    fn without_track(&self, tracks: Option<(usize, Option<String>)>) -> SourceError {
        let name = &self.name;
        match tracks {
            Some((_, Some(why))) => SourceError::Unsupported(format!(
                "{name}: {why}; Opus, Vorbis, FLAC, MP3, AAC and PCM are read out of Matroska and WebM"
            )),
            Some(_) => SourceError::Unsupported(format!("{name}: there is no audio track in it")),
            None => SourceError::Malformed(format!(
                "{name}: this recording ends before it says what tracks it has"
            )),
        }
    }

    /// Reads the next element.
    fn step(&mut self, wanted: Wanted) -> io::Result<Outcome> {
        let mut head = [0; 12];
        let there = self.input.peek(&mut head)?;
        if there == 0 {
            return Ok(Outcome::End);
        }
        let Some(header) = ebml::header(&head[..there]) else {
            return Ok(match there == head.len() {
                true => Outcome::Damage,
                false => Outcome::Cut,
            });
        };
        let left = self.input.left() - header.len as u64;
        let is_container = matches!(header.id, SEGMENT | CLUSTER);
        match header.size {
            _ if is_container => {}
            None => return Ok(Outcome::Damage),
            Some(size) => {
                let most = match header.id {
                    SIMPLE_BLOCK | BLOCK_GROUP => MAX_BLOCK,
                    EBML | INFO | TRACKS => MAX_HEADER,
                    TIMESTAMP => 8,
                    _ if PASSED.contains(&header.id) => u64::MAX,
                    // Elements of later versions are small.
                    _ => left,
                };
                if size > most {
                    return Ok(Outcome::Damage);
                }
                if size > left {
                    return Ok(Outcome::Cut);
                }
            }
        }
        self.input.skip(header.len as u64)?;
        let size = header.size.unwrap_or(0);
        let step = match header.id {
            SEGMENT => Step::Passed,
            CLUSTER => Step::Cluster,
            SIMPLE_BLOCK => return self.simple_block(size, wanted),
            BLOCK_GROUP => return self.block_group(size),
            EBML => {
                self.input.skip(size)?;
                Step::Start
            }
            INFO => {
                let body = self.body(size)?;
                let scale = children(&body).find(|(id, _)| *id == TIMESTAMP_SCALE);
                Step::Scale(scale.map_or(MILLISECOND, |(_, body)| uint(body)))
            }
            TRACKS => Step::Tracks(track::tracks(&self.body(size)?)),
            TIMESTAMP => Step::ClusterTime(uint(&self.body(size)?)),
            _ => {
                self.input.skip(size)?;
                Step::Passed
            }
        };
        if let Step::Start = step {
            self.state.is_fresh = true;
            self.state.scale = MILLISECOND;
        }
        Ok(Outcome::Step(step))
    }

    fn simple_block(&mut self, size: u64, wanted: Wanted) -> io::Result<Outcome> {
        let mut start = [0; 12];
        let there = self.input.peek(&mut start)?.min(size as usize);
        let Some(head) = BlockHead::parse(&start[..there]) else {
            self.input.skip(size)?;
            return Ok(Outcome::Step(Step::Passed));
        };
        let is_ours = self
            .links
            .get(self.state.link)
            .is_some_and(|l| l.track.number == head.track);
        if !is_ours {
            self.input.skip(size)?;
            return Ok(Outcome::Step(Step::Passed));
        }
        if wanted == Wanted::Starts && head.is_single() {
            let len = size as usize - head.single_at();
            let mut packet = vec![0; len.min(START)];
            self.input.skip(head.single_at() as u64)?;
            self.input.fill(&mut packet)?;
            self.input.skip((len - packet.len()) as u64)?;
            return Ok(Outcome::Step(Step::Block {
                head,
                packets: vec![(packet, len)],
                discard_ns: 0,
            }));
        }
        let block = self.body(size)?;
        Ok(Outcome::Step(cut_up(head, &block, 0)))
    }

    fn block_group(&mut self, size: u64) -> io::Result<Outcome> {
        let body = self.body(size)?;
        let mut discard_ns = 0;
        let mut found = None;
        for (id, child) in children(&body) {
            match id {
                BLOCK => found = BlockHead::parse(child).map(|head| (head, child)),
                DISCARD_PADDING => discard_ns = int(child),
                _ => {}
            }
        }
        Ok(Outcome::Step(
            found.map_or(Step::Passed, |(head, block)| {
                cut_up(head, block, discard_ns)
            }),
        ))
    }

    /// The body of an element, whose size was checked.
    fn body(&mut self, size: u64) -> io::Result<Vec<u8>> {
        let mut body = vec![0; size as usize];
        self.input.fill(&mut body)?;
        Ok(body)
    }

    /// Goes on behind damage, at the next cluster.
    fn resume(&mut self) -> io::Result<()> {
        self.input.skip(1)?;
        if let Some(counter) = &mut self.state.counter {
            counter.forget();
        }
        self.input.find(CLUSTER.to_be_bytes()).map(|_| ())
    }

    fn io(&self, source: io::Error) -> SourceError {
        let what = self.name.clone();
        SourceError::Io { what, source }
    }
}

/// A block as its packets; nothing where they cannot be told apart.
fn cut_up(head: BlockHead, block: &[u8], discard_ns: i64) -> Step {
    let Some(ranges) = head.packets(block) else {
        return Step::Passed;
    };
    let packets = ranges.into_iter().filter_map(|r| {
        let len = r.len();
        Some((block.get(r)?.to_vec(), len))
    });
    Step::Block {
        head,
        packets: packets.collect(),
        discard_ns,
    }
}

impl State {
    fn new() -> Self {
        Self {
            link: 0,
            is_fresh: true,
            scale: MILLISECOND,
            cluster: 0,
            clock: Timeline::default(),
            counter: None,
        }
    }

    /// Takes what an element says, packet by packet.
    fn take(&mut self, step: Step, track: &Track, mut each: impl FnMut(MatroskaPacket)) {
        let (head, packets) = match step {
            Step::Scale(scale) => {
                self.scale = scale.clamp(1, 1_000_000_000);
                return;
            }
            Step::Cluster => {
                self.cluster = 0;
                return;
            }
            Step::ClusterTime(time) => {
                self.cluster = time;
                return;
            }
            Step::Block { head, packets, .. } if head.track == track.number => (head, packets),
            Step::Block { .. } | Step::Start | Step::Tracks(_) | Step::Passed => return,
        };
        let Some(counter) = &mut self.counter else {
            return;
        };
        let ticks = i128::from(self.cluster) + i128::from(head.time);
        let ns = ticks * i128::from(self.scale);
        let frames = ns * i128::from(track.rate.get()) / 1_000_000_000;
        let time = i64::try_from(frames).unwrap_or(i64::MAX);
        for (i, (data, len)) in packets.into_iter().enumerate() {
            let (data, len) = match track.stripped.is_empty() {
                true => (data, len),
                false => (
                    [&track.stripped[..], &data].concat(),
                    len + track.stripped.len(),
                ),
            };
            let frames = counter.count(&data, len);
            // Only the first one of a block has a time.
            if i == 0 {
                self.clock.place(time, track.rate.get());
            }
            let at = self.clock.at;
            self.clock.add(frames);
            each(MatroskaPacket { data, at, frames });
        }
    }
}

impl<R: Read + Seek> fmt::Debug for MatroskaReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MatroskaReader")
            .field("name", &self.name)
            .field("links", &self.links)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

const EBML: u32 = 0x1a45_dfa3;
const SEGMENT: u32 = 0x1853_8067;
const INFO: u32 = 0x1549_a966;
const TIMESTAMP_SCALE: u32 = 0x2a_d7b1;
const TRACKS: u32 = 0x1654_ae6b;
const CLUSTER: u32 = 0x1f43_b675;
const TIMESTAMP: u32 = 0xe7;
const SIMPLE_BLOCK: u32 = 0xa3;
const BLOCK_GROUP: u32 = 0xa0;
const BLOCK: u32 = 0xa1;
const DISCARD_PADDING: u32 = 0x75a2;
/// Elements that are passed over, and may be long: SeekHead, Cues, Chapters, Attachments, Tags, Void.
const PASSED: [u32; 6] = [
    0x114d_9b74,
    0x1c53_bb6b,
    0x1043_a770,
    0x1941_a469,
    0x1254_c367,
    0xec,
];
const MILLISECOND: u64 = 1_000_000;
/// Bytes of a block: seconds of PCM of many channels.
const MAX_BLOCK: u64 = 4 << 20;
const MAX_HEADER: u64 = 1 << 20;
const MAX_POINTS: usize = 16_384;
const MAX_LINKS: usize = 1_024;

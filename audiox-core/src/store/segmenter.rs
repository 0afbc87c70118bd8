use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use crate::error::ConfigError;
use crate::time::{Instant, MediaTime, UnixTime};

use super::{Crc32, Gap, GapKind, SegmentKey, SegmentMeta, StoredFormat, StreamId};

/// Cuts a stream's bytes into segments, and describes them. It keeps no bytes: they leave with
/// the events that say where they belong, uncopied.
///
/// Call order is free. [`poll`](Self::poll) has something new after `push*`, `handle_timeout` and
/// `finish` only; [`poll_timeout`](Self::poll_timeout) changes with the same calls.
///
/// A segment is closed when it is as long as it may be, measured in audio or by the clock, and at
/// the end. Where frames have a fixed length it is cut between two of them; a sender that stops
/// inside a frame leaves the beginning of the frame in one segment and the rest in the next. All
/// segments in a row are what was pushed, byte for byte.
#[derive(Debug, Clone)]
pub struct Segmenter {
    stream: StreamId,
    format: StoredFormat,
    frame_bytes: Option<u64>,
    max_elapsed: Duration,
    max_frames: u64,
    max_bytes: u64,
    /// The first second that no segment has.
    free_second: u64,
    /// Bytes pushed.
    offset: u64,
    /// Frames that ended in them.
    frames: u64,
    open: Option<Open>,
    events: VecDeque<SegmentEvent>,
}

/// When segments are closed, at the latest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmenterConfig {
    /// Time since the first byte: 100 ms to 1 h; 5 s, what clients of the archive know.
    pub max_elapsed: Duration,
    /// Length of the audio: 100 ms to 1 h; 5 s.
    pub max_media: Duration,
    /// Length in bytes: 64 KiB to 1 GiB; 64 MiB, the length of 5 s of 64 channels at 48 kHz.
    pub max_bytes: u64,
}

impl Default for SegmenterConfig {
    fn default() -> Self {
        Self {
            max_elapsed: Duration::from_secs(5),
            max_media: Duration::from_secs(5),
            max_bytes: 64 << 20,
        }
    }
}

impl SegmenterConfig {
    /// Whether every field is in its range.
    ///
    /// # Errors
    /// The first one that is not.
    pub fn validate(&self) -> Result<(), ConfigError> {
        for (field, d) in [
            ("max_elapsed", self.max_elapsed),
            ("max_media", self.max_media),
        ] {
            if !(MIN_LENGTH..=MAX_LENGTH).contains(&d) {
                let value = format!("{d:?}");
                return Err(ConfigError::new(field, value, "it is 100 ms to 1 h"));
            }
        }
        if !(64 << 10..=1 << 30).contains(&self.max_bytes) {
            return Err(ConfigError::new(
                "max_bytes",
                self.max_bytes,
                "it is 65536 to 1073741824 bytes",
            ));
        }
        Ok(())
    }
}

/// What becomes of a stream's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SegmentEvent {
    /// A segment begins: its key, the time of its first byte, and where it begins in the stream.
    /// A [`SegmentMeta`] of what is known so far, without any bytes.
    Opened(SegmentMeta),
    /// The next bytes of the open segment.
    Data(Bytes),
    /// The open segment has ended, and this is what became of it.
    Closed(SegmentMeta),
}

impl Segmenter {
    /// A segmenter for the start of a stream.
    ///
    /// # Errors
    /// A field of `config` is out of its range.
    pub fn new(
        stream: StreamId,
        format: StoredFormat,
        config: SegmenterConfig,
    ) -> Result<Self, ConfigError> {
        config.validate()?;
        let rate = format.stream.rate;
        Ok(Self {
            stream,
            frame_bytes: format.frame_bytes().map(|n| n as u64),
            format,
            max_elapsed: config.max_elapsed,
            max_frames: rate.frames_in(config.max_media).max(1),
            max_bytes: config.max_bytes,
            free_second: 0,
            offset: 0,
            frames: 0,
            open: None,
            events: VecDeque::new(),
        })
    }

    /// A segmenter that goes on after `last`, the last segment that there is.
    ///
    /// # Errors
    /// A field of `config` is out of its range.
    pub fn resume(
        last: &SegmentMeta,
        format: StoredFormat,
        config: SegmenterConfig,
    ) -> Result<Self, ConfigError> {
        let mut this = Self::new(last.key.stream.clone(), format, config)?;
        this.free_second = last.key.second.saturating_add(1);
        this.offset = last.offset.saturating_add(last.bytes);
        this.frames = u64::try_from(last.media_end().0).unwrap_or(0);
        Ok(this)
    }

    /// What the stream's bytes are.
    pub const fn format(&self) -> &StoredFormat {
        &self.format
    }

    /// The media time after all that was pushed.
    pub fn media_end(&self) -> MediaTime {
        MediaTime(i64::try_from(self.frames).unwrap_or(i64::MAX))
    }

    /// The open segment as far as it has come, without a checksum.
    pub fn open_segment(&self) -> Option<&SegmentMeta> {
        self.open.as_ref().map(|open| &open.meta)
    }

    /// Takes the sender's next bytes.
    ///
    /// For codings without a fixed frame length this is [`push_frames`](Self::push_frames) with
    /// no frames.
    pub fn push(&mut self, now: Instant, wall: UnixTime, data: Bytes) {
        self.take(now, wall, data, 0, None);
    }

    /// Takes the next bytes of a coding whose frames have no fixed length, and says how many
    /// frames they hold. They stay together. Where frames have one, `frames` is not looked at.
    pub fn push_frames(&mut self, now: Instant, wall: UnixTime, data: Bytes, frames: u64) {
        self.take(now, wall, data, frames, None);
    }

    /// Like [`push_frames`](Self::push_frames), for bytes that stand in for what never came.
    pub fn push_gap(
        &mut self,
        now: Instant,
        wall: UnixTime,
        data: Bytes,
        frames: u64,
        kind: GapKind,
    ) {
        self.take(now, wall, data, frames, Some(kind));
    }

    /// Closes a segment whose time is over; does nothing where none is.
    pub fn handle_timeout(&mut self, now: Instant, wall: UnixTime) {
        if self.poll_timeout().is_some_and(|at| at <= now) {
            self.close(wall);
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let open = self.open.as_ref()?;
        Some(open.since + self.max_elapsed)
    }

    /// Closes the last segment. What is pushed later goes on in a new one.
    pub fn finish(&mut self, wall: UnixTime) {
        self.close(wall);
    }

    /// What comes next, until there is nothing.
    #[must_use]
    pub fn poll(&mut self) -> Option<SegmentEvent> {
        self.events.pop_front()
    }

    fn take(
        &mut self,
        now: Instant,
        wall: UnixTime,
        mut data: Bytes,
        frames: u64,
        gap: Option<GapKind>,
    ) {
        self.handle_timeout(now, wall);
        while !data.is_empty() {
            let piece = match self.frame_bytes {
                Some(frame) => {
                    let room = self.room(frame);
                    let fits = usize::try_from(room).unwrap_or(usize::MAX).min(data.len());
                    data.split_to(fits)
                }
                None => data.split_to(data.len()),
            };
            let open = self.open.get_or_insert_with(|| {
                let second = wall.as_secs().max(self.free_second);
                self.free_second = second.saturating_add(1);
                let meta = SegmentMeta {
                    key: SegmentKey::new(self.stream.clone(), second),
                    start: wall,
                    end: wall,
                    media_start: MediaTime(i64::try_from(self.frames).unwrap_or(i64::MAX)),
                    frames: 0,
                    offset: self.offset,
                    bytes: 0,
                    checksum: None,
                    gaps: Vec::new(),
                };
                self.events.push_back(SegmentEvent::Opened(meta.clone()));
                Open {
                    meta,
                    since: now,
                    checksum: Crc32::new(),
                }
            });
            let len = piece.len() as u64;
            let ended = match self.frame_bytes {
                Some(frame) => (self.offset % frame + len) / frame,
                None => frames,
            };
            if let Some(kind) = gap {
                open.note_gap(open.meta.media_end(), ended, kind);
            }
            open.checksum.update(&piece);
            open.meta.bytes += len;
            open.meta.frames += ended;
            self.offset = self.offset.saturating_add(len);
            self.frames = self.frames.saturating_add(ended);
            self.events.push_back(SegmentEvent::Data(piece));
            if self.is_full() {
                self.close(wall);
            }
        }
    }

    /// Bytes that the open segment, or one opened now, can still take: up to the end of the last
    /// frame that fits. Never zero, since full segments are closed at once.
    fn room(&self, frame: u64) -> u64 {
        let into = self.offset % frame;
        let most = self.max_frames.min((self.max_bytes / frame).max(1));
        let ended = self.open.as_ref().map_or(0, |open| open.meta.frames);
        most.saturating_sub(ended).max(1).saturating_mul(frame) - into
    }

    fn is_full(&self) -> bool {
        let Some(open) = &self.open else { return false };
        match self.frame_bytes {
            Some(frame) => {
                let most = self.max_frames.min((self.max_bytes / frame).max(1));
                open.meta.frames >= most
            }
            None => open.meta.frames >= self.max_frames || open.meta.bytes >= self.max_bytes,
        }
    }

    fn close(&mut self, wall: UnixTime) {
        if let Some(open) = self.open.take() {
            let mut meta = open.meta;
            meta.end = wall;
            meta.checksum = Some(open.checksum.value());
            self.events.push_back(SegmentEvent::Closed(meta));
        }
    }
}

/// The segment that bytes go into.
#[derive(Debug, Clone)]
struct Open {
    /// As far as it has come.
    meta: SegmentMeta,
    since: Instant,
    checksum: Crc32,
}

impl Open {
    fn note_gap(&mut self, at: MediaTime, frames: u64, kind: GapKind) {
        if frames == 0 {
            return;
        }
        let many = self.meta.gaps.len() >= MAX_GAPS;
        if let Some(last) = self.meta.gaps.last_mut() {
            let end = last.at + i64::try_from(last.frames).unwrap_or(i64::MAX);
            // Past the limit the last one swallows what lies between: too much is marked rather
            // than too little, and the index stays small.
            if many || (last.kind == kind && end == at) {
                last.frames = u64::try_from(at - last.at).unwrap_or(0) + frames;
                return;
            }
        }
        self.meta.gaps.push(Gap { at, frames, kind });
    }
}

const MIN_LENGTH: Duration = Duration::from_millis(100);
const MAX_LENGTH: Duration = Duration::from_secs(3_600);
/// Gaps that one segment lists.
const MAX_GAPS: usize = 1_024;

#[cfg(test)]
mod tests;

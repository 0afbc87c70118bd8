use crate::format::SampleRate;
use crate::time::{MediaTime, UnixTime};

use super::{Crc32, SegmentKey};

/// What is known of a segment beside its bytes: an entry of its stream's index.
///
/// Media time counts frames from the stream's first one. Where bytes end inside a frame, the frame
/// belongs to the segment that has its last byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentMeta {
    /// Where its bytes are.
    pub key: SegmentKey,
    /// When its first byte came.
    pub start: UnixTime,
    /// When it was closed. By the wall clock, so it may lie before `start`.
    pub end: UnixTime,
    /// The first frame that is (or ends) in it.
    pub media_start: MediaTime,
    /// Frames that end in it.
    pub frames: u64,
    /// Bytes of the stream before it.
    pub offset: u64,
    /// Its length.
    pub bytes: u64,
    /// CRC-32 of its bytes; not known where somebody else stored them.
    pub checksum: Option<u32>,
    /// Stretches that did not come from the sender, in order, without overlap.
    pub gaps: Vec<Gap>,
}

impl SegmentMeta {
    /// The media time after its last frame.
    pub fn media_end(&self) -> MediaTime {
        self.media_start + i64::try_from(self.frames).unwrap_or(i64::MAX)
    }

    /// Whether `data` is what this describes, as far as its length and checksum tell.
    pub fn describes(&self, data: &[u8]) -> bool {
        self.bytes == data.len() as u64 && self.checksum.is_none_or(|sum| sum == Crc32::of(data))
    }

    /// The media time of a moment of the wall clock, by the last of `segments` (in order) that had
    /// begun by then; the start of the first where none had.
    pub fn media_at(segments: &[Self], at: UnixTime, rate: SampleRate) -> Option<MediaTime> {
        let begun = segments.iter().rev().find(|s| s.start <= at);
        let segment = begun.or_else(|| segments.first())?;
        let into = rate.frames_in(at.saturating_since(segment.start));
        Some(segment.media_start + i64::try_from(into.min(segment.frames)).unwrap_or(i64::MAX))
    }
}

/// A stretch of a segment that was made up where the sender's audio never came. Its bytes are in
/// the segment like all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// Its first frame.
    pub at: MediaTime,
    /// Its length.
    pub frames: u64,
    /// What stands in for it.
    pub kind: GapKind,
}

/// What stands in for audio that never came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GapKind {
    /// Silence.
    Missing,
    /// What a codec or a concealer made up from what lies around.
    Concealed,
}

/// A stretch of a stream, in frames since its start; `from` is in it and `to` is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeRange {
    /// The first frame.
    pub from: MediaTime,
    /// The frame after the last.
    pub to: MediaTime,
}

impl TimeRange {
    /// All there is.
    pub const ALL: Self = Self::since(MediaTime(0));

    /// From one frame up to another.
    pub const fn new(from: MediaTime, to: MediaTime) -> Self {
        Self { from, to }
    }

    /// From a frame on.
    pub const fn since(from: MediaTime) -> Self {
        Self {
            from,
            to: MediaTime(i64::MAX),
        }
    }

    /// Whether a segment is part of it: one of its frames is, or it has none of its own (a few
    /// bytes between two frames) and lies within.
    pub fn holds(&self, meta: &SegmentMeta) -> bool {
        let end = meta.media_end().max(meta.media_start + 1);
        meta.media_start < self.to && end > self.from
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StreamId;

    fn segment(second: u64, media_start: i64, frames: u64) -> SegmentMeta {
        SegmentMeta {
            key: SegmentKey::new(StreamId::parse("s").unwrap(), second),
            start: UnixTime::from_secs(second),
            end: UnixTime::from_secs(second + 5),
            media_start: MediaTime(media_start),
            frames,
            offset: 2 * media_start as u64,
            bytes: 2 * frames,
            checksum: None,
            gaps: Vec::new(),
        }
    }

    #[test]
    fn ranges_hold_what_they_overlap() {
        let s = segment(10, 100, 50);
        let range = |from, to| TimeRange::new(MediaTime(from), MediaTime(to));
        assert!(range(0, 101).holds(&s) && range(149, 150).holds(&s) && TimeRange::ALL.holds(&s));
        assert!(!range(0, 100).holds(&s) && !range(150, 200).holds(&s));
        assert!(!range(120, 100).holds(&s));
        assert!(range(100, 101).holds(&segment(10, 100, 0)));
        assert!(!range(101, 102).holds(&segment(10, 100, 0)));
    }

    #[test]
    fn wall_clock_times_lead_to_frames() {
        let all = [segment(10, 0, 40_000), segment(15, 40_000, 40_000)];
        let at = |nanos| {
            SegmentMeta::media_at(&all, UnixTime::from_nanos(nanos), SampleRate::HZ_8000).unwrap()
        };
        assert_eq!(at(0), MediaTime(0));
        assert_eq!(at(10_500_000_000), MediaTime(4_000));
        assert_eq!(at(15_000_000_000), MediaTime(40_000));
        assert_eq!(at(99_000_000_000), MediaTime(80_000));
        assert_eq!(
            SegmentMeta::media_at(&[], UnixTime::EPOCH, SampleRate::HZ_8000),
            None
        );
    }
}

//! One recorded stream: a window of audio around now, in which late and reordered packets still
//! find their place.

/// Frames held between arrival and disk, with a map of what has been filled.
///
/// Positions are frames on the recording's time line, at the track's rate. The window begins at
/// `written`: everything before it is on disk and cannot change.
#[derive(Debug)]
pub(super) struct Track {
    channels: usize,
    /// Frames the ring has room for while it is there.
    window: usize,
    ring: Box<[f32]>,
    /// First position that is not yet written; `None` until writing starts.
    written: Option<i64>,
    /// Filled stretches from `written` on, sorted, disjoint, not touching.
    filled: Vec<Span>,
    /// First position ever placed, and the end of the last.
    bounds: Option<(i64, i64)>,
}

/// Positions `start..end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: i64,
    pub(super) end: i64,
}

/// What became of a block, in frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Placed {
    /// Taken in.
    pub(super) fresh: u64,
    /// Already there.
    pub(super) duplicate: u64,
    /// Before what is written.
    pub(super) late: u64,
    /// Beyond the window.
    pub(super) early: u64,
}

impl Track {
    /// A track whose window is `capacity` frames long.
    pub(super) fn new(channels: usize, capacity: usize) -> Self {
        let mut track = Self {
            channels,
            window: capacity.max(1),
            ring: Box::default(),
            written: None,
            filled: Vec::new(),
            bounds: None,
        };
        track.restore();
        track
    }

    /// Places a block of whole frames at `at`.
    pub(super) fn place(&mut self, at: i64, block: &[f32]) -> Placed {
        let mut placed = Placed::default();
        let frames = (block.len() / self.channels) as i64;
        if self.ring.is_empty() {
            placed.early = frames as u64;
            return placed;
        }
        let mut span = Span {
            start: at,
            end: at.saturating_add(frames),
        };
        if let Some(written) = self.written {
            placed.late = (written.min(span.end) - span.start).max(0) as u64;
            span.start = span.start.max(written);
        }
        let limit = self.limit(span.start);
        placed.early = (span.end - limit.max(span.start)).max(0) as u64;
        span.end = span.end.min(limit);
        if span.start >= span.end {
            return placed;
        }
        let before = self.filled_frames();
        if !self.add_span(span) {
            placed.early += (span.end - span.start) as u64;
            return placed;
        }
        placed.fresh = self.filled_frames() - before;
        placed.duplicate = (span.end - span.start) as u64 - placed.fresh;
        let skip = (span.start - at) as usize * self.channels;
        let len = (span.end - span.start) as usize * self.channels;
        self.write_ring(span.start, &block[skip..skip + len]);
        let (first, end) = self.bounds.unwrap_or((span.start, span.end));
        self.bounds = Some((first.min(span.start), end.max(span.end)));
        placed
    }

    /// Lets writing begin at `begin`, unless it has begun; returns how many frames placed before
    /// that are dropped.
    pub(super) fn begin(&mut self, begin: i64) -> u64 {
        if self.written.is_some() {
            return 0;
        }
        self.written = Some(begin);
        let before = self.filled_frames();
        self.filled.retain(|s| s.end > begin);
        if let Some(first) = self.filled.first_mut() {
            first.start = first.start.max(begin);
        }
        before - self.filled_frames()
    }

    /// Takes the frames from where writing stands to `end`: `each` gets the filled stretches and
    /// the gaps between them, in order, as position and either samples or a number of missing
    /// frames. Nothing before [`begin`](Self::begin).
    pub(super) fn drain(&mut self, end: i64, mut each: impl FnMut(i64, Part<'_>)) {
        let Some(mut at) = self.written else {
            return;
        };
        while at < end {
            let part_end = match self.filled.first() {
                Some(s) if s.start <= at => {
                    let stop = s.end.min(end);
                    let (head, tail) = self.ring_slices(at, stop);
                    if !head.is_empty() {
                        each(at, Part::Audio(head));
                    }
                    if !tail.is_empty() {
                        each(at + (head.len() / self.channels) as i64, Part::Audio(tail));
                    }
                    stop
                }
                next => {
                    let stop = next.map_or(end, |s| s.start.min(end));
                    each(at, Part::Missing((stop - at) as u64));
                    stop
                }
            };
            at = part_end;
            match self.filled.first_mut() {
                Some(s) if s.end <= at => {
                    self.filled.remove(0);
                }
                Some(s) => s.start = s.start.max(at),
                None => {}
            }
        }
        self.written = Some(at.max(end));
    }

    /// Moves everything placed from `from` on by `by` frames: it turned out to be later than
    /// thought. What would leave the window is dropped; returns how many frames that were.
    pub(super) fn shift(&mut self, from: i64, by: i64) -> u64 {
        let Some(last) = self.filled.last().map(|s| s.end) else {
            return 0;
        };
        let from = self.written.map_or(from, |w| from.max(w));
        if by <= 0 || last <= from {
            return 0;
        }
        let first = self.filled.first().map_or(from, |s| s.start);
        let base = self.written.unwrap_or(first);
        let limit = base + self.capacity();
        let keep_end = last.min(limit - by);
        for position in (from..keep_end).rev() {
            let (a, b) = (self.index(position), self.index(position + by));
            self.ring.copy_within(a..a + self.channels, b);
        }
        let old = std::mem::replace(&mut self.filled, Vec::with_capacity(MAX_SPANS));
        for span in old {
            let stays = Span {
                start: span.start,
                end: span.end.min(from),
            };
            let moves = Span {
                start: span.start.max(from) + by,
                end: span.end.min(keep_end) + by,
            };
            for s in [stays, moves] {
                if s.start < s.end {
                    self.add_span(s);
                }
            }
        }
        if let Some((_, end)) = &mut self.bounds {
            *end = (*end).max(keep_end + by);
        }
        (last - keep_end.max(from)).max(0) as u64
    }

    /// Gives the window's memory back: the track is over. What comes still is early.
    pub(super) fn release(&mut self) {
        self.ring = Box::default();
        self.filled = Vec::new();
    }

    /// Takes the window's memory again after a [`release`](Self::release): the track goes on.
    pub(super) fn restore(&mut self) {
        self.ring = vec![0.0; self.window * self.channels].into_boxed_slice();
        self.filled = Vec::with_capacity(MAX_SPANS);
    }

    /// Whether [`release`](Self::release) was called.
    pub(super) fn is_released(&self) -> bool {
        self.ring.is_empty()
    }

    /// First position placed and the end of the last.
    pub(super) fn bounds(&self) -> Option<(i64, i64)> {
        self.bounds
    }

    /// First position not yet on disk.
    pub(super) fn written(&self) -> Option<i64> {
        self.written
    }

    /// Frames the window spans.
    pub(super) fn capacity(&self) -> i64 {
        (self.ring.len() / self.channels) as i64
    }

    fn limit(&self, start: i64) -> i64 {
        let base = match (self.written, self.filled.first()) {
            (Some(w), _) => w,
            (None, Some(first)) => first.start.min(start),
            (None, None) => start,
        };
        base.saturating_add(self.capacity())
    }

    fn filled_frames(&self) -> u64 {
        self.filled.iter().map(|s| (s.end - s.start) as u64).sum()
    }

    /// Adds a stretch, joined with those it touches; `false` where the map is full.
    fn add_span(&mut self, span: Span) -> bool {
        // A block placed before the window's begin may not push the end out of the ring.
        if let (None, Some(last)) = (self.written, self.filled.last())
            && last.end - span.start > self.capacity()
        {
            return false;
        }
        let from = self.filled.partition_point(|s| s.end < span.start);
        let to = self.filled.partition_point(|s| s.start <= span.end);
        if from == to && self.filled.len() == MAX_SPANS {
            return false;
        }
        let joined = self.filled[from..to].iter().fold(span, |j, s| Span {
            start: j.start.min(s.start),
            end: j.end.max(s.end),
        });
        if from == to {
            self.filled.insert(from, joined);
        } else {
            self.filled[from] = joined;
            self.filled.drain(from + 1..to);
        }
        true
    }

    fn index(&self, position: i64) -> usize {
        position.rem_euclid(self.capacity()) as usize * self.channels
    }

    fn write_ring(&mut self, at: i64, samples: &[f32]) {
        let from = self.index(at);
        let head = samples.len().min(self.ring.len() - from);
        self.ring[from..from + head].copy_from_slice(&samples[..head]);
        self.ring[..samples.len() - head].copy_from_slice(&samples[head..]);
    }

    fn ring_slices(&self, start: i64, end: i64) -> (&[f32], &[f32]) {
        let len = (end - start) as usize * self.channels;
        let from = self.index(start);
        let head = len.min(self.ring.len() - from);
        (&self.ring[from..from + head], &self.ring[..len - head])
    }
}

/// A stretch of a drained track.
#[derive(Debug, PartialEq)]
pub(super) enum Part<'a> {
    /// Interleaved samples as they came.
    Audio(&'a [f32]),
    /// Frames that never came.
    Missing(u64),
}

/// Separate stretches that a window can hold: more than any sane reordering makes.
const MAX_SPANS: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn drained(track: &mut Track, begin: i64, end: i64) -> Vec<Option<f32>> {
        let mut out = Vec::new();
        track.begin(begin);
        track.drain(end, |_, part| match part {
            Part::Audio(s) => out.extend(s.iter().map(|x| Some(*x))),
            Part::Missing(n) => out.extend((0..n).map(|_| None)),
        });
        out
    }

    #[test]
    fn reordered_blocks_find_their_place_and_gaps_show() {
        let mut t = Track::new(1, 16);
        assert_eq!(t.place(4, &[4.0, 5.0]).fresh, 2);
        assert_eq!(t.place(0, &[0.0, 1.0]).fresh, 2);
        assert_eq!(
            t.place(1, &[1.0, 2.0]),
            Placed {
                fresh: 1,
                duplicate: 1,
                ..Placed::default()
            }
        );
        let got = drained(&mut t, 0, 7);
        assert_eq!(
            got,
            [
                Some(0.0),
                Some(1.0),
                Some(2.0),
                None,
                Some(4.0),
                Some(5.0),
                None
            ]
        );
        assert_eq!(
            t.place(5, &[9.0, 9.0, 7.0]),
            Placed {
                late: 2,
                fresh: 1,
                ..Placed::default()
            }
        );
        assert_eq!(
            t.place(7 + 15, &[1.0, 2.0]),
            Placed {
                fresh: 1,
                early: 1,
                ..Placed::default()
            }
        );
    }

    #[test]
    fn a_late_insight_moves_the_tail() {
        let mut t = Track::new(1, 16);
        t.place(0, &[0.0, 1.0, 2.0, 3.0]);
        assert_eq!(t.shift(2, 3), 0);
        let got = drained(&mut t, 0, 7);
        assert_eq!(
            got,
            [Some(0.0), Some(1.0), None, None, None, Some(2.0), Some(3.0)]
        );
    }

    proptest! {
        #[test]
        fn behaves_as_a_map_of_positions(ops in prop::collection::vec((0i64..60, 1usize..9, any::<bool>()), 1..80)) {
            let mut t = Track::new(2, 24);
            let mut model: BTreeMap<i64, f32> = BTreeMap::new();
            let mut written = 0i64;
            t.begin(0);
            for (at, frames, drain) in ops {
                if drain {
                    let end = written + frames as i64;
                    let mut got = Vec::new();
                    t.drain(end, |_, part| match part {
                        Part::Audio(s) => got.extend(s.chunks(2).map(|f| Some(f[0]))),
                        Part::Missing(n) => got.extend((0..n).map(|_| None)),
                    });
                    let expected: Vec<_> = (written..end).map(|p| model.remove(&p)).collect();
                    prop_assert_eq!(got, expected);
                    written = end;
                } else {
                    let block: Vec<f32> = (0..frames).flat_map(|i| [(at + i as i64) as f32; 2]).collect();
                    let placed = t.place(at, &block);
                    let mut fresh = 0;
                    for p in at..at + frames as i64 {
                        if p >= written && p < written + 24 && model.insert(p, p as f32).is_none() {
                            fresh += 1;
                        }
                    }
                    prop_assert_eq!(placed.fresh, fresh);
                    prop_assert_eq!(placed.fresh + placed.duplicate + placed.late + placed.early, frames as u64);
                }
            }
        }
    }
}

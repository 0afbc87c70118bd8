//! Stored streams, read again in order.

use std::collections::VecDeque;
use std::sync::Arc;

use audiox_core::store::{
    SegmentKey, SegmentMeta, SegmentStore, StoreError, StoreErrorKind, StoredFormat, StreamId,
    StreamRecord, TimeRange,
};
use audiox_core::time::MediaTime;
use bytes::Bytes;
use tokio::task::JoinHandle;

use crate::Spool;

/// A stretch of a stream, segment by segment, the next one fetched while the last one is used; at
/// most two segments are in memory.
///
/// With the [`Spool`] of a stream that is live it reads on into what the store does not have yet,
/// the open segment included: up to the last byte that was accepted. It never repeats a byte, and
/// skips one only where it is gone from the archive, which [`Piece::at`] shows.
#[derive(Debug)]
pub struct Replay {
    archive: Archive,
    record: StreamRecord,
    /// What is asked for.
    to: MediaTime,
    /// Where it has come to.
    cursor: Cursor,
    /// What comes next, as far as it was looked up.
    ahead: VecDeque<SegmentMeta>,
    /// The first of those, under way.
    fetching: Option<Fetch>,
    stats: ReplayStats,
}

/// Bytes of a stream, and where they belong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The first frame.
    pub at: MediaTime,
    /// As they were sent; with those of the piece before and after, whole frames.
    pub data: Bytes,
}

/// What a [`Replay`] has come across.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ReplayStats {
    /// Segments read.
    pub segments: u64,
    /// Segments whose bytes are not what their checksums say. They are played all the same.
    pub damaged: u64,
    /// Bytes of the stream that are gone from the archive.
    pub missing_bytes: u64,
}

impl ReplayStats {
    /// An index may claim any length.
    const fn miss(&mut self, bytes: u64) {
        self.missing_bytes = self.missing_bytes.saturating_add(bytes);
    }
}

/// The first byte from `byte` on that begins a frame.
fn whole_frames(byte: u64, frame: u64) -> u64 {
    byte.checked_next_multiple_of(frame).unwrap_or(u64::MAX)
}

/// The next byte, and the next frame. Where frames have no fixed length the byte alone counts.
#[derive(Debug, Clone, Copy)]
struct Cursor {
    byte: u64,
    frame: MediaTime,
}

impl Replay {
    /// The stream `id` within `range`, from `store`, and from `spool` what the store lacks.
    ///
    /// Where frames have no fixed length, segments come as wholes once they are closed: all that
    /// hold frames of the range.
    ///
    /// # Errors
    /// `NotFound` where neither has the stream; the store fails.
    pub async fn open(
        store: Arc<dyn SegmentStore>,
        spool: Option<Spool>,
        id: &StreamId,
        range: TimeRange,
    ) -> Result<Self, StoreError> {
        let record = match (store.stream(id).await, &spool) {
            (Ok(record), _) => record,
            // It has just begun, or the store is away: the spool may know it.
            (Err(e), Some(spool)) => spool.record(id).ok_or(e)?,
            (Err(e), None) => return Err(e),
        };
        let from = u64::try_from(range.from.0).unwrap_or(0);
        let frame_bytes = record.format.frame_bytes().map_or(0, |n| n as u64);
        Ok(Self {
            archive: Archive { store, spool },
            record,
            to: range.to,
            cursor: Cursor {
                byte: from.saturating_mul(frame_bytes),
                frame: MediaTime(range.from.0.max(0)),
            },
            ahead: VecDeque::new(),
            fetching: None,
            stats: ReplayStats::default(),
        })
    }

    /// What is known of the stream.
    pub const fn record(&self) -> &StreamRecord {
        &self.record
    }

    /// What the bytes are.
    pub const fn format(&self) -> &StoredFormat {
        &self.record.format
    }

    /// The frame that comes next.
    pub const fn position(&self) -> MediaTime {
        self.cursor.frame
    }

    /// What it has come across so far.
    pub const fn stats(&self) -> ReplayStats {
        self.stats
    }

    /// The next stretch; none at the end of the range, and at the end of what there is so far: of
    /// a live stream there may be more later.
    ///
    /// # Errors
    /// The store fails. Nothing is lost by it: the same piece can be asked for again.
    pub async fn next(&mut self) -> Result<Option<Piece>, StoreError> {
        loop {
            if self.cursor.frame >= self.to {
                return Ok(None);
            }
            if self.ahead.is_empty() {
                self.look_ahead().await?;
            }
            let Some(meta) = self.ahead.front() else {
                return Ok(None);
            };
            let fetch = self
                .fetching
                .get_or_insert_with(|| self.archive.fetch(meta.key.clone()));
            let fetched = fetch.finish().await;
            self.fetching = None;
            let data = match fetched {
                Ok(data) => Some(data),
                // It was removed after it was looked up.
                Err(e) if e.kind == StoreErrorKind::NotFound => None,
                Err(e) => return Err(e),
            };
            let Some(meta) = self.ahead.pop_front() else {
                return Ok(None);
            };
            if let Some(next) = self.ahead.front() {
                self.fetching = Some(self.archive.fetch(next.key.clone()));
            }
            let piece = data.and_then(|data| self.cut(&meta, data));
            self.pass(&meta);
            if piece.is_some() {
                return Ok(piece);
            }
        }
    }

    /// What of a segment comes next and was asked for.
    fn cut(&mut self, meta: &SegmentMeta, mut data: Bytes) -> Option<Piece> {
        self.stats.segments += 1;
        // One that was open when it was looked up has grown since.
        if meta.checksum.is_some() && !meta.describes(&data) {
            self.stats.damaged += 1;
            tracing::warn!(segment = %meta.key, "its bytes are not those that were stored");
        }
        let Some(frame) = self.record.format.frame_bytes().map(|n| n as u64) else {
            return self.whole(meta, data);
        };
        let mut start = meta.offset.max(self.cursor.byte);
        if start > self.cursor.byte {
            // After a hole it goes on with a whole frame.
            start = whole_frames(start, frame);
        }
        let limit = u64::try_from(self.to.0).unwrap_or(0).saturating_mul(frame);
        let end = meta.offset.saturating_add(data.len() as u64).min(limit);
        if start >= end {
            return None;
        }
        self.stats.miss(start - self.cursor.byte);
        // Both lie within the segment.
        data.truncate((end - meta.offset) as usize);
        let data = data.split_off((start - meta.offset) as usize);
        let frame_at = |byte: u64| MediaTime(i64::try_from(byte / frame).unwrap_or(i64::MAX));
        self.cursor = Cursor {
            byte: end,
            frame: frame_at(end),
        };
        Some(Piece {
            at: frame_at(start),
            data,
        })
    }

    /// The same where nobody knows how many bytes a frame has.
    fn whole(&mut self, meta: &SegmentMeta, data: Bytes) -> Option<Piece> {
        if self.cursor.byte > 0 {
            self.stats
                .miss(meta.offset.saturating_sub(self.cursor.byte));
        }
        self.cursor = Cursor {
            byte: meta.offset.saturating_add(data.len() as u64),
            frame: meta.media_end(),
        };
        let at = meta.media_start;
        (!data.is_empty()).then_some(Piece { at, data })
    }

    /// Leaves a segment behind, also where its bytes were gone or fewer than its entry says.
    fn pass(&mut self, meta: &SegmentMeta) {
        let end = meta.offset.saturating_add(meta.bytes);
        if self.cursor.byte >= end || self.cursor.frame >= self.to {
            return;
        }
        self.stats.miss(end - self.cursor.byte.max(meta.offset));
        let frame = self.record.format.frame_bytes().map_or(1, |n| n as u64);
        self.cursor = Cursor {
            // A frame that lacks its beginning is none.
            byte: whole_frames(end, frame),
            frame: meta.media_end(),
        };
    }

    /// The frames that there are, within the range that was asked for. None where there are none.
    ///
    /// # Errors
    /// The store fails.
    pub async fn extent(&self) -> Result<Option<TimeRange>, StoreError> {
        let metas = self.look_up(self.cursor.frame, self.to).await?;
        let (Some(first), Some(last)) = (metas.first(), metas.last()) else {
            return Ok(None);
        };
        let from = first.media_start.max(self.cursor.frame);
        let to = last.media_end().min(self.to);
        Ok((from < to).then_some(TimeRange::new(from, to)))
    }

    /// Looks up what comes next: some minutes of it, or all the rest where nothing is there.
    async fn look_ahead(&mut self) -> Result<(), StoreError> {
        let from = self.cursor.frame;
        let rate = i64::from(self.record.format.stream.rate.get());
        let near = self.to.min(from + rate * MINUTES * 60);
        let mut metas = self.look_up(from, near).await?;
        if metas.is_empty() && near < self.to {
            metas = self.look_up(from, self.to).await?;
        }
        self.ahead = metas.into();
        Ok(())
    }

    /// What store and spool have of some frames and was not read yet, in order.
    async fn look_up(
        &self,
        from: MediaTime,
        to: MediaTime,
    ) -> Result<Vec<SegmentMeta>, StoreError> {
        // One frame earlier: what ends inside the first one may be in a segment that has only
        // frames before it.
        let range = TimeRange::new(MediaTime(from.0.saturating_sub(1)), to);
        // The spool first: what leaves it meanwhile is in the store by then.
        let waiting = match &self.archive.spool {
            Some(spool) => spool.waiting(&self.record.id).await,
            None => Vec::new(),
        };
        let mut metas = self.stored(range).await?;
        metas.extend(waiting.into_iter().filter(|meta| range.holds(meta)));
        // Those in both places are the same, except that one may have been open a moment ago.
        metas.sort_by_key(|meta| (meta.key.second, meta.checksum.is_none()));
        metas.dedup_by(|b, a| a.key == b.key);
        metas.retain(|meta| {
            meta.offset.saturating_add(meta.bytes) > self.cursor.byte
                && (self.record.format.frame_bytes().is_some() || meta.checksum.is_some())
        });
        Ok(metas)
    }

    async fn stored(&self, range: TimeRange) -> Result<Vec<SegmentMeta>, StoreError> {
        match self.archive.store.list(&self.record.id, range).await {
            Err(e) if self.archive.spool.is_some() && e.kind == StoreErrorKind::NotFound => {
                Ok(Vec::new())
            }
            listed => listed,
        }
    }
}

/// Where segments come from.
#[derive(Debug, Clone)]
struct Archive {
    store: Arc<dyn SegmentStore>,
    spool: Option<Spool>,
}

impl Archive {
    /// Begins to fetch a segment.
    fn fetch(&self, key: SegmentKey) -> Fetch {
        let this = self.clone();
        Fetch(tokio::spawn(async move { this.get(&key).await }))
    }

    async fn get(&self, key: &SegmentKey) -> Result<Bytes, StoreError> {
        if let Some(spool) = &self.spool {
            match spool.get(key).await {
                // The store has it.
                Err(e) if e.kind == StoreErrorKind::NotFound => {}
                got => return got,
            }
        }
        self.store.get(key).await
    }
}

/// A segment under way. Dropped, it is given up.
#[derive(Debug)]
struct Fetch(JoinHandle<Result<Bytes, StoreError>>);

impl Fetch {
    async fn finish(&mut self) -> Result<Bytes, StoreError> {
        match (&mut self.0).await {
            Ok(result) => result,
            Err(e) if e.is_panic() => std::panic::resume_unwind(e.into_panic()),
            Err(e) => Err(StoreError::new(StoreErrorKind::Other, "replay", e)),
        }
    }
}

impl Drop for Fetch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Looked up at a time.
const MINUTES: i64 = 10;

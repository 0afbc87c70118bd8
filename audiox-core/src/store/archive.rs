use std::fmt::Debug;

use async_trait::async_trait;
use bytes::Bytes;

use crate::time::MediaTime;

use super::{GapKind, SegmentKey, SegmentMeta, StoreError, StreamId, StreamRecord, TimeRange};

/// An archive that is written as streams come: bytes go in, segments come out of it, and what was
/// accepted is kept.
///
/// It owns the clock, the cutting and the upload; a [`SegmentStore`](super::SegmentStore) is what
/// it brings segments to. Reading sees everything that was accepted, wherever it is by then.
#[async_trait]
pub trait Archive: Debug + Send + Sync + 'static {
    /// Begins a stream, or goes on with one that was interrupted; says where.
    ///
    /// # Errors
    /// Nothing can be kept.
    async fn begin(&self, record: &StreamRecord) -> Result<MediaTime, StoreError>;

    /// Accepts a stream's next bytes, in which `frames` end; `gap` where they stand in for what
    /// never came. Says where they begin. Of one stream, one call after another.
    ///
    /// # Errors
    /// `NotFound` for a stream that has not begun; `Full` where there is no room. Nothing of it
    /// was accepted then.
    async fn append(
        &self,
        id: &StreamId,
        data: Bytes,
        frames: u64,
        gap: Option<GapKind>,
    ) -> Result<MediaTime, StoreError>;

    /// Ends a stream; its last segment is on its way then.
    ///
    /// # Errors
    /// `NotFound` for a stream that has not begun.
    async fn end(&self, id: &StreamId) -> Result<StreamRecord, StoreError>;

    /// What is known of a stream.
    ///
    /// # Errors
    /// `NotFound`, or the store fails.
    async fn stream(&self, id: &StreamId) -> Result<StreamRecord, StoreError>;

    /// Up to `limit` streams in order of their ids, from the first one after `after` on.
    ///
    /// # Errors
    /// The store fails.
    async fn streams(
        &self,
        after: Option<&StreamId>,
        limit: usize,
    ) -> Result<Vec<StreamRecord>, StoreError>;

    /// The closed segments of a stream that hold frames of `range`, in order.
    ///
    /// # Errors
    /// `NotFound`, or the store fails.
    async fn list(&self, id: &StreamId, range: TimeRange) -> Result<Vec<SegmentMeta>, StoreError>;

    /// A closed segment's bytes.
    ///
    /// # Errors
    /// `NotFound`, or the store fails.
    async fn get(&self, key: &SegmentKey) -> Result<Bytes, StoreError>;

    /// The segment that is being written, as far as it has come.
    ///
    /// # Errors
    /// What was written cannot be read.
    async fn open_segment(&self, id: &StreamId)
    -> Result<Option<(SegmentMeta, Bytes)>, StoreError>;

    /// Removes a stream that has ended, and all its segments.
    ///
    /// # Errors
    /// The store fails.
    async fn delete_stream(&self, id: &StreamId) -> Result<(), StoreError>;

    /// The next segment that was brought to the store, in each stream in order. For one task at a
    /// time; none when the archive has stopped.
    async fn stored(&self) -> Option<SegmentMeta>;
}

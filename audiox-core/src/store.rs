//! Where streams are kept: the contract of an archive, and what every archive needs beside it.
//!
//! A *stream* is kept as *segments*: consecutive stretches of its bytes, exactly as they came,
//! each under a [`SegmentKey`] and described by a [`SegmentMeta`]. A [`Segmenter`] cuts them, a
//! [`SegmentStore`] keeps them. [`MemoryStore`] is one without a disk; [`Faulty`] makes trouble
//! around any other, for tests.
//!
//! Stores are called a few times a second and chosen at run time, so their calls are boxed
//! futures; they need no particular runtime, and nothing here starts one.
//!
//! # Invariants
//! - Within a stream, keys, offsets and media times increase together from segment to segment.
//! - A segment is there whole or not at all, and does not change once it is there.

mod archive;
mod checksum;
mod error;
mod faulty;
mod key;
mod memory;
mod meta;
mod record;
mod segmenter;

pub use archive::Archive;
pub use checksum::Crc32;
pub use error::{StoreError, StoreErrorKind};
pub use faulty::{Fault, FaultHandle, Faulty};
pub use key::{SegmentKey, StreamId};
pub use memory::MemoryStore;
pub use meta::{Gap, GapKind, SegmentMeta, TimeRange};
pub use record::{Coding, Retention, StoredFormat, StreamRecord};
pub use segmenter::{SegmentEvent, Segmenter, SegmenterConfig};

use std::fmt::{Debug, Display};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

/// An archive of streams. `Display` names it as its user would: a folder, a URL.
///
/// One writer a stream: two that write segments of the same stream at once may lose entries of
/// its index, never segments. Any number may read meanwhile.
///
/// A future that is dropped half-way leaves each segment there or not there, never in part; what
/// was asked for may or may not have been done, and asking again is right.
///
/// Every implementation passes [`conformance::segment_store`](crate::conformance).
#[async_trait]
pub trait SegmentStore: Debug + Display + Send + Sync + 'static {
    /// Whether the store is there and can be written. To be called at the start, so that what is
    /// wrong is told then.
    ///
    /// # Errors
    /// Why it cannot be used, in words for whoever set it up.
    async fn check(&self) -> Result<(), StoreError>;

    /// Keeps what is known of a stream, in place of what was.
    ///
    /// # Errors
    /// The store fails.
    async fn put_stream(&self, record: &StreamRecord) -> Result<(), StoreError>;

    /// What is known of a stream.
    ///
    /// # Errors
    /// `NotFound`, or the store fails.
    async fn stream(&self, id: &StreamId) -> Result<StreamRecord, StoreError>;

    /// Up to `limit` streams in order of their ids, from the first one after `after` on. Fewer
    /// than `limit` are the last.
    ///
    /// # Errors
    /// The store fails.
    async fn streams(
        &self,
        after: Option<&StreamId>,
        limit: usize,
    ) -> Result<Vec<StreamRecord>, StoreError>;

    /// Keeps a segment, and then lists it. The same segment again changes nothing and is no error.
    ///
    /// # Errors
    /// `Invalid` where length or checksum contradict `meta`, `NotFound` for a stream that was
    /// never put, `AlreadyExists` where another segment has the key; or the store fails.
    async fn put(&self, meta: &SegmentMeta, data: Bytes) -> Result<(), StoreError>;

    /// A segment's bytes. Not checked against its checksum; a [`Crc32`] does.
    ///
    /// # Errors
    /// `NotFound`, or the store fails.
    async fn get(&self, key: &SegmentKey) -> Result<Bytes, StoreError>;

    /// The segments of a stream that hold frames of `range`, in order.
    ///
    /// # Errors
    /// `NotFound` for a stream that is not known, or the store fails.
    async fn list(&self, id: &StreamId, range: TimeRange) -> Result<Vec<SegmentMeta>, StoreError>;

    /// Removes a segment; one that is not there is removed already.
    ///
    /// # Errors
    /// The store fails.
    async fn delete(&self, key: &SegmentKey) -> Result<(), StoreError>;

    /// Removes a stream and all its segments; one that is not there is removed already.
    ///
    /// # Errors
    /// The store fails.
    async fn delete_stream(&self, id: &StreamId) -> Result<(), StoreError>;
}

#[async_trait]
impl<S: SegmentStore + ?Sized> SegmentStore for Arc<S> {
    async fn check(&self) -> Result<(), StoreError> {
        (**self).check().await
    }

    async fn put_stream(&self, record: &StreamRecord) -> Result<(), StoreError> {
        (**self).put_stream(record).await
    }

    async fn stream(&self, id: &StreamId) -> Result<StreamRecord, StoreError> {
        (**self).stream(id).await
    }

    async fn streams(
        &self,
        after: Option<&StreamId>,
        limit: usize,
    ) -> Result<Vec<StreamRecord>, StoreError> {
        (**self).streams(after, limit).await
    }

    async fn put(&self, meta: &SegmentMeta, data: Bytes) -> Result<(), StoreError> {
        (**self).put(meta, data).await
    }

    async fn get(&self, key: &SegmentKey) -> Result<Bytes, StoreError> {
        (**self).get(key).await
    }

    async fn list(&self, id: &StreamId, range: TimeRange) -> Result<Vec<SegmentMeta>, StoreError> {
        (**self).list(id, range).await
    }

    async fn delete(&self, key: &SegmentKey) -> Result<(), StoreError> {
        (**self).delete(key).await
    }

    async fn delete_stream(&self, id: &StreamId) -> Result<(), StoreError> {
        (**self).delete_stream(id).await
    }
}

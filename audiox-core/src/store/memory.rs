#![expect(
    clippy::disallowed_types,
    reason = "a store is shared between tasks and called a few times a second, never on the audio path"
)]

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;

use super::{
    SegmentKey, SegmentMeta, SegmentStore, StoreError, StoreErrorKind, StreamId, StreamRecord,
    TimeRange,
};

/// A store that lives as long as the process.
#[derive(Default)]
pub struct MemoryStore {
    streams: Mutex<BTreeMap<StreamId, Kept>>,
}

struct Kept {
    record: StreamRecord,
    /// By the second of their keys, which is their order.
    segments: BTreeMap<u64, (SegmentMeta, Bytes)>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn streams(&self) -> MutexGuard<'_, BTreeMap<StreamId, Kept>> {
        // No call can panic half-way through a change.
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl SegmentStore for MemoryStore {
    async fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn put_stream(&self, record: &StreamRecord) -> Result<(), StoreError> {
        let mut streams = self.streams();
        if let Some(kept) = streams.get_mut(&record.id) {
            kept.record = record.clone();
        } else {
            let kept = Kept {
                record: record.clone(),
                segments: BTreeMap::new(),
            };
            streams.insert(record.id.clone(), kept);
        }
        Ok(())
    }

    async fn stream(&self, id: &StreamId) -> Result<StreamRecord, StoreError> {
        let streams = self.streams();
        let kept = streams.get(id).ok_or_else(|| missing(id))?;
        Ok(kept.record.clone())
    }

    async fn streams(
        &self,
        after: Option<&StreamId>,
        limit: usize,
    ) -> Result<Vec<StreamRecord>, StoreError> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let streams = self.streams();
        let page = streams.range((from, Bound::Unbounded)).take(limit);
        Ok(page.map(|(_, kept)| kept.record.clone()).collect())
    }

    async fn put(&self, meta: &SegmentMeta, data: Bytes) -> Result<(), StoreError> {
        let key = &meta.key;
        if !meta.describes(&data) {
            return Err(error(
                StoreErrorKind::Invalid,
                format_args!(
                    "{key}: its {} bytes are not what its entry says",
                    data.len()
                ),
            ));
        }
        let mut streams = self.streams();
        let kept = streams
            .get_mut(&key.stream)
            .ok_or_else(|| missing(&key.stream))?;
        match kept.segments.get(&key.second) {
            Some((there, _)) if there == meta => Ok(()),
            Some(_) => Err(error(
                StoreErrorKind::AlreadyExists,
                format_args!("{key} is another segment"),
            )),
            None => {
                kept.segments.insert(key.second, (meta.clone(), data));
                Ok(())
            }
        }
    }

    async fn get(&self, key: &SegmentKey) -> Result<Bytes, StoreError> {
        let streams = self.streams();
        let segment = streams
            .get(&key.stream)
            .and_then(|kept| kept.segments.get(&key.second));
        let (_, data) = segment.ok_or_else(|| missing(key))?;
        Ok(data.clone())
    }

    async fn list(&self, id: &StreamId, range: TimeRange) -> Result<Vec<SegmentMeta>, StoreError> {
        let streams = self.streams();
        let kept = streams.get(id).ok_or_else(|| missing(id))?;
        let metas = kept.segments.values().map(|(meta, _)| meta);
        Ok(metas.filter(|meta| range.holds(meta)).cloned().collect())
    }

    async fn delete(&self, key: &SegmentKey) -> Result<(), StoreError> {
        if let Some(kept) = self.streams().get_mut(&key.stream) {
            kept.segments.remove(&key.second);
        }
        Ok(())
    }

    async fn delete_stream(&self, id: &StreamId) -> Result<(), StoreError> {
        self.streams().remove(id);
        Ok(())
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let streams = self.streams();
        f.debug_struct("MemoryStore")
            .field("streams", &streams.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAME)
    }
}

fn missing(what: impl fmt::Display) -> StoreError {
    error(StoreErrorKind::NotFound, what)
}

fn error(kind: StoreErrorKind, message: impl fmt::Display) -> StoreError {
    StoreError::new(kind, NAME, message)
}

const NAME: &str = "memory";

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use audiox_core::store::{
    Archive, GapKind, SegmentKey, SegmentMeta, SegmentStore, StoreError, StoreErrorKind, StreamId,
    StreamRecord, TimeRange,
};
use audiox_core::time::MediaTime;
use bytes::Bytes;
use tokio::sync::{Mutex, broadcast};
use tokio::time::timeout;

use crate::Spool;

/// A [`Spool`] and the store behind it as one archive: reading finds everything that was accepted,
/// wherever it is by then.
pub struct SpooledArchive {
    spool: Spool,
    store: Arc<dyn SegmentStore>,
    stored: Mutex<broadcast::Receiver<SegmentMeta>>,
}

impl SpooledArchive {
    /// The archive of `spool`, which uploads to `store`.
    pub fn new(spool: Spool, store: Arc<dyn SegmentStore>) -> Self {
        let stored = Mutex::new(spool.stored());
        Self {
            spool,
            store,
            stored,
        }
    }

    /// The spool, for its figures.
    pub const fn spool(&self) -> &Spool {
        &self.spool
    }
}

#[async_trait]
impl Archive for SpooledArchive {
    async fn begin(&self, record: &StreamRecord) -> Result<MediaTime, StoreError> {
        let id = &record.id;
        let asked = timeout(PATIENCE, self.list(id, TimeRange::ALL)).await;
        let there = match asked.unwrap_or_else(|_| Err(hangs(&self.store))) {
            Err(e) if e.kind == StoreErrorKind::NotFound => Vec::new(),
            // A stream that the store has not heard of begins while it is away, too.
            Err(e) if e.is_transient() => closed(self.spool.waiting(id).await).collect(),
            listed => listed?,
        };
        // It may have been removed since, as too old.
        let there = there.into_iter().chain(self.spool.position(id));
        let last = there.max_by_key(SegmentMeta::media_end);
        let at = last.as_ref().map_or(MediaTime(0), SegmentMeta::media_end);
        if self.spool.interrupted().iter().any(|r| r.id == *id) {
            self.spool.resume(id).await?;
        } else {
            // It may have been written by a relay with another spool.
            self.spool.begin_at(record.clone(), last).await?;
        }
        Ok(at)
    }

    async fn append(
        &self,
        id: &StreamId,
        data: Bytes,
        frames: u64,
        gap: Option<GapKind>,
    ) -> Result<MediaTime, StoreError> {
        self.spool.append_frames(id, data, frames, gap).await
    }

    async fn end(&self, id: &StreamId) -> Result<StreamRecord, StoreError> {
        self.spool.end(id).await
    }

    async fn stream(&self, id: &StreamId) -> Result<StreamRecord, StoreError> {
        match self.spool.record(id) {
            Some(record) => Ok(record),
            None => self.store.stream(id).await,
        }
    }

    async fn streams(
        &self,
        after: Option<&StreamId>,
        limit: usize,
    ) -> Result<Vec<StreamRecord>, StoreError> {
        let page = self.store.streams(after, limit).await?;
        // Beyond a full page the store may have more, which come before some of the spool's.
        let end = (page.len() == limit).then(|| page.last().map(|r| r.id.clone()));
        let mut all: BTreeMap<_, _> = page.into_iter().map(|r| (r.id.clone(), r)).collect();
        // What the spool knows of a stream is newer.
        for record in self.spool.records() {
            let is_past = after.is_none_or(|after| record.id > *after);
            let is_within = end.as_ref().is_none_or(|e| Some(&record.id) <= e.as_ref());
            if is_past && is_within {
                all.insert(record.id.clone(), record);
            }
        }
        Ok(all.into_values().take(limit).collect())
    }

    async fn list(&self, id: &StreamId, range: TimeRange) -> Result<Vec<SegmentMeta>, StoreError> {
        // First what waits, so that what is stored meanwhile is seen twice, not never.
        let waiting = self.spool.waiting(id).await;
        let from = range.from.max(MediaTime(0));
        let is_all_here = waiting.first().is_some_and(|m| m.media_start <= from);
        let waiting = closed(waiting).collect::<Vec<_>>();
        let stored = match self.store.list(id, range).await {
            Err(e) if e.kind == StoreErrorKind::NotFound && !waiting.is_empty() => Vec::new(),
            // The store is away, and nothing of this is there.
            Err(e) if e.is_transient() && is_all_here => Vec::new(),
            listed => listed?,
        };
        let waiting = waiting.into_iter().filter(|m| range.holds(m));
        let all = stored.into_iter().chain(waiting);
        let all: BTreeMap<u64, SegmentMeta> = all.map(|m| (m.key.second, m)).collect();
        Ok(all.into_values().collect())
    }

    async fn get(&self, key: &SegmentKey) -> Result<Bytes, StoreError> {
        match self.spool.get(key).await {
            Err(e) if e.kind == StoreErrorKind::NotFound => self.store.get(key).await,
            got => got,
        }
    }

    async fn open_segment(
        &self,
        id: &StreamId,
    ) -> Result<Option<(SegmentMeta, Bytes)>, StoreError> {
        let last = self.spool.waiting(id).await.pop();
        let Some(meta) = last.filter(is_open) else {
            return Ok(None);
        };
        match self.spool.get(&meta.key).await {
            // Closed and stored meanwhile.
            Err(e) if e.kind == StoreErrorKind::NotFound => Ok(None),
            data => Ok(Some((meta, data?))),
        }
    }

    async fn delete_stream(&self, id: &StreamId) -> Result<(), StoreError> {
        // Its record is the last that the store gets, and would bring it back.
        if self.spool.record(id).is_some() || !self.spool.waiting(id).await.is_empty() {
            return Err(StoreError::new(
                StoreErrorKind::Transient,
                "spool",
                format_args!("{id} is on its way to the store; try again when it is there"),
            ));
        }
        self.store.delete_stream(id).await
    }

    async fn stored(&self) -> Option<SegmentMeta> {
        let mut stored = self.stored.lock().await;
        loop {
            match stored.recv().await {
                Ok(meta) => return Some(meta),
                Err(broadcast::error::RecvError::Closed) => return None,
                Err(broadcast::error::RecvError::Lagged(missed)) => {
                    tracing::warn!("{missed} segments were stored and not told of");
                }
            }
        }
    }
}

impl fmt::Debug for SpooledArchive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpooledArchive")
            .field("spool", &self.spool)
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

/// A store that does not answer is one that is away.
fn hangs(store: &Arc<dyn SegmentStore>) -> StoreError {
    let reason = format!("no answer for {PATIENCE:?}");
    StoreError::new(StoreErrorKind::Transient, store.to_string(), reason)
}

fn closed(all: Vec<SegmentMeta>) -> impl Iterator<Item = SegmentMeta> {
    all.into_iter().filter(|meta| !is_open(meta))
}

/// What is still written has no checksum yet.
fn is_open(meta: &SegmentMeta) -> bool {
    meta.checksum.is_none()
}

/// How long a sender waits for the store when its stream begins.
const PATIENCE: Duration = Duration::from_secs(2);

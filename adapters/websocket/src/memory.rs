//! An archive that lasts as long as the process.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use audiox_core::store::{
    Archive, GapKind, MemoryStore, SegmentEvent, SegmentKey, SegmentMeta, SegmentStore, Segmenter,
    SegmenterConfig, StoreError, StoreErrorKind, StreamId, StreamRecord, TimeRange,
};
use audiox_core::time::{Instant, MediaTime};
use bytes::{Bytes, BytesMut};
use tokio::sync::mpsc;

use crate::stream::wall;

/// An archive that lasts as long as the process: for tests, and for relays that keep nothing. Its
/// segments are closed when audio comes, not by the clock.
pub struct MemoryArchive {
    store: MemoryStore,
    config: SegmenterConfig,
    live: Mutex<HashMap<StreamId, Live>>,
    tell: mpsc::UnboundedSender<SegmentMeta>,
    stored: tokio::sync::Mutex<mpsc::UnboundedReceiver<SegmentMeta>>,
    began: std::time::Instant,
}

struct Live {
    record: StreamRecord,
    segmenter: Segmenter,
    open: BytesMut,
}

impl MemoryArchive {
    /// An empty one.
    pub fn new(config: SegmenterConfig) -> Self {
        let (tell, stored) = mpsc::unbounded_channel();
        Self {
            store: MemoryStore::new(),
            config,
            live: Mutex::default(),
            tell,
            stored: tokio::sync::Mutex::new(stored),
            began: std::time::Instant::now(),
        }
    }

    fn live(&self) -> MutexGuard<'_, HashMap<StreamId, Live>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores what is complete.
    async fn store(&self, complete: Vec<(SegmentMeta, Bytes)>) -> Result<(), StoreError> {
        for (meta, data) in complete {
            self.store.put(&meta, data).await?;
            // Nobody may want to know.
            let _ = self.tell.send(meta);
        }
        Ok(())
    }
}

impl Live {
    fn complete(&mut self) -> Vec<(SegmentMeta, Bytes)> {
        let mut complete = Vec::new();
        while let Some(event) = self.segmenter.poll() {
            match event {
                SegmentEvent::Opened(_) => {}
                SegmentEvent::Data(data) => self.open.extend_from_slice(&data),
                SegmentEvent::Closed(meta) => {
                    complete.push((meta, self.open.split().freeze()));
                }
            }
        }
        complete
    }
}

#[async_trait]
impl Archive for MemoryArchive {
    async fn begin(&self, record: &StreamRecord) -> Result<MediaTime, StoreError> {
        let made = Segmenter::new(record.id.clone(), record.format.clone(), self.config);
        let segmenter = made.map_err(|e| StoreError::new(StoreErrorKind::Invalid, "memory", e))?;
        self.store.put_stream(record).await?;
        let live = Live {
            record: record.clone(),
            segmenter,
            open: BytesMut::new(),
        };
        self.live().insert(record.id.clone(), live);
        Ok(MediaTime(0))
    }

    async fn append(
        &self,
        id: &StreamId,
        data: Bytes,
        frames: u64,
        gap: Option<GapKind>,
    ) -> Result<MediaTime, StoreError> {
        let now = Instant::EPOCH + self.began.elapsed();
        let (at, complete) = {
            let mut live = self.live();
            let live = live.get_mut(id).ok_or_else(|| unknown(id))?;
            let at = live.segmenter.media_end();
            match gap {
                Some(kind) => live.segmenter.push_gap(now, wall(), data, frames, kind),
                None => live.segmenter.push_frames(now, wall(), data, frames),
            }
            (at, live.complete())
        };
        self.store(complete).await?;
        Ok(at)
    }

    async fn end(&self, id: &StreamId) -> Result<StreamRecord, StoreError> {
        let mut live = self.live().remove(id).ok_or_else(|| unknown(id))?;
        live.segmenter.finish(wall());
        live.record.ended = Some(wall());
        self.store(live.complete()).await?;
        self.store.put_stream(&live.record).await?;
        Ok(live.record)
    }

    async fn stream(&self, id: &StreamId) -> Result<StreamRecord, StoreError> {
        self.store.stream(id).await
    }

    async fn streams(
        &self,
        after: Option<&StreamId>,
        limit: usize,
    ) -> Result<Vec<StreamRecord>, StoreError> {
        self.store.streams(after, limit).await
    }

    async fn list(&self, id: &StreamId, range: TimeRange) -> Result<Vec<SegmentMeta>, StoreError> {
        self.store.list(id, range).await
    }

    async fn get(&self, key: &SegmentKey) -> Result<Bytes, StoreError> {
        self.store.get(key).await
    }

    async fn open_segment(
        &self,
        id: &StreamId,
    ) -> Result<Option<(SegmentMeta, Bytes)>, StoreError> {
        let live = self.live();
        let Some(live) = live.get(id) else {
            return Ok(None);
        };
        let data = Bytes::copy_from_slice(&live.open);
        Ok(live
            .segmenter
            .open_segment()
            .map(|meta| (meta.clone(), data)))
    }

    async fn delete_stream(&self, id: &StreamId) -> Result<(), StoreError> {
        self.store.delete_stream(id).await
    }

    async fn stored(&self) -> Option<SegmentMeta> {
        self.stored.lock().await.recv().await
    }
}

impl fmt::Debug for MemoryArchive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryArchive").finish_non_exhaustive()
    }
}

fn unknown(id: &StreamId) -> StoreError {
    StoreError::new(
        StoreErrorKind::NotFound,
        "memory",
        format_args!("{id} is not being written"),
    )
}

//! Segments in an object store.
//!
//! | object | what |
//! | --- | --- |
//! | `<prefix>/<id>/<unix seconds>.raw` | a segment's bytes, nothing else |
//! | `<prefix>/<id>/stream.json` | the stream's record |
//! | `<prefix>/<id>/index/<n>.json` | up to 256 entries of the index, in order; only the last page grows |
//!
//! A segment's bytes are put before its entry, so an entry never lies; bytes without one (the
//! process died in between) are put again by whoever still has them. A stream of `.raw` objects
//! alone, as others leave them, is listed too: what is not known of it follows from sizes and
//! names, by [`StoredFormat::default`].

mod foreign;
mod index;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use audiox_core::store::{
    SegmentKey, SegmentMeta, SegmentStore, StoreError, StoreErrorKind, StreamId, StreamRecord,
    TimeRange,
};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};

use crate::error;
use crate::json;
use index::Index;

/// An archive on S3, in a folder, in memory: whatever `object_store` reaches. Made by
/// [`open`](crate::open), or of a client of one's own.
pub struct ObjectSegmentStore {
    objects: Objects,
    /// What is known of indexes, and one writer at a time for each.
    indexes: Mutex<HashMap<StreamId, SharedIndex>>,
}

type SharedIndex = Arc<tokio::sync::Mutex<Option<Index>>>;

impl ObjectSegmentStore {
    /// A store of objects whose paths begin with `prefix`, called `name` in errors.
    pub fn new(store: Arc<dyn ObjectStore>, prefix: Path, name: impl Into<String>) -> Self {
        Self {
            objects: Objects {
                store,
                prefix,
                name: name.into(),
            },
            indexes: Mutex::default(),
        }
    }

    /// The stream's index, whoever uses it.
    fn index(&self, id: &StreamId) -> SharedIndex {
        let mut indexes = self.indexes.lock().unwrap_or_else(PoisonError::into_inner);
        if indexes.len() >= MAX_INDEXES {
            // Those in use are held elsewhere, too, and must stay one.
            indexes.retain(|_, index| Arc::strong_count(index) > 1);
        }
        Arc::clone(indexes.entry(id.clone()).or_default())
    }
}

#[async_trait]
impl SegmentStore for ObjectSegmentStore {
    async fn check(&self) -> Result<(), StoreError> {
        let o = &self.objects;
        let probe = o.path(&[PROBE]);
        let listed = o.store.list_with_delimiter(Some(&o.prefix)).await;
        listed.map_err(|e| o.error("list", e))?;
        let put = o.store.put(&probe, PutPayload::from_static(b"")).await;
        put.map_err(|e| o.error("write", e))?;
        o.delete(&probe).await
    }

    async fn put_stream(&self, record: &StreamRecord) -> Result<(), StoreError> {
        let o = &self.objects;
        let path = o.record(&record.id);
        let written = json::write_record(record);
        // What could not be read again is not written.
        json::read_record(&record.id, &written).map_err(|e| o.invalid(&path, e))?;
        o.put(&path, written).await
    }

    async fn stream(&self, id: &StreamId) -> Result<StreamRecord, StoreError> {
        let o = &self.objects;
        let path = o.record(id);
        match o.get(&path, json::MAX_RECORD as u64).await {
            Ok(bytes) => json::read_record(id, &bytes).map_err(|e| o.invalid(&path, e)),
            Err(e) if e.kind == StoreErrorKind::NotFound => foreign::record(o, id).await,
            Err(e) => Err(e),
        }
    }

    async fn streams(
        &self,
        after: Option<&StreamId>,
        limit: usize,
    ) -> Result<Vec<StreamRecord>, StoreError> {
        let o = &self.objects;
        let listed = o.store.list_with_delimiter(Some(&o.prefix)).await;
        let folders = listed.map_err(|e| o.error("list", e))?.common_prefixes;
        let mut ids: Vec<_> = folders
            .iter()
            .filter_map(|path| StreamId::parse(path.filename()?).ok())
            .filter(|id| after.is_none_or(|after| id > after))
            .collect();
        ids.sort();
        // Folders in which nothing is left are no streams; a page is full all the same.
        stream::iter(ids)
            .map(|id| async move {
                match self.stream(&id).await {
                    Ok(record) => Ok(Some(record)),
                    Err(e) if e.kind == StoreErrorKind::NotFound => Ok(None),
                    Err(e) => Err(e),
                }
            })
            .buffered(AT_ONCE)
            .try_filter_map(async |record| Ok(record))
            .take(limit)
            .try_collect()
            .await
    }

    async fn put(&self, meta: &SegmentMeta, data: Bytes) -> Result<(), StoreError> {
        let o = &self.objects;
        let key = &meta.key;
        let path = o.segment(key);
        if !meta.describes(&data) {
            return Err(o.invalid(&path, "its bytes are not what its entry says"));
        }
        let shared = self.index(&key.stream);
        let mut index = shared.lock().await;
        // Whatever goes wrong (and if this future is dropped), the index is read again.
        let mut known = match index.take() {
            Some(known) => known,
            None => {
                let record = o.record(&key.stream);
                let head = o.store.head(&record).await;
                head.map_err(|e| o.error(&record, e))?;
                Index::load(o, &key.stream).await?
            }
        };
        let there = known.find(o, key).await?;
        if there.as_ref() == Some(meta) {
            *index = Some(known);
            return Ok(());
        }
        if there.is_some() {
            *index = Some(known);
            let what = format!("{path} is another segment");
            let kind = StoreErrorKind::AlreadyExists;
            return Err(StoreError::new(kind, o.name.clone(), what));
        }
        let put = o.store.put(&path, data.into()).await;
        put.map_err(|e| o.error(&path, e))?;
        known.insert(o, meta).await?;
        *index = Some(known);
        Ok(())
    }

    async fn get(&self, key: &SegmentKey) -> Result<Bytes, StoreError> {
        self.objects
            .get(&self.objects.segment(key), MAX_SEGMENT)
            .await
    }

    async fn list(&self, id: &StreamId, range: TimeRange) -> Result<Vec<SegmentMeta>, StoreError> {
        let o = &self.objects;
        let index = Index::load(o, id).await?;
        if !index.is_empty() {
            return index.range(o, range).await;
        }
        let record = o.record(id);
        match o.store.head(&record).await {
            Ok(_) => Ok(Vec::new()),
            Err(object_store::Error::NotFound { .. }) => foreign::list(o, id, range).await,
            Err(e) => Err(o.error(&record, e)),
        }
    }

    async fn delete(&self, key: &SegmentKey) -> Result<(), StoreError> {
        let o = &self.objects;
        let shared = self.index(&key.stream);
        let mut index = shared.lock().await;
        let mut known = match index.take() {
            Some(known) => known,
            None => Index::load(o, &key.stream).await?,
        };
        // The entry first: one without bytes would be a lie.
        known.remove(o, key).await?;
        o.delete(&o.segment(key)).await?;
        *index = Some(known);
        Ok(())
    }

    async fn delete_stream(&self, id: &StreamId) -> Result<(), StoreError> {
        let o = &self.objects;
        let shared = self.index(id);
        let mut index = shared.lock().await;
        *index = None;
        let folder = o.path(&[id.as_str()]);
        let objects: Vec<_> = o
            .store
            .list(Some(&folder))
            .map_ok(|object| object.location)
            .try_collect()
            .await
            .map_err(|e| o.error(&folder, e))?;
        // Segments first and the record last: what is left after a failure is a stream still, and
        // can be removed again.
        let rank = |path: &Path| match path.extension() {
            Some("raw") => 0,
            _ if path.filename() == Some(RECORD) => 2,
            _ => 1,
        };
        for part in 0..3 {
            let paths = objects.iter().filter(|path| rank(path) == part);
            let paths: Vec<_> = paths.cloned().map(Ok).collect();
            let deleted = o.store.delete_stream(stream::iter(paths).boxed());
            let mut deleted = std::pin::pin!(deleted);
            while let Some(result) = deleted.next().await {
                match result {
                    Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
                    Err(e) => return Err(o.error(&folder, e)),
                }
            }
        }
        Ok(())
    }
}

impl fmt::Debug for ObjectSegmentStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectSegmentStore")
            .field("name", &self.objects.name)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for ObjectSegmentStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.objects.name)
    }
}

/// The objects below a prefix.
struct Objects {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    name: String,
}

impl Objects {
    fn path(&self, parts: &[&str]) -> Path {
        let parts = parts.iter().copied();
        parts.fold(self.prefix.clone(), |path, part| path.join(part))
    }

    fn segment(&self, key: &SegmentKey) -> Path {
        self.path(&[key.stream.as_str(), &format!("{}.raw", key.second)])
    }

    fn record(&self, id: &StreamId) -> Path {
        self.path(&[id.as_str(), RECORD])
    }

    async fn put(&self, path: &Path, data: Vec<u8>) -> Result<(), StoreError> {
        let put = self.store.put(path, data.into()).await;
        put.map_err(|e| self.error(path, e))?;
        Ok(())
    }

    /// An object of at most `most` bytes.
    async fn get(&self, path: &Path, most: u64) -> Result<Bytes, StoreError> {
        let got = self.store.get(path).await;
        let got = got.map_err(|e| self.error(path, e))?;
        if got.meta.size > most {
            let size = got.meta.size;
            return Err(self.invalid(path, format_args!("its {size} bytes are too many")));
        }
        got.bytes().await.map_err(|e| self.error(path, e))
    }

    /// One that is not there is deleted.
    async fn delete(&self, path: &Path) -> Result<(), StoreError> {
        match self.store.delete(path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(e) => Err(self.error(path, e)),
        }
    }

    fn error(&self, what: impl fmt::Display, e: object_store::Error) -> StoreError {
        error::from_object_store(&self.name, what, e)
    }

    fn invalid(&self, what: impl fmt::Display, why: impl fmt::Display) -> StoreError {
        let message = format!("{what}: {why}");
        StoreError::new(StoreErrorKind::Invalid, self.name.clone(), message)
    }
}

const RECORD: &str = "stream.json";
/// Put and deleted again by `check`; no stream can be called so.
const PROBE: &str = ".audiox-check";
/// Records read at a time.
const AT_ONCE: usize = 16;
/// Streams whose last page of the index is remembered.
const MAX_INDEXES: usize = 1_024;
/// Bytes of a segment: what a segmenter may make of it at most.
const MAX_SEGMENT: u64 = 1 << 30;

//! A spool and its store as one archive, while the store is away or behind.
#![cfg(test)]

use std::sync::Arc;
use std::time::Duration;

use audiox_core::store::{
    Archive, Fault, FaultHandle, Faulty, MemoryStore, SegmentStore, SegmenterConfig,
    StoreErrorKind, StoredFormat, StreamId, StreamRecord, TimeRange,
};
use audiox_core::time::{MediaTime, UnixTime};
use audiox_s3::{Spool, SpoolConfig, SpooledArchive};
use bytes::Bytes;
use tempfile::TempDir;

fn id() -> StreamId {
    StreamId::parse("live").unwrap()
}

fn record() -> StreamRecord {
    StreamRecord::new(id(), StoredFormat::default(), UnixTime::from_secs(1_000))
}

async fn archive() -> (SpooledArchive, FaultHandle, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let (store, fault) = Faulty::new(MemoryStore::new());
    let archive = over(&dir, Arc::new(store)).await;
    archive.begin(&record()).await.unwrap();
    (archive, fault, dir)
}

/// Segments of 100 ms (8 820 bytes).
async fn over(dir: &TempDir, store: Arc<dyn SegmentStore>) -> SpooledArchive {
    let config = SpoolConfig {
        segments: SegmenterConfig {
            max_media: Duration::from_millis(100),
            ..SegmenterConfig::default()
        },
        retry_min: Duration::from_millis(1),
        retry_max: Duration::from_millis(20),
        ..SpoolConfig::default()
    };
    let spool = Spool::open(dir.path(), store.clone(), config)
        .await
        .unwrap();
    SpooledArchive::new(spool, store)
}

async fn append(archive: &SpooledArchive, segments: usize) {
    for _ in 0..segments {
        let data = Bytes::from(vec![7; 8_820]);
        archive.append(&id(), data, 4_410, None).await.unwrap();
    }
}

#[tokio::test]
async fn what_the_spool_has_is_listed_while_the_store_is_away() {
    let (archive, fault, _dir) = archive().await;
    append(&archive, 3).await;
    archive.spool().flush().await;
    fault.set(Fault::Fails(StoreErrorKind::Transient));
    append(&archive, 4).await;
    let listed = async |from| {
        let range = TimeRange::since(MediaTime(from));
        let listed = archive.list(&id(), range).await;
        listed.map(|all| all.iter().map(|m| m.media_start.0).collect::<Vec<_>>())
    };
    let last: Vec<_> = (3..7).map(|n| n * 4_410).collect();
    assert_eq!(listed(3 * 4_410).await.unwrap(), last);
    assert_eq!(listed(5 * 4_410).await.unwrap(), last[2..]);
    // Of these the store has the first.
    assert!(listed(3 * 4_410 - 1).await.unwrap_err().is_transient());
    assert!(listed(0).await.unwrap_err().is_transient());
    fault.set(Fault::None);
    assert_eq!(listed(0).await.unwrap().len(), 7);
}

#[tokio::test]
async fn a_new_stream_begins_while_the_store_hangs() {
    let (archive, fault, _dir) = archive().await;
    fault.set(Fault::Hangs);
    let id = StreamId::parse("new").unwrap();
    let record = StreamRecord::new(id.clone(), StoredFormat::default(), UnixTime::EPOCH);
    assert_eq!(archive.begin(&record).await.unwrap(), MediaTime(0));
    let data = Bytes::from(vec![7; 8_820]);
    archive.append(&id, data, 4_410, None).await.unwrap();
    fault.set(Fault::None);
    archive.end(&id).await.unwrap();
    archive.spool().flush().await;
    assert_eq!(archive.list(&id, TimeRange::ALL).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_removed_stream_is_not_brought_back_by_what_the_store_gets_late() {
    let (archive, fault, _dir) = archive().await;
    append(&archive, 1).await;
    archive.spool().flush().await;
    fault.set(Fault::Hangs);
    archive.end(&id()).await.unwrap();
    let early = archive.delete_stream(&id()).await.unwrap_err();
    assert!(early.is_transient(), "{early}");
    fault.set(Fault::None);
    archive.spool().flush().await;
    archive.delete_stream(&id()).await.unwrap();
    assert_eq!(archive.streams(None, 9).await.unwrap(), []);
}

#[tokio::test]
async fn a_stream_goes_on_where_it_was_though_all_of_it_is_gone_from_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let store: Arc<dyn SegmentStore> = Arc::new(MemoryStore::new());
    let archive = over(&dir, store.clone()).await;
    archive.begin(&record()).await.unwrap();
    append(&archive, 2).await;
    archive.spool().flush().await;
    let spool = archive.spool().clone();
    drop(archive);
    spool.close().await;
    for meta in store.list(&id(), TimeRange::ALL).await.unwrap() {
        store.delete(&meta.key).await.unwrap();
    }
    let archive = over(&dir, store).await;
    let at = archive.begin(&record()).await.unwrap();
    assert_eq!(at, MediaTime(2 * 4_410));
    let data = Bytes::from(vec![7; 8_820]);
    let first = archive.append(&id(), data, 4_410, None).await.unwrap();
    assert_eq!(first, at);
}

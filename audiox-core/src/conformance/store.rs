use std::time::Duration;

use bytes::Bytes;

use super::random::Random;
use crate::codec::EncodingName;
use crate::format::{Channels, SampleRate, StreamFormat};
use crate::store::{
    Coding, Crc32, Gap, GapKind, Retention, SegmentKey, SegmentMeta, SegmentStore, StoreError,
    StoreErrorKind, StoredFormat, StreamId, StreamRecord, TimeRange,
};
use crate::time::{MediaTime, UnixTime};

/// Holds a store to what [`SegmentStore`] promises: records and bytes come back as they were put,
/// segments are listed in order and by range, in streams of any length; the same again is no
/// error, another in the same place is; what is gone is gone; and nothing of one stream shows in
/// another.
///
/// It makes streams whose ids begin with `conformance-`, and removes them.
///
/// # Panics
/// A promise is broken.
pub async fn segment_store(store: &dyn SegmentStore) {
    store.check().await.expect("the store can be used");
    assert!(!store.to_string().is_empty(), "the store has no name");
    records(store).await;
    pages_of_streams(store).await;
    bytes_and_entries(store).await;
    refusals(store).await;
    long_streams(store).await;
    neighbours(store).await;
    removal(store).await;
}

async fn records(store: &dyn SegmentStore) {
    let id = fresh(store, "records").await;
    assert_eq!(kind(store.stream(&id).await), StoreErrorKind::NotFound);
    let all = TimeRange::ALL;
    assert_eq!(kind(store.list(&id, all).await), StoreErrorKind::NotFound);

    let mut record = StreamRecord::new(id.clone(), StoredFormat::default(), START);
    store.put_stream(&record).await.expect("a new stream");
    assert_eq!(store.stream(&id).await.expect("put before"), record);
    assert_eq!(store.list(&id, all).await.expect("none yet"), []);

    record.name = Some("Bühne links: \"A\" / ..\\ \u{1f3a4}".into());
    record.started = UnixTime::from_nanos(u64::MAX - 1);
    record.ended = Some(UnixTime::from_nanos(u64::MAX));
    record.retention = Retention {
        max_age: Some(Duration::from_millis(86_400_001)),
        max_bytes: Some(u64::MAX),
    };
    let stream = StreamFormat::new(
        SampleRate::new(192_000).expect("a rate"),
        Channels::new(64).expect("channels"),
    );
    let pcm = ["u8", "s16be", "s24le", "s32be", "f32le"]
        .map(|name| Coding::Pcm(name.parse().expect("a known format")));
    let codecs = [EncodingName::OPUS, EncodingName::PCMU].map(Coding::Codec);
    for coding in pcm.into_iter().chain(codecs) {
        record.format = StoredFormat { stream, coding };
        store.put_stream(&record).await.expect("a changed stream");
        assert_eq!(store.stream(&id).await.expect("put before"), record);
    }
    store.delete_stream(&id).await.expect("removal");
}

async fn pages_of_streams(store: &dyn SegmentStore) {
    let names = ["page-B", "page-a", "page-c", "page-c-1", "page-c_1"];
    let mut ids = Vec::new();
    for name in names {
        let id = fresh(store, name).await;
        let record = StreamRecord::new(id.clone(), StoredFormat::default(), START);
        store.put_stream(&record).await.expect("a new stream");
        ids.push(id);
    }
    ids.sort();
    for limit in [1, 2, 1_000] {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = store
                .streams(after.as_ref(), limit)
                .await
                .expect("a page of streams");
            assert!(page.len() <= limit, "{} for {limit}", page.len());
            let last = page.len() < limit;
            seen.extend(page.into_iter().map(|record| record.id));
            after = seen.last().cloned();
            if last {
                break;
            }
        }
        assert!(seen.is_sorted(), "streams are not in order: {seen:?}");
        seen.retain(|id| ids.contains(id));
        assert_eq!(seen, ids, "in pages of {limit}");
    }
    for id in ids {
        store.delete_stream(&id).await.expect("removal");
    }
}

async fn bytes_and_entries(store: &dyn SegmentStore) {
    let id = started(store, "bytes").await;
    let mut random = Random(1);
    let mut put = Vec::new();
    let mut next = (0, 0);
    for (i, len) in [1usize, 2, 255, 4_097, 0, 1 << 20, 3]
        .into_iter()
        .enumerate()
    {
        let data: Vec<u8> = (0..len).map(|_| random.next() as u8).collect();
        let mut meta = entry(&id, 1_700_000_000 + i as u64, next, &data);
        if i == 3 {
            meta.checksum = None;
            meta.gaps = vec![
                gap(400, 7, GapKind::Missing),
                gap(500, 1, GapKind::Concealed),
            ];
        }
        next = (meta.offset + meta.bytes, meta.media_end().0);
        put.push((meta, Bytes::from(data)));
    }
    for (meta, data) in &put {
        store.put(meta, data.clone()).await.expect("a segment");
    }
    // The same again: after a lost answer nobody knows better.
    for (meta, data) in put.iter().rev() {
        store.put(meta, data.clone()).await.expect("the same again");
    }
    for (meta, data) in &put {
        let got = store.get(&meta.key).await.expect("put before");
        assert!(got == data, "{} came back changed", meta.key);
    }
    let listed = store.list(&id, TimeRange::ALL).await.expect("a list");
    let wanted: Vec<_> = put.into_iter().map(|(meta, _)| meta).collect();
    assert_eq!(listed, wanted);
    store.delete_stream(&id).await.expect("removal");
}

async fn refusals(store: &dyn SegmentStore) {
    let id = started(store, "refusals").await;
    let data = Bytes::from_static(b"four");
    let meta = entry(&id, 7, (0, 0), &data);

    let short = store.put(&meta, data.slice(..3)).await;
    assert_eq!(kind(short), StoreErrorKind::Invalid, "too few bytes");
    let changed = store.put(&meta, Bytes::from_static(b"fout")).await;
    assert_eq!(kind(changed), StoreErrorKind::Invalid, "other bytes");
    assert_eq!(kind(store.get(&meta.key).await), StoreErrorKind::NotFound);

    store.put(&meta, data.clone()).await.expect("a segment");
    let other = Bytes::from_static(b"five");
    let taken = store.put(&entry(&id, 7, (0, 0), &other), other).await;
    assert_eq!(kind(taken), StoreErrorKind::AlreadyExists);
    assert_eq!(store.get(&meta.key).await.expect("still there"), data);

    let unknown = fresh(store, "unknown").await;
    let orphan = store.put(&entry(&unknown, 7, (0, 0), &data), data).await;
    assert_eq!(kind(orphan), StoreErrorKind::NotFound, "of no stream");
    store.delete_stream(&id).await.expect("removal");
}

/// More segments than any index would keep in one place, put out of order now and then, as after
/// an outage.
async fn long_streams(store: &dyn SegmentStore) {
    let id = started(store, "long").await;
    let data = Bytes::from_static(&[0; 8]);
    let metas: Vec<_> = (0..LONG)
        .map(|i| entry(&id, 100 + 3 * i, (8 * i, 4 * i as i64), &data))
        .collect();
    let mut order: Vec<_> = (0..metas.len()).collect();
    order.swap(10, 12);
    order.swap(255, 257);
    for i in order {
        store.put(&metas[i], data.clone()).await.expect("a segment");
    }
    let list = async |from, to| {
        let range = TimeRange::new(MediaTime(from), MediaTime(to));
        store.list(&id, range).await.expect("a list")
    };
    let end = 4 * LONG as i64;
    assert_eq!(list(0, i64::MAX).await, metas);
    for (from, to) in [
        (0, 1),
        (3, 5),
        (4 * 250 + 2, 4 * 262),
        (4 * 255, 4 * 256),
        (end - 1, end),
        (end, i64::MAX),
        (-5, 0),
        (9, 9),
        (50, 20),
    ] {
        let range = TimeRange::new(MediaTime(from), MediaTime(to));
        let wanted: Vec<_> = metas.iter().filter(|m| range.holds(m)).cloned().collect();
        assert_eq!(list(from, to).await, wanted, "frames {from} to {to}");
    }
    // Age takes the oldest away.
    for meta in &metas[..258] {
        store.delete(&meta.key).await.expect("removal");
    }
    assert_eq!(list(0, i64::MAX).await, metas[258..]);
    store.delete_stream(&id).await.expect("removal");
}

/// Ids that begin alike, or are called as a store might call things of its own.
async fn neighbours(store: &dyn SegmentStore) {
    let ids = ["", "a", "a-", "ab", "index", "stream"];
    let data = Bytes::from_static(b"12");
    let mut streams = Vec::new();
    for (i, name) in ids.into_iter().enumerate() {
        let id = started(store, name).await;
        let meta = entry(&id, 50 + i as u64, (0, 0), &data);
        store.put(&meta, data.clone()).await.expect("a segment");
        streams.push((id, meta));
    }
    while let Some((gone, _)) = streams.pop() {
        store.delete_stream(&gone).await.expect("removal");
        for (id, meta) in &streams {
            let listed = store.list(id, TimeRange::ALL).await.expect("a list");
            assert_eq!(listed, std::slice::from_ref(meta), "with {gone} gone");
            assert_eq!(store.get(&meta.key).await.expect("still there"), data);
        }
    }
}

async fn removal(store: &dyn SegmentStore) {
    let id = started(store, "removal").await;
    let data = Bytes::from_static(b"12");
    let metas: Vec<_> = (0..3)
        .map(|i| entry(&id, 20 + i, (2 * i, i as i64), &data))
        .collect();
    for meta in &metas {
        store.put(meta, data.clone()).await.expect("a segment");
    }
    for _ in 0..2 {
        store.delete(&metas[1].key).await.expect("removal");
        let got = store.get(&metas[1].key).await;
        assert_eq!(kind(got), StoreErrorKind::NotFound);
    }
    let listed = store.list(&id, TimeRange::ALL).await.expect("a list");
    assert_eq!(listed, [metas[0].clone(), metas[2].clone()]);
    // What was removed can be put again.
    store.put(&metas[1], data.clone()).await.expect("a segment");
    let listed = store.list(&id, TimeRange::ALL).await.expect("a list");
    assert_eq!(listed, metas);

    for _ in 0..2 {
        store.delete_stream(&id).await.expect("removal");
        store.delete(&metas[0].key).await.expect("of a stream gone");
        assert_eq!(kind(store.stream(&id).await), StoreErrorKind::NotFound);
        let listed = store.list(&id, TimeRange::ALL).await;
        assert_eq!(kind(listed), StoreErrorKind::NotFound);
        let got = store.get(&metas[2].key).await;
        assert_eq!(kind(got), StoreErrorKind::NotFound);
    }
}

/// An id of which nothing is left from earlier.
async fn fresh(store: &dyn SegmentStore, name: &str) -> StreamId {
    let id = StreamId::parse(&format!("conformance-{name}")).expect("a valid id");
    store.delete_stream(&id).await.expect("removal");
    id
}

async fn started(store: &dyn SegmentStore, name: &str) -> StreamId {
    let id = fresh(store, name).await;
    let record = StreamRecord::new(id.clone(), StoredFormat::default(), START);
    store.put_stream(&record).await.expect("a new stream");
    id
}

/// An entry for `data`, two bytes a frame, where `before` are the bytes and frames before it.
fn entry(id: &StreamId, second: u64, before: (u64, i64), data: &[u8]) -> SegmentMeta {
    let (offset, media_start) = before;
    let bytes = data.len() as u64;
    SegmentMeta {
        key: SegmentKey::new(id.clone(), second),
        start: UnixTime::from_nanos(second * 1_000_000_000 + 123_456_789),
        end: UnixTime::from_nanos(second * 1_000_000_000 + 987_654_321),
        media_start: MediaTime(media_start),
        frames: (offset % 2 + bytes) / 2,
        offset,
        bytes,
        checksum: Some(Crc32::of(data)),
        gaps: Vec::new(),
    }
}

fn gap(at: i64, frames: u64, kind: GapKind) -> Gap {
    Gap {
        at: MediaTime(at),
        frames,
        kind,
    }
}

fn kind<T: std::fmt::Debug>(result: Result<T, StoreError>) -> StoreErrorKind {
    result.expect_err("it cannot be done").kind
}

const START: UnixTime = UnixTime::from_nanos(1_700_000_000_123_456_789);
const LONG: u64 = 300;

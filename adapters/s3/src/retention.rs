//! Making room: old segments go.

use audiox_core::store::{
    Retention, SegmentKey, SegmentMeta, SegmentStore, StoreError, StreamId, StreamRecord, TimeRange,
};
use audiox_core::time::UnixTime;

/// How long things are kept that do not say so themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RetentionPolicy {
    /// For each stream whose record does not say; field by field.
    pub streams: Retention,
    /// Bytes of all streams together; the oldest segments of all go first.
    pub max_total_bytes: Option<u64>,
}

/// What [`sweep`] removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Swept {
    /// Segments.
    pub segments: u64,
    /// Bytes of those.
    pub bytes: u64,
    /// Streams of which nothing was left.
    pub streams: u64,
}

/// Removes what is older than `policy` and the streams' own records allow at `now`. A stream that
/// has ended goes with its last segment; one that has not stays, with no segments if need be.
///
/// It goes by what the store lists, so streams that others left there count as well.
///
/// # Errors
/// The store fails; what was removed so far stays so, and the next sweep goes on.
pub async fn sweep(
    store: &dyn SegmentStore,
    policy: &RetentionPolicy,
    now: UnixTime,
) -> Result<Swept, StoreError> {
    let mut swept = Swept::default();
    let mut left: Vec<(UnixTime, SegmentKey, u64)> = Vec::new();
    let mut ended = Vec::new();
    let mut after: Option<StreamId> = None;
    loop {
        let page = store.streams(after.as_ref(), PAGE).await?;
        let last = page.len() < PAGE;
        after = page.last().map(|record| record.id.clone());
        for record in page {
            let metas = store.list(&record.id, TimeRange::ALL).await?;
            let gone = expired(&record, &metas, policy, now);
            for meta in &metas[..gone] {
                remove(store, &meta.key, meta.bytes, &mut swept).await?;
            }
            let kept = &metas[gone..];
            if record.ended.is_some() && gone > 0 && kept.is_empty() {
                store.delete_stream(&record.id).await?;
                swept.streams += 1;
            } else if policy.max_total_bytes.is_some() {
                let kept = kept.iter();
                left.extend(kept.map(|meta| (meta.end, meta.key.clone(), meta.bytes)));
                ended.extend(record.ended.map(|_| record.id));
            }
        }
        if last {
            break;
        }
    }
    if let Some(most) = policy.max_total_bytes {
        total(store, most, left, &ended, &mut swept).await?;
    }
    Ok(swept)
}

/// How many of a stream's segments, from the first on, are to go.
fn expired(
    record: &StreamRecord,
    metas: &[SegmentMeta],
    policy: &RetentionPolicy,
    now: UnixTime,
) -> usize {
    let max_age = record.retention.max_age.or(policy.streams.max_age);
    let max_bytes = record.retention.max_bytes.or(policy.streams.max_bytes);
    let old = metas
        .iter()
        .take_while(|meta| max_age.is_some_and(|age| now.saturating_since(meta.end) > age))
        .count();
    let mut bytes: u64 = metas[old..].iter().map(|meta| meta.bytes).sum();
    let many = metas[old..].iter().take_while(|meta| {
        let over = max_bytes.is_some_and(|most| bytes > most);
        bytes -= meta.bytes;
        over
    });
    old + many.count()
}

/// The oldest of all streams go until no more than `most` bytes are left.
async fn total(
    store: &dyn SegmentStore,
    most: u64,
    mut left: Vec<(UnixTime, SegmentKey, u64)>,
    ended: &[StreamId],
    swept: &mut Swept,
) -> Result<(), StoreError> {
    let mut bytes: u64 = left.iter().map(|(_, _, bytes)| bytes).sum();
    left.sort();
    let mut touched = Vec::new();
    for (_, key, len) in left {
        if bytes <= most {
            break;
        }
        remove(store, &key, len, swept).await?;
        bytes -= len;
        if touched.last() != Some(&key.stream) {
            touched.push(key.stream);
        }
    }
    touched.sort();
    touched.dedup();
    for id in touched.iter().filter(|id| ended.contains(id)) {
        if store.list(id, TimeRange::ALL).await?.is_empty() {
            store.delete_stream(id).await?;
            swept.streams += 1;
        }
    }
    Ok(())
}

async fn remove(
    store: &dyn SegmentStore,
    key: &SegmentKey,
    bytes: u64,
    swept: &mut Swept,
) -> Result<(), StoreError> {
    store.delete(key).await?;
    swept.segments += 1;
    swept.bytes += bytes;
    Ok(())
}

const PAGE: usize = 256;

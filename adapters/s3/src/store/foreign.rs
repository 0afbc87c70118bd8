//! Streams of segments alone, as others leave them.

use audiox_core::store::{
    SegmentKey, SegmentMeta, StoreError, StoreErrorKind, StoredFormat, StreamId, StreamRecord,
    TimeRange,
};
use audiox_core::time::{MediaTime, UnixTime};

use super::Objects;

/// A record that follows from what is there.
pub(super) async fn record(o: &Objects, id: &StreamId) -> Result<StreamRecord, StoreError> {
    let all = list(o, id, TimeRange::ALL).await?;
    let (Some(first), Some(last)) = (all.first(), all.last()) else {
        return Err(missing(o, id));
    };
    let mut record = StreamRecord::new(id.clone(), StoredFormat::default(), first.start);
    record.ended = Some(last.end);
    Ok(record)
}

/// Entries that follow from names and sizes.
pub(super) async fn list(
    o: &Objects,
    id: &StreamId,
    range: TimeRange,
) -> Result<Vec<SegmentMeta>, StoreError> {
    let folder = o.path(&[id.as_str()]);
    let listed = o.store.list_with_delimiter(Some(&folder)).await;
    let listed = listed.map_err(|e| o.error(&folder, e))?;
    let mut sizes: Vec<_> = listed
        .objects
        .iter()
        .filter_map(|object| {
            let second = SegmentKey::second_of(object.location.filename()?)?;
            Some((second, object.size))
        })
        .collect();
    if sizes.is_empty() {
        return Err(missing(o, id));
    }
    sizes.sort_unstable();
    let format = StoredFormat::default();
    let frame = format.frame_bytes().map_or(1, |n| n as u64);
    let mut offset = 0u64;
    let metas = sizes.into_iter().map(|(second, bytes)| {
        let media_start = offset / frame;
        let frames = (offset % frame + bytes) / frame;
        let start = UnixTime::from_secs(second);
        let meta = SegmentMeta {
            key: SegmentKey::new(id.clone(), second),
            start,
            end: start.saturating_add(format.stream.rate.duration_of(frames)),
            media_start: MediaTime(i64::try_from(media_start).unwrap_or(i64::MAX)),
            frames,
            offset,
            bytes,
            checksum: None,
            gaps: Vec::new(),
        };
        offset = offset.saturating_add(bytes);
        meta
    });
    Ok(metas.filter(|meta| range.holds(meta)).collect())
}

fn missing(o: &Objects, id: &StreamId) -> StoreError {
    StoreError::new(StoreErrorKind::NotFound, o.name.clone(), id)
}

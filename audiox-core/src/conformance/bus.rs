use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use bytes::Bytes;

use crate::bus::{BusRead, EntryId, MAX_ENTRY, StreamBus};
use crate::store::{StoreErrorKind, StreamId};

/// Holds a bus to what [`StreamBus`] promises: entries come back in order and unchanged to every
/// reader, also to one that waited; what was trimmed is counted to the entry; streams do not
/// show in one another; and a stream that was removed goes on behind its old ids.
///
/// `max_entries` is what the bus keeps of a stream at least. It makes streams whose ids begin
/// with `conformance-`, and removes them.
///
/// # Panics
/// A promise is broken.
pub async fn stream_bus(bus: &dyn StreamBus, max_entries: usize) {
    bus.check().await.expect("the bus can be used");
    assert!(!bus.to_string().is_empty(), "it has no name");
    entries(bus).await;
    waiting(bus).await;
    overflow(bus, max_entries).await;
    renewal(bus).await;
    refusals(bus).await;
}

async fn entries(bus: &dyn StreamBus) {
    let (id, other) = (fresh(bus, "entries").await, fresh(bus, "other").await);
    assert_eq!(bus.newest(&id).await.expect("none"), None);
    let before = bus.stats();
    let sent: Vec<Bytes> = [0usize, 1, 255, 3_528, 100_000]
        .into_iter()
        .map(|len| (0..len).map(|i| (i * 7) as u8).collect())
        .collect();
    let mut ids = Vec::new();
    for data in &sent {
        ids.push(publish(bus, &id, data.clone()).await);
        publish(bus, &other, Bytes::from_static(b"other")).await;
    }
    assert!(
        ids.windows(2)
            .all(|w| w[0].missed_before(w[1]) == 0 && w[0] < w[1])
    );
    assert_eq!(bus.newest(&id).await.expect("entries"), ids.last().copied());
    // Each reader at its own pace.
    for limit in [1, 2, 100] {
        let (mut after, mut got) = (None, Vec::new());
        while got.len() < sent.len() {
            let read = read(bus, &id, after, limit).await;
            assert!((1..=limit).contains(&read.entries.len()));
            assert!(read.missed == 0 && !read.restarted);
            after = read.entries.last().map(|e| e.id);
            got.extend(read.entries);
        }
        assert!(got.iter().map(|e| e.id).eq(ids.iter().copied()));
        assert!(got.iter().map(|e| &e.data).eq(&sent), "by {limit}");
    }
    let stats = bus.stats();
    assert_eq!(stats.published - before.published, 10);
    assert_eq!(stats.read - before.read, 15);
    let bytes: u64 = sent.iter().map(|data| data.len() as u64).sum();
    assert_eq!(stats.bytes_read - before.bytes_read, 3 * bytes);
    bus.remove(&id).await.expect("removal");
    bus.remove(&other).await.expect("removal");
}

/// A reader that comes before the entry, also to a stream that is not there yet; and one that
/// leaves before it.
async fn waiting(bus: &dyn StreamBus) {
    let id = fresh(bus, "waiting").await;
    for round in 0..2u8 {
        let after = bus.newest(&id).await.expect("an answer");
        {
            let mut leaving = pin!(bus.read(&id, after, 10));
            let is_there = poll_fn(|cx| Poll::Ready(leaving.as_mut().poll(cx).is_ready())).await;
            assert!(!is_there, "nothing was published yet");
        }
        let mut reading = pin!(bus.read(&id, after, 10));
        let is_there = poll_fn(|cx| Poll::Ready(reading.as_mut().poll(cx).is_ready())).await;
        assert!(!is_there, "nothing was published yet");
        let data = Bytes::copy_from_slice(&[round; 100]);
        let published = publish(bus, &id, data.clone()).await;
        let read = reading.await.expect("an entry");
        assert_eq!(read.entries.len(), 1);
        assert_eq!(read.entries[0].id, published);
        assert_eq!(read.entries[0].data, data);
        assert_eq!(read.missed, 0);
    }
    bus.remove(&id).await.expect("removal");
}

async fn overflow(bus: &dyn StreamBus, max_entries: usize) {
    let id = fresh(bus, "overflow").await;
    let first = publish(bus, &id, Bytes::from_static(b"first")).await;
    let before = bus.stats().missed;
    // Some services trim by the hundred.
    let more = 3 * max_entries + 500;
    for n in 0..more {
        publish(bus, &id, Bytes::from(n.to_string())).await;
    }
    let (mut after, mut seen, mut missed) = (first, 0u64, 0);
    while seen + missed < more as u64 {
        let read = read(bus, &id, Some(after), 1_000).await;
        missed += read.missed;
        for entry in &read.entries {
            let n = first.missed_before(entry.id);
            assert_eq!(entry.data, n.to_string().as_bytes());
        }
        seen += read.entries.len() as u64;
        after = read.entries.last().expect("at least one").id;
    }
    assert_eq!(seen + missed, more as u64);
    assert!(
        seen >= max_entries as u64,
        "{seen} of {max_entries} are kept"
    );
    assert!(
        missed > 0,
        "{seen} are kept of {more}, {max_entries} being asked for"
    );
    assert_eq!(bus.stats().missed - before, missed);
    // Who was nowhere yet has missed nothing.
    assert_eq!(read(bus, &id, None, 1).await.missed, 0);
    bus.remove(&id).await.expect("removal");
}

async fn renewal(bus: &dyn StreamBus) {
    let id = fresh(bus, "renewal").await;
    let mut last = publish(bus, &id, Bytes::from_static(b"old")).await;
    for _ in 0..2 {
        bus.remove(&id).await.expect("removal");
        bus.remove(&id).await.expect("it is removed already");
        assert_eq!(bus.newest(&id).await.expect("none"), None);
        let new = publish(bus, &id, Bytes::from_static(b"new")).await;
        assert!(new > last, "{new} after {last}");
        let read = read(bus, &id, Some(last), 10).await;
        assert_eq!(read.entries[0].id, new);
        assert!(read.restarted && read.missed == 0);
        last = new;
    }
    bus.remove(&id).await.expect("removal");
}

async fn refusals(bus: &dyn StreamBus) {
    let id = fresh(bus, "refusals").await;
    let before = bus.stats().failed;
    let large = Bytes::from(vec![1; MAX_ENTRY + 1]);
    let refused = bus.publish(&id, large.clone()).await;
    assert_eq!(
        refused.expect_err("too large").kind,
        StoreErrorKind::Invalid
    );
    assert_eq!(bus.stats().failed - before, 1);
    assert_eq!(bus.newest(&id).await.expect("none"), None);
    publish(bus, &id, large.slice(1..)).await;
    let read = read(bus, &id, None, 1).await;
    assert!(read.entries[0].data == large.slice(1..));
    bus.remove(&id).await.expect("removal");
}

async fn publish(bus: &dyn StreamBus, id: &StreamId, data: Bytes) -> EntryId {
    bus.publish(id, data).await.expect("an entry")
}

async fn read(bus: &dyn StreamBus, id: &StreamId, after: Option<EntryId>, limit: usize) -> BusRead {
    bus.read(id, after, limit).await.expect("entries")
}

/// A stream of which nothing is left from earlier.
async fn fresh(bus: &dyn StreamBus, name: &str) -> StreamId {
    let id = StreamId::parse(&format!("conformance-{name}")).expect("a valid id");
    bus.remove(&id).await.expect("removal");
    id
}

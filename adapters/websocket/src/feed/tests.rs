use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use async_trait::async_trait;
use audiox_core::store::{
    Archive, GapKind, SegmenterConfig, StoreError, StoreErrorKind, StoredFormat, StreamId,
    StreamRecord,
};
use futures_util::FutureExt;

use super::*;
use crate::{MemoryArchive, RelayConfig};

/// An archive in trouble, which outlives its relay.
#[derive(Debug)]
struct Troubled {
    inner: MemoryArchive,
    refuses: AtomicBool,
    /// Others come between while it lists.
    lists_slowly: AtomicBool,
    /// A segment of which a half is gone, or the whole.
    cut: Mutex<Option<(SegmentKey, bool)>>,
}

impl Troubled {
    /// Segments of 100 ms.
    fn new() -> Arc<Self> {
        Arc::new(Self {
            inner: MemoryArchive::new(SegmenterConfig {
                max_media: Duration::from_millis(100),
                ..SegmenterConfig::default()
            }),
            refuses: AtomicBool::new(false),
            lists_slowly: AtomicBool::new(false),
            cut: Mutex::default(),
        })
    }

    async fn relay(self: &Arc<Self>) -> Relay {
        let archive: Arc<dyn Archive> = self.clone();
        Relay::new(RelayConfig::default(), archive).await.unwrap()
    }

    /// All bytes, and the frames that are marked as missing.
    async fn all(&self, id: &StreamId) -> (Vec<u8>, u64) {
        let (mut all, mut missing) = (Vec::new(), 0);
        for meta in self.list(id, TimeRange::ALL).await.unwrap() {
            all.extend_from_slice(&self.get(&meta.key).await.unwrap());
            missing += meta.gaps.iter().map(|gap| gap.frames).sum::<u64>();
        }
        (all, missing)
    }
}

#[async_trait]
impl Archive for Troubled {
    async fn begin(&self, record: &StreamRecord) -> Result<MediaTime, StoreError> {
        match self.list(&record.id, TimeRange::ALL).await {
            Ok(there) if !there.is_empty() => Ok(there[there.len() - 1].media_end()),
            _ => self.inner.begin(record).await,
        }
    }

    async fn append(
        &self,
        id: &StreamId,
        data: Bytes,
        frames: u64,
        gap: Option<GapKind>,
    ) -> Result<MediaTime, StoreError> {
        if self.refuses.load(Relaxed) {
            return Err(StoreError::new(StoreErrorKind::Full, "test", "no room"));
        }
        self.inner.append(id, data, frames, gap).await
    }

    async fn end(&self, id: &StreamId) -> Result<StreamRecord, StoreError> {
        self.inner.end(id).await
    }

    async fn stream(&self, id: &StreamId) -> Result<StreamRecord, StoreError> {
        self.inner.stream(id).await
    }

    async fn streams(
        &self,
        after: Option<&StreamId>,
        limit: usize,
    ) -> Result<Vec<StreamRecord>, StoreError> {
        self.inner.streams(after, limit).await
    }

    /// The open segment too, as after a restart.
    async fn list(&self, id: &StreamId, range: TimeRange) -> Result<Vec<SegmentMeta>, StoreError> {
        let mut all = self.inner.list(id, range).await?;
        all.extend(self.inner.open_segment(id).await?.map(|(meta, _)| meta));
        if self.lists_slowly.load(Relaxed) {
            tokio::task::yield_now().await;
        }
        Ok(all)
    }

    async fn get(&self, key: &SegmentKey) -> Result<Bytes, StoreError> {
        tokio::task::yield_now().await;
        let cut = self.cut.lock().unwrap().clone();
        let cut = cut.filter(|(cut, _)| cut == key).map(|(_, whole)| whole);
        if cut == Some(true) {
            return Err(StoreError::new(StoreErrorKind::NotFound, "test", key));
        }
        let mut data = match self.inner.open_segment(&key.stream).await? {
            Some((meta, data)) if meta.key == *key => data,
            _ => self.inner.get(key).await?,
        };
        if cut.is_some() {
            data.truncate(data.len() / 2);
        }
        Ok(data)
    }

    async fn open_segment(
        &self,
        id: &StreamId,
    ) -> Result<Option<(SegmentMeta, Bytes)>, StoreError> {
        self.inner.open_segment(id).await
    }

    async fn delete_stream(&self, id: &StreamId) -> Result<(), StoreError> {
        self.inner.delete_stream(id).await
    }

    async fn stored(&self) -> Option<SegmentMeta> {
        self.inner.stored().await
    }
}

fn pcm(from: usize, len: usize) -> Bytes {
    (from..from + len)
        .map(|n| (n.wrapping_mul(0x9e37_79b9) >> 11) as u8 | 1)
        .collect()
}

/// All that a feed gives, in a row.
async fn fed(feed: &mut Feed) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(fed) = feed.next().await.unwrap() {
        match fed {
            Fed::Live(packet) => all.extend_from_slice(&packet.frames),
            Fed::Frames(_, frames) => all.extend_from_slice(&frames),
            Fed::Stored(_) => {}
        }
    }
    all
}

#[tokio::test]
async fn what_the_archive_refused_can_be_sent_again_and_what_was_not_is_silence() {
    let archive = Troubled::new();
    let relay = archive.relay().await;
    let id = relay.create(StoredFormat::default(), None).await.unwrap();
    let stream = relay.stream(&id).unwrap();
    stream.push(pcm(0, 1_000), Some(0)).await.unwrap();
    archive.refuses.store(true, Relaxed);
    assert!(stream.push(pcm(1_000, 600), Some(1_000)).await.is_err());
    assert!(stream.push(pcm(1_000, 600), Some(1_000)).await.is_err());
    archive.refuses.store(false, Relaxed);
    stream.push(pcm(1_000, 600), Some(1_000)).await.unwrap();
    assert_eq!(archive.all(&id).await, (pcm(0, 1_600).to_vec(), 0));

    archive.refuses.store(true, Relaxed);
    assert!(stream.push(pcm(1_600, 400), None).await.is_err());
    archive.refuses.store(false, Relaxed);
    stream.push(pcm(2_000, 400), None).await.unwrap();
    let (all, missing) = archive.all(&id).await;
    assert_eq!(all[..1_600], pcm(0, 1_600));
    assert_eq!((&all[1_600..2_000], missing), (&[0; 400][..], 200));
    assert_eq!(all[2_000..], pcm(2_000, 400));
    assert_eq!(stream.offset(), 2_400);
}

#[tokio::test]
async fn a_stream_goes_on_inside_the_frame_where_its_relay_stopped() {
    let archive = Troubled::new();
    let relay = archive.relay().await;
    let id = relay.create(StoredFormat::default(), None).await.unwrap();
    relay.publish(&id, pcm(0, 10_001)).await.unwrap();
    drop(relay);

    let relay = archive.relay().await;
    let stream = relay.stream(&id).unwrap();
    assert_eq!(stream.offset(), 10_001);
    let mut feed = Feed::new(&relay, &stream, When::Live).await.unwrap();
    stream.push(pcm(10_001, 999), Some(10_001)).await.unwrap();
    let Some(Fed::Live(packet)) = feed.next().await.unwrap() else {
        panic!("it is live");
    };
    assert_eq!(
        (packet.header.at.0, &packet.frames),
        (5_000, &pcm(10_000, 1_000))
    );
    assert_eq!(archive.all(&id).await, (pcm(0, 11_000).to_vec(), 0));
}

#[tokio::test]
async fn requests_that_send_the_same_bytes_at_once_send_them_once() {
    let archive = Troubled::new();
    let relay = archive.relay().await;
    let id = relay.create(StoredFormat::default(), None).await.unwrap();
    let stream = relay.stream(&id).unwrap();
    let both = async |at: u64| {
        let send = || stream.push(pcm(at as usize, 500), Some(at));
        let (one, other) = tokio::join!(send(), send());
        one.and(other).unwrap();
    };
    both(0).await;
    // Each finds the same hole before it.
    both(1_500).await;
    let (all, missing) = archive.all(&id).await;
    assert_eq!((all.len(), missing), (2_000, 500));
    assert_eq!(all[..500], pcm(0, 500));
    assert_eq!(all[1_500..], pcm(1_500, 500));
}

#[tokio::test]
async fn who_plays_old_audio_for_hours_is_not_cut_off_by_what_is_stored_meanwhile() {
    let relay = Troubled::new().relay().await;
    let id = relay.create(StoredFormat::default(), None).await.unwrap();
    let stream = relay.stream(&id).unwrap();
    relay.publish(&id, pcm(0, 20_000)).await.unwrap();
    let start = When::After(Duration::ZERO);
    let mut feed = Feed::new(&relay, &stream, start).await.unwrap();
    for second in 0..30_000 {
        stream.announce(&SegmentKey::new(id.clone(), second));
    }
    relay.publish(&id, pcm(20_000, 20_000)).await.unwrap();
    relay.end(&id).await.unwrap();
    assert_eq!(fed(&mut feed).await, pcm(0, 40_000));
}

#[tokio::test(start_paused = true)]
async fn segments_that_are_cut_short_or_gone_are_passed_over() {
    for (nth, is_gone) in [(0, true), (1, true), (1, false), (3, true), (3, false)] {
        let archive = Troubled::new();
        let relay = archive.relay().await;
        let id = relay.create(StoredFormat::default(), None).await.unwrap();
        let stream = relay.stream(&id).unwrap();
        relay.publish(&id, pcm(0, 4 * 8_820)).await.unwrap();
        let key = archive.list(&id, TimeRange::ALL).await.unwrap()[nth]
            .key
            .clone();
        *archive.cut.lock().unwrap() = Some((key, is_gone));
        let start = When::After(Duration::ZERO);
        let mut feed = Feed::new(&relay, &stream, start).await.unwrap();
        relay.publish(&id, pcm(4 * 8_820, 100)).await.unwrap();
        relay.end(&id).await.unwrap();
        let mut wanted = pcm(0, 4 * 8_820 + 100).to_vec();
        let from = nth * 8_820 + if is_gone { 0 } else { 4_410 };
        wanted.drain(from..(nth + 1) * 8_820);
        let got = tokio::time::timeout(Duration::from_secs(20), fed(&mut feed)).await;
        assert_eq!(got.unwrap(), wanted, "{nth} {is_gone}");
    }
}

#[tokio::test]
async fn who_gives_up_waiting_for_a_segment_gets_it_when_he_asks_again() {
    let relay = Troubled::new().relay().await;
    let id = relay.create(StoredFormat::default(), None).await.unwrap();
    let stream = relay.stream(&id).unwrap();
    relay.publish(&id, pcm(0, 30_000)).await.unwrap();
    relay.end(&id).await.unwrap();
    let start = When::After(Duration::ZERO);
    let mut feed = Feed::new(&relay, &stream, start).await.unwrap();
    assert!(feed.next().now_or_never().is_none());
    assert_eq!(fed(&mut feed).await, pcm(0, 30_000));
}

#[tokio::test]
async fn a_stream_ends_though_who_ended_it_does_not_wait() {
    let archive = Troubled::new();
    let relay = archive.relay().await;
    let id = relay.create(StoredFormat::default(), None).await.unwrap();
    let stream = relay.stream(&id).unwrap();
    let mut feed = Feed::new(&relay, &stream, When::Live).await.unwrap();
    // More than may wait for the archive: no more can be asked of it now.
    let mut pushes = Vec::new();
    for _ in 0..300 {
        let mut push = Box::pin(stream.push(pcm(0, 2), None));
        assert!(push.as_mut().now_or_never().is_none());
        pushes.push(push);
    }
    assert!(stream.end().now_or_never().is_none());
    drop(pushes);
    while feed.next().await.unwrap().is_some() {}
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    assert!(stream.record().ended.is_some());
    assert!(archive.stream(&id).await.unwrap().ended.is_some());
}

#[tokio::test]
async fn what_is_stored_while_old_segments_are_looked_for_stays_listed() {
    let archive = Troubled::new();
    let relay = archive.relay().await;
    let id = relay.create(StoredFormat::default(), None).await.unwrap();
    let stream = relay.stream(&id).unwrap();
    let key = |second| SegmentKey::new(id.clone(), second);
    stream.announce(&key(7));
    archive.lists_slowly.store(true, Relaxed);
    let (refreshed, ()) = tokio::join!(relay.refresh(), async { stream.announce(&key(8)) });
    refreshed.unwrap();
    assert_eq!(relay.segments(&id).unwrap(), [key(8)]);
}

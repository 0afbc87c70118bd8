//! The relay: its streams, and what can be done with them.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use audiox_core::convert::Level;
use audiox_core::store::{Archive, SegmentKey, StoredFormat, StreamId, StreamRecord, TimeRange};
use audiox_core::time::MediaTime;
use bytes::Bytes;
use tokio::sync::mpsc;

use crate::stream::{self, Stream, wall};
use crate::{OggFactory, RelayError};

/// Limits of a [`Relay`], and what it is made with.
#[derive(Clone)]
pub struct RelayConfig {
    /// Live streams at a time; 1 024 by default.
    pub max_live: usize,
    /// Bytes of one body; 16 MiB by default. Senders that keep a request open may send more in
    /// all.
    pub max_body: usize,
    /// A live stream that is sent nothing for so long is ended; an hour by default.
    pub idle: Duration,
    /// Bytes that wait for a listener before the oldest are dropped; 1 MiB by default.
    pub listener_bytes: usize,
    /// Makes Ogg Opus of streams, for `live.ogg`; none by default.
    pub ogg: Option<OggFactory>,
}

impl fmt::Debug for RelayConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelayConfig")
            .field("max_live", &self.max_live)
            .field("max_body", &self.max_body)
            .field("idle", &self.idle)
            .field("listener_bytes", &self.listener_bytes)
            .finish_non_exhaustive()
    }
}

impl Default for RelayConfig {
    fn default() -> Self {
        Self {
            max_live: 1_024,
            max_body: 16 << 20,
            idle: Duration::from_secs(3_600),
            listener_bytes: 1 << 20,
            ogg: None,
        }
    }
}

/// What is known of a stream.
#[derive(Debug, Clone)]
pub struct StreamInfo {
    /// Its record.
    pub record: StreamRecord,
    /// Whether it still takes audio.
    pub is_live: bool,
    /// Segments that were stored.
    pub segments: usize,
    /// Where it has come to.
    pub position: MediaTime,
    /// The same in bytes of the stream.
    pub offset: u64,
    /// Who listens over Socket.IO.
    pub listeners: usize,
    /// Who listens by other means.
    pub other_listeners: usize,
    /// Bytes that were sent to it since the relay began.
    pub bytes: u64,
    /// Of these, bytes that the archive did not take.
    pub refused: u64,
}

/// A relay. Cheap to clone.
#[derive(Clone)]
pub struct Relay {
    shared: Arc<Shared>,
}

struct Shared {
    config: RelayConfig,
    archive: Arc<dyn Archive>,
    streams: RwLock<HashMap<StreamId, Arc<Stream>>>,
}

impl Relay {
    /// A relay over what `archive` holds. Streams that were live when it was last in use are live
    /// again, so that their senders go on where they were. Needs a tokio runtime.
    ///
    /// # Errors
    /// The archive cannot be read.
    pub async fn new(config: RelayConfig, archive: Arc<dyn Archive>) -> Result<Self, RelayError> {
        let relay = Self {
            shared: Arc::new(Shared {
                config,
                archive,
                streams: RwLock::default(),
            }),
        };
        let mut last: Option<StreamId> = None;
        loop {
            let archive = relay.archive();
            let page = archive.streams(last.as_ref(), PAGE).await?;
            last = page.last().map(|record| record.id.clone());
            let is_last = page.len() < PAGE;
            for record in page {
                relay.take_up(record).await?;
            }
            if is_last {
                break;
            }
        }
        tokio::spawn(announce(relay.clone()));
        tokio::spawn(end_idle(Arc::downgrade(&relay.shared)));
        Ok(relay)
    }

    /// Its limits.
    pub fn config(&self) -> &RelayConfig {
        &self.shared.config
    }

    /// A stream of the archive is there again.
    async fn take_up(&self, record: StreamRecord) -> Result<(), RelayError> {
        let archive = self.archive();
        let segments = archive.list(&record.id, TimeRange::ALL).await?;
        let frame = record.format.frame_bytes().unwrap_or(1) as u64;
        let is_live = record.ended.is_none();
        let begins = match is_live {
            true => Some(archive.begin(&record).await?),
            false => None,
        };
        let last = segments.last();
        let last = last.filter(|last| begins.is_none_or(|at| at == last.media_end()));
        let (mut offset, mut begun) = (bytes(begins.unwrap_or(MediaTime(0)), frame), Vec::new());
        if let Some(last) = last {
            offset = last.offset.saturating_add(last.bytes);
            // It may have stopped inside a frame, whose end is still to come.
            let rest = (offset % frame) as usize;
            if is_live && rest > 0 {
                let data = archive.get(&last.key).await?;
                begun.resize(rest.saturating_sub(data.len()), 0);
                begun.extend_from_slice(&data[data.len().saturating_sub(rest)..]);
            }
        }
        let keep = is_live.then(|| self.keeper(&record, offset));
        let stream = Stream::new(record, offset, begun, keep);
        stream.remember(segments.iter().map(|s| s.key.second));
        self.insert(stream);
        Ok(())
    }

    /// Makes a stream and returns its id.
    ///
    /// # Errors
    /// There are too many; the name or the archive.
    pub async fn create(
        &self,
        format: StoredFormat,
        name: Option<String>,
    ) -> Result<StreamId, RelayError> {
        let max = self.shared.config.max_live;
        if self.all().iter().filter(|s| s.is_live()).count() >= max {
            return Err(RelayError::TooManyStreams(max));
        }
        let id = new_id();
        let mut record = StreamRecord::new(id.clone(), format, wall());
        if let Some(name) = name {
            record = record.named(name)?;
        }
        let at = self.archive().begin(&record).await?;
        let at = bytes(at, record.format.frame_bytes().unwrap_or(1) as u64);
        let keep = self.keeper(&record, at);
        self.insert(Stream::new(record, at, Vec::new(), Some(keep)));
        Ok(id)
    }

    /// Sends `data` to who listens, and has it kept: done when the archive has accepted it.
    ///
    /// # Errors
    /// There is no such stream, it has ended, or the archive takes no more.
    pub async fn publish(&self, id: &StreamId, data: Bytes) -> Result<(), RelayError> {
        self.stream(id)?.push(data, None).await
    }

    /// The same where it is known that `data` begins at byte `offset` of the stream: what has
    /// passed already is left out, and what never came becomes silence.
    ///
    /// # Errors
    /// As [`publish`](Self::publish), and where too much is missing before `offset`.
    pub async fn publish_at(
        &self,
        id: &StreamId,
        offset: u64,
        data: Bytes,
    ) -> Result<(), RelayError> {
        self.stream(id)?.push(data, Some(offset)).await
    }

    /// Ends a stream. One that has ended already stays so.
    ///
    /// # Errors
    /// There is no such stream, or the archive fails.
    pub async fn end(&self, id: &StreamId) -> Result<(), RelayError> {
        match self.stream(id)?.end().await {
            Err(RelayError::Ended) => Ok(()),
            other => other,
        }
    }

    /// Removes a stream that has ended, and what is kept of it.
    ///
    /// # Errors
    /// There is no such stream, it is live, or the archive fails.
    pub async fn delete(&self, id: &StreamId) -> Result<(), RelayError> {
        if self.stream(id)?.is_live() {
            let reason = "the stream is live; end it first".to_owned();
            return Err(RelayError::Request(reason));
        }
        self.archive().delete_stream(id).await?;
        let mut streams = self.shared.streams.write();
        streams.as_mut().unwrap_or_else(|e| e.get_mut()).remove(id);
        Ok(())
    }

    /// What is known of each stream, in order of their start.
    pub fn streams(&self) -> Vec<StreamInfo> {
        let mut all: Vec<_> = self.all().iter().map(|s| info(s)).collect();
        all.sort_by(|a, b| {
            let key = |i: &StreamInfo| (i.record.started, i.record.id.clone());
            key(a).cmp(&key(b))
        });
        all
    }

    /// What is known of a stream.
    ///
    /// # Errors
    /// There is no such stream.
    pub fn info(&self, id: &StreamId) -> Result<StreamInfo, RelayError> {
        Ok(info(&*self.stream(id)?))
    }

    /// The segments of a stream that were stored, in order.
    ///
    /// # Errors
    /// There is no such stream.
    pub fn segments(&self, id: &StreamId) -> Result<Vec<SegmentKey>, RelayError> {
        let stream = self.stream(id)?;
        Ok(stream.with_stored(|s| s.iter().map(|n| key(id, *n)).collect()))
    }

    /// A segment's bytes.
    ///
    /// # Errors
    /// There is no such segment, or the archive fails.
    pub async fn segment(&self, key: &SegmentKey) -> Result<Bytes, RelayError> {
        use audiox_core::store::StoreErrorKind::NotFound;
        self.stream(&key.stream)
            .map_err(|_| RelayError::UnknownSegment)?;
        self.archive().get(key).await.map_err(|e| match e.kind {
            NotFound => RelayError::UnknownSegment,
            _ => e.into(),
        })
    }

    /// Looks in the archive for what is gone from it, as when old segments were removed.
    ///
    /// # Errors
    /// The archive fails.
    pub async fn refresh(&self) -> Result<(), RelayError> {
        use audiox_core::store::StoreErrorKind::NotFound;
        for stream in self.all() {
            // What is announced while the archive looks is not gone.
            let mut gone = stream.with_stored(Clone::clone);
            match self.archive().list(&stream.id, TimeRange::ALL).await {
                Ok(segments) => {
                    for segment in &segments {
                        gone.remove(&segment.key.second);
                    }
                    stream.forget(&gone);
                }
                Err(e) if e.kind == NotFound && !stream.is_live() => self.forget(&stream.id),
                Err(e) if e.kind == NotFound => {}
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }

    /// How loud a stream was, channel by channel, since this was last asked.
    ///
    /// # Errors
    /// There is no such stream.
    pub fn take_levels(&self, id: &StreamId) -> Result<Vec<Level>, RelayError> {
        Ok(self.stream(id)?.take_levels())
    }

    pub(crate) fn stream(&self, id: &StreamId) -> Result<Arc<Stream>, RelayError> {
        let streams = self.shared.streams.read();
        let streams = streams.unwrap_or_else(PoisonError::into_inner);
        streams.get(id).cloned().ok_or(RelayError::UnknownStream)
    }

    /// What it keeps streams in.
    pub fn archive(&self) -> &Arc<dyn Archive> {
        &self.shared.archive
    }

    fn all(&self) -> Vec<Arc<Stream>> {
        let streams = self.shared.streams.read();
        let streams = streams.unwrap_or_else(PoisonError::into_inner);
        streams.values().cloned().collect()
    }

    fn forget(&self, id: &StreamId) {
        let mut streams = self.shared.streams.write();
        let streams = streams.as_mut().unwrap_or_else(|e| e.get_mut());
        streams.remove(id);
    }

    fn insert(&self, stream: Stream) {
        let mut streams = self.shared.streams.write();
        let streams = streams.as_mut().unwrap_or_else(|e| e.get_mut());
        streams.insert(stream.id.clone(), Arc::new(stream));
    }

    /// Who hands a stream's bytes to the archive.
    fn keeper(&self, record: &StreamRecord, kept: u64) -> mpsc::Sender<stream::Keep> {
        let (keep, asked) = mpsc::channel(PENDING);
        let keeper = stream::Keeper {
            archive: self.archive().clone(),
            id: record.id.clone(),
            kept,
            silence: stream::silence(&record.format),
        };
        tokio::spawn(stream::keep(keeper, asked));
        keep
    }
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay")
            .field("streams", &self.all().len())
            .field("archive", &self.shared.archive)
            .finish()
    }
}

fn info(stream: &Stream) -> StreamInfo {
    let stats = stream.stats();
    StreamInfo {
        record: stream.record(),
        is_live: stream.is_live(),
        segments: stream.with_stored(|s| s.len()),
        position: stream.position(),
        offset: stream.offset(),
        listeners: stream.events.len(),
        other_listeners: stream.items.len(),
        bytes: stats.bytes,
        refused: stats.refused,
    }
}

/// Tells listeners of segments as they are stored, until the archive stops.
async fn announce(relay: Relay) {
    let archive = relay.archive().clone();
    let shared = Arc::downgrade(&relay.shared);
    drop(relay);
    while let Some(meta) = archive.stored().await {
        let Some(shared) = shared.upgrade() else {
            return;
        };
        let relay = Relay { shared };
        let id = &meta.key.stream;
        match relay.stream(id) {
            Ok(stream) => stream.announce(&meta.key),
            // It was not in the store yet when the relay began.
            Err(_) => {
                let taken_up = match archive.stream(id).await {
                    Ok(record) => relay.take_up(record).await,
                    Err(e) => Err(e.into()),
                };
                if let Err(e) = taken_up {
                    tracing::warn!(stream = %id, "was stored and cannot be listed: {e}");
                }
            }
        }
    }
}

/// Ends streams whose senders have gone without a word.
async fn end_idle(shared: std::sync::Weak<Shared>) {
    loop {
        tokio::time::sleep(IDLE_CHECK).await;
        let Some(shared) = shared.upgrade() else {
            return;
        };
        let relay = Relay { shared };
        let idle = relay.config().idle;
        for stream in relay.all() {
            let is_idle = Instant::now().saturating_duration_since(stream.heard()) > idle;
            if stream.is_live() && is_idle {
                tracing::info!(stream = %stream.id, "ended: nothing came for {idle:?}");
                if let Err(e) = stream.end().await {
                    tracing::warn!(stream = %stream.id, "could not be ended: {e}");
                }
            }
        }
    }
}

/// The byte at which a frame begins.
fn bytes(at: MediaTime, frame: u64) -> u64 {
    u64::try_from(at.0).unwrap_or(0).saturating_mul(frame)
}

fn key(id: &StreamId, second: u64) -> SegmentKey {
    SegmentKey::new(id.clone(), second)
}

/// A random UUID (version 4, RFC 9562 section 5.4).
fn new_id() -> StreamId {
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes).expect("the system has random numbers");
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut text = String::with_capacity(36);
    for (n, byte) in bytes.iter().enumerate() {
        if [4, 6, 8, 10].contains(&n) {
            text.push('-');
        }
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
        }
    }
    StreamId::parse(&text).expect("a UUID has letters, digits and hyphens")
}

/// Streams read from the archive at a time.
const PAGE: usize = 256;
/// Appends that may wait for the archive, of one stream.
const PENDING: usize = 256;
const IDLE_CHECK: Duration = Duration::from_secs(5);

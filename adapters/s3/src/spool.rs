//! Between a live stream and its store: a folder that has everything the store does not have yet.
//!
//! What is appended is in a file (or, when the disk takes no more, in memory) before the caller is
//! told so. Segments are closed, put onto the disk itself, and uploaded in order, again and again
//! until the store has them; then they leave the folder and are announced. So a store that is away
//! delays nobody and loses nothing, and a process that is killed finds everything again at
//! [`Spool::open`], short of what its computer had not written when *that* died, which is at most
//! the open segments.
//!
//! What a call had begun to write when the process was killed may be there, too, even though the
//! call was never answered.

mod budget;
mod disk;
mod segment;
mod upload;
mod writer;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::mpsc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use audiox_core::error::ConfigError;
use audiox_core::store::{
    GapKind, SegmentKey, SegmentMeta, SegmentStore, SegmenterConfig, StoreError, StoreErrorKind,
    StreamId, StreamRecord,
};
use audiox_core::time::MediaTime;
use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, broadcast, oneshot, watch};

use crate::error;
use budget::Budget;
use disk::Folder;
use segment::{Growing, Parts};
use upload::{Job, Queue, blocking};
use writer::Command;

/// How a spool works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpoolConfig {
    /// When segments are closed.
    pub segments: SegmenterConfig,
    /// Bytes that may wait in memory while the disk takes none; 64 MiB, over ten minutes of one
    /// stream of CD quality in mono. 0 refuses at once what the disk does not take: then nothing
    /// accepted is lost even when disk and process fail together.
    pub memory_limit: u64,
    /// Bytes that the spool may take of its disk; none leaves that to the disk.
    pub disk_limit: Option<u64>,
    /// Streams that are uploaded at once, 1 to 64; 4, enough to fill most lines.
    pub uploads: usize,
    /// Time to the second try of what failed; it doubles from there on. 1 ms and more; 250 ms.
    pub retry_min: Duration,
    /// The longest time between two tries; 30 s, so that a store that is back is not left alone.
    pub retry_max: Duration,
}

impl Default for SpoolConfig {
    fn default() -> Self {
        Self {
            segments: SegmenterConfig::default(),
            memory_limit: 64 << 20,
            disk_limit: None,
            uploads: 4,
            retry_min: Duration::from_millis(250),
            retry_max: Duration::from_secs(30),
        }
    }
}

impl SpoolConfig {
    fn validate(&self) -> Result<(), ConfigError> {
        self.segments.validate()?;
        if !(1..=64).contains(&self.uploads) {
            return Err(ConfigError::new("uploads", self.uploads, "it is 1 to 64"));
        }
        let wait = self.retry_min;
        if wait < Duration::from_millis(1) || self.retry_max < wait {
            return Err(ConfigError::new(
                "retry_min",
                format_args!("{wait:?}"),
                "it is at least 1 ms, and retry_max no shorter",
            ));
        }
        Ok(())
    }
}

/// The spool; clones are the same one. See the [module](self).
///
/// When the last clone is dropped, or at [`close`](Self::close), open segments are closed, and
/// what the store does not have waits in the folder for the next spool.
#[derive(Clone)]
pub struct Spool(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    commands: mpsc::Sender<Command>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// Streams that were live when an earlier process ended.
    interrupted: Mutex<BTreeMap<StreamId, Interrupted>>,
}

#[derive(Debug, Clone)]
struct Interrupted {
    record: StreamRecord,
    position: Option<SegmentMeta>,
}

impl Spool {
    /// The spool in `folder`, which uploads to `store`. What an earlier process left there goes on
    /// its way.
    ///
    /// # Errors
    /// A field of `config` is out of range, or the folder cannot be used: another process may use
    /// it.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub async fn open(
        folder: impl AsRef<Path>,
        store: Arc<dyn SegmentStore>,
        config: SpoolConfig,
    ) -> Result<Self, StoreError> {
        let path = folder.as_ref().to_owned();
        let name = format!("spool {}", path.display());
        config
            .validate()
            .map_err(|e| StoreError::new(StoreErrorKind::Invalid, name.clone(), e))?;
        let opened = blocking(move || {
            let folder = Folder::open(&path)?;
            let left = folder.recover()?;
            Ok((folder, left))
        });
        let (folder, left) = opened.await.map_err(|e| error::from_io(&name, "open", e))?;
        let shared = Arc::new(Shared {
            store,
            folder,
            config,
            memory: Budget::new(config.memory_limit),
            disk: Budget::new(config.disk_limit.unwrap_or(u64::MAX)),
            queues: Mutex::default(),
            counters: Mutex::default(),
            pending: watch::Sender::new(0),
            stop: watch::Sender::new(false),
            tasks: watch::Sender::new(0),
            stored: broadcast::Sender::new(ANNOUNCED),
            permits: Semaphore::new(config.uploads),
            runtime: Handle::current(),
        });
        let interrupted = left.into_iter().filter_map(|left| shared.take_over(left));
        let interrupted = interrupted.map(|i| (i.record.id.clone(), i)).collect();
        let (commands, received) = mpsc::channel();
        let thread = thread::Builder::new().name("audiox-spool".into()).spawn({
            let shared = Arc::clone(&shared);
            move || writer::run(shared, received)
        });
        let thread = thread.map_err(|e| error::from_io(&name, "thread", e))?;
        Ok(Self(Arc::new(Inner {
            shared,
            commands,
            thread: Mutex::new(Some(thread)),
            interrupted: Mutex::new(interrupted),
        })))
    }

    /// Streams that were live when an earlier process ended, neither
    /// [resumed](Self::resume) nor [ended](Self::end) since.
    pub fn interrupted(&self) -> Vec<StreamRecord> {
        let interrupted = self.0.interrupted();
        interrupted.values().map(|i| i.record.clone()).collect()
    }

    /// The last segment of an [interrupted](Self::interrupted) stream, wherever it is by now.
    pub(crate) fn position(&self, id: &StreamId) -> Option<SegmentMeta> {
        self.0.interrupted().get(id)?.position.clone()
    }

    /// Begins a stream.
    ///
    /// # Errors
    /// `AlreadyExists` where the spool has a stream of this id; the disk does not take its record.
    pub async fn begin(&self, record: StreamRecord) -> Result<(), StoreError> {
        let id = &record.id;
        if self.0.interrupted().contains_key(id) || self.0.shared.queues().contains_key(id) {
            let shared = &self.0.shared;
            let kind = StoreErrorKind::AlreadyExists;
            return Err(StoreError::new(kind, shared.name(), id));
        }
        self.begin_at(record, None).await
    }

    /// Goes on with an [interrupted](Self::interrupted) stream, right behind its last byte.
    ///
    /// # Errors
    /// `NotFound` where no such stream was interrupted.
    pub async fn resume(&self, id: &StreamId) -> Result<StreamRecord, StoreError> {
        let taken = self.0.interrupted().remove(id);
        let stream = taken.ok_or_else(|| self.0.shared.unknown(id))?;
        let begun = self.begin_at(stream.record.clone(), stream.position.clone());
        match begun.await {
            Ok(()) => Ok(stream.record),
            Err(e) => {
                self.0.interrupted().insert(id.clone(), stream);
                Err(e)
            }
        }
    }

    /// Begins a stream, or goes on with one behind the segment at `position`.
    pub(crate) async fn begin_at(
        &self,
        record: StreamRecord,
        position: Option<SegmentMeta>,
    ) -> Result<(), StoreError> {
        self.ask(|reply| Command::Begin {
            record,
            position,
            reply,
        })
        .await
    }

    /// Keeps the next bytes of a stream, all or none, and tells at which frame they begin.
    ///
    /// # Errors
    /// `NotFound` for a stream that is not live; `Full` where neither disk nor memory has room.
    pub async fn append(&self, id: &StreamId, data: Bytes) -> Result<MediaTime, StoreError> {
        self.append_frames(id, data, 0, None).await
    }

    /// The same for bytes that hold `frames` frames, where their number does not tell, or that
    /// stand in for what never came.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub async fn append_frames(
        &self,
        id: &StreamId,
        data: Bytes,
        frames: u64,
        gap: Option<GapKind>,
    ) -> Result<MediaTime, StoreError> {
        let id = id.clone();
        self.ask(|reply| Command::Append {
            id,
            data,
            frames,
            gap,
            reply,
        })
        .await
    }

    /// Ends a stream, live or interrupted, and gives its last record back.
    ///
    /// # Errors
    /// `NotFound` where it is neither.
    pub async fn end(&self, id: &StreamId) -> Result<StreamRecord, StoreError> {
        let interrupted = self.0.interrupted().remove(id);
        let Some(mut stream) = interrupted else {
            let id = id.clone();
            return self.ask(|reply| Command::End { id, reply }).await;
        };
        // It ended when its last byte came, however late that is noticed.
        let last = stream.position.map(|meta| meta.end);
        stream.record.ended = Some(last.unwrap_or(stream.record.started));
        let (shared, record) = (Arc::clone(&self.0.shared), stream.record.clone());
        blocking(move || {
            if let Err(e) = shared.folder.write_record(&record) {
                tracing::warn!(stream = %record.id, "its end is not on the disk: {e}");
            }
            let id = record.id.clone();
            shared.enqueue(&id, Job::End(record));
        })
        .await;
        Ok(stream.record)
    }

    /// Every stream that the spool has: live, interrupted, or not in the store as a whole. In order
    /// of their ids.
    pub fn records(&self) -> Vec<StreamRecord> {
        self.0.shared.records()
    }

    /// What is known of a stream that the spool has.
    pub fn record(&self, id: &StreamId) -> Option<StreamRecord> {
        self.0.shared.record(id)
    }

    /// The segments of a stream that the store may not have yet, in order; the last one may be
    /// open still, and then has no checksum.
    pub async fn waiting(&self, id: &StreamId) -> Vec<SegmentMeta> {
        // First the one that would otherwise be closed in between.
        let open = self.peek(id).await;
        let mut all = self.0.shared.waiting(id);
        if let Some((meta, _)) = open
            && all.last().is_none_or(|last| last.key < meta.key)
        {
            all.push(meta);
        }
        all
    }

    /// A segment that [waits](Self::waiting), as far as it has come.
    ///
    /// # Errors
    /// `NotFound` where it is not in the spool (any more); the disk fails.
    pub async fn get(&self, key: &SegmentKey) -> Result<Bytes, StoreError> {
        let open = self.peek(&key.stream).await;
        let open = open.filter(|(meta, _)| meta.key == *key);
        let shared = Arc::clone(&self.0.shared);
        let parts = match open {
            Some((_, parts)) => Some(parts),
            None => shared.parts(key),
        };
        let parts = parts.ok_or_else(|| shared.unknown(key))?;
        let name = shared.name();
        let reading = key.clone();
        let read = blocking(move || parts.read(&shared, &reading)).await;
        read.map_err(|e| error::from_io(&name, key, e))
    }

    async fn peek(&self, id: &StreamId) -> Option<(SegmentMeta, Parts)> {
        let (reply, answer) = oneshot::channel();
        let id = id.clone();
        self.0.commands.send(Command::Peek { id, reply }).ok()?;
        answer.await.ok()?
    }

    /// Segments as the store has taken them, from now on. A listener that falls 1 024 behind
    /// misses some.
    pub fn stored(&self) -> broadcast::Receiver<SegmentMeta> {
        self.0.shared.stored.subscribe()
    }

    /// How it goes.
    pub fn stats(&self) -> SpoolStats {
        self.0.shared.stats()
    }

    /// Waits until the store has all that was closed. Open segments are not waited for.
    pub async fn flush(&self) {
        let mut pending = self.0.shared.pending.subscribe();
        // The sender lives as long as `self`.
        let _ = pending.wait_for(|n| *n == 0).await;
    }

    /// Closes all segments and stops. What waits stays in the folder; live streams will have been
    /// interrupted.
    pub async fn close(self) {
        let inner = Arc::clone(&self.0);
        blocking(move || inner.stop()).await;
        let shared = &self.0.shared;
        let mut tasks = shared.tasks.subscribe();
        // The sender lives as long as `self`.
        let _ = tasks.wait_for(|n| *n == 0).await;
        shared.folder.unlock();
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Command,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let closed = || {
            let kind = StoreErrorKind::Other;
            StoreError::new(kind, self.0.shared.name(), "it is closed")
        };
        let sent = self.0.commands.send(command(reply));
        sent.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }
}

impl Inner {
    fn interrupted(&self) -> MutexGuard<'_, BTreeMap<StreamId, Interrupted>> {
        locked(&self.interrupted)
    }

    fn stop(&self) {
        // It may have stopped already.
        let _ = self.commands.send(Command::Stop);
        if let Some(thread) = locked(&self.thread).take() {
            drop(thread.join());
        }
        self.shared.stop.send_replace(true);
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Uploads stop at once. The thread closes what is open by itself: its commands end here.
        self.shared.stop.send_replace(true);
    }
}

impl fmt::Debug for Spool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Spool").field(&self.0.shared.name()).finish()
    }
}

/// How a [`Spool`] is doing; counts are since it was opened.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct SpoolStats {
    /// Closed segments that the store does not have.
    pub waiting_segments: u64,
    /// Bytes on the disk, open segments included.
    pub disk_bytes: u64,
    /// Bytes in memory, for want of room on the disk.
    pub memory_bytes: u64,
    /// How long the oldest of what waits has done so.
    pub oldest_waiting: Option<Duration>,
    /// Segments that the store has taken.
    pub stored_segments: u64,
    /// Bytes of those.
    pub stored_bytes: u64,
    /// Tries that failed, all of which are repeated.
    pub retries: u64,
    /// Appends that were refused.
    pub refused: u64,
    /// Bytes of those.
    pub refused_bytes: u64,
    /// Times that the disk did not take what it was given.
    pub disk_errors: u64,
    /// Segments that the disk changed.
    pub damaged: u64,
    /// Segments that somebody removed from the folder before the store had them.
    pub lost: u64,
    /// What the last failed try failed at, until one succeeds.
    pub last_error: Option<String>,
}

/// What the thread, the uploads and the handles share.
struct Shared {
    store: Arc<dyn SegmentStore>,
    folder: Folder,
    config: SpoolConfig,
    memory: Budget,
    disk: Budget,
    queues: Mutex<BTreeMap<StreamId, Queue>>,
    counters: Mutex<SpoolStats>,
    /// Jobs that are not done.
    pending: watch::Sender<usize>,
    stop: watch::Sender<bool>,
    /// Uploading tasks that have not ended.
    tasks: watch::Sender<usize>,
    stored: broadcast::Sender<SegmentMeta>,
    permits: Semaphore,
    runtime: Handle,
}

impl Shared {
    fn name(&self) -> String {
        format!("spool {}", self.folder.path().display())
    }

    fn unknown(&self, what: impl fmt::Display) -> StoreError {
        StoreError::new(StoreErrorKind::NotFound, self.name(), what)
    }

    fn queues(&self) -> MutexGuard<'_, BTreeMap<StreamId, Queue>> {
        locked(&self.queues)
    }

    /// Has what an earlier process left of a stream done; gives it back where it was live.
    fn take_over(self: &Arc<Self>, left: disk::Left) -> Option<Interrupted> {
        let id = left.record.id.clone();
        let stored = left.position.clone().filter(|_| left.waiting.is_empty());
        self.queues()
            .insert(id.clone(), Queue::new(stored.map(|meta| meta.key)));
        let live = StreamRecord {
            ended: None,
            ..left.record.clone()
        };
        self.enqueue(&id, Job::Record(live));
        for meta in left.waiting {
            self.disk.force(meta.bytes);
            let parts = Parts::on_disk(meta.bytes);
            self.enqueue(&id, Job::Segment(meta, parts));
        }
        if left.record.ended.is_some() {
            self.enqueue(&id, Job::End(left.record));
            return None;
        }
        Some(Interrupted {
            record: left.record,
            position: left.position,
        })
    }

    /// A segment has ended: to the disk itself, and on its way.
    fn close(self: &Arc<Self>, segment: Growing, meta: SegmentMeta) {
        let parts = segment.close(self, &meta);
        if parts.file_len > 0 {
            let (this, key) = (Arc::clone(self), meta.key.clone());
            self.runtime.spawn_blocking(move || {
                if let Err(e) = this.folder.sync(&key) {
                    this.disk_failed(&key, &e);
                }
            });
        }
        let id = meta.key.stream.clone();
        self.enqueue(&id, Job::Segment(meta, parts));
    }

    fn waiting(&self, id: &StreamId) -> Vec<SegmentMeta> {
        let queues = self.queues();
        let jobs = queues.get(id).into_iter().flat_map(|queue| &queue.jobs);
        let metas = jobs.filter_map(|(_, job)| match &**job {
            Job::Segment(meta, _) => Some(meta.clone()),
            _ => None,
        });
        metas.collect()
    }

    fn parts(&self, key: &SegmentKey) -> Option<Parts> {
        let queues = self.queues();
        let mut jobs = queues.get(&key.stream)?.jobs.iter();
        jobs.find_map(|(_, job)| match &**job {
            Job::Segment(meta, parts) if meta.key == *key => Some(parts.clone()),
            _ => None,
        })
    }

    fn count(&self, change: impl FnOnce(&mut SpoolStats)) {
        change(&mut locked(&self.counters));
    }

    fn refused(&self, bytes: u64) {
        self.count(|c| {
            c.refused += 1;
            c.refused_bytes += bytes;
        });
    }

    fn disk_failed(&self, key: &SegmentKey, e: &std::io::Error) {
        // A full disk fails for every packet of every stream: told once in a while.
        let mut counters = locked(&self.counters);
        counters.disk_errors += 1;
        if counters.disk_errors.is_power_of_two() {
            let times = counters.disk_errors;
            drop(counters);
            tracing::warn!(segment = %key, times, "the spool's disk: {e}");
        }
    }

    fn failed(&self, id: &StreamId, e: &StoreError) {
        let mut counters = locked(&self.counters);
        counters.retries += 1;
        let text = e.to_string();
        let new = counters.last_error.as_ref() != Some(&text);
        counters.last_error = Some(text);
        drop(counters);
        if new {
            tracing::warn!(stream = %id, "not stored yet, trying again: {e}");
        }
    }

    fn stats(&self) -> SpoolStats {
        let mut stats = locked(&self.counters).clone();
        stats.disk_bytes = self.disk.used();
        stats.memory_bytes = self.memory.used();
        let now = Instant::now();
        let queues = self.queues();
        for (since, job) in queues.values().flat_map(|queue| &queue.jobs) {
            let waits = now.saturating_duration_since(*since);
            stats.oldest_waiting = stats.oldest_waiting.max(Some(waits));
            stats.waiting_segments += u64::from(matches!(**job, Job::Segment(..)));
        }
        stats
    }
}

/// Nothing panics while it holds one of the locks here.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const ANNOUNCED: usize = 1_024;

//! From the spool to the store: one stream's jobs one after another, several streams at once, each
//! again and again until it is done.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use audiox_core::store::{
    Crc32, SegmentKey, SegmentMeta, StoreError, StoreErrorKind, StreamId, StreamRecord,
};
use bytes::Bytes;
use tokio::time;

use super::Shared;
use super::segment::Parts;
use crate::error;

/// What the store is to be told.
#[derive(Debug)]
pub(super) enum Job {
    /// What is known of a stream, before its first segment.
    Record(StreamRecord),
    /// A closed segment.
    Segment(SegmentMeta, Parts),
    /// What is known of a stream that has ended, after its last segment.
    End(StreamRecord),
}

/// What waits for the store, of one stream.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) jobs: VecDeque<(Instant, Arc<Job>)>,
    /// A task carries them out.
    running: bool,
    /// The newest of what is known of the stream.
    record: Option<StreamRecord>,
    /// The newest segment that the store has: its entry stays in the folder, to tell where the
    /// stream goes on.
    stored: Option<SegmentKey>,
}

impl Queue {
    pub(super) const fn new(stored: Option<SegmentKey>) -> Self {
        Self {
            jobs: VecDeque::new(),
            running: false,
            record: None,
            stored,
        }
    }
}

impl Shared {
    /// Has a job done, sooner or later.
    pub(super) fn enqueue(self: &Arc<Self>, id: &StreamId, job: Job) {
        let mut queues = self.queues();
        let queue = queues.entry(id.clone()).or_insert_with(|| Queue::new(None));
        match &job {
            Job::Record(record) | Job::End(record) => queue.record = Some(record.clone()),
            Job::Segment(..) => {}
        }
        queue.jobs.push_back((Instant::now(), Arc::new(job)));
        self.pending.send_modify(|n| *n += 1);
        if !queue.running {
            queue.running = true;
            self.tasks.send_modify(|n| *n += 1);
            let (this, id) = (Arc::clone(self), id.clone());
            self.runtime.spawn(async move {
                let _running = Running(&this);
                run(&this, &id).await;
            });
        }
    }

    /// What is to be done next for a stream; its task ends where there is nothing.
    fn front(&self, id: &StreamId) -> Option<Arc<Job>> {
        let mut queues = self.queues();
        let queue = queues.get_mut(id)?;
        let front = queue.jobs.front().map(|(_, job)| Arc::clone(job));
        queue.running = front.is_some();
        front
    }

    fn done(&self, id: &StreamId, job: &Job) {
        let mut queues = self.queues();
        if let Some(queue) = queues.get_mut(id) {
            queue.jobs.pop_front();
            if matches!(job, Job::End(_)) && queue.jobs.is_empty() {
                queues.remove(id);
            }
        }
        drop(queues);
        self.count(|c| c.last_error = None);
        self.pending.send_modify(|n| *n -= 1);
    }

    async fn carry_out(self: &Arc<Self>, id: &StreamId, job: &Arc<Job>) -> Result<(), StoreError> {
        match &**job {
            Job::Record(record) => self.store.put_stream(record).await,
            Job::Segment(..) => self.upload(id, job).await,
            Job::End(record) => {
                self.store.put_stream(record).await?;
                let (this, gone) = (Arc::clone(self), id.clone());
                let removed = blocking(move || this.folder.remove_stream(&gone)).await;
                removed.map_err(|e| error::from_io(&self.name(), id, e))
            }
        }
    }

    async fn upload(self: &Arc<Self>, id: &StreamId, job: &Arc<Job>) -> Result<(), StoreError> {
        let (this, reading) = (Arc::clone(self), Arc::clone(job));
        let read = blocking(move || match &*reading {
            Job::Segment(meta, parts) => parts.read(&this, &meta.key),
            _ => Ok(Bytes::new()),
        });
        let Job::Segment(meta, _) = &**job else {
            return Ok(());
        };
        let data = match read.await {
            Ok(data) => data,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                // Somebody has emptied the folder. The stream goes on without.
                tracing::error!(segment = %meta.key, "it is gone from the spool: {e}");
                self.forget(id, job).await;
                self.count(|c| c.lost += 1);
                return Ok(());
            }
            Err(e) => return Err(error::from_io(&self.name(), &meta.key, e)),
        };
        let mut meta = meta.clone();
        if !meta.describes(&data) {
            // The disk gives something else back than it was given. What there is, is kept.
            tracing::error!(segment = %meta.key, "it has changed in the spool");
            self.count(|c| c.damaged += 1);
            meta.bytes = data.len() as u64;
            meta.checksum = Some(Crc32::of(&data));
        }
        let len = meta.bytes;
        let mut put = self.store.put(&meta, data.clone()).await;
        if let Err(e) = &put
            && e.kind == StoreErrorKind::NotFound
            && let Some(record) = self.record(id)
        {
            // The stream was removed from the store while it was live.
            self.store.put_stream(&record).await?;
            put = self.store.put(&meta, data).await;
        }
        put?;
        self.count(|c| {
            c.stored_segments += 1;
            c.stored_bytes += len;
        });
        self.forget(id, job).await;
        // Nobody need listen.
        let _ = self.stored.send(meta);
        Ok(())
    }

    /// Takes a segment out of the folder; its entry stays until the next one's does.
    async fn forget(self: &Arc<Self>, id: &StreamId, job: &Arc<Job>) {
        let older = self.queues().get(id).and_then(|q| q.stored.clone());
        let given_back = Arc::clone(job);
        let (this, job) = (Arc::clone(self), Arc::clone(job));
        let newer = blocking(move || {
            let Job::Segment(meta, parts) = &*job else {
                return older;
            };
            // One that was in memory may have none, or none that is complete.
            if parts.tail_len > 0
                && let Err(e) = this.folder.write_meta(meta)
            {
                this.disk_failed(&meta.key, &e);
            }
            this.folder.remove_raw(&meta.key);
            if let Some(older) = older {
                this.folder.remove_meta(&older);
            }
            Some(meta.key.clone())
        });
        let newer = newer.await;
        if let Job::Segment(_, parts) = &*given_back {
            self.memory.give_back(parts.tail_len);
            self.disk.give_back(parts.file_len);
        }
        if let Some(queue) = self.queues().get_mut(id) {
            queue.stored = newer;
        }
    }

    pub(super) fn records(&self) -> Vec<StreamRecord> {
        let queues = self.queues();
        queues.values().filter_map(|q| q.record.clone()).collect()
    }

    pub(super) fn record(&self, id: &StreamId) -> Option<StreamRecord> {
        self.queues().get(id)?.record.clone()
    }
}

/// Counts a task until it ends, in whatever way.
struct Running<'a>(&'a Shared);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.tasks.send_modify(|n| *n -= 1);
    }
}

async fn run(shared: &Arc<Shared>, id: &StreamId) {
    let mut stop = shared.stop.subscribe();
    while let Some(job) = shared.front(id) {
        let mut wait = shared.config.retry_min;
        loop {
            let attempt = async {
                let _permit = shared.permits.acquire().await;
                shared.carry_out(id, &job).await
            };
            let result = tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                result = attempt => result,
            };
            let Err(e) = result else { break };
            shared.failed(id, &e);
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                () = time::sleep(jitter(wait)) => {}
            }
            wait = (wait * 2).min(shared.config.retry_max);
        }
        shared.done(id, &job);
    }
}

/// Between a half and the whole of `d`, so that streams that failed together do not come back
/// together.
fn jitter(d: Duration) -> Duration {
    // Differs from call to call: that is what hash tables need it for.
    let random = RandomState::new().hash_one(0u8);
    d.mul_f64(0.5 + (random >> 11) as f64 / (1u64 << 54) as f64)
}

/// Runs what waits for a disk where waiting harms nobody.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        // It is never cancelled; and a panic is a bug, which is to be seen.
        Err(e) => std::panic::resume_unwind(e.into_panic()),
    }
}

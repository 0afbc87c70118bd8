#![expect(
    clippy::disallowed_types,
    reason = "a bus is shared between tasks and called a few times a second, never on the audio path"
)]

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::future::poll_fn;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use async_trait::async_trait;
use bytes::Bytes;

use super::{BusEntry, BusRead, BusStats, EntryId, MAX_ENTRY, StreamBus};
use crate::error::ConfigError;
use crate::store::{StoreError, StoreErrorKind, StreamId};

/// A bus within the process.
pub struct MemoryBus {
    state: Mutex<State>,
    max_entries: usize,
}

#[derive(Default)]
struct State {
    streams: BTreeMap<StreamId, Stream>,
    /// Behind every epoch so far, also of streams that were removed.
    next_epoch: u64,
    stats: BusStats,
}

struct Stream {
    /// The next entry's.
    next: EntryId,
    entries: VecDeque<BusEntry>,
    waiting: Vec<Waker>,
}

impl MemoryBus {
    /// A bus that keeps so many of each stream's newest entries.
    ///
    /// # Errors
    /// None at all.
    pub fn new(max_entries: usize) -> Result<Self, ConfigError> {
        if max_entries == 0 {
            let allowed = "a bus keeps one entry of a stream at least";
            return Err(ConfigError::new("max_entries", max_entries, allowed));
        }
        Ok(Self {
            state: Mutex::default(),
            max_entries,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No call can panic half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The stream, made where it is not there, so that a reader can wait for its first entry.
    fn stream(&mut self, id: &StreamId) -> Result<&mut Stream, StoreError> {
        if !self.streams.contains_key(id) {
            if self.streams.len() >= MAX_STREAMS {
                let why = format!("{MAX_STREAMS} streams are the most");
                return Err(StoreError::new(StoreErrorKind::Full, NAME, why));
            }
            self.next_epoch += 1;
            let next = EntryId {
                epoch: self.next_epoch,
                number: 0,
            };
            let stream = Stream {
                next,
                entries: VecDeque::new(),
                waiting: Vec::new(),
            };
            self.streams.insert(id.clone(), stream);
        }
        Ok(self.streams.get_mut(id).expect("it is there by now"))
    }
}

#[async_trait]
impl StreamBus for MemoryBus {
    async fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn publish(&self, stream: &StreamId, data: Bytes) -> Result<EntryId, StoreError> {
        let mut state = self.state();
        let bytes = data.len();
        if bytes > MAX_ENTRY {
            state.stats.failed += 1;
            let why = format!("{bytes} bytes for {stream}; {MAX_ENTRY} are the most");
            return Err(StoreError::new(StoreErrorKind::Invalid, NAME, why));
        }
        let at = match state.stream(stream) {
            Ok(at) => at,
            Err(e) => {
                state.stats.failed += 1;
                return Err(e);
            }
        };
        let id = at.next;
        at.next.number += 1;
        at.entries.push_back(BusEntry { id, data });
        if at.entries.len() > self.max_entries {
            at.entries.pop_front();
        }
        let waiting = std::mem::take(&mut at.waiting);
        state.stats.published += 1;
        state.stats.bytes_published += bytes as u64;
        // A waker may run whatever it likes at once.
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
        Ok(id)
    }

    async fn read(
        &self,
        stream: &StreamId,
        after: Option<EntryId>,
        limit: usize,
    ) -> Result<BusRead, StoreError> {
        poll_fn(|cx| {
            let mut state = self.state();
            let at = match state.stream(stream) {
                Ok(at) => at,
                Err(e) => return Poll::Ready(Err(e)),
            };
            let from = at
                .entries
                .partition_point(|e| after.is_some_and(|after| e.id <= after));
            let entries: Vec<_> = at
                .entries
                .range(from..)
                .take(limit.max(1))
                .cloned()
                .collect();
            if entries.is_empty() {
                // A task that is polled again is one waiter, not two.
                if !at.waiting.iter().any(|w| w.will_wake(cx.waker())) {
                    at.waiting.push(cx.waker().clone());
                }
                return Poll::Pending;
            }
            let read = BusRead::new(after, entries);
            state.stats.count_read(&read);
            Poll::Ready(Ok(read))
        })
        .await
    }

    async fn newest(&self, stream: &StreamId) -> Result<Option<EntryId>, StoreError> {
        let state = self.state();
        let at = state.streams.get(stream);
        Ok(at.and_then(|at| at.entries.back()).map(|entry| entry.id))
    }

    async fn remove(&self, stream: &StreamId) -> Result<(), StoreError> {
        let gone = self.state().streams.remove(stream);
        // Those who wait do so for what is made anew.
        gone.into_iter()
            .flat_map(|stream| stream.waiting)
            .for_each(Waker::wake);
        Ok(())
    }

    fn stats(&self) -> BusStats {
        self.state().stats
    }
}

impl fmt::Debug for MemoryBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryBus")
            .field("streams", &self.state().streams.len())
            .field("max_entries", &self.max_entries)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for MemoryBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAME)
    }
}

const NAME: &str = "memory";
const MAX_STREAMS: usize = 10_000;

#![expect(
    clippy::disallowed_types,
    reason = "a store is shared between tasks and called a few times a second, never on the audio path"
)]

use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use async_trait::async_trait;
use bytes::Bytes;

use super::{
    SegmentKey, SegmentMeta, SegmentStore, StoreError, StoreErrorKind, StreamId, StreamRecord,
    TimeRange,
};

/// A store in trouble: any other one, whose calls fail, hang or lose their answers as a
/// [`FaultHandle`] says. For tests.
#[derive(Debug)]
pub struct Faulty<S> {
    inner: S,
    handle: FaultHandle,
}

/// What befalls the calls of a [`Faulty`] store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// They fail before anything was done.
    Fails(StoreErrorKind),
    /// They are carried out, and fail as `Transient` nevertheless: the answer was lost.
    LosesAnswers,
    /// So many of 100, chosen by the seed, fail as `Transient`; half of those were carried out.
    Sometimes {
        /// 0 to 100.
        percent: u8,
        /// Makes the same choices again.
        seed: u64,
    },
    /// They hang until this changes.
    Hangs,
}

/// Says what befalls a [`Faulty`] store from now on, also from elsewhere.
#[derive(Debug, Clone)]
pub struct FaultHandle(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    fault: Fault,
    random: u64,
    calls: u64,
    failed: u64,
    hanging: Vec<Waker>,
}

impl<S: SegmentStore> Faulty<S> {
    /// `inner` without trouble so far, and the handle that makes some.
    pub fn new(inner: S) -> (Self, FaultHandle) {
        let handle = FaultHandle(Arc::new(Mutex::new(State {
            fault: Fault::None,
            random: 0,
            calls: 0,
            failed: 0,
            hanging: Vec::new(),
        })));
        let this = Self {
            inner,
            handle: handle.clone(),
        };
        (this, handle)
    }

    /// The store inside, which has no trouble.
    pub const fn inner(&self) -> &S {
        &self.inner
    }

    /// Before the call: an error where it is not to be carried out, else whether its answer
    /// arrives.
    async fn enter(&self) -> Result<Answer, StoreError> {
        self.handle.state().calls += 1;
        poll_fn(|cx| {
            let mut state = self.handle.state();
            let fate = match state.fault {
                Fault::None => Ok(Answer::Arrives),
                Fault::Fails(kind) => Err(kind),
                Fault::LosesAnswers => Ok(Answer::IsLost),
                Fault::Sometimes { percent, .. } => match state.roll() {
                    (hit, _) if hit >= percent => Ok(Answer::Arrives),
                    (_, true) => Ok(Answer::IsLost),
                    (_, false) => Err(StoreErrorKind::Transient),
                },
                Fault::Hangs => {
                    state.hanging.push(cx.waker().clone());
                    return Poll::Pending;
                }
            };
            state.failed += u64::from(!matches!(fate, Ok(Answer::Arrives)));
            Poll::Ready(fate.map_err(|kind| self.fault(kind)))
        })
        .await
    }

    fn leave<T>(&self, answer: Answer, result: Result<T, StoreError>) -> Result<T, StoreError> {
        match answer {
            Answer::Arrives => result,
            Answer::IsLost => Err(self.fault(StoreErrorKind::Transient)),
        }
    }

    fn fault(&self, kind: StoreErrorKind) -> StoreError {
        StoreError::new(kind, self.to_string(), "as the test has it")
    }
}

#[derive(Debug, Clone, Copy)]
enum Answer {
    Arrives,
    IsLost,
}

impl FaultHandle {
    /// From now on, hanging calls included.
    pub fn set(&self, fault: Fault) {
        let mut state = self.state();
        state.fault = fault;
        if let Fault::Sometimes { seed, .. } = fault {
            state.random = seed;
        }
        let hanging = std::mem::take(&mut state.hanging);
        // A waker may run whatever it likes at once.
        drop(state);
        hanging.into_iter().for_each(Waker::wake);
    }

    /// Calls so far.
    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    /// Calls that failed or lost their answers so far.
    pub fn failed(&self) -> u64 {
        self.state().failed
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// A number below 100 and a coin, by SplitMix64.
    fn roll(&mut self) -> (u8, bool) {
        let mut x = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.random = x;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x ^= x >> 27;
        ((x % 100) as u8, x >> 63 == 1)
    }
}

#[async_trait]
impl<S: SegmentStore> SegmentStore for Faulty<S> {
    async fn check(&self) -> Result<(), StoreError> {
        let answer = self.enter().await?;
        self.leave(answer, self.inner.check().await)
    }

    async fn put_stream(&self, record: &StreamRecord) -> Result<(), StoreError> {
        let answer = self.enter().await?;
        self.leave(answer, self.inner.put_stream(record).await)
    }

    async fn stream(&self, id: &StreamId) -> Result<StreamRecord, StoreError> {
        let answer = self.enter().await?;
        self.leave(answer, self.inner.stream(id).await)
    }

    async fn streams(
        &self,
        after: Option<&StreamId>,
        limit: usize,
    ) -> Result<Vec<StreamRecord>, StoreError> {
        let answer = self.enter().await?;
        self.leave(answer, self.inner.streams(after, limit).await)
    }

    async fn put(&self, meta: &SegmentMeta, data: Bytes) -> Result<(), StoreError> {
        let answer = self.enter().await?;
        self.leave(answer, self.inner.put(meta, data).await)
    }

    async fn get(&self, key: &SegmentKey) -> Result<Bytes, StoreError> {
        let answer = self.enter().await?;
        self.leave(answer, self.inner.get(key).await)
    }

    async fn list(&self, id: &StreamId, range: TimeRange) -> Result<Vec<SegmentMeta>, StoreError> {
        let answer = self.enter().await?;
        self.leave(answer, self.inner.list(id, range).await)
    }

    async fn delete(&self, key: &SegmentKey) -> Result<(), StoreError> {
        let answer = self.enter().await?;
        self.leave(answer, self.inner.delete(key).await)
    }

    async fn delete_stream(&self, id: &StreamId) -> Result<(), StoreError> {
        let answer = self.enter().await?;
        self.leave(answer, self.inner.delete_stream(id).await)
    }
}

impl<S: fmt::Display> fmt::Display for Faulty<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

//! One publisher, many listeners: each has a bounded queue of its own, so that a slow one delays
//! nobody and loses the oldest of what it did not take, which is counted.
//!
//! What is published is shared, not copied: `T` is something like [`std::sync::Arc`] or
//! `bytes::Bytes`. Publishing never waits.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Bounds of a listener's queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutboxConfig {
    /// Bytes of what may be dropped; past that the oldest goes. A single item that is heavier is
    /// taken while nothing else waits.
    pub bytes: usize,
    /// Items that may not be dropped; past that the outbox closes, since its listener takes
    /// nothing.
    pub kept: usize,
}

impl Default for OutboxConfig {
    /// 512 KiB (some 6 s of 16-bit mono at 44.1 kHz) and 1 024 items.
    fn default() -> Self {
        Self {
            bytes: 512 * 1024,
            kept: 1_024,
        }
    }
}

/// What a queue has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OutboxStats {
    /// Items put in.
    pub pushed: u64,
    /// Items dropped because the listener did not take them in time.
    pub dropped: u64,
    /// Items that wait now.
    pub waiting: usize,
}

/// A listener's queue: filled by publishers, emptied by whoever writes to the listener.
pub struct Outbox<T> {
    state: Mutex<State<T>>,
    ready: Notify,
    config: OutboxConfig,
}

struct State<T> {
    queue: VecDeque<Item<T>>,
    bytes: usize,
    kept: usize,
    stats: OutboxStats,
    closed: bool,
}

struct Item<T> {
    value: T,
    /// Bytes, for what may be dropped.
    weight: Option<usize>,
}

impl<T> Outbox<T> {
    /// An empty one.
    pub fn new(config: OutboxConfig) -> Self {
        Self {
            state: Mutex::new(State {
                queue: VecDeque::new(),
                bytes: 0,
                kept: 0,
                stats: OutboxStats::default(),
                closed: false,
            }),
            ready: Notify::new(),
            config,
        }
    }

    /// Queues what may be dropped, `weight` bytes of it. Does nothing once closed. What weighs
    /// nothing pushes nothing out.
    pub fn push(&self, value: T, weight: usize) {
        let mut state = self.state();
        if state.closed {
            return;
        }
        while weight > 0 && state.bytes + weight > self.config.bytes {
            let Some(oldest) = state.queue.iter().position(|i| i.weight.is_some()) else {
                break;
            };
            let gone = state.queue.remove(oldest).and_then(|i| i.weight);
            state.bytes -= gone.unwrap_or(0);
            state.stats.dropped += 1;
        }
        state.bytes += weight;
        state.stats.pushed += 1;
        let weight = Some(weight);
        state.queue.push_back(Item { value, weight });
        drop(state);
        self.ready.notify_one();
    }

    /// Queues what may not be dropped. Says whether it was taken: a listener that takes nothing
    /// until its queue is full of these is closed.
    pub fn push_kept(&self, value: T) -> bool {
        let mut state = self.state();
        if !state.closed && state.kept == self.config.kept {
            state.close();
        }
        if state.closed {
            drop(state);
            self.ready.notify_one();
            return false;
        }
        state.kept += 1;
        state.stats.pushed += 1;
        state.queue.push_back(Item {
            value,
            weight: None,
        });
        drop(state);
        self.ready.notify_one();
        true
    }

    /// Moves what waits to the end of `into`, in order, at most `max` items. Says whether more
    /// may come: not once it is closed and empty.
    pub fn take(&self, into: &mut Vec<T>, max: usize) -> bool {
        let mut state = self.state();
        for _ in 0..max {
            let Some(item) = state.queue.pop_front() else {
                break;
            };
            match item.weight {
                Some(bytes) => state.bytes -= bytes,
                None => state.kept -= 1,
            }
            into.push(item.value);
        }
        !(state.closed && state.queue.is_empty())
    }

    /// Completes when something may wait, or the outbox was closed. For one task at a time.
    pub async fn ready(&self) {
        loop {
            {
                let state = self.state();
                if state.closed || !state.queue.is_empty() {
                    return;
                }
            }
            self.ready.notified().await;
        }
    }

    /// The next item; none once it is closed and empty. For one task at a time.
    pub async fn next(&self) -> Option<T> {
        let mut one = Vec::with_capacity(1);
        loop {
            self.ready().await;
            let more = self.take(&mut one, 1);
            if let Some(item) = one.pop() {
                return Some(item);
            }
            if !more {
                return None;
            }
        }
    }

    /// Takes nothing more; what waits may still be taken.
    pub fn close(&self) {
        self.state().closed = true;
        self.ready.notify_one();
    }

    /// Whether it takes nothing more.
    pub fn is_closed(&self) -> bool {
        self.state().closed
    }

    /// What it has seen.
    pub fn stats(&self) -> OutboxStats {
        let state = self.state();
        OutboxStats {
            waiting: state.queue.len(),
            ..state.stats
        }
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        // Nothing in here panics half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> State<T> {
    fn close(&mut self) {
        self.closed = true;
        self.queue.clear();
        (self.bytes, self.kept) = (0, 0);
    }
}

impl<T> fmt::Debug for Outbox<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Outbox").field(&self.stats()).finish()
    }
}

/// The listeners of one publisher.
pub struct Fanout<T> {
    outboxes: Mutex<Vec<Arc<Outbox<T>>>>,
}

impl<T> Fanout<T> {
    /// Without listeners.
    pub fn new() -> Self {
        Self {
            outboxes: Mutex::new(Vec::new()),
        }
    }

    /// From now on what is published goes to `outbox` too. Joining twice is joining once.
    pub fn join(&self, outbox: &Arc<Outbox<T>>) {
        let mut all = self.outboxes();
        if !all.iter().any(|o| Arc::ptr_eq(o, outbox)) {
            all.push(outbox.clone());
        }
    }

    /// Ends what [`join`](Self::join) began. Says whether it had joined.
    pub fn leave(&self, outbox: &Arc<Outbox<T>>) -> bool {
        let mut all = self.outboxes();
        let at = all.iter().position(|o| Arc::ptr_eq(o, outbox));
        at.map(|at| all.swap_remove(at)).is_some()
    }

    /// Queues `value`, `weight` bytes, for every listener; those that have closed are forgotten.
    pub fn publish(&self, value: &T, weight: usize)
    where
        T: Clone,
    {
        self.outboxes().retain(|outbox| {
            outbox.push(value.clone(), weight);
            !outbox.is_closed()
        });
    }

    /// Queues for every listener what may not be dropped.
    pub fn publish_kept(&self, value: &T)
    where
        T: Clone,
    {
        self.outboxes()
            .retain(|outbox| outbox.push_kept(value.clone()));
    }

    /// How many listen.
    pub fn len(&self) -> usize {
        self.outboxes().len()
    }

    /// Whether nobody listens.
    pub fn is_empty(&self) -> bool {
        self.outboxes().is_empty()
    }

    /// Closes every outbox, which its listener notices when it has taken what waits.
    pub fn close(&self) {
        self.outboxes().drain(..).for_each(|o| o.close());
    }

    fn outboxes(&self) -> MutexGuard<'_, Vec<Arc<Outbox<T>>>> {
        self.outboxes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Default for Fanout<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for Fanout<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fanout")
            .field("listeners", &self.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outbox(bytes: usize, kept: usize) -> Arc<Outbox<u32>> {
        Arc::new(Outbox::new(OutboxConfig { bytes, kept }))
    }

    fn all(outbox: &Outbox<u32>) -> Vec<u32> {
        let mut taken = Vec::new();
        outbox.take(&mut taken, usize::MAX);
        taken
    }

    #[test]
    fn who_does_not_take_loses_the_oldest_and_nobody_else_does() {
        let fanout = Fanout::new();
        let (slow, quick) = (outbox(100, 4), outbox(100, 4));
        fanout.join(&slow);
        fanout.join(&quick);
        fanout.join(&quick);
        let mut heard = Vec::new();
        for n in 0..10 {
            fanout.publish(&n, 30);
            heard.extend(all(&quick));
        }
        assert_eq!(heard, (0..10).collect::<Vec<_>>());
        assert_eq!(all(&slow), [7, 8, 9]);
        assert_eq!(slow.stats().dropped, 7);
        assert_eq!(quick.stats().dropped, 0);
        assert!(fanout.leave(&slow) && !fanout.leave(&slow));
        assert_eq!(fanout.len(), 1);
    }

    #[test]
    fn what_may_not_be_dropped_outlives_what_may() {
        let o = outbox(50, 3);
        assert!(o.push_kept(1));
        for n in 10..20 {
            o.push(n, 20);
        }
        assert!(o.push_kept(2) && o.push_kept(3));
        assert_eq!(all(&o), [1, 18, 19, 2, 3]);
        // Heavier than the whole queue, alone.
        o.push(30, 500);
        o.push(31, 1);
        assert_eq!(all(&o), [31]);
        o.push(32, 500);
        o.push(33, 0);
        assert_eq!(all(&o), [32, 33]);
    }

    #[test]
    fn who_takes_nothing_at_all_is_closed() {
        let fanout = Fanout::new();
        let o = outbox(50, 2);
        fanout.join(&o);
        fanout.publish(&0, 10);
        for n in 1..4 {
            fanout.publish_kept(&n);
        }
        assert!(o.is_closed() && fanout.is_empty());
        assert_eq!(all(&o), [0u32; 0]);
        o.push(9, 1);
        assert!(!o.push_kept(9));
        assert_eq!(o.stats().waiting, 0);
    }

    #[tokio::test]
    async fn a_closed_outbox_gives_what_it_holds_and_then_nothing() {
        let o = outbox(50, 2);
        let taker = tokio::spawn({
            let o = o.clone();
            async move {
                let mut taken = Vec::new();
                while let Some(n) = o.next().await {
                    taken.push(n);
                }
                taken
            }
        });
        tokio::task::yield_now().await;
        o.push(1, 1);
        tokio::task::yield_now().await;
        o.push(2, 1);
        o.push_kept(3);
        o.close();
        assert_eq!(taker.await.unwrap(), [1, 2, 3]);
        assert_eq!(o.next().await, None);
    }
}

//! The thread that does what is due: packets, LEDs that change by themselves.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, JoinHandle};

use audiox_core::time::Instant;
use audiox_net::Clock;
use audiox_net::thread::sharpen_timers;

use super::Shared;
use super::slot::Slot;
use crate::Error;

/// What is due for a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// The next packets of what plays under this number.
    Packets(u64),
    /// Its machine asked to be woken at this time.
    Timeout(Instant),
}

/// Deadlines of all devices, earliest first.
#[derive(Default)]
pub(super) struct Agenda {
    state: Mutex<State>,
    earlier: Condvar,
}

#[derive(Default)]
struct State {
    heap: BinaryHeap<Reverse<Item>>,
    made: u64,
    over: bool,
}

struct Item {
    at: Instant,
    /// Ties are settled in the order in which they were made.
    number: u64,
    slot: Arc<Slot>,
    due: Due,
}

impl Agenda {
    pub(super) fn add(&self, at: Instant, slot: Arc<Slot>, due: Due) {
        let mut state = self.state();
        if state.over {
            return;
        }
        let first = state.heap.peek().is_none_or(|Reverse(i)| at < i.at);
        state.made += 1;
        let number = state.made;
        state.heap.push(Reverse(Item {
            at,
            number,
            slot,
            due,
        }));
        drop(state);
        if first {
            self.earlier.notify_one();
        }
    }

    /// Ends the thread.
    pub(super) fn end(&self) {
        let mut state = self.state();
        state.over = true;
        state.heap.clear();
        drop(state);
        self.earlier.notify_one();
    }

    /// Waits for what is due next; none at the end.
    fn next(&self, clock: &Clock) -> Option<(Arc<Slot>, Due)> {
        let mut state = self.state();
        loop {
            if state.over {
                return None;
            }
            let now = clock.now();
            if let Some(due) = state.due(now) {
                return Some(due);
            }
            state = match state.heap.peek() {
                Some(Reverse(first)) => {
                    let left = first.at.saturating_since(now);
                    let waited = self.earlier.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self
                    .earlier
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// What is due at `now`, as if the thread had slept until then, and what is left.
    #[cfg(test)]
    pub(super) fn at(&self, now: Instant) -> (Vec<(Arc<Slot>, Due)>, usize) {
        let mut state = self.state();
        let due = std::iter::from_fn(|| state.due(now)).collect();
        (due, state.heap.len())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes what is due at `now`.
    fn due(&mut self, now: Instant) -> Option<(Arc<Slot>, Due)> {
        self.heap.peek().filter(|Reverse(first)| first.at <= now)?;
        let Reverse(item) = self.heap.pop()?;
        Some((item.slot, item.due))
    }
}

/// Starts the thread; it ends with the agenda.
pub(super) fn start(hub: Weak<Shared>, agenda: Arc<Agenda>) -> Result<JoinHandle<()>, Error> {
    thread::Builder::new()
        .name("audiox-devices".to_owned())
        .spawn(move || {
            sharpen_timers();
            let clock = Clock::new();
            while let Some((slot, due)) = agenda.next(&clock) {
                let Some(hub) = hub.upgrade() else {
                    return;
                };
                slot.handle_due(&hub, clock.now(), due);
            }
        })
        .map_err(Error::io("cannot start the thread that paces"))
}

impl PartialEq for Item {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Item {}

impl PartialOrd for Item {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Item {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

//! From the audio thread to whoever writes.

use ringbuf::HeapRb;
use ringbuf::traits::{Consumer, Observer, Producer, Split};

use super::TraceEvent;

/// Makes the two ends of a ring for `events` events: some 300 a second for packets of 10 ms.
pub fn trace_ring(events: usize) -> (TraceInput, TraceOutput) {
    let (tx, rx) = HeapRb::new(events.max(2)).split();
    (TraceInput { tx, lost: 0 }, TraceOutput { rx })
}

/// The end where events go in. Never waits: what does not fit is counted, and the count goes in
/// as [`TraceEvent::Lost`] as soon as there is room.
pub struct TraceInput {
    tx: ringbuf::HeapProd<TraceEvent>,
    lost: u64,
}

impl TraceInput {
    /// Puts `event` in.
    pub fn push(&mut self, event: TraceEvent) {
        if self.lost > 0 {
            if self.tx.vacant_len() < 2 {
                self.lost += 1;
                return;
            }
            if self.tx.try_push(TraceEvent::Lost(self.lost)).is_ok() {
                self.lost = 0;
            }
        }
        if self.tx.try_push(event).is_err() {
            self.lost += 1;
        }
    }
}

impl std::fmt::Debug for TraceInput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TraceInput")
            .field("lost", &self.lost)
            .finish_non_exhaustive()
    }
}

/// The end where events come out.
pub struct TraceOutput {
    rx: ringbuf::HeapCons<TraceEvent>,
}

impl TraceOutput {
    /// The oldest event.
    pub fn poll(&mut self) -> Option<TraceEvent> {
        self.rx.try_pop()
    }

    /// Whether the other end is gone; what it had put in is still there.
    pub fn is_closed(&self) -> bool {
        !self.rx.write_is_held()
    }
}

impl std::fmt::Debug for TraceOutput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TraceOutput").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Instant;

    #[test]
    fn what_does_not_fit_is_told_in_its_place() {
        let pull = |n| TraceEvent::Pull {
            at: Instant::from_nanos(n),
            frames: 1,
        };
        let (mut tx, mut rx) = trace_ring(4);
        (0..7).for_each(|n| tx.push(pull(n)));
        assert_eq!(rx.poll(), Some(pull(0)));
        // One place is not enough for the count and the event.
        tx.push(pull(7));
        assert_eq!(rx.poll(), Some(pull(1)));
        tx.push(pull(8));
        drop(tx);
        assert!(rx.is_closed());
        let rest: Vec<_> = std::iter::from_fn(|| rx.poll()).collect();
        assert_eq!(rest, [pull(2), pull(3), TraceEvent::Lost(4), pull(8)]);
    }
}

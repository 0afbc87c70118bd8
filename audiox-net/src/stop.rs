//! One signal that stops many threads.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// A stop signal. Clones are the same signal; once given it stays.
///
/// Reading it is one atomic load; waiting for it is for threads outside of the audio path.
#[derive(Debug, Clone, Default)]
pub struct StopFlag {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    stopped: AtomicBool,
    lock: Mutex<()>,
    changed: Condvar,
}

impl StopFlag {
    /// A signal that was not given yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives the signal and wakes all who wait for it.
    pub fn stop(&self) {
        self.shared.stopped.store(true, Ordering::Release);
        // Holding the lock here means that nobody is between the check and the wait.
        drop(self.lock());
        self.shared.changed.notify_all();
    }

    /// Whether the signal was given.
    pub fn is_stopped(&self) -> bool {
        self.shared.stopped.load(Ordering::Acquire)
    }

    /// Waits for the signal.
    pub fn wait(&self) {
        let mut guard = self.lock();
        while !self.is_stopped() {
            guard = self
                .shared
                .changed
                .wait(guard)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits for the signal for at most `timeout` and returns whether it was given.
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        let guard = self.lock();
        let _ = self
            .shared
            .changed
            .wait_timeout_while(guard, timeout, |()| !self.is_stopped());
        self.is_stopped()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, ()> {
        self.shared
            .lock
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_reaches_every_waiter() {
        let flag = StopFlag::new();
        assert!(!flag.wait_timeout(Duration::from_millis(1)));
        let waiters: Vec<_> = (0..4)
            .map(|_| {
                let flag = flag.clone();
                std::thread::spawn(move || flag.wait())
            })
            .collect();
        flag.stop();
        for w in waiters {
            w.join().unwrap();
        }
        assert!(flag.is_stopped() && flag.wait_timeout(Duration::ZERO));
    }
}

//! Sessions that somebody follows: looked at once a second, for all who do.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use audiox_core::registry::{SessionId, SessionRecord, SessionRegistry};
use audiox_core::store::StoreErrorKind;
use tokio::sync::watch;

/// What changes of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    /// Characters of its buffer.
    pub(super) chars: u64,
    pub(super) is_recording: bool,
    pub(super) is_gone: bool,
}

impl From<&SessionRecord> for Seen {
    fn from(record: &SessionRecord) -> Self {
        Self {
            chars: record.buffer_len,
            is_recording: record.is_recording(),
            is_gone: false,
        }
    }
}

/// All that are followed.
#[derive(Debug, Clone)]
pub(super) struct Watched {
    registry: Arc<dyn SessionRegistry>,
    by_id: Arc<Mutex<HashMap<SessionId, watch::Sender<Seen>>>>,
}

impl Watched {
    pub(super) fn new(registry: Arc<dyn SessionRegistry>) -> Self {
        Self {
            registry,
            by_id: Arc::default(),
        }
    }

    /// Follows a session until the receiver is dropped. None where too many are followed.
    pub(super) fn follow(&self, record: &SessionRecord) -> Option<watch::Receiver<Seen>> {
        let mut by_id = self.by_id();
        if let Some(seen) = by_id.get(&record.id) {
            return Some(seen.subscribe());
        }
        if by_id.len() >= MOST {
            return None;
        }
        let (tell, seen) = watch::channel(Seen::from(record));
        by_id.insert(record.id.clone(), tell);
        tokio::spawn(self.clone().look(record.id.clone()));
        Some(seen)
    }

    async fn look(self, id: SessionId) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            if self.is_left(&id) {
                return;
            }
            let seen = match self.registry.session(&id).await {
                Ok(record) => Seen::from(&record),
                Err(e) if e.kind == StoreErrorKind::NotFound => Seen {
                    chars: 0,
                    is_recording: false,
                    is_gone: true,
                },
                // The registry is away; it may come back.
                Err(_) => continue,
            };
            let mut by_id = self.by_id();
            let Some(tell) = by_id.get(&id) else {
                return;
            };
            tell.send_if_modified(|last| std::mem::replace(last, seen) != seen);
            if seen.is_gone {
                by_id.remove(&id);
                return;
            }
        }
    }

    /// Forgets a session that nobody follows any more.
    fn is_left(&self, id: &SessionId) -> bool {
        let mut by_id = self.by_id();
        let is_left = by_id.get(id).is_none_or(|tell| tell.receiver_count() == 0);
        if is_left {
            by_id.remove(id);
        }
        is_left
    }

    fn by_id(&self) -> MutexGuard<'_, HashMap<SessionId, watch::Sender<Seen>>> {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Sessions that are followed at a time.
const MOST: usize = 1_024;

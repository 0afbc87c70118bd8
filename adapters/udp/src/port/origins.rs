//! Which addresses media comes from.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use audiox_core::ingress::Origin;
use audiox_core::time::Instant;

/// Addresses that media came from, by the number the ingress knows them by.
///
/// Bounded: where there are as many as there may be, one that has been silent for long makes room
/// for a new one, and as long as there is none, new ones are turned away. So nobody crowds out who
/// is being heard, and senders that start anew from other ports for months are all heard.
#[derive(Debug)]
pub(crate) struct Origins {
    table: Mutex<Table>,
    limit: usize,
}

#[derive(Debug, Default)]
struct Table {
    known: HashMap<SocketAddr, Known>,
    numbered: u64,
}

#[derive(Debug)]
struct Known {
    origin: Origin,
    heard: Instant,
}

impl Origins {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            table: Mutex::default(),
            limit,
        }
    }

    /// The number of `from`, heard at `now`; `None` where there are too many.
    pub(super) fn number(&self, from: SocketAddr, now: Instant) -> Option<Origin> {
        let table = &mut *self.table();
        if let Some(known) = table.known.get_mut(&from) {
            known.heard = known.heard.max(now);
            return Some(known.origin);
        }
        if table.known.len() >= self.limit {
            let silent = table.known.iter().min_by_key(|(_, known)| known.heard);
            let (oldest, known) = silent?;
            if now.saturating_since(known.heard) < FORGET_AFTER {
                return None;
            }
            let oldest = *oldest;
            table.known.remove(&oldest);
        }
        let origin = Origin(table.numbered);
        table.numbered += 1;
        table.known.insert(from, Known { origin, heard: now });
        Some(origin)
    }

    /// The address with this number.
    pub(crate) fn address(&self, origin: Origin) -> Option<SocketAddr> {
        let table = self.table();
        let found = table.known.iter().find(|(_, k)| k.origin == origin);
        found.map(|(address, _)| *address)
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Longer than most streams pause.
const FORGET_AFTER: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    fn from(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    fn at(seconds: u64) -> Instant {
        Instant::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn an_address_keeps_its_number() {
        let origins = Origins::new(2);
        let first = origins.number(from(1), at(0)).unwrap();
        assert_ne!(origins.number(from(2), at(0)), Some(first));
        assert_eq!(origins.number(from(1), at(60)), Some(first));
        assert_eq!(origins.address(first), Some(from(1)));
    }

    #[test]
    fn who_is_heard_is_not_crowded_out() {
        let origins = Origins::new(2);
        let heard = origins.number(from(1), at(0)).unwrap();
        assert!(origins.number(from(2), at(0)).is_some());
        assert_eq!(origins.number(from(3), at(5)), None);
        for second in 0..100 {
            assert_eq!(origins.number(from(1), at(second)), Some(heard));
            origins.number(from(1_000 + second as u16), at(second));
        }
        assert_eq!(origins.number(from(1), at(100)), Some(heard));
    }

    #[test]
    fn months_of_new_ports_find_a_place_each() {
        let origins = Origins::new(64);
        for run in 0..10_000 {
            let number = origins.number(from(run), at(u64::from(run) * 3_600));
            let number = number.expect("those before have long been silent");
            assert_eq!(origins.address(number), Some(from(run)));
        }
        assert_eq!(origins.table().known.len(), 64);
    }
}

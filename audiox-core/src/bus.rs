//! Live audio between machines that share a service: the contract of a bus.
//!
//! A *stream* of a bus is a run of entries, each some bytes (a block of PCM, a packet), of which
//! the newest are kept for a while. Any number of machines read them, each at its own place;
//! nobody waits for a slow reader. What was trimmed before a reader came for it is told and
//! counted: entries of a stream are numbered without holes, so the count is exact.
//!
//! [`StreamBus`] is the contract, [`MemoryBus`] one within a process.

mod memory;

pub use memory::MemoryBus;

use std::fmt::{self, Debug, Display};
use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::error::ConfigError;
use crate::store::{StoreError, StreamId};

/// The largest entry, in bytes.
pub const MAX_ENTRY: usize = 1 << 20;

/// A bus of live streams. `Display` names it as its user would, without secrets.
///
/// Every implementation passes [`conformance::stream_bus`](crate::conformance).
#[async_trait]
pub trait StreamBus: Debug + Display + Send + Sync + 'static {
    /// Whether the bus is there, lets us in and can do what it has to.
    ///
    /// # Errors
    /// Why it cannot be used, in words for whoever set it up.
    async fn check(&self) -> Result<(), StoreError>;

    /// Adds an entry to a stream, which is made where it is not there, and trims the oldest ones.
    /// After a lost answer it may or may not be there; live audio goes on with the next.
    ///
    /// # Errors
    /// `Invalid` where `data` is larger than [`MAX_ENTRY`], or the bus fails.
    async fn publish(&self, stream: &StreamId, data: Bytes) -> Result<EntryId, StoreError>;

    /// Up to `limit` entries after `after`, from the oldest that is kept without one. Waits until
    /// there is at least one, however long that takes: a caller who has waited enough drops the
    /// future, which loses nothing.
    ///
    /// # Errors
    /// The bus fails.
    async fn read(
        &self,
        stream: &StreamId,
        after: Option<EntryId>,
        limit: usize,
    ) -> Result<BusRead, StoreError>;

    /// The newest entry's id, to read on from now; `None` where there never was one.
    ///
    /// # Errors
    /// The bus fails.
    async fn newest(&self, stream: &StreamId) -> Result<Option<EntryId>, StoreError>;

    /// Removes a stream; one that is not there is removed already. One that is made anew later
    /// has ids behind those of the old one.
    ///
    /// # Errors
    /// The bus fails.
    async fn remove(&self, stream: &StreamId) -> Result<(), StoreError>;

    /// What went through this end of the bus so far.
    fn stats(&self) -> BusStats;
}

/// An entry's place: within an epoch, a stream's entries are numbered without holes. A stream
/// that had to begin anew, its service having forgotten it, has a new epoch. Written
/// `<epoch>-<number>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId {
    /// Which beginning of the stream, increasing.
    pub epoch: u64,
    /// Which entry since then.
    pub number: u64,
}

impl EntryId {
    /// Entries between this one and a later one that was read next: so many were missed. Of an
    /// epoch that is over nobody knows how many there were; those of the new one count.
    pub const fn missed_before(self, next: Self) -> u64 {
        match next.epoch == self.epoch {
            true => next.number.saturating_sub(self.number).saturating_sub(1),
            false => next.number,
        }
    }
}

impl Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch, self.number)
    }
}

impl FromStr for EntryId {
    type Err = ConfigError;

    fn from_str(s: &str) -> Result<Self, ConfigError> {
        let plain = |digits: &str| {
            let is_plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            is_plain.then(|| digits.parse().ok()).flatten()
        };
        let parts = s.split_once('-');
        let id = parts.and_then(|(epoch, number)| {
            Some(Self {
                epoch: plain(epoch)?,
                number: plain(number)?,
            })
        });
        id.ok_or_else(|| {
            let shown: String = s.chars().take(48).collect();
            let allowed = "it is <epoch>-<number>, two whole numbers";
            ConfigError::new("entry", format_args!("{shown:?}"), allowed)
        })
    }
}

/// What was read at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BusRead {
    /// Entries in order, at least one.
    pub entries: Vec<BusEntry>,
    /// Entries between where the reader was and the first of these, trimmed before they were
    /// read. 0 for a reader that was nowhere yet.
    pub missed: u64,
    /// Whether the stream began anew since: it may have had more that nobody can count.
    pub restarted: bool,
}

impl BusRead {
    /// What a reader at `after` finds in `entries`.
    pub fn new(after: Option<EntryId>, entries: Vec<BusEntry>) -> Self {
        let first = after.zip(entries.first().map(|e| e.id));
        Self {
            missed: first.map_or(0, |(after, first)| after.missed_before(first)),
            restarted: first.is_some_and(|(after, first)| after.epoch != first.epoch),
            entries,
        }
    }
}

/// An entry of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BusEntry {
    /// Its place.
    pub id: EntryId,
    /// Its bytes, as they were published.
    pub data: Bytes,
}

/// What went through one end of a bus.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BusStats {
    /// Entries published.
    pub published: u64,
    /// Bytes of these.
    pub bytes_published: u64,
    /// Entries that could not be published.
    pub failed: u64,
    /// Entries read.
    pub read: u64,
    /// Bytes of these.
    pub bytes_read: u64,
    /// Entries that readers came too late for.
    pub missed: u64,
    /// Times that a reader found its stream begun anew.
    pub restarts: u64,
}

impl BusStats {
    /// Counts what was read.
    pub fn count_read(&mut self, read: &BusRead) {
        self.read += read.entries.len() as u64;
        self.bytes_read += read
            .entries
            .iter()
            .map(|e| e.data.len() as u64)
            .sum::<u64>();
        self.missed += read.missed;
        self.restarts += u64::from(read.restarted);
    }
}

#[async_trait]
impl<B: StreamBus + ?Sized> StreamBus for Arc<B> {
    async fn check(&self) -> Result<(), StoreError> {
        (**self).check().await
    }

    async fn publish(&self, stream: &StreamId, data: Bytes) -> Result<EntryId, StoreError> {
        (**self).publish(stream, data).await
    }

    async fn read(
        &self,
        stream: &StreamId,
        after: Option<EntryId>,
        limit: usize,
    ) -> Result<BusRead, StoreError> {
        (**self).read(stream, after, limit).await
    }

    async fn newest(&self, stream: &StreamId) -> Result<Option<EntryId>, StoreError> {
        (**self).newest(stream).await
    }

    async fn remove(&self, stream: &StreamId) -> Result<(), StoreError> {
        (**self).remove(stream).await
    }

    fn stats(&self) -> BusStats {
        (**self).stats()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn id(epoch: u64, number: u64) -> EntryId {
        EntryId { epoch, number }
    }

    #[test]
    fn missed_entries_are_counted_exactly_within_an_epoch() {
        assert_eq!(id(7, 3).missed_before(id(7, 4)), 0);
        assert_eq!(id(7, 3).missed_before(id(7, 9)), 5);
        assert_eq!(id(7, 3).missed_before(id(8, 0)), 0);
        assert_eq!(id(7, 3).missed_before(id(8, 2)), 2);
        assert_eq!(id(7, 3).missed_before(id(7, 1)), 0);
        let entry = |id| BusEntry {
            id,
            data: Bytes::from_static(b"1234"),
        };
        let mut stats = BusStats::default();
        stats.count_read(&BusRead::new(None, vec![entry(id(1, 5))]));
        stats.count_read(&BusRead::new(
            Some(id(1, 5)),
            vec![entry(id(1, 8)), entry(id(1, 9))],
        ));
        stats.count_read(&BusRead::new(Some(id(1, 9)), vec![entry(id(2, 1))]));
        assert_eq!((stats.read, stats.bytes_read), (4, 16));
        assert_eq!((stats.missed, stats.restarts), (3, 1));
    }

    #[test]
    fn ids_are_read_as_they_are_written_and_no_other_way() {
        assert_eq!("17-4".parse::<EntryId>().unwrap(), id(17, 4));
        for bad in [
            "",
            "1",
            "1-",
            "-1",
            "1-2-3",
            "+1-2",
            "1- 2",
            "18446744073709551616-0",
            "*",
        ] {
            assert!(bad.parse::<EntryId>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_id_survives_its_text(epoch: u64, number: u64) {
            let text = id(epoch, number).to_string();
            prop_assert_eq!(text.parse::<EntryId>().unwrap(), id(epoch, number));
        }
    }
}

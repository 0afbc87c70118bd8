//! Voice sessions: the contract of a registry in which applications leave them.
//!
//! A *session* has small fields of text and a *buffer*: audio, as base64 text that may still
//! grow. Whatever else stands in a registry, a list of sessions never reads buffers, and nothing
//! that is broken hides what is not.
//!
//! [`SessionRegistry`] is the contract, [`MemoryRegistry`] one that lives as long as the process.
//! Registries are called a few times a second and chosen at run time, so calls are boxed futures,
//! as in [`store`](crate::store), whose errors they share.
//!
//! # Invariants
//! - What is shown of a field, and the number of fields, are bounded, whoever wrote them.
//! - A buffer only grows by whole groups of four characters, so what was read of it stays right.

mod base64;
mod fields;
mod id;
mod memory;
mod record;

pub use fields::{SessionFields, field};
pub use id::{SessionCursor, SessionId};
pub use memory::MemoryRegistry;
pub use record::{Listed, SessionField, SessionPage, SessionRecord};

use std::fmt::{Debug, Display};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::store::StoreError;

pub use base64::check_base64;

/// How long a new session is kept where nothing else is said: the original's hour.
pub const DEFAULT_TTL: Duration = Duration::from_secs(3_600);

/// A registry of voice sessions. `Display` names it as its user would, without secrets.
///
/// One writer a session's buffer; any number may read meanwhile. A future that is dropped
/// half-way leaves each call done or not done, never in part.
///
/// Every implementation passes [`conformance::session_registry`](crate::conformance).
#[async_trait]
pub trait SessionRegistry: Debug + Display + Send + Sync + 'static {
    /// Whether the registry is there and lets us in.
    ///
    /// # Errors
    /// Why it cannot be used, in words for whoever set it up.
    async fn check(&self) -> Result<(), StoreError>;

    /// About `limit` sessions with the fields of [`field::LISTED`] that they have, in no
    /// particular order, from where `cursor` points on; from the start without one. A page may
    /// have a few more, fewer or none; only one without [`next`](SessionPage::next) is the last.
    /// A session that is there all the time is listed at least once, one that comes or goes
    /// meanwhile may be. Reads no buffer.
    ///
    /// # Errors
    /// `Invalid` where the cursor is not one of this registry's, or the registry fails.
    async fn page(
        &self,
        cursor: Option<&SessionCursor>,
        limit: usize,
    ) -> Result<SessionPage, StoreError>;

    /// What is known of a session, but the buffer: unknown fields, too, bounded in number.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` where something else stands in its place; or the registry fails.
    async fn session(&self, id: &SessionId) -> Result<SessionRecord, StoreError>;

    /// Characters `[from, from + max)` of the base64 text of a session's buffer, as they stand:
    /// nothing checks that they are base64. Fewer at the end, none behind it, or where there is
    /// no buffer. Implementations may give fewer than `max` at any time, but none only at the end.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` where something else stands in its place or the buffer is larger
    /// than the registry reads; or the registry fails.
    async fn buffer(&self, id: &SessionId, from: u64, max: usize) -> Result<Bytes, StoreError>;

    /// Writes fields over those of the same names; a session that is not there is made, if there
    /// are any. `ttl` is counted from now on; without one a session's stays as it is, and a new
    /// one's is [`DEFAULT_TTL`].
    ///
    /// # Errors
    /// `Invalid` where something else stands in its place, or the registry fails.
    async fn put(
        &self,
        id: &SessionId,
        fields: &SessionFields,
        ttl: Option<Duration>,
    ) -> Result<(), StoreError>;

    /// Appends base64 text to the buffer, atomically, and says how many characters it has then.
    /// The TTL stays as it is. The text is whole groups of four characters ([`check_base64`]);
    /// padding ends a buffer for good.
    ///
    /// Not to be repeated blindly after a lost answer: the buffer's length says whether it was
    /// done.
    ///
    /// # Errors
    /// `NotFound`; `Full` where the buffer would grow past the registry's limit; `Invalid` where
    /// the text is not whole base64, the buffer ended, or something else stands in its place; or
    /// the registry fails.
    async fn append(&self, id: &SessionId, base64: &str) -> Result<u64, StoreError>;

    /// Removes a session; one that is not there is removed already.
    ///
    /// # Errors
    /// The registry fails.
    async fn delete(&self, id: &SessionId) -> Result<(), StoreError>;
}

#[async_trait]
impl<R: SessionRegistry + ?Sized> SessionRegistry for Arc<R> {
    async fn check(&self) -> Result<(), StoreError> {
        (**self).check().await
    }

    async fn page(
        &self,
        cursor: Option<&SessionCursor>,
        limit: usize,
    ) -> Result<SessionPage, StoreError> {
        (**self).page(cursor, limit).await
    }

    async fn session(&self, id: &SessionId) -> Result<SessionRecord, StoreError> {
        (**self).session(id).await
    }

    async fn buffer(&self, id: &SessionId, from: u64, max: usize) -> Result<Bytes, StoreError> {
        (**self).buffer(id, from, max).await
    }

    async fn put(
        &self,
        id: &SessionId,
        fields: &SessionFields,
        ttl: Option<Duration>,
    ) -> Result<(), StoreError> {
        (**self).put(id, fields, ttl).await
    }

    async fn append(&self, id: &SessionId, base64: &str) -> Result<u64, StoreError> {
        (**self).append(id, base64).await
    }

    async fn delete(&self, id: &SessionId) -> Result<(), StoreError> {
        (**self).delete(id).await
    }
}

#![expect(
    clippy::disallowed_types,
    reason = "a registry is shared between tasks and called a few times a second, never on the audio path"
)]

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::{
    DEFAULT_TTL, Listed, SessionCursor, SessionField, SessionFields, SessionId, SessionPage,
    SessionRecord, SessionRegistry, check_base64, field,
};
use crate::store::{StoreError, StoreErrorKind};

/// A registry that lives as long as the process. It has no clock: sessions grow older as
/// [`advance`](Self::advance) says.
pub struct MemoryRegistry {
    sessions: Mutex<BTreeMap<SessionId, Kept>>,
    max_buffer: u64,
}

enum Kept {
    Session {
        fields: Vec<(String, String)>,
        buffer: Vec<u8>,
        ttl: Option<Duration>,
    },
    Broken(String),
}

impl MemoryRegistry {
    /// An empty registry, whose buffers grow to 64 MiB of text.
    pub fn new() -> Self {
        Self::with_max_buffer(MAX_BUFFER)
    }

    /// An empty registry, whose buffers grow to so many characters.
    pub fn with_max_buffer(characters: u64) -> Self {
        Self {
            sessions: Mutex::default(),
            max_buffer: characters,
        }
    }

    /// Puts any text in place of a session's buffer, as foreign applications might; a session
    /// that is not there is made. For demonstrations and tests.
    pub fn set_buffer(&self, id: &SessionId, text: impl Into<Vec<u8>>) {
        let mut sessions = self.sessions();
        let kept = sessions.entry(id.clone()).or_insert_with(Kept::new);
        if let Kept::Broken(_) = kept {
            *kept = Kept::new();
        }
        if let Kept::Session { buffer, .. } = kept {
            *buffer = text.into();
        }
    }

    /// Puts something that is no session in one's place. For demonstrations and tests.
    pub fn set_broken(&self, id: &SessionId, why: impl Into<String>) {
        self.sessions().insert(id.clone(), Kept::Broken(why.into()));
    }

    /// Lets time pass: sessions whose time is up are gone.
    pub fn advance(&self, by: Duration) {
        self.sessions().retain(|_, kept| match kept {
            Kept::Session { ttl: Some(ttl), .. } => {
                *ttl = ttl.saturating_sub(by);
                !ttl.is_zero()
            }
            _ => true,
        });
    }

    fn sessions(&self) -> MutexGuard<'_, BTreeMap<SessionId, Kept>> {
        // No call can panic half-way through a change.
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryRegistry {
    fn default() -> Self {
        Self::new()
    }
}

impl Kept {
    fn new() -> Self {
        Self::Session {
            fields: Vec::new(),
            buffer: Vec::new(),
            ttl: Some(DEFAULT_TTL),
        }
    }

    /// What is told of it: the named fields, or all.
    fn record(&self, id: &SessionId, only: Option<&[&str]>) -> Result<SessionRecord, StoreError> {
        let (fields, buffer, ttl) = match self {
            Self::Session {
                fields,
                buffer,
                ttl,
            } => (fields, buffer, ttl),
            Self::Broken(why) => return Err(broken(id, why)),
        };
        let told = |(name, value): &(String, String)| {
            let wanted = only.is_none_or(|only| only.contains(&name.as_str()));
            wanted.then(|| SessionField::new(name, value.as_bytes()))
        };
        let mut told: Vec<_> = fields.iter().filter_map(told).collect();
        told.sort_by_key(|f| {
            field::LISTED
                .iter()
                .position(|name| *name == f.name)
                .unwrap_or(99)
        });
        let more_fields = told.len().saturating_sub(SessionFields::MAX) as u64;
        told.truncate(SessionFields::MAX);
        Ok(SessionRecord {
            id: id.clone(),
            fields: told,
            more_fields,
            buffer_len: buffer.len() as u64,
            ttl: *ttl,
        })
    }
}

#[async_trait]
impl SessionRegistry for MemoryRegistry {
    async fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn page(
        &self,
        cursor: Option<&SessionCursor>,
        limit: usize,
    ) -> Result<SessionPage, StoreError> {
        let after = cursor.map(read_cursor).transpose()?;
        let from = after.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let sessions = self.sessions();
        let mut range = sessions.range((from, Bound::Unbounded));
        let mut page = SessionPage::default();
        let mut last = None;
        for (id, kept) in range.by_ref().take(limit.max(1)) {
            last = Some(id);
            page.sessions.push(match kept {
                Kept::Broken(why) => Listed::broken(id.as_str().as_bytes(), why),
                kept => Listed::Session(kept.record(id, Some(&field::LISTED))?),
            });
        }
        if range.next().is_some() {
            page.next = last.map(cursor_after);
        }
        Ok(page)
    }

    async fn session(&self, id: &SessionId) -> Result<SessionRecord, StoreError> {
        let sessions = self.sessions();
        let kept = sessions.get(id).ok_or_else(|| missing(id))?;
        kept.record(id, None)
    }

    async fn buffer(&self, id: &SessionId, from: u64, max: usize) -> Result<Bytes, StoreError> {
        let sessions = self.sessions();
        match sessions.get(id).ok_or_else(|| missing(id))? {
            Kept::Broken(why) => Err(broken(id, why)),
            Kept::Session { buffer, .. } => {
                let from = usize::try_from(from)
                    .unwrap_or(usize::MAX)
                    .min(buffer.len());
                let end = from.saturating_add(max).min(buffer.len());
                Ok(Bytes::copy_from_slice(&buffer[from..end]))
            }
        }
    }

    async fn put(
        &self,
        id: &SessionId,
        fields: &SessionFields,
        ttl: Option<Duration>,
    ) -> Result<(), StoreError> {
        let mut sessions = self.sessions();
        if let Some(Kept::Broken(why)) = sessions.get(id) {
            return Err(broken(id, why));
        }
        if fields.is_empty() && !sessions.contains_key(id) {
            return Ok(());
        }
        let kept = sessions.entry(id.clone()).or_insert_with(Kept::new);
        if let Kept::Session {
            fields: there,
            ttl: left,
            ..
        } = kept
        {
            for (name, value) in fields.iter() {
                match there.iter_mut().find(|(n, _)| n == name) {
                    Some((_, old)) => *old = value.to_owned(),
                    None => there.push((name.to_owned(), value.to_owned())),
                }
            }
            *left = ttl.or(*left);
        }
        Ok(())
    }

    async fn append(&self, id: &SessionId, base64: &str) -> Result<u64, StoreError> {
        let refuse = |kind, why| error(kind, format_args!("{id}: {why}"));
        check_base64(base64).map_err(|why| refuse(StoreErrorKind::Invalid, why))?;
        let mut sessions = self.sessions();
        match sessions.get_mut(id).ok_or_else(|| missing(id))? {
            Kept::Broken(why) => Err(broken(id, why)),
            Kept::Session { buffer, .. } => {
                if !base64.is_empty() && buffer.last() == Some(&b'=') {
                    return Err(refuse(StoreErrorKind::Invalid, "its buffer has ended"));
                }
                if (buffer.len() + base64.len()) as u64 > self.max_buffer {
                    let why = format!("its buffer may have {} characters", self.max_buffer);
                    return Err(refuse(StoreErrorKind::Full, &why));
                }
                buffer.extend_from_slice(base64.as_bytes());
                Ok(buffer.len() as u64)
            }
        }
    }

    async fn delete(&self, id: &SessionId) -> Result<(), StoreError> {
        self.sessions().remove(id);
        Ok(())
    }
}

impl fmt::Debug for MemoryRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryRegistry")
            .field("sessions", &self.sessions().len())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for MemoryRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAME)
    }
}

/// The cursor behind an id: its bytes in hexadecimal.
fn cursor_after(id: &SessionId) -> SessionCursor {
    let text: String = id.as_str().bytes().map(|b| format!("{b:02x}")).collect();
    SessionCursor::parse(&text).expect("there is room for any id's digits")
}

fn read_cursor(cursor: &SessionCursor) -> Result<SessionId, StoreError> {
    let digits = cursor.as_str().as_bytes();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Option<Vec<u8>> = digits.chunks(2).map(pair).collect();
    let id = bytes
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .and_then(|text| SessionId::parse(&text).ok());
    id.ok_or_else(|| {
        let what = format!("cursor {cursor} is not of this list");
        error(StoreErrorKind::Invalid, what)
    })
}

fn missing(id: &SessionId) -> StoreError {
    error(StoreErrorKind::NotFound, id)
}

fn broken(id: &SessionId, why: &str) -> StoreError {
    error(StoreErrorKind::Invalid, format_args!("{id}: {why}"))
}

fn error(kind: StoreErrorKind, message: impl fmt::Display) -> StoreError {
    StoreError::new(kind, NAME, message)
}

const NAME: &str = "memory";
const MAX_BUFFER: u64 = 64 << 20;

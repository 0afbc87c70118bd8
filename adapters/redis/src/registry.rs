//! Sessions in Redis.

mod list;
mod scripts;

pub(crate) use list::Position;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use audiox_core::ConfigError;
use audiox_core::registry::{
    DEFAULT_TTL, SessionCursor, SessionFields, SessionId, SessionPage, SessionRecord,
    SessionRegistry, check_base64, field,
};
use audiox_core::store::{StoreError, StoreErrorKind};
use bytes::Bytes;
use redis::{Cmd, RedisResult};

use crate::RedisTarget;
use crate::error::denies_scripts;
use crate::link::{Conn, Link, LinkConfig};

/// How sessions are kept and read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryConfig {
    /// How long Redis is waited for.
    pub link: LinkConfig,
    /// Characters that a buffer may grow to by us; 64 MiB by default, at most 384 MiB: Redis
    /// keeps no more than 512 MB in a field, and growing one moves all of it in its memory.
    pub max_buffer: u64,
    /// Characters of the largest buffer that is read as a whole where scripts are denied; 192 MiB
    /// by default.
    pub max_whole_read: u64,
}

impl Default for RegistryConfig {
    fn default() -> Self {
        Self {
            link: LinkConfig::default(),
            max_buffer: 64 << 20,
            max_whole_read: 192 << 20,
        }
    }
}

/// The registry of voice sessions in Redis. Connects when it is first called, and again whenever
/// that is needed; all calls end within the configured time.
pub struct RedisRegistry {
    link: Link,
    config: RegistryConfig,
    /// Scripts were refused once: by rights, or because the service has none.
    scripts_denied: AtomicBool,
    /// A buffer read as a whole, from which further pieces come. Only where scripts are denied.
    whole: Mutex<Option<(SessionId, Bytes)>>,
}

impl RedisRegistry {
    /// A registry at `target`. Nothing is sent yet; [`check`](SessionRegistry::check) does.
    ///
    /// # Errors
    /// `Invalid`: a setting is out of range, or the authorities' file cannot be read.
    pub fn new(target: &RedisTarget, config: RegistryConfig) -> Result<Self, StoreError> {
        if !(4..=MAX_BUFFER).contains(&config.max_buffer) {
            let allowed = "a buffer may have 4 to 402653184 characters (384 MiB)";
            let e = ConfigError::new("max_buffer", config.max_buffer, allowed);
            return Err(StoreError::new(
                StoreErrorKind::Invalid,
                target.to_string(),
                e,
            ));
        }
        Ok(Self {
            link: Link::new(target, config.link.clone())?,
            config,
            scripts_denied: AtomicBool::new(false),
            whole: Mutex::default(),
        })
    }

    /// Whether Redis has denied scripts, so that buffers are read and written as wholes.
    pub fn scripts_denied(&self) -> bool {
        self.scripts_denied.load(Ordering::Relaxed)
    }

    /// What the script answers; `None` where scripts are denied.
    async fn script<T: redis::FromRedisValue + Send>(
        &self,
        conn: &mut Conn,
        script: &scripts::Script,
        fill: impl Fn(&mut Cmd) + Send + Sync,
    ) -> RedisResult<Option<T>> {
        if self.scripts_denied() {
            return Ok(None);
        }
        match script.run(conn, fill).await {
            Err(e) if denies_scripts(&e) => {
                tracing::warn!(
                    redis = self.link.name(),
                    "scripts are denied: buffers are read and written as wholes"
                );
                self.scripts_denied.store(true, Ordering::Relaxed);
                Ok(None)
            }
            result => result.map(Some),
        }
    }

    fn whole(&self) -> MutexGuard<'_, Option<(SessionId, Bytes)>> {
        self.whole.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn error(&self, kind: StoreErrorKind, what: impl fmt::Display) -> StoreError {
        StoreError::new(kind, self.link.name().to_owned(), what)
    }

    fn missing(&self, id: &SessionId) -> StoreError {
        self.error(StoreErrorKind::NotFound, format_args!("session {id}"))
    }

    /// A piece of a buffer without scripts: of the whole, which is kept for the next piece as
    /// long as it has not grown.
    async fn piece_of_whole(
        &self,
        conn: &mut Conn,
        id: &SessionId,
        from: u64,
        max: usize,
    ) -> RedisResult<Result<Bytes, StoreError>> {
        let key = key(id);
        let (exists, length): (bool, u64) = redis::pipe()
            .cmd("EXISTS")
            .arg(&key)
            .cmd("HSTRLEN")
            .arg(&key)
            .arg(field::AUDIO_BUFFER)
            .query_async(conn)
            .await?;
        if !exists {
            return Ok(Err(self.missing(id)));
        }
        if from >= length {
            return Ok(Ok(Bytes::new()));
        }
        if length > self.config.max_whole_read {
            return Ok(Err(self.error(
                StoreErrorKind::Invalid,
                format_args!(
                    "session {id}: its buffer has {length} characters; {} are read at most where scripts are denied",
                    self.config.max_whole_read
                ),
            )));
        }
        // From the start on it is read anew: another one of the same length may be there by now.
        let kept = self
            .whole()
            .take()
            .filter(|(of, whole)| from > 0 && of == id && whole.len() as u64 == length);
        let whole = match kept {
            Some((_, whole)) => whole,
            None => {
                let mut get = redis::cmd("HGET");
                get.arg(&key).arg(field::AUDIO_BUFFER);
                let whole: Option<Vec<u8>> = get.query_async(conn).await?;
                Bytes::from(whole.unwrap_or_default())
            }
        };
        let start = usize::try_from(from).unwrap_or(usize::MAX).min(whole.len());
        let end = start.saturating_add(max).min(whole.len());
        let piece = Bytes::copy_from_slice(&whole[start..end]);
        if end < whole.len() {
            *self.whole() = Some((id.clone(), whole));
        }
        Ok(Ok(piece))
    }

    /// Appends without scripts: not atomic, which is why a session has one writer.
    async fn append_whole(
        &self,
        conn: &mut Conn,
        id: &SessionId,
        base64: &str,
    ) -> RedisResult<Appended> {
        let key = key(id);
        let (exists, length, ttl): (bool, u64, i64) = redis::pipe()
            .cmd("EXISTS")
            .arg(&key)
            .cmd("HSTRLEN")
            .arg(&key)
            .arg(field::AUDIO_BUFFER)
            .cmd("PTTL")
            .arg(&key)
            .query_async(conn)
            .await?;
        if !exists || ttl == GONE {
            return Ok(Appended::Missing);
        }
        if length + base64.len() as u64 > self.config.max_buffer {
            return Ok(Appended::Full);
        }
        if base64.is_empty() {
            return Ok(Appended::To(length));
        }
        let mut get = redis::cmd("HGET");
        get.arg(&key).arg(field::AUDIO_BUFFER);
        let mut whole: Vec<u8> = get
            .query_async::<Option<_>>(conn)
            .await?
            .unwrap_or_default();
        if whole.last() == Some(&b'=') {
            return Ok(Appended::Ended);
        }
        whole.extend_from_slice(base64.as_bytes());
        let mut set = redis::pipe();
        set.atomic();
        set.cmd("HSET")
            .arg(&key)
            .arg(field::AUDIO_BUFFER)
            .arg(&whole)
            .ignore();
        if ttl > 0 {
            // Should it have expired meanwhile, its remains do so, too.
            set.cmd("PEXPIRE").arg(&key).arg(ttl).ignore();
        }
        set.exec_async(conn).await?;
        Ok(Appended::To(whole.len() as u64))
    }
}

/// What came of appending.
enum Appended {
    To(u64),
    Missing,
    Full,
    Ended,
}

#[async_trait]
impl SessionRegistry for RedisRegistry {
    async fn check(&self) -> Result<(), StoreError> {
        let ping = |mut conn: Conn| async move {
            redis::cmd("PING").exec_async(&mut conn).await?;
            // Rights to list are not rights to connect.
            let mut exists = redis::cmd("HSTRLEN");
            exists
                .arg(format!("{PREFIX}audiox-check"))
                .arg(field::AUDIO_BUFFER);
            exists.exec_async(&mut conn).await
        };
        self.link.call("check".to_owned(), ping).await
    }

    async fn page(
        &self,
        cursor: Option<&SessionCursor>,
        limit: usize,
    ) -> Result<SessionPage, StoreError> {
        let from = match cursor {
            None => Position::default(),
            Some(cursor) => Position::parse(cursor).ok_or_else(|| {
                let what = format!("cursor {cursor} is not of this list");
                self.error(StoreErrorKind::Invalid, what)
            })?,
        };
        let from = &from;
        let list = |conn| async move { list::page(conn, from, limit).await };
        self.link.call("list of sessions".to_owned(), list).await
    }

    async fn session(&self, id: &SessionId) -> Result<SessionRecord, StoreError> {
        let read = |conn| async move { list::record(conn, id).await };
        let record = self.link.call(format!("session {id}"), read).await?;
        record.ok_or_else(|| self.missing(id))
    }

    async fn buffer(&self, id: &SessionId, from: u64, max: usize) -> Result<Bytes, StoreError> {
        let max = max.min(MAX_PIECE);
        // Scripts count in floating point; no buffer is as long.
        let from = from.min(1 << 40);
        let read = |mut conn: Conn| async move {
            let key = key(id);
            let fill = |cmd: &mut Cmd| {
                cmd.arg(&key).arg(from).arg(max);
            };
            let piece: Option<Option<Vec<u8>>> =
                self.script(&mut conn, &scripts::READ, fill).await?;
            match piece {
                Some(Some(piece)) => Ok(Ok(Bytes::from(piece))),
                Some(None) => Ok(Err(self.missing(id))),
                None => self.piece_of_whole(&mut conn, id, from, max).await,
            }
        };
        let what = format!("buffer of session {id}");
        self.link.call(what, read).await?
    }

    async fn put(
        &self,
        id: &SessionId,
        fields: &SessionFields,
        ttl: Option<Duration>,
    ) -> Result<(), StoreError> {
        let ttl = ttl.map(|ttl| (ttl.as_millis() as u64).clamp(1, MAX_TTL));
        let put = |mut conn: Conn| async move {
            let key = key(id);
            if fields.is_empty() {
                let Some(ttl) = ttl else { return Ok(()) };
                let mut expire = redis::cmd("PEXPIRE");
                return expire.arg(&key).arg(ttl).exec_async(&mut conn).await;
            }
            let fill = |cmd: &mut Cmd| {
                cmd.arg(&key)
                    .arg(ttl.unwrap_or(0))
                    .arg(DEFAULT_TTL.as_millis() as u64);
                for (name, value) in fields.iter() {
                    cmd.arg(name).arg(value);
                }
            };
            let done: Option<()> = self.script(&mut conn, &scripts::PUT, fill).await?;
            if done.is_some() {
                return Ok(());
            }
            let mut exists = redis::cmd("EXISTS");
            let is_new = !exists.arg(&key).query_async::<bool>(&mut conn).await?;
            let mut set = redis::pipe();
            set.atomic();
            let hset = set.cmd("HSET").arg(&key);
            for (name, value) in fields.iter() {
                hset.arg(name).arg(value);
            }
            let new = is_new.then_some(DEFAULT_TTL.as_millis() as u64);
            if let Some(ttl) = ttl.or(new) {
                set.cmd("PEXPIRE").arg(&key).arg(ttl);
            }
            set.exec_async(&mut conn).await
        };
        self.link.call(format!("session {id}"), put).await
    }

    async fn append(&self, id: &SessionId, base64: &str) -> Result<u64, StoreError> {
        let refuse =
            |kind, why: &dyn fmt::Display| self.error(kind, format_args!("session {id}: {why}"));
        check_base64(base64).map_err(|why| refuse(StoreErrorKind::Invalid, &why))?;
        let append = |mut conn: Conn| async move {
            let fill = |cmd: &mut Cmd| {
                cmd.arg(key(id)).arg(base64).arg(self.config.max_buffer);
            };
            let answer: Option<i64> = self.script(&mut conn, &scripts::APPEND, fill).await?;
            Ok(match answer {
                None => self.append_whole(&mut conn, id, base64).await?,
                Some(scripts::MISSING) => Appended::Missing,
                Some(scripts::FULL) => Appended::Full,
                Some(scripts::ENDED) => Appended::Ended,
                Some(length) => Appended::To(length.unsigned_abs()),
            })
        };
        let what = format!("append to session {id}");
        match self.link.call_once(what, append).await? {
            Appended::To(length) => Ok(length),
            Appended::Missing => Err(self.missing(id)),
            Appended::Ended => {
                let why = "its buffer ended with padding";
                Err(refuse(StoreErrorKind::Invalid, &why))
            }
            Appended::Full => Err(refuse(
                StoreErrorKind::Full,
                &format_args!("its buffer may have {} characters", self.config.max_buffer),
            )),
        }
    }

    async fn delete(&self, id: &SessionId) -> Result<(), StoreError> {
        let delete = |mut conn: Conn| async move {
            let mut unlink = redis::cmd("UNLINK");
            unlink.arg(key(id)).exec_async(&mut conn).await
        };
        self.link.call(format!("session {id}"), delete).await
    }
}

impl fmt::Debug for RedisRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisRegistry")
            .field("link", &self.link)
            .field("scripts_denied", &self.scripts_denied())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for RedisRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.link.name())
    }
}

/// Under what a session stands.
fn key(id: &SessionId) -> String {
    format!("{PREFIX}{id}")
}

const PREFIX: &str = "session:";
/// What PTTL says of a key that is not there.
const GONE: i64 = -2;
const MAX_BUFFER: u64 = 384 << 20;
/// Characters that are read at once.
const MAX_PIECE: usize = 16 << 20;
/// Ten years, in milliseconds.
const MAX_TTL: u64 = 315_360_000_000;

//! Live streams between machines, by streams of Redis.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use audiox_core::ConfigError;
use audiox_core::bus::{BusEntry, BusRead, BusStats, EntryId, MAX_ENTRY, StreamBus};
use audiox_core::store::{StoreError, StoreErrorKind, StreamId};
use bytes::Bytes;
use redis::streams::{StreamId as Entry, StreamRangeReply, StreamReadReply};
use redis::{Cmd, FromRedisValue, RedisResult};

use crate::RedisTarget;
use crate::error::from_redis;
use crate::link::{Conn, Link, LinkConfig};

/// How streams are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BusConfig {
    /// How long Redis is waited for.
    pub link: LinkConfig,
    /// Entries of a stream that are kept at least; Redis may keep about a hundred more. 1 000 by
    /// default: 20 s of packets of 20 ms.
    pub max_entries: usize,
}

impl Default for BusConfig {
    fn default() -> Self {
        Self {
            link: LinkConfig::default(),
            max_entries: 1_000,
        }
    }
}

/// A bus over streams of Redis 7 or newer (`audiox:stream:<id>`), trimmed as they grow.
///
/// Entries' ids are an epoch, which is the server's time when the stream was begun, and a number,
/// counted by the server without holes.
pub struct RedisBus {
    link: Link,
    max_entries: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The epochs of streams that we publish, the newest that are known.
    epochs: HashMap<StreamId, Epoch>,
    /// Connections of readers that have none at the moment: while a reader waits it has its own.
    idle: Vec<Conn>,
    stats: BusStats,
}

#[derive(Clone, Copy)]
struct Epoch {
    number: u64,
    /// Whether the stream is there, as far as we know.
    is_there: bool,
}

impl RedisBus {
    /// A bus at `target`. Nothing is sent yet; [`check`](StreamBus::check) does.
    ///
    /// # Errors
    /// `Invalid`: a setting is out of range, or the authorities' file cannot be read.
    pub fn new(target: &RedisTarget, config: BusConfig) -> Result<Self, StoreError> {
        if !(1..=MAX_ENTRIES).contains(&config.max_entries) {
            let allowed = "a bus keeps 1 to 1000000 entries of a stream";
            let e = ConfigError::new("max_entries", config.max_entries, allowed);
            return Err(StoreError::new(
                StoreErrorKind::Invalid,
                target.to_string(),
                e,
            ));
        }
        Ok(Self {
            link: Link::new(target, config.link)?,
            max_entries: config.max_entries,
            state: Mutex::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long Redis holds a reader's question: well within the time of an answer.
    fn block(&self) -> Duration {
        let half = self.link.config().timeout / 2;
        half.clamp(Duration::from_millis(1), Duration::from_secs(5))
    }

    async fn add(&self, conn: &mut Conn, stream: &StreamId, data: &[u8]) -> RedisResult<EntryId> {
        let mut tries = 0;
        loop {
            let known = self.state().epochs.get(stream).copied();
            let epoch = match known {
                Some(epoch) if epoch.is_there => epoch,
                before => learn(conn, stream, before.map(|e| e.number)).await?,
            };
            let mut add = redis::cmd("XADD");
            add.arg(key(stream));
            if epoch.is_there {
                add.arg("NOMKSTREAM");
            }
            add.arg("MAXLEN").arg("~").arg(self.max_entries);
            add.arg(format!("{}-*", epoch.number)).arg(FIELD).arg(data);
            let mut learnt = Epoch {
                is_there: true,
                ..epoch
            };
            let added: RedisResult<Option<String>> = add.query_async(conn).await;
            let id = match added {
                Ok(Some(id)) => Some(entry_id(&id)?),
                // It was removed or forgotten.
                Ok(None) => {
                    learnt.is_there = false;
                    None
                }
                // Another publisher began it anew, later than what we know.
                Err(e) if tries < TRIES && e.to_string().contains("equal or smaller") => {
                    learnt.is_there = false;
                    None
                }
                Err(e) => return Err(e),
            };
            let mut state = self.state();
            if state.epochs.len() >= MAX_EPOCHS && !state.epochs.contains_key(stream) {
                state.epochs.clear();
            }
            state.epochs.insert(stream.clone(), learnt);
            if let Some(id) = id {
                return Ok(id);
            }
            tries += 1;
        }
    }

    /// What is there after `after`, waited for as long as Redis holds a question.
    async fn read_once(
        &self,
        conn: &mut Conn,
        stream: &StreamId,
        after: Option<EntryId>,
        limit: usize,
    ) -> RedisResult<Vec<BusEntry>> {
        let mut read = redis::cmd("XREAD");
        read.arg("COUNT").arg(limit.clamp(1, MAX_ENTRIES));
        read.arg("BLOCK").arg(self.block().as_millis() as u64);
        read.arg("STREAMS").arg(key(stream));
        read.arg(after.map_or_else(|| "0-0".to_owned(), |id| id.to_string()));
        let reply: Option<StreamReadReply> = read.query_async(conn).await?;
        let entries = reply
            .into_iter()
            .flat_map(|reply| reply.keys)
            .flat_map(|key| key.ids);
        entries.map(entry).collect()
    }
}

#[async_trait]
impl StreamBus for RedisBus {
    async fn check(&self) -> Result<(), StoreError> {
        let ask = |mut conn: Conn| async move {
            let mut help = redis::cmd("XREVRANGE");
            help.arg(format!("{PREFIX}audiox-check"))
                .arg("+")
                .arg("-")
                .arg("COUNT")
                .arg(1);
            help.exec_async(&mut conn).await?;
            let mut info = redis::cmd("INFO");
            // Rights may not reach as far; then we shall see.
            let text: RedisResult<String> = match &mut conn {
                Conn::One(conn) => info.arg("server").query_async(conn).await,
                Conn::Cluster(_) => Ok(String::new()),
            };
            Ok(text.unwrap_or_default())
        };
        let info = self.link.call("check".to_owned(), ask).await?;
        let version = info
            .lines()
            .find_map(|line| line.strip_prefix("redis_version:"));
        let major = version.and_then(|v| v.split('.').next()?.parse::<u32>().ok());
        match (version, major) {
            (Some(version), Some(..7)) => {
                let why = format!("it is Redis {version}; live streams need 7 or newer");
                let name = self.link.name().to_owned();
                Err(StoreError::new(StoreErrorKind::Invalid, name, why))
            }
            _ => Ok(()),
        }
    }

    async fn publish(&self, stream: &StreamId, data: Bytes) -> Result<EntryId, StoreError> {
        let bytes = data.len();
        let added = if bytes > MAX_ENTRY {
            let why = format!("{bytes} bytes for {stream}; {MAX_ENTRY} are the most");
            let name = self.link.name().to_owned();
            Err(StoreError::new(StoreErrorKind::Invalid, name, why))
        } else {
            let data = &data;
            let add = |mut conn: Conn| async move { self.add(&mut conn, stream, data).await };
            self.link
                .call_once(format!("publish to {stream}"), add)
                .await
        };
        let mut state = self.state();
        match &added {
            Ok(_) => {
                state.stats.published += 1;
                state.stats.bytes_published += bytes as u64;
            }
            Err(_) => {
                state.stats.failed += 1;
                // Whatever happened, the stream may be another one.
                if let Some(epoch) = state.epochs.get_mut(stream) {
                    epoch.is_there = false;
                }
            }
        }
        added
    }

    async fn read(
        &self,
        stream: &StreamId,
        after: Option<EntryId>,
        limit: usize,
    ) -> Result<BusRead, StoreError> {
        // One that is cut is found out by using it; a new one is made once.
        let idle = self.state().idle.pop();
        let mut is_new = idle.is_none();
        let mut conn = match idle {
            Some(conn) => conn,
            None => self.link.own_connection().await?,
        };
        loop {
            let reading = self.read_once(&mut conn, stream, after, limit);
            let read = match tokio::time::timeout(
                self.block() + self.link.config().timeout,
                reading,
            )
            .await
            {
                Ok(Ok(entries)) => BusRead::new(after, entries),
                Ok(Err(_)) if !is_new => {
                    conn = self.link.own_connection().await?;
                    is_new = true;
                    continue;
                }
                Ok(Err(e)) => {
                    let what = format!("read {stream}");
                    return Err(from_redis(self.link.name(), what, e));
                }
                Err(_) => {
                    let name = self.link.name().to_owned();
                    let why = format!("read {stream}: no answer");
                    return Err(StoreError::new(StoreErrorKind::Transient, name, why));
                }
            };
            if read.entries.is_empty() {
                continue;
            }
            let mut state = self.state();
            state.stats.count_read(&read);
            if state.idle.len() < MAX_IDLE {
                state.idle.push(conn);
            }
            return Ok(read);
        }
    }

    async fn newest(&self, stream: &StreamId) -> Result<Option<EntryId>, StoreError> {
        let ask = |mut conn: Conn| async move { newest(&mut conn, stream).await };
        self.link.call(format!("newest of {stream}"), ask).await
    }

    async fn remove(&self, stream: &StreamId) -> Result<(), StoreError> {
        // What is made anew must be behind what was.
        let remove = |mut conn: Conn| async move {
            let last = newest(&mut conn, stream).await?;
            redis::cmd("UNLINK")
                .arg(key(stream))
                .exec_async(&mut conn)
                .await?;
            Ok(last)
        };
        let last = self.link.call(format!("remove {stream}"), remove).await?;
        if let Some(last) = last {
            let number = last.epoch;
            let epoch = Epoch {
                number,
                is_there: false,
            };
            self.state().epochs.insert(stream.clone(), epoch);
        }
        Ok(())
    }

    fn stats(&self) -> BusStats {
        self.state().stats
    }
}

impl fmt::Debug for RedisBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisBus")
            .field("link", &self.link)
            .field("max_entries", &self.max_entries)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for RedisBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.link.name())
    }
}

/// The stream's epoch: that of its newest entry, else a new one behind any before.
async fn learn(conn: &mut Conn, stream: &StreamId, before: Option<u64>) -> RedisResult<Epoch> {
    if let Some(newest) = newest(conn, stream).await? {
        return Ok(Epoch {
            number: newest.epoch,
            is_there: true,
        });
    }
    // The server's clock, so that all publishers go by one.
    let (seconds, micros): (u64, u64) = match conn {
        Conn::One(conn) => redis::cmd("TIME").query_async(conn).await?,
        Conn::Cluster(_) => {
            let now = std::time::SystemTime::UNIX_EPOCH
                .elapsed()
                .unwrap_or_default();
            (now.as_secs(), now.subsec_micros().into())
        }
    };
    let now = seconds * 1_000 + micros / 1_000;
    Ok(Epoch {
        number: now.max(before.map_or(0, |before| before + 1)),
        is_there: false,
    })
}

async fn newest(conn: &mut Conn, stream: &StreamId) -> RedisResult<Option<EntryId>> {
    let mut ask: Cmd = redis::cmd("XREVRANGE");
    ask.arg(key(stream)).arg("+").arg("-").arg("COUNT").arg(1);
    let reply: StreamRangeReply = ask.query_async(conn).await?;
    reply
        .ids
        .first()
        .map(|entry| entry_id(&entry.id))
        .transpose()
}

fn entry(entry: Entry) -> RedisResult<BusEntry> {
    let id = entry_id(&entry.id)?;
    // What others put into the stream without it is an empty entry, so that numbers stay right.
    let data = entry.map.into_iter().find(|(name, _)| name == FIELD);
    let data = data
        .map(|(_, value)| Vec::<u8>::from_redis_value(value))
        .transpose()?;
    Ok(BusEntry {
        id,
        data: data.unwrap_or_default().into(),
    })
}

fn entry_id(text: &str) -> RedisResult<EntryId> {
    text.parse().map_err(|e: ConfigError| {
        redis::RedisError::from((
            redis::ErrorKind::UnexpectedReturnType,
            "an entry's id",
            e.to_string(),
        ))
    })
}

fn key(stream: &StreamId) -> String {
    format!("{PREFIX}{stream}")
}

const PREFIX: &str = "audiox:stream:";
/// What of an entry holds the bytes.
const FIELD: &str = "d";
const MAX_ENTRIES: usize = 1_000_000;
/// Connections that are kept for readers.
const MAX_IDLE: usize = 16;
/// Streams whose epochs are remembered.
const MAX_EPOCHS: usize = 10_000;
const TRIES: usize = 4;

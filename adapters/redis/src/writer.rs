//! Live audio into a session.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use audiox_core::ConfigError;
use audiox_core::format::{Endian, PcmFormat};
use audiox_core::registry::{
    DEFAULT_TTL, SessionFields, SessionId, SessionRecord, SessionRegistry, field,
};
use audiox_core::store::{Coding, StoreError, StoreErrorKind, StoredFormat};
use audiox_io::wav;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::Container;

/// How a session is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriterConfig {
    /// What the audio is: PCM.
    pub format: StoredFormat,
    /// What the buffer holds.
    pub container: Container,
    /// How long a new session is kept; one that is there keeps its time. An hour by default.
    pub ttl: Duration,
    /// The user's name, for people. One that is there is kept where there is none here.
    pub user_name: Option<String>,
    /// The user's name, for programs; likewise.
    pub user_id: Option<String>,
    /// Whether a new session is marked as a known user's. It is by default.
    pub authenticated: bool,
    /// How often what has come is appended, at most; a second by default. Growing a buffer costs
    /// Redis by its length, so a long one grows less often: each 16 MiB of text add as much.
    pub every: Duration,
    /// Bytes that may wait while Redis is away; 16 MiB by default.
    pub max_waiting: u64,
}

impl WriterConfig {
    /// Bare samples of `format`, with everything else by default.
    pub const fn new(format: StoredFormat) -> Self {
        Self {
            format,
            container: Container::Raw,
            ttl: DEFAULT_TTL,
            user_name: None,
            user_id: None,
            authenticated: true,
            every: Duration::from_secs(1),
            max_waiting: 16 << 20,
        }
    }
}

/// Records live audio into a session of any registry.
///
/// While it is there the session is marked as being recorded. What is [pushed](Self::push) is
/// appended together, at most once a second, by whole groups of three bytes, so that the text in
/// the buffer is whole base64 at any time and can be read while it grows. A registry that is away
/// is waited for; whether an append whose answer was lost was done, the buffer's length tells.
///
/// A session must have one writer. Dropped without [`finish`](Self::finish) the writer appends
/// what it has and ends the session's mark in the background, as long as the runtime is there.
pub struct SessionWriter {
    to: mpsc::UnboundedSender<Bytes>,
    shared: Arc<Shared>,
    max_waiting: u64,
    id: SessionId,
    store: String,
    ended: watch::Receiver<Option<Arc<StoreError>>>,
    task: JoinHandle<Result<(), StoreError>>,
}

/// How a session grows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WriterStats {
    /// Bytes that were pushed.
    pub pushed: u64,
    /// Bytes of these that are in the session.
    pub written: u64,
    /// Appends that were done.
    pub appends: u64,
    /// Calls that failed and were or will be repeated.
    pub retries: u64,
    /// Characters in the session's buffer.
    pub buffer_len: u64,
}

#[derive(Debug, Default)]
struct Shared {
    pushed: AtomicU64,
    written: AtomicU64,
    appends: AtomicU64,
    retries: AtomicU64,
    buffer_len: AtomicU64,
}

impl SessionWriter {
    /// Makes the session or goes on with one that is there, and marks it as being recorded. Must
    /// be called in a Tokio runtime.
    ///
    /// An application's session keeps its fields. A buffer that has something in it is gone on
    /// with if that is bare samples of the same format.
    ///
    /// # Errors
    /// `Invalid`: the format is no PCM or a value is out of range; `AlreadyExists`: the session's
    /// buffer holds something else; or the registry fails.
    pub async fn start(
        registry: Arc<dyn SessionRegistry>,
        id: SessionId,
        config: WriterConfig,
    ) -> Result<Self, StoreError> {
        let store = registry.to_string();
        let fail = |kind, why: &dyn fmt::Display| {
            StoreError::new(kind, store.clone(), format_args!("session {id}: {why}"))
        };
        let invalid = |e: ConfigError| fail(StoreErrorKind::Invalid, &e);
        let Coding::Pcm(pcm) = config.format.coding else {
            let why = format!("{} is not PCM, which is all that is written", config.format);
            return Err(fail(StoreErrorKind::Invalid, &why));
        };
        if config.every < Duration::from_secs(1) || config.every > Duration::from_secs(60) {
            let allowed = "a buffer grows once in 1 to 60 seconds";
            let e = ConfigError::new("every", format_args!("{:?}", config.every), allowed);
            return Err(invalid(e));
        }
        let there = match registry.session(&id).await {
            Ok(there) => Some(there),
            Err(e) if e.kind == StoreErrorKind::NotFound => None,
            Err(e) => return Err(e),
        };
        let mut rest = head(&config, pcm).map_err(invalid)?;
        let name = match config.container {
            Container::Raw => pcm.to_string(),
            Container::Wav => "wav".to_owned(),
        };
        let stream = config.format.stream;
        let rate = stream.rate.get().to_string();
        let channels = stream.channels.get().to_string();
        let length = there.as_ref().map_or(0, |there| there.buffer_len);
        if let Some(there) = there.as_ref().filter(|there| there.buffer_len > 0) {
            let same = config.container == Container::Raw
                && there.get(field::AUDIO_FORMAT) == Some(&name)
                && there.get(field::AUDIO_RATE) == Some(&rate)
                && there.get(field::AUDIO_CHANNELS) == Some(&channels);
            if !same {
                let why = "its buffer holds other audio already; give another session";
                return Err(fail(StoreErrorKind::AlreadyExists, &why));
            }
            let end = registry
                .buffer(&id, there.buffer_len.saturating_sub(1), 1)
                .await?;
            if end.as_ref() == b"=" {
                let why = "its recording has ended in the middle of a group; give another session";
                return Err(fail(StoreErrorKind::AlreadyExists, &why));
            }
            rest.clear();
        }
        let fields = fields(&config, there.as_ref(), [&name, &rate, &channels]);
        let fields = fields.map_err(invalid)?;
        let ttl = there.is_none().then_some(config.ttl);
        registry.put(&id, &fields, ttl).await?;

        let shared = Arc::new(Shared::default());
        shared.buffer_len.store(length, Ordering::Relaxed);
        let (to, from) = mpsc::unbounded_channel();
        let (told, ended) = watch::channel(None);
        let work = Work {
            registry,
            id: id.clone(),
            every: config.every,
            shared: Arc::clone(&shared),
            own: rest.len() as u64,
            rest,
            length,
            last: None,
            in_doubt: None,
        };
        let task = tokio::spawn(async move {
            let result = work.run(from).await;
            if let Err(e) = &result {
                // The handle wants it for `push`, and `finish` gets the original.
                let copy = StoreError::new(e.kind, e.store.clone(), &e.message);
                let _ = told.send(Some(Arc::new(copy)));
            }
            result
        });
        Ok(Self {
            to,
            shared,
            max_waiting: config.max_waiting,
            id,
            store,
            ended,
            task,
        })
    }

    /// Takes samples, as bytes of the format. Never waits.
    ///
    /// # Errors
    /// Why nothing more can be written: the session is gone or full, or the registry refuses;
    /// `Transient` where it was away for so long that too much waits.
    pub fn push(&self, samples: Bytes) -> Result<(), StoreError> {
        if let Some(e) = self.ended.borrow().as_ref() {
            return Err(StoreError::new(e.kind, e.store.clone(), &e.message));
        }
        let waiting = self.stats().waiting();
        if waiting + samples.len() as u64 > self.max_waiting {
            let why = format!("session {}: {waiting} bytes wait already", self.id);
            return Err(StoreError::new(
                StoreErrorKind::Transient,
                self.store.clone(),
                why,
            ));
        }
        self.shared
            .pushed
            .fetch_add(samples.len() as u64, Ordering::Relaxed);
        // A task that has ended meanwhile says why at the next call.
        let _ = self.to.send(samples);
        Ok(())
    }

    /// How it goes.
    pub fn stats(&self) -> WriterStats {
        let get = |n: &AtomicU64| n.load(Ordering::Relaxed);
        let s = &self.shared;
        // Written first, so that it is never more than was pushed.
        let written = get(&s.written);
        WriterStats {
            written,
            pushed: get(&s.pushed),
            appends: get(&s.appends),
            retries: get(&s.retries),
            buffer_len: get(&s.buffer_len),
        }
    }

    /// Appends the rest and marks the session as recorded.
    ///
    /// # Errors
    /// Why not everything could be written, or the session not be marked.
    pub async fn finish(self) -> Result<WriterStats, StoreError> {
        let Self {
            to,
            shared,
            task,
            id,
            store,
            ..
        } = self;
        drop(to);
        let result = task.await.unwrap_or_else(|e| {
            let why = format!("session {id}: {e}");
            Err(StoreError::new(StoreErrorKind::Other, store, why))
        });
        let get = |n: &AtomicU64| n.load(Ordering::Relaxed);
        result.map(|()| WriterStats {
            pushed: get(&shared.pushed),
            written: get(&shared.written),
            appends: get(&shared.appends),
            retries: get(&shared.retries),
            buffer_len: get(&shared.buffer_len),
        })
    }
}

impl WriterStats {
    /// Bytes that are not in the session yet.
    pub const fn waiting(&self) -> u64 {
        self.pushed.saturating_sub(self.written)
    }
}

impl fmt::Debug for SessionWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionWriter")
            .field("session", &self.id)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

/// What the task has in hand.
struct Work {
    registry: Arc<dyn SessionRegistry>,
    id: SessionId,
    every: Duration,
    shared: Arc<Shared>,
    /// Bytes at the start that are ours, not pushed: the header.
    own: u64,
    /// Bytes that are not in the session yet.
    rest: Vec<u8>,
    /// Characters in the session's buffer, as far as is known.
    length: u64,
    last: Option<Instant>,
    /// Bytes, and characters of their text, that were sent without an answer.
    in_doubt: Option<(usize, u64)>,
}

impl Work {
    async fn run(mut self, mut from: mpsc::UnboundedReceiver<Bytes>) -> Result<(), StoreError> {
        // Recording ends as it does, and the mark with it.
        let written = self.write(&mut from).await;
        let gone = written
            .as_ref()
            .is_err_and(|e| e.kind == StoreErrorKind::NotFound);
        let marked = match gone {
            true => Ok(()),
            false => self.mark_ended().await,
        };
        written.and(marked)
    }

    async fn write(&mut self, from: &mut mpsc::UnboundedReceiver<Bytes>) -> Result<(), StoreError> {
        loop {
            let more = match self.due() {
                None => from.recv().await,
                Some(due) => tokio::select! {
                    biased;
                    () = tokio::time::sleep_until(due) => {
                        self.append(false).await?;
                        continue;
                    }
                    more = from.recv() => more,
                },
            };
            match more {
                Some(samples) => self.rest.extend_from_slice(&samples),
                None => break,
            }
        }
        let until = Instant::now() + LAST_TRY;
        while !self.rest.is_empty() {
            self.append(true).await?;
            if !self.rest.is_empty() {
                if Instant::now() > until {
                    let why = format!("session {}: {} bytes are left", self.id, self.rest.len());
                    let store = self.registry.to_string();
                    return Err(StoreError::new(StoreErrorKind::Transient, store, why));
                }
                tokio::time::sleep(TRY_AGAIN).await;
            }
        }
        Ok(())
    }

    /// When the next append is due, where there is something to append.
    fn due(&self) -> Option<Instant> {
        if self.rest.len() < 3 {
            return None;
        }
        let stretch = 1.0 + self.length as f64 / COSTLY as f64;
        Some(match self.last {
            None => Instant::now(),
            Some(last) => last + self.every.mul_f64(stretch),
        })
    }

    /// Appends what has come, or at the end everything. Whatever may be better later is left for
    /// then.
    async fn append(&mut self, is_end: bool) -> Result<(), StoreError> {
        self.last = Some(Instant::now());
        if self.in_doubt.is_some() && !self.settle().await? {
            return Ok(());
        }
        let whole = match is_end {
            true => self.rest.len(),
            false => self.rest.len() / 3 * 3,
        };
        let take = whole.min(MOST);
        if take == 0 {
            return Ok(());
        }
        let text = STANDARD.encode(&self.rest[..take]);
        match self.registry.append(&self.id, &text).await {
            Ok(length) => self.done(take, length),
            Err(e) if e.kind == StoreErrorKind::Transient => {
                self.shared.retries.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(session = %self.id, error = %e, "not appended, trying again");
                self.in_doubt = Some((take, text.len() as u64));
                self.settle().await?;
            }
            Err(e) => return Err(self.explain(e)),
        }
        Ok(())
    }

    /// After a lost answer the buffer's length says whether the text is there. Whether that is
    /// known now.
    async fn settle(&mut self) -> Result<bool, StoreError> {
        let Some((take, characters)) = self.in_doubt else {
            return Ok(true);
        };
        let length = match self.registry.session(&self.id).await {
            Ok(there) => there.buffer_len,
            Err(e) if e.is_transient() => return Ok(false),
            Err(e) => return Err(self.explain(e)),
        };
        if length == self.length + characters {
            self.done(take, length);
        } else if length != self.length {
            let why = format!(
                "session {}: its buffer has {length} characters in place of {}: somebody else \
                 writes it, or some of it was lost",
                self.id, self.length
            );
            let store = self.registry.to_string();
            return Err(StoreError::new(StoreErrorKind::Invalid, store, why));
        }
        self.in_doubt = None;
        Ok(true)
    }

    /// So many bytes are in the buffer, which is so long now.
    fn done(&mut self, take: usize, length: u64) {
        self.rest.drain(..take);
        self.length = length;
        let own = self.own.min(take as u64);
        self.own -= own;
        let pushed = take as u64 - own;
        self.shared.written.fetch_add(pushed, Ordering::Relaxed);
        self.shared.appends.fetch_add(1, Ordering::Relaxed);
        self.shared.buffer_len.store(length, Ordering::Relaxed);
    }

    fn explain(&self, e: StoreError) -> StoreError {
        if e.kind != StoreErrorKind::NotFound {
            return e;
        }
        let why = "it is gone: its time was up, or it was deleted";
        StoreError::new(e.kind, e.store, format_args!("session {}: {why}", self.id))
    }

    async fn mark_ended(&self) -> Result<(), StoreError> {
        let marks = SessionFields::new().with_mark(field::IS_RECORDING, false);
        let marks = marks.expect("a known field");
        let until = Instant::now() + LAST_TRY;
        loop {
            // A session that has gone is not to come back as an empty one.
            let marked = match self.registry.session(&self.id).await {
                Ok(_) => self.registry.put(&self.id, &marks, None).await,
                Err(e) if e.kind == StoreErrorKind::NotFound => Ok(()),
                Err(e) => Err(e),
            };
            match marked {
                Err(e) if e.is_transient() && Instant::now() < until => {
                    self.shared.retries.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(TRY_AGAIN).await;
                }
                marked => return marked,
            }
        }
    }
}

/// What is written of a session at its start. What an application has written stays.
fn fields(
    config: &WriterConfig,
    there: Option<&SessionRecord>,
    [format, rate, channels]: [&str; 3],
) -> Result<SessionFields, ConfigError> {
    let mut fields = SessionFields::new()
        .with_mark(field::IS_RECORDING, true)?
        .with(field::AUDIO_FORMAT, format)?
        .with(field::AUDIO_RATE, rate)?
        .with(field::AUDIO_CHANNELS, channels)?;
    for (name, value) in [
        (field::USER_NAME, &config.user_name),
        (field::USER_ID, &config.user_id),
    ] {
        if let Some(value) = value {
            fields = fields.with(name, value)?;
        }
    }
    if there.is_none() {
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let now = format!("{}.{:03}", now.as_secs(), now.subsec_millis());
        fields = fields
            .with_mark(field::AUTHENTICATED, config.authenticated)?
            .with(field::CONNECTED_AT, &now)?;
        if config.authenticated {
            fields = fields.with(field::AUTHENTICATED_AT, &now)?;
        }
        for name in [field::USER_NAME, field::USER_ID] {
            if !fields.iter().any(|(n, _)| n == name) {
                fields = fields.with(name, "")?;
            }
        }
    }
    Ok(fields)
}

/// What is before the samples.
fn head(config: &WriterConfig, pcm: PcmFormat) -> Result<Vec<u8>, ConfigError> {
    match config.container {
        Container::Raw => Ok(Vec::new()),
        Container::Wav if pcm.endian == Endian::Little || pcm.sample.bytes() == 1 => {
            Ok(wav::open_header(config.format.stream, pcm.sample).to_vec())
        }
        Container::Wav => {
            let allowed = "a WAV file has little-endian samples";
            Err(ConfigError::new("format", pcm, allowed))
        }
    }
}

/// Characters of a buffer that make growing it cost a second's share more.
const COSTLY: u64 = 16 << 20;
/// Bytes appended at once, a multiple of three.
const MOST: usize = 3 << 20;
const TRY_AGAIN: Duration = Duration::from_millis(200);
/// How long the end is tried for.
const LAST_TRY: Duration = Duration::from_secs(10);

//! The session player: what an application left in a registry is listed, analysed, played, on the
//! server's device and in browsers, and downloaded.
//!
//! Unmodified clients of the original find the calls and events that they know; what there is
//! beside them is marked so. Every answer has `success`, and where that is false `message`, with
//! HTTP status 200:
//!
//! | call | answer |
//! | --- | --- |
//! | `GET /` | the page |
//! | `GET /api/sessions` | `sessions`, `redis_available`, `audio_available`; with `?limit=&cursor=` a page of them, and `next` and `role` (ours) |
//! | `GET /api/session/<id>/info` | `session_id`, `data` (the hash; with `?buffer=preview`, ours, without the whole buffer), `audio_info` |
//! | `GET /api/session/<id>/analyze` | `session_id`, `analysis`: the original's figures of the bytes, and ours of the sound |
//! | `POST /api/session/<id>/play` | plays on the server's device; `?from=` seconds (ours) |
//! | `POST /api/session/<id>/stop` | ends that |
//! | `GET /api/session/<id>/download` | a WAV file, in ranges too; `?format=original` (ours) the stored bytes |
//! | `GET /api/session/<id>/picture` (ours) | outline and spectrogram |
//! | `GET /api/session/<id>/audio` (ours) | 16-bit samples from `?from=` seconds on, with `&live=1` for as long as the session records; `audiox-rate` and `audiox-channels` are in the head |
//! | `POST /api/session/<id>/ticket` (ours) | `ticket`, for a link to the download: `?ticket=` |
//!
//! What takes audio takes `?sample=s16le&rate=16000&channels=1` for headerless PCM, and
//! `&headers=ignore` for what only looks as if it had a header.
//!
//! Events of Socket.IO: `connected` `{"message"}`, `playback_complete` `{"session_id", "success",
//! "message"}`, `playback_error` `{"session_id", "error"}`; and ours, `playback_progress`
//! `{"session_id", "position", "duration", "speaker", "trouble"}`, `sessions` `{"changed",
//! "gone", "redis_available", "audio_available"}`, and, after a client's `watch` `{"session_id"}`
//! until its `unwatch`, `session_grew` `{"session_id", "audio_buffer_length", "is_recording",
//! "gone"}`.
//!
//! Sessions that are not marked as authenticated are listed. Whatever else is asked about them is
//! answered `Session not found`, but to operators ([`Role`]).

mod access;
mod analysis;
mod base64;
mod board;
mod buffers;
mod download;
mod error;
mod events;
mod facts;
mod http;
mod info;
mod list;
mod listen;
mod metrics;
mod playback;
mod speaker;
mod watch;
mod wish;

pub use access::{Role, Roles};
#[cfg(feature = "fuzzing")]
pub(crate) use base64::check as check_base64;
pub use http::app;
pub use speaker::{OpenedSpeaker, Speaker};

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use audiox_core::ConfigError;
use audiox_core::registry::{SessionRecord, SessionRegistry};
use audiox_io::sound::{self, DecodeOpus, PcmWish, Sound};
use audiox_net::fanout::Fanout;
use audiox_net::socketio::Outgoing;
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use analysis::Heard;
use board::Board;
use buffers::{Buffer, BufferLimits, Buffers};
use error::PlayerError;
use playback::Playbacks;
use watch::Watched;

/// Limits of a [`Player`].
#[derive(Debug, Clone)]
pub struct PlayerConfig {
    /// Sessions that play on the server's device at once; 4 by default.
    pub at_once: usize,
    /// Frames handed to the device at a time; 1 024 by default, as in the original.
    pub block: usize,
    /// Characters of the longest buffer that is read; 128 Mi by default, which is 96 MiB of audio.
    pub max_buffer: u64,
    /// Bytes of decoded buffers that are kept for the next request; 256 MiB by default. What is
    /// played and downloaded may take eight of the longest buffers beside.
    pub keep: usize,
    /// Downloads, whole hashes and listeners sent at once; 64 by default.
    pub streams: usize,
    /// What headerless PCM usually is where the sessions come from.
    pub pcm: PcmWish,
    /// Decodes Opus; without it Opus is not read. None by default.
    pub opus: Option<DecodeOpus>,
}

impl Default for PlayerConfig {
    fn default() -> Self {
        Self {
            at_once: 4,
            block: 1_024,
            max_buffer: 128 << 20,
            keep: 256 << 20,
            streams: 64,
            pcm: PcmWish::default(),
            opus: None,
        }
    }
}

impl PlayerConfig {
    /// Checks the limits.
    ///
    /// # Errors
    /// One that nothing could work within.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let blocks = 16..=65_536;
        if !blocks.contains(&self.block) {
            return Err(ConfigError::new("block", self.block, "16 to 65536 frames"));
        }
        for (field, value) in [("at-once", self.at_once), ("streams", self.streams)] {
            if !(1..=1_024).contains(&value) {
                return Err(ConfigError::new(field, value, "1 to 1024"));
            }
        }
        if self.max_buffer == 0 {
            return Err(ConfigError::new("max-buffer", 0, "1 or more"));
        }
        Ok(())
    }
}

/// A player of sessions. Cheap to clone.
#[derive(Clone)]
pub struct Player {
    inner: Arc<Inner>,
}

struct Inner {
    config: PlayerConfig,
    registry: Arc<dyn SessionRegistry>,
    speaker: Option<Arc<dyn Speaker>>,
    has_speaker: Mutex<Option<(Instant, bool)>>,
    /// Whether the registry answered when it was last asked.
    is_available: AtomicBool,
    buffers: Buffers,
    playbacks: Playbacks,
    watched: Watched,
    board: Board,
    listeners: Fanout<Arc<Outgoing>>,
    /// Those of the listeners who may hear of sessions that are not authenticated.
    operators: Fanout<Arc<Outgoing>>,
    streams: Arc<Semaphore>,
    work: Arc<Semaphore>,
    downloads: AtomicU64,
}

/// What a player has done and does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlayerStats {
    /// Whether the registry answered when it was last asked.
    pub registry_is_available: bool,
    /// Sessions that play on the server's device.
    pub playing: usize,
    /// Playbacks begun.
    pub playbacks: u64,
    /// Playbacks that failed.
    pub playback_errors: u64,
    /// Downloads and listeners under way.
    pub streams: usize,
    /// Downloads begun.
    pub downloads: u64,
    /// Pages and programs that hear of events.
    pub listeners: usize,
    /// Characters of buffers read from the registry.
    pub chars_read: u64,
    /// Bytes of decoded buffers that are kept.
    pub bytes_kept: usize,
}

impl Player {
    /// A player of what `registry` has, which plays on `speaker` where there is one.
    ///
    /// # Errors
    /// A limit is not possible.
    pub fn new(
        config: PlayerConfig,
        registry: Arc<dyn SessionRegistry>,
        speaker: Option<Arc<dyn Speaker>>,
    ) -> Result<Self, ConfigError> {
        config.validate()?;
        let limits = BufferLimits {
            chars: config.max_buffer,
            kept: config.keep,
        };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let inner = Inner {
            buffers: Buffers::new(registry.clone(), limits),
            watched: Watched::new(registry.clone()),
            playbacks: Playbacks::default(),
            board: Board::default(),
            listeners: Fanout::new(),
            operators: Fanout::new(),
            streams: Arc::new(Semaphore::new(config.streams)),
            work: Arc::new(Semaphore::new(cores)),
            downloads: AtomicU64::new(0),
            has_speaker: Mutex::new(None),
            is_available: AtomicBool::new(true),
            config,
            registry,
            speaker,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// What it does and has done.
    pub fn stats(&self) -> PlayerStats {
        let Inner {
            config,
            buffers,
            playbacks,
            ..
        } = &*self.inner;
        PlayerStats {
            registry_is_available: self.inner.is_available.load(Relaxed),
            playing: playbacks.len(),
            playbacks: playbacks.begun.load(Relaxed),
            playback_errors: playbacks.failed.load(Relaxed),
            streams: config.streams - self.inner.streams.available_permits(),
            downloads: self.inner.downloads.load(Relaxed),
            listeners: self.inner.listeners.len(),
            chars_read: buffers.chars_read.load(Relaxed),
            bytes_kept: buffers.kept(),
        }
    }

    /// Silences everything that plays on the server's device.
    pub fn stop_all(&self) {
        self.inner.playbacks.stop_all();
    }

    async fn buffer(&self, record: &SessionRecord) -> Result<Arc<Buffer>, PlayerError> {
        self.inner.buffers.get(record).await
    }

    /// Opens the sound of a buffer, on a thread that may wait.
    async fn open(&self, buffer: &Arc<Buffer>, wish: PcmWish) -> Result<Sound, PlayerError> {
        let (player, buffer) = (self.clone(), buffer.clone());
        self.work(move || player.open_now(&buffer, &wish)).await
    }

    fn open_now(&self, buffer: &Buffer, wish: &PcmWish) -> Result<Sound, PlayerError> {
        let opus = self.inner.config.opus;
        Ok(sound::open(buffer.bytes.clone(), wish, opus)?)
    }

    /// How a buffer sounds.
    async fn heard(&self, buffer: &Arc<Buffer>, wish: PcmWish) -> Result<Arc<Heard>, PlayerError> {
        let (player, taken) = (self.clone(), buffer.clone());
        let hear = self.work(move || Heard::of(player.open_now(&taken, &wish)?, taken.is_cut));
        buffer.facts.get(wish, hear).await
    }

    /// Runs what takes the processor for long: no more at once than there are processors.
    async fn work<T: Send + 'static>(
        &self,
        run: impl FnOnce() -> Result<T, PlayerError> + Send + 'static,
    ) -> Result<T, PlayerError> {
        let place = self.inner.work.clone().acquire_owned().await;
        // Who asked for it may be gone before it is done: the place is its own.
        let run = move || {
            let done = run();
            drop(place);
            done
        };
        match tokio::task::spawn_blocking(run).await {
            Ok(done) => done,
            Err(e) if e.is_panic() => {
                tracing::error!("reading a session's audio panicked: {e}");
                Err(PlayerError::Decode("it cannot be read".to_owned()))
            }
            Err(_) => Err(PlayerError::Busy("the server stops".to_owned())),
        }
    }

    /// A place among those who are sent audio.
    fn stream(&self) -> Result<OwnedSemaphorePermit, PlayerError> {
        self.inner.streams.clone().try_acquire_owned().map_err(|_| {
            let most = self.inner.config.streams;
            PlayerError::Busy(format!(
                "{most} downloads and listeners are served at once; try again later"
            ))
        })
    }

    /// Whether the server has a sound device. Looked up every so often.
    async fn has_speaker(&self) -> bool {
        let Some(speaker) = &self.inner.speaker else {
            return false;
        };
        let known = *self
            .inner
            .has_speaker
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some((at, is_there)) = known
            && at.elapsed() < LOOK_FOR_SPEAKER
        {
            return is_there;
        }
        let speaker = speaker.clone();
        let is_there = tokio::task::spawn_blocking(move || speaker.is_there()).await;
        let is_there = is_there.unwrap_or(false);
        *self
            .inner
            .has_speaker
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), is_there));
        is_there
    }

    /// Tells everybody who has the role what may not be lost.
    fn tell(&self, to: Role, name: &str, data: Value) {
        let event = Arc::new(Outgoing::event(name, [data], vec![]));
        self.listeners(to).publish_kept(&event);
    }

    /// Tells everybody who has the role what is soon told anew.
    fn mention(&self, to: Role, name: &str, data: Value) {
        let event = Outgoing::event(name, [data], vec![]);
        let weight = event.weight();
        self.listeners(to).publish(&Arc::new(event), weight);
    }

    fn listeners(&self, least: Role) -> &Fanout<Arc<Outgoing>> {
        match least {
            Role::View => &self.inner.listeners,
            Role::Operate => &self.inner.operators,
        }
    }
}

impl fmt::Debug for Player {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Player")
            .field("registry", &self.inner.registry)
            .field("speaker", &self.inner.speaker)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

const LOOK_FOR_SPEAKER: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use audiox_core::registry::MemoryRegistry;

    use super::*;

    #[tokio::test]
    async fn work_has_its_place_until_it_is_done_though_nobody_waits_for_it() {
        let registry = Arc::new(MemoryRegistry::new());
        let player = Player::new(PlayerConfig::default(), registry, None).unwrap();
        let places = || player.inner.work.available_permits();
        let all = places();
        let (began, has_begun) = std::sync::mpsc::channel();
        let (go_on, goes_on) = std::sync::mpsc::channel::<()>();
        let working = player.clone();
        let task = tokio::spawn(async move {
            let work = move || {
                began.send(()).unwrap();
                let _ = goes_on.recv();
                Ok(())
            };
            working.work(work).await
        });
        tokio::task::spawn_blocking(move || has_begun.recv().unwrap())
            .await
            .unwrap();
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        assert_eq!(places(), all - 1);
        drop(go_on);
        while places() < all {
            tokio::task::yield_now().await;
        }
    }
}

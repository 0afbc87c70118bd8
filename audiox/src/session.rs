//! Live audio into voice sessions.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use audiox_core::convert::encode;
use audiox_core::format::{Endian, PcmFormat, SampleFormat, SampleRate};
use audiox_core::registry::SessionRegistry;
use audiox_core::source::SourceClock;
use audiox_core::store::StoredFormat;
use audiox_redis::{
    RedisRegistry, RegistryConfig, SessionTarget, SessionWriter, WriterConfig, WriterStats,
};
use bytes::Bytes;
use tokio::runtime::{Builder, Runtime};

use crate::Error;
use crate::source::OpenSource;

/// A source on its way into a session: in real time, by its own clock where it has one.
#[derive(Debug)]
pub struct SessionSending {
    runtime: Runtime,
    writer: SessionWriter,
    source: OpenSource,
    pcm: PcmFormat,
    url: String,
}

/// What went into a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionSent {
    /// The session's URL.
    pub url: String,
    /// Frames read from the source.
    pub frames: u64,
    /// Frames per second.
    pub rate: SampleRate,
    /// How the session took them.
    pub stats: WriterStats,
}

impl SessionSending {
    /// Makes the session, or goes on with one that is there. Samples are little-endian, of 16
    /// bits unless `sample` says otherwise. Secrets that the target lacks come from the
    /// environment: `REDIS_USERNAME`, `REDIS_PASSWORD`.
    ///
    /// # Errors
    /// Redis cannot be reached or refuses, or the session holds something else.
    pub fn start(
        target: &SessionTarget,
        source: OpenSource,
        sample: Option<SampleFormat>,
    ) -> Result<Self, Error> {
        let redis = target.redis.clone();
        let redis = redis.with_secrets(|name| std::env::var(name).ok());
        let registry = RedisRegistry::new(&redis, RegistryConfig::default())?;
        let pcm = PcmFormat::new(sample.unwrap_or(SampleFormat::S16), Endian::Little);
        let config = WriterConfig {
            container: target.container,
            ttl: target.ttl,
            user_name: target.user_name.clone(),
            user_id: target.user_id.clone(),
            authenticated: target.authenticated,
            ..WriterConfig::new(StoredFormat::pcm(source.source.format(), pcm))
        };
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("session")
            .enable_all()
            .build()
            .map_err(|e| audiox_core::source::SinkError::Io {
                what: "a thread for the session".to_owned(),
                source: e,
            })?;
        let writer = runtime.block_on(async {
            registry.check().await?;
            let registry: Arc<dyn SessionRegistry> = Arc::new(registry);
            SessionWriter::start(registry, target.id.clone(), config).await
        })?;
        Ok(Self {
            runtime,
            writer,
            source,
            pcm,
            url: target.to_string(),
        })
    }

    /// The session's URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Sends until the source ends or `progress`, called now and then with the frames done, says
    /// to break; then writes the rest and marks the session as recorded, also where the source
    /// failed.
    ///
    /// # Errors
    /// The source fails, the session is gone or full, or Redis was away for too long.
    pub fn run(
        mut self,
        progress: impl FnMut(u64, &WriterStats) -> ControlFlow<()>,
    ) -> Result<SessionSent, Error> {
        let sent = self.send(progress);
        let rate = self.source.source.format().rate;
        let finished = self.runtime.block_on(self.writer.finish());
        // What ended it says more than what followed from that.
        let frames = sent?;
        Ok(SessionSent {
            url: self.url,
            frames,
            rate,
            stats: finished?,
        })
    }

    fn send(
        &mut self,
        mut progress: impl FnMut(u64, &WriterStats) -> ControlFlow<()>,
    ) -> Result<u64, Error> {
        let source = &mut self.source.source;
        let format = source.format();
        let channels = format.channels.get();
        let frame = self.pcm.frame_bytes(format.channels);
        let native = source.native() == Some(self.pcm);
        let paced = source.clock() == SourceClock::None;
        let chunk = (format.rate.get() as usize / CHUNKS_A_SECOND).max(1);
        let mut samples = vec![0.0; chunk * channels];
        let mut bytes = vec![0; chunk * frame];
        let (start, mut frames) = (Instant::now(), 0u64);
        loop {
            let read = if native {
                source.read_native(&mut bytes)? / frame
            } else {
                let read = source.read(&mut samples)?;
                encode(self.pcm, &samples[..read * channels], &mut bytes);
                read
            };
            if read == 0 {
                return Ok(frames);
            }
            // A chunk is there when its last frame is.
            frames += read as u64;
            if paced {
                let due = format.rate.duration_of(frames);
                std::thread::sleep(due.saturating_sub(start.elapsed()).min(LONGEST));
            }
            self.writer
                .push(Bytes::copy_from_slice(&bytes[..read * frame]))?;
            if progress(frames, &self.writer.stats()).is_break() {
                return Ok(frames);
            }
        }
    }
}

/// As often what was read is handed over.
const CHUNKS_A_SECOND: usize = 10;
/// No chunk is longer.
const LONGEST: Duration = Duration::from_secs(1);

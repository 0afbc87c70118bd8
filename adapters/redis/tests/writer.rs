//! Recording into sessions: over a registry in memory, by a clock that runs as fast as it likes,
//! and over a real server that is killed meanwhile.
#![cfg(test)]

#[path = "support/server.rs"]
mod server;

use std::fmt;
use std::io::Cursor;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use audiox_core::format::{Channels, PcmFormat, SampleRate, StreamFormat};
use audiox_core::registry::{
    MemoryRegistry, SessionCursor, SessionFields, SessionId, SessionPage, SessionRecord,
    SessionRegistry, field,
};
use audiox_core::source::Source;
use audiox_core::store::{StoreError, StoreErrorKind, StoredFormat};
use audiox_io::WavSource;
use audiox_redis::{
    Container, RedisRegistry, RedisTarget, RegistryConfig, SessionWriter, WriterConfig,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use server::RedisServer;
use tokio::time::{Instant, advance, sleep};

fn config() -> WriterConfig {
    let stream = StreamFormat::new(SampleRate::HZ_8000, Channels::MONO);
    WriterConfig::new(StoredFormat::pcm(stream, PcmFormat::S16LE))
}

fn id(text: &str) -> SessionId {
    text.parse().unwrap()
}

/// Some bytes that do not repeat.
fn audio(seed: u64, len: usize) -> Vec<u8> {
    let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        x = x
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (x >> 56) as u8
    };
    (0..len).map(|_| next()).collect()
}

async fn buffer(registry: &dyn SessionRegistry, id: &SessionId) -> Vec<u8> {
    let mut text = Vec::new();
    loop {
        let more = registry
            .buffer(id, text.len() as u64, 1 << 20)
            .await
            .unwrap();
        if more.is_empty() {
            return STANDARD.decode(text).expect("whole base64 at any time");
        }
        text.extend_from_slice(&more);
    }
}

/// A registry in memory that counts appends and when they come, and can lose answers or fail.
#[derive(Debug, Default)]
struct Watched {
    inner: MemoryRegistry,
    appends: AtomicU32,
    /// Every second answer to an append is lost.
    loses: bool,
    /// So many calls fail before anything is done.
    failing: AtomicU32,
}

impl fmt::Display for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("watched")
    }
}

impl Watched {
    fn trouble(&self) -> Result<(), StoreError> {
        let left = self.failing.load(Ordering::Relaxed);
        self.failing
            .store(left.saturating_sub(1), Ordering::Relaxed);
        match left {
            0 => Ok(()),
            _ => Err(StoreError::new(
                StoreErrorKind::Transient,
                "watched",
                "away",
            )),
        }
    }
}

#[async_trait]
impl SessionRegistry for Watched {
    async fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn page(
        &self,
        cursor: Option<&SessionCursor>,
        limit: usize,
    ) -> Result<SessionPage, StoreError> {
        self.inner.page(cursor, limit).await
    }

    async fn session(&self, id: &SessionId) -> Result<SessionRecord, StoreError> {
        self.trouble()?;
        self.inner.session(id).await
    }

    async fn buffer(&self, id: &SessionId, from: u64, max: usize) -> Result<Bytes, StoreError> {
        self.inner.buffer(id, from, max).await
    }

    async fn put(
        &self,
        id: &SessionId,
        fields: &SessionFields,
        ttl: Option<Duration>,
    ) -> Result<(), StoreError> {
        self.trouble()?;
        self.inner.put(id, fields, ttl).await
    }

    async fn append(&self, id: &SessionId, base64: &str) -> Result<u64, StoreError> {
        self.trouble()?;
        let length = self.inner.append(id, base64).await?;
        if self.appends.fetch_add(1, Ordering::Relaxed) % 2 == 1 && self.loses {
            return Err(StoreError::new(
                StoreErrorKind::Transient,
                "watched",
                "lost",
            ));
        }
        Ok(length)
    }

    async fn delete(&self, id: &SessionId) -> Result<(), StoreError> {
        self.inner.delete(id).await
    }
}

/// Pushes `sent` by 20 ms of virtual time, and ends.
async fn record(registry: &Arc<Watched>, sent: &[u8], config: WriterConfig) -> SessionId {
    let id = id("a");
    let writer = SessionWriter::start(registry.clone(), id.clone(), config)
        .await
        .unwrap();
    for (i, piece) in sent.chunks(320).enumerate() {
        writer.push(Bytes::copy_from_slice(piece)).unwrap();
        sleep(Duration::from_millis(20)).await;
        if i % 10 == 0 {
            let there = registry.inner.session(&id).await.unwrap();
            assert!(there.is_recording());
            // What is there is whole at any time.
            let so_far = buffer(&registry.inner, &id).await;
            assert_eq!(so_far, sent[..so_far.len()]);
            assert_eq!(so_far.len() % 3, 0);
        }
    }
    let stats = writer.finish().await.unwrap();
    assert_eq!(
        (stats.pushed, stats.written),
        (sent.len() as u64, sent.len() as u64)
    );
    id
}

#[tokio::test(start_paused = true)]
async fn audio_is_appended_once_a_second_and_the_session_marked() {
    let registry = Arc::new(Watched::default());
    let sent = audio(1, 160_001);
    let start = Instant::now();
    let id = record(&registry, &sent, config()).await;
    let seconds = start.elapsed().as_secs() as u32;
    let appends = registry.appends.load(Ordering::Relaxed);
    assert!(
        (seconds - 1..=seconds + 2).contains(&appends),
        "{appends} in {seconds} s"
    );
    assert_eq!(buffer(&registry.inner, &id).await, sent);
    let there = registry.session(&id).await.unwrap();
    assert!(there.authenticated() && !there.is_recording());
    assert_eq!(there.get(field::AUDIO_FORMAT), Some("s16le"));
    assert_eq!(there.get(field::AUDIO_RATE), Some("8000"));
    assert_eq!(there.get(field::AUDIO_CHANNELS), Some("1"));
    assert_eq!(there.ttl, Some(Duration::from_secs(3_600)));
    let since: f64 = there.get(field::CONNECTED_AT).unwrap().parse().unwrap();
    assert!(since > 1_600_000_000.0);
}

#[tokio::test(start_paused = true)]
async fn lost_answers_and_absences_neither_lose_nor_repeat_audio() {
    for (loses, failing) in [(true, 0), (false, 7), (true, 7)] {
        let registry = Arc::new(Watched {
            loses,
            ..Watched::default()
        });
        let writer = SessionWriter::start(registry.clone(), id("a"), config())
            .await
            .unwrap();
        let sent = audio(2, 100_000);
        for (i, piece) in sent.chunks(1_000).enumerate() {
            if i == 40 {
                registry.failing.store(failing, Ordering::Relaxed);
            }
            writer.push(Bytes::copy_from_slice(piece)).unwrap();
            sleep(Duration::from_millis(100)).await;
        }
        let stats = writer.finish().await.unwrap();
        assert!(stats.retries > 0);
        assert_eq!(stats.written, 100_000);
        assert_eq!(
            buffer(&registry.inner, &id("a")).await,
            sent,
            "{loses} {failing}"
        );
        assert!(
            !registry
                .inner
                .session(&id("a"))
                .await
                .unwrap()
                .is_recording()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_applications_session_keeps_its_fields_and_goes_on() {
    let registry = Arc::new(Watched::default());
    let theirs = SessionFields::new()
        .with("user_name", "Ann")
        .and_then(|f| f.with("connected_at", "1700000000"))
        .and_then(|f| f.with_mark("authenticated", false))
        .unwrap();
    let ttl = Some(Duration::from_secs(100));
    registry.put(&id("a"), &theirs, ttl).await.unwrap();
    let (first, second) = (audio(3, 9_999), audio(4, 5_000));
    record(&registry, &first, config()).await;
    let there = registry.session(&id("a")).await.unwrap();
    assert_eq!(there.get("user_name"), Some("Ann"));
    assert_eq!(there.get("connected_at"), Some("1700000000"));
    assert!(
        !there.authenticated(),
        "nobody becomes known by being recorded"
    );
    assert_eq!(there.ttl, ttl);
    let writer = SessionWriter::start(registry.clone(), id("a"), config())
        .await
        .unwrap();
    writer.push(second.clone().into()).unwrap();
    writer.finish().await.unwrap();
    assert_eq!(
        buffer(&registry.inner, &id("a")).await,
        [first, second].concat()
    );

    // Other audio behind it would be noise.
    let stereo = StreamFormat::new(SampleRate::HZ_8000, Channels::STEREO);
    for other in [
        WriterConfig::new(StoredFormat::pcm(stereo, PcmFormat::S16LE)),
        WriterConfig {
            container: Container::Wav,
            ..config()
        },
    ] {
        let refused = SessionWriter::start(registry.clone(), id("a"), other)
            .await
            .unwrap_err();
        assert_eq!(refused.kind, StoreErrorKind::AlreadyExists);
    }
}

#[tokio::test(start_paused = true)]
async fn a_wav_file_in_a_session_is_read_as_one_while_it_grows() {
    let registry = Arc::new(Watched::default());
    let wav = WriterConfig {
        container: Container::Wav,
        user_name: Some("Ann".to_owned()),
        ..config()
    };
    let writer = SessionWriter::start(registry.clone(), id("a"), wav)
        .await
        .unwrap();
    let samples: Vec<i16> = (0..8_000).map(|n| (n * 4) as i16).collect();
    let sent: Vec<u8> = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
    let frames = async |registry: &Watched| {
        let file = buffer(&registry.inner, &id("a")).await;
        let mut source = WavSource::new(Cursor::new(file), "session").unwrap();
        assert_eq!(source.format().rate, SampleRate::HZ_8000);
        let mut out = vec![0.0; 10_000];
        let read = source.read(&mut out).unwrap();
        for (sample, sent) in out[..read].iter().zip(&samples) {
            assert_eq!(*sample, f32::from(*sent) / 32_768.0);
        }
        read
    };
    writer.push(Bytes::copy_from_slice(&sent[..8_000])).unwrap();
    sleep(Duration::from_secs(2)).await;
    let half = frames(&registry).await;
    assert!((3_998..=4_000).contains(&half), "{half}");
    writer.push(Bytes::copy_from_slice(&sent[8_000..])).unwrap();
    writer.finish().await.unwrap();
    assert_eq!(frames(&registry).await, 8_000);
    let there = registry.session(&id("a")).await.unwrap();
    assert_eq!(there.get(field::AUDIO_FORMAT), Some("wav"));
    assert_eq!(there.get("user_name"), Some("Ann"));
}

#[tokio::test(start_paused = true)]
async fn sessions_that_are_gone_or_full_say_so_and_stay_as_they_are() {
    let registry = Arc::new(Watched::default());
    let writer = SessionWriter::start(registry.clone(), id("a"), config())
        .await
        .unwrap();
    writer.push(audio(1, 3_000).into()).unwrap();
    sleep(Duration::from_secs(1)).await;
    registry.delete(&id("a")).await.unwrap();
    writer.push(audio(2, 3_000).into()).unwrap();
    sleep(Duration::from_secs(5)).await;
    let refused = writer.push(Bytes::new()).unwrap_err();
    assert!(refused.kind == StoreErrorKind::NotFound && refused.to_string().contains("gone"));
    assert_eq!(
        writer.finish().await.unwrap_err().kind,
        StoreErrorKind::NotFound
    );
    let none = registry.session(&id("a")).await.unwrap_err();
    assert_eq!(
        none.kind,
        StoreErrorKind::NotFound,
        "it does not come back as a ghost"
    );

    let small = Arc::new(Watched {
        inner: MemoryRegistry::with_max_buffer(8_000),
        ..Watched::default()
    });
    let writer = SessionWriter::start(small.clone(), id("b"), config())
        .await
        .unwrap();
    for _ in 0..3 {
        let _ = writer.push(audio(1, 3_000).into());
        sleep(Duration::from_secs(2)).await;
    }
    let full = writer.finish().await.unwrap_err();
    assert_eq!(full.kind, StoreErrorKind::Full);
    let there = small.session(&id("b")).await.unwrap();
    assert_eq!((there.buffer_len, there.is_recording()), (8_000, false));
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_registry_that_is_away_is_bounded() {
    let registry = Arc::new(Watched::default());
    let bounded = WriterConfig {
        max_waiting: 10_000,
        ..config()
    };
    let writer = SessionWriter::start(registry.clone(), id("a"), bounded)
        .await
        .unwrap();
    registry.failing.store(u32::MAX, Ordering::Relaxed);
    for _ in 0..10 {
        writer.push(audio(1, 1_000).into()).unwrap();
        advance(Duration::from_millis(500)).await;
    }
    let refused = writer.push(audio(1, 1).into()).unwrap_err();
    assert!(refused.is_transient(), "{refused}");
    assert!(
        refused.to_string().contains("10000 bytes wait"),
        "{refused}"
    );
    let lost = writer.finish().await.unwrap_err();
    assert!(lost.is_transient(), "{lost}");
}

#[tokio::test]
async fn formats_and_settings_that_cannot_be_are_refused() {
    let registry = Arc::new(MemoryRegistry::new());
    let stream = StreamFormat::new(SampleRate::HZ_8000, Channels::MONO);
    let big = StoredFormat::pcm(stream, "s16be".parse().unwrap());
    for wrong in [
        WriterConfig {
            container: Container::Wav,
            ..WriterConfig::new(big)
        },
        WriterConfig {
            every: Duration::from_millis(999),
            ..config()
        },
        WriterConfig {
            user_name: Some("n".repeat(5_000)),
            ..config()
        },
    ] {
        let refused = SessionWriter::start(registry.clone(), id("a"), wrong)
            .await
            .unwrap_err();
        assert_eq!(refused.kind, StoreErrorKind::Invalid, "{refused}");
    }
    assert!(
        registry.session(&id("a")).await.is_err(),
        "nothing was made"
    );
}

#[tokio::test]
async fn a_recording_survives_a_killed_server() {
    let mut server = RedisServer::with("appendonly yes\nappendfsync always");
    let target = RedisTarget::parse(&server.url()).unwrap();
    let registry = RedisRegistry::new(&target, RegistryConfig::default()).unwrap();
    let registry = Arc::new(registry);
    let writer = SessionWriter::start(registry.clone(), id("a"), config())
        .await
        .unwrap();
    let sent = audio(5, 60_000);
    let mut pieces = sent.chunks(1_000);
    let mut push = async |n: usize| {
        for piece in pieces.by_ref().take(n) {
            writer.push(Bytes::copy_from_slice(piece)).unwrap();
            sleep(Duration::from_millis(50)).await;
        }
    };
    push(30).await;
    server.kill();
    push(15).await;
    server.revive();
    push(15).await;
    let stats = writer.finish().await.unwrap();
    assert_eq!(stats.written, 60_000);
    assert!(stats.retries > 0);
    assert_eq!(buffer(&registry, &id("a")).await, sent);
    assert!(!registry.session(&id("a")).await.unwrap().is_recording());
}

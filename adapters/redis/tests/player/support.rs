//! A player on a free port over a registry in memory, and requests to it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use audiox_core::block::AudioRef;
use audiox_core::format::{PcmFormat, StreamFormat};
use audiox_core::registry::{
    MemoryRegistry, SessionCursor, SessionFields, SessionId, SessionPage, SessionRecord,
    SessionRegistry, field,
};
use audiox_core::source::{Sink, SinkError};
use audiox_core::store::{StoreError, StoreErrorKind};
use audiox_net::http::{Access, HttpConfig, HttpServer};
use audiox_redis::player::{self, OpenedSpeaker, Player, PlayerConfig, Roles, Speaker};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

/// A registry in memory that can be away, and counts what is read.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    pub(crate) memory: MemoryRegistry,
    pub(crate) is_away: AtomicBool,
    pub(crate) chars_read: AtomicUsize,
}

impl Sessions {
    fn there(&self) -> Result<&MemoryRegistry, StoreError> {
        match self.is_away.load(Relaxed) {
            false => Ok(&self.memory),
            true => Err(StoreError::new(
                StoreErrorKind::Transient,
                "a registry",
                "it is away",
            )),
        }
    }
}

impl std::fmt::Display for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a registry")
    }
}

#[async_trait]
impl SessionRegistry for Sessions {
    async fn check(&self) -> Result<(), StoreError> {
        self.there()?.check().await
    }

    async fn page(
        &self,
        cursor: Option<&SessionCursor>,
        limit: usize,
    ) -> Result<SessionPage, StoreError> {
        self.there()?.page(cursor, limit).await
    }

    async fn session(&self, id: &SessionId) -> Result<SessionRecord, StoreError> {
        self.there()?.session(id).await
    }

    async fn buffer(&self, id: &SessionId, from: u64, max: usize) -> Result<Bytes, StoreError> {
        let text = self.there()?.buffer(id, from, max).await?;
        self.chars_read.fetch_add(text.len(), Relaxed);
        Ok(text)
    }

    async fn put(
        &self,
        id: &SessionId,
        fields: &SessionFields,
        ttl: Option<Duration>,
    ) -> Result<(), StoreError> {
        self.there()?.put(id, fields, ttl).await
    }

    async fn append(&self, id: &SessionId, base64: &str) -> Result<u64, StoreError> {
        self.there()?.append(id, base64).await
    }

    async fn delete(&self, id: &SessionId) -> Result<(), StoreError> {
        self.there()?.delete(id).await
    }
}

/// A speaker that keeps what it plays.
#[derive(Debug, Default, Clone)]
pub(crate) struct Ear {
    pub(crate) heard: Arc<Mutex<Vec<f32>>>,
    pub(crate) format: Arc<Mutex<Option<StreamFormat>>>,
    /// Blocks take as long as they last.
    pub(crate) is_paced: bool,
    /// Opening fails.
    pub(crate) is_broken: bool,
    /// Writing fails after so many frames.
    pub(crate) breaks_after: Option<usize>,
}

impl Speaker for Ear {
    fn is_there(&self) -> bool {
        !self.is_broken
    }

    fn open(&self, format: StreamFormat) -> Result<OpenedSpeaker, String> {
        if self.is_broken {
            return Err("no such device".to_owned());
        }
        *self.format.lock().unwrap() = Some(format);
        Ok(OpenedSpeaker {
            sink: Box::new(Playing(self.clone(), format, 0)),
            name: "an ear".to_owned(),
            trouble: Box::new(|| None),
        })
    }
}

struct Playing(Ear, StreamFormat, usize);

impl Sink for Playing {
    fn format(&self) -> StreamFormat {
        self.1
    }

    fn write(&mut self, block: AudioRef<'_>) -> Result<(), SinkError> {
        self.2 += block.frames();
        if self.0.breaks_after.is_some_and(|most| self.2 > most) {
            return Err(SinkError::Unsupported("the cable is out".to_owned()));
        }
        self.0.heard.lock().unwrap().extend(block.samples());
        if self.0.is_paced {
            std::thread::sleep(self.1.rate.duration_of(block.frames() as u64));
        }
        Ok(())
    }

    fn native(&self) -> Option<PcmFormat> {
        None
    }

    fn write_native(&mut self, _: &[u8]) -> Result<(), SinkError> {
        Ok(())
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}

pub(crate) struct Server {
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) player: Player,
    pub(crate) runtime: Runtime,
    at: SocketAddr,
    serving: Option<(oneshot::Sender<()>, tokio::task::JoinHandle<()>)>,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::with(PlayerConfig::default(), Roles::default(), None)
    }

    pub(crate) fn heard_by(ear: &Ear) -> Self {
        Self::with(PlayerConfig::default(), Roles::default(), Some(ear.clone()))
    }

    pub(crate) fn with(config: PlayerConfig, roles: Roles, ear: Option<Ear>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let sessions = Arc::new(Sessions::default());
        let speaker = ear.map(|ear| Arc::new(ear) as Arc<dyn Speaker>);
        let player = Player::new(config, sessions.clone(), speaker).unwrap();
        let (app, io) = player::app(&player, Arc::new(roles));
        let config = HttpConfig {
            access: Access::open(),
            ..HttpConfig::new(SocketAddr::from(([127, 0, 0, 1], 0)))
        };
        let server = HttpServer::bind(config, app).unwrap();
        let at = server.local_addr();
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = runtime.spawn(async move {
            let stopped = async {
                let _ = stopped.await;
                io.close().await;
            };
            server.run(stopped).await.unwrap();
        });
        Self {
            sessions,
            player,
            runtime,
            at,
            serving: Some((stop, serving)),
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.at)
    }

    /// A session of a known user, with this audio.
    pub(crate) fn session(&self, id: &str, audio: &[u8]) -> SessionId {
        self.session_with(id, &[("authenticated", "True")], &STANDARD.encode(audio))
    }

    /// A session with these fields and this text in its buffer.
    pub(crate) fn session_with(&self, id: &str, fields: &[(&str, &str)], text: &str) -> SessionId {
        let id = SessionId::parse(id).unwrap();
        let mut all = SessionFields::new()
            .with(field::USER_NAME, "Ann")
            .and_then(|f| f.with(field::CONNECTED_AT, "1700000000.25"))
            .unwrap();
        for (name, value) in fields {
            all = all.with(name, value).unwrap();
        }
        let put = self.sessions.memory.put(&id, &all, None);
        self.runtime.block_on(put).unwrap();
        if !text.is_empty() {
            self.sessions.memory.set_buffer(&id, text);
        }
        id
    }

    pub(crate) fn append(&self, id: &SessionId, audio: &[u8]) {
        let text = STANDARD.encode(audio);
        let appended = self.sessions.memory.append(id, &text);
        self.runtime.block_on(appended).unwrap();
    }

    /// A request and its answer: status, head and body.
    pub(crate) fn ask(&self, line: &str, heads: &[&str]) -> (u16, String, Vec<u8>) {
        let mut stream = TcpStream::connect(self.at).unwrap();
        let patience = Some(Duration::from_secs(10));
        stream.set_read_timeout(patience).unwrap();
        let mut head = format!(
            "{line} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: 0\r\n",
            self.at
        );
        for h in heads {
            head += &format!("{h}\r\n");
        }
        stream.write_all(format!("{head}\r\n").as_bytes()).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let end = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(answer[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut body = answer.split_off(end + 4);
        if head.to_lowercase().contains("transfer-encoding: chunked") {
            body = unchunked(&body);
        }
        (status, head, body)
    }

    /// A request that is answered with JSON and 200.
    #[track_caller]
    pub(crate) fn json(&self, line: &str) -> Value {
        let (status, head, body) = self.ask(line, &[]);
        assert_eq!(status, 200, "{line}: {head}");
        assert!(head.contains("content-type: application/json"), "{head}");
        serde_json::from_slice(&body).unwrap()
    }

    /// A request that fails with this message.
    #[track_caller]
    pub(crate) fn fails(&self, line: &str, message: &str) {
        let told = self.json(line);
        let wanted = serde_json::json!({ "success": false, "message": message });
        assert_eq!(told, wanted, "{line}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.player.stop_all();
        if let Some((stop, serving)) = self.serving.take() {
            drop(stop);
            let _ = self.runtime.block_on(serving);
        }
    }
}

fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    while let Some(end) = body.windows(2).position(|w| w == b"\r\n") {
        let size = std::str::from_utf8(&body[..end]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        body = &body[end + 2..];
        out.extend_from_slice(&body[..size.min(body.len())]);
        body = body.get(size + 2..).unwrap_or_default();
    }
    out
}

/// A tone of so many frames at 16 kHz, as 16-bit samples.
pub(crate) fn tone(hertz: f64, frames: usize) -> Vec<u8> {
    let value = |n: usize| (n as f64 * hertz / 16_000.0 * std::f64::consts::TAU).sin();
    (0..frames)
        .flat_map(|n| ((value(n) * 12_000.0) as i16).to_le_bytes())
        .collect()
}

/// A WAV file at 16 kHz, mono.
pub(crate) fn wav(data: &[u8]) -> Vec<u8> {
    use audiox_core::format::{Channels, SampleFormat, SampleRate};

    let format = StreamFormat::new(SampleRate::HZ_16000, Channels::MONO);
    let mut file =
        audiox_io::wav::header(format, SampleFormat::S16, data.len() as u64 / 2).to_vec();
    file.extend_from_slice(data);
    file
}

/// The names of an object's fields, in order.
pub(crate) fn names(object: &Value) -> Vec<&str> {
    object
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

pub(crate) fn until(what: &str, met: impl Fn() -> bool) {
    for _ in 0..800 {
        if met() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("not within 8 s: {what}");
}

//! A relay on a free port, and requests to it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use audiox_core::store::{
    Archive, GapKind, SegmentKey, SegmentMeta, SegmenterConfig, StoreError, StoreErrorKind,
    StreamId, StreamRecord, TimeRange,
};
use audiox_core::time::MediaTime;
use audiox_net::http::{Access, HttpConfig, HttpServer, Tls};
use audiox_websocket::access::Roles;
use audiox_websocket::{MemoryArchive, Relay, RelayConfig, api};
use bytes::Bytes;
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio_tungstenite::tungstenite::stream::MaybeTlsStream;
use tokio_tungstenite::tungstenite::{self, WebSocket};

pub(crate) type Socket = WebSocket<MaybeTlsStream<TcpStream>>;

pub(crate) struct Server {
    pub(crate) relay: Relay,
    pub(crate) runtime: Runtime,
    at: SocketAddr,
    roles: Arc<Roles>,
    tls: Tls,
    pub(crate) certificate: Option<String>,
    serving: Option<(oneshot::Sender<()>, tokio::task::JoinHandle<()>)>,
}

/// Segments of half a second, so that tests see some.
pub(crate) fn archive() -> Arc<dyn Archive> {
    Arc::new(MemoryArchive::new(SegmenterConfig {
        max_media: Duration::from_millis(500),
        ..SegmenterConfig::default()
    }))
}

/// An archive whose store gives nothing, and perhaps does not even tell what it has.
#[derive(Debug)]
pub(crate) struct Away {
    pub(crate) archive: Arc<dyn Archive>,
    pub(crate) does_list: bool,
}

impl Away {
    fn error() -> StoreError {
        StoreError::new(StoreErrorKind::Transient, "store", "it is away")
    }
}

#[async_trait]
impl Archive for Away {
    async fn begin(&self, record: &StreamRecord) -> Result<MediaTime, StoreError> {
        self.archive.begin(record).await
    }

    async fn append(
        &self,
        id: &StreamId,
        data: Bytes,
        frames: u64,
        gap: Option<GapKind>,
    ) -> Result<MediaTime, StoreError> {
        self.archive.append(id, data, frames, gap).await
    }

    async fn end(&self, id: &StreamId) -> Result<StreamRecord, StoreError> {
        self.archive.end(id).await
    }

    async fn stream(&self, id: &StreamId) -> Result<StreamRecord, StoreError> {
        self.archive.stream(id).await
    }

    async fn streams(
        &self,
        after: Option<&StreamId>,
        limit: usize,
    ) -> Result<Vec<StreamRecord>, StoreError> {
        self.archive.streams(after, limit).await
    }

    async fn list(&self, id: &StreamId, range: TimeRange) -> Result<Vec<SegmentMeta>, StoreError> {
        match self.does_list {
            true => self.archive.list(id, range).await,
            false => Err(Self::error()),
        }
    }

    async fn get(&self, _: &SegmentKey) -> Result<Bytes, StoreError> {
        Err(Self::error())
    }

    async fn open_segment(
        &self,
        id: &StreamId,
    ) -> Result<Option<(SegmentMeta, Bytes)>, StoreError> {
        self.archive.open_segment(id).await
    }

    async fn delete_stream(&self, id: &StreamId) -> Result<(), StoreError> {
        self.archive.delete_stream(id).await
    }

    async fn stored(&self) -> Option<SegmentMeta> {
        self.archive.stored().await
    }
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::with(RelayConfig::default(), Roles::default(), archive())
    }

    pub(crate) fn with(config: RelayConfig, roles: Roles, archive: Arc<dyn Archive>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let relay = runtime.block_on(Relay::new(config, archive)).unwrap();
        let mut server = Self {
            relay,
            runtime,
            at: SocketAddr::from(([127, 0, 0, 1], 0)),
            roles: Arc::new(roles),
            tls: Tls::Off,
            certificate: None,
            serving: None,
        };
        server.serve();
        server
    }

    /// Serves, on the same port as before.
    pub(crate) fn serve(&mut self) {
        let (app, io) = api::app(&self.relay, self.roles.clone());
        let config = HttpConfig {
            access: Access::open(),
            tls: self.tls.clone(),
            ..HttpConfig::new(self.at)
        };
        let server = HttpServer::bind(config, app).unwrap();
        self.at = server.local_addr();
        self.certificate = server.certificate().map(str::to_owned);
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = self.runtime.spawn(async move {
            let stopped = async {
                let _ = stopped.await;
                io.close().await;
            };
            server.run(stopped).await.unwrap();
        });
        self.serving = Some((stop, serving));
    }

    /// Serves with a certificate of its own from now on.
    pub(crate) fn encrypt(&mut self) {
        self.stop_serving();
        self.tls = Tls::SelfSigned {
            names: vec!["127.0.0.1".to_owned()],
        };
        self.serve();
    }

    /// Is away, while the relay goes on.
    pub(crate) fn stop_serving(&mut self) {
        let (stop, serving) = self.serving.take().unwrap();
        drop(stop);
        self.runtime.block_on(serving).unwrap();
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.at)
    }

    /// A request and its answer: status, head and body.
    pub(crate) fn ask(&self, line: &str, heads: &[&str], body: &[u8]) -> (u16, String, Vec<u8>) {
        let mut answer = self.raw(line, heads, body);
        let end = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
        let mut body = answer.split_off(end + 4);
        let head = String::from_utf8(answer).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        if head.to_lowercase().contains("transfer-encoding: chunked") {
            body = unchunked(&body);
        }
        (status, head, body)
    }

    /// A request, and all that comes back.
    pub(crate) fn raw(&self, line: &str, heads: &[&str], body: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.at).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        let mut head = format!(
            "{line} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n",
            self.at
        );
        if !heads.iter().any(|h| h.starts_with("Transfer-Encoding")) {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        for h in heads {
            head += &format!("{h}\r\n");
        }
        stream.write_all(format!("{head}\r\n").as_bytes()).unwrap();
        // It may be refused before all of it is there.
        let _ = stream.write_all(body);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        answer
    }

    pub(crate) fn json(&self, line: &str, body: &[u8]) -> (u16, Value) {
        let (status, _, body) = self.ask(line, &[], body);
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    /// A stream, by a request as the original's senders make it.
    pub(crate) fn create(&self, body: &str) -> StreamId {
        let (status, told) = self.json("POST /api/streams", body.as_bytes());
        assert_eq!(status, 200, "{told}");
        StreamId::parse(told["stream_id"].as_str().unwrap()).unwrap()
    }

    pub(crate) fn post(&self, id: &StreamId, data: &[u8]) {
        let line = format!("POST /api/streams/{id}/audio");
        let answer = self.json(&line, data);
        assert_eq!(answer, (200, serde_json::json!({ "success": true })));
    }

    pub(crate) fn end(&self, id: &StreamId) {
        let line = format!("POST /api/streams/{id}/end");
        let answer = self.json(&line, b"");
        assert_eq!(answer, (200, serde_json::json!({ "success": true })));
    }

    /// The segments, once there are `count`.
    pub(crate) fn segments(&self, id: &StreamId, count: usize) -> Vec<SegmentKey> {
        for _ in 0..500 {
            let segments = self.relay.segments(id).unwrap();
            if segments.len() >= count {
                return segments;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("not {count} segments within 5 s");
    }

    pub(crate) fn socket(&self, path: &str) -> Socket {
        tungstenite::connect(format!("ws://{}{path}", self.at))
            .unwrap()
            .0
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

/// `frames` mono frames of 16 bits from `at` on, which say which they are.
pub(crate) fn pcm(at: usize, frames: usize) -> Vec<u8> {
    let value = |n: usize| (n.wrapping_mul(2_654_435_761) >> 7) as u16;
    (at..at + frames)
        .flat_map(|n| value(n).to_le_bytes())
        .collect()
}

pub(crate) fn until(what: impl Fn() -> bool) {
    for _ in 0..500 {
        if what() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("it did not happen within 5 s");
}

//! Listeners by the thousand, to see what a relay carries: any relay that speaks the contract.
//!
//! One sender posts packets in real time, each with the moment of its sending; every listener
//! notes when it has it. Both are in this process, so both moments are of one clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use audiox_core::store::StreamId;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::client::{ClientError, RelayUrl};
use crate::packet::HEADER;

/// How listeners listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// The original's events, over WebSocket.
    SocketIo,
    /// A plain WebSocket.
    WebSocket,
}

/// What a relay is to carry.
#[derive(Debug, Clone)]
pub struct LoadConfig {
    /// The relay, over plain HTTP.
    pub relay: RelayUrl,
    /// Listeners.
    pub listeners: usize,
    /// How they listen.
    pub transport: Transport,
    /// How long it is sent to.
    pub duration: Duration,
    /// Set, it ends packets at once; what was measured until then is reported.
    pub stop: Arc<AtomicBool>,
    /// Bytes of a packet, 16 or more; 2 048, as the original's sender posts.
    pub packet: usize,
    /// Time between packets; 1 024 frames at 44.1 kHz.
    pub every: Duration,
}

impl LoadConfig {
    /// The original's stream, for ten seconds.
    pub fn new(relay: RelayUrl, listeners: usize, transport: Transport) -> Self {
        Self {
            relay,
            listeners,
            transport,
            duration: Duration::from_secs(10),
            stop: Arc::default(),
            packet: 2_048,
            every: Duration::from_nanos(23_219_955),
        }
    }
}

/// What a relay carried.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadReport {
    /// Listeners that joined.
    pub joined: usize,
    /// Listeners that were cut off or went astray.
    pub failed: usize,
    /// Packets sent.
    pub sent: u64,
    /// Packets that the relay accepted too late for the next to leave on time.
    pub late: u64,
    /// Packets that all listeners together should have had.
    pub expected: u64,
    /// Packets that they had.
    pub received: u64,
    /// From sending to having: the quantiles 0.5, 0.9, 0.99, 0.999 and 1.
    pub delivery: [Duration; 5],
}

/// Puts the load on.
///
/// # Errors
/// The relay cannot be reached, or makes no stream.
pub async fn run(config: LoadConfig) -> Result<LoadReport, ClientError> {
    let relay = config.relay.base();
    let away = |reason: String| ClientError::Away {
        relay: relay.clone(),
        reason,
    };
    let mut post = Post::connect(&config.relay)
        .await
        .map_err(|e| away(e.to_string()))?;
    let told = post
        .request("/api/streams", b"")
        .await
        .map_err(|e| away(e.to_string()))?;
    let told: serde_json::Value = serde_json::from_slice(&told).unwrap_or_default();
    let id = told.get("stream_id").and_then(|id| id.as_str());
    let id = id.and_then(|id| StreamId::parse(id).ok());
    let id = id.ok_or_else(|| away("it makes no stream".to_owned()))?;

    let base = Instant::now();
    let mut listeners = JoinSet::new();
    let (joining, places) = (
        Arc::new(Semaphore::new(0)),
        Arc::new(Semaphore::new(JOINING)),
    );
    for _ in 0..config.listeners {
        let (config, id, joining) = (config.clone(), id.clone(), joining.clone());
        let places = places.clone();
        listeners.spawn(async move {
            let place = places.acquire_owned().await;
            let joined = timeout(PATIENCE, join(&config, &id)).await;
            drop(place);
            joining.add_permits(1);
            match joined {
                Ok(Some(socket)) => (true, listen(socket, config.transport, base).await),
                _ => (false, None),
            }
        });
    }
    // Everybody has joined, or has failed to.
    let count = u32::try_from(config.listeners).unwrap_or(u32::MAX);
    let _ = joining.acquire_many(count).await;
    let (sent, late) = send(&mut post, &config, &id, base)
        .await
        .map_err(|e| away(e.to_string()))?;
    tokio::time::sleep(STRAGGLERS).await;
    let path = format!("/api/streams/{id}/end");
    let _ = post.request(&path, b"").await;

    let (mut joined, mut failed, mut times) = (0, 0, Vec::new());
    while let Some(listener) = listeners.join_next().await {
        match listener {
            Ok((true, Some(heard))) => {
                joined += 1;
                times.extend(heard);
            }
            _ => failed += 1,
        }
    }
    times.sort_unstable();
    let quantile = |q: f64| {
        let at = (times.len() as f64 * q) as usize;
        let nanos = times.get(at.min(times.len().saturating_sub(1)));
        Duration::from_nanos(nanos.copied().unwrap_or(0))
    };
    Ok(LoadReport {
        joined,
        failed,
        sent,
        late,
        expected: sent * config.listeners as u64,
        received: times.len() as u64,
        delivery: [0.5, 0.9, 0.99, 0.999, 1.0].map(quantile),
    })
}

type Socket = WebSocketStream<TcpStream>;

/// A listener that has joined.
async fn join(config: &LoadConfig, id: &StreamId) -> Option<Socket> {
    let (host, port) = config.relay.host();
    let stream = TcpStream::connect((host, port)).await.ok()?;
    stream.set_nodelay(true).ok()?;
    let base = config.relay.base().replacen("http", "ws", 1);
    let url = match config.transport {
        Transport::SocketIo => format!("{base}/socket.io/?EIO=4&transport=websocket"),
        Transport::WebSocket => format!("{base}/api/streams/{id}/listen"),
    };
    let (mut socket, _) = tokio_tungstenite::client_async(url, stream).await.ok()?;
    if config.transport == Transport::SocketIo {
        until(&mut socket, "0{").await?;
        socket.send(Message::text("40")).await.ok()?;
        until(&mut socket, "40").await?;
        let join = format!("42[\"join_stream\",{{\"stream_id\":\"{id}\"}}]");
        socket.send(Message::text(join)).await.ok()?;
        until(&mut socket, "42[\"joined\"").await?;
    } else {
        until(&mut socket, "{").await?;
    }
    Some(socket)
}

async fn until(socket: &mut Socket, start: &str) -> Option<()> {
    loop {
        if let Message::Text(text) = socket.next().await?.ok()?
            && text.starts_with(start)
        {
            return Some(());
        }
    }
}

/// How long each packet took, until nothing comes for a while; none where it was cut off.
async fn listen(mut socket: Socket, transport: Transport, base: Instant) -> Option<Vec<u64>> {
    let mut times = Vec::new();
    loop {
        // The first waits until the last has joined.
        let silence = match times.is_empty() {
            true => PATIENCE + SILENCE,
            false => SILENCE,
        };
        let message = match timeout(silence, socket.next()).await {
            Err(_) => return Some(times),
            Ok(None | Some(Err(_))) => return (!times.is_empty()).then_some(times),
            Ok(Some(Ok(message))) => message,
        };
        match message {
            Message::Binary(bytes) => {
                let now = base.elapsed().as_nanos() as u64;
                let at = match transport {
                    Transport::SocketIo => 0,
                    Transport::WebSocket => HEADER,
                };
                let sent = bytes.get(at..at + 8)?.try_into().ok()?;
                times.push(now.saturating_sub(u64::from_be_bytes(sent)));
            }
            Message::Text(text) if text.as_str() == "2" => {
                socket.send(Message::text("3")).await.ok()?;
            }
            Message::Text(text) if text.contains("\"ended\":true") => return Some(times),
            Message::Close(_) => return Some(times),
            _ => {}
        }
    }
}

/// Sends packets on time; how many, and how many of them late.
async fn send(
    post: &mut Post,
    config: &LoadConfig,
    id: &StreamId,
    base: Instant,
) -> std::io::Result<(u64, u64)> {
    let path = format!("/api/streams/{id}/audio");
    let start = tokio::time::Instant::now();
    let (mut sent, mut late) = (0u64, 0);
    let mut packet = vec![0; config.packet.max(16)];
    loop {
        let due = start + config.every.mul_f64(sent as f64);
        let stopped = config.stop.load(Ordering::Relaxed);
        if stopped || due.duration_since(start) >= config.duration {
            return Ok((sent, late));
        }
        late += u64::from(due.elapsed() > config.every);
        tokio::time::sleep_until(due).await;
        let now = base.elapsed().as_nanos() as u64;
        packet[..8].copy_from_slice(&now.to_be_bytes());
        post.request(&path, &packet).await?;
        sent += 1;
    }
}

/// Requests over a connection that is kept, and made anew where the server closes it.
struct Post {
    relay: RelayUrl,
    stream: TcpStream,
}

impl Post {
    async fn connect(relay: &RelayUrl) -> std::io::Result<Self> {
        let stream = TcpStream::connect(relay.host()).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            relay: relay.clone(),
            stream,
        })
    }

    async fn request(&mut self, path: &str, body: &[u8]) -> std::io::Result<Bytes> {
        match self.try_request(path, body).await {
            Ok((answer, keep)) => {
                if !keep {
                    *self = Self::connect(&self.relay).await?;
                }
                Ok(answer)
            }
            Err(_) => {
                *self = Self::connect(&self.relay).await?;
                Ok(self.try_request(path, body).await?.0)
            }
        }
    }

    async fn try_request(&mut self, path: &str, body: &[u8]) -> std::io::Result<(Bytes, bool)> {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/octet-stream\r\n\
             Content-Length: {}\r\n\r\n",
            self.relay.authority,
            body.len()
        );
        self.stream
            .write_all(&[head.as_bytes(), body].concat())
            .await?;
        let mut answer = Vec::new();
        let malformed = || std::io::Error::from(std::io::ErrorKind::InvalidData);
        loop {
            if self.stream.read_buf(&mut answer).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            let Some(end) = answer.windows(4).position(|w| w == b"\r\n\r\n") else {
                continue;
            };
            let head = std::str::from_utf8(&answer[..end]).map_err(|_| malformed())?;
            let head = head.to_ascii_lowercase();
            let status = head.split(' ').nth(1).unwrap_or_default();
            let length = head
                .lines()
                .find_map(|l| l.strip_prefix("content-length:")?.trim().parse().ok());
            let length: usize = length.ok_or_else(malformed)?;
            if answer.len() < end + 4 + length {
                continue;
            }
            if !status.starts_with('2') {
                return Err(std::io::Error::other(format!("the relay answers {status}")));
            }
            let keep = head.starts_with("http/1.1") && !head.contains("connection: close");
            return Ok((Bytes::from(answer).slice(end + 4..end + 4 + length), keep));
        }
    }
}

/// Listeners that join at once.
const JOINING: usize = 64;
const PATIENCE: Duration = Duration::from_secs(30);
/// How long the last packets may take.
const STRAGGLERS: Duration = Duration::from_secs(2);
/// A listener that hears nothing for so long has heard all.
const SILENCE: Duration = Duration::from_secs(6);

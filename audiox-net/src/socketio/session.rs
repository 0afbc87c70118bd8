//! A client's session: its queue, its transport, its heartbeat, and what it says.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use axum::http::HeaderMap;
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::{Mutex, Notify, watch};
use tokio::time::Instant;

use super::packet::{Assembly, Kind, ROOT};
use super::{EnginePacket, Handler, Hello, Outgoing, Packet, ProtocolError, SocketIoConfig};
use crate::fanout::{Outbox, OutboxStats};

/// A client that is, or was, connected. Cheap to clone.
#[derive(Clone)]
pub struct Client(pub(super) Arc<Session>);

/// What is known of a client's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientStats {
    /// Its queue.
    pub outbox: OutboxStats,
    /// Whether it has a WebSocket by now.
    pub is_websocket: bool,
}

impl Client {
    /// The id that the client knows too.
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// Its queue, to have a [`Fanout`](crate::fanout::Fanout) fill it.
    pub fn outbox(&self) -> &Arc<Outbox<Arc<Outgoing>>> {
        &self.0.outbox
    }

    /// Sends what may not be lost. A client that takes nothing, until its queue is full of such,
    /// is disconnected.
    pub fn emit(&self, event: Outgoing) {
        self.0.outbox.push_kept(Arc::new(event));
    }

    /// Disconnects it.
    pub fn disconnect(&self) {
        let bye = Packet::new(Kind::Disconnect, None, None);
        self.0.outbox.push_kept(Arc::new(Outgoing::packet(&bye)));
        self.0.outbox.close();
    }

    /// What is known of its connection.
    pub fn stats(&self) -> ClientStats {
        ClientStats {
            outbox: self.0.outbox.stats(),
            is_websocket: self.0.transport() == Transport::WebSocket,
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Client").field(&self.0.id).finish()
    }
}

/// How a session's packets travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    Polling,
    /// A WebSocket was probed and is not yet in use.
    Upgrading,
    WebSocket,
}

pub(super) struct Session {
    /// Socket.IO's id of the client; Engine.IO's of the connection is another, and a secret.
    id: String,
    pub(super) engine_id: String,
    pub(super) outbox: Arc<Outbox<Arc<Outgoing>>>,
    pub(super) hello: HeaderMap,
    transport: AtomicU8,
    /// The transport changed.
    pub(super) changed: Notify,
    /// Held by the one request that polls.
    pub(super) poll: Mutex<()>,
    /// What came is put together and handled by who holds this.
    inbound: Mutex<Assembly>,
    gone: watch::Sender<bool>,
    opened: Instant,
    /// Milliseconds since it was opened.
    heard: AtomicU64,
    pinged: AtomicU64,
    /// Changed by who holds `inbound`.
    is_connected: AtomicBool,
}

/// Why a session ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Asked,
    Error(ProtocolError),
}

impl From<ProtocolError> for End {
    fn from(e: ProtocolError) -> Self {
        Self::Error(e)
    }
}

impl Session {
    pub(super) fn new(
        id: String,
        engine_id: String,
        hello: HeaderMap,
        transport: Transport,
        config: &SocketIoConfig,
    ) -> Self {
        Self {
            id,
            engine_id,
            outbox: Arc::new(Outbox::new(config.outbox)),
            hello,
            transport: AtomicU8::new(transport as u8),
            changed: Notify::new(),
            poll: Mutex::new(()),
            inbound: Mutex::new(Assembly::default()),
            gone: watch::channel(false).0,
            opened: Instant::now(),
            heard: AtomicU64::new(0),
            pinged: AtomicU64::new(0),
            is_connected: AtomicBool::new(false),
        }
    }

    pub(super) fn transport(&self) -> Transport {
        match self.transport.load(Relaxed) {
            0 => Transport::Polling,
            1 => Transport::Upgrading,
            _ => Transport::WebSocket,
        }
    }

    /// Goes from one transport to another. Says whether it was on the first.
    pub(super) fn change(&self, from: Transport, to: Transport) -> bool {
        let (from, to) = (from as u8, to as u8);
        let changed = self
            .transport
            .compare_exchange(from, to, Relaxed, Relaxed)
            .is_ok();
        if changed {
            self.changed.notify_one();
        }
        changed
    }

    /// Sends an Engine.IO packet.
    pub(super) fn send(&self, packet: &EnginePacket<'_>) {
        self.outbox.push_kept(Arc::new(Outgoing::engine(packet)));
    }

    fn reply(&self, kind: Kind, id: Option<u64>, data: Value) {
        let packet = Packet::new(kind, id, Some(data));
        self.outbox.push_kept(Arc::new(Outgoing::packet(&packet)));
    }

    /// Takes a packet, and has it handled before the next.
    pub(super) async fn receive(
        self: &Arc<Self>,
        packet: EnginePacket<'_>,
        handler: &dyn Handler,
        config: &SocketIoConfig,
    ) -> Result<(), End> {
        let elapsed = self.opened.elapsed().as_millis() as u64;
        self.heard.store(elapsed, Relaxed);
        let mut inbound = self.inbound.lock().await;
        let whole = match packet {
            EnginePacket::Message(text) => {
                let packet = Packet::parse(text, config.max_attachments)?;
                inbound.text(packet)?
            }
            EnginePacket::Binary(bytes) => inbound.binary(bytes)?,
            EnginePacket::Pong(_) | EnginePacket::Noop => None,
            EnginePacket::Close => return Err(End::Asked),
            _ => return Err(ProtocolError::Order.into()),
        };
        if let Some((packet, attachments)) = whole {
            self.handle(packet, attachments, handler).await?;
        }
        Ok(())
    }

    async fn handle(
        self: &Arc<Self>,
        packet: Packet,
        attachments: Vec<Bytes>,
        handler: &dyn Handler,
    ) -> Result<(), End> {
        let is_connected = self.is_connected.load(Relaxed);
        let client = Client(self.clone());
        if packet.namespace != ROOT {
            if packet.kind == Kind::Connect {
                let error = Packet {
                    namespace: packet.namespace,
                    ..Packet::new(
                        Kind::ConnectError,
                        None,
                        Some(json!({ "message": "Invalid namespace" })),
                    )
                };
                self.outbox.push_kept(Arc::new(Outgoing::packet(&error)));
            }
            return Ok(());
        }
        match packet.kind {
            Kind::Connect if !is_connected => {
                let hello = Hello {
                    auth: packet.data,
                    headers: self.hello.clone(),
                };
                match handler.connect(&client, &hello).await {
                    Ok(()) => {
                        self.is_connected.store(true, Relaxed);
                        self.reply(Kind::Connect, None, json!({ "sid": self.id }));
                        handler.connected(&client).await;
                    }
                    Err(why) => self.reply(Kind::ConnectError, None, json!({ "message": why })),
                }
            }
            Kind::Event if is_connected => {
                let id = packet.id;
                let event = packet.into_event(attachments)?;
                let answer = handler.event(&client, event).await;
                if id.is_some() {
                    self.reply(Kind::Ack, id, Value::Array(answer));
                }
            }
            Kind::Disconnect if is_connected => {
                self.forget(handler).await;
            }
            // Late, or of a kind that only servers send.
            Kind::Connect | Kind::Event | Kind::Disconnect | Kind::Ack | Kind::ConnectError => {}
        }
        Ok(())
    }

    async fn forget(self: &Arc<Self>, handler: &dyn Handler) {
        if self.is_connected.swap(false, Relaxed) {
            handler.disconnect(&Client(self.clone())).await;
        }
    }

    /// Ends it, once.
    pub(super) async fn end(self: &Arc<Self>, handler: &dyn Handler) {
        self.outbox.close();
        self.gone.send_replace(true);
        self.changed.notify_one();
        let _inbound = self.inbound.lock().await;
        self.forget(handler).await;
    }

    /// Completes when it has ended.
    pub(super) async fn gone(&self) {
        let _ = self.gone.subscribe().wait_for(|gone| *gone).await;
    }

    pub(super) fn is_gone(&self) -> bool {
        *self.gone.borrow()
    }

    /// Sends a heartbeat when one is due. Says whether the client still answers.
    pub(super) fn tend(&self, config: &SocketIoConfig) -> bool {
        let now = self.opened.elapsed();
        let since = |at: &AtomicU64| now.saturating_sub(Duration::from_millis(at.load(Relaxed)));
        let is_silent = since(&self.heard) > config.ping_interval + config.ping_timeout;
        let is_idle =
            !self.is_connected.load(Relaxed) && since(&self.heard) > config.connect_timeout;
        if is_silent || is_idle || self.outbox.is_closed() {
            return false;
        }
        if since(&self.pinged) >= config.ping_interval {
            self.pinged.store(now.as_millis() as u64, Relaxed);
            self.send(&EnginePacket::Ping(""));
        }
        true
    }
}

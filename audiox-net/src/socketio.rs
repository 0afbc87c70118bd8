//! A Socket.IO server (protocol v5 over Engine.IO v4) on the [HTTP shell](crate::http), for the
//! systems whose clients speak it.
//!
//! [`SocketIo`] has the routes; a [`Handler`] hears of clients and of their events, in the order
//! in which each client sent them; a [`Client`] is told things through an [outbox](crate::fanout::Outbox) of its own,
//! so that one which does not read delays nobody. An [`Outgoing`] event is encoded once, whoever
//! and how many it goes to: over WebSocket as the bytes of its frames, which for a server are the
//! same for everybody (RFC 6455 section 5.3 masks clients' only).
//!
//! # What there is
//! - Transports: HTTP long-polling, WebSocket, and the upgrade from the one to the other.
//! - The namespace `/`. Others are answered `Invalid namespace`.
//! - Events with binary attachments both ways; acknowledgements of what clients send.
//! - Heartbeats by the server, every 25 s; who does not answer within 20 s is taken for gone.
//!
//! # Deliberate differences from other servers
//! No rooms, and no acknowledgements from clients: nothing here needs them. No compression of
//! frames: audio does not compress, and it would have to be done for every client anew. Events
//! of one client are handled one after another, and the next is read when the handler is done.
//!
//! The protocols: `socketio/socket.io-protocol` v5 and `socketio/engine.io-protocol` v4.

mod engine;
mod outgoing;
mod packet;
mod polling;
mod server;
mod session;
mod socket;

use std::time::Duration;

use async_trait::async_trait;
use axum::http::HeaderMap;
use bytes::Bytes;
use serde_json::Value;

pub use outgoing::{Outgoing, binary};
pub use server::SocketIo;
pub use session::{Client, ClientStats};

pub(crate) use engine::EnginePacket;
pub(crate) use packet::Packet;

use crate::fanout::OutboxConfig;

/// What a program does about clients and their events.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// A client wants to connect. An error's text is told to it as the reason of the refusal.
    /// Nothing can be sent to it yet: that is for [`connected`](Self::connected).
    async fn connect(&self, client: &Client, hello: &Hello) -> Result<(), String>;

    /// A client that was let in has been told so.
    async fn connected(&self, _client: &Client) {}

    /// A client sent an event. What is returned acknowledges it, where the client asked for that.
    async fn event(&self, client: &Client, event: Incoming) -> Vec<Value>;

    /// A client that had connected is gone.
    async fn disconnect(&self, client: &Client);
}

/// What a client says of itself when it connects.
#[derive(Debug, Clone, Default)]
pub struct Hello {
    /// The `auth` object of the client's library.
    pub auth: Option<Value>,
    /// Headers of its first request.
    pub headers: HeaderMap,
}

/// An event from a client.
#[derive(Debug, Clone, PartialEq)]
pub struct Incoming {
    /// Its name.
    pub name: String,
    /// Its arguments. Where one is binary it holds `{"_placeholder": true, "num": n}`.
    pub args: Vec<Value>,
    /// The binary arguments.
    pub attachments: Vec<Bytes>,
}

/// Limits and times of a [`SocketIo`].
#[derive(Debug, Clone)]
pub struct SocketIoConfig {
    /// Path of the endpoint; `/socket.io/` by default.
    pub path: String,
    /// Time between heartbeats; 25 s by default.
    pub ping_interval: Duration,
    /// Time within which a heartbeat is answered; 20 s by default.
    pub ping_timeout: Duration,
    /// Time within which a client that has opened a connection asks for a namespace; 20 s by
    /// default.
    pub connect_timeout: Duration,
    /// Bytes of one message or of one long-polling body, either way; 1 MB by default.
    pub max_payload: usize,
    /// Binary attachments of one event; 8 by default.
    pub max_attachments: usize,
    /// Clients at a time; 16 384 by default. More are answered 503.
    pub max_clients: usize,
    /// Bounds of each client's queue.
    pub outbox: OutboxConfig,
}

impl Default for SocketIoConfig {
    fn default() -> Self {
        Self {
            path: "/socket.io/".to_owned(),
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(20),
            connect_timeout: Duration::from_secs(20),
            max_payload: 1_000_000,
            max_attachments: 8,
            max_clients: 16_384,
            outbox: OutboxConfig::default(),
        }
    }
}

/// Why bytes of a client are no packet of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ProtocolError {
    #[error("no such packet type")]
    Type,
    #[error("binary data that is not Base64")]
    Base64,
    #[error("an event is a list that begins with its name")]
    Event,
    #[error("more attachments than are taken, or a placeholder of one that is not there")]
    Attachments,
    #[error("attachments where none are due, or none where they are")]
    Order,
    #[error("no number where one is due")]
    Number,
    #[error("not JSON")]
    Json,
    #[error("neither a list nor an object")]
    Data,
}

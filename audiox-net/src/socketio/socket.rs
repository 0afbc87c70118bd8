//! The WebSocket transport, from the start or by an upgrade from long-polling.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::response::Response;
use tokio::time::timeout;

use super::server::{Hub, failure, too_many};
use super::session::{Session, Transport};
use super::{EnginePacket, Outgoing};
use crate::websocket::{self, Kind, Message, WebSocket};

/// Answers a WebSocket handshake, of a new client or of one that polls.
pub(super) fn serve(hub: Arc<Hub>, session: Option<Arc<Session>>, request: Request) -> Response {
    let max = hub.config.max_payload;
    match session {
        None => {
            let Some(session) = hub.open(request.headers(), Transport::WebSocket) else {
                return too_many();
            };
            websocket::upgrade(request, max, move |socket| run(hub, session, socket))
        }
        Some(session) => {
            if !session.change(Transport::Polling, Transport::Upgrading) {
                return failure(3, "Bad request");
            }
            websocket::upgrade(request, max, move |socket| probe(hub, session, socket))
        }
    }
}

/// The client tries the WebSocket out, and then changes over to it.
async fn probe(hub: Arc<Hub>, session: Arc<Session>, mut socket: WebSocket) {
    let changed_over = async {
        said(&mut socket, &EnginePacket::Ping("probe")).await?;
        let pong = Outgoing::engine(&EnginePacket::Pong("probe"));
        socket.send(pong.frames()).await.ok()?;
        said(&mut socket, &EnginePacket::Upgrade).await
    };
    match timeout(PROBE, changed_over).await {
        Ok(Some(())) if session.change(Transport::Upgrading, Transport::WebSocket) => {
            run(hub, session, socket).await;
        }
        _ => {
            session.change(Transport::Upgrading, Transport::Polling);
        }
    }
}

async fn said(socket: &mut WebSocket, what: &EnginePacket<'_>) -> Option<()> {
    let message = socket.recv().await?;
    let packet = EnginePacket::parse(message.text()?).ok()?;
    (packet == *what).then_some(())
}

/// Serves a session by its WebSocket until either ends.
async fn run(hub: Arc<Hub>, session: Arc<Session>, mut socket: WebSocket) {
    let (mut batch, mut joined) = (Vec::new(), Vec::new());
    loop {
        tokio::select! {
            message = socket.recv() => {
                let Some(message) = message else {
                    break;
                };
                if !receive(&hub, &session, message).await {
                    break;
                }
            }
            () = session.outbox.ready() => {
                let more = session.outbox.take(&mut batch, BATCH);
                // A client that does not read is ended by its heartbeat.
                let is_sent = tokio::select! {
                    is_sent = send(&mut socket, &batch, &mut joined) => is_sent,
                    () = session.gone() => false,
                };
                batch.clear();
                if !(more && is_sent) {
                    break;
                }
                // The others first, where there is more for this one already.
                tokio::task::yield_now().await;
            }
            () = session.gone() => break,
        }
    }
    hub.end(&session).await;
    let _ = timeout(PROBE, socket.close(1000, "")).await;
}

async fn receive(hub: &Hub, session: &Arc<Session>, message: Message) -> bool {
    let packet = match (message.kind, message.text().map(EnginePacket::parse)) {
        (Kind::Binary, _) => EnginePacket::Binary(message.into_bytes()),
        (Kind::Text, Some(Ok(packet))) => packet,
        (Kind::Text, _) => return false,
    };
    let taken = session.receive(packet, &*hub.handler, &hub.config);
    taken.await.is_ok()
}

/// Sends what waited, in as few writes as can be.
async fn send(socket: &mut WebSocket, batch: &[Arc<Outgoing>], joined: &mut Vec<u8>) -> bool {
    if let [one] = batch {
        return socket.send(one.frames()).await.is_ok();
    }
    for part in batch.chunks(JOINED) {
        joined.clear();
        part.iter()
            .for_each(|o| joined.extend_from_slice(o.frames()));
        if socket.send(joined).await.is_err() {
            return false;
        }
    }
    // Once in a while much waits; the space for it is not kept.
    joined.shrink_to(KEPT);
    true
}

/// Events taken from the queue at a time.
const BATCH: usize = 64;
/// Events written at a time.
const JOINED: usize = 16;
/// Bytes kept for joining them.
const KEPT: usize = 4 * 1024;
/// Time for a client to change over, or to close.
const PROBE: Duration = Duration::from_secs(10);

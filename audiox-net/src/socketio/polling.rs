//! HTTP long-polling: packets to the client in the answers to its GETs, from it in its POSTs.

use std::sync::Arc;

use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, Limited};

use super::EnginePacket;
use super::server::{Hub, failure};
use super::session::{Session, Transport};
use crate::http::refusal;

/// Waits until there is something for the client.
pub(super) async fn get(hub: &Hub, session: &Arc<Session>) -> Response {
    if session.transport() == Transport::WebSocket {
        return failure(3, "Bad request");
    }
    let Ok(_only) = session.poll.try_lock() else {
        // Two at a time: the protocol has the session end.
        hub.end(session).await;
        return failure(3, "Bad request");
    };
    loop {
        if session.transport() != Transport::Polling {
            // The client waits for this answer before it goes on by WebSocket.
            return text("6".to_owned());
        }
        let (body, more) = take(session, hub.config.max_payload / 2);
        if !body.is_empty() {
            return text(body);
        }
        if !more || session.is_gone() {
            hub.end(session).await;
            return text("1".to_owned());
        }
        tokio::select! {
            () = session.outbox.ready() => {}
            () = session.changed.notified() => {}
        }
    }
}

/// Takes the packets of the body.
pub(super) async fn post(hub: &Hub, session: &Arc<Session>, body: Body) -> Response {
    if session.transport() == Transport::WebSocket {
        return failure(3, "Bad request");
    }
    let limit = hub.config.max_payload;
    let Ok(body) = Limited::new(body, limit).collect().await else {
        hub.end(session).await;
        let reason = format!("at most {limit} bytes are taken at once");
        return refusal(StatusCode::PAYLOAD_TOO_LARGE, reason);
    };
    let body = body.to_bytes();
    let Ok(body) = std::str::from_utf8(&body) else {
        hub.end(session).await;
        return failure(3, "Bad request");
    };
    for packet in EnginePacket::parse_body(body) {
        let taken = match packet {
            Ok(packet) => session.receive(packet, &*hub.handler, &hub.config).await,
            Err(e) => Err(e.into()),
        };
        if let Err(end) = taken {
            hub.end(session).await;
            return match end {
                super::session::End::Asked => text("ok".to_owned()),
                super::session::End::Error(_) => failure(3, "Bad request"),
            };
        }
    }
    text("ok".to_owned())
}

/// What waits, at most about `max` bytes, and whether more may come.
fn take(session: &Session, max: usize) -> (String, bool) {
    let (mut body, mut one, mut packets) = (String::new(), Vec::with_capacity(1), 0);
    while body.len() < max && packets <= MAX_PACKETS - MAX_PARTS {
        let more = session.outbox.take(&mut one, 1);
        let Some(outgoing) = one.pop() else {
            return (body, more);
        };
        outgoing.write_body(&mut body);
        packets += outgoing.parts();
    }
    (body, true)
}

/// Packets of one body: python-engineio takes no more, and closes the session instead.
const MAX_PACKETS: usize = 16;
/// Packets that an event is thought to have at most, itself and its attachments.
const MAX_PARTS: usize = 4;

fn text(body: String) -> Response {
    ([(CONTENT_TYPE, "text/plain; charset=UTF-8")], body).into_response()
}

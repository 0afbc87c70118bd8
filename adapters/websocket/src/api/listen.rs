//! Listeners and senders over plain WebSockets.

use audiox_net::http::Ending;
use audiox_net::http::axum::extract::{Path, Request, State};
use audiox_net::http::axum::http::HeaderValue;
use audiox_net::http::axum::http::header::SEC_WEBSOCKET_PROTOCOL;
use audiox_net::http::axum::response::Response;
use audiox_net::http::axum::routing::get;
use audiox_net::http::axum::{Extension, Router};
use audiox_net::websocket::{self, Kind, WebSocket};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::Api;
use super::http::{described, stream_id};
use super::listening::{Listening, protocol_token, protocols};
use crate::access::{self, Role};
use crate::feed::{Fed, Feed};
use crate::{RelayError, packet};

pub(super) fn routes(api: Api) -> Router {
    Router::new()
        .route("/api/streams/{id}/listen", get(listen))
        .route("/api/streams/{id}/ingest", get(ingest))
        .with_state(api)
}

/// Answers a request for a WebSocket. A browser that offers protocols wants one of them taken, and
/// the token is not to be sent back.
fn upgrade<F, S>(request: Request, max_message: usize, serve: F) -> Response
where
    F: FnOnce(WebSocket) -> S + Send + 'static,
    S: Future<Output = ()> + Send,
{
    let is_offered = protocols(request.headers()).any(|p| p == PROTOCOL);
    let mut response = websocket::upgrade(request, max_message, serve);
    if is_offered {
        let name = HeaderValue::from_static(PROTOCOL);
        response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, name);
    }
    response
}

async fn listen(
    Listening {
        relay,
        stream,
        part,
    }: Listening,
    Extension(ending): Extension<Ending>,
    request: Request,
) -> Result<Response, RelayError> {
    let from = part.from()?.unwrap_or_default();
    let feed = Feed::new(&relay, &stream, from).await?;
    let hello = described(&relay, &stream.id)?.to_string();
    Ok(upgrade(request, MAX_SAID, move |socket| {
        tell(socket, hello, feed, ending)
    }))
}

/// Sends a listener all that there is for it.
async fn tell(mut socket: WebSocket, hello: String, mut feed: Feed, mut ending: Ending) {
    let mut out = Vec::new();
    websocket::encode(Kind::Text, hello.as_bytes(), &mut out);
    let mut is_sent = socket.send(&out).await.is_ok();
    while is_sent {
        let fed = tokio::select! {
            fed = feed.next() => fed,
            // Nothing that a listener says matters, but that it is there.
            said = socket.recv() => match said {
                Some(_) => continue,
                None => return,
            },
            () = ending.ended() => {
                socket.close(GOING_AWAY, "the relay stops").await;
                return;
            }
        };
        out.clear();
        let text = |value: Value, out: &mut Vec<u8>| {
            websocket::encode(Kind::Text, value.to_string().as_bytes(), out);
        };
        match fed {
            Ok(Some(Fed::Live(packet))) => {
                is_sent = socket.send(packet.message()).await.is_ok();
                tokio::task::yield_now().await;
                continue;
            }
            Ok(Some(Fed::Frames(header, frames))) => packet::message(&header, &frames, &mut out),
            Ok(Some(Fed::Stored(key))) => text(json!({ "chunk_id": key.to_string() }), &mut out),
            Ok(None) => {
                text(json!({ "ended": true }), &mut out);
                let _ = socket.send(&out).await;
                socket.close(1000, "the stream has ended").await;
                return;
            }
            Err(e) => {
                text(json!({ "error": e.to_string() }), &mut out);
                let _ = socket.send(&out).await;
                socket.close(1011, "the archive fails").await;
                return;
            }
        }
        is_sent = socket.send(&out).await.is_ok();
    }
}

/// Takes a sender's binary messages as packets. A text message `end` ends the stream.
async fn ingest(
    State(api): State<Api>,
    Path(id): Path<String>,
    Extension(mut ending): Extension<Ending>,
    request: Request,
) -> Result<Response, RelayError> {
    let id = stream_id(&id)?;
    let headers = request.headers();
    let protocol = protocol_token(headers);
    let token = access::bearer(headers).or(protocol.as_deref());
    api.roles.check(Role::Publish, Some(&id), token)?;
    let stream = api.relay.stream(&id)?;
    if !stream.is_live() {
        return Err(RelayError::Ended);
    }
    let (max, idle) = (api.relay.config().max_body, api.relay.config().idle);
    Ok(upgrade(request, max, move |mut socket| async move {
        loop {
            let message = tokio::select! {
                message = timeout(idle, socket.recv()) => message.unwrap_or(None),
                () = ending.ended() => {
                    socket.close(GOING_AWAY, "the relay stops").await;
                    return;
                }
            };
            let Some(message) = message else {
                return;
            };
            let taken = match message.text() {
                Some("end") => stream.end().await,
                Some(_) => continue,
                None => stream.push(message.into_bytes(), None).await,
            };
            let mut out = Vec::new();
            let (code, reason) = match taken {
                Ok(()) if stream.is_live() => continue,
                Ok(()) => (1000, "the stream has ended".to_owned()),
                Err(e) => (1008, e.to_string()),
            };
            let told = json!({ "error": reason }).to_string();
            if code != 1000 {
                websocket::encode(Kind::Text, told.as_bytes(), &mut out);
                let _ = socket.send(&out).await;
            }
            let short: String = reason.chars().take(60).collect();
            socket.close(code, &short).await;
            return;
        }
    }))
}

/// Offered beside `bearer.TOKEN`.
const PROTOCOL: &str = "audiox";
/// The code for a server that goes down (RFC 6455 section 7.4.1).
const GOING_AWAY: u16 = 1001;
/// Bytes of a message that a listener may send.
const MAX_SAID: usize = 4 * 1024;

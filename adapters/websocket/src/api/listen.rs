//! Listeners over plain WebSockets and HTTP, and senders over WebSockets.

use std::convert::Infallible;

use audiox_core::format::{Endian, SampleFormat};
use audiox_core::store::{Coding, StoredFormat};
use audiox_net::http::Ending;
use audiox_net::http::axum::body::Body;
use audiox_net::http::axum::extract::{Path, Query, Request, State};
use audiox_net::http::axum::http::header::{CONTENT_TYPE, SEC_WEBSOCKET_PROTOCOL};
use audiox_net::http::axum::http::{HeaderMap, HeaderValue};
use audiox_net::http::axum::response::{IntoResponse, Response};
use audiox_net::http::axum::routing::get;
use audiox_net::http::axum::{Extension, Router};
use audiox_net::websocket::{self, Kind, WebSocket};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::Api;
use super::http::{described, stream_id};
use crate::access::{self, Role};
use crate::feed::{Fed, Feed};
use crate::ogg::{self, OggEncoder, Station};
use crate::stream::Stream;
use crate::when::When;
use crate::{RelayError, packet, wav};

pub(super) fn routes(api: Api) -> Router {
    Router::new()
        .route("/api/streams/{id}/listen", get(listen))
        .route("/api/streams/{id}/ingest", get(ingest))
        .route("/api/streams/{id}/live.wav", get(live_wav))
        .route("/api/streams/{id}/live.ogg", get(live_ogg))
        .route("/api/streams/{id}/audio.wav", get(stored_wav))
        .route("/api/streams/{id}/audio.ogg", get(stored_ogg))
        .route("/api/streams/{id}/audio.raw", get(stored_raw))
        .with_state(api)
}

/// Which part of a stream.
#[derive(Debug, Default, Deserialize)]
struct Part {
    from: Option<String>,
    to: Option<String>,
    /// A listen token that was given for this stream; others belong into the header.
    listen: Option<String>,
}

impl Part {
    fn from(&self) -> Result<Option<When>, RelayError> {
        Ok(self.from.as_deref().map(str::parse).transpose()?)
    }
}

impl Api {
    /// Whether a request that perhaps cannot have a header of its own may listen: pages give
    /// their token as a WebSocket's protocol `bearer.TOKEN`, and links a listen token in the URL.
    fn may_listen(
        &self,
        stream: &Stream,
        headers: &HeaderMap,
        part: &Part,
    ) -> Result<(), RelayError> {
        if let Some(token) = &part.listen {
            return self.roles.check_given(&stream.id, token);
        }
        let protocol = protocol_token(headers);
        let token = access::bearer(headers).or(protocol.as_deref());
        self.roles.check(Role::Listen, Some(&stream.id), token)
    }
}

/// The token among a WebSocket's protocols, where characters that no protocol has are written as
/// in URLs (`%2F`).
fn protocol_token(headers: &HeaderMap) -> Option<String> {
    let encoded = protocols(headers).find_map(|p| p.strip_prefix("bearer."))?;
    let mut token = Vec::with_capacity(encoded.len());
    let mut rest = encoded.bytes();
    while let Some(byte) = rest.next() {
        token.push(match byte {
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                (digit()? * 16 + digit()?) as u8
            }
            plain => plain,
        });
    }
    String::from_utf8(token).ok()
}

fn protocols(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let offered = headers.get(SEC_WEBSOCKET_PROTOCOL);
    let offered = offered.and_then(|p| p.to_str().ok()).unwrap_or_default();
    offered.split(',').map(str::trim)
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
    State(api): State<Api>,
    Path(id): Path<String>,
    Query(part): Query<Part>,
    Extension(ending): Extension<Ending>,
    request: Request,
) -> Result<Response, RelayError> {
    let stream = api.relay.stream(&stream_id(&id)?)?;
    api.may_listen(&stream, request.headers(), &part)?;
    let from = part.from()?.unwrap_or_default();
    let feed = Feed::new(&api.relay, &stream, from).await?;
    let hello = described(&api.relay, &stream.id)?.to_string();
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

async fn live_wav(
    State(api): State<Api>,
    Path(id): Path<String>,
    Query(part): Query<Part>,
    headers: HeaderMap,
) -> Result<Response, RelayError> {
    let stream = api.relay.stream(&stream_id(&id)?)?;
    api.may_listen(&stream, &headers, &part)?;
    let from = part.from()?.unwrap_or_default();
    let feed = Feed::new(&api.relay, &stream, from).await?;
    let head = wav::header(&stream.format, None)?;
    Ok(body("audio/wav", Some(head), feed, &stream.format))
}

async fn live_ogg(
    State(api): State<Api>,
    Path(id): Path<String>,
    Query(part): Query<Part>,
    headers: HeaderMap,
) -> Result<Response, RelayError> {
    let stream = api.relay.stream(&stream_id(&id)?)?;
    api.may_listen(&stream, &headers, &part)?;
    if !stream.is_live() {
        return Err(RelayError::Ended);
    }
    let tuned = Station::tune(&api.relay, &stream).await?;
    let pages = futures_util::stream::unfold(tuned, async |mut tuned| {
        let page = tuned.next().await?;
        Some((Ok::<_, Infallible>(page), tuned))
    });
    let kind = [(CONTENT_TYPE, "audio/ogg")];
    Ok((kind, Body::from_stream(pages)).into_response())
}

async fn stored_wav(
    State(api): State<Api>,
    Path(id): Path<String>,
    Query(part): Query<Part>,
    headers: HeaderMap,
) -> Result<Response, RelayError> {
    let stream = api.relay.stream(&stream_id(&id)?)?;
    api.may_listen(&stream, &headers, &part)?;
    let (feed, frames) = stored(&api, &stream, &part).await?;
    let head = wav::header(&stream.format, Some(frames))?;
    Ok(body("audio/wav", Some(head), feed, &stream.format))
}

async fn stored_ogg(
    State(api): State<Api>,
    Path(id): Path<String>,
    Query(part): Query<Part>,
    headers: HeaderMap,
) -> Result<Response, RelayError> {
    let stream = api.relay.stream(&stream_id(&id)?)?;
    api.may_listen(&stream, &headers, &part)?;
    let encoder = ogg::encoder(&api.relay, &stream)?;
    let (feed, _) = stored(&api, &stream, &part).await?;
    let head = encoder.head();
    let parts = futures_util::stream::unfold(Some((head, encoder, feed)), encoded);
    let kind = [(CONTENT_TYPE, "audio/ogg")];
    Ok((kind, Body::from_stream(parts)).into_response())
}

/// What is still to be sent of an encoding.
type Encoding = (Bytes, Box<dyn OggEncoder>, Feed);

/// The next pages. An error cuts the response off, so that nobody takes it for whole.
async fn encoded(left: Option<Encoding>) -> Option<(Result<Bytes, String>, Option<Encoding>)> {
    let (mut pages, mut encoder, mut feed) = left?;
    while pages.is_empty() {
        let frames = match feed.next().await {
            Ok(Some(Fed::Live(packet))) => packet.frames.clone(),
            Ok(Some(Fed::Frames(_, frames))) => frames,
            Ok(Some(Fed::Stored(_))) => continue,
            Ok(None) => return Some((encoder.finish(), None)),
            Err(e) => return Some((Err(e.to_string()), None)),
        };
        pages = match encoder.push(&frames) {
            Ok(pages) => pages,
            Err(e) => return Some((Err(e), None)),
        };
    }
    Some((Ok(pages), Some((Bytes::new(), encoder, feed))))
}

async fn stored_raw(
    State(api): State<Api>,
    Path(id): Path<String>,
    Query(part): Query<Part>,
    headers: HeaderMap,
) -> Result<Response, RelayError> {
    let stream = api.relay.stream(&stream_id(&id)?)?;
    api.may_listen(&stream, &headers, &part)?;
    let (feed, _) = stored(&api, &stream, &part).await?;
    // As it was sent, byte for byte.
    let format = StoredFormat {
        coding: Coding::Pcm(audiox_core::format::PcmFormat::S16LE),
        ..stream.format.clone()
    };
    Ok(body("audio/raw", None, feed, &format))
}

/// What there is of a part up to now, and its frames.
async fn stored(
    api: &Api,
    stream: &std::sync::Arc<Stream>,
    part: &Part,
) -> Result<(Feed, u64), RelayError> {
    let position = stream.position();
    let from = part
        .from()?
        .unwrap_or(When::After(std::time::Duration::ZERO));
    let to = match part.to.as_deref().map(str::parse).transpose()? {
        None | Some(When::Live) => position,
        Some(to) => Feed::at(&api.relay, stream, to).await?.min(position),
    };
    let at = match from {
        When::Live => position,
        from => Feed::at(&api.relay, stream, from).await?,
    };
    let at = at.min(to);
    let feed = Feed::between(&api.relay, stream, at, to);
    Ok((feed, (to.0 - at.0).unsigned_abs()))
}

/// A response that is `head` and then all that there is.
fn body(kind: &'static str, head: Option<Bytes>, feed: Feed, format: &StoredFormat) -> Response {
    let swap = match format.coding {
        Coding::Pcm(pcm) if pcm.endian == Endian::Big && pcm.sample != SampleFormat::U8 => {
            Some(pcm.sample.bytes())
        }
        _ => None,
    };
    let first = head.unwrap_or_default();
    let parts =
        futures_util::stream::unfold((Some(first), feed), move |(first, mut feed)| async move {
            if let Some(first) = first {
                return Some((Ok::<_, Infallible>(first), (None, feed)));
            }
            loop {
                let frames = match feed.next().await {
                    Ok(Some(Fed::Live(packet))) => packet.frames.clone(),
                    Ok(Some(Fed::Frames(_, frames))) => frames,
                    Ok(Some(Fed::Stored(_))) => continue,
                    Ok(None) => return None,
                    Err(e) => {
                        tracing::warn!("a listener's response ends early: {e}");
                        return None;
                    }
                };
                let frames = match swap {
                    Some(width) => wav::swapped(&frames, width),
                    None => frames,
                };
                return Some((Ok(frames), (None, feed)));
            }
        });
    ([(CONTENT_TYPE, kind)], Body::from_stream(parts)).into_response()
}

/// Offered beside `bearer.TOKEN`.
const PROTOCOL: &str = "audiox";
/// The code for a server that goes down (RFC 6455 section 7.4.1).
const GOING_AWAY: u16 = 1001;
/// Bytes of a message that a listener may send.
const MAX_SAID: usize = 4 * 1024;

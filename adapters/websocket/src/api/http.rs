//! The calls over HTTP.

use std::time::Duration;

use audiox_core::store::{SegmentKey, StreamId};
use audiox_net::http::axum::Router;
use audiox_net::http::axum::body::{Body, to_bytes};
use audiox_net::http::axum::extract::{Path, Request, State};
use audiox_net::http::axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use audiox_net::http::axum::http::{HeaderMap, StatusCode};
use audiox_net::http::axum::response::{IntoResponse, Response};
use audiox_net::http::axum::routing::{get, post};
use audiox_net::http::refusal;
use bytes::Bytes;
use futures_util::StreamExt;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use super::Api;
use crate::access::Role;
use crate::format::{self, Wanted};
use crate::{Relay, RelayError, StreamInfo};

pub(super) fn routes(api: Api) -> Router {
    Router::new()
        .route("/api/streams", get(list).post(create))
        .route("/api/streams/{id}", get(show).delete(remove))
        .route("/api/streams/{id}/end", post(end))
        .route("/api/streams/{id}/chunks", get(chunks))
        .route("/api/streams/{id}/tokens", post(token))
        .route("/api/chunks/{id}/{file}", get(chunk))
        .with_state(api)
}

/// Calls whose bodies may go on for ever.
pub(super) fn endless(api: Api) -> Router {
    Router::new()
        .route("/api/streams/{id}/audio", post(audio))
        .with_state(api)
}

type Answer = Result<Response, RelayError>;

async fn list(State(api): State<Api>, headers: HeaderMap) -> Answer {
    api.check(Role::Listen, None, &headers)?;
    let all = api.relay.streams();
    let streams: Map<_, _> = all
        .iter()
        .map(|info| (info.record.id.to_string(), describe(info)))
        .collect();
    Ok(answer(&Value::Object(streams)))
}

async fn show(State(api): State<Api>, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    let id = stream_id(&id)?;
    api.check(Role::Listen, Some(&id), &headers)?;
    Ok(answer(&described(&api.relay, &id)?))
}

/// What is known of a stream, in JSON.
pub(super) fn described(relay: &Relay, id: &StreamId) -> Result<Value, RelayError> {
    let mut told = describe(&relay.info(id)?);
    told["stream_id"] = id.as_str().into();
    Ok(told)
}

async fn create(State(api): State<Api>, headers: HeaderMap, body: Bytes) -> Answer {
    api.check(Role::Publish, None, &headers)?;
    let wanted: Wanted = parse(&body)?;
    let format = wanted.format()?;
    let id = api.relay.create(format, wanted.name).await?;
    Ok(answer(&json!({ "stream_id": id.as_str() })))
}

async fn audio(State(api): State<Api>, Path(id): Path<String>, request: Request) -> Answer {
    let id = stream_id(&id)?;
    api.check(Role::Publish, Some(&id), request.headers())?;
    let stream = api.relay.stream(&id)?;
    let max = api.relay.config().max_body;
    let length = number(request.headers(), CONTENT_LENGTH.as_str());
    let mut offset = number(request.headers(), OFFSET);
    let body = request.into_body();
    let idle = api.relay.config().idle;
    let late = |_| RelayError::Request(format!("nothing came for {idle:?}"));
    match length {
        Some(length) if length > max as u64 => {
            let reason = format!(
                "at most {max} bytes are taken at once; send without a length (chunked) for more"
            );
            return Ok(refusal(StatusCode::PAYLOAD_TOO_LARGE, reason));
        }
        Some(_) => {
            let data = timeout(idle, to_bytes(body, max)).await.map_err(late)?;
            let data = data.map_err(|e| RelayError::Request(format!("half a body: {e}")))?;
            stream.push(data, offset).await?;
        }
        None => {
            let mut parts = Body::into_data_stream(body);
            while let Some(part) = timeout(idle, parts.next()).await.map_err(late)? {
                let part = part.map_err(|e| RelayError::Request(format!("half a body: {e}")))?;
                let len = part.len() as u64;
                stream.push(part, offset).await?;
                offset = offset.map(|at| at + len);
            }
        }
    }
    Ok(answer(&json!({ "success": true })))
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.parse().ok()
}

async fn end(State(api): State<Api>, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    let id = stream_id(&id)?;
    api.check(Role::Publish, Some(&id), &headers)?;
    api.relay.end(&id).await?;
    Ok(answer(&json!({ "success": true })))
}

async fn remove(State(api): State<Api>, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    let id = stream_id(&id)?;
    api.check(Role::Admin, Some(&id), &headers)?;
    api.relay.delete(&id).await?;
    Ok(answer(&json!({ "success": true })))
}

async fn chunks(State(api): State<Api>, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    let id = stream_id(&id)?;
    api.check(Role::Listen, Some(&id), &headers)?;
    let info = api.relay.info(&id)?;
    let chunks = api.relay.segments(&id)?;
    let chunks: Vec<_> = chunks.iter().map(ToString::to_string).collect();
    Ok(answer(
        &json!({ "chunks": chunks, "is_live": info.is_live }),
    ))
}

async fn chunk(
    State(api): State<Api>,
    Path((id, file)): Path<(String, String)>,
    headers: HeaderMap,
) -> Answer {
    let id = StreamId::parse(&id).map_err(|_| RelayError::UnknownSegment)?;
    api.check(Role::Listen, Some(&id), &headers)?;
    let key: SegmentKey = format!("{id}/{file}")
        .parse()
        .map_err(|_| RelayError::UnknownSegment)?;
    let data = api.relay.segment(&key).await?;
    Ok(([(CONTENT_TYPE, "audio/raw")], data).into_response())
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenWanted {
    expires_in: Option<u64>,
}

async fn token(
    State(api): State<Api>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let id = stream_id(&id)?;
    // Not by a listen token, which could then be renewed for ever.
    api.check(Role::Listen, None, &headers)?;
    api.relay.stream(&id)?;
    let wanted: TokenWanted = parse(&body)?;
    let lasts = wanted.expires_in.unwrap_or(TOKEN_LASTS);
    if lasts > TOKEN_FOR_LISTENERS {
        api.check(Role::Publish, Some(&id), &headers)?;
    }
    if !(1..=TOKEN_MAX).contains(&lasts) {
        let reason = format!("expires_in is {lasts}; it is 1 to {TOKEN_MAX} seconds");
        return Err(RelayError::Request(reason));
    }
    let Some(token) = api.roles.give(id, Duration::from_secs(lasts)) else {
        let reason = "there are as many listen tokens as are given; try again when some have ended";
        return Ok(refusal(StatusCode::SERVICE_UNAVAILABLE, reason));
    };
    Ok(answer(&json!({ "token": token, "expires_in": lasts })))
}

/// The JSON of a body; some clients send none, or `null`, where they have nothing to say.
fn parse<T: Default + for<'de> Deserialize<'de>>(body: &Bytes) -> Result<T, RelayError> {
    if body.trim_ascii().is_empty() || body.trim_ascii() == b"null" {
        return Ok(T::default());
    }
    serde_json::from_slice(body).map_err(|e| RelayError::Request(format!("the body: {e}")))
}

pub(super) fn stream_id(text: &str) -> Result<StreamId, RelayError> {
    StreamId::parse(text).map_err(|_| RelayError::UnknownStream)
}

pub(super) fn describe(info: &StreamInfo) -> Value {
    let mut told = format::describe(&info.record.format);
    let rate = info.record.format.stream.rate;
    let seconds = rate.duration_of(u64::try_from(info.position.0).unwrap_or(0));
    told["is_live"] = info.is_live.into();
    told["chunks"] = info.segments.into();
    told["name"] = info.record.name.clone().into();
    told["started"] = (info.record.started.as_nanos() as f64 / 1e9).into();
    told["ended"] = info.record.ended.map(|t| t.as_nanos() as f64 / 1e9).into();
    told["seconds"] = seconds.as_secs_f64().into();
    told["listeners"] = (info.listeners + info.other_listeners).into();
    told["bytes"] = info.bytes.into();
    told["offset"] = info.offset.into();
    told["refused_bytes"] = info.refused.into();
    told
}

pub(super) fn answer(value: &Value) -> Response {
    let kind = [(CONTENT_TYPE, "application/json")];
    (kind, value.to_string()).into_response()
}

/// Where a body begins in the stream, in bytes: what the relay has already is left out, and what
/// it never had is told apart.
pub(crate) const OFFSET: &str = "audiox-offset";
/// Seconds that a listen token lasts where nothing is said, and at most.
const TOKEN_LASTS: u64 = 3_600;
/// Seconds for which somebody may have one who may listen anyway: a page's links need one, since
/// they have no header.
const TOKEN_FOR_LISTENERS: u64 = 60;
const TOKEN_MAX: u64 = 31 * 24 * 3_600;

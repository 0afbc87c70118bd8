//! What every request goes through before it reaches a route.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::BoxError;
use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::http::header::{
    self, AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
    HOST, ORIGIN, REFERRER_POLICY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body_util::Limited;
use hyper::body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep};

use super::{Access, Limits, MetricKind, MetricsSource, MetricsText, Origins};

/// What guard and metrics know of the server.
pub(super) struct Shared {
    pub(super) access: Access,
    pub(super) origins: Origins,
    pub(super) limits: Limits,
    pub(super) metrics: Option<Arc<dyn MetricsSource>>,
    pub(super) requests: AtomicU64,
    pub(super) refused_requests: AtomicU64,
    pub(super) connections: AtomicU64,
    pub(super) refused_connections: AtomicU64,
}

impl Shared {
    pub(super) fn new(
        access: Access,
        origins: Origins,
        limits: Limits,
        metrics: Option<Arc<dyn MetricsSource>>,
    ) -> Self {
        Self {
            access,
            origins,
            limits,
            metrics,
            requests: AtomicU64::new(0),
            refused_requests: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            refused_connections: AtomicU64::new(0),
        }
    }
}

/// A refusal: `{"error": reason}`.
pub fn refusal(status: StatusCode, reason: impl std::fmt::Display) -> Response {
    let body = serde_json::json!({ "error": reason.to_string() }).to_string();
    (status, [(CONTENT_TYPE, "application/json")], body).into_response()
}

/// Around everything: what no request may have, limits, `/healthz`, and headers.
pub(super) async fn around(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Response {
    shared.requests.fetch_add(1, Relaxed);
    let guest = shared.origins.guest(request.headers());
    let mut response = match check(&shared, &request) {
        Err(refused) => refused,
        Ok(()) if request.uri().path() == "/healthz" => {
            ([(CONTENT_TYPE, "application/json")], "{\"status\":\"ok\"}").into_response()
        }
        Ok(()) if guest.is_some() && request.method() == Method::OPTIONS => {
            StatusCode::NO_CONTENT.into_response()
        }
        Ok(()) => next.run(request).await,
    };
    if let Some(guest) = guest {
        guest.welcome(response.headers_mut());
    }
    if response.status().is_client_error() {
        shared.refused_requests.fetch_add(1, Relaxed);
    }
    for (name, value) in HEADERS {
        response
            .headers_mut()
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    response
}

/// Before routes whose requests have a limit.
pub(super) async fn limited(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Response {
    let limit = shared.limits.body;
    let length = header(request.headers(), &CONTENT_LENGTH).and_then(|l| l.parse::<u64>().ok());
    if length.is_some_and(|l| l > limit as u64) {
        return refusal(
            StatusCode::PAYLOAD_TOO_LARGE,
            format_args!("at most {limit} bytes are taken"),
        );
    }
    let silence = shared.limits.head;
    let request = request.map(|body| match body.is_end_stream() {
        true => body,
        false => Body::new(Limited::new(Steady::new(body, silence), limit)),
    });
    next.run(request).await
}

/// A body whose parts follow each other, or that fails: nobody holds a connection by one that
/// never ends.
struct Steady {
    body: Body,
    silence: Duration,
    alarm: Pin<Box<Sleep>>,
}

impl Steady {
    fn new(body: Body, silence: Duration) -> Self {
        Self {
            body,
            silence,
            alarm: Box::pin(sleep(silence)),
        }
    }
}

impl HttpBody for Steady {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        if let Poll::Ready(part) = Pin::new(&mut this.body).poll_frame(cx) {
            this.alarm.as_mut().reset(Instant::now() + this.silence);
            return Poll::Ready(part.map(|part| part.map_err(Into::into)));
        }
        std::task::ready!(this.alarm.as_mut().poll(cx));
        let error = std::io::Error::from(std::io::ErrorKind::TimedOut);
        Poll::Ready(Some(Err(error.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Before routes that take a token.
pub(super) async fn token(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Response {
    let given = bearer(request.headers());
    if shared.access.asks() && !given.is_some_and(|token| shared.access.admits(token)) {
        let reason = match given {
            None => "this takes a token, in the header `Authorization: Bearer TOKEN`",
            Some(_) => "this is not a token that is known here",
        };
        let mut response = refusal(StatusCode::UNAUTHORIZED, reason);
        let how = HeaderValue::from_static("Bearer realm=\"audiox\"");
        response.headers_mut().insert(WWW_AUTHENTICATE, how);
        return response;
    }
    next.run(request).await
}

/// `/metrics`.
pub(super) async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    let mut text = MetricsText::new();
    if let Some(source) = &shared.metrics {
        source.collect(&mut text);
    }
    let own = [
        ("audiox_http_requests_total", "Requests", &shared.requests),
        (
            "audiox_http_requests_refused_total",
            "Requests answered with an error of the client's",
            &shared.refused_requests,
        ),
        (
            "audiox_http_connections_total",
            "Connections accepted",
            &shared.connections,
        ),
        (
            "audiox_http_connections_refused_total",
            "Connections closed because there were too many",
            &shared.refused_connections,
        ),
    ];
    for (name, help, value) in own {
        text.metric(name, MetricKind::Counter, help)
            .sample(&[], value.load(Relaxed) as f64);
    }
    let kind = [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (kind, text.into_string()).into_response()
}

#[expect(clippy::result_large_err, reason = "the refusal is what is sent")]
fn check(shared: &Shared, request: &Request) -> Result<(), Response> {
    let query = request.uri().query().unwrap_or_default();
    let keys = query.split('&').filter_map(|pair| pair.split('=').next());
    for key in keys {
        if SECRET_KEYS.iter().any(|k| k.eq_ignore_ascii_case(key)) {
            return Err(refusal(
                StatusCode::BAD_REQUEST,
                "a token does not belong in a URL, which ends in logs and histories (take this one \
                 for known and change it); send it in the header `Authorization: Bearer TOKEN`",
            ));
        }
    }
    let host = header(request.headers(), &HOST);
    if let Some(origin) = header(request.headers(), &ORIGIN)
        && origin.split_once("://").map(|(_, authority)| authority) != host
        && shared.origins.guest(request.headers()).is_none()
    {
        return Err(refusal(
            StatusCode::FORBIDDEN,
            "a page of another site may not use this, unless its origin was let in",
        ));
    }
    if !shared.access.asks() && !shared.access.is_open() && !host.is_none_or(is_own) {
        return Err(refusal(
            StatusCode::FORBIDDEN,
            "without tokens this answers to localhost and to addresses, not to names; a site could \
             have its name point here",
        ));
    }
    Ok(())
}

fn header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).map(|v| v.to_str().unwrap_or("?"))
}

/// Whether a Host header says localhost or an address: nobody else's name points there.
fn is_own(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else {
        return false;
    };
    let name = authority.host();
    let address = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok()
}

fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked(7)?;
    scheme
        .eq_ignore_ascii_case(b"bearer ")
        .then(|| token.trim_ascii())
}

/// Under these names tokens are given in URLs elsewhere.
const SECRET_KEYS: [&str; 6] = [
    "token",
    "access_token",
    "auth_token",
    "bearer",
    "api_key",
    "authorization",
];

const HEADERS: [(HeaderName, &str); 5] = [
    (CACHE_CONTROL, "no-store"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_names_are_localhost_and_addresses() {
        for own in [
            "localhost:1",
            "LOCALHOST",
            "127.0.0.1:8057",
            "[::1]:8057",
            "10.0.0.7",
        ] {
            assert!(is_own(own), "{own}");
        }
        for other in [
            "evil.example",
            "localhost.evil.example:8057",
            "",
            "a b",
            "127.0.0.1.nip.io",
        ] {
            assert!(!is_own(other), "{other}");
        }
    }

    #[test]
    fn bearer_tokens_are_read_from_their_header() {
        let of = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, HeaderValue::from_static(value));
            bearer(&headers).map(<[u8]>::to_vec)
        };
        assert_eq!(of("Bearer abc"), Some(b"abc".to_vec()));
        assert_eq!(of("bearer  abc "), Some(b"abc".to_vec()));
        for none in ["Basic abc", "Bearer", "", "abc"] {
            assert_eq!(of(none), None, "{none}");
        }
    }
}

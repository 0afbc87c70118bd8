//! The calls over HTTP.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use audiox_core::registry::{SessionCursor, SessionId, SessionRecord};
use audiox_io::FileKind;
use audiox_io::sound::PcmWish;
use audiox_net::http::axum::body::Body;
use audiox_net::http::axum::extract::{Extension, FromRequestParts, Path, Query, State};
use audiox_net::http::axum::http::header::{
    ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, RANGE,
};
use audiox_net::http::axum::http::request::Parts;
use audiox_net::http::axum::http::{HeaderMap, HeaderValue, StatusCode};
use audiox_net::http::axum::response::{IntoResponse, Response};
use audiox_net::http::axum::routing::{get, post};
use audiox_net::http::{Ending, HttpApp, PageFile, axum::Router, page};
use audiox_net::socketio::{SocketIo, SocketIoConfig};
use bytes::Bytes;
use futures_util::stream::unfold;
use serde::Deserialize;
use serde_json::{Value, json};

use super::access::{TICKET_LASTS, bearer};
use super::download::{self, NoSuchBytes, WavFile};
use super::error::PlayerError;
use super::events::Events;
use super::wish::{Words, stored};
use super::{Player, Role, Roles, analysis, info, list, listen};

/// What to put on an [`HttpServer`](audiox_net::http::HttpServer): all calls and events. Tokens
/// are this module's affair, so the server's own access is asked for figures only.
pub fn app(player: &Player, roles: Arc<Roles>) -> (HttpApp, SocketIo) {
    let api = Api {
        player: player.clone(),
        roles,
    };
    let io = SocketIo::new(
        SocketIoConfig::default(),
        Arc::new(Events::new(api.clone())),
    );
    let calls = Router::new()
        .route("/api/sessions", get(sessions))
        .route("/api/session/{id}/info", get(info))
        .route("/api/session/{id}/analyze", get(analyze))
        .route("/api/session/{id}/play", post(play))
        .route("/api/session/{id}/stop", post(stop))
        .route("/api/session/{id}/download", get(fetch))
        .route("/api/session/{id}/picture", get(picture))
        .route("/api/session/{id}/audio", get(audio))
        .route("/api/session/{id}/ticket", post(ticket))
        .with_state(api);
    let app = HttpApp {
        public: calls.merge(page(&PAGE)).merge(io.router()),
        metrics: Some(Arc::new(player.clone())),
        ..HttpApp::new(Router::new())
    };
    (app, io)
}

macro_rules! files {
    ($($path:literal: $file:literal,)*) => {
        [$(PageFile::new($path, include_str!(concat!("page/", $file))),)*]
    };
}

const PAGE: [PageFile; 7] = files! {
    "/": "index.html",
    "/page.css": "page.css",
    "/page.js": "page.js",
    "/sessions.js": "sessions.js",
    "/detail.js": "detail.js",
    "/sound.js": "sound.js",
    "/picture.js": "picture.js",
};

/// A player and who may use it: what the routes share.
#[derive(Debug, Clone)]
pub(super) struct Api {
    pub(super) player: Player,
    pub(super) roles: Arc<Roles>,
}

impl Api {
    /// A session, for who may have it.
    pub(super) async fn record(
        &self,
        id: &SessionId,
        role: Role,
    ) -> Result<SessionRecord, PlayerError> {
        let record = self.player.inner.registry.session(id).await;
        let is_away = matches!(&record, Err(e) if e.is_transient());
        self.player.inner.is_available.store(!is_away, Relaxed);
        let record = record?;
        match record.authenticated() || role >= Role::Operate {
            true => Ok(record),
            false => Err(PlayerError::NotFound),
        }
    }

    /// The session that a request is about.
    async fn asked(
        &self,
        id: &str,
        headers: &HeaderMap,
        ticket: Option<&str>,
    ) -> Result<(SessionRecord, Role), PlayerError> {
        let parsed = SessionId::parse(id).map_err(|_| PlayerError::NotFound);
        let role = match (ticket, &parsed) {
            (Some(ticket), Ok(id)) => self.roles.of_ticket(id, ticket)?,
            _ => self.roles.of(bearer(headers))?,
        };
        Ok((self.record(&parsed?, role).await?, role))
    }
}

type Answer = Result<Response, PlayerError>;

/// What URLs of this module may say.
#[derive(Debug, Default, Deserialize)]
struct Asked {
    limit: Option<usize>,
    cursor: Option<String>,
    buffer: Option<String>,
    format: Option<String>,
    sample: Option<String>,
    rate: Option<String>,
    channels: Option<String>,
    headers: Option<String>,
    from: Option<f64>,
    live: Option<String>,
    ticket: Option<String>,
}

/// What URLs say wrongly is told as everything else that is wrong.
impl<S: Send + Sync> FromRequestParts<S> for Asked {
    type Rejection = PlayerError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, PlayerError> {
        let asked = Query::from_request_parts(parts, state).await;
        let Query(asked) = asked.map_err(|e| PlayerError::Request(e.body_text()))?;
        Ok(asked)
    }
}

/// The id in a path. What is no text is no session's.
struct Id(String);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = PlayerError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, PlayerError> {
        let id = Path::from_request_parts(parts, state).await;
        let Path(id) = id.map_err(|_| PlayerError::NotFound)?;
        Ok(Self(id))
    }
}

impl Asked {
    fn wish(&self, player: &Player, record: &SessionRecord) -> Result<PcmWish, PlayerError> {
        let words = Words {
            sample: self.sample.as_deref(),
            rate: self.rate.as_deref(),
            channels: self.channels.as_deref(),
            headers: self.headers.as_deref(),
        };
        Ok(words.wish(record, &player.inner.config.pcm)?)
    }

    fn from(&self) -> Duration {
        let seconds = self.from.unwrap_or(0.0).clamp(0.0, MOST_SECONDS);
        Duration::try_from_secs_f64(seconds).unwrap_or_default()
    }
}

async fn sessions(State(api): State<Api>, asked: Asked, headers: HeaderMap) -> Answer {
    let role = api.roles.of(bearer(&headers))?;
    let Some(limit) = asked.limit else {
        return Ok(list::whole(&api.player));
    };
    let cursor = asked.cursor.as_deref().map(SessionCursor::parse);
    list::page(&api.player, role, cursor.transpose()?, limit).await
}

async fn info(State(api): State<Api>, Id(id): Id, asked: Asked, headers: HeaderMap) -> Answer {
    let (record, _) = api.asked(&id, &headers, None).await?;
    match asked.buffer.as_deref() {
        Some("preview") => info::short(&api.player, &record).await,
        _ => info::whole(&api.player, record).await,
    }
}

async fn analyze(State(api): State<Api>, Id(id): Id, asked: Asked, headers: HeaderMap) -> Answer {
    let (record, _) = api.asked(&id, &headers, None).await?;
    let wish = asked.wish(&api.player, &record)?;
    let buffer = api.player.buffer(&record).await?;
    let taken = buffer.clone();
    let bytes = api.player.work(move || Ok(analysis::of_bytes(&taken)));
    let mut analysis = bytes.await?;
    match api.player.heard(&buffer, wish).await {
        Ok(heard) => analysis.extend(heard.figures.clone()),
        // Its bytes are what they are, though nobody can hear them.
        Err(PlayerError::Decode(error)) => {
            analysis.insert("decode_error".to_owned(), error.into());
        }
        Err(e) => return Err(e),
    }
    Ok(answer(&json!({
        "success": true,
        "session_id": record.id.as_str(),
        "analysis": analysis,
    })))
}

async fn picture(State(api): State<Api>, Id(id): Id, asked: Asked, headers: HeaderMap) -> Answer {
    let (record, _) = api.asked(&id, &headers, None).await?;
    let wish = asked.wish(&api.player, &record)?;
    let buffer = api.player.buffer(&record).await?;
    let heard = api.player.heard(&buffer, wish).await?;
    Ok(answer(&json!({
        "success": true,
        "session_id": record.id.as_str(),
        "audio_buffer_length": buffer.chars,
        "picture": heard.picture,
    })))
}

async fn play(State(api): State<Api>, Id(id): Id, asked: Asked, headers: HeaderMap) -> Answer {
    let (record, _) = api.asked(&id, &headers, None).await?;
    let wish = asked.wish(&api.player, &record)?;
    api.player.play(&record, wish, asked.from()).await?;
    Ok(answer(&json!({
        "success": true,
        "message": "Audio playback started",
        "session_id": record.id.as_str(),
    })))
}

async fn stop(State(api): State<Api>, Id(id): Id, headers: HeaderMap) -> Answer {
    let role = api.roles.of(bearer(&headers))?;
    let id = SessionId::parse(&id).map_err(|_| PlayerError::NotFound)?;
    // What plays can be silenced though its session is gone.
    let is_hidden = match api.record(&id, role).await {
        Err(PlayerError::NotFound) => api.player.inner.registry.session(&id).await.is_ok(),
        _ => false,
    };
    if is_hidden {
        return Err(PlayerError::NotFound);
    }
    let (success, message) = match api.player.stop(&id) {
        true => (true, "Audio playback stopped"),
        false => (false, "No active playback"),
    };
    Ok(answer(&json!({ "success": success, "message": message })))
}

async fn audio(
    State(api): State<Api>,
    Id(id): Id,
    asked: Asked,
    Extension(ending): Extension<Ending>,
    headers: HeaderMap,
) -> Answer {
    let (record, _) = api.asked(&id, &headers, None).await?;
    let wish = asked.wish(&api.player, &record)?;
    let is_live = asked.live.as_deref().is_some_and(|l| l != "0");
    listen::samples(&api.player, record, wish, asked.from(), is_live, ending).await
}

async fn ticket(State(api): State<Api>, Id(id): Id, headers: HeaderMap) -> Answer {
    let (record, role) = api.asked(&id, &headers, None).await?;
    let ticket = api.roles.ticket(record.id, role)?;
    Ok(answer(&json!({
        "success": true,
        "ticket": ticket,
        "expires_in": TICKET_LASTS.as_secs(),
    })))
}

async fn fetch(State(api): State<Api>, Id(id): Id, asked: Asked, headers: HeaderMap) -> Answer {
    let ticket = asked.ticket.as_deref();
    let (record, _) = api.asked(&id, &headers, ticket).await?;
    let wish = asked.wish(&api.player, &record)?;
    let place = api.player.stream()?;
    let buffer = api.player.buffer(&record).await?;
    let wanted = headers.get(RANGE).and_then(|v| v.to_str().ok());
    if asked.format.as_deref() == Some("original") {
        api.player.inner.downloads.fetch_add(1, Relaxed);
        // Whatever it is, it can be had; only its name may be unknown.
        let kind = match api.player.open(&buffer, wish).await {
            Ok(sound) => sound.kind,
            Err(_) => FileKind::of_buffer(&buffer.bytes),
        };
        let (mime, extension) = stored(kind);
        let name = download::disposition(&id, extension);
        let len = buffer.bytes.len() as u64;
        let Ok(range) = download::range(wanted, len) else {
            return Ok(no_such_bytes(len));
        };
        let part = range.clone().unwrap_or(0..len);
        let body = buffer.bytes.slice(part.start as usize..part.end as usize);
        return Ok(part_of(mime, &name, range, len, Body::from(body)));
    }
    let sound = api.player.open(&buffer, wish).await?;
    let len = WavFile::len_of(&sound)?;
    let range = match download::range(wanted, len) {
        Ok(range) => range,
        Err(NoSuchBytes) => return Ok(no_such_bytes(len)),
    };
    api.player.inner.downloads.fetch_add(1, Relaxed);
    let part = range.clone().unwrap_or(0..len);
    let open = move || Ok(WavFile::part(sound, part)?);
    let file = api.player.work(open).await?;
    let name = download::disposition(&id, "wav");
    let parts = unfold(Some((api.player.clone(), file, place)), |left| async {
        let (player, mut file, place) = left?;
        let next = player.work(move || {
            let piece = file.next()?;
            Ok((piece, file))
        });
        match next.await {
            Ok((piece, file)) => Some((Ok::<Bytes, _>(piece?), Some((player, file, place)))),
            // It is cut off, so that nobody takes it for whole.
            Err(e) => Some((Err(e), None)),
        }
    });
    let body = Body::from_stream(parts);
    Ok(part_of("audio/wav", &name, range, len, body))
}

/// A file, or a part of it.
fn part_of(
    kind: &'static str,
    disposition: &str,
    range: Option<std::ops::Range<u64>>,
    len: u64,
    body: Body,
) -> Response {
    let size = range.as_ref().map_or(len, |r| r.end - r.start);
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(CONTENT_LENGTH, size.into());
    if let Ok(value) = disposition.parse() {
        headers.insert(CONTENT_DISPOSITION, value);
    }
    if let Some(range) = range {
        let told = format!("bytes {}-{}/{len}", range.start, range.end - 1);
        if let Ok(value) = told.parse() {
            headers.insert(CONTENT_RANGE, value);
        }
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    response
}

fn no_such_bytes(len: u64) -> Response {
    let told = [(CONTENT_RANGE, format!("bytes */{len}"))];
    (StatusCode::RANGE_NOT_SATISFIABLE, told).into_response()
}

pub(super) fn answer(value: &Value) -> Response {
    let kind = [(CONTENT_TYPE, "application/json")];
    (kind, value.to_string()).into_response()
}

/// Ten years.
const MOST_SECONDS: f64 = 315e6;

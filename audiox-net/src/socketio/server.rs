//! The endpoint: who opens sessions, finds them, and ends those that answer no more.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use axum::Router;
use axum::extract::{Query, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use serde_json::json;

use super::session::{Session, Transport};
use super::{Client, EnginePacket, Handler, SocketIoConfig, polling, socket};
use crate::http::refusal;
use crate::websocket;

/// A Socket.IO endpoint. Cheap to clone.
#[derive(Clone)]
pub struct SocketIo {
    hub: Arc<Hub>,
}

impl SocketIo {
    /// An endpoint whose clients `handler` hears of.
    pub fn new(config: SocketIoConfig, handler: Arc<dyn Handler>) -> Self {
        Self {
            hub: Arc::new(Hub {
                config,
                handler,
                sessions: Mutex::new(Sessions::default()),
            }),
        }
    }

    /// Its route, to be merged into a server's.
    pub fn router(&self) -> Router {
        let path = self.hub.config.path.trim_end_matches('/');
        Router::new()
            .route(path, any(serve))
            .route(&format!("{path}/"), any(serve))
            .with_state(self.hub.clone())
    }

    /// Clients that have a session.
    pub fn clients(&self) -> Vec<Client> {
        self.hub.all().into_iter().map(Client).collect()
    }

    /// Ends every session.
    pub async fn close(&self) {
        for session in self.hub.all() {
            self.hub.end(&session).await;
        }
    }
}

impl fmt::Debug for SocketIo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SocketIo")
            .field("sessions", &self.hub.sessions().by_id.len())
            .finish()
    }
}

pub(super) struct Hub {
    pub(super) config: SocketIoConfig,
    pub(super) handler: Arc<dyn Handler>,
    sessions: Mutex<Sessions>,
}

#[derive(Default)]
struct Sessions {
    by_id: HashMap<String, Arc<Session>>,
    is_tended: bool,
}

impl Hub {
    /// Opens a session and tells its client of it; none where there are too many.
    pub(super) fn open(
        self: &Arc<Self>,
        headers: &HeaderMap,
        transport: Transport,
    ) -> Option<Arc<Session>> {
        let (engine_id, id) = (random_id(), random_id());
        let session = Session::new(
            id,
            engine_id.clone(),
            headers.clone(),
            transport,
            &self.config,
        );
        let upgrades: &[&str] = match transport {
            Transport::Polling => &["websocket"],
            _ => &[],
        };
        let hello = json!({
            "sid": engine_id,
            "upgrades": upgrades,
            "pingInterval": self.config.ping_interval.as_millis() as u64,
            "pingTimeout": self.config.ping_timeout.as_millis() as u64,
            "maxPayload": self.config.max_payload,
        });
        session.send(&EnginePacket::Open(&hello.to_string()));
        let session = Arc::new(session);
        let mut sessions = self.sessions();
        if sessions.by_id.len() >= self.config.max_clients {
            return None;
        }
        sessions.by_id.insert(engine_id, session.clone());
        if !std::mem::replace(&mut sessions.is_tended, true) {
            tokio::spawn(tend(Arc::downgrade(self)));
        }
        Some(session)
    }

    pub(super) async fn end(&self, session: &Arc<Session>) {
        self.sessions().by_id.remove(&session.engine_id);
        session.end(&*self.handler).await;
    }

    fn find(&self, id: &str) -> Option<Arc<Session>> {
        self.sessions().by_id.get(id).cloned()
    }

    fn all(&self) -> Vec<Arc<Session>> {
        self.sessions().by_id.values().cloned().collect()
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a request's URL says.
#[derive(serde::Deserialize)]
struct Asked {
    #[serde(rename = "EIO")]
    version: Option<String>,
    transport: Option<String>,
    sid: Option<String>,
}

async fn serve(
    State(hub): State<Arc<Hub>>,
    Query(asked): Query<Asked>,
    request: Request,
) -> Response {
    if asked.version.as_deref() != Some("4") {
        return failure(5, "Unsupported protocol version");
    }
    let is_websocket = match asked.transport.as_deref() {
        Some("polling") => false,
        Some("websocket") => true,
        _ => return failure(0, "Transport unknown"),
    };
    let session = match asked.sid {
        None => None,
        Some(sid) => match hub.find(&sid) {
            None => return failure(1, "Session ID unknown"),
            found => found,
        },
    };
    if is_websocket {
        if !websocket::is_asked_for(request.headers()) {
            return failure(3, "Bad request");
        }
        return socket::serve(hub, session, request);
    }
    match (request.method(), session) {
        (&Method::GET, None) => match hub.open(request.headers(), Transport::Polling) {
            None => too_many(),
            Some(session) => polling::get(&hub, &session).await,
        },
        (&Method::GET, Some(session)) => polling::get(&hub, &session).await,
        (&Method::POST, Some(session)) => polling::post(&hub, &session, request.into_body()).await,
        _ => failure(2, "Bad handshake method"),
    }
}

/// A refusal as Engine.IO's clients know it.
pub(super) fn failure(code: u8, message: &str) -> Response {
    let body = json!({ "code": code, "message": message }).to_string();
    let kind = [(CONTENT_TYPE, "application/json")];
    (StatusCode::BAD_REQUEST, kind, body).into_response()
}

pub(super) fn too_many() -> Response {
    let reason = "there are as many clients as are taken; try again later";
    refusal(StatusCode::SERVICE_UNAVAILABLE, reason)
}

/// Sends heartbeats, and ends the sessions of who is gone, until the endpoint is gone.
async fn tend(hub: Weak<Hub>) {
    loop {
        tokio::time::sleep(TEND_EVERY).await;
        let Some(hub) = hub.upgrade() else {
            return;
        };
        for session in hub.all() {
            if !session.tend(&hub.config) {
                // One that is busy with its handler does not hold the others up.
                let hub = hub.clone();
                tokio::spawn(async move { hub.end(&session).await });
            }
        }
    }
}

/// 120 bits that nobody guesses.
fn random_id() -> String {
    use base64::Engine;
    let mut bytes = [0; 15];
    getrandom::fill(&mut bytes).expect("the system has random numbers");
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

const TEND_EVERY: Duration = Duration::from_millis(500);

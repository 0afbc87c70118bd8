//! Events of Socket.IO.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use audiox_core::registry::SessionId;
use audiox_net::socketio::{Client, Handler, Hello, Incoming, Outgoing};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::Role;
use super::access::bearer;
use super::error::PlayerError;
use super::http::Api;
use super::watch::Seen;

/// Those who hear of events.
pub(super) struct Events {
    api: Api,
    listeners: Mutex<HashMap<String, Listener>>,
}

struct Listener {
    role: Role,
    watching: HashMap<SessionId, JoinHandle<()>>,
}

impl Events {
    pub(super) fn new(api: Api) -> Self {
        Self {
            api,
            listeners: Mutex::default(),
        }
    }

    async fn watch(&self, client: &Client, event: &Incoming) -> Result<(), PlayerError> {
        let id = session_id(event)?;
        let role = self.listeners().get(client.id()).map(|l| l.role);
        let role = role.ok_or(PlayerError::NotFound)?;
        let record = self.api.record(&id, role).await?;
        let busy = || PlayerError::Busy("too many sessions are watched".to_owned());
        let seen = self.api.player.inner.watched.follow(&record);
        let seen = seen.ok_or_else(busy)?;
        let mut listeners = self.listeners();
        let Some(listener) = listeners.get_mut(client.id()) else {
            return Ok(());
        };
        listener.watching.retain(|_, task| !task.is_finished());
        if listener.watching.len() >= MOST_WATCHED {
            return Err(busy());
        }
        let task = tokio::spawn(tell(client.clone(), id.clone(), seen));
        if let Some(former) = listener.watching.insert(id, task) {
            former.abort();
        }
        Ok(())
    }

    fn listeners(&self) -> MutexGuard<'_, HashMap<String, Listener>> {
        self.listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells a client of a session until it is gone.
async fn tell(client: Client, id: SessionId, mut seen: watch::Receiver<Seen>) {
    loop {
        let now = *seen.borrow_and_update();
        let data = json!({
            "session_id": id.as_str(),
            "audio_buffer_length": now.chars,
            "is_recording": now.is_recording,
            "gone": now.is_gone,
        });
        client.emit(Outgoing::event("session_grew", [data], vec![]));
        if seen.changed().await.is_err() {
            return;
        }
    }
}

fn session_id(event: &Incoming) -> Result<SessionId, PlayerError> {
    let id = event.args.first().and_then(|a| a.get("session_id"));
    let id = id.and_then(Value::as_str).ok_or(PlayerError::NotFound)?;
    SessionId::parse(id).map_err(|_| PlayerError::NotFound)
}

#[async_trait]
impl Handler for Events {
    async fn connect(&self, client: &Client, hello: &Hello) -> Result<(), String> {
        let said = hello.auth.as_ref().and_then(|a| a.get("token"));
        let token = said.and_then(Value::as_str).filter(|t| !t.is_empty());
        let token = token.or_else(|| bearer(&hello.headers));
        let role = self.api.roles.of(token).map_err(|e| e.to_string())?;
        let listener = Listener {
            role,
            watching: HashMap::new(),
        };
        self.listeners().insert(client.id().to_owned(), listener);
        Ok(())
    }

    async fn connected(&self, client: &Client) {
        let hello = json!({ "message": "Connected to audio stream player" });
        client.emit(Outgoing::event("connected", [hello], vec![]));
        let player = &self.api.player;
        player.inner.listeners.join(client.outbox());
        let role = self.listeners().get(client.id()).map(|l| l.role);
        if role == Some(Role::Operate) {
            player.inner.operators.join(client.outbox());
        }
        player.look();
    }

    async fn event(&self, client: &Client, event: Incoming) -> Vec<Value> {
        let done = match event.name.as_str() {
            "watch" => self.watch(client, &event).await,
            "unwatch" => session_id(&event).map(|id| {
                let mut listeners = self.listeners();
                let listener = listeners.get_mut(client.id());
                if let Some(task) = listener.and_then(|l| l.watching.remove(&id)) {
                    task.abort();
                }
            }),
            // Of other programs that share the endpoint's clients.
            _ => Ok(()),
        };
        vec![match done {
            Ok(()) => json!({ "success": true }),
            Err(e) => json!({ "success": false, "message": e.to_string() }),
        }]
    }

    async fn disconnect(&self, client: &Client) {
        let inner = &self.api.player.inner;
        inner.listeners.leave(client.outbox());
        inner.operators.leave(client.outbox());
        let gone = self.listeners().remove(client.id());
        for (_, task) in gone.into_iter().flat_map(|l| l.watching) {
            task.abort();
        }
    }
}

/// Sessions that one client watches.
const MOST_WATCHED: usize = 16;

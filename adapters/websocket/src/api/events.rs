//! Events of Socket.IO.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use audiox_core::store::{SegmentKey, StreamId};
use audiox_net::socketio::{Client, Handler, Hello, Incoming, Outgoing};
use serde_json::{Value, json};

use super::Api;
use crate::access::{self, Role};
use crate::stream::Stream;

/// Listeners over Socket.IO.
pub(super) struct Events {
    api: Api,
    listeners: Mutex<HashMap<String, Listener>>,
}

#[derive(Default)]
struct Listener {
    token: Option<String>,
    joined: Vec<Arc<Stream>>,
}

impl Events {
    pub(super) fn new(api: Api) -> Self {
        Self {
            api,
            listeners: Mutex::default(),
        }
    }

    fn with<T>(&self, client: &Client, f: impl FnOnce(&mut Listener) -> T) -> Option<T> {
        let mut listeners = self
            .listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        listeners.get_mut(client.id()).map(f)
    }

    /// The stream that an event speaks of, where its sender may listen to it.
    fn stream(&self, client: &Client, event: &Incoming) -> Result<Arc<Stream>, String> {
        let invalid = || "Invalid stream ID".to_owned();
        let id = event.args.first().and_then(|a| a.get("stream_id"));
        let id = id.and_then(Value::as_str).ok_or_else(invalid)?;
        let id = StreamId::parse(id).map_err(|_| invalid())?;
        let token = self.with(client, |l| l.token.clone()).flatten();
        let may = self
            .api
            .roles
            .check(Role::Listen, Some(&id), token.as_deref());
        may.map_err(|e| e.to_string())?;
        self.api.relay.stream(&id).map_err(|_| invalid())
    }

    fn join(&self, client: &Client, stream: Arc<Stream>) {
        let is_live = stream.is_live();
        stream.with_stored(|stored| {
            let chunks = stored
                .iter()
                .map(|n| SegmentKey::new(stream.id.clone(), *n).to_string());
            let joined = json!({
                "stream_id": stream.id.as_str(),
                "is_live": is_live,
                "chunks": chunks.collect::<Vec<_>>(),
            });
            client.emit(Outgoing::event("joined", [joined], vec![]));
            stream.events.join(client.outbox());
        });
        self.with(client, |l| {
            if !l.joined.iter().any(|s| Arc::ptr_eq(s, &stream)) {
                l.joined.push(stream);
            }
        });
    }

    fn leave(&self, client: &Client, stream: &Arc<Stream>) {
        stream.events.leave(client.outbox());
        self.with(client, |l| l.joined.retain(|s| !Arc::ptr_eq(s, stream)));
    }
}

#[async_trait]
impl Handler for Events {
    async fn connect(&self, client: &Client, hello: &Hello) -> Result<(), String> {
        let said = hello.auth.as_ref().and_then(|a| a.get("token"));
        let said = said.and_then(Value::as_str);
        let token = said.or_else(|| access::bearer(&hello.headers));
        // What it is good for is seen when it is used: some are for a single stream.
        let listener = Listener {
            token: token.map(str::to_owned),
            joined: Vec::new(),
        };
        let mut listeners = self
            .listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        listeners.insert(client.id().to_owned(), listener);
        Ok(())
    }

    async fn event(&self, client: &Client, event: Incoming) -> Vec<Value> {
        let tell = |message: String| {
            let error = json!({ "message": message });
            client.emit(Outgoing::event("error", [error], vec![]));
        };
        match (event.name.as_str(), self.stream(client, &event)) {
            ("join_stream", Ok(stream)) => self.join(client, stream),
            ("leave_stream", Ok(stream)) => self.leave(client, &stream),
            ("join_stream" | "leave_stream", Err(message)) => tell(message),
            // Of other programs that share the endpoint's clients.
            _ => {}
        }
        Vec::new()
    }

    async fn disconnect(&self, client: &Client) {
        let mut listeners = self
            .listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let gone = listeners.remove(client.id()).unwrap_or_default();
        drop(listeners);
        for stream in gone.joined {
            stream.events.leave(client.outbox());
        }
    }
}

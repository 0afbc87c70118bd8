//! The calls and events of the original, and what stands beside them. JSON over HTTP:
//!
//! | call | answer |
//! | --- | --- |
//! | `POST /api/streams` (optional: `rate`, `channels`, `format`, `name`) | `{"stream_id"}` |
//! | `GET /api/streams` | `{"<id>": {"is_live", "chunks": count, …}}` |
//! | `GET /api/streams/<id>` | what is known of it |
//! | `DELETE /api/streams/<id>` | removes one that has ended |
//! | `POST /api/streams/<id>/audio`, the sender's bytes | `{"success": true}` |
//! | `POST /api/streams/<id>/end` | `{"success": true}` |
//! | `GET /api/streams/<id>/chunks` | `{"chunks": ["<id>/<seconds>.raw"], "is_live"}` |
//! | `GET /api/chunks/<id>/<seconds>.raw` | the segment's bytes |
//! | `POST /api/streams/<id>/tokens` (`{"expires_in": seconds}`) | `{"token", "expires_in"}`; for up to a minute, who may listen may have one |
//! | `GET /api/streams/<id>/waveform` (`from`, `to`, `points`) | least and greatest samples |
//! | `GET /api/events` | server-sent events: streams, levels, listeners |
//! | `GET /api/time` | `{"now": seconds since 1970}` |
//! | `GET /` | a page that shows, plays and publishes streams |
//!
//! Audio by HTTP, each with `?from=` (see [`When`](crate::When)):
//!
//! | call | answer |
//! | --- | --- |
//! | `GET /api/streams/<id>/live.wav` | what is live, as WAV without a length |
//! | `GET /api/streams/<id>/live.ogg` | what is live from now on, as Ogg Opus |
//! | `GET /api/streams/<id>/audio.wav`, `.ogg`, `.raw`, also with `&to=` | a part of what there is by now |
//!
//! A body of known length is one packet, whatever its length. One without (chunked transfer) is
//! taken as it comes, for as long as it comes.
//!
//! A sender that sends again after a failure says where its body begins, in bytes of the stream,
//! by the header `audiox-offset`: what the relay has already is left out, and what never came
//! becomes silence that is listed as missing.
//!
//! Errors are `{"error": …}`: 404 for what is not known, 400 for what is wrong or over, 401
//! without the right token, 413 for too much at once, 507 where the archive has no room.
//!
//! A page, which cannot give a WebSocket a header, gives its token as one of two protocols, `audiox`
//! and `bearer.TOKEN`, with what no protocol may have in it written as in URLs (`%2F`).
//!
//! Socket.IO: `join_stream` `{"stream_id"}` is answered by `joined` `{"stream_id", "is_live",
//! "chunks"}` and then `audio_data` `{"stream_id", "data"}` with the bytes of each packet, and
//! `new_chunk` `{"chunk_id"}` after a segment is stored; or by `error` `{"message"}`.
//! `leave_stream` ends it.

mod audio;
mod console;
mod events;
mod http;
mod listen;
mod listening;
mod waveform;

#[cfg(feature = "client")]
pub(crate) use http::OFFSET;

use std::sync::Arc;

use audiox_core::store::StreamId;
use audiox_net::http::axum::http::HeaderMap;
use audiox_net::http::{HttpApp, axum::Router};
use audiox_net::socketio::{SocketIo, SocketIoConfig};

use crate::access::{self, Role, Roles};
use crate::{Relay, RelayError};

/// A relay and who may use it: what the routes share.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    pub(crate) relay: Relay,
    pub(crate) roles: Arc<Roles>,
}

impl Api {
    pub(crate) fn check(
        &self,
        role: Role,
        stream: Option<&StreamId>,
        headers: &HeaderMap,
    ) -> Result<(), RelayError> {
        self.roles.check(role, stream, access::bearer(headers))
    }
}

/// What to put on an [`HttpServer`](audiox_net::http::HttpServer): all calls and events. Tokens
/// are this crate's affair, so the server's own access is not asked.
pub fn app(relay: &Relay, roles: Arc<Roles>) -> (HttpApp, SocketIo) {
    let api = Api {
        relay: relay.clone(),
        roles,
    };
    let events = events::Events::new(api.clone());
    let config = SocketIoConfig {
        outbox: audiox_net::fanout::OutboxConfig {
            bytes: relay.config().listener_bytes,
            ..Default::default()
        },
        ..SocketIoConfig::default()
    };
    let io = SocketIo::new(config, Arc::new(events));
    let app = HttpApp {
        public: http::routes(api.clone())
            .merge(audio::routes(api.clone()))
            .merge(listen::routes(api.clone()))
            .merge(waveform::routes(api.clone()))
            .merge(console::routes(api.clone()))
            .merge(io.router()),
        endless: http::endless(api),
        ..HttpApp::new(Router::new())
    };
    (app, io)
}

//! What requests of listeners have in common: a stream, a part of it, and a token.

use std::sync::Arc;

use audiox_net::endpoint::unescape;
use audiox_net::http::axum::extract::{FromRequestParts, Path, Query};
use audiox_net::http::axum::http::HeaderMap;
use audiox_net::http::axum::http::header::SEC_WEBSOCKET_PROTOCOL;
use audiox_net::http::axum::http::request::Parts;
use serde::Deserialize;

use super::Api;
use super::http::stream_id;
use crate::access::{self, Role};
use crate::stream::Stream;
use crate::when::When;
use crate::{Relay, RelayError};

/// A stream that who asks may listen to, and which part of it is wanted.
pub(super) struct Listening {
    pub(super) relay: Relay,
    pub(super) stream: Arc<Stream>,
    pub(super) part: Part,
}

/// Which part of a stream.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Part {
    from: Option<String>,
    to: Option<String>,
    /// A listen token that was given for this stream; others belong into the header.
    listen: Option<String>,
}

impl Part {
    pub(super) fn from(&self) -> Result<Option<When>, RelayError> {
        Ok(self.from.as_deref().map(str::parse).transpose()?)
    }

    pub(super) fn to(&self) -> Result<Option<When>, RelayError> {
        Ok(self.to.as_deref().map(str::parse).transpose()?)
    }
}

impl FromRequestParts<Api> for Listening {
    type Rejection = RelayError;

    /// Whether who asks may listen is settled before whether there is such a stream. A request that
    /// cannot have a header of its own gives its token elsewhere: pages as a WebSocket's protocol
    /// `bearer.TOKEN`, links a listen token in the URL.
    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, RelayError> {
        let id = Path::<String>::from_request_parts(parts, api).await;
        let id = stream_id(&id.map_err(|_| RelayError::UnknownStream)?)?;
        let query = Query::<Part>::from_request_parts(parts, api).await;
        let Query(part) = query.map_err(|e| RelayError::Request(e.to_string()))?;
        match &part.listen {
            Some(token) => api.roles.check_given(&id, token)?,
            None => {
                let protocol = protocol_token(&parts.headers);
                let token = access::bearer(&parts.headers).or(protocol.as_deref());
                api.roles.check(Role::Listen, Some(&id), token)?;
            }
        }
        Ok(Self {
            stream: api.relay.stream(&id)?,
            relay: api.relay.clone(),
            part,
        })
    }
}

/// The token among a WebSocket's protocols, where characters that no protocol has are written as
/// in URLs (`%2F`).
pub(super) fn protocol_token(headers: &HeaderMap) -> Option<String> {
    unescape(protocols(headers).find_map(|p| p.strip_prefix("bearer."))?)
}

/// The protocols that a WebSocket's client offers.
pub(super) fn protocols(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let offered = headers.get(SEC_WEBSOCKET_PROTOCOL);
    let offered = offered.and_then(|p| p.to_str().ok()).unwrap_or_default();
    offered.split(',').map(str::trim)
}

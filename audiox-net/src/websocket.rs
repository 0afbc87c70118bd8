//! WebSocket connections (RFC 6455) on the [HTTP shell](crate::http).
//!
//! Reading, control frames and the closing handshake are `tungstenite`'s. Writing takes frames
//! that were encoded before ([`encode`]): a server does not mask them (section 5.3), so the bytes
//! are the same for every listener, and what goes to a thousand of them is encoded once.

use std::fmt;
use std::io;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{
    CONNECTION, HeaderName, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{self, Utf8Bytes};

use crate::http::{Place, refusal};

/// What a message holds; on the wire its first frame's opcode (RFC 6455 section 11.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8.
    Text,
    /// Any bytes.
    Binary,
}

/// A message that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What it holds.
    pub kind: Kind,
    bytes: Bytes,
}

impl Message {
    /// Its bytes.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Its text, where it is one.
    pub fn text(&self) -> Option<&str> {
        // Checked when it was read; to check again costs little.
        let is_text = self.kind == Kind::Text;
        std::str::from_utf8(&self.bytes).ok().filter(|_| is_text)
    }

    /// Its bytes, which are shared, not copied.
    pub fn into_bytes(self) -> Bytes {
        self.bytes
    }
}

/// Writes a message of one frame to the end of `out`, as a server does.
pub fn encode(kind: Kind, payload: &[u8], out: &mut Vec<u8>) {
    out.reserve(payload.len() + 10);
    out.push(match kind {
        Kind::Text => FINAL | 1,
        Kind::Binary => FINAL | 2,
    });
    match payload.len() {
        short @ ..=125 => out.push(short as u8),
        medium @ ..=0xffff => {
            out.push(126);
            out.extend_from_slice(&(medium as u16).to_be_bytes());
        }
        long => {
            out.push(127);
            out.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
}

/// Whether a request asks for a WebSocket.
pub fn is_asked_for(headers: &HeaderMap) -> bool {
    has_word(headers, &UPGRADE, "websocket")
}

/// Answers a request that asks for a WebSocket, and serves it in a task of its own. Messages of
/// more than `max_message` bytes end it. What is wrong with a request is told in the response.
pub fn upgrade<F, S>(mut request: Request, max_message: usize, serve: F) -> Response
where
    F: FnOnce(WebSocket) -> S + Send + 'static,
    S: Future<Output = ()> + Send,
{
    let headers = request.headers();
    let asked = request.method() == Method::GET
        && has_word(headers, &UPGRADE, "websocket")
        && has_word(headers, &CONNECTION, "upgrade");
    let Some(key) = headers.get(SEC_WEBSOCKET_KEY).filter(|_| asked) else {
        let reason = "this takes a WebSocket handshake: GET with Upgrade, Connection and \
                      Sec-WebSocket-Key";
        return refusal(StatusCode::BAD_REQUEST, reason);
    };
    if headers.get(SEC_WEBSOCKET_VERSION).map(|v| v.as_bytes()) != Some(b"13") {
        let reason = refusal(
            StatusCode::UPGRADE_REQUIRED,
            "WebSocket version 13 is spoken here",
        );
        return ([(SEC_WEBSOCKET_VERSION, "13")], reason).into_response();
    }
    let accept = derive_accept_key(key.as_bytes());
    let place = request.extensions_mut().remove::<Place>();
    let upgraded = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let Ok(upgraded) = upgraded.await else {
            return; // The client was gone before.
        };
        let config = WebSocketConfig::default()
            .max_message_size(Some(max_message))
            .max_frame_size(Some(max_message))
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(0);
        let io = TokioIo::new(upgraded);
        let inner = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
        serve(WebSocket { inner }).await;
        drop(place);
    });
    let heads = [
        (UPGRADE, "websocket".to_owned()),
        (CONNECTION, "Upgrade".to_owned()),
        (SEC_WEBSOCKET_ACCEPT, accept),
    ];
    (StatusCode::SWITCHING_PROTOCOLS, heads, Body::empty()).into_response()
}

/// A connection, the server's end.
pub struct WebSocket {
    inner: WebSocketStream<TokioIo<Upgraded>>,
}

impl WebSocket {
    /// The next message; none when the connection has ended, however it did. Pings are answered
    /// here. Nothing is lost where the future is dropped.
    pub async fn recv(&mut self) -> Option<Message> {
        loop {
            let message = self.inner.next().await?.ok()?;
            let (kind, bytes) = match message {
                tungstenite::Message::Text(text) => (Kind::Text, text.into()),
                tungstenite::Message::Binary(bytes) => (Kind::Binary, bytes),
                _ => continue,
            };
            return Some(Message { kind, bytes });
        }
    }

    /// Sends `frames`, whole ones of [`encode`]. Where the future is dropped half-way the
    /// connection can only be dropped too.
    ///
    /// # Errors
    /// The connection has ended.
    pub async fn send(&mut self, frames: &[u8]) -> io::Result<()> {
        // Answers to pings are tungstenite's; none may be cut in two.
        self.inner.flush().await.map_err(io::Error::other)?;
        self.inner.get_mut().write_all(frames).await
    }

    /// Ends the connection, saying why.
    pub async fn close(mut self, code: u16, reason: &str) {
        let frame = tungstenite::protocol::CloseFrame {
            code: code.into(),
            reason: Utf8Bytes::from(reason),
        };
        let _ = self.inner.close(Some(frame)).await;
    }
}

impl fmt::Debug for WebSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket").finish_non_exhaustive()
    }
}

/// Whether a header that is a list of words has this one.
fn has_word(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|v| v.to_str().ok());
    let mut words = values.flat_map(|v| v.split(','));
    words.any(|w| w.trim().eq_ignore_ascii_case(word))
}

const FINAL: u8 = 0x80;
/// Listeners say little, and there may be thousands.
const READ_BUFFER: usize = 4 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 6455 section 5.7.
    #[test]
    fn frames_are_those_of_the_rfc() {
        let mut out = Vec::new();
        encode(Kind::Text, b"Hello", &mut out);
        assert_eq!(out, [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]);
        for (len, head) in [
            (256, &[0x82, 0x7e, 0x01, 0x00][..]),
            (65_536, &[0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0][..]),
        ] {
            let mut out = Vec::new();
            encode(Kind::Binary, &vec![7; len], &mut out);
            assert_eq!(&out[..head.len()], head);
            assert_eq!(out.len(), head.len() + len);
        }
    }

    #[test]
    fn a_handshake_is_known_by_its_headers() {
        let mut headers = HeaderMap::new();
        assert!(!is_asked_for(&headers));
        headers.insert(UPGRADE, "h2c, WebSocket".parse().unwrap());
        assert!(is_asked_for(&headers));
    }
}

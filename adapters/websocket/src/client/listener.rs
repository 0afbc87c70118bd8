//! Who listens to a stream.

use std::fmt;
use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

use audiox_core::store::{StoredFormat, StreamId};
use audiox_core::time::MediaTime;
use bytes::Bytes;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;
use tungstenite::client::IntoClientRequest;
use tungstenite::http::HeaderValue;
use tungstenite::{Message, WebSocket};

use super::link::Link;
use super::{ClientError, Connect};
use crate::packet::Header;
use crate::when::When;

/// How a stream is listened to.
#[derive(Debug, Clone)]
pub struct ListenerConfig {
    /// The relay and the stream.
    pub connect: Connect,
    /// From where.
    pub from: When,
    /// How long the relay may be away before it is given up; a minute by default.
    pub patience: Duration,
}

impl ListenerConfig {
    /// What comes from now on.
    pub const fn new(connect: Connect) -> Self {
        Self {
            connect,
            from: When::Live,
            patience: Duration::from_secs(60),
        }
    }
}

/// What a listener hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// The first frame, since the stream's start.
    pub at: MediaTime,
    /// Whole frames.
    pub frames: Bytes,
    /// Whether it comes from the archive, so perhaps faster than it was sent.
    pub is_archived: bool,
}

/// A stream as it comes from a relay, live or from the archive.
pub struct Listener {
    config: ListenerConfig,
    stream: StreamId,
    format: StoredFormat,
    frame: i64,
    socket: Option<WebSocket<Wire>>,
    /// The frame that comes next, once something came.
    next: Option<MediaTime>,
    reconnects: u64,
    /// Since when the relay breaks off each time, and how long to wait before the next.
    broken_off: Option<(Instant, Duration)>,
}

impl Listener {
    /// Asks the relay for the stream.
    ///
    /// # Errors
    /// The URL names no stream, the relay cannot be reached, or it refuses.
    pub fn start(config: ListenerConfig) -> Result<Self, ClientError> {
        let relay = config.connect.relay.base();
        let Some(stream) = config.connect.relay.stream.clone() else {
            return Err(ClientError::Refused {
                relay,
                reason: "name a stream, as http://HOST:PORT/STREAM; GET /api/streams lists them"
                    .to_owned(),
            });
        };
        let format = Link::new(config.connect.clone())?.format(&stream)?;
        let mut this = Self {
            frame: format.frame_bytes().unwrap_or(1) as i64,
            config,
            stream,
            format,
            socket: None,
            next: None,
            reconnects: 0,
            broken_off: None,
        };
        this.socket = Some(this.connect()?);
        Ok(this)
    }

    /// The stream's id.
    pub fn stream(&self) -> &StreamId {
        &self.stream
    }

    /// What its frames are.
    pub fn format(&self) -> &StoredFormat {
        &self.format
    }

    /// Times that the relay had to be asked anew.
    pub fn reconnects(&self) -> u64 {
        self.reconnects
    }

    /// Waits for what comes next; none at the end of the stream. Frames follow each other; where
    /// they do not, something is missing.
    ///
    /// # Errors
    /// The relay refuses, or was away for too long.
    pub fn hear(&mut self) -> Result<Option<Heard>, ClientError> {
        loop {
            let Some(socket) = &mut self.socket else {
                self.reconnect()?;
                continue;
            };
            let Ok(message) = socket.read() else {
                self.socket = None;
                continue;
            };
            match message {
                Message::Binary(bytes) => {
                    let Ok((header, frames)) = Header::parse(&bytes) else {
                        return Err(self.no_relay("a packet that is none"));
                    };
                    let count = frames.len() as i64 / self.frame;
                    self.next = Some(header.at + count);
                    self.broken_off = None;
                    return Ok(Some(Heard {
                        at: header.at,
                        frames,
                        is_archived: header.is_archived,
                    }));
                }
                Message::Text(text) => {
                    let told: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
                    if told.get("ended") == Some(&Value::Bool(true)) {
                        return Ok(None);
                    }
                    if let Some(error) = told.get("error").and_then(Value::as_str) {
                        tracing::warn!("the relay breaks off: {error}");
                        self.socket = None;
                        self.pause(error)?;
                    }
                }
                Message::Close(_) => self.socket = None,
                _ => {}
            }
        }
    }

    /// Waits before a relay is asked again that let this in and then had nothing to give.
    fn pause(&mut self, error: &str) -> Result<(), ClientError> {
        let now = (Instant::now(), FIRST_PAUSE);
        let (since, pause) = self.broken_off.unwrap_or(now);
        if since.elapsed() >= self.config.patience {
            return Err(ClientError::Away {
                relay: self.config.connect.relay.base(),
                reason: error.to_owned(),
            });
        }
        std::thread::sleep(pause);
        self.broken_off = Some((since, (pause * 2).min(LAST_PAUSE)));
        Ok(())
    }

    /// Asks again, from where it was.
    fn reconnect(&mut self) -> Result<(), ClientError> {
        let since = Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            match self.connect() {
                Ok(socket) => {
                    self.socket = Some(socket);
                    self.reconnects += 1;
                    return Ok(());
                }
                Err(e) if e.is_transient() && since.elapsed() < self.config.patience => {
                    std::thread::sleep(pause);
                    pause = (pause * 2).min(LAST_PAUSE);
                }
                Err(e) => return Err(e),
            }
        }
    }

    fn connect(&self) -> Result<WebSocket<Wire>, ClientError> {
        let relay = &self.config.connect.relay;
        let away = |reason: String| ClientError::Away {
            relay: relay.base(),
            reason,
        };
        let from = self.next.map_or(self.config.from, When::Frame);
        // The only character of these that a query has to escape is none.
        let url = format!(
            "{}/api/streams/{}/listen?from={from}",
            relay.base().replacen("http", "ws", 1),
            self.stream
        );
        let mut request = url.into_client_request().map_err(|e| away(e.to_string()))?;
        if let Some(token) = &self.config.connect.token
            && let Ok(value) = HeaderValue::from_str(&format!("Bearer {token}"))
        {
            request.headers_mut().insert("Authorization", value);
        }
        let wire = Wire::open(&self.config.connect)?;
        match tungstenite::client(request, wire) {
            Ok((socket, _)) => Ok(socket),
            Err(tungstenite::HandshakeError::Failure(tungstenite::Error::Http(answer)))
                if answer.status().is_client_error() =>
            {
                let body = answer.body().as_deref().unwrap_or_default();
                let told: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
                let error = told.get("error").and_then(Value::as_str);
                Err(ClientError::Refused {
                    relay: relay.base(),
                    reason: match error {
                        Some(error) => error.to_owned(),
                        None => format!("it answers {}", answer.status()),
                    },
                })
            }
            Err(e) => Err(away(e.to_string())),
        }
    }

    fn no_relay(&self, reason: &str) -> ClientError {
        ClientError::NoRelay {
            relay: self.config.connect.relay.base(),
            reason: reason.to_owned(),
        }
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener")
            .field("stream", &self.stream)
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}

/// A connection, encrypted or not.
enum Wire {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Wire {
    fn open(connect: &Connect) -> Result<Self, ClientError> {
        let relay = &connect.relay;
        let away = |reason: String| ClientError::Away {
            relay: relay.base(),
            reason,
        };
        let refused = |reason: String| ClientError::Refused {
            relay: relay.base(),
            reason,
        };
        let (host, port) = relay.host();
        let mut addresses = (host, port)
            .to_socket_addrs()
            .map_err(|e| away(e.to_string()))?;
        let stream = addresses
            .find_map(|a| TcpStream::connect_timeout(&a, CONNECT).ok())
            .ok_or_else(|| away("nobody answers there".to_owned()))?;
        let _ = stream.set_nodelay(true);
        let _ = stream.set_read_timeout(Some(SILENT));
        if !relay.is_tls {
            return Ok(Self::Plain(stream));
        }
        let mut roots = RootCertStore::empty();
        match &connect.trust {
            Some(pem) => {
                for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()).flatten() {
                    roots.add(certificate).map_err(|e| refused(e.to_string()))?;
                }
            }
            None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| refused(e.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from(host.to_owned()).map_err(|e| refused(e.to_string()))?;
        let tls = ClientConnection::new(Arc::new(config), name);
        let tls = tls.map_err(|e| refused(e.to_string()))?;
        Ok(Self::Tls(Box::new(StreamOwned::new(tls, stream))))
    }
}

impl Read for Wire {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(out),
            Self::Tls(stream) => stream.read(out),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(data),
            Self::Tls(stream) => stream.write(data),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

const CONNECT: Duration = Duration::from_secs(5);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(2);
/// A stream that is silent for so long is asked for anew, in case the relay is gone.
const SILENT: Duration = Duration::from_secs(30);

//! Bounds on what clients may take.

use std::time::Duration;

/// Bounds on what clients may take of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request's body; 1 MiB by default.
    pub body: usize,
    /// Connections open at once, WebSockets too; 256 by default. Further ones are closed at once, and counted.
    pub connections: usize,
    /// How long a client may take for the TLS handshake, for a request's head, which also bounds
    /// how long a connection is kept without one, and from one part of a request's body to the
    /// next; 15 s by default.
    pub head: Duration,
    /// How long requests that are under way may take to finish when the server stops; 2 s by
    /// default.
    pub grace: Duration,
}

impl Default for Limits {
    /// For a control page and its few viewers.
    fn default() -> Self {
        Self {
            body: 1 << 20,
            connections: 256,
            head: Duration::from_secs(15),
            grace: Duration::from_secs(2),
        }
    }
}

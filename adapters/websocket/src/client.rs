//! Clients of a relay, for programs without an async runtime: who publishes a stream, and who
//! listens to one.
//!
//! Both survive a relay that goes away for a while: a [`Publisher`] keeps what was not accepted
//! and sends it again, and a [`Listener`] goes on at the frame where it was. With a relay of the
//! original's kind, which knows nothing of formats and offsets, a publisher works too.

mod address;
mod link;
mod listener;
mod publisher;

use std::fmt;

pub use address::{RelayUrl, RelayUrlError};
pub use listener::{Heard, Listener, ListenerConfig};
pub use publisher::{Publisher, PublisherConfig, PublisherStats};

/// How a relay is reached.
#[derive(Clone, PartialEq, Eq)]
pub struct Connect {
    /// The relay, and perhaps a stream of it.
    pub relay: RelayUrl,
    /// A token, where the relay asks for one.
    pub token: Option<String>,
    /// Certificates in PEM to trust in place of the web's, for a relay with one of its own.
    pub trust: Option<String>,
}

impl Connect {
    /// Without a token, trusting the web's certificates.
    pub const fn new(relay: RelayUrl) -> Self {
        Self {
            relay,
            token: None,
            trust: None,
        }
    }
}

impl fmt::Debug for Connect {
    /// Without the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connect")
            .field("relay", &self.relay)
            .finish_non_exhaustive()
    }
}

/// Why a client cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The relay refuses, and says why.
    #[error("{relay}: {reason}")]
    Refused {
        /// The relay.
        relay: String,
        /// Its words.
        reason: String,
    },
    /// The relay cannot be reached, or breaks off.
    #[error("{relay}: {reason}")]
    Away {
        /// The relay.
        relay: String,
        /// What happened.
        reason: String,
    },
    /// It answers what no relay does.
    #[error("{relay} does not answer as a relay does: {reason}")]
    NoRelay {
        /// What is there instead.
        relay: String,
        /// What it said.
        reason: String,
    },
    /// The system refuses.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: std::io::Error,
    },
}

impl ClientError {
    /// Whether it may go better later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Away { .. })
    }
}

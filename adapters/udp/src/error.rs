//! What can go wrong at the start of a stream or recording, and while it runs.

use audiox_core::ConfigError;
use audiox_core::source::{SinkError, SourceError};
use audiox_net::endpoint::EndpointError;
use audiox_net::sdp::SdpError;
use audiox_net::udp::UdpError;

/// A streamer or node could not start, or had to stop. Each prints as one line that says what to
/// do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An option's value is not possible.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A URL cannot be used.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// A session description cannot be used.
    #[error(transparent)]
    Sdp(#[from] SdpError),
    /// A socket failed.
    #[error(transparent)]
    Net(#[from] UdpError),
    /// A source failed.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A recording could not be written. What was recorded before is kept.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// A source has nothing to send.
    #[error("{0}: there is no audio to send; the source is empty or the start lies past its end")]
    Empty(String),
    /// The time at which to start has passed.
    #[error("start time {at} has passed, it is now {now}; choose a time at least a second ahead")]
    StartPassed {
        /// The time asked for, UTC.
        at: String,
        /// The time now, UTC.
        now: String,
    },
    /// A file other than audio could not be read or written.
    #[error("{what}: {source}")]
    Io {
        /// What was being done, with the file's name.
        what: String,
        /// The system's reason.
        source: std::io::Error,
    },
}

impl Error {
    pub(crate) fn from_thread(source: std::io::Error) -> Self {
        Self::Io {
            what: "cannot start a thread".to_owned(),
            source,
        }
    }
}

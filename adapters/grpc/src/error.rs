//! What can go wrong before a server runs or a device connects.

use audiox_core::ConfigError;
use audiox_core::source::SourceError;
use audiox_net::http::HttpError;

/// Something could not start. Prints as one line that says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A value is not possible.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A sound cannot be used.
    #[error("sound {name:?}: {source}")]
    Sound {
        /// Its name.
        name: String,
        /// Why.
        source: SourceError,
    },
    /// A file of settings is not one.
    #[error("{0}")]
    Settings(String),
    /// Address, tokens or certificate cannot be used.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The system refused.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// gRPC refused.
    #[error("{what}: {reason}")]
    Grpc {
        /// What was being done.
        what: String,
        /// Why it could not be.
        reason: String,
    },
}

impl Error {
    /// Whether the request itself is at fault, so that trying again cannot help.
    pub fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::Config(_) | Self::Settings(_) | Self::Http(HttpError::Config(_))
        )
    }

    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}

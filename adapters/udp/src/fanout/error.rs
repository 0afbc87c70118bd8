//! What can go wrong with a fan-out and its clients.

use std::path::Path;

use audiox_core::ConfigError;

use crate::Error;

/// Something that was asked of a fan-out is not possible. Each prints as one line that says what
/// to do. What happens to a client while it runs is told beside that client instead.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FanoutError {
    /// A value is not possible.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The source or a socket failed.
    #[error(transparent)]
    Stream(#[from] Error),
    /// There is no client of that name.
    #[error("there is no client {0:?}")]
    Unknown(String),
    /// There is one already.
    #[error("there is a client {0:?} already; change it, or choose another name")]
    Exists(String),
    /// The text is not JSON.
    #[error("line {line}, column {column}: {reason}")]
    Json {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
        /// What is wrong there.
        reason: String,
    },
    /// It is JSON, but no list of clients.
    #[error("no list of clients: {0}")]
    Form(String),
    /// A file cannot be read or written.
    #[error("{what}: {source}")]
    Io {
        /// What was being done, with the file's name.
        what: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The list was not read from a file, so there is none to save it to.
    #[error("there is no file to load from or save to; start with --clients FILE")]
    NoFile,
}

impl FanoutError {
    pub(super) fn unknown(name: &str) -> Self {
        Self::Unknown(name.chars().take(200).collect())
    }

    pub(super) fn io(what: &str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io {
            what: format!("{what} {}", path.display()),
            source,
        }
    }
}

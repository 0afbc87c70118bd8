//! What can go wrong before a server runs.

use audiox_core::ConfigError;

/// A server could not start. Prints as one line that says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// A value is not possible.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The system refused.
    #[error("{what}: {source}")]
    Io {
        /// What was being done, with the file's name or the address.
        what: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A token file is not one.
    #[error("{file}, line {line}: {reason}")]
    TokenFile {
        /// The file.
        file: String,
        /// Counted from 1.
        line: usize,
        /// What is wrong, without the token.
        reason: String,
    },
    /// Certificate or key cannot be used.
    #[error("{what}: {reason}")]
    Tls {
        /// What was being done, with the file's name.
        what: String,
        /// What is wrong.
        reason: String,
    },
}

//! What a request cannot have.

use audiox_core::ConfigError;
use audiox_core::source::SourceError;
use audiox_core::store::{StoreError, StoreErrorKind};
use audiox_net::http::axum::http::StatusCode;
use audiox_net::http::axum::response::{IntoResponse, Response};
use audiox_net::http::refusal;
use serde_json::json;

use super::base64::Base64Error;
use super::http::answer;

/// Why a request fails, in the words that clients know. Except for a missing token it is answered
/// with 200, as they expect.
#[derive(Debug, thiserror::Error)]
pub(super) enum PlayerError {
    /// No such session, or one that its asker may not have.
    #[error("Session not found")]
    NotFound,
    #[error("No audio buffer found")]
    NoAudio,
    #[error("Failed to decode audio: {0}")]
    Decode(String),
    #[error("Failed to play audio: {0}")]
    Speaker(String),
    /// Where they would be is not everybody's affair.
    #[error("Sessions are not available: {}", .0.message)]
    Registry(StoreError),
    /// It is there, and is no session or no cursor.
    #[error("{}", .0.message)]
    Invalid(StoreError),
    /// The request itself cannot be read.
    #[error("{0}")]
    Request(String),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("{0}")]
    Busy(String),
    #[error("{0}")]
    Denied(&'static str),
}

impl From<StoreError> for PlayerError {
    fn from(e: StoreError) -> Self {
        match e.kind {
            StoreErrorKind::NotFound => Self::NotFound,
            StoreErrorKind::Invalid => Self::Invalid(e),
            _ => Self::Registry(e),
        }
    }
}

impl From<Base64Error> for PlayerError {
    fn from(e: Base64Error) -> Self {
        Self::Decode(e.to_string())
    }
}

impl From<SourceError> for PlayerError {
    fn from(e: SourceError) -> Self {
        Self::Decode(e.to_string())
    }
}

impl From<std::io::Error> for PlayerError {
    fn from(e: std::io::Error) -> Self {
        Self::Decode(e.to_string())
    }
}

impl IntoResponse for PlayerError {
    fn into_response(self) -> Response {
        match self {
            Self::Denied(reason) => refusal(StatusCode::UNAUTHORIZED, reason),
            other => answer(&json!({ "success": false, "message": other.to_string() })),
        }
    }
}

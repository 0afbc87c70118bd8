use audiox_core::ConfigError;
use audiox_core::store::{StoreError, StoreErrorKind};
use audiox_net::http::axum::http::StatusCode;
use audiox_net::http::axum::response::{IntoResponse, Response};
use audiox_net::http::refusal;

/// Why a relay does not do what it is asked for. The texts of the first three are those that
/// clients of the original know.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// There is no such stream.
    #[error("Stream not found")]
    UnknownStream,
    /// The stream has ended, so it takes no more.
    #[error("Stream has ended")]
    Ended,
    /// There is no such segment.
    #[error("Chunk not found")]
    UnknownSegment,
    /// A token is missing, wrong, or for something else.
    #[error("{0}")]
    Denied(&'static str),
    /// There are as many streams as are taken.
    #[error("there are {0} live streams already, which is the limit; end one, or raise it")]
    TooManyStreams(usize),
    /// A field of a request cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A request is not what its call takes.
    #[error("{0}")]
    Request(String),
    /// The archive cannot do its part.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl RelayError {
    fn status(&self) -> StatusCode {
        match self {
            Self::UnknownStream | Self::UnknownSegment => StatusCode::NOT_FOUND,
            Self::Ended | Self::Config(_) | Self::Request(_) => StatusCode::BAD_REQUEST,
            Self::Denied(_) => StatusCode::UNAUTHORIZED,
            Self::TooManyStreams(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Store(e) => match e.kind {
                StoreErrorKind::NotFound => StatusCode::NOT_FOUND,
                StoreErrorKind::Full => StatusCode::INSUFFICIENT_STORAGE,
                StoreErrorKind::Transient => StatusCode::SERVICE_UNAVAILABLE,
                _ => StatusCode::INTERNAL_SERVER_ERROR,
            },
        }
    }
}

impl IntoResponse for RelayError {
    fn into_response(self) -> Response {
        refusal(self.status(), self)
    }
}

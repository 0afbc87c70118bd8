use std::borrow::Cow;
use std::error::Error;
use std::fmt;

/// A store could not do what it was asked for.
#[derive(Debug, thiserror::Error)]
#[error("{store}: {kind}: {message}")]
pub struct StoreError {
    /// What to do about it.
    pub kind: StoreErrorKind,
    /// Which store, as its `Display` has it.
    pub store: Cow<'static, str>,
    /// What was asked for, and what is wrong, in one line.
    pub message: String,
    /// What lies below, where something does.
    #[source]
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

impl StoreError {
    /// An error of `store` without anything below.
    pub fn new(
        kind: StoreErrorKind,
        store: impl Into<Cow<'static, str>>,
        message: impl fmt::Display,
    ) -> Self {
        Self {
            kind,
            store: store.into(),
            message: message.to_string(),
            source: None,
        }
    }

    /// The same with what lies below.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Whether asking again later may help, without anybody doing anything.
    pub const fn is_transient(&self) -> bool {
        matches!(self.kind, StoreErrorKind::Transient | StoreErrorKind::Full)
    }
}

/// What is wrong with a store, as far as the caller's next step goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// It is not there: the stream, the segment, or the store itself.
    NotFound,
    /// Something else is in its place.
    AlreadyExists,
    /// The store is there and refuses; credentials or rights are for the user to mend.
    Denied,
    /// It is unreachable or overloaded; again later.
    Transient,
    /// No room is left; again when there is.
    Full,
    /// What was asked for contradicts itself, or what is stored cannot be read.
    Invalid,
    /// Anything else.
    Other,
}

impl fmt::Display for StoreErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotFound => "not found",
            Self::AlreadyExists => "already exists",
            Self::Denied => "denied",
            Self::Transient => "not available",
            Self::Full => "full",
            Self::Invalid => "invalid",
            Self::Other => "failed",
        })
    }
}

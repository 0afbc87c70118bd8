//! Errors of constructors and of the wire.

use std::borrow::Cow;

/// A constructor was given a value it cannot work with.
///
/// Only constructors return it; it names the field, the value and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {value} is not possible; {allowed}")]
pub struct ConfigError {
    /// The field or option at fault, in the words of the public API.
    pub field: &'static str,
    /// The value as given.
    pub value: String,
    /// What would be allowed, as a sentence fragment.
    pub allowed: Cow<'static, str>,
}

impl ConfigError {
    /// An error about `field`, whose `value` is outside what is `allowed`.
    pub fn new(
        field: &'static str,
        value: impl std::fmt::Display,
        allowed: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            field,
            value: value.to_string(),
            allowed: allowed.into(),
        }
    }
}

/// Bytes from the wire do not form what they claim to be.
///
/// `Copy` and free of strings, so it can be made, counted and dropped on the real-time path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// Fewer bytes than the header, or a length field in it, calls for.
    #[error("truncated: {actual} bytes where {expected} are needed")]
    Truncated {
        /// Bytes needed.
        expected: usize,
        /// Bytes present.
        actual: usize,
    },
    /// The version field is not the one this parser reads.
    #[error("version {0} is not supported")]
    Version(u8),
    /// The padding count is zero or exceeds what is there, or padding stands where none may be.
    #[error("padding of {0} bytes does not fit")]
    Padding(u8),
    /// A length field contradicts the data (for instance not a whole number of frames).
    #[error("length {0} does not fit its content")]
    Length(usize),
    /// A packet type or field holds a value that the rules forbid in this place.
    #[error("type {0} is not allowed here")]
    Type(u8),
    /// A declared limit on untrusted input was exceeded.
    #[error("limit of {limit} exceeded")]
    Limit {
        /// The limit.
        limit: usize,
    },
}

/// A packet could not be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The caller's buffer is too small.
    #[error("buffer of {available} bytes is too small, {needed} are needed")]
    BufferTooSmall {
        /// Bytes needed.
        needed: usize,
        /// Bytes available.
        available: usize,
    },
    /// A field's value cannot be represented on the wire.
    #[error("{field} is out of range")]
    OutOfRange {
        /// The field, in the words of the RFC.
        field: &'static str,
    },
}

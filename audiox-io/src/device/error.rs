//! Why a device cannot be used.

use std::fmt;

/// What kind of trouble it is, which says what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeviceErrorKind {
    /// No device of this name, or more than one. Give up, or ask for another.
    NoSuchDevice,
    /// It was there and is not now. Try again when it is.
    Gone,
    /// Another program has it. Try again.
    Busy,
    /// It has no such rate, channels or buffer size. Ask for what it has.
    Unsupported,
    /// The system does not let this program use it. Give up; the text says what to grant.
    Denied,
    /// The sound system cannot be reached. Try again, or give up.
    NoHost,
    /// The system said something else. Try again, or give up.
    Other,
}

/// A device cannot be opened, or listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceError {
    /// What kind of trouble it is.
    pub kind: DeviceErrorKind,
    /// The device as it was asked for.
    pub device: String,
    /// What happened, and what to do about it.
    pub message: String,
}

impl DeviceError {
    /// An error of `device`.
    pub fn new(
        kind: DeviceErrorKind,
        device: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            device: device.into(),
            message: message.into(),
        }
    }

    /// Whether the request is at fault, so that trying again cannot help.
    pub fn is_usage(&self) -> bool {
        matches!(
            self.kind,
            DeviceErrorKind::NoSuchDevice | DeviceErrorKind::Unsupported
        )
    }
}

impl fmt::Display for DeviceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.device, self.message)
    }
}

impl std::error::Error for DeviceError {}

//! Failures: one line on standard error, and an exit code.

use std::io::{self, Write};
use std::process::ExitCode;

use audiox::core::source::SinkError;

/// Why the command ends early.
#[derive(Debug)]
pub(super) enum Failure {
    /// What was asked for is not possible.
    Usage(String),
    /// It was tried and failed.
    Failed(String),
    /// Whoever read our output has gone: nobody to tell.
    Unheard,
}

impl Failure {
    /// A failure while doing `what`, with the file's name.
    pub(super) fn io(what: impl std::fmt::Display, source: &io::Error) -> Self {
        Self::Failed(format!("{what}: {source}"))
    }

    /// A password was given as a part of a URL.
    #[cfg(feature = "redis")]
    pub(super) fn password_in_arguments() -> Self {
        Self::Usage(
            "a password among the arguments is seen by everybody on this machine: put it into \
             REDIS_PASSWORD"
                .to_owned(),
        )
    }

    /// What is wrong, in words.
    #[cfg(feature = "grpc")]
    pub(super) fn words(&self) -> &str {
        match self {
            Self::Usage(words) | Self::Failed(words) => words,
            Self::Unheard => "nobody listens any more",
        }
    }

    /// Prints the one line and gives the exit code.
    pub(super) fn report(self) -> ExitCode {
        let (message, code) = match self {
            Self::Usage(message) => (message, 2),
            Self::Failed(message) => (message, 1),
            Self::Unheard => return ExitCode::SUCCESS,
        };
        say(&message);
        ExitCode::from(code)
    }
}

impl<E: Into<audiox::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        let error = error.into();
        let sink = match &error {
            audiox::Error::Sink(e) | audiox::Error::Udp(audiox::udp::Error::Sink(e)) => Some(e),
            _ => None,
        };
        match sink {
            Some(SinkError::Io { source, .. }) if source.kind() == io::ErrorKind::BrokenPipe => {
                Self::Unheard
            }
            _ if error.is_usage() => Self::Usage(error.to_string()),
            _ => Self::Failed(error.to_string()),
        }
    }
}

/// One line on standard error. If that is closed there is nowhere left to complain.
pub(super) fn say(message: &str) {
    let line: Vec<&str> = message.split_whitespace().collect();
    let _ = writeln!(io::stderr(), "audiox: {}", line.join(" "));
}

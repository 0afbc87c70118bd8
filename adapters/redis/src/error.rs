//! What errors of Redis mean for a registry or a bus.

use std::fmt;

use audiox_core::store::{StoreError, StoreErrorKind};
use redis::{ErrorKind, RedisError, ServerErrorKind};

/// The error of `store` when it was asked for `what`.
pub(crate) fn from_redis(store: &str, what: impl fmt::Display, e: RedisError) -> StoreError {
    let kind = kind(&e);
    let why = reason(&e);
    StoreError::new(kind, store.to_owned(), format_args!("{what}: {why}")).with_source(e)
}

/// What a caller can do about it.
pub(crate) fn kind(e: &RedisError) -> StoreErrorKind {
    match e.kind() {
        ErrorKind::Io
        | ErrorKind::ClusterConnectionNotFound
        | ErrorKind::MasterNameNotFoundBySentinel
        | ErrorKind::NoValidReplicasFoundBySentinel => StoreErrorKind::Transient,
        ErrorKind::AuthenticationFailed => StoreErrorKind::Denied,
        ErrorKind::InvalidClientConfig | ErrorKind::EmptySentinelList => StoreErrorKind::Invalid,
        ErrorKind::Server(kind) => of_server(kind, e),
        _ => of_code(code(e)),
    }
}

/// The code of what went wrong. Pipelines, transactions and scripts tell it in their text alone.
fn code(e: &RedisError) -> &str {
    match e.code() {
        Some(code) if !matches!(code, "ERR" | "EXECABORT") => code,
        _ => {
            let text = e.to_string();
            let known = CODES.into_iter().find(|code| text.contains(code));
            known.unwrap_or_default()
        }
    }
}

fn of_server(kind: ServerErrorKind, e: &RedisError) -> StoreErrorKind {
    match kind {
        ServerErrorKind::NoPerm => StoreErrorKind::Denied,
        ServerErrorKind::BusyLoading
        | ServerErrorKind::ClusterDown
        | ServerErrorKind::MasterDown
        | ServerErrorKind::ReadOnly
        | ServerErrorKind::Moved
        | ServerErrorKind::Ask
        | ServerErrorKind::TryAgain => StoreErrorKind::Transient,
        _ => of_code(code(e)),
    }
}

/// Codes that the client library has no kind for.
fn of_code(code: &str) -> StoreErrorKind {
    match code {
        "NOAUTH" | "WRONGPASS" | "NOPERM" => StoreErrorKind::Denied,
        "WRONGTYPE" => StoreErrorKind::Invalid,
        "OOM" => StoreErrorKind::Full,
        "MISCONF" | "BUSY" | "NOREPLICAS" | "UNBLOCKED" | "READONLY" => StoreErrorKind::Transient,
        _ => StoreErrorKind::Other,
    }
}

/// Whether the connection is of no more use: it is cut, or leads to a server that is no master
/// any more.
pub(crate) fn ends_connection(e: &RedisError) -> bool {
    e.is_io_error()
        || e.is_connection_dropped()
        || e.is_unrecoverable_error()
        || matches!(
            e.kind(),
            ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown)
        )
}

/// Whether scripts are refused, by rights or because the service has none.
pub(crate) fn denies_scripts(e: &RedisError) -> bool {
    let text = e.to_string().to_ascii_lowercase();
    // Rights to a key are another matter.
    let is_about_rights =
        e.code() == Some("NOPERM") || e.kind() == ErrorKind::Server(ServerErrorKind::NoPerm);
    is_about_rights && text.contains("eval") || text.contains("unknown command")
}

/// Why, in one line of at most 300 characters.
pub(crate) fn reason(e: &RedisError) -> String {
    if code(e) == "WRONGTYPE" {
        return NO_HASH.to_owned();
    }
    let text = e.to_string();
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    words.chars().take(300).collect()
}

const NO_HASH: &str = "something that is no session has its name: it is not a hash";
const CODES: [&str; 5] = ["NOAUTH", "WRONGPASS", "NOPERM", "WRONGTYPE", "OOM"];

#[cfg(test)]
mod tests {
    use super::*;

    fn server(code: &str) -> RedisError {
        redis::make_extension_error(code.to_owned(), Some("said so".to_owned()))
    }

    #[test]
    fn codes_tell_what_to_do() {
        for (code, wanted) in [
            ("NOAUTH", StoreErrorKind::Denied),
            ("WRONGPASS", StoreErrorKind::Denied),
            ("WRONGTYPE", StoreErrorKind::Invalid),
            ("OOM", StoreErrorKind::Full),
            ("MISCONF", StoreErrorKind::Transient),
            ("WHATEVER", StoreErrorKind::Other),
        ] {
            assert_eq!(kind(&server(code)), wanted, "{code}");
        }
        let cut = RedisError::from(std::io::Error::from(std::io::ErrorKind::BrokenPipe));
        assert_eq!(kind(&cut), StoreErrorKind::Transient);
        assert!(ends_connection(&cut) && !ends_connection(&server("OOM")));
        assert!(reason(&server("WRONGTYPE")).contains("not a hash"));
        let long = redis::make_extension_error("X".to_owned(), Some("a\nb ".repeat(1_000)));
        assert!(reason(&long).len() <= 300 && !reason(&long).contains('\n'));
    }
}

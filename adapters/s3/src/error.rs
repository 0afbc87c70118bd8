//! What errors of an object store mean for an archive.

use std::error::Error;
use std::io;

use audiox_core::store::{StoreError, StoreErrorKind};
use object_store::client::HttpError;

/// The error of `store` when it was asked for `what`.
pub(crate) fn from_object_store(
    store: &str,
    what: impl std::fmt::Display,
    e: object_store::Error,
) -> StoreError {
    let (kind, why) = classify(&e);
    StoreError::new(kind, store.to_owned(), format_args!("{what}: {why}")).with_source(e)
}

/// The error of `store` when a file could not be used.
pub(crate) fn from_io(store: &str, what: impl std::fmt::Display, e: io::Error) -> StoreError {
    let kind = kind_of_io(&e);
    StoreError::new(kind, store.to_owned(), format_args!("{what}: {e}")).with_source(e)
}

/// What it is, and why, in one line.
fn classify(e: &object_store::Error) -> (StoreErrorKind, String) {
    let chain = || {
        std::iter::successors(
            Some(e as &(dyn Error + 'static)),
            |e: &&(dyn Error + 'static)| (*e).source(),
        )
    };
    let text = e.to_string();
    let (code, message) = (element(&text, "Code"), element(&text, "Message"));
    let kind = match e {
        object_store::Error::NotFound { .. } => StoreErrorKind::NotFound,
        object_store::Error::PermissionDenied { .. }
        | object_store::Error::Unauthenticated { .. } => StoreErrorKind::Denied,
        // Nothing here is put on condition, so it is not about what is there but about another
        // request for the same object.
        object_store::Error::AlreadyExists { .. } => StoreErrorKind::Transient,
        _ => match (status(&text), code) {
            (Some(404), _) => StoreErrorKind::NotFound,
            (Some(401 | 403), _) | (_, "ExpiredToken" | "InvalidToken") => StoreErrorKind::Denied,
            (Some(507), _) => StoreErrorKind::Full,
            (_, "RequestTimeout" | "SlowDown" | "InternalError") => StoreErrorKind::Transient,
            (Some(408 | 429 | 500..), _) => StoreErrorKind::Transient,
            (Some(_), _) => StoreErrorKind::Other,
            (None, _) if chain().any(|e| e.is::<HttpError>()) => StoreErrorKind::Transient,
            (None, _) => chain()
                .find_map(|e| e.downcast_ref::<io::Error>())
                .map_or(StoreErrorKind::Other, kind_of_io),
        },
    };
    let why = match (code, message) {
        // The innermost reason: the outer ones wrap it in addresses and counts.
        ("", "") if status(&text).is_none() => {
            chain().last().map_or_else(String::new, ToString::to_string)
        }
        ("", "") => text,
        (code, "") => code.to_owned(),
        (code, message) => format!("{message} ({code})"),
    };
    (kind, one_line(&why))
}

/// The status of a server's answer. `object_store` tells it in its text alone.
fn status(text: &str) -> Option<u16> {
    let (_, after) = text.split_once("status code: ")?;
    after.get(..3)?.parse().ok()
}

/// The text of an element of an error's XML, which needs no more than this.
fn element<'a>(xml: &'a str, name: &str) -> &'a str {
    let open = format!("<{name}>");
    let after = xml.split_once(open.as_str()).map(|(_, after)| after);
    let text = after.and_then(|after| after.split_once("</"));
    text.map_or("", |(text, _)| text)
}

fn kind_of_io(e: &io::Error) -> StoreErrorKind {
    match e.kind() {
        io::ErrorKind::NotFound => StoreErrorKind::NotFound,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            StoreErrorKind::Denied
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            StoreErrorKind::Full
        }
        io::ErrorKind::Interrupted
        | io::ErrorKind::TimedOut
        | io::ErrorKind::ResourceBusy
        | io::ErrorKind::StaleNetworkFileHandle => StoreErrorKind::Transient,
        io::ErrorKind::AlreadyExists => StoreErrorKind::AlreadyExists,
        _ => StoreErrorKind::Other,
    }
}

/// At most 300 characters, on one line.
fn one_line(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    words.chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_xml_is_read_for_its_reason() {
        let xml = "<?xml version=\"1.0\"?><Error><Code>NoSuchBucket</Code>\
                   <Message>The bucket is not there</Message></Error>";
        assert_eq!(element(xml, "Code"), "NoSuchBucket");
        assert_eq!(element(xml, "Message"), "The bucket is not there");
        assert_eq!(element(xml, "Key"), "");
        assert_eq!(element("<Code>", "Code"), "");
    }

    #[test]
    fn disks_that_are_full_or_closed_are_told_apart() {
        let kind = |kind: io::ErrorKind| {
            let e = object_store::Error::Generic {
                store: "x",
                source: Box::new(io::Error::from(kind)),
            };
            from_object_store("x", "y", e).kind
        };
        assert_eq!(kind(io::ErrorKind::StorageFull), StoreErrorKind::Full);
        assert_eq!(
            kind(io::ErrorKind::PermissionDenied),
            StoreErrorKind::Denied
        );
        assert_eq!(kind(io::ErrorKind::NotFound), StoreErrorKind::NotFound);
    }
}

//! Relays and streams by URL.

use std::fmt;
use std::str::FromStr;

use audiox_core::store::StreamId;

/// A relay, and perhaps a stream of it: `http://host:8000`, `https://host/ID`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayUrl {
    /// Whether it is encrypted.
    pub is_tls: bool,
    /// A name or an address, in brackets where it has colons, and a port.
    pub authority: String,
    /// The stream.
    pub stream: Option<StreamId>,
}

/// Why a URL names no relay.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{url:?} is no relay's URL; one is http://HOST:PORT, or http://HOST:PORT/STREAM")]
pub struct RelayUrlError {
    url: String,
}

impl RelayUrl {
    /// The relay's address for HTTP.
    pub fn base(&self) -> String {
        let scheme = if self.is_tls { "https" } else { "http" };
        format!("{scheme}://{}", self.authority)
    }

    /// Name or address alone, without brackets, and the port.
    pub(crate) fn host(&self) -> (&str, u16) {
        let usual = if self.is_tls { 443 } else { 80 };
        let (host, port) = match self.authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().unwrap_or(usual)),
            _ => (self.authority.as_str(), usual),
        };
        (host.trim_start_matches('[').trim_end_matches(']'), port)
    }
}

impl FromStr for RelayUrl {
    type Err = RelayUrlError;

    fn from_str(url: &str) -> Result<Self, RelayUrlError> {
        let wrong = || RelayUrlError {
            url: url.chars().take(200).collect(),
        };
        let (scheme, rest) = url.split_once("://").ok_or_else(wrong)?;
        let is_tls = match scheme {
            "http" => false,
            "https" => true,
            _ => return Err(wrong()),
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b);
        if authority.is_empty() || !authority.bytes().all(allowed) {
            return Err(wrong());
        }
        let stream = match path.trim_end_matches('/') {
            "" => None,
            id => Some(StreamId::parse(id).map_err(|_| wrong())?),
        };
        Ok(Self {
            is_tls,
            authority: authority.to_owned(),
            stream,
        })
    }
}

impl fmt::Display for RelayUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.base())?;
        match &self.stream {
            Some(id) => write!(f, "/{id}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relays_and_streams_are_read_and_written() {
        for (url, host, stream) in [
            ("http://127.0.0.1:8000", ("127.0.0.1", 8000), None),
            (
                "https://relay.example/abc-1",
                ("relay.example", 443),
                Some("abc-1"),
            ),
            ("http://[::1]:8000/x", ("::1", 8000), Some("x")),
            ("http://[::1]", ("::1", 80), None),
        ] {
            let read: RelayUrl = url.parse().unwrap();
            assert_eq!(read.to_string(), url);
            assert_eq!(read.host(), host);
            assert_eq!(read.stream.as_ref().map(StreamId::as_str), stream);
        }
        let read: RelayUrl = "http://a:1/".parse().unwrap();
        assert_eq!(read.stream, None);
    }

    #[test]
    fn what_is_no_relay_is_refused() {
        for url in [
            "",
            "relay",
            "ftp://a",
            "http://",
            "http://a b",
            "http://a/b/c",
            "http://a/..",
            "http://u:p@a",
            "http://a/x?y=1",
        ] {
            let error = url.parse::<RelayUrl>().unwrap_err().to_string();
            assert!(error.contains("http://HOST:PORT"), "{error}");
        }
    }
}

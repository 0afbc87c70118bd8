//! Relays by URL, with options.

use std::str::FromStr;

use audiox_core::ConfigError;
use audiox_net::endpoint::unescape;
use audiox_websocket::When;
use audiox_websocket::client::{Connect, RelayUrl};

use crate::Error;

/// A relay, and perhaps a stream of it, as `http://host:8000/ID?from=-30s`.
///
/// | key | is |
/// | --- | --- |
/// | `name` | what people call a stream that is made |
/// | `chunk` | frames a request, 1 to 65 536; 1 024 where left out |
/// | `from` | from where it is heard, see [`When`]; `live` where left out |
/// | `ca` | a file of certificates in PEM to trust in place of the web's |
///
/// A token is taken from the environment's `AUDIOX_TOKEN`, since URLs end in logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayTarget {
    /// The relay, and how it is reached.
    pub connect: Connect,
    /// What people call a stream that is made.
    pub name: Option<String>,
    /// Frames a request.
    pub chunk: usize,
    /// From where it is heard.
    pub from: When,
}

/// Whether `text` is a relay's URL.
pub fn is_relay(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
}

impl FromStr for RelayTarget {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (url, query) = text.split_once('?').unwrap_or((text, ""));
        let relay: RelayUrl = url.parse().map_err(|_| {
            ConfigError::new(
                "relay",
                url,
                "http://HOST:PORT, or http://HOST:PORT/STREAM, with keys behind a ?",
            )
        })?;
        let mut target = Self {
            connect: Connect {
                token: std::env::var("AUDIOX_TOKEN").ok().filter(|t| !t.is_empty()),
                ..Connect::new(relay)
            },
            name: None,
            chunk: 1_024,
            from: When::Live,
        };
        for pair in query.split('&').filter(|p| !p.is_empty()) {
            let (key, escaped) = pair.split_once('=').unwrap_or((pair, ""));
            let value = &unescape(escaped)
                .ok_or_else(|| ConfigError::new("URL", pair, "UTF-8 behind its % escapes"))?;
            match key {
                "name" => target.name = Some(value.clone()),
                "from" => target.from = value.parse()?,
                "chunk" => {
                    let chunk = value.parse().ok().filter(|n| (1..=65_536).contains(n));
                    let allowed = "1 to 65536 frames";
                    target.chunk =
                        chunk.ok_or_else(|| ConfigError::new("chunk", value, allowed))?;
                }
                "ca" => {
                    let read = std::fs::read_to_string(value);
                    target.connect.trust = Some(read.map_err(|e| {
                        ConfigError::new("ca", format_args!("{value}: {e}"), "a readable PEM file")
                    })?);
                }
                _ => {
                    let allowed = "known keys are name, chunk, from and ca; a token belongs into \
                                   the environment's AUDIOX_TOKEN";
                    return Err(ConfigError::new("key", key, allowed).into());
                }
            }
        }
        Ok(target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_target_has_options() {
        let text = "http://127.0.0.1:8000/abc?name=Main%20stage&chunk=256&from=-30s";
        let target: RelayTarget = text.parse().unwrap();
        assert_eq!(
            target.connect.relay.to_string(),
            "http://127.0.0.1:8000/abc"
        );
        assert_eq!(target.name.as_deref(), Some("Main stage"));
        assert_eq!(
            (target.chunk, target.from),
            (256, When::Ago(Duration::from_secs(30)))
        );
        for (text, told) in [
            ("http://a/b/c", "HOST:PORT"),
            ("http://a?chunk=0", "65536"),
            ("http://a?token=x", "AUDIOX_TOKEN"),
            ("http://a?name=%ff", "UTF-8"),
            ("http://a?from=soon", "-30s"),
            ("http://a?ca=/nowhere", "PEM"),
        ] {
            let error = text.parse::<RelayTarget>().unwrap_err();
            assert!(
                error.is_usage() && error.to_string().contains(told),
                "{error}"
            );
        }
        assert!(is_relay("https://a") && !is_relay("rtp://a:1"));
    }
}

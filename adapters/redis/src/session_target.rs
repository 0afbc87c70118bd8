use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use audiox_core::ConfigError;
use audiox_core::registry::{DEFAULT_TTL, SessionId};

use crate::RedisTarget;
use crate::target::{decode, pairs, refuse};

/// A session as a URL names it: that of [`RedisTarget`] and then `/session:ID`, as in
/// `redis://HOST:PORT/DB/session:ID` or `redis+cluster://HOST,HOST/session:ID`. The id is the rest
/// of the path, percent-decoded. Options, beside `ca`:
///
/// | option | |
/// | --- | --- |
/// | `as=raw` or `as=wav` | what is written: bare samples, or a WAV file of unknown length |
/// | `user-name=NAME`, `user-id=ID` | who it is |
/// | `authenticated=true` or `false` | whether its user counts as known; true by default: who can write here is |
/// | `ttl=SECONDS` | how long a new session is kept |
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionTarget {
    /// Where Redis is.
    pub redis: RedisTarget,
    /// Which session.
    pub id: SessionId,
    /// What is written.
    pub container: Container,
    /// The user's name, for people.
    pub user_name: Option<String>,
    /// The user's name, for programs.
    pub user_id: Option<String>,
    /// Whether the session is marked as a known user's.
    pub authenticated: bool,
    /// How long a new session is kept.
    pub ttl: Duration,
}

/// What a session's buffer holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Container {
    /// Bare samples, as applications of the original leave them. What they are is told beside.
    #[default]
    Raw,
    /// A WAV file whose header says that its length is not known.
    Wav,
}

impl SessionTarget {
    /// Whether `text` means to be such a URL, right or wrong.
    pub fn is_meant_by(text: &str) -> bool {
        let scheme = text.split_once("://").map(|(scheme, _)| scheme);
        scheme.is_some_and(|scheme| {
            let base = scheme.split_once('+').map_or(scheme, |(base, _)| base);
            base == "redis" || base == "rediss"
        })
    }

    /// A session from its URL.
    ///
    /// # Errors
    /// What is wrong with it, without what may be a password.
    pub fn parse(url: &str) -> Result<Self, ConfigError> {
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        let Some((start, id)) = path.split_once("/session:") else {
            return Err(refuse(
                url,
                "a session is named as in redis://HOST:PORT/session:ID",
            ));
        };
        let id = decode(id).ok_or_else(|| refuse(url, "its id's % are not followed by text"))?;
        let mut target = Self {
            redis: RedisTarget::parse_start(url, start)?,
            id: SessionId::parse(&id)?,
            container: Container::default(),
            user_name: None,
            user_id: None,
            authenticated: true,
            ttl: DEFAULT_TTL,
        };
        for (key, value) in pairs(query) {
            let value =
                value.ok_or_else(|| refuse(url, "an option's % are not followed by text"))?;
            target.set(url, key, value)?;
        }
        Ok(target)
    }

    fn set(&mut self, url: &str, key: &str, value: String) -> Result<(), ConfigError> {
        match (key, value.as_str()) {
            ("as", "raw") => self.container = Container::Raw,
            ("as", "wav") => self.container = Container::Wav,
            ("as", _) => return Err(refuse(url, "as is raw or wav")),
            ("user-name", _) => self.user_name = Some(value),
            ("user-id", _) => self.user_id = Some(value),
            ("authenticated", "true") => self.authenticated = true,
            ("authenticated", "false") => self.authenticated = false,
            ("authenticated", _) => return Err(refuse(url, "authenticated is true or false")),
            ("ttl", text) => {
                let plain = text.len() <= 9 && text.bytes().all(|b| b.is_ascii_digit());
                let seconds = plain
                    .then(|| text.parse().ok())
                    .flatten()
                    .filter(|s| *s > 0);
                let seconds = seconds.ok_or_else(|| refuse(url, "ttl is a number of seconds"))?;
                self.ttl = Duration::from_secs(seconds);
            }
            (key, value) if self.redis.set(key, value) => {}
            _ => {
                let allowed = "its options are as, user-name, user-id, authenticated, ttl and, \
                               with rediss://, ca";
                return Err(refuse(url, allowed));
            }
        }
        Ok(())
    }
}

impl FromStr for SessionTarget {
    type Err = ConfigError;

    fn from_str(s: &str) -> Result<Self, ConfigError> {
        Self::parse(s)
    }
}

impl fmt::Display for SessionTarget {
    /// As a user knows it; without options.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let redis = self.redis.to_string();
        let redis = redis
            .split_once('?')
            .map_or(redis.as_str(), |(start, _)| start);
        write!(f, "{redis}/session:{}", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sessions_are_named_behind_any_form_of_target() {
        for (url, redis, id) in [
            ("redis://h/session:a", "redis://h:6379", "a"),
            ("redis://h:1/2/session:a:b", "redis://h:1/2", "a:b"),
            ("redis://u@h/session:a/b", "redis://u@h:6379", "a/b"),
            ("redis://h/session:a%20b%3F", "redis://h:6379", "a b?"),
            (
                "rediss+cluster://h,i/session:x",
                "rediss+cluster://h:6379,i:6379",
                "x",
            ),
            (
                "redis+sentinel://h/main/session:x",
                "redis+sentinel://h:26379/main",
                "x",
            ),
            (
                "redis+sentinel://h/main/1/session:x",
                "redis+sentinel://h:26379/main/1",
                "x",
            ),
        ] {
            let target = SessionTarget::parse(url).unwrap();
            assert_eq!(target.redis.to_string(), redis);
            assert_eq!(target.id.as_str(), id);
            assert!(SessionTarget::is_meant_by(url));
        }
        let url =
            "rediss://h/session:a?as=wav&user-name=Ann%20B&authenticated=false&ttl=60&ca=%2Fx";
        let target = SessionTarget::parse(url).unwrap();
        assert_eq!(target.container, Container::Wav);
        assert_eq!(target.user_name.as_deref(), Some("Ann B"));
        assert!(!target.authenticated);
        assert_eq!(target.ttl, Duration::from_secs(60));
        assert_eq!(target.to_string(), "rediss://h:6379/session:a");
    }

    #[test]
    fn what_names_no_session_is_refused_in_words() {
        for (url, word) in [
            ("redis://h", "session:ID"),
            ("redis://h/session:", "session id"),
            ("redis://h/session:%0A", "session id"),
            ("redis://h/session:%f", "%"),
            ("redis://h/x/session:a", "whole number"),
            ("redis://h/session:a?as=mp3", "raw or wav"),
            ("redis://h/session:a?ttl=0", "seconds"),
            ("redis://h/session:a?ttl=-1", "seconds"),
            ("redis://h/session:a?colour=red", "options"),
            ("redis://h/session:a?ca=x", "rediss"),
            ("redis://:geheim@h/session:a?as=mp3", "raw or wav"),
        ] {
            let e = SessionTarget::parse(url).unwrap_err().to_string();
            assert!(e.contains(word) && !e.contains("geheim"), "{url}: {e}");
        }
        for other in ["http://h/session:a", "rtp://h", "redis", "a.wav"] {
            assert!(!SessionTarget::is_meant_by(other), "{other}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_session_or_refused_in_a_line(
            url in "\\PC{0,60}|redis(\\+cluster)?://[a-z:@,0-9]{0,20}/session:[a-z%0-9/?&=]{0,30}",
        ) {
            match SessionTarget::parse(&url) {
                Ok(target) => prop_assert!(!target.id.as_str().is_empty()),
                Err(e) => {
                    let e = e.to_string();
                    prop_assert!(!e.contains('\n') && e.len() < 2_000);
                }
            }
        }
    }
}

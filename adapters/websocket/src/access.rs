//! Who may publish, listen and administer.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use audiox_core::store::StreamId;
use audiox_net::http::axum::http::HeaderMap;
use audiox_net::http::axum::http::header::AUTHORIZATION;
use audiox_net::http::{Access, HttpError, Token};

use crate::RelayError;

/// What a token lets its owner do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Listen, live and from the archive.
    Listen,
    /// Make streams, send to them, end them, and give out listen tokens for them.
    Publish,
    /// All of that, and remove streams.
    Admin,
}

/// Who may do what. Without any token everybody may do everything, which is why only this
/// machine is then served.
#[derive(Debug, Default)]
pub struct Roles {
    listen: Access,
    publish: Access,
    admin: Access,
    listening_is_free: bool,
    given: Mutex<HashMap<String, Given>>,
}

/// A listen token for one stream.
#[derive(Debug)]
struct Given {
    stream: StreamId,
    until: Instant,
}

impl Roles {
    /// Roles by their tokens. A role without tokens is for administrators alone, once there are
    /// any tokens; listening may be free for everybody.
    pub fn new(
        listen: Vec<Token>,
        publish: Vec<Token>,
        admin: Vec<Token>,
        listening_is_free: bool,
    ) -> Self {
        Self {
            listen: Access::tokens(listen),
            publish: Access::tokens(publish),
            admin: Access::tokens(admin),
            listening_is_free,
            given: Mutex::default(),
        }
    }

    /// The roles of a file: a role (`listen`, `publish`, `admin`) and a token a line; a token
    /// alone is an administrator's. Empty lines and those that begin with `#` are passed over.
    ///
    /// # Errors
    /// The file cannot be read, has no token, or a line is not of this form (its number is told,
    /// never its text).
    ///
    /// Those of `admins` are administrators too.
    pub fn from_file(
        path: &Path,
        admins: Vec<Token>,
        listening_is_free: bool,
    ) -> Result<Self, HttpError> {
        let [listen, publish, admin] = Token::by_role(path, ["listen", "publish", "admin"])?;
        let admin = [admin, admins].concat();
        Ok(Self::new(listen, publish, admin, listening_is_free))
    }

    /// Who may use what else a server has: its figures. Those with the highest role that has
    /// tokens.
    pub fn access(&self) -> Access {
        let all = [&self.admin, &self.publish, &self.listen];
        let first = all.into_iter().find(|a| a.asks());
        first.cloned().unwrap_or_default()
    }

    /// Whether anybody is asked for a token.
    pub fn ask(&self) -> bool {
        [&self.listen, &self.publish, &self.admin]
            .iter()
            .any(|a| a.asks())
    }

    /// Whether who shows `token` may do what `role` may, with this stream.
    ///
    /// # Errors
    /// He may not.
    pub fn check(
        &self,
        role: Role,
        stream: Option<&StreamId>,
        token: Option<&str>,
    ) -> Result<(), RelayError> {
        if !self.ask() || role == Role::Listen && self.listening_is_free {
            return Ok(());
        }
        let token = token.ok_or(RelayError::Denied(
            "this takes a token, in the header `Authorization: Bearer TOKEN`",
        ))?;
        let has = |access: &Access| access.asks() && access.admits(token.as_bytes());
        // All are looked at, so that no time tells which one it is near.
        let (listen, publish, admin) = (has(&self.listen), has(&self.publish), has(&self.admin));
        let may = match role {
            Role::Listen => listen | publish | admin | self.was_given(stream, token),
            Role::Publish => publish | admin,
            Role::Admin => admin,
        };
        if may {
            return Ok(());
        }
        Err(RelayError::Denied(if listen | publish {
            "this token is not for that"
        } else {
            "this is not a token that is known here"
        }))
    }

    /// A token by which one stream can be listened to for some time. It ends with the relay. None
    /// where there are too many.
    pub(crate) fn give(&self, stream: StreamId, lasts: Duration) -> Option<String> {
        let mut bytes = [0u8; 24];
        getrandom::fill(&mut bytes).expect("the system has random numbers");
        let token: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
        let now = Instant::now();
        let mut given = self.given();
        if given.len() >= MAX_GIVEN || given.len() == given.capacity() {
            given.retain(|_, g| g.until > now);
        }
        if given.len() >= MAX_GIVEN {
            return None;
        }
        let until = now + lasts;
        given.insert(token.clone(), Given { stream, until });
        Some(token)
    }

    /// Whether `token` was given for this stream.
    pub(crate) fn check_given(&self, stream: &StreamId, token: &str) -> Result<(), RelayError> {
        if self.was_given(Some(stream), token) {
            return Ok(());
        }
        let reason = "this listen token is not for that stream, or has expired";
        Err(RelayError::Denied(reason))
    }

    fn was_given(&self, stream: Option<&StreamId>, token: &str) -> bool {
        // 192 random bits are not found by the time that a look-up takes.
        let given = self.given();
        let found = given.get(token).filter(|g| g.until > Instant::now());
        found.is_some_and(|g| Some(&g.stream) == stream)
    }

    fn given(&self) -> MutexGuard<'_, HashMap<String, Given>> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The token that a request shows.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| token.trim_ascii())
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Listen => "listen",
            Self::Publish => "publish",
            Self::Admin => "admin",
        })
    }
}

/// Listen tokens at a time; past that, no more are given until others end.
const MAX_GIVEN: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    const LISTEN: &str = "listen-listen-listen";
    const PUBLISH: &str = "publish-publish-publish";
    const ADMIN: &str = "admin-admin-admin-admin";

    fn roles(listening_is_free: bool) -> Roles {
        let token = |t| vec![Token::new(t).unwrap()];
        Roles::new(
            token(LISTEN),
            token(PUBLISH),
            token(ADMIN),
            listening_is_free,
        )
    }

    #[test]
    fn each_role_may_what_it_is_for() {
        let roles = roles(false);
        let may = |role, token| roles.check(role, None, token).is_ok();
        for (token, listen, publish, admin) in [
            (None, false, false, false),
            (Some(LISTEN), true, false, false),
            (Some(PUBLISH), true, true, false),
            (Some(ADMIN), true, true, true),
            (Some("something-else-altogether"), false, false, false),
        ] {
            assert_eq!(may(Role::Listen, token), listen, "{token:?}");
            assert_eq!(may(Role::Publish, token), publish, "{token:?}");
            assert_eq!(may(Role::Admin, token), admin, "{token:?}");
        }
        assert!(Roles::default().check(Role::Admin, None, None).is_ok());
    }

    #[test]
    fn a_role_without_tokens_is_for_administrators() {
        let admin = vec![Token::new(ADMIN).unwrap()];
        let roles = Roles::new(vec![], vec![], admin, true);
        assert!(roles.check(Role::Listen, None, None).is_ok());
        assert!(roles.check(Role::Publish, None, None).is_err());
        assert!(
            roles
                .check(Role::Publish, None, Some("whatever-it-may-be"))
                .is_err()
        );
        assert!(roles.check(Role::Publish, None, Some(ADMIN)).is_ok());
    }

    #[test]
    fn a_given_token_is_for_one_stream_and_for_some_time() {
        let roles = roles(false);
        let (a, b) = (StreamId::parse("a").unwrap(), StreamId::parse("b").unwrap());
        let token = roles.give(a.clone(), Duration::from_secs(60));
        let token = token.unwrap();
        let over = roles.give(a.clone(), Duration::ZERO).unwrap();
        let may = |role, stream, token: &str| roles.check(role, Some(stream), Some(token)).is_ok();
        assert!(may(Role::Listen, &a, &token));
        assert!(!may(Role::Listen, &b, &token) && !may(Role::Publish, &a, &token));
        assert!(!may(Role::Listen, &a, &over));
    }

    #[test]
    fn what_was_given_is_bounded_and_nobody_is_given_what_is_good_for_nothing() {
        let (roles, a) = (roles(false), StreamId::parse("a").unwrap());
        let lasts = Duration::from_secs(600);
        let all = (0..MAX_GIVEN).filter(|_| roles.give(a.clone(), lasts).is_some());
        assert_eq!(all.count(), MAX_GIVEN);
        assert_eq!(roles.give(a.clone(), lasts), None);
        roles
            .given()
            .values_mut()
            .for_each(|g| g.until = Instant::now());
        assert!(roles.give(a, lasts).is_some());
        assert_eq!(roles.given().len(), 1);
    }

    #[test]
    fn a_file_has_a_role_and_a_token_a_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokens");
        let write = |text: &str| std::fs::write(&path, text).unwrap();
        write(&format!(
            "# ours\nlisten {LISTEN}\n\n  publish   {PUBLISH}\n{ADMIN}\n"
        ));
        let roles = Roles::from_file(&path, vec![], false).unwrap();
        assert!(roles.check(Role::Admin, None, Some(ADMIN)).is_ok());
        assert!(roles.check(Role::Publish, None, Some(LISTEN)).is_err());
        for (text, told) in [
            ("hear some-token-or-other", "line 1"),
            ("listen short", "16 to 512"),
            ("# none", "no token"),
        ] {
            write(text);
            let error = Roles::from_file(&path, vec![], false)
                .unwrap_err()
                .to_string();
            assert!(
                error.contains(told) && !error.contains("some-token"),
                "{error}"
            );
        }
    }
}

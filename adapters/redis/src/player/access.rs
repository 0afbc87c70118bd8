//! Who may look at sessions, and who at all of them.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use audiox_core::registry::SessionId;
use audiox_net::http::axum::http::HeaderMap;
use audiox_net::http::axum::http::header::AUTHORIZATION;
use audiox_net::http::{Access, HttpError, Token};

use super::error::PlayerError;

/// Who may do what. Without any token everybody may view, which is why only this machine is then
/// served, and nobody is an operator.
#[derive(Debug, Default)]
pub struct Roles {
    view: Access,
    operate: Access,
    is_open: bool,
    tickets: Mutex<HashMap<String, Ticket>>,
}

/// What a token lets its owner do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// List sessions, and have those that are authenticated.
    View,
    /// Have all of them.
    Operate,
}

/// For one session and a short time, since a link of a page has no header.
#[derive(Debug)]
struct Ticket {
    session: SessionId,
    role: Role,
    until: Instant,
}

impl Roles {
    /// Roles by their tokens. Where there are any, viewing takes one, unless it `is_open` to
    /// everybody.
    pub fn new(view: Vec<Token>, operate: Vec<Token>, is_open: bool) -> Self {
        Self {
            view: Access::tokens(view),
            operate: Access::tokens(operate),
            is_open,
            tickets: Mutex::default(),
        }
    }

    /// The roles of a file: a role (`view`, `operate`) and a token a line; a token alone is an
    /// operator's. Empty lines and those that begin with `#` are passed over. Those of
    /// `operators` are operators too.
    ///
    /// # Errors
    /// The file cannot be read, has no token, or a line is not of this form (its number is told,
    /// never its text).
    pub fn from_file(path: &Path, operators: Vec<Token>, is_open: bool) -> Result<Self, HttpError> {
        let [view, operate] = Token::by_role(path, ["view", "operate"])?;
        Ok(Self::new(view, [operate, operators].concat(), is_open))
    }

    /// Who may use what else a server has: its figures.
    pub fn access(&self) -> Access {
        match (self.is_open, self.operate.asks()) {
            (_, true) => self.operate.clone(),
            (_, false) if self.view.asks() => self.view.clone(),
            (true, false) => Access::open(),
            (false, false) => Access::default(),
        }
    }

    /// Whether anybody is asked for a token.
    pub fn ask(&self) -> bool {
        self.view.asks() || self.operate.asks()
    }

    /// What who shows `token` may do.
    pub(super) fn of(&self, token: Option<&str>) -> Result<Role, PlayerError> {
        let shown = token.map(str::as_bytes);
        let has = |access: &Access| access.asks() && shown.is_some_and(|t| access.admits(t));
        // Both are looked at, so that no time tells which one it is near.
        let (view, operate) = (has(&self.view), has(&self.operate));
        if operate {
            return Ok(Role::Operate);
        }
        if view || !self.ask() || self.is_open && token.is_none() {
            return Ok(Role::View);
        }
        Err(PlayerError::Denied(match token {
            None => "this takes a token, in the header `Authorization: Bearer TOKEN`",
            Some(_) => "this is not a token that is known here",
        }))
    }

    /// A text by which a link has for a minute what `role` may have of one session.
    pub(super) fn ticket(&self, session: SessionId, role: Role) -> Result<String, PlayerError> {
        let mut bytes = [0u8; 24];
        getrandom::fill(&mut bytes).expect("the system has random numbers");
        let text: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
        let now = Instant::now();
        let mut tickets = self.tickets();
        if tickets.len() >= MAX_TICKETS {
            tickets.retain(|_, t| t.until > now);
        }
        if tickets.len() >= MAX_TICKETS {
            let reason = "there are as many tickets as are given; try again in a minute";
            return Err(PlayerError::Busy(reason.to_owned()));
        }
        let until = now + TICKET_LASTS;
        let ticket = Ticket {
            session,
            role,
            until,
        };
        tickets.insert(text.clone(), ticket);
        Ok(text)
    }

    /// What a ticket is good for.
    pub(super) fn of_ticket(&self, session: &SessionId, text: &str) -> Result<Role, PlayerError> {
        // 192 random bits are not found by the time that a look-up takes.
        let tickets = self.tickets();
        let ticket = tickets.get(text).filter(|t| t.until > Instant::now());
        match ticket.filter(|t| t.session == *session) {
            Some(ticket) => Ok(ticket.role),
            None => Err(PlayerError::Denied("this link is over; open it anew")),
        }
    }

    fn tickets(&self) -> MutexGuard<'_, HashMap<String, Ticket>> {
        self.tickets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The token that a request shows.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let is_bearer = scheme.eq_ignore_ascii_case("bearer");
    is_bearer.then(|| token.trim_ascii())
}

pub(super) const TICKET_LASTS: Duration = Duration::from_secs(60);
const MAX_TICKETS: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    const VIEW: &str = "view-view-view-view";
    const OPERATE: &str = "operate-operate-operate";

    fn token(text: &str) -> Vec<Token> {
        vec![Token::new(text).unwrap()]
    }

    #[test]
    fn operators_may_all_and_viewers_view() {
        let may = |roles: &Roles, token| roles.of(token).ok();
        let closed = Roles::new(token(VIEW), token(OPERATE), false);
        assert_eq!(may(&closed, None), None);
        assert_eq!(may(&closed, Some(VIEW)), Some(Role::View));
        assert_eq!(may(&closed, Some(OPERATE)), Some(Role::Operate));
        assert_eq!(may(&closed, Some("something-else-altogether")), None);
        let open = Roles::new(vec![], token(OPERATE), true);
        assert_eq!(may(&open, None), Some(Role::View));
        assert_eq!(may(&open, Some(OPERATE)), Some(Role::Operate));
        assert_eq!(may(&open, Some(VIEW)), None);
        let operators = Roles::new(vec![], token(OPERATE), false);
        assert_eq!(may(&operators, None), None);
        // Without tokens nobody is an operator.
        assert_eq!(may(&Roles::default(), None), Some(Role::View));
        assert_eq!(may(&Roles::default(), Some(OPERATE)), Some(Role::View));
    }

    #[test]
    fn a_ticket_is_for_one_session() {
        let roles = Roles::new(vec![], token(OPERATE), false);
        let id = |text| SessionId::parse(text).unwrap();
        let ticket = roles.ticket(id("a"), Role::Operate).unwrap();
        assert_eq!(roles.of_ticket(&id("a"), &ticket).unwrap(), Role::Operate);
        assert!(roles.of_ticket(&id("b"), &ticket).is_err());
        assert!(roles.of_ticket(&id("a"), "no ticket").is_err());
        roles
            .tickets()
            .values_mut()
            .for_each(|t| t.until = Instant::now());
        assert!(roles.of_ticket(&id("a"), &ticket).is_err());
    }

    #[test]
    fn a_file_has_a_role_and_a_token_a_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokens");
        std::fs::write(&path, format!("# ours\nview {VIEW}\n\n{OPERATE}\n")).unwrap();
        let roles = Roles::from_file(&path, vec![], false).unwrap();
        assert_eq!(roles.of(Some(VIEW)).unwrap(), Role::View);
        assert_eq!(roles.of(Some(OPERATE)).unwrap(), Role::Operate);
        for (text, told) in [
            ("hear some-token-or-other", "line 1"),
            ("view short", "16 to 512"),
            ("# none", "no token"),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = Roles::from_file(&path, vec![], false).unwrap_err();
            let error = error.to_string();
            assert!(
                error.contains(told) && !error.contains("some-token"),
                "{error}"
            );
        }
    }
}

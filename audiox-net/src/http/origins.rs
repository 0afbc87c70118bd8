//! Which other sites' pages may use a server (CORS, the Fetch standard section 3.2).

use audiox_core::ConfigError;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, ORIGIN, VARY,
};
use axum::http::uri::Uri;
use axum::http::{HeaderMap, HeaderValue};

/// Other sites whose pages may use a server. A page of its own may always.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Origins {
    /// None.
    #[default]
    Own,
    /// These, each as `https://example.org` or `http://localhost:3000`.
    These(Vec<String>),
    /// All of them. Tokens still guard what they guard: no cookies are used here.
    Any,
}

impl Origins {
    /// From a list: `*`, or origins.
    ///
    /// # Errors
    /// One that is no origin.
    pub fn parse<'a>(list: impl IntoIterator<Item = &'a str>) -> Result<Self, ConfigError> {
        let mut these = Vec::new();
        for text in list {
            if text == "*" {
                return Ok(Self::Any);
            }
            let is_origin = text.parse::<Uri>().is_ok_and(|uri| {
                uri.scheme().is_some()
                    && uri.path_and_query().is_none_or(|p| p == "/")
                    && !text.ends_with('/')
            });
            if !is_origin {
                let allowed = "a scheme, a host and perhaps a port, as https://example.org, or *";
                return Err(ConfigError::new("origin", text, allowed));
            }
            these.push(text.to_ascii_lowercase());
        }
        Ok(if these.is_empty() {
            Self::Own
        } else {
            Self::These(these)
        })
    }

    /// The page of another site that a request comes from, where it is let in.
    pub(super) fn guest(&self, headers: &HeaderMap) -> Option<Guest> {
        let origin = headers.get(ORIGIN)?;
        let is_let_in = match self {
            Self::Own => false,
            Self::Any => true,
            Self::These(these) => {
                let origin = origin.to_str().ok()?.to_ascii_lowercase();
                these.contains(&origin)
            }
        };
        is_let_in.then(|| Guest(origin.clone()))
    }
}

/// A page of another site that is let in.
pub(super) struct Guest(HeaderValue);

impl Guest {
    /// Tells its browser so.
    pub(super) fn welcome(self, headers: &mut HeaderMap) {
        for (name, value) in [
            (ACCESS_CONTROL_ALLOW_ORIGIN, self.0),
            (VARY, HeaderValue::from_static("Origin")),
            (
                ACCESS_CONTROL_ALLOW_METHODS,
                HeaderValue::from_static("GET, POST, PUT, DELETE"),
            ),
            (
                ACCESS_CONTROL_ALLOW_HEADERS,
                HeaderValue::from_static("authorization, content-type, range, audiox-offset"),
            ),
            (ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600")),
        ] {
            headers.insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_guest(origins: &Origins, origin: &'static str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(ORIGIN, HeaderValue::from_static(origin));
        origins.guest(&headers).is_some()
    }

    #[test]
    fn those_that_were_named_are_let_in() {
        let these = Origins::parse(["https://example.org", "http://localhost:3000"]).unwrap();
        assert!(
            is_guest(&these, "https://EXAMPLE.org") && is_guest(&these, "http://localhost:3000")
        );
        assert!(!is_guest(&these, "http://example.org") && !is_guest(&these, "null"));
        assert!(is_guest(&Origins::parse(["*"]).unwrap(), "null"));
        assert!(!is_guest(&Origins::Own, "https://example.org"));
        for bad in [
            "example.org",
            "https://example.org/",
            "https://example.org/a",
            "",
        ] {
            assert!(Origins::parse([bad]).is_err(), "{bad}");
        }
    }
}

use std::fmt;
use std::str::FromStr;

use crate::error::ConfigError;

/// A session's name: 1 to 256 bytes of text without control characters. Whatever an application
/// chose: it may hold blanks, slashes, colons and markup, so it is text wherever it is shown.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(Box<str>);

impl SessionId {
    /// The longest id, in bytes.
    pub const MAX: usize = 256;

    /// An id from its text.
    ///
    /// # Errors
    /// Empty, longer than [`MAX`](Self::MAX), or with control characters.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        if (1..=Self::MAX).contains(&text.len()) && !text.chars().any(char::is_control) {
            return Ok(Self(text.into()));
        }
        // What is shown of it is bounded: it came from anywhere.
        let shown: String = text.chars().take(SHOWN).collect();
        Err(ConfigError::new(
            "session id",
            format_args!("{shown:?}"),
            "it is 1 to 256 bytes of text without control characters",
        ))
    }

    /// The id's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for SessionId {
    type Err = ConfigError;

    fn from_str(s: &str) -> Result<Self, ConfigError> {
        Self::parse(s)
    }
}

/// Where a page of sessions begins. Opaque, except that it can be put into a URL as it is: 1 to
/// 512 of `A-Z a-z 0-9 _ - . ~`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SessionCursor(Box<str>);

impl SessionCursor {
    /// A cursor from its text. Whether it means anything, the registry finds out.
    ///
    /// # Errors
    /// Empty, too long, or with any other character.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let known = |b: u8| b.is_ascii_alphanumeric() || b"_-.~".contains(&b);
        if (1..=MAX_CURSOR).contains(&text.len()) && text.bytes().all(known) {
            return Ok(Self(text.into()));
        }
        let shown: String = text.chars().take(SHOWN).collect();
        Err(ConfigError::new(
            "cursor",
            format_args!("{shown:?}"),
            "it is what an earlier page gave as its next",
        ))
    }

    /// The cursor's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SessionCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for SessionCursor {
    type Err = ConfigError;

    fn from_str(s: &str) -> Result<Self, ConfigError> {
        Self::parse(s)
    }
}

const MAX_CURSOR: usize = 512;
const SHOWN: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ids_are_whatever_applications_chose_but_bounded_and_printable() {
        for good in [
            "a",
            "0b3e8a52-9a5f-4f4e",
            "user:1/2 3",
            "<b>x</b>",
            "日本",
            &"a".repeat(256),
        ] {
            assert_eq!(SessionId::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "a\nb", "\0", "\u{85}", "\u{7f}", &"a".repeat(257)] {
            let e = SessionId::parse(bad).unwrap_err().to_string();
            assert!(e.contains("1 to 256 bytes") && !e.contains('\n'), "{e}");
        }
        let long = SessionId::parse(&"\u{1}".repeat(1 << 20)).unwrap_err();
        assert!(long.to_string().len() < 600);
    }

    #[test]
    fn cursors_go_through_urls_as_they_are() {
        assert_eq!(SessionCursor::parse("a.1-2_~").unwrap().as_str(), "a.1-2_~");
        for bad in ["", "a b", "a/b", "a%20", "a&b", "ä", &"1".repeat(513)] {
            assert!(SessionCursor::parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_an_id_that_reads_the_same_or_is_refused_in_a_line(text in any::<String>()) {
            match SessionId::parse(&text) {
                Ok(id) => prop_assert_eq!(id.to_string(), text),
                Err(e) => {
                    let e = e.to_string();
                    prop_assert!(!e.contains('\n') && e.len() < 1_000);
                }
            }
        }
    }
}

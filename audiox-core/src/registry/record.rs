use std::time::Duration;

use super::{SessionCursor, SessionFields, SessionId, field};

/// What is known of a session, but for its buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRecord {
    /// Its name.
    pub id: SessionId,
    /// Its small fields: those that are known by name first, then others, 64 at most.
    pub fields: Vec<SessionField>,
    /// Fields beside these and the buffer that are not shown, there being too many.
    pub more_fields: u64,
    /// Characters of base64 text in its buffer; 0 where there is none.
    pub buffer_len: u64,
    /// How long it is still kept; `None` for good.
    pub ttl: Option<Duration>,
}

/// A small field of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionField {
    /// Its name, of at most 64 bytes.
    pub name: String,
    /// Its text: with U+FFFD in place of what is not UTF-8, and empty where it is longer than
    /// 4 096 bytes.
    pub value: String,
    /// Bytes as stored.
    pub stored: u64,
}

impl SessionField {
    /// A field by what is stored.
    pub fn new(name: impl Into<String>, value: &[u8]) -> Self {
        let (stored, max) = (value.len() as u64, SessionFields::MAX_VALUE);
        let value = if value.len() > max { &[] } else { value };
        Self {
            name: name.into(),
            value: String::from_utf8_lossy(value).into_owned(),
            stored,
        }
    }

    /// A field that is too long to be read.
    pub fn too_long(name: impl Into<String>, stored: u64) -> Self {
        Self {
            name: name.into(),
            value: String::new(),
            stored,
        }
    }

    /// Whether it is too long, so that its text was left out.
    pub const fn is_too_long(&self) -> bool {
        self.stored > SessionFields::MAX_VALUE as u64
    }
}

impl SessionRecord {
    /// A field's text. `None` where it is not there or too long.
    pub fn get(&self, name: &str) -> Option<&str> {
        let field = self.fields.iter().find(|field| field.name == name)?;
        (!field.is_too_long()).then_some(field.value.as_str())
    }

    /// Whether its user is known. By anything but a clear yes, they are not.
    pub fn authenticated(&self) -> bool {
        self.is_marked(field::AUTHENTICATED)
    }

    /// Whether its buffer still grows, as far as its application says.
    pub fn is_recording(&self) -> bool {
        self.is_marked(field::IS_RECORDING)
    }

    /// Whether a field says yes: `True`, `true` or `1`.
    pub fn is_marked(&self, name: &str) -> bool {
        matches!(self.get(name), Some("True" | "true" | "1"))
    }
}

/// What a list shows in a session's place.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Listed {
    /// A session, with the fields of a list.
    Session(SessionRecord),
    /// Something that is none, or cannot be read.
    Broken {
        /// Its name, as far as it is text: of at most 256 bytes, without control characters.
        id: String,
        /// What is wrong with it, in one line.
        why: String,
    },
}

impl Listed {
    /// Something broken, by whatever bytes it is called.
    pub fn broken(id: &[u8], why: impl Into<String>) -> Self {
        let id = String::from_utf8_lossy(&id[..id.len().min(SessionId::MAX)]);
        let shown = |c: char| match c.is_control() {
            true => char::REPLACEMENT_CHARACTER,
            false => c,
        };
        let mut text = String::new();
        for c in id.chars().map(shown) {
            if text.len() + c.len_utf8() > SessionId::MAX {
                break;
            }
            text.push(c);
        }
        Self::Broken {
            id: text,
            why: why.into(),
        }
    }

    /// Its name.
    pub fn id(&self) -> &str {
        match self {
            Self::Session(record) => record.id.as_str(),
            Self::Broken { id, .. } => id,
        }
    }
}

/// Part of a list of sessions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionPage {
    /// Sessions, and what stands where some should.
    pub sessions: Vec<Listed>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<SessionCursor>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(value: &str) -> SessionRecord {
        SessionRecord {
            id: SessionId::parse("a").unwrap(),
            fields: vec![SessionField::new("authenticated", value.as_bytes())],
            more_fields: 0,
            buffer_len: 0,
            ttl: None,
        }
    }

    #[test]
    fn only_a_clear_yes_authenticates() {
        for yes in ["True", "true", "1"] {
            assert!(record(yes).authenticated(), "{yes}");
        }
        for no in ["", "False", "TRUE", "yes", " True", "True\0", "2"] {
            assert!(!record(no).authenticated(), "{no}");
        }
        assert!(!record("True").is_recording());
    }

    #[test]
    fn long_and_foreign_values_are_bounded() {
        let long = SessionField::new("a", &[b'x'; 4_097]);
        assert!(long.is_too_long() && long.value.is_empty());
        assert_eq!(long.stored, 4_097);
        let mut with = record("True");
        with.fields[0].stored = 5_000;
        assert_eq!(
            (with.get("authenticated"), with.authenticated()),
            (None, false)
        );
        assert_eq!(SessionField::new("a", b"\xff1").value, "\u{fffd}1");
    }

    proptest! {
        #[test]
        fn a_broken_sessions_name_is_short_printable_text(id in prop::collection::vec(any::<u8>(), 0..600)) {
            let listed = Listed::broken(&id, "no reason");
            prop_assert!(listed.id().len() <= SessionId::MAX);
            prop_assert!(!listed.id().chars().any(char::is_control));
        }
    }
}

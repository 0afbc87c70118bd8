//! Bodies of the fuzz targets: what must hold for any bytes whatever.

use audiox_core::registry::{Listed, SessionCursor, SessionField, SessionFields, SessionId};

use crate::registry::Position;
use crate::{RedisTarget, SessionTarget};

/// A fuzz target's body; it panics where a property does not hold.
pub type Body = fn(&[u8]);

/// Every body of this crate under the name of its target and of its corpus folder.
pub const BODIES: &[(&str, Body)] = &[
    ("redis_session", redis_session),
    ("redis_url", redis_url),
    ("session_base64", session_base64),
];

/// Any text is a target or a session that is written as it reads, or refused in one line; and
/// what stands where passwords do is never told.
///
/// # Panics
/// It is not.
pub fn redis_url(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let is_line = |e: String| assert!(!e.contains('\n') && e.len() < 3_000, "{e}");
    match RedisTarget::parse(text) {
        Ok(target) => {
            let shown = target.to_string();
            let again = RedisTarget::parse(&shown).expect("it reads what it writes");
            assert_eq!(again.to_string(), shown);
        }
        Err(e) => is_line(e.to_string()),
    }
    match SessionTarget::parse(text) {
        Ok(target) => assert!(SessionId::parse(target.id.as_str()).is_ok()),
        Err(e) => is_line(e.to_string()),
    }
    // The same with a password that no other part of the text can be.
    for url in [
        format!("redis://:pass\u{1f511}word@{text}"),
        format!("rediss+cluster://u:pass\u{1f511}word@{text}/session:a"),
    ] {
        let said = match (RedisTarget::parse(&url), SessionTarget::parse(&url)) {
            (Ok(target), Ok(session)) => format!("{target}{target:?}{session}{session:?}"),
            (Ok(target), Err(e)) => format!("{target}{target:?}{e}"),
            (Err(e), Ok(session)) => format!("{e}{session}{session:?}"),
            (Err(a), Err(b)) => format!("{a}{b}"),
        };
        assert!(!said.contains('\u{1f511}'), "{said}");
    }
}

/// Whatever is stored where a session should be: its name, its fields and a cursor that somebody
/// made up are shown bounded and as text.
///
/// # Panics
/// They are not.
pub fn redis_session(data: &[u8]) {
    let (first, second) = data.split_at(data.len() / 2);
    let broken = Listed::broken(first, "as the test has it");
    assert!(broken.id().len() <= SessionId::MAX);
    assert!(!broken.id().chars().any(char::is_control));
    let field = SessionField::new("a", second);
    assert_eq!(field.stored, second.len() as u64);
    assert!(field.value.len() <= 3 * SessionFields::MAX_VALUE);
    assert_eq!(field.is_too_long(), second.len() > SessionFields::MAX_VALUE);
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(cursor) = SessionCursor::parse(text)
        && let Some(position) = Position::parse(&cursor)
    {
        let again = position.cursor().expect("it was read from one");
        assert_eq!(Position::parse(&again), Some(position));
    }
}

/// Any text where audio should be: it decodes to the same however it is cut into pieces, to no
/// more than it is long, as a strict decoder has it where that takes it, and what is wrong is
/// told in one line.
///
/// # Panics
/// It does not.
pub fn session_base64(data: &[u8]) {
    crate::player::check_base64(data);
}

use std::fmt;

use crate::error::ConfigError;

/// Names of a session's fields.
pub mod field {
    /// Whether the session's user is known: `True` or `False`.
    pub const AUTHENTICATED: &str = "authenticated";
    /// Whether its buffer still grows: `True` or `False`.
    pub const IS_RECORDING: &str = "is_recording";
    /// Who it is, for programs.
    pub const USER_ID: &str = "user_id";
    /// Who it is, for people.
    pub const USER_NAME: &str = "user_name";
    /// Audio as base64 text. Never among the small fields.
    pub const AUDIO_BUFFER: &str = "audio_buffer";
    /// When it began: seconds since 1970 as decimal text.
    pub const CONNECTED_AT: &str = "connected_at";
    /// When its user became known: seconds since 1970 as decimal text.
    pub const AUTHENTICATED_AT: &str = "authenticated_at";
    /// What headerless PCM in the buffer is (`s16le`), or `wav`. Ours; the original has none.
    pub const AUDIO_FORMAT: &str = "audio_format";
    /// Frames per second of headerless PCM. Ours.
    pub const AUDIO_RATE: &str = "audio_rate";
    /// Channels of headerless PCM. Ours.
    pub const AUDIO_CHANNELS: &str = "audio_channels";

    /// What a list of sessions tells of each.
    pub const LISTED: [&str; 6] = [
        AUTHENTICATED,
        IS_RECORDING,
        USER_ID,
        USER_NAME,
        CONNECTED_AT,
        AUTHENTICATED_AT,
    ];
}

/// Small fields to be written: at most 64, names of 1 to 64 bytes, values of up to 4 096, each
/// name once.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SessionFields(Vec<(Box<str>, Box<str>)>);

impl SessionFields {
    /// The most fields.
    pub const MAX: usize = 64;
    /// The longest name, in bytes.
    pub const MAX_NAME: usize = 64;
    /// The longest value, in bytes.
    pub const MAX_VALUE: usize = 4_096;

    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// With one more, or another value of one.
    ///
    /// # Errors
    /// Too many, too long, a name with control characters, or the buffer's.
    pub fn with(mut self, name: &str, value: impl fmt::Display) -> Result<Self, ConfigError> {
        let good = (1..=Self::MAX_NAME).contains(&name.len())
            && !name.chars().any(char::is_control)
            && name != field::AUDIO_BUFFER;
        if !good {
            let shown: String = name.chars().take(Self::MAX_NAME).collect();
            return Err(ConfigError::new(
                "session field",
                format_args!("{shown:?}"),
                "a name is 1 to 64 bytes without control characters; audio_buffer is appended to",
            ));
        }
        let value = value.to_string();
        if value.len() > Self::MAX_VALUE {
            return Err(ConfigError::new(
                "session field",
                format_args!("{name}, {} bytes long,", value.len()),
                "4096 bytes is the longest",
            ));
        }
        let count = self.0.len();
        match self.0.iter_mut().find(|(n, _)| &**n == name) {
            Some((_, old)) => *old = value.into(),
            None if count == Self::MAX => {
                let allowed = "a session is written 64 fields at most";
                return Err(ConfigError::new("session field", name, allowed));
            }
            None => self.0.push((name.into(), value.into())),
        }
        Ok(self)
    }

    /// The same with a mark as applications write them: `True` or `False`.
    ///
    /// # Errors
    /// As of [`with`](Self::with).
    pub fn with_mark(self, name: &str, value: bool) -> Result<Self, ConfigError> {
        self.with(name, if value { "True" } else { "False" })
    }

    /// Names and values, in the order in which they were given.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for SessionFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_stands_once_and_all_is_bounded() {
        let fields = SessionFields::new()
            .with("user_name", "Ann")
            .and_then(|f| f.with("x", 1))
            .and_then(|f| f.with("user_name", "Bo"))
            .and_then(|f| f.with_mark(field::IS_RECORDING, true))
            .unwrap();
        let all: Vec<_> = fields.iter().collect();
        assert_eq!(
            all,
            [("user_name", "Bo"), ("x", "1"), ("is_recording", "True")]
        );
        for bad in ["", "a\n", field::AUDIO_BUFFER, &"n".repeat(65)] {
            assert!(SessionFields::new().with(bad, 1).is_err(), "{bad:?}");
        }
        let long = "v".repeat(4_097);
        assert!(SessionFields::new().with("a", &long[1..]).is_ok());
        assert!(SessionFields::new().with("a", &long).is_err());
        let full = (0..64).fold(SessionFields::new(), |f, i| {
            f.with(&i.to_string(), i).unwrap()
        });
        assert!(full.clone().with("63", "other").is_ok());
        assert!(full.with("64", 64).is_err());
    }
}

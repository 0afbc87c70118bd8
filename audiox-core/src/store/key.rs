use std::fmt;
use std::str::FromStr;

use crate::error::ConfigError;

/// A stream's name in a store and in URLs: 1 to 64 of `A-Z a-z 0-9 _ -`.
///
/// These can be a folder's name and a part of a path as they are, so no id leads anywhere else.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(Box<str>);

impl StreamId {
    /// An id from its text.
    ///
    /// # Errors
    /// Empty, longer than 64, or any other character.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        if (1..=MAX_ID).contains(&text.len()) && text.bytes().all(allowed) {
            return Ok(Self(text.into()));
        }
        // What is shown of it is bounded: it came from anywhere.
        let shown: String = text.chars().take(MAX_ID + 1).collect();
        Err(ConfigError::new(
            "stream id",
            format_args!("{shown:?}"),
            "it is 1 to 64 letters, digits, underscores or hyphens",
        ))
    }

    /// The id's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for StreamId {
    type Err = ConfigError;

    fn from_str(s: &str) -> Result<Self, ConfigError> {
        Self::parse(s)
    }
}

/// A segment's name: its stream, and a second of the wall clock that is its start wherever that is
/// free. Written `<id>/<unix seconds>.raw`, at most 89 characters.
///
/// Within a stream, keys are in the order of the audio.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentKey {
    /// The stream.
    pub stream: StreamId,
    /// Seconds since 1970. The exact start is [`SegmentMeta::start`](super::SegmentMeta).
    pub second: u64,
}

impl SegmentKey {
    /// A key from its parts.
    pub const fn new(stream: StreamId, second: u64) -> Self {
        Self { stream, second }
    }

    /// The second that an object's name tells, `<unix seconds>.raw` without leading zeros.
    pub fn second_of(name: &str) -> Option<u64> {
        let digits = name.strip_suffix(SUFFIX)?;
        let plain = digits.bytes().all(|b| b.is_ascii_digit())
            && (digits == "0" || !digits.starts_with('0'));
        if plain { digits.parse().ok() } else { None }
    }
}

impl fmt::Display for SegmentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}{SUFFIX}", self.stream, self.second)
    }
}

impl FromStr for SegmentKey {
    type Err = ConfigError;

    fn from_str(s: &str) -> Result<Self, ConfigError> {
        let parts = s
            .split_once('/')
            .and_then(|(id, name)| Some((id, Self::second_of(name)?)));
        let Some((id, second)) = parts else {
            let shown: String = s.chars().take(MAX_ID + 26).collect();
            return Err(ConfigError::new(
                "segment",
                format_args!("{shown:?}"),
                "it is <stream id>/<unix seconds>.raw",
            ));
        };
        Ok(Self::new(StreamId::parse(id)?, second))
    }
}

const MAX_ID: usize = 64;
const SUFFIX: &str = ".raw";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ids_hold_nothing_that_a_path_could_take_amiss() {
        assert!(StreamId::parse("0b3e8a52-9a5f-4f4e-8a0e-0d8c3a5d9f11").is_ok());
        assert!(StreamId::parse(&"a".repeat(64)).is_ok());
        for bad in [
            "",
            ".",
            "..",
            "a/b",
            "a\\b",
            "%2f",
            "a\0",
            "a b",
            "ä",
            "a.raw",
            &"a".repeat(65),
        ] {
            let e = StreamId::parse(bad).unwrap_err().to_string();
            assert!(e.contains("1 to 64 letters"), "{e}");
        }
        let long = StreamId::parse(&"\u{0}".repeat(100_000)).unwrap_err();
        assert!(long.to_string().len() < 600);
    }

    #[test]
    fn keys_are_read_as_they_are_written_and_no_other_way() {
        let key: SegmentKey = "a-b/1700000000.raw".parse().unwrap();
        assert_eq!((key.stream.as_str(), key.second), ("a-b", 1_700_000_000));
        for bad in [
            "a/.raw",
            "a/01.raw",
            "a/+1.raw",
            "a/-1.raw",
            "a/1.RAW",
            "a/1.raw/",
            "a/b/1.raw",
            "../1.raw",
            "/1.raw",
            "1.raw",
            "a/18446744073709551616.raw",
            "a/1",
        ] {
            assert!(bad.parse::<SegmentKey>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_key_survives_its_text(id in "[A-Za-z0-9_-]{1,64}", second in any::<u64>()) {
            let key = SegmentKey::new(StreamId::parse(&id).unwrap(), second);
            let text = key.to_string();
            prop_assert!(text.len() <= 89);
            prop_assert_eq!(text.parse::<SegmentKey>().unwrap(), key);
        }

        #[test]
        fn any_text_is_a_key_that_reads_the_same_or_none(text in "\\PC{0,40}|[a./0-9raw%-]{0,20}") {
            if let Ok(key) = text.parse::<SegmentKey>() {
                prop_assert_eq!(key.to_string(), text);
            }
        }
    }
}

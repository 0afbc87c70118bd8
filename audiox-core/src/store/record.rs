use std::fmt;
use std::time::Duration;

use crate::codec::EncodingName;
use crate::error::ConfigError;
use crate::format::{Channels, PcmFormat, SampleRate, StreamFormat};
use crate::time::UnixTime;

use super::StreamId;

/// What is known of a stream beside its segments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamRecord {
    /// Its id.
    pub id: StreamId,
    /// What people call it; at most 256 bytes where it is made by [`named`](Self::named).
    pub name: Option<String>,
    /// What its bytes are.
    pub format: StoredFormat,
    /// When it began.
    pub started: UnixTime,
    /// When it ended; none while it is live.
    pub ended: Option<UnixTime>,
    /// How long it is kept.
    pub retention: Retention,
}

impl StreamRecord {
    /// A stream that begins now, without a name, kept for good.
    pub const fn new(id: StreamId, format: StoredFormat, started: UnixTime) -> Self {
        Self {
            id,
            name: None,
            format,
            started,
            ended: None,
            retention: Retention::FOR_GOOD,
        }
    }

    /// The same under a name.
    ///
    /// # Errors
    /// Longer than 256 bytes, or with control characters.
    pub fn named(mut self, name: impl Into<String>) -> Result<Self, ConfigError> {
        let name = name.into();
        if name.len() > MAX_NAME || name.chars().any(char::is_control) {
            let shown: String = name.chars().take(MAX_NAME).collect();
            return Err(ConfigError::new(
                "name",
                format_args!("{shown:?}"),
                "a stream's name is at most 256 bytes without control characters",
            ));
        }
        self.name = Some(name);
        Ok(self)
    }
}

/// What the bytes of a stored stream are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFormat {
    /// Rate and channels.
    pub stream: StreamFormat,
    /// How samples are written.
    pub coding: Coding,
}

impl StoredFormat {
    /// Headerless PCM.
    pub const fn pcm(stream: StreamFormat, pcm: PcmFormat) -> Self {
        Self {
            stream,
            coding: Coding::Pcm(pcm),
        }
    }

    /// Bytes of one frame; none where the coding has no fixed length.
    pub fn frame_bytes(&self) -> Option<usize> {
        match &self.coding {
            Coding::Pcm(pcm) => Some(pcm.frame_bytes(self.stream.channels)),
            Coding::Codec(name) if *name == EncodingName::PCMU || *name == EncodingName::PCMA => {
                Some(self.stream.channels.get())
            }
            Coding::Codec(_) => None,
        }
    }
}

impl Default for StoredFormat {
    /// What streams without a word about their format are: 16-bit little-endian PCM, mono, 44 100
    /// frames a second.
    fn default() -> Self {
        Self::pcm(
            StreamFormat::new(SampleRate::HZ_44100, Channels::MONO),
            PcmFormat::S16LE,
        )
    }
}

impl fmt::Display for StoredFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.coding, self.stream)
    }
}

/// How the samples of a stored stream are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Coding {
    /// Interleaved PCM without a header.
    Pcm(PcmFormat),
    /// Payloads of a codec, laid out as whoever stores them says.
    Codec(EncodingName),
}

impl fmt::Display for Coding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pcm(pcm) => pcm.fmt(f),
            Self::Codec(name) => name.fmt(f),
        }
    }
}

/// How long segments are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retention {
    /// Those that ended longer ago than this go.
    pub max_age: Option<Duration>,
    /// The oldest go until no more bytes than this are left.
    pub max_bytes: Option<u64>,
}

impl Retention {
    /// Nothing goes.
    pub const FOR_GOOD: Self = Self {
        max_age: None,
        max_bytes: None,
    };
}

const MAX_NAME: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_what_headerless_streams_have_always_been() {
        let format = StoredFormat::default();
        assert_eq!(format.to_string(), "s16le, 44100 Hz, 1 ch");
        assert_eq!(format.frame_bytes(), Some(2));
        let opus = StoredFormat {
            coding: Coding::Codec(EncodingName::OPUS),
            ..format
        };
        assert_eq!(opus.frame_bytes(), None);
    }

    #[test]
    fn names_are_bounded() {
        let id = StreamId::parse("s").unwrap();
        let record = StreamRecord::new(id, StoredFormat::default(), UnixTime::EPOCH);
        assert!(record.clone().named("stage left").is_ok());
        assert!(record.clone().named("x".repeat(257)).is_err());
        assert!(record.named("a\nb").is_err());
    }
}

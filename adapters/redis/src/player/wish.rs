//! What headerless PCM is to be taken for, and what stored bytes are.

use audiox_core::ConfigError;
use audiox_core::format::{Channels, SampleRate};
use audiox_core::registry::{SessionRecord, field};
use audiox_io::FileKind;
use audiox_io::sound::{Headers, PcmWish};

/// What a request says of samples, in its own words.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Words<'a> {
    pub(super) sample: Option<&'a str>,
    pub(super) rate: Option<&'a str>,
    pub(super) channels: Option<&'a str>,
    /// `ignore` takes all bytes for samples.
    pub(super) headers: Option<&'a str>,
}

impl Words<'_> {
    /// What is asked for: by the request, else by the session itself, else what is usual.
    ///
    /// # Errors
    /// The request asks for what cannot be. What sessions say wrongly counts for nothing.
    pub(super) fn wish(
        self,
        record: &SessionRecord,
        usual: &PcmWish,
    ) -> Result<PcmWish, ConfigError> {
        let mut wish = *usual;
        let says = |name| record.get(name);
        wish.coding = match self.sample.filter(|t| !t.is_empty()) {
            Some(text) => Some(text.parse()?),
            None => says(field::AUDIO_FORMAT)
                .and_then(|t| t.parse().ok())
                .or(wish.coding),
        };
        wish.rate = match self.rate.filter(|t| !t.is_empty()) {
            Some(text) => Some(rate(text)?),
            None => says(field::AUDIO_RATE)
                .and_then(|t| rate(t).ok())
                .or(wish.rate),
        };
        wish.channels = match self.channels.filter(|t| !t.is_empty()) {
            Some(text) => Some(channels(text)?),
            None => says(field::AUDIO_CHANNELS)
                .and_then(|t| channels(t).ok())
                .or(wish.channels),
        };
        match self.headers.unwrap_or_default() {
            "" => {}
            "ignore" => wish.headers = Headers::Ignore,
            other => return Err(ConfigError::new("headers", other, "ignore, or nothing")),
        }
        Ok(wish)
    }
}

fn rate(text: &str) -> Result<SampleRate, ConfigError> {
    let wrong = |_| ConfigError::new("rate", text, "a whole number of Hz is expected");
    SampleRate::new(text.parse().map_err(wrong)?)
}

fn channels(text: &str) -> Result<Channels, ConfigError> {
    let wrong = |_| ConfigError::new("channels", text, "1 to 1024 channels are supported");
    Channels::new(text.parse().map_err(wrong)?)
}

/// MIME type and a file name's ending of what is stored.
pub(super) fn stored(kind: FileKind) -> (&'static str, &'static str) {
    match kind {
        FileKind::Wav => ("audio/wav", "wav"),
        FileKind::Flac => ("audio/flac", "flac"),
        FileKind::Mp3 => ("audio/mpeg", "mp3"),
        FileKind::Aac => ("audio/aac", "aac"),
        FileKind::Mp4 => ("audio/mp4", "m4a"),
        FileKind::OggVorbis | FileKind::OggFlac => ("audio/ogg", "ogg"),
        FileKind::OggOpus => ("audio/ogg", "opus"),
        FileKind::WebM => ("audio/webm", "webm"),
        FileKind::Matroska => ("audio/x-matroska", "mka"),
        FileKind::Unknown => ("application/octet-stream", "pcm"),
        _ => ("application/octet-stream", "bin"),
    }
}

#[cfg(test)]
mod tests {
    use audiox_core::registry::{SessionField, SessionId};

    use super::*;

    fn record(fields: &[(&str, &str)]) -> SessionRecord {
        SessionRecord {
            id: SessionId::parse("a").unwrap(),
            fields: fields
                .iter()
                .map(|(name, value)| SessionField::new(*name, value.as_bytes()))
                .collect(),
            more_fields: 0,
            buffer_len: 0,
            ttl: None,
        }
    }

    #[test]
    fn a_request_counts_more_than_its_session_and_that_more_than_what_is_usual() {
        let usual = PcmWish::default();
        let says = record(&[("audio_rate", "16000"), ("audio_channels", "many")]);
        let words = Words::default();
        assert_eq!(words.wish(&record(&[]), &usual).unwrap(), usual);
        let wish = words.wish(&says, &usual).unwrap();
        assert_eq!(wish.rate, Some(SampleRate::HZ_16000));
        assert_eq!((wish.channels, wish.coding), (None, None));
        let words = Words {
            sample: Some("s24be"),
            rate: Some("8000"),
            channels: Some("2"),
            headers: Some("ignore"),
        };
        let wish = words.wish(&says, &usual).unwrap();
        assert_eq!(wish.rate, Some(SampleRate::HZ_8000));
        assert_eq!(wish.coding.unwrap().to_string(), "s24be");
        assert_eq!(wish.headers, Headers::Ignore);
        for (field, words) in [
            (
                "rate",
                Words {
                    rate: Some("fast"),
                    ..words
                },
            ),
            (
                "channels",
                Words {
                    channels: Some("0"),
                    ..words
                },
            ),
            (
                "headers",
                Words {
                    headers: Some("heed"),
                    ..words
                },
            ),
        ] {
            assert_eq!(words.wish(&says, &usual).unwrap_err().field, field);
        }
        let wrong = Words {
            sample: Some("s17"),
            ..words
        };
        assert!(wrong.wish(&says, &usual).is_err());
    }
}

//! Formats of streams in JSON.

use audiox_core::ConfigError;
use audiox_core::format::{Channels, PcmFormat, SampleRate, StreamFormat};
use audiox_core::store::{Coding, StoredFormat};
use serde::Deserialize;
use serde_json::{Value, json};

/// What may be said of a stream when it is made. Without a word it is what the original's
/// senders send: signed 16-bit little-endian, mono, 44 100 Hz.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    pub(crate) name: Option<String>,
    rate: Option<u32>,
    channels: Option<u16>,
    format: Option<String>,
    codec: Option<String>,
}

impl Wanted {
    /// What a relay tells of a stream; a relay that tells nothing means the default.
    #[cfg(feature = "client")]
    pub(crate) fn of(told: &Value) -> Self {
        let number = |field: &str| told.get(field).and_then(Value::as_u64);
        let text = |field: &str| told.get(field).and_then(Value::as_str).map(str::to_owned);
        Self {
            name: text("name"),
            rate: number("rate").and_then(|n| n.try_into().ok()),
            channels: number("channels").and_then(|n| n.try_into().ok()),
            format: text("format"),
            codec: text("codec"),
        }
    }

    pub(crate) fn format(&self) -> Result<StoredFormat, ConfigError> {
        if let Some(codec) = self.codec.as_deref().filter(|c| *c != "pcm") {
            return Err(ConfigError::new(
                "codec",
                codec,
                "streams are \"pcm\"; their format says which",
            ));
        }
        let default = StoredFormat::default();
        let rate = self.rate.map(SampleRate::new).transpose()?;
        let channels = self.channels.map(Channels::new).transpose()?;
        let pcm = match &self.format {
            Some(name) => name.parse()?,
            None => PcmFormat::S16LE,
        };
        let stream = StreamFormat::new(
            rate.unwrap_or(default.stream.rate),
            channels.unwrap_or(default.stream.channels),
        );
        Ok(StoredFormat::pcm(stream, pcm))
    }
}

/// The fields that describe a format.
pub(crate) fn describe(format: &StoredFormat) -> Value {
    let (codec, pcm) = match &format.coding {
        Coding::Pcm(pcm) => ("pcm".to_owned(), Some(pcm.to_string())),
        Coding::Codec(name) => (name.to_string(), None),
    };
    json!({
        "rate": format.stream.rate.get(),
        "channels": format.stream.channels.get(),
        "codec": codec,
        "format": pcm,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_is_the_originals() {
        let wanted: Wanted = serde_json::from_str("{}").unwrap();
        assert_eq!(wanted.format().unwrap(), StoredFormat::default());
        let wanted = r#"{"rate": 48000, "channels": 2, "format": "f32le", "name": "a"}"#;
        let wanted: Wanted = serde_json::from_str(wanted).unwrap();
        let told = describe(&wanted.format().unwrap());
        let said = json!({"rate": 48000, "channels": 2, "codec": "pcm", "format": "f32le"});
        assert_eq!(told, said);
    }

    #[test]
    fn what_cannot_be_is_refused_by_its_field() {
        for (text, field) in [
            (r#"{"rate": 0}"#, "rate"),
            (r#"{"channels": 0}"#, "channels"),
            (r#"{"format": "s17le"}"#, "format"),
            (r#"{"codec": "mp3"}"#, "codec"),
        ] {
            let wanted: Wanted = serde_json::from_str(text).unwrap();
            let error = wanted.format().unwrap_err().to_string();
            assert!(error.contains(field), "{error}");
        }
        assert!(serde_json::from_str::<Wanted>(r#"{"bitrate": 1}"#).is_err());
    }
}

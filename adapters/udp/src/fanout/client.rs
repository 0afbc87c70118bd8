//! What one client gets, as its fields in the list say.

use std::net::IpAddr;

use audiox_core::ConfigError;
use audiox_core::codec::EncodingName;
use audiox_core::convert::Gain;
use serde_json::{Map, Value};

/// What one client gets.
#[derive(Debug, Clone, PartialEq)]
pub struct ClientSpec {
    /// Its address or name.
    pub host: String,
    /// Its UDP port.
    pub port: u16,
    /// Which of the source's channels, counted from 0, in the order in which they are sent.
    pub channels: Vec<usize>,
    /// In what form.
    pub wire: ClientWire,
    /// How much louder.
    pub gain: Gain,
    /// Silence is sent in place of sound.
    pub mute: bool,
}

/// The form in which a client gets its channels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientWire {
    /// Signed 16-bit little-endian PCM and nothing else: what the original's clients understand.
    Raw,
    /// RTP in this encoding.
    Rtp(EncodingName),
}

impl ClientSpec {
    /// Reads a client's fields. Those that are not known here are passed over.
    ///
    /// # Errors
    /// A field is missing or its value not possible.
    pub fn from_fields(fields: &Map<String, Value>) -> Result<Self, ConfigError> {
        let host = match fields.get("ip").or_else(|| fields.get("host")) {
            Some(Value::String(host)) if is_host(host.trim()) => host.trim().to_owned(),
            other => return Err(wrong("ip", other, "an address or a host's name")),
        };
        let port = fields.get("port");
        let port = integer(port)
            .and_then(|n| u16::try_from(n).ok())
            .filter(|&port| port > 0)
            .ok_or_else(|| wrong("port", port, "1 to 65535"))?;
        let rtp = switch(fields, "rtp")?;
        let wire = match (rtp, fields.get("codec")) {
            (Some(false) | None, None | Some(Value::Null)) => ClientWire::Raw,
            (Some(true), None | Some(Value::Null)) => ClientWire::Rtp(EncodingName::L16),
            (Some(true) | None, Some(Value::String(codec))) => {
                ClientWire::Rtp(EncodingName::new(codec.clone())?)
            }
            (_, codec) => {
                let allowed = "an encoding of RTP, as \"L16\" or \"opus\", with \"rtp\": true";
                return Err(wrong("codec", codec, allowed));
            }
        };
        let gain = match fields.get("gain") {
            None | Some(Value::Null) => Gain::UNITY,
            Some(Value::String(text)) => text.parse()?,
            Some(value) => {
                let db = value.as_f64();
                let db = db.ok_or_else(|| wrong("gain", Some(value), "decibels, as -6"))?;
                Gain::from_db(db as f32)?
            }
        };
        Ok(Self {
            host,
            port,
            channels: channels(fields)?,
            wire,
            gain,
            mute: switch(fields, "mute")?.unwrap_or(false),
        })
    }

    /// The address, where no name has to be looked up for it.
    pub fn address(&self) -> Option<IpAddr> {
        self.host.trim_matches(['[', ']']).parse().ok()
    }

    /// Whether a stream to `other` goes on as one to this: all that differs can be changed
    /// without a break.
    pub(super) fn continues(&self, other: &Self) -> bool {
        let same = |spec: &Self| Self {
            gain: Gain::UNITY,
            mute: false,
            ..spec.clone()
        };
        same(self) == same(other)
    }

    /// The factor that its samples get.
    pub(super) fn factor(&self) -> Gain {
        match self.mute {
            true => Gain::SILENCE,
            false => self.gain,
        }
    }
}

fn channels(fields: &Map<String, Value>) -> Result<Vec<usize>, ConfigError> {
    let channel = |value: &Value| integer(Some(value)).and_then(|n| usize::try_from(n).ok());
    match fields.get("channels") {
        None | Some(Value::Null) => {
            let value = fields.get("channel");
            let found = value.and_then(channel).filter(|&c| c < MAX_CHANNELS);
            let allowed = "0 to 63, the first being 0";
            Ok(vec![found.ok_or_else(|| wrong("channel", value, allowed))?])
        }
        Some(value) => {
            let all = value.as_array().and_then(|all| {
                let all: Option<Vec<_>> = all.iter().map(channel).collect();
                all.filter(|all| {
                    (1..=MAX_CHANNELS).contains(&all.len()) && all.iter().all(|&c| c < MAX_CHANNELS)
                })
            });
            all.ok_or_else(|| {
                let allowed = "a list of 1 to 64 channels, 0 to 63 each, as [0, 1]";
                wrong("channels", Some(value), allowed)
            })
        }
    }
}

fn switch(fields: &Map<String, Value>, name: &'static str) -> Result<Option<bool>, ConfigError> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(on)) => Ok(Some(*on)),
        other => Err(wrong(name, other, "true or false")),
    }
}

/// A whole number; also one in quotes, as forms have it.
fn integer(value: Option<&Value>) -> Option<u64> {
    match value? {
        Value::Number(n) => n.as_u64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

fn is_host(host: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._:%[]".contains(c);
    (1..=253).contains(&host.len()) && host.chars().all(plain)
}

fn wrong(field: &'static str, value: Option<&Value>, allowed: &'static str) -> ConfigError {
    let value = match value {
        None => "nothing".to_owned(),
        Some(value) => value.to_string().chars().take(SHOWN).collect(),
    };
    ConfigError::new(field, value, allowed)
}

const MAX_CHANNELS: usize = 64;
/// Of a value that is none.
const SHOWN: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(json: &str) -> Result<ClientSpec, ConfigError> {
        ClientSpec::from_fields(&serde_json::from_str(json).unwrap())
    }

    #[test]
    fn the_originals_fields_are_a_raw_mono_stream() {
        let original = spec(r#"{"ip": "192.168.2.249", "port": 57001, "channel": 1}"#).unwrap();
        let expected = ClientSpec {
            host: "192.168.2.249".to_owned(),
            port: 57001,
            channels: vec![1],
            wire: ClientWire::Raw,
            gain: Gain::UNITY,
            mute: false,
        };
        assert_eq!(original, expected);
        let quoted = spec(r#"{"ip": "192.168.2.249", "port": "57001", "channel": "1", "x": {}}"#);
        assert_eq!(quoted.unwrap(), expected);
    }

    #[test]
    fn further_fields_choose_the_rest() {
        let spec = spec(
            r#"{"ip": "studio.local", "port": 5004, "channels": [2, 0], "rtp": true,
                "codec": "opus", "gain": -6, "mute": true}"#,
        )
        .unwrap();
        assert_eq!(spec.channels, [2, 0]);
        assert_eq!(
            spec.wire,
            ClientWire::Rtp(EncodingName::new("OPUS").unwrap())
        );
        assert!((spec.gain.db() + 6.0).abs() < 1e-4 && spec.mute);
        assert_eq!((spec.address(), spec.factor()), (None, Gain::SILENCE));
        let louder = ClientSpec {
            gain: Gain::UNITY,
            mute: false,
            ..spec.clone()
        };
        assert!(spec.continues(&louder) && louder.continues(&spec));
        assert!(!spec.continues(&ClientSpec {
            port: 5006,
            ..louder
        }));
    }

    #[test]
    fn each_wrong_field_is_named_with_what_is_allowed() {
        for (field, json) in [
            ("ip", r#"{"port": 1, "channel": 0}"#),
            ("ip", r#"{"ip": "a b", "port": 1, "channel": 0}"#),
            ("ip", r#"{"ip": "http://a/", "port": 1, "channel": 0}"#),
            ("port", r#"{"ip": "a", "port": 0, "channel": 0}"#),
            ("port", r#"{"ip": "a", "port": 65536, "channel": 0}"#),
            ("port", r#"{"ip": "a", "port": 1.5, "channel": 0}"#),
            ("channel", r#"{"ip": "a", "port": 1}"#),
            ("channel", r#"{"ip": "a", "port": 1, "channel": -1}"#),
            ("channel", r#"{"ip": "a", "port": 1, "channel": 64}"#),
            ("channels", r#"{"ip": "a", "port": 1, "channels": []}"#),
            ("channels", r#"{"ip": "a", "port": 1, "channels": [0, 64]}"#),
            ("rtp", r#"{"ip": "a", "port": 1, "channel": 0, "rtp": 1}"#),
            (
                "codec",
                r#"{"ip": "a", "port": 1, "channel": 0, "rtp": false, "codec": "L16"}"#,
            ),
            (
                "gain",
                r#"{"ip": "a", "port": 1, "channel": 0, "gain": 97}"#,
            ),
            (
                "gain",
                r#"{"ip": "a", "port": 1, "channel": 0, "gain": []}"#,
            ),
            (
                "mute",
                r#"{"ip": "a", "port": 1, "channel": 0, "mute": "yes"}"#,
            ),
        ] {
            assert_eq!(spec(json).unwrap_err().field, field, "{json}");
        }
    }
}

//! Packets of Socket.IO v5, which travel in Engine.IO's messages.

use std::fmt::Write;

use bytes::Bytes;
use serde_json::Value;

use super::{Incoming, ProtocolError};

/// A packet of Socket.IO; its attachments follow as messages of their own.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Packet {
    pub(crate) kind: Kind,
    /// `/` where none is named.
    pub(crate) namespace: String,
    /// Number under which the sender wants, or gets, an acknowledgement.
    pub(crate) id: Option<u64>,
    pub(crate) data: Option<Value>,
    /// How many binary messages follow.
    pub(crate) attachments: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Connect,
    Disconnect,
    Event,
    Ack,
    ConnectError,
}

impl Packet {
    /// A packet of the namespace `/` without attachments.
    pub(crate) fn new(kind: Kind, id: Option<u64>, data: Option<Value>) -> Self {
        Self {
            kind,
            namespace: ROOT.to_owned(),
            id,
            data,
            attachments: 0,
        }
    }

    /// Reads what an Engine.IO message holds.
    pub(crate) fn parse(text: &str, max_attachments: usize) -> Result<Self, ProtocolError> {
        let kind = text.bytes().next().ok_or(ProtocolError::Type)?;
        let (kind, is_binary) = match kind {
            b'0' => (Kind::Connect, false),
            b'1' => (Kind::Disconnect, false),
            b'2' => (Kind::Event, false),
            b'3' => (Kind::Ack, false),
            b'4' => (Kind::ConnectError, false),
            b'5' => (Kind::Event, true),
            b'6' => (Kind::Ack, true),
            _ => return Err(ProtocolError::Type),
        };
        let mut rest = &text[1..];
        let mut attachments = 0;
        if is_binary {
            let (count, after) = rest.split_once('-').ok_or(ProtocolError::Number)?;
            attachments = number(count)? as usize;
            rest = after;
        }
        let mut namespace = ROOT;
        if rest.starts_with('/') {
            (namespace, rest) = rest.split_once(',').unwrap_or((rest, ""));
            // A query may stand behind it.
            namespace = namespace.split('?').next().unwrap_or(namespace);
        }
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let mut id = None;
        if digits > 0 {
            id = Some(number(&rest[..digits])?);
            rest = &rest[digits..];
        }
        let data = match rest {
            "" => None,
            json => Some(serde_json::from_str(json).map_err(|_| ProtocolError::Json)?),
        };
        if !data
            .as_ref()
            .is_none_or(|d: &Value| d.is_array() || d.is_object())
        {
            return Err(ProtocolError::Data);
        }
        if attachments > max_attachments {
            return Err(ProtocolError::Attachments);
        }
        if data.as_ref().is_some_and(|d| asks_beyond(d, attachments)) {
            return Err(ProtocolError::Attachments);
        }
        Ok(Self {
            kind,
            namespace: namespace.to_owned(),
            id,
            data,
            attachments,
        })
    }

    /// Writes the packet to the end of `out`, which an Engine.IO message then holds.
    pub(crate) fn write(&self, out: &mut String) {
        let binary = self.attachments > 0;
        let kind = match self.kind {
            Kind::Connect => '0',
            Kind::Disconnect => '1',
            Kind::Event if binary => '5',
            Kind::Event => '2',
            Kind::Ack if binary => '6',
            Kind::Ack => '3',
            Kind::ConnectError => '4',
        };
        out.push(kind);
        // Writing to a String cannot fail.
        if binary {
            let _ = write!(out, "{}-", self.attachments);
        }
        if self.namespace != ROOT {
            out.push_str(&self.namespace);
            out.push(',');
        }
        if let Some(id) = self.id {
            let _ = write!(out, "{id}");
        }
        if let Some(data) = &self.data {
            let _ = write!(out, "{data}");
        }
    }

    /// An event's name and arguments, when its `attachments` have come.
    pub(crate) fn into_event(self, attachments: Vec<Bytes>) -> Result<Incoming, ProtocolError> {
        let Some(Value::Array(mut args)) = self.data else {
            return Err(ProtocolError::Event);
        };
        if !args.first().is_some_and(Value::is_string) {
            return Err(ProtocolError::Event);
        }
        let Value::String(name) = args.remove(0) else {
            return Err(ProtocolError::Event);
        };
        Ok(Incoming {
            name,
            args,
            attachments,
        })
    }
}

/// Puts packets and their attachments together again.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    waiting: Option<(Packet, Vec<Bytes>)>,
}

impl Assembly {
    /// A text came. A packet that is whole is given back.
    pub(super) fn text(&mut self, packet: Packet) -> Result<Option<Whole>, ProtocolError> {
        if self.waiting.is_some() {
            return Err(ProtocolError::Order);
        }
        if packet.attachments == 0 {
            return Ok(Some((packet, Vec::new())));
        }
        self.waiting = Some((packet, Vec::new()));
        Ok(None)
    }

    /// An attachment came. The packet that it makes whole is given back.
    pub(super) fn binary(&mut self, bytes: Bytes) -> Result<Option<Whole>, ProtocolError> {
        let (packet, attachments) = self.waiting.as_mut().ok_or(ProtocolError::Order)?;
        attachments.push(bytes);
        let is_whole = attachments.len() == packet.attachments;
        Ok(if is_whole { self.waiting.take() } else { None })
    }
}

/// A packet with all of its attachments.
pub(super) type Whole = (Packet, Vec<Bytes>);

fn number(digits: &str) -> Result<u64, ProtocolError> {
    let all_digits = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let number = digits.parse().ok().filter(|n| *n <= MAX_ID && all_digits);
    number.ok_or(ProtocolError::Number)
}

/// Whether `data` has a placeholder for an attachment that is not announced.
fn asks_beyond(data: &Value, attachments: usize) -> bool {
    match data {
        Value::Array(list) => list.iter().any(|v| asks_beyond(v, attachments)),
        Value::Object(map) if map.get("_placeholder") == Some(&Value::Bool(true)) => {
            let num = map.get("num").and_then(Value::as_u64);
            num.is_none_or(|n| n >= attachments as u64)
        }
        Value::Object(map) => map.values().any(|v| asks_beyond(v, attachments)),
        _ => false,
    }
}

/// The namespace that is there without being asked for by name.
pub(crate) const ROOT: &str = "/";
/// JavaScript's largest whole number.
const MAX_ID: u64 = (1 << 53) - 1;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Packet {
        Packet::parse(text, 4).unwrap()
    }

    /// The examples of the protocol's own document.
    #[test]
    fn the_examples_of_the_protocol_are_read_and_written() {
        let event = read(r#"2["foo"]"#);
        assert_eq!(event.data, Some(json!(["foo"])));
        let acked = read(r#"2/admin,13["bar"]"#);
        assert_eq!((acked.namespace.as_str(), acked.id), ("/admin", Some(13)));
        let binary = read(r#"51-["baz",{"_placeholder":true,"num":0}]"#);
        assert_eq!((binary.kind, binary.attachments), (Kind::Event, 1));
        let connect = read(r#"0/admin,{"token":"abc"}"#);
        assert_eq!(connect.data, Some(json!({"token": "abc"})));
        for text in [
            "0",
            r#"0/admin,{"token":"abc"}"#,
            "1",
            "1/admin,",
            r#"2["foo"]"#,
            r#"2/admin,13["bar"]"#,
            r#"51-["baz",{"_placeholder":true,"num":0}]"#,
            r#"61-/admin,456[{"_placeholder":true,"num":0}]"#,
            r#"4{"message":"Not authorized"}"#,
        ] {
            let mut out = String::new();
            read(text).write(&mut out);
            assert_eq!(out, text);
        }
        assert_eq!(read("0/admin?a=b").namespace, "/admin");
    }

    #[test]
    fn what_is_no_packet_is_refused() {
        for (text, error) in [
            ("", ProtocolError::Type),
            ("9", ProtocolError::Type),
            ("é", ProtocolError::Type),
            ("5[]", ProtocolError::Number),
            ("5-[]", ProtocolError::Number),
            ("5+1-[]", ProtocolError::Number),
            ("5999999999999999999999-[]", ProtocolError::Number),
            ("55-[]", ProtocolError::Attachments),
            (
                r#"2["a",{"_placeholder":true,"num":0}]"#,
                ProtocolError::Attachments,
            ),
            (
                r#"51-["a",[{"_placeholder":true,"num":1}]]"#,
                ProtocolError::Attachments,
            ),
            ("2[", ProtocolError::Json),
            ("21 3", ProtocolError::Data),
            ("2é", ProtocolError::Json),
            ("299999999999999999[]", ProtocolError::Number),
        ] {
            assert_eq!(Packet::parse(text, 4), Err(error), "{text}");
        }
        for text in ["2", "2{}", "2[]", "2[1]"] {
            let event = read(text).into_event(Vec::new());
            assert_eq!(event, Err(ProtocolError::Event), "{text}");
        }
    }

    #[test]
    fn attachments_follow_their_packet() {
        let mut assembly = Assembly::default();
        let packet = read(r#"52-["a",{"_placeholder":true,"num":1}]"#);
        let part = |n: u8| Bytes::from(vec![n]);
        assert_eq!(assembly.binary(part(0)), Err(ProtocolError::Order));
        assert_eq!(assembly.text(packet.clone()), Ok(None));
        assert_eq!(assembly.text(packet.clone()), Err(ProtocolError::Order));
        assert_eq!(assembly.binary(part(1)), Ok(None));
        let whole = assembly.binary(part(2)).unwrap().unwrap();
        assert_eq!(whole, (packet, vec![part(1), part(2)]));
        let event = whole.0.into_event(whole.1).unwrap();
        assert_eq!((event.name.as_str(), event.attachments.len()), ("a", 2));
        assert_eq!(assembly.binary(part(3)), Err(ProtocolError::Order));
    }
}

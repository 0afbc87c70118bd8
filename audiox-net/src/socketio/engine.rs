//! Packets of Engine.IO v4 and the bodies of long-polling.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::ProtocolError;

/// A packet of Engine.IO.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum EnginePacket<'a> {
    Open(&'a str),
    Close,
    Ping(&'a str),
    Pong(&'a str),
    Message(&'a str),
    Upgrade,
    Noop,
    Binary(Bytes),
}

impl<'a> EnginePacket<'a> {
    /// Reads a text: a WebSocket's text message, or a part of a body.
    pub(crate) fn parse(text: &'a str) -> Result<Self, ProtocolError> {
        let mut rest = text.chars();
        let kind = rest.next().ok_or(ProtocolError::Type)?;
        let data = rest.as_str();
        Ok(match kind {
            '0' => Self::Open(data),
            '1' => Self::Close,
            '2' => Self::Ping(data),
            '3' => Self::Pong(data),
            '4' => Self::Message(data),
            '5' => Self::Upgrade,
            '6' => Self::Noop,
            'b' => {
                let bytes = STANDARD.decode(data).map_err(|_| ProtocolError::Base64)?;
                Self::Binary(bytes.into())
            }
            _ => return Err(ProtocolError::Type),
        })
    }

    /// Reads the packets of a long-polling body.
    pub(crate) fn parse_body(body: &'a str) -> impl Iterator<Item = Result<Self, ProtocolError>> {
        body.split(SEPARATOR).map(Self::parse)
    }

    /// Writes the packet as text to the end of `out`.
    pub(crate) fn write(&self, out: &mut String) {
        let (kind, data) = match self {
            Self::Open(data) => ('0', *data),
            Self::Close => ('1', ""),
            Self::Ping(data) => ('2', *data),
            Self::Pong(data) => ('3', *data),
            Self::Message(data) => ('4', *data),
            Self::Upgrade => ('5', ""),
            Self::Noop => ('6', ""),
            Self::Binary(bytes) => {
                out.push('b');
                STANDARD.encode_string(bytes, out);
                return;
            }
        };
        out.push(kind);
        out.push_str(data);
    }
}

/// Between the packets of a body.
pub(super) const SEPARATOR: char = '\x1e';

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_lists_of_packets() {
        let body = "4hello\u{1e}2\u{1e}bAQID\u{1e}4€";
        let read: Vec<_> = EnginePacket::parse_body(body).map(Result::unwrap).collect();
        let binary = EnginePacket::Binary(Bytes::from_static(&[1, 2, 3]));
        let said = [
            EnginePacket::Message("hello"),
            EnginePacket::Ping(""),
            binary,
            EnginePacket::Message("€"),
        ];
        assert_eq!(read, said);
        let mut written = String::new();
        for (n, packet) in read.iter().enumerate() {
            if n > 0 {
                written.push(SEPARATOR);
            }
            packet.write(&mut written);
        }
        assert_eq!(written, body);
    }

    #[test]
    fn the_upgrade_probe_is_a_ping() {
        let ping = EnginePacket::parse("2probe").unwrap();
        assert_eq!(ping, EnginePacket::Ping("probe"));
        let mut out = String::new();
        EnginePacket::Pong("probe").write(&mut out);
        assert_eq!(out, "3probe");
    }

    #[test]
    fn what_is_no_packet_is_refused() {
        for (text, error) in [
            ("", ProtocolError::Type),
            ("7", ProtocolError::Type),
            ("é", ProtocolError::Type),
            ("b%%", ProtocolError::Base64),
        ] {
            assert_eq!(EnginePacket::parse(text), Err(error), "{text}");
        }
    }
}

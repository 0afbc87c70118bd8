//! What a server sends, encoded once for whoever and how many it goes to.

use std::fmt;
use std::sync::OnceLock;

use bytes::Bytes;
use serde_json::{Value, json};

use super::EnginePacket;
use super::engine::SEPARATOR;
use super::packet::{Kind, Packet};
use crate::websocket;

/// An event, or another packet, on its way to clients.
pub struct Outgoing {
    /// The Engine.IO packet.
    text: String,
    attachments: Vec<Bytes>,
    frames: OnceLock<Vec<u8>>,
}

impl Outgoing {
    /// An event; `args` hold [`binary`]`(n)` where attachment `n` belongs.
    pub fn event(
        name: &str,
        args: impl IntoIterator<Item = Value>,
        attachments: Vec<Bytes>,
    ) -> Self {
        let data = std::iter::once(Value::from(name)).chain(args).collect();
        let mut packet = Packet::new(Kind::Event, None, Some(Value::Array(data)));
        packet.attachments = attachments.len();
        Self {
            attachments,
            ..Self::packet(&packet)
        }
    }

    pub(super) fn packet(packet: &Packet) -> Self {
        let mut message = String::new();
        packet.write(&mut message);
        Self::engine(&EnginePacket::Message(&message))
    }

    pub(super) fn engine(packet: &EnginePacket<'_>) -> Self {
        let mut text = String::new();
        packet.write(&mut text);
        Self {
            text,
            attachments: Vec::new(),
            frames: OnceLock::new(),
        }
    }

    /// Bytes of it, about: what it counts in a listener's queue.
    pub fn weight(&self) -> usize {
        self.text.len() + self.attachments.iter().map(Bytes::len).sum::<usize>()
    }

    /// Engine.IO packets that it takes.
    pub(super) fn parts(&self) -> usize {
        1 + self.attachments.len()
    }

    /// The WebSocket frames.
    pub(super) fn frames(&self) -> &[u8] {
        self.frames.get_or_init(|| {
            let mut out = Vec::with_capacity(self.weight() + 16);
            websocket::encode(websocket::Kind::Text, self.text.as_bytes(), &mut out);
            for attachment in &self.attachments {
                websocket::encode(websocket::Kind::Binary, attachment, &mut out);
            }
            out
        })
    }

    /// Writes it to the end of a long-polling body.
    pub(super) fn write_body(&self, out: &mut String) {
        let separate = |out: &mut String| {
            if !out.is_empty() {
                out.push(SEPARATOR);
            }
        };
        separate(out);
        out.push_str(&self.text);
        for attachment in &self.attachments {
            separate(out);
            EnginePacket::Binary(attachment.clone()).write(out);
        }
    }
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing")
            .field("text", &self.text)
            .field("attachments", &self.attachments.len())
            .finish()
    }
}

/// Stands for the attachment `num` in the arguments of an event.
pub fn binary(num: usize) -> Value {
    json!({ "_placeholder": true, "num": num })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_the_same_over_both_transports() {
        let args = json!({ "stream_id": "a", "data": binary(0) });
        let event = Outgoing::event("audio_data", [args], vec![Bytes::from_static(&[1, 2, 3])]);
        let text = r#"451-["audio_data",{"stream_id":"a","data":{"_placeholder":true,"num":0}}]"#;
        let mut body = "2".to_owned();
        event.write_body(&mut body);
        assert_eq!(body, format!("2\u{1e}{text}\u{1e}bAQID"));
        let frames = event.frames();
        assert_eq!(&frames[2..2 + text.len()], text.as_bytes());
        assert_eq!(frames[2 + text.len()..], [0x82, 3, 1, 2, 3]);
        assert_eq!(event.weight(), text.len() + 3);
    }
}

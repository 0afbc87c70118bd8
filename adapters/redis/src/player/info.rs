//! `info`: the whole hash, sent as it is read, and what its buffer decodes to.

use audiox_core::registry::{SessionRecord, field};
use audiox_net::http::axum::body::Body;
use audiox_net::http::axum::http::header::CONTENT_TYPE;
use audiox_net::http::axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream::unfold;
use serde_json::{Map, Value, json};
use tokio::sync::OwnedSemaphorePermit;

use super::Player;
use super::base64::Decoder;
use super::error::PlayerError;
use super::http::answer;

/// The answer, with the buffer only as far as it is shown.
pub(super) async fn short(
    player: &Player,
    record: &SessionRecord,
) -> Result<Response, PlayerError> {
    let text = player.text(record, 0, SHOWN).await?;
    let preview = preview(&text, record.buffer_len);
    let mut data = fields(record);
    data.insert(field::AUDIO_BUFFER.to_owned(), preview.clone().into());
    let mut found = Decoded::default();
    match player.buffer(record).await {
        Ok(buffer) => {
            found.bytes = buffer.bytes.len() as u64;
            found.is_cut = buffer.is_cut;
        }
        Err(PlayerError::NoAudio) => {}
        Err(PlayerError::Decode(error)) => found.error = Some(error),
        Err(e) => return Err(e),
    }
    Ok(answer(&json!({
        "success": true,
        "session_id": record.id.as_str(),
        "data": data,
        "audio_info": found.json(record.buffer_len, preview),
        "ttl": record.ttl.map(|t| t.as_secs()),
    })))
}

/// The answer as the original gives it: the buffer stands in `data`. It goes from the registry to
/// the client piece by piece, and is decoded on its way only to be counted.
pub(super) async fn whole(player: &Player, record: SessionRecord) -> Result<Response, PlayerError> {
    let place = player.stream()?;
    let head = format!(
        "{{\"success\":true,\"session_id\":{},\"data\":",
        Value::from(record.id.as_str())
    );
    let mut data = Value::Object(fields(&record)).to_string();
    // Its last character closes the object.
    data.pop();
    data += if data.len() > 1 { "," } else { "" };
    data += "\"audio_buffer\":\"";
    let sending = Sending {
        player: player.clone(),
        first: Some(format!("{head}{data}").into()),
        at: 0,
        preview: String::new(),
        decoder: Some(Decoder::default()),
        decoded: Vec::new(),
        found: Decoded::default(),
        record,
        _place: place,
    };
    let parts = unfold(Some(sending), |sending| async {
        let mut sending = sending?;
        match sending.next().await {
            Ok((part, true)) => Some((Ok(part), Some(sending))),
            Ok((part, false)) => Some((Ok(part), None)),
            // It is cut off, so that nobody takes it for whole.
            Err(e) => Some((Err(e), None)),
        }
    });
    let kind = [(CONTENT_TYPE, "application/json")];
    Ok((kind, Body::from_stream(parts)).into_response())
}

struct Sending {
    player: Player,
    record: SessionRecord,
    first: Option<Bytes>,
    at: u64,
    preview: String,
    decoder: Option<Decoder>,
    decoded: Vec<u8>,
    found: Decoded,
    _place: OwnedSemaphorePermit,
}

impl Sending {
    /// The next part, and whether more follow.
    async fn next(&mut self) -> Result<(Bytes, bool), PlayerError> {
        if let Some(first) = self.first.take() {
            return Ok((first, true));
        }
        let piece = (self.record.buffer_len / PIECES).clamp(LEAST, MOST) as usize;
        let text = self.player.text(&self.record, self.at, piece).await?;
        if !text.is_empty() {
            if self.at == 0 {
                self.preview = preview(&text, self.record.buffer_len);
            }
            self.at += text.len() as u64;
            self.count(&text);
            return Ok((escaped(&text), true));
        }
        if let Some(decoder) = self.decoder.take() {
            self.found.is_cut = decoder.finish(&mut self.decoded);
            self.found.bytes += self.decoded.len() as u64;
        }
        let preview = std::mem::take(&mut self.preview);
        let info = self.found.json(self.record.buffer_len, preview);
        let ttl = Value::from(self.record.ttl.map(|t| t.as_secs()));
        let last = format!("\"}},\"audio_info\":{info},\"ttl\":{ttl}}}");
        Ok((last.into(), false))
    }

    fn count(&mut self, text: &[u8]) {
        let Some(decoder) = &mut self.decoder else {
            return;
        };
        let pushed = decoder.push(text, &mut self.decoded);
        self.found.bytes += self.decoded.len() as u64;
        self.decoded.clear();
        if let Err(e) = pushed {
            self.found.error = Some(e.to_string());
            self.decoder = None;
        }
    }
}

/// What was found in a buffer.
#[derive(Default)]
struct Decoded {
    bytes: u64,
    is_cut: bool,
    error: Option<String>,
}

impl Decoded {
    fn json(&self, chars: u64, preview: String) -> Value {
        let cut = "the last character stands alone, so a part of the last byte is missing";
        let error = match (&self.error, self.is_cut) {
            (Some(error), _) => Some(error.as_str()),
            (None, true) => Some(cut),
            (None, false) => None,
        };
        let mut info = json!({
            "length": chars,
            "has_audio": chars > 0,
            "preview": preview,
            "decoded_length": if self.error.is_some() { 0 } else { self.bytes },
            "base64_valid": error.is_none(),
        });
        if let Some(error) = error {
            info["base64_error"] = error.into();
        }
        info
    }
}

fn fields(record: &SessionRecord) -> Map<String, Value> {
    let all = record.fields.iter();
    all.map(|f| (f.name.clone(), f.value.clone().into()))
        .collect()
}

/// The first characters.
fn preview(text: &[u8], chars: u64) -> String {
    let shown = String::from_utf8_lossy(&text[..text.len().min(SHOWN)]);
    let more = if chars > SHOWN as u64 { "..." } else { "" };
    format!("{shown}{more}")
}

/// Text as it stands inside a JSON string. What is not ASCII is no Base64 anyway.
fn escaped(text: &[u8]) -> Bytes {
    let is_plain = |b: &u8| matches!(b, 0x20..=0x7e) && *b != b'"' && *b != b'\\';
    if text.iter().all(is_plain) {
        return Bytes::copy_from_slice(text);
    }
    let mut out = Vec::with_capacity(text.len() * 2);
    for b in text {
        match b {
            b if is_plain(b) => out.push(*b),
            b if b.is_ascii() => out.extend_from_slice(format!("\\u{b:04x}").as_bytes()),
            _ => out.extend_from_slice(b"\\ufffd"),
        }
    }
    out.into()
}

impl Player {
    /// Characters of a buffer's text from `at` on.
    async fn text(
        &self,
        record: &SessionRecord,
        at: u64,
        most: usize,
    ) -> Result<Bytes, PlayerError> {
        let left = record.buffer_len.saturating_sub(at);
        let most = usize::try_from(left).unwrap_or(most).min(most);
        if most == 0 {
            return Ok(Bytes::new());
        }
        Ok(self.inner.buffers.text(&record.id, at, most).await?)
    }
}

const SHOWN: usize = 100;
/// Into so many pieces a text is cut, of characters between these: a large one not into many,
/// since Redis takes the whole in hand for each.
const PIECES: u64 = 32;
const LEAST: u64 = 256 << 10;
const MOST: u64 = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_stands_in_json() {
        let all: Vec<u8> = (0..=255).collect();
        let text = format!("\"{}\"", std::str::from_utf8(&escaped(&all)).unwrap());
        let back: String = serde_json::from_str(&text).unwrap();
        assert_eq!(back.chars().count(), 256);
        assert!(back.starts_with("\0\u{1}") && back.contains("\"#") && back.ends_with('\u{fffd}'));
        assert_eq!(&escaped(b"GkXf+/=")[..], b"GkXf+/=");
    }
}

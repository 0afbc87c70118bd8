//! What a listener gets over a plain WebSocket.
//!
//! First a text message, which describes the stream: the fields of `GET /api/streams/<id>`. Then
//! binary messages, each a header of 24 bytes, big-endian, and whole frames as the sender sent
//! them:
//!
//! | byte | is |
//! | --- | --- |
//! | 0 | 1, the version |
//! | 1 | flags: bit 0, it comes from the archive |
//! | 2–3 | zero |
//! | 4–7 | sequence number of what is live, which wraps; 0 in what comes from the archive |
//! | 8–15 | media time of the first frame: frames since the stream's start |
//! | 16–23 | when the relay had it, or sent it from the archive: nanoseconds since 1970 |
//!
//! A packet whose media time is past the end of the one before says that something is missing:
//! the listener was too slow, or the archive has a hole.
//!
//! Text messages may come between: `{"chunk_id": …}` when a segment was stored, `{"ended": true}`
//! at the stream's end.

use audiox_core::time::{MediaTime, UnixTime};
use audiox_net::websocket::{self, Kind};
use bytes::Bytes;

/// Bytes of a [`Header`].
pub const HEADER: usize = 24;

/// In front of a packet's frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// It comes from the archive.
    pub is_archived: bool,
    /// Its number among what is live.
    pub seq: u32,
    /// The first frame.
    pub at: MediaTime,
    /// When it was sent.
    pub sent: UnixTime,
}

impl Header {
    /// The header's bytes.
    pub fn to_bytes(&self) -> [u8; HEADER] {
        let mut out = [0; HEADER];
        out[0] = VERSION;
        out[1] = u8::from(self.is_archived);
        out[4..8].copy_from_slice(&self.seq.to_be_bytes());
        out[8..16].copy_from_slice(&self.at.0.to_be_bytes());
        out[16..].copy_from_slice(&self.sent.as_nanos().to_be_bytes());
        out
    }

    /// Reads a message: its header and its frames.
    ///
    /// # Errors
    /// What keeps it from being one.
    pub fn parse(message: &Bytes) -> Result<(Self, Bytes), HeaderError> {
        let head = message.first_chunk::<HEADER>().ok_or(HeaderError::Short)?;
        if head[0] != VERSION {
            return Err(HeaderError::Version(head[0]));
        }
        let long = |at: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&head[at..at + 8]);
            u64::from_be_bytes(bytes)
        };
        let header = Self {
            is_archived: head[1] & 1 != 0,
            seq: u32::from_be_bytes([head[4], head[5], head[6], head[7]]),
            at: MediaTime(long(8) as i64),
            sent: UnixTime::from_nanos(long(16)),
        };
        Ok((header, message.slice(HEADER..)))
    }
}

/// A packet as a WebSocket's message, ready to be sent.
pub(crate) fn message(header: &Header, frames: &[u8], out: &mut Vec<u8>) {
    let mut payload = Vec::with_capacity(HEADER + frames.len());
    payload.extend_from_slice(&header.to_bytes());
    payload.extend_from_slice(frames);
    websocket::encode(Kind::Binary, &payload, out);
}

/// Why a message has no [`Header`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Shorter than a header.
    #[error("a packet of the relay has at least 24 bytes")]
    Short,
    /// Of another version.
    #[error("a packet of version {0}, where 1 is known")]
    Version(u8),
}

const VERSION: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_back() {
        let header = Header {
            is_archived: true,
            seq: 0x0102_0304,
            at: MediaTime(5),
            sent: UnixTime::from_nanos(6),
        };
        let bytes = header.to_bytes();
        assert_eq!(bytes[..8], [1, 1, 0, 0, 1, 2, 3, 4]);
        let message = Bytes::from([&bytes[..], &[9, 8]].concat());
        let (read, frames) = Header::parse(&message).unwrap();
        assert_eq!((read, &frames[..]), (header, &[9, 8][..]));
        let cut = message.slice(..23);
        assert_eq!(Header::parse(&cut), Err(HeaderError::Short));
        let other = Bytes::from([&[2; 1][..], &bytes[1..]].concat());
        assert_eq!(Header::parse(&other), Err(HeaderError::Version(2)));
    }
}

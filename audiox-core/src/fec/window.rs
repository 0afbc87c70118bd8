//! A sliding window code: each repair packet is a linear combination of the packets sent last.
//!
//! In the manner of RFC 8681 (RLC over GF(256)), made for delays of a few packets. Source packets
//! travel unchanged. When the receiver has as many repair packets as source packets are missing
//! in what they cover, those come back: any repair helps any loss in its window, and nothing
//! waits for the end of a block. A window as long as the receiver's delay costs no delay of its
//! own: a longer one could only bring back what is too late to be heard.
//!
//! # On the wire
//! A repair packet's payload (of an RTP packet with an SSRC and payload type of its own):
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                  SSRC of the source packets                   |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! | first sequence number covered |   packets     |      key      |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! | repair symbol: the sum of each covered packet's symbol, times its coefficient …
//! ```
//!
//! Symbols are those of [`symbol`](super::symbol). Packet `s` has in the repair packet of key `k`
//! (counted modulo 128) the coefficient 1 ÷ ((128 + k) XOR (s mod 128)): a Cauchy matrix, of which
//! every square part can be solved, where random coefficients fail now and then.
//!
//! # Deliberate differences
//! - RFC 8681 draws coefficients from a generator and puts an identifier at the end of each source
//!   packet; here sequence numbers serve, and receivers without FEC notice nothing.
//! - WebRTC's ULPFEC and FlexFEC are XOR over up to 48 packets; a burst beyond the repair
//!   packets of one pattern is lost there.
//! - roc's block codes wait for a block; at 60 ms of delay theirs is 2 to 10 packets of 5 ms, with
//!   losses at its end uncorrected until it ends.

mod decoder;
mod encoder;
mod matrix;

pub use decoder::{WindowDecoder, WindowDecoderStats};
pub use encoder::WindowEncoder;

use super::gf256;
use super::symbol::{MAX_SYMBOL, OVERHEAD};
use crate::error::ParseError;

/// The head of a repair packet's payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RepairHeader {
    /// SSRC of the source packets.
    pub ssrc: u32,
    /// Sequence number of the first of them.
    pub first: u16,
    /// Their number, 1 to [`MAX_WINDOW`].
    pub packets: u8,
    /// Which combination this is, 0 to 127.
    pub key: u8,
}

impl RepairHeader {
    /// Bytes.
    pub const LEN: usize = 8;

    /// Reads a payload's head; what follows it is the repair symbol.
    ///
    /// # Errors
    /// Too short, or a number of packets or a key out of range.
    pub fn parse(payload: &[u8]) -> Result<(Self, &[u8]), ParseError> {
        let Some((head, symbol)) = payload.split_first_chunk::<{ Self::LEN }>() else {
            return Err(ParseError::Truncated {
                expected: Self::LEN,
                actual: payload.len(),
            });
        };
        let [a, b, c, d, first @ .., packets, key] = *head;
        let header = Self {
            ssrc: u32::from_be_bytes([a, b, c, d]),
            first: u16::from_be_bytes(first),
            packets,
            key,
        };
        if !(1..=MAX_WINDOW as u8).contains(&packets) {
            return Err(ParseError::Length(packets.into()));
        }
        if key >= KEYS {
            return Err(ParseError::Type(key));
        }
        if !(OVERHEAD..=MAX_SYMBOL).contains(&symbol.len()) {
            return Err(ParseError::Length(symbol.len()));
        }
        Ok((header, symbol))
    }

    fn write(self, out: &mut [u8; Self::LEN]) {
        out[..4].copy_from_slice(&self.ssrc.to_be_bytes());
        out[4..6].copy_from_slice(&self.first.to_be_bytes());
        out[6] = self.packets;
        out[7] = self.key;
    }
}

/// Packets that a window can span at most.
pub const MAX_WINDOW: usize = 96;
const KEYS: u8 = 128;

/// What packet `seq` is multiplied with in the repair packet of `key`. Never 0.
const fn coefficient(key: u8, seq: u64) -> u8 {
    gf256::inv((KEYS + key % KEYS) ^ (seq % KEYS as u64) as u8)
}

#[cfg(test)]
mod tests;

//! A Reed–Solomon code over blocks of packets: of k source and r repair packets any k give back
//! all of the block.
//!
//! For peers that speak roc-toolkit's `rtp+rs8m` and `rs8m`, which are laid out after RFC 6865
//! (FECFRAME, GF(2⁸)). Between audiox and audiox the sliding window is the better choice
//! ([`window`](super::window)): it helps from the first repair packet on, and leaves the source
//! packets as they are.
//!
//! # On the wire
//! A source packet is an RTP packet with a payload ID behind it, a repair packet a payload ID with
//! a repair symbol behind it, without an RTP header, so it needs a port of its own. roc's usual
//! ports are 10001 for source, 10002 for repair and 10003 for control packets.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |       source block number (24 bits)           | symbol number |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |  source packets a block (k)   |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! Source packets have the symbol numbers 0 to k − 1, repair packets those from k on, below 255.
//! How many repair packets a block has is not said. Blocks are numbered one by one from a random
//! number; roc keeps 16 bits of it, so decoders look at no more. The packets of a block are of one
//! length, and a symbol is the whole RTP packet, header and all; shorter ones are made equal by
//! RTP padding here, where roc requires that they are equal.
//!
//! # Arithmetic
//! Symbol `j` is the value at a point of its own of the polynomial of degree below k through the
//! source symbols, byte by byte. So each symbol is a sum of any k others, each times a Lagrange
//! coefficient ([`Interpolation`]): encoding and decoding are the same step, and no matrix can fail
//! to have an inverse. The coefficients are those of V(k,k)⁻¹ · V(k,n), V being Vandermonde's
//! matrix of the points.
//!
//! Which points differs: RFC 5510 section 8.2 has 1, α, α², …; Rizzo's code, with which the RFC
//! says it is compatible, and OpenFEC after it, have 0, 1, α, α², …. The repair symbols are not the
//! same. roc is built on OpenFEC, so that is the default here ([`Points`]).
//!
//! # Deliberate differences
//! - RFC 6865's symbols begin with a flow number and a length, so that packets of different length
//!   and flow share a block. roc's have neither, and so have these.
//! - roc stops a session when block numbers jump by more than 100; here the decoder moves on.

mod decoder;
mod encoder;
mod interpolation;

pub use decoder::{BlockDecoder, BlockDecoderStats};
pub use encoder::{BlockConfig, BlockEncoder, BlockEncoderStats};
pub use interpolation::{Interpolation, Points};

use super::symbol::MAX_DATAGRAM;
use crate::error::ParseError;

/// What a packet says about its place in its block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PayloadId {
    /// The block's number, 24 bits, wrapping.
    pub block: u32,
    /// The packet's number in it; source packets come first.
    pub symbol: u8,
    /// Source packets in the block, 1 to [`MAX_SYMBOLS`].
    pub source: u8,
}

impl PayloadId {
    /// Bytes.
    pub const LEN: usize = 6;

    /// Takes a source packet apart: its payload ID, and the RTP packet before it.
    ///
    /// # Errors
    /// Too short or too long, or numbers out of range.
    pub fn split_source(datagram: &[u8]) -> Result<(Self, &[u8]), ParseError> {
        let Some((packet, id)) = datagram.split_last_chunk::<{ Self::LEN }>() else {
            return Err(truncated(datagram));
        };
        let id = Self::parse(*id)?;
        match id.symbol < id.source {
            true => Ok((id, sized(packet)?)),
            false => Err(ParseError::Type(id.symbol)),
        }
    }

    /// Takes a repair packet apart: its payload ID, and the repair symbol behind it.
    ///
    /// # Errors
    /// Too short or too long, or numbers out of range.
    pub fn split_repair(datagram: &[u8]) -> Result<(Self, &[u8]), ParseError> {
        let Some((id, symbol)) = datagram.split_first_chunk::<{ Self::LEN }>() else {
            return Err(truncated(datagram));
        };
        let id = Self::parse(*id)?;
        match id.symbol >= id.source && usize::from(id.symbol) < MAX_SYMBOLS {
            true => Ok((id, sized(symbol)?)),
            false => Err(ParseError::Type(id.symbol)),
        }
    }

    /// Writes it; of the block's number the lower 24 bits.
    pub fn write(self, out: &mut [u8; Self::LEN]) {
        let [_, a, b, c] = self.block.to_be_bytes();
        *out = [a, b, c, self.symbol, 0, self.source];
    }

    fn parse(bytes: [u8; Self::LEN]) -> Result<Self, ParseError> {
        let [a, b, c, symbol, high, source] = bytes;
        if high != 0 || source == 0 {
            return Err(ParseError::Length(
                u16::from_be_bytes([high, source]).into(),
            ));
        }
        Ok(Self {
            block: u32::from_be_bytes([0, a, b, c]),
            symbol,
            source,
        })
    }
}

/// Packets that a block can have, source and repair together: the field's elements but one.
pub const MAX_SYMBOLS: usize = 255;

fn truncated(datagram: &[u8]) -> ParseError {
    ParseError::Truncated {
        expected: PayloadId::LEN + RTP_HEADER,
        actual: datagram.len(),
    }
}

/// `symbol`, if its length is that of an RTP packet.
fn sized(symbol: &[u8]) -> Result<&[u8], ParseError> {
    match (RTP_HEADER..=MAX_DATAGRAM).contains(&symbol.len()) {
        true => Ok(symbol),
        false => Err(ParseError::Length(symbol.len())),
    }
}

const RTP_HEADER: usize = 12;

#[cfg(test)]
mod tests;

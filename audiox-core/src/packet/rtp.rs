//! RTP packets (RFC 3550 section 5): a borrowed view to read them, a header to write them.
//!
//! [`RtpPacket::parse`] checks every length field once; the accessors then read the datagram on
//! demand and cannot fail. [`RtpHeader`] is valid by construction, so writing it fails only for
//! want of room. Nothing here allocates.

use std::fmt;
use std::ops::Range;

use crate::error::{ParseError, WriteError};
use crate::time::{RtpTimestamp, SeqNum};

/// The only version of RTP and RTCP in use (RFC 3550 section 5.1).
pub const VERSION: u8 = 2;

/// Length in bytes of a header without CSRCs and extension.
pub const FIXED_HEADER_LEN: usize = 12;

/// Contributing sources that a header has room for.
pub const MAX_CSRCS: usize = 15;

/// A received packet: a view of a datagram whose header, extension and padding are sound.
#[derive(Clone, Copy)]
pub struct RtpPacket<'a> {
    fixed: &'a [u8; FIXED_HEADER_LEN],
    /// CSRCs and header extension.
    variable: &'a [u8],
    payload: &'a [u8],
    padding: u8,
}

impl<'a> RtpPacket<'a> {
    /// Checks a datagram's header (RFC 3550 section 5.1 and the first part of appendix A.1).
    ///
    /// # Errors
    /// [`ParseError::Version`] for another version, [`ParseError::Truncated`] where the datagram
    /// ends within the header, [`ParseError::Padding`] where the padding count is zero or
    /// reaches into the header.
    #[inline]
    pub fn parse(datagram: &'a [u8]) -> Result<Self, ParseError> {
        let Some((fixed, rest)) = datagram.split_first_chunk::<FIXED_HEADER_LEN>() else {
            return Err(truncated(FIXED_HEADER_LEN, datagram));
        };
        let version = fixed[0] >> 6;
        if version != VERSION {
            return Err(ParseError::Version(version));
        }
        let mut variable_len = csrc_count(fixed) * 4;
        if fixed[0] & EXTENSION_BIT != 0 {
            let words = rest
                .get(variable_len..)
                .and_then(<[u8]>::first_chunk)
                .map(|&[_, _, high, low]| u16::from_be_bytes([high, low]));
            variable_len += EXTENSION_HEADER_LEN + usize::from(words.unwrap_or(0)) * 4;
        }
        let Some((variable, body)) = rest.split_at_checked(variable_len) else {
            return Err(truncated(FIXED_HEADER_LEN + variable_len, datagram));
        };
        let (payload, padding) = if fixed[0] & PADDING_BIT == 0 {
            (body, 0)
        } else {
            split_padding(body)?
        };
        Ok(Self {
            fixed,
            variable,
            payload,
            padding,
        })
    }

    /// The protocol version, always [`VERSION`].
    #[inline]
    pub fn version(&self) -> u8 {
        self.fixed[0] >> 6
    }

    /// The marker: for audio, the first packet of a talkspurt (RFC 3551 section 4.1).
    #[inline]
    pub fn marker(&self) -> bool {
        self.fixed[1] & MARKER_BIT != 0
    }

    /// The payload type, 0 to 127.
    #[inline]
    pub fn payload_type(&self) -> u8 {
        self.fixed[1] & MAX_PAYLOAD_TYPE
    }

    /// The sequence number, one up per packet sent.
    #[inline]
    pub fn seq(&self) -> SeqNum {
        SeqNum(u16::from_be_bytes([self.fixed[2], self.fixed[3]]))
    }

    /// Sampling time of the payload's first frame, in ticks of the payload type's clock.
    #[inline]
    pub fn timestamp(&self) -> RtpTimestamp {
        let f = self.fixed;
        RtpTimestamp(u32::from_be_bytes([f[4], f[5], f[6], f[7]]))
    }

    /// The synchronisation source: who sends this stream.
    #[inline]
    pub fn ssrc(&self) -> u32 {
        let f = self.fixed;
        u32::from_be_bytes([f[8], f[9], f[10], f[11]])
    }

    /// The contributing sources that a mixer put into this packet, at most [`MAX_CSRCS`].
    #[inline]
    pub fn csrcs(&self) -> impl ExactSizeIterator<Item = u32> + Clone + use<'a> {
        let (words, _) = self.variable.as_chunks::<4>();
        words
            .iter()
            .take(csrc_count(self.fixed))
            .map(|word| u32::from_be_bytes(*word))
    }

    /// The header extension (RFC 3550 section 5.3.1): its profile-defined number and its content,
    /// a multiple of four bytes, possibly none.
    #[inline]
    pub fn extension(&self) -> Option<(u16, &'a [u8])> {
        if self.fixed[0] & EXTENSION_BIT == 0 {
            return None;
        }
        let (head, content) = self
            .variable
            .get(csrc_count(self.fixed) * 4..)?
            .split_first_chunk::<EXTENSION_HEADER_LEN>()?;
        Some((u16::from_be_bytes([head[0], head[1]]), content))
    }

    /// The codec's payload, without padding; may be empty.
    #[inline]
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// Where in the datagram the payload lies.
    #[inline]
    pub fn payload_range(&self) -> Range<usize> {
        let start = self.header_len();
        start..start + self.payload.len()
    }

    /// Bytes before the payload: fixed header, CSRCs and extension.
    #[inline]
    pub fn header_len(&self) -> usize {
        FIXED_HEADER_LEN + self.variable.len()
    }

    /// Bytes of padding behind the payload, its count byte included; 0 where there is none.
    #[inline]
    pub fn padding(&self) -> u8 {
        self.padding
    }

    /// The header as a value, for writing the packet again.
    pub fn header(&self) -> RtpHeader<'a> {
        let mut csrcs = [0; MAX_CSRCS];
        for (slot, csrc) in csrcs.iter_mut().zip(self.csrcs()) {
            *slot = csrc;
        }
        RtpHeader {
            marker: self.marker(),
            seq: self.seq(),
            timestamp: self.timestamp(),
            ssrc: self.ssrc(),
            payload_type: self.payload_type(),
            csrc_count: csrc_count(self.fixed) as u8,
            csrcs,
            extension: self.extension(),
        }
    }
}

impl fmt::Debug for RtpPacket<'_> {
    /// The header's fields; of the payload only the length.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RtpPacket")
            .field("header", &self.header())
            .field("payload_len", &self.payload.len())
            .field("padding", &self.padding)
            .finish()
    }
}

/// The header of a packet to send, valid by construction.
///
/// Write it with [`write_into`](Self::write_into) and put the payload straight behind it, in the
/// same buffer; [`write_packet`](Self::write_packet) copies a payload that lies elsewhere. For the
/// next packet of a stream change the public fields and write again.
#[derive(Clone, PartialEq, Eq)]
pub struct RtpHeader<'a> {
    /// First packet of a talkspurt.
    pub marker: bool,
    /// Sequence number, one up per packet.
    pub seq: SeqNum,
    /// Sampling time of the first frame, in ticks of the payload type's clock.
    pub timestamp: RtpTimestamp,
    /// Synchronisation source of the stream.
    pub ssrc: u32,
    payload_type: u8,
    csrc_count: u8,
    csrcs: [u32; MAX_CSRCS],
    extension: Option<(u16, &'a [u8])>,
}

impl<'a> RtpHeader<'a> {
    /// A header without marker, CSRCs and extension.
    ///
    /// # Errors
    /// `payload_type` is above 127.
    pub fn new(
        payload_type: u8,
        seq: SeqNum,
        timestamp: RtpTimestamp,
        ssrc: u32,
    ) -> Result<Self, WriteError> {
        if payload_type > MAX_PAYLOAD_TYPE {
            return Err(WriteError::OutOfRange {
                field: "payload type",
            });
        }
        Ok(Self {
            marker: false,
            seq,
            timestamp,
            ssrc,
            payload_type,
            csrc_count: 0,
            csrcs: [0; MAX_CSRCS],
            extension: None,
        })
    }

    /// With these contributing sources.
    ///
    /// # Errors
    /// More than [`MAX_CSRCS`].
    pub fn with_csrcs(mut self, csrcs: &[u32]) -> Result<Self, WriteError> {
        self.csrcs = [0; MAX_CSRCS];
        let Some(slots) = self.csrcs.get_mut(..csrcs.len()) else {
            return Err(WriteError::OutOfRange {
                field: "CSRC count",
            });
        };
        slots.copy_from_slice(csrcs);
        self.csrc_count = csrcs.len() as u8;
        Ok(self)
    }

    /// With a header extension: the number that the profile gives it, and its content.
    ///
    /// # Errors
    /// The content is not a multiple of four bytes, or longer than 65 535 words of four bytes.
    pub fn with_extension(mut self, profile: u16, content: &'a [u8]) -> Result<Self, WriteError> {
        if !content.len().is_multiple_of(4) || content.len() / 4 > usize::from(u16::MAX) {
            return Err(WriteError::OutOfRange {
                field: "header extension length",
            });
        }
        self.extension = Some((profile, content));
        Ok(self)
    }

    /// The payload type, 0 to 127.
    #[inline]
    pub fn payload_type(&self) -> u8 {
        self.payload_type
    }

    /// The contributing sources.
    #[inline]
    pub fn csrcs(&self) -> &[u32] {
        self.csrcs
            .get(..usize::from(self.csrc_count))
            .unwrap_or_default()
    }

    /// The header extension: profile-defined number and content.
    #[inline]
    pub fn extension(&self) -> Option<(u16, &'a [u8])> {
        self.extension
    }

    /// Bytes that the header takes: where the payload begins.
    #[inline]
    pub fn wire_len(&self) -> usize {
        let extension = match self.extension {
            Some((_, content)) => EXTENSION_HEADER_LEN + content.len(),
            None => 0,
        };
        FIXED_HEADER_LEN + usize::from(self.csrc_count) * 4 + extension
    }

    /// Writes the header to the start of `out` and returns its length,
    /// [`wire_len`](Self::wire_len). What is behind it stays as it is.
    ///
    /// # Errors
    /// [`WriteError::BufferTooSmall`].
    #[inline]
    pub fn write_into(&self, out: &mut [u8]) -> Result<usize, WriteError> {
        self.put(out, 0)
    }

    /// Writes a whole packet, header, `payload` and `padding` bytes of padding, and returns its
    /// length.
    ///
    /// The padding counts itself, so 1 is the least that is visible; 0 is none.
    ///
    /// # Errors
    /// [`WriteError::BufferTooSmall`]; `out` may then hold part of the packet.
    pub fn write_packet(
        &self,
        payload: &[u8],
        padding: u8,
        out: &mut [u8],
    ) -> Result<usize, WriteError> {
        let header_len = self.wire_len();
        let payload_end = header_len + payload.len();
        let needed = payload_end + usize::from(padding);
        let available = out.len();
        let Some(out) = out.get_mut(..needed) else {
            return Err(WriteError::BufferTooSmall { needed, available });
        };
        self.put(out, if padding == 0 { 0 } else { PADDING_BIT })?;
        out[header_len..payload_end].copy_from_slice(payload);
        if let [zeros @ .., count] = &mut out[payload_end..] {
            zeros.fill(0);
            *count = padding;
        }
        Ok(needed)
    }

    #[inline]
    fn put(&self, out: &mut [u8], padding_bit: u8) -> Result<usize, WriteError> {
        let needed = self.wire_len();
        let available = out.len();
        let too_small = WriteError::BufferTooSmall { needed, available };
        let Some((fixed, rest)) = out.split_first_chunk_mut::<FIXED_HEADER_LEN>() else {
            return Err(too_small);
        };
        let extension_bit = u8::from(self.extension.is_some()) * EXTENSION_BIT;
        let [seq_high, seq_low] = self.seq.0.to_be_bytes();
        let [t0, t1, t2, t3] = self.timestamp.0.to_be_bytes();
        let [s0, s1, s2, s3] = self.ssrc.to_be_bytes();
        *fixed = [
            VERSION << 6 | padding_bit | extension_bit | self.csrc_count,
            (u8::from(self.marker) * MARKER_BIT) | self.payload_type,
            seq_high,
            seq_low,
            t0,
            t1,
            t2,
            t3,
            s0,
            s1,
            s2,
            s3,
        ];
        if needed == FIXED_HEADER_LEN {
            return Ok(needed);
        }
        let Some(rest) = rest.get_mut(..needed - FIXED_HEADER_LEN) else {
            return Err(too_small);
        };
        let (csrcs, extension) = rest.split_at_mut(usize::from(self.csrc_count) * 4);
        for (word, csrc) in csrcs.as_chunks_mut::<4>().0.iter_mut().zip(&self.csrcs) {
            *word = csrc.to_be_bytes();
        }
        if let (Some((profile, content)), Some((head, body))) =
            (self.extension, extension.split_first_chunk_mut::<4>())
        {
            let [p0, p1] = profile.to_be_bytes();
            let [w0, w1] = ((content.len() / 4) as u16).to_be_bytes();
            *head = [p0, p1, w0, w1];
            body.copy_from_slice(content);
        }
        Ok(needed)
    }
}

impl fmt::Debug for RtpHeader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RtpHeader")
            .field("payload_type", &self.payload_type)
            .field("marker", &self.marker)
            .field("seq", &self.seq.0)
            .field("timestamp", &self.timestamp.0)
            .field("ssrc", &format_args!("{:#010x}", self.ssrc))
            .field("csrcs", &self.csrcs())
            .field("extension", &self.extension)
            .finish()
    }
}

/// Splits `body` before its padding, whose last byte counts it (RFC 3550 section 5.1).
#[inline]
pub(super) fn split_padding(body: &[u8]) -> Result<(&[u8], u8), ParseError> {
    let count = body.last().copied().unwrap_or(0);
    match body.len().checked_sub(usize::from(count)) {
        Some(len) if count > 0 => Ok((&body[..len], count)),
        _ => Err(ParseError::Padding(count)),
    }
}

#[inline]
fn csrc_count(fixed: &[u8; FIXED_HEADER_LEN]) -> usize {
    usize::from(fixed[0] & 0x0f)
}

#[cold]
fn truncated(expected: usize, datagram: &[u8]) -> ParseError {
    ParseError::Truncated {
        expected,
        actual: datagram.len(),
    }
}

const PADDING_BIT: u8 = 0x20;
const EXTENSION_BIT: u8 = 0x10;
const MARKER_BIT: u8 = 0x80;
const MAX_PAYLOAD_TYPE: u8 = 0x7f;
const EXTENSION_HEADER_LEN: usize = 4;

#[cfg(test)]
mod tests;

//! RTCP packets (RFC 3550 section 6): borrowed views to read them, a writer to send them.
//!
//! RTCP travels in *compound* datagrams of several packets. [`Compound::parse`] checks a
//! datagram's framing as a whole; its [`packets`](Compound::packets) are then looked into one by
//! one, so that a malformed packet is told apart from its sound neighbours: a bad description
//! does not cost the sender report before it. [`CompoundWriter`] writes one. Nothing here
//! allocates.

mod bye;
mod extended;
mod feedback;
mod report;
mod sdes;
mod write;

pub use bye::Bye;
pub use extended::{
    ExtendedReport, JitterBufferDelay, LossRle, Losses, XrBlock, XrBlocks, XrDelay, XrDelays,
};
pub use feedback::Nack;
pub use report::{ReceiverReport, ReportBlock, ReportBlocks, SenderInfo, SenderReport};
pub use sdes::{SdesChunk, SdesItem, SourceDescription};
pub use write::CompoundWriter;

use super::rtp::{VERSION, split_padding};
use crate::error::ParseError;

/// Packet types (RFC 3550 section 12.1, RFC 4585 section 6.1, RFC 3611 section 2).
pub mod packet_type {
    /// Sender report.
    pub const SENDER_REPORT: u8 = 200;
    /// Receiver report.
    pub const RECEIVER_REPORT: u8 = 201;
    /// Source description.
    pub const SOURCE_DESCRIPTION: u8 = 202;
    /// Goodbye.
    pub const BYE: u8 = 203;
    /// Application-defined.
    pub const APP: u8 = 204;
    /// Transport-layer feedback.
    pub const TRANSPORT_FEEDBACK: u8 = 205;
    /// Payload-specific feedback.
    pub const PAYLOAD_FEEDBACK: u8 = 206;
    /// Extended report.
    pub const EXTENDED_REPORT: u8 = 207;
}

/// Whether a datagram on a port that RTP and RTCP share is RTCP (RFC 5761 section 4).
///
/// RTCP packet types 192 to 223 fill the byte in which RTP has marker and payload type, so such
/// a port cannot carry RTP payload types 64 to 95.
#[inline]
pub fn is_rtcp(datagram: &[u8]) -> bool {
    matches!(datagram, [first, 192..=223, ..] if first >> 6 == VERSION)
}

/// A received compound datagram whose framing is sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compound<'a> {
    datagram: &'a [u8],
}

impl<'a> Compound<'a> {
    /// Checks a datagram by the rules of RFC 3550 section 6.1 and appendix A.2: it begins with a
    /// sender or receiver report, every packet is of version 2, the lengths add up to the
    /// datagram's, and only the last packet is padded, and not if it is the first.
    ///
    /// # Errors
    /// The first rule that is broken: [`ParseError::Type`] with the first packet's type,
    /// [`ParseError::Version`], [`ParseError::Truncated`], [`ParseError::Padding`].
    pub fn parse(datagram: &'a [u8]) -> Result<Self, ParseError> {
        let (first, _) = split_packet(datagram)?;
        if !is_report(first.ty) {
            return Err(ParseError::Type(first.ty));
        }
        if first.padded {
            return Err(ParseError::Padding(first.last_byte()));
        }
        Self::parse_reduced_size(datagram)
    }

    /// Like [`parse`](Self::parse), but takes any packet in first place, also padded, if the
    /// session agreed on reduced-size RTCP (RFC 5506).
    ///
    /// # Errors
    /// As of [`parse`](Self::parse), less [`ParseError::Type`].
    pub fn parse_reduced_size(datagram: &'a [u8]) -> Result<Self, ParseError> {
        let mut rest = datagram;
        loop {
            let (packet, behind) = split_packet(rest)?;
            if packet.padded && !behind.is_empty() {
                return Err(ParseError::Padding(packet.last_byte()));
            }
            packet.content()?;
            if behind.is_empty() {
                return Ok(Self { datagram });
            }
            rest = behind;
        }
    }

    /// The packets in their order; at least one.
    pub fn packets(&self) -> Packets<'a> {
        Packets {
            rest: self.datagram,
        }
    }
}

impl<'a> IntoIterator for Compound<'a> {
    type Item = Result<RtcpPacket<'a>, ParseError>;
    type IntoIter = Packets<'a>;

    fn into_iter(self) -> Packets<'a> {
        self.packets()
    }
}

/// Iterator over a compound's packets; an error is about that packet alone.
#[derive(Debug, Clone)]
pub struct Packets<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Packets<'a> {
    type Item = Result<RtcpPacket<'a>, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (packet, behind) = split_packet(self.rest).ok()?;
        self.rest = behind;
        Some(RtcpPacket::parse(packet))
    }
}

/// One packet of a compound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RtcpPacket<'a> {
    /// What a sender sent, and what it received.
    SenderReport(SenderReport<'a>),
    /// What a mere receiver received.
    ReceiverReport(ReceiverReport<'a>),
    /// Who the sources are.
    SourceDescription(SourceDescription<'a>),
    /// Sources leave.
    Bye(Bye<'a>),
    /// Packets are missing and asked for.
    Nack(Nack<'a>),
    /// More about what is received.
    ExtendedReport(ExtendedReport<'a>),
    /// A type that is not read here: other feedback, applications'.
    Other {
        /// The packet type.
        ty: u8,
        /// The five bits that are a count in some types and a format in others.
        count_or_fmt: u8,
        /// What follows the four bytes of header, without padding; whole words of four bytes.
        body: &'a [u8],
    },
}

impl<'a> RtcpPacket<'a> {
    fn parse(packet: Framed<'a>) -> Result<Self, ParseError> {
        let body = packet.content()?;
        let count = packet.count;
        Ok(match packet.ty {
            packet_type::SENDER_REPORT => Self::SenderReport(SenderReport::parse(count, body)?),
            packet_type::RECEIVER_REPORT => {
                Self::ReceiverReport(ReceiverReport::parse(count, body)?)
            }
            packet_type::SOURCE_DESCRIPTION => {
                Self::SourceDescription(SourceDescription::parse(count, body)?)
            }
            packet_type::BYE => Self::Bye(Bye::parse(count, body)?),
            packet_type::TRANSPORT_FEEDBACK if count == Nack::FMT => Self::Nack(Nack::parse(body)?),
            packet_type::EXTENDED_REPORT => Self::ExtendedReport(ExtendedReport::parse(body)?),
            ty => Self::Other {
                ty,
                count_or_fmt: count,
                body,
            },
        })
    }
}

/// A packet by its header: the body may still be anything.
struct Framed<'a> {
    ty: u8,
    count: u8,
    padded: bool,
    body: &'a [u8],
}

impl<'a> Framed<'a> {
    /// The body without padding, whose count must keep the packet in whole words (RFC 3550
    /// section 6.4.1).
    fn content(&self) -> Result<&'a [u8], ParseError> {
        if !self.padded {
            return Ok(self.body);
        }
        let (content, count) = split_padding(self.body)?;
        if !count.is_multiple_of(4) {
            return Err(ParseError::Padding(count));
        }
        Ok(content)
    }

    fn last_byte(&self) -> u8 {
        self.body.last().copied().unwrap_or(0)
    }
}

/// Splits the first packet off by its length field.
fn split_packet(bytes: &[u8]) -> Result<(Framed<'_>, &[u8]), ParseError> {
    let Some((&[flags, ty, high, low], rest)) = bytes.split_first_chunk::<HEADER_LEN>() else {
        return Err(ParseError::Truncated {
            expected: HEADER_LEN,
            actual: bytes.len(),
        });
    };
    let version = flags >> 6;
    if version != VERSION {
        return Err(ParseError::Version(version));
    }
    let body_len = usize::from(u16::from_be_bytes([high, low])) * 4;
    let Some((body, behind)) = rest.split_at_checked(body_len) else {
        return Err(ParseError::Truncated {
            expected: HEADER_LEN + body_len,
            actual: bytes.len(),
        });
    };
    let packet = Framed {
        ty,
        count: flags & MAX_COUNT,
        padded: flags & PADDING_BIT != 0,
        body,
    };
    Ok((packet, behind))
}

/// Whether a compound may begin with packet type `ty`.
fn is_report(ty: u8) -> bool {
    matches!(
        ty,
        packet_type::SENDER_REPORT | packet_type::RECEIVER_REPORT
    )
}

/// The first `N` bytes of a packet's `body` and the rest.
fn split_field<const N: usize>(body: &[u8]) -> Result<(&[u8; N], &[u8]), ParseError> {
    body.split_first_chunk().ok_or(ParseError::Truncated {
        expected: N,
        actual: body.len(),
    })
}

/// The first `count` items of `N` bytes of a packet's `body` and the rest.
fn split_items<const N: usize>(body: &[u8], count: u8) -> Result<(&[[u8; N]], &[u8]), ParseError> {
    let expected = usize::from(count) * N;
    let (items, rest) = body
        .split_at_checked(expected)
        .ok_or(ParseError::Truncated {
            expected,
            actual: body.len(),
        })?;
    Ok((items.as_chunks().0, rest))
}

const HEADER_LEN: usize = 4;
const PADDING_BIT: u8 = 0x20;
const MAX_COUNT: u8 = 31;

#[cfg(test)]
mod tests;

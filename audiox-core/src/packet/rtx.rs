//! Retransmitted packets (RFC 4588 section 4): the payload of the packet that was lost, behind its
//! sequence number, in a stream with an SSRC, numbers and a payload type of its own.

use super::PacketBuf;
use super::rtp::RtpPacket;
use crate::error::ParseError;
use crate::time::SeqNum;

/// Bytes that a retransmission has more than the packet that it repeats.
pub const OVERHEAD: usize = 2;

/// The number of the packet that a retransmission with this payload repeats.
///
/// # Errors
/// The payload is shorter than that. A payload of nothing but the number repeats an empty packet.
pub fn original_seq(payload: &[u8]) -> Result<SeqNum, ParseError> {
    match payload.first_chunk() {
        Some(seq) => Ok(SeqNum(u16::from_be_bytes(*seq))),
        None => Err(ParseError::Truncated {
            expected: OVERHEAD,
            actual: payload.len(),
        }),
    }
}

/// Writes the retransmission of the RTP datagram `original` to the front of `out` and returns its
/// length; `None` where there is no room, or `original` is no RTP packet.
pub fn write(
    original: &[u8],
    payload_type: u8,
    seq: SeqNum,
    ssrc: u32,
    out: &mut [u8],
) -> Option<usize> {
    let packet = RtpPacket::parse(original).ok()?;
    let (head, payload) = original.split_at_checked(packet.payload_range().start)?;
    let len = original.len() + OVERHEAD;
    let out = out.get_mut(..len)?;
    let (new_head, rest) = out.split_at_mut(head.len());
    new_head.copy_from_slice(head);
    new_head[1] = head[1] & MARKER | payload_type & !MARKER;
    new_head[2..4].copy_from_slice(&seq.0.to_be_bytes());
    new_head[8..12].copy_from_slice(&ssrc.to_be_bytes());
    rest[..OVERHEAD].copy_from_slice(&head[2..4]);
    rest[OVERHEAD..].copy_from_slice(payload);
    Some(len)
}

/// Turns the retransmission in `packet` back into the packet that it repeats.
///
/// # Errors
/// It is no RTP packet, or has no number of another in it; it is unchanged then.
pub fn restore(packet: &mut PacketBuf, payload_type: u8, ssrc: u32) -> Result<(), ParseError> {
    let p = RtpPacket::parse(packet.bytes())?;
    let seq = original_seq(p.payload())?;
    let (len, start) = (packet.bytes().len(), p.payload_range().start);
    let bytes = packet.spare();
    bytes.copy_within(start + OVERHEAD..len, start);
    bytes[1] = bytes[1] & MARKER | payload_type & !MARKER;
    bytes[2..4].copy_from_slice(&seq.0.to_be_bytes());
    bytes[8..12].copy_from_slice(&ssrc.to_be_bytes());
    packet.set_len(len - OVERHEAD);
    Ok(())
}

const MARKER: u8 = 0x80;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::rtp::RtpHeader;
    use crate::time::RtpTimestamp;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_packet_comes_back_as_it_was(
            (seq, timestamp, marker) in any::<(u16, u32, bool)>(),
            payload in prop::collection::vec(any::<u8>(), 0..300),
            (rtx_seq, rtx_ssrc) in any::<(u16, u32)>(),
        ) {
            let mut header = RtpHeader::new(96, SeqNum(seq), RtpTimestamp(timestamp), 7).unwrap();
            header.marker = marker;
            let mut original = vec![0; 12];
            header.write_into(&mut original).unwrap();
            original.extend(&payload);
            let mut packet = PacketBuf::with_capacity(400);
            let len = write(&original, 97, SeqNum(rtx_seq), rtx_ssrc, packet.spare()).unwrap();
            packet.set_len(len);
            {
                let p = RtpPacket::parse(packet.bytes()).unwrap();
                prop_assert_eq!((p.payload_type(), p.marker(), p.seq().0), (97, marker, rtx_seq));
                prop_assert_eq!((p.ssrc(), p.timestamp().0), (rtx_ssrc, timestamp));
                prop_assert_eq!(original_seq(p.payload()), Ok(SeqNum(seq)));
            }
            restore(&mut packet, 96, 7).unwrap();
            prop_assert_eq!(packet.bytes(), &original[..]);
        }

        #[test]
        fn anything_else_is_left_alone(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let mut packet = PacketBuf::with_capacity(40);
            packet.fill(&bytes);
            if restore(&mut packet, 1, 2).is_err() {
                prop_assert_eq!(packet.bytes(), &bytes[..]);
            } else {
                prop_assert_eq!(packet.bytes().len() + OVERHEAD, bytes.len());
            }
            let _ = write(&bytes, 1, SeqNum(2), 3, &mut [0; 30]);
        }
    }
}

//! RTP packets as symbols: what of a packet has to be brought back, with its length, padded with
//! zeros to the longest that is covered together with it.
//!
//! A symbol is the datagram's length (16 bits, big endian), its first two bytes (version, padding,
//! extension and CSRC count; marker and payload type), its timestamp, and all from byte 12 on.
//! Sequence number and SSRC are known without it.

/// Bytes that a symbol has more than the datagram after its fixed header.
pub const OVERHEAD: usize = 8;
/// The longest datagram that becomes a symbol: what an unfragmented Ethernet packet can carry.
pub const MAX_DATAGRAM: usize = 1_500;
/// Bytes of the longest symbol.
pub const MAX_SYMBOL: usize = MAX_DATAGRAM - RTP_HEADER + OVERHEAD;

/// Writes the symbol of an RTP datagram to the front of `out` and returns its length; `None`
/// where the datagram is shorter than an RTP header, longer than [`MAX_DATAGRAM`], or `out` too
/// short.
pub fn write(datagram: &[u8], out: &mut [u8]) -> Option<usize> {
    let (fixed, rest) = datagram.split_at_checked(RTP_HEADER)?;
    let len = OVERHEAD + rest.len();
    if datagram.len() > MAX_DATAGRAM {
        return None;
    }
    let out = out.get_mut(..len)?;
    out[..2].copy_from_slice(&(datagram.len() as u16).to_be_bytes());
    out[2..4].copy_from_slice(&fixed[..2]);
    out[4..8].copy_from_slice(&fixed[4..8]);
    out[8..].copy_from_slice(rest);
    Some(len)
}

/// `symbol` without its padding; `None` where it is none of an RTP packet: it was calculated from
/// packets that do not belong together.
pub fn trim(symbol: &[u8]) -> Option<&[u8]> {
    let (head, rest) = symbol.split_at_checked(OVERHEAD)?;
    let len = usize::from(u16::from_be_bytes([head[0], head[1]]));
    let (content, padding) = rest.split_at_checked(len.checked_sub(RTP_HEADER)?)?;
    let is_rtp = head[2] >> 6 == 2 && len <= MAX_DATAGRAM;
    let trimmed = &symbol[..OVERHEAD + content.len()];
    (is_rtp && padding.iter().all(|b| *b == 0)).then_some(trimmed)
}

/// Writes the datagram that `symbol` stands for to the front of `out` and returns its length;
/// `None` where it stands for none ([`trim`]), or `out` is too short.
pub fn read(symbol: &[u8], seq: u16, ssrc: u32, out: &mut [u8]) -> Option<usize> {
    let (head, content) = trim(symbol)?.split_at_checked(OVERHEAD)?;
    let len = RTP_HEADER + content.len();
    let out = out.get_mut(..len)?;
    out[..2].copy_from_slice(&head[2..4]);
    out[2..4].copy_from_slice(&seq.to_be_bytes());
    out[4..8].copy_from_slice(&head[4..8]);
    out[8..12].copy_from_slice(&ssrc.to_be_bytes());
    out[12..].copy_from_slice(content);
    Some(len)
}

const RTP_HEADER: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_packet_comes_back_as_it_was(
            mut datagram in prop::collection::vec(any::<u8>(), 12..=MAX_DATAGRAM),
            padding in 0usize..40,
        ) {
            datagram[0] = 0x80 | datagram[0] & 0x3f;
            let mut symbol = [0; MAX_SYMBOL + 40];
            let len = write(&datagram, &mut symbol).unwrap();
            let seq = u16::from_be_bytes([datagram[2], datagram[3]]);
            let ssrc = u32::from_be_bytes(datagram[8..12].try_into().unwrap());
            let mut out = [0; MAX_DATAGRAM];
            let n = read(&symbol[..len + padding], seq, ssrc, &mut out);
            prop_assert_eq!(&out[..n.unwrap()], &datagram[..]);
            if padding > 0 {
                symbol[len + padding - 1] = 1;
                prop_assert_eq!(read(&symbol[..len + padding], seq, ssrc, &mut out), None);
            }
        }

        #[test]
        fn any_bytes_are_a_packet_or_refused(
            symbol in prop::collection::vec(any::<u8>(), 0..100),
            room in 0usize..100,
        ) {
            let mut out = vec![0; room];
            if let Some(n) = read(&symbol, 1, 2, &mut out) {
                let mut again = [0; MAX_SYMBOL];
                let len = write(&out[..n], &mut again).unwrap();
                prop_assert_eq!(&symbol[..len], &again[..len]);
            }
        }
    }

    #[test]
    fn what_is_no_packet_has_no_symbol() {
        let mut out = [0; MAX_SYMBOL];
        assert_eq!(write(&[0x80; 11], &mut out), None);
        assert_eq!(write(&[0x80; MAX_DATAGRAM + 1], &mut out), None);
        assert_eq!(write(&[0x80; 100], &mut out[..90]), None);
        assert_eq!(write(&[0x80; MAX_DATAGRAM], &mut out), Some(MAX_SYMBOL));
    }
}

//! Headers of MPEG audio and of ADTS, whose mark of 11 or 12 bits is too short to know them by.

/// Whether packets of MPEG audio (layer III) or ADTS follow each other from the start, as far as
/// `bytes` go, up to a few of them. Raw samples may begin with the mark of one; hardly with three in a row.
pub(crate) fn is_chain(mut bytes: &[u8]) -> bool {
    let mut first = None;
    for n in 0..CHAIN {
        let Some(packet) = packet(bytes) else {
            // One that was cut is none.
            return n >= 2 && bytes.len() < HEADER;
        };
        if *first.get_or_insert(packet.sort) != packet.sort {
            return false;
        }
        match bytes.get(packet.len..) {
            Some(rest) => bytes = rest,
            None => return n >= 1,
        }
    }
    true
}

/// A packet by its header.
pub(crate) struct Packet {
    /// Bytes, the header included.
    pub(crate) len: usize,
    /// What all packets of a stream have in common.
    sort: u32,
    /// Frames.
    pub(crate) frames: u32,
}

/// The packet that begins here.
pub(crate) fn packet(bytes: &[u8]) -> Option<Packet> {
    let head = bytes.first_chunk::<HEADER>()?;
    match head[1] & 0xf6 {
        0xf0 => adts(head),
        _ => layer3(head),
    }
    .filter(|_| head[0] == 0xff && head[1] & 0xe0 == 0xe0)
}

/// ISO/IEC 14496-3 section 1.A.3.2.
fn adts(head: &[u8; HEADER]) -> Option<Packet> {
    let len =
        usize::from(head[3] & 3) << 11 | usize::from(head[4]) << 3 | usize::from(head[5] >> 5);
    let rate = head[2] >> 2 & 0xf;
    (rate < 13 && len > 7).then(|| Packet {
        len,
        sort: u32::from_be_bytes([head[1], head[2] & 0xfd, 0, 0]),
        frames: (u32::from(head[6] & 3) + 1) * 1_024,
    })
}

/// ISO/IEC 11172-3 section 2.4.2.3.
fn layer3(head: &[u8; HEADER]) -> Option<Packet> {
    let version = head[1] >> 3 & 3;
    let is_layer3 = head[1] >> 1 & 3 == 1;
    let (bits, rate) = (usize::from(head[2] >> 4), usize::from(head[2] >> 2 & 3));
    if !is_layer3 || version == 1 || rate == 3 || !(1..15).contains(&bits) {
        return None;
    }
    let is_first = version == 3;
    let kbps = if is_first { KBPS_1[bits] } else { KBPS_2[bits] };
    let divided = match version {
        3 => 1,
        2 => 2,
        _ => 4,
    };
    let hz = [44_100, 48_000, 32_000][rate] / divided;
    let frames = if is_first { 1_152 } else { 576 };
    let padding = usize::from(head[2] >> 1 & 1);
    Some(Packet {
        len: frames / 8 * kbps * 1_000 / hz + padding,
        sort: u32::from_be_bytes([head[1] & 0xfe, head[2] & 0x0c, 0, 0]),
        frames: frames as u32,
    })
}

const HEADER: usize = 7;
/// Packets that are looked at.
const CHAIN: usize = 4;
const KBPS_1: [usize; 15] = [
    0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320,
];
const KBPS_2: [usize; 15] = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_in_a_row_are_a_chain_and_a_mark_alone_is_none() {
        // 128 kbit/s at 44.1 kHz: 417 bytes.
        let mut one = vec![0xff, 0xfb, 0x90, 0x64];
        one.resize(417, 0);
        assert!(is_chain(&one.repeat(5)) && is_chain(&one.repeat(2)));
        assert!(is_chain(&one.repeat(3)[..1_000]), "the last one is cut");
        assert!(!is_chain(&one[..400]) && !is_chain(&[]));
        let mut samples = vec![0xff, 0xfb, 0x90, 0x64];
        samples.extend((0..4_000u32).map(|i| (i * 7 % 251) as u8));
        assert!(!is_chain(&samples));

        let mut adts = vec![0xff, 0xf1, 0x50, 0x80, 0x02, 0x1f, 0xfc];
        adts.resize(16, 0);
        assert_eq!(packet(&adts).map(|p| (p.len, p.frames)), Some((16, 1_024)));
        assert!(is_chain(&adts.repeat(4)));
    }
}

//! RTP packets that the benches of every RTP crate read and write.

/// 10 ms of L16 mono at 48 kHz.
pub const PAYLOAD_LEN: usize = 960;

/// Contributing sources of the full packet.
pub const CSRCS: [u32; 2] = [0x0102_0304, 0x0506_0708];

/// Profile of its extension: one-byte elements (RFC 8285).
pub const PROFILE: u16 = 0xbede;

/// Two elements and padding, as the extension holds them.
pub const EXTENSION: [u8; 8] = [0x10, 0xff, 0x22, 1, 2, 3, 0, 0];

/// The same elements by number and content.
pub const ELEMENTS: [(u8, &[u8]); 2] = [(1, &[0xff]), (2, &[1, 2, 3])];

/// A datagram with a header of 12 bytes.
pub fn plain() -> Vec<u8> {
    let mut packet = fixed(0x80);
    packet.extend(payload());
    packet
}

/// A datagram with two CSRCs and an extension, a header of 32 bytes.
pub fn full() -> Vec<u8> {
    let mut packet = fixed(0x92);
    packet.extend(CSRCS.iter().flat_map(|csrc| csrc.to_be_bytes()));
    packet.extend(PROFILE.to_be_bytes());
    packet.extend([0, (EXTENSION.len() / 4) as u8]);
    packet.extend(EXTENSION);
    packet.extend(payload());
    packet
}

/// The payload of both.
pub fn payload() -> Vec<u8> {
    (0..PAYLOAD_LEN).map(|i| i as u8).collect()
}

fn fixed(first: u8) -> Vec<u8> {
    vec![first, 96, 0x12, 0x34, 1, 2, 3, 4, 0xde, 0xad, 0xbe, 0xef]
}

//! Matroska, element by element.

/// An element of a known size.
pub(crate) fn element(id: u32, body: &[u8]) -> Vec<u8> {
    let size = (body.len() as u64).to_be_bytes();
    [&number(id)[..], &[0x01], &size[1..], body].concat()
}

/// The header of an element of unknown size.
pub(crate) fn open(id: u32) -> Vec<u8> {
    [
        number(id),
        vec![0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    ]
    .concat()
}

pub(crate) fn uint(id: u32, value: u64) -> Vec<u8> {
    element(id, &value.to_be_bytes())
}

fn number(id: u32) -> Vec<u8> {
    let bytes = id.to_be_bytes();
    let skip = bytes.iter().position(|b| *b != 0).unwrap_or(3);
    bytes[skip..].to_vec()
}

/// What a browser begins a recording with: no length, no index.
pub(crate) fn start(track: &[Vec<u8>]) -> Vec<u8> {
    let header = [element(0x4282, b"webm"), uint(0x4287, 4), uint(0x4285, 2)].concat();
    let info = [uint(0x2ad7b1, 1_000_000), element(0x4d80, b"test")].concat();
    [
        element(0x1a45dfa3, &header),
        open(0x18538067),
        element(0x1549a966, &info),
        element(0x1654ae6b, &element(0xae, &track.concat())),
    ]
    .concat()
}

pub(crate) fn opus_track(channels: u8, pre_skip: u16) -> Vec<Vec<u8>> {
    let mut head = b"OpusHead\x01".to_vec();
    head.push(channels);
    head.extend(pre_skip.to_le_bytes());
    head.extend([0x80, 0xbb, 0, 0, 0, 0, 0]);
    track("A_OPUS", 48_000.0, channels, &[element(0x63a2, &head)])
}

pub(crate) fn track(codec: &str, rate: f32, channels: u8, more: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let audio = [
        element(0xb5, &rate.to_be_bytes()),
        uint(0x9f, channels.into()),
    ];
    let mut track = vec![
        uint(0xd7, 1),
        uint(0x83, 2),
        element(0x86, codec.as_bytes()),
        element(0xe1, &audio.concat()),
    ];
    track.extend_from_slice(more);
    track
}

pub(crate) fn cluster(time: u64) -> Vec<u8> {
    [open(0x1f43b675), uint(0xe7, time)].concat()
}

/// A packet at a time in its cluster.
pub(crate) fn block(time: i16, packet: &[u8]) -> Vec<u8> {
    let head = [0x81, time.to_be_bytes()[0], time.to_be_bytes()[1], 0x80];
    element(0xa3, &[&head, packet].concat())
}

/// Packets of Opus that last 20 ms each and bear their number.
pub(crate) fn packet(n: u32) -> Vec<u8> {
    let mut packet = vec![31 << 3];
    packet.extend(n.to_be_bytes());
    packet
}

//! MP4 in fragments, as browsers record it, and cut: fragments that are whole are read.

use audiox_io::ogg::OpusEvent;
use audiox_io::opus::OpusPackets;
use audiox_io::{CompressedSource, Mp4Opus};
use bytes::Bytes;

use crate::support::Made;

const FRAGMENTS: [&str; 4] = [
    "-movflags",
    "frag_keyframe+empty_moov+default_base_moof",
    "-frag_duration",
    "500000",
];

fn fragmented(made: &Made, file: &str, codec: &[&str]) -> Vec<u8> {
    std::fs::read(made.file(file, &[codec, &FRAGMENTS].concat())).unwrap()
}

#[test]
fn a_file_that_was_cut_before_its_index_says_so() {
    let made = Made::new(44_100, 1, 132_300);
    let bytes = std::fs::read(made.file("a.m4a", &["-c:a", "aac"])).unwrap();
    let cut = Bytes::copy_from_slice(&bytes[..bytes.len() / 2]);
    let text = CompressedSource::counted(cut, "a.m4a")
        .unwrap_err()
        .to_string();
    assert!(
        text.contains("moov") && text.starts_with("a.m4a: "),
        "{text}"
    );
}

#[test]
fn opus_is_taken_out_of_mp4_packet_by_packet() {
    let made = Made::new(48_000, 1, 144_000);
    let codec = ["-c:a", "libopus", "-b:a", "64k", "-strict", "-2"];
    let whole = std::fs::read(made.file("a.mp4", &codec)).unwrap();
    let pieces = fragmented(&made, "b.mp4", &codec);
    for (bytes, part) in [(&whole, 1.0), (&pieces, 1.0), (&pieces, 0.6)] {
        let len = (bytes.len() as f64 * part) as usize;
        let cut = Bytes::copy_from_slice(&bytes[..len]);
        let mut packets = Mp4Opus::from_bytes(cut, "it").unwrap().unwrap();
        let length = packets.length();
        let expected = (144_000.0 * part) as i64;
        assert!((length as i64 - expected).abs() < 26_000, "{length} {part}");
        assert_eq!(packets.head().mapping.channels(), 1);
        assert_eq!(packets.head().pre_skip, 312);
        for tick in [0, 1, 50_000, length - 1, length] {
            packets.seek(tick).unwrap();
            let mut heard = 0;
            while let Some(event) = packets.next_event().unwrap() {
                if let OpusEvent::Packet {
                    ticks, skip, trim, ..
                } = event
                {
                    heard += u64::from(ticks - skip - trim);
                }
            }
            assert_eq!(heard, length - tick, "{tick}");
        }
    }
    let aac = std::fs::read(made.file("c.mp4", &["-c:a", "aac"])).unwrap();
    assert!(
        Mp4Opus::from_bytes(Bytes::from(aac), "it")
            .unwrap()
            .is_none()
    );
}

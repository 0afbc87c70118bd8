//! MP4 in fragments, as browsers record it, and cut: fragments that are whole are read.

use audiox_core::source::Source;
use audiox_io::ogg::OpusEvent;
use audiox_io::opus::OpusPackets;
use audiox_io::{CompressedSource, Mp4Opus};
use bytes::Bytes;

use crate::support::{Made, rest, snr};

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
fn fragments_are_read_wherever_they_were_cut() {
    let made = Made::new(44_100, 1, 132_300);
    let bytes = fragmented(&made, "a.mp4", &["-c:a", "aac", "-b:a", "128k"]);
    let mut last = 0;
    for part in [0.4, 0.6, 0.85, 1.0] {
        let len = (bytes.len() as f64 * part) as usize;
        let cut = Bytes::copy_from_slice(&bytes[..len]);
        let mut source = CompressedSource::counted(cut, "a.mp4").unwrap();
        let told = source.frames_left().unwrap();
        let all = rest(&mut source);
        assert_eq!(told, all.len() as u64, "{part}");
        // A fragment has 22 050 frames; the last one is played as far as it goes.
        let expected = (132_300.0 * part) as u64;
        assert!(
            told > last && told.abs_diff(expected) < 8_000,
            "{part}: {told}"
        );
        last = told;
        let whole = all.len().saturating_sub(4_000);
        let quality = [0, 1_024]
            .map(|d| snr(&made.samples[..whole - d], &all[d..whole]))
            .into_iter()
            .fold(f64::MIN, f64::max);
        // What 128 kbit/s leave of it; a packet off its place leaves nothing.
        assert!(quality > 12.0, "{part}: {quality}");
        source.seek(told / 2).unwrap();
        let later = rest(&mut source);
        let expected = &all[told as usize / 2..];
        let apart = expected.iter().zip(&later);
        let apart = apart.fold(0.0f32, |most, (a, b)| most.max((a - b).abs()));
        assert!(
            later.len() == expected.len() && apart < 1e-3,
            "{part}: {apart}"
        );
    }
    assert!(last >= 132_300, "{last}");
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
    let codec = ["-c:a", "opus", "-b:a", "64k", "-strict", "-2"];
    let whole = std::fs::read(made.file("a.mp4", &codec)).unwrap();
    let pieces = fragmented(&made, "b.mp4", &codec);
    for (bytes, part) in [(&whole, 1.0), (&pieces, 1.0), (&pieces, 0.6)] {
        let len = (bytes.len() as f64 * part) as usize;
        let cut = Bytes::copy_from_slice(&bytes[..len]);
        let mut packets = Mp4Opus::from_bytes(cut, "it").unwrap().unwrap();
        let length = packets.length();
        let expected = (144_000.0 * part) as i64;
        assert!((length as i64 - expected).abs() < 10_000, "{length} {part}");
        assert_eq!(packets.head().mapping.channels(), 1);
        // What ffmpeg's own encoder needs.
        assert_eq!(packets.head().pre_skip, 120);
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

#[test]
fn a_file_that_was_cut_behind_its_index_plays_as_far_as_it_goes() {
    let made = Made::new(44_100, 1, 132_300);
    let args = ["-c:a", "aac", "-movflags", "+faststart"];
    let bytes = std::fs::read(made.file("a.m4a", &args)).unwrap();
    let cut = Bytes::copy_from_slice(&bytes[..bytes.len() / 2]);
    let mut source = CompressedSource::counted(cut, "a.m4a").unwrap();
    let told = source.frames_left().unwrap();
    assert!(told.abs_diff(66_150) < 8_000, "{told}");
    assert!(source.notices()[0].contains("the header says"));
    assert_eq!(rest(&mut source).len() as u64, told);
    source.seek(told - 1_000).unwrap();
    assert_eq!(rest(&mut source).len(), 1_000);
}

//! Ogg Opus files: what is written and read back, what ffmpeg makes of them, and damage.
#![cfg(test)]

use std::io::Cursor;
use std::process::{Command, Stdio};

use audiox_core::source::SourceError;
use audiox_io::ogg::{ChannelMapping, OpusEvent, OpusFileReader, OpusFileWriter, OpusHead};

type Reader = OpusFileReader<Cursor<Vec<u8>>>;

fn head(channels: u8, pre_skip: u16) -> OpusHead {
    OpusHead::new(ChannelMapping::single(channels).unwrap(), pre_skip, 48_000)
}

/// A packet of 20 ms that says its number.
fn packet(n: u16) -> Vec<u8> {
    let mut packet = vec![31 << 3, (n >> 8) as u8, n as u8];
    packet.resize(3 + usize::from(n % 300), 0xaa);
    packet
}

fn number(packet: &[u8]) -> u16 {
    match packet {
        [_, a, b, ..] => u16::from_be_bytes([*a, *b]),
        _ => u16::MAX,
    }
}

/// A file of packets with these numbers.
fn file(numbers: std::ops::Range<u16>, serial: u32, pre_skip: u16, trim: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = OpusFileWriter::new(&mut bytes, "memory", &head(1, pre_skip), serial).unwrap();
    for n in numbers {
        writer.write(&packet(n)).unwrap();
    }
    writer.finish(trim).unwrap();
    bytes
}

fn open(bytes: Vec<u8>) -> Reader {
    Reader::new(Cursor::new(bytes), "memory").unwrap()
}

fn events(reader: &mut Reader) -> Vec<OpusEvent> {
    std::iter::from_fn(|| reader.next_event().unwrap()).collect()
}

/// Ticks that are heard, and the packets' numbers.
fn heard(events: &[OpusEvent]) -> (u64, Vec<u16>) {
    let (mut all, mut numbers) = (0, Vec::new());
    for event in events {
        match event {
            OpusEvent::Packet {
                data,
                ticks,
                skip,
                trim,
            } => {
                all += u64::from(ticks - skip - trim);
                numbers.push(number(data));
            }
            OpusEvent::Hole { ticks } => all += ticks,
            OpusEvent::Chained(_) => {}
        }
    }
    (all, numbers)
}

#[test]
fn packets_come_back_as_they_were_written() {
    let mut reader = open(file(0..500, 7, 312, 100));
    assert_eq!(reader.head(), &head(1, 312));
    assert_eq!(reader.length(), 500 * 960 - 312 - 100);
    assert_eq!((reader.usual_ticks(), reader.notices()), (960, &[][..]));
    assert_eq!(reader.longest_packet(), 302);
    let all = events(&mut reader);
    let (ticks, numbers) = heard(&all);
    assert_eq!(ticks, reader.length());
    assert_eq!(numbers, (0..500).collect::<Vec<_>>());
    assert!(
        matches!(&all[0], OpusEvent::Packet { skip: 312, trim: 0, data, .. } if *data == packet(0))
    );
    assert!(matches!(
        &all[499],
        OpusEvent::Packet {
            skip: 0,
            trim: 100,
            ..
        }
    ));
}

#[test]
fn any_place_is_found() {
    let mut reader = open(file(0..500, 7, 312, 0));
    let length = reader.length();
    for tick in [0, 1, 960, 100_000, length - 1, 5_000, length, u64::MAX] {
        reader.seek(tick).unwrap();
        let (ticks, numbers) = heard(&events(&mut reader));
        assert_eq!(ticks, length.saturating_sub(tick), "{tick}");
        if let Some(first) = numbers.first() {
            // 80 ms before, where there are so many.
            let expected = (tick + 312).saturating_sub(3_840) / 960;
            assert_eq!(u64::from(*first), expected, "{tick}");
        }
    }
}

#[test]
fn gaps_are_filled_with_requests_for_concealment() {
    for mapping in [
        ChannelMapping::single(2).unwrap(),
        ChannelMapping::new(1, 4, 2, &[0, 4, 1, 2, 3, 5]).unwrap(),
    ] {
        let mut bytes = Vec::new();
        let head = OpusHead::new(mapping.clone(), 312, 48_000);
        let mut writer = OpusFileWriter::new(&mut bytes, "memory", &head, 1).unwrap();
        writer.gap(48_000 * 3 + 7).unwrap();
        for n in 0..50 {
            writer.write(&packet(n)).unwrap();
        }
        // 7 ticks are owed from before.
        writer.gap(113).unwrap();
        writer.write(&packet(50)).unwrap();
        writer.finish(0).unwrap();
        let mut reader = open(bytes.clone());
        assert_eq!(reader.length(), 48_000 * 3 + 120 + 51 * 960 - 312);
        assert_eq!(heard(&events(&mut reader)).0, reader.length());
        assert_eq!(reader.notices(), [""; 0]);
        // ffmpeg finds nothing to complain about, and as many frames. Our packets hold no Opus that
        // could be decoded, so only the container counts.
        let shown = ffprobe(&bytes);
        assert!(shown.contains("duration_ts=193080"), "{shown}");
        assert!(
            shown.contains(&format!("channels={}", mapping.channels())),
            "{shown}"
        );
    }
}

fn ffprobe(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.opus");
    std::fs::write(&path, bytes).unwrap();
    let output = Command::new("ffprobe")
        .args([
            "-v",
            "error",
            "-show_entries",
            "stream=channels,duration_ts",
        ])
        .arg(path)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|e| {
            panic!("ffprobe: {e}; it comes with ffmpeg: scripts/bootstrap.sh test")
        });
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_killed_writer_leaves_all_but_the_last_packet() {
    let mut bytes = Vec::new();
    let mut writer = OpusFileWriter::new(&mut bytes, "memory", &head(1, 0), 1).unwrap();
    for n in 0..120 {
        writer.write(&packet(n)).unwrap();
    }
    writer.flush().unwrap();
    std::mem::forget(writer);
    let mut reader = open(bytes);
    assert_eq!(heard(&events(&mut reader)).1, (0..119).collect::<Vec<_>>());
    assert!(
        reader.notices()[0].contains("no end mark"),
        "{:?}",
        reader.notices()
    );
}

#[test]
fn a_damaged_page_is_a_hole_in_the_time() {
    let mut bytes = file(0..500, 7, 312, 0);
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let mut reader = open(bytes.clone());
    let whole = 500 * 960 - 312;
    assert_eq!(reader.length(), whole);
    assert!(
        reader.notices()[0].contains("1000 ms"),
        "{:?}",
        reader.notices()
    );
    let all = events(&mut reader);
    assert_eq!(heard(&all).0, whole);
    let holes: Vec<_> = all
        .iter()
        .filter(|e| matches!(e, OpusEvent::Hole { .. }))
        .collect();
    assert_eq!(holes, [&OpusEvent::Hole { ticks: 48_000 }]);
    // Rubbish between pages costs nothing.
    let at = bytes.windows(4).rposition(|w| w == b"OggS").unwrap();
    bytes[middle] ^= 1;
    bytes.splice(at..at, b"OggS rubbish OgOgg".repeat(99));
    let mut reader = open(bytes);
    assert_eq!(heard(&events(&mut reader)).0, whole);
    assert_eq!(reader.notices(), [""; 0]);
}

#[test]
fn a_file_that_was_cut_is_read_as_far_as_it_goes() {
    let bytes = file(0..500, 7, 312, 0);
    for len in (0..bytes.len()).step_by(977) {
        match Reader::new(Cursor::new(bytes[..len].to_vec()), "memory") {
            Ok(mut reader) => {
                let (ticks, numbers) = heard(&events(&mut reader));
                assert_eq!(ticks, reader.length());
                assert_eq!(numbers, (0..numbers.len() as u16).collect::<Vec<_>>());
            }
            Err(e) => assert!(
                len < 20_000 && e.to_string().starts_with("memory: "),
                "{len} {e}"
            ),
        }
    }
}

#[test]
fn chained_streams_follow_each_other() {
    let two = [file(0..100, 7, 312, 0), file(100..150, 8, 120, 50)].concat();
    let mut reader = open(two.clone());
    let (first, second) = (100 * 960 - 312, 50 * 960 - 170);
    assert_eq!(reader.length(), first + second);
    let all = events(&mut reader);
    let (ticks, numbers) = heard(&all);
    assert_eq!((ticks, numbers), (first + second, (0..150).collect()));
    assert_eq!(all[100], OpusEvent::Chained(head(1, 120)));
    reader.seek(first + 10).unwrap();
    assert_eq!(reader.head().pre_skip, 120);
    assert_eq!(heard(&events(&mut reader)).0, second - 10);

    let mut stereo = Vec::new();
    let mut writer = OpusFileWriter::new(&mut stereo, "memory", &head(2, 0), 9).unwrap();
    writer.write(&packet(1)).unwrap();
    writer.finish(0).unwrap();
    let refused = Reader::new(Cursor::new([two, stereo].concat()), "memory").unwrap_err();
    assert!(matches!(refused, SourceError::Unsupported(_)));
    assert!(refused.to_string().contains("split"), "{refused}");
}

#[test]
fn what_is_no_opus_file_is_refused() {
    let bytes = file(0..10, 7, 312, 0);
    let refused = |bytes: Vec<u8>| {
        let e = Reader::new(Cursor::new(bytes), "memory").unwrap_err();
        let text = e.to_string();
        assert!(
            text.starts_with("memory: ") && !text.contains('\n'),
            "{text}"
        );
        text
    };
    assert!(refused(Vec::new()).contains("OpusHead"));
    assert!(refused(b"OggS and nothing else".to_vec()).contains("OpusHead"));
    // Its headers alone.
    let audio = bytes
        .windows(4)
        .enumerate()
        .filter(|(_, w)| *w == b"OggS")
        .nth(2)
        .unwrap()
        .0;
    assert!(refused(bytes[..audio].to_vec()).contains("no audio"));
    let ambisonic = OpusHead::new(ChannelMapping::new(2, 4, 0, &[0, 1, 2, 3]).unwrap(), 0, 0);
    let mut bytes = Vec::new();
    let mut writer = OpusFileWriter::new(&mut bytes, "memory", &ambisonic, 1).unwrap();
    assert!(writer.write(&[3, 0]).is_err());
    writer.write(&packet(0)).unwrap();
    writer.finish(0).unwrap();
    assert!(refused(bytes).contains("family 2"));
}

/// Writes the corpus of the fuzz target anew: `AUDIOX_WRITE_SEEDS=1 cargo test -p audiox-io --test ogg seeds`.
#[test]
fn the_checked_in_seeds_are_the_ones_made_here() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/ogg");
    let mut damaged = file(0..120, 7, 312, 0);
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    let seeds = [
        ("short", file(0..3, 7, 312, 100)),
        (
            "chained",
            [file(0..60, 7, 312, 0), file(100..102, 8, 120, 50)].concat(),
        ),
        ("cut", file(0..60, 7, 0, 0)[..2_000].to_vec()),
        ("damaged", damaged),
    ];
    for (name, bytes) in seeds {
        let path = format!("{dir}/{name}");
        if std::env::var_os("AUDIOX_WRITE_SEEDS").is_some() {
            std::fs::create_dir_all(dir).unwrap();
            std::fs::write(&path, &bytes).unwrap();
        }
        assert!(std::fs::read(&path).unwrap() == bytes, "{path}");
    }
}

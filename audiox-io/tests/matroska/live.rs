//! Recordings as browsers make them: without sizes, lengths and ends.

use std::io::Cursor;

use audiox_core::source::SourceError;
use audiox_io::matroska::{MatroskaOpus, MatroskaReader};
use audiox_io::ogg::OpusEvent;
use audiox_io::opus::OpusPackets;
use proptest::prelude::*;

use crate::mux::{block, cluster, element, opus_track, packet, start, uint};

/// A recording of `count` packets, a cluster each second, its times as `time` has them in
/// milliseconds.
fn recording(count: u32, time: impl Fn(u32) -> u64) -> Vec<u8> {
    let mut file = start(&opus_track(1, 312));
    let mut base = 0;
    for n in 0..count {
        if n % 50 == 0 {
            base = time(n);
            file.extend(cluster(base));
        }
        file.extend(block((time(n) as i64 - base as i64) as i16, &packet(n)));
    }
    file
}

fn even(n: u32) -> u64 {
    5_000 + u64::from(n) * 20
}

fn open(bytes: &[u8]) -> MatroskaOpus<Cursor<&[u8]>> {
    MatroskaOpus::new(Cursor::new(bytes), "memory").unwrap()
}

/// What is heard, as numbers of packets with their ticks, and holes as none.
fn heard(from: &mut impl OpusPackets) -> Vec<(Option<u32>, u64)> {
    let mut all = Vec::new();
    while let Some(event) = from.next_event().unwrap() {
        match event {
            OpusEvent::Packet {
                data,
                ticks,
                skip,
                trim,
            } => {
                let n = u32::from_be_bytes(data[1..5].try_into().unwrap());
                all.push((Some(n), u64::from(ticks - skip - trim)));
            }
            OpusEvent::Hole { ticks } => all.push((None, ticks)),
            OpusEvent::Chained(_) => all.push((None, 0)),
        }
    }
    all
}

fn ticks(heard: &[(Option<u32>, u64)]) -> u64 {
    heard.iter().map(|(_, ticks)| ticks).sum()
}

#[test]
fn a_browsers_recording_is_as_long_as_its_packets() {
    let file = recording(500, even);
    let mut packets = open(&file);
    assert_eq!(packets.length(), 500 * 960 - 312);
    assert_eq!(packets.notices(), [""; 0]);
    let all = heard(&mut packets);
    assert_eq!(
        (all.len(), all[0], all[499]),
        (500, (Some(0), 960 - 312), (Some(499), 960))
    );
}

#[test]
fn wherever_it_was_cut_it_plays_as_far_as_it_goes() {
    let file = recording(120, even);
    let packets = open(&file).length();
    let header = start(&opus_track(1, 312)).len();
    // Behind packets; behind a cluster's header, which has 12 bytes, and its time, which has 17.
    let ends: Vec<usize> = (0..=120)
        .flat_map(|n| {
            let end = recording(n, even).len();
            let is_cluster = n % 50 == 0;
            [
                end,
                end + if is_cluster { 12 } else { 0 },
                end + if is_cluster { 29 } else { 0 },
            ]
        })
        .collect();
    for len in (0..file.len()).step_by(7) {
        match MatroskaOpus::new(Cursor::new(&file[..len]), "memory") {
            Ok(mut some) => {
                assert!(some.length() <= packets && some.length() > 0);
                assert_eq!(ticks(&heard(&mut some)), some.length());
                let is_between = ends.contains(&len);
                assert_eq!(
                    some.notices().is_empty(),
                    is_between,
                    "{len}: {:?}",
                    some.notices()
                );
            }
            Err(e) => assert!(
                len < header + 60 && matches!(e, SourceError::Malformed(_)),
                "{len}: {e}"
            ),
        }
    }
}

#[test]
fn any_place_is_found_again_to_the_tick() {
    let file = recording(700, even);
    let mut packets = open(&file);
    let length = packets.length();
    for tick in [0, 1, 959, 960, 48_000, 333_333, length - 1, 100_000] {
        packets.seek(tick).unwrap();
        let all = heard(&mut packets);
        assert_eq!(ticks(&all), length - tick, "{tick}");
        let first = all.iter().find(|(_, ticks)| *ticks > 0).unwrap();
        assert_eq!(first.0, Some(((tick + 312) / 960) as u32), "{tick}");
        // 80 ms come before it, where they are there.
        let before = all.iter().take_while(|(_, ticks)| *ticks == 0).count() as u64;
        assert_eq!(before, ((tick + 312) / 960).min(4), "{tick}");
    }
    packets.seek(u64::MAX).unwrap();
    assert_eq!(heard(&mut packets), []);
}

#[test]
fn leaps_in_time_are_holes_and_a_recorders_clock_is_not() {
    // The microphone was away for two seconds.
    let leap = |n: u32| even(n) + if n < 130 { 0 } else { 2_000 };
    let file = recording(300, leap);
    let mut packets = open(&file);
    assert_eq!(packets.length(), 300 * 960 - 312 + 96_000);
    let all = heard(&mut packets);
    assert_eq!(all[130], (None, 96_000));
    assert!(
        packets.notices()[0].contains("2000 ms"),
        "{:?}",
        packets.notices()
    );
    packets.seek(130 * 960 - 312 + 48_000).unwrap();
    let all = heard(&mut packets);
    assert_eq!(all.iter().find(|h| h.1 > 0), Some(&(None, 48_000)));
    // An hour's worth of drift in seconds, and jitter.
    let drift = |n: u32| even(n) + u64::from(n) / 25 + u64::from(n * 7 % 30);
    assert_eq!(open(&recording(3_000, drift)).length(), 3_000 * 960 - 312);
}

#[test]
fn groups_lacing_other_tracks_and_stripped_headers_are_understood() {
    let mut track = opus_track(1, 0);
    // Each packet begins with what all have in common.
    let stripped = element(
        0x5034,
        &[uint(0x4254, 3), element(0x4255, &[31 << 3])].concat(),
    );
    track.push(element(0x6d80, &element(0x6240, &stripped)));
    let mut file = start(&track);
    file.extend(cluster(0));
    let bare = |n: u32| packet(n)[1..].to_vec();
    file.extend(block(0, &bare(0)));
    // Video, say.
    file.extend(element(0xa3, &[0x82, 0, 20, 0, 1, 2, 3]));
    let group = [&[0x81, 0, 20, 0][..], &bare(1)].concat();
    file.extend(element(
        0xa0,
        &[element(0xa1, &group), uint(0x9b, 20)].concat(),
    ));
    // Three packets of one size, as EBML and as Xiph has it, and without sizes.
    for (n, lacing, sizes) in [
        (2, 0x06, &[2, 0x84, 0xbf][..]),
        (5, 0x02, &[2, 4, 4]),
        (8, 0x04, &[2]),
    ] {
        let time = (n * 20) as i16;
        let laced = [
            &[0x81, 0, time as u8, lacing],
            sizes,
            &bare(n),
            &bare(n + 1),
            &bare(n + 2),
        ]
        .concat();
        file.extend(element(0xa3, &laced));
    }
    let trim = element(0x75a2, &5_000_000u32.to_be_bytes());
    let last = [&[0x81, 0, 220, 0][..], &bare(11)].concat();
    file.extend(element(0xa0, &[element(0xa1, &last), trim].concat()));
    let mut packets = open(&file);
    let all = heard(&mut packets);
    let numbers: Vec<_> = all.iter().map(|h| h.0.unwrap()).collect();
    assert_eq!(numbers, (0..12).collect::<Vec<_>>());
    // The end says that 5 ms of it are not heard.
    assert_eq!(packets.length(), 12 * 960 - 240);
    assert_eq!(all[11].1, 720);
}

#[test]
fn recordings_that_follow_each_other_are_one() {
    let one = recording(60, even);
    let twice = [&one[..], &one].concat();
    let mut packets = open(&twice);
    assert_eq!(packets.length(), 2 * (60 * 960 - 312));
    let all = heard(&mut packets);
    assert_eq!((all[60], all[61]), ((None, 0), (Some(0), 960 - 312)));
    for tick in [60 * 960 - 312, 60 * 960 - 311, 100_000] {
        packets.seek(tick).unwrap();
        let all = heard(&mut packets);
        assert_eq!(ticks(&all), packets.length() - tick);
    }
    // Of another format: the first is read.
    let mut stereo = start(&opus_track(2, 312));
    stereo.extend(cluster(0));
    stereo.extend(block(0, &packet(0)));
    let packets = open(&[&one[..], &stereo].concat()).length();
    assert_eq!(packets, 60 * 960 - 312);
}

#[test]
fn damage_is_passed_over_and_what_follows_stays_in_its_place() {
    let mut file = recording(300, even);
    let at = file.len() / 2;
    file[at..at + 100].fill(0);
    let mut packets = open(&file);
    assert!(
        packets.notices().iter().any(|n| n.contains("damaged")),
        "{:?}",
        packets.notices()
    );
    assert_eq!(packets.length(), 300 * 960 - 312);
    let all = heard(&mut packets);
    assert_eq!(all.last(), Some(&(Some(299), 960)));
    assert_eq!(ticks(&all), packets.length());
}

#[test]
fn what_is_not_read_is_named() {
    let codec = |name: &str| start(&crate::mux::track(name, 48_000.0, 2, &[]));
    for (file, part) in [
        (codec("A_DTS"), "A_DTS"),
        (
            start(&[uint(0xd7, 1), uint(0x83, 1), element(0x86, b"V_VP8")]),
            "no audio track",
        ),
        (start(&opus_track(1, 0)), "no audio"),
        (codec("A_OPUS")[..60].to_vec(), "before it says"),
    ] {
        let e = MatroskaReader::new(Cursor::new(&file[..]), "memory")
            .unwrap_err()
            .to_string();
        assert!(e.starts_with("memory: ") && e.contains(part), "{e}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn no_bytes_make_it_panic_or_play_another_length_than_it_says(
        changes in prop::collection::vec((0.0f64..1.0, any::<u8>()), 0..30), cut in 0.0f64..1.2, at in 0.0f64..1.0,
    ) {
        let mut file = recording(200, even);
        for (at, byte) in changes {
            let at = (at * file.len() as f64) as usize;
            file[at] = byte;
        }
        file.truncate((cut * file.len() as f64) as usize);
        if let Ok(mut packets) = MatroskaOpus::new(Cursor::new(&file[..]), "memory") {
            let length = packets.length();
            let sum = |packets: &mut MatroskaOpus<_>| {
                let mut all = 0;
                while let Some(event) = packets.next_event().unwrap() {
                    all += match event {
                        OpusEvent::Packet { ticks, skip, trim, .. } => u64::from(ticks - skip - trim),
                        OpusEvent::Hole { ticks } => ticks,
                        OpusEvent::Chained(_) => 0,
                    };
                }
                all
            };
            prop_assert_eq!(sum(&mut packets), length);
            let tick = (at * length as f64) as u64;
            packets.seek(tick).unwrap();
            prop_assert_eq!(sum(&mut packets), length - tick);
        }
    }
}

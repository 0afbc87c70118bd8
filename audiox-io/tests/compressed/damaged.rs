//! Files that were cut or changed: what is there is read in its place, and what is not is said.

use std::fs;

use audiox_core::source::{Source, SourceError};
use audiox_io::CompressedSource;
use proptest::prelude::*;

use crate::support::{LOSSY, Made, snr};

/// All that can be read, and the error that ended it.
fn read_all(source: &mut CompressedSource) -> (Vec<f32>, Option<SourceError>) {
    let channels = source.format().channels.get();
    let mut piece = vec![0.0; 1_021 * channels];
    let mut all = Vec::new();
    loop {
        match source.read(&mut piece) {
            Ok(0) => return (all, None),
            Ok(n) => all.extend_from_slice(&piece[..n * channels]),
            Err(e) => return (all, Some(e)),
        }
    }
}

#[test]
fn what_was_cut_is_read_as_far_as_it_goes() {
    let made = Made::new(44_100, 1, 132_300);
    let flac = made.file("a.flac", &["-c:a", "flac"]);
    let lossy = LOSSY.iter().map(|kind| made.file(kind.file, kind.args));
    for path in lossy.chain([flac]) {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let mut bytes = fs::read(&path).unwrap();
        bytes.truncate(bytes.len() * 2 / 3);
        let mut source = match CompressedSource::from_bytes(bytes, name.clone()) {
            Ok(source) => source,
            Err(e) => {
                // ffmpeg writes the table of an MP4 file at its end.
                assert!(
                    name == "a.m4a" && e.to_string().starts_with("a.m4a: "),
                    "{e}"
                );
                continue;
            }
        };
        let (all, error) = read_all(&mut source);
        assert!(
            (40_000..110_000).contains(&all.len()),
            "{name}: {}",
            all.len()
        );
        let delay = if name == "a.aac" { 1_024 } else { 0 };
        let whole = all.len() - 4_000;
        let quality = snr(&made.samples[..whole], &all[delay..delay + whole]);
        assert!(quality > 25.0, "{name}: {quality}");
        match (&*name, error) {
            // Its header told the length, so what is missing is known.
            ("a.flac", Some(e)) => {
                let text = e.to_string();
                assert!(
                    matches!(e, SourceError::Malformed(_)) && text.contains("132300"),
                    "{text}"
                );
            }
            ("a.flac", None) => panic!("nothing was said of {name}"),
            ("a.mp3" | "vbr.mp3", None) => assert_eq!(source.notices().len(), 1, "{name}"),
            (_, error) => assert!(error.is_none(), "{name}: {error:?}"),
        }
    }
}

#[test]
fn what_is_damaged_becomes_silence_and_the_rest_stays_in_its_place() {
    let made = Made::new(44_100, 1, 441_000);
    let flac = made.file("a.flac", &["-c:a", "flac"]);
    let lossy = LOSSY.iter().map(|kind| made.file(kind.file, kind.args));
    for path in lossy.chain([flac]) {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle..middle + 700].fill(0x55);
        let mut source = CompressedSource::from_bytes(bytes, name.clone()).unwrap();
        let (all, error) = read_all(&mut source);
        if name == "a.aac" || name.ends_with(".mp3") {
            // These packets bear no numbers: those that cannot be found shorten the stream.
            assert!(all.len() > 400_000, "{name}: {}", all.len());
            continue;
        }
        assert_eq!(all.len(), 441_000, "{name}");
        let tail = 400_000;
        let quality = snr(&made.samples[tail..], &all[tail..]);
        assert!(quality > 25.0, "{name}: {quality}");
        // AAC has no checksum: what decodes to something else is not known to be damaged.
        let said = error.map(|e| e.to_string());
        assert!(
            name == "a.m4a" || said.is_some_and(|e| e.contains("damaged")),
            "{name}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn no_bytes_make_it_panic_or_read_more_than_it_says(
        which in 0usize..6,
        changes in prop::collection::vec((0.0f64..1.0, any::<u8>()), 1..40),
        cut in 0.0f64..1.3,
    ) {
        let mut bytes = SEEDS.with(|seeds| seeds[which].clone());
        for (at, byte) in changes {
            let at = (at * bytes.len() as f64) as usize;
            bytes[at] = byte;
        }
        bytes.truncate((cut * bytes.len() as f64) as usize);
        match CompressedSource::from_bytes(bytes, "input") {
            Ok(mut source) => {
                let frames = source.frames_left().unwrap();
                let channels = source.format().channels.get();
                let (all, _) = read_all(&mut source);
                prop_assert!((all.len() / channels) as u64 <= frames);
                prop_assert!(all.iter().all(|s| s.is_finite()));
                // Whatever it answers.
                let _ = source.seek(frames / 2);
                let _ = read_all(&mut source);
            }
            Err(e) => prop_assert!(e.to_string().starts_with("input: "), "{e}"),
        }
    }
}

thread_local! {
    static SEEDS: Vec<Vec<u8>> = {
        let made = Made::new(22_050, 1, 11_025);
        let flac = made.file("a.flac", &["-c:a", "flac"]);
        let lossy = LOSSY.iter().map(|kind| made.file(kind.file, kind.args));
        lossy.chain([flac]).map(|path| fs::read(path).unwrap()).collect()
    };
}

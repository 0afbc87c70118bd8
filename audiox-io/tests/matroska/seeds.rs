//! The seeds of the fuzz targets `matroska`, `guess` and `sound`, made here and checked in.
//!
//! `AUDIOX_WRITE_SEEDS=1 cargo test -p audiox-io --test matroska seeds` writes them.

use std::fs;
use std::path::Path;

use audiox_core::convert;
use audiox_core::format::{Channels, SampleFormat, SampleRate, StreamFormat};
use audiox_io::PcmCoding;

use crate::mux::{block, cluster, element, opus_track, packet, start, track, uint};

#[test]
fn the_checked_in_seeds_are_the_ones_made_here() {
    let corpus = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus"));
    let files = matroska()
        .into_iter()
        .map(|(name, bytes)| ("matroska", name, bytes));
    let raw = raw()
        .into_iter()
        .map(|(name, bytes)| ("guess", name, bytes));
    let all: Vec<_> = files.chain(raw).collect();
    let sounds: Vec<_> = all
        .iter()
        .map(|(_, name, bytes)| ("sound", *name, bytes.clone()))
        .collect();
    let wav = ("sound", "wav", wav());
    for (target, name, bytes) in all.into_iter().chain(sounds).chain([wav]) {
        let folder = corpus.join(target);
        let file = folder.join(name);
        if std::env::var_os("AUDIOX_WRITE_SEEDS").is_some() {
            fs::create_dir_all(&folder).unwrap();
            fs::write(&file, &bytes).unwrap();
        }
        assert!(
            fs::read(&file).unwrap_or_default() == bytes,
            "{}: to write the seeds set AUDIOX_WRITE_SEEDS=1",
            file.display()
        );
    }
}

fn matroska() -> Vec<(&'static str, Vec<u8>)> {
    let mut live = start(&opus_track(1, 312));
    for second in 0..2 {
        live.extend(cluster(second * 1_000));
        for n in 0..50 {
            live.extend(block(n as i16 * 20, &packet(n)));
        }
    }
    let mut leap = live.clone();
    leap.extend(cluster(60_000));
    leap.extend(block(0, &packet(0)));
    let mut laced = start(&opus_track(2, 0));
    laced.extend(cluster(0));
    for (lacing, sizes) in [(0x06, &[1, 0x85][..]), (0x02, &[1, 5]), (0x04, &[1])] {
        let head = [0x81, 0, 0, lacing];
        laced.extend(element(
            0xa3,
            &[&head, sizes, &packet(1), &packet(2)].concat(),
        ));
    }
    let group = [
        element(0xa1, &[&[0x81, 0, 0, 0][..], &packet(3)].concat()),
        uint(0x75a2, 5_000_000),
    ];
    laced.extend(element(0xa0, &group.concat()));
    let mut pcm = start(&track("A_PCM/INT/LIT", 8_000.0, 1, &[]));
    pcm.extend(cluster(0));
    pcm.extend(block(0, &[1; 320]));
    let audio = [
        element(0xb5, &8_000f32.to_be_bytes()),
        uint(0x9f, 1),
        uint(0x6264, 16),
    ]
    .concat();
    let pcm_track = [
        uint(0xd7, 1),
        uint(0x83, 2),
        element(0x86, b"A_PCM/INT/LIT"),
        element(0xe1, &audio),
    ];
    let mut samples = start(&pcm_track);
    samples.extend(cluster(0));
    samples.extend(block(0, &[1; 320]));
    samples.extend(block(20, &[2; 320]));
    vec![
        ("live", live.clone()),
        ("live-cut", live[..live.len() - 9].to_vec()),
        ("live-twice", [&live[..], &live].concat()),
        ("leap", leap),
        ("laced", laced),
        ("samples", samples),
        ("samples-without-depth", pcm),
    ]
}

fn raw() -> Vec<(&'static str, Vec<u8>)> {
    let samples: Vec<f32> = (0..4_000)
        .map(|i| ((i * i) as f32 * 1e-5).sin() * (i as f32 * 0.002).sin() * 0.5)
        .collect();
    let coded = |name: &str| {
        let PcmCoding::Pcm(pcm) = name.parse().unwrap() else {
            panic!("{name}");
        };
        let mut bytes = vec![0; samples.len() * pcm.sample.bytes()];
        convert::encode(pcm, &samples, &mut bytes);
        bytes
    };
    vec![
        ("s16le", coded("s16le")),
        ("s24be", coded("s24be")),
        ("f32le", coded("f32le")),
        ("u8", coded("u8")),
        ("text", b"No samples, but words. ".repeat(60)),
        ("silence", vec![0; 2_000]),
        ("few", vec![1, 2, 3]),
    ]
}

fn wav() -> Vec<u8> {
    let format = StreamFormat::new(SampleRate::HZ_8000, Channels::MONO);
    let mut file = audiox_io::wav::header(format, SampleFormat::U8, 301).to_vec();
    file.extend([0x81; 302]);
    file
}

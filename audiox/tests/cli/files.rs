//! Sources into files and pipes.

use std::io::{Read, Write};
use std::process::Stdio;

use audiox::core::format::SampleFormat;

use crate::support::{Folder, Running, audiox, channel, data};

#[test]
fn a_file_goes_to_a_file_bit_for_bit() {
    let folder = Folder::new();
    for sample in [
        SampleFormat::U8,
        SampleFormat::S16,
        SampleFormat::S24,
        SampleFormat::F32,
    ] {
        let (a, samples) = folder.wav("a.wav", sample, 2, 100_003);
        let b = folder.at("b.wav");
        let told = audiox(&["send", &a, "--to", &b]).clean();
        assert!(told.text().contains("100003 frames"), "{}", told.text());
        assert_eq!(data(&b), samples);
    }
}

#[test]
fn files_become_tracks_of_one_file_or_files_of_a_folder() {
    let folder = Folder::new();
    let (a, first) = folder.wav("a.wav", SampleFormat::S16, 1, 5_000);
    let (b, second) = folder.wav("b.wav", SampleFormat::S16, 1, 3_000);
    let both = folder.at("both.wav");
    let told = audiox(&["send", &a, &b, "--to", &both, "--json"]).clean();
    let written = &told.summary()["written"][0];
    assert_eq!(
        (written["frames"].as_u64(), written["channels"].as_u64()),
        (Some(5_000), Some(2))
    );
    let mixed = data(&both);
    assert_eq!(channel(&mixed, 2, 0), first);
    assert_eq!(channel(&mixed, 2, 1)[..second.len()], second);
    assert!(
        channel(&mixed, 2, 1)[second.len()..]
            .iter()
            .all(|b| *b == 0)
    );

    let source = folder.path("");
    let copies = folder.at("copies/");
    audiox(&["send", source.to_str().unwrap(), "--to", &copies, "--quiet"]).clean();
    for (name, samples) in [("a.wav", first), ("b.wav", second), ("both.wav", mixed)] {
        assert_eq!(data(folder.path("copies").join(name)), samples);
    }
}

#[test]
fn part_of_a_file_again_and_again_and_louder() {
    let folder = Folder::new();
    let (a, samples) = folder.wav("a.wav", SampleFormat::S16, 1, 48_000);
    let b = folder.at("b.wav");
    let args = ["--offset", "0.5", "--loop=3", "--duration", "1.25s"];
    audiox(&[&["send", &a, "--to", &b], &args[..]].concat()).clean();
    let half = &samples[48_000..];
    let expected = [half, half, &half[..24_000]].concat();
    assert_eq!(data(&b), expected);

    audiox(&["send", &a, "--to", &b, "--gain", "-6.0206dB"]).clean();
    let louder = data(&b);
    for (was, is) in samples.chunks_exact(2).zip(louder.chunks_exact(2)) {
        let was = i16::from_le_bytes([was[0], was[1]]);
        let is = i16::from_le_bytes([is[0], is[1]]);
        assert!(
            (f64::from(was) / 2.0 - f64::from(is)).abs() <= 1.0,
            "{was} {is}"
        );
    }
}

#[test]
fn signals_and_pipes_work_with_every_sink() {
    let folder = Folder::new();
    let tone = "tone:440,length=0.25s,level=0dB";
    let told = audiox(&["send", tone, "--to", "-", "--sample-format", "s16", "-q"]).clean();
    assert_eq!(told.out.len(), 24_000);
    let peak = told
        .out
        .chunks_exact(2)
        .map(|s| i16::from_le_bytes([s[0], s[1]]))
        .max();
    assert!(peak.unwrap() > 32_700);

    // What came out of one pipe goes into the next.
    let file = folder.at("pipe.wav");
    let args = ["send", "-", "--rate", "48000", "--to", &file, "-q"];
    let mut next = Running::start_with(&args, Stdio::piped());
    next.input().write_all(&told.out).unwrap();
    next.wait().clean();
    assert_eq!(data(&file), told.out);

    let told = audiox(&["send", tone, &file, "--to", "null:", "--json"]).clean();
    assert_eq!(told.summary()["written"][1]["frames"], 12_000);
}

#[test]
fn the_summary_leaves_standard_output_to_the_audio() {
    let told = audiox(&["send", "silence:,length=10ms", "--to", "-", "--json"]);
    assert_eq!((told.code, told.out.len()), (0, 480 * 3));
    assert!(told.err.contains("\"event\":\"summary\""), "{}", told.err);
}

#[test]
fn a_reader_that_has_gone_ends_it_without_a_word() {
    let mut endless = Running::start(&["send", "tone:440", "--to", "-"]);
    let mut out = endless.output();
    out.read_exact(&mut [0; 1_000]).unwrap();
    drop(out);
    let told = endless.wait();
    assert_eq!((told.code, told.err.as_str()), (0, ""));
}

#[test]
fn a_picture_shows_waveforms_and_gaps() {
    let folder = Folder::new();
    let (a, _) = folder.wav("a.wav", SampleFormat::S16, 1, 48_000);
    let gaps = r#"{"version": 1, "streams": [{"file": "a.wav", "rate": 48000,
        "gaps": [{"start_frame": 100, "frames": 480, "cause": "lost"}]}]}"#;
    std::fs::write(folder.path("a.json"), gaps).unwrap();
    let svg = folder.at("a.svg");
    let told = audiox(&["plot", &a, &a, "--gaps", &folder.at("a.json"), "-o", &svg]).clean();
    assert!(told.text().contains("2 gaps in"), "{}", told.text());
    let picture = std::fs::read_to_string(&svg).unwrap();
    assert!(picture.starts_with("<svg") && picture.contains("lost"));
}

#[test]
fn a_run_of_the_simulator_can_be_repeated_to_the_bit() {
    let args = [
        "sim",
        "--duration",
        "10m",
        "--loss",
        "3%",
        "--jitter",
        "20ms",
        "--json",
    ];
    let run = |seed| {
        audiox(&[&args[..], &["--seed", seed]].concat())
            .clean()
            .summary()
    };
    let (first, again, other) = (run("5"), run("5"), run("6"));
    assert_eq!(first["digest"], again["digest"]);
    assert_ne!(first["digest"], other["digest"]);
    assert_eq!(first["packets"], 30_000);
    assert!(first["received"]["packets_lost"].as_i64().unwrap() > 500);
    let text = audiox(&["sim", "--duration", "1s"]).clean();
    assert!(text.text().contains("digest "), "{}", text.text());
}

//! The first program that the README shows: it is the one in `examples/`, it is short, it works.
#![cfg(test)]

#[path = "cli/ports.rs"]
mod ports;

use std::env;
use std::process::Command;

use audiox::compare::Comparison;
use audiox::core::format::SampleFormat;
use audiox::io::WavSource;
use audiox::{SourceOptions, Transfer, sources_from_str};
use ports::free_ports;

const PROGRAM: &str = include_str!("../examples/first_sound.rs");

#[test]
fn the_readme_shows_it_word_for_word() {
    let readme = include_str!("../../README.md");
    let (_, block) = readme.split_once("```rust\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    assert_eq!(block, PROGRAM);
    assert!(PROGRAM.lines().count() <= 40);
}

#[test]
fn it_sends_a_file_and_records_it() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (sent, heard) = (at("sent.wav"), at("heard.wav"));
    let noise = sources_from_str("noise:pink,rate=24000,length=1s", &SourceOptions::default());
    let transfer = Transfer::new(
        noise.unwrap(),
        &sent.parse().unwrap(),
        Some(SampleFormat::S16),
    );
    transfer
        .unwrap()
        .run(|_| std::ops::ControlFlow::Continue(()))
        .unwrap();

    let profile = env::current_exe().unwrap();
    let profile = profile.ancestors().nth(2).unwrap();
    let program = profile
        .join("examples/first_sound")
        .with_extension(env::consts::EXE_EXTENSION);
    let port = free_ports();
    let to = format!("rtp://127.0.0.1:{port}");
    let from = format!("{to}?codec=L16&rate=24000&channels=1");
    let told = Command::new(&program)
        .args([&sent, &to, &from, &heard])
        .output();
    let told = told.unwrap_or_else(|e| {
        panic!(
            "{}: {e}; build it with cargo build --examples",
            program.display()
        )
    });
    let text = String::from_utf8(told.stdout).unwrap();
    assert!(
        told.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&told.stderr)
    );
    assert!(
        text.contains("sent 100 packets") && text.contains("100 packets, 0 lost"),
        "{text}"
    );

    let [mut sent, mut heard] = [sent, heard].map(|f| WavSource::open(f).unwrap());
    let same = Comparison::of(&mut sent, &mut heard, &[]).unwrap();
    assert_eq!(
        (same.identical, same.different, same.absent),
        (24_000, 0, 0),
        "{same:?}"
    );
}

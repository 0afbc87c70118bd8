//! Runs the example programs, which cargo mostly builds with the tests, and looks at what they wrote.
#![cfg(test)]

use std::env;
use std::ffi::OsStr;
use std::process::Command;

use audiox_core::format::SampleFormat;
use audiox_core::source::Source;
use audiox_io::WavSource;

fn run(example: &str, args: &[&OsStr]) -> String {
    let tests = env::current_exe().unwrap();
    let profile = tests.ancestors().nth(2).unwrap();
    let program = profile
        .join("examples")
        .join(example)
        .with_extension(env::consts::EXE_EXTENSION);
    if !program.exists() {
        // Cargo was asked for certain tests only.
        let build = ["build", "--package", "audiox-io", "--examples"];
        Command::new(env!("CARGO")).args(build).status().unwrap();
    }
    let output = Command::new(&program).args(args).output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_tone_is_written_and_copied_as_24_bit() {
    let folder = tempfile::tempdir().unwrap();
    let (tone, copy) = (folder.path().join("a.wav"), folder.path().join("b.wav"));
    let (hz, seconds) = (OsStr::new("1000"), OsStr::new("3"));
    run("write_tone", &[tone.as_os_str(), hz, seconds]);
    run("copy_as_24bit", &[tone.as_os_str(), copy.as_os_str()]);

    let (mut tone, mut copy) = (
        WavSource::open(tone).unwrap(),
        WavSource::open(copy).unwrap(),
    );
    assert_eq!(tone.frames(), 3 * 48_000);
    assert_eq!(copy.frames(), tone.frames());
    assert_eq!(copy.native().unwrap().sample, SampleFormat::S24);
    let (mut a, mut b) = ([0.0; 960], [0.0; 960]);
    assert_eq!(tone.read(&mut a).unwrap(), 480);
    assert_eq!(copy.read(&mut b).unwrap(), 480);
    assert_eq!(a, b);
    assert!((a[24] - 10f32.powf(-0.6)).abs() < 1e-4);
}

#[test]
fn without_arguments_they_show_themselves_off() {
    assert!(run("write_tone", &[]).contains("384128 bytes"));
    assert!(run("copy_as_24bit", &[]).contains("44100 frames, 44100 Hz, 2 ch"));
}

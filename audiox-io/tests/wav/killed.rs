//! A recording process is killed with SIGKILL, and what it leaves is read.
//!
//! The test runs itself again as the recorder: a child that finds [`PATH`] in its environment
//! records until it dies, and tells on its standard output how many frames it has handed over.

use std::env;
use std::io::{BufRead, BufReader, Cursor};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use super::ffmpeg::output_of;
use super::support::{format, native_bytes};
use audiox_core::format::{SampleFormat, StreamFormat};
use audiox_core::source::Sink;
use audiox_io::{RawSink, WavSink, WavSource};

const PATH: &str = "AUDIOX_TEST_RECORD_TO";
const RATE: usize = 8_000;
const BLOCK: usize = RATE / 100;

fn stream() -> StreamFormat {
    format(RATE as u32, 2)
}

/// Frames that count.
fn counting(from: usize, frames: usize) -> Vec<u8> {
    (from..from + frames)
        .flat_map(|n| (n as u32).to_le_bytes())
        .collect()
}

#[test]
fn the_recorder_itself() {
    let Some(path) = env::var_os(PATH) else {
        return;
    };
    let mut sink = WavSink::create(path, stream(), SampleFormat::S16).unwrap();
    let mut frames = 0;
    loop {
        sink.write_native(&counting(frames, BLOCK)).unwrap();
        frames += BLOCK;
        println!("frames {frames}");
        // Twenty times real time, so that a few seconds are recorded in a moment.
        thread::sleep(Duration::from_micros(500));
    }
}

fn record(path: &Path) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", "killed::the_recorder_itself", "--nocapture"])
        .env(PATH, path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Kills the recorder once it has handed over `after` frames, and returns how many it had.
fn kill_after(child: &mut Child, after: usize) -> usize {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut told = 0;
    while told < after {
        let line = lines.next().expect("the recorder goes on").unwrap();
        if let Some(frames) = line.strip_prefix("frames ") {
            told = frames.parse().unwrap();
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // What it had told before it died.
    for line in lines.map_while(Result::ok) {
        if let Some(n) = line.strip_prefix("frames ").and_then(|n| n.parse().ok()) {
            told = n;
        }
    }
    told
}

#[test]
fn a_killed_recording_is_valid_up_to_its_last_second() {
    let folder = tempfile::tempdir().unwrap();
    for (i, after) in [
        BLOCK,
        RATE - BLOCK,
        RATE,
        3 * RATE / 2,
        5 * RATE + 7 * BLOCK,
    ]
    .into_iter()
    .enumerate()
    {
        let path = folder.path().join(format!("{i}.wav"));
        let told = kill_after(&mut record(&path), after);
        assert!(told >= after);

        // The header alone, as any other reader takes it.
        let mut file = std::fs::read(&path).unwrap();
        let claimed = u32::from_le_bytes(file[124..128].try_into().unwrap()) as usize / 4;
        assert!(claimed + RATE > told, "{claimed} of {told} frames");
        let mut reader = hound::WavReader::open(&path).unwrap();
        assert_eq!(reader.duration() as usize, claimed);
        let samples: Vec<i16> = reader.samples().map(Result::unwrap).collect();
        let bytes: Vec<u8> = samples.iter().flat_map(|x| x.to_le_bytes()).collect();
        assert_eq!(bytes, counting(0, claimed));

        // Our reader also takes what lies beyond it.
        match WavSource::open(&path) {
            Ok(mut source) => {
                let frames = source.frames() as usize;
                assert!(frames >= claimed && frames <= told + BLOCK);
                assert_eq!(native_bytes(&mut source), counting(0, frames));
            }
            Err(e) => assert!(claimed == 0 && e.to_string().contains("no audio"), "{e}"),
        }
        if claimed > 0 {
            assert_eq!(ffmpeg_decodes(&path)[..claimed * 4], counting(0, claimed));
        }

        // And with a stale header over a longer file, whatever the moment.
        let more = counting(claimed, 100);
        file.truncate(128 + claimed * 4);
        file.extend(&more);
        let source = WavSource::new(Cursor::new(file), "stale").unwrap();
        assert_eq!(source.frames() as usize, claimed + 100);
    }
}

/// The samples as ffmpeg reads them.
fn ffmpeg_decodes(path: &Path) -> Vec<u8> {
    let raw = ["-v", "error", "-i", "FILE", "-f", "s16le", "-"];
    output_of("ffmpeg", &raw, path)
}

#[test]
fn a_killed_reader_of_raw_samples_ends_the_writer_with_a_broken_pipe() {
    let mut cat = Command::new("cat")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let pipe = cat.stdin.take().unwrap();
    let pcm = "s16le".parse().unwrap();
    let mut sink = RawSink::new(pipe, "pipe", pcm, stream());
    sink.write_native(&counting(0, BLOCK)).unwrap();
    cat.kill().unwrap();
    cat.wait().unwrap();
    let error = sink.write_native(&counting(0, BLOCK)).unwrap_err();
    let audiox_core::source::SinkError::Io { what, source } = error else {
        panic!("not an Io error");
    };
    assert_eq!(what, "pipe");
    assert_eq!(source.kind(), std::io::ErrorKind::BrokenPipe);
}

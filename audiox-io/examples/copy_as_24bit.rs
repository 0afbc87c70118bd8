//! Copies a WAV file with 24-bit samples: `copy_as_24bit IN.wav OUT.wav`.
//!
//! Without arguments it makes a file of noise in a temporary folder and copies that.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program's output"
)]

use std::env;
use std::error::Error;
use std::path::Path;

use audiox_core::block::AudioRef;
use audiox_core::convert::Gain;
use audiox_core::format::{Channels, SampleFormat, SampleRate, StreamFormat};
use audiox_core::source::{Sink, Source};
use audiox_io::{Colour, Signal, WavSink, WavSource};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = env::args().skip(1).collect();
    match args.as_slice() {
        [from, to] => copy(from.as_ref(), to.as_ref()),
        [] => {
            let demo = tempfile::tempdir()?;
            let (from, to) = (demo.path().join("in.wav"), demo.path().join("out.wav"));
            let format = StreamFormat::new(SampleRate::HZ_44100, Channels::STEREO);
            let noise = Signal::noise(format, Colour::Pink, 1, Gain::UNITY)?;
            let file = WavSink::create(&from, format, SampleFormat::F32)?;
            write(&mut noise.with_length(44_100), file)?;
            copy(&from, &to)
        }
        _ => Err("usage: copy_as_24bit IN.wav OUT.wav".into()),
    }
}

fn copy(from: &Path, to: &Path) -> Result<(), Box<dyn Error>> {
    let mut source = WavSource::open(from)?;
    for notice in source.notices() {
        eprintln!("{}: {notice}", source.name());
    }
    let sink = WavSink::create(to, source.format(), SampleFormat::S24)?;
    let frames = write(&mut source, sink)?;
    println!("{}: {frames} frames, {}", to.display(), source.format());
    Ok(())
}

/// Everything that `source` has left, into `sink`.
fn write(source: &mut dyn Source, mut sink: WavSink) -> Result<u64, Box<dyn Error>> {
    let channels = source.format().channels;
    let mut samples = vec![0.0; 4_096 * channels.get()];
    loop {
        match source.read(&mut samples)? {
            0 => break,
            n => sink.write(AudioRef::new(&samples[..n * channels.get()], channels))?,
        }
    }
    let frames = sink.frames();
    sink.finish()?;
    Ok(frames)
}

//! Writes a tone to a WAV file: `write_tone OUT.wav HZ SECONDS`.
//!
//! Without arguments it writes two seconds of 440 Hz into a temporary folder.
#![allow(clippy::print_stdout, reason = "a program's output")]

use std::error::Error;
use std::{env, fs};

use audiox_core::block::AudioRef;
use audiox_core::convert::Gain;
use audiox_core::format::{Channels, SampleFormat, SampleRate, StreamFormat};
use audiox_core::source::{Sink, Source};
use audiox_io::{Signal, WavSink};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = env::args().skip(1).collect();
    let demo = tempfile::tempdir()?;
    let (path, hz, seconds) = match args.as_slice() {
        [] => (demo.path().join("tone.wav"), 440.0, 2),
        [path, hz, seconds] => (path.into(), hz.parse()?, seconds.parse()?),
        _ => return Err("usage: write_tone OUT.wav HZ SECONDS".into()),
    };

    let format = StreamFormat::new(SampleRate::HZ_48000, Channels::STEREO);
    let frames = seconds * u64::from(format.rate.get());
    let mut tone = Signal::tone(format, hz, Gain::from_db(-12.0)?)?.with_length(frames);
    let mut file = WavSink::create(&path, format, SampleFormat::S16)?;
    let mut samples = [0.0; 480 * 2];
    loop {
        match tone.read(&mut samples)? {
            0 => break,
            n => file.write(AudioRef::new(&samples[..n * 2], format.channels))?,
        }
    }
    file.finish()?;
    println!("{}: {} bytes", path.display(), fs::metadata(&path)?.len());
    Ok(())
}

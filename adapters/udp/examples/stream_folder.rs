//! Streams every WAV file of a folder, all in step: `stream_folder FOLDER rtp://HOST:PORT`.
//!
//! Without arguments it makes two short files and streams them to nobody on loopback.
#![allow(clippy::print_stdout, reason = "a program's output")]

use std::error::Error;

use audiox_core::format::{Channels, SampleFormat, SampleRate, StreamFormat};
use audiox_core::source::Sink;
use audiox_io::load_folder;
use audiox_io::wav::WavSink;
use audiox_udp::streamer::{StreamSpec, Streamer, StreamerConfig};

fn main() -> Result<(), Box<dyn Error>> {
    let temp = tempfile::tempdir()?;
    let args: Vec<_> = std::env::args().skip(1).collect();
    let (folder, url) = match &args[..] {
        [folder, url] => (folder.into(), url.as_str()),
        _ => {
            let cd = StreamFormat::new(SampleRate::HZ_44100, Channels::STEREO);
            for name in ["left.wav", "right.wav"] {
                let mut file = WavSink::create(temp.path().join(name), cd, SampleFormat::S16)?;
                file.write_native(&[0; 44_100])?;
                file.finish()?;
            }
            (temp.path().to_owned(), "rtp://127.0.0.1:5004")
        }
    };
    let streams = load_folder(folder)?
        .into_iter()
        .map(|file| StreamSpec::new(file.name().to_owned(), file));
    let streamer = Streamer::start(StreamerConfig::new(url.parse()?), streams.collect())?;
    print!("{}", streamer.sdp().unwrap_or_default());
    for s in streamer.wait()?.streams {
        println!("{}: {} packets", s.name, s.packets);
    }
    Ok(())
}

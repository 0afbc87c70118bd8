//! Sends each channel of a WAV file to whom a list says: `fanout stage.wav clients.json`.
//!
//! Without arguments it makes a file of sound and a list of two clients who do not listen.
#![allow(clippy::print_stdout, reason = "a program's output")]

use std::time::Duration;

use audiox_core::block::AudioRef;
use audiox_core::format::{Channels, SampleFormat, SampleRate, StreamFormat};
use audiox_core::source::Sink;
use audiox_io::wav::{WavSink, WavSource};
use audiox_udp::fanout::{ClientList, Fanout, FanoutConfig, FanoutState};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let temp = tempfile::tempdir()?;
    let at = |name: &str| temp.path().join(name).display().to_string();
    let mut args = std::env::args().skip(1);
    let (wav, list) = match (args.next(), args.next()) {
        (Some(wav), Some(list)) => (wav, list),
        _ => {
            let cd = StreamFormat::new(SampleRate::HZ_44100, Channels::STEREO);
            let mut file = WavSink::create(at("a.wav"), cd, SampleFormat::S16)?;
            file.write(AudioRef::new(&[0.1; 22_050], cd.channels))?;
            file.finish()?;
            let client = |port| format!(r#"{{"ip": "127.0.0.1", "port": {port}, "channel": 0}}"#);
            let text = format!(r#"{{"a": {}, "b": {}}}"#, client(57_001), client(57_002));
            std::fs::write(at("a.json"), text)?;
            (at("a.wav"), at("a.json"))
        }
    };
    let clients = ClientList::load(list.as_ref())?;
    let config = FanoutConfig::new(wav.clone(), move || Ok(Box::new(WavSource::open(&wav)?)));
    let fanout = Fanout::new(config, clients)?;
    fanout.start()?;
    while fanout.snapshot().state == FanoutState::Running {
        std::thread::sleep(Duration::from_millis(50));
    }
    for client in fanout.snapshot().clients {
        println!("{}: {} datagrams", client.name, client.datagrams);
    }
    Ok(())
}

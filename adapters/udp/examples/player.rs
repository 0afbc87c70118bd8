//! Plays raw datagrams, with an adaptive delay, into a WAV file:
//! `player 'udp://0.0.0.0:57001?rate=44100&channels=1&chunk=1024' FILE`, until the sender is silent
//! for a second. Without arguments it sends itself two seconds of a tone.
#![allow(clippy::print_stdout, reason = "a program's output")]

use std::error::Error;
use std::time::Duration;

use audiox_core::convert::Gain;
use audiox_core::format::SampleFormat;
use audiox_core::playout::Profile;
use audiox_io::Signal;
use audiox_io::wav::WavSink;
use audiox_udp::node::Listen;
use audiox_udp::player::{Player, PlayerConfig};
use audiox_udp::streamer::{StreamSpec, Streamer, StreamerConfig};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let itself = "udp://127.0.0.1:0?rate=44100&channels=1&chunk=1024".to_owned();
    let url = args.first().unwrap_or(&itself);
    let listen = Listen::from_endpoint(&url.parse()?)?;
    let mut config = PlayerConfig::new(listen, Profile::Balanced.config())?;
    config.idle_after = Duration::from_secs(1);
    config.stop_when_ended = true;
    let format = config.format;
    let temp = std::env::temp_dir().join("audiox-player.wav");
    let file = args.get(1).map_or(temp, Into::into);
    let sink = WavSink::create(&file, format, SampleFormat::S16)?;
    let player = Player::start(config, Box::new(sink))?;
    if args.is_empty() {
        let tone = Signal::tone(format, 440.0, Gain::from_db(-12.0)?)?.with_length(88_200);
        let to = format!("udp://{}?chunk=1024", player.local_addrs()[0]);
        let specs = vec![StreamSpec::new("tone", tone)];
        Streamer::start(StreamerConfig::new(to.parse()?), specs)?.wait()?;
    }
    for s in player.wait()?.streams {
        let (from, p) = (s.from.map(|f| f.to_string()), s.playback.playout);
        let (packets, delay) = (s.source.packets_received, p.mean_jitter_buffer_delay());
        println!("{from:?}: {packets} packets, played {delay:?} after they came");
        assert!(packets > 0);
    }
    println!("heard in {}", file.display());
    Ok(())
}

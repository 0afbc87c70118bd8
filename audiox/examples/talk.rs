//! Sends audio to another machine and plays what comes back: `talk SOURCE TO FROM SINK`, such as
//! `talk mic 'rtp://192.0.2.7:5004?codec=L16&ptime=5' 'rtp://:5004?codec=L16&rate=48000&channels=1' speaker`.
//! Without arguments it talks to itself for two seconds, into a file.
#![allow(clippy::print_stdout, reason = "a program's output")]

use std::thread;
use std::time::Duration;

use audiox::core::playout::Profile;

fn main() -> Result<(), audiox::Error> {
    let mut args = std::env::args().skip(1);
    let mut arg = |default: &str| args.next().unwrap_or_else(|| default.to_owned());
    let source = arg("tone:440,length=2s");
    let to = arg("rtp://127.0.0.1:46014?codec=L16&ptime=5");
    let from = arg("rtp://127.0.0.1:46014?codec=L16&rate=48000&channels=1");
    let sink = arg(&std::env::temp_dir().join("talk.wav").to_string_lossy());

    let playing = audiox::play(from, sink)
        .profile(Profile::Interactive)
        .until_ended()
        .start()?;
    let _sending = audiox::send(source, to).start()?;

    while !playing.is_finished() {
        thread::sleep(Duration::from_secs(1));
        for stream in playing.snapshot().streams {
            println!("latency: {}", stream.playback.ledger);
        }
    }
    for stream in playing.wait()?.streams {
        let (packets, lost) = (stream.source.packets_received, stream.source.missing());
        println!("heard {packets} packets, {lost} lost");
    }
    Ok(())
}

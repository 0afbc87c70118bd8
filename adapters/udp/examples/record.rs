//! Records every raw stream that comes to a UDP port into one multitrack WAV file.
//!
//! `record PORT FILE` records until Ctrl-C; without arguments it sends itself half a second of
//! two streams.
#![allow(clippy::print_stdout, reason = "a program's output")]

use std::net::UdpSocket;
use std::time::Duration;

use audiox_udp::node::{Listen, Node, NodeConfig, Target};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let port = args.next();
    let file = args.next().unwrap_or_else(|| {
        let dir = std::env::temp_dir();
        dir.join("audiox-record.wav").display().to_string()
    });
    let url = format!(
        "udp://127.0.0.1:{}?rate=8000",
        port.as_deref().unwrap_or("0")
    );
    let mut config = NodeConfig::new(
        Listen::from_endpoint(&url.parse()?)?,
        Target::File(file.into()),
    );
    if port.is_none() {
        config.idle_after = Duration::from_millis(500);
        config.stop_when_ended = true;
    }
    let node = Node::start(config)?;
    if port.is_none() {
        let senders = [
            UdpSocket::bind("127.0.0.1:0")?,
            UdpSocket::bind("127.0.0.1:0")?,
        ];
        for _ in 0..50 {
            for sender in &senders {
                sender.send_to(&[1; 160], node.local_addrs()[0])?;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    for stream in node.wait()?.streams {
        let file = stream.file.unwrap_or_default();
        println!(
            "{:?}: {} frames in {}",
            stream.from,
            stream.lane.frames,
            file.display()
        );
        assert!(stream.lane.frames > 0);
    }
    Ok(())
}

//! The smallest listener: `listener http://HOST:PORT/STREAM [FROM] > heard.raw`, where FROM is
//! `live`, `start`, `-30s` and the like. What is missing is told on standard error.
#![allow(clippy::print_stderr, reason = "it tells what it hears")]
use std::io::Write;

use audiox_websocket::client::{Connect, Listener, ListenerConfig};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let Some(url) = args.next() else {
        eprintln!("which stream? listener http://HOST:PORT/STREAM [FROM] > heard.raw");
        return Ok(());
    };
    let mut config = ListenerConfig::new(Connect::new(url.parse()?));
    if let Some(from) = args.next() {
        config.from = from.parse()?;
    }
    let mut listener = Listener::start(config)?;
    eprintln!("{}: {}", listener.stream(), listener.format());
    let frame = listener.format().frame_bytes().unwrap_or(1) as i64;
    let (mut next, mut out) = (None, std::io::stdout().lock());
    while let Some(heard) = listener.hear()? {
        if next.is_some_and(|next| next != heard.at) {
            eprintln!("frames are missing before {}", heard.at.0);
        }
        next = Some(heard.at + heard.frames.len() as i64 / frame);
        out.write_all(&heard.frames)?;
    }
    Ok(())
}

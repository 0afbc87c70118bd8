//! The smallest relay: streams come by HTTP and WebSocket, listeners as well, and a page shows
//! them. It keeps them in memory, for as long as it runs: `relay [--tone] ADDRESS:PORT`. With `--tone`
//! it sends a tone of 440 Hz to itself; without arguments too, for two seconds.
#![allow(clippy::print_stdout, reason = "it shows what it does")]
use std::sync::Arc;
use std::time::Duration;

use audiox_core::store::{SegmenterConfig, StoredFormat};
use audiox_net::http::{HttpConfig, HttpServer};
use audiox_websocket::access::Roles;
use audiox_websocket::{MemoryArchive, Relay, RelayConfig, api};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let shows_itself = args.is_empty();
    let sends = args.first().is_some_and(|a| a == "--tone");
    args.drain(..usize::from(sends));
    let at = args.first().map_or("127.0.0.1:0", String::as_str);

    let archive = Arc::new(MemoryArchive::new(SegmenterConfig::default()));
    let relay = Relay::new(RelayConfig::default(), archive).await?;
    let (app, io) = api::app(&relay, Arc::new(Roles::default()));
    let server = HttpServer::bind(HttpConfig::new(at.parse()?), app)?;
    println!("http://{}", server.local_addr());
    if sends || shows_itself {
        tokio::spawn(tone(relay.clone()));
    }
    let lasts = Duration::from_secs(if shows_itself { 2 } else { u64::MAX });
    server.run(tokio::time::sleep(lasts)).await?;
    for stream in relay.streams() {
        println!("{}: {} bytes", stream.record.id, stream.bytes);
    }
    drop(io);
    Ok(())
}

/// Ten milliseconds at a time, as a live sender would.
async fn tone(relay: Relay) {
    let name = Some("440 Hz".to_owned());
    let id = relay.create(StoredFormat::default(), name).await;
    let id = id.expect("an empty relay has room");
    let mut ticks = tokio::time::interval(Duration::from_millis(10));
    for packet in 0u64.. {
        ticks.tick().await;
        let sine = |n: u64| ((n % 44_100) as f64 * 440.0 / 44_100.0 * std::f64::consts::TAU).sin();
        let samples = (packet * 441..(packet + 1) * 441).map(|n| (sine(n) * 9_000.0) as i16);
        let data: Vec<u8> = samples.flat_map(i16::to_le_bytes).collect();
        if relay.publish(&id, data.into()).await.is_err() {
            return;
        }
    }
}

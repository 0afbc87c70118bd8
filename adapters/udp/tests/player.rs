//! A player that is pulled, as a device would.
#![cfg(test)]

use std::net::UdpSocket;
use std::thread;
use std::time::Duration;

use audiox_core::block::AudioMut;
use audiox_core::playout::Profile;
use audiox_core::source::{Asked, Pull};
use audiox_core::time::Instant;
use audiox_net::Endpoint;
use audiox_udp::node::Listen;
use audiox_udp::player::{Player, PlayerConfig};

#[test]
fn the_ledger_knows_of_a_device_that_asks_after_the_stream_began() {
    let at: Endpoint = "udp://127.0.0.1:0?rate=8000&channels=1".parse().unwrap();
    let listen = Listen::from_endpoint(&at).unwrap();
    let config = PlayerConfig::new(listen, Profile::Balanced.config()).unwrap();
    let channels = config.format.channels;
    let (player, mut output) = Player::start_pulled(config).unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(player.local_addrs()[0]).unwrap();
    let send = || socket.send(&[1; 160]).unwrap();
    while player.snapshot().streams.is_empty() {
        send();
        thread::sleep(Duration::from_millis(10));
    }
    let mut out = [0.0; 80];
    for n in 0..100 {
        send();
        let asked = Asked {
            now: Instant::from_nanos(n * 10_000_000),
            until_heard: Duration::from_millis(19 + n % 3),
        };
        output.pull(asked, AudioMut::new(&mut out, channels));
    }
    let device = || {
        let streams = player.snapshot().streams;
        streams[0].playback.ledger.device
    };
    // It tells ten times a second.
    for _ in 0..500 {
        if !device().is_zero() {
            break;
        }
        thread::sleep(Duration::from_millis(10));
    }
    let device = device();
    let about = Duration::from_millis(19)..Duration::from_millis(21);
    assert!(about.contains(&device), "{device:?}");
}

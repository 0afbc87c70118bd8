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

#[test]
fn of_months_of_streams_the_newest_are_told() {
    let at = "rtp://127.0.0.1:0?codec=L16&rate=8000&channels=1&pt=96";
    let listen = Listen::from_endpoint(&at.parse().unwrap()).unwrap();
    let config = PlayerConfig {
        idle_after: Duration::from_millis(250),
        ..PlayerConfig::new(listen, Profile::Balanced.config()).unwrap()
    };
    let channels = config.format.channels;
    let (player, mut output) = Player::start_pulled(config).unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(player.local_addrs()[0]).unwrap();
    let mut out = [0.0; 80];
    let mut pull = |n: u64| {
        let asked = Asked {
            now: Instant::from_nanos(n * 10_000_000),
            until_heard: Duration::ZERO,
        };
        output.pull(asked, AudioMut::new(&mut out, channels));
        thread::sleep(Duration::from_millis(10));
    };
    let mut seq = 0u8;
    let mut last = 0;
    // So many find a place in a second, and each falls silent for the next ones.
    for n in 0.. {
        let heard = player.snapshot().streams.last().and_then(|s| s.ssrc);
        last = last.max(heard.map_or(0, |ssrc| ssrc + 1));
        if last >= 84 {
            break;
        }
        for ssrc in last..last + 4 {
            let mut packet = vec![0x80, 96, 0, seq, 0, 0, 0, 0];
            packet.extend(ssrc.to_be_bytes());
            packet.extend([1; 160]);
            socket.send(&packet).unwrap();
        }
        seq = seq.wrapping_add(1);
        pull(n);
        let told = player.snapshot();
        assert!(n < 2_000, "{} {} {last}", told.streams.len(), told.refused);
    }
    let ended = || player.snapshot().streams.iter().all(|s| s.ended);
    for n in 0..500 {
        if ended() {
            break;
        }
        pull(2_000 + n);
    }
    let told = player.snapshot().streams;
    assert_eq!(told.len(), 64);
    let ssrcs: Vec<_> = told.iter().filter_map(|s| s.ssrc).collect();
    assert!(ssrcs.contains(&83) && !ssrcs.contains(&0), "{ssrcs:?}");
}

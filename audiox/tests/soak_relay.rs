//! A store that goes away while a stream is relayed: listeners hear it as before, and the archive is
//! whole afterwards. Away for five seconds as a rule; for a minute where `AUDIOX_LONG` is set.
#![cfg(test)]
#![cfg(feature = "relay")]

#[path = "cli/relay_calls.rs"]
#[allow(dead_code, reason = "the tests of the command use the rest")]
mod relay_calls;
#[path = "../../adapters/s3/tests/support/s3.rs"]
mod s3;
#[path = "cli/support.rs"]
#[allow(dead_code, reason = "the tests of the command use the rest")]
mod support;

use std::thread;
use std::time::{Duration, Instant};

use audiox::core::store::StoredFormat;
use audiox::websocket::client::{
    Connect, Listener, ListenerConfig, Publisher, PublisherConfig, PublisherStats,
};
use relay_calls::{environment, kept, options, refs};
use s3::S3Server;
use support::{Folder, Running};

#[test]
fn listeners_do_not_notice_that_the_store_is_away() {
    let long = std::env::var_os("AUDIOX_LONG").is_some();
    let away = Duration::from_secs(if long { 60 } else { 5 });
    let (folder, mut s3) = (Folder::new(), S3Server::start());
    let options = options(&folder, "s3://archive/live");
    let (_relay, ports) = Running::listening_in(environment(&s3), &refs(&options));
    let url = format!("http://127.0.0.1:{}", ports[0]);
    let base = Instant::now();

    let connect = Connect::new(url.parse().unwrap());
    let publisher = Publisher::start(PublisherConfig::new(connect, StoredFormat::default()));
    let publisher = publisher.unwrap();
    let id = publisher.stream().to_string();
    let connect = Connect::new(format!("{url}/{id}").parse().unwrap());
    let mut listener = Listener::start(ListenerConfig::new(connect)).unwrap();
    let listening = thread::spawn(move || {
        let (mut heard, mut delays) = (Vec::new(), Vec::new());
        while let Some(more) = listener.hear().unwrap() {
            for packet in more.frames.chunks_exact(PACKET) {
                let sent = u64::from_le_bytes(packet[..8].try_into().unwrap());
                delays.push((sent, base.elapsed().as_nanos() as u64 - sent));
            }
            heard.extend_from_slice(&more.frames);
        }
        (heard, delays, listener.reconnects())
    });

    // The store is there as long before and behind it as it is away.
    let spans = [away, away * 2, away * 3];
    let (mut sent, mut is_away) = (Vec::new(), false);
    let start = base.elapsed();
    while base.elapsed() - start < spans[2] {
        let n = (sent.len() / PACKET) as u32;
        let due = start + EVERY * n;
        thread::sleep(due.saturating_sub(base.elapsed()));
        let should = (spans[0]..spans[1]).contains(&(due - start));
        if should != is_away {
            is_away = should;
            match is_away {
                true => s3.kill(),
                false => s3.revive(),
            }
        }
        let mut packet = vec![n as u8; PACKET];
        packet[..8].copy_from_slice(&(base.elapsed().as_nanos() as u64).to_le_bytes());
        sent.extend_from_slice(&packet);
        publisher.send(packet.into()).unwrap();
    }
    let PublisherStats {
        left_out, accepted, ..
    } = publisher.end().unwrap();
    assert_eq!((left_out, accepted), (0, sent.len() as u64));
    let (heard, delays, reconnects) = listening.join().unwrap();
    assert_eq!(reconnects, 0);
    assert!(heard == sent, "{} of {} bytes", heard.len(), sent.len());
    let kept = kept(ports[0], &id, sent.len());
    assert!(kept == sent, "{} of {} bytes", kept.len(), sent.len());

    let ends = spans.map(|span| (start + span).as_nanos() as u64);
    for (what, from, to) in [
        ("before", 0, ends[0]),
        ("while the store is away", ends[0], ends[1]),
        ("afterwards", ends[1], u64::MAX),
    ] {
        let part = delays.iter().filter(|(at, _)| (from..to).contains(at));
        let mut part: Vec<_> = part.map(|(_, delay)| *delay).collect();
        part.sort_unstable();
        let ms = |q: f64| part[((part.len() - 1) as f64 * q) as usize] as f64 / 1e6;
        println!(
            "{what}: {} packets, p50 {:.2} ms, p99 {:.2} ms, most {:.2} ms",
            part.len(),
            ms(0.5),
            ms(0.99),
            ms(1.0)
        );
    }
}

/// 1 024 frames of 16 bits at 44.1 kHz, as the original's sender posts.
const PACKET: usize = 2_048;
const EVERY: Duration = Duration::from_nanos(23_219_955);

//! What a sender chooses among repair packets and retransmission, by what the receiver reports, and
//! what that brings back: over links that lose packets singly and in bursts, on both ways, with
//! short and long round trips.
//!
//! `cargo run --release --package audiox-core --features sim --example redundancy_table [SECONDS]`
#![allow(clippy::print_stdout, reason = "a program's output")]

use std::error::Error;
use std::time::Duration;

use audiox_core::format::{Channels, SampleRate};
use audiox_core::playout::PlayoutConfig;
use audiox_core::redundancy::Means;
use audiox_core::sim::{LinkConfig, Pair, PairReport};

fn main() -> Result<(), Box<dyn Error>> {
    let seconds = std::env::args().nth(1).map_or(Ok(1), |n| n.parse())?;
    println!(
        "{seconds} s each, after 20 s in which the sender learns. Packets of 5 ms, 160 bytes of payload."
    );
    println!(
        "Repair packets + packets sent again for each packet → bytes more, share of packets that stays lost.\n"
    );
    println!("table: redundancy");
    println!("| loss | mean burst | delay | round trip 10 ms | 40 ms | 150 ms |");
    println!("| ---: | ---: | ---: | ---: | ---: | ---: |");
    for burst in [None, Some(3)] {
        for loss in [1, 5, 10, 20, 30] {
            for delay in [60, 150] {
                let cell = |rtt| cell(loss, burst, delay, rtt, Duration::from_secs(seconds));
                let cells = [cell(10)?, cell(40)?, cell(150)?].join(" | ");
                let burst = burst.map_or_else(|| "single".to_owned(), |n| n.to_string());
                println!("| {loss} % | {burst} | {delay} ms | {cells} |");
            }
        }
    }
    Ok(())
}

fn cell(
    loss: u32,
    burst: Option<u32>,
    delay: u64,
    round_trip: u64,
    length: Duration,
) -> Result<String, Box<dyn Error>> {
    let link = LinkConfig {
        latency: Duration::from_millis(round_trip) / 2,
        loss: match burst {
            Some(burst) => format!("bursts:{loss}%,{burst}").parse()?,
            None => format!("{loss}%").parse()?,
        },
        ..LinkConfig::default()
    };
    let mut pair = Pair::builder()
        .format(SampleRate::new(16_000)?, Channels::MONO)
        .ptime(Duration::from_millis(5))
        .playout(PlayoutConfig::exact(Duration::from_millis(delay)))
        .link(link.clone())
        .back(link)
        .redundancy(Means {
            repair: true,
            retransmission: true,
            ..Means::default()
        })
        .seed(1)
        .build()?;
    let before = pair.run_for(Duration::from_secs(20));
    let after = pair.run_for(length);
    let since = |of: fn(&PairReport) -> u64| (of(&after) - of(&before)) as f64;
    let packets = since(|r| r.sender.packets_sent);
    let repair = since(|r| r.sender.repair_packets_sent);
    let again = since(|r| r.sender.retransmitted_packets_sent);
    // With the headers of IPv4, UDP and RTP, and the number of what is sent again.
    let media = since(|r| r.sender.bytes_sent) + 40.0 * packets;
    let more = since(|r| r.sender.repair_bytes_sent + r.sender.retransmitted_bytes_sent)
        + 40.0 * repair
        + 42.0 * again;
    let missing = since(|r| r.playout.concealed_samples) / since(|r| r.playout.frames_pulled);
    Ok(format!(
        "{:.2} + {:.2} → {:.0} %, {:.3} %",
        repair / packets,
        again / packets,
        more / media * 100.0,
        missing * 100.0,
    ))
}

//! An hour of a stream over a bad network, in virtual time: what was heard, and how late.
//! The same seed gives the same hour.
#![allow(clippy::print_stdout, reason = "a program's output")]

use std::time::Duration;

use audiox_core::format::{Channels, SampleRate};
use audiox_core::sim::{LinkConfig, Pair};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let link = LinkConfig {
        latency: Duration::from_millis(20),
        jitter: "30ms".parse()?,
        loss: "ge:1%,25%".parse()?,
        ..LinkConfig::default()
    };
    let mut pair = Pair::builder()
        .format(SampleRate::HZ_8000, Channels::MONO)
        .latency(Duration::from_millis(60))
        .link(link)
        .seed(1)
        .build()?;
    let report = pair.run_for(Duration::from_secs(3_600));
    let playout = pair.receiver().playout_stats();
    println!(
        "concealed {:.3} % of an hour, in {} events; {} packets late",
        playout.concealed_ratio() * 100.0,
        playout.concealment_events,
        playout.packets_late,
    );
    println!("digest {:032x}", report.digest);
    Ok(())
}

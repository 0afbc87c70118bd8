//! What a simulated link does, as options.

use std::time::Duration;

use audiox::core::sim::{
    Jitter, LinkConfig, LinkStats, Loss, Order, Probability, RateLimit, Reorder,
};
use clap::Args;
use serde_json::{Value, json};

use super::text::{Short, count};
use super::value;

/// A bad network. Left out, it is perfect.
#[derive(Debug, Args)]
#[command(next_help_heading = "Link")]
pub(super) struct LinkArgs {
    /// Which datagrams are lost: 5%; bursts:5%,4 (mean length 4); ge:2%,30% (Gilbert-Elliott,
    /// good to bad and back); list:3,7,10-15
    #[arg(long, value_name = "LOSS", default_value = "none")]
    loss: Loss,
    /// Delay of every datagram
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = value::duration)]
    latency: Duration,
    /// What varies about the delay: 20ms (0 to 20 ms), normal:5ms, spikes:140ms/1.5s (height and
    /// mean interval) or trace:0,3ms,1ms
    #[arg(long, value_name = "JITTER", default_value = "none")]
    jitter: Jitter,
    /// Let delays change the order, as many paths at once do
    #[arg(long)]
    overtake: bool,
    /// How many are held back so that later ones overtake them: 1% or, for how long, 1%/30ms
    #[arg(long, value_name = "REORDER", default_value = "0%")]
    reorder: Reorder,
    /// How many come twice
    #[arg(long, value_name = "SHARE", default_value = "0%")]
    dup: Probability,
    /// Bottleneck in bits a second and the longest wait before it: 1.5Mbit or 64kbit/50ms
    #[arg(long, value_name = "BITS", alias = "rate")]
    bandwidth: Option<RateLimit>,
    /// Probability that a bit arrives flipped
    #[arg(long, value_name = "SHARE", default_value = "0%")]
    bit_error: Probability,
    /// Chooses the run: the same seed loses the same datagrams
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) seed: u64,
}

impl LinkArgs {
    /// The link's configuration.
    pub(super) fn config(&self) -> LinkConfig {
        LinkConfig {
            latency: self.latency,
            jitter: self.jitter.clone(),
            loss: self.loss.clone(),
            duplicate: self.dup,
            reorder: self.reorder,
            rate: self.bandwidth,
            bit_error: self.bit_error,
            order: if self.overtake {
                Order::Free
            } else {
                Order::Kept
            },
            seed: self.seed,
            ..LinkConfig::default()
        }
    }
}

/// What a link did, for people.
pub(super) fn text(l: &LinkStats) -> String {
    format!(
        "{} in, {} out; lost {} ({:.2} %), dropped {}, duplicated {}, reordered {}, corrupted {}; \
         delay {} to {}, mean {}",
        count(l.handled, "datagram"),
        l.delivered,
        l.lost,
        l.lost as f64 * 100.0 / l.handled.max(1) as f64,
        l.queue_dropped + l.overflowed,
        l.duplicated,
        l.reordered,
        l.corrupted,
        Short(l.delay_min),
        Short(l.delay_max),
        Short(l.delay_mean()),
    )
}

/// For programs.
pub(super) fn json(l: &LinkStats) -> Value {
    json!({
        "handled": l.handled,
        "delivered": l.delivered,
        "delivered_bytes": l.delivered_bytes,
        "lost": l.lost,
        "queue_dropped": l.queue_dropped,
        "overflowed": l.overflowed,
        "duplicated": l.duplicated,
        "reordered": l.reordered,
        "corrupted": l.corrupted,
        "delay_min_ms": super::send::millis(l.delay_min),
        "delay_max_ms": super::send::millis(l.delay_max),
        "delay_mean_ms": super::send::millis(l.delay_mean()),
    })
}

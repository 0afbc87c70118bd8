//! `audiox doctor`: what is wrong with a stream, in plain words.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use audiox::core::trace::{Diagnosis, LossPattern};
use audiox::net::Endpoint;
use audiox::udp::listener::Listener;
use audiox::udp::node::Listen;
use clap::Args;
use serde_json::json;

use super::failure::Failure;
use super::interrupt::Interrupt;
use super::output::Output;
use super::replay::describe;
use super::send::millis;
use super::text::{Clock, count};
use super::tracefile::Trace;
use super::value;

/// Say in plain words what is wrong with a stream: loss, jitter, drift, and which profile suits
///
/// Reads a trace, or listens to a live stream for a while.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct DoctorArgs {
    /// A trace, as --trace writes it, or a URL to listen to, as for `audiox recv`
    #[arg(value_name = "TRACE|URL")]
    what: String,
    /// How long to listen
    #[arg(long, value_name = "TIME", value_parser = value::duration, default_value = "30s")]
    duration: Duration,
}

pub(super) fn run(args: DoctorArgs, mut output: Output) -> Result<(), Failure> {
    let traces = if args.what.contains("://") || args.what.ends_with(".sdp") {
        listen(&args, &mut output)?
    } else {
        let (trace, damage) = Trace::read(Path::new(&args.what))?;
        if let Some(damage) = damage {
            output.notice(damage)?;
        }
        vec![(args.what.clone(), trace)]
    };
    if traces.is_empty() {
        return Err(Failure::Failed(format!(
            "nothing came to {} in {}; is the sender running, does it send to this machine and port, and does a firewall let it in?",
            args.what,
            Clock(args.duration)
        )));
    }
    let mut found = Vec::new();
    for (name, trace) in &traces {
        found.push((name, Diagnosis::new(&trace.head, &trace.events)?));
    }
    output.summary(
        || {
            let texts: Vec<String> = found
                .iter()
                .map(|(name, d)| match found.len() {
                    1 => d.to_string(),
                    _ => format!("{name}:\n{d}"),
                })
                .collect();
            texts.join("\n\n")
        },
        || json!({ "streams": found.iter().map(|(name, d)| diagnosis(name, d)).collect::<Vec<_>>() }),
    )
}

fn listen(args: &DoctorArgs, output: &mut Output) -> Result<Vec<(String, Trace)>, Failure> {
    let endpoint: Endpoint = args.what.parse().map_err(audiox::Error::from)?;
    let interrupt = Interrupt::install()?;
    let mut listener = Listener::open(&Listen::from_endpoint(&endpoint)?, &audiox::codecs())?;
    output.go_live();
    let addresses: Vec<String> = listener
        .local_addrs()
        .iter()
        .map(ToString::to_string)
        .collect();
    output.started(&addresses)?;
    let end = Instant::now() + args.duration;
    while Instant::now() < end && !interrupt.requested() {
        listener.collect();
        output.statistics(
            || {
                format!(
                    "{}  {}",
                    Clock(args.duration),
                    count(listener.packets(), "packet")
                )
            },
            || json!({ "packets": listener.packets() }),
        )?;
        thread::sleep(LOOK_EVERY);
    }
    Ok(listener
        .finish()
        .into_iter()
        .map(|s| {
            let trace = Trace {
                head: s.head,
                events: s.events,
            };
            (s.name, trace)
        })
        .collect())
}

fn diagnosis(name: &str, d: &Diagnosis) -> serde_json::Value {
    let (pattern, mean, longest) = match d.pattern {
        LossPattern::None => ("none", 0.0, 0),
        LossPattern::Unknown => ("unknown", 0.0, 0),
        LossPattern::Single => ("single", 1.0, 1),
        LossPattern::Bursts { mean, longest } => ("bursts", mean, longest),
    };
    let [p50, p90, p99, p999, max] = d.jitter.map(millis);
    json!({
        "stream": name,
        "seconds": d.span.as_secs_f64(),
        "packets": d.packets,
        "ptime_ms": millis(d.ptime),
        "lost": d.lost,
        "loss": { "pattern": pattern, "mean_run": mean, "longest_run": longest },
        "duplicates": d.duplicates,
        "reordered": d.reordered,
        "restarts": d.restarts,
        "jitter_ms": { "p50": p50, "p90": p90, "p99": p99, "p99.9": p999, "max": max },
        "stalls": d.stalls,
        "longest_stall_ms": millis(d.longest_stall),
        "drift": d.drift.map(|e| json!({ "ppm": e.ppm, "sigma_ppm": e.sigma_ppm })),
        "profiles": d.profiles.iter().map(|(p, r)| describe(&p.to_string(), r)).collect::<Vec<_>>(),
        "suits": d.suits.to_string(),
    })
}

const LOOK_EVERY: Duration = Duration::from_millis(50);

const EXAMPLES: &str = "\
Examples:
  Listen to a stream for a minute:
    audiox doctor 'rtp://:5004?codec=L16&rate=48000&channels=2' --duration 1m
  What was wrong with that call?
    audiox doctor call.trace";

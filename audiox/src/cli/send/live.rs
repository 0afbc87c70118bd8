//! Sources to the network.

use std::thread;
use std::time::Duration;

use audiox::Endpoint;
use audiox::codecs::codecs_for;
use audiox::source::OpenSource;
use audiox::udp::streamer::{
    Start, StreamSpec, Streamer, StreamerConfig, StreamerHandle, StreamerSnapshot,
};

use super::args::SendArgs;
use super::report;
use crate::cli::failure::Failure;
use crate::cli::interrupt::Interrupt;
use crate::cli::meter::Meter;
use crate::cli::output::Output;
use crate::cli::text::{Clock, Scaled, Short, bars, count};
use crate::cli::watched::Watched;

pub(super) fn run(
    args: &SendArgs,
    sources: Vec<OpenSource>,
    to: Endpoint,
    mut output: Output,
) -> Result<(), Failure> {
    let network = &args.network;
    let config = StreamerConfig {
        start: network.start()?.map_or(Start::Now, Start::At),
        cname: network.cname.clone(),
        seed: network.seed,
        priority: network.priority(),
        codecs: codecs_for(&to)?,
        ..StreamerConfig::new(to)
    };
    #[cfg(feature = "devices")]
    let watched = Watched::new(sources.iter().filter_map(|s| s.device.clone()));
    #[cfg(not(feature = "devices"))]
    let watched = Watched::default();
    let streams = sources.into_iter().map(StreamSpec::from);
    let interrupt = Interrupt::install()?;
    let handle = Streamer::start(config, streams.collect())?;
    for notice in handle.notices() {
        output.notice(notice)?;
    }
    if let Some(path) = &network.sdp {
        let sdp = handle.sdp().unwrap_or_default();
        std::fs::write(path, sdp)
            .map_err(|e| Failure::io(format_args!("cannot write {}", path.display()), &e))?;
    }
    output.go_live();
    output.event("started", || report::started_json(&handle))?;
    let followed = follow(&handle, &watched, &interrupt, &mut output);
    // Also where nobody reads what we tell any more: receivers are told goodbye.
    handle.stop();
    let report = handle.wait()?;
    followed?;
    tracing::debug!(pacing = %report.realtime, "sent");
    output.summary(
        || {
            [vec![report::text(&report)], watched.text()]
                .concat()
                .join("\n")
        },
        || watched.beside(report::json(&report)),
    )?;
    match report.failures().next() {
        Some((name, error)) => Err(Failure::Failed(format!("{name}: {error}"))),
        None => Ok(()),
    }
}

/// Shows how it goes until all streams have ended.
fn follow(
    handle: &StreamerHandle,
    watched: &Watched,
    interrupt: &Interrupt,
    output: &mut Output,
) -> Result<(), Failure> {
    let mut meter = Meter::default();
    let mut refusal_told = false;
    while !handle.is_finished() {
        thread::sleep(LOOK_EVERY);
        if interrupt.requested() {
            handle.stop();
        }
        let now = handle.snapshot();
        let refused: u64 = now.streams.iter().map(|s| s.refused).sum();
        if refused > 0 && !refusal_told {
            refusal_told = true;
            output.notice(
                "nothing listens on the port there: packets are refused; sending goes on",
            )?;
        }
        let bytes: u64 = now.streams.iter().map(|s| s.bytes).sum();
        let rate = meter.bits_per_second(output.elapsed(), bytes);
        output.statistics(
            || [vec![line(&now, rate)], watched.line()].concat().join("  "),
            || watched.beside(report::snapshot_json(&now, rate)),
        )?;
    }
    Ok(())
}

fn line(now: &StreamerSnapshot, rate: f64) -> String {
    let streams = count(now.streams.len() as u64, "stream");
    if !now.until_start.is_zero() && now.elapsed.is_zero() {
        return format!("{streams} start in {}", Clock(now.until_start));
    }
    let sum = |of: fn(&audiox::udp::streamer::StreamSnapshot) -> u64| -> u64 {
        now.streams.iter().map(of).sum()
    };
    let mut parts = vec![
        Clock(now.elapsed).to_string(),
        bars(now.streams.iter().map(|s| s.peak_dbfs)),
        streams,
        Scaled(rate, "bit/s").to_string(),
        format!("late {}", sum(|s| s.late)),
    ];
    let drift = now.streams.iter().filter_map(|s| s.drift_frames);
    if let Some(drift) = drift.max_by_key(|d| d.abs()) {
        parts.push(format!("drift {drift}"));
    }
    for (name, n) in [
        ("refused", sum(|s| s.refused)),
        ("dropped", sum(|s| s.dropped)),
        ("underruns", sum(|s| s.underruns)),
    ] {
        if n > 0 {
            parts.push(format!("{name} {n}"));
        }
    }
    let remotes = || now.streams.iter().filter_map(|s| s.remote);
    if let Some(worst) = remotes().map(|r| r.fraction_lost).reduce(f32::max) {
        let jitter = remotes().map(|r| r.jitter).max().unwrap_or_default();
        parts.push(format!("loss {:.1} %", worst * 100.0));
        parts.push(format!("jitter {}", Short(jitter)));
    }
    parts.join("  ")
}

const LOOK_EVERY: Duration = Duration::from_millis(100);

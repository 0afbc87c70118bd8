//! `audiox loopback`: how long sound takes out of a speaker and into a microphone.

use std::time::Duration;

use audiox::device::{system, time_source};
use audiox::io::device::{DeviceName, LoopbackConfig, LoopbackReport, Wish, measure_loopback};
use clap::Args;
use serde_json::{Value, json};

use super::failure::Failure;
use super::output::Output;
use super::send::millis;
use super::text::{Short, bars};
use super::value;

/// Measure how long sound takes out of a speaker and into a microphone
///
/// Plays impulses and listens for them: connect output and input by a cable, or put the microphone
/// before the loudspeaker. Tells the time from when a program decides on a frame until it has it
/// back, both devices' buffers included.
#[derive(Debug, Args)]
pub(super) struct LoopbackArgs {
    /// The speaker: an identifier, number or part of a name (see `audiox devices`); the system's
    /// default where left out
    #[arg(
        long,
        value_name = "DEVICE",
        default_value = "",
        hide_default_value = true
    )]
    output: String,
    /// The microphone, likewise
    #[arg(
        long,
        value_name = "DEVICE",
        default_value = "",
        hide_default_value = true
    )]
    input: String,
    /// Impulses to play
    #[arg(long, value_name = "N", default_value = "20")]
    impulses: usize,
    /// Time between two; longer than the longest delay
    #[arg(long, value_name = "TIME", value_parser = value::duration, default_value = "500ms")]
    every: Duration,
    /// Frames a callback to ask for; 10 ms where left out
    #[arg(long, value_name = "FRAMES", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    buffer: Option<u32>,
    /// Peak of an impulse, up to 1
    #[arg(long, value_name = "LEVEL", default_value = "0.5")]
    level: f32,
}

pub(super) fn run(args: &LoopbackArgs, mut output: Output) -> Result<(), Failure> {
    let config = LoopbackConfig {
        output: DeviceName::new(&args.output),
        input: DeviceName::new(&args.input),
        wish: Wish {
            buffer: args.buffer,
            ..Wish::default()
        },
        impulses: args.impulses,
        every: args.every,
        level: args.level,
        ..LoopbackConfig::new(time_source())
    };
    output.go_live();
    let mut count = 0;
    let mut told = Ok(());
    let report = measure_loopback(system(), &config, |round_trip| {
        count += 1;
        if told.is_ok() {
            told = output.statistics(
                || format!("{count} of {}: {}", args.impulses, Short(round_trip)),
                || json!({ "impulses": count, "round_trip_ms": millis(round_trip) }),
            );
        }
    });
    let report = report.map_err(audiox::Error::from)?;
    told?;
    output.summary(|| text(&report), || describe(&report))?;
    match report.round_trips.is_empty() {
        true => Err(Failure::Failed(
            "no impulse came back; connect the output to the input, turn both up, or say which \
             devices with --output and --input"
                .to_owned(),
        )),
        false => Ok(()),
    }
}

fn frames(report: &LoopbackReport, round_trip: Duration) -> u64 {
    let rate = report.format.rate;
    rate.frames_in(round_trip + rate.duration_of(1) / 2)
}

fn text(report: &LoopbackReport) -> String {
    let mut lines = Vec::new();
    for (what, stats) in [("output", &report.output), ("input", &report.input)] {
        if let Some(o) = &stats.obtained {
            lines.push(format!(
                "{what}: {}, {}, quanta of {} to {} (asked for {}), {} xruns",
                o.name, o.format, stats.quantum.0, stats.quantum.1, o.asked_buffer, stats.xruns
            ));
        }
    }
    let level = 20.0 * report.loudest.log10();
    lines.push(format!(
        "{} of {} impulses came back, the loudest at {level:.1} dBFS {}",
        report.round_trips.len(),
        report.played,
        bars([level]),
    ));
    if let (Some(p50), Some(p95), Some(least)) = (
        report.percentile(50),
        report.percentile(95),
        report.percentile(0),
    ) {
        lines.push(format!(
            "round trip: median {:.2} ms ({} frames), 95 %: {:.2} ms ({} frames), least {:.2} ms",
            millis(p50),
            frames(report, p50),
            millis(p95),
            frames(report, p95),
            millis(least),
        ));
    }
    lines.join("\n")
}

fn describe(report: &LoopbackReport) -> Value {
    let figure = |percent| report.percentile(percent);
    json!({
        "played": report.played,
        "came_back": report.round_trips.len(),
        "loudest": report.loudest,
        "rate": report.format.rate.get(),
        "round_trip_ms_p50": figure(50).map(millis),
        "round_trip_ms_p95": figure(95).map(millis),
        "round_trip_ms_min": figure(0).map(millis),
        "round_trip_ms_max": figure(100).map(millis),
        "round_trip_frames_p50": figure(50).map(|d| frames(report, d)),
        "round_trip_frames_p95": figure(95).map(|d| frames(report, d)),
        "output": report.output.obtained.as_ref().map(|o| o.id.clone()),
        "input": report.input.obtained.as_ref().map(|o| o.id.clone()),
        "output_quantum": [report.output.quantum.0, report.output.quantum.1],
        "input_quantum": [report.input.quantum.0, report.input.quantum.1],
        "output_xruns": report.output.xruns,
        "input_xruns": report.input.xruns,
    })
}

//! `audiox replay`: a traced stream again, under other settings.

use std::path::PathBuf;
use std::time::Duration;

use audiox::core::playout::{PlayoutConfig, Profile};
use audiox::core::trace::{Replay, ReplayReport};
use audiox::plot::DelayPicture;
use clap::Args;
use serde_json::{Value, json};

use super::failure::Failure;
use super::output::Output;
use super::send::millis;
use super::text::{Short, count};
use super::tracefile::Trace;
use super::value;

/// Play a traced stream again in virtual time, and tell what would have been heard
///
/// The packets arrive as they did; playout decides anew. Without --profile and --latency all
/// profiles are tried.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ReplayArgs {
    /// A trace, as --trace writes it
    #[arg(value_name = "TRACE")]
    trace: PathBuf,
    /// Try this profile: interactive, balanced or robust; may be given again
    #[arg(long, value_name = "PROFILE")]
    profile: Vec<Profile>,
    /// Try this fixed latency; may be given again
    #[arg(long, value_name = "TIME", value_parser = value::duration)]
    latency: Vec<Duration>,
    /// Draw delay, target and what was made up over time
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,
}

impl ReplayArgs {
    fn settings(&self) -> Vec<(String, PlayoutConfig)> {
        let profiles = match (&self.profile[..], &self.latency[..]) {
            ([], []) => Profile::ALL.as_slice(),
            (given, _) => given,
        };
        let adaptive = profiles.iter().map(|p| (p.to_string(), p.config()));
        let fixed = self.latency.iter().map(|l| {
            let name = format!("fixed at {}", Short(*l));
            (name, PlayoutConfig::fixed(*l))
        });
        adaptive.chain(fixed).collect()
    }
}

pub(super) fn run(args: ReplayArgs, output: &Output) -> Result<(), Failure> {
    let (trace, damage) = Trace::read(&args.trace)?;
    if let Some(damage) = damage {
        output.notice(damage)?;
    }
    let mut runs = Vec::new();
    for (name, config) in args.settings() {
        runs.push((name, Replay::run(&trace.head, &trace.events, &config)?));
    }
    if let Some(path) = &args.plot {
        let title = args.trace.display().to_string();
        let picture = runs.iter().fold(
            DelayPicture::new(title, trace.head.stream.rate),
            |picture, (name, report)| picture.run(name.clone(), report.points.clone()),
        );
        std::fs::write(path, picture.to_svg()).map_err(|e| Failure::io(path.display(), &e))?;
    }
    output.summary(
        || {
            let lines: Vec<String> = runs.iter().map(|(name, r)| text(name, r)).collect();
            lines.join("\n")
        },
        || json!({ "runs": runs.iter().map(|(name, r)| describe(name, r)).collect::<Vec<_>>() }),
    )
}

fn text(name: &str, report: &ReplayReport) -> String {
    let s = &report.stats;
    format!(
        "{name}: delay {} on average, {} at most; made up {:.3} % in {}; put in {}, left out {} frames; {} late",
        Short(report.mean_delay),
        Short(report.max_delay),
        s.concealed_ratio() * 100.0,
        count(s.concealment_events, "gap"),
        s.inserted_samples_for_deceleration,
        s.removed_samples_for_acceleration,
        count(s.packets_late, "packet"),
    )
}

pub(super) fn describe(name: &str, report: &ReplayReport) -> Value {
    let s = &report.stats;
    json!({
        "settings": name,
        "delay_ms": { "mean": millis(report.mean_delay), "max": millis(report.max_delay) },
        "target_ms": millis(s.mean_target_delay()),
        "frames_decoded": s.frames_decoded,
        "concealed_samples": s.concealed_samples,
        "silent_concealed_samples": s.silent_concealed_samples,
        "concealment_events": s.concealment_events,
        "inserted_samples_for_deceleration": s.inserted_samples_for_deceleration,
        "removed_samples_for_acceleration": s.removed_samples_for_acceleration,
        "packets_late": s.packets_late,
        "packets_discarded": s.packets_discarded,
        "packets_duplicate": s.packets_duplicate,
    })
}

const EXAMPLES: &str = "\
Examples:
  All profiles side by side, with a picture:
    audiox replay call.trace --plot call.svg
  Would 30 ms have done?
    audiox replay call.trace --latency 30ms";

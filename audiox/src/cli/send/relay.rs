//! A source to a relay, in real time.

use std::ops::ControlFlow;

use audiox::core::ConfigError;
use audiox::relay::{Publishing, RelayTarget};
use audiox::source::OpenSource;
use serde_json::json;

use super::args::SendArgs;
use crate::cli::failure::Failure;
use crate::cli::interrupt::Interrupt;
use crate::cli::output::{Output, round};
use crate::cli::text::Clock;

pub(super) fn run(
    args: &SendArgs,
    mut sources: Vec<OpenSource>,
    target: &RelayTarget,
    mut output: Output,
) -> Result<(), Failure> {
    let (Some(source), true) = (sources.pop(), sources.is_empty()) else {
        let allowed = "a relay's stream has one source; send each on its own";
        return Err(audiox::Error::from(ConfigError::new("source", "several", allowed)).into());
    };
    let interrupt = Interrupt::install()?;
    let name = source.name.clone();
    let publishing = Publishing::start(target, source, args.sample_format)?;
    output.go_live();
    output.event(
        "stream",
        || json!({ "stream_id": publishing.stream(), "url": publishing.url() }),
    )?;
    output.notice(format_args!("{name} is stream {}", publishing.stream()))?;
    output.notice(format_args!(
        "hear it by: audiox recv {} --to speaker",
        publishing.url()
    ))?;
    let mut told = Ok(());
    let published = publishing.run(|frames, stats| {
        let elapsed = output.elapsed();
        told = output.statistics(
            || {
                let mut parts = vec![Clock(elapsed).to_string()];
                if stats.retries > 0 || stats.waiting > WORTH_TELLING {
                    parts.push(format!("{} bytes wait for the relay", stats.waiting));
                }
                parts.join("  ")
            },
            || json!({ "frames": frames, "accepted": stats.accepted, "waiting": stats.waiting }),
        );
        match told.is_err() || interrupt.requested() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    })?;
    told?;
    let stats = published.stats;
    let length = published.rate.duration_of(published.frames);
    output.summary(
        || {
            let mut text = format!("{}: {} of {name}", published.url, Clock(length));
            if stats.left_out > 0 {
                text += &format!(
                    "\n  {} bytes were left out, the relay being away for too long",
                    stats.left_out
                );
            }
            text
        },
        || {
            json!({
                "url": published.url,
                "frames": published.frames,
                "seconds": round(length),
                "accepted": stats.accepted,
                "left_out": stats.left_out,
                "retries": stats.retries,
            })
        },
    )
}

/// Bytes that wait before it is told of: some seconds.
const WORTH_TELLING: usize = 512 * 1024;

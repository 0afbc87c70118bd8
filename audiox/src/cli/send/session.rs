//! A source into a voice session, in real time.

use std::ops::ControlFlow;

use audiox::core::ConfigError;
use audiox::redis::SessionTarget;
use audiox::session::SessionSending;
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
    target: &SessionTarget,
    mut output: Output,
) -> Result<(), Failure> {
    if target.redis.has_password() {
        return Err(Failure::password_in_arguments());
    }
    let (Some(source), true) = (sources.pop(), sources.is_empty()) else {
        let allowed = "a session has one source; send each on its own";
        return Err(audiox::Error::from(ConfigError::new("source", "several", allowed)).into());
    };
    let interrupt = Interrupt::install()?;
    let name = source.name.clone();
    let sending = SessionSending::start(target, source, args.sample_format)?;
    output.go_live();
    output.event(
        "session",
        || json!({ "session_id": target.id.as_str(), "url": sending.url() }),
    )?;
    let mut told = Ok(());
    let sent = sending.run(|frames, stats| {
        let elapsed = output.elapsed();
        told = output.statistics(
            || {
                let mut parts = vec![Clock(elapsed).to_string()];
                if stats.retries > 0 {
                    parts.push(format!("{} bytes wait for Redis", stats.waiting()));
                }
                parts.join("  ")
            },
            || {
                json!({
                    "frames": frames,
                    "written": stats.written,
                    "waiting": stats.waiting(),
                    "retries": stats.retries,
                })
            },
        );
        match told.is_err() || interrupt.requested() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    })?;
    told?;
    let length = sent.rate.duration_of(sent.frames);
    output.summary(
        || format!("{}: {} of {name}", sent.url, Clock(length)),
        || {
            json!({
                "url": sent.url,
                "frames": sent.frames,
                "seconds": round(length),
                "written": sent.stats.written,
                "buffer_length": sent.stats.buffer_len,
                "appends": sent.stats.appends,
                "retries": sent.stats.retries,
            })
        },
    )
}

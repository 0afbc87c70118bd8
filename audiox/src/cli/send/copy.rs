//! Sources into files and pipes.

use std::ops::ControlFlow;

use audiox::source::OpenSource;
use audiox::{SinkName, Transfer, Transferred};
use serde_json::{Value, json};

use super::args::SendArgs;
use crate::cli::failure::Failure;
use crate::cli::interrupt::Interrupt;
use crate::cli::output::{Output, round};
use crate::cli::text::Clock;
use crate::cli::watched::Watched;

pub(super) fn run(
    args: &SendArgs,
    sources: Vec<OpenSource>,
    to: &SinkName,
    mut output: Output,
) -> Result<(), Failure> {
    #[cfg(feature = "devices")]
    let mics: Vec<_> = sources.iter().filter_map(|s| s.device.clone()).collect();
    #[cfg(feature = "devices")]
    let watched = Watched::new(mics.clone());
    #[cfg(not(feature = "devices"))]
    let watched = Watched::default();
    let transfer = Transfer::new(sources, to, args.sample_format)?;
    let transfer = transfer.encoding(args.encoding.options());
    let interrupt = Interrupt::install()?;
    if let (Some(frames), SinkName::File(_) | SinkName::Folder(_)) = (transfer.frames(), to) {
        output.go_through(frames);
    } else if !watched.is_empty() {
        output.go_live();
    }
    let frames = transfer.frames();
    output.event("started", || json!({ "frames": frames }))?;
    let mut told = Ok(());
    let written = transfer.run(|frames| {
        output.progress(frames);
        let elapsed = output.elapsed();
        if told.is_ok() && !watched.is_empty() {
            told = output.statistics(
                || format!("{}  {}", Clock(elapsed), watched.levels().join("  ")),
                || watched.beside(json!({ "frames": frames })),
            );
        }
        if told.is_err() || interrupt.requested() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    })?;
    told?;
    #[cfg(feature = "devices")]
    let watched = {
        let speakers = written.iter().filter_map(|w| w.device.clone());
        Watched::new(mics.into_iter().chain(speakers))
    };
    output.summary(
        || [vec![text(&written)], watched.text()].concat().join("\n"),
        || watched.beside(describe(&written)),
    )
}

/// Where it went.
fn target(w: &Transferred) -> String {
    #[cfg(feature = "devices")]
    if let Some(o) = w.device.as_ref().and_then(|d| d.stats().obtained) {
        return o.name;
    }
    match (&w.path, w.pcm) {
        (Some(path), _) => path.display().to_string(),
        (None, Some(_)) => "standard output".to_owned(),
        (None, None) => "null:".to_owned(),
    }
}

fn text(written: &[Transferred]) -> String {
    let lines = written.iter().map(|w| {
        let to = target(w);
        let coding = w.pcm.map_or_else(String::new, |pcm| format!(", {pcm}"));
        format!(
            "{to}: {} of {}{coding}, {} frames, from {}",
            Clock(w.format.rate.duration_of(w.frames)),
            w.format,
            w.frames,
            w.sources.join(", "),
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn describe(written: &[Transferred]) -> Value {
    let files = written.iter().map(|w| {
        json!({
            "file": w.path,
            "sources": w.sources,
            "rate": w.format.rate.get(),
            "channels": w.format.channels.get(),
            "format": w.pcm.map(|pcm| pcm.to_string()),
            "frames": w.frames,
            "seconds": round(w.format.rate.duration_of(w.frames)),
        })
    });
    json!({ "written": files.collect::<Vec<_>>() })
}

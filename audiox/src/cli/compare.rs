//! `audiox compare`: is a recording what was sent?

use std::path::PathBuf;
use std::time::Duration;

use audiox::compare::Comparison;
use audiox::source::open_file;
use clap::Args;
use serde_json::json;

use super::failure::Failure;
use super::output::Output;
use super::sidecar::Sidecar;
use super::text::{Short, count};

/// Compare a recording with what was sent, frame for frame, apart from its gaps
///
/// Fails where anything that arrived is not exactly what was sent.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct CompareArgs {
    /// What was sent, an audio file
    original: PathBuf,
    /// What `audiox recv` made of it; its gaps are listed in the JSON file beside it
    recording: PathBuf,
    /// Where the gaps are listed, if not beside the recording
    #[arg(long, value_name = "FILE")]
    gaps: Option<PathBuf>,
}

pub(super) fn run(args: CompareArgs, output: &Output) -> Result<(), Failure> {
    let mut original = open_file(&args.original)?;
    let mut recording = open_file(&args.recording)?;
    let rate = recording.source.format().rate;
    let length = rate.duration_of(recording.source.frames_left().unwrap_or(0));
    let list = match &args.gaps {
        Some(path) => Some(Sidecar::read(path)?),
        None => Sidecar::beside(&args.recording),
    };
    let gaps = list.map_or_else(Vec::new, |list| list.gaps_of(&args.recording, rate));
    let found = Comparison::of(&mut *original.source, &mut *recording.source, &gaps)?;

    let names = (original.name.as_str(), recording.name.as_str());
    output.summary(
        || {
            let time = |frames| rate.duration_of(frames);
            text(names, &found, gaps.len() as u64, length, time)
        },
        || {
            json!({
                "original": names.0, "recording": names.1, "gaps": gaps.len(),
                "offset": found.offset, "identical": found.identical, "different": found.different,
                "missing": found.missing, "silent": found.silent, "absent": found.absent,
            })
        },
    )?;
    match found.is_exact() {
        true => Ok(()),
        false => Err(Failure::Failed(format!(
            "{} is not what was sent: {} of {} frames differ",
            names.1,
            found.different,
            found.identical + found.different
        ))),
    }
}

fn text(
    (original, recording): (&str, &str),
    found: &Comparison,
    gaps: u64,
    length: Duration,
    time: impl Fn(u64) -> Duration,
) -> String {
    let mut text = match gaps {
        0 => format!("{recording}: no gaps in {:.2} s", length.as_secs_f64()),
        _ => format!(
            "{recording}: {}, {} of {:.2} s, filled with {}",
            count(gaps, "gap"),
            Short(time(found.missing)),
            length.as_secs_f64(),
            match found.silent == found.missing {
                true => "silence",
                false => "sound",
            }
        ),
    };
    let rest = if gaps == 0 { "all" } else { "the other" };
    let frames = count(found.identical, "frame");
    text += &match found.different {
        0 => format!("; {rest} {frames} equal {original} bit for bit"),
        n => format!("; {} {original}, {frames} are equal", differ(n)),
    };
    if found.offset > 0 {
        text += &format!(
            "; begins {} into it",
            Short(time(found.offset.unsigned_abs()))
        );
    }
    if found.absent > 0 {
        text += &format!("; ends {} before it", Short(time(found.absent)));
    }
    text
}

fn differ(frames: u64) -> String {
    match frames {
        1 => "1 frame differs from".to_owned(),
        n => format!("{n} frames differ from"),
    }
}

const EXAMPLES: &str = "\
Example:
  After audiox recv … --to received.wav, of what audiox send sent.wav … sent:
    audiox compare sent.wav received.wav";

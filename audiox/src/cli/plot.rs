//! `audiox plot`: a picture of waveforms.

use std::path::{Path, PathBuf};
use std::time::Duration;

use audiox::core::source::Source;
use audiox::io::Take;
use audiox::plot::{Envelope, Gap, Lane, Picture};
use audiox::source::open_file;
use clap::Args;
use serde_json::json;

use super::failure::Failure;
use super::output::Output;
use super::sidecar::Sidecar;
use super::text::{count, short_name};
use super::value;

/// Draw waveforms one above the other, and what is missing in them, as an SVG picture
///
/// Gaps are those that `audiox recv` listed in the JSON file beside a recording.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct PlotArgs {
    /// Audio files, drawn in this order on one time axis
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Where the gaps are listed, if not beside the files
    #[arg(long, value_name = "FILE")]
    gaps: Option<PathBuf>,
    /// The picture
    #[arg(short, long, value_name = "FILE.svg")]
    output: PathBuf,
    /// A headline; the files' names where left out
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    /// Draw from this time on
    #[arg(long, value_name = "TIME", value_parser = value::duration)]
    from: Option<Duration>,
    /// Draw no more than this
    #[arg(long, value_name = "TIME", value_parser = value::duration, alias = "for")]
    duration: Option<Duration>,
    /// Draw the surroundings of the Nth gap
    #[arg(long, value_name = "N", conflicts_with_all = ["from", "duration"])]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    gap: Option<u64>,
}

struct File {
    name: String,
    source: Box<dyn Source>,
    gaps: Vec<Gap>,
}

pub(super) fn run(args: PlotArgs, output: &Output) -> Result<(), Failure> {
    let is_svg = |path: &Path| {
        path.extension()
            .is_some_and(|e| e.eq_ignore_ascii_case("svg"))
    };
    if !is_svg(&args.output) {
        return Err(Failure::Usage(format!(
            "{}: pictures are SVG; name it FILE.svg",
            args.output.display()
        )));
    }
    let listed = args.gaps.as_deref().map(Sidecar::read).transpose()?;
    let mut files = Vec::new();
    for path in &args.files {
        files.push(File::open(path, listed.as_ref())?);
    }
    let (from, length) = match args.gap {
        Some(n) => surroundings(&files, n)?,
        None => (args.from.unwrap_or_default(), args.duration),
    };

    let names: Vec<String> = files.iter().map(|f| f.name.clone()).collect();
    let marked: usize = files.iter().map(|f| f.gaps.len()).sum();
    let mut lanes = Vec::new();
    for file in files {
        lanes.push(file.lane(from, length)?);
    }
    let title = args.title.unwrap_or_else(|| {
        let short: Vec<&str> = names.iter().map(|n| short_name(n)).collect();
        short.join(", ")
    });
    let picture = Picture::new(title).starting_at(from).group("", lanes);
    std::fs::write(&args.output, picture.to_svg())
        .map_err(|e| Failure::io(args.output.display(), &e))?;

    let path = args.output.display().to_string();
    output.summary(
        || {
            format!(
                "{path}: {} in {}",
                count(marked as u64, "gap"),
                names.join(", ")
            )
        },
        || json!({ "picture": path, "files": names, "gaps": marked }),
    )
}

impl File {
    fn open(path: &Path, listed: Option<&Sidecar>) -> Result<Self, Failure> {
        let source = open_file(path)?.source;
        let rate = source.format().rate;
        let gaps = match listed {
            Some(list) => list.gaps_of(path, rate),
            None => Sidecar::beside(path).map_or_else(Vec::new, |list| list.gaps_of(path, rate)),
        };
        Ok(Self {
            name: path.display().to_string(),
            source,
            gaps,
        })
    }

    fn lane(mut self, from: Duration, length: Option<Duration>) -> Result<Lane, Failure> {
        let rate = self.source.format().rate;
        self.source.seek(rate.frames_in(from))?;
        let frames = length.map_or(u64::MAX, |length| rate.frames_in(length));
        let envelope = Envelope::of(&mut Take::new(self.source, frames))?;
        Ok(Lane::new(short_name(&self.name), envelope).gaps(self.gaps))
    }
}

/// A stretch around the `n`th gap of all, wide enough to see what it was cut out of.
fn surroundings(files: &[File], n: u64) -> Result<(Duration, Option<Duration>), Failure> {
    let mut gaps: Vec<(Duration, Duration)> = files
        .iter()
        .flat_map(|f| {
            let rate = f.source.format().rate;
            f.gaps
                .iter()
                .map(move |g| (rate.duration_of(g.start), rate.duration_of(g.frames)))
        })
        .collect();
    gaps.sort_unstable();
    let index = usize::try_from(n - 1).unwrap_or(usize::MAX);
    let Some(&(start, length)) = gaps.get(index) else {
        return Err(Failure::Usage(format!(
            "--gap {n}: there {} in these files",
            match gaps.len() {
                1 => "is 1 gap".to_owned(),
                all => format!("are {all} gaps"),
            }
        )));
    };
    let around = (length * 2).max(LEAST_AROUND);
    let from = start.saturating_sub(around);
    Ok((from, Some(start + length + around - from)))
}

const LEAST_AROUND: Duration = Duration::from_millis(20);

const EXAMPLES: &str = "\
Examples:
  What was sent, what arrived, and where the holes are:
    audiox plot sent.wav received.wav -o both.svg
  The third of them from close by:
    audiox plot sent.wav received.wav --gap 3 -o third.svg";

//! `audiox plot`: a picture of waveforms.

use std::path::{Path, PathBuf};

use audiox::io::WavSource;
use audiox::plot::{Envelope, Gap, Lane, Picture};
use clap::Args;
use serde::Deserialize;
use serde_json::json;

use super::failure::Failure;
use super::output::Output;
use super::text::short_name;

/// Draw waveforms one above the other, and what is missing in them, as an SVG picture
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct PlotArgs {
    /// WAV files, drawn in this order on one time axis
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Mark the gaps that `audiox recv` listed in this JSON file
    #[arg(long, value_name = "FILE")]
    gaps: Option<PathBuf>,
    /// The picture
    #[arg(short, long, value_name = "FILE.svg")]
    output: PathBuf,
    /// A headline; the files' names where left out
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
}

/// What `audiox recv` writes beside a recording; only what a picture needs.
#[derive(Debug, Deserialize)]
struct Sidecar {
    streams: Vec<Stream>,
}

#[derive(Debug, Deserialize)]
struct Stream {
    file: Option<String>,
    rate: u32,
    gaps: Vec<Missing>,
}

#[derive(Debug, Deserialize)]
struct Missing {
    start_frame: u64,
    frames: u64,
    cause: String,
}

pub(super) fn run(args: PlotArgs, output: &Output) -> Result<(), Failure> {
    if !args
        .output
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("svg"))
    {
        return Err(Failure::Usage(format!(
            "{}: pictures are SVG; name it FILE.svg",
            args.output.display()
        )));
    }
    let sidecar = args.gaps.as_deref().map(read_sidecar).transpose()?;
    let names: Vec<String> = args.files.iter().map(|f| f.display().to_string()).collect();
    let mut lanes = Vec::new();
    let mut marked = 0;
    for (file, name) in args.files.iter().zip(&names) {
        let envelope = read_envelope(file)?;
        let gaps = sidecar
            .as_ref()
            .map_or_else(Vec::new, |s| s.gaps_of(file, &envelope));
        marked += gaps.len();
        lanes.push(Lane::new(short_name(name), envelope).gaps(gaps));
    }
    let title = args.title.unwrap_or_else(|| names.join(", "));
    let svg = Picture::new(title).group("", lanes).to_svg();
    std::fs::write(&args.output, svg).map_err(|e| Failure::io(args.output.display(), &e))?;
    let picture = args.output.display().to_string();
    output.summary(
        || {
            format!(
                "{picture}: {} drawn, {marked} gaps marked",
                names.join(", ")
            )
        },
        || json!({ "picture": picture, "files": names, "gaps": marked }),
    )
}

fn read_envelope(file: &Path) -> Result<Envelope, Failure> {
    let mut wav = WavSource::open(file)?;
    Ok(Envelope::of(&mut wav)?)
}

fn read_sidecar(path: &Path) -> Result<Sidecar, Failure> {
    let data = std::fs::read(path).map_err(|e| Failure::io(path.display(), &e))?;
    serde_json::from_slice(&data).map_err(|e| {
        Failure::Failed(format!(
            "{}: not a list of gaps as `audiox recv` writes it beside a recording: {e}",
            path.display()
        ))
    })
}

impl Sidecar {
    /// The gaps of all streams in `file`, on its time line.
    fn gaps_of(&self, file: &Path, envelope: &Envelope) -> Vec<Gap> {
        let name = file.file_name().map(|n| n.to_string_lossy());
        let own = self
            .streams
            .iter()
            .filter(|s| s.file.as_deref() == name.as_deref() && s.rate == envelope.rate().get());
        own.flat_map(|s| &s.gaps)
            .map(|g| Gap {
                start: g.start_frame,
                frames: g.frames,
                cause: g.cause.clone(),
            })
            .collect()
    }
}

const EXAMPLES: &str = "\
Example:
  What was sent, what arrived, and where the holes are:
    audiox plot sent.wav received.wav --gaps received.json -o both.svg";

//! The list of gaps that `audiox recv` writes beside a recording; only what is needed here.

use std::path::Path;

use audiox::core::format::SampleRate;
use audiox::plot::Gap;
use serde::Deserialize;

use super::failure::Failure;

#[derive(Debug, Deserialize)]
pub(super) struct Sidecar {
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

impl Sidecar {
    /// Reads the list that the user named.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let data = std::fs::read(path).map_err(|e| Failure::io(path.display(), &e))?;
        serde_json::from_slice(&data).map_err(|e| {
            Failure::Failed(format!(
                "{}: not a list of gaps as `audiox recv` writes it beside a recording: {e}",
                path.display()
            ))
        })
    }

    /// The list beside `recording`, if there is one: its own, or the folder's.
    pub(super) fn beside(recording: &Path) -> Option<Self> {
        [
            recording.with_extension("json"),
            recording.with_file_name("recording.json"),
        ]
        .iter()
        .find_map(|path| Self::read(path).ok())
    }

    /// The gaps of all streams in `file`, on its time line.
    pub(super) fn gaps_of(&self, file: &Path, rate: SampleRate) -> Vec<Gap> {
        let name = file.file_name().map(|n| n.to_string_lossy());
        self.streams
            .iter()
            .filter(|s| s.file.as_deref() == name.as_deref() && s.rate == rate.get())
            .flat_map(|s| &s.gaps)
            .map(|g| Gap {
                start: g.start_frame,
                frames: g.frames,
                cause: g.cause.clone(),
            })
            .collect()
    }
}

//! Every audio file of a folder.

use std::cmp::Ordering;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use audiox_core::source::SourceError;

use crate::wav::WavSource;

/// Opens every WAV file that lies directly in the folder `path`, in natural order of names
/// (`2.wav` before `10.wav`, capitals as small letters).
///
/// A WAV file is one whose name ends in `.wav`, `.wave`, `.bwf` or `.rf64`, capitals or not, and
/// does not begin with a full stop. Each stays open, so the system's limit on open files is one on
/// files in the folder.
///
/// # Errors
/// [`SourceError::Io`] where the folder cannot be read; [`SourceError::Malformed`] where no such
/// file is in it; whatever [`WavSource::open`] says of the first file that cannot be read.
pub fn load_folder(path: impl AsRef<Path>) -> Result<Vec<WavSource>, SourceError> {
    let files = list_folder(path.as_ref(), &WAV_EXTENSIONS)?;
    files.iter().map(WavSource::open).collect()
}

/// The files that lie directly in the folder `path` and whose names end in one of `extensions`,
/// capitals or not, in natural order. Names that begin with a full stop are left out.
///
/// # Errors
/// [`SourceError::Io`] where the folder cannot be read; [`SourceError::Malformed`] where no such
/// file is in it.
pub fn list_folder(
    path: impl AsRef<Path>,
    extensions: &[&str],
) -> Result<Vec<PathBuf>, SourceError> {
    let path = path.as_ref();
    let io = |source| SourceError::Io {
        what: path.display().to_string(),
        source,
    };
    let mut files: Vec<PathBuf> = Vec::new();
    let mut others = 0usize;
    for entry in fs::read_dir(path).map_err(io)? {
        let file = entry.map_err(io)?.path();
        if file.is_dir() {
            continue;
        }
        if is_one_of(extensions, &file) {
            files.push(file);
        } else {
            others += 1;
        }
    }
    if files.is_empty() {
        let patterns: Vec<String> = extensions.iter().map(|e| format!("*.{e}")).collect();
        return Err(SourceError::Malformed(format!(
            "{}: no audio in this folder; looked for {}, found {others} other files",
            path.display(),
            patterns.join(", "),
        )));
    }
    files.sort_by(|a, b| natural(&name(a), &name(b)));
    Ok(files)
}

fn is_one_of(extensions: &[&str], file: &Path) -> bool {
    let hidden = name(file).starts_with('.');
    let extension = file.extension().and_then(OsStr::to_str).unwrap_or_default();
    !hidden && extensions.iter().any(|e| e.eq_ignore_ascii_case(extension))
}

fn name(file: &Path) -> String {
    file.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// Compares names with runs of digits as numbers; names equal but for capitals or leading zeros
/// are compared byte by byte, so the order is total.
fn natural(a: &str, b: &str) -> Ordering {
    let (mut x, mut y) = (a, b);
    while let (Some(p), Some(q)) = (x.chars().next(), y.chars().next()) {
        let order = if p.is_ascii_digit() && q.is_ascii_digit() {
            let (m, n);
            (m, x) = split_digits(x);
            (n, y) = split_digits(y);
            m.len().cmp(&n.len()).then_with(|| m.cmp(n))
        } else {
            x = &x[p.len_utf8()..];
            y = &y[q.len_utf8()..];
            p.to_lowercase().cmp(q.to_lowercase())
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    x.len().cmp(&y.len()).then_with(|| a.cmp(b))
}

/// The digits that `text` begins with, without leading zeros, and what follows.
fn split_digits(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    (digits.trim_start_matches('0'), rest)
}

/// What names of WAV files end in.
pub const WAV_EXTENSIONS: [&str; 4] = ["wav", "wave", "bwf", "rf64"];
/// What names of audio files end in that are read, WAV among them.
pub const EXTENSIONS: [&str; 16] = [
    "wav", "wave", "bwf", "rf64", "flac", "mp3", "ogg", "oga", "opus", "aac", "m4a", "m4b", "mp4",
    "webm", "mka", "mkv",
];

#[cfg(test)]
mod tests {
    use super::*;
    use audiox_core::format::{Channels, SampleFormat, SampleRate, StreamFormat};
    use audiox_core::source::Sink;

    use crate::wav::WavSink;

    #[test]
    fn names_sort_as_people_number_them() {
        let sorted = [
            "Take 2.wav",
            "take 02.wav",
            "take 10 (a).wav",
            "take 10.wav",
            "take.wav",
            "Übung.wav",
        ];
        let mut names = sorted;
        names.reverse();
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, sorted);
    }

    #[test]
    fn a_folder_yields_its_wav_files_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let format = StreamFormat::new(SampleRate::HZ_8000, Channels::MONO);
        for name in ["b10.WAV", "b9.wav", ".hidden.wav", "a.bwf"] {
            let mut sink =
                WavSink::create(folder.path().join(name), format, SampleFormat::U8).unwrap();
            sink.write_native(&[128]).unwrap();
        }
        fs::write(folder.path().join("notes.txt"), "x").unwrap();
        fs::create_dir(folder.path().join("dir.wav")).unwrap();
        let files = load_folder(folder.path()).unwrap();
        let names: Vec<_> = files.iter().map(|f| name(Path::new(f.name()))).collect();
        assert_eq!(names, ["a.bwf", "b9.wav", "b10.WAV"]);
    }

    #[test]
    fn a_folder_without_audio_says_what_was_looked_for() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("song.mp3"), "x").unwrap();
        let text = load_folder(folder.path()).unwrap_err().to_string();
        assert!(
            text.contains("no audio") && text.contains("*.wav") && text.contains("1 other"),
            "{text}"
        );
        let missing = folder.path().join("nowhere");
        let text = load_folder(&missing).unwrap_err().to_string();
        assert!(text.contains("nowhere"), "{text}");
    }
}

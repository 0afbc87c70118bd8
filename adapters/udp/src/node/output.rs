//! Where finished tracks go: a folder of files, one file, or a sink of the caller's.

use std::path::{Path, PathBuf};

use audiox_core::block::AudioRef;
use audiox_core::format::{SampleFormat, StreamFormat};
use audiox_core::source::{Sink, SinkError, Source, SourceError};
use audiox_io::ogg::{ChannelMapping, OpusFileWriter, OpusHead, TICK_RATE};
use audiox_io::wav::{WavSink, WavSource};

use super::recording::Output;

/// Where a node records to.
pub enum Target {
    /// One WAV file a stream, in this folder, which is made where it is missing.
    Folder(PathBuf),
    /// One WAV file: every stream a run of its channels. A stream that joins after the file's
    /// channels are fixed gets a file beside it, and is merged in at the end.
    File(PathBuf),
    /// Ogg Opus files, one a stream, of the packets as they came: the first stream's in this
    /// file, those of others beside it. What is missing is left to the decoder's concealment. Only
    /// for ports where [nothing but Opus](super::Listen::is_opus) is expected.
    Opus(PathBuf),
    /// The caller's sinks, made one a track as tracks begin; streams known at the start share
    /// the first.
    Sinks(SinkFactory),
}

/// Makes the sink of a track from its number, format and wire sample format.
pub type SinkFactory =
    Box<dyn FnMut(usize, StreamFormat, SampleFormat) -> Result<Box<dyn Sink>, SinkError> + Send>;

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Folder(path) => f.debug_tuple("Folder").field(path).finish(),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Opus(path) => f.debug_tuple("Opus").field(path).finish(),
            Self::Sinks(_) => f.write_str("Sinks"),
        }
    }
}

impl Target {
    /// The JSON sidecar's path; `None` for sinks.
    pub(super) fn sidecar(&self) -> Option<PathBuf> {
        match self {
            Self::Folder(dir) => Some(dir.join("recording.json")),
            Self::File(path) | Self::Opus(path) => Some(path.with_extension("json")),
            Self::Sinks(_) => None,
        }
    }

    pub(super) fn is_joined(&self) -> bool {
        !matches!(self, Self::Folder(_) | Self::Opus(_))
    }

    /// Makes the folder and tries to write there, so that a place that cannot be written to is
    /// known before the first packet. What is there stays as it is.
    pub(super) fn prepare(&self) -> Result<(), SinkError> {
        let (dir, file) = match self {
            Self::Folder(dir) => {
                let name = format!(".audiox-{}", std::process::id());
                (dir.as_path(), dir.join(name))
            }
            Self::File(path) | Self::Opus(path) => (path.parent().unwrap_or(path), path.clone()),
            Self::Sinks(_) => return Ok(()),
        };
        if !dir.as_os_str().is_empty() {
            std::fs::create_dir_all(dir).map_err(|source| SinkError::Io {
                what: format!("cannot make the folder {}", dir.display()),
                source,
            })?;
        }
        let there = file.exists();
        let tried = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(&file);
        if tried.is_ok() && !there {
            // An empty file that cannot be removed is overwritten later.
            let _ = std::fs::remove_file(&file);
        }
        tried.map(drop).map_err(|source| SinkError::Io {
            what: match self {
                Self::Folder(dir) => format!("cannot write into {}", dir.display()),
                _ => format!("cannot write {}", file.display()),
            },
            source,
        })
    }
}

/// The open tracks of a target.
pub(super) struct Tracks {
    target: Target,
    sample: Option<SampleFormat>,
    open: Vec<OpenTrack>,
}

struct OpenTrack {
    file: File,
    path: Option<PathBuf>,
    format: StreamFormat,
}

enum File {
    Samples(Box<dyn Sink>),
    Packets(OpusFileWriter),
}

impl Tracks {
    /// No track yet; `sample` overrides the wire's sample format.
    pub(super) fn new(target: Target, sample: Option<SampleFormat>) -> Self {
        Self {
            target,
            sample,
            open: Vec::new(),
        }
    }

    /// The file of a track, where it has one.
    pub(super) fn path(&self, track: usize) -> Option<&Path> {
        self.open.get(track)?.path.as_deref()
    }

    /// Makes everything written so far safe.
    pub(super) fn flush(&mut self) -> Result<(), SinkError> {
        self.open.iter_mut().try_for_each(|t| match &mut t.file {
            File::Samples(sink) => sink.flush(),
            File::Packets(writer) => writer.flush(),
        })
    }

    /// Closes all tracks and merges late joiners into the one file. Returns for each track its
    /// file and the first channel in it; a track that could not be merged keeps its own file.
    pub(super) fn finish(mut self) -> Result<Vec<Finished>, SinkError> {
        self.flush()?;
        let formats: Vec<StreamFormat> = self.open.iter().map(|t| t.format).collect();
        let paths: Vec<Option<PathBuf>> = self.open.iter().map(|t| t.path.clone()).collect();
        // Closing a WAV file makes its header final.
        self.open.clear();
        let own = |track: usize| Finished {
            path: paths[track].clone(),
            first_channel: 0,
        };
        let mut finished: Vec<Finished> = (0..paths.len()).map(own).collect();
        let (Target::File(path), true) = (&self.target, paths.len() > 1) else {
            return Ok(finished);
        };
        let sample = self.sample;
        let mut parts = Vec::new();
        let mut channels = 0;
        for (track, part) in paths.iter().enumerate() {
            let fits = channels + formats[track].channels.get() <= 1_024;
            if let (Some(part), true) = (part, fits && formats[track].rate == formats[0].rate) {
                finished[track] = Finished {
                    path: Some(path.clone()),
                    first_channel: channels,
                };
                channels += formats[track].channels.get();
                parts.push(part.clone());
            }
        }
        if parts.len() > 1 {
            merge(&parts, path, sample).map_err(|e| SinkError::Io {
                what: format!(
                    "late streams stay in files of their own beside {}, since they could not be \
                     merged into it",
                    path.display()
                ),
                source: std::io::Error::other(e.to_string()),
            })?;
        }
        Ok(finished)
    }
}

/// Where a track ended up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finished {
    pub(super) path: Option<PathBuf>,
    pub(super) first_channel: usize,
}

impl Output for Tracks {
    type Error = SinkError;

    fn open(
        &mut self,
        track: usize,
        format: StreamFormat,
        stored: SampleFormat,
    ) -> Result<(), SinkError> {
        let sample = self.sample.unwrap_or(stored);
        let path = match &self.target {
            Target::Folder(dir) => Some(dir.join(format!("track-{:02}.wav", track + 1))),
            Target::File(path) | Target::Opus(path) if track == 0 => Some(path.clone()),
            Target::Opus(path) => Some(path.with_extension(format!("track-{:02}.opus", track + 1))),
            Target::File(path) => Some(path.with_extension(format!("track-{:02}.wav", track + 1))),
            Target::Sinks(_) => None,
        };
        let file = match (&mut self.target, &path) {
            (Target::Sinks(make), _) => File::Samples(make(track, format, sample)?),
            (Target::Opus(_), Some(path)) => File::Packets(packet_file(path, format)?),
            (_, Some(path)) => File::Samples(Box::new(WavSink::create(path, format, sample)?)),
            (_, None) => return Ok(()),
        };
        self.open.push(OpenTrack { file, path, format });
        Ok(())
    }

    fn write(&mut self, track: usize, samples: &[f32]) -> Result<(), SinkError> {
        let Some(track) = self.open.get_mut(track) else {
            return Ok(());
        };
        match &mut track.file {
            File::Samples(sink) => sink.write(AudioRef::new(samples, track.format.channels)),
            // Its packets came before.
            File::Packets(_) => Ok(()),
        }
    }

    fn packet(&mut self, track: usize, at: i64, packet: &[u8]) -> Result<(), SinkError> {
        let Some(track) = self.open.get_mut(track) else {
            return Ok(());
        };
        let File::Packets(writer) = &mut track.file else {
            return Ok(());
        };
        let ticks = i128::from(at) * i128::from(TICK_RATE) / i128::from(track.format.rate.get());
        let Ok(missing) = u64::try_from(ticks - i128::from(writer.ticks())) else {
            // It came after its place was left to concealment.
            return Ok(());
        };
        if missing > 0 {
            writer.gap(missing)?;
        }
        writer.write(packet)
    }
}

fn packet_file(path: &Path, format: StreamFormat) -> Result<OpusFileWriter, SinkError> {
    let channels = u8::try_from(format.channels.get()).unwrap_or(u8::MAX);
    let mapping = ChannelMapping::single(channels).ok_or_else(|| {
        let allowed = "packets of one or two channels are recorded as they come";
        SinkError::Unsupported(format!("{}: {format}: {allowed}", path.display()))
    })?;
    OpusFileWriter::create(path, &OpusHead::new(mapping, PRE_SKIP, format.rate.get()))
}

/// Puts the channels of `parts` side by side into `into`, which may be the first of them: the
/// new file replaces it in one step, then the other parts go.
fn merge(parts: &[PathBuf], into: &Path, sample: Option<SampleFormat>) -> Result<(), MergeError> {
    let mut sources = parts
        .iter()
        .map(WavSource::open)
        .collect::<Result<Vec<_>, _>>()?;
    let rate = sources[0].format().rate;
    let channels: usize = sources.iter().map(|s| s.format().channels.get()).sum();
    let width = audiox_core::format::Channels::new(channels as u16)?;
    let stored = sample
        .or_else(|| {
            sources
                .iter()
                .filter_map(|s| s.native())
                .map(|n| n.sample)
                .max_by_key(|s| s.bits())
        })
        .unwrap_or(SampleFormat::F32);
    let temporary = into.with_extension("merging.wav");
    let merged = WavSink::create(&temporary, StreamFormat::new(rate, width), stored)
        .map_err(MergeError::from)
        .and_then(|sink| write_side_by_side(&mut sources, sink))
        .and_then(|()| Ok(std::fs::rename(&temporary, into)?));
    if merged.is_err() {
        // On a full disk it takes what the next recording needs.
        let _ = std::fs::remove_file(&temporary);
    }
    merged?;
    for part in parts.iter().filter(|p| *p != into) {
        std::fs::remove_file(part)?;
    }
    Ok(())
}

fn write_side_by_side(sources: &mut [WavSource], mut sink: WavSink) -> Result<(), MergeError> {
    let width = sink.format().channels;
    let channels = width.get();
    let mut block = vec![0.0f32; MERGE_FRAMES * channels];
    let mut part = vec![0.0f32; MERGE_FRAMES * channels];
    loop {
        block.fill(0.0);
        let (mut first, mut longest) = (0, 0);
        for source in &mut *sources {
            let own = source.format().channels.get();
            let frames = read_full(source, &mut part[..MERGE_FRAMES * own], own)?;
            for (frame, samples) in part[..frames * own].chunks_exact(own).enumerate() {
                let at = frame * channels + first;
                block[at..at + own].copy_from_slice(samples);
            }
            first += own;
            longest = longest.max(frames);
        }
        if longest == 0 {
            break;
        }
        sink.write(AudioRef::new(&block[..longest * channels], width))?;
    }
    Ok(sink.finish()?)
}

fn read_full(
    source: &mut dyn Source,
    out: &mut [f32],
    channels: usize,
) -> Result<usize, SourceError> {
    let mut filled = 0;
    while filled < out.len() {
        let frames = source.read(&mut out[filled..])?;
        if frames == 0 {
            break;
        }
        filled += frames * channels;
    }
    Ok(filled / channels)
}

#[derive(Debug, thiserror::Error)]
enum MergeError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Sink(#[from] SinkError),
    #[error(transparent)]
    Config(#[from] audiox_core::ConfigError),
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

const MERGE_FRAMES: usize = 4_096;
/// By how much sound is later in Opus than it was before: 6.5 ms of encoders at 48 kHz, unless they
/// are told to have less.
const PRE_SKIP: u16 = 312;

//! Sources into files, pipes or nothing, as fast as both ends allow.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use audiox_core::ConfigError;
use audiox_core::block::AudioRef;
use audiox_core::format::{Channels, Endian, PcmFormat, SampleFormat, StreamFormat};
use audiox_core::source::{Sink, SinkError, Source, SourceError};
#[cfg(feature = "devices")]
use audiox_io::device::DeviceWatch;
use audiox_io::{NullSink, RawSink};
use audiox_net::endpoint::EncodingOptions;

use crate::Error;
use crate::sink::{SinkName, create_file};
use crate::source::OpenSource;

/// Sources on their way into a sink that has no clock.
///
/// Several sources into one file or pipe become its tracks, side by side, the shorter ones padded
/// with silence. A single source whose stored samples the sink takes as they are is written bit
/// for bit.
#[derive(Debug)]
pub struct Transfer {
    outputs: Vec<Output>,
    frames_left: Option<u64>,
    encoding: EncodingOptions,
}

/// What a [`Transfer`] wrote into one file or pipe.
#[derive(Debug, Clone)]
pub struct Transferred {
    /// The file; `None` for standard output, a speaker and nothing.
    pub path: Option<PathBuf>,
    /// Where it was a speaker, how that did.
    #[cfg(feature = "devices")]
    pub device: Option<DeviceWatch>,
    /// The sources in it, in the order of their channels.
    pub sources: Vec<String>,
    /// Rate and channels.
    pub format: StreamFormat,
    /// The stored samples; `None` for nothing.
    pub pcm: Option<PcmFormat>,
    /// Frames written.
    pub frames: u64,
}

#[derive(Debug)]
struct Output {
    sources: Vec<OpenSource>,
    to: To,
    sample: SampleFormat,
    written: Transferred,
}

#[derive(Debug)]
enum To {
    File(PathBuf),
    Stdout,
    #[cfg(feature = "devices")]
    Speaker(crate::device::DeviceChoice),
    Null,
}

impl Transfer {
    /// Checks that `sources` fit `to`, and opens nothing yet. `sample` is the sample format to
    /// store; `None` keeps all that the sources say.
    ///
    /// # Errors
    /// `to` is on the network, a source has no audio (left), a source would be overwritten, a source has no end but the sink
    /// needs one, or the tracks of one file differ in rate or are more than 1 024 channels.
    pub fn new(
        sources: Vec<OpenSource>,
        to: &SinkName,
        sample: Option<SampleFormat>,
    ) -> Result<Self, Error> {
        let endless = sources.iter().find(|s| s.endless);
        if let (Some(source), SinkName::File(_) | SinkName::Folder(_)) = (endless, to) {
            let allowed = "it has no end and would fill the disk; give a duration";
            return Err(ConfigError::new("source", &source.name, allowed).into());
        }
        if let Some(empty) = sources.iter().find(|s| s.source.frames_left() == Some(0)) {
            return Err(nothing_in(&empty.name));
        }
        let mut outputs = Vec::new();
        match to {
            SinkName::File(path) => {
                outputs.push(Output::new(sources, To::File(path.clone()), sample)?);
            }
            SinkName::Folder(folder) => {
                let mut names: Vec<PathBuf> = Vec::new();
                for source in sources {
                    let path = free_name(folder, &source, &names);
                    names.push(path.clone());
                    outputs.push(Output::new(vec![source], To::File(path), sample)?);
                }
            }
            SinkName::Stdout => outputs.push(Output::new(sources, To::Stdout, sample)?),
            #[cfg(feature = "devices")]
            SinkName::Speaker(choice) => {
                outputs.push(Output::new(sources, To::Speaker(choice.clone()), sample)?);
            }
            SinkName::Null => {
                for source in sources {
                    outputs.push(Output::new(vec![source], To::Null, sample)?);
                }
            }
            #[cfg(feature = "relay")]
            SinkName::Relay(_) => {
                let allowed = "a relay has a clock: use `relay::Publishing`";
                return Err(ConfigError::new("sink", "a URL", allowed).into());
            }
            #[cfg(feature = "redis")]
            SinkName::Session(_) => {
                let allowed = "a session has a clock: use `session::SessionSending`";
                return Err(ConfigError::new("sink", "a session", allowed).into());
            }
            SinkName::Net(_) => {
                let allowed = "the network has a clock: use `audiox::send`";
                return Err(ConfigError::new("sink", "a URL", allowed).into());
            }
        }
        let lengths = outputs.iter().map(Output::frames_left);
        Ok(Self {
            frames_left: lengths.sum(),
            outputs,
            encoding: EncodingOptions::default(),
        })
    }

    /// Encodes Ogg Opus files so.
    pub fn encoding(mut self, encoding: EncodingOptions) -> Self {
        self.encoding = encoding;
        self
    }

    /// Frames to write in all; `None` where a source does not know its length.
    pub fn frames(&self) -> Option<u64> {
        self.frames_left
    }

    /// Copies until the sources end or `progress`, called now and then with the frames done, says
    /// to break. What is written then is a whole file.
    ///
    /// # Errors
    /// A source or sink fails, or a pipe ends before it began. What was written before is kept, and
    /// is a valid file.
    pub fn run(
        self,
        mut progress: impl FnMut(u64) -> ControlFlow<()>,
    ) -> Result<Vec<Transferred>, Error> {
        let mut all = Vec::new();
        let mut done = 0;
        for mut output in self.outputs {
            let mut sink = output.open(&self.encoding)?;
            let flow = output.run(&mut *sink, &mut |frames| progress(done + frames))?;
            sink.flush()?;
            if output.written.frames == 0 && flow.is_continue() {
                // A pipe tells only at its end.
                return Err(nothing_in(&output.written.sources.join(", ")));
            }
            done += output.written.frames;
            all.push(output.written);
            if flow.is_break() {
                break;
            }
        }
        Ok(all)
    }
}

impl Output {
    fn new(sources: Vec<OpenSource>, to: To, sample: Option<SampleFormat>) -> Result<Self, Error> {
        let Some(first) = sources.first() else {
            return Err(ConfigError::new("sources", "none", "give at least one").into());
        };
        let rate = first.source.format().rate;
        if let Some(other) = sources.iter().find(|s| s.source.format().rate != rate) {
            let value = format!("{}: {}", other.name, other.source.format().rate);
            let allowed = format!(
                "tracks of one file have one rate, and {} has {rate}; give a folder for a file each",
                first.name
            );
            return Err(ConfigError::new("rate", value, allowed).into());
        }
        if let To::File(path) = &to {
            let same = |s: &&OpenSource| s.path.as_deref().is_some_and(|p| is_same(p, path));
            if let Some(source) = sources.iter().find(same) {
                let allowed = "it is a source too and would be lost; give another name";
                return Err(ConfigError::new("sink", &source.name, allowed).into());
            }
        }
        let channels: usize = sources
            .iter()
            .map(|s| s.source.format().channels.get())
            .sum();
        let format = StreamFormat::new(
            rate,
            Channels::new(channels.try_into().unwrap_or(u16::MAX))?,
        );
        let widest = sources
            .iter()
            .map(|s| s.sample)
            .max_by_key(|s| precision(*s));
        let sample = sample.or(widest).unwrap_or(SampleFormat::F32);
        Ok(Self {
            written: Transferred {
                path: match &to {
                    To::File(path) => Some(path.clone()),
                    _ => None,
                },
                #[cfg(feature = "devices")]
                device: None,
                sources: sources.iter().map(|s| s.name.clone()).collect(),
                format,
                pcm: None,
                frames: 0,
            },
            sources,
            to,
            sample,
        })
    }

    fn frames_left(&self) -> Option<u64> {
        let lengths = self.sources.iter().map(|s| s.source.frames_left());
        lengths.collect::<Option<Vec<u64>>>()?.into_iter().max()
    }

    fn open(&mut self, encoding: &EncodingOptions) -> Result<Box<dyn Sink>, Error> {
        let format = self.written.format;
        let sink: Box<dyn Sink> = match &self.to {
            To::File(path) => {
                if let Some(folder) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
                    std::fs::create_dir_all(folder).map_err(|source| SinkError::Io {
                        what: format!("cannot make the folder {}", folder.display()),
                        source,
                    })?;
                }
                create_file(path, format, self.sample, encoding)?
            }
            To::Stdout => {
                let pcm = PcmFormat::new(self.sample, Endian::Little);
                Box::new(RawSink::stdout(pcm, format))
            }
            #[cfg(feature = "devices")]
            To::Speaker(choice) => {
                let system = crate::device::system();
                let speaker = crate::device::open_speaker(system, choice, format)?;
                self.written.device = Some(speaker.watch());
                Box::new(speaker)
            }
            To::Null => Box::new(NullSink::new(format)),
        };
        self.written.pcm = sink.native();
        Ok(sink)
    }

    fn run(
        &mut self,
        sink: &mut dyn Sink,
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, Error> {
        match self.sources.as_mut_slice() {
            [one] if one.source.native().is_some() && one.source.native() == sink.native() => {
                copy_bytes(&mut *one.source, sink, &mut self.written.frames, progress)
            }
            many => copy_tracks(many, sink, &mut self.written.frames, progress),
        }
    }
}

fn copy_bytes(
    source: &mut dyn Source,
    sink: &mut dyn Sink,
    frames: &mut u64,
    progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, Error> {
    let channels = source.format().channels;
    let frame_bytes = source.native().map_or(1, |pcm| pcm.frame_bytes(channels));
    let mut bytes = vec![0; BLOCK_FRAMES * frame_bytes];
    loop {
        let read = source.read_native(&mut bytes)?;
        if read == 0 {
            return Ok(ControlFlow::Continue(()));
        }
        sink.write_native(&bytes[..read])?;
        *frames += (read / frame_bytes) as u64;
        if progress(*frames).is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
}

fn copy_tracks(
    sources: &mut [OpenSource],
    sink: &mut dyn Sink,
    frames: &mut u64,
    progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, Error> {
    let format = sink.format();
    let width = format.channels.get();
    let mut block = vec![0.0f32; BLOCK_FRAMES * width];
    let mut part = vec![0.0f32; BLOCK_FRAMES * width];
    loop {
        block.fill(0.0);
        let (mut first, mut longest) = (0, 0);
        // A single source may be a live pipe: what has come goes on at once.
        let whole = sources.len() > 1;
        for source in &mut *sources {
            let own = source.source.format().channels.get();
            let read = read(
                &mut *source.source,
                &mut part[..BLOCK_FRAMES * own],
                own,
                whole,
            )?;
            for (i, samples) in part[..read * own].chunks_exact(own).enumerate() {
                block[i * width + first..][..own].copy_from_slice(samples);
            }
            first += own;
            longest = longest.max(read);
        }
        if longest == 0 {
            return Ok(ControlFlow::Continue(()));
        }
        sink.write(AudioRef::new(&block[..longest * width], format.channels))?;
        *frames += longest as u64;
        if progress(*frames).is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
}

/// Frames read into `out`: what one read yields or, where `whole`, all that fit.
fn read(
    source: &mut dyn Source,
    out: &mut [f32],
    channels: usize,
    whole: bool,
) -> Result<usize, SourceError> {
    let mut filled = 0;
    while filled < out.len() {
        let frames = source.read(&mut out[filled..])?;
        filled += frames * channels;
        if frames == 0 || !whole {
            break;
        }
    }
    Ok(filled / channels)
}

fn nothing_in(source: &str) -> Error {
    audiox_udp::Error::Empty(source.to_owned()).into()
}

/// How much a sample format says; float's 24 bits of fraction count as more than an integer's.
fn precision(sample: SampleFormat) -> u16 {
    match sample {
        SampleFormat::F32 => 25,
        other => other.bits(),
    }
}

fn is_same(a: &Path, b: &Path) -> bool {
    match (a.canonicalize(), b.canonicalize()) {
        (Ok(a), Ok(b)) => a == b,
        _ => false,
    }
}

/// A WAV file for `source` in `folder` whose name none of the others has.
fn free_name(folder: &Path, source: &OpenSource, taken: &[PathBuf]) -> PathBuf {
    let stem: String = match source.path.as_deref().and_then(Path::file_stem) {
        Some(stem) => stem.to_string_lossy().into_owned(),
        None => {
            let plain = |c: char| {
                if c.is_alphanumeric() || "+=.-".contains(c) {
                    c
                } else {
                    '-'
                }
            };
            source.name.chars().map(plain).collect()
        }
    };
    let mut path = folder.join(format!("{stem}.wav"));
    let mut number = 2;
    while taken.contains(&path) {
        path = folder.join(format!("{stem}-{number}.wav"));
        number += 1;
    }
    path
}

const BLOCK_FRAMES: usize = 8_192;

#[cfg(test)]
mod tests;

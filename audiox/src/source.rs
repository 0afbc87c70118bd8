//! Sources by name: files, folders, test signals and standard input.
//!
//! | text | source |
//! | --- | --- |
//! | `take1.wav`, `song.flac` | a file: WAV, FLAC, MP3, Ogg Opus, Ogg Vorbis, AAC (`.aac`, `.m4a`), WebM, Matroska (`.mka`); its content says which |
//! | `recordings/` | every such file of a folder, a stream each, in natural order |
//! | `tone:440` | a sine; `tone:440+880` has one frequency for each channel |
//! | `sweep:20-20000` | a sine that moves between two frequencies, in 10 s unless told otherwise |
//! | `noise:white`, `noise:pink` | noise, different in each channel |
//! | `silence:` | digital silence |
//! | `impulse:1s` | one full frame in all channels, again every second |
//! | `mic`, `mic:NAME` | a microphone, see `device` (feature `devices`) |
//! | `-` | raw PCM on standard input, in the format that [`SourceOptions`] gives |
//!
//! Signals take options behind commas, as in `tone:440,level=-20dB,channels=2`: `level` (peak,
//! −12 dB; impulses 0 dB), `channels` (1), `rate` (48000), `length` (endless, but for the sweep)
//! and `seed` (of noise).

mod signal;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use audiox_core::ConfigError;
use audiox_core::convert::Gain;
use audiox_core::format::{Channels, PcmFormat, SampleFormat, SampleRate, StreamFormat};
use audiox_core::source::{Source, SourceError};
use audiox_io::matroska::{MatroskaReader, TrackCodec};
use audiox_io::opus::OpusPackets;
use audiox_io::{
    Amplified, CompressedSource, FileKind, Looped, MatroskaOpus, Mp4Opus, OpusFileReader,
    RawSource, Repeat, Skip, Take, WavSource, folder,
};

use crate::Error;

/// How sources are read.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceOptions {
    /// Samples on standard input; signed 16-bit little-endian by default.
    pub pcm: PcmFormat,
    /// Rate and channels on standard input; 44 100 Hz mono by default.
    pub format: StreamFormat,
    /// Left out at the start of each source.
    pub skip: Duration,
    /// How often each is played, from where `skip` leaves it; once by default.
    pub repeat: Option<Repeat>,
    /// Length of each, repetitions included; `None` is to its end.
    pub length: Option<Duration>,
    /// Makes each louder or softer. At unity, stored samples pass bit for bit.
    pub gain: Gain,
}

impl Default for SourceOptions {
    fn default() -> Self {
        Self {
            pcm: PcmFormat::S16LE,
            format: StreamFormat::new(SampleRate::HZ_44100, Channels::MONO),
            skip: Duration::ZERO,
            repeat: None,
            length: None,
            gain: Gain::UNITY,
        }
    }
}

/// A source that is open and knows its name.
pub struct OpenSource {
    /// The file's path, or the text that named it.
    pub name: String,
    /// The audio.
    pub source: Box<dyn Source>,
    /// The sample format that keeps all of it: a file's own, 24 bits for signals.
    pub sample: SampleFormat,
    /// The file, where it is one.
    pub path: Option<PathBuf>,
    /// Whether it goes on for ever: a signal without a length, or an unlimited loop.
    pub endless: bool,
    /// What is odd about it and what was made of it, a sentence each.
    pub notices: Vec<String>,
    /// Where it is a microphone, how that does.
    #[cfg(feature = "devices")]
    pub device: Option<audiox_io::device::DeviceWatch>,
    /// The packets of an Ogg Opus file of which nothing was asked but to be read as it is.
    pub opus: Option<OpusFileReader>,
}

impl OpenSource {
    /// A program's own source, under a name; `sample` keeps all of it, 24 bits where nothing is
    /// known.
    pub fn new(
        name: impl Into<String>,
        source: Box<dyn Source>,
        sample: Option<SampleFormat>,
    ) -> Self {
        Self {
            name: name.into(),
            source,
            sample: sample.unwrap_or(SampleFormat::S24),
            path: None,
            endless: false,
            notices: Vec::new(),
            #[cfg(feature = "devices")]
            device: None,
            opus: None,
        }
    }
}

impl fmt::Debug for OpenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenSource")
            .field("name", &self.name)
            .field("format", &self.source.format())
            .finish_non_exhaustive()
    }
}

/// Opens what `text` names (see the [module](self)); a folder yields several.
///
/// # Errors
/// The text names nothing, a file cannot be read or is no audio, an option does not suit it.
///
/// ```
/// use audiox::source::{SourceOptions, sources_from_str};
///
/// let tone = sources_from_str("tone:440,length=2s", &SourceOptions::default())?;
/// assert_eq!(tone[0].source.frames_left(), Some(96_000));
/// # Ok::<(), audiox::Error>(())
/// ```
pub fn sources_from_str(text: &str, options: &SourceOptions) -> Result<Vec<OpenSource>, Error> {
    let found = if text == "-" {
        let stdin = RawSource::stdin(options.pcm, options.format);
        let sample = Some(options.pcm.sample);
        vec![OpenSource::new("standard input", Box::new(stdin), sample)]
    } else if let Some(mic) = microphone(text) {
        vec![mic?]
    } else if let Some(signal) = signal::parse(text) {
        let signal = signal?;
        vec![OpenSource {
            endless: signal.frames_left().is_none(),
            ..OpenSource::new(text, Box::new(signal), None)
        }]
    } else if text.contains("://") || is_description(text) {
        let allowed = "streams are received with `audiox recv`; a source to send is a file, \
                       a folder, mic, - or tone: sweep: noise: silence: impulse:";
        return Err(ConfigError::new("source", text, allowed).into());
    } else if Path::new(text).is_dir() {
        let files = folder::list_folder(text, &folder::EXTENSIONS)?;
        files.iter().map(open_file).collect::<Result<_, _>>()?
    } else {
        vec![open_file(text).map_err(|e| not_found(text, e))?]
    };
    found.into_iter().map(|s| s.with(options)).collect()
}

/// The microphone that `text` names, where it does.
#[cfg(feature = "devices")]
fn microphone(text: &str) -> Option<Result<OpenSource, Error>> {
    use crate::device::{DeviceChoice, open_mic, system};

    let choice = DeviceChoice::parse("mic", text)?;
    Some((|| {
        let choice = choice?;
        let mic = open_mic(system(), &choice)?;
        let is = mic.obtained();
        let mut notices = Vec::new();
        if is.format != mic.format() {
            let to = mic.format();
            notices.push(format!(
                "{} runs at {}, converted to {to}",
                is.name, is.format
            ));
        }
        if let (Some(asked), Some(buffer)) = (choice.wish.buffer, is.buffer)
            && asked != buffer
        {
            notices.push(format!(
                "a buffer of {asked} frames was asked for, {buffer} came"
            ));
        }
        Ok(OpenSource {
            name: text.to_owned(),
            sample: SampleFormat::S24,
            path: None,
            endless: true,
            notices,
            device: Some(mic.watch()),
            opus: None,
            source: Box::new(mic),
        })
    })())
}

#[cfg(not(feature = "devices"))]
fn microphone(text: &str) -> Option<Result<OpenSource, Error>> {
    let named = text == "mic" || text.starts_with("mic:");
    let allowed = "microphones take feature devices";
    named.then(|| Err(ConfigError::new("source", text, allowed).into()))
}

/// Opens a file of any kind that is read here; what it is, its content says.
///
/// # Errors
/// It cannot be read, is damaged, or no such file.
pub fn open_file(path: impl AsRef<Path>) -> Result<OpenSource, SourceError> {
    let path = path.as_ref();
    let kind = FileKind::of_file(path)?;
    match kind {
        FileKind::Wav => Ok(WavSource::open(path)?.into()),
        FileKind::Flac
        | FileKind::Mp3
        | FileKind::Aac
        | FileKind::OggVorbis
        | FileKind::OggFlac => Ok(CompressedSource::open(path)?.into()),
        FileKind::Mp4 => match Mp4Opus::open(path)? {
            Some(packets) => of_opus(packets),
            None => Ok(CompressedSource::open(path)?.into()),
        },
        FileKind::Matroska | FileKind::WebM => {
            let reader = MatroskaReader::open(path)?;
            match reader.track().codec {
                TrackCodec::Opus(_) => of_opus(MatroskaOpus::of(reader)?),
                _ => Ok(CompressedSource::open(path)?.into()),
            }
        }
        #[cfg(feature = "opus")]
        FileKind::OggOpus => {
            let packets = OpusFileReader::open(path)?;
            // More channels are `multiopus` in RTP, whose streams are in another order.
            // Nor does RTP know gains, or beginnings that are not heard: of an encoder's delay they
            // may be, or what a decoder needs to find its state (RFC 7845 section 4.6).
            let plain = packets.heads().all(|head| {
                head.mapping.family() == 0 && head.gain == 0 && head.pre_skip <= 80 * 48
            });
            Ok(OpenSource {
                opus: plain.then_some(packets),
                ..of_opus(OpusFileReader::open(path)?)?
            })
        }
        #[cfg(not(feature = "opus"))]
        FileKind::OggOpus => Err(SourceError::Unsupported(format!(
            "{}: this is Ogg Opus, which takes feature opus",
            path.display()
        ))),
        // What should be a WAV file is told what is wrong with it; behind rubbish MP3 is searched.
        FileKind::Unknown if has_extension(path, &["mp3", "aac"]) => {
            Ok(CompressedSource::open(path)?.into())
        }
        FileKind::Unknown if has_extension(path, &folder::WAV_EXTENSIONS) => {
            Ok(WavSource::open(path)?.into())
        }
        FileKind::Unknown => Err(SourceError::Unsupported(format!(
            "{}: not an audio file that is known here; {} are read",
            path.display(),
            FileKind::READ
        ))),
        other => Err(SourceError::Unsupported(format!(
            "{}: this is {other}; {} are read",
            path.display(),
            FileKind::READ
        ))),
    }
}

/// Packets of Opus as audio, whatever file they are from.
#[cfg(feature = "opus")]
fn of_opus(packets: impl OpusPackets + 'static) -> Result<OpenSource, SourceError> {
    let source = audiox_opus::OpusSource::new(packets)?;
    let name = source.name().to_owned();
    let notices = source.notices().to_vec();
    Ok(OpenSource {
        path: Some(PathBuf::from(&name)),
        notices,
        ..OpenSource::new(name, Box::new(source), Some(SampleFormat::F32))
    })
}

#[cfg(not(feature = "opus"))]
fn of_opus(packets: impl OpusPackets + 'static) -> Result<OpenSource, SourceError> {
    Err(SourceError::Unsupported(format!(
        "{}: this is Opus, which takes feature opus",
        packets.name()
    )))
}

fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    path.extension()
        .is_some_and(|e| extensions.iter().any(|known| e.eq_ignore_ascii_case(known)))
}

fn is_description(text: &str) -> bool {
    has_extension(Path::new(text), &["sdp"])
}

/// A word with a colon that names no file was meant as a signal.
fn not_found(text: &str, error: SourceError) -> Error {
    match (&error, text.split_once(':')) {
        (SourceError::Io { source, .. }, Some((kind, _)))
            if source.kind() == std::io::ErrorKind::NotFound && !kind.contains(['/', '.']) =>
        {
            ConfigError::new("source", text, format!("signals are {}", signal::KINDS)).into()
        }
        _ => error.into(),
    }
}

impl From<WavSource> for OpenSource {
    fn from(wav: WavSource) -> Self {
        // G.711 and 64-bit float are not stored as they stand; this keeps all that they say.
        let sample = match wav.native() {
            Some(native) => native.sample,
            None if wav.valid_bits() <= 16 => SampleFormat::S16,
            None => SampleFormat::F32,
        };
        Self {
            name: wav.name().to_owned(),
            sample,
            path: Some(PathBuf::from(wav.name())),
            endless: false,
            notices: wav.notices().to_vec(),
            #[cfg(feature = "devices")]
            device: None,
            opus: None,
            source: Box::new(wav),
        }
    }
}

impl From<CompressedSource> for OpenSource {
    fn from(file: CompressedSource) -> Self {
        Self {
            name: file.name().to_owned(),
            sample: file.sample(),
            path: Some(PathBuf::from(file.name())),
            endless: false,
            notices: file.notices().to_vec(),
            #[cfg(feature = "devices")]
            device: None,
            opus: None,
            source: Box::new(file),
        }
    }
}

impl OpenSource {
    fn with(mut self, options: &SourceOptions) -> Result<Self, Error> {
        let as_it_is = SourceOptions {
            pcm: options.pcm,
            format: options.format,
            ..SourceOptions::default()
        };
        self.opus = self.opus.filter(|_| *options == as_it_is);
        let rate = self.source.format().rate;
        if !options.skip.is_zero() {
            self.source = Box::new(Skip::new(self.source, rate.frames_in(options.skip))?);
        }
        if let Some(repeat) = options.repeat {
            self.source = Box::new(Looped::new(self.source, repeat)?);
            self.endless |= repeat == Repeat::Forever;
        }
        if let Some(length) = options.length {
            self.source = Box::new(Take::new(self.source, rate.frames_in(length)));
            self.endless = false;
        }
        if options.gain != Gain::UNITY {
            self.source = Box::new(Amplified::new(self.source, options.gain));
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use super::*;

    fn open(text: &str) -> Result<Vec<OpenSource>, Error> {
        sources_from_str(text, &SourceOptions::default())
    }

    fn error(text: &str) -> String {
        open(text).unwrap_err().to_string()
    }

    #[test]
    fn network_streams_and_unknown_words_are_told_apart_from_missing_files() {
        for url in ["udp://:5000", "rtp://h:1?pt=10", "session.sdp"] {
            assert!(error(url).contains("audiox recv"), "{}", error(url));
        }
        let text = error("tine:440");
        assert!(
            text.contains("tine:440") && text.contains("tone:"),
            "{text}"
        );
        let missing = open("/nowhere/a.wav").unwrap_err();
        assert!(!missing.is_usage() && missing.to_string().contains("/nowhere/a.wav"));
    }

    #[test]
    fn options_apply_in_the_order_skip_loop_length_gain() {
        let options = SourceOptions {
            skip: Duration::from_secs(1),
            repeat: Some(Repeat::Times(NonZeroU64::new(3).unwrap())),
            length: Some(Duration::from_millis(2_500)),
            gain: Gain::linear(0.5).unwrap(),
            ..SourceOptions::default()
        };
        let text = "tone:100,rate=8000,length=2s,level=0dB";
        let mut opened = sources_from_str(text, &options).unwrap();
        let OpenSource {
            name,
            source,
            endless,
            ..
        } = &mut opened[0];
        assert_eq!((name.as_str(), *endless), (text, false));
        assert_eq!(source.frames_left(), Some(20_000));
        let mut out = vec![0.0; 8_000];
        assert_eq!(source.read(&mut out).unwrap(), 8_000);
        let peak = out.iter().fold(0.0f32, |p, s| p.max(s.abs()));
        assert!((peak - 0.5).abs() < 1e-3, "{peak}");
    }

    #[test]
    fn endless_is_what_has_no_end() {
        assert!(open("silence:").unwrap()[0].endless);
        assert!(!open("silence:,length=1s").unwrap()[0].endless);
        let forever = SourceOptions {
            repeat: Some(Repeat::Forever),
            ..SourceOptions::default()
        };
        assert!(sources_from_str("silence:,length=1s", &forever).unwrap()[0].endless);
    }
}

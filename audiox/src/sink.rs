//! Sinks by name: files, folders, standard output, the network, nothing.
//!
//! | text | sink |
//! | --- | --- |
//! | `out.wav` | one WAV file; several streams become its tracks, side by side |
//! | `out.opus` | one Ogg Opus file |
//! | `takes/` (or a folder that is there) | a WAV file for each stream |
//! | `-` | raw PCM on standard output |
//! | `null:` | nothing |
//! | `speaker`, `speaker:NAME` | a speaker, see `device` (feature `devices`) |
//! | `udp://host:port`, `rtp://host:port` | the network, see [`Endpoint`] |
//! | `http://host:port` | a relay, see `relay::RelayTarget` (feature `relay`) |
//! | `redis://host:port/session:ID` | a voice session, see `redis::SessionTarget` (feature `redis`) |

use std::path::{Path, PathBuf};
use std::str::FromStr;

use audiox_core::ConfigError;
use audiox_core::format::{Endian, PcmFormat, SampleFormat, StreamFormat};
use audiox_core::source::{Sink, SinkError};
use audiox_io::folder::WAV_EXTENSIONS;
use audiox_io::{NullSink, RawSink, WavSink};
use audiox_net::Endpoint;
use audiox_net::endpoint::EncodingOptions;

use crate::Error;
use crate::codecs::opus_file;

/// A sink by name, not yet opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SinkName {
    /// One file, WAV or Ogg Opus by its name.
    File(PathBuf),
    /// A WAV file for each stream, in this folder.
    Folder(PathBuf),
    /// Raw PCM on standard output.
    Stdout,
    /// Nothing.
    Null,
    /// A speaker.
    #[cfg(feature = "devices")]
    Speaker(crate::device::DeviceChoice),
    /// The network.
    Net(Box<Endpoint>),
    /// A relay.
    #[cfg(feature = "relay")]
    Relay(Box<crate::relay::RelayTarget>),
    /// A voice session.
    #[cfg(feature = "redis")]
    Session(Box<audiox_redis::SessionTarget>),
}

impl SinkName {
    /// Whether it is a file of Ogg Opus.
    pub fn is_opus(&self) -> bool {
        matches!(self, Self::File(path) if is_opus(path))
    }
}

impl FromStr for SinkName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let path = Path::new(text);
        #[cfg(feature = "devices")]
        if let Some(choice) = crate::device::DeviceChoice::parse("speaker", text) {
            return Ok(Self::Speaker(choice?));
        }
        Ok(match text {
            "-" => Self::Stdout,
            "null:" => Self::Null,
            #[cfg(feature = "relay")]
            _ if crate::relay::is_relay(text) => Self::Relay(Box::new(text.parse()?)),
            #[cfg(feature = "redis")]
            _ if audiox_redis::SessionTarget::is_meant_by(text) => {
                Self::Session(Box::new(text.parse()?))
            }
            _ if text.contains("://") => Self::Net(Box::new(text.parse()?)),
            _ if text.ends_with(std::path::is_separator) || path.is_dir() => {
                Self::Folder(path.to_owned())
            }
            _ if is_wav(path) || is_opus(path) => Self::File(path.to_owned()),
            _ => {
                let allowed = "a sink is FILE.wav, FILE.opus, FOLDER/, -, null:, speaker, \
                               udp://HOST:PORT or rtp://HOST:PORT";
                return Err(ConfigError::new("sink", format_args!("{text:?}"), allowed).into());
            }
        })
    }
}

fn is_wav(path: &Path) -> bool {
    WAV_EXTENSIONS.iter().any(|e| has_extension(path, e))
}

/// Whether a file of this name is one of Ogg Opus.
pub(crate) fn is_opus(path: &Path) -> bool {
    has_extension(path, "opus")
}

fn has_extension(path: &Path, extension: &str) -> bool {
    let own = path.extension();
    own.is_some_and(|e| e.eq_ignore_ascii_case(extension))
}

/// Creates a file for audio of `format`: Ogg Opus where it is called so, otherwise WAV with samples of
/// `sample`.
///
/// # Errors
/// The file cannot be created, or Opus has no such channel count.
pub fn create_file(
    path: &Path,
    format: StreamFormat,
    sample: SampleFormat,
    encoding: &EncodingOptions,
) -> Result<Box<dyn Sink>, SinkError> {
    if is_opus(path) {
        return opus_file(path, format, encoding);
    }
    Ok(Box::new(WavSink::create(path, format, sample)?))
}

/// Opens the one sink that `text` names: a file, a speaker, `-` or `null:`. Integers are stored as `sample`
/// says; on standard output little-endian.
///
/// # Errors
/// The text names something else, or the file cannot be created.
pub fn sink_from_str(
    text: &str,
    format: StreamFormat,
    sample: SampleFormat,
) -> Result<Box<dyn Sink>, Error> {
    let pcm = PcmFormat::new(sample, Endian::Little);
    match text.parse()? {
        SinkName::File(path) => {
            let usual = EncodingOptions::default();
            Ok(create_file(&path, format, sample, &usual)?)
        }
        SinkName::Stdout => Ok(Box::new(RawSink::stdout(pcm, format))),
        SinkName::Null => Ok(Box::new(NullSink::new(format))),
        #[cfg(feature = "devices")]
        SinkName::Speaker(choice) => {
            let speaker = crate::device::open_speaker(crate::device::system(), &choice, format)?;
            Ok(Box::new(speaker))
        }
        #[cfg(feature = "relay")]
        SinkName::Relay(target) => Ok(Box::new(crate::relay::RelaySink::open(
            &target, format, sample,
        )?)),
        #[cfg(feature = "redis")]
        SinkName::Session(_) => {
            let allowed = "a session has a clock: use `session::SessionSending`";
            Err(ConfigError::new("sink", "a session", allowed).into())
        }
        SinkName::Folder(_) | SinkName::Net(_) => {
            let allowed = "one sink is FILE.wav, FILE.opus, speaker, - or null:; `send`, `recv` and `Transfer` take the \
                           others";
            Err(ConfigError::new("sink", format_args!("{text:?}"), allowed).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_kinds() {
        let name = |text: &str| text.parse::<SinkName>().unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(name("a/b.WAV"), SinkName::File("a/b.WAV".into()));
        assert_eq!(name("new/"), SinkName::Folder("new/".into()));
        assert_eq!(name("."), SinkName::Folder(".".into()));
        assert_eq!(
            (name("-"), name("null:")),
            (SinkName::Stdout, SinkName::Null)
        );
        assert!(matches!(name("rtp://h:5004?pt=10"), SinkName::Net(_)));
        for wrong in ["a.mp3", "out", "nul:", "ftp://h:1", "udp://h:1?colour=red"] {
            let error = wrong.parse::<SinkName>().unwrap_err();
            assert!(
                error.is_usage() && error.to_string().contains("udp"),
                "{error}"
            );
        }
    }

    #[test]
    fn one_sink_is_opened_and_many_are_refused() {
        let format = StreamFormat::new(
            audiox_core::format::SampleRate::HZ_8000,
            audiox_core::format::Channels::MONO,
        );
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.wav");
        let sink = sink_from_str(file.to_str().unwrap(), format, SampleFormat::S24).unwrap();
        assert_eq!(sink.native().unwrap().sample, SampleFormat::S24);
        assert!(sink_from_str("null:", format, SampleFormat::S16).is_ok());
        assert!(sink_from_str("folder/", format, SampleFormat::S16).is_err());
    }
}

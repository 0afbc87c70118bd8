//! What devices play, by the texts that name sources elsewhere.
//!
//! | text | sound |
//! | --- | --- |
//! | `door.wav`, `song.mp3` | a file of any kind that is read here |
//! | `tone:440,length=2s` | a signal |
//! | `tone:440`, `mic`, `mic:NAME` | without an end: it runs while some device plays it |
//! | `rtp://239.1.2.3:5004?codec=opus`, `session.sdp`, `udp://:5004` | what comes there, as a listener hears it |
//! | `http://relay:8000/STREAM` | a relay's stream (feature `relay`) |

mod stream;

use std::path::PathBuf;

use audiox_core::source::{Source, SourceError};
use audiox_grpc::sound::{SoundKind, Sounds};

use crate::{Endpoint, Error, SourceOptions, sources_from_str};
use stream::StreamSource;

/// Opens what texts name; files are looked for in a folder first.
#[derive(Debug, Clone, Default)]
pub struct NamedSounds {
    folder: Option<PathBuf>,
}

impl NamedSounds {
    /// Names of files are relative to `folder`, where they are there, and else to the working
    /// directory.
    pub fn new(folder: Option<PathBuf>) -> Self {
        Self { folder }
    }

    fn text(&self, text: &str) -> String {
        let beside = self.folder.as_ref().map(|folder| folder.join(text));
        match beside {
            Some(path) if path.exists() => path.display().to_string(),
            _ => text.to_owned(),
        }
    }

    fn source(&self, text: &str) -> Result<crate::source::OpenSource, SourceError> {
        // A pipe would be waited for, for ever.
        if std::fs::metadata(text).is_ok_and(|meta| !meta.is_file() && !meta.is_dir()) {
            let reason = format!("{text} is neither a file nor a folder");
            return Err(SourceError::Unsupported(reason));
        }
        let mut all = sources_from_str(text, &SourceOptions::default()).map_err(plain)?;
        match (all.pop(), all.is_empty()) {
            (Some(only), true) => Ok(only),
            _ => Err(SourceError::Unsupported(format!(
                "{text}: one file is a sound; this folder has several, or none"
            ))),
        }
    }
}

impl Sounds for NamedSounds {
    fn look(&self, text: &str) -> Result<SoundKind, SourceError> {
        let text = &self.text(text);
        if text == "-" {
            let reason = "standard input can be read only once: a file, a signal, mic or a stream";
            return Err(SourceError::Unsupported(reason.to_owned()));
        }
        #[cfg(feature = "relay")]
        if crate::relay::is_relay(text) {
            relay_stream(text)?;
            return Ok(SoundKind::Live);
        }
        if is_stream(text) {
            text.parse::<Endpoint>().map_err(plain)?;
            return Ok(SoundKind::Live);
        }
        if let Some(found) = look_for_mic(text) {
            return found.map(|()| SoundKind::Live).map_err(plain);
        }
        let found = self.source(text)?;
        Ok(match found.path {
            Some(path) => SoundKind::File(path),
            None if found.endless => SoundKind::Live,
            None => SoundKind::Signal,
        })
    }

    fn open(&self, text: &str) -> Result<Box<dyn Source>, SourceError> {
        let text = &self.text(text);
        #[cfg(feature = "relay")]
        if crate::relay::is_relay(text) {
            let source = crate::relay::RelaySource::open(&relay_stream(text)?, true);
            return Ok(Box::new(source.map_err(plain)?));
        }
        if is_stream(text) {
            return Ok(Box::new(StreamSource::open(text).map_err(plain)?));
        }
        Ok(self.source(text)?.source)
    }
}

/// A relay's stream. It is not asked for before somebody listens.
#[cfg(feature = "relay")]
fn relay_stream(text: &str) -> Result<crate::relay::RelayTarget, SourceError> {
    let target: crate::relay::RelayTarget = text.parse().map_err(plain)?;
    if target.connect.relay.stream.is_none() {
        let reason = format!("{text}: name a stream of the relay, as http://HOST:PORT/STREAM");
        return Err(SourceError::Unsupported(reason));
    }
    Ok(target)
}

fn is_stream(text: &str) -> bool {
    text.contains("://") || text.ends_with(".sdp")
}

/// Whether the microphone is there that `text` names; none where it names something else. It is
/// not opened before somebody listens.
#[cfg(feature = "devices")]
fn look_for_mic(text: &str) -> Option<Result<(), Error>> {
    use crate::device::{DeviceChoice, system};
    use audiox_io::device::{Direction, choose};

    let choice = DeviceChoice::parse("mic", text)?;
    Some((|| {
        let devices = system().devices()?;
        choose(&devices, Direction::Input, &choice?.name)?;
        Ok(())
    })())
}

#[cfg(not(feature = "devices"))]
fn look_for_mic(_text: &str) -> Option<Result<(), Error>> {
    None
}

fn plain(error: impl Into<Error>) -> SourceError {
    match error.into() {
        Error::Source(e) => e,
        other => SourceError::Unsupported(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use audiox_core::source::Sink;

    use super::*;

    #[test]
    fn texts_are_told_apart_by_what_they_name() {
        let folder = tempfile::tempdir().unwrap();
        let format = audiox_core::format::StreamFormat::new(
            audiox_core::format::SampleRate::HZ_8000,
            audiox_core::format::Channels::MONO,
        );
        let path = folder.path().join("door.wav");
        let sample = audiox_core::format::SampleFormat::S16;
        let mut file = audiox_io::WavSink::create(&path, format, sample).unwrap();
        file.write_native(&[0; 2]).unwrap();
        file.finish().unwrap();
        let sounds = NamedSounds::new(Some(folder.path().to_owned()));
        assert_eq!(sounds.look("door.wav").unwrap(), SoundKind::File(path));
        for (text, kind) in [
            ("tone:440,length=1s", SoundKind::Signal),
            ("tone:440", SoundKind::Live),
            ("rtp://127.0.0.1:5004?codec=opus", SoundKind::Live),
            #[cfg(feature = "relay")]
            ("http://127.0.0.1:8000/a-stream", SoundKind::Live),
        ] {
            assert_eq!(sounds.look(text).unwrap(), kind, "{text}");
        }
        for (text, part) in [
            ("missing.wav", "missing.wav"),
            ("-", "only once"),
            ("rtp://127.0.0.1:5004?colour=red", "colour"),
            #[cfg(feature = "relay")]
            ("http://127.0.0.1:8000", "/STREAM"),
            ("tine:440", "tone:"),
            #[cfg(unix)]
            ("/dev/null", "neither a file"),
        ] {
            let error = sounds.look(text).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}

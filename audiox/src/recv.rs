//! Receiving in a few words.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use audiox_core::ConfigError;
use audiox_core::format::{Endian, PcmFormat};
use audiox_core::source::Sink;
use audiox_io::{NullSink, RawSink};
use audiox_net::endpoint::EncodingOptions;
use audiox_udp::node::{Listen, Node, NodeConfig, NodeHandle, SinkFactory, Target};

use crate::codecs::opus_file;
use crate::sink::{SinkName, is_opus};
use crate::{Endpoint, Error};

/// Receives what comes to `from` (`udp://:port`, `rtp://:port?codec=…`, `session.sdp`; see
/// [`Endpoint`]) and records it into `to` (a file, a folder, `-` or `null:`; see
/// [`sink`](mod@crate::sink)).
///
/// ```no_run
/// let recording = audiox::recv("session.sdp", "heard.wav").until_ended().start()?;
/// println!("{} streams", recording.wait()?.streams.len());
/// # Ok::<(), audiox::Error>(())
/// ```
pub fn recv(from: impl Into<String>, to: impl Into<String>) -> RecvBuilder {
    RecvBuilder {
        from: vec![from.into()],
        to: to.into(),
        hold: None,
        duration: None,
        until_ended: false,
    }
}

/// What is to be received, and how. [`NodeConfig`] has all the rest.
#[derive(Debug, Clone)]
#[must_use = "nothing is received before `start`"]
pub struct RecvBuilder {
    from: Vec<String>,
    to: String,
    hold: Option<Duration>,
    duration: Option<Duration>,
    until_ended: bool,
}

impl RecvBuilder {
    /// Listens there too.
    pub fn and(mut self, from: impl Into<String>) -> Self {
        self.from.push(from.into());
        self
    }

    /// How long frames wait for stragglers before they are written; 500 ms by default.
    pub fn hold(mut self, hold: Duration) -> Self {
        self.hold = Some(hold);
        self
    }

    /// Ends after this time.
    pub fn duration(mut self, duration: Duration) -> Self {
        self.duration = Some(duration);
        self
    }

    /// Ends once every stream that was heard has ended.
    pub fn until_ended(mut self) -> Self {
        self.until_ended = true;
        self
    }

    /// Starts receiving on threads of its own.
    ///
    /// # Errors
    /// As [`Endpoint`], [`SinkName`] and [`Node::start`] say.
    pub fn start(self) -> Result<NodeHandle, Error> {
        let mut listen = Vec::new();
        for url in &self.from {
            listen.extend(Listen::from_endpoint(&url.parse::<Endpoint>()?)?);
        }
        let to = target(self.to.parse()?, &listen, &EncodingOptions::default())?.0;
        let mut config = NodeConfig::new(listen, to);
        config.hold = self.hold.unwrap_or(config.hold);
        config.duration = self.duration;
        config.stop_when_ended = self.until_ended;
        config.codecs = crate::codecs();
        Ok(Node::start(config)?)
    }
}

/// How many tracks found no place in a sink that holds one.
#[derive(Debug, Clone, Default)]
pub struct LeftOut(Arc<AtomicU64>);

impl LeftOut {
    /// Tracks so far.
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The node's target for a sink by name and for what comes from `listen`. Opus goes into Ogg Opus
/// files as it comes; anything else is encoded for them, as `encoding` says. Standard output holds one track, of the streams that are
/// known when recording begins, side by side; later ones are left out and counted.
///
/// # Errors
/// The sink is a network URL.
pub fn target(
    to: SinkName,
    listen: &[Listen],
    encoding: &EncodingOptions,
) -> Result<(Target, LeftOut), Error> {
    let left_out = LeftOut::default();
    let target = match to {
        SinkName::File(path) if is_opus(&path) && listen.iter().all(Listen::is_opus) => {
            Target::Opus(path)
        }
        SinkName::File(path) if is_opus(&path) => {
            let encoding = *encoding;
            Target::Sinks(Box::new(move |track, format, _| match track {
                0 => opus_file(&path, format, &encoding),
                n => {
                    let beside = path.with_extension(format!("track-{:02}.opus", n + 1));
                    opus_file(&beside, format, &encoding)
                }
            }))
        }
        SinkName::File(path) => Target::File(path),
        SinkName::Folder(path) => Target::Folder(path),
        SinkName::Stdout => {
            let count = left_out.clone();
            let make: SinkFactory = Box::new(move |track, format, sample| {
                let sink: Box<dyn Sink> = if track == 0 {
                    let pcm = PcmFormat::new(sample, Endian::Little);
                    Box::new(RawSink::stdout(pcm, format))
                } else {
                    count.0.fetch_add(1, Ordering::Relaxed);
                    Box::new(NullSink::new(format))
                };
                Ok(sink)
            });
            Target::Sinks(make)
        }
        SinkName::Null => {
            Target::Sinks(Box::new(|_, format, _| Ok(Box::new(NullSink::new(format)))))
        }
        #[cfg(feature = "relay")]
        SinkName::Relay(_) => {
            let allowed = "a relay is sent what is heard: use `play`";
            return Err(ConfigError::new("sink", "a relay's URL", allowed).into());
        }
        #[cfg(feature = "redis")]
        SinkName::Session(_) => {
            let allowed = "what is received goes to FILE.wav, FOLDER/, - or null:";
            return Err(ConfigError::new("sink", "a session", allowed).into());
        }
        #[cfg(feature = "devices")]
        SinkName::Speaker(_) => {
            let allowed =
                "what is recorded goes to FILE.wav, FOLDER/, - or null:; to hear it, play it";
            return Err(ConfigError::new("sink", "a speaker", allowed).into());
        }
        SinkName::Net(_) => {
            let allowed = "what is received goes to FILE.wav, FOLDER/, - or null:";
            return Err(ConfigError::new("sink", "a URL", allowed).into());
        }
    };
    Ok((target, left_out))
}

//! Sending in a few words.

use std::time::{Duration, SystemTime};

use audiox_udp::streamer::{Start, StreamSpec, Streamer, StreamerConfig, StreamerHandle};

use crate::codecs::codecs_for;
use crate::source::{OpenSource, SourceOptions, sources_from_str};
use crate::{Endpoint, Error};

/// Sends `source` (a file, a folder, a test signal; see [`source`](mod@crate::source)) to
/// `to` (`udp://host:port` or `rtp://host:port`; see [`Endpoint`]).
///
/// ```no_run
/// let sending = audiox::send("speech.wav", "rtp://192.0.2.7:5004").start()?;
/// println!("{} packets", sending.wait()?.packets());
/// # Ok::<(), audiox::Error>(())
/// ```
pub fn send(source: impl Into<String>, to: impl Into<String>) -> SendBuilder {
    SendBuilder {
        sources: vec![source.into()],
        to: to.into(),
        options: SourceOptions::default(),
        ptime: None,
        start: Start::Now,
    }
}

/// What is to be sent, and how. [`StreamerConfig`] has all the rest.
#[derive(Debug, Clone)]
#[must_use = "nothing is sent before `start`"]
pub struct SendBuilder {
    sources: Vec<String>,
    to: String,
    options: SourceOptions,
    ptime: Option<Duration>,
    start: Start,
}

impl SendBuilder {
    /// Sends another source too, in step with the others.
    pub fn and(mut self, source: impl Into<String>) -> Self {
        self.sources.push(source.into());
        self
    }

    /// Reads all sources so: repeated, louder, from a later frame on.
    pub fn source_options(mut self, options: SourceOptions) -> Self {
        self.options = options;
        self
    }

    /// Duration of a packet; 10 ms by default.
    pub fn ptime(mut self, ptime: Duration) -> Self {
        self.ptime = Some(ptime);
        self
    }

    /// Starts at this time of the wall clock; as soon as possible by default. Senders on several
    /// machines that are given the same time start together.
    pub fn start_at(mut self, time: SystemTime) -> Self {
        self.start = Start::At(time);
        self
    }

    /// Starts sending on threads of its own. Dropping the handle stops it.
    ///
    /// # Errors
    /// As [`sources_from_str`], [`Endpoint`] and [`Streamer::start`] say; nothing was sent then.
    pub fn start(self) -> Result<StreamerHandle, Error> {
        let mut streams = Vec::new();
        for text in &self.sources {
            let opened = sources_from_str(text, &self.options)?;
            streams.extend(opened.into_iter().map(StreamSpec::from));
        }
        let to = self.to.parse::<Endpoint>()?;
        let config = StreamerConfig {
            ptime: self.ptime,
            start: self.start,
            codecs: codecs_for(&to)?,
            ..StreamerConfig::new(to)
        };
        Ok(Streamer::start(config, streams)?)
    }
}

impl From<OpenSource> for StreamSpec {
    fn from(opened: OpenSource) -> Self {
        Self {
            name: opened.name,
            source: opened.source,
            opus: opened.opus,
        }
    }
}

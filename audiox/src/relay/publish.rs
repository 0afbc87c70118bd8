//! A source on its way to a relay.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use audiox_core::ConfigError;
use audiox_core::convert::encode;
use audiox_core::format::{Endian, PcmFormat, SampleFormat, SampleRate};
use audiox_core::source::SourceClock;
use audiox_core::store::StoredFormat;
use audiox_websocket::client::{Publisher, PublisherConfig, PublisherStats};
use bytes::Bytes;

use super::RelayTarget;
use crate::Error;
use crate::source::OpenSource;

/// A source that is being published: in real time, by its own clock where it has one.
#[derive(Debug)]
pub struct Publishing {
    publisher: Publisher,
    source: OpenSource,
    pcm: PcmFormat,
    chunk: usize,
    url: String,
}

/// What was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The stream's URL.
    pub url: String,
    /// Frames read from the source.
    pub frames: u64,
    /// Frames per second.
    pub rate: SampleRate,
    /// How the relay took them.
    pub stats: PublisherStats,
}

impl Publishing {
    /// Makes the stream, or goes on with one that is there. Samples go as the source stores them,
    /// or as `sample`, little-endian.
    ///
    /// # Errors
    /// The relay cannot be reached or refuses, or a stream that is there has another format.
    pub fn start(
        target: &RelayTarget,
        source: OpenSource,
        sample: Option<SampleFormat>,
    ) -> Result<Self, Error> {
        let little = |sample| PcmFormat::new(sample, Endian::Little);
        let pcm = match (sample, source.source.native()) {
            (Some(sample), _) => little(sample),
            (None, Some(native)) => native,
            (None, None) => little(source.sample),
        };
        let format = StoredFormat::pcm(source.source.format(), pcm);
        let config = PublisherConfig {
            name: target.name.clone(),
            ..PublisherConfig::new(target.connect.clone(), format.clone())
        };
        let publisher = Publisher::start(config)?;
        let there = publisher.format();
        if *there != format {
            let allowed =
                format!("the stream is {there}; a source of another format needs its own");
            return Err(ConfigError::new("source", format, allowed).into());
        }
        let url = format!("{}/{}", target.connect.relay.base(), publisher.stream());
        Ok(Self {
            publisher,
            source,
            pcm,
            chunk: target.chunk,
            url,
        })
    }

    /// The stream's URL, which `audiox recv` takes.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The stream's id.
    pub fn stream(&self) -> &str {
        self.publisher.stream().as_str()
    }

    /// Publishes until the source ends or `progress`, called now and then with the frames done,
    /// says to break; then ends the stream.
    ///
    /// # Errors
    /// The source fails, or the relay refuses or was away for too long.
    pub fn run(
        self,
        mut progress: impl FnMut(u64, &PublisherStats) -> ControlFlow<()>,
    ) -> Result<Published, Error> {
        let Self {
            publisher,
            mut source,
            pcm,
            chunk,
            url,
        } = self;
        let format = source.source.format();
        let frame = pcm.frame_bytes(format.channels);
        let native = source.source.native() == Some(pcm);
        let paced = source.source.clock() == SourceClock::None;
        let mut samples = vec![0.0; chunk * format.channels.get()];
        let mut bytes = vec![0; chunk * frame];
        let (start, mut frames) = (Instant::now(), 0u64);
        loop {
            let read = if native {
                source.source.read_native(&mut bytes)? / frame
            } else {
                let read = source.source.read(&mut samples)?;
                encode(pcm, &samples[..read * format.channels.get()], &mut bytes);
                read
            };
            if read == 0 {
                break;
            }
            // A chunk is there when its last frame is.
            frames += read as u64;
            if paced {
                let due = format.rate.duration_of(frames);
                std::thread::sleep(due.saturating_sub(start.elapsed()).min(LONGEST));
            }
            publisher.send(Bytes::copy_from_slice(&bytes[..read * frame]))?;
            if progress(frames, &publisher.stats()).is_break() {
                break;
            }
        }
        Ok(Published {
            url,
            frames,
            rate: format.rate,
            stats: publisher.end()?,
        })
    }
}

/// No chunk is longer.
const LONGEST: Duration = Duration::from_secs(10);

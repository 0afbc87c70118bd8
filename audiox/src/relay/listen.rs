//! A relay's stream as a source.

use std::io;
use std::time::{Duration, Instant};

use audiox_core::convert::decode;
use audiox_core::format::{PcmFormat, StreamFormat};
use audiox_core::source::{Source, SourceClock, SourceError};
use audiox_core::store::Coding;
use audiox_core::time::MediaTime;
use audiox_websocket::client::{ClientError, Listener, ListenerConfig};
use bytes::Bytes;

use super::RelayTarget;
use crate::Error;

/// A relay's stream as a source, live or from the archive. What is missing is silence, so that
/// its frames stay where they belong.
#[derive(Debug)]
pub struct RelaySource {
    listener: Listener,
    format: StreamFormat,
    pcm: PcmFormat,
    /// What came and was not read yet.
    waiting: Bytes,
    /// The frame that is read next, once something came.
    next: Option<MediaTime>,
    /// Frames of silence to be read before what waits.
    silent: u64,
    missing: u64,
    /// Since when, and from which frame on, what comes from the archive is held to real time.
    paced: Option<Option<(Instant, MediaTime)>>,
    is_over: bool,
}

impl RelaySource {
    /// Asks the relay for the stream. In real time, what comes from the archive is held back as
    /// long as it lasts; otherwise it comes as fast as it is read.
    ///
    /// # Errors
    /// The relay cannot be reached or refuses, or the stream is no PCM.
    pub fn open(target: &RelayTarget, in_real_time: bool) -> Result<Self, Error> {
        let listener = Listener::start(ListenerConfig {
            from: target.from,
            ..ListenerConfig::new(target.connect.clone())
        })?;
        let Coding::Pcm(pcm) = listener.format().coding else {
            let reason = format!("the stream is {}, not PCM", listener.format());
            return Err(SourceError::Unsupported(reason).into());
        };
        Ok(Self {
            format: listener.format().stream,
            pcm,
            listener,
            waiting: Bytes::new(),
            next: None,
            silent: 0,
            missing: 0,
            paced: in_real_time.then_some(None),
            is_over: false,
        })
    }

    /// Frames that were missing, and are silence.
    pub fn missing(&self) -> u64 {
        self.missing
    }

    /// Waits until something can be read. Says whether there is.
    fn fill(&mut self) -> Result<bool, SourceError> {
        while self.waiting.is_empty() && self.silent == 0 && !self.is_over {
            let Some(heard) = self.listener.hear().map_err(source_error)? else {
                self.is_over = true;
                break;
            };
            let frames = heard.frames.len() / self.pcm.frame_bytes(self.format.channels);
            let next = self.next.unwrap_or(heard.at);
            let hole = u64::try_from(heard.at - next).unwrap_or(0);
            self.missing += hole;
            self.silent = hole;
            self.next = Some(heard.at + frames as i64);
            self.waiting = heard.frames;
            if let Some(paced) = &mut self.paced {
                let (since, first) = *paced.get_or_insert((Instant::now(), heard.at));
                let ahead = u64::try_from(heard.at - first).unwrap_or(0);
                let due = self.format.rate.duration_of(ahead);
                std::thread::sleep(due.saturating_sub(since.elapsed()).min(LONGEST));
            }
        }
        Ok(!self.waiting.is_empty() || self.silent > 0)
    }

    /// The byte that silence is made of.
    fn silence(&self) -> u8 {
        match self.pcm.sample {
            audiox_core::format::SampleFormat::U8 => 0x80,
            _ => 0,
        }
    }
}

impl Source for RelaySource {
    fn format(&self) -> StreamFormat {
        self.format
    }

    fn clock(&self) -> SourceClock {
        SourceClock::Device
    }

    fn frames_left(&self) -> Option<u64> {
        None
    }

    fn read(&mut self, out: &mut [f32]) -> Result<usize, SourceError> {
        let channels = self.format.channels.get();
        let mut bytes = vec![0; out.len() / channels * self.pcm.frame_bytes(self.format.channels)];
        let read = self.read_native(&mut bytes)?;
        let samples = decode(self.pcm, &bytes[..read], out);
        Ok(samples / channels)
    }

    fn native(&self) -> Option<PcmFormat> {
        Some(self.pcm)
    }

    fn read_native(&mut self, out: &mut [u8]) -> Result<usize, SourceError> {
        let frame = self.pcm.frame_bytes(self.format.channels);
        let room = out.len() / frame;
        if room == 0 || !self.fill()? {
            return Ok(0);
        }
        if self.silent > 0 {
            let frames = self.silent.min(room as u64);
            self.silent -= frames;
            let bytes = frames as usize * frame;
            out[..bytes].fill(self.silence());
            return Ok(bytes);
        }
        let bytes = (room * frame).min(self.waiting.len());
        out[..bytes].copy_from_slice(&self.waiting.split_to(bytes));
        Ok(bytes)
    }

    fn seek(&mut self, _frame: u64) -> Result<(), SourceError> {
        let reason = "a relay's stream cannot be turned back; ask for it `from` another point";
        Err(SourceError::Unsupported(reason.to_owned()))
    }
}

fn source_error(error: ClientError) -> SourceError {
    SourceError::Io {
        what: "the relay".to_owned(),
        source: io::Error::other(error),
    }
}

/// What is held back is looked at again after this long.
const LONGEST: Duration = Duration::from_secs(10);

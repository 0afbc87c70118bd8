//! What comes by RTP or UDP, as a stream of a relay.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use audiox_core::block::AudioRef;
use audiox_core::convert::encode;
use audiox_core::format::{Endian, PcmFormat, SampleFormat, StreamFormat};
use audiox_core::source::{Sink, SinkError};
use audiox_core::store::{StoredFormat, StreamId};
use audiox_udp::player::{Player, PlayerConfig, PlayerHandle, PlayerReport};
use audiox_websocket::{Relay, RelayError};
use bytes::{Bytes, BytesMut};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::Error;

/// Senders by RTP or UDP, played as a listener hears them (adaptive delay, losses concealed,
/// several mixed) into a stream of a relay in this process. While nobody sends, the stream is
/// silent.
///
/// What the relay does not take in time is dropped, counted, and silence in the stream: neither
/// the senders nor the listeners of other streams wait for it.
pub struct Ingest {
    player: PlayerHandle,
    stream: StreamId,
    lost: Arc<AtomicU64>,
    pump: JoinHandle<()>,
    runtime: Handle,
}

impl Ingest {
    /// Starts, with a stream of its own called `name`, or with the one that is live under that
    /// name and of that format, such as from before a restart.
    ///
    /// # Errors
    /// There are too many streams; the address is taken; the archive fails.
    pub(super) fn start(
        relay: &Relay,
        runtime: &Handle,
        config: PlayerConfig,
        name: &str,
    ) -> Result<Self, Error> {
        let format = config.format;
        let stored = StoredFormat::pcm(format, PCM);
        let there = relay.streams().into_iter().find(|s| {
            s.is_live && s.record.name.as_deref() == Some(name) && s.record.format == stored
        });
        let (stream, offset) = match there {
            Some(info) => (info.record.id, info.offset),
            None => {
                let made = relay.create(stored, Some(name.to_owned()));
                (runtime.block_on(made)?, 0)
            }
        };
        let (parts, taken) = mpsc::channel(PENDING);
        let lost = Arc::new(AtomicU64::new(0));
        let frame = PCM.frame_bytes(format.channels);
        let intake = Intake {
            format,
            // From frame to frame, whatever was there.
            offset: offset.next_multiple_of(frame as u64),
            chunk: format.rate.frames_in(CHUNK).max(1) as usize * frame,
            waiting: BytesMut::new(),
            parts,
            lost: lost.clone(),
        };
        let player = match Player::start(config, Box::new(intake)) {
            Ok(player) => player,
            Err(e) => {
                // The stream would be live for nothing.
                runtime.block_on(relay.end(&stream)).ok();
                return Err(e.into());
            }
        };
        Ok(Self {
            player,
            pump: runtime.spawn(pump(relay.clone(), stream.clone(), taken)),
            runtime: runtime.clone(),
            stream,
            lost,
        })
    }

    /// The stream's id.
    pub fn stream(&self) -> &StreamId {
        &self.stream
    }

    /// Where it listens.
    pub fn local_addrs(&self) -> &[SocketAddr] {
        self.player.local_addrs()
    }

    /// How the senders are heard.
    pub fn snapshot(&self) -> PlayerReport {
        self.player.snapshot()
    }

    /// Bytes that the relay did not take in time.
    pub fn lost_bytes(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Whether it has ended by itself: somebody ended its stream.
    pub fn is_finished(&self) -> bool {
        self.player.is_finished()
    }

    /// Listens no more and ends the stream.
    ///
    /// # Errors
    /// It had failed.
    pub fn stop(self) -> Result<PlayerReport, Error> {
        self.player.stop();
        let report = self.player.wait();
        // Ends when it has handed on what was played.
        self.runtime.block_on(self.pump).ok();
        Ok(report?)
    }
}

impl fmt::Debug for Ingest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ingest")
            .field("stream", &self.stream)
            .field("lost_bytes", &self.lost_bytes())
            .finish_non_exhaustive()
    }
}

/// Hands the relay what was played, and ends the stream behind it.
async fn pump(relay: Relay, stream: StreamId, mut parts: mpsc::Receiver<(u64, Bytes)>) {
    let mut is_refused = false;
    while let Some((at, part)) = parts.recv().await {
        match relay.publish_at(&stream, at, part).await {
            Ok(()) => is_refused = false,
            Err(RelayError::Ended | RelayError::UnknownStream) => return,
            Err(e) if !is_refused => {
                is_refused = true;
                tracing::warn!(%stream, "what came by RTP is not kept: {e}");
            }
            Err(_) => {}
        }
    }
    if let Err(e) = relay.end(&stream).await {
        tracing::warn!(%stream, "could not be ended: {e}");
    }
}

/// What a player plays into.
struct Intake {
    format: StreamFormat,
    /// The stream's byte at which what waits begins.
    offset: u64,
    /// Bytes that are handed on at once.
    chunk: usize,
    waiting: BytesMut,
    parts: mpsc::Sender<(u64, Bytes)>,
    lost: Arc<AtomicU64>,
}

impl Intake {
    fn hand_on(&mut self, least: usize) -> Result<(), SinkError> {
        while self.waiting.len() >= least.max(1) {
            let part = self.waiting.split_to(self.chunk.min(self.waiting.len()));
            let (at, len) = (self.offset, part.len() as u64);
            self.offset += len;
            match self.parts.try_send((at, part.freeze())) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full(_)) => {
                    self.lost.fetch_add(len, Ordering::Relaxed);
                }
                Err(mpsc::error::TrySendError::Closed(_)) => {
                    return Err(SinkError::Io {
                        what: "the relay's stream".to_owned(),
                        source: std::io::Error::other("it has been ended"),
                    });
                }
            }
        }
        Ok(())
    }
}

impl Sink for Intake {
    fn format(&self) -> StreamFormat {
        self.format
    }

    fn write(&mut self, block: AudioRef<'_>) -> Result<(), SinkError> {
        let at = self.waiting.len();
        let bytes = block.samples().len() * PCM.sample.bytes();
        self.waiting.resize(at + bytes, 0);
        encode(PCM, block.samples(), &mut self.waiting[at..]);
        self.hand_on(self.chunk)
    }

    fn native(&self) -> Option<PcmFormat> {
        Some(PCM)
    }

    fn write_native(&mut self, bytes: &[u8]) -> Result<(), SinkError> {
        self.waiting.extend_from_slice(bytes);
        self.hand_on(self.chunk)
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        self.hand_on(1)
    }
}

/// What the relay's listeners take as a rule.
const PCM: PcmFormat = PcmFormat::new(SampleFormat::S16, Endian::Little);
/// As long as the original's 1 024 frames at 44.1 kHz or less.
const CHUNK: std::time::Duration = std::time::Duration::from_millis(20);
/// Parts that may wait for the relay: five seconds.
const PENDING: usize = 256;

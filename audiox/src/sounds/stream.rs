//! A network stream as a source: what a player would play.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use audiox_core::block::AudioRef;
use audiox_core::format::{Channels, PcmFormat, SampleRate, StreamFormat};
use audiox_core::playout::PlayoutConfig;
use audiox_core::source::{Sink, SinkError, Source, SourceClock, SourceError};
use audiox_udp::node::Listen;
use audiox_udp::player::{Player, PlayerConfig, PlayerHandle};

use crate::{Endpoint, Error};

/// What comes to an endpoint, in real time and without gaps: silence where nothing comes.
pub(super) struct StreamSource {
    player: PlayerHandle,
    blocks: Receiver<Vec<f32>>,
    rest: Vec<f32>,
    taken: usize,
}

impl StreamSource {
    pub(super) fn open(url: &str) -> Result<Self, Error> {
        let listen = Listen::from_endpoint(&url.parse::<Endpoint>()?)?;
        let config = PlayerConfig {
            format: FORMAT,
            quantum: 960,
            codecs: crate::codecs(),
            ..PlayerConfig::new(listen, PlayoutConfig::default())?
        };
        let (give, blocks) = sync_channel(MOST_WAITING);
        let player = Player::start(config, Box::new(Pipe(give)))?;
        Ok(Self {
            player,
            blocks,
            rest: Vec::new(),
            taken: 0,
        })
    }
}

impl Drop for StreamSource {
    fn drop(&mut self) {
        self.player.stop();
    }
}

impl Source for StreamSource {
    fn format(&self) -> StreamFormat {
        FORMAT
    }

    fn clock(&self) -> SourceClock {
        SourceClock::Device
    }

    fn frames_left(&self) -> Option<u64> {
        None
    }

    fn read(&mut self, out: &mut [f32]) -> Result<usize, SourceError> {
        while self.taken == self.rest.len() {
            match self.blocks.recv() {
                Ok(block) => (self.rest, self.taken) = (block, 0),
                // The player has ended.
                Err(_) => return Ok(0),
            }
        }
        let rest = &self.rest[self.taken..];
        let n = rest.len().min(out.len());
        out[..n].copy_from_slice(&rest[..n]);
        self.taken += n;
        Ok(n)
    }

    fn native(&self) -> Option<PcmFormat> {
        None
    }

    fn read_native(&mut self, _out: &mut [u8]) -> Result<usize, SourceError> {
        Err(SourceError::Unsupported(
            "a stream is heard as it is decoded".into(),
        ))
    }

    fn seek(&mut self, _frame: u64) -> Result<(), SourceError> {
        Err(SourceError::Unsupported("a stream cannot go back".into()))
    }
}

/// The player's end of it. Where nobody reads, the newest is left out: the player keeps its time.
struct Pipe(SyncSender<Vec<f32>>);

impl Sink for Pipe {
    fn format(&self) -> StreamFormat {
        FORMAT
    }

    fn write(&mut self, block: AudioRef<'_>) -> Result<(), SinkError> {
        match self.0.try_send(block.samples().to_vec()) {
            Ok(()) | Err(TrySendError::Full(_)) => Ok(()),
            Err(TrySendError::Disconnected(_)) => {
                Err(SinkError::Unsupported("nobody listens any more".into()))
            }
        }
    }

    fn native(&self) -> Option<PcmFormat> {
        None
    }

    fn write_native(&mut self, _bytes: &[u8]) -> Result<(), SinkError> {
        Err(SinkError::Unsupported("only frames are taken".into()))
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}

const FORMAT: StreamFormat = StreamFormat {
    rate: SampleRate::HZ_48000,
    channels: Channels::MONO,
};
/// Blocks of 20 ms.
const MOST_WAITING: usize = 10;

//! The sending thread: one source, all clients.
//!
//! Who has the clock drives. A source that has one, a microphone, is read on this thread, and what
//! it gave is sent at once; of any other, blocks are read ahead by a thread of their own and sent
//! by their deadlines. In both, a block is read once, measured, and each client's channels taken out
//! of it.
//!
//! Clients come and go through a ring of orders, made ready elsewhere; those that leave go home
//! through another, to be dropped. In its steady state the thread allocates nothing, takes no
//! lock and logs nothing.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use audiox_core::block::AudioRef;
use audiox_core::convert::{self, Level};
use audiox_core::format::{Channels, Endian, PcmFormat, SampleFormat, SampleRate, StreamFormat};
use audiox_core::pacer::{CatchUp, Pacer};
use audiox_core::source::{Source, SourceClock, SourceError};
use audiox_core::time::Instant;
use audiox_io::{Prefetch, PrefetchConfig, PrefetchReader};
use audiox_net::StopFlag;
use audiox_net::clock::Clock;
use audiox_net::pace::{PaceEnd, PacedWork, run_paced};
use ringbuf::traits::{Consumer, Producer};
use ringbuf::{HeapCons, HeapProd};

use super::lane::Lane;
use super::list::MAX_CLIENTS;
use super::status::{self, Board};

/// What the sending thread is told.
#[derive(Debug)]
pub(super) enum Order {
    /// Send to this client, in place of what was sent to the one of the same id.
    Put(Box<Lane>),
    /// Send no more to the client of this id.
    Remove(u64),
}

/// Why it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    Stopped,
    /// The source has no more.
    Ended,
    Failed(String),
}

/// Where the audio comes from.
pub(super) enum Feed {
    /// A source with a clock of its own.
    Live(Box<dyn Source>),
    /// One without, read ahead.
    Ahead {
        reader: PrefetchReader,
        bytes: Box<[u8]>,
        _prefetch: Prefetch,
    },
}

impl Feed {
    /// Starts to read ahead, where that is possible.
    ///
    /// # Errors
    /// The system starts no thread.
    pub(super) fn new(source: Box<dyn Source>, chunk: usize) -> Result<Self, SourceError> {
        if source.clock() == SourceClock::Device {
            return Ok(Self::Live(source));
        }
        let bytes = chunk * PCM.frame_bytes(source.format().channels);
        let config = PrefetchConfig::default();
        let (prefetch, mut readers) = Prefetch::spawn(vec![(source, PCM)], config)?;
        prefetch.wait_filled(FILL);
        Ok(Self::Ahead {
            reader: readers.remove(0),
            bytes: vec![0; bytes].into(),
            _prefetch: prefetch,
        })
    }
}

/// All that the sending thread has.
pub(super) struct Engine {
    clock: Clock,
    feed: Feed,
    pacer: Pacer,
    rate: SampleRate,
    channels: Channels,
    chunk: usize,
    #[expect(clippy::vec_box, reason = "they come and go by pointer alone")]
    lanes: Vec<Box<Lane>>,
    orders: HeapCons<Order>,
    gone: HeapProd<Box<Lane>>,
    board: Arc<Board>,
    block: Box<[f32]>,
    chunk_time: Duration,
    fall: f32,
    /// Frames of the block at hand; 0 where there is none.
    ready: usize,
    end: Option<End>,
}

impl Engine {
    pub(super) fn new(
        clock: Clock,
        feed: Feed,
        format: StreamFormat,
        chunk: usize,
        orders: HeapCons<Order>,
        gone: HeapProd<Box<Lane>>,
        board: Arc<Board>,
    ) -> Self {
        let chunk_time = format.rate.duration_of(chunk as u64);
        Self {
            pacer: Pacer::new(Instant::EPOCH, format.rate, CatchUp::Skip(PATIENCE)),
            clock,
            feed,
            rate: format.rate,
            channels: format.channels,
            chunk,
            lanes: Vec::with_capacity(MAX_CLIENTS),
            orders,
            gone,
            board,
            block: vec![0.0; chunk * format.channels.get()].into(),
            chunk_time,
            fall: status::fall(chunk_time),
            ready: 0,
            end: None,
        }
    }

    /// Sends until the source ends or `stop` is given.
    pub(super) fn run_to_end(mut self, stop: &StopFlag) -> End {
        if let Feed::Live(_) = self.feed {
            while self.end.is_none() && !stop.is_stopped() {
                self.obey();
                self.read_live(stop);
                self.prepare(self.clock.now().saturating_sub(self.chunk_time));
                self.send(self.clock.now());
            }
        } else {
            self.obey();
            self.read_ahead();
            let start = self.clock.now();
            self.pacer = Pacer::new(start, self.rate, CatchUp::Skip(PATIENCE));
            self.prepare(start);
            let clock = self.clock;
            if run_paced(&clock, stop, &mut self) == PaceEnd::Stopped {
                self.end = None;
            }
        }
        let now = self.clock.now();
        self.obey();
        for lane in &mut self.lanes {
            lane.finish(now);
        }
        for meter in &self.board.meters {
            meter.reset();
        }
        self.end.unwrap_or(End::Stopped)
    }

    /// Carries out what was ordered.
    fn obey(&mut self) {
        while let Some(order) = self.orders.try_pop() {
            let (id, lane) = match order {
                Order::Put(lane) => (lane.id, Some(lane)),
                Order::Remove(id) => (id, None),
            };
            let found = self.lanes.iter().position(|l| l.id == id);
            let old = match (found, lane) {
                (Some(at), Some(lane)) => Some(std::mem::replace(&mut self.lanes[at], lane)),
                (Some(at), None) => Some(self.lanes.swap_remove(at)),
                (None, Some(lane)) => {
                    self.lanes.push(lane);
                    None
                }
                (None, None) => None,
            };
            if let Some(mut old) = old {
                old.finish(self.clock.now());
                // Where nobody has fetched those before for long, it is dropped here after all.
                let _ = self.gone.try_push(old);
            }
        }
    }

    /// Waits for the next block of a source with a clock.
    fn read_live(&mut self, stop: &StopFlag) {
        let Feed::Live(source) = &mut self.feed else {
            return;
        };
        let channels = self.channels.get();
        let mut have = 0;
        while have < self.chunk && !stop.is_stopped() {
            match source.read(&mut self.block[have * channels..]) {
                Ok(0) => {
                    self.end = Some(End::Ended);
                    break;
                }
                Ok(frames) => have += frames,
                Err(e) => {
                    self.end = Some(End::Failed(e.to_string()));
                    break;
                }
            }
        }
        if have > 0 {
            self.fill_up(have);
        }
    }

    /// Takes the next block of a source that was read ahead.
    fn read_ahead(&mut self) {
        let Feed::Ahead { reader, bytes, .. } = &mut self.feed else {
            return;
        };
        let filled = reader.fill(bytes);
        let samples = convert::decode(PCM, &bytes[..filled.bytes], &mut self.block);
        let have = samples / self.channels.get();
        if have > 0 || !filled.end {
            if !filled.end {
                // Time passes whether the disk was there or not.
                let missing = (self.chunk - have) as u64;
                self.board.missing.fetch_add(missing, Relaxed);
            }
            self.fill_up(have);
        } else {
            self.end = Some(match reader.take_error() {
                Some(e) => End::Failed(e.to_string()),
                None => End::Ended,
            });
        }
    }

    /// Clients play blocks of one length: one that is short gets silence behind it.
    fn fill_up(&mut self, have: usize) {
        self.block[have * self.channels.get()..].fill(0.0);
        self.ready = self.chunk;
    }

    /// Measures the block and makes what each client gets of it.
    fn prepare(&mut self, captured: Instant) {
        if self.ready == 0 {
            return;
        }
        let block = AudioRef::new(&self.block, self.channels);
        let mut levels = [Level::default(); 64];
        let count = convert::levels(block, &mut levels);
        for (meter, level) in self.board.meters.iter().zip(&levels[..count]) {
            meter.push(*level, self.fall);
        }
        for lane in &mut self.lanes {
            lane.prepare(block, captured, self.fall);
        }
    }

    fn send(&mut self, now: Instant) {
        if self.ready == 0 {
            return;
        }
        for lane in &mut self.lanes {
            lane.send(now);
        }
        self.ready = 0;
        self.board.blocks.fetch_add(1, Relaxed);
    }
}

/// By deadlines: what is ready goes out, then the next block is made ready.
impl PacedWork for Engine {
    fn next_deadline(&self) -> Option<Instant> {
        (self.ready > 0).then(|| self.pacer.next_deadline())
    }

    fn run(&mut self, now: Instant) {
        let skipped = self.pacer.skip_late(now, self.chunk as u64);
        if skipped > 0 {
            self.board.skipped.fetch_add(skipped, Relaxed);
            for lane in &mut self.lanes {
                lane.skip(skipped);
            }
        }
        self.send(now);
        self.pacer.advance(self.chunk as u64);
        self.obey();
        self.read_ahead();
        self.prepare(self.pacer.next_deadline());
    }
}

/// What is read ahead: as the sample loops have it, so that nothing is converted twice.
const PCM: PcmFormat = PcmFormat::new(SampleFormat::F32, Endian::Little);
/// How long to wait for a source to be read ahead; a slower one starts with what it has.
const FILL: Duration = Duration::from_secs(1);
/// Blocks later than this are of no use to listeners: the schedule moves on.
const PATIENCE: Duration = Duration::from_millis(300);

//! A bounded read-ahead: one thread reads many sources before their bytes are due.
//!
//! A pacing thread must never wait for a disk. So a reader thread keeps a ring for each source
//! filled with bytes in the format that the wire wants, and the pacing thread only copies out of
//! the rings: no lock, no allocation, no file. Bytes that are stored in the wanted format are
//! passed through untouched; others are decoded and encoded on the reader thread.
//!
//! A source that blocks (a pipe) holds up the others on its thread: give it a [`Prefetch`] of its
//! own.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::{self, Thread};
use std::time::Duration;

use audiox_core::ConfigError;
use audiox_core::convert;
use audiox_core::format::{PcmFormat, StreamFormat};
use audiox_core::source::{Source, SourceError};
use ringbuf::traits::{Consumer, Observer, Producer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};

/// How far ahead is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrefetchConfig {
    depth: Duration,
}

impl PrefetchConfig {
    /// Reads `depth` ahead, 10 ms to 60 s; of a source that needs more than 64 MiB for it, as much
    /// as fits there.
    ///
    /// # Errors
    /// `depth` is outside that.
    pub fn new(depth: Duration) -> Result<Self, ConfigError> {
        if !(MIN_DEPTH..=MAX_DEPTH).contains(&depth) {
            return Err(ConfigError::new(
                "read-ahead",
                format_args!("{depth:?}"),
                "10 ms to 60 s",
            ));
        }
        Ok(Self { depth })
    }

    /// How far ahead is read.
    pub const fn depth(self) -> Duration {
        self.depth
    }
}

impl Default for PrefetchConfig {
    /// One second: rides out a busy or spun-down disk, and costs 192 KB for 48 kHz stereo.
    fn default() -> Self {
        Self {
            depth: Duration::from_secs(1),
        }
    }
}

/// The reader thread. It ends with the last of its sources, or when this is dropped.
pub struct Prefetch {
    stop: Arc<AtomicBool>,
    thread: Thread,
    /// Closed once every ring has been full or its source at its end.
    filling: Receiver<Infallible>,
}

impl Prefetch {
    /// Starts a thread that reads each source ahead into bytes of the format beside it, and
    /// returns a reader for each, in their order.
    ///
    /// # Errors
    /// [`SourceError::Io`] where the system starts no thread.
    pub fn spawn(
        sources: Vec<(Box<dyn Source>, PcmFormat)>,
        config: PrefetchConfig,
    ) -> Result<(Self, Vec<PrefetchReader>), SourceError> {
        let (mut streams, mut readers) = (Vec::new(), Vec::new());
        for (source, pcm) in sources {
            let (stream, reader) = stream(source, pcm, config);
            streams.push(stream);
            readers.push(reader);
        }
        let stop = Arc::new(AtomicBool::new(false));
        let (filled, filling) = mpsc::sync_channel(0);
        let pause = (config.depth / 16).min(MAX_PAUSE);
        let thread = thread::Builder::new().name("audiox-prefetch".into());
        let thread = thread
            .spawn({
                let stop = Arc::clone(&stop);
                move || run(streams, &stop, pause, filled)
            })
            .map_err(|source| SourceError::Io {
                what: "starting the read-ahead thread".into(),
                source,
            })?;
        let thread = thread.thread().clone();
        let prefetch = Self {
            stop,
            thread,
            filling,
        };
        Ok((prefetch, readers))
    }

    /// Waits until every source has been read its full depth ahead or to its end, at most
    /// `timeout`; says whether they have. Call it before the first packet is due.
    pub fn wait_filled(&self, timeout: Duration) -> bool {
        self.filling.recv_timeout(timeout) == Err(RecvTimeoutError::Disconnected)
    }
}

impl Drop for Prefetch {
    /// Stops the thread after the read it is in, without waiting for it: a pipe may block for ever.
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.unpark();
    }
}

impl fmt::Debug for Prefetch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prefetch").finish_non_exhaustive()
    }
}

/// What [`PrefetchReader::fill`] could do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filled {
    /// Bytes written, whole frames.
    pub bytes: usize,
    /// Nothing comes after these bytes: the source has ended or failed.
    pub end: bool,
}

/// The read-ahead bytes of one source.
pub struct PrefetchReader {
    ring: HeapCons<u8>,
    errors: HeapCons<SourceError>,
    format: StreamFormat,
    pcm: PcmFormat,
    underruns: u64,
    missing: u64,
}

impl PrefetchReader {
    /// Rate and channels.
    pub fn format(&self) -> StreamFormat {
        self.format
    }

    /// The format of the bytes.
    pub fn pcm(&self) -> PcmFormat {
        self.pcm
    }

    /// Copies whole frames into `out`, as many as fit and are there. Never blocks, allocates or
    /// locks.
    ///
    /// Fewer bytes than fit, without `end`, are an underrun: the disk was too slow. The stream
    /// goes on where it stopped; what to send in between is the caller's choice.
    pub fn fill(&mut self, out: &mut [u8]) -> Filled {
        let frame_bytes = self.pcm.frame_bytes(self.format.channels);
        // Asked before reading: once the writer has left, nothing more can come.
        let last = !self.ring.write_is_held();
        let wanted = out.len() - out.len() % frame_bytes;
        // The writer publishes whole frames only.
        let bytes = self.ring.pop_slice(&mut out[..wanted]);
        if bytes < wanted && !last {
            self.underruns += 1;
            self.missing += ((wanted - bytes) / frame_bytes) as u64;
        }
        Filled {
            bytes,
            end: last && self.ring.is_empty(),
        }
    }

    /// Frames that are read ahead at the moment.
    pub fn frames_ahead(&self) -> usize {
        self.ring.occupied_len() / self.pcm.frame_bytes(self.format.channels)
    }

    /// Times that [`fill`](Self::fill) found too little.
    pub fn underruns(&self) -> u64 {
        self.underruns
    }

    /// Frames that it found missing in all.
    pub fn missing_frames(&self) -> u64 {
        self.missing
    }

    /// After the end: why the source failed, if it did. Hands the error over, so once only.
    pub fn take_error(&mut self) -> Option<SourceError> {
        self.errors.try_pop()
    }
}

impl fmt::Debug for PrefetchReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrefetchReader")
            .field("format", &self.format)
            .field("pcm", &self.pcm)
            .field("frames_ahead", &self.frames_ahead())
            .field("underruns", &self.underruns)
            .finish_non_exhaustive()
    }
}

/// The reader thread's end. Dropping it tells the consumer that no more comes.
struct Stream {
    source: Box<dyn Source>,
    pcm: PcmFormat,
    ring: HeapProd<u8>,
    errors: HeapProd<SourceError>,
    /// Bytes read at a time.
    chunk: Box<[u8]>,
    /// Samples read at a time, where they have to be converted.
    samples: Option<Box<[f32]>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    Read,
    Full,
    Ended,
}

fn stream(
    source: Box<dyn Source>,
    pcm: PcmFormat,
    config: PrefetchConfig,
) -> (Stream, PrefetchReader) {
    let format = source.format();
    let frame_bytes = pcm.frame_bytes(format.channels);
    let frames = usize::try_from(format.rate.frames_in(config.depth))
        .unwrap_or(usize::MAX)
        .clamp(TURNS, MAX_RING / frame_bytes);
    let (ring_in, ring_out) = HeapRb::new(frames * frame_bytes).split();
    let (errors_in, errors_out) = HeapRb::new(1).split();
    let chunk_frames = frames / TURNS;
    let convert = source.native() != Some(pcm);
    let stream = Stream {
        pcm,
        ring: ring_in,
        errors: errors_in,
        chunk: vec![0; chunk_frames * frame_bytes].into(),
        samples: convert.then(|| vec![0.0; chunk_frames * format.channels.get()].into()),
        source,
    };
    let reader = PrefetchReader {
        ring: ring_out,
        errors: errors_out,
        format,
        pcm,
        underruns: 0,
        missing: 0,
    };
    (stream, reader)
}

impl Stream {
    /// Reads one chunk if there is room for it.
    fn turn(&mut self) -> Turn {
        if !self.ring.read_is_held() {
            return Turn::Ended;
        }
        if self.ring.vacant_len() < self.chunk.len() {
            return Turn::Full;
        }
        match self.read() {
            Ok(0) => Turn::Ended,
            Ok(bytes) => {
                self.ring.push_slice(&self.chunk[..bytes]);
                // Known at once where it can be, so that a short last block is no underrun.
                match self.source.frames_left() {
                    Some(0) => Turn::Ended,
                    _ => Turn::Read,
                }
            }
            Err(e) => {
                // The only one: the stream ends with it.
                let _ = self.errors.try_push(e);
                Turn::Ended
            }
        }
    }

    fn read(&mut self) -> Result<usize, SourceError> {
        let Some(samples) = &mut self.samples else {
            return self.source.read_native(&mut self.chunk);
        };
        let frames = self.source.read(samples)?;
        let samples = &samples[..frames * self.source.format().channels.get()];
        Ok(convert::encode(self.pcm, samples, &mut self.chunk))
    }
}

/// Serves the streams in turn, a chunk each, until all rings are full; then rests.
fn run(
    mut streams: Vec<Stream>,
    stop: &AtomicBool,
    pause: Duration,
    filled: mpsc::SyncSender<Infallible>,
) {
    let mut filled = Some(filled);
    while !streams.is_empty() && !stop.load(Ordering::Relaxed) {
        let mut all_full = true;
        streams.retain_mut(|stream| {
            let turn = stream.turn();
            all_full &= turn != Turn::Read;
            turn != Turn::Ended
        });
        if all_full {
            filled = None;
            thread::park_timeout(pause);
        }
    }
    drop(filled);
}

const MIN_DEPTH: Duration = Duration::from_millis(10);
const MAX_DEPTH: Duration = Duration::from_secs(60);
/// A hostile header may claim 1 024 channels at 768 kHz.
const MAX_RING: usize = 64 << 20;
/// A ring is filled in this many turns, so that many sources fill evenly.
const TURNS: usize = 8;
const MAX_PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests;

//! One stream: what passes through it, who listens, what is kept of it.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use audiox_core::block::AudioRef;
use audiox_core::convert::{Level, LevelMeter, decode};
use audiox_core::format::SampleFormat;
use audiox_core::store::{
    Archive, Coding, GapKind, SegmentKey, StoreError, StoredFormat, StreamId, StreamRecord,
};
use audiox_core::time::{MediaTime, UnixTime};
use audiox_net::fanout::Fanout;
use audiox_net::socketio::{Outgoing, binary};
use bytes::{Bytes, BytesMut};
use serde_json::json;
use tokio::sync::{mpsc, oneshot};

use crate::RelayError;
use crate::ogg::Station;
use crate::packet::{self, Header};

/// What listeners that are not on Socket.IO are sent.
#[derive(Debug, Clone)]
pub(crate) enum Item {
    /// Audio.
    Packet(Arc<Packet>),
    /// A segment was stored.
    Stored(SegmentKey),
}

/// Whole frames that passed.
#[derive(Debug)]
pub(crate) struct Packet {
    pub(crate) header: Header,
    pub(crate) frames: Bytes,
    message: OnceLock<Vec<u8>>,
}

impl Packet {
    /// Its WebSocket message, encoded once for all listeners.
    pub(crate) fn message(&self) -> &[u8] {
        self.message.get_or_init(|| {
            let mut out = Vec::with_capacity(self.frames.len() + 64);
            packet::message(&self.header, &self.frames, &mut out);
            out
        })
    }
}

pub(crate) struct Stream {
    pub(crate) id: StreamId,
    pub(crate) format: StoredFormat,
    /// What its Socket.IO listeners are sent.
    pub(crate) events: Fanout<Arc<Outgoing>>,
    /// What all others are sent.
    pub(crate) items: Fanout<Item>,
    /// Its encoding as Ogg Opus.
    pub(crate) station: Station,
    state: Mutex<State>,
    /// Segments that were announced.
    stored: Mutex<BTreeSet<u64>>,
}

struct State {
    record: StreamRecord,
    /// None once it has ended.
    keep: Option<mpsc::Sender<Keep>>,
    /// Bytes so far.
    offset: u64,
    /// The beginning of a frame whose end is still to come.
    begun: Vec<u8>,
    seq: u32,
    heard: Instant,
    meter: LevelMeter,
    samples: Vec<f32>,
    stats: StreamStats,
}

/// What has passed.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct StreamStats {
    /// Pushes.
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    /// Bytes that the archive did not take.
    pub(crate) refused: u64,
}

/// What the archive is asked for.
pub(crate) enum Keep {
    Append {
        /// The stream's byte at which it begins. What the archive has already is left out.
        at: u64,
        data: Bytes,
        frames: u64,
        gap: Option<GapKind>,
        reply: oneshot::Sender<Result<(), StoreError>>,
    },
    End(oneshot::Sender<Result<StreamRecord, StoreError>>),
}

/// Hands a stream's bytes to the archive, one after another, so that listeners do not wait for
/// it.
pub(crate) async fn keep(mut keeper: Keeper, mut asked: mpsc::Receiver<Keep>) {
    while let Some(what) = asked.recv().await {
        // Whoever asked may have gone meanwhile; what was done stays done.
        match what {
            Keep::Append {
                at,
                data,
                frames,
                gap,
                reply,
            } => {
                let _ = reply.send(keeper.append(at, data, frames, gap).await);
            }
            Keep::End(reply) => {
                let _ = reply.send(keeper.archive.end(&keeper.id).await);
            }
        }
    }
}

/// What a stream's bytes go through on their way into the archive.
pub(crate) struct Keeper {
    pub(crate) archive: Arc<dyn Archive>,
    pub(crate) id: StreamId,
    /// Bytes of the stream that the archive has.
    pub(crate) kept: u64,
    /// What silence is in each byte.
    pub(crate) silence: u8,
}

impl Keeper {
    /// What the archive refused before and nobody sent again becomes silence, so that all that
    /// follows is where listeners heard it.
    async fn append(
        &mut self,
        at: u64,
        mut data: Bytes,
        frames: u64,
        gap: Option<GapKind>,
    ) -> Result<(), StoreError> {
        if at.saturating_sub(self.kept) > MAX_HOLE {
            tracing::error!(stream = %self.id, "the archive lacks too much to be filled in");
            self.kept = at;
        }
        while self.kept < at {
            let part = (at - self.kept).min(SILENCE as u64);
            let silence = Bytes::from(vec![self.silence; part as usize]);
            let missing = Some(GapKind::Missing);
            self.archive
                .append(&self.id, silence, part, missing)
                .await?;
            self.kept += part;
        }
        let known = usize::try_from(self.kept - at).unwrap_or(usize::MAX);
        let _ = data.split_to(known.min(data.len()));
        let len = data.len() as u64;
        if len > 0 {
            self.archive.append(&self.id, data, frames, gap).await?;
            self.kept += len;
        }
        Ok(())
    }
}

/// What silence is in each byte.
pub(crate) fn silence(format: &StoredFormat) -> u8 {
    match format.coding {
        Coding::Pcm(pcm) if pcm.sample == SampleFormat::U8 => 0x80,
        _ => 0,
    }
}

impl Stream {
    /// A stream that goes on at byte `offset`, with `begun` before it where that is inside a
    /// frame; without `keep` one that has ended.
    pub(crate) fn new(
        record: StreamRecord,
        offset: u64,
        begun: Vec<u8>,
        keep: Option<mpsc::Sender<Keep>>,
    ) -> Self {
        let format = record.format.clone();
        Self {
            id: record.id.clone(),
            events: Fanout::new(),
            items: Fanout::new(),
            station: Station::default(),
            state: Mutex::new(State {
                keep,
                offset,
                begun,
                seq: 0,
                heard: Instant::now(),
                meter: LevelMeter::new(format.stream.channels),
                samples: Vec::new(),
                stats: StreamStats::default(),
                record,
            }),
            stored: Mutex::new(BTreeSet::new()),
            format,
        }
    }

    /// Sends bytes to the listeners and then to the archive: done when that has accepted them.
    /// Where it is known that they begin at `offset` of the stream, what has passed already is
    /// left out, and what never came becomes silence.
    pub(crate) async fn push(&self, data: Bytes, offset: Option<u64>) -> Result<(), RelayError> {
        loop {
            let missing = self.pass(data.clone(), offset, None).await?;
            let Some(offset) = offset.filter(|_| missing > 0) else {
                return Ok(());
            };
            if missing > MAX_HOLE {
                return Err(RelayError::Request(format!(
                    "{missing} bytes are missing before offset {offset}; at most {MAX_HOLE} are \
                     filled"
                )));
            }
            let part = missing.min(SILENCE as u64);
            let silence = Bytes::from(vec![silence(&self.format); part as usize]);
            let at = Some(offset - missing);
            self.pass(silence, at, Some(GapKind::Missing)).await?;
        }
    }

    /// The same where nothing is missing before; else how many bytes are, and nothing is sent.
    /// `gap` where they stand in for what never came.
    async fn pass(
        &self,
        data: Bytes,
        offset: Option<u64>,
        gap: Option<GapKind>,
    ) -> Result<u64, RelayError> {
        let keep = self.state().keep.clone().ok_or(RelayError::Ended)?;
        // Where the archive is far behind, its sender waits before it is heard of.
        let room = keep.reserve().await.map_err(|_| RelayError::Ended)?;
        let (reply, kept) = oneshot::channel();
        let len = data.len() as u64;
        {
            // Requests that send the same bytes at once each see what the other has sent.
            let mut state = self.state();
            if state.keep.is_none() {
                return Err(RelayError::Ended);
            }
            let at = offset.unwrap_or(state.offset);
            if at > state.offset {
                return Ok(at - state.offset);
            }
            let known = usize::try_from(state.offset - at).unwrap_or(usize::MAX);
            let fresh = data.slice(known.min(data.len())..);
            if data.is_empty() {
                return Ok(0);
            }
            let frames = match fresh.is_empty() {
                true => 0,
                false => self.publish(&mut state, &fresh),
            };
            // What has passed goes there too: the archive may have refused it then.
            room.send(Keep::Append {
                at,
                data,
                frames,
                gap,
                reply,
            });
        }
        let kept = kept.await.unwrap_or_else(|_| {
            Err(StoreError::new(
                audiox_core::store::StoreErrorKind::Other,
                "archive",
                "it has stopped",
            ))
        });
        kept.inspect_err(|_| self.state().stats.refused += len)?;
        Ok(0)
    }

    /// Sends bytes to the listeners. Returns the frames that end in them.
    fn publish(&self, state: &mut State, data: &Bytes) -> u64 {
        let frame = self.format.frame_bytes().unwrap_or(1);
        let before = state.offset / frame as u64;
        state.offset += data.len() as u64;
        state.heard = Instant::now();
        state.stats.packets += 1;
        state.stats.bytes += data.len() as u64;
        if !self.events.is_empty() {
            let payload = json!({ "stream_id": self.id.as_str(), "data": binary(0) });
            let event = Outgoing::event("audio_data", [payload], vec![data.clone()]);
            let weight = event.weight();
            self.events.publish(&Arc::new(event), weight);
        }
        let whole = state.whole_frames(data, frame);
        if let Coding::Pcm(pcm) = self.format.coding {
            let samples = whole.len() / pcm.sample.bytes();
            state.samples.resize(samples, 0.0);
            decode(pcm, &whole, &mut state.samples);
            let block = AudioRef::new(&state.samples, self.format.stream.channels);
            state.meter.push(block);
        }
        if !whole.is_empty() {
            let header = Header {
                is_archived: false,
                seq: state.seq,
                at: MediaTime(i64::try_from(before).unwrap_or(i64::MAX)),
                sent: wall(),
            };
            state.seq = state.seq.wrapping_add(1);
            let len = whole.len() + ITEM;
            let packet = Packet {
                header,
                frames: whole,
                message: OnceLock::new(),
            };
            self.items.publish(&Item::Packet(Arc::new(packet)), len);
        }
        state.offset / frame as u64 - before
    }

    /// Takes no more; the archive's last words are the stream's record. Goes on to its end where
    /// nobody waits for it.
    pub(crate) async fn end(self: &Arc<Self>) -> Result<(), RelayError> {
        let Some(keep) = self.state().keep.take() else {
            return Err(RelayError::Ended);
        };
        self.items.close();
        let this = self.clone();
        let ending = tokio::spawn(async move {
            let (reply, ended) = oneshot::channel();
            let is_asked = keep.send(Keep::End(reply)).await.is_ok();
            if is_asked && let Ok(record) = ended.await {
                this.state().record = record?;
            }
            Ok(())
        });
        // It is neither cancelled nor does it panic.
        ending.await.unwrap_or(Ok(()))
    }

    pub(crate) fn record(&self) -> StreamRecord {
        self.state().record.clone()
    }

    pub(crate) fn is_live(&self) -> bool {
        self.state().keep.is_some()
    }

    /// Where the next frame will be.
    pub(crate) fn position(&self) -> MediaTime {
        let frame = self.format.frame_bytes().unwrap_or(1) as u64;
        MediaTime(i64::try_from(self.state().offset / frame).unwrap_or(i64::MAX))
    }

    /// Bytes so far.
    pub(crate) fn offset(&self) -> u64 {
        self.state().offset
    }

    /// When it was last sent something.
    pub(crate) fn heard(&self) -> Instant {
        self.state().heard
    }

    pub(crate) fn stats(&self) -> StreamStats {
        self.state().stats
    }

    /// Levels since this was last asked.
    pub(crate) fn take_levels(&self) -> Vec<Level> {
        let mut state = self.state();
        let levels = state.meter.levels().collect();
        state.meter.reset();
        levels
    }

    /// Tells listeners of a segment that was stored.
    pub(crate) fn announce(&self, key: &SegmentKey) {
        let mut stored = self.stored();
        if stored.insert(key.second) {
            let event = Outgoing::event(
                "new_chunk",
                [json!({ "chunk_id": key.to_string() })],
                vec![],
            );
            self.events.publish_kept(&Arc::new(event));
            // Who plays old audio takes what is live late: these must neither fill his queue nor
            // push audio out of it.
            self.items.publish(&Item::Stored(key.clone()), 0);
        }
    }

    /// What was stored before anybody listened.
    pub(crate) fn remember(&self, seconds: impl IntoIterator<Item = u64>) {
        self.stored().extend(seconds);
    }

    /// These segments are gone.
    pub(crate) fn forget(&self, gone: &BTreeSet<u64>) {
        self.stored().retain(|second| !gone.contains(second));
    }

    /// The segments that were stored, which `f` sees before any further one is announced.
    pub(crate) fn with_stored<T>(&self, f: impl FnOnce(&BTreeSet<u64>) -> T) -> T {
        f(&self.stored())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stored(&self) -> MutexGuard<'_, BTreeSet<u64>> {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// `data` from frame to frame. Senders that send whole frames have nothing copied.
    fn whole_frames(&mut self, data: &Bytes, frame: usize) -> Bytes {
        let rest = (self.begun.len() + data.len()) % frame;
        if self.begun.is_empty() && rest == 0 {
            return data.clone();
        }
        let mut whole = BytesMut::with_capacity(self.begun.len() + data.len());
        whole.extend_from_slice(&self.begun);
        whole.extend_from_slice(data);
        let begun = whole.split_off(whole.len() - rest);
        self.begun.clear();
        self.begun.extend_from_slice(&begun);
        whole.freeze()
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream")
            .field("id", &self.id)
            .field("events", &self.events)
            .field("items", &self.items)
            .finish_non_exhaustive()
    }
}

/// Bytes of memory that an item takes beside its audio.
const ITEM: usize = size_of::<Packet>() + size_of::<Item>();
/// Bytes that a sender may say never came.
const MAX_HOLE: u64 = 256 << 20;
/// Bytes of silence at a time.
const SILENCE: usize = 64 * 1024;

/// Now, by the wall clock.
pub(crate) fn wall() -> UnixTime {
    std::time::SystemTime::now().into()
}

//! What one listener is sent, in order, without gap or repeat: from the archive first, where that
//! was asked for, and then what is live.
//!
//! The listener joins what is live before the archive is read, so the two overlap, and what it
//! has had already is left out. Where it reads so slowly that what is live is dropped meanwhile,
//! the archive fills the hole. Those who want what is live only take the hole.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use audiox_core::store::{SegmentKey, SegmentMeta, StoreErrorKind, TimeRange};
use audiox_core::time::MediaTime;
use audiox_net::fanout::{Outbox, OutboxConfig};
use bytes::{Bytes, BytesMut};
use tokio::time::Instant;

use crate::packet::Header;
use crate::stream::{Item, Packet, Stream, wall};
use crate::when::When;
use crate::{Relay, RelayError};

/// What comes next for a listener.
#[derive(Debug)]
pub(crate) enum Fed {
    /// What is live, whole.
    Live(Arc<Packet>),
    /// Frames from the archive, or what is left of a live packet.
    Frames(Header, Bytes),
    /// A segment was stored.
    Stored(SegmentKey),
}

pub(crate) struct Feed {
    place: Place,
    relay: Relay,
    frame: usize,
    /// The frame that comes next; none for who takes what comes.
    next: Option<MediaTime>,
    /// Up to where the archive is read; none where it is not being read.
    goal: Option<MediaTime>,
    /// What came live meanwhile.
    held: Option<Arc<Packet>>,
    /// Segments still to be read.
    segments: VecDeque<SegmentMeta>,
    /// What was read and is still to be sent, and whose first byte this is in the stream.
    read: Bytes,
    read_at: u64,
    /// The beginning of a frame that ends in the next segment.
    begun: BytesMut,
    /// Since when the archive has not had what is due.
    missing: Option<Instant>,
    /// The end of what is wanted.
    until: MediaTime,
}

impl Feed {
    /// What is sent to `stream` from `from` on, for as long as it goes on.
    pub(crate) async fn new(
        relay: &Relay,
        stream: &Arc<Stream>,
        from: When,
    ) -> Result<Self, RelayError> {
        let mut feed = Self::join(relay, stream);
        if from != When::Live {
            let position = stream.position();
            let at = Self::at(relay, stream, from).await?;
            feed.next = Some(at.min(position));
            feed.goal = Some(position);
        }
        Ok(feed)
    }

    /// The frames from `at` up to `until`, which have passed already.
    pub(crate) fn between(
        relay: &Relay,
        stream: &Arc<Stream>,
        at: MediaTime,
        until: MediaTime,
    ) -> Self {
        Self {
            next: Some(at),
            goal: Some(until),
            until,
            ..Self::join(relay, stream)
        }
    }

    fn join(relay: &Relay, stream: &Arc<Stream>) -> Self {
        let outbox = Arc::new(Outbox::new(OutboxConfig {
            bytes: relay.config().listener_bytes,
            ..OutboxConfig::default()
        }));
        stream.items.join(&outbox);
        if !stream.is_live() {
            outbox.close();
        }
        Self {
            place: Place {
                stream: stream.clone(),
                outbox,
            },
            relay: relay.clone(),
            frame: stream.format.frame_bytes().unwrap_or(1),
            next: None,
            goal: None,
            held: None,
            segments: VecDeque::new(),
            read: Bytes::new(),
            read_at: 0,
            begun: BytesMut::new(),
            missing: None,
            until: MediaTime(i64::MAX),
        }
    }

    /// The frame at which `when` is.
    pub(crate) async fn at(
        relay: &Relay,
        stream: &Stream,
        when: When,
    ) -> Result<MediaTime, RelayError> {
        let (rate, position) = (stream.format.stream.rate, stream.position());
        let frames = |d: Duration| i64::try_from(rate.frames_in(d)).unwrap_or(i64::MAX);
        Ok(match when {
            When::Live => position,
            When::After(d) => MediaTime(frames(d)),
            When::Frame(at) => at,
            When::Ago(d) => MediaTime(position.0.saturating_sub(frames(d)).max(0)),
            When::At(t) => {
                let (archive, id) = (relay.archive(), &stream.id);
                let mut segments = archive.list(id, TimeRange::ALL).await?;
                let open = archive.open_segment(id).await?;
                segments.extend(open.map(|(meta, _)| SegmentMeta {
                    frames: u64::MAX >> 1,
                    ..meta
                }));
                SegmentMeta::media_at(&segments, t, rate).unwrap_or(position)
            }
        })
    }

    /// The next; none at the end of the stream, or of what is wanted.
    pub(crate) async fn next(&mut self) -> Result<Option<Fed>, RelayError> {
        loop {
            if self.next.is_some_and(|next| next >= self.until) {
                return Ok(None);
            }
            if let (Some(next), Some(goal)) = (self.next, self.goal) {
                if next < goal {
                    if let Some(fed) = self.archived(next, goal).await? {
                        return Ok(Some(fed));
                    }
                    continue;
                }
                self.goal = None;
            }
            if let Some(packet) = self.held.take() {
                if let Some(fed) = self.live(packet) {
                    return Ok(Some(fed));
                }
                continue;
            }
            match self.place.outbox.next().await {
                None => return Ok(None),
                Some(Item::Stored(key)) => return Ok(Some(Fed::Stored(key))),
                Some(Item::Packet(packet)) => match self.next {
                    Some(next) if packet.header.at > next => {
                        self.goal = Some(packet.header.at.min(self.until));
                        self.held = Some(packet);
                    }
                    _ => {
                        if let Some(fed) = self.live(packet) {
                            return Ok(Some(fed));
                        }
                    }
                },
            }
        }
    }

    /// A live packet, or what of it was not sent yet.
    fn live(&mut self, packet: Arc<Packet>) -> Option<Fed> {
        let frames = (packet.frames.len() / self.frame) as i64;
        let (at, end) = (packet.header.at, packet.header.at + frames);
        let Some(next) = self.next else {
            return Some(Fed::Live(packet));
        };
        if end <= next {
            return None;
        }
        self.next = Some(end);
        if at >= next && end <= self.until {
            return Some(Fed::Live(packet));
        }
        let skip = (next - at).max(0) as usize * self.frame;
        let take = (self.until.min(end) - at) as usize * self.frame;
        let header = Header {
            at: at.max(next),
            ..packet.header
        };
        Some(Fed::Frames(header, packet.frames.slice(skip..take)))
    }

    /// Frames of the archive from `next` on; none where it has to be looked up again.
    async fn archived(
        &mut self,
        next: MediaTime,
        goal: MediaTime,
    ) -> Result<Option<Fed>, RelayError> {
        let byte = |at: MediaTime| u64::try_from(at.0).unwrap_or(0) * self.frame as u64;
        let due = byte(next) + self.begun.len() as u64;
        if self.read.is_empty() || self.read_at != due {
            self.read = Bytes::new();
            self.fill(next, goal, due).await?;
            return Ok(None);
        }
        let wanted = (byte(goal) - due).min(PIECE as u64) as usize;
        let mut piece = self.read.split_to(wanted.min(self.read.len()));
        self.read_at += piece.len() as u64;
        if !self.begun.is_empty() || !piece.len().is_multiple_of(self.frame) {
            self.begun.extend_from_slice(&piece);
            let whole = self.begun.len() - self.begun.len() % self.frame;
            piece = self.begun.split_to(whole).freeze();
        }
        if piece.is_empty() {
            return Ok(None);
        }
        self.next = Some(next + (piece.len() / self.frame) as i64);
        let header = Header {
            is_archived: true,
            seq: 0,
            at: next,
            sent: wall(),
        };
        Ok(Some(Fed::Frames(header, piece)))
    }

    /// Reads the segment that has byte `due`, waiting where it has not been accepted yet; past
    /// what the archive does not have, goes on where it has something.
    async fn fill(&mut self, next: MediaTime, goal: MediaTime, due: u64) -> Result<(), RelayError> {
        let (archive, id) = (self.relay.archive().clone(), self.place.stream.id.clone());
        if self.segments.is_empty() {
            // One frame earlier: what ends inside the first one has only frames before it.
            let range = TimeRange::new(MediaTime(next.0.saturating_sub(1)), goal);
            let listed = archive.list(&id, range).await?;
            self.segments = listed.into();
        }
        while let Some(meta) = self.segments.front().cloned() {
            if meta.offset + meta.bytes <= due {
                self.segments.pop_front();
                continue;
            }
            if meta.offset > due {
                // A hole; the next whole frame behind it.
                let frame = self.frame as u64;
                self.skip_to(MediaTime((meta.offset.div_ceil(frame)) as i64).min(goal));
                return Ok(());
            }
            // It stays the next one until it is there: whoever waits for this may give up.
            let got = archive.get(&meta.key).await;
            self.segments.pop_front();
            let data = match got {
                Ok(data) => data,
                // It was removed after it was looked up.
                Err(e) if e.kind == StoreErrorKind::NotFound => continue,
                Err(e) => return Err(e.into()),
            };
            if !meta.describes(&data) {
                tracing::warn!(segment = %meta.key, "its bytes are not those that were stored");
            }
            let skip = ((due - meta.offset) as usize).min(data.len());
            if skip == data.len() {
                // Fewer bytes than its entry says.
                continue;
            }
            (self.read, self.read_at) = (data.slice(skip..), due);
            self.missing = None;
            return Ok(());
        }
        if let Some((meta, data)) = archive.open_segment(&id).await?
            && meta.offset <= due
            && due < meta.offset + data.len() as u64
        {
            (self.read, self.read_at) = (data.slice((due - meta.offset) as usize..), due);
            self.missing = None;
            return Ok(());
        }
        // It passed, so it is on its way into the archive, or was refused by it.
        let since = *self.missing.get_or_insert_with(Instant::now);
        if since.elapsed() > PATIENCE {
            self.missing = None;
            self.skip_to(goal);
        } else {
            tokio::time::sleep(RETRY).await;
        }
        Ok(())
    }

    fn skip_to(&mut self, at: MediaTime) {
        self.next = Some(at);
        self.begun.clear();
        self.read = Bytes::new();
    }
}

/// A place among a stream's listeners, for as long as it is held.
struct Place {
    stream: Arc<Stream>,
    outbox: Arc<Outbox<Item>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.stream.items.leave(&self.outbox);
    }
}

/// Bytes of the archive sent at a time, about a tenth of a second of CD quality.
const PIECE: usize = 16 * 1024;
/// How long what has passed may take to be accepted.
const PATIENCE: Duration = Duration::from_secs(5);
const RETRY: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests;

//! The thread that writes the spool's files, so that no task waits for a disk.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, SystemTime};

use audiox_core::store::{
    GapKind, SegmentEvent, SegmentMeta, Segmenter, StoreError, StoreErrorKind, StreamId,
    StreamRecord,
};
use audiox_core::time::{Instant, MediaTime, UnixTime};
use bytes::Bytes;
use tokio::sync::oneshot;

use super::segment::{Growing, Parts};
use super::upload::Job;
use super::{Shared, disk};
use crate::error;

/// What the thread is asked for.
pub(super) enum Command {
    /// A stream begins, or goes on after its last segment.
    Begin {
        record: StreamRecord,
        position: Option<SegmentMeta>,
        reply: Reply<()>,
    },
    Append {
        id: StreamId,
        data: Bytes,
        frames: u64,
        gap: Option<GapKind>,
        reply: Reply<MediaTime>,
    },
    /// The open segment, as far as it has come.
    Peek {
        id: StreamId,
        reply: oneshot::Sender<Option<(SegmentMeta, Parts)>>,
    },
    End {
        id: StreamId,
        reply: Reply<StreamRecord>,
    },
    /// Every open segment is closed, and the thread ends.
    Stop,
}

type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// Runs until it is told to stop or nobody is left to tell it anything.
pub(super) fn run(shared: Arc<Shared>, commands: Receiver<Command>) {
    let mut writer = Writer {
        shared,
        epoch: std::time::Instant::now(),
        streams: HashMap::new(),
        deadlines: BinaryHeap::new(),
    };
    loop {
        let command = match writer.until_next_deadline() {
            None => commands.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(wait) => commands.recv_timeout(wait),
        };
        match command {
            Ok(Command::Stop) | Err(RecvTimeoutError::Disconnected) => break,
            Ok(command) => writer.handle(command),
            Err(RecvTimeoutError::Timeout) => {}
        }
        writer.close_what_is_due();
    }
    writer.close_all();
}

struct Writer {
    shared: Arc<Shared>,
    epoch: std::time::Instant,
    streams: HashMap<StreamId, Live>,
    /// When open segments are to be closed; those closed before are passed over.
    deadlines: BinaryHeap<Reverse<(Instant, StreamId)>>,
}

/// A stream that is being written.
struct Live {
    record: StreamRecord,
    segmenter: Segmenter,
    open: Option<Growing>,
}

impl Writer {
    fn handle(&mut self, command: Command) {
        // Whoever asked may have gone; what was done stays done.
        match command {
            Command::Begin {
                record,
                position,
                reply,
            } => drop(reply.send(self.begin(record, position))),
            Command::Append {
                id,
                data,
                frames,
                gap,
                reply,
            } => drop(reply.send(self.append(&id, data, frames, gap))),
            Command::Peek { id, reply } => drop(reply.send(self.peek(&id))),
            Command::End { id, reply } => drop(reply.send(self.end(&id))),
            Command::Stop => {}
        }
    }

    fn begin(
        &mut self,
        record: StreamRecord,
        position: Option<SegmentMeta>,
    ) -> Result<(), StoreError> {
        if self.streams.contains_key(&record.id) {
            let kind = StoreErrorKind::AlreadyExists;
            return Err(StoreError::new(kind, self.shared.name(), &record.id));
        }
        let config = self.shared.config.segments;
        let format = record.format.clone();
        let segmenter = match &position {
            Some(last) => Segmenter::resume(last, format, config),
            None => Segmenter::new(record.id.clone(), format, config),
        };
        let segmenter = segmenter
            .map_err(|e| StoreError::new(StoreErrorKind::Invalid, self.shared.name(), e))?;
        let written = self.shared.folder.write_record(&record);
        written.map_err(|e| error::from_io(&self.shared.name(), &record.id, e))?;
        self.shared.enqueue(&record.id, Job::Record(record.clone()));
        let live = Live {
            record,
            segmenter,
            open: None,
        };
        self.streams.insert(live.record.id.clone(), live);
        Ok(())
    }

    fn append(
        &mut self,
        id: &StreamId,
        data: Bytes,
        frames: u64,
        gap: Option<GapKind>,
    ) -> Result<MediaTime, StoreError> {
        let (now, wall) = (self.now(), wall());
        let live = self.streams.get_mut(id);
        let live = live.ok_or_else(|| self.shared.unknown(id))?;
        let at = live.segmenter.media_end();
        let len = data.len() as u64;
        let before = live.segmenter.poll_timeout();
        live.append(&self.shared, now, wall, data, frames, gap)
            .inspect_err(|_| self.shared.refused(len))?;
        if let Some(due) = live.segmenter.poll_timeout()
            && before != Some(due)
        {
            self.deadlines.push(Reverse((due, id.clone())));
        }
        Ok(at)
    }

    fn peek(&self, id: &StreamId) -> Option<(SegmentMeta, Parts)> {
        let live = self.streams.get(id)?;
        let meta = live.segmenter.open_segment()?;
        Some((meta.clone(), live.open.as_ref()?.parts()))
    }

    fn end(&mut self, id: &StreamId) -> Result<StreamRecord, StoreError> {
        let live = self.streams.remove(id);
        let mut live = live.ok_or_else(|| self.shared.unknown(id))?;
        live.close(&self.shared);
        live.record.ended = Some(wall());
        if let Err(e) = self.shared.folder.write_record(&live.record) {
            // Until the store has it, a crash would leave the stream interrupted, not ended.
            tracing::warn!(stream = %id, "its end is not on the disk: {e}");
        }
        self.shared.enqueue(id, Job::End(live.record.clone()));
        Ok(live.record)
    }

    fn until_next_deadline(&self) -> Option<Duration> {
        let Reverse((due, _)) = self.deadlines.peek()?;
        Some(due.saturating_since(self.now()))
    }

    fn close_what_is_due(&mut self) {
        let now = self.now();
        while let Some(Reverse((due, _))) = self.deadlines.peek()
            && *due <= now
        {
            let Some(Reverse((_, id))) = self.deadlines.pop() else {
                break;
            };
            if let Some(live) = self.streams.get_mut(&id)
                && live.segmenter.poll_timeout().is_some_and(|due| due <= now)
            {
                live.close(&self.shared);
            }
        }
    }

    fn close_all(&mut self) {
        for live in self.streams.values_mut() {
            live.close(&self.shared);
        }
    }

    fn now(&self) -> Instant {
        Instant::EPOCH + self.epoch.elapsed()
    }
}

impl Live {
    /// Keeps all of `data` or none of it.
    fn append(
        &mut self,
        shared: &Arc<Shared>,
        now: Instant,
        wall: UnixTime,
        data: Bytes,
        frames: u64,
        gap: Option<GapKind>,
    ) -> Result<(), StoreError> {
        let segmenter = self.segmenter.clone();
        match gap {
            Some(kind) => self.segmenter.push_gap(now, wall, data, frames, kind),
            None => self.segmenter.push_frames(now, wall, data, frames),
        }
        let mark = self.open.as_ref().map(Growing::mark);
        let mut grown: Vec<Grown> = self.open.take().into_iter().map(Grown::new).collect();
        if let Err(e) = grow(&mut self.segmenter, shared, &mut grown) {
            self.segmenter = segmenter;
            let mut grown = grown.into_iter();
            if let (Some(mark), Some(first)) = (mark, grown.next()) {
                let mut open = first.segment;
                open.back_to(shared, mark);
                self.open = Some(open);
            }
            grown.for_each(|g| g.segment.discard(shared));
            return Err(e);
        }
        for g in grown {
            match g.closed {
                Some(meta) => shared.close(g.segment, meta),
                None => self.open = Some(g.segment),
            }
        }
        if (gap.is_some() || disk::entry_per_append(self.segmenter.format()))
            && let Some(meta) = self.segmenter.open_segment()
            && let Err(e) = shared.folder.write_meta(meta)
        {
            shared.disk_failed(&meta.key, &e);
        }
        Ok(())
    }

    fn close(&mut self, shared: &Arc<Shared>) {
        self.segmenter.finish(wall());
        while let Some(event) = self.segmenter.poll() {
            if let (SegmentEvent::Closed(meta), Some(open)) = (event, self.open.take()) {
                shared.close(open, meta);
            }
        }
    }
}

/// A segment during an append.
struct Grown {
    segment: Growing,
    closed: Option<SegmentMeta>,
}

impl Grown {
    const fn new(segment: Growing) -> Self {
        Self {
            segment,
            closed: None,
        }
    }
}

/// Carries out what the segmenter says.
fn grow(
    segmenter: &mut Segmenter,
    shared: &Shared,
    grown: &mut Vec<Grown>,
) -> Result<(), StoreError> {
    while let Some(event) = segmenter.poll() {
        match event {
            SegmentEvent::Opened(meta) => grown.push(Grown::new(Growing::new(meta))),
            SegmentEvent::Data(data) => {
                if let Some(g) = grown.last_mut() {
                    g.segment.append(shared, data)?;
                }
            }
            SegmentEvent::Closed(meta) => {
                if let Some(g) = grown.last_mut() {
                    g.closed = Some(meta);
                }
            }
        }
    }
    Ok(())
}

fn wall() -> UnixTime {
    SystemTime::now().into()
}

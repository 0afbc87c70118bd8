//! One playing of a sound to one device.

use std::sync::Arc;
use std::time::Duration;

use audiox_core::convert::Level;
use audiox_core::time::Instant;

use super::line::{Line, end};
use crate::proto::AudioPacket;
use crate::sound::{At, Track};

/// A sound on its way to a device.
#[derive(Debug)]
pub(super) struct Play {
    pub(super) number: u64,
    track: Option<Arc<Track>>,
    /// When packet `first` is to be heard.
    start: Instant,
    first: u64,
    /// The next packet.
    pub(super) next: u64,
    /// Whether its start was sent, and not its end.
    pub(super) begun: bool,
    pub(super) level: Level,
    pub(super) counts: PlayCounts,
}

/// What came of it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PlayCounts {
    pub(super) packets: u64,
    /// Times that packets waited because the device did not take those before.
    pub(super) stalls: u64,
    /// Packets of live sounds left out because the device did not take those before.
    pub(super) dropped: u64,
    pub(super) latest: Duration,
}

/// How it goes on.
#[derive(Debug, PartialEq)]
pub(super) enum Next {
    At(Instant),
    Ended,
    Failed(String),
}

impl Play {
    pub(super) fn track(number: u64, track: Arc<Track>, from: u64, now: Instant) -> Self {
        Self {
            track: Some(track),
            first: from,
            next: from,
            ..Self::live(number, now)
        }
    }

    pub(super) fn live(number: u64, now: Instant) -> Self {
        Self {
            number,
            track: None,
            start: now,
            first: 0,
            next: 0,
            begun: false,
            level: Level::default(),
            counts: PlayCounts::default(),
        }
    }

    /// Sends what is due at `now`, `lead` ahead of when it is to be heard.
    pub(super) fn advance(
        &mut self,
        now: Instant,
        lead: Duration,
        line: &Line<AudioPacket>,
    ) -> Option<Next> {
        let track = self.track.clone()?;
        loop {
            let heard =
                self.start + PTIME * (self.next - self.first).min(u64::from(u32::MAX)) as u32;
            let due = heard.saturating_sub(lead).max(self.start);
            if due > now {
                return Some(Next::At(due));
            }
            let late = now.saturating_since(due);
            match track.at(self.next) {
                At::Packet(data, level) if line.waiting() < MOST_WAITING => {
                    self.counts.latest = self.counts.latest.max(late);
                    self.level = level;
                    self.send(data, line);
                    if late > LATEST {
                        // What was not heard in time is heard later, not in a heap.
                        self.start += late;
                    }
                }
                At::Packet(..) | At::Coming => {
                    self.counts.stalls += 1;
                    self.start = self.start + late + PTIME;
                    return Some(Next::At(now + PTIME));
                }
                At::End => {
                    self.finish(line);
                    return Some(Next::Ended);
                }
                At::Failed(reason) => {
                    self.finish(line);
                    return Some(Next::Failed(reason));
                }
            }
        }
    }

    /// Sends a packet of a live sound, or leaves it out where too many wait.
    pub(super) fn send_live(&mut self, data: bytes::Bytes, level: Level, line: &Line<AudioPacket>) {
        self.level = level;
        if line.waiting() < MOST_WAITING {
            self.send(data, line);
        } else {
            self.counts.dropped += 1;
        }
    }

    /// Ends it on the line, where it was begun.
    pub(super) fn finish(&mut self, line: &Line<AudioPacket>) {
        if std::mem::take(&mut self.begun) {
            line.push(end());
        }
    }

    fn send(&mut self, data: bytes::Bytes, line: &Line<AudioPacket>) {
        line.push(AudioPacket {
            is_start: !self.begun,
            is_end: false,
            data,
        });
        self.begun = true;
        self.next += 1;
        self.counts.packets += 1;
    }
}

const PTIME: Duration = Duration::from_millis(20);
/// Packets that wait for a device that does not take them: half a second.
const MOST_WAITING: usize = 25;
/// Later than this a schedule is moved.
const LATEST: Duration = Duration::from_millis(100);

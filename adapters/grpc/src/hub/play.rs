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
        let most = MOST_WAITING + (lead.as_nanos() / PTIME.as_nanos()) as usize;
        loop {
            let heard =
                self.start + PTIME * (self.next - self.first).min(u64::from(u32::MAX)) as u32;
            let due = heard.saturating_sub(lead).max(self.start);
            if due > now {
                return Some(Next::At(due));
            }
            let late = now.saturating_since(due);
            match track.at(self.next) {
                At::Packet(data, level) if line.waiting() < most => {
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
/// Packets that wait for a device that does not take them, beside those that the lead has sent
/// ahead: half a second.
const MOST_WAITING: usize = 25;
/// Later than this a schedule is moved.
const LATEST: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use bytes::Bytes;

    use super::*;

    const T0: Instant = Instant::from_nanos(1_000_000_000);
    const LEAD: Duration = PTIME;

    fn playing(packets: u64) -> (Play, Line<AudioPacket>) {
        let track = Arc::new(Track::default());
        for _ in 0..packets {
            track.push(Bytes::from_static(b"x"), Level::default());
        }
        track.end(Ok(()));
        (Play::track(1, track, 0, T0), Line::new())
    }

    /// Takes what waits, as a device that reads does.
    fn taken(line: &Line<AudioPacket>) -> usize {
        let cx = Context::from_waker(Waker::noop());
        std::iter::from_fn(|| match line.poll(&cx) {
            Poll::Ready(Some(Ok(packet))) => Some(packet),
            _ => None,
        })
        .filter(|packet| !packet.is_end)
        .count()
    }

    #[test]
    fn an_hour_does_not_drift_however_late_it_is_woken() {
        const PACKETS: u64 = 180_000;
        let (mut play, line) = playing(PACKETS);
        let (mut now, mut sent, mut seed) = (T0, 0, 1u64);
        loop {
            let next = play.advance(now, LEAD, &line);
            sent += taken(&line) as u64;
            match next {
                Some(Next::At(at)) => {
                    // Packet n is heard at n times 20 ms, and sent the lead before that.
                    assert_eq!(at, T0 + (PTIME * sent as u32 - LEAD));
                    seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    now = at + Duration::from_micros(seed >> 49);
                }
                end => {
                    assert_eq!(end, Some(Next::Ended));
                    break;
                }
            }
        }
        assert_eq!((sent, play.counts.packets), (PACKETS, PACKETS));
        let end = now.saturating_since(T0 + (Duration::from_secs(3_600) - LEAD));
        assert!(end < Duration::from_millis(33), "{end:?}");
        assert!(play.counts.latest < Duration::from_millis(33) && play.counts.stalls == 0);
    }

    #[test]
    fn who_is_held_up_goes_on_where_he_was_and_hurries_no_more_than_he_must() {
        let (mut play, line) = playing(1_000);
        play.advance(T0, LEAD, &line);
        assert_eq!(taken(&line), 2);
        // Two packets late: both are sent at once.
        let late = T0 + 3 * PTIME;
        assert_eq!(
            play.advance(late, LEAD, &line),
            Some(Next::At(late + PTIME))
        );
        assert_eq!(taken(&line), 3);
        // Seconds late: the rest is heard that much later.
        let late = late + Duration::from_secs(5);
        assert_eq!(
            play.advance(late, LEAD, &line),
            Some(Next::At(late + PTIME))
        );
        assert_eq!(taken(&line), 1);
    }

    #[test]
    fn a_long_lead_is_sent_at_once_and_is_no_stall() {
        let (mut play, line) = playing(1_000);
        let next = play.advance(T0, Duration::from_secs(2), &line);
        assert_eq!((next, line.waiting()), (Some(Next::At(T0 + PTIME)), 101));
        assert_eq!(play.counts.stalls, 0);
        // Nobody takes any of it.
        let mut now = T0;
        for _ in 0..1_000 {
            now += PTIME;
            let next = play.advance(now, Duration::from_secs(2), &line);
            assert_eq!(next, Some(Next::At(now + PTIME)));
        }
        assert_eq!(line.waiting(), 125);
        assert!(play.counts.stalls > 900, "{:?}", play.counts);
        // Then he takes all of it, and it goes on.
        assert_eq!(taken(&line), 125);
        play.advance(now + PTIME, Duration::from_secs(2), &line);
        assert!((1..=102).contains(&line.waiting()), "{}", line.waiting());
    }
}

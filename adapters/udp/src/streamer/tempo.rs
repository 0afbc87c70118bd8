//! What sets the pace of a stream.

use std::time::Duration;

use audiox_core::format::SampleRate;
use audiox_core::source::{Source, SourceClock};
use audiox_core::time::Instant;

/// Who says when a packet is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tempo {
    /// The schedule: all of it is there.
    Schedule,
    /// The schedule; but the source may run dry because its audio does not exist yet, so that
    /// time passes there too.
    Live,
    /// A device: a packet is sent as soon as its last frame was captured, and its media time
    /// counts the device's frames.
    Device,
}

impl Tempo {
    /// The tempo of `source`.
    pub(super) fn of(source: &dyn Source) -> Self {
        match (source.clock(), source.frames_left()) {
            (SourceClock::Device, _) => Self::Device,
            (SourceClock::None, None) => Self::Live,
            (SourceClock::None, Some(_)) => Self::Schedule,
        }
    }
}

/// When a device's packets came, and were captured.
#[derive(Debug)]
pub(super) struct Capture {
    rate: SampleRate,
    ready: Instant,
    /// When the packet after the newest will have begun to be captured.
    next: Option<Instant>,
}

impl Capture {
    pub(super) fn new(rate: SampleRate) -> Self {
        Self {
            rate,
            ready: Instant::EPOCH,
            next: None,
        }
    }

    /// A packet of `frames` is there. Returns when its first was captured: as early as the
    /// luckiest packets say, since threads are only ever woken late.
    pub(super) fn packet(&mut self, now: Instant, frames: usize) -> Instant {
        self.ready = now;
        let duration = self.rate.duration_of(frames as u64);
        let seen = now.saturating_sub(duration);
        let first = match self.next {
            Some(next) if next < seen && seen - next < TORN => next + (seen - next) / FORGETTING,
            _ => seen,
        };
        self.next = Some(first + duration);
        first
    }

    /// When the newest packet was there.
    pub(super) fn ready(&self) -> Instant {
        self.ready
    }

    /// When to look for the next packet, of `frames`, that was not there at `now`.
    pub(super) fn look_again(&self, now: Instant, frames: usize) -> Instant {
        let expected = self.next.map(|n| n + self.rate.duration_of(frames as u64));
        let soon = now + LOOK_EVERY;
        match expected {
            Some(at) if at > now + MARGIN && at < now + LONGEST => {
                soon.max(at.saturating_sub(MARGIN))
            }
            Some(_) => soon,
            None => now + MARGIN,
        }
    }
}

/// Share of what a packet came late that is believed to be the device's.
const FORGETTING: u32 = 64;
/// Later than this is another time line.
const TORN: Duration = Duration::from_millis(100);
const LOOK_EVERY: Duration = Duration::from_micros(250);
const MARGIN: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: u64) -> Instant {
        Instant::EPOCH + Duration::from_micros(micros)
    }

    #[test]
    fn the_time_of_capture_is_that_of_the_luckiest_packets() {
        let mut capture = Capture::new(SampleRate::HZ_48000);
        assert_eq!(capture.packet(at(1_010_000), 480), at(1_000_000));
        // Three milliseconds late: hardly believed.
        let late = capture.packet(at(1_023_000), 480);
        assert!(late < at(1_010_100), "{late:?}");
        // Earlier than foreseen: at once.
        assert_eq!(capture.packet(at(1_029_000), 480), at(1_019_000));
        // After an interruption: from now on so.
        assert_eq!(capture.packet(at(2_010_000), 480), at(2_000_000));
    }

    #[test]
    fn it_is_looked_for_shortly_before_it_is_expected() {
        let mut capture = Capture::new(SampleRate::HZ_48000);
        assert_eq!(capture.look_again(at(0), 480), at(1_000));
        capture.packet(at(10_000), 480);
        assert_eq!(capture.look_again(at(10_100), 480), at(19_000));
        assert_eq!(capture.look_again(at(19_500), 480), at(19_750));
        assert_eq!(capture.look_again(at(25_000), 480), at(25_250));
    }
}

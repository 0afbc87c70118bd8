//! From one sender's media clock to its wall clock, as sender reports tell it.

use super::{MediaTime, NtpTime};
use crate::format::SampleRate;

/// The map between a sender's media clock and its wall clock, from the pairs in its sender
/// reports (RFC 3550 section 6.4.1).
///
/// Two streams are comparable only through their maps: frame to wall clock on one side, wall
/// clock to frame on the other.
#[derive(Debug, Clone)]
pub struct ClockMap {
    rate: SampleRate,
    anchor: Option<(MediaTime, NtpTime)>,
}

impl ClockMap {
    /// A map that knows nothing yet. `rate` is the media clock's nominal rate.
    pub fn new(rate: SampleRate) -> Self {
        Self { rate, anchor: None }
    }

    /// Takes a pair from a sender report; the newest pair wins.
    pub fn set_anchor(&mut self, at: MediaTime, ntp: NtpTime) {
        self.anchor = Some((at, ntp));
    }

    /// The pair last set.
    pub fn anchor(&self) -> Option<(MediaTime, NtpTime)> {
        self.anchor
    }

    /// Wall-clock time of media time `at`; `None` before the first report.
    pub fn ntp_at(&self, at: MediaTime) -> Option<NtpTime> {
        let (media, ntp) = self.anchor?;
        Some(ntp.offset_nanos(self.rate.nanos_of(at - media)))
    }

    /// Media time at wall-clock time `ntp`, to the nearest tick; `None` before the first report.
    pub fn media_at(&self, ntp: NtpTime) -> Option<MediaTime> {
        let (media, anchor) = self.anchor?;
        Some(media + self.rate.frames_in_nanos(ntp.nanos_since(anchor)))
    }

    /// Error of the current map against a fresh pair, in nanoseconds: positive where the media
    /// clock runs ahead of the wall clock. `None` before the first report.
    pub fn error_nanos(&self, at: MediaTime, ntp: NtpTime) -> Option<i64> {
        Some(self.ntp_at(at)?.nanos_since(ntp))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_frame_of_a_day_maps_there_and_back() {
        let rate = SampleRate::new(44_100).unwrap();
        let mut map = ClockMap::new(rate);
        assert_eq!(map.ntp_at(MediaTime(0)), None);
        map.set_anchor(MediaTime(1_000), NtpTime(0xe000_0000_1234_5678));
        for frame in (0..44_100 * 86_400i64).step_by(999_983) {
            let at = MediaTime(frame);
            assert_eq!(map.media_at(map.ntp_at(at).unwrap()), Some(at));
        }
    }
}

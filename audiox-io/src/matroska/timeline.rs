//! Where blocks lie, by what their packets last and by what they say of their time.

/// A place on the time line of a track, in frames.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Timeline {
    /// Frames of packets and holes so far.
    pub(super) at: u64,
    /// What block times say more than that, once known.
    offset: Option<i64>,
    /// Frames of holes so far.
    pub(super) holes: u64,
}

impl Timeline {
    /// Takes a block's time in frames into account; how many frames are missing before it.
    pub(super) fn place(&mut self, time: i64, rate: u32) -> u64 {
        let at = i64::try_from(self.at).unwrap_or(i64::MAX);
        let offset = *self.offset.get_or_insert_with(|| time.saturating_sub(at));
        let ahead = time.saturating_sub(offset).saturating_sub(at);
        let slack = i64::from(rate) * SLACK_MS / 1_000;
        let longest = u64::from(rate) * MOST_HOLES;
        match u64::try_from(ahead) {
            Ok(hole) if ahead > slack && self.holes.saturating_add(hole) <= longest => {
                self.at = self.at.saturating_add(hole);
                self.holes += hole;
                return hole;
            }
            // Another recording's time, or a leap back.
            _ if ahead.unsigned_abs() > slack.unsigned_abs() => {
                self.offset = Some(offset.saturating_add(ahead))
            }
            // Drift of the recorder's clock, and rounding.
            _ => self.offset = Some(offset.saturating_add(ahead / FOLLOWED)),
        }
        0
    }

    /// Goes on by a packet.
    pub(super) fn add(&mut self, frames: u64) {
        self.at = self.at.saturating_add(frames);
    }

    /// What comes has another clock.
    pub(super) fn start_over(&mut self) {
        self.offset = None;
    }
}

/// What block times may be off without telling anything.
const SLACK_MS: i64 = 60;
/// Part of a difference that is followed with each block.
const FOLLOWED: i64 = 32;
/// Seconds of holes in a file: an hour. Longer ones are no holes, but other clocks.
const MOST_HOLES: u64 = 3_600;

#[cfg(test)]
mod tests {
    use super::*;

    /// 20-ms packets at 48 kHz with block times in milliseconds; the holes found.
    fn holes(times: impl Iterator<Item = i64>) -> Vec<u64> {
        let mut line = Timeline::default();
        times
            .map(|ms| {
                let hole = line.place(ms * 48, 48_000);
                line.add(960);
                hole
            })
            .collect()
    }

    #[test]
    fn leaps_are_holes_and_jitter_and_drift_are_not() {
        let even = |i: i64| 5_000 + i * 20;
        assert!(holes((0..1_000).map(even)).iter().all(|h| *h == 0));
        let jittery = (0..1_000).map(|i| even(i) + i * 7_919 % 50 - 25);
        assert!(holes(jittery).iter().all(|h| *h == 0));
        // An hour with a clock that is 200 ppm off: 720 ms in all.
        let drifting = (0..180_000).map(|i| even(i) + i * 20 / 5_000);
        assert!(holes(drifting).iter().all(|h| *h == 0));
        let leap = (0..100).map(|i| even(i) + if i < 50 { 0 } else { 400 });
        let found = holes(leap);
        assert_eq!((found[50], found.iter().sum::<u64>()), (19_200, 19_200));
        let back = (0..100).map(|i| even(i) - if i < 50 { 0 } else { 4_000 });
        assert!(holes(back).iter().all(|h| *h == 0));
    }

    #[test]
    fn holes_are_bounded_however_far_times_leap() {
        let found = holes((0..1_000).map(|i| i * 1_000_000));
        assert!(found.iter().sum::<u64>() <= MOST_HOLES * 48_000);
        let mut line = Timeline::default();
        for time in [i64::MIN, i64::MAX, 0, i64::MAX, i64::MIN] {
            line.place(time, 768_000);
            line.add(u64::MAX);
        }
    }
}

//! How well sends kept to their schedule.

use std::time::Duration;

use super::fit::LineFit;
use super::histogram::Histogram;
use crate::format::SampleRate;
use crate::time::Instant;

/// Statistics over pairs of scheduled and actual send times of one stream, in fixed memory.
///
/// Every figure is taken from all pairs as they come; hours of them lose no precision, because
/// the sums are kept about their running means.
#[derive(Debug, Clone)]
pub struct ScheduleStats {
    rate: SampleRate,
    tolerance: Duration,
    deviation: Histogram,
    late: u64,
    first: Option<(Instant, Instant)>,
    last: (Instant, Instant),
    fit: LineFit,
    floor: Floor,
}

/// A snapshot of [`ScheduleStats`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScheduleSummary {
    /// Sends recorded.
    pub count: u64,
    /// Sends later than the tolerance.
    pub late: u64,
    /// Mean time between consecutive sends, in nanoseconds; `None` below two sends.
    pub mean_interval_nanos: Option<f64>,
    /// Median of the absolute deviation from schedule.
    pub p50: Duration,
    /// 99th percentile of the absolute deviation from schedule.
    pub p99: Duration,
    /// Largest absolute deviation from schedule, exact.
    pub max: Duration,
    /// Slope of the least-squares line through (scheduled, actual), as parts per million above
    /// one: positive where sending runs ever later. `None` below two different times.
    pub slope_ppm: Option<f64>,
    /// Whole frames by which the schedule has slipped since the start; see
    /// [`ScheduleStats::drift_frames`].
    pub drift_frames: Option<i64>,
}

impl ScheduleStats {
    /// Empty statistics. `rate` turns drift into frames; a send more than `tolerance` after its
    /// time counts as late.
    pub fn new(rate: SampleRate, tolerance: Duration) -> Self {
        Self {
            rate,
            tolerance,
            deviation: Histogram::new(),
            late: 0,
            first: None,
            last: (Instant::EPOCH, Instant::EPOCH),
            fit: LineFit::default(),
            floor: Floor::default(),
        }
    }

    /// Takes one send, due at `scheduled` and done at `actual`.
    pub fn record(&mut self, scheduled: Instant, actual: Instant) {
        let deviation = actual.signed_since(scheduled);
        self.deviation.record(deviation.unsigned_abs());
        if actual.saturating_since(scheduled) > self.tolerance {
            self.late += 1;
        }
        let (first, _) = *self.first.get_or_insert((scheduled, actual));
        self.last = (scheduled, actual);
        self.fit
            .add(scheduled.signed_since(first) as f64, deviation as f64);
        self.floor.add(deviation);
    }

    /// Sends recorded.
    pub fn count(&self) -> u64 {
        self.deviation.count()
    }

    /// Sends later than the tolerance.
    pub fn late(&self) -> u64 {
        self.late
    }

    /// When the first send was due and when it was done.
    pub fn first(&self) -> Option<(Instant, Instant)> {
        self.first
    }

    /// When the latest send was due and when it was done.
    pub fn last(&self) -> Option<(Instant, Instant)> {
        self.first.map(|_| self.last)
    }

    /// The absolute deviations from schedule, in nanoseconds.
    pub fn deviation(&self) -> &Histogram {
        &self.deviation
    }

    /// Whole frames by which sending has slipped against its schedule from the first send to the
    /// latest; `None` before there are 128.
    ///
    /// A thread wakes some time after its deadline, now more, now less; that is deviation, not
    /// drift. Drift is how the *least* deviation moves, which a busy machine does not touch.
    ///
    /// It allocates nothing, but takes some 10 µs: not for every send.
    pub fn drift_frames(&self) -> Option<i64> {
        let frames = self.floor.rise()? * f64::from(self.rate.get()) / 1e9;
        Some(frames as i64)
    }

    /// All figures at once.
    pub fn summary(&self) -> ScheduleSummary {
        let count = self.count();
        let quantile = |q| Duration::from_nanos(self.deviation.quantile(q).unwrap_or(0));
        let span = self
            .first
            .map_or(0, |(_, sent)| self.last.1.signed_since(sent));
        ScheduleSummary {
            count,
            late: self.late,
            mean_interval_nanos: (count > 1).then(|| span as f64 / (count - 1) as f64),
            p50: quantile(0.5),
            p99: quantile(0.99),
            max: Duration::from_nanos(self.deviation.max().unwrap_or(0)),
            slope_ppm: self.fit.slope().map(|s| s * 1e6),
            drift_frames: self.drift_frames(),
        }
    }
}

/// The least deviation of each of up to 64 equally long stretches. When they are full, each two
/// neighbours become one.
#[derive(Debug, Clone)]
struct Floor {
    stretches: [i64; MAX_STRETCHES],
    len: usize,
    /// Sends that make a stretch.
    per_stretch: u64,
    /// The stretch being filled.
    current: i64,
    filled: u64,
}

impl Default for Floor {
    fn default() -> Self {
        Self {
            stretches: [0; MAX_STRETCHES],
            len: 0,
            per_stretch: FIRST_STRETCH,
            current: i64::MAX,
            filled: 0,
        }
    }
}

impl Floor {
    fn add(&mut self, deviation: i64) {
        self.current = self.current.min(deviation);
        self.filled += 1;
        if self.filled < self.per_stretch {
            return;
        }
        self.stretches[self.len] = self.current;
        self.len += 1;
        self.current = i64::MAX;
        self.filled = 0;
        if self.len == MAX_STRETCHES {
            for n in 0..MAX_STRETCHES / 2 {
                self.stretches[n] = self.stretches[2 * n].min(self.stretches[2 * n + 1]);
            }
            self.len /= 2;
            self.per_stretch *= 2;
        }
    }

    /// Nanoseconds that the floor rises from the first stretch to the last, by the line whose
    /// slope is the median of those through all pairs (Theil and Sen): a stretch in which the
    /// thread got no processor at all moves it no more than any other.
    fn rise(&self) -> Option<f64> {
        if self.len < MIN_STRETCHES {
            return None;
        }
        let floors = &self.stretches[..self.len];
        let mut slopes = [0.0; MAX_STRETCHES * (MAX_STRETCHES - 1) / 2];
        let mut pairs = 0;
        for (i, a) in floors.iter().enumerate() {
            for (j, b) in floors.iter().enumerate().skip(i + 1) {
                slopes[pairs] = (b - a) as f64 / (j - i) as f64;
                pairs += 1;
            }
        }
        let slopes = &mut slopes[..pairs];
        let middle = pairs / 2;
        let (_, median, _) = slopes.select_nth_unstable_by(middle, f64::total_cmp);
        Some(*median * self.len as f64)
    }
}

const MAX_STRETCHES: usize = 64;
const MIN_STRETCHES: usize = 8;
const FIRST_STRETCH: u64 = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pacer::{CatchUp, Pacer};

    const TEN_MS: Duration = Duration::from_millis(10);

    /// Lateness like a real thread's: 50 to 150 µs, sometimes milliseconds.
    fn jitter(n: u64) -> u64 {
        let x = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        50_000 + x % 100_000 + if x.is_multiple_of(500) { 3_000_000 } else { 0 }
    }

    fn run(packets: u64, ppm: f64) -> ScheduleStats {
        let rate = SampleRate::HZ_44100;
        let pacer = Pacer::new(Instant::from_nanos(1 << 50), rate, CatchUp::Burst);
        let mut stats = ScheduleStats::new(rate, TEN_MS);
        for n in 0..packets {
            let due = pacer.deadline(n * 441);
            let slip = (due - pacer.start()).as_nanos() as f64 * ppm * 1e-6;
            stats.record(due, due + Duration::from_nanos(jitter(n) + slip as u64));
        }
        stats
    }

    #[test]
    fn a_kept_schedule_shows_no_drift_over_a_day() {
        let s = run(100 * 86_400, 0.0).summary();
        assert!(s.slope_ppm.unwrap().abs() < 1e-4, "{s:?}");
        assert_eq!((s.drift_frames, s.late), (Some(0), 0));
        assert!((s.mean_interval_nanos.unwrap() - 1e7).abs() < 1.0, "{s:?}");
        assert!(s.p50 >= Duration::from_micros(98) && s.p50 <= Duration::from_micros(106));
        assert!(s.p99 < Duration::from_micros(160), "{s:?}");
        assert!(s.max > Duration::from_millis(3) && s.max < Duration::from_micros(3_150));
    }

    #[test]
    fn a_slow_sender_is_found_out() {
        let s = run(3_300, 31.0).summary();
        assert!((s.slope_ppm.unwrap() - 31.0).abs() < 1.0, "{s:?}");
        // 31 ppm of 33 s are 1 ms, or 45 frames.
        assert!((43..=46).contains(&s.drift_frames.unwrap()), "{s:?}");
    }

    #[test]
    fn a_busy_machine_is_no_drift() {
        let rate = SampleRate::HZ_48000;
        let pacer = Pacer::new(Instant::EPOCH, rate, CatchUp::Burst);
        let mut stats = ScheduleStats::new(rate, TEN_MS);
        for n in 0..3_300 {
            let due = pacer.deadline(n * 480);
            // Held up for some seconds in the middle and at the end.
            let busy = if n % 1_650 > 1_500 { 20_000_000 } else { 0 };
            stats.record(due, due + Duration::from_nanos(jitter(n) + busy));
        }
        assert_eq!(stats.drift_frames(), Some(0));
        assert_eq!(stats.summary().late, 2 * 149);
    }

    #[test]
    fn early_sends_deviate_but_are_not_late() {
        let mut stats = ScheduleStats::new(SampleRate::HZ_48000, Duration::from_millis(1));
        let at = |us: u64| Instant::from_nanos(us * 1_000);
        stats.record(at(10_000), at(8_000));
        stats.record(at(20_000), at(21_001));
        let s = stats.summary();
        assert_eq!((s.count, s.late), (2, 1));
        assert_eq!(s.max, Duration::from_millis(2));
        assert_eq!(s.mean_interval_nanos, Some(13_001_000.0));
        assert_eq!(s.drift_frames, None);
    }

    #[test]
    fn nothing_recorded_is_no_figures() {
        let s = ScheduleStats::new(SampleRate::HZ_48000, TEN_MS).summary();
        assert_eq!(
            (s.count, s.mean_interval_nanos, s.slope_ppm),
            (0, None, None)
        );
    }
}

//! The rate of another clock against the local one.

use std::time::Duration;

use crate::time::Instant;

/// Fits a line through observations of another clock, robustly.
///
/// 1. Observations of half a second make a block. Its place is the mean of those near the median:
///    a spike of delayed packets moves it little, and what remains averages out like white noise.
/// 2. A jump of several blocks in a row by the same amount is a step of the delay (another route,
///    a lost datagram of a stream without timestamps), not drift: what came before is moved along.
/// 3. A line is fitted through the last 256 blocks, those far from it having less weight (Huber,
///    "Robust estimation of a location parameter", 1964).
///
/// Fixed memory. An observation costs a few additions; twice a second the fit costs some
/// microseconds. Differences are taken in integers, so a day of them loses nothing.
#[derive(Debug, Clone)]
pub struct DriftEstimator {
    /// First observation: local time and the other clock's.
    anchor: Option<(Instant, i64)>,
    block: Block,
    /// Ring of finished blocks, oldest at `oldest`.
    places: Box<[Place; WINDOW]>,
    oldest: usize,
    count: usize,
    estimate: Option<DriftEstimate>,
}

/// How fast another clock is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DriftEstimate {
    /// Parts per million by which it is faster than the clock it is compared with; negative
    /// where slower.
    pub ppm: f64,
    /// Standard deviation of `ppm`, from the scatter of the blocks.
    pub sigma_ppm: f64,
    /// The time that the estimate rests on.
    pub span: Duration,
}

#[derive(Debug, Clone)]
struct Block {
    /// Nanoseconds after the anchor.
    start: i64,
    /// How far the other clock was ahead, in nanoseconds, relative to `base`.
    ahead: [f32; PER_BLOCK],
    base: i64,
    held: usize,
    seen: u64,
    /// Only each so-manieth observation is held.
    stride: u64,
    time_sum: i64,
}

/// Where the other clock was in the middle of a block.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    /// Seconds after the anchor.
    at: f64,
    /// Nanoseconds that it was ahead.
    ahead: f64,
}

impl Default for DriftEstimator {
    fn default() -> Self {
        Self::new()
    }
}

impl DriftEstimator {
    /// An estimator that has seen nothing.
    pub fn new() -> Self {
        Self {
            anchor: None,
            block: Block {
                start: 0,
                ahead: [0.0; PER_BLOCK],
                base: 0,
                held: 0,
                seen: 0,
                stride: 1,
                time_sum: 0,
            },
            places: Box::new([Place::default(); WINDOW]),
            oldest: 0,
            count: 0,
            estimate: None,
        }
    }

    /// At `local` the other clock showed `other` nanoseconds, or had done so some time before:
    /// delays may vary. Observations that go back in local time a little are left out; by more
    /// than a second, they are another clock's.
    pub fn observe(&mut self, local: Instant, other: i64) {
        let gone_back = |(start, _)| local.signed_since(start) < self.block.start - BACK_NANOS;
        if self.anchor.is_some_and(gone_back) {
            self.reset();
        }
        let (local0, other0) = *self.anchor.get_or_insert((local, other));
        let at = local.signed_since(local0);
        let ahead = other.wrapping_sub(other0).saturating_sub(at);
        if at < self.block.start {
            return;
        }
        if at - self.block.start >= BLOCK_NANOS {
            self.finish_block();
            self.block.begin(at, ahead);
        }
        self.block.take(at, ahead);
    }

    /// The newest estimate; `None` before five seconds.
    pub fn estimate(&self) -> Option<DriftEstimate> {
        self.estimate
    }

    /// Forgets everything: another clock.
    pub fn reset(&mut self) {
        self.anchor = None;
        self.block.begin(0, 0);
        self.oldest = 0;
        self.count = 0;
        self.estimate = None;
    }

    fn finish_block(&mut self) {
        let Some(place) = self.block.place() else {
            return;
        };
        let index = (self.oldest + self.count) % WINDOW;
        self.places[index] = place;
        if self.count == WINDOW {
            self.oldest = (self.oldest + 1) % WINDOW;
        } else {
            self.count += 1;
        }
        self.mend_step();
        self.fit();
    }

    fn place(&self, n: usize) -> Place {
        self.places[(self.oldest + n) % WINDOW]
    }

    /// Where the newest [`STEP_BLOCKS`] blocks lie away from the line through those before them,
    /// all by about the same, moves those before to meet them.
    fn mend_step(&mut self) {
        let Some(before) = self.count.checked_sub(STEP_BLOCKS) else {
            return;
        };
        if before < MIN_BLOCKS {
            return;
        }
        let line = Line::fit((0..before).map(|n| self.place(n)));
        let off = |n: usize| {
            let p = self.place(before + n);
            p.ahead - line.at(p.at)
        };
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for n in 0..STEP_BLOCKS {
            low = low.min(off(n));
            high = high.max(off(n));
        }
        let middle = (low + high) / 2.0;
        let scatter = line.scatter.max(MIN_SCATTER);
        // The line's own end is uncertain as well.
        let notable = STEP_SCATTERS * scatter;
        if middle.abs() > notable && high - low < middle.abs() {
            for n in 0..before {
                self.places[(self.oldest + n) % WINDOW].ahead += middle;
            }
        }
    }

    fn fit(&mut self) {
        if self.count < MIN_BLOCKS {
            return;
        }
        let line = Line::fit((0..self.count).map(|n| self.place(n)));
        let (first, last) = (self.place(0), self.place(self.count - 1));
        self.estimate = Some(DriftEstimate {
            // Nanoseconds a second are parts in 10⁹.
            ppm: line.slope / 1e3,
            sigma_ppm: line.slope_sigma / 1e3,
            span: Duration::from_nanos(((last.at - first.at).max(0.0) * 1e9) as u64),
        });
    }
}

impl Block {
    fn begin(&mut self, start: i64, ahead: i64) {
        // As many as last time, thinned to what there is room for.
        self.stride = self.seen.div_ceil(PER_BLOCK as u64).max(1);
        self.start = start;
        self.base = ahead;
        self.held = 0;
        self.seen = 0;
        self.time_sum = 0;
    }

    fn take(&mut self, at: i64, ahead: i64) {
        self.seen += 1;
        if self.held < PER_BLOCK && self.seen.is_multiple_of(self.stride) {
            self.ahead[self.held] = ahead.saturating_sub(self.base) as f32;
            self.held += 1;
            self.time_sum = self.time_sum.saturating_add(at - self.start);
        }
    }

    /// The middle of the block: the mean of the observations about the median.
    fn place(&mut self) -> Option<Place> {
        let held = self.held;
        if held < MIN_HELD {
            return None;
        }
        let mut sorted = self.ahead;
        let sorted = &mut sorted[..held];
        sorted.sort_unstable_by(f32::total_cmp);
        let mut middle = sorted[held / 2];
        // Measured on the side of luck: the other one has the spikes.
        let spread = sorted[held * 3 / 4] - middle;
        let reach = (spread * TRIM).max(MIN_SPREAD);
        for _ in 0..2 {
            let near = sorted.iter().filter(|v| (**v - middle).abs() <= reach);
            let (sum, n) = near.fold((0.0f32, 0u32), |(sum, n), v| (sum + (v - middle), n + 1));
            middle += sum / n.max(1) as f32;
        }
        Some(Place {
            at: (self.start as f64 + self.time_sum as f64 / held as f64) / 1e9,
            ahead: self.base as f64 + f64::from(middle),
        })
    }
}

/// A straight line through places.
#[derive(Debug, Clone, Copy)]
struct Line {
    middle: Place,
    /// Nanoseconds a second.
    slope: f64,
    slope_sigma: f64,
    /// Standard deviation of the places from the line, nanoseconds.
    scatter: f64,
}

impl Line {
    /// Least squares, then twice more with less weight for what lies far off.
    fn fit(places: impl Iterator<Item = Place> + Clone) -> Self {
        let mut line = Self::weighted(places.clone(), |_| 1.0);
        for _ in 0..2 {
            let (before, reach) = (line, REACH * line.scatter.max(1.0));
            line = Self::weighted(places.clone(), |p| {
                let off = (p.ahead - before.at(p.at)).abs();
                if off <= reach { 1.0 } else { reach / off }
            });
        }
        line
    }

    fn weighted(
        places: impl Iterator<Item = Place> + Clone,
        weight: impl Fn(Place) -> f64,
    ) -> Self {
        let (mut w, mut t, mut y) = (0.0, 0.0, 0.0);
        for p in places.clone() {
            let k = weight(p);
            w += k;
            t += k * p.at;
            y += k * p.ahead;
        }
        let middle = Place {
            at: t / w,
            ahead: y / w,
        };
        let (mut tt, mut ty) = (0.0, 0.0);
        for p in places.clone() {
            let (k, dt) = (weight(p), p.at - middle.at);
            tt += k * dt * dt;
            ty += k * dt * (p.ahead - middle.ahead);
        }
        let slope = if tt > 0.0 { ty / tt } else { 0.0 };
        let (mut squares, mut n) = (0.0, 0.0);
        for p in places {
            let off = p.ahead - middle.ahead - slope * (p.at - middle.at);
            squares += weight(p) * off * off;
            n += 1.0;
        }
        let scatter = (squares / (n - 2.0f64).max(1.0)).sqrt();
        Self {
            middle,
            slope,
            slope_sigma: if tt > 0.0 { scatter / tt.sqrt() } else { 0.0 },
            scatter,
        }
    }

    fn at(&self, at: f64) -> f64 {
        self.middle.ahead + self.slope * (at - self.middle.at)
    }
}

const BLOCK_NANOS: i64 = 500_000_000;
/// Before the block that observations in order belong to.
const BACK_NANOS: i64 = 1_000_000_000;
/// Observations held of a block; more are thinned evenly.
const PER_BLOCK: usize = 128;
/// Observations without which a block says nothing.
const MIN_HELD: usize = 3;
/// Blocks of the line: long enough for 0.3 ppm with a jitter of 1 ms, short enough to follow an
/// oscillator that warms up.
const WINDOW: usize = 256;
/// Blocks before the first estimate.
const MIN_BLOCKS: usize = 10;
/// Blocks that must agree on a step.
const STEP_BLOCKS: usize = 6;
/// A step is at least so many standard deviations of a block.
const STEP_SCATTERS: f64 = 8.0;
/// Standard deviations from the line that count in full.
const REACH: f64 = 2.5;
/// Nanoseconds below which a block is not believed to be known.
const MIN_SCATTER: f64 = 20_000.0;
/// Distances from the middle that count, in quarter ranges: 3 standard deviations.
const TRIM: f32 = 4.5;
const MIN_SPREAD: f32 = 1_000.0;

#[cfg(test)]
mod tests;

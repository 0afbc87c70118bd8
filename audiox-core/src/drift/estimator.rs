//! The rate of another clock against the local one.

mod line;
mod steps;

use std::time::Duration;

use steps::Stretches;

use crate::time::Instant;

/// Fits a line through observations of another clock, robustly.
///
/// 1. Observations of half a second make a block. Its place is the mean of those near the median:
///    a spike of delayed packets moves it little, and what remains averages out like white noise.
/// 2. The last 256 blocks are cut where the delay made a step (another route, trouble that began or
///    ended, a lost datagram of a stream without timestamps): that is not drift.
/// 3. A line is fitted through each part, those far from it having less weight (Huber, "Robust
///    estimation of a location parameter", 1964), and the slopes are averaged.
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
        self.fit();
    }

    fn place(&self, n: usize) -> Place {
        self.places[(self.oldest + n) % WINDOW]
    }

    fn fit(&mut self) {
        if self.count < MIN_BLOCKS {
            return;
        }
        let mut places = [Place::default(); WINDOW];
        let places = &mut places[..self.count];
        for (n, place) in places.iter_mut().enumerate() {
            *place = self.place(n);
        }
        // Where nothing but steps is in sight the clock is still what it was.
        if let Some(found) = Stretches::of(places).slope() {
            self.estimate = Some(DriftEstimate {
                // Nanoseconds a second are parts in 10⁹.
                ppm: found.slope / 1e3,
                sigma_ppm: found.sigma / 1e3,
                span: Duration::from_nanos((found.span.max(0.0) * 1e9) as u64),
            });
        }
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
/// Nanoseconds below which a block is not believed to be known.
const MIN_SCATTER: f64 = 20_000.0;
/// Distances from the middle that count, in quarter ranges: 3 standard deviations.
const TRIM: f32 = 4.5;
const MIN_SPREAD: f32 = 1_000.0;

#[cfg(test)]
mod tests;

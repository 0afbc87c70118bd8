//! Where the delay changed, and what the stretches between have in common.
//!
//! A step in the window looks like a slope, and so does trouble that begins or ends in it. What
//! is on either side tells nothing about the height of the step, only each for itself about the
//! slope. So the window is cut wherever a step explains it better than a line does, again in each
//! part, and the slopes of the parts are averaged by how well they are known. A cut too many costs
//! some certainty, and says so; a cut too few would be an error that nothing tells of.

use super::line::Line;
use super::{MIN_SCATTER, Place, WINDOW};

/// The slopes of the window's parts between steps of the delay.
pub(super) struct Stretches {
    slopes: [Slope; WINDOW / SHORTEST_LINE],
    count: usize,
}

/// A slope, and how well it is known.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Slope {
    /// Nanoseconds a second.
    pub(super) slope: f64,
    /// Its standard deviation.
    pub(super) sigma: f64,
    /// Seconds that it rests on.
    pub(super) span: f64,
}

impl Stretches {
    /// Cuts `places`, at most [`WINDOW`] of them.
    pub(super) fn of(places: &[Place]) -> Self {
        let mut calm = [Place::default(); WINDOW];
        let calm = &mut calm[..places.len()];
        without_spikes(places, calm);
        let mut stretches = Self {
            slopes: [Slope::default(); WINDOW / SHORTEST_LINE],
            count: 0,
        };
        stretches.cut(places, calm);
        stretches
    }

    fn cut(&mut self, places: &[Place], calm: &[Place]) {
        if let Some(at) = step(places, calm) {
            self.cut(&places[..at], &calm[..at]);
            self.cut(&places[at..], &calm[at..]);
        } else if let [first, .., last] = places
            && places.len() >= SHORTEST_LINE
        {
            let line = Line::fit(places);
            self.slopes[self.count] = Slope {
                slope: line.slope,
                sigma: line.slope_sigma.max(LEAST_SIGMA),
                span: last.at - first.at,
            };
            self.count += 1;
        }
    }

    /// The slope that all have in common, where one is long enough to have any. Where they disagree
    /// by more than their scatter, some are no clock's doing and nobody knows which: that makes it
    /// uncertain.
    pub(super) fn slope(&self) -> Option<Slope> {
        let all = &self.slopes[..self.count];
        // A queue that fills or drains is faster than any clock.
        let doubt = |s: &Slope| (s.slope.abs() > FASTEST, s.sigma);
        let best = all.iter().min_by(|a, b| {
            let ((fast_a, a), (fast_b, b)) = (doubt(a), doubt(b));
            fast_a.cmp(&fast_b).then(a.total_cmp(&b))
        })?;
        let clocks = || {
            all.iter()
                .filter(|s| (s.slope - best.slope).abs() <= FASTEST)
        };
        let (mut weight, mut sum, mut span) = (0.0, 0.0, 0.0);
        for s in clocks() {
            let w = 1.0 / (s.sigma * s.sigma);
            weight += w;
            sum += w * s.slope;
            span += s.span;
        }
        let slope = sum / weight;
        let spread = clocks().map(|s| {
            let off = (s.slope - slope).powi(2) - (ALIKE * s.sigma).powi(2);
            off.max(0.0) * s.span / span
        });
        let sigma = (1.0 / weight + spread.sum::<f64>()).sqrt();
        let sane = slope.is_finite() && sigma.is_finite();
        sane.then_some(Slope { slope, sigma, span })
    }
}

/// The median of each place and its neighbours: spikes vanish, edges stay where they are.
fn without_spikes(places: &[Place], calm: &mut [Place]) {
    for (n, to) in calm.iter_mut().enumerate() {
        let reach = NEIGHBOURS.min(n).min(places.len() - 1 - n);
        let mut near = [0.0; 2 * NEIGHBOURS + 1];
        let near = &mut near[..2 * reach + 1];
        for (v, p) in near.iter_mut().zip(&places[n - reach..]) {
            *v = p.ahead;
        }
        near.sort_unstable_by(f64::total_cmp);
        *to = Place {
            at: places[n].at,
            ahead: near[reach],
        };
    }
}

/// Where a step explains these places far better than a line alone.
fn step(places: &[Place], calm: &[Place]) -> Option<usize> {
    let n = places.len();
    if n < 2 * SHORTEST {
        return None;
    }
    let scatter = scatter_of(places).max(MIN_SCATTER);
    let (mut at, mut ahead) = (0.0, 0.0);
    for p in calm {
        at += p.at;
        ahead += p.ahead;
    }
    let count = n as f64;
    let middle = Place {
        at: at / count,
        ahead: ahead / count,
    };
    let (mut tt, mut ty) = (0.0, 0.0);
    for p in calm {
        let dt = p.at - middle.at;
        tt += dt * dt;
        ty += dt * (p.ahead - middle.ahead);
    }
    let slope = if tt > 0.0 { ty / tt } else { 0.0 };
    // What a step at each place would take off the squares, from the sums before it: the residuals
    // know nothing of height and slope any more, and of the step only that part counts that they
    // do not explain.
    let (mut off, mut time) = (0.0, 0.0);
    let mut best = (0.0f64, 0, 0.0f64);
    for (before, p) in calm.iter().enumerate() {
        if (SHORTEST..=n - SHORTEST).contains(&before) {
            let b = before as f64;
            let own = b * (count - b) / count - time * time / tt.max(f64::MIN_POSITIVE);
            if own > 0.0 {
                let (sure, height) = (off * off / own, (off / own).abs());
                if sure > best.0 {
                    best = (sure, before, height);
                }
            }
        }
        let dt = p.at - middle.at;
        time += dt;
        off += p.ahead - middle.ahead - slope * dt;
    }
    let (sure, place, height) = best;
    (sure.sqrt() > SURE * scatter && height > MIN_STEP).then_some(place)
}

/// Standard deviation of places, from how neighbours differ: steps and slopes hardly count.
fn scatter_of(places: &[Place]) -> f64 {
    let mut apart = [0.0f32; WINDOW];
    let n = places.len() - 1;
    let apart = &mut apart[..n];
    for (d, pair) in apart.iter_mut().zip(places.windows(2)) {
        *d = (pair[1].ahead - pair[0].ahead) as f32;
    }
    let median = |of: &mut [f32]| *of.select_nth_unstable_by(n / 2, f32::total_cmp).1;
    let usual = median(apart);
    for d in &mut *apart {
        *d = (*d - usual).abs();
    }
    f64::from(median(apart)) * OF_DIFFERENCES
}

/// Places on either side that a spike is judged by.
const NEIGHBOURS: usize = 2;
/// Places of a part, at least.
const SHORTEST: usize = 4;
/// Places that have a slope.
const SHORTEST_LINE: usize = 6;
/// Standard deviations beyond which a step is no accident, wherever it may be.
const SURE: f64 = 7.0;
/// Nanoseconds below which a step makes too little difference.
const MIN_STEP: f64 = 150_000.0;
/// Standard deviations by which slopes of one clock may differ.
const ALIKE: f64 = 3.0;
/// Nanoseconds a second by which two clocks may differ.
const FASTEST: f64 = 2_000_000.0;
/// Nanoseconds a second that no slope is known better than.
const LEAST_SIGMA: f64 = 1.0;
/// Standard deviation of what is normally distributed, by the median difference of two.
const OF_DIFFERENCES: f64 = 1.048_358;

//! Straight lines through places.

use super::Place;

/// A straight line through places.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    middle: Place,
    /// Nanoseconds a second.
    pub(super) slope: f64,
    pub(super) slope_sigma: f64,
    /// Standard deviation of the places from the line, nanoseconds.
    scatter: f64,
}

impl Line {
    /// Least squares, then twice more with less weight for what lies far off.
    pub(super) fn fit(places: &[Place]) -> Self {
        let mut line = Self::weighted(places, |_| 1.0);
        let mut reach = f64::INFINITY;
        for _ in 0..2 {
            let before = line;
            reach = REACH * line.scatter.max(1.0);
            line = Self::weighted(places, |p| {
                let off = (p.ahead - before.at(p.at)).abs();
                if off <= reach { 1.0 } else { reach / off }
            });
        }
        line.slope_sigma *= line.inflation(places, reach);
        line
    }

    /// How much less is known than that many independent places would tell: a delay that wanders
    /// is off in the same direction for long.
    fn inflation(&self, places: &[Place], reach: f64) -> f64 {
        let (mut squares, mut products, mut last) = (0.0, 0.0, 0.0);
        for p in places {
            let off = (p.ahead - self.at(p.at)).clamp(-reach, reach);
            squares += off * off;
            products += off * last;
            last = off;
        }
        if squares <= 0.0 {
            return 1.0;
        }
        let alike = (products / squares).clamp(0.0, MOST_ALIKE);
        ((1.0 + alike) / (1.0 - alike)).sqrt()
    }

    fn weighted(places: &[Place], weight: impl Fn(Place) -> f64) -> Self {
        let (mut w, mut t, mut y) = (0.0, 0.0, 0.0);
        for &p in places {
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
        for &p in places {
            let (k, dt) = (weight(p), p.at - middle.at);
            tt += k * dt * dt;
            ty += k * dt * (p.ahead - middle.ahead);
        }
        let slope = if tt > 0.0 { ty / tt } else { 0.0 };
        let (mut squares, mut n) = (0.0, 0.0);
        for &p in places {
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

    pub(super) fn at(&self, at: f64) -> f64 {
        self.middle.ahead + self.slope * (at - self.middle.at)
    }
}

/// Standard deviations from the line that count in full.
const REACH: f64 = 2.5;
/// Greatest correlation of neighbours that is reckoned with.
const MOST_ALIKE: f64 = 0.9;

//! A straight line through points that come one by one.

/// Least squares in five numbers, by updates about the running means: the plain sums of squares
/// of nanoseconds would cancel to noise within the hour (Welford 1962).
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct LineFit {
    n: f64,
    mean_x: f64,
    mean_y: f64,
    sxx: f64,
    sxy: f64,
}

impl LineFit {
    /// Takes a point.
    pub fn add(&mut self, x: f64, y: f64) {
        self.n += 1.0;
        let dx = x - self.mean_x;
        self.mean_x += dx / self.n;
        self.mean_y += (y - self.mean_y) / self.n;
        self.sxx += dx * (x - self.mean_x);
        self.sxy += dx * (y - self.mean_y);
    }

    /// Slope of the line; `None` below two different x.
    pub fn slope(&self) -> Option<f64> {
        (self.sxx > 0.0).then(|| self.sxy / self.sxx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_far_from_the_origin() {
        let mut fit = LineFit::default();
        assert_eq!(fit.slope(), None);
        for n in 0..1_000 {
            let x = 1e15 + f64::from(n) * 1e7;
            fit.add(x, 5.0 + 3e-6 * (x - 1e15));
        }
        let slope = fit.slope().unwrap();
        assert!((slope - 3e-6).abs() < 1e-9, "{slope}");
    }
}

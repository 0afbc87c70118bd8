//! Where output frames lie between input frames, in whole numbers.
//!
//! A place is counted in parts of an input frame. There are `output rate · 2⁴⁰` of them (the
//! rates without their common factors), so that the step from one output frame to the next,
//! `input rate · 2⁴⁰`, is a whole number, and so is every step adjusted by a multiple of 2⁻⁴⁰.
//! Nothing is ever rounded: after a day the place is the one that the steps add up to.

use super::MAX_ADJUSTMENT_PPM;

/// The place of the next output frame beyond the input frame before it, and how it moves on.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// Parts in an input frame.
    unit: u64,
    /// 2⁹⁶ / `unit`, rounded down.
    inverse: u64,
    /// Always below `unit`.
    offset: u64,
    nominal: u64,
    /// Parts from an output frame to the next: now, and where the ramp leads.
    step: u64,
    target: u64,
    slope: i64,
    /// Output frames until the ramp has ended, and how many a ramp takes.
    left: u32,
    ramp: u32,
    /// Whole input frames in every step, however adjusted.
    whole: u64,
}

impl Place {
    /// At an input frame, moving on nominally; `input` and `output` in Hz, at most [`MAX_HZ`].
    pub(super) fn new(input: u32, output: u32) -> Self {
        let common = gcd(input, output);
        let unit = u64::from(output / common) << FINE_BITS;
        let nominal = u64::from(input / common) << FINE_BITS;
        Self {
            unit,
            inverse: ((1u128 << 96) / u128::from(unit)) as u64,
            offset: 0,
            nominal,
            step: nominal,
            target: nominal,
            slope: 0,
            left: 0,
            ramp: (output / RAMPS_PER_SECOND).max(1),
            whole: adjusted(nominal, -MAX_ADJUSTMENT_PPM) / unit,
        }
    }

    /// Places that occur between two input frames while the speed is nominal.
    pub(super) fn phases(&self) -> usize {
        (self.unit >> FINE_BITS) as usize
    }

    /// How far beyond the input frame before, in units of 2⁻³² of a frame, rounded down.
    #[inline]
    pub(super) fn fraction(&self) -> u32 {
        ((u128::from(self.offset) * u128::from(self.inverse)) >> 64) as u32
    }

    /// Moves on by an output frame and returns the whole input frames passed.
    #[inline]
    pub(super) fn advance(&mut self) -> usize {
        if self.left > 0 {
            self.left -= 1;
            self.step = match self.left {
                0 => self.target,
                _ => self.step.wrapping_add_signed(self.slope),
            };
        }
        self.offset += self.step - self.whole * self.unit;
        let mut frames = self.whole;
        while self.offset >= self.unit {
            self.offset -= self.unit;
            frames += 1;
        }
        frames as usize
    }

    /// Whole input frames that [`advance`](Self::advance) would pass, called `frames` times.
    pub(super) fn travel(&self, frames: usize) -> u128 {
        let ramped = frames.min((self.left as usize).saturating_sub(1));
        let n = ramped as i128;
        let parts = n * i128::from(self.step)
            + i128::from(self.slope) * n * (n + 1) / 2
            + (frames - ramped) as i128 * i128::from(self.target);
        (u128::from(self.offset) + parts.unsigned_abs()) / u128::from(self.unit)
    }

    /// The most that [`travel`](Self::travel) can return, whatever the place and the speed.
    pub(super) fn max_travel(&self, frames: usize) -> u128 {
        let fastest = adjusted(self.nominal, MAX_ADJUSTMENT_PPM);
        frames as u128 * u128::from(fastest) / u128::from(self.unit) + 1
    }

    /// Heads for a speed `ppm` above nominal.
    pub(super) fn adjust(&mut self, ppm: f64) {
        let target = adjusted(self.nominal, ppm);
        if target != self.target {
            self.target = target;
            self.slope = (target as i64 - self.step as i64) / i64::from(self.ramp);
            self.left = self.ramp;
        }
    }

    /// Back at an input frame, moving on nominally.
    pub(super) fn reset(&mut self) {
        self.offset = 0;
        self.step = self.nominal;
        self.target = self.nominal;
        self.left = 0;
    }
}

/// `nominal`, a multiple of 2⁴⁰, by `ppm` more; exact for the multiple of 2⁻⁴⁰ nearest to `ppm`.
fn adjusted(nominal: u64, ppm: f64) -> u64 {
    let ppm = if ppm.is_nan() { 0.0 } else { ppm };
    let share = ppm.clamp(-MAX_ADJUSTMENT_PPM, MAX_ADJUSTMENT_PPM) * 1e-6;
    let fine = (share * (1u64 << FINE_BITS) as f64).round() as i64;
    nominal.wrapping_add_signed((nominal >> FINE_BITS) as i64 * fine)
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Highest rate: parts and their sums then fit in 63 bits.
pub(super) const MAX_HZ: u32 = 384_000;
/// Speeds are multiples of 2⁻⁴⁰, a millionth of a part per million.
const FINE_BITS: u32 = 40;
/// A new speed is reached in 10 ms.
const RAMPS_PER_SECOND: u32 = 100;
const _: () = assert!(((MAX_HZ as u64) << FINE_BITS) < 1 << 61);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_day_of_rate_conversion_ends_where_it_began() {
        const DAY: usize = 86_400;
        for (input, output) in [(44_100, 48_000), (48_000, 44_100), (8_000, 192_000)] {
            let mut place = Place::new(input, output);
            let frames = DAY * output as usize;
            assert_eq!(place.travel(frames), DAY as u128 * u128::from(input));
            // Not even a part off: the frame before it still lies before the day's end.
            assert_eq!(
                place.travel(frames - 1),
                (DAY as u128 * u128::from(input)) - u128::from(input.div_ceil(output))
            );
            for _ in 0..place.phases() {
                place.advance();
            }
            assert_eq!(place.offset, 0);
        }
    }

    #[test]
    fn days_of_adjusted_speed_are_exact() {
        // A second more in 2²⁰ of them, twelve days, to the frame.
        let ppm = 1e6 / f64::from(1 << 20);
        for (input, output) in [(48_000, 48_000), (44_100, 48_000)] {
            let mut place = Place::new(input, output);
            place.adjust(ppm);
            for _ in 0..place.ramp {
                place.advance();
            }
            place.offset = 0;
            let frames = (output as usize) << 20;
            assert_eq!(
                place.travel(frames),
                u128::from(input) * ((1 << 20) + 1),
                "{input} to {output}"
            );
        }
    }

    #[test]
    fn speeds_change_along_a_line() {
        let mut place = Place::new(48_000, 48_000);
        place.adjust(1_000.0);
        let mut last = place.step;
        for n in 1..=480 {
            place.advance();
            let expected = (1u64 << FINE_BITS) as f64 * (1.0 + 0.001 * f64::from(n) / 480.0);
            assert!((place.step as f64 / expected - 1.0).abs() < 1e-9, "{n}");
            assert!(place.step > last);
            last = place.step;
        }
        place.advance();
        assert_eq!((place.step, place.left), (place.target, 0));
    }

    #[test]
    fn speeds_out_of_range_are_clamped() {
        let nominal = 3u64 << FINE_BITS;
        for (asked, got) in [
            (f64::NAN, 0.0),
            (f64::INFINITY, MAX_ADJUSTMENT_PPM),
            (-1e300, -MAX_ADJUSTMENT_PPM),
        ] {
            assert_eq!(adjusted(nominal, asked), adjusted(nominal, got));
        }
        assert_eq!(adjusted(nominal, 0.0), nominal);
    }

    proptest! {
        #[test]
        fn travel_is_the_sum_of_advances(
            input in 1_000..=MAX_HZ,
            output in 1_000..=MAX_HZ,
            calls in prop::collection::vec((0usize..9_000, -20_000.0f64..20_000.0), 1..6),
        ) {
            prop_assume!(input <= output * 64 && output <= input * 64);
            let mut place = Place::new(input, output);
            for (frames, ppm) in calls {
                place.adjust(ppm);
                let expected = place.travel(frames);
                prop_assert!(expected <= place.max_travel(frames));
                let mut passed = 0;
                for _ in 0..frames {
                    passed += place.advance() as u128;
                    prop_assert!(place.offset < place.unit);
                    let exact = (u128::from(place.offset) << 32) / u128::from(place.unit);
                    prop_assert!(u128::from(place.fraction()).abs_diff(exact) <= 1);
                }
                prop_assert_eq!(passed, expected);
            }
        }
    }
}

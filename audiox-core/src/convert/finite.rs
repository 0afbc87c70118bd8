//! Samples that are none.

/// Silences what is not finite: one such sample would stay in every filter for ever.
pub(crate) fn make_finite(samples: &mut [f32]) {
    if !all_finite(samples) {
        for s in samples.iter_mut().filter(|s| !s.is_finite()) {
            *s = 0.0;
        }
    }
}

/// As integers, magnitudes keep their order, and infinity is below what is not a number; unlike a
/// sum, their maximum fills vectors.
fn all_finite(samples: &[f32]) -> bool {
    let magnitude = |s: &f32| (s.to_bits() & !(1 << 31)) as i32;
    let greatest = samples.iter().map(magnitude).fold(0, i32::max);
    greatest < f32::INFINITY.to_bits() as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_not_finite_changes() {
        let mut samples = [f32::MAX, f32::NAN, -f32::MAX, f32::INFINITY, -0.0, 1e-40];
        make_finite(&mut samples);
        assert_eq!(samples, [f32::MAX, 0.0, -f32::MAX, 0.0, -0.0, 1e-40]);
        let mut negative = [f32::NEG_INFINITY, -f32::NAN];
        make_finite(&mut negative);
        assert_eq!(negative, [0.0; 2]);
    }
}

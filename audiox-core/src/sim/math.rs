//! Logarithm and sine from exactly rounded operations only.
//!
//! The standard library leaves these to the platform, whose last bits differ; a simulation would
//! then differ between machines.

/// The natural logarithm of a positive, normal number, to about 1 ulp.
pub(super) fn ln(x: f64) -> f64 {
    let bits = x.to_bits();
    let mut exponent = ((bits >> 52) & 0x7ff) as i32 - 1023;
    let mut mantissa = f64::from_bits((bits & 0x000f_ffff_ffff_ffff) | 0x3ff0_0000_0000_0000);
    if mantissa > std::f64::consts::SQRT_2 {
        mantissa *= 0.5;
        exponent += 1;
    }
    // ln m = 2 artanh((m − 1) / (m + 1)); the argument is within ±0.172, so eleven terms do.
    let t = (mantissa - 1.0) / (mantissa + 1.0);
    let t2 = t * t;
    let mut sum = 0.0;
    for k in (0..11).rev() {
        sum = sum * t2 + 1.0 / f64::from(2 * k + 1);
    }
    f64::from(exponent) * std::f64::consts::LN_2 + 2.0 * t * sum
}

/// The sine of `turns` full turns, for `turns` in `[0, 1)`.
pub(super) fn sin_turns(turns: f64) -> f64 {
    let (half, sign) = if turns < 0.5 {
        (turns, 1.0)
    } else {
        (turns - 0.5, -1.0)
    };
    let quarter = if half > 0.25 { 0.5 - half } else { half };
    let x = quarter * std::f64::consts::TAU;
    // Taylor to x²¹; at x = π/2 the rest is below 2⁻⁵³.
    let x2 = x * x;
    let mut sum = 0.0;
    for k in (1..11).rev() {
        let n = f64::from(2 * k);
        sum = -(1.0 + sum) * x2 / (n * (n + 1.0));
    }
    sign * x * (1.0 + sum)
}

/// The cosine of `turns` full turns, for `turns` in `[0, 1)`.
pub(super) fn cos_turns(turns: f64) -> f64 {
    let shifted = turns + 0.25;
    sin_turns(if shifted >= 1.0 {
        shifted - 1.0
    } else {
        shifted
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_agree_with_the_platform_closely() {
        let mut x = 1e-300;
        while x < 1e300 {
            assert!(
                (ln(x) - x.ln()).abs() <= 4e-16 * x.ln().abs().max(1.0),
                "{x}"
            );
            x *= 1.37;
        }
        assert_eq!(ln(1.0), 0.0);
    }

    #[test]
    fn sines_agree_with_the_platform_closely() {
        for i in 0..4_096 {
            let t = f64::from(i) / 4_096.0;
            let w = t * std::f64::consts::TAU;
            assert!((sin_turns(t) - w.sin()).abs() < 1e-15, "{t}");
            assert!((cos_turns(t) - w.cos()).abs() < 1e-15, "{t}");
        }
    }
}

//! Probabilities as integers.

use std::fmt;
use std::str::FromStr;

use crate::error::ConfigError;

/// A probability from 0 to 1 in steps of 2⁻⁶³, valid by construction.
///
/// Written `5%` or `0.05`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Probability(u64);

impl Probability {
    /// Does not happen.
    pub const NEVER: Self = Self(0);
    /// Happens every time.
    pub const ALWAYS: Self = Self(ONE);

    /// The probability `p`.
    ///
    /// # Errors
    /// `p` is not within 0 to 1.
    pub fn new(p: f64) -> Result<Self, ConfigError> {
        if (0.0..=1.0).contains(&p) {
            Ok(Self((p * ONE as f64) as u64))
        } else {
            Err(ConfigError::new("probability", p, ALLOWED))
        }
    }

    /// The value from 0 to 1.
    pub fn get(self) -> f64 {
        self.0 as f64 / ONE as f64
    }

    /// How many of 2⁶³ equally likely outcomes count.
    pub(super) const fn threshold(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Probability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Twelve digits hide that decimal fractions of a percent have no finite binary form.
        let percent = format!("{:.12}", self.get() * 100.0);
        let percent = percent.trim_end_matches('0').trim_end_matches('.');
        write!(f, "{percent}%")
    }
}

impl fmt::Debug for Probability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Probability {
    type Err = ConfigError;

    fn from_str(s: &str) -> Result<Self, ConfigError> {
        let (number, scale) = match s.strip_suffix('%') {
            Some(percent) => (percent, 100.0),
            None => (s, 1.0),
        };
        number
            .parse::<f64>()
            .ok()
            .and_then(|value| Self::new(value / scale).ok())
            .ok_or_else(|| ConfigError::new("probability", format_args!("'{s}'"), ALLOWED))
    }
}

const ONE: u64 = 1 << 63;
const ALLOWED: &str = "write 0% to 100%, or a fraction from 0 to 1 such as 0.05";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_notations_parse_and_print_as_percent() {
        for (text, shown) in [
            ("5%", "5%"),
            ("0.05", "5%"),
            ("100%", "100%"),
            ("1", "100%"),
            ("0", "0%"),
            ("0.1%", "0.1%"),
            ("1e-9", "0.0000001%"),
        ] {
            let p: Probability = text.parse().unwrap();
            assert_eq!(p.to_string(), shown);
            assert_eq!(
                p.to_string().parse::<Probability>().unwrap().to_string(),
                shown
            );
        }
        assert_eq!("1".parse::<Probability>().unwrap(), Probability::ALWAYS);
    }

    #[test]
    fn what_is_no_probability_is_refused_with_the_notation() {
        for text in ["101%", "-1%", "1.01", "nan", "", "%", "five"] {
            let err = text.parse::<Probability>().unwrap_err().to_string();
            assert!(err.contains("0% to 100%"), "{text}: {err}");
        }
        assert!(Probability::new(f64::NAN).is_err());
    }
}

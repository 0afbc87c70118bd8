//! Colours of LEDs.

use std::fmt;
use std::str::FromStr;

use audiox_core::ConfigError;
use serde::{Deserialize, Serialize};

/// A colour with an intensity: 0xRRGGBBAA.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rgba(pub u32);

impl Rgba {
    /// Dark.
    pub const OFF: Self = Self(0);
    /// What lights by default.
    pub const MAGENTA: Self = Self(0xFF00_FFFF);
    /// What tells of trouble by default.
    pub const RED: Self = Self(0xFF00_00FF);

    /// Red, green and blue as the eye has them: dimmed by the intensity.
    pub fn seen(self) -> [u8; 3] {
        let [r, g, b, a] = self.0.to_be_bytes();
        // At most 255 · 255 / 255.
        [r, g, b].map(|c| (u16::from(c) * u16::from(a) / 255) as u8)
    }
}

impl FromStr for Rgba {
    type Err = ConfigError;

    /// `FF00FFFF`, `#FF00FF` (at full intensity) or `off`.
    fn from_str(s: &str) -> Result<Self, ConfigError> {
        let digits = s.trim_start_matches('#').trim_start_matches("0x");
        let is_hex = digits.bytes().all(|b| b.is_ascii_hexdigit());
        let value = u32::from_str_radix(digits, 16).ok().filter(|_| is_hex);
        match (s, value, digits.len()) {
            ("off", ..) => Ok(Self::OFF),
            (_, Some(value), 8) => Ok(Self(value)),
            (_, Some(value), 6) => Ok(Self(value << 8 | 0xFF)),
            _ => Err(ConfigError::new(
                "colour",
                format_args!("{s:?}"),
                "RRGGBBAA, where AA is the intensity, RRGGBB, or off",
            )),
        }
    }
}

impl TryFrom<String> for Rgba {
    type Error = ConfigError;

    fn try_from(s: String) -> Result<Self, ConfigError> {
        s.parse()
    }
}

impl From<Rgba> for String {
    fn from(colour: Rgba) -> Self {
        colour.to_string()
    }
}

impl fmt::Display for Rgba {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08X}", self.0)
    }
}

impl fmt::Debug for Rgba {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{self}")
    }
}

/// LEDs 1 to 5, those that a server lights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Leds(pub [Rgba; 5]);

impl Leds {
    /// All dark.
    pub const OFF: Self = Self([Rgba::OFF; 5]);

    /// All of one colour.
    pub fn all(colour: Rgba) -> Self {
        Self([colour; 5])
    }

    /// One lit, counted from 1; all dark where there is no such LED.
    pub fn one(number: usize, colour: Rgba) -> Self {
        let mut leds = Self::OFF;
        if let Some(led) = number.checked_sub(1).and_then(|n| leds.0.get_mut(n)) {
            *led = colour;
        }
        leds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_read_as_they_are_written() {
        for (text, value) in [
            ("FF00FFFF", 0xFF00_FFFF),
            ("#ff8000", 0xFF80_00FF),
            ("0x01020304", 0x0102_0304),
            ("off", 0),
        ] {
            assert_eq!(text.parse::<Rgba>().unwrap(), Rgba(value), "{text}");
        }
        assert_eq!(Rgba(0x0102_0304).to_string().parse(), Ok(Rgba(0x0102_0304)));
        for wrong in ["", "red", "FFF", "#+FF00FF", "FF00FFFF0", "ÄÄÄ"] {
            let text = wrong.parse::<Rgba>().unwrap_err().to_string();
            assert!(text.contains("RRGGBBAA"), "{text}");
        }
        assert_eq!(Rgba(0xFF80_0080).seen(), [128, 64, 0]);
    }
}

//! Values of options.

use std::time::Duration;

use audiox::core::ConfigError;
use audiox::core::format::{Channels, PcmFormat, SampleFormat, SampleRate};
use audiox::net::endpoint::parse_ptime;
use audiox::net::udp::Dscp;
use audiox::time::parse_duration;

pub(super) fn duration(text: &str) -> Result<Duration, ConfigError> {
    parse_duration("time", text)
}

/// Bytes, as 1500, 16M or 2G (powers of 1 024).
#[cfg(any(feature = "relay", feature = "player"))]
pub(super) fn size(text: &str) -> Result<u64, ConfigError> {
    let (number, unit) = match text.find(|c: char| !c.is_ascii_digit()) {
        Some(at) => text.split_at(at),
        None => (text, ""),
    };
    let factor: Option<u64> = match unit.to_ascii_uppercase().as_str() {
        "" | "B" => Some(1),
        "K" | "KIB" => Some(1 << 10),
        "M" | "MIB" => Some(1 << 20),
        "G" | "GIB" => Some(1 << 30),
        "T" | "TIB" => Some(1 << 40),
        _ => None,
    };
    let size = number
        .parse::<u64>()
        .ok()
        .zip(factor)
        .and_then(|(n, f)| n.checked_mul(f))
        .filter(|n| *n > 0);
    size.ok_or_else(|| ConfigError::new("size", text, "bytes, as 1500, 16M or 2G"))
}

pub(super) fn ptime(text: &str) -> Result<Duration, ConfigError> {
    parse_ptime(text)
}

pub(super) fn rate(text: &str) -> Result<SampleRate, ConfigError> {
    SampleRate::new(text.parse().unwrap_or(0)).map_err(|e| ConfigError {
        value: text.to_owned(),
        ..e
    })
}

pub(super) fn channels(text: &str) -> Result<Channels, ConfigError> {
    Channels::new(text.parse().unwrap_or(0)).map_err(|e| ConfigError {
        value: text.to_owned(),
        ..e
    })
}

/// A sample format without byte order.
pub(super) fn sample(text: &str) -> Result<SampleFormat, ConfigError> {
    text.parse::<PcmFormat>()
        .ok()
        .filter(|_| !text.ends_with("be"))
        .map(|pcm| pcm.sample)
        .ok_or_else(|| ConfigError::new("sample format", text, "known are u8, s16, s24, s32, f32"))
}

pub(super) fn dscp(text: &str) -> Result<Dscp, ConfigError> {
    match text.to_ascii_lowercase().as_str() {
        "ef" => Ok(Dscp::EXPEDITED),
        "af41" => Ok(Dscp::AF41),
        "be" => Ok(Dscp::BEST_EFFORT),
        number => number
            .parse()
            .ok()
            .and_then(|n| Dscp::new(n).ok())
            .ok_or_else(|| ConfigError::new("dscp", text, "0 to 63, ef, af41 or be is expected")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_parse_or_say_what_is_allowed() {
        assert_eq!(rate("48000").unwrap(), SampleRate::HZ_48000);
        assert_eq!(sample("s24").unwrap(), SampleFormat::S24);
        assert_eq!(dscp("EF").unwrap(), Dscp::EXPEDITED);
        let told = |e: ConfigError, part: &str| assert!(e.to_string().contains(part), "{e}");
        told(
            rate("fast").unwrap_err(),
            "fast is not possible; a sample rate",
        );
        told(channels("0").unwrap_err(), "1 to 1024");
        told(sample("s24be").unwrap_err(), "u8, s16");
        told(dscp("64").unwrap_err(), "0 to 63");
        told(duration("soon").unwrap_err(), "1:30");
    }
}

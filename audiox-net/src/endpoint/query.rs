//! The parts of a URL: host, port, and keys with values.

use std::net::Ipv4Addr;
use std::str::FromStr;
use std::time::Duration;

use audiox_core::ConfigError;
use audiox_core::format::{Channels, SampleRate};

use super::address::{NetAddress, NetOptions};
use super::{EndpointError, parse_ptime};
use crate::udp::{Dscp, Interface, RtcpPort};

/// A URL after its scheme, taken apart. Each key is one of the known and occurs once.
#[derive(Debug)]
pub(super) struct Query {
    host: String,
    port: u16,
    pairs: Vec<(&'static str, String)>,
}

impl Query {
    pub(super) fn parse(
        url: &str,
        rest: &str,
        known: &[&[&'static str]],
    ) -> Result<Self, EndpointError> {
        let syntax = |reason: &str| EndpointError::Syntax {
            url: url.to_owned(),
            reason: reason.to_owned(),
        };
        let (authority, query) = rest.split_once('?').unwrap_or((rest, ""));
        // `udp://host:port/` is common and means the same.
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        let (host, port) =
            split_authority(authority).ok_or_else(|| syntax("expected host:port, [v6]:port"))?;
        let port = port
            .parse()
            .map_err(|_| syntax("the port is a number from 0 to 65535"))?;
        let host = unescape(host).ok_or_else(|| syntax("malformed % escape in the host"))?;
        if host.contains(['/', '@', '#']) || host.contains(char::is_whitespace) {
            return Err(syntax("expected nothing but host:port before the ?"));
        }

        let mut pairs = Vec::new();
        for part in query.split('&').filter(|p| !p.is_empty()) {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            let Some(key) = known.iter().copied().flatten().find(|k| **k == key) else {
                return Err(EndpointError::UnknownKey {
                    url: url.to_owned(),
                    key: key.to_owned(),
                    known: known.concat().join(", "),
                });
            };
            if pairs.iter().any(|(k, _)| k == key) {
                return Err(syntax(&format!("{key} is given twice")));
            }
            let value = unescape(value)
                .ok_or_else(|| syntax(&format!("malformed % escape in the value of {key}")))?;
            pairs.push((*key, value));
        }
        Ok(Self { host, port, pairs })
    }

    /// The value of `key`, which is then done with.
    fn take(&mut self, key: &str) -> Option<String> {
        let at = self.pairs.iter().position(|(k, _)| *k == key)?;
        Some(self.pairs.swap_remove(at).1)
    }

    /// A value that parses itself and says what is wrong with it.
    pub(super) fn parsed<T>(&mut self, key: &'static str) -> Result<Option<T>, ConfigError>
    where
        T: FromStr<Err = ConfigError>,
    {
        let parsed = self.take(key).map(|v| v.parse()).transpose();
        parsed.map_err(|e: ConfigError| ConfigError { field: key, ..e })
    }

    pub(super) fn number(
        &mut self,
        key: &'static str,
        min: u64,
        max: u64,
    ) -> Result<Option<u64>, ConfigError> {
        let Some(value) = self.take(key) else {
            return Ok(None);
        };
        match value.parse() {
            Ok(n) if (min..=max).contains(&n) => Ok(Some(n)),
            _ => Err(ConfigError::new(
                key,
                quoted(&value),
                format!("a number from {min} to {max} is expected"),
            )),
        }
    }

    pub(super) fn rate(&mut self) -> Result<Option<SampleRate>, ConfigError> {
        self.number("rate", 1, 768_000)?
            .map(|hz| SampleRate::new(hz as u32))
            .transpose()
    }

    pub(super) fn channels(&mut self) -> Result<Option<Channels>, ConfigError> {
        self.number("channels", 1, 1_024)?
            .map(|n| Channels::new(n as u16))
            .transpose()
    }

    pub(super) fn ptime(&mut self) -> Result<Option<Duration>, ConfigError> {
        self.take("ptime").map(|v| parse_ptime(&v)).transpose()
    }

    pub(super) fn duration(&mut self, key: &'static str) -> Result<Option<Duration>, ConfigError> {
        let parsed = self.take(key).map(|v| parse_ptime(&v)).transpose();
        parsed.map_err(|e| ConfigError { field: key, ..e })
    }

    pub(super) fn ssrc(&mut self) -> Result<Option<u32>, ConfigError> {
        let Some(value) = self.take("ssrc") else {
            return Ok(None);
        };
        let parsed = match value.strip_prefix("0x") {
            Some(hex) => u32::from_str_radix(hex, 16),
            None => value.parse(),
        };
        parsed.map(Some).map_err(|_| {
            ConfigError::new(
                "ssrc",
                quoted(&value),
                "a number of 32 bits is expected, decimal or as 0x1234abcd",
            )
        })
    }

    pub(super) fn rtcp(&mut self) -> Result<RtcpPort, ConfigError> {
        let mux = self.flag("rtcp-mux")?;
        match self.number("rtcp", 1, 65_535)? {
            Some(_) if mux => Err(ConfigError::new(
                "rtcp",
                "a port beside rtcp-mux",
                "give one or the other",
            )),
            Some(port) => Ok(RtcpPort::Port(port as u16)),
            None if mux => Ok(RtcpPort::Mux),
            None => Ok(RtcpPort::Next),
        }
    }

    fn flag(&mut self, key: &'static str) -> Result<bool, ConfigError> {
        Ok(self.switch(key)?.unwrap_or(false))
    }

    pub(super) fn switch(&mut self, key: &'static str) -> Result<Option<bool>, ConfigError> {
        match self.take(key).as_deref() {
            None => Ok(None),
            Some("0" | "no" | "false" | "off") => Ok(Some(false)),
            Some("" | "1" | "yes" | "true" | "on") => Ok(Some(true)),
            Some(other) => Err(ConfigError::new(
                key,
                quoted(other),
                "give it alone, or with 1 or 0",
            )),
        }
    }

    /// Host, port and the keys of [`NetOptions`].
    pub(super) fn address(&mut self) -> Result<NetAddress, ConfigError> {
        let dscp =
            match self.take("dscp").as_deref() {
                None => None,
                Some("ef" | "EF") => Some(Dscp::EXPEDITED),
                Some("af41" | "AF41") => Some(Dscp::AF41),
                Some("be" | "BE") => Some(Dscp::BEST_EFFORT),
                Some(n) => Some(n.parse().ok().and_then(|n| Dscp::new(n).ok()).ok_or_else(
                    || ConfigError::new("dscp", quoted(n), "0 to 63, ef, af41 or be is expected"),
                )?),
            };
        let sources = self.take("source").unwrap_or_default();
        let sources = sources
            .split(',')
            .filter(|s| !s.is_empty())
            .map(|s| {
                s.parse::<Ipv4Addr>().map_err(|_| {
                    ConfigError::new(
                        "source",
                        quoted(s),
                        "IPv4 addresses are expected, separated by commas",
                    )
                })
            })
            .collect::<Result<_, _>>()?;
        Ok(NetAddress {
            options: NetOptions {
                ttl: self.number("ttl", 0, 255)?.map(|n| n as u8),
                interface: Interface::from(self.take("iface").unwrap_or_default().as_str()),
                sources,
                dscp,
                // The least MTU of IPv4, and the most that a length field can say.
                mtu: self.number("mtu", 68, 65_535)?.map(|n| n as usize),
                broadcast: self.flag("broadcast")?,
                receive_buffer: self.number("rcvbuf", 1, 1 << 30)?.map(|n| n as usize),
            },
            host: std::mem::take(&mut self.host),
            port: self.port,
        })
    }
}

/// Host and port; an IPv6 address stands in brackets, which are taken off.
fn split_authority(s: &str) -> Option<(&str, &str)> {
    if let Some(rest) = s.strip_prefix('[') {
        let (host, port) = rest.split_once(']')?;
        return Some((host, port.strip_prefix(':')?));
    }
    let (host, port) = s.rsplit_once(':')?;
    (!host.contains(':')).then_some((host, port))
}

/// Resolves `%41`; an IPv6 zone's bare `%` before anything but two hex digits stays. None where
/// what comes of it is no text.
pub fn unescape(s: &str) -> Option<String> {
    let mut out = Vec::with_capacity(s.len());
    let mut bytes = s.as_bytes();
    while let Some((&b, rest)) = bytes.split_first() {
        bytes = rest;
        let escaped = (b == b'%')
            .then(|| rest.get(..2))
            .flatten()
            .filter(|hex| hex.iter().all(u8::is_ascii_hexdigit))
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match escaped {
            Some(byte) => {
                out.push(byte);
                bytes = &rest[2..];
            }
            None => out.push(b),
        }
    }
    String::from_utf8(out).ok()
}

/// A decimal number times `unit`, exactly; `None` where it is no number, has digits below one
/// or does not fit.
pub(crate) fn decimal(s: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = s.split_once('.').unwrap_or((s, ""));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    let whole = match whole {
        "" => 0,
        n => n.parse::<u64>().ok()?.checked_mul(unit)?,
    };
    let mut place = unit;
    let mut sum = whole;
    for digit in fraction.trim_end_matches('0').bytes() {
        if !place.is_multiple_of(10) {
            return None;
        }
        place /= 10;
        sum = sum.checked_add(place * u64::from(digit - b'0'))?;
    }
    Some(sum)
}

fn quoted(value: &str) -> String {
    format!("{value:?}")
}

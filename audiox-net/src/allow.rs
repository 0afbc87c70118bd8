//! Which addresses are let in, or sent to.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use audiox_core::ConfigError;

/// Addresses with a common prefix, as `192.168.2.0/24`, or a single one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressRange {
    first: IpAddr,
    bits: u8,
}

impl AddressRange {
    /// Whether `ip` is in it. An IPv4 address counts as such also in its IPv6 form.
    pub fn contains(&self, ip: IpAddr) -> bool {
        prefix(ip.to_canonical(), self.bits) == Some(self.first)
            && ip.to_canonical().is_ipv4() == self.first.is_ipv4()
    }
}

impl FromStr for AddressRange {
    type Err = ConfigError;

    fn from_str(s: &str) -> Result<Self, ConfigError> {
        let wrong = || {
            let allowed = "an address or a range, as 192.168.2.7, 192.168.2.0/24 or fd00::/8";
            ConfigError::new("allow", format_args!("'{s}'"), allowed)
        };
        let (ip, bits) = match s.split_once('/') {
            Some((ip, bits)) => (ip, Some(bits.parse::<u8>().map_err(|_| wrong())?)),
            None => (s, None),
        };
        let ip: IpAddr = ip.parse().map_err(|_| wrong())?;
        let bits = bits.unwrap_or_else(|| if ip.is_ipv4() { 32 } else { 128 });
        let first = prefix(ip, bits).ok_or_else(wrong)?;
        if first == ip {
            return Ok(Self { first, bits });
        }
        let allowed = format!("{ip} is inside that range; it begins at {first}/{bits}");
        Err(ConfigError::new("allow", format_args!("'{s}'"), allowed))
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.bits)
    }
}

/// Ranges of addresses; empty, it has all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AllowList(Vec<AddressRange>);

impl AllowList {
    /// These ranges; all addresses where there is none.
    pub fn new(ranges: Vec<AddressRange>) -> Self {
        Self(ranges)
    }

    /// Whether `ip` is in one of them.
    pub fn allows(&self, ip: IpAddr) -> bool {
        self.0.is_empty() || self.0.iter().any(|range| range.contains(ip))
    }
}

impl fmt::Display for AllowList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, range) in self.0.iter().enumerate() {
            let comma = if n == 0 { "" } else { ", " };
            write!(f, "{comma}{range}")?;
        }
        Ok(())
    }
}

/// `ip` with all but its first `bits` cleared; `None` where it has fewer.
fn prefix(ip: IpAddr, bits: u8) -> Option<IpAddr> {
    match ip {
        IpAddr::V4(v4) => {
            let cleared = 32u32.checked_sub(bits.into())?;
            let mask = u32::MAX.checked_shl(cleared).unwrap_or(0);
            Some(Ipv4Addr::from_bits(v4.to_bits() & mask).into())
        }
        IpAddr::V6(v6) => {
            let cleared = 128u32.checked_sub(bits.into())?;
            let mask = u128::MAX.checked_shl(cleared).unwrap_or(0);
            Some(Ipv6Addr::from_bits(v6.to_bits() & mask).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(ranges: &[&str]) -> AllowList {
        AllowList::new(ranges.iter().map(|r| r.parse().unwrap()).collect())
    }

    #[test]
    fn ranges_have_what_their_prefix_says() {
        let allowed = list(&["192.168.2.0/24", "10.0.0.7", "fd00::/8"]);
        for (ip, expected) in [
            ("192.168.2.0", true),
            ("192.168.2.255", true),
            ("::ffff:192.168.2.9", true),
            ("192.168.3.0", false),
            ("10.0.0.7", true),
            ("10.0.0.8", false),
            ("fdff::1", true),
            ("fe80::1", false),
        ] {
            assert_eq!(allowed.allows(ip.parse().unwrap()), expected, "{ip}");
        }
        assert_eq!(allowed.to_string(), "192.168.2.0/24, 10.0.0.7/32, fd00::/8");
        assert!(AllowList::default().allows("203.0.113.1".parse().unwrap()));
        let all = list(&["0.0.0.0/0"]);
        assert!(all.allows("203.0.113.1".parse().unwrap()));
        assert!(!all.allows("::1".parse().unwrap()));
        assert!(!list(&["::/0"]).allows("10.0.0.1".parse().unwrap()));
    }

    #[test]
    fn what_is_no_range_is_told() {
        for bad in [
            "",
            "10.0.0",
            "10.0.0.0/33",
            "fd00::/129",
            "10.0.0.0/x",
            "host",
        ] {
            assert_eq!(
                bad.parse::<AddressRange>().unwrap_err().field,
                "allow",
                "{bad}"
            );
        }
        let inside = "192.168.2.7/24".parse::<AddressRange>().unwrap_err();
        assert!(inside.to_string().contains("192.168.2.0/24"), "{inside}");
    }
}

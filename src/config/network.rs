//! Ranges of addresses, as several keys have them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, de};

/// A range of addresses: `192.168.0.0/16`, `fd00::/8`, or a single address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix_len: u8,
}

impl Network {
    /// Its first address.
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// Whether `address` is within it.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix_len)).unwrap_or(0);
                network.to_bits() == address.to_bits() & mask
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix_len)).unwrap_or(0);
                network.to_bits() == address.to_bits() & mask
            }
            _ => false,
        }
    }

    /// The network of this address and prefix length. `None` when the prefix is longer than an address.
    pub fn around(address: IpAddr, prefix_len: u8) -> Option<Self> {
        let address = match address {
            IpAddr::V4(address) => {
                let rest = 32_u32.checked_sub(u32::from(prefix_len))?;
                IpAddr::from(Ipv4Addr::from_bits(address.to_bits() & u32::MAX.checked_shl(rest).unwrap_or(0)))
            }
            IpAddr::V6(address) => {
                let rest = 128_u32.checked_sub(u32::from(prefix_len))?;
                IpAddr::from(Ipv6Addr::from_bits(address.to_bits() & u128::MAX.checked_shl(rest).unwrap_or(0)))
            }
        };
        Some(Self { address, prefix_len })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_len)
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a network, such as \"192.168.0.0/16\" or \"fd00::/8\", nor an address");
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let prefix_len = match prefix {
            None => {
                if address.is_ipv4() {
                    32
                } else {
                    128
                }
            }
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().map_err(|_| wrong())?,
            Some(_) => return Err(wrong()),
        };
        let network = Self::around(address, prefix_len).ok_or_else(wrong)?;
        // A slip in one of the two numbers would open or close the wrong door.
        if network.address != address {
            return Err(format!("{text:?} is an address within a network; the network is \"{network}\""));
        }
        Ok(network)
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_contain_what_their_prefix_says() {
        for (network, inside, outside) in [
            (
                "192.168.0.0/16",
                &["192.168.0.1", "192.168.255.255", "::ffff:192.168.3.4"][..],
                &["192.169.0.0", "::1"][..],
            ),
            ("10.1.2.3", &["10.1.2.3"], &["10.1.2.4"]),
            ("0.0.0.0/0", &["8.8.8.8"], &["2001:db8::1"]),
            ("fd00::/8", &["fd12:3456::1"], &["fe80::1", "10.0.0.1"]),
            ("::1", &["::1"], &["::2", "127.0.0.1"]),
            ("::/0", &["2001:db8::1"], &["1.2.3.4"]),
        ] {
            let parsed: Network = network.parse().unwrap();
            for (addresses, expected) in [(inside, true), (outside, false)] {
                for address in addresses {
                    assert_eq!(parsed.contains(address.parse().unwrap()), expected, "{network} and {address}");
                }
            }
        }
        for wrong in ["", "localhost", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/+8", "10.0.0.0/8/8", "10.0.0/8"]
        {
            assert!(wrong.parse::<Network>().unwrap_err().contains("is not a network"), "{wrong}");
        }
        let error = "192.168.1.7/16".parse::<Network>().unwrap_err();
        assert!(error.contains("the network is \"192.168.0.0/16\""), "{error}");
    }
}

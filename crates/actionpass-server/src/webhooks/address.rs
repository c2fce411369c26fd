//! Which addresses a webhook may be sent to: public ones, and those of networks that the configuration names.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use actionpass_home::Network;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// Finds the addresses of a receiver and refuses the name if any of them isn't permitted. What it gives is what is connected to.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) networks: Vec<Network>,
    /// Whether this machine is permitted, for plain http.
    pub(super) may_be_loopback: bool,
}

impl Resolver for Checked {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = DefaultResolver::default().resolve(uri, config, timeout)?;
        match found.iter().find(|address| !self.permits(address.ip())) {
            None => Ok(found),
            Some(refused) => {
                let problem = format!(
                    "the address {} is not public, and no network of the webhook has it",
                    refused.ip()
                );
                Err(std::io::Error::new(std::io::ErrorKind::PermissionDenied, problem).into())
            }
        }
    }
}

impl Checked {
    fn permits(&self, address: IpAddr) -> bool {
        // An address of IPv4 inside of one of IPv6 is where it leads to.
        let leads_to = match address {
            IpAddr::V4(address) => IpAddr::V4(address),
            IpAddr::V6(address) => embedded(&address).map_or(IpAddr::V6(address), IpAddr::V4),
        };
        if self.may_be_loopback {
            return address.is_loopback();
        }
        is_public(leads_to) || self.networks.iter().any(|network| network.contains(leads_to))
    }
}

/// The address of IPv4 in one of IPv6: mapped, compatible, NAT64 (RFC 6052), 6to4 (RFC 3056).
fn embedded(address: &Ipv6Addr) -> Option<Ipv4Addr> {
    let segments = address.segments();
    let of = |high: u16, low: u16| Ipv4Addr::from_bits((u32::from(high) << 16) | u32::from(low));
    match segments {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(of(high, low)),
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => Some(of(high, low)),
        [0x2002, high, low, ..] => Some(of(high, low)),
        _ => None,
    }
}

/// Whether an address is of the public internet (the registries of RFC 6890).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [first, second, third, _] = address.octets();
            !(first == 0
                || address.is_private()
                || address.is_loopback()
                || address.is_link_local()
                || address.is_documentation()
                // Shared by providers (RFC 6598), protocol assignments, relays of 6to4, benchmarks, multicast and above.
                || (first == 100 && second & 0xc0 == 64)
                || (first == 192 && second == 0 && third == 0)
                || (first == 192 && second == 88 && third == 99)
                || (first == 198 && second & 0xfe == 18)
                || first >= 224)
        }
        IpAddr::V6(address) => {
            let [first, second, third, ..] = address.segments();
            // What is global unicast, but for protocol assignments (Teredo among them), documentation and NAT64 of one's own.
            (first & 0xe000 == 0x2000)
                && !(first == 0x2001 && second < 0x200)
                && !(first == 0x2001 && second == 0xdb8)
                && !(first == 0x3fff && second < 0x1000)
                && !(first == 0x64 && second == 0xff9b && third == 1)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permits(networks: &[&str], address: &str) -> bool {
        let checked = Checked {
            networks: networks.iter().map(|network| network.parse().unwrap()).collect(),
            may_be_loopback: false,
        };
        checked.permits(address.parse().unwrap())
    }

    #[test]
    fn nothing_but_the_public_internet_is_reached() {
        for public in [
            "8.8.8.8",
            "93.184.216.34",
            "100.63.0.1",
            "172.32.0.1",
            "2606:4700::1111",
            "64:ff9b::808:808",
        ] {
            assert!(permits(&[], public), "{public}");
        }
        for other in [
            "0.0.0.0",
            "10.1.2.3",
            "127.0.0.1",
            "127.9.9.9",
            "100.64.0.1",
            "100.127.255.255",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::10.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2002:a00:1::1",
            "2001::1",
            "2001:db8::1",
            "3fff::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "100::1",
        ] {
            assert!(!permits(&[], other), "{other}");
        }
    }

    #[test]
    fn networks_are_permitted_by_name_alone() {
        assert!(permits(&["10.0.0.0/8"], "10.1.2.3") && permits(&["10.0.0.0/8"], "::ffff:10.1.2.3"));
        assert!(!permits(&["10.0.0.0/8"], "192.168.0.1") && permits(&["fd00::/8"], "fd12::1"));
        let local = Checked {
            networks: Vec::new(),
            may_be_loopback: true,
        };
        assert!(local.permits("127.0.0.1".parse().unwrap()) && local.permits("::1".parse().unwrap()));
        assert!(!local.permits("8.8.8.8".parse().unwrap()) && !local.permits("10.0.0.1".parse().unwrap()));
    }
}

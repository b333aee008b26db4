// SPDX-License-Identifier: MIT OR Apache-2.0
//! `NO_PROXY`: hosts to reach without a proxy, separated by commas or blanks.
//!
//! ```text
//! example.com     the host and its subdomains; the same with `.` or `*.` before it
//! h.example:8080  only this port; also for addresses: 10.0.0.1:8080, [fd00::1]:8080
//! 10.0.0.1        an address; also fd00::1 and [fd00::1]
//! 10.0.0.0/8      a network; also fd00::/8
//! *               everything
//! ```

use std::net::IpAddr;

use super::HostPort;

/// An entry of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    host: Host,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    Any,
    /// An address, and the number of its leading bits that count.
    Net(IpAddr, u32),
    /// A domain, in lower case.
    Domain(String),
}

impl Rule {
    /// Parses all entries of a list. Anything but an address is treated as a name.
    pub(super) fn parse_list(list: &str) -> impl Iterator<Item = Self> {
        list.split([',', ' ', '\t']).filter(|entry| !entry.is_empty()).map(Self::parse)
    }

    fn parse(entry: &str) -> Self {
        if let Some((addr, bits)) = entry.split_once('/')
            && let (Ok(addr), Ok(bits)) = (unbracketed(addr).parse(), bits.parse())
        {
            return Self { host: Host::Net(addr, bits), port: None };
        }
        let (name, port) = match entry.rsplit_once(':') {
            // More than one colon without brackets: an address without a port.
            Some((name, port)) if !name.contains(':') || name.ends_with(']') => {
                port.parse().map_or((entry, None), |port| (name, Some(port)))
            }
            _ => (entry, None),
        };
        let host = match unbracketed(name).parse::<IpAddr>() {
            Ok(addr) => Host::Net(addr, u32::MAX),
            Err(_) if name == "*" => Host::Any,
            Err(_) => {
                let domain = name.trim_start_matches("*.").trim_matches('.');
                Host::Domain(domain.to_ascii_lowercase())
            }
        };
        Self { host, port }
    }

    /// Whether `at` is reached without the proxy.
    pub(super) fn covers(&self, at: &HostPort) -> bool {
        self.port.is_none_or(|port| port == at.port)
            && match &self.host {
                Host::Any => true,
                Host::Net(net, bits) => at.host.parse().is_ok_and(|addr| is_in(addr, *net, *bits)),
                Host::Domain(domain) => {
                    let host = at.host.trim_end_matches('.').to_ascii_lowercase();
                    host == *domain
                        || host.strip_suffix(domain).is_some_and(|head| head.ends_with('.'))
                }
            }
    }
}

fn unbracketed(text: &str) -> &str {
    text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text)
}

/// Whether the first `bits` of both addresses are equal.
fn is_in(addr: IpAddr, net: IpAddr, bits: u32) -> bool {
    match (addr.to_canonical(), net.to_canonical()) {
        (IpAddr::V4(addr), IpAddr::V4(net)) => {
            let differ = addr.to_bits() ^ net.to_bits();
            differ.leading_zeros() >= bits.min(u32::BITS)
        }
        (IpAddr::V6(addr), IpAddr::V6(net)) => {
            let differ = addr.to_bits() ^ net.to_bits();
            differ.leading_zeros() >= bits.min(u128::BITS)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(list: &str, host: &str, port: u16) -> bool {
        let at = HostPort { host: host.to_owned(), port };
        Rule::parse_list(list).any(|rule| rule.covers(&at))
    }

    #[test]
    fn names_cover_what_is_below_them() {
        for list in ["example.com", ".example.com", "*.Example.com", "x, example.com"] {
            assert!(covers(list, "example.com", 1) && covers(list, "a.EXAMPLE.com.", 1), "{list}");
            assert!(!covers(list, "badexample.com", 1), "{list}");
        }
        assert!(covers("*", "x", 1) && !covers("", "x", 1) && !covers("com.x", "com", 1));
    }

    #[test]
    fn a_port_limits_an_entry_to_it() {
        assert!(covers("h.example:8080", "h.example", 8080));
        assert!(!covers("h.example:8080", "h.example", 80));
        assert!(covers("10.0.0.1:80", "10.0.0.1", 80) && !covers("10.0.0.1:80", "10.0.0.1", 81));
        assert!(covers("[fd00::1]:80", "fd00::1", 80) && !covers("[fd00::1]:80", "fd00::1", 81));
    }

    #[test]
    fn addresses_and_networks_are_compared_as_such() {
        assert!(covers("[fd00::1]", "fd00::1", 1) && covers("fd00::1", "fd00:0::1", 1));
        assert!(covers("10.0.0.0/8", "10.1.2.3", 1) && !covers("10.0.0.0/8", "11.1.2.3", 1));
        assert!(covers("fd00::/8", "fdff::1", 1) && !covers("fd00::/8", "fe00::1", 1));
        assert!(covers("0.0.0.0/0", "1.2.3.4", 1) && !covers("0.0.0.0/0", "::1", 1));
        assert!(!covers("10.0.0.0/8", "ten.example", 1) && !covers("10.0.0.1", "10.0.0.10", 1));
    }
}

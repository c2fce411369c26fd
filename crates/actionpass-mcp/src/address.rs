//! Whether an address is on the origin of a page where approvals are given, as whoever opens it would read it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether the address is on one of these origins. One of the web whose host can be read in more than one way counts as such.
/// Other ports of an origin without one count too: to people it is the same place.
pub(crate) fn is_on(url: &str, origins: &[String]) -> bool {
    let Some(theirs) = Site::read(url) else {
        return false;
    };
    let Some(theirs) = theirs else { return true };
    let mut ours = origins.iter().filter_map(|origin| Site::read(origin).flatten());
    ours.any(|ours| ours.host == theirs.host && (ours.port.is_none() || ours.port == theirs.port))
}

/// Host and port of an address of the web.
#[derive(Debug, Eq, PartialEq)]
struct Site {
    host: String,
    /// `None` if it is that of the scheme.
    port: Option<u16>,
}

impl Site {
    /// `None` if it is no address of the web, `Some(None)` if it is one and what it leads to is in doubt.
    fn read(url: &str) -> Option<Option<Self>> {
        // Browsers leave out these, and take one kind of slash for the other, any number of them.
        let url = url.trim_matches(|c: char| c.is_whitespace() || c.is_control());
        let url: String = url.chars().filter(|c| !matches!(c, '\t' | '\n' | '\r')).collect();
        let (scheme, rest) = url.split_once(':')?;
        let usual = match scheme.to_ascii_lowercase().as_str() {
            "http" => 80,
            "https" => 443,
            _ => return None,
        };
        let rest = rest.trim_start_matches(['/', '\\']);
        let authority = rest.split(['/', '\\', '?', '#']).next().unwrap_or_default();
        let place = authority.rsplit('@').next().unwrap_or_default();
        let (host, port) = match place
            .rfind(':')
            .filter(|at| !place.get(*at..).unwrap_or_default().contains(']'))
        {
            Some(at) => place.split_at_checked(at).unwrap_or_default(),
            None => (place, ""),
        };
        let port = match port.trim_start_matches(':') {
            "" => None,
            port => match port.parse::<u16>() {
                Ok(port) => Some(port).filter(|port| *port != usual),
                Err(_) => return Some(None),
            },
        };
        Some(plain(host).map(|host| Self { host, port }))
    }
}

/// The host as it is compared; `None` unless it is written plainly.
fn plain(host: &str) -> Option<String> {
    const LOCAL: &str = "localhost";
    let host = host.to_ascii_lowercase();
    let address = if let Some(literal) = host.strip_prefix('[') {
        let literal: Ipv6Addr = literal.strip_suffix(']')?.parse().ok()?;
        Some(literal.to_canonical())
    } else {
        let host = host.strip_suffix('.').unwrap_or(&host);
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        if host.is_empty() || !host.bytes().all(is_plain) {
            return None;
        }
        // What ends with a number is an address of version 4, in a number of ways; this is the plain one.
        let last = host.rsplit('.').next().unwrap_or_default();
        let is_number = last.starts_with("0x") || last.bytes().all(|byte| byte.is_ascii_digit());
        match is_number {
            true => Some(IpAddr::V4(host.parse::<Ipv4Addr>().ok()?)),
            false if host == LOCAL || host.ends_with(".localhost") => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            false => return Some(host.to_owned()),
        }
    };
    address.map(|address| match address.is_loopback() || address.is_unspecified() {
        true => LOCAL.to_owned(),
        false => address.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_of_numbers_is_read_or_in_doubt() {
        let origins = ["http://127.0.0.1:8787".to_owned(), "https://10.0.0.1".to_owned()];
        for url in [
            "http://localhost:8787/r/1",
            "http://x.localhost:8787",
            "http://[::1]:8787/",
            "http://[::ffff:127.0.0.1]:8787/",
            "http://0.0.0.0:8787/",
            "http://127.1:8787/",
            "http://0x7f000001:8787/",
            "http://2130706433:8787/",
            "https://10.0.0.1/",
            "https://10.0.0.1:9/",
            "https://0xa000001/",
            "https://",
            "https://a:b:c/",
            "https://host:99999/",
        ] {
            assert!(is_on(url, &origins), "{url}");
        }
        for url in [
            "http://localhost:3000/",
            "http://127.0.0.1/",
            "https://10.0.0.2/",
            "https://example.com/?a=10.0.0.1",
            "file:///10.0.0.1",
            "x",
        ] {
            assert!(!is_on(url, &origins), "{url}");
        }
    }
}

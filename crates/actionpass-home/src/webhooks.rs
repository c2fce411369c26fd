//! [`Webhook`]: where events of approval requests are posted, `[[webhook]]` of `config.toml`.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;
use std::str::FromStr;

use actionpass_custodians::SecretSource;
use actionpass_model::Tenant;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// What can happen to an approval request, as events name it.
pub const REQUEST_EVENTS: [&str; 7] = ["opened", "approve", "decline", "used", "cancel", "expire", "lift"];

/// A receiver of events of approval requests, closed: a key that isn't known refuses the file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Webhook {
    /// What logs call it.
    #[serde(deserialize_with = "name")]
    pub name: String,
    /// Where to: `https://…`.
    pub url: HttpUrl,
    /// What keeps the secret, `whsec_…`. Only Slack's, which signs nothing, may do without.
    #[serde(default, deserialize_with = "parsed_if_there")]
    pub secret: Option<SecretSource>,
    /// How events are written.
    #[serde(default)]
    pub format: WebhookFormat,
    /// Of these tenants; of all if there are none.
    #[serde(default)]
    pub tenants: Vec<Tenant>,
    /// These; all if there are none.
    #[serde(default, deserialize_with = "events")]
    pub events: Vec<String>,
    /// Networks that are not public and that it may be in.
    #[serde(default, deserialize_with = "networks")]
    pub networks: Vec<Network>,
    /// The file of the certificates that the receiver's leads to, PEM, in the place of the system's; relative to the home.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// Whether `http://` to this machine is accepted: whoever else is on it reads what is sent.
    #[serde(default)]
    pub dangerously_permit_plain_http: bool,
}

/// How events are written.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum WebhookFormat {
    /// As Standard Webhooks has it.
    #[default]
    Standard,
    /// As incoming webhooks of Slack take messages.
    Slack,
}

/// Where something is sent to. The URL may be a secret itself, so `Debug` shows its host alone.
#[derive(Clone, Eq, PartialEq)]
pub struct HttpUrl(String);

/// A network: an address and how many of its first bits count.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Webhook {
    /// What is wrong with it beyond its single keys.
    pub(crate) fn problem(&self) -> Option<&'static str> {
        if !self.url.is_tls() {
            if !self.dangerously_permit_plain_http {
                return Some("a webhook's `url` is https");
            }
            if !self.url.is_loopback() {
                return Some("plain http goes to this machine alone: 127.0.0.1, [::1] or localhost");
            }
        }
        if self.ca.is_some() && !self.url.is_tls() {
            return Some("`ca` is for https");
        }
        if self.secret.is_none() && self.format == WebhookFormat::Standard {
            return Some("a webhook has a `secret`, or its receiver believes anybody");
        }
        None
    }
}

impl HttpUrl {
    /// Reads a URL: `http` or `https`, without user, password and fragment.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let rest = rest.ok_or("a URL begins with `https://`")?;
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) || text.contains(['#', '\\', '"', '<', '>']) {
            return Err("a URL is printable ASCII without `#`");
        }
        if authority.contains('@') {
            return Err("a URL names no user");
        }
        let url = Self(text.to_owned());
        if url.host().is_empty() {
            return Err("a URL names no host");
        }
        Ok(url)
    }

    /// The URL, which may be a secret.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is `https`.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.0.starts_with("https://")
    }

    /// The host, without a port; an IPv6 address in brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        let rest = self.0.split_once("://").map_or("", |(_, rest)| rest);
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        match authority.find(']') {
            Some(end) => authority.get(..=end).unwrap_or_default(),
            None => authority.split(':').next().unwrap_or_default(),
        }
    }

    /// Whether the host is this machine, by address or as `localhost`.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        matches!(self.host(), "127.0.0.1" | "[::1]" | "localhost")
    }
}

impl fmt::Debug for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HttpUrl").field(&self.host()).finish()
    }
}

impl<'de> Deserialize<'de> for HttpUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl Network {
    /// Whether an address is in it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                starts_alike(own.to_bits().into(), other.to_bits().into(), self.bits, 32)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => starts_alike(own.to_bits(), other.to_bits(), self.bits, 128),
            _ => false,
        }
    }
}

/// Whether two addresses of this width have their first bits in common.
const fn starts_alike(one: u128, other: u128, bits: u8, width: u8) -> bool {
    match (one ^ other).checked_shr(width.saturating_sub(bits) as u32) {
        Some(rest) => rest == 0,
        // None counts.
        None => true,
    }
}

impl FromStr for Network {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        const PROBLEM: &str = "a network is an address, `/` and how many bits of it count";
        let (address, bits) = text.split_once('/').ok_or(PROBLEM)?;
        let address: IpAddr = address.parse().map_err(|_| PROBLEM)?;
        let bits: u8 = bits.parse().map_err(|_| PROBLEM)?;
        let (width, is_mapped) = match address {
            IpAddr::V4(_) => (32, false),
            IpAddr::V6(address) => (128, is_v4(&address)),
        };
        if bits > width {
            return Err(PROBLEM);
        }
        if is_mapped {
            return Err("a network of IPv4 is written as one");
        }
        Ok(Self { address, bits })
    }
}

fn is_v4(address: &Ipv6Addr) -> bool {
    address.to_ipv4_mapped().is_some()
}

fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let name = String::deserialize(deserializer)?;
    let is_name = (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    is_name
        .then_some(name)
        .ok_or_else(|| D::Error::custom("a webhook's `name` is up to 64 letters, digits, `.`, `_` and `-`"))
}

fn parsed_if_there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SecretSource>, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map(Some).map_err(D::Error::custom)
}

fn events<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let events: Vec<String> = Vec::deserialize(deserializer)?;
    match events.iter().find(|event| !REQUEST_EVENTS.contains(&event.as_str())) {
        Some(event) => Err(D::Error::custom(format!(
            "`{event}` is no event: {}",
            REQUEST_EVENTS.join(", ")
        ))),
        None => Ok(events),
    }
}

fn networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Network>, D::Error> {
    let texts: Vec<String> = Vec::deserialize(deserializer)?;
    let networks = texts.iter().map(|text| text.parse().map_err(D::Error::custom));
    networks.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn webhook(text: &str) -> Result<Webhook, String> {
        let webhook: Webhook = toml::from_str(text).map_err(|error| error.message().to_owned())?;
        webhook.problem().map_or(Ok(webhook), |problem| Err(problem.to_owned()))
    }

    #[test]
    fn a_receiver_is_reached_by_tls_and_signed_for() {
        let whole = webhook(
            "name = 'ops'\nurl = 'https://hooks.example:8443/a/b?c'\nsecret = 'env:SECRET'\nevents = ['opened']\n\
             tenants = ['org:a']\nnetworks = ['10.0.0.0/8', 'fd00::/8']",
        )
        .unwrap();
        assert_eq!(
            (whole.url.host(), whole.format),
            ("hooks.example", WebhookFormat::Standard)
        );
        assert!(!format!("{whole:?}").contains("/a/b"));
        webhook("name = 'chat'\nurl = 'https://hooks.slack.com/services/T/B/X'\nformat = 'slack'").unwrap();
        let local = "name = 'x'\nsecret = 'env:S'\ndangerously_permit_plain_http = true\n";
        for url in ["http://127.0.0.1:9/x", "http://[::1]:9", "http://localhost"] {
            webhook(&format!("{local}url = '{url}'")).unwrap();
            assert!(
                webhook(&format!("name = 'x'\nsecret = 'env:S'\nurl = '{url}'")).is_err(),
                "{url}"
            );
        }
        for url in [
            "http://10.0.0.1/",
            "http://127.0.0.1.example/",
            "http://127.0.0.1@evil.example/",
            "https://u:p@h/",
            "https://",
            "https:///x",
            "ftp://h/",
            "https://h/#x",
            "https://h/ x",
            "https://h/\u{e9}",
            "HTTPS://h/",
            "//h",
            "",
        ] {
            assert!(webhook(&format!("{local}url = '{url}'")).is_err(), "{url}");
        }
        for wrong in [
            "name = 'x'\nurl = 'https://h/'",
            "name = ''\nurl = 'https://h/'\nsecret = 'env:S'",
            "name = 'x y'\nurl = 'https://h/'\nsecret = 'env:S'",
            "name = 'x'\nurl = 'https://h/'\nsecret = 'whsec_AAAA'",
            "name = 'x'\nurl = 'https://h/'\nsecret = 'env:S'\nevents = ['open']",
            "name = 'x'\nurl = 'https://h/'\nsecret = 'env:S'\nnetworks = ['10.0.0.0/33']",
            "name = 'x'\nurl = 'https://h/'\nsecret = 'env:S'\nnetworks = ['::ffff:10.0.0.0/104']",
            "name = 'x'\nurl = 'https://h/'\nsecret = 'env:S'\nformat = 'teams'",
            "name = 'x'\nurl = 'http://[::1]/'\nsecret = 'env:S'\ndangerously_permit_plain_http = true\nca = 'ca.pem'",
            "name = 'x'\nurl = 'https://h/'\nsecret = 'env:S'\ndangerous = true",
        ] {
            assert!(webhook(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_network_is_its_first_bits() {
        let holds =
            |network: &str, address: &str| network.parse::<Network>().unwrap().contains(address.parse().unwrap());
        assert!(holds("10.0.0.0/8", "10.255.0.1") && !holds("10.0.0.0/8", "11.0.0.1"));
        assert!(holds("192.0.2.7/32", "192.0.2.7") && !holds("192.0.2.7/32", "192.0.2.6"));
        assert!(holds("0.0.0.0/0", "8.8.8.8") && !holds("0.0.0.0/0", "::1"));
        assert!(holds("fd00::/8", "fdff::1") && !holds("fd00::/8", "fe80::1") && holds("::/0", "::1"));
    }
}

//! `[serve]` of `config.toml`: where the service listens, under which names, and how much it takes at once.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use actionpass_custodians::SecretSource;
use actionpass_model::WebOrigin;
use serde::{Deserialize, Deserializer};

use crate::{HttpUrl, duration};

/// Where the service listens unless something else is said.
pub const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8311);

/// `[serve]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Serve {
    /// The address; [`DEFAULT_LISTEN`] unless it is set.
    #[serde(default)]
    pub listen: Option<SocketAddr>,
    /// The origin of the page, which is that of passkeys too; `http://localhost:PORT` unless it is set.
    #[serde(default, deserialize_with = "origin")]
    pub origin: Option<WebOrigin>,
    /// The names besides under which programs know the service, each with its port unless that is the scheme's own.
    #[serde(default, deserialize_with = "hosts")]
    pub hosts: Vec<String>,
    /// The file of the certificate, PEM, with those that lead to its root; relative to the home. Both this and the key, or
    /// neither.
    #[serde(default)]
    pub tls_certificate: Option<PathBuf>,
    /// The file of the certificate's private key, PEM; relative to the home.
    #[serde(default)]
    pub tls_key: Option<PathBuf>,
    /// The path of a Unix socket; relative to the home.
    #[serde(default)]
    pub socket: Option<PathBuf>,
    /// Who may read the metrics.
    #[serde(default)]
    pub metrics: Metrics,
    /// The collector of OpenTelemetry that traces and metrics are sent to.
    #[serde(default)]
    pub otlp: Option<Otlp>,
    #[serde(default)]
    limits: LimitsTable,
}

/// `[serve.otlp]`: a collector that takes OTLP over HTTP.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Otlp {
    /// Where it is: `/v1/traces` and `/v1/metrics` are below.
    #[serde(deserialize_with = "endpoint")]
    pub endpoint: HttpUrl,
    /// What keeps the value of the header `Authorization`; only over TLS, or to this machine.
    #[serde(default, deserialize_with = "secret")]
    pub authorization: Option<SecretSource>,
    /// The file of the certificates that the collector's leads to, PEM, in the place of the system's; relative to the home.
    #[serde(default)]
    pub ca: Option<PathBuf>,
}

impl Otlp {
    /// A collector that wants no authorization and has a certificate that the system trusts.
    #[must_use]
    pub const fn new(endpoint: HttpUrl) -> Self {
        Self {
            endpoint,
            authorization: None,
            ca: None,
        }
    }

    fn problem(&self) -> Option<&'static str> {
        if self.authorization.is_some() && !self.endpoint.is_tls() && !self.endpoint.is_loopback() {
            return Some("`[serve.otlp]` sends its `authorization` by https, or to this machine");
        }
        (self.ca.is_some() && !self.endpoint.is_tls()).then_some("`ca` of `[serve.otlp]` is for https")
    }
}

/// Who may read the metrics.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Metrics {
    /// Clients that may read the ledger, or administer.
    #[default]
    Clients,
    /// Whoever connects from this host besides.
    Open,
}

/// How much the service takes at once, and how long it waits for others.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ServeLimits {
    /// How many connections there may be.
    pub connections: usize,
    /// How many more there may be of which only the page and votes are answered.
    pub page_connections: usize,
    /// How many calls of the API run at once.
    pub calls: usize,
    /// How many of them may be of one client; of calls of the page and votes, half may be.
    pub calls_per_client: usize,
    /// How many calls of the page, and votes, run at once.
    pub page_calls: usize,
    /// How many calls may wait for people.
    pub parked: usize,
    /// How many of them may be of one client.
    pub parked_per_client: usize,
    /// How many streams of events there may be.
    pub streams: usize,
    /// How many of them may be of one client, or of one person at the page.
    pub streams_per_client: usize,
    /// How many votes one client may cast within a minute.
    pub votes_per_minute: u32,
    /// How large the header of a request may be, its first line included, in bytes.
    pub header_bytes: usize,
    /// How long a header may take to arrive, from its first byte.
    pub header_time: Duration,
    /// How long a connection may be open without a request.
    pub keep_alive_time: Duration,
    /// How long a body may take to arrive.
    pub body_time: Duration,
    /// How long a request may take, the time that it is parked left out.
    pub request_time: Duration,
    /// How long a peer may take nothing of what it is sent.
    pub idle_time: Duration,
    /// How long what runs when the service stops may go on.
    pub stop_time: Duration,
}

impl ServeLimits {
    /// The limits unless others are set.
    pub const DEFAULT: Self = Self {
        connections: 12_288,
        page_connections: 256,
        calls: 512,
        calls_per_client: 384,
        page_calls: 64,
        parked: 10_000,
        parked_per_client: 7_500,
        streams: 1_024,
        streams_per_client: 768,
        votes_per_minute: 120,
        header_bytes: 16 << 10,
        header_time: Duration::from_secs(15),
        keep_alive_time: Duration::from_secs(90),
        body_time: Duration::from_secs(10),
        request_time: Duration::from_secs(30),
        idle_time: Duration::from_secs(60),
        stop_time: Duration::from_secs(10),
    };
}

impl Default for ServeLimits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// `[serve.limits]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitsTable {
    #[serde(default, deserialize_with = "count")]
    connections: Option<usize>,
    #[serde(default, deserialize_with = "count")]
    page_connections: Option<usize>,
    #[serde(default, deserialize_with = "count")]
    calls: Option<usize>,
    #[serde(default, deserialize_with = "count")]
    calls_per_client: Option<usize>,
    #[serde(default, deserialize_with = "count")]
    page_calls: Option<usize>,
    #[serde(default, deserialize_with = "count")]
    parked: Option<usize>,
    #[serde(default, deserialize_with = "count")]
    parked_per_client: Option<usize>,
    #[serde(default, deserialize_with = "count")]
    streams: Option<usize>,
    #[serde(default, deserialize_with = "count")]
    streams_per_client: Option<usize>,
    #[serde(default, deserialize_with = "count")]
    votes_per_minute: Option<usize>,
    #[serde(default, deserialize_with = "header_bytes")]
    header_bytes: Option<usize>,
    #[serde(default, deserialize_with = "time")]
    header_time: Option<Duration>,
    #[serde(default, deserialize_with = "time")]
    keep_alive_time: Option<Duration>,
    #[serde(default, deserialize_with = "time")]
    body_time: Option<Duration>,
    #[serde(default, deserialize_with = "time")]
    request_time: Option<Duration>,
    #[serde(default, deserialize_with = "time")]
    idle_time: Option<Duration>,
    #[serde(default, deserialize_with = "time")]
    stop_time: Option<Duration>,
}

impl Serve {
    /// How much is taken at once: [`ServeLimits::DEFAULT`] unless `[serve.limits]` says something else. Of one client it is three
    /// quarters of all calls, parked calls and streams, unless that is said too.
    #[must_use]
    pub fn limits(&self) -> ServeLimits {
        let (said, default) = (&self.limits, ServeLimits::DEFAULT);
        let calls = said.calls.unwrap_or(default.calls);
        let parked = said.parked.unwrap_or(default.parked);
        let streams = said.streams.unwrap_or(default.streams);
        let share = |all: usize| all.saturating_sub(all / 4);
        let votes = said.votes_per_minute.and_then(|votes| u32::try_from(votes).ok());
        ServeLimits {
            connections: said.connections.unwrap_or(default.connections),
            page_connections: said.page_connections.unwrap_or(default.page_connections),
            calls,
            calls_per_client: said.calls_per_client.unwrap_or(share(calls)),
            page_calls: said.page_calls.unwrap_or(default.page_calls),
            parked,
            parked_per_client: said.parked_per_client.unwrap_or(share(parked)),
            streams,
            streams_per_client: said.streams_per_client.unwrap_or(share(streams)),
            votes_per_minute: votes.unwrap_or(default.votes_per_minute),
            header_bytes: said.header_bytes.unwrap_or(default.header_bytes),
            header_time: said.header_time.unwrap_or(default.header_time),
            keep_alive_time: said.keep_alive_time.unwrap_or(default.keep_alive_time),
            body_time: said.body_time.unwrap_or(default.body_time),
            request_time: said.request_time.unwrap_or(default.request_time),
            idle_time: said.idle_time.unwrap_or(default.idle_time),
            stop_time: said.stop_time.unwrap_or(default.stop_time),
        }
    }

    /// What is wrong with it as a whole.
    pub(crate) fn problem(&self) -> Option<&'static str> {
        if self.tls_certificate.is_some() != self.tls_key.is_some() {
            return Some("`[serve]` has one of `tls_certificate` and `tls_key` without the other");
        }
        self.otlp.as_ref().and_then(Otlp::problem)
    }
}

fn endpoint<'de, D: Deserializer<'de>>(deserializer: D) -> Result<HttpUrl, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.contains('?') {
        return Err(serde::de::Error::custom("the endpoint of a collector has no query"));
    }
    HttpUrl::parse(&text).map_err(serde::de::Error::custom)
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SecretSource>, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map(Some).map_err(serde::de::Error::custom)
}

fn origin<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<WebOrigin>, D::Error> {
    let text = String::deserialize(deserializer)?;
    WebOrigin::parse(&text).map(Some).map_err(serde::de::Error::custom)
}

/// Names as `Host` has them: lower case, with a port or without.
fn hosts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let hosts = Vec::<String>::deserialize(deserializer)?;
    for host in &hosts {
        let (name, port) = match host.rsplit_once(':') {
            Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => {
                (name, port.parse::<u16>().is_ok())
            }
            _ => (host.as_str(), true),
        };
        let is_name = name.bytes().all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.' | b'[' | b']' | b':')
        });
        if name.is_empty() || !is_name || !port {
            return Err(serde::de::Error::custom(format!(
                "`{}` is not a host in lower case, with or without a port",
                host.escape_debug()
            )));
        }
    }
    Ok(hosts)
}

/// The largest count that a limit may have.
const MOST: usize = 1 << 20;

fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
    crate::limit(u64::deserialize(deserializer)?, MOST)
        .map(Some)
        .map_err(serde::de::Error::custom)
}

fn header_bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
    match usize::deserialize(deserializer)? {
        bytes @ 1_024..=262_144 => Ok(Some(bytes)),
        _ => Err(serde::de::Error::custom("a header has between 1024 and 262144 bytes")),
    }
}

/// A second at least, and an hour at most.
fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let time = duration::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)?;
    if time.is_zero() || time > Duration::from_secs(3600) {
        return Err(serde::de::Error::custom("this time is between a second and an hour"));
    }
    Ok(Some(time))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serve(text: &str) -> Result<Serve, toml::de::Error> {
        toml::from_str(text)
    }

    #[test]
    fn what_is_not_said_has_its_default() {
        let empty = serve("").unwrap();
        assert_eq!(empty.limits(), ServeLimits::DEFAULT);
        assert_eq!((empty.listen, empty.metrics), (None, Metrics::Clients));
        let said = serve(
            "listen = \"[::1]:1\"\norigin = \"https://a.example\"\nhosts = [\"b.example:8311\", \"[::1]:1\"]\n\
             metrics = \"open\"\n[limits]\ncalls = 7\nstreams = 5\nvotes_per_minute = 8\nstop_time = \"2m\"\n",
        )
        .unwrap();
        let mut limits = ServeLimits::DEFAULT;
        // One client has three quarters of the calls and streams, rounded up.
        (limits.calls, limits.calls_per_client, limits.votes_per_minute) = (7, 6, 8);
        (limits.streams, limits.streams_per_client) = (5, 4);
        limits.stop_time = Duration::from_secs(120);
        assert_eq!(said.limits(), limits);
        assert_eq!(said.listen, Some("[::1]:1".parse().unwrap()));
        assert_eq!(said.metrics, Metrics::Open);
    }

    #[test]
    fn what_is_wrong_is_refused_where_it_stands() {
        for wrong in [
            "listen = \"localhost:1\"",
            "listen = \"127.0.0.1\"",
            "origin = \"http://a.example\"",
            "origin = \"https://127.0.0.1\"",
            "origin = \"https://[::1]\"",
            "origin = \"https://a.example/\"",
            "hosts = [\"A.example\"]",
            "hosts = [\"a.example:99999\"]",
            "hosts = [\"https://a.example\"]",
            "hosts = [\"\"]",
            "metrics = \"all\"",
            "tls = true",
            "[otlp]\nendpoint = \"collector:4318\"",
            "[otlp]\nendpoint = \"https://user@collector\"",
            "[otlp]\nendpoint = \"https://collector/?token=x\"",
            "[otlp]\nauthorization = \"env:TOKEN\"",
            "[otlp]\nendpoint = \"https://collector\"\nauthorization = \"Bearer x\"",
            "[limits]\ncalls = 0",
            "[limits]\nconnections = 1048577",
            "[limits]\nheader_bytes = 1023",
            "[limits]\nheader_time = \"0s\"",
            "[limits]\nidle_time = \"2h\"",
            "[limits]\nbody_bytes = 1",
        ] {
            let error = serve(wrong).unwrap_err();
            assert!(error.span().is_some(), "{wrong}");
        }
    }

    #[test]
    fn what_a_collector_is_authorized_by_goes_over_tls() {
        let problem = |rest: &str| {
            let said = serve(&format!("[otlp]\nauthorization = \"env:TOKEN\"\nendpoint = {rest}")).unwrap();
            said.problem().is_some()
        };
        assert!(!problem("\"https://collector.example\"\nca = \"ca.pem\""));
        assert!(!problem("\"http://localhost:4318/otlp\""));
        assert!(problem("\"http://collector.example:4318\""));
        assert!(problem("\"http://localhost:4318\"\nca = \"ca.pem\""));
    }

    #[test]
    fn a_certificate_needs_its_key() {
        assert!(serve("tls_certificate = \"a\"").unwrap().problem().is_some());
        assert!(serve("tls_key = \"a\"").unwrap().problem().is_some());
        assert!(
            serve("tls_certificate = \"a\"\ntls_key = \"b\"")
                .unwrap()
                .problem()
                .is_none()
        );
    }
}

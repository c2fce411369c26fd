//! [`Settings`]: where the service listens, and under which names.

use std::net::SocketAddr;
use std::path::PathBuf;

use actionpass_home::{DEFAULT_LISTEN, Home, Metrics, Otlp, Serve, ServeLimits};
use actionpass_model::WebOrigin;

/// Where the service listens, and under which names it is known.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// The address.
    pub listen: SocketAddr,
    /// The origin of the page, which is that of passkeys too; `http://localhost:PORT` unless it is set.
    pub origin: Option<WebOrigin>,
    /// The names besides under which programs know the service.
    pub hosts: Vec<String>,
    /// The files of the certificate and its key; without them the service speaks plain HTTP.
    pub tls: Option<TlsFiles>,
    /// The path of the Unix socket.
    pub socket: Option<PathBuf>,
    /// Who may read the metrics.
    pub metrics: Metrics,
    /// The collector of OpenTelemetry that traces and metrics are sent to; needs the feature `otlp`.
    pub otlp: Option<Otlp>,
    /// How much is taken at once.
    pub limits: ServeLimits,
}

/// The files of a certificate and its private key, PEM.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct TlsFiles {
    /// The certificate, and those that lead to its root.
    pub certificate: PathBuf,
    /// The key, which its owner alone may read.
    pub key: PathBuf,
}

impl Settings {
    /// Where it listens unless something else is said.
    pub const DEFAULT_LISTEN: SocketAddr = DEFAULT_LISTEN;

    /// What `[serve]` of a home says; its paths are relative to the home.
    #[must_use]
    pub fn of(serve: &Serve, home: &Home) -> Self {
        let path = |path: &PathBuf| home.root().join(path);
        let tls = serve.tls_certificate.as_ref().zip(serve.tls_key.as_ref());
        Self {
            listen: serve.listen.unwrap_or(DEFAULT_LISTEN),
            origin: serve.origin.clone(),
            hosts: serve.hosts.clone(),
            tls: tls.map(|(certificate, key)| TlsFiles {
                certificate: path(certificate),
                key: path(key),
            }),
            socket: serve.socket.as_ref().map(path),
            metrics: serve.metrics,
            otlp: serve.otlp.clone().map(|mut otlp| {
                otlp.ca = otlp.ca.as_ref().map(path);
                otlp.authorization = otlp.authorization.map(|source| source.below(home.root()));
                otlp
            }),
            limits: serve.limits(),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: DEFAULT_LISTEN,
            origin: None,
            hosts: Vec::new(),
            tls: None,
            socket: None,
            metrics: Metrics::default(),
            otlp: None,
            limits: ServeLimits::DEFAULT,
        }
    }
}

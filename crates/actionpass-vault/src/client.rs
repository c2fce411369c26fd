//! [`Client`]: requests to one server, each bounded in time and size.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actionpass_custody::Secret;
use serde_json::Value;
use ureq::http::{Request, Response};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::unversioned::transport::DefaultConnector;
use ureq::{Agent, Body, Proxy, RequestExt};

use crate::fault::{Fault, message};
use crate::login::{Login, Source};
use crate::lookup::Lookup;
use crate::settings::{Settings, is_loopback};

/// Connections that are kept open, one for each thread that signs.
pub(crate) const CONNECTIONS: usize = 4;

/// A key of a thousand versions is a quarter of this.
const MAX_ANSWER_BYTES: u64 = 1024 * 1024;

/// When everything has to be done by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(Option<Instant>);

impl Deadline {
    pub(crate) fn after(time: Duration) -> Self {
        Self(Instant::now().checked_add(time))
    }

    fn left(self) -> Option<Duration> {
        self.0.map(|end| end.saturating_duration_since(Instant::now()))
    }
}

/// One server, one namespace, one login. Its connections are shared.
pub(crate) struct Client {
    agent: Agent,
    lookup: Lookup,
    /// What stands before `/v1/`.
    base: String,
    /// The `Host` of requests, where that is not the host of `base`.
    host: Option<String>,
    /// The namespace of the key.
    namespace: Option<String>,
    /// The namespace that the login is in.
    home: Option<String>,
    login: Login,
}

/// What a request may do to the server.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum Effect {
    /// Nothing: it may be sent again on a new connection if the one that it went over was dead.
    Nothing,
    /// It changes something: it is sent once.
    Change,
}

impl Client {
    pub(crate) fn new(settings: Settings, source: Source, namespace: Option<String>) -> Result<Self, Fault> {
        let Settings { server, .. } = &settings;
        let malformed = || Fault::Forbidden("the name of the server in its certificate is not a host");
        let authority = server.authority().map_or("", |authority| authority.as_str());
        let scheme = server.scheme_str().unwrap_or_default();
        let is_tls = scheme == "https";
        let name = settings.tls_server_name.as_deref().filter(|_| is_tls);
        // The connection is to the server, the URL names what its certificate is for.
        let (host, base) = match name {
            Some(name) => {
                let port = server.port_u16().unwrap_or(443);
                (Some(authority.to_owned()), format!("{scheme}://{name}:{port}"))
            }
            None => (None, format!("{scheme}://{authority}")),
        };
        let base: ureq::http::Uri = base.parse().map_err(|_| malformed())?;
        let lookup = Lookup::new(base.host().ok_or_else(malformed)?, server.clone());
        let proxy = Some(()).filter(|()| is_tls && name.is_none() && !is_loopback(server));
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .https_only(is_tls)
            .max_redirects(0)
            .proxy(proxy.and_then(|()| Proxy::try_from_env()))
            .max_idle_connections(CONNECTIONS)
            .max_idle_connections_per_host(CONNECTIONS)
            .max_idle_age(Duration::from_secs(60));
        if is_tls {
            let provider = rustls::crypto::aws_lc_rs::default_provider();
            let tls = TlsConfig::builder()
                .unversioned_rustls_crypto_provider(Arc::new(provider))
                .root_certs(RootCerts::from(authorities(&settings)?))
                .build();
            config = config.tls_config(tls);
        }
        Ok(Self {
            agent: Agent::with_parts(config.build(), DefaultConnector::new(), lookup.clone()),
            lookup,
            base: format!(
                "{}{}",
                base.to_string().trim_end_matches('/'),
                server.path().trim_end_matches('/')
            ),
            host,
            home: settings.namespace.clone().or_else(|| namespace.clone()),
            namespace,
            login: Login::new(source),
        })
    }

    /// Makes a request about the key.
    pub(crate) fn call(
        &self,
        path: &str,
        body: Option<&Value>,
        effect: Effect,
        deadline: Deadline,
    ) -> Result<Value, Fault> {
        let token = self.login.token(self, deadline)?;
        let call = |token: &Secret| {
            let secret = token.expose_str().unwrap_or_default();
            let namespace = self.namespace.as_deref();
            self.send(path, body, Some(token), namespace, &[secret], effect, deadline)
        };
        match call(&token) {
            Err(Fault::Declined { status: 403, message }) => match self.login.renew(self, &token, deadline)? {
                Some(token) => call(&token),
                None => Err(Fault::Declined { status: 403, message }),
            },
            outcome => outcome,
        }
    }

    /// Makes a request without a token, to get one.
    pub(crate) fn log_in(
        &self,
        path: &str,
        body: &Value,
        secrets: &[&str],
        deadline: Deadline,
    ) -> Result<Value, Fault> {
        let namespace = self.home.as_deref();
        self.send(path, Some(body), None, namespace, secrets, Effect::Change, deadline)
    }

    #[expect(clippy::too_many_arguments, reason = "they are the parts of one request")]
    fn send(
        &self,
        path: &str,
        body: Option<&Value>,
        token: Option<&Secret>,
        namespace: Option<&str>,
        secrets: &[&str],
        effect: Effect,
        deadline: Deadline,
    ) -> Result<Value, Fault> {
        let once = || -> Result<(u16, Vec<u8>), ureq::Error> {
            let mut request = Request::builder()
                .method(if body.is_some() { "POST" } else { "GET" })
                .uri(format!("{}/v1/{path}", self.base))
                .header("X-Vault-Request", "true");
            if let Some(host) = &self.host {
                request = request.header("Host", host);
            }
            if let Some(namespace) = namespace {
                request = request.header("X-Vault-Namespace", namespace);
            }
            if let Some(token) = token {
                let mut value = ureq::http::HeaderValue::from_bytes(token.expose()).map_err(ureq::http::Error::from)?;
                value.set_sensitive(true);
                request = request.header("X-Vault-Token", value);
            }
            let text = body.map(Value::to_string);
            let response = match text {
                Some(text) => self.run(request.header("Content-Type", "application/json").body(text)?, deadline),
                None => self.run(request.body(())?, deadline),
            };
            let mut response = response?;
            let status = response.status().as_u16();
            let bytes = response
                .body_mut()
                .with_config()
                .limit(MAX_ANSWER_BYTES)
                .read_to_vec()?;
            Ok((status, bytes))
        };
        let outcome = match once() {
            Err(error) if effect == Effect::Nothing && is_broken(&error) => {
                self.lookup.forget();
                once()
            }
            outcome => outcome,
        };
        let (status, bytes) = outcome.map_err(|error| {
            self.lookup.forget();
            match error {
                ureq::Error::BodyExceedsLimit(_) => Fault::Garbled("it is longer than a mebibyte"),
                ureq::Error::Http(_) => Fault::Forbidden("the token has characters that no token has"),
                error => Fault::Unreachable(error),
            }
        })?;
        let answer: Option<Value> = serde_json::from_slice(&bytes).ok();
        match status {
            204 => Ok(Value::Null),
            200..=299 => answer.ok_or(Fault::Garbled("it is not JSON")),
            _ => Err(Fault::of_status(status, message(&answer.unwrap_or_default(), secrets))),
        }
    }

    fn run<B: ureq::AsSendBody>(&self, request: Request<B>, deadline: Deadline) -> Result<Response<Body>, ureq::Error> {
        request
            .with_agent(&self.agent)
            .configure()
            .timeout_global(deadline.left())
            .run()
    }
}

/// Whether a connection broke: a pooled one whose server restarted does when it is used again.
const fn is_broken(error: &ureq::Error) -> bool {
    matches!(
        error,
        ureq::Error::Io(_) | ureq::Error::Protocol(_) | ureq::Error::ConnectionFailed
    )
}

/// Whose certificates count: those of the file, else those of the system.
fn authorities(settings: &Settings) -> Result<Vec<Certificate<'static>>, Fault> {
    let Some(path) = &settings.ca_file else {
        let system = rustls_native_certs::load_native_certs();
        let certificates = system.certs.iter().map(|der| Certificate::from_der(der).to_owned());
        return Ok(certificates.collect());
    };
    let pem = std::fs::read(path).map_err(|source| Fault::Unreadable {
        path: path.display().to_string(),
        source,
    })?;
    let certificates = parse_pem(&pem).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    });
    let certificates: Vec<_> = certificates.collect();
    if certificates.is_empty() {
        return Err(Fault::Forbidden(
            "the file of authorities (VAULT_CACERT) has no certificate in PEM",
        ));
    }
    Ok(certificates)
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("base", &self.base)
            .field("login", &self.login)
            .finish_non_exhaustive()
    }
}
